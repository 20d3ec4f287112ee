"""The account of one combination: decide, fill, charge, match lots; all int64, the core's own rules.

Theory of operation. One row of integers is an account: cash, position, lots, counters.
`decide` comes to the order or the refusal that `ledger.kernels.gate` would come to for one
instrument without limits of its own, and `fill` to the cash and lots that `ledger.kernels`
would book. The proof is not this text: the fills of any combination can be written out as events,
and `ledger.core` replays them into a book whose digest is that of `sim.run.simulate`. A claim in
that replay is decided again by the gate and must come to the same side, quantity and reservation.

Each division is of 64 bits: a product that needs more is split at the divisor first, which is exact.
Nothing wraps because amounts stay within AMOUNT_CAP; an account that leaves it is given up (BEYOND).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ledger.kernel import inlined, kernel
from ledger.kernels.lots import share
from ledger.units import muldiv
from ledger.vocabulary import Outcome
from sim.sweep.core.market import AMOUNT_CAP, STEP, Deal
from strategies.sizing import EQUITY, ONE_E6, SHARES, floor_muldiv

Ints = NDArray[np.int64]

(
    S_CASH, S_POSITION, S_LAST, S_COST, S_FEES, S_ORDERS, S_FILLS, S_TRADES, S_WINS, S_REFUSED, S_HELD, S_STRETCHES,
    S_BLOCK, S_STATUS, S_RUINED, S_ROWS, S_LOTS, S_OLDEST,
) = range(18)  # fmt: skip
LOT_ROOM = 64
L_OPEN, L_COST, L_FEE = range(3)
S_LOT = 18
STATE = S_LOT + 3 * LOT_ROOM
"""Columns of an account: cash, position, last target, ..., then a ring of lots (open, cost, fee)."""
NO_TARGET = -(2**62)
FINE, BEYOND, ORDER_TYPE, BAD_TARGET = range(4)
"""S_STATUS: why a kernel gave an account up."""

R_BAR, R_OUTCOME, R_TARGET, R_SIDE, R_QTY, R_OPENS, R_WORST, R_WORST_FEE, R_RESERVE, R_PRICE, R_FEE = range(11)
RECORD = 11
"""Columns of a record: one row a decision that made an order or a refusal."""

_E8, _U2 = np.uint64(100_000_000), np.uint64(2)


@inlined
def scaled(a: int, rate: int, whole: int) -> int:
    """Return round_half_even(a * rate / whole) for a, rate >= 0 and rate * whole < 2**62, without 128 bits."""
    many = np.uint64(a) // np.uint64(whole)
    part = (np.uint64(a) - many * np.uint64(whole)) * np.uint64(rate)
    quotient = part // np.uint64(whole)
    rest = part - quotient * np.uint64(whole)
    quotient += many * np.uint64(rate)
    # Added and not asked: every other rest rounds up, which no processor can guess.
    over = rest * _U2 + (quotient & np.uint64(1))
    return np.int64(quotient + np.uint64(over > np.uint64(whole)))


@inlined
def worth(deal: Deal, price: int, qty: int) -> int:
    """Return price x quantity in e8, rounded half to even once; either sign of the quantity."""
    if deal.divide == 1:
        return price * qty * deal.multiply
    return muldiv(price, qty, deal.divide)


@inlined
def commission(deal: Deal, qty: int, value: int) -> int:
    """Return the fee of an order of `qty` >= 0 lots worth `value`: `sim.costs.commission`, by narrow divisions."""
    if qty == 0:
        return np.int64(0)
    fee = deal.per_order
    if deal.per_share > 0:
        fee += scaled(qty, deal.per_share, STEP)
    if deal.rate > 0:
        fee += scaled(value, deal.rate, 100_000_000)
    minimum = deal.minimum_fraction if qty < STEP else deal.minimum
    spared = deal.cap_spares == 1 and fee < minimum
    fee = max(fee, minimum)
    if deal.cap_rate > 0 and not spared:
        fee = min(fee, scaled(value, deal.cap_rate, 100_000_000))
    return fee


@inlined
def wanted(deal: Deal, target_e6: int, equity: int, price: int) -> int:
    """Return the position in lots that a target means: `strategies.sizing.full_lots`, by narrow divisions."""
    size = abs(target_e6)
    if size == 0:
        return np.int64(0)
    if deal.kind == SHARES:
        lots = deal.amount if size == ONE_E6 else floor_muldiv(deal.amount, size, ONE_E6)
        lots = lots // STEP * STEP
        return lots if target_e6 > 0 else -lots
    budget = deal.amount
    if deal.kind == EQUITY:
        if equity <= 0:
            return np.int64(0)
        many = np.uint64(equity) // np.uint64(ONE_E6)
        rest = (np.uint64(equity) - many * np.uint64(ONE_E6)) * np.uint64(deal.amount) // np.uint64(ONE_E6)
        budget = np.int64(many * np.uint64(deal.amount) + rest)
        if size != ONE_E6:
            budget = floor_muldiv(equity, deal.amount * size, ONE_E6 * ONE_E6)
    elif size != ONE_E6:
        budget = floor_muldiv(deal.amount, size, ONE_E6)
    if deal.divide == 1:
        lots = np.int64(np.uint64(budget) // (np.uint64(price) * np.uint64(deal.multiply) * np.uint64(STEP))) * STEP
    else:
        lots = floor_muldiv(budget, deal.divide, price) // STEP * STEP
    return lots if target_e6 > 0 else -lots


@inlined
def short_hold(s: Ints) -> int:
    """Return the cash held against a short position: its proceeds and as much again."""
    return -2 * s[S_COST] if s[S_POSITION] < 0 else np.int64(0)


@inlined
def opening(s: Ints, side: int, qty: int) -> int:
    """Return the part of an order that opens: what the position it closes cannot take."""
    return qty - min(qty, max(np.int64(0), -side * s[S_POSITION]))


@inlined
def reserve(s: Ints, deal: Deal, side: int, qty: int, opens: int, worst: int, fee: int) -> int:
    """Return the cash a claim must hold (`gate.reserve_for`); a pure exit holds nothing."""
    if opens == 0:
        return np.int64(0)
    need, freed = worth(deal, worst, opens), worth(deal, worst, qty - opens)
    if side > 0 and qty > opens:
        # A purchase that opens after a short closes all of the short, so all of its hold is freed.
        freed = short_hold(s) - freed
    return (need - freed if need > freed else np.int64(0)) + fee


@inlined
def judge(s: Ints, deal: Deal, side: int, opens: int, reserved: int) -> int:
    """Return the gate's answer to an order: APPLIED, NO_QTY or NO_CASH."""
    if opens == 0:
        return np.int64(Outcome.APPLIED)
    if side < 0 and deal.short != 1:
        return np.int64(Outcome.NO_QTY)
    return np.int64(Outcome.NO_CASH) if reserved > s[S_CASH] - short_hold(s) else np.int64(Outcome.APPLIED)


