"""The raw rows of a session that comparisons are made of: whole tables, as tuples, in the order of their numbers.

Theory of operation. Each function is one constant query; the typed row beside it has the
query's columns in the same order. Nothing is left out and nothing is summed here.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ledger.book import EVENT_WIDTH
from ledger.journal import Journal


class InstrumentRow(NamedTuple):
    """An instrument as it stands; `multiply` and `divide` turn lots times ticks into e8 of the currency."""

    number: int
    symbol: str
    price_exp: int
    qty_exp: int
    multiply: int
    divide: int
    position_lots: int
    unmatched_lots: int
    mark_ticks: int
    mark_time_ns: int
    value_e8: int


class OrderRecord(NamedTuple):
    """An order as it stands."""

    number: int
    key: int
    instrument: int
    status: int
    side: int
    qty_lots: int
    target_lots: int
    time_ns: int


class EntryRecord(NamedTuple):
    """An execution, or another fact that moved money or lots, that still counts: corrected ones are left out."""

    number: int
    kind: int
    order_number: int
    instrument: int
    side: int
    qty_lots: int
    price_ticks: int
    value_e8: int
    fee_e8: int
    flags: int
    time_ns: int
    exec_id: int
    ref: int
    seq: int


class RefusalRecord(NamedTuple):
    """A refused wish."""

    key: int
    reason: int
    target_lots: int
    time_ns: int
    seq: int


class StoryRecord(NamedTuple):
    """One event of an order's life."""

    seq: int
    time_ns: int
    kind: int
    side: int
    qty_lots: int
    price_ticks: int
    cash_e8: int
    fee_e8: int
    exec_id: int
    revision: int
    target_lots: int
    order_type: int
    reason: int
    ref: int


def instruments(journal: Journal, session_id: int) -> list[InstrumentRow]:
    """Return every instrument of a session."""
    sql = (
        "SELECT number, symbol, price_exp, qty_exp, multiply, divide, position_lots, unmatched_lots, mark_ticks, mark_time_ns, value_e8"
        " FROM instrument WHERE session_id = ? ORDER BY number"
    )
    return [InstrumentRow(*line) for line in journal.connection.execute(sql, (session_id,))]


def instrument_flags(journal: Journal, session_id: int) -> dict[int, int]:
    """Return the InstrumentFlag bits of every instrument."""
    found = journal.connection.execute("SELECT number, flags FROM instrument WHERE session_id = ?", (session_id,))
    return dict(found.fetchall())


def orders(journal: Journal, session_id: int) -> list[OrderRecord]:
    """Return every order of a session, in the order of their claims."""
    sql = (
        "SELECT number, key, instrument, status, side, qty_lots, target_lots, time_ns"
        ' FROM "order" WHERE session_id = ? ORDER BY number'
    )
    return [OrderRecord(*line) for line in journal.connection.execute(sql, (session_id,))]


def entries(journal: Journal, session_id: int) -> list[EntryRecord]:
    """Return every execution and fact that counts, in the order of their arrival; flag 2 marks what was corrected."""
    sql = (
        "SELECT number, kind, order_number, instrument, side, qty_lots, price_ticks, value_e8, fee_e8, flags, time_ns, exec_id, ref, seq"
        " FROM execution WHERE session_id = ? AND (flags & 2) = 0 ORDER BY number"
    )
    return [EntryRecord(*line) for line in journal.connection.execute(sql, (session_id,))]


def refused(journal: Journal, session_id: int, upto: int) -> list[RefusalRecord]:
    """Return every refused wish up to an event, oldest first."""
    sql = "SELECT key, reason, target_lots, time_ns, seq FROM event WHERE session_id = ? AND kind = 11 AND seq <= ? ORDER BY seq"
    return [RefusalRecord(*line) for line in journal.connection.execute(sql, (session_id, upto))]


def marks(journal: Journal, session_id: int) -> NDArray[np.int64]:
    """Return every price of a session as int64[n, 3]: instrument, time_ns, price_ticks, in the order recorded."""
    sql = "SELECT instrument, time_ns, price_ticks FROM event WHERE session_id = ? AND kind = 30 ORDER BY seq"
    found = journal.connection.execute(sql, (session_id,))
    return np.fromiter(chain.from_iterable(found), np.int64).reshape(-1, 3)


