"""What the trades alone say: profit of each closer, open lots, cash. The only source of "true" in this folder.

Theory of operation. The trades of a file are booked by the core (`booking.book_of`), and what the book's
allocations say is added up per closing trade. A sale that found no lot has no true profit: `unmatched_e8` is its
quantity. `value_e8` is price times quantity, rounded once, 0 for a
row that cannot be booked. Profit is before fees (`gross_e8`); `fees_e8` are the shares of fees that belong to
the closed part, of the opening and of the closing trade.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ledger.book import (
    A_CLOSE,
    A_COST,
    A_LOT,
    A_PROCEEDS,
    A_QTY,
    A_SIDE,
    H_CASH,
    I_FEES,
    I_OPEN_COST,
    I_POSITION,
    I_QTY_EXP,
    I_REALIZED,
    L_ENTRY,
    L_INSTRUMENT,
    N_ID,
    N_KIND,
    N_VALUE,
    U_ENTRY,
    U_QTY,
)
from ledger.journal.names import KEPT
from ledger.kernels.fees import fee_shares
from ledger.rescue.booking import book_of
from ledger.rescue.legacy import Bools, Int64s, Legacy
from ledger.units import MONEY_EXP
from ledger.vocabulary import EventKind, Method


@dataclass
class Truth:
    """Per trade (in the order of the file) and per symbol; e8 throughout."""

    cash_e8: int
    """Cash after everything."""
    value_e8: Int64s
    closed_e8: Int64s
    cost_e8: Int64s
    gross_e8: Int64s
    open_fee_e8: Int64s
    close_fee_e8: Int64s
    unmatched_e8: Int64s
    position_e8: Int64s
    open_cost_e8: Int64s
    realized_e8: Int64s
    fees_e8: Int64s
    open_fees_e8: Int64s
    """Of each symbol, the fees of what is still open."""
    lots: Int64s
    """int64[n, 4]: of each allocation the opening trade, the closing trade, the quantity and the profit."""

    @property
    def closers(self) -> Bools:
        """Say which trades closed something, or should have."""
        return (self.closed_e8 > 0) | (self.unmatched_e8 > 0)


def truth_of(legacy: Legacy, method: Method = Method.FIFO) -> Truth:
    """Book a file's trades and return what is true of each."""
    book = book_of(legacy, method)
    size, count = len(legacy.trades), len(legacy.symbols)
    place = _places(legacy)
    allocs, unmatched, entries = book.allocations, book.unmatched, book.entries
    scale = 10 ** (MONEY_EXP - book.instruments[1 : count + 1, I_QTY_EXP])
    opener = place[entries[book.lots[allocs[:, A_LOT], L_ENTRY], N_ID] - KEPT]
    closer = place[entries[allocs[:, A_CLOSE], N_ID] - KEPT]
    symbol = legacy.trades.symbol
    gross = allocs[:, A_SIDE] * (allocs[:, A_PROCEEDS] - allocs[:, A_COST])
    qty = allocs[:, A_QTY] * scale[symbol[closer]] if len(allocs) else np.zeros(0, np.int64)
    opening, closing, left = fee_shares(book.arena)
    short = place[entries[unmatched[:, U_ENTRY], N_ID] - KEPT]
    missing = unmatched[:, U_QTY] * scale[symbol[short]] if len(unmatched) else np.zeros(0, np.int64)
    numbers = book.instruments[1 : count + 1]
    filled = np.flatnonzero(entries[:, N_KIND] == int(EventKind.FILL))
    return Truth(
        int(book.arena[H_CASH]),
        _sums(place[entries[filled, N_ID] - KEPT], entries[filled, N_VALUE], size),
        _sums(closer, qty, size),
        _sums(closer, allocs[:, A_COST], size),
        _sums(closer, gross, size),
        _sums(closer, opening, size),
        _sums(closer, closing, size),
        _sums(short, missing, size),
        numbers[:, I_POSITION] * scale,
        numbers[:, I_OPEN_COST].copy(),
        numbers[:, I_REALIZED].copy(),
        numbers[:, I_FEES].copy(),
        _sums(book.lots[:, L_INSTRUMENT] - 1, left, count),
        np.column_stack([opener, closer, qty, gross]) if len(allocs) else np.zeros((0, 4), np.int64),
    )


def _places(legacy: Legacy) -> Int64s:
    """Return, by row number, the place among the trades."""
    numbers = legacy.trades.number
    most = max([int(numbers.max())] if len(numbers) else [0], default=0)
    place = np.full(max(most, max((m.number for m in legacy.moves), default=0)) + 1, -1, np.int64)
    place[numbers] = np.arange(len(numbers))
    return place


def _sums(places: Int64s, amounts: Int64s, size: int) -> Int64s:
    """Return the sum of amounts at each place, exactly."""
    total = np.zeros(size, np.int64)
    np.add.at(total, places, amounts)
    return total
