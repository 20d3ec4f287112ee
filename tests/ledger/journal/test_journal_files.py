"""Files: private, recognised, copied soundly; and clear words for every file that is not a journal."""

from __future__ import annotations

import os
import sqlite3
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest

from ledger.book import EVENT_COLUMNS
from ledger.journal import Journal, JournalError, JournalForeign, JournalFull, JournalLocked, JournalShortened, replay, transaction
from ledger.journal.store import mark as marks
from ledger.journal.store import migrations
from ledger.journal.store.mark import SYNC_EVERY, Mark, MarkFile, read_marks
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


def test_a_journal_that_others_could_read_is_private_once_it_is_opened_to_write(tmp_path: Path) -> None:
    _made(tmp_path / "a.db").chmod(0o644)
    Journal.open(tmp_path / "a.db").close()
    assert (tmp_path / "a.db").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("folder", [True, False], ids=["the folder", "the copy"])
def test_a_copy_that_cannot_be_made_durable_gets_no_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: bool) -> None:
    """A folder that cannot be synced is no reason: its names are as durable as that system makes them."""

    def refused(descriptor: int) -> None:
        if os.path.isdir(descriptor) == folder:
            raise OSError("input/output error")

    with Journal.open(_made(tmp_path / "a.db")) as journal, monkeypatch.context() as patched:
        patched.setattr(os, "fsync", refused)
        with nullcontext() if folder else pytest.raises(OSError, match="input/output"):
            journal.backup(tmp_path / "copy.db")
        assert (tmp_path / "copy.db").exists() == folder


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


@pytest.mark.parametrize("header", ["user_version", "application_id"])
def test_an_empty_database_that_somebody_numbered_is_not_taken_for_a_new_journal(tmp_path: Path, header: str) -> None:
    with sqlite3.connect(tmp_path / "a.db") as other:
        other.execute(f"PRAGMA {header} = 2")
    other.close()
    for way in (Journal.open, Journal.read):
        with pytest.raises(JournalForeign, match="no onebook journal"):
            way(tmp_path / "a.db")


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
    assert [file.name for file in (tmp_path / "elsewhere").iterdir()] == ["copy.db"]
    assert (tmp_path / "elsewhere" / "copy.db").read_bytes()[18:20] == b"\1\1", "the copy needs no write-ahead log beside it"
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


@pytest.mark.parametrize("what", ["backup", "snapshot"])
def test_a_file_is_durable_before_it_has_its_name_and_then_its_name_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    goals = {"backup": tmp_path / "copies" / "copy.db", "snapshot": tmp_path / "a.db.snapshots" / "1-6.arena"}
    synced, opened, folder = [], {}, goals[what].parent
    real_open, fsync = os.open, os.fsync

    def noted(path: Path, *rest: int) -> int:
        descriptor = real_open(path, *rest)
        opened[descriptor] = Path(path)
        return descriptor

    def logged(descriptor: int) -> None:
        path = opened[descriptor]
        if folder in (path, path.parent):
            synced.append((path.suffix, any(file.suffix != ".tmp" for file in folder.iterdir())))
        fsync(descriptor)

    monkeypatch.setattr(os, "open", noted)
    monkeypatch.setattr(os, "fsync", logged)
    with Journal.open(_made(tmp_path / "a.db")) as journal:
        folder.mkdir()
        if what == "backup":
            (folder / f"copy.db.{os.getpid()}.tmp").write_text("left behind by a process of the same number")
            journal.backup(goals[what])
        else:
            journal.resume(1).snapshot()
    assert synced == [(".tmp", False), (folder.suffix, True)]


def test_a_system_that_cannot_open_a_folder_keeps_backups_and_snapshots_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def opened(path: Path, *rest: int) -> int:
        assert not Path(path).is_dir()
        return real(path, *rest)

    real = os.open
    monkeypatch.delattr(os, "O_DIRECTORY")
    monkeypatch.setattr(os, "open", opened)
    with Journal.open(_made(tmp_path / "a.db")) as journal:
        journal.resume(1).snapshot()
        journal.backup(tmp_path / "copy.db")
        assert journal.verify(1).ok
    with Journal.read(tmp_path / "copy.db") as copy:
        assert copy.book(1).seq == 6


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


def test_several_questions_are_answered_of_one_state_of_the_file(tmp_path: Path) -> None:
    with Journal.open(_made(tmp_path / "a.db")) as writer, Journal.read(tmp_path / "a.db") as reader:
        session = writer.resume(1)
        with reader.reading(), reader.reading():
            before = reader.sessions()[0].events
            session.record(opening()[4])
            assert reader.sessions()[0].events == before == 6
        assert reader.sessions()[0].events == 7


