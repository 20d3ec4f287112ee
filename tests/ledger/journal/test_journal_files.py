"""Files: private, recognised, copied soundly; and clear words for every file that is not a journal."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import numpy as np
import pytest

from ledger.book import EVENT_COLUMNS
from ledger.journal import Journal, JournalError, JournalForeign, JournalFull, JournalLocked, replay, transaction
from ledger.journal.store import migrations
from tests.ledger.journal.journal_streams import opening, stream


def _made(path: Path) -> Path:
    with Journal.open(path) as journal:
        journal.begin("backtest", "x", config={}).record_all(np.array(opening()))
    return path


def test_every_file_is_private_and_so_is_a_folder_that_was_made(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "deep"
    with Journal.open(folder / "a.db") as journal:
        session = journal.begin("paper", "DU1", config={})
        session.record_all(np.array(opening()))
        session.snapshot()
        journal.backup(folder / "copy.db")
        modes = {path.name: path.stat().st_mode & 0o777 for path in folder.rglob("*") if path.is_file()}
        assert set(modes.values()) == {0o600} and len(modes) >= 7
    assert folder.stat().st_mode & 0o777 == (folder / "a.db.snapshots").stat().st_mode & 0o777 == 0o700


def test_a_file_that_is_no_journal_is_refused_with_a_reason(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("date,open,high\n" * 100)
    other = sqlite3.connect(tmp_path / "other.db")
    other.execute("CREATE TABLE trades (id)")
    other.close()
    (tmp_path / "cut.db").write_bytes(b"SQLite format 3\0" + bytes(50))
    for name, words in (("text.db", "begins with"), ("other.db", "no onebook journal"), ("cut.db", "not a readable database")):
        for way in (Journal.open, Journal.read):
            with pytest.raises(JournalForeign, match=words):
                way(tmp_path / name)
    assert (tmp_path / "text.db").read_text().startswith("date,open")


def test_opening_a_foreign_database_to_write_changes_no_byte_and_no_mode_of_it(tmp_path: Path) -> None:
    path = tmp_path / "trading_data.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE trades (id INTEGER PRIMARY KEY, symbol TEXT)")
        connection.execute("INSERT INTO trades VALUES (1, 'AAPL')")
    connection.close()
    path.chmod(0o644)
    before = (path.read_bytes(), path.stat().st_mode, sorted(entry.name for entry in tmp_path.iterdir()))
    with pytest.raises(JournalForeign, match="no onebook journal"):
        Journal.open(path)
    assert (path.read_bytes(), path.stat().st_mode, sorted(entry.name for entry in tmp_path.iterdir())) == before


def test_reading_needs_a_journal_that_is_there(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="there is no journal at"):
        Journal.read(tmp_path / "a.db")
    assert not (tmp_path / "a.db").exists()
    (tmp_path / "empty.db").touch()
    with pytest.raises(JournalError, match="empty database"):
        Journal.read(tmp_path / "empty.db")


def test_a_locked_file_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _made(tmp_path / "a.db")
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("PRAGMA locking_mode = EXCLUSIVE")
    holder.execute("BEGIN IMMEDIATE")
    monkeypatch.setattr("ledger.journal.store.files.BUSY_SECONDS", 0)
    with pytest.raises(JournalLocked, match="locked by another program"):
        Journal.read(path)
    holder.close()


def test_a_busy_file_refuses_one_write_and_the_session_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ledger.journal.store.files.BUSY_SECONDS", 0)
    with Journal.open(tmp_path / "a.db") as journal:
        session = journal.begin("paper", "DU1", config={})
        holder = sqlite3.connect(tmp_path / "a.db", isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(JournalLocked, match="nothing was recorded"):
            session.record(opening()[0])
        holder.execute("ROLLBACK")
        holder.close()
        assert session.record(opening()[0]) == 0 and session.book.seq == 1


def test_a_reader_cannot_write(tmp_path: Path) -> None:
    with Journal.read(_made(tmp_path / "a.db")) as journal:
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            journal.connection.execute("UPDATE lease SET pid = 1")
        with pytest.raises(JournalError, match="opened with Journal.read"):
            journal.begin("backtest", "x", config={})


def test_a_backup_taken_while_writing_is_whole_and_opens_alone(tmp_path: Path) -> None:
    events, _ = stream(4)
    with Journal.open(tmp_path / "a.db") as journal:
        session = journal.begin("backtest", "x", config={})
        session.record_all(events)
        journal.backup(tmp_path / "elsewhere" / "copy.db")
        digest = session.book.digest()
        session.record(opening()[4])
    with Journal.open(tmp_path / "elsewhere" / "copy.db") as copy:
        session = copy.resume(1)
        assert session.book.digest() == digest and copy.verify(1).ok
        assert session.record(opening()[4]) == 0


def test_a_killed_creation_is_taken_up_again(tmp_path: Path) -> None:
    (tmp_path / "a.db").touch()
    with Journal.open(tmp_path / "a.db") as journal:
        assert journal.sessions() == []


def test_the_statements_name_the_columns_in_the_books_order() -> None:
    columns = ", ".join(EVENT_COLUMNS)
    assert columns in replay._EVENTS and columns in transaction._INSERT
    assert replay._SESSION.startswith("SELECT " + ", ".join(replay.SESSION_COLUMNS))


def test_a_schema_whose_last_statement_is_cut_is_an_error() -> None:
    assert list(migrations.statements("CREATE TABLE a (b);\n-- end\n")) == ["CREATE TABLE a (b);"]
    with pytest.raises(JournalError, match="not complete"):
        list(migrations.statements("CREATE TABLE a (b"))


def test_a_million_marks_stay_within_150_bytes_each(tmp_path: Path) -> None:
    """Measured on 20,000 events of a trading day; a million give the same within a byte or two."""
    events, _ = stream(9, 20_000)
    with Journal.open(tmp_path / "a.db") as journal:
        session = journal.begin("backtest", "x", config={})
        empty = journal.connection.execute("PRAGMA page_count").fetchone()[0]
        session.record_all(events)
        pages = journal.connection.execute("SELECT sum(pgsize) FROM dbstat WHERE name LIKE 'event%'").fetchone()[0]
        assert empty > 0 and pages / len(events) <= 150


def test_a_disk_without_room_halts_the_session_in_words_and_keeps_what_was_recorded(tmp_path: Path) -> None:
    with Journal.open(tmp_path / "a.db") as journal:
        session = journal.begin("backtest", "x", config={})
        events, _ = stream(11, 4000)
        session.record_all(np.array(events[:50]))
        pages = journal.connection.execute("PRAGMA page_count").fetchone()[0]
        journal.connection.execute(f"PRAGMA max_page_count = {pages + 2}")
        with pytest.raises(JournalFull, match=r"disk is full; make room on the disk and run it again"):
            session.record_all(np.array(events[50:]))
    with Journal.open(tmp_path / "a.db") as journal:
        assert journal.resume(1).book.seq == 50 and journal.verify(1).ok


def test_a_backup_that_fails_leaves_nothing_behind_and_says_why(tmp_path: Path) -> None:
    def stop(point: str) -> None:
        if point == "backup-copy":
            (copy,) = tmp_path.glob("copy.db.*.tmp")
            copy.with_name(f"{copy.name}-journal").write_bytes(b"half")
            raise sqlite3.OperationalError("database or disk is full")

    with Journal.open(_made(tmp_path / "a.db"), at=stop) as journal:
        with pytest.raises(JournalError, match=r"is not sound: database or disk is full"):
            journal.backup(tmp_path / "copy.db")
    assert not list(tmp_path.glob("copy.db*"))
