"""The projection tables of one session: how far they are behind its events, and bringing them up.

Theory of operation. An event is durable when it is in the event table; the other
tables say the same in another form and may follow. A shared session writes them with
each event, because its neighbours do so too. An exclusive one notes the event here
and writes what `PROJECT_EVERY` events touched in one go: writing them with each event
made a durable step twice as long. `account.seq` says how far the tables came, readers
show the distance, and the next owner of a session whose process died in between
writes what is missing.

What events can have touched is found from the events and the book after all of them,
and may be more than they did touch: every row is written as the book has it now.
Found are the rows that are new; orders by key; executions by id, all revisions; lots
that new allocations name; and the instruments of all these.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from ledger.book import (
    A_INSTRUMENT, A_LOT, E_EXEC, E_INSTRUMENT, E_KEY, E_KIND, E_REASON, E_REVISION, H_METHOD, H_REBOOKS, L_INSTRUMENT,
    N_ID, N_INSTRUMENT, N_ORDER, N_REVISION, O_INSTRUMENT, S_ALLOC, S_ENTRY, S_IDS, S_INSTRUMENT, S_KEYS, S_LOT, S_ORDER,
    Arena, find, section_rows,
)  # fmt: skip
from ledger.journal import projection
from ledger.journal.projection import ALLOC, EXECUTION, INSTRUMENT, LOT, ORDER, TABLES, Rows
from ledger.vocabulary import EventKind, Limit, Method

PROJECT_EVERY = 64
"""Events of an exclusive session that may wait for their rows in the other tables."""

Events = list[list[int]]
Touched = dict[str, set[int]]
# Plain integers: looking a member of an enum up costs more than most of what is done with it here.
_FILL, _COMMISSION, _SPLIT, _MARK = (int(k) for k in (EventKind.FILL, EventKind.COMMISSION, EventKind.SPLIT, EventKind.MARK))
_CLAIM, _REFUSED, _UNKNOWN = int(EventKind.CLAIM), int(EventKind.REFUSED), int(EventKind.UNKNOWN)
_LIMIT, _MARGIN, _AVERAGE = int(EventKind.LIMIT), int(Limit.SHORT_MARGIN_BPS), int(Method.AVERAGE)
_MONEY_KINDS = frozenset((_FILL, _COMMISSION, _SPLIT, int(EventKind.ADJUST_POSITION)))
_COUNT = "(SELECT coalesce(max(number) + 1, {}) FROM {} WHERE session_id = :session)"
_STORED_COUNTS = " ".join(("SELECT", ", ".join(_COUNT.format(int(table is INSTRUMENT), table.name) for table in TABLES)))
_COUNTS = np.array([3 * table.section + 2 for table in TABLES])


class Written(NamedTuple):
    """How far the tables came: the rows of each one, and how often the book had been re-booked (-1 when unknown)."""

    counts: tuple[int, ...]
    rebooks: int


class Tables:
    """The tables of a session; used inside its transactions."""

    def __init__(self, session_id: int, symbols: dict[int, str], zone: ZoneInfo) -> None:
        self.session_id, self.symbols, self._zone = session_id, symbols, zone
        self._late: Events = []
        self._written = Written((0,) * len(TABLES), 0)
        self._fees = np.zeros((0, 3), np.int64)

    @property
    def behind(self) -> int:
        """Return how many events wait for their rows."""
        return len(self._late)

    def note(self, event: list[int]) -> int:
        """Remember an event that was applied and stored; return how many wait for their rows."""
        self._late.append(event)
        return len(self._late)

    def are(self, arena: Arena) -> None:
        """Take it that the tables say what this book says."""
        self._late, self._written = [], _written(arena)
        self._fees = projection.fee_rows(arena)

    def recover(self, connection: sqlite3.Connection, late: NDArray[np.int64]) -> None:
        """Look how far a process that is gone brought the tables.

        Args:
            late: int64[n, EVENT_WIDTH], the events stored after `account.seq`.
        """
        self._late, self._written = late.tolist(), Written(_stored_counts(connection, self.session_id), -1)
        sql = "SELECT open_fee_e8, close_fee_e8, known FROM alloc_fee WHERE session_id = ? ORDER BY number"
        fees = connection.execute(sql, (self.session_id,)).fetchall()
        self._fees = np.array(fees, np.int64).reshape(len(fees), 3)

    def bring_up(self, connection: sqlite3.Connection, arena: Arena) -> None:
        """Write what the noted events touched, as the book after all of them has it, inside the caller's transaction."""
        rows = touched(arena, self._late, self._written)
        fees = self._fees_after(arena)
        projection.write(connection, self.session_id, arena, rows, fees, self.symbols, self._zone)
        self._late, self._written = [], _written(arena)

    def replace(self, connection: sqlite3.Connection, before: Arena, after: Arena) -> None:
        """Write what differs between two states of the book, when the tables say the first one."""
        fees = projection.fee_rows(after)
        changes = projection.fee_changes(self._fees[: int(before[3 * S_ALLOC + 2])], fees)
        projection.write(
            connection, self.session_id, after, projection.changed(before, after), changes, self.symbols, self._zone
        )
        self._written, self._fees = _written(after), fees

    def _fees_after(self, arena: Arena) -> Rows:
        """Return the fee rows that are new or differ after the noted events, and remember them."""
        known, count = self._written.counts[TABLES.index(ALLOC)], int(arena[3 * S_ALLOC + 2])
        if count > len(self._fees):
            self._fees = np.concatenate([self._fees, np.zeros((max(count, 256), 3), np.int64)])
        again = _fees_anew(arena, self._late, self._written)
        owners = section_rows(arena, S_ALLOC)[:, A_INSTRUMENT]
        # The fee of a fill is still to come, and so is its allocations' share.
        rows: Rows = [(n, 0, 0, 0) for n, owner in enumerate(owners[known:count].tolist(), known) if owner not in again]
        for instrument in sorted(again):
            numbers = np.flatnonzero(owners == instrument)
            fresh = projection.fee_rows_of(arena, numbers, instrument)
            differ = (self._fees[numbers] != fresh).any(axis=1) | (numbers >= known)
            self._fees[numbers] = fresh
            rows += [(int(n), *line) for n, line in zip(numbers[differ], fresh[differ].tolist(), strict=True)]
        return rows


