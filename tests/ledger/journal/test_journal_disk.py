"""What the disk may do to a journal, and what may never come of it: an acknowledged event that is not there."""

from __future__ import annotations

import itertools
import os
import resource
import signal as signals
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import NamedTuple

import apsw
import numpy as np
import pytest

from ledger.book import Book, event
from ledger.journal import Journal, JournalError, JournalHalted, JournalLocked, JournalShortened, replay
from ledger.journal.store import chain
from ledger.vocabulary import EventKind, Method, Outcome
from tests.ledger.journal.journal_disk import Disk, Op, image, use
from tests.ledger.journal.journal_streams import opening, signal, stream

SOAK = bool(os.environ.get("ONEBOOK_SOAK"))
IMAGES = 50_000 if SOAK else 2_000
FLIPS = 3_000 if SOAK else 200


class Judged(NamedTuple):
    corrupt: bool
    last: int


def judge(path: Path) -> Judged:
    """Open what a cut left with the standard library's SQLite: is it sound, and where does the session end?"""
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        if connection.execute("PRAGMA quick_check").fetchone() != ("ok",):
            return Judged(True, 0)
        row = replay.session_row(connection, 1)
        last = replay.last_seq(connection, 1)
        replayed = replay.extend(connection, 1, Book(method=Method(row["method"])), chain.genesis(row), last)
        cash = connection.execute("SELECT seq, cash_e8 FROM account WHERE session_id = 1").fetchone()
        even = cash == (replayed.book.seq, replayed.book.valuation().cash)
        return Judged(replayed.broken is not None or not even, last)
    except (sqlite3.Error, JournalError):
        return Judged(True, 0)
    finally:
        connection.close()


def _base(folder: Path) -> dict[str, bytes]:
    """Return the files of a closed journal with one session that has begun."""
    with Journal.open(folder / "a.db") as journal:
        journal.begin("backtest", "x", config={}).record_all(np.array(opening()))
    return {"a.db": (folder / "a.db").read_bytes()}


def _day(session: object, log: list[Op]) -> None:
    """Record a day one event at a time, noting each acknowledgement on the disk's log."""
    for bar in range(12):
        session.gate(signal(1, 10_000 * (bar + 1), bar))  # type: ignore[attr-defined]
        fill = event(
            EventKind.FILL, key=int(signal(1, 0, bar)[2]), instrument=1, side=1, qty_lots=10_000, price_ticks=1_000_000,
            exec_id=bar + 1, time_ns=int(signal(1, 0, bar)[0]),
        )  # fmt: skip
        session.record(fill)  # type: ignore[attr-defined]
        log.append(Op("ack", "", session.book.seq))  # type: ignore[attr-defined]


_names = (f"disk{number}" for number in itertools.count())


def _recorded(folder: Path, monkeypatch: pytest.MonkeyPatch, synchronous: str) -> tuple[dict[str, bytes], list[Op]]:
    base = _base(folder)
    disk = Disk(next(_names))
    with monkeypatch.context() as patched:
        use(patched, disk, synchronous)
        journal = Journal.open(folder / "a.db")
        _day(journal.resume(1), disk.log)
        log = list(disk.log)
        journal.close()
    return base, log


def _cut_power(folder: Path, base: dict[str, bytes], log: list[Op], images: int, seed: int) -> tuple[int, int]:
    """Return (corrupt images, images in which an acknowledged event is missing)."""
    draw, corrupt, lost = Random(seed), 0, 0
    target = folder / "image"
    target.mkdir()
    for number in range(images):
        cut = draw.randint(0, len(log))
        acked = max([6, *(op.offset for op in log[:cut] if op.kind == "ack")])
        for old in target.iterdir():
            old.unlink()
        for name, content in image(base, log, cut, draw).items():
            (target / name).write_bytes(content)
        found = judge(target / "a.db")
        corrupt += found.corrupt
        lost += not found.corrupt and found.last < acked
    return corrupt, lost


