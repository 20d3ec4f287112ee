"""Rolling statistics: float64[T] in, float64[T] out, each value from its own window and nothing else.

Theory of operation. Every function here goes over its window anew at each bar: the
cost is T * n, and the reward is that a value has the same bits wherever the history
starts and ends, which a running sum cannot promise. A NaN in the window makes the
value NaN and heals when it leaves the window; a price that is not positive has no
logarithm and counts as NaN.

`cointegration` is the Engle-Granger test in two steps on a rolling window: least
squares of y on x, then the Dickey-Fuller statistic of the residuals (no constant, no
lags: a hundred bars are too few to estimate more). Sources: Engle and Granger, "Co-integration
and Error Correction", Econometrica 55 (1987); critical values from MacKinnon, "Critical
Values for Cointegration Tests", Queen's Economics Department working paper 1227 (2010), as statsmodels has them.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ledger.kernel import jit, kernel
from strategies.indicators import sma, std

Floats = NDArray[np.float64]

SLOPE, INTERCEPT, Z, STATISTIC = range(4)


@jit
def log_returns(x: Floats, n: int) -> Floats:
    """Return ln(x[t] / x[t-n]), NaN before bar n and where a price is not positive."""
    if n < 1:
        raise ValueError("a return needs at least one bar")
    out = np.full(x.shape[0], np.nan)
    for t in range(n, x.shape[0]):
        if x[t] > 0.0 and x[t - n] > 0.0:
            out[t] = math.log(x[t] / x[t - n])
    return out


@jit
def volatility(close: Floats, n: int) -> Floats:
    """Return the sample deviation (divisor n-1) of the last n one-bar log returns, per bar, from bar n on.

    Not annualised: multiply by the root of the bars in a year for that.
    """
    return std(log_returns(close, 1), n, 1)


@jit
def zscore(x: Floats, n: int) -> Floats:
    """Return how many sample deviations x[t] is above the mean of x[t-n+1..t]; 0 when nothing deviates."""
    mean = sma(x, n)
    deviation = std(x, n, 1)
    out = np.full(x.shape[0], np.nan)
    for t in range(n - 1, x.shape[0]):
        if deviation[t] == 0.0:
            out[t] = 0.0
        else:
            out[t] = (x[t] - mean[t]) / deviation[t]
    return out


@jit
def efficiency(close: Floats, n: int) -> Floats:
    """Return Kaufman's efficiency ratio, 0..1: the way made in n bars over the path walked, from bar n on.

    1 is a straight line, 0 is going nowhere, also when nothing moved. Source: Kaufman, "Smarter Trading" (1995).
    """
    if n < 1:
        raise ValueError("a window needs at least one bar")
    out = np.full(close.shape[0], np.nan)
    for t in range(n, close.shape[0]):
        path = 0.0
        for i in range(t - n + 1, t + 1):
            path += abs(close[i] - close[i - 1])
        way = abs(close[t] - close[t - n])
        out[t] = path if path == 0.0 or math.isnan(path) else min(1.0, way / path)
    return out


@kernel
def _fit(y: Floats, x: Floats, first: int, last: int) -> tuple[float, float]:
    """Return (slope, intercept) of least squares of y[first..last] on x; NaN slope when x does not vary.

    Sums are of differences to the newest values: prices far from 0 would cancel otherwise.
    """
    n = last - first + 1
    mx = my = 0.0
    for i in range(first, last + 1):
        mx += (x[i] - x[last]) / n
        my += (y[i] - y[last]) / n
    sxx = sxy = 0.0
    for i in range(first, last + 1):
        dx = x[i] - x[last] - mx
        sxx += dx * dx
        sxy += dx * (y[i] - y[last] - my)
    if not sxx > 0.0:
        return np.nan, np.nan
    slope = sxy / sxx
    return slope, y[last] + my - slope * (x[last] + mx)


@kernel
def _judge(y: Floats, x: Floats, first: int, last: int, slope: float, intercept: float) -> tuple[float, float]:
    """Return (z of the newest residual, Dickey-Fuller statistic of all residuals) of a fitted window."""
    n = last - first + 1
    before = y[first] - intercept - slope * x[first]
    squares = before * before
    lagged = product = 0.0
    for i in range(first + 1, last + 1):
        now = y[i] - intercept - slope * x[i]
        lagged += before * before
        product += before * (now - before)
        squares += now * now
        before = now
    if not (squares > 0.0 and lagged > 0.0):
        return np.nan, np.nan
    pull = product / lagged
    before = y[first] - intercept - slope * x[first]
    errors = 0.0
    for i in range(first + 1, last + 1):
        now = y[i] - intercept - slope * x[i]
        errors += (now - before - pull * before) ** 2
        before = now
    statistic = pull / math.sqrt(errors / (n - 2) / lagged) if errors > 0.0 else np.nan
    return before / math.sqrt(squares / (n - 2)), statistic


@jit
def cointegration(y: Floats, x: Floats, n: int) -> Floats:
    """Return float64[4, T]: slope, intercept, z of the newest residual, Dickey-Fuller statistic of the last n bars.

    Rows are SLOPE, INTERCEPT, Z, STATISTIC. z is the residual over the residuals' deviation (divisor n-2).
    All NaN before bar n-1, where x does not vary, and where a value in the window is unknown.
    """
    if n < 3:
        raise ValueError("a line through a window needs at least three bars")
    out = np.full((4, y.shape[0]), np.nan)
    for t in range(n - 1, y.shape[0]):
        slope, intercept = _fit(y, x, t - n + 1, t)
        if not math.isnan(slope):
            z, statistic = _judge(y, x, t - n + 1, t, slope, intercept)
            out[SLOPE, t], out[INTERCEPT, t], out[Z, t], out[STATISTIC, t] = slope, intercept, z, statistic
    return out


MACKINNON = {90: (-3.04445, -4.2412, -2.720), 95: (-3.33613, -6.1101, -6.823), 99: (-3.89644, -10.9519, -33.527)}
"""Two series, constant, no trend: critical value = b0 + b1/n + b2/n^2 at this confidence in percent."""


def critical_statistic(confidence: int, n: int) -> float:
    """Return below which statistic n observations of two series are cointegrated at 90, 95 or 99 percent."""
    b0, b1, b2 = MACKINNON[confidence]
    return b0 + b1 / n + b2 / n**2
