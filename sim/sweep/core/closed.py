"""Figures of an account over a tile in closed form: a stretch takes a few numbers from tables, not a pass over its bars.

Theory of operation. In a stretch equity is cash + q x price, so with w = q / (cash + q x middle) and x = (price - middle) the
return of a bar is w d / (1 + w x), d being the price's step. As a power series in w x it is a sum of products of a number of the
account and a number of the prices, so the sums of returns and of their squares need the sums of d x^m and of d d x^m alone. These
are the same for every account: `tabulate` makes their running sums once a tile, with the extremes of all
stretches of 2, 4, 8, ... bars, of which two cover any stretch. What is taken is as exact as float sums are while |w x| stays
below SWING: the terms left out are less than 1e-10 of the sum of the moduli. `take_closed` says when an account swings more in a
tile; it is taken bar by bar then (`statistics.take`), as is one that falls to 0.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ledger.kernel import inlined, kernel
from sim.sweep.core.account import S_BLOCK, S_HELD, S_STRETCHES
from sim.sweep.core.market import Market
from sim.sweep.core.statistics import (
    B_COUNT, B_SQUARE, B_SUM, F_BEFORE, F_DEPTH, F_PEAK, F_TROUGH, MASK, PIECE, Stretches, statistic,
)  # fmt: skip
from sim.sweep.core.words import TILE

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
TERMS, FEW = 8, 4
SWING, SWING_FEW = 0.04, 0.0015
"""Bounds of |w x| at which 8 terms and 4 terms are enough: 9 x 0.04^8 and 5 x 0.0015^4 are below 1e-10."""
LEVELS = TILE.bit_length()
NEVER = 2**62


class Tables(NamedTuple):
    """What all accounts share of a tile's prices."""

    sums: Floats  # [TILE, 2 * TERMS] up to a bar: d x^m and (m + 1) d d x^m, m < FEW; then the same for FEW <= m < TERMS; x in reaches
    low: Floats  # [LEVELS, TILE] least price of the 2^level bars from a bar on
    high: Floats  # [LEVELS, TILE]
    level: Ints  # [TILE + 1] the greatest level of which two cover so many bars
    about: Floats  # [2] middle of the tile's prices, and how far they reach from it


def tables() -> Tables:
    """Return the tables of one thread."""
    level = np.array([0, *(count.bit_length() - 1 for count in range(1, TILE + 1))], np.int64)
    return Tables(np.empty((TILE, 2 * TERMS)), np.empty((LEVELS, TILE)), np.empty((LEVELS, TILE)), level, np.zeros(2))


@kernel
def _halves(of: Floats, span: int, count: int, low: Floats) -> None:
    """Write the lesser of of[i] and of[i + span] to low[i] for i < count (modified in place)."""
    ahead = span & MASK
    for i in range(count):
        low[i] = of[i] if of[i] < of[i + ahead] else of[i + ahead]


@kernel
def _doubles(of: Floats, span: int, count: int, high: Floats) -> None:
    """Write the greater of of[i] and of[i + span] to high[i] for i < count (modified in place)."""
    ahead = span & MASK
    for i in range(count):
        high[i] = of[i] if of[i] > of[i + ahead] else of[i + ahead]


@statistic
def _run(sums: Floats, price: Floats, first: int, count: int, middle: float, inverse: float) -> None:
    base = first & MASK
    sums[0, :] = 0.0
    for i in range(1, count):
        before = price[base + i - 1]
        step, x = price[base + i] - before, (before - middle) * inverse
        power = step
        for m in range(FEW):
            sums[i, m] = sums[i - 1, m] + power
            sums[i, FEW + m] = sums[i - 1, FEW + m] + power * step * (m + 1)
            power *= x
        for m in range(FEW, TERMS):
            sums[i, FEW + m] = sums[i - 1, FEW + m] + power
            sums[i, TERMS + m] = sums[i - 1, TERMS + m] + power * step * (m + 1)
            power *= x


@kernel
def tabulate(made: Tables, price: Floats, first: int, last: int) -> None:
    """Make the tables of bars first..last-1 (modified in place)."""
    count = last - first
    base = first & MASK
    for i in range(count):
        made.low[0, i] = made.high[0, i] = price[base + i]
    for level in range(1, made.level[count] + 1):
        left = count - 2**level + 1
        _halves(made.low[level - 1], 2 ** (level - 1), left, made.low[level])
        _doubles(made.high[level - 1], 2 ** (level - 1), left, made.high[level])
    low, high = _extremes(made, 0, count)
    middle, reach = 0.5 * (low + high), 0.5 * (high - low)
    made.about[0], made.about[1] = middle, reach
    _run(made.sums, price, first, count, middle, 1.0 / reach if reach > 0.0 else 0.0)


@inlined
def _extremes(made: Tables, a: int, b: int) -> tuple[float, float]:
    """Return the least and the greatest price of places a..b-1 of the tile."""
    level = made.level[b - a]
    other = b - (1 << level)
    low, low_too = made.low[level, a], made.low[level, other]
    high, high_too = made.high[level, a], made.high[level, other]
    return low if low < low_too else low_too, high if high > high_too else high_too


