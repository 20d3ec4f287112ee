"""Who moves next: a signal's runner, the broker, a report under way, or a fault.

Theory of operation. `next_op` makes at most one event row and says what to do with it. In the CHAOS
stage one of all enabled movers is drawn; a mover that is drawn does one step and the book decides
what comes of it. When nothing is enabled or the steps run out, the world becomes quiet: runners
finish, the broker ends its orders, every report arrives, and the broker is asked for every
execution, fee and fate once more, as a reconciliation does. Nothing in here reads the
book, but for a crash, which reads the journal.
"""

from __future__ import annotations

import numpy as np

from ledger.book import (
    E_EXEC, E_FEE, E_INSTRUMENT, E_KEY, E_KIND, E_PRICE, E_QTY, E_REASON, E_REF, E_REVISION, E_SIDE, E_TIME, EVENT_WIDTH,
)  # fmt: skip
from ledger.kernel import inlined, kernel
from ledger.vocabulary import EventKind, Gate
from sim.fuzz.event.layout import (
    AT_CLAIMS, AT_EVENT, EXECS, FIRST_FAULT, REPORTS, T_ACKED, T_ASKED, T_CLOSED, T_DONE, T_INSTRUMENT,
    T_KEY, T_LOST, T_PHASE, T_QTY, T_RECEIVED, T_RUNNER, T_SENT, T_SIDE, W_ACTOR, W_CLOCK, W_ENTITY, W_EXECS,
    W_FAULTS, W_MOVERS, W_NEWS, W_OWN, W_REPLAYED, W_REPORTS, W_RUNNERS, W_STAGE, W_TASKS, W_WIRE, W_WORKERS, X_FEE,
    X_INSTRUMENT, X_PRICE, X_QTY, X_REVISION, X_SEEN, X_SIDE, X_TASK, X_TIME, Actor, Op, Phase, Stage, World, clear_event,
    copy_event, exec_at, report_at, task_at,
)  # fmt: skip
from sim.fuzz.event.plan import PRICE, SHARE
from sim.fuzz.event.tape import draw

_FINAL = np.array([EventKind.CANCELED, EventKind.REJECTED, EventKind.EXPIRED, EventKind.CANCELED], np.int64)
KINDS = len(Actor) - FIRST_FAULT


@inlined
def moves(w: World, task: int) -> bool:
    """Say whether a signal's runner has something to do for it."""
    return w[task + T_PHASE] != Phase.ANSWERED


@inlined
def works(w: World, task: int) -> bool:
    """Say whether the broker has this order and did not close it."""
    return w[task + T_RECEIVED] == 1 and w[task + T_CLOSED] == 0


@inlined
def _event(w: World, kind: int, task: int) -> int:
    """Begin an event about a signal's order (modified in place); return its address."""
    e = clear_event(w)
    w[e + E_KIND], w[e + E_KEY], w[e + E_TIME] = kind, w[task + T_KEY], w[W_CLOCK]
    return e


@kernel
def step_of_task(w: World, number: int) -> Op:
    """Take the runner's next step for a signal (modified in place)."""
    task = task_at(number)
    phase = w[task + T_PHASE]
    w[W_ACTOR], w[W_ENTITY] = Actor.TASK, number
    if phase == Phase.WISH:
        return Op.DECIDE
    if phase == Phase.DECIDED:
        copy_event(w, AT_EVENT, AT_CLAIMS + number * EVENT_WIDTH)
    elif phase == Phase.CLAIMED:
        _event(w, EventKind.SENDING, task)
    elif phase == Phase.RELEASING:
        _event(w, EventKind.RELEASED, task)
    elif phase == Phase.DOUBTING:
        _event(w, EventKind.UNKNOWN, task)
    else:  # the wire: nothing of it is in the book
        w[task + T_SENT] += 1
        w[task + T_PHASE] = Phase.ANSWERED
        if w[task + T_LOST] == 0:
            w[task + T_RECEIVED] = 1
        return Op.NOTHING
    return Op.APPLY


