"""The backtest loop: steps in, events out, every one of them through the book.

Theory of operation. The tape of all instruments is cut into steps, sorted by time:
an instrument's bar OPENs (corporate actions, then fills), its bar closes and is
MARKed, the strategy's wish becomes a SIGNAL, and the account is VALUEd once per
moment. A step writes its events into the next rows of the log, and they are applied
to the book from there, so the log is exactly the journal of the run and replaying it
gives the same book. The loop holds no position, no cash and no order of its own: pending
orders are the book's live orders. What concerns the account (sizes, fees, days, corporate
actions) is asked of `account.py`.

The loop cannot allocate. When the log or a section of the book runs out of room it
stops between two steps; the caller makes room and calls again with the same cursor.
A signal is acted upon when its target differs from the last one that was accepted,
so equity that drifts does not trade, and a refused signal is tried again next bar.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ledger.book import (
    E_EXEC, E_FEE, E_INSTRUMENT, E_KEY, E_KIND, E_PRICE, E_QTY, E_SIDE, E_TARGET, E_TIME, H_CASH, H_DAY, H_UNMARKED, H_VALUE,
    I_LIVE_FIRST, I_LOTS, I_POSITION, I_TICK, O_FILLED, O_KEY, O_NEXT, O_QTY, O_SIDE, O_TIME, S_ALLOC, S_ENTRY,
    S_INSTRUMENT, S_LOT, S_ORDER, S_UNMATCHED, Arena, room, row, used,
)  # fmt: skip
from ledger.core import apply_event, decide_into
from ledger.kernel import jit, kernel
from ledger.keys import pack
from ledger.vocabulary import EventKind, Outcome, Purpose
from sim.engine.account import (
    CLEAR, UNSIZED, WRITTEN, Terms, fill_fee, lots_for, new_day, worst_fee, write_action, write_after_fills, write_call,
    write_credit, write_day, write_end,
)  # fmt: skip
from sim.engine.exchange import Fill, judge, next_open, worst_price
from sim.engine.layout import (
    APPLY_FAILED, BAD_TARGET, C_DETAIL, C_EXEC, C_LOG, C_PROBLEM, C_STAGE, C_STEP, C_VALUES, C_WRITTEN, FILL_DISHONEST, MARK,
    NO_TARGET, OPEN, ORDER_TYPE, SIGNAL, STEP_ROOM, VALUE, Memory, Tape,
)  # fmt: skip
from sim.engine.rows import blank
from sim.engine.signals import W_TARGET, W_TYPE
from strategies.api import MARKET
from strategies.sizing import fraction_e6

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
STOP, DONE, AGAIN = 0, 1, 2
DAY_STAGE, ACTION_STAGE, FILL_STAGE, AFTER_STAGE = range(4)


@kernel
def _book_rows(a: Arena, log: Ints, memory: Memory) -> bool:
    """Apply the rows written but not yet booked (book modified in place); False when the book refused one.

    This is the only function here that calls `apply_event`: numba optimises all of
    the core again for each function that does, four seconds apiece.
    """
    cursor = memory.cursor
    while cursor[C_LOG] < cursor[C_WRITTEN]:
        answer = apply_event(a, log[cursor[C_LOG]])
        if answer != Outcome.APPLIED:
            cursor[C_PROBLEM], cursor[C_DETAIL] = APPLY_FAILED, answer.value
            return False
        cursor[C_LOG] += 1
    return True


@kernel
def _write_fills(
    a: Arena, log: Ints, memory: Memory, tape: Tape, account: Terms, instrument: int, number: int, bar: int
) -> bool:
    """Write a fill and its commission for every working order of the instrument, at the bar's open."""
    price, time_ns = next_open(tape.open[bar]), tape.start_ns[bar]
    link = a[instrument + I_LIVE_FIRST]
    while link > 0:
        order = row(a, S_ORDER, link - 1)
        honest = judge(price, tape.low[bar], tape.high[bar], a[instrument + I_TICK], time_ns, a[order + O_TIME])
        if honest != Fill.HONEST:
            memory.cursor[C_PROBLEM], memory.cursor[C_DETAIL] = FILL_DISHONEST, honest.value
            return False
        qty = a[order + O_QTY] - a[order + O_FILLED]
        memory.cursor[C_EXEC] += 1
        line = log[blank(log, memory, EventKind.FILL, time_ns, number)]
        line[E_KEY], line[E_SIDE], line[E_QTY], line[E_PRICE] = a[order + O_KEY], a[order + O_SIDE], qty, price
        line[E_EXEC] = memory.cursor[C_EXEC]
        line = log[blank(log, memory, EventKind.COMMISSION, time_ns, number)]
        line[E_EXEC] = memory.cursor[C_EXEC]
        line[E_FEE] = fill_fee(a, account, instrument, order, qty, price)
        link = a[order + O_NEXT]
    return True