@inlined
def _series(sums: Floats, a: int, b: int, step: float, w: float, swing: float) -> tuple[float, float]:
    """Return the sums of returns and of their squares over places a+1..b; `step`: price at b less price at a."""
    of_sum = of_square = 0.0
    if abs(swing) > SWING_FEW:
        for m in range(TERMS - 1, FEW - 1, -1):
            of_sum = (sums[b, FEW + m] - sums[a, FEW + m]) - swing * of_sum
            of_square = (sums[b, TERMS + m] - sums[a, TERMS + m]) - swing * of_square
    for m in range(FEW - 1, 0, -1):
        of_sum = (sums[b, m] - sums[a, m]) - swing * of_sum
        of_square = (sums[b, FEW + m] - sums[a, FEW + m]) - swing * of_square
    of_square = (sums[b, FEW] - sums[a, FEW]) - swing * of_square
    return w * (step - swing * of_sum), w * w * of_square


@inlined
def _wild(stretches: Stretches, count: int, middle: float, reach: float) -> bool:
    """Say whether equity swings too much for the series in a stretch, or is not above 0 throughout."""
    wild = np.int64(0)
    for j in range(count):
        cash, per_tick = stretches.cash[j], stretches.per_tick[j]
        wild |= np.int64(not abs(per_tick) * reach < SWING * (cash + per_tick * middle))
    return bool(wild != 0)


@kernel
def _rise(made: Tables, price: Floats, first: int, a: int, b: int, cash: float, per_tick: float, f: Floats) -> None:
    """Take places a..b-1 of a stretch with a new peak, those pieces bar by bar that have one (f modified in place)."""
    if per_tick == 0.0:
        b = a + 1
    depth, peak, trough = f[F_DEPTH], f[F_PEAK], f[F_TROUGH]
    for begins in range(a, b, PIECE):
        ends = min(begins + PIECE, b)
        low, high = _extremes(made, begins, ends)
        one, other = cash + per_tick * low, cash + per_tick * high
        if max(one, other) <= peak:
            trough = min(trough, one, other)
            continue
        for i in range(first + begins, first + ends):
            now = cash + per_tick * price[i]
            if now > peak:
                depth = min(depth, trough / peak - 1.0)
                peak = trough = now
            elif now < trough:
                trough = now
    f[F_DEPTH], f[F_PEAK], f[F_TROUGH] = depth, peak, trough


@inlined
def _next_edge(s: Ints, market: Market, at: int, stop: int) -> int:
    """Return the period at which the block of period `at` ends, NEVER if that is not before `stop` (s modified in place)."""
    while at >= market.edges[s[S_BLOCK] + 1] and at < stop:
        s[S_BLOCK] += 1
    edge = market.edges[s[S_BLOCK] + 1]
    return edge if edge < stop else NEVER


@inlined
def _add(line: Floats, total: float, square: float, count: int) -> None:
    line[B_SUM] += total
    line[B_SQUARE] += square
    line[B_COUNT] += count


@statistic
def take_closed(s: Ints, f: Floats, stretches: Stretches, made: Tables, market: Market, blocks: Floats, first: int, last: int) -> bool:
    """Take the stretches of bars first..last-1, each of which ends a period, into the figures (s, f, blocks modified in place).

    Returns:
        False, with nothing done, when the bars do not, or the account swings too much.
    """
    at, stop, count = market.period_of[first], market.period_of[last], s[S_STRETCHES]
    middle, reach = made.about[0], made.about[1]
    if stop - at != last - first or not f[F_BEFORE] > 0.0 or _wild(stretches, count, middle, reach):
        return False
    if stretches.begins[count - 1] == last:  # what was filled at the open behind the tile
        count -= 1
    stretches.begins[count] = last
    price, since = market.price, at
    edge = _next_edge(s, market, at, stop)
    total, square, before, held = 0.0, 0.0, f[F_BEFORE], np.int64(0)
    peak, trough = f[F_PEAK], f[F_TROUGH]
    for j in range(count):
        a, b = stretches.begins[j] - first, stretches.begins[j + 1] - first
        cash, per_tick = stretches.cash[j], stretches.per_tick[j]
        least = most = cash
        if per_tick != 0.0:
            low, high = _extremes(made, a, b)
            one, other = cash + per_tick * low, cash + per_tick * high
            least, most = min(one, other), max(one, other)
            held += b - a
        if most > peak:
            f[F_TROUGH] = trough
            _rise(made, price, first, a, b, cash, per_tick, f)
            peak, trough = f[F_PEAK], f[F_TROUGH]
        else:
            trough = min(trough, least)
        while a < b:
            till = min(b, edge - at)
            begins, ends = price[(first + a) & MASK], price[(first + till - 1) & MASK]
            step = np.divide(cash + per_tick * begins - before, before)
            total += step
            square += step * step
            before = cash + per_tick * ends
            if per_tick != 0.0:
                w = np.divide(per_tick, cash + per_tick * middle)
                more, more_square = _series(made.sums, a, till - 1, ends - begins, w, w * reach)
                total += more
                square += more_square
            a = till
            if at + a == edge:
                _add(blocks[s[S_BLOCK]], total, square, edge - since)
                total, square, since = 0.0, 0.0, edge
                edge = _next_edge(s, market, edge, stop)
    _add(blocks[s[S_BLOCK]], total, square, stop - since)
    s[S_HELD] += held
    f[F_BEFORE], f[F_TROUGH] = before, trough
    return True
