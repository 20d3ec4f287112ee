"""A session: one book and its journal, moving together.

Theory of operation. `record` is: take the turn, BEGIN IMMEDIATE, catch up with what
other processes stored, apply, insert, COMMIT, move the high-water mark, and only then
answer APPLIED. The tables that views read follow in the same commit when the session
is shared, and within some events or at `project` when it is exclusive. An effect (an order that is sent) may follow an answer and
nothing else. Memory is a cache of the journal: when anything fails after BEGIN, the
transaction is rolled back, the book in memory is thrown away and the session is
halted; the next owner replays. An outcome other than APPLIED stores nothing, but a
refused signal is a REFUSED event, and that is applied and stored.

POINTS are the places between any two steps; tests kill the process at each.
"""

from __future__ import annotations

import json
import os
import sqlite3
import weakref
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from ledger import core
from ledger.book import EVENT_COLUMNS, EVENT_WIDTH, S_INSTRUMENT, Book, Capacity, Row, used
from ledger.core import Decision
from ledger.journal import projection, replay, snapshots
from ledger.journal.days import zone_of
from ledger.journal.errors import JournalError, JournalHalted
from ledger.journal.store.locks import FileLock
from ledger.journal.names import Names
from ledger.journal.tables import Tables
from ledger.journal.transaction import Transaction
from ledger.vocabulary import EventKind, Outcome

if TYPE_CHECKING:
    from ledger.journal.journal import Journal

POINTS = (
    "schema", "session", "lease-lock", "lease", "record", "begin", "claim", "apply", "insert", "project",
    "commit-before", "commit-after", "mark", "name", "end", "snapshot-write", "snapshot-rename", "snapshot",
    "migrate-backup", "migrate-step", "migrate-commit", "migrate-done", "backup-copy", "backup",
)  # fmt: skip
NOTHING = Capacity(1, 1, 1, 1, 1, 1)
"""The room of a book that nobody will ask."""
_INT64, _ROW_SHAPE = np.dtype(np.int64), (EVENT_WIDTH,)
_APPLIED, _AT_TARGET = Outcome.APPLIED, Outcome.AT_TARGET
JOINED_MAX = 65_536
"""Characters of a message to which no further line is joined: joining copies it."""
_open: weakref.WeakSet[Session] = weakref.WeakSet()
"""The sessions of this process."""


