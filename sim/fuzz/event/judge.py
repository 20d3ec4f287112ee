"""What a step must have done: the fuzzer's own few numbers against the book's.

Theory of operation. After every event the book's position and cash are compared with sums the fuzzer
keeps itself from the executions it made, the answer to an execution with the only right one, and
what positions and working orders could become with what signals asked for. A refused event
must have changed nothing. These checks are additions and comparisons; the full recount of
`ledger.invariants` runs at the end of each schedule, and after every event when asked for.

Exempt are instruments that the book closed (BLOCKED): a broker that fills more than was
ordered, or fills what it cancelled, or takes fills back, can bring any position about. That the book
closes them is checked by the position's not being allowed to leave its bounds otherwise.
"""

from __future__ import annotations

import numpy as np

from ledger.book import (
    E_EXEC, E_FEE, E_INSTRUMENT, E_KEY, E_KIND, E_PARENT, E_PRICE, E_QTY, E_REVISION, E_SIDE, EVENT_WIDTH,
    H_ADJUSTED, H_CASH, H_CLAIMS, H_DEPOSITS, H_FEES, H_GATES, H_INCOME, H_LIMIT, H_OPEN_COST, H_REALIZED, H_RESERVED, H_SEQ,
    H_UNMATCHED, I_GATES, I_LIMIT, I_LIVE_ENTRIES, I_POSITION, I_WORKING, O_FILLED, O_FLAGS, O_QTY, O_RESERVE, O_SIDE, S_INSTRUMENT,
    S_KEYS, S_ORDER, Arena, find, row,
)  # fmt: skip
from ledger.kernel import inlined, kernel
from ledger.kernels.orders import leaves, live, protective
from ledger.units import try_muldiv
from ledger.vocabulary import EventKind, Gate, Limit, OrderFlag, Outcome
from sim.fuzz.event.layout import (
    AT_EVENT, AT_ROWS, INSTRUMENTS, ROWS, STEPS_MAX, T_ANSWER, T_CLOSED, T_DONE, T_ENDED, T_INSTRUMENT, T_KEY, T_OWNER,
    T_PHASE, T_QTY, T_RECEIVED, T_SENT, T_SIDE, W_ACTOR, W_CASH, W_ENTITY, W_EXECS, W_EXPECTED, W_HIGH, W_LOW, W_POSITION,
    W_ROWS, W_STEPS, W_TASKS, X_INSTRUMENT, X_QTY, X_REVISION, X_SEEN, X_SEEN_FEE, X_SEEN_QTY, X_SEEN_VALUE, X_SIDE, Actor,
    Phase, Violation, World, copy_event, exec_at, task_at,
)  # fmt: skip


@inlined
def expect(w: World) -> None:
    """Note, before an event is applied, the only right answer to it, or -1 where several are (modified in place)."""
    e, kind = AT_EVENT, w[AT_EVENT + E_KIND]
    w[W_EXPECTED] = -1
    if kind == EventKind.FILL:
        x = exec_at(w[e + E_EXEC] - 1)
        revision, seen = w[e + E_REVISION], w[x + X_SEEN]
        if seen < 0 and w[e + E_QTY] == 0:
            w[W_EXPECTED] = Outcome.BAD_EVENT
        elif revision > seen:
            w[W_EXPECTED] = Outcome.APPLIED
        elif revision < seen:
            w[W_EXPECTED] = Outcome.SUPERSEDED
        elif w[e + E_QTY] == w[x + X_SEEN_QTY] and w[e + E_QTY] * w[e + E_PRICE] == w[x + X_SEEN_VALUE]:
            w[W_EXPECTED] = np.int64(Outcome.DUPLICATE) if w[e + E_QTY] > 0 else np.int64(-1)
        else:
            w[W_EXPECTED] = Outcome.KEY_CONFLICT
    elif kind == EventKind.COMMISSION:
        x = exec_at(w[e + E_EXEC] - 1)
        w[W_EXPECTED] = Outcome.DUPLICATE if w[x + X_SEEN_FEE] == 1 else Outcome.APPLIED
        if w[x + X_SEEN] < 0:
            w[W_EXPECTED] = Outcome.UNKNOWN_EXECUTION


