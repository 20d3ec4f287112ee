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

from ledger.kernel import inlined, kernel
from ledger.vocabulary import Outcome
from sim.sweep.core.account import (
    BAD_TARGET, BEYOND, FINE, NO_TARGET, ORDER_TYPE, R_BAR, R_FEE, R_OPENS, R_OUTCOME, R_PRICE, R_QTY, R_RESERVE, R_SIDE,
    R_TARGET, R_WORST, R_WORST_FEE, S_CASH, S_LAST, S_ORDERS, S_POSITION, S_REFUSED, S_ROWS, S_STATUS, beyond, commission,
    fill, judge, opening, reserve, wanted, worth,
)  # fmt: skip
from sim.sweep.core.closed import Tables, tabulate, take_closed
from sim.sweep.core.market import Deal, Market
from sim.sweep.core.places import places
from sim.sweep.core.statistics import F_BEFORE, F_PEAK, F_TROUGH, MASK, Scratch, Stretches, begin, settle, stretch, take
from sim.sweep.core.words import TILE, compare, wish_words
from strategies.api import MARKET, Bars, Signal
from strategies.sizing import fraction_e6

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Words = NDArray[np.uint64]
LINE = 8
"""Numbers in a cache line."""


class Program(NamedTuple):
    """The wishes of a group of C combinations over shared columns; see `words` for the numbers."""

    sheet: Floats  # [columns, padded T] NaN beyond the history
    known_from: Ints  # [columns + 1] bar from which a column has no NaN; in the last place T
    positive: NDArray[np.bool_]  # [columns] whether a column has no number below 0
    tests: Ints  # [C, tests, 3]
    numbers: Floats  # [C, tests]
    wishes: Ints  # [C, wishes, 3]
    targets: Ints  # [C, rows] the different targets of the wishes


class Accounts(NamedTuple):
    """What kernels write: a row a combination."""

    state: Ints  # [C, STATE]
    floats: Floats  # [C, FIGURES]
    blocks: Floats  # [C, S, 3] sum of returns, of their squares, count
    record: Ints  # [rows, RECORD] decisions of the first combination, or no rows


