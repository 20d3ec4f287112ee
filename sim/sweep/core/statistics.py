"""Figures of an account over a tile of time: equity, drawdown, moments of returns; floats, for they are statistics.

Theory of operation. Between two fills cash and position are constant, so equity is a straight line in
the price: `draw` writes it into one buffer of a tile, stretch by stretch. `take` then reads the
whole tile at once. A piece of it without a new peak gives its least equity to the trough and no more; only a
piece with a new peak is walked bar by bar. Four reciprocals come from one division. The sums may be reordered
by the compiler (`statistic`): no money is made of them. Equity in the buffer is exact up to 2**53 at 1e-8.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from ledger.kernel import inlined, kernel
from sim.sweep.core.account import S_BLOCK, S_CASH, S_FROM, S_HELD, S_POSITION, S_RUINED
from sim.sweep.core.market import PAD, Deal, Market

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Words = NDArray[np.uint64]
F_DEPTH, F_PEAK, F_TROUGH, F_BEFORE = range(4)
FIGURES = 4
"""Greatest depth so far (<= 0), greatest equity, least equity since, equity at the last period end."""
B_SUM, B_SQUARE, B_COUNT = range(3)
PIECE = 64
TILE = 2048
MASK = 2**63 - 1
LOOSE = {"reassoc", "contract", "nsz", "nnan"}

F = TypeVar("F", bound=Callable[..., Any])


def statistic(function: F) -> F:
    """Compile a kernel whose float sums may be taken in any order, so that the compiler can use vectors."""
    compiled: Any = kernel(function)
    if hasattr(compiled, "targetoptions"):
        compiled.targetoptions["fastmath"] = LOOSE
    return compiled


class Scratch(NamedTuple):
    """The buffers of one thread; place 0 of `equity` is free, and of `ends` holds the value before."""

    equity: Floats  # [TILE + 1 + PAD] of a tile's bars, from place 1
    bits: Ints  # the same memory as patterns: the compiler has vectors for the least of integers, none for the least of floats
    ends: Floats  # [TILE + 1 + PAD] equity at the tile's period ends
    yes: Words  # [tests, TILE / 64] where each test holds
    known: Words  # the same shape: where its sides are known
    words: Words  # [wishes, TILE / 64] where each wish holds


def scratch(tests: int, wishes: int) -> Scratch:
    """Return the buffers of one thread."""
    equity = np.empty(TILE + 1 + PAD)
    yes, known, words = (np.zeros((max(1, rows), TILE // 64), np.uint64) for rows in (tests, tests, wishes))
    return Scratch(equity, equity.view(np.int64), np.empty(TILE + 1 + PAD), yes, known, words)


@statistic
def _line(equity: Floats, price: Floats, at: int, first: int, count: int, cash: float, per_tick: float) -> None:
    to, source = at & MASK, first & MASK
    for i in range(count):
        equity[to + i] = cash + per_tick * price[source + i]


@kernel
def draw(s: Ints, scratch: Scratch, market: Market, deal: Deal, tile: int, last: int) -> None:
    """Write the equity of bars S_FROM..last-1 (scratch and s modified in place); `tile` is the first bar of the buffer.

    Whole vectors are written: what is too much is written over by the next stretch, or lies in the padding.
    """
    count = last - s[S_FROM]
    if count > 0 and market.price.shape[0] > 0:
        per_tick = np.float64(s[S_POSITION]) * np.float64(deal.multiply) / np.float64(deal.divide)
        rounded = (count + PAD - 1) // PAD * PAD
        _line(scratch.equity, market.price, s[S_FROM] - tile + 1, s[S_FROM], rounded, np.float64(s[S_CASH]), per_tick)
        s[S_HELD] += count if s[S_POSITION] != 0 else 0
        s[S_FROM] = last


@kernel
def _extremes(bits: Ints, first: int, count: int) -> tuple[int, int]:
    """Return the least and the greatest bit pattern of a stretch; patterns of positive floats are ordered as the floats are."""
    base = first & MASK
    low = high = bits[base]
    for i in range(count):
        low = min(low, bits[base + i])
        high = max(high, bits[base + i])
    return low, high


@kernel
def settle(f: Floats) -> None:
    """Take the depth from the last peak to its trough into the greatest depth (modified in place)."""
    f[F_DEPTH] = min(f[F_DEPTH], f[F_TROUGH] / f[F_PEAK] - 1.0)


@kernel
def _walk(f: Floats, equity: Floats, first: int, last: int) -> None:
    """Take a piece with a new peak bar by bar (f modified in place)."""
    peak, trough = f[F_PEAK], f[F_TROUGH]
    for i in range(first, last):
        now = equity[i]
        if now > peak:
            f[F_DEPTH] = min(f[F_DEPTH], trough / peak - 1.0)
            peak = trough = now
        elif now < trough:
            trough = now
    f[F_PEAK], f[F_TROUGH] = peak, trough


@inlined
def _below(f: Floats, scratch: Scratch, low: int, high: int) -> bool:
    """Take a piece above 0 by its extreme patterns when it has no new peak (f modified in place); say whether it had none."""
    scratch.bits[0] = high
    if scratch.equity[0] > f[F_PEAK]:
        return False
    scratch.bits[0] = low
    f[F_TROUGH] = min(f[F_TROUGH], scratch.equity[0])
    return True


@kernel
def _drawdown(f: Floats, scratch: Scratch, count: int) -> bool:
    """Take equity[1..count] into peak, trough and depth (f modified in place); say whether all of it is above 0."""
    low, high = _extremes(scratch.bits, 1, count)
    if low <= 0:
        _walk(f, scratch.equity, 1, count + 1)
        return False
    if _below(f, scratch, low, high):
        return True
    for first in range(1, count + 1, PIECE):
        last = min(first + PIECE, count + 1)
        low, high = _extremes(scratch.bits, first, last - first)
        if not _below(f, scratch, low, high):
            _walk(f, scratch.equity, first, last)
    return True


@statistic
def moments(equity: Floats, first: int, count: int) -> tuple[float, float]:
    """Return the sum of returns and of their squares over equity[first..first+count-1], each on the value before."""
    total, square = 0.0, 0.0
    part = count // 4
    a = (first - 1) & MASK
    b, c, d = (a + part) & MASK, (a + 2 * part) & MASK, (a + 3 * part) & MASK
    for i in range(part):
        w, x, y, z = equity[a + i], equity[b + i], equity[c + i], equity[d + i]
        wx, yz = w * x, y * z
        inverse = np.divide(1.0, wx * yz)
        of_wx, of_yz = inverse * yz, inverse * wx
        p, q = (equity[a + i + 1] - w) * (of_wx * x), (equity[b + i + 1] - x) * (of_wx * w)
        r, u = (equity[c + i + 1] - y) * (of_yz * z), (equity[d + i + 1] - z) * (of_yz * y)
        total += (p + q) + (r + u)
        square += (p * p + q * q) + (r * r + u * u)
    for i in range(first + 4 * part, first + count):
        step = np.divide(equity[i], equity[i - 1]) - 1.0
        total += step
        square += step * step
    return total, square


@kernel
def _ruin(s: Ints, equity: Floats, first: int, count: int) -> tuple[float, float]:
    """Return the sums as `moments` does, one by one; a return on nothing or less ruins the account's figures (NaN)."""
    total, square = 0.0, 0.0
    for i in range(first, first + count):
        if equity[i - 1] <= 0.0:
            s[S_RUINED] = 1
            return np.nan, np.nan
        total += equity[i] / equity[i - 1] - 1.0
        square += (equity[i] / equity[i - 1] - 1.0) ** 2
    return total, square


