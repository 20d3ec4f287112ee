"""The exchange: the only code that invents prices.

Theory of operation. A fill model answers at what price an order would have filled
in a bar, and every answer is checked: the price lies inside the bar, on the
instrument's tick, and the bar began after the signal was made. A fill that fails
a check stops the run; it is never booked.

Today there is one profile, `next-open`: a market order decided at a bar's close
fills in full at the next bar's open.
"""

from __future__ import annotations

from enum import IntEnum

from ledger.kernel import kernel

PROFILES = ("next-open",)


class Fill(IntEnum):
    """What the checks say of a fill."""

    HONEST = 0
    OUTSIDE_BAR = 1
    OFF_TICK = 2
    BEFORE_SIGNAL = 3


@kernel
def next_open(open_ticks: int) -> int:
    """Return the price of a market order under the profile `next-open`, in ticks."""
    return open_ticks


@kernel
def judge(price: int, low: int, high: int, tick: int, bar_start_ns: int, signal_ns: int) -> Fill:
    """Return HONEST, or the first thing wrong with a fill: prices in ticks, times in UTC ns."""
    if price < low or price > high:
        return Fill.OUTSIDE_BAR
    if price % tick != 0:
        return Fill.OFF_TICK
    if bar_start_ns < signal_ns:
        return Fill.BEFORE_SIGNAL
    return Fill.HONEST


@kernel
def worst_price(price: int, side: int, worst_bps: int) -> int:
    """Return the price a market order is reserved at: `worst_bps` beyond the last one, at least one tick."""
    return max(1, price + side * (price * worst_bps // 10_000))