@inlined
def after_decision(w: World, outcome: int) -> None:
    """Let the runner remember what was decided (modified in place); AT_TARGET is no news and is not stored."""
    task = task_at(w[W_ENTITY])
    w[task + T_ANSWER] = outcome
    w[task + T_PHASE] = Phase.ANSWERED if outcome == Outcome.AT_TARGET else Phase.DECIDED


@inlined
def after_event(a: Arena, w: World, outcome: int, seq: int, reserved: int) -> Violation:
    """Judge an event that was given to the book (world modified in place).

    Args:
        seq, reserved: of the book before the event.
    """
    if w[W_EXPECTED] >= 0 and outcome != w[W_EXPECTED]:
        return Violation.EXECUTION_ANSWERED_WRONGLY
    if outcome != Outcome.APPLIED:
        if a[H_SEQ] != seq or a[H_RESERVED] != reserved:
            return Violation.REFUSED_EVENT_CHANGED_THE_BOOK
    elif not _kept(w):
        return Violation.NEVER_QUIET
    found = _of_task(a, w, outcome) if w[W_ACTOR] == Actor.TASK else Violation.NONE
    if outcome == Outcome.APPLIED and found == Violation.NONE:
        found = _booked(a, w)
    if found == Violation.NONE:
        found = _sums(a, w)
    return found


@inlined
def _kept(w: World) -> bool:
    """Write the event into the journal (modified in place); False when it is longer than any schedule may be."""
    if w[W_ROWS] >= ROWS or w[W_STEPS] > STEPS_MAX:
        return False
    copy_event(w, AT_ROWS + w[W_ROWS] * EVENT_WIDTH, AT_EVENT)
    w[W_ROWS] += 1
    return True


@inlined
def _of_task(a: Arena, w: World, outcome: int) -> Violation:
    """Take a runner's signal one phase on (modified in place)."""
    task, kind = task_at(w[W_ENTITY]), w[AT_EVENT + E_KIND]
    w[task + T_ANSWER] = outcome
    if outcome == Outcome.APPLIED and kind == EventKind.CLAIM:
        w[task + T_PHASE] = Phase.CLAIMED
        return _claimed(a, w, task)
    if outcome == Outcome.APPLIED and kind == EventKind.SENDING:
        w[task + T_PHASE] = Phase.SENDING
        for number in range(w[W_TASKS]):
            other = task_at(number)
            if w[other + T_KEY] == w[task + T_KEY] and w[other + T_SENT] > 0:
                return Violation.SENT_TWICE
        return Violation.NONE
    w[task + T_PHASE] = Phase.ANSWERED
    return Violation.NONE


@inlined
def _claimed(a: Arena, w: World, task: int) -> Violation:
    """Judge a claim that the book took (modified in place)."""
    e = AT_EVENT
    for number in range(w[W_TASKS]):
        other = task_at(number)
        if w[other + T_KEY] == w[task + T_KEY] and w[other + T_OWNER] == 1:
            return Violation.TWO_CLAIMS_FOR_A_KEY
    if a[H_GATES] & Gate.HALTED:
        return Violation.ENTERED_WHILE_CLOSED
    w[task + T_OWNER], w[task + T_SIDE], w[task + T_QTY] = 1, w[e + E_SIDE], w[e + E_QTY]
    if protective(w[task + T_KEY]):
        if w[e + E_QTY] > _guardable(a, w, w[task + T_INSTRUMENT], w[e + E_SIDE]):
            return Violation.GUARDS_TOO_MUCH
        # A guard of an entry may outlive it, and then it sells what was never bought.
        w[W_LOW + w[task + T_INSTRUMENT]] -= w[e + E_QTY]
        w[W_HIGH + w[task + T_INSTRUMENT]] += w[e + E_QTY]
    # The book says what opened: what `decide` thought of it may be older than what the claim met.
    opened = a[row(a, S_ORDER, find(a, S_KEYS, w[task + T_KEY], S_ORDER)) + O_FLAGS] & OrderFlag.OPENING
    return _allowed(a, w) if opened else Violation.NONE


