"""`onebook strategies`, `new-strategy` and `check`: what they print, write and refuse."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import strategies
from tests.cli.conftest import document, invoke

DOC = (Path(__file__).resolve().parents[2] / "docs" / "cli.md").read_text(encoding="utf-8")

CHEAT = '''
from strategies.template import *

def prepare(bars, params):
    columns = np.full((1, bars.close.size), np.nan)
    columns[0, :-1] = bars.close[1:]
    return columns

def on_bar(bars, columns, t, state, params):
    return market(1.0 if columns[0, t] > bars.close[t] else 0.0)

STRATEGY = Strategy("cheat", Params, prepare, on_bar, lambda params: 5, 0, "Cheats.", False)
'''


def test_every_strategy_is_listed_with_defaults_inside_their_ranges():
    listed = {entry["name"]: entry for entry in document("strategies")["strategies"]}
    assert sorted(listed) == strategies.names()
    for entry in listed.values():
        assert entry["summary"].endswith(".")
        for parameter in entry["parameters"].values():
            low, high = parameter["range"]
            assert low <= parameter["default"] <= high
    assert listed["pairs"]["symbols"] == [2, 2] and listed["pairs"]["together"]
    assert not listed["sma_cross"]["together"] and listed["sma_cross"]["allow_short"]
    assert all(f"`{key}`" in DOC for entry in listed.values() for key in entry)


def test_people_see_names_summaries_and_ranges():
    shown = invoke("strategies").stdout
    assert all(name in shown for name in strategies.names()) and "lookback=126 (1..100000)" in shown


def test_a_new_strategy_works_at_once(elsewhere):
    made = document("new-strategy", "my-idea")
    assert made == {"path": "my_idea.py", "name": "my_idea"}
    text = (elsewhere / "my_idea.py").read_text(encoding="utf-8")
    assert 'name="my_idea"' in text and "./my_idea.py" in text and "template" not in text
    checked = document("check", "./my_idea.py", "-p", "n=20", "--cuts", "10", "--starts", "3")
    assert checked["findings"] == [] and checked["strategy"] == "my_idea" and checked["compiled"]
    words = ("backtest", "run", "./my_idea.py", "--start", "2016-01-04", "--end", "2017-12-29", "--no-picture")
    done = document(*words)
    assert done["orders"] > 0 and not any("plain Python" in note for note in done["notes"])


PLAIN = """
from strategies.template import *

def on_bar(bars, columns, t, state, params):
    return market(float(sorted([columns[0, t], bars.close[t]])[0] == columns[0, t])) if t > 60 else no_opinion()