@inlined
def beyond(s: Ints, equity: int) -> bool:
    """Say whether an account has left the range in which nothing can wrap."""
    largest = max(abs(s[S_CASH]), abs(equity), abs(s[S_COST]), s[S_FEES])
    return largest > AMOUNT_CAP


@kernel
def _close(s: Ints, side: int, qty: int, value: int, fee: int) -> tuple[int, int, int]:
    """Close lots of the other side, oldest first (account modified in place); return quantity, value, fee left to open."""
    profit = np.int64(0)
    lot = S_LOT + 3 * (s[S_OLDEST] % LOT_ROOM)
    if s[S_LOTS] == 1 and s[lot + L_OPEN] == qty:  # the usual trade: what was bought at once is sold at once
        profit = side * (s[lot + L_COST] - value) - s[lot + L_FEE] - fee
        s[S_COST] += side * s[lot + L_COST]
        s[lot + L_OPEN] = s[lot + L_COST] = s[lot + L_FEE] = s[S_LOTS] = s[S_OLDEST] = qty = value = fee = 0
    while qty > 0 and s[S_LOTS] > 0:
        lot = S_LOT + 3 * (s[S_OLDEST] % LOT_ROOM)
        left = s[lot + L_OPEN]
        take = min(qty, left)
        part, cost = share(value, take, qty), share(s[lot + L_COST], take, left)
        opened, closed = share(s[lot + L_FEE], take, left), share(fee, take, qty)
        profit += side * (cost - part) - opened - closed
        s[S_COST] += side * cost
        s[lot + L_OPEN] -= take
        s[lot + L_COST] -= cost
        s[lot + L_FEE] -= opened
        qty, value, fee = qty - take, value - part, fee - closed
        if take == left:
            s[S_LOTS] -= 1
            s[S_OLDEST] = s[S_OLDEST] + 1 if s[S_LOTS] > 0 else 0
    s[S_TRADES] += 1
    s[S_WINS] += 1 if profit > 0 else 0
    return qty, value, fee


@inlined
def fill(s: Ints, deal: Deal, side: int, qty: int, price: int) -> int:
    """Book an execution and its commission (account modified in place); return the commission."""
    value = worth(deal, price, qty)
    fee = commission(deal, qty, value)
    s[S_CASH] -= side * value + fee
    s[S_FEES] += fee
    s[S_FILLS] += 1
    left, rest_value, rest_fee = qty, value, fee
    if s[S_POSITION] * side < 0:
        left, rest_value, rest_fee = _close(s, side, qty, value, fee)
    if left > 0:
        lot = S_LOT + 3 * ((s[S_OLDEST] + s[S_LOTS]) % LOT_ROOM)
        s[lot + L_OPEN], s[lot + L_COST], s[lot + L_FEE] = left, rest_value, rest_fee
        s[S_LOTS] += 1
        s[S_COST] += side * rest_value
        if s[S_LOTS] == LOT_ROOM:
            s[S_STATUS] = BEYOND
    s[S_POSITION] += side * qty
    return fee