@kernel
def _guardable(a: Arena, w: World, instrument: int, side: int) -> int:
    """Return how much a guard may sell (or buy back): what is held and what its parent brings, less what other orders take."""
    held = max(np.int64(0), -side * a[row(a, S_INSTRUMENT, instrument) + I_POSITION])
    for number in range(w[W_TASKS]):
        task = task_at(number)
        if w[task + T_OWNER] != 1 or w[task + T_INSTRUMENT] != instrument or protective(w[task + T_KEY]):
            continue
        order = row(a, S_ORDER, find(a, S_KEYS, w[task + T_KEY], S_ORDER))
        if live(a, order) and w[task + T_SIDE] == side:
            held -= leaves(a, order)
        elif live(a, order) and w[task + T_KEY] == w[AT_EVENT + E_PARENT]:
            held += leaves(a, order)
    return held


@kernel
def _allowed(a: Arena, w: World) -> Violation:
    """Judge an entry that the book took against gates and limits, each looked at anew."""
    e = AT_EVENT
    instrument = row(a, S_INSTRUMENT, w[e + E_INSTRUMENT])
    if a[instrument + I_GATES] & Gate.BLOCKED or (w[e + E_SIDE] < 0 and a[H_LIMIT + Limit.ALLOW_SHORT] != 1):
        return Violation.ENTERED_WHILE_CLOSED
    most = a[instrument + I_LIMIT + Limit.MAX_POSITION]
    if most >= 0 and w[e + E_SIDE] * (a[instrument + I_POSITION]) + w[e + E_QTY] > most:
        return Violation.ENTERED_WHILE_CLOSED
    if a[H_CLAIMS] > a[H_LIMIT + Limit.BURST_COUNT]:
        return Violation.ENTERED_WHILE_CLOSED
    opened = np.int64(0)
    for number in range(1, INSTRUMENTS + 1):
        other = row(a, S_INSTRUMENT, number)
        opened += 1 if w[W_POSITION + number] != 0 or a[other + I_LIVE_ENTRIES] > 0 else 0
    first = w[W_POSITION + w[e + E_INSTRUMENT]] == 0 and a[instrument + I_LIVE_ENTRIES] == 1
    if first and opened > a[H_LIMIT + Limit.MAX_OPEN]:
        return Violation.ENTERED_WHILE_CLOSED
    return Violation.NONE


@inlined
def _booked(a: Arena, w: World) -> Violation:
    """Follow an event that the book took (modified in place), and look whether an order was closed that still works."""
    e, kind = AT_EVENT, w[AT_EVENT + E_KIND]
    if kind == EventKind.FILL:
        x = exec_at(w[e + E_EXEC] - 1)
        qty, value = w[e + E_QTY], w[e + E_QTY] * w[e + E_PRICE]
        w[W_POSITION + w[x + X_INSTRUMENT]] += w[x + X_SIDE] * (qty - w[x + X_SEEN_QTY])
        w[W_CASH] -= w[x + X_SIDE] * (value - w[x + X_SEEN_VALUE])
        w[x + X_SEEN], w[x + X_SEEN_QTY], w[x + X_SEEN_VALUE] = w[e + E_REVISION], qty, value
    elif kind == EventKind.COMMISSION:
        w[exec_at(w[e + E_EXEC] - 1) + X_SEEN_FEE] = 1
        w[W_CASH] -= w[e + E_FEE]
    elif EventKind.CANCELED <= kind <= EventKind.REJECTED or kind == EventKind.RELEASED:
        _widen(a, w, row(a, S_ORDER, find(a, S_KEYS, w[e + E_KEY], S_ORDER)))
    elif kind != EventKind.SUBMITTED and kind != EventKind.UNKNOWN:
        return Violation.NONE
    return _orders(a, w)