STRATEGY = Strategy("plain", Params, prepare, on_bar, warmup, 0, "In plain Python.", False)
"""


def test_a_strategy_in_plain_python_runs_and_the_run_says_so(elsewhere):
    (elsewhere / "plain.py").write_text(PLAIN)
    done = document("backtest", "run", "./plain.py", "--start", "2016-01-04", "--end", "2017-12-29", "--no-picture")
    assert done["orders"] > 0
    assert any("The strategy plain is plain Python" in note for note in done["notes"])
    assert not document("check", "./plain.py", "--cuts", "2", "--starts", "1", "--bars", "500")["compiled"]


def test_a_new_strategy_never_writes_over_a_file(elsewhere):
    (elsewhere / "mine.py").write_text("precious")
    result = invoke("new-strategy", "mine")
    assert result.exit_code == 2 and "mine.py exists already" in result.stderr
    assert (elsewhere / "mine.py").read_text() == "precious"


@pytest.mark.parametrize("name", ["Sma", "../x", "9lives", "a b", "", "sma_cross", "sma-cross", "x" * 41])
def test_a_name_that_cannot_be_a_strategy_is_refused_and_nothing_is_written(elsewhere, name):
    result = invoke("new-strategy", name)
    assert result.exit_code == 2 and list(elsewhere.iterdir()) == []


def test_a_look_ahead_leaves_with_a_finding_and_says_where_and_how_much(elsewhere):
    (elsewhere / "cheat.py").write_text(CHEAT)
    result = invoke("check", "./cheat.py", "--json")
    assert result.exit_code == 3
    found = json.loads(result.stdout)
    assert [one["kind"] for one in found["findings"]] == ["look-ahead"] and not found["compiled"]
    one = found["findings"][0]
    assert (one["symbol"], one["field"], one["whole"], one["part"], one["difference"]) == ("SPX", "target", 1.0, 0.0, -1.0)
    assert one["columns"][0]["row"] == 0 and one["columns"][0]["whole"] > 0 and one["columns"][0]["part"] is None
    assert one["time"].endswith("Z") and one["bar"] == one["history"] - 1
    keys = {*found, *one, *one["columns"][0], *found["start_up"][0]}
    assert {key for key in keys if f"`{key}`" not in DOC} == set()


def test_people_read_the_finding_as_a_sentence(elsewhere):
    (elsewhere / "cheat.py").write_text(CHEAT)
    result = invoke("check", "./cheat.py")
    assert result.exit_code == 3
    assert "look-ahead: SPX, bar " in result.stdout and "target is 1 with the whole history and 0 when the history ends" in result.stdout
    assert "column 0: " in result.stdout and "shift(-1)" in result.stdout and "plain Python" in result.stdout


MISDECLARED = """
from dataclasses import replace
from strategies.columnar import ABOVE, Test, column, opposite
from strategies.indicators import ema
from strategies.library.sma_cross import STRATEGY as CROSS

def columnar(params):
    return opposite(1.0, 0.0, Test(column(ema, "close", params.fast), ABOVE, column(ema, "close", params.slow)))

STRATEGY = replace(CROSS, name="misdeclared", columnar=columnar)
"""


def test_columns_that_wish_something_else_leave_with_a_finding_that_names_the_first_bar(elsewhere):
    (elsewhere / "misdeclared.py").write_text(MISDECLARED)
    words = ("check", "./misdeclared.py", "--bars", "500", "--cuts", "2", "--starts", "1")
    result = invoke(*words, "--json")
    assert result.exit_code == 3
    (one,) = (told := json.loads(result.stdout))["findings"]
    assert told["columnar"] and (one["kind"], one["field"], one["runs"]) == ("columns", "target", 500)
    shown = invoke(*words).stdout
    assert f"columns: SPX, bar {one['bar']} ({one['time']}): target is " in shown and f"{one['disagree']} of 500 bars disagree" in shown
    assert "A sweep believes the columns" in shown


def test_an_honest_strategy_leaves_with_zero_and_says_what_was_tried():
    result = invoke("check", "sma_cross", "-p", "fast=5", "--cuts", "10", "--bars", "1000")
    assert result.exit_code == 0
    assert "sma_cross: no finding on 1000 bars, 11 ends and 8 starts; the declared columns wish the same at every bar" in result.stdout


def test_a_strategy_of_several_instruments_is_checked_on_both_bundled_indices():
    found = document("check", "momentum_rotation", "--cuts", "4", "--starts", "2")
    assert found["symbols"] == ["SPX", "COMP"] and found["findings"] == [] and found["bars"] == 10_000


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["sma_cros"], ["did you mean sma_cross"]),
        (["sma_cross", "-p", "fast=50"], ["fast=50", "slow=30"]),
        (["sma_cross", "--data", "none.csv"], ["none.csv"]),
        (["pairs", "--data", "sp500"], ["1 instruments given", "exactly 2"]),
        (["sma_cross", "--bars", "40"], ["40 bars cannot show much", "at least 62"]),
        (["sma_cross", "--cuts", "0"], ["--cuts"]),
    ],
)
def test_a_wrong_word_is_named(words, says):
    result = invoke("check", *words)
    assert result.exit_code == 2, result.output
    assert all(word in result.stderr for word in says), result.stderr