@inlined
def _held(s: Ints, deal: Deal, close: int, side: int, qty: int, opens: int, most: int) -> tuple[int, int, int]:
    """Return the worst price of an order, the fee of `most` lots at it, and the cash that the order must hold."""
    worst = max(np.int64(1), close + side * (close * deal.worst_bps // 10_000))
    fee = commission(deal, most, worth(deal, worst, most))
    return worst, fee, reserve(s, deal, side, qty, opens, worst, fee)


@kernel
def _note(s: Ints, record: Ints, deal: Deal, t: int, close: int, lots: int, outcome: int) -> None:
    """Write the record of a decision that is not yet filled (s, record modified in place); a refusal has only the head of it."""
    line, delta = record[s[S_ROWS]], lots - s[S_POSITION]
    side = np.int64(1) if delta > 0 else np.int64(-1)
    opens = opening(s, side, side * delta)
    line[:] = 0
    line[R_WORST], line[R_WORST_FEE], line[R_RESERVE] = _held(s, deal, close, side, side * delta, opens, abs(lots) + abs(s[S_POSITION]))
    line[R_BAR], line[R_OUTCOME], line[R_TARGET] = t, outcome, lots
    if outcome == Outcome.APPLIED:
        line[R_SIDE], line[R_QTY], line[R_OPENS] = side, side * delta, opens
    s[S_ROWS] += 1


@inlined
def _act(s: Ints, record: Ints, opens_at: Ints, close_at: Ints, deal: Deal, t: int, target_e6: int) -> bool:
    """Take a new target at the close of bar t: size it, judge it, fill it at the next open (s, record modified in place).

    Returns:
        Whether a stretch of another cash and position begins at bar t + 1.
    """
    close = close_at[t & MASK]
    now = s[S_CASH] + worth(deal, close, s[S_POSITION])
    lots = wanted(deal, target_e6, now, close)
    most = abs(lots) + abs(s[S_POSITION])
    if beyond(s, now) or most > deal.lots_cap:
        s[S_STATUS] = BEYOND
        return False
    s[S_LAST] = target_e6
    delta = lots - s[S_POSITION]
    if delta == 0:
        return False
    side = np.int64(1) if delta > 0 else np.int64(-1)
    opens, held, noted = opening(s, side, side * delta), np.int64(0), record.shape[0] > s[S_ROWS]
    if opens > 0:  # A pure exit passes whatever it reserves.
        _, _, held = _held(s, deal, close, side, side * delta, opens, most)
    outcome = judge(s, deal, side, opens, held)
    if noted:
        _note(s, record, deal, t, close, lots, outcome)
    if outcome != Outcome.APPLIED:
        s[S_LAST] = NO_TARGET
        s[S_REFUSED] += 1
        return False
    s[S_ORDERS] += 1
    if t + 1 >= close_at.shape[0]:
        return False
    price = opens_at[(t + 1) & MASK]
    fee = fill(s, deal, side, side * delta, price)
    if noted:
        record[s[S_ROWS] - 1, R_PRICE], record[s[S_ROWS] - 1, R_FEE] = price, fee
    return True


@inlined
def _row_of(targets: Ints, target_e6: int) -> int:
    """Return the row of words that wishes a target; the number of rows when none does."""
    row = 0
    while row < targets.shape[0] and targets[row] != target_e6:
        row += 1
    return row


@kernel
def _walk(
    s: Ints, stretches: Stretches, record: Ints, opens_at: Ints, close_at: Ints, deal: Deal, targets: Ints, words: Words, changes: Ints,
    first: int,
) -> None:  # fmt: skip
    """Walk one account over the wishes of the tile that begins at bar `first` (s, stretches, record modified in place).

    The bars at which the wish changes are found first, as if no order were refused; after a refusal they are found anew.
    """
    rows, since = targets.shape[0], np.int64(0)
    row = _row_of(targets, s[S_LAST])
    while since < TILE:
        count = places(words, row, since, changes)
        since = TILE if row < rows else changes[0, 0] + 1 if count > 0 else TILE
        for i in range(count):
            place, row = changes[i, 0], changes[i, 1]
            if _act(s, record, opens_at, close_at, deal, first + place, targets[row]):
                stretch(s, stretches, deal, first + place + 1)
            if s[S_STATUS] != FINE:
                return
            if s[S_LAST] == NO_TARGET:
                row, since = rows, place + 1
                break


@inlined
def walk_tile(s: Ints, record: Ints, market: Market, deal: Deal, targets: Ints, scratch: Scratch, first: int) -> None:
    """Walk one account over the tile that begins at bar `first`, whose wishes are in the scratch (s, record, scratch modified)."""
    begin(s, scratch.stretches, deal, first)
    _walk(s, scratch.stretches, record, market.open, market.close, deal, targets, scratch.words, scratch.changes, first)


@inlined
def open_account(s: Ints, f: Floats, deal: Deal) -> None:
    """Open an account that has not begun (modified in place): cash, no target, no peak but the start."""
    s[S_CASH], s[S_LAST] = deal.cash, NO_TARGET
    f[F_BEFORE] = f[F_PEAK] = f[F_TROUGH] = np.float64(deal.cash)


@kernel
def by_words(
    market: Market, deal: Deal, program: Program, accounts: Accounts, scratch: Scratch, made: Tables, begins: int, ends: int, origin: int
) -> None:
    """Run a group of combinations whose wishes are tests of columns over bars begins..ends-1 (accounts modified in place).

    Args:
        accounts: zeroed, or as the bars before `begins` left them. scratch: of this thread, for as many tests and targets
            as the program has. made: of this thread. begins: a multiple of TILE; ends, too, unless it is the end of the history.
        origin: the bar that place 0 of the program's sheet belongs to.
    """
    combos, figures = accounts.state.shape[0], market.price.shape[0] > 0
    if begins == 0:
        for c in range(combos):
            open_account(accounts.state[c], accounts.floats[c], deal)
    for first in range(begins, ends, TILE):
        last = min(first + TILE, ends)
        if figures:
            tabulate(made, market.price, first, last)
        for c in range(combos):
            s = accounts.state[c]
            if s[S_STATUS] != FINE:
                continue
            for p in range(program.tests.shape[1]):
                compare(
                    program.tests[c, p], program.numbers[c, p], program.sheet, program.known_from, program.positive, first - origin,
                    scratch.yes[p], scratch.known[p],
                )  # fmt: skip
            wish_words(program.wishes[c], scratch.yes, scratch.known, last - first, scratch.words)
            record = accounts.record if c == 0 else accounts.record[:0]
            walk_tile(s, record, market, deal, program.targets[c], scratch, first)
            if not figures:
                continue
            if not take_closed(s, accounts.floats[c], scratch.stretches, made, market, accounts.blocks[c], first, last):
                take(s, accounts.floats[c], scratch, market, accounts.blocks[c], first, last)
    if ends == market.close.shape[0]:
        for c in range(combos):
            settle(accounts.floats[c])


@kernel
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
    open_account(s, f, deal)
    asked, seen = math.nan, np.int64(0)
    for first in range(0, market.close.shape[0], TILE):
        last = min(first + TILE, market.close.shape[0])
        begin(s, scratch.stretches, deal, first)
        seen |= _touch(columns, first, last)
        for t in range(first, last):
            wish = on_bar(bars, columns, t & MASK, memory, params)
            plain = _is_plain(wish)
            if plain and wish.target == asked:
                continue
            if math.isnan(wish.target):
                continue
            if not plain or not -1.0 <= wish.target <= 1.0:
                s[S_STATUS] = BAD_TARGET if plain else ORDER_TYPE
                return
            asked = _heard(s, scratch.stretches, record, market, deal, t, wish.target)
            if s[S_STATUS] != FINE:
                return
        take(s, f, scratch, market, accounts.blocks[c], first, last)
    scratch.changes[0, 0] = seen  # nobody reads it; the compiler must not leave out what nobody reads
    settle(f)


@inlined
def _touch(columns: Floats, first: int, last: int) -> int:
    """Read a number of each cache line of a tile: many lines come at once, where `on_bar` would wait for one after the other."""
    seen = np.int64(0)
    for row in range(columns.shape[0]):
        for t in range(first, last, LINE):
            seen |= np.int64(columns[row, t & MASK] == 0.0)
    return seen


@inlined
def _is_plain(wish: Signal) -> bool:
    """Say whether a wish is one for a market order without guards: all that a kernel can have."""
    return wish.order_type == MARKET and wish.stop_loss == 0.0 and wish.take_profit == 0.0 and wish.trail == 0.0


@inlined
def _heard(s: Ints, stretches: Stretches, record: Ints, market: Market, deal: Deal, t: int, target: float) -> float:
    """Act on a target that is not the one before; return it, or NaN when it was refused and is to be asked again."""
    target_e6 = fraction_e6(target)
    if target_e6 != s[S_LAST] and _act(s, record, market.open, market.close, deal, t, target_e6):
        stretch(s, stretches, deal, t + 1)
    return math.nan if s[S_LAST] == NO_TARGET else target
