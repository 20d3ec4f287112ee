"""One bar, walked twice: low first and high first; the difference is what a bar cannot tell.

Theory of operation. A bar is taken as three straight moves, from its open to one extreme,
to the other, and to its close. On each move the working orders act in the order in which
the price reaches them; what one fill brings about (guards that come to life, orders
canceled) counts for the rest of the walk. Only the order of the extremes is unknown. Both
walks happen on copies, in `memory.work`; nothing is booked here. When they end alike the
bar is plain; when they differ it is ambiguous, and the rules say which one is booked.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ledger.book import (
    I_LIVE_FIRST, I_QTY_EXP, I_STEP, I_TICK, O_FILLED, O_KEY, O_NEXT, O_PRICE, O_QTY, O_SIDE, O_STOP, O_TRAIL, O_TYPE,
    S_ORDER, Arena, row,
)  # fmt: skip
from ledger.kernel import kernel
from ledger.kernels.gate import notional
from ledger.kernels.orders import protective
from ledger.keys import purpose_of, strategy_of
from ledger.units import OVERFLOWED
from ledger.vocabulary import Purpose
from sim.engine.exchange import Rules, against, slipped, volume_cap, volume_lots
from sim.engine.guards import GUARDS, distance, guarded_lots, level
from sim.engine.layout import (
    AT_ROW, H_BASE, H_PRICE, H_QTY, H_ROW, P_BASE, P_BEST, P_HELD, W_ALIVE, W_BASE, W_BEST, W_DISTANCE, W_FILLED,
    W_HELD, W_KIND, W_LEAVES, W_LEVEL, W_LIMIT, W_SIDE, W_WOKEN, W_WORTH, X_BEST, X_TIF, X_WOKEN, Memory, Tape,
)  # fmt: skip
from strategies.api import AT_OPEN, LIMIT, MARKET, STOP, STOP_LIMIT, TRAIL

Ints = NDArray[np.int64]
NEVER = -1
KINDS = (MARKET, STOP, LIMIT, TRAIL)
"""Order type of a slot's order (overwritten) and of its guards: stop loss, take profit, trail."""


@kernel
def cap_left(a: Arena, memory: Memory, tape: Tape, rules: Rules, instrument: int, number: int, bar: int) -> int:
    """Return the lots the volume cap still leaves in this bar; -1 = no cap."""
    cap = volume_cap(rules, tape.volume[bar], 10 ** a[instrument + I_QTY_EXP], a[instrument + I_STEP])
    return cap if cap < 0 else max(0, cap - memory.taken[number])


@kernel
def trail_level(best: int, far: int, side: int, tick: int) -> int:
    """Return where a trailing stop stands that follows `best` at the distance `far`; side 1 buys, -1 sells."""
    return max(tick, against(best + side * far, side, tick))


