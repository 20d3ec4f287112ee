"""Choosing by combinatorial purged cross-validation: what the chosen would have earned along several paths through time.

Theory of operation. For each split the strategy with the best Sharpe ratio on the training
days is taken, and its returns on the test days are kept. The tests of all splits fit
together to several complete paths; each is a record of somebody who always chose on other
days. One history gives one such record; this gives many, and their spread.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sim.honesty.luck.bootstrap import sharpe_of
from sim.honesty.luck.splits import block_edges, combinatorial, paths
from sim.metrics import DEVIATION_MIN

Floats = NDArray[np.float64]


def chosen_paths(returns: Floats, blocks: int, tests: int, *, embargo: int = 0, horizon: int = 0) -> Floats:
    """Return float64[paths, T] of the returns of whoever chose among float64[T, N] strategies.

    Args:
        horizon: returns that a decision reaches into the future: training days that near a test are purged.
        embargo: further days after each test that are not learnt from.
    Raises:
        ValueError: the days cannot be split like that.
    """
    days = np.arange(returns.shape[0])
    splits = list(combinatorial(days, days + horizon, blocks, tests, embargo))
    best = [_best(returns[split.train]) for split in splits]
    edges = block_edges(days.size, blocks)
    found = np.empty((len(paths(blocks, tests)), days.size))
    for row, path in enumerate(paths(blocks, tests)):
        for block, number in enumerate(path):
            part = slice(edges[block], edges[block + 1])
            # Nobody to choose (no strategy traded on the training days) is nothing earned.
            found[row, part] = 0.0 if best[number] is None else returns[part, best[number]]
    return found


def _best(returns: Floats) -> int | None:
    """Return the column with the greatest Sharpe ratio, the first of equals; None when none has a deviation."""
    if returns.shape[0] < 2:
        return None
    deviation = returns.std(axis=0, ddof=1)
    moving = deviation > DEVIATION_MIN
    if not moving.any():
        return None
    return int(np.argmax(np.where(moving, returns.mean(axis=0) / np.where(moving, deviation, 1.0), -np.inf)))


def path_sharpes(found: Floats) -> list[float | None]:
    """Return the annualised Sharpe ratio of each path; None without deviation."""
    ratios = [sharpe_of(row) for row in found]
    return [None if np.isnan(ratio) else ratio for ratio in ratios]