@pytest.mark.slow
def test_a_power_cut_at_any_moment_loses_no_acknowledged_event(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base, log = _recorded(tmp_path, monkeypatch, "FULL")
    assert sum(op.kind == "ack" for op in log) == 12 and any(op.kind == "write" and op.name == "a.db" for op in log)
    assert _cut_power(tmp_path, base, log, IMAGES, 1) == (0, 0)


def test_the_same_images_show_that_weaker_settings_lose_and_corrupt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for synchronous in ("NORMAL", "OFF"):
        folder = tmp_path / synchronous
        folder.mkdir()
        base, log = _recorded(folder, monkeypatch, synchronous)
        corrupt, lost = _cut_power(folder, base, log, 150, 2)
        assert lost > 0
        assert (corrupt > 0) == (synchronous == "OFF")


def _until_halted(path: Path, log: list[Op]) -> str:
    """Record a day on a bad disk; return why it stopped, or nothing if it did not."""
    try:
        journal = Journal.open(path)
    except (sqlite3.Error, JournalError) as error:
        return f"open: {error}"
    try:
        session = journal.resume(1)
    except (sqlite3.Error, JournalError) as error:
        return f"resume: {error}"
    try:
        _day(session, log)
        return ""
    except JournalHalted as error:
        with pytest.raises(JournalHalted):
            session.record(opening()[0])
        with pytest.raises(JournalHalted):
            _ = session.book
        return str(error)
    finally:
        try:
            journal.close()
        except sqlite3.Error:
            pass


@pytest.mark.slow
@pytest.mark.parametrize("stays", [False, True], ids=["once", "for good"])
@pytest.mark.parametrize("error", [apsw.IOError, apsw.FullError], ids=["I/O error", "disk full"])
def test_a_disk_that_fails_at_any_write_never_leaves_an_acknowledged_event_unstored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[Exception], stays: bool
) -> None:
    base = _base(tmp_path / "base")
    path, halts = tmp_path / "a.db", 0
    for fail_at in itertools.count(1, 1 if SOAK else 7):
        for old in tmp_path.glob("a.db*"):
            old.unlink()
        path.write_bytes(base["a.db"])
        disk = Disk(next(_names), fail_at, stays, error)
        with monkeypatch.context() as patched:
            use(patched, disk)
            reason = _until_halted(path, disk.log)
        acked = max([6, *(op.offset for op in disk.log if op.kind == "ack")])
        found = judge(path)
        assert not found.corrupt and found.last >= acked, f"failed at {fail_at}: {found}, acknowledged {acked}"
        if reason:
            halts += 1
            assert "IOError" in reason or "FullError" in reason or "disk" in reason, reason
        if disk.done < fail_at:
            break
    assert halts > 10


def test_an_error_at_any_named_point_halts_with_its_reason_and_keeps_what_was_acknowledged(tmp_path: Path) -> None:
    points = ["begin", "claim", "apply", "insert", "project", "commit-before", "commit-after", "mark"]
    for number, point in enumerate(points):
        armed: list[str] = []

        def at(name: str, armed: list[str] = armed) -> None:
            if name in armed:
                raise OSError(f"no space left at {name}")

        path = tmp_path / str(number) / "a.db"
        with Journal.open(path, at=at) as journal:
            session = journal.begin("paper", "DU1", config={})
            session.record_all(np.array(opening()))
            armed.append(point)
            with pytest.raises(JournalHalted, match=f"halted: OSError: no space left at {point}"):
                session.gate(signal(1, 10_000, 1))
                session.project()
            with pytest.raises(JournalHalted, match="no space left"):
                _ = session.book
        with Journal.open(path) as journal:
            durable = point in ("commit-after", "mark", "project")
            assert journal.resume(1).book.seq == 6 + durable and journal.verify(1).ok


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("point", ["begin", "insert", "commit-before", "commit-after"])
def test_who_stops_the_program_inside_a_write_stops_it_and_the_session(
    tmp_path: Path, point: str, error: type[BaseException]
) -> None:
    armed: list[str] = []

    def at(name: str) -> None:
        if name in armed:
            raise error(name)

    with Journal.open(tmp_path / "a.db", at=at) as journal:
        session = journal.begin("paper", "DU1", config={})
        armed.append(point)
        with pytest.raises(error):
            session.record(opening()[0])
        armed.clear()
        with pytest.raises(JournalHalted, match=f"halted: {error.__name__}: {point}"):
            session.record(opening()[0])
    with Journal.open(tmp_path / "a.db") as journal:
        assert journal.resume(1).book.seq == (point == "commit-after") and journal.verify(1).ok


def test_a_write_that_cannot_begin_or_is_locked_out_halfway_halts_and_records_nothing(tmp_path: Path) -> None:
    def at(name: str) -> None:
        if name == "insert" and armed:
            raise JournalLocked("held by another program")

    armed: list[str] = []
    with Journal.open(tmp_path / "a.db", at=at) as journal:
        session, other = (journal.begin("paper", account, config={}) for account in ("DU1", "DU2"))
        journal.connection.execute("BEGIN")
        with pytest.raises(JournalHalted, match="within a transaction"):
            session.record(opening()[0])
        armed.append("now")
        with pytest.raises(JournalHalted, match="held by another program"):
            other.record(opening()[0])
        for halted in (session, other):
            with pytest.raises(JournalHalted):
                halted.flush()
        assert [info.events for info in journal.sessions()] == [0, 0]


def test_a_roll_back_that_fails_is_told_with_the_reason_it_was_needed_for(tmp_path: Path) -> None:
    def at(name: str) -> None:
        if name == "insert" and armed:
            journal.connection.close()
            raise OSError("the disk is gone")

    armed: list[str] = []
    journal = Journal.open(tmp_path / "a.db", at=at)
    session = journal.begin("paper", "DU1", config={})
    armed.append("now")
    with pytest.raises(JournalHalted, match=r"OSError: the disk is gone \(and the roll-back failed: .*closed"):
        session.record(opening()[0])
    journal.close()
    with Journal.open(tmp_path / "a.db") as journal:
        assert journal.resume(1).book.seq == 0


