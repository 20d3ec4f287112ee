"""Indicators: float64[T] in, float64[T] out, NaN until there are enough bars.

Theory of operation. Two families, and the difference matters in live trading.

Window indicators (`sma`, `std`, `highest`, `lowest`) are functions of the last n bars
and of nothing else: each value is bit for bit the same wherever the history starts
and wherever it ends. A running sum carried from bar 0 would be faster and wrong: its
rounding depends on bars long gone, so paper trading, which loads less history than
the backtest, would see other signals. A NaN in the window makes that value NaN and
heals when it leaves the window.

Recursive indicators (`ema`, `macd`, `rsi`, `atr`) remember their first bar for ever, with a
weight that decays. `bars_to_forget` says after how many bars the seed no longer
matters; a strategy that uses one declares at least that as its warm-up. A NaN in the
input stays, because a recursion has no way to heal that is not an invention.

`above` compares two means and calls a difference of rounding size a tie, so flat
prices never cross, and a crossover on prices that stand on a tick grid agrees with
the exact comparison of integer sums. A bare `>` does neither.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ledger.kernel import jit, kernel

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# About 45 units in the last place: far above the rounding of two means (a few units each),
# far below the smallest true difference of two means of prices on a tick grid.
TIE = 1e-14
STRETCH = 512
NOT_NEGATIVE = 2**63 - 1
"""A mask that changes no index and shows the compiler that it is not negative, so that loops become vectors."""
STILL = 1e-10
"""A mean move of less than this share of the price is no move."""
FORGOTTEN = 1e-9
"""What may be left of a recursion's seed when a strategy begins to trust it."""


@kernel
def above(a: float, b: float) -> bool:
    """Tell whether `a` exceeds `b` by more than rounding; False when either is NaN."""
    return a - b > TIE * max(abs(a), abs(b))


@jit
def sma(x: Floats, n: int) -> Floats:
    """Return the simple moving average: mean of x[t-n+1..t], NaN before bar n-1.

    Sums of 1, 2, 4, 8, ... bars are built by doubling, and those that the binary digits
    of n name are laid end to end. The cost grows with log2(n), and so does the rounding:
    a mean of a thousand positive prices is right to six units in the last place.
    """
    out = np.empty((1, x.shape[0]))
    smas(x, np.array([n]), np.zeros(1, np.int64), out)
    return out[0]


@jit
def smas(x: Floats, windows: Ints, rows: Ints, out: Floats) -> None:
    """Fill row rows[k] of out with `sma(x, windows[k])`, the same bits, for less: they share the sums of 1, 2, 4, ... bars.

    Stretches that fit the processor's cache are done one after the other; each value is
    made by the same additions wherever its stretch begins.

    Args:
        out: float64[rows, T or more], modified in place up to T.
    """
    if windows.min() < 1:
        raise ValueError("a window needs at least one bar")
    size, levels, longest = x.shape[0], 0, min(windows.max(), x.shape[0])
    while 2 ** (levels + 1) <= longest:
        levels += 1
    stretch = max(STRETCH, 2 * longest)
    sums, total = np.empty((levels + 1, longest + stretch)), np.empty(stretch)
    for k in range(windows.shape[0]):
        out[rows[k], : min(windows[k] - 1, size)] = np.nan
    for first in range(0, size, stretch):
        last = min(first + stretch, size)
        start = max(0, first - longest + 1)
        _doubled(x[start:last], sums)
        for k in range(windows.shape[0]):
            n = windows[k]
            since = max(first, n - 1)  # the first bar of this stretch that has a mean
            if since < last:
                _mean(sums, since - n + 1 - start, n, last - since, total, out[rows[k], since:last])


@kernel
def _doubled(x: Floats, sums: Floats) -> None:
    """Fill row j of sums with the sums of 2**j values from each place of x on (modified in place)."""
    for i in range(x.shape[0]):
        sums[0, i] = x[i]
    for j in range(1, sums.shape[0]):
        span = 2 ** (j - 1)
        _sum(sums[j - 1], sums[j - 1], span, max(0, x.shape[0] - 2 * span + 1), sums[j])


