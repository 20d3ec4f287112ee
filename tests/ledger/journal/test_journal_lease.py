"""One owner per account: by file lock while it lives, by fence when the lock is cheated."""

from __future__ import annotations

import os
import signal as signals
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ledger.journal import Journal, JournalHalted, JournalLocked
from ledger.journal.store.files import lease_path
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
        old.heartbeat()
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