def test_a_file_that_may_not_grow_halts_and_works_again_when_it_may(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    _base(tmp_path)
    ready, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            signals.signal(signals.SIGXFSZ, signals.SIG_IGN)
            journal = Journal.open(path)
            session = journal.resume(1)
            resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size, path.stat().st_size))
            try:
                for number in range(10_000):
                    session.record(event(EventKind.DEPOSIT, cash_e8=1 + number))
                    os.write(write, session.book.seq.to_bytes(8, "little"))
            except JournalHalted as error:
                os._exit(7 if "disk" in str(error) else 8)
        finally:
            os._exit(9)
    os.close(write)
    with os.fdopen(ready, "rb") as pipe:
        told = pipe.read()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    acked = int.from_bytes(told[-8:], "little")
    with Journal.open(path) as journal:
        session = journal.resume(1)
        assert session.book.seq >= acked > 6 and journal.verify(1).ok
        assert session.record(event(EventKind.DEPOSIT, cash_e8=1)) == Outcome.APPLIED


# Bits that flip.


@pytest.fixture(scope="module")
def flippable(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, bytes]]:
    """Files of one history: closed (all in the database) and open (the tail in the write-ahead log)."""
    folder = tmp_path_factory.mktemp("flip")
    events, _ = stream(3, 150)
    with Journal.open(folder / "a.db") as journal:
        session = journal.begin("backtest", "x", config={"a": 1})
        session.record_all(events[:-30])
        for row in events[-30:]:
            session.record(row)
        opened = {name: (folder / name).read_bytes() for name in ("a.db", "a.db-wal", "a.db.mark")}
    closed = {name: (folder / name).read_bytes() for name in ("a.db", "a.db.mark")}
    return {"closed": closed, "open": opened}


def _decoded(path: Path) -> list[tuple[object, ...]]:
    try:
        connection = sqlite3.connect(path)
        try:
            return connection.execute("SELECT * FROM event ORDER BY session_id, seq").fetchall()
        finally:
            connection.close()
    except (sqlite3.Error, UnicodeDecodeError):
        return []


def _reported(path: Path, way: Callable[[Path], Journal]) -> bool:
    try:
        with way(path) as journal:
            return journal.quarantine is not None or not journal.verify(1).ok
    except (JournalError, sqlite3.Error):
        return True


def _flips(original: dict[str, bytes], name: str, count: int, folder: Path, seed: int) -> Iterator[tuple[int, bool, bool]]:
    """Yield (bit, whether the events differ, whether verify or open says so)."""
    draw = Random(seed)
    for number in range(count):
        place = folder / str(number)
        place.mkdir()
        bit = draw.randrange(8 * len(original[name]))
        for file, content in original.items():
            data = bytearray(content)
            if file == name:
                data[bit // 8] ^= 1 << (bit % 8)
            (place / file).write_bytes(data)
        told = _reported(place / "a.db", Journal.read)
        yield bit, _decoded(place / "a.db") != TRUE_EVENTS[0], told
        for file in place.iterdir():
            file.unlink()


TRUE_EVENTS: list[list[tuple[object, ...]]] = []


@pytest.mark.slow
@pytest.mark.parametrize(("state", "name"), [("closed", "a.db"), ("open", "a.db-wal")])
def test_a_flipped_bit_that_changes_or_loses_an_event_is_reported(
    flippable: dict[str, dict[str, bytes]], state: str, name: str, tmp_path: Path
) -> None:
    whole = tmp_path / "whole"
    whole.mkdir()
    for file, content in flippable["closed"].items():
        (whole / file).write_bytes(content)
    TRUE_EVENTS[:] = [_decoded(whole / "a.db")]
    assert len(TRUE_EVENTS[0]) > 100
    assert not _reported(whole / "a.db", Journal.read)
    results = list(_flips(flippable[state], name, FLIPS, tmp_path, 4))
    assert [bit for bit, differs, told in results if differs and not told] == []
    assert sum(differs for _, differs, _ in results) > FLIPS // 60


def test_a_lost_write_ahead_log_is_reported_and_the_file_is_not_written_to(
    flippable: dict[str, dict[str, bytes]], tmp_path: Path
) -> None:
    for name in ("a.db", "a.db.mark"):
        (tmp_path / name).write_bytes(flippable["open"][name])
    with pytest.raises(JournalShortened) as told:
        Journal.open(tmp_path / "a.db")
    assert told.value.stored_seq < told.value.marked_seq and "restore a backup" in str(told.value)
    with Journal.read(tmp_path / "a.db") as journal:
        assert journal.quarantine is not None
        assert "mark" in {finding.part for finding in journal.verify(1).findings}