@kernel
def _mean(sums: Floats, lead: int, n: int, count: int, total: Floats, out: Floats) -> None:
    """Write the means of n values from each place lead + i on to out[i] for i < count (total, out modified in place)."""
    for i in range(count):
        total[i] = 0.0
    done, j = 0, 0
    while n >> (j + 1):
        if n >> j & 1:
            _add(total, sums[j], lead + done, count)
            done += 2**j
        j += 1
    _divide(total, sums[j], lead + done, n, count, out)


@kernel
def _divide(a: Floats, b: Floats, lead: int, n: int, count: int, out: Floats) -> None:
    """Write (a[i] + b[lead + i]) / n to out[i] for i < count (out modified in place)."""
    base = lead & NOT_NEGATIVE
    for i in range(count):
        out[i] = np.divide(a[i] + b[base + i], np.float64(n))


@kernel
def _add(out: Floats, b: Floats, lead: int, count: int) -> None:
    """Add b[lead + i] to out[i] (modified in place); apart from `_sum` because vectors want out and b to be different memory."""
    base = lead & NOT_NEGATIVE
    for i in range(count):
        out[i] += b[base + i]


@kernel
def _sum(a: Floats, b: Floats, lead: int, count: int, out: Floats) -> None:
    """Write a[i] + b[lead + i] to out[i] for i < count (out modified in place)."""
    base = lead & NOT_NEGATIVE
    for i in range(count):
        out[i] = a[i] + b[base + i]


@jit
def std(x: Floats, n: int, ddof: int) -> Floats:
    """Return the standard deviation of x[t-n+1..t] with divisor n - ddof, in two passes.

    Both passes look at differences to the newest value, so equal values give exactly 0.
    """
    if n <= ddof or n < 1:
        raise ValueError("a standard deviation needs more bars than ddof")
    out = np.full(x.shape[0], np.nan)
    for t in range(n - 1, x.shape[0]):
        mean = 0.0
        for i in range(t - n + 1, t):
            mean += (x[i] - x[t]) / n
        total = mean * mean  # the newest value itself
        for i in range(t - n + 1, t):
            total += (x[i] - x[t] - mean) ** 2
        out[t] = math.sqrt(total / (n - ddof))
    return out


@jit
def ema(x: Floats, n: int) -> Floats:
    """Return the exponential average with weight 2/(n+1), seeded by the mean of x[0..n-1].

    The seed stands at bar n-1, as in TA-Lib; pandas' adjust=False seeds with x[0].
    """
    return _smooth(x, n, 2.0 / (n + 1.0), 0)


@jit
def macd(close: Floats, fast: int, slow: int, signal: int) -> Floats:
    """Return float64[2, T]: ema(fast) - ema(slow), and the ema of that over `signal` bars, NaN until they exist.

    The second line is seeded by the mean of the first `signal` values of the first one. Source: Appel,
    "Technical Analysis: Power Tools for Active Investors" (2005).
    """
    lines = np.empty((2, close.shape[0]), np.float64)
    lines[0] = ema(close, fast) - ema(close, slow)
    lines[1] = ema_from(lines[0], signal, max(fast, slow) - 1)
    return lines


@jit
def ema_from(x: Floats, n: int, first: int) -> Floats:
    """Return the exponential average of x[first..], seeded by the mean of its first n values."""
    return _smooth(x, n, 2.0 / (n + 1.0), first)


@jit
def lagged(x: Floats) -> Floats:
    """Return what x was one bar before, NaN at bar 0."""
    out = np.full(x.shape[0], np.nan)
    out[1:] = x[:-1]
    return out


@jit
def trusted(x: Floats, first: int) -> Floats:
    """Return x from bar `first` on and NaN before: a recursion that is not warm says nothing."""
    out = np.full(x.shape[0], np.nan)
    out[max(first, 0) :] = x[max(first, 0) :]
    return out


@jit
def with_seed(x: Floats, of: Floats) -> Floats:
    """Return x and, above it, what may be left of a recursion's seed against `of`: only what exceeds both is greater."""
    return x + FORGOTTEN * np.abs(of)


