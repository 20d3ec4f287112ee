"""Closed trades of a book, as figures and reports count them.

Theory of operation. Profit exists once, on allocations. A trade is what one closing
order gave back: its allocations together, after their shares of all fees. Read only.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ledger.book import (
    A_CLOSE, A_COST, A_INSTRUMENT, A_LOT, A_PROCEEDS, A_SIDE, A_VERSION, I_VERSION, L_ENTRY, N_ORDER, N_TIME, Book,
)  # fmt: skip
from ledger.kernels.fees import fee_shares

Ints = NDArray[np.int64]


class Trades(NamedTuple):
    """Closed trades, one per closing order: net P&L in e8, first open and last close in UTC ns."""

    pnl_e8: Ints
    open_ns: Ints
    close_ns: Ints


def closed_trades(book: Book) -> Trades:
    """Return the closed trades of a book: allocations grouped by the order that closed them, after fees."""
    allocs, entries = book.allocations, book.entries
    open_fee, close_fee, _ = fee_shares(book.arena)
    current = allocs[:, A_VERSION] == book.instruments[allocs[:, A_INSTRUMENT], I_VERSION]
    pnl = allocs[:, A_SIDE] * (allocs[:, A_PROCEEDS] - allocs[:, A_COST]) - open_fee - close_fee
    allocs, pnl = allocs[current], pnl[current]
    orders = entries[allocs[:, A_CLOSE], N_ORDER]
    closers = np.where(orders >= 0, orders, -1 - allocs[:, A_CLOSE])
    _, group = np.unique(closers, return_inverse=True)
    count = int(group.max()) + 1 if group.size else 0
    total, opened = np.zeros(count, np.int64), np.full(count, np.iinfo(np.int64).max)
    closed = np.full(count, np.iinfo(np.int64).min)
    np.add.at(total, group, pnl)
    np.minimum.at(opened, group, entries[book.lots[allocs[:, A_LOT], L_ENTRY], N_TIME])
    np.maximum.at(closed, group, entries[allocs[:, A_CLOSE], N_TIME])
    order = np.argsort(closed, kind="stable")
    return Trades(total[order], opened[order], closed[order])
