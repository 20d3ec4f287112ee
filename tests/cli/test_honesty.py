"""`onebook walkforward`, `overfit`, `backtest lint`: documented documents, true counts, and what they refuse."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from sim.honesty import trials
from sim.honesty.checks import CHECKS
from strategies import library
from tests.cli.conftest import document, invoke

DOC = (Path(__file__).resolve().parent.parent.parent / "docs" / "cli.md").read_text(encoding="utf-8")
SECTION = DOC.partition("## Is it luck?")[2].partition("\n## ")[0] + DOC.partition("## Backtests")[2].partition("\n## ")[0]
SPAN = ("--start", "2013-01-02", "--end", "2015-12-31")
FAMILY = "sma_cross on SPX 1d"
STRATEGY_WORDS = {"fast", "slow", "allow_short"}


def keys_of(value) -> set[str]:
    """Return every key of a document, at any depth, but those of parameters."""
    if isinstance(value, list):
        return set().union(*map(keys_of, value)) if value else set()
    if not isinstance(value, dict):
        return set()
    return set(value).union(*(keys_of(part) for part in value.values())) if value else set()


@pytest.fixture(scope="module")
def walked(tmp_path_factory):
    """Walk forward once, into a book of its own; return the book and the document."""
    book = tmp_path_factory.mktemp("walk") / "a.db"
    words = ("walkforward", "sma_cross", "-p", "fast=5,20", "-p", "slow=10:50:20", "--learn", "250", "--test", "150")
    return book, document(*words, *SPAN, "--book", book)


@pytest.fixture(scope="module")
def judged(walked):
    """Judge the walked session and a plain one beside candidates."""
    book, _ = walked
    document("backtest", "run", "sma_cross", *SPAN, "--book", book, "--no-picture")
    plain = document("overfit", 1, "--book", book, "--draws", "200")
    contest = document("overfit", 2, "-p", "fast=5,10,15", "-p", "slow=30,60", "--book", book, "--draws", "200", "--seed", "7")
    return plain, contest


def test_a_walk_is_stored_counted_and_says_what_it_did(walked):
    book, said = walked
    assert said["candidates"] == 5 and said["refused_combinations"] == 1 and said["session"] == 1
    assert said["new_trials"] == 5 * len(said["windows"]) == said["trials"] - 1, "each candidate of each window, and the walk itself"
    assert [w["test_until"] for w in said["windows"][:-1]] == [w["test_from"] for w in said["windows"][1:]]
    shown = document("backtest", "show", 1, "--book", book)
    same = ("final_equity", "total_return", "sharpe", "max_drawdown", "trades", "fees")
    assert {key: shown[key] for key in same} == {key: said[key] for key in same}
    assert document("book", "check", "--book", book)["holds"] and document("book", "verify", "--book", book)["ok"]


def test_walking_again_adds_no_trial(walked):
    book, said = walked
    before = trials.count(book, FAMILY)
    words = ("walkforward", "sma_cross", "-p", "fast=5,20", "-p", "slow=10:50:20", "--learn", "250", "--test", "150")
    again = document(*words, *SPAN, "--book", book)
    assert again["new_trials"] == 0 and again["trials"] == before == trials.count(book, FAMILY)
    assert {k: v for k, v in again.items() if k not in ("session", "new_trials", "trials")} == {
        k: v for k, v in said.items() if k not in ("session", "new_trials", "trials")
    }


def test_the_report_uses_the_true_count_and_candidates_are_counted(walked, judged):
    book, said = walked
    plain, contest = judged
    assert plain["family"] == contest["family"] == FAMILY and plain["contest"] is None
    assert plain["trials"] == said["trials"] + 1, "the walk, its candidates, and the plain run"
    assert contest["trials"] == plain["trials"] + 5, "six candidates, one of which the plain run had tried"
    assert contest["contest"]["candidates"] == 6 == contest["contest"]["pbo"]["strategies"]
    assert plain["deflated_sharpe"] < plain["probabilistic_sharpe"]


def test_the_same_seed_gives_the_same_document(walked, judged):
    book, _ = walked
    again = document("overfit", 1, "--book", book, "--draws", "200")
    drawn = ("sharpe_interval", "return_interval", "trade_luck", "rule_luck", "beats_holding")
    assert {key: again[key] for key in drawn} == {key: judged[0][key] for key in drawn}
    other = document("overfit", 1, "--book", book, "--draws", "200", "--seed", "2")
    assert other["sharpe_interval"] != again["sharpe_interval"]


def test_lint_finds_and_leaves_with_3(walked, judged):
    book, _ = walked
    result = invoke("backtest", "lint", 2, "--book", book, "--json")
    found = json.loads(result.stdout)
    assert result.exit_code == 3 and "many-trials" in [finding["check"] for finding in found["findings"]]
    names = [f["check"] for f in found["findings"]] + found["passed"] + [u["check"] for u in found["unknown"]]
    assert sorted(names) == sorted(CHECKS)
    people = invoke("backtest", "lint", 2, "--book", book)
    assert people.exit_code == 3 and "many-trials" in people.stdout and "could not judge" in people.stdout


def test_a_strategy_from_a_file_is_asked_again_when_its_file_is_named(tmp_path):
    file, book = tmp_path / "mine.py", tmp_path / "a.db"
    file.write_text((Path(library.__file__).parent / "buy_and_hold.py").read_text().replace('name="buy_and_hold"', 'name="my_own"'))
    document("backtest", "run", file, *SPAN, "--book", book, "--no-picture")
    alone, named = (
        json.loads(invoke("backtest", "lint", 1, "--book", book, "--json", *words).stdout) for words in ((), ("--strategy", file))
    )
    reasons = {unknown["check"]: unknown["reason"] for unknown in alone["unknown"]}
    assert "--strategy FILE" in reasons["look-ahead"] and "look-ahead" in named["passed"] and named["strategy"] == "my_own"
    other = invoke("backtest", "lint", 1, "--book", book, "--strategy", "sma_cross")
    assert other.exit_code == 2 and "the session ran my_own, not sma_cross" in other.stderr


def test_a_clean_run_leaves_with_0(walked, monkeypatch):
    book, _ = walked
    monkeypatch.setattr("sim.honesty.checks.DEFLATED_LEAST", 0.0)
    monkeypatch.setattr("sim.honesty.checks.TRADES_LEAST", 0)
    monkeypatch.setattr("sim.honesty.linter.CHECKS", {name: CHECKS[name] for name in ("few-trades", "many-trials")})
    result = invoke("backtest", "lint", 1, "--book", book, "--json")
    assert result.exit_code == 0 and json.loads(result.stdout)["findings"] == []


def test_every_key_is_documented(walked, judged):
    lint = json.loads(invoke("backtest", "lint", 2, "--book", walked[0], "--json").stdout)
    named = set(re.findall(r"`([a-z_]+)`", SECTION))
    found = keys_of(walked[1]) | keys_of(judged[0]) | keys_of(judged[1]) | keys_of(lint)
    assert found - named - STRATEGY_WORDS == set()


def test_every_check_is_documented():
    assert {name for name in CHECKS if name not in SECTION} == set()


def test_people_get_tables(walked, judged):
    book, _ = walked
    shown = invoke("overfit", 2, "-p", "fast=5,10", "-p", "slow=30", "--book", book, "--draws", "100")
    assert shown.exit_code == 0 and "Deflated Sharpe" in shown.stdout and "Probability of overfitting" in shown.stdout
    words = ("walkforward", "sma_cross", "--learn", "500", "--test", "250", *SPAN, "--book", "new.db")
    walk = invoke(*words)
    assert walk.exit_code == 0 and "1 candidates" in walk.stdout and "stored as session 1 in new.db" in walk.stdout


def test_the_file_of_a_sweep_is_judged_too(elsewhere, walked):
    from sim.honesty.luck.dice import dice
    from tests.sim.honesty.test_sweeps import written

    path = written(elsewhere / "s.parquet", dice(3).standard_normal((800, 24)) * 0.01)
    said = document("overfit", path)
    assert said["sweep"] == str(path) and said["groups"][0]["trials"] == 24 and said["groups"][0]["counted"] is False
    assert keys_of(said) - set(re.findall(r"`([a-z_]+)`", SECTION)) - STRATEGY_WORDS == set()
    shown = invoke("overfit", path)
    assert shown.exit_code == 0 and "the best of 24 tried" in shown.stdout and "no book counted them" in shown.stdout
    result = invoke("overfit", path, "-p", "fast=3")
    assert result.exit_code == 2 and "leave out -p" in result.stderr


WRONG = [
    (["walkforward", "sma_cros"], 2, ["did you mean sma_cross"]),
    (["walkforward", "sma_cross", "-p", "fast"], 2, ["name=1,2,3"]),
    (["walkforward", "sma_cross", "-p", "fast=50", "-p", "slow=30,40"], 2, ["smaller than"]),
    (["walkforward", "sma_cross", "--figure", "fees"], 2, ["'fees'", "sharpe"]),
    (["walkforward", "sma_cross", "--learn", "9999"], 2, ["leave nothing to test", "9999"]),
    (["walkforward", "sma_cross", "--data", "none.csv"], 2, ["none.csv"]),
    (["walkforward", "sma_cross", "--cash", "lots"], 2, ["lots"]),
    (["overfit", "1"], 4, ["no journal"]),
    (["backtest", "lint", "1"], 4, ["no journal"]),
    (["overfit", "1", "--draws", "5"], 2, ["--draws"]),
    (["overfit"], 2, ["SESSION"]),
    (["overfit", "none.parquet"], 2, ["none.parquet", "no file"]),
    (["overfit", "-1"], 2, ["-1"]),
    (["overfit", "0"], 4, ["no journal"]),
]


@pytest.mark.parametrize(("words", "code", "says"), WRONG, ids=[" ".join(row[0]) for row in WRONG])
def test_a_wrong_word_is_named_and_nothing_is_written(elsewhere, words, code, says):
    result = invoke(*words)
    assert result.exit_code == code, result.output
    assert all(word in result.stderr for word in says), result.stderr
    assert result.stdout == "" and "bug" not in result.stderr and list(elsewhere.iterdir()) == []


def test_a_session_that_is_not_there_or_no_backtest_is_named(stored, elsewhere):
    from ledger.journal import Journal

    for words in (("overfit", 99), ("backtest", "lint", 99)):
        result = invoke(*words, "--book", stored.book)
        assert result.exit_code == 2 and "no session 99" in result.stderr
    with Journal.open("fuzz.db") as journal:
        journal.begin("fuzz", "x", config={}).end("done")
    result = invoke("overfit", 1, "--book", "fuzz.db")
    assert result.exit_code == 2 and "only a backtest that is done" in result.stderr


def test_candidates_need_the_bars_of_the_run(elsewhere):
    rows = "\n".join(f"2024-01-{day:02d},10,11,9,{10 + day % 2},1000" for day in (2, 3, 4, 5, 8, 9, 10, 11, 12))
    Path("bars.csv").write_text(f"date,open,high,low,close,volume\n{rows}\n")
    document("backtest", "run", "sma_cross", "-p", "fast=2", "-p", "slow=4", "--data", "bars.csv", "--no-picture")
    assert document("overfit", 1, "-p", "fast=2,3", "-p", "slow=4", "--draws", "100")["contest"]["candidates"] == 2
    Path("bars.csv").unlink()
    result = invoke("overfit", 1, "-p", "fast=2,3", "-p", "slow=4")
    assert result.exit_code == 2 and "not there any more" in result.stderr
    assert document("overfit", 1, "--draws", "100")["contest"] is None, "without candidates no bars are needed"
