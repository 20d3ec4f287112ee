"""`onebook backtest`: what it prints, what it writes, and what it refuses."""

from __future__ import annotations

import errno
import json
import os
import signal
import sqlite3
import subprocess
import sys
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from cli.exits import sentence
from tests.cli.conftest import document, hear_interrupts, invoke

ROOT = Path(__file__).resolve().parent.parent.parent
DOC = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
MONEY = ("final_equity", "fees", "start_cash", "expectancy", "avg_win", "avg_loss", "best_trade", "worst_trade")
PROMISED = ("session", "final_equity", "total_return", "fees", "orders", "trades", "max_drawdown", "sharpe")


def test_the_document_keeps_its_contract(stored):
    run = stored.run
    assert set(PROMISED) <= run.keys()
    assert all(isinstance(run[key], str) and Decimal(run[key]) == Decimal(run[key]) for key in MONEY)
    assert isinstance(run["session"], int) and isinstance(run["orders"], int) and isinstance(run["trades"], int)
    assert isinstance(run["total_return"], float) and run["max_drawdown"] <= 0
    assert Decimal(run["final_equity"]) == pytest.approx(Decimal(run["start_cash"]) * Decimal(1 + run["total_return"]))


def test_every_key_of_the_document_is_documented(stored):
    assert {key for key in stored.run if f"`{key}`" not in DOC} == set()


def test_the_same_run_again_gives_the_same_book(stored, elsewhere):
    words = ("backtest", "run", "sma-cross", "--start", "2016-01-04", "--end", "2017-12-29", "--book", "b.db", "--no-picture")
    again = document(*words)
    assert again["digest"] == stored.run["digest"] and again["session"] == 1


def test_an_undefined_figure_is_null_and_never_zero(elsewhere):
    never = document("backtest", "run", "sma_cross", "-p", "slow=4000", "--start", "2017-01-03", "--no-picture")
    assert never["trades"] == 0 and never["fees"] == "0.00"
    assert [never[key] for key in ("sharpe", "win_rate", "expectancy", "best_trade", "profit_factor")] == [None] * 5


def test_people_get_the_table_and_see_where_the_run_is(stored, elsewhere):
    words = ("backtest", "run", "sma_cross", "--start", "2017-01-03", "--end", "2017-12-29", "--out", "pictures")
    result = invoke(*words)
    assert result.exit_code == 0, result.output
    assert "Sharpe ratio" in result.stdout and "stored as session 1 in runs/onebook.db" in result.stdout
    assert "reading data" in result.stderr and "reading data" not in result.stdout
    png, html = elsewhere / "pictures" / "0001-equity.png", elsewhere / "pictures" / "0001-report.html"
    assert png.read_bytes().startswith(b"\x89PNG") and html.read_text().startswith("<!doctype html>")
    assert sorted(path.name for path in png.parent.iterdir()) == [png.name, html.name]
    assert str(png.relative_to(elsewhere)) in result.stdout


def test_quiet_says_nothing_on_standard_error(stored, elsewhere):
    result = invoke("backtest", "run", "sma_cross", "--start", "2017-01-03", "--no-picture", "-q")
    assert result.exit_code == 0 and result.stderr == ""


def test_list_and_show_read_the_run_back(stored):
    listed = document("backtest", "list", "--book", stored.book)
    assert listed["total"] == 1 and listed["sessions"][0]["session"] == stored.run["session"]
    shown = document("backtest", "show", stored.run["session"], "--book", stored.book)
    same = [key for key in stored.run if key in shown and key not in ("params",)]
    assert set(PROMISED) <= set(same)
    assert {key: shown[key] for key in same} == {key: stored.run[key] for key in same}
    assert "Final equity" in invoke("backtest", "show", "1", "--book", stored.book).stdout


def make_foreign(path: Path) -> Path:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE prices (day TEXT)")
    connection.commit()
    connection.close()
    return path


def make_csv(path: Path) -> Path:
    path.write_text("date,open,high,low,close,volume\n2024-01-02,10,11,9,10,100\n2024-01-03,10,9,11,10,100\n")
    return path


