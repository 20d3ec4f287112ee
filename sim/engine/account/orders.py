"""Orders as the account sees them: how large, at what fee, and how one of its own is claimed.

Theory of operation. A size that pays its own fee is found by trying: the largest position
without a fee, its fee, the largest position that leaves room for it, until the fee fits. The
fee of a fill is asked for exactly once, when the fill is written, so this is also where the
month's volume and unsettled proceeds are counted.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ledger.book import (
    E_FEE, E_INSTRUMENT, E_KEY, E_KIND, E_PRICE, E_TARGET, E_TIME, H_CASH, H_DAY, H_VALUE, I_DIVIDE, I_MULTIPLY, I_POSITION,
    I_QTY_EXP, I_STEP, O_FILLED, O_FILLED_VALUE, O_SIDE, ORDER_WIDTH, S_ORDER, Arena,
)  # fmt: skip
from ledger.core import decide_into
from ledger.kernel import jit, kernel
from ledger.kernels.gate import notional
from ledger.vocabulary import EventKind, Outcome
from sim.costs import Charged, add_volume, commission, month_volume, next_fill_commission
from sim.engine.account.terms import T_UNSIZED, Terms
from sim.engine.layout import C_WRITTEN, Memory, Tape
from sim.engine.rows import blank
from strategies.sizing import SHARES, UNKNOWN_WEIGHT, VALUE, full_lots

Ints = NDArray[np.int64]
UNSIZED = -(2**62)
ROUNDS = 64
"""A fee grows at each try and ends at the order's minimum or by the share; three tries are usual."""


@jit
def lots_for(a: Arena, account: Terms, tape: Tape, instrument: int, number: int, bar: int, target_e6: int, price: int) -> int:
    """Return the position in lots that a target means now, or UNSIZED while a statistic has too few bars.

    Args:
        instrument: address in the book. number: its id. bar: row of the tape. price: ticks, the last close.
    """
    size, weight = account.size, account.size.amount
    if account.weights.shape[0] > 0:
        weight = account.weights[bar]
    if weight == UNKNOWN_WEIGHT and target_e6 != 0 and size.kind != SHARES and size.kind != VALUE:
        account.tally[T_UNSIZED] += 1
        return UNSIZED
    equity, fee, lots = a[H_CASH] + a[H_VALUE], 0, 0
    multiply, divide, step = a[instrument + I_MULTIPLY], a[instrument + I_DIVIDE], a[instrument + I_STEP]
    for _ in range(ROUNDS):
        lots = full_lots(size, weight, target_e6, equity, fee, price, multiply, divide, step)
        delta = lots - a[instrument + I_POSITION]
        if size.with_fee == 0 or delta == 0:
            break
        needed = worst_fee(a, account, instrument, 1 if delta > 0 else -1, abs(delta), price)
        if needed <= fee:
            break
        fee = needed
    return lots


@kernel
def worst_fee(a: Arena, account: Terms, instrument: int, side: int, qty: int, price: int) -> int:
    """Return the most an order of `qty` lots can cost in fees at its worst price, e8: that of a month without volume."""
    scale = 10 ** a[instrument + I_QTY_EXP]
    return commission(account.costs, side, qty, price, notional(a, instrument, price, qty), scale)


@kernel
def fill_fee(a: Arena, account: Terms, instrument: int, order: int, qty: int, price: int) -> int:
    """Return the fee of the next fill of an order (its address), e8; earlier fills of it have paid their part.

    Counts the fill for the month's volume and its proceeds as unsettled (account modified in place):
    to be called once for each fill, before it is booked.
    """
    scale, side = 10 ** a[instrument + I_QTY_EXP], a[order + O_SIDE]
    filled, worth = a[order + O_FILLED], a[order + O_FILLED_VALUE]
    volume = _volume_at_start(a, account, order, filled, scale)
    charged = Charged(filled, worth, commission(account.costs, side, filled, price, worth, scale, volume))
    add_volume(account.month, a[H_DAY], qty, scale)
    if side < 0 and account.settle_days > 0:
        proceeds = notional(a, instrument, price, min(qty, max(0, a[instrument + I_POSITION])))
        account.settling[0] += proceeds
        account.settling[1] += proceeds
    return next_fill_commission(
        account.costs, charged, side, qty, price, notional(a, instrument, price, qty), scale, volume
    )


@kernel
def _volume_at_start(a: Arena, account: Terms, order: int, filled: int, scale: int) -> int:
    """Return the month's volume in lots when the order had its first fill; remember it (account modified in place)."""
    number = (order - a[3 * S_ORDER]) // ORDER_WIDTH
    if filled == 0:
        account.started[number] = month_volume(account.month, a[H_DAY], scale)
    return account.started[number]


@kernel
def write_market(
    a: Arena, log: Ints, memory: Memory, account: Terms, key: int, instrument: int, number: int, time_ns: int, target: int,
    worst: int,
) -> bool:  # fmt: skip
    """Hand a market order of the account's own to the gate; write the claim and its acknowledgement, or the refusal.

    Args:
        target: the position wanted. worst: the price its cash is reserved at, ticks.
    Returns:
        Whether an order was claimed.
    """
    signal, side = memory.signal, 1 if target >= a[instrument + I_POSITION] else -1
    for column in range(signal.shape[0]):
        signal[column] = 0
    signal[E_KIND], signal[E_TIME], signal[E_INSTRUMENT], signal[E_KEY] = EventKind.SIGNAL, time_ns, number, key
    signal[E_TARGET], signal[E_PRICE] = target, worst
    signal[E_FEE] = worst_fee(a, account, instrument, side, abs(target) + abs(a[instrument + I_POSITION]), worst)
    answer = decide_into(a, signal, log[memory.cursor[C_WRITTEN]])
    if answer == Outcome.AT_TARGET:
        return False
    memory.cursor[C_WRITTEN] += 1
    if answer != Outcome.APPLIED:
        return False
    line = log[blank(log, memory, EventKind.SUBMITTED, time_ns, number)]
    line[E_KEY] = key
    return True
