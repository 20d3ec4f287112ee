"""Hold the few instruments that rose most, and look again each month (or week).

Theory of operation. At the first moment of a new month (UTC) every instrument is ranked by its past return,
close[u - skip] / close[u - skip - lookback] - 1, counted in moments of the whole universe (see `strategies/universe.py`).
The best `top` get 1/top of the account each, the others nothing, until the next ranking. With `absolute` an instrument
that fell is not held, however little the others rose, and its share stays in cash.

An instrument without a close in the last `STALE` moments is not ranked: it is not listed yet, or no longer.
With `rebalance` the weight of what stays changes by NUDGE from ranking to ranking: a target that is repeated is left alone
by everything that trades, one that differs is sized anew, and so winners are trimmed and make room for the others.

Ties go to the instrument named first. Until the universe has enough history for a ranking the strategy has no
opinion. Sources: Jegadeesh and Titman, "Returns to Buying Winners and Selling Losers", Journal of Finance 48 (1993);
Antonacci, "Dual Momentum Investing" (2014) for `absolute`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ledger.kernel import jit
from strategies.api import Bars, Strategy, alone, first_column
from strategies.timeframe import MONDAY_NS, WEEK_NS
from strategies.universe import Clock, clock_of, newest

STALE = 5
"""Moments for which a last close still is a price."""

NUDGE = 1e-6
"""The least difference between two targets that is one (see sizing.fraction_e6)."""


class Params(NamedTuple):
    """Counts of instruments and of moments (bars of the universe)."""

    top: int = 3
    lookback: int = 126
    skip: int = 0  # 21 leaves the last month out, which tends to reverse
    absolute: int = 1  # 1: hold only what rose
    weekly: int = 0  # 1: rank each Monday instead of each month
    rebalance: int = 1  # 1: bring what stays in the portfolio back to its weight at each ranking


def _rankings(moments_ns: NDArray[np.int64], params: Params) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the moments at which a month or week begins and there is enough history to rank, and its number."""
    if params.weekly:
        period = (moments_ns - 1 - MONDAY_NS) // WEEK_NS
    else:
        period = (moments_ns - 1).astype("datetime64[ns]").astype("datetime64[M]").astype(np.int64)
    begins = np.flatnonzero(np.diff(period) != 0) + 1
    begins = begins[begins >= warmup(params) - 1].astype(np.int64)
    return begins, period[begins]


def _returns(universe: tuple[Bars, ...], clock: Clock, at: NDArray[np.int64], params: Params) -> NDArray[np.float64]:
    """Return float64[rankings, instruments]: past returns, NaN where an instrument cannot be ranked."""
    table = np.full((at.size, len(universe)), np.nan)
    for number, bars in enumerate(universe):
        listed = newest(clock, number, at, STALE)
        last = newest(clock, number, at - params.skip, STALE)
        first = newest(clock, number, at - params.skip - params.lookback, STALE)
        known = (listed >= 0) & (last >= 0) & (first >= 0)
        table[known, number] = bars.close[last[known]] / bars.close[first[known]] - 1.0
    return table


@jit
def weights(returns: NDArray[np.float64], top: int, absolute: int) -> NDArray[np.float64]:
    """Return float64[rankings, instruments]: 1/top for the best `top` of each row, 0 for the others."""
    out = np.zeros(returns.shape)
    for row in range(returns.shape[0]):
        for _ in range(top):
            best = -1
            for j in range(returns.shape[1]):
                # Written so that NaN, which nothing exceeds, is never the best.
                wanted = out[row, j] == 0.0 and (returns[row, j] > 0.0 if absolute else returns[row, j] > -np.inf)
                if wanted and (best < 0 or returns[row, j] > returns[row, best]):
                    best = j
            if best < 0:
                break
            out[row, best] = 1.0 / top
    return out


def prepare_universe(universe: tuple[Bars, ...], params: Params) -> tuple[NDArray[np.float64], ...]:
    """Return float64[2, T_j] per instrument: its weight, and its past return at the last ranking."""
    clock = clock_of(universe)
    at, period = _rankings(clock.moments_ns, params)
    returns = _returns(universe, clock, at, params)
    table = weights(returns, params.top, params.absolute)
    if params.rebalance:  # by the number of the month, so that it is the same wherever the history starts
        table -= NUDGE * (table > 0.0) * (period % 2)[:, None]
    blocks = []
    for number, bars in enumerate(universe):
        block = np.full((2, bars.close.size), np.nan)
        ranking = np.searchsorted(at, clock.at[number], side="right") - 1
        known = ranking >= 0
        block[0, known], block[1, known] = table[ranking[known], number], returns[ranking[known], number]
        blocks.append(block)
    return tuple(blocks)


def warmup(params: Params) -> int:
    """Return the moments that the first ranking looks back, and those a close may be old."""
    return params.lookback + params.skip + STALE + 1


STRATEGY = Strategy(
    name="momentum_rotation",
    params=Params,
    prepare=alone(prepare_universe),
    prepare_universe=prepare_universe,
    on_bar=first_column,
    warmup=warmup,
    state_size=0,
    summary="Hold the `top` instruments that rose most, ranked anew each month (or week).",
    allow_short=False,
    ranges={"top": (1, 10_000), "lookback": (1, 100_000), "skip": (0, 100_000), "absolute": (0, 1), "weekly": (0, 1), "rebalance": (0, 1)},
)
