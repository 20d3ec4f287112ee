"""Figures of an account over a tile of time: equity, drawdown, moments of returns; floats, for they are statistics.

Theory of operation. Between two fills cash and position are constant, so equity is a straight line in
the price: `draw` writes it into one buffer of a tile, stretch by stretch. `take` then reads the
whole tile at once. A piece of it without a new peak gives its least equity to the trough and no more; only a
piece with a new peak is walked bar by bar. Four reciprocals come from one division. The sums may be reordered
by the compiler (`statistic`): no money is made of them. This is the way of `by_bars`, of returns by day, and
of an account that swings too much for `closed`. Equity in the buffer is exact up to 2**53 at 1e-8.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from ledger.kernel import inlined, kernel
from sim.sweep.core.account import S_BLOCK, S_CASH, S_HELD, S_POSITION, S_RUINED, S_STRETCHES
from sim.sweep.core.market import PAD, Deal, Market
from sim.sweep.core.words import TILE, WORDS

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Words = NDArray[np.uint64]
F_DEPTH, F_PEAK, F_TROUGH, F_BEFORE = range(4)
FIGURES = 4
"""Greatest depth so far (<= 0), greatest equity, least equity since, equity at the last period end."""
B_SUM, B_SQUARE, B_COUNT = range(3)
PIECE = 64
MASK = 2**63 - 1
LOOSE = {"reassoc", "contract", "nsz", "nnan"}

F = TypeVar("F", bound=Callable[..., Any])


def statistic(function: F) -> F:
    """Compile a kernel whose float sums may be taken in any order, so that the compiler can use vectors."""
    compiled: Any = kernel(function)
    if hasattr(compiled, "targetoptions"):
        compiled.targetoptions["fastmath"] = LOOSE
    return compiled


class Stretches(NamedTuple):
    """The stretches of a tile between two fills: equity is cash + per_tick x price in each; as many as S_STRETCHES says."""

    begins: Ints  # [TILE + 2] first bar of each
    cash: Floats  # [TILE + 2]
    per_tick: Floats  # [TILE + 2]


class Scratch(NamedTuple):
    """The buffers of one thread; place 0 of `equity` is free, and of `ends` holds the value before."""

    equity: Floats  # [TILE + 1 + PAD] of a tile's bars, from place 1
    bits: Ints  # the same memory as patterns: the compiler has vectors for the least of integers, none for the least of floats
    ends: Floats  # [TILE + 1 + PAD] equity at the tile's period ends
    yes: Words  # [tests, WORDS] where each test holds
    known: Words  # the same shape: where its sides are known
    words: Words  # [targets + 2, WORDS] where each target is wished, see `wish_words`
    changes: Ints  # [TILE + PAD, 2] places at which the wish changes, and the rows of words that are wished there
    stretches: Stretches


def scratch(tests: int, targets: int) -> Scratch:
    """Return the buffers of one thread."""
    equity = np.empty(TILE + 1 + PAD)
    yes, known, words = (np.zeros((max(1, rows), WORDS), np.uint64) for rows in (tests, tests, targets + 2))
    stretches = Stretches(np.empty(TILE + 2, np.int64), np.empty(TILE + 2), np.empty(TILE + 2))
    changes = np.empty((TILE + PAD, 2), np.int64)
    return Scratch(equity, equity.view(np.int64), np.empty(TILE + 1 + PAD), yes, known, words, changes, stretches)


@statistic
def _line(equity: Floats, price: Floats, at: int, first: int, count: int, cash: float, per_tick: float) -> None:
    to, source = at & MASK, first & MASK
    for i in range(count):
        equity[to + i] = cash + per_tick * price[source + i]


@inlined
def stretch(s: Ints, stretches: Stretches, deal: Deal, at: int) -> None:
    """Begin a stretch of constant cash and position at bar `at` (s, stretches modified in place)."""
    place = s[S_STRETCHES] & MASK
    stretches.begins[place], stretches.cash[place] = at, np.float64(s[S_CASH])
    stretches.per_tick[place] = np.float64(s[S_POSITION]) * np.float64(deal.multiply) / np.float64(deal.divide)
    s[S_STRETCHES] += 1


@inlined
def begin(s: Ints, stretches: Stretches, deal: Deal, first: int) -> None:
    """Begin a tile with the account as it is (s, stretches modified in place)."""
    s[S_STRETCHES] = 0
    stretch(s, stretches, deal, first)


@kernel
def _draw(s: Ints, stretches: Stretches, price: Floats, last: int, every: bool, equity: Floats) -> int:
    """Write the equity of the tile up to bar last - 1 from place 1 on (s, equity modified in place); return how many values.

    Unless every bar is wanted, a stretch without a position is one value: the others would repeat it. Whole vectors
    are written: what is too much is written over by the next stretch, or lies in the padding.
    """
    to = np.int64(1)
    stretches.begins[s[S_STRETCHES]] = last
    for j in range(s[S_STRETCHES]):
        at, per_tick = stretches.begins[j], stretches.per_tick[j]
        count = stretches.begins[j + 1] - at
        if per_tick != 0.0:
            s[S_HELD] += count
        elif not every:
            count = min(count, np.int64(1))
        _line(equity, price, to, at, (count + PAD - 1) // PAD * PAD, stretches.cash[j], per_tick)
        to += count
    return to - 1


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
    """Take the stretches of bars first..last-1 into the figures (s, f, blocks modified in place).

    Over a market without figures (`market.bare`) nothing is drawn and nothing taken.

    Args:
        blocks: float64[S, 3] of this account.
    """
    if market.price.shape[0] == 0:
        return
    at, stop = market.period_of[first], market.period_of[last]
    while at >= market.edges[s[S_BLOCK] + 1] and at < stop:
        s[S_BLOCK] += 1
    every = stop - at != last - first or stop > market.edges[s[S_BLOCK] + 1]
    drawn = _draw(s, scratch.stretches, market.price, last, every, scratch.equity)
    positive = _drawdown(f, scratch, drawn) and f[F_BEFORE] > 0.0
    if every:
        _pieces(s, f, scratch, market, blocks, first, at, stop, positive)
        return
    scratch.equity[0] = f[F_BEFORE]
    _moments_of(s, scratch.equity, 1, drawn, positive, blocks[s[S_BLOCK]])
    blocks[s[S_BLOCK]][B_COUNT] += stop - at
    f[F_BEFORE] = scratch.equity[drawn]


@inlined
def _moments_of(s: Ints, series: Floats, first: int, count: int, positive: bool, line: Floats) -> None:
    """Add the returns on series[first - 1..] to the sums of a block (s, line modified in place)."""
    total, square = moments(series, first, count) if positive else _ruin(s, series, first, count)
    line[B_SUM] += total
    line[B_SQUARE] += square


@kernel
def _pieces(
    s: Ints, f: Floats, scratch: Scratch, market: Market, blocks: Floats, first: int, at: int, stop: int, positive: bool
) -> None:
    """Take periods at..stop-1, all bars of which are drawn, block by block (s, f, blocks modified in place)."""
    series = scratch.equity
    if market.period_of.shape[0] != market.period_end.shape[0] + 1:
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
        line = blocks[s[S_BLOCK]]
        _moments_of(s, series, done, count, positive, line)
        line[B_COUNT] += count
        at, done = at + count, done + count
    f[F_BEFORE] = series[done - 1]