def events(journal: Journal, session_id: int, upto: int) -> NDArray[np.int64]:
    """Return the events of a session up to one of them, int64[n, EVENT_WIDTH], without looking at their hashes."""
    sql = (
        "SELECT time_ns, kind, key, instrument, side, qty_lots, price_ticks, cash_e8, fee_e8, exec_id, revision, target_lots, order_type,"
        " flags, stop_ticks, take_ticks, trail_ticks, parent, reason, ref FROM event WHERE session_id = ? AND seq <= ? ORDER BY seq"
    )
    found = journal.connection.execute(sql, (session_id, upto))
    return np.fromiter(chain.from_iterable(found), np.int64).reshape(-1, EVENT_WIDTH)


def span(journal: Journal, session_id: int) -> tuple[int, int] | None:
    """Return the times of the first and the last event of a session, or None when it has none."""
    sql = "SELECT min(time_ns), max(time_ns) FROM event WHERE session_id = ?"
    first, last = journal.connection.execute(sql, (session_id,)).fetchone()
    return None if first is None else (first, last)


class EventRecord(NamedTuple):
    """One event as it was stored, in the columns that are told to other programs."""

    seq: int
    time_ns: int
    kind: int
    instrument: int
    side: int
    qty_lots: int
    price_ticks: int
    cash_e8: int
    fee_e8: int


def events_after(journal: Journal, session_id: int, seq: int, most: int) -> list[EventRecord]:
    """Return up to `most` events behind a sequence number, in their order."""
    sql = (
        "SELECT seq, time_ns, kind, instrument, side, qty_lots, price_ticks, cash_e8, fee_e8 FROM event"
        " WHERE session_id = ? AND seq > ? ORDER BY seq LIMIT ?"
    )
    return [EventRecord(*line) for line in journal.connection.execute(sql, (session_id, seq, most))]


def names(journal: Journal, session_id: int) -> dict[int, str]:
    """Return the texts that a session's events carry as numbers."""
    found: Iterator[tuple[int, str]] = journal.connection.execute("SELECT number, text FROM name WHERE session_id = ?", (session_id,))
    return dict(found)


def story(journal: Journal, session_id: int, key: int) -> list[StoryRecord]:
    """Return the events that carry a key, oldest first."""
    sql = (
        "SELECT seq, time_ns, kind, side, qty_lots, price_ticks, cash_e8, fee_e8, exec_id, revision, target_lots, order_type,"
        " reason, ref FROM event WHERE session_id = ? AND key = ? ORDER BY seq"
    )
    return [StoryRecord(*line) for line in journal.connection.execute(sql, (session_id, key))]


def commissions(journal: Journal, session_id: int, key: int) -> list[tuple[int, int, int]]:
    """Return (seq, time_ns, fee_e8) of the commissions of a key's executions, oldest first."""
    sql = (
        "SELECT seq, time_ns, fee_e8 FROM event WHERE session_id = ?1 AND kind = 21 AND exec_id IN"
        " (SELECT exec_id FROM event WHERE session_id = ?1 AND kind = 20 AND key = ?2) ORDER BY seq"
    )
    return journal.connection.execute(sql, (session_id, key)).fetchall()


def allocations(journal: Journal, session_id: int, key: int) -> list[tuple[int, int, int, int, int, int]]:
    """Return (lot, whether it was opened, qty_lots, cost_e8, proceeds_e8, pnl_e8) of a key's current lots and allocations."""
    sql = (
        "WITH mine AS (SELECT e.number FROM execution AS e JOIN \"order\" AS o ON o.session_id = e.session_id"
        " AND o.number = e.order_number WHERE e.session_id = ?1 AND o.key = ?2)"
        " SELECT l.number, 1, l.qty_lots, l.value_e8, 0, 0 FROM lot AS l JOIN instrument AS i ON i.session_id = l.session_id"
        " AND i.number = l.instrument AND i.version = l.version WHERE l.session_id = ?1 AND l.entry IN mine"
        " UNION ALL SELECT a.lot, 0, a.qty_lots, a.cost_e8, a.proceeds_e8, a.pnl_e8 FROM alloc AS a JOIN instrument AS i"
        " ON i.session_id = a.session_id AND i.number = a.instrument AND i.version = a.version"
        " WHERE a.session_id = ?1 AND a.close_entry IN mine ORDER BY 2, 1"
    )
    return journal.connection.execute(sql, (session_id, key)).fetchall()