def test_damaged_pages_are_told_with_the_cure_and_a_fault_of_a_statement_is_not(tmp_path: Path) -> None:
    for error, expected in ((sqlite3.DatabaseError("malformed"), JournalError), (sqlite3.OperationalError("x"), sqlite3.OperationalError)):
        with pytest.raises(expected) as told, Journal.read(_made(tmp_path / expected.__name__)):
            raise error
        assert ("is damaged (malformed): restore a backup" in str(told.value)) == (expected is JournalError)


# The high-water mark.


def _marked(path: Path, sessions: int = 3) -> list[Mark]:
    """Write the marks of some sessions; return them."""
    written = [Mark(number, 10 * number, bytes([number]) * 32) for number in range(1, sessions + 1)]
    file = MarkFile(path)
    for mark in (written[0], *reversed(written)):
        file.write(mark)
    file.close()
    return written


@pytest.mark.parametrize("can_place", [True, False])
def test_a_mark_is_read_back_or_its_slot_is_called_unreadable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, can_place: bool
) -> None:
    monkeypatch.setattr(marks, "_CAN_PLACE", can_place)
    path = tmp_path / "a.mark"
    written = _marked(path)
    whole = path.read_bytes()
    assert read_marks(path) == (written, []) and len(whole) == 240
    for place in range(0, len(whole), 7):
        flipped = bytearray(whole)
        flipped[place] ^= 1
        path.write_bytes(flipped)
        slot = place // 80
        assert read_marks(path) == (written[:slot] + written[slot + 1 :], [slot + 1])
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        assert read_marks(path) == (written[: length // 80], [length // 80 + 1] if length % 80 else [])
    path.write_bytes(whole[80:160] + whole[:80] + whole[160:])
    assert read_marks(path) == ([written[2]], [1, 2])
    for empty in (1, 2):
        path.write_bytes(whole[: 80 * (empty - 1)] + bytes(80) + whole[80 * empty :])
        assert read_marks(path) == (written[: empty - 1] + written[empty:], [])


@pytest.mark.parametrize(("damage", "words"), [(b"", "has no high-water mark"), (b"x" * 80, "mark of this session is unreadable")])
def test_a_damaged_mark_is_told_and_locks_nobody_out(tmp_path: Path, damage: bytes, words: str) -> None:
    path = _made(tmp_path / "a.db")
    (tmp_path / "a.db.mark").write_bytes(damage)
    with Journal.read(path) as journal:
        assert journal.quarantine is None
        (finding,) = journal.verify(1).findings
        assert finding.part == "mark" and words in finding.text
    with Journal.open(path) as journal:
        journal.resume(1)
        assert journal.verify(1).ok


def test_at_most_63_commits_wait_for_their_mark_to_be_durable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr(marks.os, "fsync", synced.append)
    file, waiting = MarkFile(tmp_path / "a.mark"), []
    for number in range(3 * SYNC_EVERY + 1):
        before = len(synced)
        file.write(Mark(1, number, bytes(32)))
        waiting.append(0 if len(synced) > before else (waiting[-1] if waiting else 0) + 1)
    assert max(waiting) == SYNC_EVERY - 1 == 63 and len(synced) == 3
    file.close()
    file.close()
    assert len(synced) == 4


def test_a_file_that_is_not_the_one_its_mark_is_of_is_read_and_never_written(tmp_path: Path) -> None:
    """An older copy of the database was put back beside the newer mark: a session less, events less, or other ones."""
    path, mark = _made(tmp_path / "a.db"), tmp_path / "a.db.mark"
    other = [Mark(1, 6, b"x" * 32), Mark(1, 9, bytes(32)), Mark(2, 0, bytes(32)), Mark(2, 3, bytes(32)), Mark(1, 0, bytes(32))]
    said = ["holds another event 6", "ends at event 6", "holds another event 0", "ends at event 0", "holds another event 0"]
    for wrong, words in zip(other, said, strict=True):
        mark.unlink(missing_ok=True)
        file = MarkFile(mark)
        file.write(wrong)
        file.close()
        with pytest.raises(JournalShortened, match=f"session {wrong.session_id} {words}.* event {wrong.seq} was committed"):
            Journal.open(path)
        with Journal.read(path) as journal:
            assert journal.quarantine is not None and (journal.quarantine.marked_seq, journal.book(1).seq) == (wrong.seq, 6)
            with pytest.raises(JournalError, match="opened with Journal.read"):
                journal.resume(1)
