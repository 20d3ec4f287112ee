"""What SQL itself refuses, whoever asks: the second guard, independent of the core."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from ledger.book import EVENT_COLUMNS, Book, Row, event
from ledger.core import apply_all
from ledger.journal import Journal, JournalError, JournalHalted, replay
from ledger.journal.store import chain
from ledger.journal.store.files import sidecar
from ledger.journal.store.mark import Mark, MarkFile
from ledger.vocabulary import EventKind
from tests.ledger.journal.journal_streams import opening, signal

HASH = "zeroblob(32)"


@pytest.fixture
def plain(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """A connection as any other program would open it, to a journal with two sessions."""
    with Journal.open(tmp_path / "a.db") as journal:
        session = journal.begin("paper", "DU1", config={})
        session.name("AAPL")
        session.record_all(np.array(opening()))
        bought = session.gate(signal(1, 10_000, 1)).event
        session.record(event(EventKind.FILL, key=int(bought[2]), instrument=1, side=1, qty_lots=10_000, price_ticks=1_000_000, exec_id=1))
        sold = session.gate(signal(1, 0, 2)).event
        session.record(event(EventKind.FILL, key=int(sold[2]), instrument=1, side=-1, qty_lots=10_000, price_ticks=1_000_000, exec_id=2))
        session.valuations(np.array([[1, 1, 5, 6, 0]]))
        journal.begin("backtest", "x", config={})
    connection = sqlite3.connect(tmp_path / "a.db", isolation_level=None)
    yield connection
    connection.close()


def insert(session: int, seq: object, fence: int, word: str = "INSERT", **columns: object) -> str:
    """Return an INSERT of an event row; columns by name, the others 0."""
    values = {name: 0 for name in EVENT_COLUMNS} | {"kind": 30} | columns
    hash_value = values.pop("hash", HASH)
    names = ", ".join(values)
    return (
        f"{word} INTO event (session_id, seq, fence, recorded_ns, {names}, hash)"
        f" VALUES ({session}, {seq}, {fence}, 0, {', '.join(map(str, values.values()))}, {hash_value})"
    )


CLAIM_KEY = int(signal(1, 10_000, 1)[2])
REFUSED = [
    ("a gap", insert(1, 12, 1)),
    ("a seq again", insert(1, 10, 1)),
    ("a first event that is not 1", insert(2, 2, 0)),
    ("a replaced event", insert(1, 10, 1, "INSERT OR REPLACE")),
    ("a stale fence", insert(1, 11, 0)),
    ("a fence from the future", insert(1, 11, 2)),
    ("a fence on a shared session", insert(2, 1, 1)),
    ("a session that does not exist", insert(3, 1, 0)),
    ("a key claimed twice", insert(1, 11, 1, kind=10, key=CLAIM_KEY)),
    ("a claim replaced by a new seq", insert(1, 11, 1, "INSERT OR REPLACE", kind=10, key=CLAIM_KEY)),
    ("an execution booked twice", insert(1, 11, 1, kind=20, exec_id=1)),
    ("a fill replaced by a new seq", insert(1, 11, 1, "REPLACE", kind=20, exec_id=1)),
    ("a text where an integer stands", insert(1, 11, 1, qty_lots="'many'")),
    ("a fraction", insert(1, 11, 1, price_ticks="1.5")),
    ("nothing", insert(1, 11, 1, price_ticks="NULL")),
    ("a kind nobody knows", insert(1, 11, 1, kind=77)),
    ("a signal, which is never applied", insert(1, 11, 1, kind=9)),
    ("a short hash", insert(1, 11, 1, hash="zeroblob(8)")),
    ("a hash that is text", insert(1, 11, 1, hash="'x'")),
    ("an edited event", "UPDATE event SET price_ticks = 1 WHERE seq = 3"),
    ("an edit that may replace", "UPDATE OR REPLACE event SET seq = 3 WHERE seq = 4"),
    ("a deleted event", "DELETE FROM event WHERE seq = 10"),
    ("all events deleted", "DELETE FROM event"),
    ("an edited session", "UPDATE session SET git_sha = 'other'"),
    ("a deleted session", "DELETE FROM session WHERE id = 2"),
    ("a second exclusive session of one account",
     "INSERT INTO session SELECT 3, kind, scope, exclusive, parent, started_ns, pid, host, boot_id, git_sha, dirty, source_hash,"
     " config_hash, config, versions, seed, method, book_version FROM session WHERE id = 1"),
    ("a replaced session", "INSERT OR REPLACE INTO session SELECT * FROM session WHERE id = 2"),
    ("an edited name", "UPDATE name SET text = 'MSFT'"),
    ("a replaced name", f"INSERT OR REPLACE INTO name VALUES (1, 2, 'AAPL', {HASH})"),
    ("a name out of order", f"INSERT INTO name VALUES (1, 5, 'X', {HASH})"),
    ("a fence that goes back", "UPDATE lease SET fence = 0"),
    ("a replaced lease", "INSERT OR REPLACE INTO lease SELECT * FROM lease"),
    ("a deleted lease", "DELETE FROM lease"),
    ("an edited allocation", "UPDATE alloc SET proceeds_e8 = 0"),
    ("a deleted allocation", "DELETE FROM alloc"),
    ("a replaced allocation",
     "INSERT OR REPLACE INTO alloc (session_id, number, lot, close_entry, instrument, side, qty_lots, cost_e8, proceeds_e8, version,"
     " open_time_ns, close_time_ns, day) VALUES (1, 0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0)"),
    ("profit written by hand",
     "INSERT INTO alloc (session_id, number, lot, close_entry, instrument, side, qty_lots, cost_e8, proceeds_e8, version,"
     " open_time_ns, close_time_ns, day, pnl_e8) VALUES (1, 9, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0, 5)"),
    ("a deleted order", 'DELETE FROM "order"'),
    ("a deleted execution", "DELETE FROM execution"),
    ("an equity that is not cash and positions", "INSERT INTO valuation VALUES (1, 2, 0, 0, 5, 6, 12, 0)"),
    ("an edited equity curve", "UPDATE valuation SET cash_e8 = 6, equity_e8 = 12"),
    ("an end with too few events", "INSERT INTO session_end VALUES (1, 0, 'done', 3, printf('%064d', 0))"),
]  # fmt: skip
ACCEPTED = [
    ("the next event", insert(1, 11, 1)),
    ("the first event of a shared session", insert(2, 1, 0)),
    ("a higher revision of an execution", insert(1, 11, 1, kind=20, exec_id=1, revision=1)),
    ("a new claim", insert(1, 11, 1, kind=10, key=CLAIM_KEY + 1)),
    ("the same key in another session", insert(2, 1, 0, kind=10, key=CLAIM_KEY)),
    ("the next name", f"INSERT INTO name VALUES (1, 2, 'MSFT', {HASH})"),
    ("a new owner", "UPDATE lease SET fence = fence + 1"),
    ("a later order status", 'UPDATE "order" SET changed_seq = 11 WHERE number = 0'),
    ("the end", "INSERT INTO session_end VALUES (1, 0, 'done', 10, printf('%064d', 0))"),
]


@pytest.mark.parametrize(("what", "sql"), REFUSED, ids=[what for what, _ in REFUSED])
def test_sql_refuses(plain: sqlite3.Connection, what: str, sql: str) -> None:
    before = list(plain.iterdump())
    with pytest.raises(sqlite3.Error) as caught:
        plain.execute(sql)
    assert not isinstance(caught.value, sqlite3.ProgrammingError) and "syntax" not in str(caught.value)
    assert list(plain.iterdump()) == before


@pytest.mark.parametrize(("what", "sql"), ACCEPTED, ids=[what for what, _ in ACCEPTED])
def test_sql_takes(plain: sqlite3.Connection, what: str, sql: str) -> None:
    assert plain.execute(sql).rowcount == 1


def test_an_ended_session_takes_no_event_from_anybody(plain: sqlite3.Connection) -> None:
    plain.execute("INSERT INTO session_end VALUES (1, 0, 'done', 10, printf('%064d', 0))")
    with pytest.raises(sqlite3.IntegrityError, match="has ended"):
        plain.execute(insert(1, 11, 1))


def test_the_unique_indexes_hold_where_the_triggers_are_gone(plain: sqlite3.Connection) -> None:
    plain.execute("DROP TRIGGER event_insert")
    for sql in (insert(1, 11, 1, kind=10, key=CLAIM_KEY), insert(1, 11, 1, kind=20, exec_id=1)):
        with pytest.raises(sqlite3.IntegrityError, match="UNIQUE"):
            plain.execute(sql)


def test_a_tampered_row_is_found_where_the_triggers_are_gone(tmp_path: Path) -> None:
    edits = {
        "UPDATE event SET price_ticks = price_ticks + 1 WHERE seq = 4": ("event_update", "chain"),
        "UPDATE event SET recorded_ns = 1 WHERE seq = 4": ("event_update", "chain"),
        "DELETE FROM event WHERE seq = 6": ("event_delete", "mark"),
        "UPDATE session SET config = '{}'": ("session_update", "chain"),
        "UPDATE name SET text = 'MSFT'": ("name_update", "names"),
        "UPDATE instrument SET realized_e8 = 5": ("", "projection"),
        "UPDATE account SET cash_e8 = 5": ("", "projection"),
    }
    for number, (edit, (trigger, part)) in enumerate(edits.items()):
        path = tmp_path / f"{number}.db"
        with Journal.open(path) as journal:
            session = journal.begin("backtest", "x", config={"a": 1})
            session.name("AAPL")
            session.record_all(np.array(opening()))
        other = sqlite3.connect(path, isolation_level=None)
        if trigger:
            other.execute(f"DROP TRIGGER {trigger}")
        other.execute(edit)
        other.close()
        with Journal.read(path) as journal:
            assert part in {finding.part for finding in journal.verify(1).findings}, edit


ZEROS = "printf('%064d', 0)"
CHANGED = {
    "UPDATE session_end SET events = 5": ("end", "the session ended with 5 events and has 6"),
    f"UPDATE session_end SET digest = {ZEROS}": ("end", "the session ended with book 000000000000 and its events give "),
    "UPDATE snapshot SET event_hash = zeroblob(32)": ("snapshot", "names event 6, which has another hash"),
    f"UPDATE snapshot SET digest = {ZEROS}": ("snapshot", "is not the book its row names"),
    "UPDATE snapshot SET seq = 5, event_hash = (SELECT hash FROM event WHERE seq = 5)": ("snapshot", "is not the book its row names"),
    "DELETE FROM instrument WHERE number = 3": ("projection", "instrument has 2 rows and the events give 3"),
    "UPDATE instrument SET realized_e8 = 5 WHERE number = 2": ("projection", "instrument row 2: realized_e8 is 5 and the events give 0"),
    "UPDATE account SET seq = 5": ("projection", "the tables came to event 5 of 6; they may be 0 events behind at most"),
    Mark(1, 9, bytes(32)): ("mark", "event 9 was committed and the journal ends at 6: its tail is lost"),
    Mark(1, 6, bytes(32)): ("mark", "event 6 is not the one that was committed"),
    Mark(1, 0, bytes(32)): ("mark", "event 0 is not the one that was committed"),
}


@pytest.mark.parametrize("change", CHANGED, ids=str)
def test_whatever_was_changed_is_found_where_it_was_changed_and_said(tmp_path: Path, change: str | Mark) -> None:
    path, (part, words) = tmp_path / "a.db", CHANGED[change]
    with Journal.open(path) as journal:
        session = journal.begin("paper", "DU1", config={})
        session.record_all(np.array(opening()))
        session.snapshot()
        session.end()
        assert journal.verify(1).ok
    if isinstance(change, Mark):
        file = MarkFile(sidecar(path, "mark"))
        file.write(change)
        file.close()
    else:
        other = sqlite3.connect(path, isolation_level=None)
        for (trigger,) in other.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'").fetchall():
            other.execute(f"DROP TRIGGER {trigger}")
        other.execute(change)
        other.close()
    with Journal.read(path) as journal:
        found = [finding for finding in journal.verify(1).findings if finding.part != "schema"]
    assert {finding.part for finding in found} == {part} and words in found[0].text, found


def test_a_forked_child_may_not_use_its_parents_session(tmp_path: Path) -> None:
    import os

    with Journal.open(tmp_path / "a.db") as journal:
        session = journal.begin("paper", "x", config={})
        child = os.fork()
        if child == 0:
            try:
                session.record(opening()[0])
            except JournalHalted:
                os._exit(7)
            os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
        assert session.record(opening()[0]) == 0


def test_a_guard_that_was_dropped_is_reported(plain: sqlite3.Connection, tmp_path: Path) -> None:
    plain.execute("DROP TRIGGER event_delete")
    with Journal.read(tmp_path / "a.db") as journal:
        assert [f.text for f in journal.verify(1).findings if f.part == "schema"][0].startswith("event_delete is not as")


def _recorded(path: Path, edit: str = "", trigger: str = "") -> Book:
    """Make a journal of the opening events, edited by hand afterwards; return the book that was recorded."""
    with Journal.open(path) as journal:
        session = journal.begin("backtest", "x", config={})
        session.record_all(np.array(opening()))
        book = session.book.copy()
    if edit:
        with sqlite3.connect(path, isolation_level=None) as other:
            other.execute(f"DROP TRIGGER {trigger}")
            other.execute(edit)
        other.close()
    return book


def _refused_in_words(path: Path, words: str) -> None:
    """Demand that nobody gets a book of session 1, and that verify says the same."""
    with Journal.open(path) as journal:
        for way in (journal.resume, journal.book):
            with pytest.raises(JournalError, match=f"event {words}: the journal is not what was recorded"):
                way(1)
        assert f"event {words.replace(' of session 1', '')}" in [f.text for f in journal.verify(1).findings if f.part == "chain"]


@pytest.mark.parametrize("seq", [1, 4, 6])
def test_no_book_is_made_of_events_after_one_that_does_not_match_its_hash(tmp_path: Path, seq: int) -> None:
    _recorded(tmp_path / "a.db", f"UPDATE event SET time_ns = time_ns + 7 WHERE seq = {seq}", "event_update")
    _refused_in_words(tmp_path / "a.db", f"{seq} of session 1 does not match its hash")
    good = Book()
    apply_all(good, np.array(opening())[: seq - 1])
    with Journal.read(tmp_path / "a.db") as journal:
        assert journal.book(1, upto=seq - 1) == good
        genesis = chain.genesis(replay.session_row(journal.connection, 1))
        read = replay.extend(journal.connection, 1, Book(), genesis, 6)
        assert (read.book, read.broken) == (good, replay.Break(seq, "does not match its hash"))
        assert read.head == (replay.hash_at(journal.connection, 1, seq - 1) or genesis)
        assert journal.book(1, verified=False).seq == 6


def test_a_reader_who_trusts_the_chain_still_sees_that_an_event_is_missing(tmp_path: Path) -> None:
    _recorded(tmp_path / "a.db", "DELETE FROM event WHERE seq = 4", "event_delete")
    with Journal.read(tmp_path / "a.db") as journal, pytest.raises(JournalError, match="event 6 of session 1 is missing"):
        journal.book(1, verified=False)


def test_an_event_that_was_never_applied_is_named_even_where_the_chain_holds(tmp_path: Path) -> None:
    book, path = _recorded(tmp_path / "a.db"), tmp_path / "a.db"
    with sqlite3.connect(path, isolation_level=None) as other:
        head = other.execute("SELECT hash FROM event WHERE seq = 6").fetchone()[0]
        for seq, instrument in ((7, 99), (8, 1)):
            line = event(EventKind.MARK, instrument=instrument, price_ticks=1).tolist()
            head = chain.event_hash(head, (1, seq, 0, 0), line)
            columns = dict(zip(EVENT_COLUMNS, line, strict=True)) | {"hash": f"x'{head.hex()}'"}
            other.execute(insert(1, seq, 0, **columns))
    other.close()
    _refused_in_words(path, "7 of session 1 is stored as applied and replays as UNKNOWN_INSTRUMENT")
    with Journal.read(path) as journal:
        assert journal.book(1, upto=6) == book


def test_what_is_no_event_and_no_session_is_damage_and_not_a_fault_of_the_program() -> None:
    """A damaged page can hold any type: here are the same tables without STRICT, which would refuse it."""
    columns = ", ".join(EVENT_COLUMNS)
    row: Row = event(EventKind.DEPOSIT, cash_e8=1)
    connection = sqlite3.connect(":memory:")
    connection.execute(f"CREATE TABLE event (session_id, seq, fence, recorded_ns, {columns}, hash)")
    for bad in ("text", None, 1.5, b"bytes", 2**62):
        connection.execute("DELETE FROM event")
        line = [1, 1, 0, 0, *row.tolist(), 5 if bad == 2**62 else bytes(32)]
        line[5] = bad
        connection.execute(f"INSERT INTO event VALUES ({', '.join('?' * len(line))})", line)
        with pytest.raises(JournalError, match="events 1 to 1 of session 1 hold something that is no event.*damaged"):
            list(replay.slices(connection, 1, 0, 1))
    connection.execute(f"CREATE TABLE session ({', '.join(replay.SESSION_COLUMNS)})")
    for column, bad in (("config", b"{}"), ("seed", None), ("method", 9)):
        values = {name: 0 for name in replay.SESSION_COLUMNS} | {"id": 1, column: bad}
        connection.execute("DELETE FROM session")
        connection.execute(f"INSERT INTO session VALUES ({', '.join('?' * len(values))})", list(values.values()))
        with pytest.raises(JournalError, match="row of session 1 cannot be read: the file is damaged"):
            replay.session_row(connection, 1)
    connection.close()
