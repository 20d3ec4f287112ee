"""The closed trades of a kernel's run, from its fills: what `sim.trades.closed_trades` reads off the book, in its order.

Theory of operation. One account in one instrument, first lot first; a share of money is split by the ledger's own
`share`, by remainder, so that parts add to the whole. No more lots can be open than an account of `core.account` has room
for. Nothing here is believed by anybody who has the book: tests hold the two against each other, to the last unit.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ledger.kernel import kernel
from ledger.kernels.lots import share
from sim.sweep.core.account import LOT_ROOM, R_BAR, R_FEE, R_PRICE, R_QTY, R_SIDE, worth
from sim.sweep.core.market import Deal
from sim.trades import Trades

Ints = NDArray[np.int64]
L_OPEN, L_COST, L_FEE, L_TIME = range(4)
PNL, OPENED, CLOSED, INSTRUMENT, SIDE, QTY, COST, PROCEEDS, FEES = range(len(Trades._fields))


def closed_trades(fills: Ints, start_ns: Ints, deal: Deal) -> Trades:
    """Return the closed trades of fills int64[n, RECORD], each at the start of the bar after its decision."""
    when = np.empty(len(fills), np.int64)
    out = np.empty((len(Trades._fields), _look_up(fills, np.ascontiguousarray(start_ns, np.int64), when)), np.int64)
    _match(fills, when, deal, np.empty((LOT_ROOM, 4), np.int64), out)
    return Trades(*out)


@kernel
def _look_up(fills: Ints, start_ns: Ints, when: Ints) -> int:
    """Fill the times of fills (when modified in place), apart from all else so that waits for memory overlap.

    Returns:
        How many fills close any of a position.
    """
    position, count = np.int64(0), 0
    for k in range(fills.shape[0]):
        when[k] = start_ns[fills[k, R_BAR] + 1]
        count += 1 if position * fills[k, R_SIDE] < 0 else 0
        position += fills[k, R_SIDE] * fills[k, R_QTY]
    return count


@kernel
def _match(fills: Ints, when: Ints, deal: Deal, lots: Ints, out: Ints) -> None:
    """Match fills with lots, the oldest first, and write a column of out for each that closes any (lots, out modified in place)."""
    trades, oldest, held = 0, 0, 0
    for k in range(fills.shape[0]):
        side, qty, fee, time_ns = fills[k, R_SIDE], fills[k, R_QTY], fills[k, R_FEE], when[k]
        value = worth(deal, fills[k, R_PRICE], qty)
        before, old = qty, lots[oldest % LOT_ROOM, L_TIME]
        cost, proceeds, paid = 0, 0, 0
        while qty > 0 and held > 0 and lots[oldest % LOT_ROOM, L_OPEN] * side < 0:
            lot = lots[oldest % LOT_ROOM]
            left = abs(lot[L_OPEN])
            take = min(qty, left)
            part, spent = share(value, take, qty), share(lot[L_COST], take, left)
            opened, closed = share(lot[L_FEE], take, left), share(fee, take, qty)
            cost, proceeds, paid = cost + spent, proceeds + part, paid + opened + closed
            lot[L_OPEN] += side * take
            lot[L_COST] -= spent
            lot[L_FEE] -= opened
            qty, value, fee = qty - take, value - part, fee - closed
            if take == left:
                oldest, held = oldest + 1, held - 1
        if qty < before:
            profit = side * (cost - proceeds) - paid
            _write(out, trades, profit, old, time_ns, -side, before - qty, cost, proceeds, paid)
            trades += 1
        if qty > 0:
            lot = lots[(oldest + held) % LOT_ROOM]
            lot[L_OPEN], lot[L_COST], lot[L_FEE], lot[L_TIME] = side * qty, value, fee, time_ns
            held += 1


@kernel
def _write(
    out: Ints, at: int, profit: int, opened: int, closed: int, side: int, qty: int, cost: int, proceeds: int, paid: int
) -> None:
    """Write one trade (out modified in place)."""
    out[PNL, at], out[OPENED, at], out[CLOSED, at], out[INSTRUMENT, at], out[SIDE, at] = profit, opened, closed, 1, side
    out[QTY, at], out[COST, at], out[PROCEEDS, at], out[FEES, at] = qty, cost, proceeds, paid
