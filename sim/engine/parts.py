"""The parts of a step: what happens at a bar's open, within it, at its close, and when wishes are acted upon.

Theory of operation. At one moment an instrument's bar OPENs (day, corporate actions, fills at
the open), its bar closes (fills within it), it is MARKed, the closing auction is held, the
strategies' wishes become orders (SIGNAL), market orders fill at the close that made them where
the profile says so (FILL), and the account is VALUEd once. Every function here writes rows of
the log for the next part, reads the book and changes nothing in it. What concerns the account
(sizes, fees, days, corporate actions, margin calls) is asked of `account`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ledger.book import (
    E_KEY, E_KIND, E_PRICE, E_QTY, H_CASH, H_DAY, H_UNMARKED, H_VALUE, I_LIVE_FIRST, I_POSITION, S_INSTRUMENT, S_KEYS, S_ORDER,
    Arena, find, row, used,
)  # fmt: skip
from ledger.kernel import kernel
from ledger.kernels.orders import protective
from ledger.vocabulary import EventKind
from sim.engine.account import (
    CLEAR, WRITTEN, Terms, new_day, write_action, write_after_fills, write_call, write_day, write_end,
)  # fmt: skip
from sim.engine.claims import JUDGE, act
from sim.engine.exchange import WORSE, Rules
from sim.engine.fills import (
    ALL, AUCTION, FAILED, NEW, NOTHING, fill_at_close, fill_at_open, fill_hit, fill_stop_first, trail_on, write_expiries,
)  # fmt: skip
from sim.engine.guards import forget, rescale, share_out, sync
from sim.engine.layout import (
    C_AMBIGUOUS, C_FILLED, C_FORCE, C_HIT, C_HITS, C_PATH, C_PAUSE, C_PAUSED, C_PROBLEM, C_STAGE, C_STEP, C_VALUES, C_WHO,
    C_WRITTEN, FILL, FILL_REDUCE, MARK, OPEN, REDUCE, SIGNAL, VALUE, X_TIF, Memory, Tape,
)  # fmt: skip
from sim.engine.rows import blank
from sim.engine.walk import alike, keep_walk, walk

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
STOP, DONE, AGAIN = 0, 1, 2
# Parts of an OPEN step.
DAY_PART, ACTION_PART, SHARE_PART, FILL_PART, GUARD_PART, END_PART = range(6)
# Parts of a MARK step.
WALK_PART, GUARDS_FIRST, HIT_PART, HIT_GUARDS, MARK_PART, AUCTION_PART, AUCTION_GUARDS, CLOSE_PART = range(8)


@kernel
def _value(a: Arena, memory: Memory, time_ns: int) -> None:
    """Write one row of the equity curve: time, day, cash, positions, unmarked, positions held."""
    if memory.cursor[C_VALUES] >= memory.values.shape[0]:
        return  # a run on the side keeps no curve
    held = 0
    for number in range(1, used(a, S_INSTRUMENT)):
        held += 1 if a[row(a, S_INSTRUMENT, number) + I_POSITION] != 0 else 0
    line = memory.values[memory.cursor[C_VALUES]]
    line[0], line[1], line[2], line[3] = time_ns, a[H_DAY], a[H_CASH], a[H_VALUE]
    line[4], line[5] = a[H_UNMARKED], held
    memory.cursor[C_VALUES] += 1


@kernel
def _after_action(a: Arena, log: Ints, memory: Memory, number: int, first: int, wish: int) -> None:
    """Carry what the exchange remembers of an instrument over the corporate actions just written (memory modified).

    Args:
        first: the log row they begin at. wish: the first strategy's last target before; it stands when guards alone went.
    """
    ended, guards = False, False
    for at in range(first, memory.cursor[C_WRITTEN]):
        line = log[at]
        if line[E_KIND] == EventKind.SPLIT:
            rescale(memory, number, line[E_QTY], line[E_PRICE])
        if line[E_KIND] == EventKind.CANCELED:
            guards = guards or protective(line[E_KEY])
            ended = ended or not protective(line[E_KEY])
        if line[E_KIND] == EventKind.CLAIM:
            # The account claims an order again under the next leg of its key; it works at the same moment as before.
            old = find(a, S_KEYS, line[E_KEY] - 1, S_ORDER)
            if old >= 0:
                memory.order[used(a, S_ORDER), X_TIF] = memory.order[old, X_TIF]
    if guards and not ended:
        memory.last_target[number] = wish
    if ended:
        for slot in range(number + memory.taken.shape[0], memory.slot.shape[0], memory.taken.shape[0]):
            forget(memory, slot)


@kernel
def _guards(a: Arena, log: Ints, memory: Memory, instrument: int, number: int, time_ns: int) -> int:
    """Bring the guards of every slot of an instrument in line, one row at a time; DONE when they are."""
    instruments = memory.taken.shape[0]
    for at in range(number, memory.slot.shape[0], instruments):
        if sync(a, log, memory, instrument, number, at, time_ns):
            return STOP if memory.cursor[C_PROBLEM] else AGAIN
    return DONE


@kernel
def _write_open(
    a: Arena, log: Ints, memory: Memory, tape: Tape, account: Terms, rules: Rules, actions: Ints, instrument: int, number: int,
    bar: int,
) -> int:  # fmt: skip
    """Write the next part of a bar's open: the day, one corporate action at a time, one fill at a time, what ends."""
    start, cursor = tape.start_ns[bar], memory.cursor
    if cursor[C_STAGE] == DAY_PART:
        cursor[C_STAGE], cursor[C_FILLED], memory.taken[number] = ACTION_PART, 0, 0
        if new_day(a, tape.day[bar]):
            write_day(a, log, memory, account, start, tape.day[bar])
            return AGAIN
    if cursor[C_STAGE] == ACTION_PART:
        first, wish = cursor[C_WRITTEN], memory.last_target[number]
        if write_action(a, log, memory, account, actions, instrument, number, start, tape.day[bar]):
            _after_action(a, log, memory, number, first, wish)
            cursor[C_STAGE] = SHARE_PART
            return AGAIN
        cursor[C_STAGE] = FILL_PART
    if cursor[C_STAGE] == SHARE_PART:
        share_out(a, memory, instrument, number)
        answer = _guards(a, log, memory, instrument, number, start)
        if answer != DONE:
            return answer
        cursor[C_STAGE] = ACTION_PART
        return AGAIN
    if a[instrument + I_LIVE_FIRST] == 0 and cursor[C_FILLED] == 0:
        return DONE
    return _fill_open(a, log, memory, tape, account, rules, instrument, number, bar)


