"""Guards: stop loss, take profit and trail as working orders that follow the position they protect.

Theory of operation. A wish may bring guards; they are kept in the slot's row. As soon as
the slot holds a position on the wish's side, the guards are claimed as protective orders
of one group, each as large as the position less what exits of the strategy already take.
After anything that changes the position they are brought into line again: a guard of the
wrong size is canceled and claimed anew. A guard that fills cancels what else the slot has
working, so one cancels the others and none can ever sell what is not held.

`sync` writes one correction at a time, because each is decided on the book after the last.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ledger.book import (
    E_FLAGS, E_INSTRUMENT, E_KEY, E_KIND, E_PARENT, E_PRICE, E_STOP, E_TARGET, E_TIME, E_TRAIL, E_TYPE, I_LIVE_FIRST,
    I_POSITION, I_TICK, O_FILLED, O_KEY, O_NEXT, O_PRICE, O_QTY, O_SIDE, O_STOP, O_TRAIL, S_KEYS, S_ORDER, Arena, find, row,
    used,
)  # fmt: skip
from ledger.core import decide_into
from ledger.kernel import kernel
from ledger.kernels.orders import parent_leaves, protective
from ledger.keys import LEGS_MAX, pack, purpose_of, strategy_of
from ledger.units import OVERFLOWED, try_muldiv
from ledger.vocabulary import EventKind, OrderFlag, OrderType, Outcome, Purpose
from sim.engine.exchange import against, ceil_muldiv
from sim.engine.layout import (
    C_DETAIL, C_PROBLEM, C_WRITTEN, GUARD_REFUSED, NO_TARGET, P_BASE, P_BEST, P_BORN_NS, P_FRACTION, P_HELD, P_PARENT,
    P_SIDE, P_STOP, P_STOP_NS, P_STOPPED, P_TAKE, P_TRAIL, X_BEST, X_SLOT, X_TIF, X_WOKEN, Memory,
)  # fmt: skip
from sim.engine.rows import blank
from strategies.sizing.lots import floor_muldiv

Ints = NDArray[np.int64]
ONE_E6 = 1_000_000
GUARDS = 3
"""Guards of a slot: which = 1 stop loss, 2 take profit, 3 trail; their purposes follow each other."""


@kernel
def purpose_at(which: int) -> int:
    """Return the Purpose of a slot's order: 0 its own, 1..3 its guards."""
    return Purpose.STOP_LOSS - 1 + which if which > 0 else Purpose.TARGET


@kernel
def slot_of_order(a: Arena, memory: Memory, order: int) -> int:
    """Return the slot an order (its address) belongs to, by the strategy and the instrument in its key."""
    instruments = memory.taken.shape[0]
    return (strategy_of(a[order + O_KEY]) - 1) * instruments + ((a[order + O_KEY] >> 41) & 0x1FFF)


@kernel
def find_live(a: Arena, instrument: int, strategy: int, which: int) -> int:
    """Return the number + 1 of a slot's working order or guard, 0 = none; `which` as in `purpose_at`."""
    link = a[instrument + I_LIVE_FIRST]
    while link > 0:
        order = row(a, S_ORDER, link - 1)
        key = a[order + O_KEY]
        if strategy_of(key) == strategy + 1:
            if which == 0 and not protective(key):
                return link
            if which > 0 and purpose_of(key) == purpose_at(which):
                return link
        link = a[order + O_NEXT]
    return np.int64(0)


@kernel
def distance(slot: Ints, base: int) -> int:
    """Return the trailing distance in ticks, 0 = none; a fraction of the base is rounded up, away from the price."""
    return ceil_muldiv(base, slot[P_TRAIL], ONE_E6) if slot[P_FRACTION] else slot[P_TRAIL]