@kernel
def _widen(a: Arena, w: World, order: int) -> None:
    """Widen the bounds of a position (modified in place) by what an ended order did not trade: others were netted with it."""
    number = find(a, S_KEYS, w[AT_EVENT + E_KEY], S_ORDER)
    left = leaves(a, order)
    for place in range(w[W_TASKS]):
        task = task_at(place)
        if number >= 0 and w[task + T_KEY] == w[AT_EVENT + E_KEY] and w[task + T_OWNER] == 1:
            bound = W_LOW if a[order + O_SIDE] > 0 else W_HIGH
            w[bound + w[task + T_INSTRUMENT]] -= a[order + O_SIDE] * left


@kernel
def _orders(a: Arena, w: World) -> Violation:
    """Look at every order (world modified in place): what the broker works is live, what ended stays so, cash is held for what lives.

    An order that the executions told so far fill may be closed before the broker has closed it.
    """
    reserved = np.int64(0)
    for number in range(w[W_TASKS]):
        task = task_at(number)
        if w[task + T_OWNER] != 1:
            continue
        order = row(a, S_ORDER, find(a, S_KEYS, w[task + T_KEY], S_ORDER))
        lives = live(a, order)
        # Not by `held_cash`: what is to be judged cannot be asked.
        reserved += try_muldiv(a[order + O_RESERVE], leaves(a, order), a[order + O_QTY]) if lives else np.int64(0)
        if lives and w[task + T_ENDED] == 1:
            return Violation.REOPENED
        w[task + T_ENDED] = np.int64(0) if lives else np.int64(1)
        works = w[task + T_RECEIVED] == 1 and w[task + T_CLOSED] == 0
        if works and not lives and leaves(a, order) > 0:
            if not a[row(a, S_INSTRUMENT, w[task + T_INSTRUMENT]) + I_GATES] & Gate.BLOCKED:
                return Violation.CLOSED_WHILE_WORKING
    return Violation.NONE if reserved == a[H_RESERVED] else Violation.RESERVED_IS_NOT_LIVE_ORDERS


@inlined
def _sums(a: Arena, w: World) -> Violation:
    """Compare positions, cash and bounds with the fuzzer's own."""
    if a[H_CASH] != w[W_CASH]:
        return Violation.CASH_IS_NOT_EXECUTIONS
    owed = a[H_DEPOSITS] + a[H_REALIZED] - a[H_FEES] + a[H_INCOME] + a[H_ADJUSTED] + a[H_UNMATCHED]
    if a[H_CASH] + a[H_OPEN_COST] != owed or a[H_RESERVED] < 0:
        return Violation.CASH_IDENTITY
    for number in range(1, INSTRUMENTS + 1):
        instrument = row(a, S_INSTRUMENT, number)
        position = a[instrument + I_POSITION]
        if position != w[W_POSITION + number]:
            return Violation.POSITION_IS_NOT_EXECUTIONS
        coming = position + a[instrument + I_WORKING]
        if (coming < w[W_LOW + number] or coming > w[W_HIGH + number]) and not a[instrument + I_GATES] & Gate.BLOCKED:
            return Violation.WORKING_BEYOND_WISH
    return Violation.NONE


@kernel
def at_the_end(a: Arena, w: World) -> Violation:
    """Judge a schedule that is over: everything is answered, closed, and as the broker has it."""
    for number in range(w[W_TASKS]):
        task = task_at(number)
        if w[task + T_PHASE] != Phase.ANSWERED:
            return Violation.NO_FINAL_ANSWER
        if w[task + T_SENT] > 1:
            return Violation.SENT_TWICE
        if w[task + T_OWNER] != 1:
            continue
        order = row(a, S_ORDER, find(a, S_KEYS, w[task + T_KEY], S_ORDER))
        if a[order + O_FILLED] != w[task + T_DONE]:
            return Violation.FILLED_IS_NOT_EXECUTIONS
        if live(a, order):
            return Violation.ORDER_LIVES_ON
    for number in range(w[W_EXECS]):
        x = exec_at(number)
        if w[x + X_SEEN_QTY] != w[x + X_QTY] or (w[x + X_SEEN] >= 0 and w[x + X_SEEN] != w[x + X_REVISION]):
            return Violation.POSITION_IS_NOT_EXECUTIONS
    return Violation.RESERVED_FOR_NOTHING if a[H_RESERVED] != 0 else Violation.NONE