@kernel
def take(s: Ints, f: Floats, scratch: Scratch, market: Market, blocks: Floats, first: int, last: int) -> None:
    """Take the tile of bars first..last-1, all drawn, into the figures (s, f, blocks modified in place).

    Over a market without figures (`market.bare`) nothing is drawn and nothing taken.

    Args:
        blocks: float64[S, 3] of this account.
    """
    if market.price.shape[0] == 0:
        return
    positive = _drawdown(f, scratch, last - first) and f[F_BEFORE] > 0.0
    at, stop = market.period_of[first], market.period_of[last]
    series = scratch.equity
    if stop - at != last - first:
        series = scratch.ends
        for p in range(at, stop):
            series[p - at + 1] = scratch.equity[market.period_end[p] - first + 1]
    series[0] = f[F_BEFORE]
    done = np.int64(1)
    while at < stop:
        count = min(stop, market.edges[s[S_BLOCK] + 1]) - at
        if count <= 0:
            s[S_BLOCK] += 1
            continue
        total, square = moments(series, done, count) if positive else _ruin(s, series, done, count)
        line = blocks[s[S_BLOCK]]
        line[B_SUM] += total
        line[B_SQUARE] += square
        line[B_COUNT] += count
        at, done = at + count, done + count
    f[F_BEFORE] = series[done - 1]