@kernel
def _fill_open(
    a: Arena, log: Ints, memory: Memory, tape: Tape, account: Terms, rules: Rules, instrument: int, number: int, bar: int
) -> int:
    """Write the next fill at the open, then the guards it calls for, then the ends of orders whose time is over."""
    start, cursor = tape.start_ns[bar], memory.cursor
    if cursor[C_STAGE] == GUARD_PART:
        answer = _guards(a, log, memory, instrument, number, start)
        if answer != DONE:
            return answer
        cursor[C_STAGE] = FILL_PART
    if cursor[C_STAGE] == FILL_PART:
        answer = fill_at_open(a, log, memory, tape, account, rules, instrument, number, bar)
        if answer != NOTHING:
            cursor[C_STAGE] = GUARD_PART
            return STOP if answer == FAILED else AGAIN
        cursor[C_STAGE] = END_PART
        write_expiries(a, log, memory, tape, instrument, number, bar, True)
        return AGAIN
    if cursor[C_FILLED]:
        write_after_fills(a, log, memory, account, number, start)
    return DONE


@kernel
def _choose(a: Arena, memory: Memory, tape: Tape, rules: Rules, instrument: int, number: int, bar: int) -> bool:
    """Walk the bar both ways and choose; False when the caller wants to know of an ambiguous bar first."""
    cursor = memory.cursor
    low_hits, low_worth = walk(a, memory, tape, rules, instrument, number, bar, 0)
    high_hits, high_worth = walk(a, memory, tape, rules, instrument, number, bar, 1)
    path = 0
    if not alike(memory):
        if cursor[C_FORCE] == 0 and cursor[C_PAUSE]:
            cursor[C_PAUSED] = 1
            return False
        wanted = cursor[C_FORCE] - 1 if cursor[C_FORCE] else rules.path
        worse = 0 if low_worth <= high_worth else 1
        path = worse if wanted == WORSE else 1 - worse
        cursor[C_AMBIGUOUS] += 1
        cursor[C_FORCE] = 0
    cursor[C_PATH], cursor[C_HIT], cursor[C_HITS] = path, 0, high_hits if path else low_hits
    return True