# One row per cause: words after `backtest run`, exit code, what the message names.
WRONG = [
    (["sma_cros"], 2, ["sma_cros", "did you mean sma_cross"]),
    (["sma_cross", "-p", "fats=3"], 2, ["fats", "fast"]),
    (["sma_cross", "-p", "fast"], 2, ["name=value"]),
    (["sma_cross", "-p", "fast=ten"], 2, ["fast=ten", "whole number"]),
    (["sma_cross", "-p", "fast=50"], 2, ["fast=50", "slow=30"]),
    (["sma_cross", "-p", "fast=1", "-p", "fast=2"], 2, ["twice"]),
    (["sma_cross", "--data", "none.csv"], 2, ["none.csv"]),
    (["sma_cross", "--data", "bars.csv"], 2, ["bars.csv", "row 3"]),
    (["sma_cross", "--data", "notes.txt"], 2, ["notes.txt", "not read"]),
    (["sma_cross", "--symbol", "AAPL"], 2, ["AAPL", "SPX"]),
    (["sma_cross", "--symbol", "SPX,SPX"], 2, ["SPX", "twice"]),
    (["sma_cross", "--start", "2018-13-01"], 2, ["start", "2018-13-01", "not a date"]),
    (["sma_cross", "--start", "2018-02-01", "--end", "2018-01-01"], 2, ["start is after end"]),
    (["sma_cross", "--start", "2030-01-01"], 2, ["no bars between"]),
    (["sma_cross", "--bar", "1h"], 2, ["1h", "1d"]),
    (["sma_cross", "--prices", "cooked"], 2, ["cooked", "adjusted"]),
    (["sma_cross", "--repair", "fix-all"], 2, ["fix-all"]),
    (["sma_cross", "--cash", "lots"], 2, ["lots"]),
    (["sma_cross", "--cash", "-5"], 2, ["-5"]),
    (["sma_cross", "--cash", "1e30"], 2, ["1e30"]),
    (["sma_cross", "--size", "half"], 2, ["half", "percent:95"]),
    (["sma_cross", "--size", "percent:0"], 2, ["percent:0"]),
    (["sma_cross", "--commission", "free"], 2, ["free", "ibkr-fixed"]),
    (["sma_cross", "--commission", "bps:x"], 2, ["x"]),
    (["sma_cross", "--out", "notes.txt/pictures"], 2, ["notes.txt is a file", "--no-picture"]),
    (["sma_cross", "--symbol", ""], 2, ["--symbol names no instrument"]),
    (["sma_cross", "--symbol", " , "], 2, ["--symbol names no instrument"]),
    (["sma_cross", "--nonsense"], 2, ["--nonsense"]),
    ([], 2, ["STRATEGY"]),
]


@pytest.mark.parametrize(("words", "code", "says"), WRONG, ids=[" ".join(row[0]) or "nothing" for row in WRONG])
def test_a_wrong_input_is_named_and_nothing_is_written(elsewhere, words, code, says):
    make_csv(elsewhere / "bars.csv")
    (elsewhere / "notes.txt").write_text("hello")
    before = sorted(elsewhere.rglob("*"))
    result = invoke("backtest", "run", *words)
    assert result.exit_code == code, result.output
    assert all(word in result.stderr for word in says), result.stderr
    assert result.stdout == "" and "bug" not in result.stderr and "Traceback" not in result.stderr
    assert sorted(elsewhere.rglob("*")) == before


def test_a_foreign_database_is_refused_and_left_as_it_is(elsewhere):
    path = make_foreign(elsewhere / "prices.db")
    content = path.read_bytes()
    result = invoke("backtest", "run", "sma_cross", "--start", "2018-01-02", "--no-picture", "--book", path)
    assert result.exit_code == 2 and "prices.db" in result.stderr
    assert path.read_bytes() == content


def test_a_file_that_is_no_database_is_refused_and_left_as_it_is(elsewhere):
    path = elsewhere / "notes.txt"
    path.write_text("hello")
    result = invoke("backtest", "run", "sma_cross", "--start", "2018-01-02", "--no-picture", "--book", path, "--json")
    assert result.exit_code == 2 and path.read_text() == "hello"
    assert json.loads(result.stdout)["error"]["code"] == "usage"


