"""One write of a session: everything of it becomes durable, or nothing, or the session halts.

Theory of operation. A `with` block from the turn to the commit. On entry it takes
the turn, begins, and applies what other processes stored since the last look. In the
block the session applies events and calls `one` or `many`. On exit it commits what
was stored and moves the high-water mark; a block that stored nothing is rolled back.
Whatever is raised after BEGIN, by the block or by the commit itself, halts the
session: its book in memory may be ahead of the disk and is thrown away.

An exclusive session does not look for events of others: nobody else holds its fence,
and the event table refuses any other one.
"""

from __future__ import annotations

import sqlite3
from types import TracebackType
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from ledger.book import E_KIND, EVENT_WIDTH, Book, Row
from ledger.journal import replay
from ledger.journal.errors import JournalError, JournalLocked, halted
from ledger.journal.store import chain
from ledger.journal.store.mark import Mark
from ledger.journal.tables import PROJECT_EVERY
from ledger.vocabulary import EventKind

if TYPE_CHECKING:
    from ledger.journal.session import Session

_DEFINE = int(EventKind.INSTRUMENT)
BULK = 50_000
"""Rows whose Python values exist at one time while many events are inserted."""
_INSERT = (
    "INSERT INTO event (session_id, seq, fence, recorded_ns, time_ns, kind, key, instrument, side, qty_lots, price_ticks,"
    " cash_e8, fee_e8, exec_id, revision, target_lots, order_type, flags, stop_ticks, take_ticks, trail_ticks, parent,"
    " reason, ref, hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)


class Transaction:
    """What one write of a session stores, and what becomes of the session when it fails."""

    def __init__(self, session: Session) -> None:
        self._session, self._journal = session, session._journal
        self._begun = False
        self.stored = False
        """Whether there is anything to commit."""

    def __enter__(self) -> Self:
        self._session._require_alive()
        self._journal.at("record")
        self._journal.take_turn()
        try:
            self._begin()
        except BaseException as error:
            self._leave(error)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is not None:
            self._leave(error)
            return
        try:
            self._finish()
        except BaseException as failed:
            self._leave(failed)
            raise
        self._journal.give_turn()

    def _leave(self, error: BaseException) -> None:
        """Give the turn back after something went wrong, and halt the session."""
        try:
            if isinstance(error, JournalLocked) and not self._begun:
                return
            self._session._halt(error)
            if isinstance(error, Exception):
                raise halted(self._session.id, error, self._session._stopped) from error
        finally:
            self._journal.give_turn()

    def _begin(self) -> None:
        """Begin, and apply what other processes stored since the last look."""
        try:
            self._journal.connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if "locked" in str(error) or "busy" in str(error):
                what = f"{self._journal.path} is held by another program, nothing was recorded ({error})"
                raise JournalLocked(f"{what}; close what writes to it and start again") from error
            raise
        self._begun = True
        self._journal.at("begin")
        if not self._session.exclusive:
            self._catch_up()

    def _catch_up(self) -> None:
        s, connection = self._session, self._journal.connection
        upto, start = replay.last_seq(connection, s.id), s._book.seq
        if upto == start:
            return
        if upto < start:
            raise JournalError(f"the journal ends at event {upto} and this book is at {start}: events were lost")
        s._head = replay.require(replay.extend(connection, s.id, s._book, s._head, upto), s.id).head
        s._names.load(connection)
        defined = connection.execute(
            "SELECT instrument, ref FROM event WHERE session_id = ? AND seq > ? AND kind = 1 AND ref > 0", (s.id, start)
        )
        s._tables.symbols.update({number: s._names.text(ref) for number, ref in defined})
        s._tables.are(s._book.arena)

    def _finish(self) -> None:
        """Commit what was stored and move the high-water mark; roll back a write that stored nothing."""
        s, journal = self._session, self._journal
        if not self.stored and not s._raw:
            journal.connection.execute("ROLLBACK")
            return
        if s._raw:
            self._store_raw()
        if s._names.pending():
            s._names.store(journal.connection)
        journal.at("commit-before")
        journal.connection.execute("COMMIT")
        journal.at("commit-after")
        journal.mark.write(Mark(s.id, s._book.seq, s._head))
        journal.at("mark")

    def _store_raw(self) -> None:
        """Insert the broker's messages that wait."""
        s, connection = self._session, self._journal.connection
        last = s._messages
        if last < 0 or not s.exclusive:  # nobody else adds messages to an exclusive session
            last = connection.execute("SELECT coalesce(max(number), 0) FROM broker_event WHERE session_id = ?", (s.id,)).fetchone()[0]
        connection.executemany(
            "INSERT INTO broker_event (session_id, number, received_ns, source, body) VALUES (?, ?, ?, ?, ?)",
            [(s.id, number, *message) for number, message in enumerate(s._raw, last + 1)],
        )
        s._raw, s._messages = [], last + len(s._raw)

    def one(self, event: Row) -> None:
        """Insert an event that the book has taken; the other tables follow now or later."""
        s, journal = self._session, self._journal
        journal.at("apply")
        line: list[int] = event.tolist()
        place = (s.id, s._book.seq, s._fence, journal.clock())
        head = chain.event_hash(s._head, place, line)
        journal.connection.execute(_INSERT, (*place, *line, head))
        journal.at("insert")
        if line[E_KIND] == _DEFINE:
            s._learn_symbols(event.reshape(1, EVENT_WIDTH))
        if s._tables.note(line) >= PROJECT_EVERY or not s.exclusive:
            self.project()
        s._head = head
        self.stored = True

    def project(self) -> None:
        """Bring the other tables up to the events."""
        if self._session._tables.behind:
            self._session._tables.bring_up(self._journal.connection, self._session._book.arena)
            self._journal.at("project")
            self.stored = True

    def many(self, events: NDArray[np.int64], after: Book) -> None:
        """Insert events that turn the session's book into `after`, and bring the projections up to it."""
        s, at, connection = self._session, self._journal.at, self._journal.connection
        at("apply")
        self.project()
        now, head, before = self._journal.clock(), s._head, s._book
        for start in range(0, len(events), BULK):
            table = chain.canonical(s.id, before.seq + start + 1, s._fence, now, events[start : start + BULK])
            hashes = chain.hashes(head, table)
            connection.executemany(_INSERT, ((*line, value) for line, value in zip(table.tolist(), hashes, strict=True)))
            head = hashes[-1]
        at("insert")
        s._learn_symbols(events)
        s._tables.replace(connection, before.arena, after.arena)
        at("project")
        s._book, s._head = after, head
        self.stored = True
