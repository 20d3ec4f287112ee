"""A session: one book and its journal, moving together.

Theory of operation. `record` is: take the turn, BEGIN IMMEDIATE, catch up with what
other processes stored, apply, insert, project, COMMIT, move the high-water mark, and
only then answer APPLIED. An effect (an order that is sent) may follow an answer and
nothing else. Memory is a cache of the journal: when anything fails after BEGIN, the
transaction is rolled back, the book in memory is thrown away and the session is
halted; the next owner replays. An outcome other than APPLIED stores nothing, but a
refused signal is a REFUSED event, and that is applied and stored.

POINTS are the places between any two steps; tests kill the process at each.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ledger import core
from ledger.book import EVENT_COLUMNS, EVENT_WIDTH, Book, Row
from ledger.core import Decision
from ledger.journal import chain, projection, replay, snapshots
from ledger.journal.errors import JournalError, JournalHalted, JournalLocked
from ledger.journal.locks import FileLock
from ledger.journal.mark import Mark
from ledger.journal.names import Names
from ledger.vocabulary import Outcome

if TYPE_CHECKING:
    from ledger.journal.journal import Journal

POINTS = (
    "schema", "session", "lease-lock", "lease", "record", "begin", "claim", "apply", "insert", "project",
    "commit-before", "commit-after", "mark", "name", "end", "snapshot-write", "snapshot-rename", "snapshot",
    "migrate-backup", "migrate-step", "migrate-commit", "migrate-done", "backup-copy", "backup",
)  # fmt: skip
BULK = 50_000
_INSERT = (
    f"INSERT INTO event (session_id, seq, fence, recorded_ns, {', '.join(EVENT_COLUMNS)}, hash)"
    f" VALUES ({', '.join('?' * (chain.CANONICAL_WIDTH + 1))})"
)


class Session:
    """One book and its events. Made by `Journal.begin` and `Journal.resume`; used by one thread."""

    def __init__(
        self, journal: Journal, row: dict[str, Any], replayed: replay.Replayed, fence: int, lock: FileLock | None
    ):
        self.id = int(row["id"])
        self.scope, self.exclusive = str(row["scope"]), bool(row["exclusive"])
        self._journal, self._fence, self._lock = journal, fence, lock
        self._book, self._head = replayed.book, replayed.head
        self._names = Names(self.id, chain.genesis(row))
        self._names.load(journal.connection)
        self._symbols = _symbols(journal.connection, self.id)
        self._stopped = ""
        self._pid = os.getpid()

    # What the book says, and its answers to events.

    @property
    def book(self) -> Book:
        """The book after the last recorded event; read it, and let only `record` change it."""
        self._require_alive()
        return self._book

    def record(self, event: Row) -> Outcome:
        """Apply one event and store it; return APPLIED only when it is durable.

        Args:
            event: int64[EVENT_WIDTH]. An INSTRUMENT names its symbol by `ref`.
        Raises:
            JournalHalted: a write failed; the event may or may not be stored, open the session again to know.
            JournalLocked: the database was busy for too long; nothing happened.
        """
        _require_events(event, 1)
        with self._transaction() as write:
            was = projection.before(self._book.arena, event)
            outcome = core.apply(self._book, event)
            if outcome == Outcome.APPLIED:
                write.one(event, was)
        return outcome

    def gate(self, signal: Row) -> Decision:
        """Decide on a signal and store what was decided, in one transaction.

        Returns:
            The decision; its event is the stored CLAIM or REFUSED. AT_TARGET is no news and is not stored.
        """
        _require_events(signal, 1)
        with self._transaction() as write:
            decision = core.decide(self._book, signal)
            self._journal.at("claim")
            if decision.outcome != Outcome.AT_TARGET:
                was = projection.before(self._book.arena, decision.event)
                outcome = core.apply(self._book, decision.event)
                if outcome != Outcome.APPLIED:
                    raise JournalError(f"decide answered {decision.outcome.name} and apply {outcome.name} for one book")
                write.one(decision.event, was)
        return decision

    def record_all(self, events: NDArray[np.int64]) -> None:
        """Apply and store rows int64[n, EVENT_WIDTH] in one transaction: all of them, or none.

        Raises:
            JournalError: naming the first row that is not APPLIED; nothing is stored and the session goes on.
        """
        _require_events(events, 2)
        events = np.ascontiguousarray(events)
        with self._transaction() as write:
            after = self._book.copy()
            done = core.apply_all(after, events)
            if done == len(events) and done > 0:
                write.many(events, after)
        if done < len(events):
            outcome = core.apply(after, events[done])
            raise JournalError(
                f"row {done} of {len(events)} is {outcome.name}, expected APPLIED; nothing was stored: leave out what the book "
                f"does not take. The row: {_describe(events[done])}"
            )

    def valuations(self, rows: NDArray[np.int64]) -> None:
        """Store points of the equity curve.

        Args:
            rows: int64[n, 5]: time_ns, day, cash_e8, positions_e8, unmarked (positions without a price).
        """
        if rows.dtype != np.int64 or rows.ndim != 2 or rows.shape[1] != 5:
            raise TypeError(f"valuations are int64[n, 5], not {rows.dtype}{list(rows.shape)}")
        connection = self._journal.connection
        with self._transaction() as write:
            last = connection.execute("SELECT max(number) FROM valuation WHERE session_id = ?", (self.id,)).fetchone()[0]
            connection.executemany(
                "INSERT INTO valuation (session_id, number, time_ns, day, cash_e8, positions_e8, equity_e8, unmarked)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    (self.id, number, time_ns, day, cash, positions, cash + positions, unmarked)
                    for number, (time_ns, day, cash, positions, unmarked) in enumerate(rows.tolist(), (last or 0) + 1)
                ),
            )
            write.stored = True

    # Names.

    def name(self, text: str) -> int:
        """Return the number of a text, a new one if this session has not seen it; the same for ever after."""
        return self._names.number(text) or self.names_of([text])[0]

    def names_of(self, texts: list[str]) -> list[int]:
        """Return the numbers of many texts, with one commit at most."""
        self._require_alive()
        if self.exclusive:
            return [self._names.number(text) or self._names.add(text) for text in texts]
        if not all(map(self._names.number, texts)):
            with self._transaction() as write:
                self._names.load(self._journal.connection)
                for text in texts:
                    self._names.number(text) or self._names.add(text)
                write.stored = True
                self._journal.at("name")
        return [self._names.number(text) for text in texts]

    def text(self, number: int) -> str:
        """Return the text of a number that `name` gave, in this process or another."""
        self._require_alive()
        if number > len(self._names.all()):
            self._names.load(self._journal.connection)
        return self._names.text(number)

    def names(self) -> dict[int, str]:
        """Return every number and its text."""
        self._require_alive()
        self._names.load(self._journal.connection)
        return self._names.all()

    # The life of a session.

    def snapshot(self) -> None:
        """Keep the book's bytes, so that the next opening replays only what comes after."""
        book, head = self.book, self._head
        seq = book.seq
        if seq == 0:
            return
        written = snapshots.write_file(self._journal.path, self.id, book, self._journal.at)
        with self._transaction() as write:
            old = snapshots.write_row(self._journal.connection, self.id, seq, head, written)
            write.stored = True
        self._journal.at("snapshot")
        snapshots.remove_files(self._journal.path, old)

    def heartbeat(self) -> None:
        """Show that the owner is alive.

        Raises:
            JournalHalted: the account belongs to somebody else now.
        """
        with self._transaction() as write:
            found = self._journal.connection.execute(
                "UPDATE lease SET heartbeat_ns = ? WHERE scope = ? AND fence = ? AND session_id = ?",
                (self._journal.clock(), self.scope, self._fence, self.id),
            )
            if self.exclusive and found.rowcount != 1:
                raise JournalError("the lease of this account belongs to somebody else")
            write.stored = True

    def end(self, status: str = "done") -> None:
        """Seal the session with its book's digest: it takes no further event. Then close it."""
        with self._transaction() as write:
            self._journal.connection.execute(
                "INSERT INTO session_end (session_id, ended_ns, status, events, digest) VALUES (?, ?, ?, ?, ?)",
                (self.id, self._journal.clock(), status, self._book.seq, self._book.digest()),
            )
            write.stored = True
            self._journal.at("end")
        self.close()

    def close(self) -> None:
        """Give the account back; the session can be resumed. Closing twice is allowed."""
        if self._pid == os.getpid() and self._lock is not None:
            self._lock.release()
            self._lock = None
        self._stopped = self._stopped or "it was closed"

    # How a write goes.

    def _require_alive(self) -> None:
        if self._stopped:
            raise JournalHalted(f"session {self.id} is halted: {self._stopped}; open it again with Journal.resume")
        if self._pid != os.getpid():
            raise JournalHalted(f"session {self.id} belongs to pid {self._pid}: a forked process opens a journal of its own")

    @contextmanager
    def _transaction(self) -> Iterator[_Write]:
        """Run a write: all of it becomes durable, or the session halts, or nothing was stored at all."""
        self._require_alive()
        journal = self._journal
        journal.at("record")
        with journal.turn():
            self._begin()
            try:
                journal.at("begin")
                self._catch_up()
                write = _Write(self)
                yield write
                if write.stored:
                    self._commit()
                else:
                    journal.connection.execute("ROLLBACK")
            except BaseException as error:
                self._halt(error)
                if isinstance(error, Exception):
                    raise JournalHalted(f"session {self.id} is halted: {self._stopped}") from error
                raise

    def _begin(self) -> None:
        try:
            self._journal.connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if "locked" in str(error) or "busy" in str(error):
                raise JournalLocked(f"{self._journal.path} is held by another program; nothing was recorded: {error}") from error
            self._halt(error)
            raise JournalHalted(f"session {self.id} is halted: {self._stopped}") from error

    def _catch_up(self) -> None:
        """Apply what other processes stored since the last look."""
        connection = self._journal.connection
        upto = replay.last_seq(connection, self.id)
        if upto == self._book.seq:
            return
        if upto < self._book.seq:
            raise JournalError(f"the journal ends at event {upto} and this book is at {self._book.seq}: events were lost")
        start = self._book.seq
        self._head = replay.require(replay.extend(connection, self.id, self._book, self._head, upto), self.id).head
        self._names.load(connection)
        defined = connection.execute(
            "SELECT instrument, ref FROM event WHERE session_id = ? AND seq > ? AND kind = 1 AND ref > 0", (self.id, start)
        )
        self._symbols.update({number: self._names.text(ref) for number, ref in defined})

    def _commit(self) -> None:
        journal = self._journal
        if self._names.pending():
            self._names.store(journal.connection)
        journal.at("commit-before")
        journal.connection.execute("COMMIT")
        journal.at("commit-after")
        if self._book.seq:
            journal.mark.write(Mark(self.id, self._book.seq, self._head))
        journal.at("mark")

    def _halt(self, error: BaseException) -> None:
        """Throw memory away; what is on the disk counts."""
        self._stopped = f"{type(error).__name__}: {error}"
        self._book, self._head = Book(), b""
        connection = self._journal.connection
        try:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        except sqlite3.Error as failed:
            # A roll-back that fails leaves an open transaction behind; closing the connection drops it.
            self._stopped += f" (and the roll-back failed: {failed})"
            connection.close()

    def _learn_symbols(self, events: NDArray[np.int64]) -> None:
        for instrument, number in projection.symbol_numbers(events):
            self._symbols.setdefault(instrument, self._names.text(number))


