"""`onebook backtest export | compare`: files and tables of stored runs, and what they refuse."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest

from tests.cli.conftest import document, invoke


def test_export_writes_what_it_lists(stored, elsewhere):
    words = ("backtest", "export", 1, "--book", stored.book, "--format", "csv", "--format", "json", "--format", "html", "--out", "files")
    listed = document(*words)
    assert set(listed) == {"session", "files"} and len(listed["files"]) == 9
    assert all((elsewhere / path).stat().st_size for path in listed["files"].values())
    run = json.loads((elsewhere / listed["files"]["0001-run.json"]).read_text())
    assert run["figures"]["final_equity"] == stored.run["final_equity"]
    assert sum(Decimal(fill["fee"]) for fill in run["fills"]) == Decimal(stored.run["fees"])


def test_export_of_one_table_writes_one_file(stored, elsewhere):
    listed = document("backtest", "export", 1, "--book", stored.book, "--table", "trades")
    assert list(listed["files"]) == ["0001-trades.csv"]


def test_show_and_export_tell_every_period_and_these_add_up(stored, elsewhere):
    words = ("backtest", "show", 1, "--book", stored.book, "--by", "quarter")
    told = document(*words)
    assert told["by"] == "quarter" and [row["period"] for row in told["periods"]][:2] == ["2016-Q1", "2016-Q2"] and len(told["periods"]) == 8
    assert sum(Decimal(row["profit"]) for row in told["periods"]) == Decimal(stored.run["final_equity"]) - 100_000
    assert sum(Decimal(row["fees"]) for row in told["periods"]) == Decimal(stored.run["fees"])
    assert sum(row["trades"] for row in told["periods"]) == stored.run["trades"]
    doc = (Path(__file__).resolve().parents[2] / "docs" / "cli.md").read_text(encoding="utf-8")
    assert {key for key in (*told["periods"][0], "by", "periods") if f"`{key}`" not in doc} == set()
    assert "By quarter" in (shown := invoke(*words).stdout) and "2017-Q4" in shown and "all" in shown
    assert "periods" not in document(*words[:-2])
    files = document("backtest", "export", 1, "--book", stored.book, "--table", "trades", "--by", "month", "--out", "parts")["files"]
    lines = (elsewhere / files["0001-periods.csv"]).read_text().splitlines()
    assert set(files) == {"0001-trades.csv", "0001-periods.csv"} and len(lines) == 25 and lines[1].startswith("2016-01,")
    for by in ("5min", "fortnight"):
        refused = invoke("backtest", "show", 1, "--book", stored.book, "--by", by)
        assert refused.exit_code == 2 and "session, week, month" in refused.output


def test_compare_shows_differences_to_the_first(stored, elsewhere):
    base = ("backtest", "run", "sma_cross", "--start", "2016-01-04", "--end", "2017-12-29", "--book", "two.db", "--no-picture", "--json", "-q")
    for extra in ((), ("--cash", "50000")):
        assert invoke(*base, *extra).exit_code == 0
    found = document("backtest", "compare", 1, 2, "--book", "two.db", "--html", "--out", "pages")
    final = next(row for row in found["figures"] if row["figure"] == "final_equity")
    assert Decimal(final["values"]["2"]) - Decimal(final["values"]["1"]) == Decimal(final["differences"]["2"])
    assert (elsewhere / found["files"]["comparison"]).read_text().startswith("<!doctype html>")
    shown = invoke("backtest", "compare", 1, 2, "--book", "two.db")
    assert shown.exit_code == 0 and "difference" in shown.stdout and "Sharpe ratio" in shown.stdout


@pytest.mark.parametrize(("words", "named"), [
    (("export", 9), "no session 9"), (("export", 1, "--format", "xls"), "xls"), (("compare", 1), "2 to 6"), (("compare", 1, 1), "different"),
    (("compare", 1, 7), "no session 7"), (("compare",), "SESSIONS"),
])  # fmt: skip
def test_a_wrong_word_is_named_and_nothing_is_written(stored, elsewhere, words, named):
    result = invoke("backtest", *words, "--book", stored.book)
    assert result.exit_code == 2 and named in result.output
    assert list(elsewhere.iterdir()) == []
