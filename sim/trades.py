"""Closed trades of a book, as figures and reports count them.

Theory of operation. Profit exists once, on allocations. A trade is what one closing
order gave back: its allocations together, after their shares of all fees. A trade
whose fee nobody has reported yet counts without it, as the book does. Read only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ledger.book import (
    A_CLOSE, A_COST, A_INSTRUMENT, A_LOT, A_PROCEEDS, A_QTY, A_SIDE, A_VERSION, I_VERSION, L_ENTRY, N_ORDER, N_SEQ, N_TIME, Book,
)  # fmt: skip
from ledger.kernels.fees import fee_shares

Ints = NDArray[np.int64]


class Trades(NamedTuple):
    """Closed trades in order of their closes, one per closing order; each column int64[n].

    Money in e8, times in UTC ns (first open, last close), `side` +1 long or -1 short, `qty_lots` on the
    instrument's grid; `cost_e8` and `proceeds_e8` are the values at the open and at the close, each positive.
    """

    pnl_e8: Ints
    open_ns: Ints
    close_ns: Ints
    instrument: Ints
    side: Ints
    qty_lots: Ints
    cost_e8: Ints
    proceeds_e8: Ints
    fees_e8: Ints


class Allocations(NamedTuple):
    """Allocations of the current versions, and the shares of fees they carry; one row each."""

    rows: Ints  # [n, ledger.book.ALLOC_WIDTH]
    open_fee_e8: Ints
    close_fee_e8: Ints


def allocations(book: Book) -> Allocations:
    """Return every allocation that a book's profit is the sum of, in the order they were booked."""
    rows = book.allocations
    open_fee, close_fee, _ = fee_shares(book.arena)
    current = rows[:, A_VERSION] == book.instruments[rows[:, A_INSTRUMENT], I_VERSION]
    return Allocations(rows[current], open_fee[current], close_fee[current])


def closed_trades(book: Book) -> Trades:
    """Return the closed trades of a book: allocations grouped by the order that closed them, after fees."""
    entries, (allocs, open_fee, close_fee) = book.entries, allocations(book)
    fees = open_fee + close_fee
    pnl = allocs[:, A_SIDE] * (allocs[:, A_PROCEEDS] - allocs[:, A_COST]) - fees
    first, group = _by_order(book, allocs)
    opened = np.full(first.size, np.iinfo(np.int64).max)
    np.minimum.at(opened, group, entries[book.lots[allocs[:, A_LOT], L_ENTRY], N_TIME])
    closed = _latest(group, first.size, entries[allocs[:, A_CLOSE], N_TIME])
    total, quantity, cost, proceeds, paid = (
        _summed(group, first.size, column)
        for column in (pnl, allocs[:, A_QTY], allocs[:, A_COST], allocs[:, A_PROCEEDS], fees)
    )
    order = np.argsort(closed, kind="stable")
    columns = (
        total, opened, closed, allocs[first, A_INSTRUMENT], allocs[first, A_SIDE], quantity, cost, proceeds, paid,
    )  # fmt: skip
    return Trades(*(column[order] for column in columns))


def closing_days(book: Book, day_of: Callable[[Ints, Ints], Ints]) -> Ints:
    """Return the trading day on which each closed trade ended, in the order of `closed_trades`.

    Args:
        day_of: the trading days of facts, by their sequence numbers and times, as `ledger.views.days.Days.of`.
    """
    allocs = allocations(book).rows
    closers, (first, group) = book.entries[allocs[:, A_CLOSE]], _by_order(book, allocs)
    ended = _latest(group, first.size, day_of(closers[:, N_SEQ], closers[:, N_TIME]))
    return ended[np.argsort(_latest(group, first.size, closers[:, N_TIME]), kind="stable")]


def _by_order(book: Book, allocs: Ints) -> tuple[Ints, Ints]:
    """Return the first allocation of each closing order (of each execution that has none), and the group of each allocation."""
    orders = book.entries[allocs[:, A_CLOSE], N_ORDER]
    closers = np.where(orders >= 0, orders, -1 - allocs[:, A_CLOSE])
    _, first, group = np.unique(closers, return_index=True, return_inverse=True)
    return first, group


def _latest(group: Ints, count: int, values: Ints) -> Ints:
    """Return the greatest value of each group."""
    latest = np.full(count, np.iinfo(np.int64).min)
    np.maximum.at(latest, group, values)
    return latest


def _summed(group: Ints, count: int, values: Ints) -> Ints:
    """Return the sum of the values of each group; the parts of one order fit its own bounds, so nothing wraps."""
    total = np.zeros(count, np.int64)
    np.add.at(total, group, values)
    return total