@kernel
def _write_within(
    a: Arena, log: Ints, memory: Memory, tape: Tape, account: Terms, rules: Rules, instrument: int, number: int, bar: int
) -> int:
    """Write the next part of what happens between a bar's open and its close; DONE when the bar is over."""
    cursor, end = memory.cursor, tape.end_ns[bar]
    if cursor[C_STAGE] == WALK_PART:
        cursor[C_FILLED] = 0
        if rules.stop_first:
            answer = fill_stop_first(a, log, memory, tape, account, rules, instrument, number, bar)
            if answer != NOTHING:
                cursor[C_STAGE] = GUARDS_FIRST
                return STOP if answer == FAILED else AGAIN
        if not _choose(a, memory, tape, rules, instrument, number, bar):
            return STOP
        cursor[C_STAGE] = HIT_PART
    if cursor[C_STAGE] == GUARDS_FIRST or cursor[C_STAGE] == HIT_GUARDS:
        answer = _guards(a, log, memory, instrument, number, end)
        if answer != DONE:
            return answer
        if cursor[C_STAGE] == GUARDS_FIRST and not _choose(a, memory, tape, rules, instrument, number, bar):
            return STOP
        cursor[C_STAGE] = HIT_PART
    if cursor[C_HIT] < cursor[C_HITS]:
        cursor[C_STAGE] = HIT_GUARDS
        return STOP if fill_hit(a, log, memory, tape, account, rules, instrument, number, bar) == FAILED else AGAIN
    keep_walk(a, memory, rules, instrument, number, cursor[C_PATH])
    if rules.stop_first:
        trail_on(memory, tape, number, bar)
    return DONE


@kernel
def _write_close(
    a: Arena, log: Ints, memory: Memory, tape: Tape, account: Terms, rules: Rules, instrument: int, number: int, bar: int
) -> int:
    """Write the next part of a bar's close: what happened within it, its mark, the closing auction, what ends."""
    cursor, end = memory.cursor, tape.end_ns[bar]
    if cursor[C_STAGE] == WALK_PART and a[instrument + I_LIVE_FIRST] == 0:
        line = log[blank(log, memory, EventKind.MARK, end, number)]
        line[E_PRICE] = tape.close[bar]
        return DONE
    if cursor[C_STAGE] < MARK_PART:
        answer = _write_within(a, log, memory, tape, account, rules, instrument, number, bar)
        if answer != DONE:
            return answer
        line = log[blank(log, memory, EventKind.MARK, end, number)]
        line[E_PRICE] = tape.close[bar]
        cursor[C_STAGE] = AUCTION_PART
        return AGAIN
    if cursor[C_STAGE] == AUCTION_GUARDS:
        answer = _guards(a, log, memory, instrument, number, end)
        if answer != DONE:
            return answer
        cursor[C_STAGE] = AUCTION_PART
    if cursor[C_STAGE] == AUCTION_PART:
        last = tape.edge[bar] & 2 != 0
        answer = fill_at_close(a, log, memory, tape, account, rules, instrument, number, bar, AUCTION) if last else NOTHING
        if answer != NOTHING:
            cursor[C_STAGE] = AUCTION_GUARDS
            return STOP if answer == FAILED else AGAIN
        write_expiries(a, log, memory, tape, instrument, number, bar, False)
        cursor[C_STAGE] = CLOSE_PART
        return AGAIN
    if cursor[C_FILLED]:
        write_after_fills(a, log, memory, account, number, end)
    return DONE