# The broker.


@inlined
def report(w: World, kind: int, task: int) -> int:
    """Put a report of an order under way (modified in place); return its address, or of a place nobody reads when full."""
    number = w[W_REPORTS]
    if number >= REPORTS:
        return AT_EVENT
    w[W_REPORTS] = number + 1
    r = report_at(number)
    for column in range(EVENT_WIDTH):
        w[r + column] = 0
    w[r + E_KIND], w[r + E_KEY], w[r + E_TIME], w[r + E_REF] = kind, w[task + T_KEY], w[W_CLOCK], 1
    return r


@inlined
def write_fill(w: World, goal: int, number: int) -> None:
    """Write an execution as the broker has it into an event row (modified in place)."""
    x = exec_at(number)
    for column in range(EVENT_WIDTH):
        w[goal + column] = 0
    w[goal + E_KIND], w[goal + E_EXEC], w[goal + E_REVISION] = EventKind.FILL, number + 1, w[x + X_REVISION]
    w[goal + E_INSTRUMENT], w[goal + E_SIDE], w[goal + E_QTY] = w[x + X_INSTRUMENT], w[x + X_SIDE], w[x + X_QTY]
    w[goal + E_PRICE], w[goal + E_TIME] = w[x + X_PRICE], w[x + X_TIME]
    if w[x + X_TASK] >= 0:
        w[goal + E_KEY] = w[task_at(w[x + X_TASK]) + T_KEY]


@inlined
def write_fee(w: World, goal: int, number: int) -> None:
    """Write an execution's commission into an event row (modified in place)."""
    for column in range(EVENT_WIDTH):
        w[goal + column] = 0
    w[goal + E_KIND], w[goal + E_EXEC], w[goal + E_FEE] = EventKind.COMMISSION, number + 1, w[exec_at(number) + X_FEE]


@kernel
def execute(w: World, number: int, instrument: int, side: int, qty: int) -> None:
    """Let the broker execute something (modified in place): for a signal's order, or -1 for nobody of ours."""
    if w[W_EXECS] >= EXECS or w[W_REPORTS] + 2 > REPORTS or qty < 1:
        return
    word = draw(w, 64)
    count = w[W_EXECS]
    w[W_EXECS] = count + 1
    x = exec_at(count)
    w[x + X_TASK], w[x + X_INSTRUMENT], w[x + X_SIDE], w[x + X_QTY] = number, instrument, side, qty
    w[x + X_PRICE], w[x + X_REVISION], w[x + X_FEE] = PRICE - 100 * (word & 3), 0, 10**8
    for column in range(X_TIME + 1, X_TIME + 5):
        w[x + column] = 0
    w[x + X_TIME + 1] = -1
    # Executions of two places may bear times in another order than they come in.
    w[x + X_TIME] = w[W_CLOCK] - (2 if (word >> 2 & 7) == 7 else 0)
    if number >= 0:
        w[task_at(number) + T_DONE] += qty
    w[W_REPORTS] += 1
    write_fill(w, report_at(w[W_REPORTS] - 1), count)
    if word >> 5 == 1:
        w[W_REPORTS] += 1
        write_fee(w, report_at(w[W_REPORTS] - 1), count)


@kernel
def end_order(w: World, task: int, fate: int) -> None:
    """Let the broker close an order that is not filled (modified in place)."""
    w[task + T_CLOSED] = 1
    report(w, _FINAL[fate], task)


