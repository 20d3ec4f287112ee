"""The exchange: the only code that invents prices.

Theory of operation. A bar says where trading began, how high and how low it went and where
it ended. An order acts at a price of the bar; slippage moves that price against the trader,
never for him, rounded to the tick against him. Every fill is judged before it is booked:
its price before slippage lies inside the bar, what slippage added is within what the model
allows, a limit is never crossed, price and quantity are on their grids, the order is older
than the moment, and no more is taken than the order wants and the volume cap leaves. A fill
that fails a check stops the run; it is never booked.

The rules of a profile are one row of numbers (`profiles.py` names them).
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

from ledger.kernel import kernel
from ledger.units import compare_ratios
from strategies.sizing.lots import floor_muldiv

ONE_E9 = 1_000_000_000
NO_SLIPPAGE, TICKS, BPS, VOLUME_SHARE = range(4)
WORSE, BETTER = 0, 1
VOLUME_MAX = 10**10


class Rules(NamedTuple):
    """The numbers of a profile; 0 and 1 are no and yes."""

    at_close: int  # market orders fill at the close of the bar that made the signal
    path: int  # WORSE or BETTER: which order of high and low is booked when it matters
    entry_bar: int  # guards work in the bar in which the position was opened, from the entry on
    stop_first: int  # guards are judged once a bar, stop before target, also past the open; trails move between bars
    reenter: int  # after a guard's exit the same wish opens anew from the next bar on
    slip_kind: int  # NO_SLIPPAGE, TICKS, BPS or VOLUME_SHARE
    slip_amount: int  # ticks; 1e-2 bps; or the price impact of the whole volume at 1e-6
    participation_bps: int  # most of a bar's volume all fills of it may take; 0: no cap
    worst_bps: int  # how far beyond the last price an order without a limit reserves cash


class Fill(IntEnum):
    """What the checks say of a fill."""

    HONEST = 0
    OUTSIDE_BAR = 1
    OFF_TICK = 2
    BEFORE_SIGNAL = 3
    BEYOND_SLIPPAGE = 4
    BEYOND_LIMIT = 5
    TOO_MUCH = 6
    OFF_STEP = 7


@kernel
def ceil_muldiv(a: int, b: int, c: int) -> int:
    """Return ceil(a * b / c) exactly for a, b >= 0 and c >= 1."""
    floor = floor_muldiv(a, b, c)
    return floor if compare_ratios(a, c, floor, max(b, 1)) == 0 or b == 0 else floor + 1


@kernel
def against(price: int, side: int, tick: int) -> int:
    """Return the price on the tick grid that is no better for the trader: up for a buyer, down for a seller; >= 1 tick."""
    down = price // tick * tick
    if side > 0 and down < price:
        down += tick
    return max(down, tick)


EXACT_SHARE = 2**21
"""Shares of a volume with a smaller denominator are exact: its square times 10^6 fits int64."""


@kernel
def impact(rules: Rules, price: int, qty: int, volume: int) -> int:
    """Return by how much slippage moves a price, in ticks, rounded up.

    `VOLUME_SHARE`: price * k * share^2, share = quantity / volume of the bar (Zipline's VolumeShareSlippage);
    a bar without volume counts as a share of 1.
    """
    if rules.slip_kind == TICKS:
        return rules.slip_amount
    if rules.slip_kind == BPS:
        return ceil_muldiv(price, rules.slip_amount, 1_000_000)
    if rules.slip_kind == VOLUME_SHARE:
        return _of_share(price, rules.slip_amount, min(qty, volume), volume) if volume > 0 else _of_share(price, rules.slip_amount, 1, 1)
    return 0


@kernel
def _of_share(price: int, amount_e6: int, qty: int, volume: int) -> int:
    """Return price * amount * (qty / volume)^2, rounded up.

    In lowest terms the share is a fraction of small numbers wherever the result can be a whole tick by more than chance, and is
    taken exactly. Other shares are rounded up at 1e-9, never less than the model says.
    """
    divisor, rest = volume, qty
    while rest > 0:
        divisor, rest = rest, divisor % rest
    part, whole = qty // divisor, volume // divisor
    if whole < EXACT_SHARE and price < 2**62 // max(amount_e6, 1):
        return ceil_muldiv(price * amount_e6, part * part, whole * whole * 1_000_000)
    share = ceil_muldiv(qty, ONE_E9, volume)
    return ceil_muldiv(price, amount_e6 * ceil_muldiv(share, share, ONE_E9), 1_000_000 * ONE_E9)


@kernel
def slipped(rules: Rules, price: int, side: int, qty: int, volume: int, tick: int) -> int:
    """Return the price that a market order pays when the market stands at `price`; on the tick, at least one tick."""
    if rules.slip_kind == NO_SLIPPAGE:
        return price
    return against(price + side * impact(rules, price, qty, volume), side, tick)


@kernel
def worst_price(price: int, side: int, worst_bps: int) -> int:
    """Return the price an order without a limit is reserved at: `worst_bps` beyond the last one, at least one tick."""
    return max(1, price + side * (price * worst_bps // 10_000))


@kernel
def volume_lots(volume: int, scale: int) -> int:
    """Return a bar's volume in lots; what no market has ever seen is cut to what int64 can hold."""
    return min(volume, VOLUME_MAX) * scale


@kernel
def volume_cap(rules: Rules, volume: int, scale: int, step: int) -> int:
    """Return the most lots all fills of a bar may take; -1 = no cap.

    Args:
        volume: shares of the bar. scale: lots in one share. step: lots of the smallest order.
    """
    if rules.participation_bps == 0:
        return -1
    return floor_muldiv(min(volume, VOLUME_MAX), scale * rules.participation_bps, 10_000) // step * step


@kernel
def judge_price(base: int, price: int, side: int, low: int, high: int, tick: int, most: int, limit: int) -> Fill:
    """Return HONEST, or the first thing wrong with a fill's price; all prices in ticks.

    Args:
        base: where the market stood. price: what is booked. most: the largest slippage the model can mean.
        limit: of a limit order; 0 = none.
    """
    if base < low or base > high:
        return Fill.OUTSIDE_BAR
    if price % tick != 0 or price < 1:
        return Fill.OFF_TICK
    if side * (price - base) < 0 or side * (price - base) > most + (tick - 1 if most > 0 else 0):
        return Fill.BEYOND_SLIPPAGE
    if limit > 0 and side * (price - limit) > 0:
        return Fill.BEYOND_LIMIT
    return Fill.HONEST


@kernel
def judge_quantity(qty: int, leaves: int, step: int, cap_left: int, moment_ns: int, claimed_ns: int) -> Fill:
    """Return HONEST, or the first thing wrong with a fill's quantity and moment.

    Args:
        cap_left: lots the volume cap still leaves; -1 = no cap. moment_ns: the earliest the fill may have happened.
    """
    if moment_ns < claimed_ns:
        return Fill.BEFORE_SIGNAL
    if qty < 1 or qty > leaves or (cap_left >= 0 and qty > cap_left):
        return Fill.TOO_MUCH
    if qty % step != 0 and qty != leaves:
        return Fill.OFF_STEP
    return Fill.HONEST