def _written(arena: Arena) -> Written:
    return Written(tuple(arena[_COUNTS].tolist()), int(arena[H_REBOOKS]))


def _stored_counts(connection: sqlite3.Connection, session_id: int) -> tuple[int, ...]:
    """Return how many rows of each table are written; the book's instruments are numbered from 1."""
    return tuple(connection.execute(_STORED_COUNTS, {"session": session_id}).fetchone())


def touched(arena: Arena, events: Events, written: Written) -> Touched:
    """Return the row numbers of each table that the events, all applied, can have changed since `written`."""
    rows = {t.name: set(range(n, int(arena[3 * t.section + 2]))) for t, n in zip(TABLES, written.counts, strict=True)}
    for event in events:
        _touch(arena, event, rows)
    orders, entries, instruments = rows[ORDER.name], rows[EXECUTION.name], rows[INSTRUMENT.name]
    entry_rows, order_rows = section_rows(arena, S_ENTRY), section_rows(arena, S_ORDER)
    orders.update(int(entry_rows[number, N_ORDER]) for number in entries)
    orders.discard(-1)
    rows[LOT.name].update(section_rows(arena, S_ALLOC)[written.counts[TABLES.index(ALLOC)] :, A_LOT].tolist())
    instruments.update(int(order_rows[number, O_INSTRUMENT]) for number in orders)
    instruments.update(int(entry_rows[number, N_INSTRUMENT]) for number in entries)
    # A refused signal may name an instrument that the book does not have, and 0 is the account.
    rows[INSTRUMENT.name] = {n for n in instruments if 1 <= n < len(section_rows(arena, S_INSTRUMENT))}
    return rows


def _touch(arena: Arena, event: list[int], rows: Touched) -> None:
    """Add the rows that exist longer than the event and that it can have changed (`rows` is modified in place)."""
    kind = event[E_KIND]
    if kind == _REFUSED:
        return
    rows[INSTRUMENT.name].add(event[E_INSTRUMENT])
    if kind == _MARK:
        return
    if event[E_KEY] > 0:
        rows[ORDER.name].add(int(find(arena, S_KEYS, event[E_KEY], S_ORDER)))
    if _CLAIM <= kind <= _UNKNOWN:
        return
    rows[EXECUTION.name].update(_revisions(arena, event))
    if kind == _SPLIT or (arena[H_METHOD] == _AVERAGE and kind in _MONEY_KINDS):
        # A split rescales open lots, an average pools them; a version that was left behind since is written too.
        instrument = _instrument_of(arena, event)
        rows[LOT.name].update(np.flatnonzero(section_rows(arena, S_LOT)[:, L_INSTRUMENT] == instrument).tolist())
    if kind == _LIMIT and event[E_REASON] == _MARGIN:
        rows[INSTRUMENT.name].update(range(1, len(section_rows(arena, S_INSTRUMENT))))


def _revisions(arena: Arena, event: list[int]) -> Iterable[int]:
    """Return the entries of the event's execution: the newest, and where there were corrections all before it."""
    if event[E_EXEC] <= 0:
        return ()
    newest = int(find(arena, S_IDS, event[E_EXEC], S_ENTRY))
    entries = section_rows(arena, S_ENTRY)
    if newest >= 0 and entries[newest, N_REVISION] == 0 and event[E_REVISION] == 0:
        return (newest,)
    return [int(number) for number in np.flatnonzero(entries[:, N_ID] == event[E_EXEC])]


def _instrument_of(arena: Arena, event: list[int]) -> int:
    """Return the instrument of an event about money; a commission names an execution only."""
    if event[E_KIND] != _COMMISSION:
        return event[E_INSTRUMENT]
    return int(section_rows(arena, S_ENTRY)[find(arena, S_IDS, event[E_EXEC], S_ENTRY), N_INSTRUMENT])


def _fees_anew(arena: Arena, events: Events, written: Written) -> set[int]:
    """Return the instruments whose shares of fees must be computed again."""
    plain = arena[H_REBOOKS] == written.rebooks and arena[H_METHOD] != _AVERAGE
    return {
        _instrument_of(arena, event)
        for event in events
        if event[E_KIND] in _MONEY_KINDS and not (plain and event[E_KIND] == _FILL)
    }
