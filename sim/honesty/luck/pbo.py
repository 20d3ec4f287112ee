"""The probability of backtest overfitting, by combinatorially symmetric cross-validation.

Theory of operation. Time is cut into an even number of blocks. For every way to choose
half of them, the strategy that is best in that half is looked up in the other half: where
does it rank there? When choosing means nothing, it lands below the median half of the
time; PBO is how often it did. All that is needed of a strategy is, per block, the sum of
its returns, the sum of their squares and their count, so sweeps of any size fit into
memory: `blocks` is float64[strategies, S, 3] in that order.

Source: Bailey, Borwein, Lopez de Prado, Zhu, The Probability of Backtest Overfitting (2014).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.metrics import DEVIATION_MIN

Floats = NDArray[np.float64]
CHUNK_CELLS = 2_000_000
"""Cells of (combinations x strategies) that are worked on at once: 16 MB an array."""
BLOCKS = 16
BLOCKS_MAX = 20


class Overfitting(NamedTuple):
    """What the cross-validation found."""

    pbo: float  # share of the splits in which the best in-sample is at or below the median out-of-sample
    splits: int  # splits that could be judged
    strategies: int
    blocks: int
    median_rank: float  # of the in-sample best, out of sample: 1 best, 0 worst
    loss: float  # share of the splits in which the in-sample best had a Sharpe ratio below 0 out of sample
    slope: float | None  # of the out-of-sample on the in-sample ratio of the best: below 0 means worse the better it looked


def block_moments(returns: Floats, blocks: int = BLOCKS) -> Floats:
    """Return float64[N, S, 3] of float64[T, N] returns; blocks differ in length by at most one.

    Raises:
        ValueError: not a matrix, or fewer than two rows a block.
    """
    if returns.ndim != 2 or returns.shape[0] < 2 * blocks:
        raise ValueError(f"{blocks} blocks need a matrix of at least {2 * blocks} returns; got shape {returns.shape}")
    starts = np.linspace(0, returns.shape[0], blocks + 1).astype(np.int64)
    sums = np.add.reduceat(returns, starts[:-1], axis=0)
    squares = np.add.reduceat(returns**2, starts[:-1], axis=0)
    counts = np.repeat(np.diff(starts)[:, None], returns.shape[1], axis=1).astype(np.float64)
    return np.ascontiguousarray(np.stack((sums, squares, counts), axis=2).transpose(1, 0, 2))


def overfitting(blocks: Floats) -> Overfitting | None:
    """Return the probability of overfitting from block moments float64[N, S, 3]; None when nothing can be judged.

    A strategy without deviation in a half (it did not trade) cannot be chosen there and counts as a ratio of 0 in
    the other half. Ranks of equals are shared.
    Raises:
        ValueError: another shape, or S not even or not within 2..20.
    """
    if blocks.ndim != 3 or blocks.shape[2] != 3 or blocks.shape[1] % 2 or not 2 <= blocks.shape[1] <= BLOCKS_MAX:
        raise ValueError(f"blocks must be (strategies, S, 3) with an even S of 2 to {BLOCKS_MAX}; got shape {blocks.shape}")
    strategies, count = blocks.shape[:2]
    if strategies < 2 or not np.isfinite(blocks).all():
        return None
    parts = [_judged(blocks, chosen) for chosen in _halves(count, strategies)]
    inside, outside, rank = (np.concatenate(column) for column in zip(*parts, strict=True))
    if not rank.size:
        return None
    return Overfitting(
        float((rank <= 0.5).mean()), rank.size, strategies, count, float(np.median(rank)), float((outside < 0).mean()),
        _slope(inside, outside),
    )  # fmt: skip


def _halves(count: int, strategies: int) -> Iterator[Floats]:
    """Yield float64[c, S] of ones and zeros, chunk by chunk: every choice of half of the blocks."""
    size, rows = max(1, CHUNK_CELLS // strategies), []
    for chosen in combinations(range(count), count // 2):
        row = np.zeros(count)
        row[list(chosen)] = 1.0
        rows.append(row)
        if len(rows) == size:
            yield np.array(rows)
            rows = []
    if rows:
        yield np.array(rows)


def _judged(blocks: Floats, chosen: Floats) -> tuple[Floats, Floats, Floats]:
    """Return (ratio in sample, ratio out of sample, rank out of sample 0..1) of the best of each split that has one."""
    inside, outside = _ratios(blocks, chosen), _ratios(blocks, 1.0 - chosen)
    usable = np.isfinite(inside).any(axis=1)
    inside, outside = inside[usable], np.nan_to_num(outside[usable], nan=0.0)
    best = np.argmax(np.nan_to_num(inside, nan=-np.inf), axis=1)
    at = np.arange(best.size)
    reached = outside[at, best]
    below = (outside < reached[:, None]).sum(axis=1)
    equal = (outside == reached[:, None]).sum(axis=1)
    return inside[at, best], reached, (below + (equal + 1) / 2.0) / (blocks.shape[0] + 1)


def _ratios(blocks: Floats, chosen: Floats) -> Floats:
    """Return float64[c, N]: the Sharpe ratio of each strategy over the chosen blocks, NaN without deviation."""
    total, square, count = (chosen @ blocks[:, :, part].T for part in range(3))
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = total / count
        variance = (square - count * mean**2) / (count - 1)
        # A sum of squares less a square is exact to about 1e-16 of the squares; below that it is rounding.
        real = (count > 1) & (variance > np.maximum(DEVIATION_MIN**2, 1e-14 * square / count))
        return np.where(real, mean / np.sqrt(np.where(real, variance, 1.0)), np.nan)


def _slope(inside: Floats, outside: Floats) -> float | None:
    """Return the least-squares slope, or None when the in-sample ratios do not differ."""
    centred = inside - inside.mean()
    spread = float(centred @ centred)
    if not math.isfinite(spread) or spread <= DEVIATION_MIN:
        return None
    return float(centred @ (outside - outside.mean())) / spread
