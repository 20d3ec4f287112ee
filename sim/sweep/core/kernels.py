"""The two sweep kernels: wishes as words, or any compiled `on_bar`; one account, one set of figures.

Theory of operation. Both kernels answer one question, "at which bar does the wish next differ from
the last target?", and hand that bar to `_act`, which decides, fills at the next open and closes the stretch
before it. `words` finds the bar by counting trailing zeros; `bars` asks the strategy at every bar.
So the books are the same whenever the wishes are.

Time is cut into tiles and combinations into groups, so that prices and columns of a tile stay in
the processor's cache while the group passes over it. An account is a row of integers that outlives its tile.
Nothing here is as large as bars x combinations.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ledger.kernel import inlined, jit, kernel
from ledger.vocabulary import Outcome
from sim.sweep.core.account import (
    BAD_TARGET, BEYOND, FINE, NO_TARGET, ORDER_TYPE, R_BAR, R_FEE, R_OPENS, R_OUTCOME, R_PRICE, R_QTY, R_RESERVE, R_SIDE,
    R_TARGET, R_WORST, R_WORST_FEE, S_CASH, S_LAST, S_ORDERS, S_POSITION, S_REFUSED, S_ROWS, S_STATUS, beyond, commission,
    fill, judge, opening, reserve, wanted, worth,
)  # fmt: skip
from sim.sweep.core.market import Deal, Market
from sim.sweep.core.statistics import F_BEFORE, F_PEAK, F_TROUGH, TILE, Scratch, draw, settle, take
from sim.sweep.core.words import ALL, BITS, W_TARGET, compare, wish_words
from strategies.api import MARKET, Bars, Signal
from strategies.sizing import fraction_e6

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Words = NDArray[np.uint64]
_U0, _U1 = np.uint64(0), np.uint64(1)


class Program(NamedTuple):
    """The wishes of a group of C combinations over shared columns; see `words` for the numbers."""

    sheet: Floats  # [columns, padded T] NaN beyond the history
    known_from: Ints  # [columns + 1] bar from which a column has no NaN; in the last place T
    tests: Ints  # [C, tests, 3]
    numbers: Floats  # [C, tests]
    wishes: Ints  # [C, wishes, 3]


class Accounts(NamedTuple):
    """What kernels write: a row a combination."""

    state: Ints  # [C, STATE]
    floats: Floats  # [C, FIGURES]
    blocks: Floats  # [C, S, 3] sum of returns, of their squares, count
    record: Ints  # [rows, RECORD] decisions of the first combination, or no rows


@inlined
def _note(s: Ints, record: Ints, t: int, outcome: int, lots: int, worst: int, worst_fee: int, held: int) -> None:
    """Write the head of a record (record modified in place); a refusal has no more than this."""
    line = record[s[S_ROWS]]
    line[R_BAR], line[R_OUTCOME], line[R_TARGET] = t, outcome, lots
    line[R_WORST], line[R_WORST_FEE], line[R_RESERVE] = worst, worst_fee, held
    line[R_SIDE] = line[R_QTY] = line[R_OPENS] = line[R_PRICE] = line[R_FEE] = 0
    s[S_ROWS] += 1


@kernel
def _act(s: Ints, scratch: Scratch, record: Ints, market: Market, deal: Deal, tile: int, t: int, target_e6: int) -> None:
    """Take a new target at the close of bar t: size it, judge it, fill it at the next open (s, record modified in place)."""
    close = market.close[t]
    now = s[S_CASH] + worth(deal, close, s[S_POSITION])
    lots = wanted(deal, target_e6, now, close)
    most = abs(lots) + abs(s[S_POSITION])
    if beyond(s, now) or most > deal.lots_cap:
        s[S_STATUS] = BEYOND
        return
    s[S_LAST] = target_e6
    delta = lots - s[S_POSITION]
    if delta == 0:
        return
    side = np.int64(1) if delta > 0 else np.int64(-1)
    opens, noted = opening(s, side, side * delta), record.shape[0] > s[S_ROWS]
    worst, worst_fee, held = np.int64(0), np.int64(0), np.int64(0)
    if opens > 0 or noted:  # A pure exit passes whatever it reserves.
        worst = max(np.int64(1), close + side * (close * deal.worst_bps // 10_000))
        worst_fee = commission(deal, most, worth(deal, worst, most))
        held = reserve(s, deal, side, side * delta, opens, worst, worst_fee)
    outcome = judge(s, deal, side, opens, held)
    if noted:
        _note(s, record, t, outcome, lots, worst, worst_fee, held)
    if outcome != Outcome.APPLIED:
        s[S_LAST] = NO_TARGET
        s[S_REFUSED] += 1
        return
    s[S_ORDERS] += 1
    price, fee = np.int64(0), np.int64(0)
    if t + 1 < market.close.shape[0]:
        draw(s, scratch, market, deal, tile, t + 1)
        price = market.open[t + 1]
        fee = fill(s, deal, side, side * delta, price)
    if noted:
        line = record[s[S_ROWS] - 1]
        line[R_SIDE], line[R_QTY], line[R_OPENS], line[R_PRICE], line[R_FEE] = side, side * delta, opens, price, fee


@inlined
def _zeros(word: np.uint64) -> int:
    """Return the number of trailing zero bits of a word that is not 0: the ones below its lowest one."""
    bits = (word & ((word ^ ALL) + _U1)) - _U1
    bits = bits - ((bits >> _U1) & np.uint64(0x5555555555555555))
    bits = (bits & np.uint64(0x3333333333333333)) + ((bits >> np.uint64(2)) & np.uint64(0x3333333333333333))
    bits = (bits + (bits >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    bits += bits >> np.uint64(8)
    bits += bits >> np.uint64(16)
    bits += bits >> np.uint64(32)
    return np.int64(bits & np.uint64(0x7F))


@inlined
def _open_bits(wishes: Ints, words: Words, k: int, last: int) -> np.uint64:
    """Return the bars of word k whose wish is another target than the last one."""
    bits = _U0
    for w in range(words.shape[0]):
        if wishes[w, W_TARGET] != last:
            bits |= words[w, k]
    return bits


@inlined
def _wished(wishes: Ints, words: Words, k: int, place: int) -> int:
    """Return the target of the wish that holds at a bit."""
    w = 0
    while (words[w, k] >> np.uint64(place)) & _U1 == _U0:
        w += 1
    return wishes[w, W_TARGET]


@kernel
def _walk(
    s: Ints, scratch: Scratch, record: Ints, market: Market, deal: Deal, wishes: Ints, words: Words, first: int, last: int
) -> None:
    """Walk one account over the wishes of bars first..last-1 (s, scratch, record modified in place)."""
    for k in range(words.shape[1]):
        later = ALL
        base = first + BITS * k
        while s[S_STATUS] == FINE:
            bits = _open_bits(wishes, words, k, s[S_LAST]) & later
            if bits == _U0:
                break
            place = _zeros(bits)
            _act(s, scratch, record, market, deal, first, base + place, _wished(wishes, words, k, place))
            later = (ALL << np.uint64(place)) << _U1
    draw(s, scratch, market, deal, first, last)


@inlined
def _begin(s: Ints, f: Floats, deal: Deal) -> None:
    """Open an account that has not begun (modified in place): cash, no target, no peak but the start."""
    s[S_CASH], s[S_LAST] = deal.cash, NO_TARGET
    f[F_BEFORE] = f[F_PEAK] = f[F_TROUGH] = np.float64(deal.cash)


@kernel
def by_words(
    market: Market, deal: Deal, program: Program, accounts: Accounts, scratch: Scratch
) -> None:
    """Run a group of combinations whose wishes are tests of columns (accounts modified in place).

    Args:
        accounts: zeroed. scratch: of this thread, for as many tests and wishes as the program has.
    """
    bars, combos = market.close.shape[0], accounts.state.shape[0]
    for c in range(combos):
        _begin(accounts.state[c], accounts.floats[c], deal)
    for first in range(0, bars, TILE):
        last = min(first + TILE, bars)
        count = (last - first + BITS - 1) // BITS
        for c in range(combos):
            s = accounts.state[c]
            if s[S_STATUS] != FINE:
                continue
            for p in range(program.tests.shape[1]):
                yes, known = scratch.yes[p, :count], scratch.known[p, :count]
                compare(program.tests[c, p], program.numbers[c, p], program.sheet, program.known_from, first, yes, known)
            words = scratch.words[:, :count]
            wish_words(program.wishes[c], scratch.yes, scratch.known, last - first, words)
            record = accounts.record if c == 0 else accounts.record[:0]
            _walk(s, scratch, record, market, deal, program.wishes[c], words, first, last)
            take(s, accounts.floats[c], scratch, market, accounts.blocks[c], first, last)
    for c in range(combos):
        settle(accounts.floats[c])


@jit
def by_bars(
    market: Market, deal: Deal, accounts: Accounts, c: int, scratch: Scratch, on_bar: Any, bars: Bars, columns: Floats,
    memory: Floats, params: Any,
) -> None:  # fmt: skip
    """Run combination c of a group by asking its strategy at every bar (accounts and memory modified in place).

    Args:
        columns: float64[k, T], what `prepare` gave. memory: float64[state_size], zeros.
    """
    s, f = accounts.state[c], accounts.floats[c]
    record = accounts.record if c == 0 else accounts.record[:0]
    _begin(s, f, deal)
    asked = math.nan
    for first in range(0, market.close.shape[0], TILE):
        last = min(first + TILE, market.close.shape[0])
        for t in range(first, last):
            wish = on_bar(bars, columns, t, memory, params)
            if math.isnan(wish.target):
                continue
            if not _acceptable(s, wish):
                return
            if wish.target == asked:
                continue
            asked = _heard(s, scratch, record, market, deal, first, t, wish.target)
            if s[S_STATUS] != FINE:
                return
        draw(s, scratch, market, deal, first, last)
        take(s, f, scratch, market, accounts.blocks[c], first, last)
    settle(f)


@inlined
def _acceptable(s: Ints, wish: Signal) -> bool:
    """Say whether a wish can be acted on here; note why not (s modified in place)."""
    if wish.order_type != MARKET or wish.stop_loss != 0.0 or wish.take_profit != 0.0 or wish.trail != 0.0:
        s[S_STATUS] = ORDER_TYPE
    elif not -1.0 <= wish.target <= 1.0:
        s[S_STATUS] = BAD_TARGET
    return s[S_STATUS] == FINE


@inlined
def _heard(s: Ints, scratch: Scratch, record: Ints, market: Market, deal: Deal, tile: int, t: int, target: float) -> float:
    """Act on a target that is not the one before; return it, or NaN when it was refused and is to be asked again."""
    target_e6 = fraction_e6(target)
    if target_e6 != s[S_LAST]:
        _act(s, scratch, record, market, deal, tile, t, target_e6)
    return math.nan if s[S_LAST] == NO_TARGET else target
