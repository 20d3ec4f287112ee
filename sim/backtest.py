"""The backtest loop: bars in, events out, every one of them through the book.

Theory of operation. The tape of all instruments is cut into steps, sorted by time:
an instrument's bar OPENs (corporate actions, then fills), its bar closes and is
MARKed, the strategy is asked for a SIGNAL, and the account is VALUEd once per
moment. A step writes its events into the next rows of the log, and they are applied
to the book from there, so the log is exactly the journal of the run and replaying it
gives the same book. The loop holds no position, no cash and no order of its own: pending
orders are the book's live orders.

The loop cannot allocate. When the log or a section of the book runs out of room it
stops between two steps; the caller makes room and calls again with the same cursor.
A signal is acted upon when its target differs from the last one that was accepted,
so equity that drifts does not trade, and a refused signal is tried again next bar.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ledger.book import (
    E_CASH, E_EXEC, E_FEE, E_INSTRUMENT, E_KEY, E_KIND, E_PRICE, E_QTY, E_REVISION, E_SIDE, E_TARGET, E_TIME, H_CASH,
    H_DAY, H_UNMARKED, H_VALUE, I_DIVIDE, I_LIVE_FIRST, I_LOTS, I_MULTIPLY, I_POSITION, I_QTY_EXP, I_STEP, I_TICK,
    O_FILLED, O_KEY, O_NEXT, O_QTY, O_SIDE, O_TIME, S_ALLOC, S_ENTRY, S_INSTRUMENT, S_LOT, S_ORDER, S_UNMATCHED, Arena,
    room, row, used,
)  # fmt: skip
from ledger.core import apply_event, decide_into
from ledger.kernel import jit, kernel
from ledger.keys import pack
from ledger.kernels.gate import notional
from ledger.units import muldiv
from ledger.vocabulary import EventKind, Outcome, Purpose
from sim.costs import NOTHING, CostModel, commission, next_fill_commission
from sim.exchange import Fill, judge, next_open, worst_price
from strategies.api import MARKET, Bars
from strategies.sizing import fixed, fraction_e6, percent_of_equity

Ints = NDArray[np.int64]
OPEN, MARK, SIGNAL, VALUE, END = 0, 1, 2, 3, 4
BY_SHARES, BY_PERCENT = 0, 1
SPLIT, DIVIDEND = 0, 1
C_STEP, C_LOG, C_WRITTEN, C_VALUES, C_EXEC, C_PROBLEM, C_DETAIL = range(7)
CURSOR = 7
STOP, DONE, AGAIN = 0, 1, 2
STEP_ROOM = 64
"""Log rows one part of a step may need: the fills and fees of all working orders of an instrument."""
NO_TARGET = -(2**62)

# What stopped the loop for good (C_PROBLEM); 0 while nothing did.
APPLY_FAILED, FILL_DISHONEST, ORDER_TYPE, BAD_TARGET = 1, 2, 3, 4


class Tape(NamedTuple):
    """The bars of all instruments, one after the other; instrument j owns offset[j]..offset[j+1]."""

    start_ns: Ints
    end_ns: Ints
    day: Ints
    open: Ints
    high: Ints
    low: Ints
    close: Ints
    offset: Ints


class Sight(NamedTuple):
    """What strategies see of the tape: floats, adjusted, laid out like the tape; columns row by row per instrument."""

    open: NDArray[np.float64]
    high: NDArray[np.float64]
    low: NDArray[np.float64]
    close: NDArray[np.float64]
    volume: NDArray[np.float64]
    columns: NDArray[np.float64]
    rows: int


class Plan(NamedTuple):
    """The numbers of a run."""

    strategy: int
    size: int
    amount: int
    worst_bps: int


class Memory(NamedTuple):
    """What a run remembers between calls of the loop."""

    cursor: Ints
    last_target: Ints
    next_action: Ints
    state: NDArray[np.float64]
    signal: Ints
    values: Ints


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
def _blank(log: Ints, memory: Memory, kind: int, time_ns: int, instrument: int) -> int:
    """Take the next log row, zeroed, with kind, time and instrument set (modified in place); return its number."""
    number = memory.cursor[C_WRITTEN]
    memory.cursor[C_WRITTEN] = number + 1
    line = log[number]
    for column in range(line.shape[0]):
        line[column] = 0
    line[E_KIND], line[E_TIME], line[E_INSTRUMENT] = kind, time_ns, instrument
    return int(number)


@kernel
def _write_day(a: Arena, log: Ints, memory: Memory, time_ns: int, day: int) -> None:
    """Write the beginning of a trading day when the bar belongs to a later one than the book's."""
    if day > a[H_DAY]:
        line = log[_blank(log, memory, EventKind.DAY, time_ns, 0)]
        line[E_REVISION] = day


