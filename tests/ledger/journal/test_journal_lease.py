"""One owner per account: by file lock while it lives, by fence when the lock is cheated."""

from __future__ import annotations

import gc
import os
import signal as signals
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ledger.journal import Journal, JournalError, JournalHalted, JournalLocked
from ledger.journal.store import locks
from ledger.journal.store.files import lease_path, sidecar
from ledger.journal.store.locks import FileLock
from tests.ledger.journal.journal_streams import opening


def _owner(path: Path, and_then: Callable[[], None] = lambda: signals.pause()) -> int:
    """Fork a process that owns account DU1 and waits; return its pid when it does own it."""
    ready, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            journal = Journal.open(path)
            session = journal.resume(1) if journal.sessions() else journal.begin("paper", "DU1", config={})
            session.record(opening()[0])
            os.write(write, b"1")
            and_then()
        finally:
            os._exit(1)
    os.close(write)
    assert os.read(ready, 1) == b"1"
    os.close(ready)
    return child


def _end(child: int) -> None:
    os.kill(child, signals.SIGKILL)
    os.waitpid(child, 0)


def test_a_second_runner_is_refused_at_once_and_told_who_owns_the_account(tmp_path: Path) -> None:
    child = _owner(tmp_path / "a.db")
    try:
        with Journal.open(tmp_path / "a.db") as journal:
            code = journal.sessions()[0].source_hash
            start = time.perf_counter()
            with pytest.raises(JournalLocked) as refused:
                journal.resume(1)
            with pytest.raises(JournalLocked):
                journal.begin("paper", "DU1", config={})
            assert time.perf_counter() - start < 1
        for word in (f"pid {child}", os.uname().nodename, "since 20", code[:12], "stop that process", "Journal.read"):
            assert word in str(refused.value)
    finally:
        _end(child)


def test_another_account_in_the_same_file_is_free(tmp_path: Path) -> None:
    child = _owner(tmp_path / "a.db")
    try:
        with Journal.open(tmp_path / "a.db") as journal:
            assert journal.begin("paper", "DU2", config={}).record(opening()[0]) == 0
    finally:
        _end(child)


def test_a_killed_owner_frees_the_account_at_once_and_the_fence_grows(tmp_path: Path) -> None:
    for round_number in range(3):
        child = _owner(tmp_path / "a.db") if round_number == 0 else _taken_over(tmp_path / "a.db")
        _end(child)
        start = time.perf_counter()
        with Journal.open(tmp_path / "a.db") as journal:
            journal.resume(1)
            assert time.perf_counter() - start < 1
            assert journal.connection.execute("SELECT fence FROM lease").fetchone() == (2 * round_number + 2,)


def _taken_over(path: Path) -> int:
    ready, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            session = Journal.open(path).resume(1)
            os.write(write, b"1" if session.book.seq else b"0")
            signals.pause()
        finally:
            os._exit(1)
    os.close(write)
    assert os.read(ready, 1) == b"1"
    os.close(ready)
    return child


def test_a_stopped_owner_still_owns_the_account(tmp_path: Path) -> None:
    child = _owner(tmp_path / "a.db")
    try:
        os.kill(child, signals.SIGSTOP)
        with Journal.open(tmp_path / "a.db") as journal, pytest.raises(JournalLocked, match=f"pid {child}"):
            journal.resume(1)
    finally:
        _end(child)


def test_a_deleted_lock_file_lets_a_second_one_in_and_the_first_ones_fence_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with Journal.open(path) as first, Journal.open(path) as second:
        old = first.begin("paper", "DU1", config={})
        old.record(opening()[0])
        lease_path(path, "DU1").unlink()
        new = second.resume(1)
        with pytest.raises(JournalHalted, match="stale fence"):
            old.record(opening()[1])
        with pytest.raises(JournalHalted, match="stale fence"):
            old.record(opening()[1])
        with pytest.raises(JournalHalted):
            _ = old.book
        assert new.record(opening()[1]) == 0
        assert second.verify(1).ok and new.book.seq == 2


def test_a_heartbeat_shows_life_and_a_lost_lease_halts(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with Journal.open(path) as first, Journal.open(path) as second:
        old = first.begin("paper", "DU1", config={})
        asked = "SELECT heartbeat_ns - since_ns FROM lease"
        assert second.connection.execute(asked).fetchone() == (0,)
        old.heartbeat()
        assert second.connection.execute(asked).fetchone() > (0,), "nothing else was to be stored, and it is stored all the same"
        first.begin("backtest", "x", config={}).heartbeat()
        lease_path(path, "DU1").unlink()
        second.resume(1)
        with pytest.raises(JournalHalted, match="belongs to somebody else"):
            old.heartbeat()


def test_a_forked_worker_does_not_keep_the_account(tmp_path: Path) -> None:
    path, (ready, write) = tmp_path / "a.db", os.pipe()

    def fork_and_wait() -> None:
        worker = os.fork()
        if worker == 0:
            signals.pause()
        os.write(write, worker.to_bytes(8, "little"))
        signals.pause()

    child = _owner(path, fork_and_wait)
    worker = int.from_bytes(os.read(ready, 8), "little")
    try:
        _end(child)
        with Journal.open(path) as journal:
            assert journal.resume(1).book.seq == 1
    finally:
        os.kill(worker, signals.SIGKILL)


@pytest.mark.parametrize("taken", [True, False], ids=["somebody locked a new one", "nobody did"])
def test_a_lock_on_a_file_that_was_deleted_meanwhile_is_no_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, taken: bool
) -> None:
    path, flock, passed = tmp_path / "a.lease", locks.fcntl.flock, []
    slow, quick = FileLock(path), FileLock(path)

    def deleted_before(descriptor: int, operation: int) -> None:
        if not passed:
            passed.append(descriptor)
            path.unlink()
            assert not taken or quick.acquire(wait=False)
        flock(descriptor, operation)

    monkeypatch.setattr(locks.fcntl, "flock", deleted_before)
    assert slow.acquire(wait=False) != taken
    assert path.exists() and not FileLock(path).acquire(wait=False)