@kernel
def _write_claim(
    a: Arena, log: Ints, memory: Memory, account: Terms, strategy: int, worst_bps: int, instrument: int, number: int,
    time_ns: int, target: int, price: int,
) -> None:  # fmt: skip
    """Hand a wanted position to the gate; write the claim and its acknowledgement, or the refusal."""
    signal = memory.signal
    for column in range(signal.shape[0]):
        signal[column] = 0
    side = 1 if target >= a[instrument + I_POSITION] else -1
    worst = worst_price(price, side, worst_bps)
    most = abs(target) + abs(a[instrument + I_POSITION])
    signal[E_KIND], signal[E_TIME], signal[E_INSTRUMENT] = EventKind.SIGNAL, time_ns, number
    signal[E_KEY] = pack(strategy, number, Purpose.TARGET, time_ns // 1_000_000_000, 0)
    signal[E_TARGET], signal[E_PRICE] = target, worst
    signal[E_FEE] = worst_fee(a, account, instrument, side, most, worst)
    answer = decide_into(a, signal, log[memory.cursor[C_WRITTEN]])
    if answer == Outcome.AT_TARGET:
        return
    memory.cursor[C_WRITTEN] += 1
    if answer != Outcome.APPLIED:
        memory.last_target[number] = NO_TARGET
        return
    line = log[blank(log, memory, EventKind.SUBMITTED, time_ns, number)]
    line[E_KEY] = signal[E_KEY]


@jit
def _act(
    a: Arena, log: Ints, memory: Memory, tape: Tape, wishes: Floats, account: Terms, plan: tuple[int, int], number: int, bar: int
) -> int:
    """Act on the strategy's wish at a bar's close when its target is a new one; return DONE, AGAIN or STOP."""
    wish, instrument, time_ns = wishes[bar], row(a, S_INSTRUMENT, number), tape.end_ns[bar]
    called = write_call(a, log, memory, account, instrument, number, time_ns)
    if called != CLEAR:
        return AGAIN if called == WRITTEN else DONE
    if math.isnan(wish[W_TARGET]):
        return DONE
    if wish[W_TYPE] != MARKET:
        memory.cursor[C_PROBLEM], memory.cursor[C_DETAIL] = ORDER_TYPE, int(wish[W_TYPE])
        return STOP
    if not -1.0 <= wish[W_TARGET] <= 1.0:
        memory.cursor[C_PROBLEM], memory.cursor[C_DETAIL] = BAD_TARGET, number
        return STOP
    target_e6 = fraction_e6(wish[W_TARGET])
    if target_e6 == memory.last_target[number]:
        return DONE
    close = tape.close[bar]
    lots = lots_for(a, account, tape, instrument, number, bar, target_e6, close)
    if lots == UNSIZED:
        return DONE
    worst = worst_price(close, 1 if lots >= a[instrument + I_POSITION] else -1, plan[1])
    if write_credit(a, log, memory, account, instrument, time_ns, lots, worst):
        return AGAIN
    memory.last_target[number] = target_e6
    _write_claim(a, log, memory, account, plan[0], plan[1], instrument, number, time_ns, lots, close)
    return DONE


@kernel
def _value(a: Arena, memory: Memory, time_ns: int) -> None:
    """Write one row of the equity curve: time, day, cash, positions, unmarked, positions held."""
    held = 0
    for number in range(1, used(a, S_INSTRUMENT)):
        held += 1 if a[row(a, S_INSTRUMENT, number) + I_POSITION] != 0 else 0
    line = memory.values[memory.cursor[C_VALUES]]
    line[0], line[1], line[2], line[3] = time_ns, a[H_DAY], a[H_CASH], a[H_VALUE]
    line[4], line[5] = a[H_UNMARKED], held
    memory.cursor[C_VALUES] += 1


@kernel
def _roomy(a: Arena, log: Ints, memory: Memory, number: int) -> bool:
    """Say whether one more step is sure to find room in the log and in every section of the book."""
    lots = a[row(a, S_INSTRUMENT, number) + I_LOTS] if number > 0 else 0
    return (
        log.shape[0] - memory.cursor[C_LOG] >= STEP_ROOM
        and room(a, S_ORDER) >= 2
        and room(a, S_ENTRY) >= STEP_ROOM
        and room(a, S_LOT) >= 4
        and room(a, S_ALLOC) >= lots + STEP_ROOM
        and room(a, S_UNMATCHED) >= 4
    )


@kernel
def _write_open(
    a: Arena, log: Ints, memory: Memory, tape: Tape, account: Terms, actions: Ints, instrument: int, number: int, bar: int
) -> int:
    """Write the next part of a bar's open: the day, one corporate action at a time, the fills, what follows from them."""
    start, day, cursor = tape.start_ns[bar], tape.day[bar], memory.cursor
    if cursor[C_STAGE] == DAY_STAGE:
        cursor[C_STAGE] = ACTION_STAGE
        if new_day(a, day):
            write_day(a, log, memory, account, start, day)
            return AGAIN
    if cursor[C_STAGE] == ACTION_STAGE:
        if write_action(a, log, memory, account, actions, instrument, number, start, day):
            return AGAIN
        cursor[C_STAGE] = FILL_STAGE
    if cursor[C_STAGE] == FILL_STAGE:
        cursor[C_STAGE] = AFTER_STAGE
        before = cursor[C_WRITTEN]
        if not _write_fills(a, log, memory, tape, account, instrument, number, bar):
            return STOP
        if cursor[C_WRITTEN] == before:
            return DONE
        return AGAIN
    write_after_fills(a, log, memory, account, number, start)
    return DONE


@jit
def _write(
    a: Arena, log: Ints, memory: Memory, steps: Ints, tape: Tape, wishes: Floats, account: Terms, plan: tuple[int, int],
    actions: Ints,
) -> int:  # fmt: skip
    """Write the rows of the step under the cursor, or of its next part; read the book, change nothing in it.

    Returns:
        DONE, AGAIN (book what is written, then ask for the rest), or STOP with a problem in the cursor.
    """
    step = steps[memory.cursor[C_STEP]]
    kind, number, bar = step[0], step[1], step[2]
    if kind == VALUE:
        _value(a, memory, tape.end_ns[bar])
        return DONE
    instrument = row(a, S_INSTRUMENT, number)
    if kind == OPEN:
        return _write_open(a, log, memory, tape, account, actions, instrument, number, bar)
    if kind == MARK:
        line = log[blank(log, memory, EventKind.MARK, tape.end_ns[bar], number)]
        line[E_PRICE] = tape.close[bar]
        return DONE
    if kind == SIGNAL:
        return _act(a, log, memory, tape, wishes, account, plan, number, bar)
    return AGAIN if write_end(a, log, memory, account, instrument, number, tape.end_ns[bar]) else DONE


@jit
def loop(
    a: Arena, log: Ints, memory: Memory, steps: Ints, tape: Tape, wishes: Floats, account: Terms, plan: tuple[int, int],
    actions: Ints,
) -> bool:  # fmt: skip
    """Run steps from the cursor on; book, log and memory are modified in place.

    Args:
        a: the book's arena, instruments defined, limits set, cash deposited.
        log: int64[n, EVENT_WIDTH]. steps: int64[m, 3] of (kind, instrument id, index into the tape).
        wishes: float64[bars of the tape, WISH]. account: its numbers. plan: strategy id, worst_bps of market orders.
        actions: int64[k, 6] of (instrument id, day, SPLIT | DIVIDEND, numerator, denominator, amount_e8), sorted.
    Returns:
        True when all steps are done; False when room ran out (no problem noted) or a problem stands in the cursor.
    """
    while memory.cursor[C_STEP] < steps.shape[0]:
        if not _roomy(a, log, memory, steps[memory.cursor[C_STEP], 1]):
            return False
        answer = _write(a, log, memory, steps, tape, wishes, account, plan, actions)
        if answer == STOP or not _book_rows(a, log, memory):
            return False
        if answer == DONE:
            memory.cursor[C_STEP] += 1
            memory.cursor[C_STAGE] = 0
    return True