@kernel
def _write_ends(a: Arena, log: Ints, memory: Memory, instrument: int, number: int, time_ns: int, kind: int) -> None:
    """Write an event of this kind for every working order of an instrument."""
    link = a[instrument + I_LIVE_FIRST]
    while link > 0:
        order = row(a, S_ORDER, link - 1)
        line = log[_blank(log, memory, kind, time_ns, number)]
        line[E_KEY] = a[order + O_KEY]
        link = a[order + O_NEXT]


@kernel
def _write_action(
    a: Arena, log: Ints, memory: Memory, actions: Ints, instrument: int, number: int, time_ns: int, day: int
) -> bool:
    """Write the next corporate action due at this open; False when there is none.

    A split cancels working orders, whose quantity it would falsify, and the wish is decided anew.
    """
    at = memory.next_action[number]
    if at >= actions.shape[0] or actions[at, 0] != number or actions[at, 1] > day:
        return False
    memory.next_action[number] += 1
    if actions[at, 2] == SPLIT:
        _write_ends(a, log, memory, instrument, number, time_ns, EventKind.CANCELED)
        memory.last_target[number] = NO_TARGET
        line = log[_blank(log, memory, EventKind.SPLIT, time_ns, number)]
        line[E_QTY], line[E_PRICE] = actions[at, 3], actions[at, 4]
        return True
    amount = muldiv(a[instrument + I_POSITION], actions[at, 5], 10 ** a[instrument + I_QTY_EXP])
    if amount != 0:
        line = log[_blank(log, memory, EventKind.DIVIDEND, time_ns, number)]
        line[E_CASH] = amount
    return True


