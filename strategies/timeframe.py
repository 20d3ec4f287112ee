"""Longer bars inside shorter ones: weekly out of daily, hourly out of minutes, and never too early.

Theory of operation. A longer bar is a bucket of the clock: bucket b ends at
origin + (b + 1) * span. A bar of the history belongs to the bucket in which it ends,
and an end exactly on the edge belongs to the bucket before the edge. A longer bar is
known at bar t when its bucket has ended by then, time_ns[t] >= its end: so Friday's close
does not know the week (Saturday might trade), and Monday's does. Without a calendar
that is the earliest honest moment.

The first bucket of a history is never known: nobody can tell whether the history
begins at its beginning. That is why the same bar sees the same longer bars wherever
the history starts.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ledger.kernel import jit, kernel
from strategies.api import Bars

HOUR_NS = 3_600_000_000_000
DAY_NS = 24 * HOUR_NS
WEEK_NS = 7 * DAY_NS
MONDAY_NS = 4 * DAY_NS
"""The first Monday after 1970-01-01, which was a Thursday: the origin of weeks."""


@kernel
def bucket_end(time_ns: int, span_ns: int, origin_ns: int) -> int:
    """Return the UTC ns at which the bucket that holds a bar's end is over."""
    return origin_ns + ((time_ns - 1 - origin_ns) // span_ns + 1) * span_ns


@jit
def higher(bars: Bars, span_ns: int, origin_ns: int) -> tuple[Bars, NDArray[np.int64]]:
    """Return the longer bars, and for each bar of the history how many of them it knows.

    Args:
        span_ns: length of a longer bar, >= 1; buckets begin at `origin_ns` and at whole spans from it.
    Returns:
        (longer, known): longer.time_ns[i] is the end of bucket i, in order, empty buckets left out. The first and
        the last may be incomplete. known int64[T]: bar t knows longer[1 .. known[t]] and nothing after; 0 when none.
    """
    if span_ns < 1:
        raise ValueError("a longer bar needs a length")
    size = bars.time_ns.shape[0]
    end = np.empty(size, np.int64)
    opens, high, low = np.empty(size), np.empty(size), np.empty(size)
    close, volume = np.empty(size), np.empty(size)
    known = np.zeros(size, np.int64)
    last = -1
    for t in range(size):
        over = bucket_end(bars.time_ns[t], span_ns, origin_ns)
        if last < 0 or over > end[last]:
            last += 1
            end[last], opens[last], volume[last] = over, bars.open[t], 0.0
            high[last], low[last] = bars.high[t], bars.low[t]
        # Written so that an unknown price stays: a comparison with NaN would quietly drop it.
        high[last] = bars.high[t] if math.isnan(bars.high[t]) else max(high[last], bars.high[t])
        low[last] = bars.low[t] if math.isnan(bars.low[t]) else min(low[last], bars.low[t])
        close[last] = bars.close[t]
        volume[last] += bars.volume[t]
        known[t] = last if bars.time_ns[t] >= end[last] else max(last - 1, 0)
    count = last + 1
    longer = Bars(end[:count], opens[:count], high[:count], low[:count], close[:count], volume[:count])
    return longer, known


@jit
def spread(column: NDArray[np.float64], known: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return float64[T]: at each bar the newest value of a column of the longer bars that the bar knows, else NaN."""
    out = np.full(known.shape[0], np.nan)
    for t in range(known.shape[0]):
        if known[t] > 0:
            out[t] = column[known[t]]
    return out
