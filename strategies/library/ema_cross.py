"""Long while the fast exponential average stands above the slow one.

Theory of operation. ema[t] = ema[t-1] + 2/(n+1) * (close[t] - ema[t-1]), seeded by the mean of the first n closes
(as in TA-Lib). The average remembers its seed with a weight that decays, so the strategy stays silent until the
slower one has forgotten it: what it says does not depend on where the history starts. A difference below what may be
left of a seed is a tie, and a tie is not above. Source: Appel, "Technical Analysis" (2005), chapter 6.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ledger.kernel import jit
from strategies.api import Bars, Strategy, first_column
from strategies.columnar import GREATER, Test, Wish, column, opposite
from strategies.indicators import FORGOTTEN, bars_to_forget, ema, trusted, with_seed


class Params(NamedTuple):
    """Window lengths in bars."""

    fast: int = 12
    slow: int = 26
    allow_short: int = 0  # 1: short instead of flat while the fast average is not above


@jit
def prepare(bars: Bars, params: Params) -> NDArray[np.float64]:
    """Return float64[3, T]: the target, the fast average, and what it has to exceed: the slow one, once it is warm."""
    columns = np.full((3, bars.close.shape[0]), np.nan)
    slow = ema(bars.close, params.slow)
    columns[1] = ema(bars.close, params.fast)
    columns[2] = trusted(with_seed(slow, slow), warmup(params) - 1)
    below = -1.0 if params.allow_short else 0.0
    for t in range(bars.close.shape[0]):
        fast, edge = columns[1, t], columns[2, t]
        if not (np.isnan(fast) or np.isnan(edge)):
            columns[0, t] = 1.0 if fast > edge else below
    return columns


def columnar(params: Params) -> tuple[Wish, ...]:
    """Return the same wishes as one test of two columns, and its opposite."""
    slow = column(ema, "close", params.slow)
    edge = column(trusted, column(with_seed, slow, slow), warmup(params) - 1)
    crossed = Test(column(ema, "close", params.fast), GREATER, edge)
    return opposite(1.0, -1.0 if params.allow_short else 0.0, crossed)


@jit
def warmup(params: Params) -> int:
    """Return the bars after which the slower average has forgotten its seed."""
    return params.slow + bars_to_forget(2.0 / (params.slow + 1.0), FORGOTTEN)


def check(params: Params) -> str:
    """Refuse windows in the wrong order."""
    if params.fast < params.slow:
        return ""
    return f"fast={params.fast} must be smaller than slow={params.slow}; swap them or widen slow"


STRATEGY = Strategy(
    name="ema_cross",
    params=Params,
    prepare=prepare,
    on_bar=first_column,
    warmup=warmup,
    state_size=0,
    summary="Long while the fast exponential average is above the slow one, else flat (or short).",
    allow_short=True,
    ranges={"fast": (1, 10_000), "slow": (2, 10_000), "allow_short": (0, 1)},
    check=check,
    columnar=columnar,
)