@kernel
def _write_fills(
    a: Arena, log: Ints, memory: Memory, tape: Tape, costs: CostModel, instrument: int, number: int, bar: int
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
        side, qty = a[order + O_SIDE], a[order + O_QTY] - a[order + O_FILLED]
        memory.cursor[C_EXEC] += 1
        line = log[_blank(log, memory, EventKind.FILL, time_ns, number)]
        line[E_KEY], line[E_SIDE], line[E_QTY], line[E_PRICE] = a[order + O_KEY], side, qty, price
        line[E_EXEC] = memory.cursor[C_EXEC]
        value = notional(a, instrument, price, qty)
        line = log[_blank(log, memory, EventKind.COMMISSION, time_ns, number)]
        line[E_EXEC] = memory.cursor[C_EXEC]
        line[E_FEE] = next_fill_commission(costs, NOTHING, side, qty, price, value, 10 ** a[instrument + I_QTY_EXP])
        link = a[order + O_NEXT]
    return True


@jit
def _lots_for(a: Arena, plan: Plan, instrument: int, target_e6: int, price: int) -> int:
    """Return the position in lots that a target means now."""
    if plan.size == BY_SHARES:
        return fixed(target_e6, plan.amount, a[instrument + I_STEP])
    equity = a[H_CASH] + a[H_VALUE]
    return percent_of_equity(
        target_e6, plan.amount, equity, price, a[instrument + I_MULTIPLY], a[instrument + I_DIVIDE], a[instrument + I_STEP]
    )


@kernel
def _write_claim(
    a: Arena, log: Ints, memory: Memory, plan: Plan, costs: CostModel, instrument: int, number: int, time_ns: int,
    target: int, price: int,
) -> None:  # fmt: skip
    """Hand a wanted position to the gate; write the claim and its acknowledgement, or the refusal."""
    signal = memory.signal
    for column in range(signal.shape[0]):
        signal[column] = 0
    side = 1 if target >= a[instrument + I_POSITION] else -1
    worst = worst_price(price, side, plan.worst_bps)
    most = abs(target) + abs(a[instrument + I_POSITION])
    scale = 10 ** a[instrument + I_QTY_EXP]
    signal[E_KIND], signal[E_TIME], signal[E_INSTRUMENT] = EventKind.SIGNAL, time_ns, number
    signal[E_KEY] = pack(plan.strategy, number, Purpose.TARGET, time_ns // 1_000_000_000, 0)
    signal[E_TARGET], signal[E_PRICE] = target, worst
    signal[E_FEE] = commission(costs, side, most, worst, notional(a, instrument, worst, most), scale)
    answer = decide_into(a, signal, log[memory.cursor[C_WRITTEN]])
    if answer == Outcome.AT_TARGET:
        return
    memory.cursor[C_WRITTEN] += 1
    if answer != Outcome.APPLIED:
        memory.last_target[number] = NO_TARGET
        return
    line = log[_blank(log, memory, EventKind.SUBMITTED, time_ns, number)]
    line[E_KEY] = signal[E_KEY]


@jit
def _ask(
    a: Arena, log: Ints, memory: Memory, tape: Tape, sight: Sight, plan: Plan, costs: CostModel, on_bar: Any, params: Any,
    number: int, bar: int,
) -> bool:  # fmt: skip
    """Ask the strategy at a bar's close and act when the target is a new one."""
    first, last = tape.offset[number - 1], tape.offset[number]
    bars = Bars(
        tape.end_ns[first:last], sight.open[first:last], sight.high[first:last], sight.low[first:last],
        sight.close[first:last], sight.volume[first:last],
    )  # fmt: skip
    block = sight.columns[sight.rows * first : sight.rows * last].reshape((sight.rows, last - first))
    wish = on_bar(bars, block, bar - first, memory.state[number], params)
    if math.isnan(wish.target):
        return True
    if wish.order_type != MARKET:
        memory.cursor[C_PROBLEM], memory.cursor[C_DETAIL] = ORDER_TYPE, wish.order_type
        return False
    if not -1.0 <= wish.target <= 1.0:
        memory.cursor[C_PROBLEM], memory.cursor[C_DETAIL] = BAD_TARGET, number
        return False
    target_e6 = fraction_e6(wish.target)
    if target_e6 == memory.last_target[number]:
        return True
    memory.last_target[number] = target_e6
    instrument = row(a, S_INSTRUMENT, number)
    lots = _lots_for(a, plan, instrument, target_e6, tape.close[bar])
    _write_claim(a, log, memory, plan, costs, instrument, number, tape.end_ns[bar], lots, tape.close[bar])
    return True


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
    a: Arena, log: Ints, memory: Memory, tape: Tape, costs: CostModel, actions: Ints, instrument: int, number: int, bar: int
) -> int:
    """Write the next part of a bar's open: the day, then one corporate action at a time, then the fills."""
    start, day = tape.start_ns[bar], tape.day[bar]
    if day > a[H_DAY]:
        _write_day(a, log, memory, start, day)
        return AGAIN
    if actions.shape[0] > 0 and _write_action(a, log, memory, actions, instrument, number, start, day):
        return AGAIN
    return DONE if _write_fills(a, log, memory, tape, costs, instrument, number, bar) else STOP


@jit
def _write(
    a: Arena, log: Ints, memory: Memory, steps: Ints, tape: Tape, sight: Sight, plan: Plan, costs: CostModel, actions: Ints,
    on_bar: Any, params: Any,
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
        return _write_open(a, log, memory, tape, costs, actions, instrument, number, bar)
    if kind == MARK:
        line = log[_blank(log, memory, EventKind.MARK, tape.end_ns[bar], number)]
        line[E_PRICE] = tape.close[bar]
        return DONE
    if kind == SIGNAL:
        return DONE if _ask(a, log, memory, tape, sight, plan, costs, on_bar, params, number, bar) else STOP
    _write_ends(a, log, memory, instrument, number, tape.end_ns[bar], EventKind.EXPIRED)
    return DONE


@jit
def loop(
    a: Arena, log: Ints, memory: Memory, steps: Ints, tape: Tape, sight: Sight, plan: Plan, costs: CostModel, actions: Ints,
    on_bar: Any, params: Any,
) -> bool:  # fmt: skip
    """Run steps from the cursor on; book, log and memory are modified in place.

    Args:
        a: the book's arena, instruments defined, limits set, cash deposited.
        log: int64[n, EVENT_WIDTH]. steps: int64[m, 3] of (kind, instrument id, index into the tape).
        actions: int64[k, 6] of (instrument id, day, SPLIT | DIVIDEND, numerator, denominator, amount_e8), sorted.
        on_bar, params: the strategy.
    Returns:
        True when all steps are done; False when room ran out (no problem noted) or a problem stands in the cursor.
    """
    while memory.cursor[C_STEP] < steps.shape[0]:
        if not _roomy(a, log, memory, steps[memory.cursor[C_STEP], 1]):
            return False
        answer = _write(a, log, memory, steps, tape, sight, plan, costs, actions, on_bar, params)
        if answer == STOP or not _book_rows(a, log, memory):
            return False
        if answer == DONE:
            memory.cursor[C_STEP] += 1
    return True