@jit
def rsi(close: Floats, n: int) -> Floats:
    """Return Wilder's relative strength index, 0..100, first value at bar n.

    Gains and losses are smoothed with weight 1/n, seeded by the mean of the first n
    changes. No loss gives 100; neither gain nor loss gives 50, the undecided middle.
    Neither is also what is left of old moves after hundreds of flat bars, less than
    1e-10 of the price: its ratio would never forget. Source: Wilder, "New Concepts in
    Technical Trading Systems" (1978).
    """
    size = close.shape[0]
    gain = np.zeros(size)
    loss = np.zeros(size)
    for t in range(1, size):
        change = close[t] - close[t - 1]
        # Written so that a NaN price makes both NaN and not a quiet zero.
        gain[t] = change * 0.0 if change < 0.0 else change
        loss[t] = change * 0.0 if change > 0.0 else -change
    up = _smooth(gain, n, 1.0 / n, 1)
    down = _smooth(loss, n, 1.0 / n, 1)
    out = np.full(size, np.nan)
    for t in range(n, size):
        both = up[t] + down[t]
        out[t] = 50.0 if both <= STILL * abs(close[t]) else 100.0 * (up[t] / both)
    return out


@jit
def atr(high: Floats, low: Floats, close: Floats, n: int) -> Floats:
    """Return Wilder's average true range in price units, first value at bar n.

    The true range needs the close before, so bar 0 has none and the seed is the mean
    of bars 1..n.
    """
    size = close.shape[0]
    reach = np.zeros(size)
    for t in range(1, size):
        top = max(high[t], close[t - 1])
        bottom = min(low[t], close[t - 1])
        # The last term is zero, or NaN when any of the three prices is unknown.
        reach[t] = top - bottom + (high[t] + low[t] + close[t - 1]) * 0.0
    return _smooth(reach, n, 1.0 / n, 1)


@jit
def _smooth(x: Floats, n: int, weight: float, first: int) -> Floats:
    """Return y[t] = y[t-1] + weight * (x[t] - y[t-1]), seeded by the mean of x[first..first+n-1]."""
    if n < 1:
        raise ValueError("a window needs at least one bar")
    size = x.shape[0]
    out = np.full(size, np.nan)
    seed = first + n - 1
    if seed >= size:
        return out
    total = 0.0
    for t in range(first, seed):
        total += x[t] - x[seed]
    out[seed] = x[seed] + total / n
    for t in range(seed + 1, size):
        out[t] = out[t - 1] + weight * (x[t] - out[t - 1])
    return out


@jit
def highest(x: Floats, n: int) -> Floats:
    """Return the greatest of x[t-n+1..t]: the upper Donchian line when x is the high.

    The window includes bar t, so a breakout compares the close of t with the line of
    t - 1; against the line of t it could never break out.
    """
    if n < 1:
        raise ValueError("a window needs at least one bar")
    size = x.shape[0]
    out = np.full(size, np.nan)
    queue = np.empty(size, np.int64)  # bars that may still become the greatest, falling
    first = last = 0
    unknown = -n  # the latest NaN; a window that holds it has no greatest value
    for t in range(size):
        if math.isnan(x[t]):
            unknown = t
            first = last
            continue
        while last > first and x[queue[last - 1]] <= x[t]:
            last -= 1
        queue[last] = t
        last += 1
        if queue[first] <= t - n:
            first += 1
        if t >= n - 1 and t - unknown >= n:
            out[t] = x[queue[first]]
    return out


@jit
def lowest(x: Floats, n: int) -> Floats:
    """Return the least of x[t-n+1..t]: the lower Donchian line when x is the low."""
    return -highest(-x, n)


@jit
def bars_to_forget(weight: float, tolerance: float) -> int:
    """Return after how many bars a recursion's seed counts less than `tolerance`.

    Args:
        weight: of the newest bar: 2/(n+1) for `ema`, 1/n for `rsi` and `atr`; 0 < weight <= 1.
        tolerance: what is left of a difference in the seed, for example 1e-9.
    """
    if weight >= 1.0:
        return 1
    return math.ceil(math.log(tolerance) / math.log1p(-weight))