@kernel
def step_of_broker(w: World, number: int) -> Op:
    """Let the broker do one thing with an order it has (modified in place)."""
    task = task_at(number)
    w[W_ACTOR], w[W_ENTITY] = Actor.BROKER, number
    w[W_CLOCK] += 1
    leaves = w[task + T_QTY] - w[task + T_DONE]
    word = draw(w, 16)
    if w[W_EXECS] >= EXECS or w[W_REPORTS] + 2 > REPORTS:
        end_order(w, task, 0)
    elif w[task + T_ACKED] == 0 and word < 5:
        w[task + T_ACKED] = 1
        report(w, EventKind.SUBMITTED, task)
    elif word < 9 or leaves <= 1:
        execute(w, number, w[task + T_INSTRUMENT], w[task + T_SIDE], leaves)
    elif word < 12 and w[task + T_ASKED] == 0:
        execute(w, number, w[task + T_INSTRUMENT], w[task + T_SIDE], max(1, leaves // 2))
    else:
        end_order(w, task, 0 if w[task + T_DONE] > 0 else word & 3)
    if w[task + T_DONE] >= w[task + T_QTY]:
        w[task + T_CLOSED] = 1
    return Op.NOTHING


@inlined
def deliver(w: World, number: int, keep: bool) -> Op:
    """Deliver a report (modified in place); it stays under way when it is to come twice."""
    copy_event(w, AT_EVENT, report_at(number))
    w[W_ACTOR], w[W_ENTITY] = Actor.REPORT, number
    if not keep:
        drop(w, number)
    return Op.APPLY


@inlined
def drop(w: World, number: int) -> None:
    """Take a report off the way (modified in place); those behind it move up."""
    last = w[W_REPORTS] - 1
    for place in range(number, last):
        copy_event(w, report_at(place), report_at(place + 1))
    w[W_REPORTS] = last


# The choice.


@inlined
def chaos(w: World) -> Op:
    """Draw who moves among all who can, and let them (modified in place)."""
    own, wire = np.int64(0), np.int64(0)
    for number in range(w[W_TASKS]):
        task = task_at(number)
        w[W_MOVERS + own], w[W_WORKERS + wire] = number, number
        own += 1 if moves(w, task) else 0
        wire += 1 if works(w, task) else 0
    total = (own << w[W_OWN]) + (wire << w[W_WIRE]) + (w[W_REPORTS] << w[W_NEWS])
    if total == 0:
        w[W_STAGE] = Stage.TASKS_END
        return Op.NOTHING
    if w[W_FAULTS] > 0 and draw(w, 6) == 5:
        w[W_FAULTS] -= 1
        return _fault(w, FIRST_FAULT + draw(w, KINDS))
    pick = draw(w, total)
    if pick < own << w[W_OWN]:
        return step_of_task(w, w[W_MOVERS + (pick >> w[W_OWN])])
    pick -= own << w[W_OWN]
    if pick < wire << w[W_WIRE]:
        return step_of_broker(w, w[W_WORKERS + (pick >> w[W_WIRE])])
    return deliver(w, (pick - (wire << w[W_WIRE])) >> w[W_NEWS], False)


@kernel
def _fault(w: World, kind: int) -> Op:
    """Let something go wrong (modified in place)."""
    w[W_ACTOR], w[W_ENTITY] = kind, 0
    if kind == Actor.CRASH:
        return _crash(w, draw(w, w[W_RUNNERS]))
    if kind == Actor.HALT:
        e = clear_event(w)
        w[e + E_KIND], w[e + E_REASON], w[e + E_SIDE] = EventKind.GATE, Gate.HALTED, 1 - 2 * draw(w, 2)
        return Op.APPLY
    if kind == Actor.FOREIGN:
        execute(w, -1, 1 + draw(w, 2), 1 - 2 * draw(w, 2), SHARE * (1 + draw(w, 100)))
        return Op.NOTHING
    if kind == Actor.DUPLICATE or kind == Actor.LOSE_REPORT:
        return _fault_of_report(w, kind)
    if kind == Actor.CORRECT or kind == Actor.OLD_REPORT:
        return _fault_of_execution(w, kind)
    return _fault_of_order(w, kind, draw(w, w[W_TASKS]))


@kernel
def _crash(w: World, runner: int) -> Op:
    """Kill a runner (modified in place): what it only remembered is gone, and the journal is replayed."""
    w[W_ENTITY], w[W_REPLAYED] = runner, 0
    for number in range(w[W_TASKS]):
        task = task_at(number)
        if w[task + T_RUNNER] != runner:
            continue
        if w[task + T_PHASE] == Phase.DECIDED:
            w[task + T_PHASE] = Phase.WISH
        elif w[task + T_PHASE] == Phase.CLAIMED:
            w[task + T_PHASE] = Phase.RELEASING
        elif w[task + T_PHASE] == Phase.SENDING or w[task + T_SENT] > 0:
            w[task + T_PHASE] = Phase.DOUBTING
    return Op.NOTHING


@kernel
def _fault_of_report(w: World, kind: int) -> Op:
    """Deliver a report that will come again, or lose one (modified in place)."""
    if w[W_REPORTS] == 0:
        return Op.NOTHING
    number = draw(w, w[W_REPORTS])
    if kind == Actor.DUPLICATE:
        op = deliver(w, number, True)
        w[W_ACTOR] = kind
        return op
    drop(w, number)
    return Op.NOTHING


@kernel
def _fault_of_execution(w: World, kind: int) -> Op:
    """Correct an execution, or tell one again that was told long ago (modified in place)."""
    if w[W_EXECS] == 0:
        return Op.NOTHING
    number = draw(w, w[W_EXECS])
    w[W_ENTITY] = number
    if kind == Actor.OLD_REPORT:
        write_fill(w, AT_EVENT, number)
        way = draw(w, 3)
        if way == 1 and w[AT_EVENT + E_REVISION] > 0:
            w[AT_EVENT + E_REVISION] -= 1
        elif way == 2 and w[AT_EVENT + E_REVISION] == w[exec_at(number) + X_SEEN]:
            w[AT_EVENT + E_PRICE] += 7  # the same revision says something else
        return Op.APPLY
    if w[W_REPORTS] >= REPORTS:
        return Op.NOTHING
    x = exec_at(number)
    way, before = draw(w, 4), w[x + X_QTY]
    w[x + X_REVISION] += 1
    if way == 0:
        w[x + X_PRICE] -= 50
    else:
        w[x + X_QTY] = 0 if way == 1 else max(1, before // way)
    if w[x + X_TASK] >= 0:
        w[task_at(w[x + X_TASK]) + T_DONE] += w[x + X_QTY] - before
    w[W_REPORTS] += 1
    write_fill(w, report_at(w[W_REPORTS] - 1), number)
    return Op.NOTHING


@kernel
def _fault_of_order(w: World, kind: int, number: int) -> Op:
    """Let something go wrong with an order (modified in place)."""
    task = task_at(number)
    w[W_ENTITY] = number
    if kind == Actor.LOSE_ORDER:
        w[task + T_LOST] = 1 if w[task + T_SENT] == 0 else w[task + T_LOST]
    elif kind == Actor.AGAIN:
        w[task + T_PHASE] = Phase.WISH if w[task + T_PHASE] == Phase.ANSWERED else w[task + T_PHASE]
    elif kind == Actor.CANCEL:
        w[task + T_ASKED] = 1
        _event(w, EventKind.CANCEL, task)
        return Op.APPLY
    elif kind == Actor.FORGET:
        _event(w, EventKind.RELEASED, task)
        return Op.APPLY
    elif w[task + T_RECEIVED] == 1 and w[task + T_QTY] > 0:
        if kind == Actor.OVERFILL and w[task + T_CLOSED] == 0:
            execute(w, number, w[task + T_INSTRUMENT], w[task + T_SIDE], w[task + T_QTY] - w[task + T_DONE] + SHARE)
            w[task + T_CLOSED] = 1
        elif kind == Actor.LATE_FILL and w[task + T_CLOSED] == 1:
            execute(w, number, w[task + T_INSTRUMENT], w[task + T_SIDE], SHARE)
    return Op.NOTHING
