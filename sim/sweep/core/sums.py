"""One declaration of prices and their averages over a long history: its words from sums of ticks, exact where that decides.

Theory of operation. An average that `on_bar` sees is a float: prices rounded, added in a certain order, divided. It lies
within a hundred units in the last place of the true mean, which is a sum of ticks over a number of bars. So where
two such sums, each times the reciprocal of its bars, lie further apart than NEAR, the floats compare the same way by whatever
comparison, and neither the additions nor the divisions need be made. Where any two lie nearer, the stretch is not walked at all: the
kernel stops before it, and its caller has the very floats compared (`sim.sweep.stream`).

The sums of all n last ticks come from one running sum of the stretch, in int64; `fits` says when none can wrap.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ledger.kernel import kernel
from sim.sweep.core.account import FINE, S_ROWS, S_STATUS
from sim.sweep.core.kernels import Accounts, open_account, walk_tile
from sim.sweep.core.equity import draw
from sim.sweep.core.market import DEAREST, OUTSIDE, UNSTEADY, WRONG, Deal, Look, Market, judge
from sim.sweep.core.statistics import Scratch
from sim.sweep.core.words import ALL, BITS, T_LEFT, T_RIGHT, TILE, WORDS, wish_words

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Words = NDArray[np.uint64]
NEAR = 1e-12
"""Share of a price within which two averages are left to the floats: a hundred times their error and the width of a tie."""
TILES = 8
"""Tiles of a stretch: its running sums stay in the nearest cache."""
A_PRICE, A_BARS = range(2)
MASK = 2**63 - 1
_U0, _U1 = np.uint64(0), np.uint64(1)


class Sums(NamedTuple):
    """A declaration whose columns are prices and averages of them."""

    ticks: tuple[Ints, Ints, Ints, Ints]  # open, high, low, close, [T] each
    averages: Ints  # [columns, 2] which of the prices, number of bars
    tests: Ints  # [tests, 3] as of a Program
    wishes: Ints  # [wishes, 3]
    targets: Ints  # [rows]
    near: float  # NEAR
    dearest: int  # the greatest price whose sums cannot wrap
    running: Ints  # [4, lead + TILES * TILE + 1] workspace
    yes: Words  # [TILES, tests, WORDS] workspace


class Course(NamedTuple):
    """What a run does beside deciding, stretch by stretch, while prices are in the cache: judge its bars, draw its equity."""

    draws: bool  # else the bars are judged already, and nobody wants the equity here
    look: Look
    place: Ints  # of `draw`
    equity: Ints  # [T]


@kernel
def _running(ticks: Ints, first: int, count: int, lead: int, out: Ints) -> None:
    """Fill out[i] with the sum of ticks from bar first - lead to first - lead + i - 1 (modified in place); none before bar 0."""
    total, at = np.int64(0), max(0, lead - first)
    for i in range(at + 1):
        out[i] = 0
    source = (first - lead + at) & MASK
    base = (at + 1) & MASK
    for i in range(count + lead - at):
        total += ticks[source + i]
        out[base + i] = total
    for i in range(lead + count + 1, out.shape[0]):
        out[i] = total


@kernel
def _run(sums: Sums, first: int, count: int, lead: int) -> None:
    """Make the running sums of every price that a column reads (workspace modified in place)."""
    for price in range(len(sums.ticks)):
        read = False
        for column in range(sums.averages.shape[0]):
            read |= sums.averages[column, A_PRICE] == price
        if read:
            _running(sums.ticks[price], first, count, lead, sums.running[price])


@kernel
def _apart(a: Ints, b: Ints, lead: int, n: int, m: int, share: float, out: Words) -> bool:
    """Fill the words of where the mean of n of a is above the mean of m of b (out modified in place).

    Returns:
        Whether any two are nearer than this share of them; the words say nothing then.
    """
    of_n, of_m = 1.0 / n, 1.0 / m
    last, far, other = (lead + 1) & MASK, (lead + 1 - n) & MASK, (lead + 1 - m) & MASK
    near = np.int64(0)
    for k in range(out.shape[0]):
        word = _U0
        for i in range(BITS):
            x = np.float64(a[last + i] - a[far + i]) * of_n
            gap, edge = x - np.float64(b[last + i] - b[other + i]) * of_m, share * x
            word |= np.uint64(gap >= edge) << np.uint64(i)
            near |= np.int64(abs(gap) < edge)
        out[k] = word
        last += BITS
        far += BITS
        other += BITS
    return bool(near != 0)


@kernel
def _between(first: int, since: int, count: int, out: Words) -> None:
    """Fill the words of a tile with the bars from `since` to count - 1 (out modified in place)."""
    for k in range(WORDS):
        base = first + BITS * k
        word = ALL
        if base < since:
            word = _U0 if base + BITS <= since else word << np.uint64(since - base)
        if base + BITS > count:
            word = _U0 if base >= count else word & ((_U1 << np.uint64(count - base)) - _U1)
        out[k] = word


@kernel
def _compared(sums: Sums, first: int, count: int) -> bool:
    """Make the words of every test over a stretch of `count` bars (workspaces modified in place); say whether they decide."""
    lead, near = sums.running.shape[1] - 1 - TILES * TILE, False
    _run(sums, first, count, lead)
    for tile in range((count + TILE - 1) // TILE):
        for p in range(sums.tests.shape[0]):
            left, right = sums.averages[sums.tests[p, T_LEFT]], sums.averages[sums.tests[p, T_RIGHT]]
            a, b = sums.running[left[A_PRICE]], sums.running[right[A_PRICE]]
            near |= _apart(a, b, lead + tile * TILE, left[A_BARS], right[A_BARS], sums.near, sums.yes[tile, p])
    return not near


@kernel
def by_sums(market: Market, deal: Deal, sums: Sums, accounts: Accounts, scratch: Scratch, course: Course, begins: int) -> int:
    """Run a declaration from bar `begins`, a multiple of TILE, on (accounts, course, workspaces modified in place).

    Returns:
        The bar before which it stopped: T at the end; else what follows needs the floats, or more rows for records, or
        the account was given up, or a bar that had to be judged is not what it should be.
    """
    s, bars = accounts.state[0], market.close.shape[0]
    if begins == 0:
        open_account(s, accounts.floats[0], deal)
    for first in range(begins, bars, TILES * TILE):
        count = min(TILES * TILE, bars - first)
        if course.draws and not _plain(course.look, first, first + count, sums.dearest):
            return int(first)
        if accounts.record.shape[0] - s[S_ROWS] < count or not _compared(sums, first, count):
            return int(first)
        for at in range(first, first + count, TILE):
            for p in range(sums.tests.shape[0]):
                of_left, of_right = sums.averages[sums.tests[p, T_LEFT], A_BARS], sums.averages[sums.tests[p, T_RIGHT], A_BARS]
                _between(at, max(of_left, of_right) - 1, bars, scratch.known[p])
            yes = sums.yes[(at - first) // TILE]
            wish_words(sums.wishes, yes, scratch.known, min(TILE, bars - at), scratch.words)
            walk_tile(s, accounts.record, market, deal, sums.targets, scratch, at)
            if s[S_STATUS] != FINE:
                return int(at)
        if course.draws:
            draw(market.close, accounts.record, s[S_ROWS], deal.multiply, first + count, course.place, course.equity)
    return int(bars)


@kernel
def _plain(look: Look, begins: int, ends: int, dearest: int) -> bool:
    """Judge the bars of a stretch (found modified in place); say whether sums of them can be compared and walked."""
    judge(look, begins, ends)
    found = look.found
    return bool(found[WRONG] == 0 and found[OUTSIDE] == 0 and found[UNSTEADY] == 0 and found[DEAREST] <= dearest)
