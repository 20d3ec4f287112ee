"""Fills: which order acts at the open, within the bar, or at the close, and the rows that say so.

Theory of operation. Each function writes one fill (with its commission, and the end of what
a guard's fill cancels) or says that nothing acts any more; the loop books it, brings the
guards in line and asks again. Every fill passes `exchange.judge_*` before its row is written.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ledger.book import (
    E_EXEC, E_FEE, E_KEY, E_PRICE, E_QTY, E_SIDE, I_LIVE_FIRST, I_QTY_EXP, I_STEP, I_TICK, O_FILLED, O_KEY, O_NEXT,
    O_PRICE, O_QTY, O_SIDE, O_STOP, O_TIME, O_TRAIL, O_TYPE, S_ORDER, Arena, row,
)  # fmt: skip
from ledger.kernel import kernel
from ledger.kernels.orders import protective
from ledger.keys import purpose_of, strategy_of
from ledger.vocabulary import EventKind
from sim.engine.account import Terms, fill_fee
from sim.engine.exchange import Fill, Rules, impact, judge_price, judge_quantity, slipped, volume_lots
from sim.engine.guards import (
    find_live, forget, level, note_fill, note_guard_fill, slot_of_order, write_cancel,
)  # fmt: skip
from sim.engine.layout import (
    AT_ROW, C_DETAIL, C_EXEC, C_FILLED, C_HIT, C_PATH, C_PROBLEM, FILL_DISHONEST, H_BASE, H_PRICE, H_QTY, H_ROW,
    LOST_ORDER, P_BASE, P_BEST, P_BORN_NS, P_HELD, X_BEST, X_TIF, X_WOKEN, Memory, Tape,
)  # fmt: skip
from sim.engine.rows import blank
from sim.engine.walk import cap_left, trail_level
from strategies.api import AT_CLOSE, AT_OPEN, DAY, IOC, LIMIT, MARKET, STOP, STOP_LIMIT, TRAIL

Ints = NDArray[np.int64]
NOTHING, WROTE, FAILED = 0, 1, 2
LAST_OF_DAY, FIRST_OF_DAY = 2, 1
AUCTION, NEW, ALL = range(3)


@kernel
def write_fill(
    a: Arena, log: Ints, memory: Memory, tape: Tape, account: Terms, rules: Rules, instrument: int, number: int, bar: int,
    link: int, base: int, price: int, qty: int, at_open: bool, moment_ns: int,
) -> int:  # fmt: skip
    """Judge a fill and write it with its commission; WROTE, or FAILED with the problem in the cursor.

    Args:
        link: the order's number + 1. base: where the market stood. price: what is paid. moment_ns: the earliest it was.
    """
    order, tick, scale = row(a, S_ORDER, link - 1), a[instrument + I_TICK], 10 ** a[instrument + I_QTY_EXP]
    side, kind, time_ns = a[order + O_SIDE], a[order + O_TYPE], tape.start_ns[bar] if at_open else tape.end_ns[bar]
    limited = kind == LIMIT or kind == STOP_LIMIT
    most = 0 if limited else impact(rules, base, qty, volume_lots(tape.volume[bar], scale))
    limit = a[order + O_PRICE] if limited else 0
    verdict = judge_price(base, price, side, tape.low[bar], tape.high[bar], tick, most, limit)
    if verdict == Fill.HONEST:
        left = cap_left(a, memory, tape, rules, instrument, number, bar)
        leaves = a[order + O_QTY] - a[order + O_FILLED]
        verdict = judge_quantity(qty, leaves, a[instrument + I_STEP], left, moment_ns, a[order + O_TIME])
    if verdict != Fill.HONEST:
        memory.cursor[C_PROBLEM], memory.cursor[C_DETAIL] = FILL_DISHONEST, verdict.value
        return FAILED
    memory.taken[number] += qty
    memory.cursor[C_EXEC] += 1
    line = log[blank(log, memory, EventKind.FILL, time_ns, number)]
    line[E_KEY], line[E_SIDE], line[E_QTY], line[E_PRICE] = a[order + O_KEY], side, qty, price
    line[E_EXEC] = memory.cursor[C_EXEC]
    line = log[blank(log, memory, EventKind.COMMISSION, time_ns, number)]
    line[E_EXEC] = memory.cursor[C_EXEC]
    line[E_FEE] = fill_fee(a, account, instrument, order, qty, price)
    _note(a, log, memory, tape, instrument, number, bar, link, price, qty, time_ns)
    return WROTE


@kernel
def _note(
    a: Arena, log: Ints, memory: Memory, tape: Tape, instrument: int, number: int, bar: int, link: int, price: int, qty: int,
    time_ns: int,
) -> None:  # fmt: skip
    """Note a fill in its slot; a guard's fill cancels the slot's own order."""
    order = row(a, S_ORDER, link - 1)
    key, side = a[order + O_KEY], a[order + O_SIDE]
    at = slot_of_order(a, memory, order)
    memory.cursor[C_FILLED] = 1
    if not protective(key):
        note_fill(memory.slot[at], side, qty, price, key, tape.end_ns[bar])
        return
    note_guard_fill(memory.slot[at], side, qty, tape.end_ns[bar])
    own = find_live(a, instrument, strategy_of(key) - 1, 0)
    if own > 0:
        write_cancel(a, log, memory, own, number, time_ns, EventKind.CANCELED)


@kernel
def _acts_at_open(a: Arena, memory: Memory, tape: Tape, rules: Rules, instrument: int, link: int, bar: int) -> bool:
    """Say whether an order acts at the bar's open; a stop-limit order may wake (memory modified in place)."""
    order, kept, price = row(a, S_ORDER, link - 1), memory.order[link - 1], tape.open[bar]
    kind, side, tif = a[order + O_TYPE], a[order + O_SIDE], kept[X_TIF]
    if tif == AT_CLOSE or (tif == AT_OPEN and not tape.edge[bar] & FIRST_OF_DAY):
        return False
    if protective(a[order + O_KEY]):
        born = memory.slot[slot_of_order(a, memory, order), P_BORN_NS] == tape.end_ns[bar]
        if rules.stop_first or (born and not rules.entry_bar):
            return False
    if kind == MARKET:
        return tif == AT_OPEN or not rules.at_close
    if kind == STOP or kind == STOP_LIMIT:
        if side * (price - a[order + O_STOP]) >= 0:
            kept[X_WOKEN] = 1
    elif kind == TRAIL:
        best = memory.slot[slot_of_order(a, memory, order), P_BEST] if protective(a[order + O_KEY]) else kept[X_BEST]
        if side * (price - trail_level(best, a[order + O_TRAIL], side, a[instrument + I_TICK])) >= 0:
            kept[X_WOKEN] = 1
    if kind == LIMIT or (kind == STOP_LIMIT and kept[X_WOKEN]):
        return bool(side * (price - a[order + O_PRICE]) <= 0)
    return bool(kept[X_WOKEN] == 1 and kind != STOP_LIMIT)