@kernel
def _gather(a: Arena, memory: Memory, work: Ints, rules: Rules, instrument: int, number: int) -> None:
    """Lay the instrument's working orders out in a walk's rows (modified in place); at auctions nothing else acts."""
    instruments = memory.taken.shape[0]
    for at in range(work.shape[0]):
        for column in range(work.shape[1]):
            work[at, column] = 0
        slot = memory.slot[number + at // AT_ROW * instruments]
        work[at, W_HELD], work[at, W_BASE] = slot[P_HELD], slot[P_BASE]
    link = a[instrument + I_LIVE_FIRST]
    while link > 0:
        order, kept = row(a, S_ORDER, link - 1), memory.order[link - 1]
        key = a[order + O_KEY]
        guard = protective(key)
        which = purpose_of(key) - Purpose.STOP_LOSS + 1 if guard else 0
        line = work[AT_ROW * (strategy_of(key) - 1) + which]
        acts = kept[X_TIF] < AT_OPEN and a[order + O_TYPE] != MARKET and not (guard and rules.stop_first)
        if acts or guard:
            line[W_ALIVE], line[W_SIDE], line[W_KIND] = 1 if acts else 0, a[order + O_SIDE], a[order + O_TYPE]
            line[W_LEAVES], line[W_LIMIT] = a[order + O_QTY] - a[order + O_FILLED], a[order + O_PRICE]
            line[W_LEVEL], line[W_DISTANCE], line[W_WOKEN] = a[order + O_STOP], a[order + O_TRAIL], kept[X_WOKEN]
            slot = memory.slot[number + (strategy_of(key) - 1) * instruments]
            line[W_BEST] = slot[P_BEST] if guard else kept[X_BEST]
            if a[order + O_TYPE] == TRAIL:
                line[W_LEVEL] = trail_level(line[W_BEST], a[order + O_TRAIL], line[W_SIDE], a[instrument + I_TICK])
        link = a[order + O_NEXT]


@kernel
def acts_at(line: Ints, price: int, goal: int) -> int:
    """Return the price at which an order acts while the market moves straight from `price` to `goal`, or NEVER.

    A stop that has woken and found no volume waits for the next open, like a market order.
    """
    side, kind = line[W_SIDE], line[W_KIND]
    if line[W_ALIVE] == 0 or line[W_LEAVES] <= 0 or kind == MARKET or (kind in (STOP, TRAIL) and line[W_WOKEN]):
        return np.int64(NEVER)
    if kind == LIMIT or (kind == STOP_LIMIT and line[W_WOKEN]):
        limit = line[W_LIMIT]
        if side * (price - limit) <= 0:
            return price
        return limit if side * (goal - limit) <= 0 else np.int64(NEVER)
    if side * (price - line[W_LEVEL]) >= 0:
        return price
    return line[W_LEVEL] if side * (goal - line[W_LEVEL]) >= 0 else np.int64(NEVER)


@kernel
def follow(work: Ints, goal: int, tick: int) -> None:
    """Let every trailing stop follow the price to `goal` where that is to its good (rows modified in place)."""
    for at in range(work.shape[0]):
        line = work[at]
        if line[W_LEAVES] > 0 and line[W_KIND] == TRAIL and line[W_SIDE] * (goal - line[W_BEST]) < 0:
            line[W_BEST] = goal
            line[W_LEVEL] = trail_level(goal, line[W_DISTANCE], line[W_SIDE], tick)


@kernel
def _nearest(work: Ints, price: int, goal: int) -> tuple[int, int]:
    """Return (row, price) of what acts first on the way; guards before the slot's own order; row NEVER = nothing."""
    found, where = np.int64(NEVER), np.int64(0)
    for slot in range(work.shape[0] // AT_ROW):
        for turn in range(AT_ROW):
            at = slot * AT_ROW + (turn + 1) % AT_ROW
            here = acts_at(work[at], price, goal)
            if here != NEVER and (found == NEVER or abs(here - price) < abs(where - price)):
                found, where = np.int64(at), here
    return found, where


@kernel
def _after_own(memory: Memory, work: Ints, rules: Rules, slot: int, at: int, paid: int, qty: int, tick: int) -> None:
    """Carry a fill of a slot's own order over to its guards (rows modified in place)."""
    own, wanted = work[at], memory.slot[slot]
    before = own[W_HELD]
    held = before + own[W_SIDE] * qty
    if held != 0 and (before == 0 or (before > 0) != (held > 0)):
        for which in range(AT_ROW):
            work[at + which, W_BASE] = paid
        for which in range(1, AT_ROW):
            work[at + which, W_KIND] = work[at + which, W_ALIVE] = work[at + which, W_SIDE] = 0
    exits = own[W_LEAVES] if own[W_SIDE] * held < 0 else 0
    lots = guarded_lots(wanted, held, exits)
    for which in range(AT_ROW):
        work[at + which, W_HELD] = held
    for which in range(1, AT_ROW):
        line = work[at + which]
        if line[W_KIND] == 0 and line[W_SIDE] == 0 and lots > 0 and rules.entry_bar and not rules.stop_first:
            here = level(wanted, which, held, own[W_BASE], paid, tick)
            if here > 0:
                line[W_ALIVE], line[W_SIDE], line[W_KIND] = 1, -1 if held > 0 else 1, KINDS[which]
                line[W_LIMIT], line[W_LEVEL], line[W_BEST], line[W_WOKEN] = here, here, paid, 0
                line[W_DISTANCE] = distance(wanted, own[W_BASE]) if which == GUARDS else 0
        line[W_LEAVES] = lots
        if lots == 0:
            line[W_ALIVE] = 0


@kernel
def _after_guard(work: Ints, at: int, side: int, qty: int) -> None:
    """Carry a guard's fill over to the slot's other rows (modified in place): its own order is canceled.

    A guard that was smaller than the position and is filled is followed by a new one for the rest.
    """
    first = at // AT_ROW * AT_ROW
    held = work[first, W_HELD] + side * qty
    work[first, W_ALIVE] = work[first, W_LEAVES] = 0
    if work[at, W_LEAVES] == 0:
        work[at, W_WOKEN] = 0
    for which in range(AT_ROW):
        line = work[first + which]
        line[W_HELD] = held
        if which > 0:
            line[W_LEAVES] = abs(held)
            if held == 0:
                line[W_ALIVE] = 0


@kernel
def walk(
    a: Arena, memory: Memory, tape: Tape, rules: Rules, instrument: int, number: int, bar: int, path: int
) -> tuple[int, int]:
    """Walk through a bar with the low first (path 0) or the high first (path 1).

    Args:
        memory: work[path] and hits[path] are modified in place.
    Returns:
        (number of fills, what cash and positions at the close have changed by, e8).
    """
    work, hits, tick = memory.work[path], memory.hits[path], a[instrument + I_TICK]
    _gather(a, memory, work, rules, instrument, number)
    left = cap_left(a, memory, tape, rules, instrument, number, bar)
    volume = volume_lots(tape.volume[bar], 10 ** a[instrument + I_QTY_EXP])
    price, count, cash = tape.open[bar], 0, np.int64(0)
    follow(work, price, tick)
    for leg in range(3):
        goal = tape.close[bar] if leg == 2 else tape.low[bar] if leg == path else tape.high[bar]
        while count < hits.shape[0]:
            at, where = _nearest(work, price, goal)
            if at == NEVER:
                break
            price = where
            follow(work, price, tick)
            line = work[at]
            if line[W_KIND] == STOP_LIMIT and line[W_WOKEN] == 0:
                line[W_WOKEN] = 1
                continue
            qty = line[W_LEAVES] if left < 0 else min(line[W_LEAVES], left)
            if qty == 0:
                line[W_WOKEN], line[W_ALIVE] = 1 if line[W_KIND] != LIMIT else 0, 0
                continue
            side = line[W_SIDE]
            paid = price
            if line[W_KIND] == STOP or line[W_KIND] == TRAIL:
                paid = slipped(rules, price, side, qty, volume, tick)
                line[W_WOKEN] = 1
            hits[count, H_ROW], hits[count, H_BASE], hits[count, H_PRICE], hits[count, H_QTY] = at, price, paid, qty
            count += 1
            left = left if left < 0 else left - qty
            worth = notional(a, instrument, paid, qty)
            cash -= 0 if worth == OVERFLOWED else side * worth
            line[W_LEAVES] -= qty
            line[W_FILLED] += qty
            line[W_WORTH] += 0 if worth == OVERFLOWED else worth
            if at % AT_ROW == 0:
                slot = number + at // AT_ROW * memory.taken.shape[0]
                _after_own(memory, work, rules, slot, at, paid, qty, tick)
            else:
                _after_guard(work, at, side, qty)
        follow(work, goal, tick)
        price = goal
    return count, cash + _worth(a, work, instrument, price)


@kernel
def _worth(a: Arena, work: Ints, instrument: int, close: int) -> int:
    """Return what the positions after a walk are worth at the close, e8."""
    held = np.int64(0)
    for first in range(0, work.shape[0], AT_ROW):
        held += work[first, W_HELD]
    worth = notional(a, instrument, close, abs(held))
    return np.int64(0) if worth == OVERFLOWED else (worth if held > 0 else -worth)


@kernel
def alike(memory: Memory) -> bool:
    """Say whether both walks ended alike: same fills, same positions, same levels."""
    one, other = memory.work[0], memory.work[1]
    for at in range(one.shape[0]):
        for column in (W_ALIVE, W_WOKEN, W_FILLED, W_WORTH, W_HELD, W_BASE):
            if one[at, column] != other[at, column]:
                return False
        works = one[at, W_LEAVES] + other[at, W_LEAVES] > 0
        if works and (one[at, W_LEAVES] != other[at, W_LEAVES] or one[at, W_LEVEL] != other[at, W_LEVEL]):
            return False
    return True


@kernel
def keep_walk(a: Arena, memory: Memory, rules: Rules, instrument: int, number: int, path: int) -> None:
    """Keep what the booked walk left beside its fills: stops that woke, best prices (memory modified in place).

    Guards that are judged once a bar are not in the walk; their best price moves on in `trail_on`.
    """
    work, instruments = memory.work[path], memory.taken.shape[0]
    link = a[instrument + I_LIVE_FIRST]
    while link > 0:
        order = row(a, S_ORDER, link - 1)
        key = a[order + O_KEY]
        which = purpose_of(key) - Purpose.STOP_LOSS + 1 if protective(key) else 0
        line = work[AT_ROW * (strategy_of(key) - 1) + which]
        if line[W_KIND] == a[order + O_TYPE] and line[W_KIND] != MARKET:
            kept = memory.order[link - 1]
            kept[X_WOKEN] = line[W_WOKEN]
            if line[W_KIND] == TRAIL:
                kept[X_BEST] = line[W_BEST]
                if which == GUARDS and not rules.stop_first:
                    memory.slot[number + (strategy_of(key) - 1) * instruments, P_BEST] = line[W_BEST]
        link = a[order + O_NEXT]
