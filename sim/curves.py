"""What a run was like on the way: returns by month, rolling Sharpe, drawdowns, exposure, distribution.

Theory of operation. Like `sim.metrics`, this file turns the record of a run into
numbers and is the only one that does so for curves; pages and exports draw what it
returns. All of it follows from the equity curve and the trading days: the last equity
of a day, month or year against the one before, the first against the start. What is
undefined is NaN in a curve and None in a table, never 0.
"""

from __future__ import annotations

import math
from datetime import date
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.metrics import DAYS_PER_YEAR, DEVIATION_MIN, daily_returns, last_of_day

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

EPOCH_ORDINAL = 719_163
ROLLING_DAYS = 126
BINS = 41

CURVE_DEFINITIONS: dict[str, str] = {
    "Equity": "Cash plus the worth of all positions at the close of each bar, in the account's currency.",
    "Buy & hold": "All of the start equity in the first symbol from its first close on, without costs.",
    "Drawdown": "Equity / greatest equity so far (the start included) - 1.",
    "Net exposure": "Worth of all positions (short ones negative) / equity, after each bar; unknown at equity 0 or below.",
    f"Rolling Sharpe, {ROLLING_DAYS} days": f"Mean / standard deviation (n - 1) of the last {ROLLING_DAYS} daily returns, times "
    "the square root of 252; unknown before that many and where the returns do not vary.",
    "Monthly returns": "Last equity of the month / last equity of the month before (the start for the first) - 1.",
    "Daily returns": "Last equity of the day / last equity of the day before - 1; the outermost bars hold everything beyond, "
    "days without any change are counted apart.",
    "Deepest drawdowns": "Stretches below the greatest equity so far, from the day of the peak to the day that regains it.",
}


class Month(NamedTuple):
    """The return of one calendar month; None where it began with nothing or less."""

    year: int
    month: int
    change: float | None


class Fall(NamedTuple):
    """A stretch under water; days as ordinals, `regained` None when the run ended below the peak."""

    depth: float
    peak: int
    trough: int
    regained: int | None
    days: int


class Histogram(NamedTuple):
    """Counts of returns between edges; the first and the last bin hold everything beyond."""

    edges: Floats  # [n + 1]
    counts: Ints  # [n]
    unchanged: int  # days with a return of exactly 0, which no bin holds


def monthly_returns(equity_e8: Ints, days: Ints, start_e8: int) -> list[Month]:
    """Return one row for each month that has a bar.

    Args:
        equity_e8: int64[T]; days: int64[T], ordinals, never falling; start_e8: money before the first bar.
    """
    months = (days - EPOCH_ORDINAL).astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
    return [Month(1970 + int(at) // 12, int(at) % 12 + 1, change) for at, change in _period_returns(equity_e8, months, start_e8)]


def yearly_returns(equity_e8: Ints, days: Ints, start_e8: int) -> dict[int, float | None]:
    """Return the change of each calendar year that has a bar."""
    years = (days - EPOCH_ORDINAL).astype("datetime64[D]").astype("datetime64[Y]").astype(np.int64)
    return {1970 + int(at): change for at, change in _period_returns(equity_e8, years, start_e8)}


def _period_returns(equity_e8: Ints, periods: Ints, start_e8: int) -> list[tuple[int, float | None]]:
    last = last_of_day(periods)
    closing = [int(amount) for amount in equity_e8[last]]
    bases = [int(start_e8), *closing[:-1]]
    return [
        (int(period), amount / base - 1.0 if base > 0 else None)
        for period, amount, base in zip(periods[last], closing, bases, strict=True)
    ]


def rolling_sharpe(equity_e8: Ints, days: Ints, start_e8: int, window: int = ROLLING_DAYS) -> Floats:
    """Return float64[number of days]: the Sharpe ratio of the last `window` daily returns, NaN where it is undefined."""
    count = last_of_day(days).size
    result = np.full(count, np.nan)
    returns = daily_returns(equity_e8, days, start_e8) if count >= window else None
    if returns is None:
        return result
    seen = np.lib.stride_tricks.sliding_window_view(returns, window)
    deviation = seen.std(axis=1, ddof=1)
    known = deviation > DEVIATION_MIN
    result[window - 1 :][known] = seen.mean(axis=1)[known] / deviation[known] * math.sqrt(DAYS_PER_YEAR)
    return result


def exposure(positions_e8: Ints, equity_e8: Ints) -> Floats:
    """Return float64[T]: worth of the positions / equity; NaN where equity is not above 0."""
    share: Floats = np.divide(positions_e8, equity_e8, out=np.full(equity_e8.size, np.nan), where=equity_e8 > 0)
    return share


def falls(equity_e8: Ints, days: Ints, start_e8: int, count: int = 5) -> list[Fall]:
    """Return the deepest drawdowns, deepest first; a peak at the start is dated to the first bar."""
    if not equity_e8.size or start_e8 <= 0:
        return []
    peak = np.maximum.accumulate(np.maximum(equity_e8, start_e8))
    under = np.concatenate(([False], equity_e8 < peak, [False]))
    edges = np.flatnonzero(np.diff(under))
    found = []
    for first, after in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        low = first + int(equity_e8[first:after].argmin())
        begin, over = int(days[max(first - 1, 0)]), after < days.size
        end = int(days[min(after, days.size - 1)])
        depth = int(equity_e8[low]) / int(peak[low]) - 1.0
        found.append(Fall(depth, begin, int(days[low]), end if over else None, end - begin))
    return sorted(found)[:count]


def histogram(equity_e8: Ints, days: Ints, start_e8: int) -> Histogram | None:
    """Return the distribution of daily returns in bins around 0, or None with fewer than two or undefined returns."""
    returns = daily_returns(equity_e8, days, start_e8) if days.size else None
    if returns is None or returns.size < 2 or not returns.any():
        return None
    reach = float(np.abs(np.quantile(returns, [0.005, 0.995])).max()) or float(np.abs(returns).max())
    edges = np.linspace(-reach, reach, BINS + 1)
    moved = returns[returns != 0]
    counts, _ = np.histogram(np.clip(moved, -reach, reach), bins=edges)
    return Histogram(edges, counts.astype(np.int64), returns.size - moved.size)


def iso(day: int) -> str:
    """Return an ordinal as 2024-01-31."""
    return date.fromordinal(day).isoformat()
