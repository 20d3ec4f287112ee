"""Monte Carlo of trades: the same trades in another order, and other trades like them.

Theory of operation. A run shows one order of its trades. Shuffling them keeps the result
and changes the way there: the drawdown one must be able to bear is that of a bad order,
not of the one that happened. Drawing them with replacement changes the result, too: how much of
it hangs on a few of them? A trade counts as a fraction of the equity it met, so
that late trades of a grown account do not outweigh early ones.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
DRAWS = 5_000
CHUNK_CELLS = 2_000_000
BANDS = (0.05, 0.50, 0.95)


class Bands(NamedTuple):
    """A figure at the 5th, 50th and 95th percentile of the draws."""

    low: float
    middle: float
    high: float


class TradeLuck(NamedTuple):
    """What reordering and redrawing the trades gives. Drawdowns are 0 or negative, deepest first in a Bands."""

    trades: int
    drawdown: float  # of the trades as they came
    shuffled_drawdown: Bands
    drawdown_rank: float  # share of the orders with a drawdown at least as deep as the one that happened
    drawn_return: Bands
    drawn_drawdown: Bands
    loss: float  # share of the draws that end below the start


def fractions(pnl_e8: Ints, start_e8: int) -> Floats | None:
    """Return float64[n]: each trade's profit over the equity of closed trades before it; None once that is not above 0."""
    before = start_e8 + np.cumsum(pnl_e8) - pnl_e8
    return None if (before <= 0).any() else np.asarray(pnl_e8 / before, np.float64)


def trade_luck(parts: Floats, dice: Generator, draws: int = DRAWS) -> TradeLuck | None:
    """Return the bands of float64[n] trade fractions, in the order they closed; None of fewer than two trades."""
    if parts.size < 2:
        return None
    actual = float(_drawdowns(parts[None, :])[0])
    orders, redrawn, ends = [], [], []
    size = max(1, CHUNK_CELLS // parts.size)
    for done in range(0, draws, size):
        rows = min(size, draws - done)
        orders.append(_drawdowns(dice.permuted(np.tile(parts, (rows, 1)), axis=1)))
        sample = parts[dice.integers(0, parts.size, (rows, parts.size))]
        redrawn.append(_drawdowns(sample))
        ends.append(_curves(sample)[:, -1] - 1.0)
    shuffled, drawn, end = (np.concatenate(column) for column in (orders, redrawn, ends))
    # Shuffling changes the last digit of a product; a drawdown that differs by that is the same one.
    deeper = float((shuffled <= actual + 1e-12).mean())
    return TradeLuck(parts.size, actual, _bands(shuffled), deeper, _bands(end), _bands(drawn), float((end < 0).mean()))


def _curves(parts: Floats) -> Floats:
    """Return float64[rows, n]: what 1 becomes; an account that lost everything stays at 0."""
    return np.asarray(np.cumprod(np.maximum(1.0 + parts, 0.0), axis=1), np.float64)


def _drawdowns(parts: Floats) -> Floats:
    """Return float64[rows]: the deepest fall below the highest value so far, the start included."""
    curves = _curves(parts)
    peaks = np.maximum(np.maximum.accumulate(curves, axis=1), 1.0)
    return np.asarray(np.minimum((curves / peaks - 1.0).min(axis=1), 0.0), np.float64)


def _bands(values: Floats) -> Bands:
    return Bands(*(float(value) for value in np.quantile(values, BANDS)))
