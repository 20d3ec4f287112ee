"""Journals in memory: the real journal on SQLite's memdb, with real locks, ready in microseconds.

Theory of operation. One database with many sessions that have just been begun is made once; each
schedule takes the next one over, and when they are used up the whole is copied anew. The first of them are for
schedules whose runner is READY when they begin (`standing.py`). A process gets its connection from a pool, because a
fresh connection parses the schema for a millisecond; a process that dies gives it back rolled back, which is what
SQLite does with the file of a killed program, and its file locks are closed, which is what the system does. Locks,
turns and marks are real files in a private folder.

What is replaced, and only while a journal is opened: where a connection comes from, the making of a file that is
none, and the hash of the source tree, which takes 50 ms and is the same all the time.
"""

from __future__ import annotations

import atexit
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ledger.journal import Journal, Session
from ledger.journal import journal as book_file
from ledger.journal.provenance import source_hash
from ledger.journal.replay import session_row
from ledger.journal.store import files, leases
from live.broker.refs import book_tag
from tests.live.fakes import ACCOUNT, opening

if TYPE_CHECKING:
    from tests.scenarios.fuzz.stage.standing import Kept

STANDING, SESSIONS = 112, 144
"""Sessions whose runner stands ready, and all: those after them were begun and belong to nobody yet."""
SCOPE = "paper:{}/{}"
"""Account and number of the schedule: sessions of one account exclude each other."""


def folder() -> Path:
    """Return a new private folder, in memory where there is such a place."""
    shared = Path("/dev/shm")
    return Path(tempfile.mkdtemp(prefix="onebook-fuzz-", dir=shared if shared.is_dir() and os.access(shared, os.W_OK) else None))


@contextmanager
def replaced(place: Any, **values: Any) -> Iterator[None]:
    """Replace attributes of a module for a moment."""
    before = {name: getattr(place, name) for name in values}
    for name, value in values.items():
        setattr(place, name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(place, name, value)


class Storage:
    """The database of one fuzzing process."""

    def __init__(self) -> None:
        self.path = folder() / "paper.db"
        atexit.register(shutil.rmtree, self.path.parent, ignore_errors=True)
        self._code = source_hash()
        self._template = self._made()
        self._keeper = self._connect()
        self._pool: list[sqlite3.Connection] = []
        self._next = {True: STANDING + 1, False: SESSIONS + 1}
        """The next session of each sort: those that stand ready, and the others."""
        self.open: list[Opened | Kept] = []
        """What the processes of this schedule have open."""
        self._tags: dict[int, str] = {}
        """The tags of sessions; each copy of the database has the same rows."""
        self._mark = str(files.sidecar(self.path, "mark"))

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(f"file:/{self.path.parent.name}?vfs=memdb", uri=True, isolation_level=None, timeout=0)
        connection.execute("PRAGMA foreign_keys = ON")
        return connection

    def _made(self) -> sqlite3.Connection:
        """Return a private database with fresh sessions."""
        made = sqlite3.connect(":memory:", isolation_level=None)
        slow = {"source_hash": lambda: self._code, "git_state": lambda: ("", 0)}
        with replaced(files, connect_writer=lambda _: made), replaced(leases, source_hash=lambda: self._code), replaced(book_file, **slow):
            journal = Journal.open(self.path)
            for number in range(1, SESSIONS + 1):
                session = journal.begin("paper", SCOPE.format(ACCOUNT, number), config={})
                session.record_all(np.array(opening()))
                session.close()
        return made

    def next_session(self, standing: bool = False) -> int:
        """Free what the last schedule left, and return the number of a session that nobody used, of those whose runner stands ready."""
        for opened in self.open:
            opened.rest()
        self.open.clear()
        if self._next[standing] > (STANDING if standing else SESSIONS):
            self.refresh()
        self._next[standing] += 1
        with suppress(FileNotFoundError):
            os.truncate(self._mark, 0)
        return self._next[standing] - 1

    def refresh(self) -> None:
        """Put the database back as the template has it."""
        self._template.backup(self._keeper)
        self._next = {True: 1, False: STANDING + 1}

    def keep(self) -> None:
        """Make what the database says now the template."""
        self._keeper.backup(self._template)

    def take_over(self, number: int, at: Callable[[str], None], clock: Callable[[], int]) -> Opened:
        """Open the journal as a new process does, and resume a session.

        Raises:
            JournalLocked: the account belongs to a process that lives.
        """
        connection = self._pool.pop() if self._pool else self._connect()
        opened = Opened(self, connection)
        self.open.append(opened)
        before = files.connect_writer, files.prepare, leases.source_hash
        files.connect_writer, files.prepare, leases.source_hash = lambda _: connection, lambda _: None, self._same_code
        try:
            opened.journal = Journal.open(self.path, at=at, clock=clock)
            opened.session = opened.journal.resume(number)
        except BaseException:
            opened.die()
            raise
        finally:
            files.connect_writer, files.prepare, leases.source_hash = before
        return opened

    def _same_code(self) -> str:
        return self._code

    def resume(self, journal: Journal, number: int) -> Session:
        """Take a further account over in a journal that is open."""
        with replaced(leases, source_hash=self._same_code):
            return journal.resume(number)

    def lose_owner_lock(self, number: int) -> None:
        """Delete the file of an account's lock under its owner."""
        files.lease_path(self.path, SCOPE.format(ACCOUNT, number)).unlink(missing_ok=True)

    def tag(self, journal: Journal, number: int) -> str:
        """Return what tells a session's book from others in the references of its orders."""
        if number not in self._tags:
            self._tags[number] = book_tag(session_row(journal.connection, number))
        return self._tags[number]

    def give_back(self, connection: sqlite3.Connection) -> None:
        """Take a connection into the pool."""
        self._pool.append(connection)


class Opened:
    """A journal as one process has it open."""

    journal: Journal
    session: Session

    def __init__(self, storage: Storage, connection: sqlite3.Connection) -> None:
        self._storage, self._connection, self._alive = storage, connection, True

    def tag(self) -> str:
        """Return what tells the session's book from others in the references of its orders."""
        return self._storage.tag(self.journal, self.session.id)

    def rest(self) -> None:
        """End with the schedule."""
        self.die()

    def die(self) -> None:
        """Do what the system does for a process that is gone: roll back, close its files, free its locks."""
        if not self._alive:
            return
        self._alive = False
        journal: Any = getattr(self, "journal", None)
        if journal is not None:
            for lock in (journal._turn, *(session._lock for session in journal._sessions)):
                if lock is not None:
                    lock._close()
            if journal.mark._descriptor >= 0:
                os.close(journal.mark._descriptor)
                journal.mark._descriptor = -1
        try:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        except sqlite3.ProgrammingError:  # the journal closed it
            return
        self._storage.give_back(self._connection)


@cache
def storage() -> Storage:
    """Return this process's storage."""
    return Storage()