@kernel
def _write_fill(
    a: Arena, log: Ints, memory: Memory, tape: Tape, account: Terms, rules: Rules, instrument: int, number: int, bar: int,
    which: int,
) -> int:  # fmt: skip
    """Write the next fill of market orders at the close that made them, then the guards it calls for."""
    cursor, end = memory.cursor, tape.end_ns[bar]
    if cursor[C_STAGE] == 0:
        if a[instrument + I_LIVE_FIRST] == 0:
            return DONE
        cursor[C_FILLED], cursor[C_STAGE] = 0, FILL_PART
    if cursor[C_STAGE] == GUARD_PART:
        answer = _guards(a, log, memory, instrument, number, end)
        if answer != DONE:
            return answer
        cursor[C_STAGE] = FILL_PART
    if cursor[C_STAGE] == FILL_PART:
        answer = fill_at_close(a, log, memory, tape, account, rules, instrument, number, bar, which)
        if answer != NOTHING:
            cursor[C_STAGE] = GUARD_PART
            return STOP if answer == FAILED else AGAIN
        if cursor[C_FILLED]:
            write_after_fills(a, log, memory, account, number, end)
    return DONE


@kernel
def _write_signal(
    a: Arena, log: Ints, memory: Memory, tape: Tape, wishes: Floats, account: Terms, rules: Rules, instrument: int, number: int,
    bar: int, reducing: bool,
) -> int:  # fmt: skip
    """Write the next part of acting on the wishes of all strategies in an instrument, one strategy after the other."""
    cursor = memory.cursor
    if cursor[C_WHO] == 0 and cursor[C_STAGE] == JUDGE:
        called = write_call(a, log, memory, account, instrument, number, tape.end_ns[bar])
        if called != CLEAR:
            return AGAIN if called == WRITTEN else DONE
    while cursor[C_WHO] < wishes.shape[0]:
        who = cursor[C_WHO]
        at = who * memory.taken.shape[0] + number
        stage = act(
            a, log, memory, tape, account, rules, wishes[who, bar], at, instrument, number, bar, cursor[C_STAGE], reducing
        )  # fmt: skip
        if cursor[C_PROBLEM]:
            return STOP
        cursor[C_STAGE] = stage
        if stage != JUDGE:
            return AGAIN
        cursor[C_WHO] += 1
    cursor[C_WHO] = 0
    return DONE


@kernel
def write(
    a: Arena, log: Ints, memory: Memory, steps: Ints, tape: Tape, wishes: Floats, account: Terms, rules: Rules, actions: Ints
) -> int:
    """Write the rows of the step under the cursor, or of its next part; read the book, change nothing in it.

    Returns:
        DONE, AGAIN (book what is written, then ask for the rest), or STOP with a problem or a pause in the cursor.
    """
    step = steps[memory.cursor[C_STEP]]
    kind, number, bar = step[0], step[1], step[2]
    if kind == VALUE:
        _value(a, memory, tape.end_ns[bar])
        return DONE
    instrument = row(a, S_INSTRUMENT, number)
    if kind == OPEN:
        return _write_open(a, log, memory, tape, account, rules, actions, instrument, number, bar)
    if kind == MARK:
        return _write_close(a, log, memory, tape, account, rules, instrument, number, bar)
    if kind == SIGNAL or kind == REDUCE:
        return _write_signal(a, log, memory, tape, wishes, account, rules, instrument, number, bar, kind == REDUCE)
    if kind == FILL or kind == FILL_REDUCE:
        which = ALL if kind == FILL else NEW
        return _write_fill(a, log, memory, tape, account, rules, instrument, number, bar, which)
    return AGAIN if write_end(a, log, memory, account, instrument, number, tape.end_ns[bar]) else DONE
