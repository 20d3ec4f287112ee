"""Killed at any named point: nothing acknowledged is lost, nothing is doubled, the chain and the book are whole."""

from __future__ import annotations

import os
import signal as signals
import sqlite3
from pathlib import Path

import pytest

from ledger.journal import POINTS, Journal, JournalError, JournalForeign
from ledger.journal.store import files, migrations
from tests.ledger.journal.journal_crash import Count, storm
from tests.ledger.journal.journal_streams import opening

CYCLES = 5_000 if os.environ.get("ONEBOOK_SOAK") else 200
HERE = tuple(point for point in POINTS if not point.startswith("migrate") and point != "name")
"""Names of an exclusive session are stored with their events; the point `name` is passed by shared sessions."""


def _warm(folder: Path) -> None:
    """Compile what the children will need: they are forked, so they inherit it."""
    assert storm(folder, ("never",), 2, 0) == {"never": 0}


@pytest.mark.slow
def test_no_kill_loses_or_doubles_an_acknowledged_event(tmp_path: Path) -> None:
    _warm(tmp_path / "warm")
    killed = storm(tmp_path / "storm", HERE, CYCLES, seed=1)
    assert all(killed.values()), f"points at which no process died: {[p for p, n in killed.items() if not n]}"


@pytest.mark.soak
def test_five_thousand_kills_lose_and_double_nothing(tmp_path: Path) -> None:
    _warm(tmp_path / "warm")
    storm(tmp_path / "storm", HERE, 5_000, seed=2)


def test_the_same_harness_catches_an_acknowledgement_before_the_commit(tmp_path: Path) -> None:
    counts: list[Count] = []
    storm(tmp_path, ("commit-before",), 24, seed=3, early=True, report=counts.append)
    assert sum(count.lost for count in counts) > 0


OLD, NEW = migrations.VERSION - 1, migrations.VERSION
OLD_TO_NEW = {
    OLD: (
        "CREATE TABLE note_new (text TEXT NOT NULL, length INTEGER NOT NULL) STRICT",
        "INSERT INTO note_new SELECT text, length(text) FROM note",
        "DROP TABLE note",
        "ALTER TABLE note_new RENAME TO note",
        "CREATE INDEX note_length ON note (length)",
    )
}


def _old_file(path: Path) -> None:
    """Make a journal of a made-up version before this one: today's tables and a note without its length."""
    with Journal.open(path) as journal:
        session = journal.begin("backtest", "x", config={})
        session.record(opening()[0])
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("CREATE TABLE note (text TEXT NOT NULL) STRICT")
    connection.execute("INSERT INTO note VALUES ('kept')")
    connection.execute(f"PRAGMA user_version = {OLD}")
    connection.close()


def _notes(path: Path) -> tuple[int, list[tuple[object, ...]]]:
    connection = sqlite3.connect(path)
    found = connection.execute("PRAGMA user_version").fetchone()[0], connection.execute("SELECT * FROM note").fetchall()
    connection.close()
    return found


def _migrate_and_die(path: Path, point: str, nth: int) -> int:
    child = os.fork()
    if child == 0:
        passed = 0

        def at(name: str) -> None:
            nonlocal passed
            passed += name == point
            if name == point and passed == nth:
                os.kill(os.getpid(), signals.SIGKILL)

        try:
            Journal.open(path, at=at).close()
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_a_migration_killed_at_any_statement_leaves_the_old_file_or_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrations, "MIGRATIONS", OLD_TO_NEW)
    places = [("migrate-backup", 1), *(("migrate-step", n) for n in range(1, 6)), ("migrate-commit", 1), ("migrate-done", 1), ("x", 1)]
    for number, (point, nth) in enumerate(places):
        path = tmp_path / str(number) / "a.db"
        _old_file(path)
        died = _migrate_and_die(path, point, nth)
        assert died == (0 if point == "x" else -signals.SIGKILL)
        done = point in ("migrate-done", "x")
        assert _notes(path) == ((NEW, [("kept", 4)]) if done else (OLD, [("kept",)]))
        with Journal.open(path) as journal:
            assert journal.verify(1).ok
        assert _notes(path) == (NEW, [("kept", 4)])
        assert _notes(files.sidecar(path, f"before-{NEW}")) == (OLD, [("kept",)])


def test_a_migration_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _old_file(tmp_path / "a.db")
    monkeypatch.setattr(migrations, "MIGRATIONS", {OLD: (*OLD_TO_NEW[OLD], "SELECT nonsense")})
    with pytest.raises(JournalError, match="no such column"):
        Journal.open(tmp_path / "a.db")
    assert _notes(tmp_path / "a.db") == (OLD, [("kept",)])


def test_a_newer_and_an_unknown_older_file_are_refused(tmp_path: Path) -> None:
    _old_file(tmp_path / "a.db")
    for version, words in ((0, "no migration leads"), (NEW + 1, "newer release")):
        connection = sqlite3.connect(tmp_path / "a.db")
        connection.execute(f"PRAGMA user_version = {version}")
        connection.close()
        for way in (Journal.open, Journal.read):
            with pytest.raises(JournalForeign, match=words):
                way(tmp_path / "a.db")