@kernel
def _before(a: Arena, link: int, other: int) -> bool:
    """Say whether an order acts before another at one price: the stop loss, the target, the trail, then the older claim."""
    if other == 0:
        return True
    mine, theirs = a[row(a, S_ORDER, link - 1) + O_KEY], a[row(a, S_ORDER, other - 1) + O_KEY]
    if protective(mine) and protective(theirs) and purpose_of(mine) != purpose_of(theirs):
        return purpose_of(mine) < purpose_of(theirs)  # the purposes are numbered in this order
    return protective(mine) if protective(mine) != protective(theirs) else link < other


@kernel
def fill_at_open(
    a: Arena, log: Ints, memory: Memory, tape: Tape, account: Terms, rules: Rules, instrument: int, number: int, bar: int
) -> int:
    """Write the next fill at a bar's open: market orders, auctions, stops and limits that the open has passed."""
    left = cap_left(a, memory, tape, rules, instrument, number, bar)
    found, link = np.int64(0), a[instrument + I_LIVE_FIRST]
    while link > 0:
        acts = _acts_at_open(a, memory, tape, rules, instrument, link, bar)
        if acts and left != 0 and _before(a, link, found):
            found = link
        link = a[row(a, S_ORDER, link - 1) + O_NEXT]
    if found == 0:
        return NOTHING
    return _fill_at(a, log, memory, tape, account, rules, instrument, number, bar, found, tape.open[bar], left, True)


