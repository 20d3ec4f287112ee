"""Prices of a strategy, floats in its currency, as whole ticks: rounded to the side that is harder for the trader.

Theory of operation. The same rules as in a backtest (`sim/engine/claims.py`), on the broker's
own grid: a limit is rounded to the side that is harder to fill, a stop to the side that
fills later and dearer. A float that misses a tick by less than a millionth of one is
that tick. `tests/scenarios/trading/test_like_backtest.py` holds the two against each other.
"""

from __future__ import annotations

import math

TICKS_MAX = 2.0**52
NEAR = 1e-6
WORST_BPS = 400
"""How far beyond the last price an order without a limit is reserved, as in a backtest."""


def against(price: int, side: int, tick: int) -> int:
    """Return the price on the grid that is no better for the trader: up for a buyer, down for a seller; at least one tick."""
    down = price // tick * tick
    return max(down + tick if side > 0 and down < price else down, tick)


def tick_of(price: float, side: int, tick: int) -> int:
    """Return a price, in ticks as a float, on the grid: up for side 1, down for side -1; 0 when it is none."""
    if not price > 0.0:
        return 0
    nearest = math.floor(price + 0.5)
    if abs(price - nearest) > NEAR + 1e-12 * price:
        nearest = math.floor(price) + (1 if side > 0 else 0)
    return against(max(nearest, 1), side, tick)


def worst(price: int, side: int, bps: int = WORST_BPS) -> int:
    """Return the price an order without a limit is reserved at: `bps` beyond the last one, at least one tick."""
    return max(1, price + side * (price * bps // 10_000))