@kernel
def level(slot: Ints, which: int, held: int, base: int, best: int, tick: int) -> int:
    """Return the price in ticks at which a guard of a position acts, 0 = no such guard.

    Args:
        slot: the slot's row. held: the position's sign counts. base: what it was opened at. best: since then.
    """
    side = 1 if held > 0 else -1
    if which == 3:
        return max(tick, against(best - side * distance(slot, base), -side, tick)) if slot[P_TRAIL] > 0 else 0
    wanted = slot[P_STOP] if which == 1 else slot[P_TAKE]
    if wanted == 0 or slot[P_FRACTION] == 0:
        return wanted
    rises = side if which == 2 else -side
    share = max(0, ONE_E6 + rises * wanted)
    # A seller's stop is rounded down and his target up: later and dearer for him; a buyer's the other way.
    if (which == 1) == (side > 0):
        return max(tick, floor_muldiv(base, share, ONE_E6) // tick * tick)
    return max(tick, against(ceil_muldiv(base, share, ONE_E6), 1, tick))


@kernel
def exits_working(a: Arena, instrument: int, strategy: int, held: int) -> int:
    """Return the lots that the slot's own working order takes off its position."""
    link = find_live(a, instrument, strategy, 0)
    if link == 0:
        return np.int64(0)
    order = row(a, S_ORDER, link - 1)
    against_held = (held > 0 and a[order + O_SIDE] < 0) or (held < 0 and a[order + O_SIDE] > 0)
    return a[order + O_QTY] - a[order + O_FILLED] if against_held else np.int64(0)


@kernel
def guarded_lots(slot: Ints, held: int, exits: int) -> int:
    """Return how large the guards of a position must be."""
    right_side = (held > 0 and slot[P_SIDE] > 0) or (held < 0 and slot[P_SIDE] < 0)
    return max(np.int64(0), abs(held) - exits) if right_side else np.int64(0)


@kernel
def free_key(a: Arena, strategy: int, number: int, purpose: int, time_ns: int) -> int:
    """Return the first key of this moment that no order has; 0 when all legs are used."""
    for leg in range(LEGS_MAX):
        key = pack(strategy + 1, number, purpose, time_ns // 1_000_000_000, leg)
        if find(a, S_KEYS, key, S_ORDER) < 0:
            return key
    return np.int64(0)


@kernel
def clear_signal(memory: Memory, time_ns: int, number: int) -> None:
    """Zero the workspace row of a signal but for kind, time and instrument (modified in place)."""
    signal = memory.signal
    for column in range(signal.shape[0]):
        signal[column] = 0
    signal[E_KIND], signal[E_TIME], signal[E_INSTRUMENT] = EventKind.SIGNAL, time_ns, number


@kernel
def submit(a: Arena, log: Ints, memory: Memory, slot: int, tif: int, best: int) -> Outcome:
    """Hand the signal in the workspace to the gate; write the claim and its acknowledgement, or the refusal.

    The exchange's own memory of the order is set beside it. AT_TARGET writes nothing.
    """
    signal = memory.signal
    answer = decide_into(a, signal, log[memory.cursor[C_WRITTEN]])
    if answer == Outcome.AT_TARGET:
        return answer
    memory.cursor[C_WRITTEN] += 1
    if answer != Outcome.APPLIED:
        return answer
    line = log[blank(log, memory, EventKind.SUBMITTED, signal[E_TIME], signal[E_INSTRUMENT])]
    line[E_KEY] = signal[E_KEY]
    kept = memory.order[used(a, S_ORDER)]
    kept[X_TIF], kept[X_WOKEN], kept[X_BEST], kept[X_SLOT] = tif, 0, best, slot
    return answer


@kernel
def write_cancel(a: Arena, log: Ints, memory: Memory, link: int, number: int, time_ns: int, kind: int) -> None:
    """Write the end (CANCELED or EXPIRED) of one working order; `link` is its number + 1."""
    line = log[blank(log, memory, kind, time_ns, number)]
    line[E_KEY] = a[row(a, S_ORDER, link - 1) + O_KEY]


@kernel
def _in_line(a: Arena, slot: Ints, link: int, which: int, lots: int, tick: int) -> bool:
    """Say whether a working guard is as it should be: size, side and level, or the trailing distance."""
    order, held = row(a, S_ORDER, link - 1), slot[P_HELD]
    if a[order + O_QTY] - a[order + O_FILLED] != lots or a[order + O_SIDE] != (-1 if held > 0 else 1):
        return False
    if which == 3:
        return bool(a[order + O_TRAIL] == distance(slot, slot[P_BASE]))
    price = a[order + O_STOP] if which == 1 else a[order + O_PRICE]
    return bool(price == level(slot, which, held, slot[P_BASE], slot[P_BEST], tick))


@kernel
def _claim_guard(a: Arena, log: Ints, memory: Memory, instrument: int, number: int, at: int, which: int, time_ns: int) -> None:
    """Claim one guard of a slot at its present level."""
    strategy, slot, tick = at // memory.taken.shape[0], memory.slot[at], a[instrument + I_TICK]
    side = -1 if slot[P_HELD] > 0 else 1
    clear_signal(memory, time_ns, number)
    signal, price = memory.signal, level(slot, which, slot[P_HELD], slot[P_BASE], slot[P_BEST], tick)
    signal[E_KEY] = free_key(a, strategy, number, purpose_at(which), time_ns)
    signal[E_TYPE] = OrderType.STOP if which == 1 else OrderType.LIMIT if which == 2 else OrderType.TRAIL
    signal[E_PRICE], signal[E_FLAGS], signal[E_PARENT] = price, OrderFlag.GTC, slot[P_PARENT]
    signal[E_STOP] = price if which != 2 else 0
    signal[E_TRAIL] = distance(slot, slot[P_BASE]) if which == 3 else 0
    # The gate adds what the parent may still bring; the guard is for what is here, less what exits take.
    exits = exits_working(a, instrument, strategy, slot[P_HELD])
    signal[E_TARGET] = -side * (parent_leaves(a, slot[P_PARENT], side, number) + exits)
    answer = submit(a, log, memory, at, 0, slot[P_BEST])
    if answer != Outcome.APPLIED:
        memory.cursor[C_PROBLEM], memory.cursor[C_DETAIL] = GUARD_REFUSED, answer.value


@kernel
def sync(a: Arena, log: Ints, memory: Memory, instrument: int, number: int, at: int, time_ns: int) -> bool:
    """Write the next correction of a slot's guards; False when they are in line. A problem may stand in the cursor."""
    slot, strategy, tick = memory.slot[at], at // memory.taken.shape[0], a[instrument + I_TICK]
    held = slot[P_HELD]
    wanted = held != 0 and (slot[P_STOP] > 0 or slot[P_TAKE] > 0 or slot[P_TRAIL] > 0)
    if a[instrument + I_LIVE_FIRST] == 0 and not wanted:
        return False
    lots = guarded_lots(slot, held, exits_working(a, instrument, strategy, held)) if wanted else 0
    for which in range(1, GUARDS + 1):
        link = find_live(a, instrument, strategy, which)
        exists = lots > 0 and level(slot, which, held, slot[P_BASE], slot[P_BEST], tick) > 0
        if link > 0 and not (exists and _in_line(a, slot, link, which, lots, tick)):
            write_cancel(a, log, memory, link, number, time_ns, EventKind.CANCELED)
            return True
    for which in range(1, GUARDS + 1):
        exists = lots > 0 and level(slot, which, held, slot[P_BASE], slot[P_BEST], tick) > 0
        if exists and find_live(a, instrument, strategy, which) == 0:
            _claim_guard(a, log, memory, instrument, number, at, which, time_ns)
            return True
    return False


@kernel
def note_fill(slot: Ints, side: int, qty: int, price: int, key: int, bar_end_ns: int) -> None:
    """Note a fill of the slot's own order in its row (modified in place): a position opened anew has a new base."""
    before = slot[P_HELD]
    after = before + side * qty
    slot[P_HELD] = after
    if after == 0:
        slot[P_BASE] = slot[P_BEST] = 0
    elif before == 0 or (before > 0) != (after > 0):
        slot[P_BASE] = slot[P_BEST] = price
        slot[P_PARENT], slot[P_BORN_NS], slot[P_STOPPED] = key, bar_end_ns, 0


@kernel
def note_guard_fill(slot: Ints, side: int, qty: int, bar_end_ns: int) -> None:
    """Note a guard's fill in the slot's row (modified in place); when nothing is left the slot counts as stopped."""
    slot[P_HELD] += side * qty
    slot[P_STOP_NS] = bar_end_ns
    slot[P_STOPPED] = 1
    if slot[P_HELD] == 0:
        slot[P_BASE] = slot[P_BEST] = 0


@kernel
def forget(memory: Memory, at: int) -> None:
    """Forget the slot's last wish, so that the same wish is decided anew (modified in place)."""
    memory.last_target[at] = NO_TARGET


@kernel
def rescale(memory: Memory, number: int, numerator: int, denominator: int) -> None:
    """Carry the guards' prices of an instrument over a split of `numerator` new shares for `denominator` old ones."""
    instruments = memory.taken.shape[0]
    for at in range(number, memory.slot.shape[0], instruments):
        slot = memory.slot[at]
        for column in (P_STOP, P_TAKE, P_TRAIL):
            if slot[P_FRACTION] == 0 and slot[column] > 0:
                slot[column] = max(1, try_muldiv(slot[column], denominator, numerator))
        for column in (P_BASE, P_BEST):
            if slot[column] > 0:
                slot[column] = max(1, try_muldiv(slot[column], denominator, numerator))


@kernel
def share_out(a: Arena, memory: Memory, instrument: int, number: int) -> None:
    """Share the account's position out over the slots when something other than a fill changed it (modified in place).

    Each strategy keeps its part in proportion; rounding never loses a lot, the parts add to the whole.
    """
    instruments, position = memory.taken.shape[0], a[instrument + I_POSITION]
    total = np.int64(0)
    for at in range(number, memory.slot.shape[0], instruments):
        total += memory.slot[at, P_HELD]
    if total == position:
        return
    before, given = np.int64(0), np.int64(0)
    for at in range(number, memory.slot.shape[0], instruments):
        before += memory.slot[at, P_HELD]
        upto = try_muldiv(before, position if total > 0 else -position, abs(total)) if total != 0 else np.int64(0)
        if upto == OVERFLOWED:
            upto = np.int64(given)
        memory.slot[at, P_HELD] = upto - given
        given = np.int64(upto)
        if memory.slot[at, P_HELD] == 0:
            memory.slot[at, P_BASE] = memory.slot[at, P_BEST] = 0
    memory.slot[number, P_HELD] += position - given