@kernel
def _fill_at(
    a: Arena, log: Ints, memory: Memory, tape: Tape, account: Terms, rules: Rules, instrument: int, number: int, bar: int,
    link: int, base: int, left: int, at_open: bool,
) -> int:  # fmt: skip
    """Write the fill of an order at the open or the close, for as much as the volume cap leaves."""
    order = row(a, S_ORDER, link - 1)
    leaves, kind, side = a[order + O_QTY] - a[order + O_FILLED], a[order + O_TYPE], a[order + O_SIDE]
    qty = leaves if left < 0 else min(leaves, left)
    price = base
    if kind != LIMIT and kind != STOP_LIMIT:
        volume = volume_lots(tape.volume[bar], 10 ** a[instrument + I_QTY_EXP])
        price = slipped(rules, base, side, qty, volume, a[instrument + I_TICK])
    moment = tape.start_ns[bar] if at_open else tape.end_ns[bar]
    return write_fill(
        a, log, memory, tape, account, rules, instrument, number, bar, link, base, price, qty, at_open, moment
    )  # fmt: skip


@kernel
def fill_at_close(
    a: Arena, log: Ints, memory: Memory, tape: Tape, account: Terms, rules: Rules, instrument: int, number: int, bar: int,
    which: int,
) -> int:  # fmt: skip
    """Write the next fill at a bar's close.

    Args:
        which: AUCTION (orders of the closing auction), NEW (market orders made at this close) or ALL (older ones too).
    """
    left, price = cap_left(a, memory, tape, rules, instrument, number, bar), tape.close[bar]
    found, link = np.int64(0), a[instrument + I_LIVE_FIRST]
    while link > 0:
        order, tif = row(a, S_ORDER, link - 1), memory.order[link - 1, X_TIF]
        if which == AUCTION:
            old = a[order + O_TIME] <= tape.start_ns[bar]
            reached = a[order + O_TYPE] == MARKET or a[order + O_SIDE] * (price - a[order + O_PRICE]) <= 0
            acts = tif == AT_CLOSE and old and reached
        else:
            new = a[order + O_TIME] == tape.end_ns[bar]
            acts = a[order + O_TYPE] == MARKET and tif < AT_OPEN and (new or which == ALL)
        if acts and left != 0 and _before(a, link, found):
            found = link
        link = a[order + O_NEXT]
    if found == 0:
        return NOTHING
    return _fill_at(a, log, memory, tape, account, rules, instrument, number, bar, found, price, left, False)


@kernel
def fill_hit(
    a: Arena, log: Ints, memory: Memory, tape: Tape, account: Terms, rules: Rules, instrument: int, number: int, bar: int
) -> int:
    """Write the next fill of the walk that was chosen."""
    hit = memory.hits[memory.cursor[C_PATH], memory.cursor[C_HIT]]
    memory.cursor[C_HIT] += 1
    strategy, which = hit[H_ROW] // AT_ROW, hit[H_ROW] % AT_ROW
    link = find_live(a, instrument, strategy, which)
    if link == 0:
        memory.cursor[C_PROBLEM], memory.cursor[C_DETAIL] = LOST_ORDER, hit[H_ROW]
        return FAILED
    # The slot's own order must have worked when the bar began; a guard may have been born within it.
    moment = tape.start_ns[bar] if which == 0 else tape.end_ns[bar]
    return write_fill(
        a, log, memory, tape, account, rules, instrument, number, bar, link, hit[H_BASE], hit[H_PRICE], hit[H_QTY], False, moment
    )  # fmt: skip


