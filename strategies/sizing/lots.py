"""From a wish to a number of lots: integers only, rounded so that it never costs more.

Theory of operation. A target arrives as an integer at 1e-6 of full size, because a
float must not decide how many shares are bought. Every function returns the signed
position in lots that the target means, a multiple of `lot_step`, rounded toward
zero: half a share too few is a rounding, half a share too many may be a refusal.

`full_lots` is what a runner calls: it knows the four kinds of full size. A number of
lots, a sum of money, a weight of equity, or an edge: a signed weight, which Kelly's
rule gives and which counts only on the side it speaks for.

Units. A lot is 10**-qty_exp of a share, so whole shares mean lot_step =
10**qty_exp. The value of a position is price_ticks * lots * multiply at 1e-8 of
the currency with multiply = 10**(8 - price_exp - qty_exp); when that exponent is
negative pass multiply = 1 and divide = 10**(price_exp + qty_exp - 8). For
stocks (4 and 4) both are 1.

Room for fees and for the next open. The percentage is spent on the position alone;
the commission comes on top, and a market order that is sized at this close fills at
the next open. So 10,000 basis points of a cash account is an order that the gate may
refuse with NO_CASH. `ROOM_BPS` leaves 2 %: 1 % for the largest commission of IBKR
and 1 % for the gap. A rule may also keep a buffer of equity out of the budget
(`buffer_bps`) and pay the order's fee out of it (`fee_e8`), as other engines do.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from ledger.kernel import jit
from ledger.units import compare_ratios, muldiv

ONE_E6 = 1_000_000
ONE_BPS = 10_000
ROOM_BPS = 9_800
PERCENT_BPS_MAX = 1_000_000
WEIGHT_MAX_E6 = 100 * PERCENT_BPS_MAX
UNKNOWN_WEIGHT = -(2**62)
"""A weight that no bar has told yet: too little history for the statistic."""

# What a full size is a number of.
SHARES, VALUE, EQUITY, EDGE = range(4)


class Size(NamedTuple):
    """What a kernel needs to know of a sizing rule; all int64."""

    kind: int  # SHARES, VALUE, EQUITY or EDGE
    amount: int  # lots, money at 1e-8, or a weight at 1e-6 for runs whose weight never changes
    buffer_bps: int  # of equity, kept out of the budget
    with_fee: int  # 1: the order's fee is paid out of the budget


@jit
def fraction_e6(target: float) -> int:
    """Return the target of a signal at 1e-6, rounded half to even.

    Raises:
        ValueError: NaN (the caller keeps what is) or outside -1..1.
    """
    if not -1.0 <= target <= 1.0:
        raise ValueError("a target is a fraction from -1 to 1; NaN means no opinion and has no size")
    scaled = target * 1e6
    whole = math.floor(scaled)
    rest = scaled - whole
    if rest > 0.5 or (rest == 0.5 and int(whole) % 2 == 1):
        whole += 1
    return int(whole)


@jit
def fixed(target_e6: int, qty_lots: int, lot_step: int) -> int:
    """Return the lots of `target_e6` of a full size that is a fixed number of lots.

    Args:
        target_e6: -1,000,000..1,000,000. qty_lots: full size, >= 0. lot_step: >= 1.
    """
    return _signed(target_e6, _whole_steps(floor_muldiv(qty_lots, abs(target_e6), ONE_E6), lot_step))


@jit
def percent_of_equity(
    target_e6: int,
    percent_bps: int,
    equity_e8: int,
    price_ticks: int,
    multiply: int,
    divide: int,
    lot_step: int,
) -> int:
    """Return the lots whose value is at most the wanted share of equity.

    The budget is equity * percent * |target|, rounded down to 1e-8 of the currency; the
    answer is the largest multiple of `lot_step` whose exact value is within the budget.

    Args:
        target_e6: -1,000,000..1,000,000. percent_bps: full size in 1e-4 of equity, 0..1,000,000.
        equity_e8: money; 0 or less gives 0 lots. price_ticks: >= 1.
        multiply, divide: see the units above. lot_step: >= 1.
    Raises:
        ValueError: no price, or a share out of range. OverflowError: a count of lots that does not fit int64.
    """
    if not 0 <= percent_bps <= PERCENT_BPS_MAX:
        raise ValueError("the share of equity is from 0 to 1,000,000 basis points")
    return weight_of_equity(target_e6, 100 * percent_bps, equity_e8, price_ticks, multiply, divide, lot_step)


@jit
def weight_of_equity(
    target_e6: int, weight_e6: int, equity_e8: int, price_ticks: int, multiply: int, divide: int, lot_step: int
) -> int:
    """Return the lots whose value is at most a weight of equity; as `percent_of_equity`, a hundred times finer.

    Args:
        weight_e6: full size at 1e-6 of equity, 0..WEIGHT_MAX_E6. The others as there.
    Raises:
        ValueError: no price, or a weight out of range. OverflowError: a count of lots that does not fit int64.
    """
    if not 0 <= weight_e6 <= WEIGHT_MAX_E6:
        raise ValueError("a weight is from 0 to 100 times the equity")
    if equity_e8 <= 0 or target_e6 == 0:
        _lot_price(price_ticks, multiply)
        return 0
    budget_e8 = floor_muldiv(equity_e8, weight_e6 * abs(target_e6), ONE_E6 * ONE_E6)
    return _signed(target_e6, _within(budget_e8, price_ticks, multiply, divide, lot_step))


@jit
def full_lots(
    size: Size,
    weight_e6: int,
    target_e6: int,
    equity_e8: int,
    fee_e8: int,
    price_ticks: int,
    multiply: int,
    divide: int,
    lot_step: int,
) -> int:
    """Return the position in lots that a target means under a rule.

    The value at the price stays within (equity - buffer - fee) * weight * |target|, or within
    (value - fee) * |target|; a number of shares is taken as it is, whatever it costs.

    Args:
        size: the rule. weight_e6: what `weights` says now, or size.amount when it never changes; for EDGE with a
            sign, and of no effect for SHARES and VALUE. UNKNOWN_WEIGHT gives 0 lots.
        fee_e8: of the order to come, >= 0; used only when the rule pays it out of the budget.
    Raises:
        ValueError, OverflowError: as `weight_of_equity`.
    """
    if size.kind == SHARES:
        return fixed(target_e6, size.amount, lot_step)
    fee = fee_e8 if size.with_fee == 1 else 0
    if size.kind == VALUE:
        budget_e8 = floor_muldiv(max(0, size.amount - fee), abs(target_e6), ONE_E6)
        return _signed(target_e6, _within(budget_e8, price_ticks, multiply, divide, lot_step))
    weight = weight_e6
    if size.kind == EDGE and target_e6 < 0 and weight != UNKNOWN_WEIGHT:
        weight = -weight
    if equity_e8 <= 0 or weight <= 0:
        return 0
    free_e8 = floor_muldiv(equity_e8, ONE_BPS - size.buffer_bps, ONE_BPS) - fee
    return weight_of_equity(target_e6, weight, max(0, free_e8), price_ticks, multiply, divide, lot_step)


@jit
def _lot_price(price_ticks: int, multiply: int) -> int:
    """Return the price of a lot times `divide`, e8."""
    if price_ticks < 1:
        raise ValueError("a position is sized by a price of at least one tick")
    return muldiv(price_ticks, multiply, 1)  # raises where a plain product would wrap


@jit
def _within(budget_e8: int, price_ticks: int, multiply: int, divide: int, lot_step: int) -> int:
    """Return the largest multiple of the step whose exact value is within a budget."""
    return _whole_steps(floor_muldiv(budget_e8, divide, _lot_price(price_ticks, multiply)), lot_step)


@jit
def floor_muldiv(a: int, b: int, c: int) -> int:
    """Return floor(a * b / c) exactly for a, b >= 0 and c >= 1.

    `muldiv` rounds to nearest, so it is at most one too high. Whether it is, 128-bit products
    tell. A wrapped difference of int64 products would not: numba promises the compiler that
    signed arithmetic never wraps, and the compiler then rewrites the comparison wrongly.
    """
    quotient = muldiv(a, b, c)
    return quotient - 1 if compare_ratios(a, c, quotient, max(b, 1)) < 0 else quotient


@jit
def _whole_steps(lots: int, lot_step: int) -> int:
    """Return `lots` without the part of a step that is left over; nobody gets the rest."""
    return lots // lot_step * lot_step


@jit
def _signed(target_e6: int, lots: int) -> int:
    return -lots if target_e6 < 0 else lots