class _Write:
    """What one transaction of a session stores."""

    def __init__(self, session: Session):
        self._session = session
        self.stored = False

    def one(self, event: Row, was: projection.Before) -> None:
        """Insert an event that the book has taken, and bring the projections up to it."""
        s = self._session
        at, connection, arena = s._journal.at, s._journal.connection, s._book.arena
        at("apply")
        seq, now = s._book.seq, s._journal.clock()
        head = chain.event_hash(s._head, s.id, seq, s._fence, now, event)
        connection.execute(_INSERT, (s.id, seq, s._fence, now, *event.tolist(), head))
        at("insert")
        s._learn_symbols(event.reshape(1, EVENT_WIDTH))
        fees = projection.fee_changes(was.fees, projection.fee_rows(arena)) if was.fees is not None else []
        projection.write(connection, s.id, arena, projection.touched(arena, event, was), fees, s._symbols)
        at("project")
        s._head = head
        self.stored = True

    def many(self, events: NDArray[np.int64], after: Book) -> None:
        """Insert events that turn the session's book into `after`, and bring the projections up to it."""
        s = self._session
        at, connection, before = s._journal.at, s._journal.connection, s._book
        at("apply")
        now, head = s._journal.clock(), s._head
        for start in range(0, len(events), BULK):
            table = chain.canonical(s.id, before.seq + start + 1, s._fence, now, events[start : start + BULK])
            hashes = chain.hashes(head, table)
            rows = ((*line, value) for line, value in zip(table.tolist(), hashes, strict=True))
            connection.executemany(_INSERT, rows)
            head = hashes[-1]
        at("insert")
        s._learn_symbols(events)
        rows_changed = projection.changed(before.arena, after.arena)
        fees = projection.fee_changes(projection.fee_rows(before.arena), projection.fee_rows(after.arena))
        projection.write(connection, s.id, after.arena, rows_changed, fees, s._symbols)
        at("project")
        s._book, s._head = after, head
        self.stored = True


def _symbols(connection: sqlite3.Connection, session_id: int) -> dict[int, str]:
    rows = connection.execute("SELECT number, symbol FROM instrument WHERE session_id = ?", (session_id,))
    return {number: symbol for number, symbol in rows}


def _require_events(events: NDArray[np.int64], dimensions: int) -> None:
    if events.dtype != np.int64 or events.ndim != dimensions or events.shape[-1] != EVENT_WIDTH:
        wanted = f"int64[{EVENT_WIDTH}]" if dimensions == 1 else f"int64[n, {EVENT_WIDTH}]"
        raise TypeError(f"expected {wanted}, not {events.dtype}{list(events.shape)}; ledger.book.event() makes a row")


def _describe(event: Row) -> str:
    return ", ".join(f"{name}={value}" for name, value in zip(EVENT_COLUMNS, event.tolist(), strict=True) if value)
