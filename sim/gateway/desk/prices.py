"""At what price an order trades in one second of the market: asked of the backtester's own exchange.

Theory of operation. A second is a bar like any other. A buyer pays one step above the last price and a
seller gets one step below, so each side sees the bar moved by one step. Whether and where an
order acts within the bar is `sim.engine.walk.acts_at`, how a trailing stop follows is
`trail_level`, and every price is judged by `sim.engine.exchange.judge_price`: inside the bar,
on the step, never beyond its limit. A price that fails the check is a bug and stops the gateway.
"""

from __future__ import annotations

import numpy as np

from sim.engine.exchange import Fill, judge_price
from sim.engine.layout import W_ALIVE, W_KIND, W_LEAVES, W_LEVEL, W_LIMIT, W_SIDE
from sim.engine.walk import NEVER, acts_at, trail_level
from sim.gateway.feed.paths import Bar
from strategies.api import LIMIT, STOP

_WIDTH = 1 + max(W_ALIVE, W_KIND, W_LEAVES, W_LEVEL, W_LIMIT, W_SIDE) + 16


class DishonestFill(RuntimeError):
    """A price that the exchange's own checks refuse."""


def for_side(bar: Bar, side: int, step: int) -> Bar:
    """Return the bar as a buyer (+1) or a seller (-1) sees it; no price falls below one step."""
    move = side * step
    first, high, low, last = (max(step, price + move) for price in bar[:4])
    return Bar(first, high, low, last, bar.volume)


def honest(price: int, side: int, bar: Bar, step: int, limit: int = 0) -> int:
    """Return the price if it lies inside the bar that its side sees, on the step and within the limit.

    Raises:
        DishonestFill: it does not.
    """
    found = judge_price(price, price, side, bar.low, bar.high, step, 0, limit)
    if found != Fill.HONEST:
        raise DishonestFill(f"a fill at {price} in {bar}, limit {limit}, is {Fill(found).name}")
    return price


def _acts(kind: int, side: int, level: int, bar: Bar) -> int | None:
    """Return where an order acts on the bar's way from its open to the extreme that matters to it."""
    line = np.zeros(_WIDTH, np.int64)
    line[W_ALIVE], line[W_SIDE], line[W_KIND], line[W_LEAVES] = 1, side, kind, 1
    line[W_LIMIT if kind == LIMIT else W_LEVEL] = level
    falls = (side > 0) == (kind == LIMIT)
    price = int(acts_at(line, bar.open, bar.low if falls else bar.high))
    return None if price == NEVER else price


def market_price(side: int, bar: Bar, step: int) -> int:
    """Return the price of an order that takes what there is now."""
    return honest(bar.close, side, bar, step)


def limit_price(side: int, limit: int, bar: Bar, step: int) -> int | None:
    """Return the price at which a resting limit order trades within the bar, None if it does not."""
    if (bar.low > limit) if side > 0 else (bar.high < limit):
        return None
    price = _acts(LIMIT, side, limit, bar)
    return None if price is None else honest(price, side, bar, step, limit)


def taking_price(side: int, limit: int, bar: Bar, step: int) -> int | None:
    """Return the price of a limit order that arrives now: the other side's, if the limit allows it."""
    return honest(bar.close, side, bar, step, limit) if side * (limit - bar.close) >= 0 else None


def stop_touched(side: int, stop: int, bar: Bar) -> bool:
    """Say whether last prices reached a stop within the bar."""
    return bar.high >= stop if side > 0 else bar.low <= stop


def stop_price(side: int, stop: int, bar: Bar, step: int) -> int:
    """Return the price of a stop that last prices touched: as its side sees the bar, the stop or worse on a gap."""
    price = _acts(STOP, side, stop, bar)
    # The side's own prices lie one step beyond the last ones, so the stop may be touched by those and lie inside these.
    return honest(price if price is not None else bar.close, side, bar, step)


def trailed(best: int, distance: int, side: int, step: int) -> int:
    """Return where a trailing stop stands that follows `best`; side is the order's, 1 buys."""
    return int(trail_level(best, distance, side, step))
