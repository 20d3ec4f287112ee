"""Buy a close above the highest high of the last weeks, sell below the lowest low of fewer.

Theory of operation. The channel of bar t is made of the bars before t: with bar t in it, no close could ever break
out. close > highest(high, enter) enters long, close < lowest(low, leave) leaves; with `allow_short` the mirror image
enters and covers. A latch holds the position between the events. Prices are compared with prices and nothing is
calculated, so there is no rounding. Sources: Donchian's four-week rule (1960); the Turtles' twenty and ten days (Faith, "Way of
the Turtle", 2007).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ledger.kernel import jit
from strategies.api import Bars, Strategy, first_column
from strategies.columnar import Wish, column
from strategies.indicators import highest, lagged, lowest
from strategies.latch import held, latch

Floats = NDArray[np.float64]


class Params(NamedTuple):
    """Window lengths in bars."""

    enter: int = 20
    leave: int = 10
    allow_short: int = 0  # 1: short below the lowest low of `enter` bars


@jit
def position(
    close: Floats, top: Floats, bottom: Floats, stop_short: Floats, stop_long: Floats, allow_short: int, first: int
) -> Floats:
    """Return float64[T]: the target that the entry lines and the exit lines hold, events counted from bar `first` on."""
    return latch(close > top, close < stop_long, close < bottom, close > stop_short, allow_short, first)


@jit
def prepare(bars: Bars, params: Params) -> Floats:
    """Return float64[5, T]: the target; the entry lines above and below; the exit lines above and below."""
    columns = np.empty((5, bars.close.shape[0]), np.float64)
    columns[1] = lagged(highest(bars.high, params.enter))
    columns[2] = lagged(lowest(bars.low, params.enter))
    columns[3] = lagged(highest(bars.high, params.leave))
    columns[4] = lagged(lowest(bars.low, params.leave))
    columns[0] = position(
        bars.close, columns[1], columns[2], columns[3], columns[4], params.allow_short, warmup(params) - 1
    )
    return columns


def columnar(params: Params) -> tuple[Wish, ...]:
    """Return the same wishes as tests of the position that the channels hold; channels are shared."""
    lines = [
        column(lagged, column(make, name, n))
        for n in (params.enter, params.leave)
        for make, name in ((highest, "high"), (lowest, "low"))
    ]
    return held(column(position, "close", *lines, params.allow_short, warmup(params) - 1))


@jit
def warmup(params: Params) -> int:
    """Return the bars of the longer channel and the bar that may break out of it."""
    return max(params.enter, params.leave) + 1


def check(params: Params) -> str:
    """Refuse an exit channel that is wider than the entry channel: it would hold what it no longer would buy."""
    if params.leave <= params.enter:
        return ""
    return f"leave={params.leave} must not be longer than enter={params.enter}"


STRATEGY = Strategy(
    name="donchian_breakout",
    params=Params,
    prepare=prepare,
    on_bar=first_column,
    warmup=warmup,
    state_size=0,
    summary="Buy a close above the highest high of `enter` bars, sell below the lowest low of `leave` bars.",
    allow_short=True,
    ranges={"enter": (1, 100_000), "leave": (1, 100_000), "allow_short": (0, 1)},
    check=check,
    columnar=columnar,
)