class Session:
    """One book and its events. Made by `Journal.begin` and `Journal.resume`; used by one thread."""

    def __init__(
        self, journal: Journal, row: dict[str, Any], genesis: bytes, replayed: replay.Replayed, fence: int, lock: FileLock | None
    ) -> None:
        self.id = int(row["id"])
        self.scope, self.exclusive = str(row["scope"]), bool(row["exclusive"])
        self._journal, self._fence, self._lock = journal, fence, lock
        self._book, self._head = replayed.book, replayed.head
        self._names = Names(self.id, genesis)
        self._names.load(journal.connection)
        symbols = _symbols(journal.connection, self.id, self._names, used(self._book.arena, S_INSTRUMENT) - 1)
        self._tables = Tables(self.id, symbols, zone_of(json.loads(row["config"])))
        self._raw: list[tuple[int, str, str]] = []
        self._messages = -1
        """Messages that are stored, -1 before anybody asked."""
        self._stopped = ""
        self._pid = os.getpid()
        _open.add(self)

    # What the book says, and its answers to events.

    @property
    def book(self) -> Book:
        """The book after the last recorded event; read it, and let only `record` change it."""
        if self._stopped:
            self._refuse()
        return self._book

    def record(self, event: Row) -> Outcome:
        """Apply one event and store it; return APPLIED only when it is durable.

        Args:
            event: int64[EVENT_WIDTH]. An INSTRUMENT names its symbol by `ref`.
        Raises:
            JournalHalted: a write failed; the event may or may not be stored, open the session again to know.
            JournalLocked: the database was busy for too long; nothing happened.
        """
        _require_event(event)
        with Transaction(self) as write:
            outcome = core.apply(self._book, event)
            if outcome is _APPLIED:
                write.one(event)
        return outcome

    def gate(self, signal: Row) -> Decision:
        """Decide on a signal and store what was decided, in one transaction.

        Returns:
            The decision; its event is the stored CLAIM or REFUSED. AT_TARGET is no news and is not stored.
        """
        _require_event(signal)
        with Transaction(self) as write:
            decision = core.decide(self._book, signal)
            self._journal.at("claim")
            if decision.outcome is not _AT_TARGET:
                outcome = core.apply(self._book, decision.event)
                if outcome is not _APPLIED:
                    raise JournalError(f"decide answered {decision.outcome.name} and apply {outcome.name} for one book")
                write.one(decision.event)
        return decision

    def record_all(self, events: NDArray[np.int64]) -> None:
        """Apply and store rows int64[n, EVENT_WIDTH] in one transaction: all of them, or none.

        Raises:
            JournalError: naming the first row that is not APPLIED; nothing is stored and the session goes on.
        """
        if events.ndim != 2 or events.dtype != _INT64 or events.shape[1] != EVENT_WIDTH:
            raise _no_events(events, f"n, {EVENT_WIDTH}")
        events = np.ascontiguousarray(events)
        with Transaction(self) as write:
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
        with Transaction(self) as write:
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
            with Transaction(self) as write:
                self._names.load(self._journal.connection)
                for text in texts:
                    self._names.number(text) or self._names.add(text)
                write.stored = True
                self._journal.at("name")
        return [self._names.number(text) for text in texts]

    def text(self, number: int) -> str:
        """Return the text of a number that `name` gave, in this process or another."""
        self._require_alive()
        if number > len(self._names):
            self._names.load(self._journal.connection)
        return self._names.text(number)

    def symbols(self) -> dict[int, str]:
        """Return the symbol of every instrument, by its number."""
        self._require_alive()
        return dict(self._tables.symbols)

    def names(self) -> dict[int, str]:
        """Return every number and its text."""
        self._require_alive()
        self._names.load(self._journal.connection)
        return self._names.all()

    def remarks(self, kind: EventKind, after: int = 0) -> list[tuple[int, str]]:
        """Return (key, text) of every event of a kind that carries a text and has a number above `after`, oldest first."""
        self._require_alive()
        # The plus keeps the planner from asking which partial index fits the value: it would plan the query anew each time.
        sql = "SELECT key, ref FROM event WHERE session_id = ? AND seq > ? AND +kind = ? AND ref > 0 ORDER BY seq"
        rows = self._journal.connection.execute(sql, (self.id, after, int(kind))).fetchall()
        return [(key, self.text(ref)) for key, ref in rows]

    # Evidence.

    def keep(self, source: str, body: str, *, joined: bool = False) -> None:
        """Keep a message of the broker word for word; it becomes durable with the next write, whatever that write's outcome.

        A crash before that loses it, as it loses the event that would have been made of it: the broker repeats both.
        `joined`: a further line of the last message, where that one has the same source, waits still and is not long.
        """
        self._require_alive()
        if joined and self._raw and self._raw[-1][1] == source and len(self._raw[-1][2]) < JOINED_MAX:
            received_ns, _, before = self._raw[-1]
            self._raw[-1] = received_ns, source, f"{before}\n{body}"
            return
        self._raw.append((self._journal.clock(), source, body))

    def flush(self) -> None:
        """Make what `keep` took durable now, without an event."""
        with Transaction(self):
            pass

    def kept(self, source: str = "") -> list[tuple[int, str, str]]:
        """Return (received_ns, source, body) of every stored message, or of those of one source, oldest first."""
        self._require_alive()
        execute = self._journal.connection.execute
        if not source:
            sql = "SELECT received_ns, source, body FROM broker_event WHERE session_id = ? ORDER BY number"
            return execute(sql, (self.id,)).fetchall()
        # Without statistics SQLite would rather read every message of the session, because the primary key is unique.
        sql = (
            "SELECT received_ns, source, body FROM broker_event INDEXED BY broker_event_source"
            " WHERE session_id = ? AND source = ? ORDER BY number"
        )
        return execute(sql, (self.id, source)).fetchall()

    # The life of a session.

    def snapshot(self) -> None:
        """Keep the book's bytes, so that the next opening replays only what comes after."""
        book, head = self.book, self._head
        seq = book.seq
        if seq == 0:
            return
        written = snapshots.write_file(self._journal.path, self.id, book, self._journal.at)
        with Transaction(self) as write:
            write.project()
            old = snapshots.write_row(self._journal.connection, self.id, seq, head, written)
            write.stored = True
        self._journal.at("snapshot")
        snapshots.remove_files(self._journal.path, old)

    def snapshot_if_due(self) -> None:
        """Keep the book's bytes if opening it would replay many events; a session that lives for years calls this now and then."""
        if snapshots.is_due(self._journal.connection, self.id, self.book.seq):
            self.snapshot()

    def project(self) -> None:
        """Bring the tables that views read up to the last event; a runner calls this when it has nothing else to do."""
        self._require_alive()
        if self._tables.behind:
            with Transaction(self) as write:
                write.project()

    def heartbeat(self) -> None:
        """Show that the owner is alive, and bring the tables up.

        Raises:
            JournalHalted: the account belongs to somebody else now.
        """
        with Transaction(self) as write:
            write.project()
            found = self._journal.connection.execute(
                "UPDATE lease SET heartbeat_ns = ? WHERE scope = ? AND fence = ? AND session_id = ?",
                (self._journal.clock(), self.scope, self._fence, self.id),
            )
            if self.exclusive and found.rowcount != 1:
                raise JournalError("the lease of this account belongs to somebody else")
            write.stored = True

    def end(self, status: str = "done") -> None:
        """Seal the session with its book's digest: it takes no further event. Then close it."""
        with Transaction(self) as write:
            write.project()
            self._journal.connection.execute(
                "INSERT INTO session_end (session_id, ended_ns, status, events, digest) VALUES (?, ?, ?, ?, ?)",
                (self.id, self._journal.clock(), status, self._book.seq, self._book.digest()),
            )
            write.stored = True
            self._journal.at("end")
        self.close()

    def close(self) -> None:
        """Bring the tables up and give the account back; the session can be resumed. Closing twice is allowed."""
        if self._pid != os.getpid():
            return
        try:
            if not self._stopped:
                self.project()
        finally:
            if self._lock is not None:
                self._lock.release()
                self._lock = None
            self._stopped = self._stopped or "it was closed"

    # How a write goes.

    def adopt_tables(self, last: NDArray[np.int64]) -> None:
        """Take the tables over; a process that died may have left events that are in the event table only.

        Args:
            last: int64[n, EVENT_WIDTH], the events that were replayed last: as a rule the missing ones are among them.
        """
        connection, seq = self._journal.connection, self._book.seq
        sql = "SELECT coalesce(max(seq), 0) FROM account WHERE session_id = ?"
        upto = int(connection.execute(sql, (self.id,)).fetchone()[0])
        if not self.exclusive or upto == seq:
            self._tables.are(self._book.arena)
            return
        missing, late = seq - upto, last
        if not 0 < missing <= len(last):
            late = np.concatenate([table[:, -EVENT_WIDTH:] for table, _ in replay.slices(connection, self.id, upto, seq)])
        self._tables.recover(connection, late[-missing:])
        self.project()

    def _require_alive(self) -> None:
        if self._stopped:
            self._refuse()

    def _refuse(self) -> NoReturn:
        if self._pid != os.getpid():
            raise JournalHalted(f"session {self.id} belongs to pid {self._pid}: a forked process opens a journal of its own")
        raise JournalHalted(f"session {self.id} is halted: {self._stopped}; open it again with Journal.resume")

    def _halt(self, error: BaseException) -> None:
        """Throw memory away; what is on the disk counts."""
        self._stopped = f"{type(error).__name__}: {error}"
        self._book, self._head = Book(capacity=NOTHING), b""
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
            self._tables.symbols.setdefault(instrument, self._names.text(number))


