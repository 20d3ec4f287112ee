"""Paths: a bar split into shorter bars that add up to it again, to the last unit.

Theory of operation. `split` takes the open, high, low and close of a bar and draws a path between
them: a random walk tied down at both ends, pressed into the bar's range, that touches the
high and the low. Cut into n pieces it gives n bars whose first open, last close, highest
high and lowest low are the bar's own. Days are split into minutes and minutes into
seconds by the same function, so bars of every size, ticks and quotes agree. Prices are
drawn with floats and end as whole steps; nothing here is money.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.gateway.core.chance import MASK, bells, below, mix, uniforms

Ints = NDArray[np.int64]
OPEN, HIGH, LOW, CLOSE, VOLUME = range(5)


class Bar(NamedTuple):
    """Prices as whole numbers of the contract's unit, volume in shares."""

    open: int
    high: int
    low: int
    close: int
    volume: int


@lru_cache(maxsize=256)
def split(bar: Bar, pieces: int, key: int, step: int) -> Ints:
    """Return int64[pieces, 5], the bar in `pieces` shorter ones; read only, because it is kept for whoever asks again.

    Args:
        bar: its prices are multiples of `step`. pieces: >= 1. key: what the path is drawn with.
    """
    if pieces == 1:
        return _kept(np.array([bar], np.int64))
    path = _touching(_bridge(bar, pieces, key, step), bar, pieces, key)
    rows = np.empty((pieces, 5), np.int64)
    rows[:, OPEN], rows[:, CLOSE] = path[:-1], path[1:]
    reach = (np.abs(bells(key ^ 0x5EED, 0, 2 * pieces)).reshape(pieces, 2) * 0.7).astype(np.int64) * step
    rows[:, HIGH] = np.minimum(np.maximum(path[:-1], path[1:]) + reach[:, 0], bar.high)
    rows[:, LOW] = np.maximum(np.minimum(path[:-1], path[1:]) - reach[:, 1], bar.low)
    rows[:, VOLUME] = _shared(bar.volume, pieces, key)
    return _kept(rows)


def _kept(rows: Ints) -> Ints:
    rows.flags.writeable = False
    return rows


def _bridge(bar: Bar, pieces: int, key: int, step: int) -> Ints:
    """Return int64[pieces + 1], a walk from open to close on the grid and within the range."""
    walk = np.concatenate(([0.0], np.cumsum(bells(key, 0, pieces))))
    share = np.arange(pieces + 1) / pieces
    walk -= share * walk[-1]
    size = np.abs(walk).max()
    scale = (bar.high - bar.low) / 2 / size if size else 0.0
    path = bar.open + share * (bar.close - bar.open) + walk * scale
    grid = np.rint(path / step).astype(np.int64) * step
    grid = np.clip(grid, bar.low, bar.high)
    grid[0], grid[-1] = bar.open, bar.close
    return grid


def _touching(path: Ints, bar: Bar, pieces: int, key: int) -> Ints:
    """Return the path with its highest point at the high and its lowest at the low, if its ends are neither."""
    inner = path[1:-1]
    if inner.size and bar.high > max(bar.open, bar.close):
        inner[int(inner.argmax())] = bar.high
    if inner.size and bar.low < min(bar.open, bar.close):
        lowest = int(inner.argmin())
        if inner[lowest] == bar.high and bar.high > max(bar.open, bar.close):
            # Two pieces have one inner point, and the high took it.
            return path
        inner[lowest] = bar.low
    return path


def _shared(volume: int, pieces: int, key: int) -> Ints:
    """Return int64[pieces] that add up to a volume."""
    weights = np.cumsum(uniforms(key ^ 0x70B, 0, pieces) + 0.25)
    ends = (weights / weights[-1] * volume).astype(np.int64)
    ends[-1] = volume
    shares: Ints = np.diff(ends, prepend=0)
    return shares


def joined(rows: Ints) -> Bar:
    """Return the one bar that rows int64[n, 5] add up to; n >= 1."""
    return Bar(
        int(rows[0, OPEN]), int(rows[:, HIGH].max()), int(rows[:, LOW].min()), int(rows[-1, CLOSE]), int(rows[:, VOLUME].sum())
    )


def noise(key: int, place: int, span: int) -> float:
    """Return smooth noise around 0 that changes within `span` places: a line between two drawn numbers."""
    cell, within = divmod(place, span)
    left, right = (below(mix(key ^ span), cell + side, MASK) / MASK - 0.5 for side in (0, 1))
    return left + (right - left) * within / span
