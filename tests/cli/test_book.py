"""`onebook book`: every figure agrees with the run that was stored, and unknown is a word."""

from __future__ import annotations

import json
import shutil
import sqlite3
import sys
from decimal import Decimal

import pytest

from ledger.journal import Journal
from tests.cli.conftest import document, invoke
from tests.ledger.journal.journal_streams import opening

LEAF = 0x0A
"""The first byte of a page with rows of a table that has no rowid, in SQLite's file format."""
COMMANDS = ["status", "positions", "lots", "trades", "orders", "pnl", "check", "verify"]


def test_status_says_what_the_run_said(stored):
    account = document("book", "status", "--book", stored.book)["account"]
    assert Decimal(account["equity"]) == Decimal(stored.run["final_equity"])
    assert Decimal(account["fees"]) == Decimal(stored.run["fees"]) and account["unknown_since"] is None
    assert account["day"] == "2017-12-29"


def test_the_environment_names_the_default_book(stored):
    assert document("book", "status", ONEBOOK_BOOK=str(stored.book))["session"] == 1


@pytest.mark.parametrize("by", ["trade", "symbol", "day"])
def test_profit_by_anything_adds_to_the_same_sum(stored, by):
    found = document("book", "pnl", "--by", by, "--book", stored.book)
    totals = document("book", "status", "--book", stored.book)["account"]
    assert Decimal(found["total"]["pnl"]) == sum(Decimal(row["pnl"]) for row in found["rows"]) == Decimal(totals["realized"])
    assert Decimal(found["total"]["net"]) == sum(Decimal(row["net"]) for row in found["rows"])


def test_lists_come_in_pages_with_their_total(stored):
    whole = document("book", "orders", "--rows", "0", "--book", stored.book)
    assert whole["total"] == len(whole["orders"]) == stored.run["orders"]
    second = document("book", "orders", "--rows", "3", "--page", "2", "--book", stored.book)
    assert second["orders"] == whole["orders"][3:6] and second["total"] == whole["total"]
    trades = document("book", "trades", "--rows", "0", "--book", stored.book)
    assert document("book", "trades", "--rows", "2", "--book", stored.book)["trades"] == trades["trades"][:2]
    past = document("book", "trades", "--page", "999", "--book", stored.book)
    assert past["trades"] == [] and past["total"] == trades["total"]


def test_positions_and_lots_agree(stored):
    held = document("book", "positions", "--all", "--book", stored.book)["positions"]
    lots = document("book", "lots", "--book", stored.book)["lots"]
    assert Decimal(held[0]["position"]) == sum((Decimal(lot["open"]) for lot in lots), Decimal(0))


@pytest.mark.parametrize("ends", [("start", "end"), ("2016-06-30", "2017-06-30"), ("2016-06-30", "2017-06-30T15:00:00Z"), ("end", "end")])
def test_a_change_of_equity_is_explained_to_the_last_unit(stored, ends):
    found = document("book", "explain", *ends, "--book", stored.book)
    assert found["residual"] == "0.00"
    assert Decimal(found["change"]) == sum(Decimal(amount) for amount in found["parts"].values())
    assert Decimal(found["after"]) - Decimal(found["before"]) == Decimal(found["change"])


def test_the_whole_run_is_its_deposit_and_its_profit(stored):
    parts = document("book", "explain", "start", "end", "--book", stored.book)["parts"]
    assert Decimal(parts["deposits"]) == Decimal(stored.run["start_cash"]) and Decimal(parts["fees"]) == -Decimal(stored.run["fees"])


@pytest.mark.parametrize("words", [("2017", "end"), ("end", "2016-01-05"), ("2017-01-02T10:00:00", "end")])
def test_a_wrong_moment_is_a_usage_error(stored, words):
    result = invoke("book", "explain", *words, "--book", stored.book)
    assert result.exit_code == 2 and result.stdout == ""


def test_a_sound_book_is_called_sound(stored):
    assert document("book", "check", "--book", stored.book)["holds"] is True
    assert document("book", "verify", "--book", stored.book)["ok"] is True


def test_a_changed_projection_is_a_finding(stored, elsewhere):
    copy = elsewhere / "copy.db"
    assert invoke("book", "backup", copy, "--book", stored.book).exit_code == 0
    connection = sqlite3.connect(copy)
    connection.execute("UPDATE account SET cash_e8 = cash_e8 + 1")
    connection.commit()
    connection.close()
    result = invoke("book", "verify", "--book", copy, "--json")
    assert result.exit_code == 3
    assert {finding["part"] for finding in json.loads(result.stdout)["findings"]} >= {"projection"}


def test_a_broken_invariant_is_a_finding(stored, monkeypatch):
    from ledger.invariants import Invariant

    monkeypatch.setattr("ledger.invariants.check", lambda book: Invariant.CASH_IDENTITY)
    result = invoke("book", "check", "--book", stored.book, "--json")
    assert result.exit_code == 3 and json.loads(result.stdout)["broken"] == "CASH_IDENTITY"


