"""Follow the trend while there is one, trade against moves while there is none, and halve it in a storm.

Theory of operation. Two questions are asked at every bar, and each answer is held until the opposite is clear.

Trend or range? Kaufman's efficiency ratio of `n` bars: above `trending` it is a trend, below `ranging` a range. In a
trend the target is long while the close is above its average of `n` bars, else flat (or short). In a range it is long
below -`entry` deviations from the average of `band` bars until the close is back at it (or short, mirrored).

Calm or storm? The volatility of `short_vol` bars over that of `long_vol` bars: above `storm` it is a storm, until it
falls below `calm`. In a storm the target is multiplied by `storm_size`.

Everything is a function of windows, held by latches, so it is the same wherever the history starts. Sources: Kaufman,
"Smarter Trading" (1995) for the ratio; Moreira and Muir, "Volatility-Managed Portfolios", Journal of Finance 72 (2017)
for less risk in storms.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ledger.kernel import jit
from strategies.api import Bars, Strategy, first_column
from strategies.indicators import above, sma
from strategies.latch import latch
from strategies.rolling import efficiency, volatility, zscore


class Params(NamedTuple):
    """Windows in bars; levels without a unit."""

    n: int = 50
    trending: float = 0.3
    ranging: float = 0.2
    band: int = 20
    entry: float = 1.5
    short_vol: int = 20
    long_vol: int = 250
    storm: float = 1.5
    calm: float = 1.2
    storm_size: float = 0.5
    allow_short: int = 0


@jit
def _position(bars: Bars, params: Params, trend: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return float64[T]: long, flat or short by the rule of the regime of each bar."""
    close, size = bars.close, bars.close.shape[0]
    mean, z = sma(close, params.n), zscore(close, params.band)
    enter_long, leave_long = np.zeros(size, np.bool_), np.zeros(size, np.bool_)
    enter_short, leave_short = np.zeros(size, np.bool_), np.zeros(size, np.bool_)
    for t in range(size):
        if trend[t] == 1.0:
            enter_long[t] = leave_short[t] = above(close[t], mean[t])
            enter_short[t] = above(mean[t], close[t])
            leave_long[t] = not enter_long[t] and not np.isnan(mean[t])
        elif trend[t] == 0.0:
            enter_long[t], leave_long[t] = z[t] < -params.entry, z[t] > 0.0
            enter_short[t], leave_short[t] = z[t] > params.entry, z[t] < 0.0
    return latch(enter_long, leave_long, enter_short, leave_short, params.allow_short, warmup(params) - 1)


@jit
def prepare(bars: Bars, params: Params) -> NDArray[np.float64]:
    """Return float64[3, T]: the target; 1 in a trend and 0 in a range; 1 in a storm and 0 in calm (NaN: not clear yet)."""
    ratio = efficiency(bars.close, params.n)
    long_vol = volatility(bars.close, params.long_vol)
    wind = volatility(bars.close, params.short_vol)
    none = np.zeros(ratio.shape[0], np.bool_)
    first = warmup(params) - 1
    columns = np.empty((3, ratio.shape[0]), np.float64)
    columns[1] = latch(ratio > params.trending, ratio < params.ranging, none, none, 0, first)
    columns[2] = latch(wind > params.storm * long_vol, wind < params.calm * long_vol, none, none, 0, first)
    columns[0] = _position(bars, params, columns[1]) * (1.0 - columns[2] * (1.0 - params.storm_size))
    return columns


@jit
def warmup(params: Params) -> int:
    """Return the bars of the longest window, and the bar before its first return."""
    return max(params.n, params.band, params.short_vol, params.long_vol) + 1


def check(params: Params) -> str:
    """Refuse levels and windows in the wrong order."""
    if params.ranging > params.trending:
        return f"ranging={params.ranging:g} must not be above trending={params.trending:g}"
    if params.calm > params.storm:
        return f"calm={params.calm:g} must not be above storm={params.storm:g}"
    if params.short_vol >= params.long_vol:
        return f"short_vol={params.short_vol} must be shorter than long_vol={params.long_vol}"
    return ""


STRATEGY = Strategy(
    name="regime_switch",
    params=Params,
    prepare=prepare,
    on_bar=first_column,
    warmup=warmup,
    state_size=0,
    summary="Follow the trend in trends, buy dips in ranges, hold less in storms.",
    allow_short=True,
    ranges={
        "n": (2, 10_000), "trending": (0, 1), "ranging": (0, 1), "band": (2, 10_000), "entry": (0, 10),
        "short_vol": (2, 10_000), "long_vol": (3, 10_000), "storm": (0, 100), "calm": (0, 100), "storm_size": (0, 1),
        "allow_short": (0, 1),
    },
    check=check,
)  # fmt: skip