def _symbols(connection: sqlite3.Connection, session_id: int, names: Names, instruments: int) -> dict[int, str]:
    """Return the symbols of so many instruments.

    An instrument is defined once, so reading ends with the last definition: a book of a million events has them among its first.
    """
    sql = "SELECT instrument, ref FROM event WHERE session_id = ? AND kind = 1 AND ref > 0 ORDER BY seq LIMIT ?"
    return {number: names.text(ref) for number, ref in connection.execute(sql, (session_id, instruments)).fetchall()}


def _require_event(event: Row) -> None:
    if event.dtype != _INT64 or event.shape != _ROW_SHAPE:
        raise _no_events(event, str(EVENT_WIDTH))


def _no_events(events: NDArray[np.int64], shape: str) -> TypeError:
    return TypeError(f"expected int64[{shape}], not {events.dtype}{list(events.shape)}; ledger.book.event() makes a row")


def _describe(event: Row) -> str:
    return ", ".join(f"{name}={value}" for name, value in zip(EVENT_COLUMNS, event.tolist(), strict=True) if value)


def _stop_in_child() -> None:
    """Let a forked process use none of its parent's sessions; each use would otherwise ask the system who it is."""
    for session in list(_open):
        session._stopped = session._stopped or "it belongs to another process"


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_stop_in_child)