@kernel
def _stop_first_price(slot: Ints, which: int, tape: Tape, bar: int, tick: int) -> int:
    """Return the market price at which a guard acts when it is judged once a bar, 0 = it does not."""
    here = level(slot, which, slot[P_HELD], slot[P_BASE], slot[P_BEST], tick)
    if here == 0:
        return 0
    # A stop of a long position lies below, his target above; of a short one the other way round.
    below = (slot[P_HELD] > 0) == (which != 2)
    if below:
        return tape.open[bar] if tape.open[bar] <= here else here if tape.low[bar] <= here else 0
    return tape.open[bar] if tape.open[bar] >= here else here if tape.high[bar] >= here else 0


@kernel
def fill_stop_first(
    a: Arena, log: Ints, memory: Memory, tape: Tape, account: Terms, rules: Rules, instrument: int, number: int, bar: int
) -> int:
    """Write the next fill of a guard that is judged once a bar: stop loss, then trail, then target; not in the entry bar."""
    instruments, left = memory.taken.shape[0], cap_left(a, memory, tape, rules, instrument, number, bar)
    for at in range(number, memory.slot.shape[0], instruments):
        slot = memory.slot[at]
        if slot[P_HELD] == 0 or slot[P_BORN_NS] == tape.end_ns[bar] or left == 0:
            continue
        for which in (1, 3, 2):
            link = find_live(a, instrument, at // instruments, which)
            base = _stop_first_price(slot, which, tape, bar, a[instrument + I_TICK]) if link > 0 else 0
            if base > 0:
                return _fill_at(a, log, memory, tape, account, rules, instrument, number, bar, link, base, left, False)
    return NOTHING


@kernel
def trail_on(memory: Memory, tape: Tape, number: int, bar: int) -> None:
    """Move the best price of positions that were not opened in this bar on to its extreme (memory modified in place)."""
    for at in range(number, memory.slot.shape[0], memory.taken.shape[0]):
        slot = memory.slot[at]
        if slot[P_BORN_NS] == tape.end_ns[bar]:
            continue
        if slot[P_HELD] > 0:
            slot[P_BEST] = max(slot[P_BEST], tape.high[bar])
        elif slot[P_HELD] < 0:
            slot[P_BEST] = min(slot[P_BEST], tape.low[bar])


@kernel
def write_expiries(
    a: Arena, log: Ints, memory: Memory, tape: Tape, instrument: int, number: int, bar: int, at_open: bool
) -> None:
    """Write the ends of orders whose time is over at the open or the close; their wishes may be decided anew."""
    time_ns = tape.start_ns[bar] if at_open else tape.end_ns[bar]
    link = a[instrument + I_LIVE_FIRST]
    while link > 0:
        order = row(a, S_ORDER, link - 1)
        after, tif = a[order + O_NEXT], memory.order[link - 1, X_TIF]
        worked = a[order + O_TIME] <= tape.start_ns[bar]
        if at_open:
            over = tif == IOC or (tif == AT_OPEN and tape.edge[bar] & FIRST_OF_DAY != 0)
        else:
            over = worked and tape.edge[bar] & LAST_OF_DAY != 0 and (tif == DAY or tif == AT_CLOSE)
        if over and not protective(a[order + O_KEY]):
            kind = EventKind.CANCELED if tif == IOC else EventKind.EXPIRED
            write_cancel(a, log, memory, link, number, time_ns, kind)
            forget(memory, slot_of_order(a, memory, order))
        link = after
