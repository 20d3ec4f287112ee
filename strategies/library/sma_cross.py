"""Long while the fast average stands above the slow one; the "hello, world" of bots.

Theory of operation. Two simple averages of the close, one comparison a bar, no state.
A tie (see `indicators.above`) is not above, so flat prices never make a trade. Until
the slow average exists the strategy has no opinion, which is not the same as flat: a
restart with a short history keeps the position it finds.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ledger.kernel import jit, kernel
from strategies.api import Bars, Signal, Strategy, market, no_opinion
from strategies.columnar import ABOVE, Test, Wish, column, opposite
from strategies.indicators import above, sma


class Params(NamedTuple):
    """Window lengths in bars."""

    fast: int = 10
    slow: int = 30
    allow_short: int = 0  # 1: short instead of flat while the fast average is not above


@jit
def prepare(bars: Bars, params: Params) -> NDArray[np.float64]:
    """Return float64[2, T]: the fast average, then the slow one."""
    columns = np.empty((2, bars.close.shape[0]), np.float64)
    columns[0] = sma(bars.close, params.fast)
    columns[1] = sma(bars.close, params.slow)
    return columns


@kernel
def on_bar(
    bars: Bars, columns: NDArray[np.float64], t: int, state: NDArray[np.float64], params: Params
) -> Signal:
    """Return long, flat or short from the two averages at bar `t`."""
    fast = columns[0, t]
    slow = columns[1, t]
    if np.isnan(fast) or np.isnan(slow):
        return no_opinion()
    if above(fast, slow):
        return market(1.0)
    return market(-1.0 if params.allow_short else 0.0)


def columnar(params: Params) -> tuple[Wish, ...]:
    """Return the same wishes as one test of two columns, and its opposite."""
    crossed = Test(column(sma, "close", params.fast), ABOVE, column(sma, "close", params.slow))
    return opposite(1.0, -1.0 if params.allow_short else 0.0, crossed)


def warmup(params: Params) -> int:
    """Return the bars that the slow average needs."""
    return params.slow


def check(params: Params) -> str:
    """Refuse windows in the wrong order: the strategy would trade its own mirror image."""
    if params.fast < params.slow:
        return ""
    return f"fast={params.fast} must be smaller than slow={params.slow}; swap them or widen slow"


STRATEGY = Strategy(
    name="sma_cross",
    params=Params,
    prepare=prepare,
    on_bar=on_bar,
    warmup=warmup,
    state_size=0,
    summary="Long while the fast moving average is above the slow one, else flat (or short).",
    allow_short=True,
    ranges={"fast": (1, 100_000), "slow": (2, 100_000), "allow_short": (0, 1)},
    check=check,
    columnar=columnar,
)
