"""Resampling returns in blocks: how far a figure may be luck, and whether the best of many beats a benchmark.

Theory of operation. Daily returns depend on their neighbours, so whole blocks of random
length are drawn (stationary bootstrap; the mean length is chosen from the data unless
given). `interval` resamples one series. `superior` resamples all strategies together and
asks whether the best of them beats the benchmark by more than the best of as many
without any edge would: White's reality check and Hansen's SPA. Both are arch's.

Sources: Politis, Romano (1994); Politis, White (2004); White (2000); Hansen (2005).
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from sim.metrics import DAYS_PER_YEAR, DEVIATION_MIN

Floats = NDArray[np.float64]
DRAWS = 2_000
LEAST = 10
"""Fewer returns than this are not resampled: their blocks would be the series itself."""


class Interval(NamedTuple):
    """A figure with the interval that holds `level` of its resampled values."""

    value: float
    low: float
    high: float
    level: float
    block: float  # mean length of the blocks, in returns


class Superiority(NamedTuple):
    """P-values that no strategy beats the benchmark: SPA (lower, consistent, upper); the upper one is the reality check."""

    strategies: int
    best: int  # which column has the greatest mean
    lower: float
    consistent: float
    reality_check: float
    block: float


def block_length(returns: Floats) -> float:
    """Return the mean length of blocks for float64[T] returns, at least 1 and at most a quarter of them."""
    from arch.bootstrap import optimal_block_length

    if float(returns.std()) <= DEVIATION_MIN:
        return 1.0
    found = float(optimal_block_length(returns)["stationary"].iloc[0])
    return min(max(found, 1.0), returns.size / 4) if math.isfinite(found) else 1.0


def sharpe_of(returns: Floats) -> float:
    """Return the annualised Sharpe ratio of daily returns; NaN without deviation."""
    deviation = float(returns.std(ddof=1))
    return float(returns.mean()) / deviation * math.sqrt(DAYS_PER_YEAR) if deviation > DEVIATION_MIN else math.nan


def growth_of(returns: Floats) -> float:
    """Return the total return of compounded returns."""
    return float(np.prod(1.0 + returns)) - 1.0


FIGURES = {"sharpe": sharpe_of, "total_return": growth_of}


def interval(
    returns: Floats, figure: str, dice: Generator, *, draws: int = DRAWS, level: float = 0.95, block: float | None = None
) -> Interval | None:
    """Return the percentile interval of a figure of float64[T] daily returns, or None where it is undefined.

    Args:
        figure: a name in FIGURES. block: mean length of the blocks; chosen from the data when left out.
    """
    from arch.bootstrap import StationaryBootstrap

    compute = FIGURES[figure]
    if returns.size < LEAST or not np.isfinite(returns).all() or math.isnan(compute(returns)):
        return None
    length: Any = block_length(returns) if block is None else block  # arch's types want an int; its code a number
    drawn = StationaryBootstrap(length, returns, seed=dice).apply(compute, draws)[:, 0]
    # A sample in which nothing happened has no ratio and says nothing about it.
    told = drawn[np.isfinite(drawn)]
    if not told.size:
        return None
    low, high = np.quantile(told, [(1 - level) / 2, (1 + level) / 2])
    return Interval(compute(returns), float(low), float(high), level, length)


def superior(
    returns: Floats, benchmark: Floats, dice: Generator, *, draws: int = DRAWS, block: float | None = None
) -> Superiority | None:
    """Return whether the best of float64[T, N] strategies beats float64[T] benchmark returns, after having looked at N.

    None when a series is too short, not finite, or no strategy ever differs from the benchmark.
    """
    from arch.bootstrap import SPA

    if returns.ndim != 2 or returns.shape[0] != benchmark.size:
        raise ValueError(f"returns must be a matrix with {benchmark.size} rows; got shape {returns.shape}")
    excess = returns - benchmark[:, None]
    moving = excess.std(axis=0) > DEVIATION_MIN
    if returns.shape[0] < LEAST or not np.isfinite(excess).all() or not moving.any():
        return None
    best = int(np.argmax(np.where(moving, excess.mean(axis=0), -np.inf)))
    length = block_length(excess[:, best]) if block is None else block
    # SPA speaks of losses: a strategy's loss is its return with the other sign.
    test = SPA(-benchmark, -returns[:, moving], block_size=max(1, round(length)), reps=draws, bootstrap="stationary", seed=dice)
    test.compute()
    values = test.pvalues
    return Superiority(
        returns.shape[1], best, float(values["lower"]), float(values["consistent"]), float(values["upper"]), length
    )
