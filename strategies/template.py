"""Say here what the strategy does, in one sentence: long while the close is above its average, with a stop below.

Theory of operation. Say what it waits for, why that should pay, and where the idea comes from. A strategy looks at
the bars of one instrument and answers each bar with a Signal: the position it would like to have. It never sees money,
orders or fills; sizing and the order gate come after it. The same two functions run in backtests and in paper trading.

    onebook check ./template.py              # does it see the future? is its warm-up long enough?
    onebook backtest run ./template.py -p n=100
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ledger.kernel import jit, kernel
from strategies.api import Bars, Signal, Strategy, guarded_from_fill, market, no_opinion
from strategies.indicators import above, sma


class Params(NamedTuple):
    """What can be tuned: whole numbers and floats, each with a default. `-p n=100` sets one."""

    n: int = 50  # bars in the average
    stop: float = 0.1  # how far below the price paid the stop stands, as a fraction


@jit
def prepare(bars: Bars, params: Params) -> NDArray[np.float64]:
    """Return float64[k, T]: k indicator columns over all T bars, calculated once.

    The value at bar t may use bars 0..t and never a later one. Indicators: `strategies.indicators`, `strategies.rolling`;
    longer bars (weeks out of days): `strategies.timeframe`. Anything Python can do is allowed here without @jit too: pandas,
    scikit-learn. A row must not depend on where the history ends (no min or max of everything, no centred windows).
    """
    columns = np.empty((1, bars.close.shape[0]), np.float64)
    columns[0] = sma(bars.close, params.n)
    return columns


@kernel
def on_bar(bars: Bars, columns: NDArray[np.float64], t: int, state: NDArray[np.float64], params: Params) -> Signal:
    """Return the wish at the close of bar t; it is filled at the next open.

    Args:
        bars, columns: read them at t or earlier. state: float64[state_size], yours to keep between bars, zeros at first.
    """
    average = columns[0, t]
    if np.isnan(average):
        return no_opinion()  # not warm yet: keep whatever is held
    if not above(bars.close[t], average):
        return market(0.0)  # flat
    # 1.0 is full size (see --size), 0.5 half of it, -1.0 short. Stop loss, take profit and trail go on top.
    return guarded_from_fill(market(1.0), params.stop, 0.0, 0.0)


def warmup(params: Params) -> int:
    """Return how many bars the first opinion needs; paper trading loads at least that many before it starts."""
    return params.n


def check(params: Params) -> str:
    """Return what is wrong with parameters that do not fit together, or nothing."""
    return ""


STRATEGY = Strategy(
    name="template",
    params=Params,
    prepare=prepare,
    on_bar=on_bar,
    warmup=warmup,
    state_size=0,
    summary="Long while the close is above its average, with a stop below.",
    allow_short=False,
    ranges={"n": (2, 10_000), "stop": (0.001, 0.9)},
    check=check,
)
