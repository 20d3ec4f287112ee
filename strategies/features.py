"""What a model sees of a bar: returns, ranges and volatility on two timeframes, each from a finite window.

Theory of operation. A feature is a number without a unit (a return over the volatility, a place in a range), so that
a model fitted at one price and in one decade means something in another. Every feature is a function of a window
of bars and of longer bars that are complete, so it is the same wherever the history starts, and it is NaN where
anything in its window is unknown.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ledger.kernel import jit
from strategies.api import Bars
from strategies.indicators import highest, lowest, sma, std
from strategies.rolling import efficiency, log_returns, volatility, zscore
from strategies.timeframe import MONDAY_NS, higher, spread

NAMES = (
    "return_1", "return_5", "return_21", "volatility", "zscore", "efficiency", "place", "volume",
    "longer_return_1", "longer_return_4", "longer_average",
)  # fmt: skip
LOOKBACK = 22
"""Bars that the slowest feature of the history itself needs: 21 returns."""
LONGER_LOOKBACK = 10
"""Complete longer bars that the slowest feature on them needs."""


@jit
def features(bars: Bars, span_ns: int) -> NDArray[np.float64]:
    """Return float64[len(NAMES), T]: one row a feature; the last three are of longer bars of `span_ns`, weeks from Monday."""
    close, size = bars.close, bars.close.shape[0]
    out = np.full((11, size), np.nan)
    noise = volatility(close, 21)
    brisk, high, low = volatility(close, 5), highest(bars.high, 20), lowest(bars.low, 20)
    mean, deviation = sma(bars.volume, 20), std(bars.volume, 20, 1)
    out[4], out[5] = zscore(close, 20), efficiency(close, 20)
    for row, n in ((0, 1), (1, 5), (2, 21)):
        change = log_returns(close, n)
        for t in range(size):
            out[row, t] = _over(change[t], noise[t] * math.sqrt(n))
    for t in range(size):
        out[3, t] = _over(brisk[t], noise[t])
        out[6, t] = _over(close[t] - low[t], high[t] - low[t])
        out[7, t] = _over(bars.volume[t] - mean[t], deviation[t])
    longer, known = higher(bars, span_ns, MONDAY_NS)
    average = sma(longer.close, 10)
    gap = np.full(average.shape[0], np.nan)
    for i in range(average.shape[0]):
        gap[i] = _over(longer.close[i] - average[i], average[i])
    out[8] = spread(log_returns(longer.close, 1), known)
    out[9] = spread(log_returns(longer.close, 4), known)
    out[10] = spread(gap, known)
    return out


@jit
def _over(part: float, whole: float) -> float:
    """Return part / whole; 0 where the whole is 0: nothing moved, so the part says nothing."""
    return 0.0 * part if whole == 0.0 else part / whole
