"""Sharpe ratios with their doubts: probabilistic, deflated, and how long a record must be.

Theory of operation. A Sharpe ratio from T returns is an estimate; skewed and fat-tailed
returns make it a worse one. `probabilistic` is the chance that the true ratio exceeds a
benchmark. `deflated` takes as benchmark the best ratio that `trials` strategies without any
skill would be expected to show. All ratios here are per period, not annualised, as the
formulas need them; kurtosis is the fourth standardised moment itself (3 for a normal).

Sources: Bailey, Lopez de Prado, The Sharpe Ratio Efficient Frontier (2012) for PSR and the minimum
track record; The Deflated Sharpe Ratio (2014) for the expected maximum and DSR.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.metrics import DEVIATION_MIN

Floats = NDArray[np.float64]
NORMAL = NormalDist()
EULER_MASCHERONI = 0.5772156649015329
CONFIDENCE = 0.95
MEASURED_LEAST = 10
"""Fewer known ratios than this do not tell how much trials differ: two near-copies would make any result look safe."""


class Moments(NamedTuple):
    """What a Sharpe ratio and its doubt are computed from."""

    length: int  # returns it is made of
    sharpe: float  # mean / standard deviation (n - 1), per period
    skew: float
    kurtosis: float  # 3 for normal returns


class Deflated(NamedTuple):
    """A deflated Sharpe ratio with what it was deflated by; ratios per period."""

    probability: float | None  # chance that the true ratio beats the best of `trials` without skill
    benchmark: float  # that best ratio
    trials: int
    variance: float  # of the ratios between trials
    measured: bool  # the variance comes from known trials; otherwise it is that of luck alone, 1 / (T - 1)


def moments(returns: Floats) -> Moments | None:
    """Return the moments of float64[T] returns; None when fewer than 3, not finite, or without any deviation."""
    if returns.size < 3 or not np.isfinite(returns).all():
        return None
    deviation = float(returns.std(ddof=1))
    if deviation <= DEVIATION_MIN:
        return None
    mean = float(returns.mean())
    scaled = (returns - mean) / float(returns.std())
    return Moments(returns.size, mean / deviation, float((scaled**3).mean()), float((scaled**4).mean()))


def _doubt(known: Moments) -> float | None:
    """Return the variance of the estimated ratio times (T - 1); None where the formula gives no positive number."""
    value = 1.0 - known.skew * known.sharpe + (known.kurtosis - 1.0) / 4.0 * known.sharpe**2
    return value if value > 0 else None


def probabilistic(known: Moments, benchmark: float = 0.0) -> float | None:
    """Return the probability that the true Sharpe ratio is above `benchmark` (both per period)."""
    doubt = _doubt(known)
    if doubt is None:
        return None
    return NORMAL.cdf((known.sharpe - benchmark) * math.sqrt((known.length - 1) / doubt))


def expected_maximum(trials: int, variance: float) -> float:
    """Return the best ratio to expect of `trials` independent strategies whose true ratio is 0.

    Raises:
        ValueError: no trial, or a negative variance.
    """
    if trials < 1 or variance < 0:
        raise ValueError(f"there is at least one trial and no negative variance; got {trials} and {variance}")
    if trials == 1:
        return 0.0
    first = NORMAL.inv_cdf(1.0 - 1.0 / trials)
    second = NORMAL.inv_cdf(1.0 - 1.0 / (trials * math.e))
    return math.sqrt(variance) * ((1.0 - EULER_MASCHERONI) * first + EULER_MASCHERONI * second)


def deflated(known: Moments, trials: int, sharpes: Sequence[float] = ()) -> Deflated:
    """Return the deflated Sharpe ratio of the best of `trials`.

    Args:
        sharpes: ratios of trials as far as they are known, per period. With fewer than MEASURED_LEAST the variance
            between trials is taken to be what luck alone would give.
    """
    measured = len(sharpes) >= MEASURED_LEAST
    variance = float(np.var(np.asarray(sharpes, np.float64), ddof=1)) if measured else 1.0 / (known.length - 1)
    benchmark = expected_maximum(trials, variance)
    return Deflated(probabilistic(known, benchmark), benchmark, trials, variance, measured)


def minimum_track_record(known: Moments, benchmark: float = 0.0, confidence: float = CONFIDENCE) -> float | None:
    """Return how many returns are needed to say with `confidence` that the true ratio exceeds `benchmark`.

    None when the estimate does not exceed it: then no length of record would do.
    """
    doubt = _doubt(known)
    if doubt is None or known.sharpe <= benchmark:
        return None
    return 1.0 + doubt * (NORMAL.inv_cdf(confidence) / (known.sharpe - benchmark)) ** 2