def test_a_backup_is_a_journal_and_is_not_written_over(stored, elsewhere):
    copy = elsewhere / "copy.db"
    made = document("book", "backup", copy, "--book", stored.book)
    assert made["bytes"] == copy.stat().st_size
    again = document("book", "status", "--book", copy)
    assert again["account"] == document("book", "status", "--book", stored.book)["account"]
    content = copy.read_bytes()
    assert invoke("book", "backup", copy, "--book", stored.book).exit_code == 2 and copy.read_bytes() == content
    assert invoke("book", "backup", copy, "--force", "--book", stored.book).exit_code == 0


@pytest.mark.parametrize("method", ["FIFO", "lifo", "HIFO", "AVERAGE"])
def test_rebook_shows_a_difference_and_changes_nothing(stored, method):
    content = stored.book.read_bytes()
    found = document("book", "rebook", "--method", method, "--book", stored.book)
    realized = document("book", "status", "--book", stored.book)["account"]["realized"]
    assert found["method"] == "FIFO" and found["total"]["was"] == realized
    assert Decimal(found["total"]["difference"]) == Decimal(found["total"]["would_be"]) - Decimal(found["total"]["was"])
    assert method != "FIFO" or Decimal(found["total"]["difference"]) == 0
    assert stored.book.read_bytes() == content


@pytest.mark.parametrize("command", COMMANDS)
def test_every_question_has_a_table(stored, command):
    result = invoke("book", command, "--book", stored.book)
    assert result.exit_code == 0 and "session 1" in result.stdout.lower() and result.stderr == ""


@pytest.mark.parametrize("command", COMMANDS)
def test_a_missing_book_is_an_environment_error_and_none_is_made(elsewhere, command):
    result = invoke("book", command, "--book", "none.db", "--json")
    assert result.exit_code == 4 and "none.db" in result.stderr
    assert json.loads(result.stdout)["error"]["code"] == "environment"
    assert list(elsewhere.iterdir()) == []


def test_a_session_that_is_not_there_is_a_usage_error(stored):
    result = invoke("book", "status", "--session", "9", "--book", stored.book)
    assert result.exit_code == 2 and "no session 9" in result.stderr


def test_a_book_that_another_program_holds_is_locked(stored, elsewhere, monkeypatch):
    # Waiting for the lock is the journal's affair; wherever it keeps its patience, this test has none.
    for name, module in list(sys.modules.items()):
        if name.startswith("ledger.journal") and hasattr(module, "BUSY_SECONDS"):
            monkeypatch.setattr(module, "BUSY_SECONDS", 0)
    copy = elsewhere / "held.db"
    shutil.copy(stored.book, copy)
    holder = sqlite3.connect(copy, isolation_level=None)
    holder.execute("PRAGMA locking_mode = EXCLUSIVE")
    holder.execute("PRAGMA journal_mode = DELETE")
    holder.execute("BEGIN EXCLUSIVE")
    try:
        result = invoke("book", "status", "--book", copy, "--json")
    finally:
        holder.close()
    assert result.exit_code == 5, result.output
    assert json.loads(result.stdout)["error"]["code"] == "locked"


def test_events_that_the_tables_do_not_show_yet_are_counted_for_the_reader(tmp_path):
    with Journal.open(tmp_path / "live.db") as journal:
        session = journal.begin("paper", "DU1", config={})
        for row in opening():
            session.record(row)
        during = invoke("book", "status", "--book", tmp_path / "live.db", "--json")
    after = invoke("book", "status", "--book", tmp_path / "live.db", "--json")
    assert json.loads(during.stdout)["events_not_shown"] == 6 and "its last 6 events are not shown yet" in during.stderr
    assert json.loads(after.stdout)["events_not_shown"] == 0 and after.stderr == ""


def test_a_book_whose_pages_are_damaged_is_said_to_be_and_is_no_bug(stored, elsewhere):
    content = bytearray(stored.book.read_bytes())
    size = int.from_bytes(content[16:18], "big")
    pages = [at for at in range(len(content) // 4 // size * size, len(content) * 3 // 4, size) if content[at] == LEAF]
    for at in pages:  # the events of the run fill nearly all of them
        content[at : at + size] = bytes(byte ^ 0x55 for byte in content[at : at + size])
    (elsewhere / "hurt.db").write_bytes(content)
    hurt = 0
    for words in ("backtest show 1", "backtest export 1", "backtest lint 1", "book check", "book trades", "book backup copy.db", "performance"):
        told = invoke(*words.split(), "--book", "hurt.db", "--json")
        assert told.exit_code in (0, 4) and "bug" not in told.output, (words, told.output)
        found = json.loads(told.stdout)
        hurt += told.exit_code == 4
        if told.exit_code == 4:
            why = found["error"] if words == "performance" else found["error"]["message"]
            assert ("hurt.db is damaged" in why and "restore a backup" in why) or "the backup of hurt.db is not sound" in why
    assert hurt >= 4 and found["stale"] is True and set(found["all"].values()) == {None}
    assert not list(elsewhere.glob("copy.db*")), "a backup that failed leaves nothing behind"