def test_a_lock_that_is_waited_for_comes_when_its_owner_dies(tmp_path: Path) -> None:
    ready, write = os.pipe()
    child = os.fork()
    if child == 0:
        FileLock(tmp_path / "a.turn").acquire(wait=True)
        os.write(write, b"1")
        signals.setitimer(signals.ITIMER_REAL, 0.1)
        signals.pause()
    assert os.read(ready, 1) == b"1"
    lock = FileLock(tmp_path / "a.turn")
    assert lock.acquire(wait=True) and not FileLock(tmp_path / "a.turn").acquire(wait=False)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signals.SIGALRM


def test_whoever_writes_holds_the_turn_from_the_first_point_to_the_last(tmp_path: Path) -> None:
    held: dict[str, bool] = {}

    def at(point: str) -> None:
        other = FileLock(sidecar(tmp_path / "a.db", "turn"))
        held[point] = not other.acquire(wait=False)
        other.release()

    with Journal.open(tmp_path / "a.db", at=at) as journal:
        session = journal.begin("backtest", "x", config={})
        session.record(opening()[0])
        session.name("AAPL")
        session.end()
    writing = {"schema", "session", "lease", "begin", "apply", "insert", "project", "commit-before", "commit-after", "mark", "name", "end"}
    assert {point for point, is_held in held.items() if is_held} == writing
    assert FileLock(sidecar(tmp_path / "a.db", "turn")).acquire(wait=False)


def test_an_account_that_is_being_opened_has_no_owner_to_name_yet(tmp_path: Path) -> None:
    opener = FileLock(lease_path(tmp_path / "a.db", "DU1"))
    assert opener.acquire(wait=False)
    with Journal.open(tmp_path / "a.db") as journal:
        with pytest.raises(JournalLocked, match="is being opened by another process"):
            journal.begin("paper", "DU1", config={})
        opener.release()
        assert journal.begin("paper", "DU1", config={}).record(opening()[0]) == 0


def test_where_the_system_has_no_flock_an_account_still_has_one_owner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "fcntl", None)
    with Journal.open(tmp_path / "a.db") as first, Journal.open(tmp_path / "a.db") as second:
        old = first.begin("paper", "DU1", config={})
        assert old.record(opening()[0]) == 0
        with pytest.raises(JournalLocked, match="one writer only"):
            second.resume(1)
        old.close()
        assert second.resume(1).record(opening()[1]) == 0


def test_closing_a_journal_gives_back_every_file_it_opened(tmp_path: Path) -> None:
    def day() -> int:
        with Journal.open(tmp_path / "a.db") as journal:
            session = journal.resume(1) if journal.sessions() else journal.begin("paper", "DU1", config={})
            with Journal.open(tmp_path / "a.db") as other, pytest.raises(JournalLocked):
                other.resume(1)
            session.heartbeat()
        return len(os.listdir("/dev/fd"))

    gc.collect()
    assert day() == day()


def test_an_account_has_one_session_that_goes_on_and_a_refused_second_one_leaves_it_free(tmp_path: Path) -> None:
    with Journal.open(tmp_path / "a.db") as journal:
        journal.begin("paper", "DU1", config={}).close()
        with pytest.raises(JournalError, match="no paper session of DU1: .*; resume that one, or end it"):
            journal.begin("paper", "DU1", config={})
        assert len(journal.sessions()) == 1
        journal.resume(1).end()
        assert journal.begin("paper", "DU1", config={}, parent=1).id == 2
        assert [info.parent for info in journal.sessions()] == [0, 1]


@pytest.mark.parametrize(("kind", "word"), [("paper", "exclusive"), ("backtest", "shared")])
def test_a_session_stays_with_one_writer_or_with_many(tmp_path: Path, kind: str, word: str) -> None:
    with Journal.open(tmp_path / "a.db") as journal:
        journal.begin(kind, "DU1", config={}).close()
        with pytest.raises(JournalError, match=f"was begun as {word} and stays so"):
            journal.resume(1, exclusive=kind != "paper")
        assert journal.resume(1, exclusive=kind == "paper").exclusive == (kind == "paper")


def test_a_forked_child_neither_begins_a_session_on_its_parents_journal_nor_closes_it(tmp_path: Path) -> None:
    with Journal.open(tmp_path / "a.db") as journal:
        session = journal.begin("paper", "DU1", config={})
        child = os.fork()
        if child == 0:
            try:
                journal.begin("backtest", "x", config={})
            except JournalHalted:
                journal.close()
                os._exit(journal.connection.execute("SELECT 7").fetchone()[0])
            os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
        assert session.record(opening()[0]) == 0 and len(journal.sessions()) == 1