def bars_at(price: float, days: int = 25) -> str:
    """Return a CSV of sessions that rise a little every other day."""
    first, lines = date(2024, 3, 1), ["date,open,high,low,close,volume"]
    for day in (first + timedelta(days=at) for at in range(days)):
        if day.weekday() < 5:
            close = price * (1 + 0.01 * (day.day % 2))
            lines.append(f"{day},{close:.2f},{close * 1.02:.2f},{close * 0.98:.2f},{close:.2f},1000")
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(("price", "words", "says"), [
    (600_000.0, ("-p", "fast=1", "-p", "slow=2"), "full size (percent:95) was never as much as the smallest quantity (1 shares)"),
    (50.0, ("-p", "fast=5", "-p", "slow=25"), "the strategy never wished to hold anything"),
    (50.0, ("-p", "fast=1", "-p", "slow=2"), None),
])  # fmt: skip
def test_a_run_without_any_order_says_why(elsewhere, price, words, says):
    (elsewhere / "BRK.csv").write_text(bars_at(price))
    notes = document("backtest", "run", "sma_cross", *words, "--data", "BRK.csv", "--no-picture")["notes"]
    assert any(says in note for note in notes) if says else not any("No order" in note for note in notes)


@pytest.mark.parametrize(("words", "says"), [
    (("sma_cross", "--data", "\u4e2d\u6587.csv"), "call the file by its symbol, as AAPL.csv"),
    (("sma_cross", "--data", "my prices.csv"), "call the file by its symbol, as AAPL.csv"),
    (("sma_cross", "--also", ""), "unknown strategy ''"), (("sma_cross", "--also", "  "), "unknown strategy ''"),
    (("./BRK.csv",), "ends in .py"), (("sma_cross", "--limits", "max-opne=1"), "did you mean max-open?"),
])  # fmt: skip
def test_a_wrong_name_of_a_file_a_strategy_or_a_limit_is_a_usage_error_with_the_fix(elsewhere, words, says):
    for name in ("\u4e2d\u6587.csv", "my prices.csv", "BRK.csv"):
        (elsewhere / name).write_text(bars_at(50.0))
    result = invoke("backtest", "run", *words, "--start", "2016-01-04" if "--data" not in words else "2024-03-01", "--no-picture")
    assert result.exit_code == 2 and says in result.stderr, result.output


@pytest.mark.parametrize("words", [("backtest", "show", 99), ("backtest", "compare", 1), ("overfit", 99), ("book", "status", "--session", 99),
    ("sweep", "sma_cross", "--trials", 5), ("book", "explain", "end", "start")])  # fmt: skip
def test_what_a_command_itself_finds_wrong_is_one_document_too(stored, words):
    result = invoke(*words, *(("--book", stored.book) if words[0] != "sweep" else ()), "--json")
    assert result.exit_code == 2 and json.loads(result.stdout)["error"]["code"] == "usage"
    assert json.loads(result.stdout)["error"]["message"] in " ".join(result.stderr.split()), "both say the same"


@pytest.mark.parametrize(("error", "said"), [
    (OSError(errno.ENOSPC, "No space left on device"), "no space left on device; make room there and run it again"),
    (NotADirectoryError(errno.ENOTDIR, "Not a directory", "a.csv/b"), "a.csv/b: not a directory; a file stands where a folder is needed; name another"),
    (OSError(errno.EMFILE, "Too many open files", "x"), "x: too many open files"), (OSError("odd"), "odd"), (ValueError("as it is"), "as it is"),
])  # fmt: skip
def test_what_the_system_refuses_is_said_with_the_place_and_what_to_do(error, said):
    assert sentence(error) == said


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_an_interrupted_run_leaves_with_130_and_writes_nothing(elsewhere):
    # Reading a pipe that nobody writes to waits for ever, so the interrupt always comes in the middle of the run.
    os.mkfifo(elsewhere / "bars.csv")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    words = [sys.executable, str(ROOT / "onebook.py"), "backtest", "run", "sma_cross", "--data", "bars.csv", "--json"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen(words, **pipes, text=True, env=environment, preexec_fn=hear_interrupts)
    assert process.stderr is not None
    for line in process.stderr:
        if "reading data" in line:
            break
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors == "interrupted; nothing was left half-written\n"
    assert json.loads(output)["error"]["code"] == "interrupted"
    assert [path.name for path in elsewhere.iterdir()] == ["bars.csv"]
