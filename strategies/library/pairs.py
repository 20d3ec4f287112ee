"""Two instruments that belong together: sell the one that ran ahead, buy the other, wait until they meet.

Theory of operation. On every bar that both have, ln(first) = intercept + slope * ln(second) is fitted on the last
`window` common bars. z is the newest residual in deviations, and the Dickey-Fuller statistic of the residuals says
whether the two are cointegrated at `confidence` percent (0: do not ask). While flat, z < -entry buys the first and sells
the second, z > entry the reverse, if they are cointegrated. |z| < leave closes both legs; |z| > stop closes them too, and
nothing is opened again before |z| < leave: the pair may have parted for good.

Legs. The first gets g = 1 / (1 + |slope|) of the account, the second slope * g against it, so both together are
one account at most. The slope of the entry is kept while the pair is held; otherwise each bar would trade.

A history that begins while the pair is apart does not know whether it is held: the targets are NaN until |z| is below
`leave` or above `stop`, where every history agrees. Sources: Engle and Granger (1987); Vidyamurthy, "Pairs Trading" (2004).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ledger.kernel import jit
from strategies.api import Bars, Strategy, alone, first_column
from strategies.rolling import SLOPE, STATISTIC, Z, cointegration, critical_statistic

UNKNOWN, FLAT, HELD, PARTED = 0, 1, 2, 3


class Params(NamedTuple):
    """A window in common bars, levels of z, and a confidence in percent."""

    window: int = 120
    entry: float = 2.0
    leave: float = 0.5
    stop: float = 4.0
    confidence: int = 90  # 90, 95 or 99; 0: trade the pair cointegrated or not


@jit
def legs(fit: NDArray[np.float64], params: Params, critical: float) -> NDArray[np.float64]:
    """Return float64[2, C]: the weights of both legs at each common bar, from the rows of `cointegration`."""
    count = fit.shape[1]
    out = np.full((2, count), np.nan)
    state, first, second = UNKNOWN, 0.0, 0.0
    for t in range(count):
        z, slope = fit[Z, t], fit[SLOPE, t]
        if abs(z) > params.stop:
            state, first, second = PARTED, 0.0, 0.0
        elif abs(z) < params.leave or (state == HELD and z * first > 0.0):  # it met, or crossed over in one bar
            state, first, second = FLAT, 0.0, 0.0
        if state == FLAT and abs(z) > params.entry and fit[STATISTIC, t] <= critical:
            side = -1.0 if z > 0.0 else 1.0
            state, first = HELD, side / (1.0 + abs(slope))
            second = -first * slope
        if state != UNKNOWN:
            out[0, t], out[1, t] = first, second
    return out


def prepare_universe(universe: tuple[Bars, ...], params: Params) -> tuple[NDArray[np.float64], ...]:
    """Return float64[4, T_j] per instrument: its weight; slope, z and statistic of the newest common bar."""
    y, x = universe
    common, at_y, at_x = np.intersect1d(y.time_ns, x.time_ns, assume_unique=True, return_indices=True)
    fit = cointegration(_log(y.close[at_y]), _log(x.close[at_x]), params.window)
    critical = critical_statistic(params.confidence, params.window) if params.confidence else math.inf
    weights = legs(fit, params, critical)
    blocks = []
    for leg, bars in enumerate(universe):
        block = np.full((4, bars.close.size), np.nan)
        newest = np.searchsorted(common, bars.time_ns, side="right") - 1
        known = newest >= 0
        block[0, known] = weights[leg, newest[known]]
        block[1:, known] = fit[np.array([SLOPE, Z, STATISTIC])][:, newest[known]]
        blocks.append(block)
    return tuple(blocks)


@jit
def _log(close: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ln(close), NaN where a price is not positive."""
    out = np.full(close.shape[0], np.nan)
    for t in range(close.shape[0]):
        if close[t] > 0.0:
            out[t] = math.log(close[t])
    return out


def warmup(params: Params) -> int:
    """Return the common bars of the first fit."""
    return params.window


def check(params: Params) -> str:
    """Refuse levels in the wrong order and confidences that have no critical value."""
    if params.confidence not in (0, 90, 95, 99):
        return f"confidence={params.confidence} must be 90, 95 or 99 percent, or 0 for no test"
    if params.leave < params.entry < params.stop:
        return ""
    return f"levels must rise: leave={params.leave:g} < entry={params.entry:g} < stop={params.stop:g}"


STRATEGY = Strategy(
    name="pairs",
    params=Params,
    prepare=alone(prepare_universe),
    prepare_universe=prepare_universe,
    on_bar=first_column,
    warmup=warmup,
    state_size=0,
    summary="Trade two cointegrated instruments against each other when they drift apart.",
    allow_short=True,
    ranges={"window": (10, 100_000), "entry": (0, 100), "leave": (0, 100), "stop": (0, 1_000), "confidence": (0, 99)},
    check=check,
    symbols=(2, 2),
)
