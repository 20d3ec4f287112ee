"""`onebook data`: import, list and check as a user meets them."""

from __future__ import annotations

import pytest

from tests.cli.conftest import document, invoke
from tests.sim.data import data_samples as samples


@pytest.fixture
def bars(elsewhere):
    (elsewhere / "abc.csv").write_text(samples.text(samples.rows(120)))
    return elsewhere


def test_imported_bars_are_listed_checked_and_traded(bars):
    kept = document("data", "import", "abc.csv", "sp500")
    assert [(entry["symbol"], entry["done"]) for entry in kept["kept"]] == [("ABC", "new"), ("SPX", "new")]
    listed = document("data", "list")
    assert listed["total"] == 2 and listed["entries"][0]["sha256"] == kept["kept"][0]["sha256"]
    assert document("data", "check")["total"] == 0
    run = document("backtest", "run", "buy_and_hold", "--data", "store", "--symbol", "ABC", "--no-picture")
    assert run["symbols"] == ["ABC"] and run["bars"] == 120
    weekly = document("backtest", "run", "buy_and_hold", "--data", "store", "--symbol", "ABC", "--bar", "1w", "--no-picture")
    assert weekly["bars"] < 30 and any("finer" in note for note in weekly["notes"])


def test_the_store_stands_where_the_setting_says(bars):
    assert document("data", "import", "abc.csv", ONEBOOK_STORE="elsewhere")["store"] == "elsewhere"
    run = document("backtest", "run", "buy_and_hold", "--data", "store", "--symbol", "ABC", "--no-picture", ONEBOOK_STORE="elsewhere")
    assert run["bars"] == 120 and not (bars / "store").exists()


def test_findings_exit_with_three_and_name_row_rule_and_repair(bars):
    lines = samples.rows(120)
    lines[9][4] = "0"
    (bars / "bad.csv").write_text(samples.text(lines))
    result = invoke("data", "check", "bad.csv")
    assert result.exit_code == 3
    for word in ("bad.csv", "11", "close", "greater than zero", "drop-nonpositive", "2 findings"):
        assert word in result.stdout
    found = invoke("data", "check", "bad.csv", "--json")
    assert found.exit_code == 3 and '"row": 11' in found.stdout
    assert invoke("data", "check", "bad.csv", "--repair", "drop-nonpositive", "--repair", "allow-gaps").exit_code == 0


def test_a_bad_file_is_not_imported(bars):
    (bars / "bad.csv").write_text("date,open,high,low,close,volume\n2024-01-02,10,9,11,10,5\n2024-01-03,10,11,9,10,5\n")
    result = invoke("data", "import", "bad.csv")
    assert result.exit_code == 2 and "row 2" in result.output and not (bars / "store").exists()


@pytest.mark.parametrize(("words", "named"), [
    (("list",), "onebook data import"), (("import", "none.csv"), "none.csv"), (("import",), "SOURCES"),
    (("import", "abc.csv", "--calendar", "XLOM"), "XLON"), (("import", "abc.csv", "--repair", "sorted"), "sort"),
])  # fmt: skip
def test_a_wrong_word_is_named(bars, words, named):
    result = invoke("data", *words)
    assert result.exit_code == 2 and named in result.output
