"""How a schedule ends: the world becomes quiet, and the broker is asked for everything once more.

Theory of operation. After the chaos each stage works off what is left, in a fixed order and
with next to no choice: runners finish, the broker ends its orders, reports arrive, and then a
reconciliation repeats every execution, every fee and every fate. Orders that the broker never got
are given up with evidence. So whatever was lost on the way is known at the end, and book and
broker can be compared to the last unit.
"""

from __future__ import annotations

from ledger.book import E_KEY, E_KIND, E_PRICE, E_REF, E_REVISION, E_TIME, EVENT_WIDTH
from ledger.kernel import inlined
from ledger.vocabulary import EventKind
from sim.fuzz.event.actors import chaos, deliver, moves, step_of_broker, step_of_task, works, write_fee, write_fill
from sim.fuzz.event.layout import (
    AT_EVENT, AT_ROWS, STEPS_MAX, T_KEY, T_OWNER, T_RECEIVED, W_ACTOR, W_CLOCK, W_ENTITY, W_EXECS, W_REPLAYED, W_REPORTS,
    W_ROWS, W_SCAN, W_STAGE, W_STEPS, W_TASKS, Actor, Op, Stage, X_SEEN, World, clear_event, copy_event, exec_at, task_at,
)  # fmt: skip
from sim.fuzz.event.tape import draw

CHAOS_STEPS = 2 * STEPS_MAX // 3


@inlined
def next_op(w: World) -> Op:
    """Make the next step of a schedule (world modified in place); return what is to be done with its event."""
    w[W_STEPS] += 1
    if 0 <= w[W_REPLAYED] < w[W_ROWS]:
        copy_event(w, AT_EVENT, AT_ROWS + w[W_REPLAYED] * EVENT_WIDTH)
        w[W_REPLAYED] += 1
        w[W_STEPS] -= 1
        w[W_ACTOR] = Actor.REPLAY
        return Op.APPLY
    if w[W_STAGE] == Stage.CHAOS and w[W_STEPS] < CHAOS_STEPS:
        return chaos(w)
    return _quiet(w)


@inlined
def _quiet(w: World) -> Op:
    """Take the next step of the end (modified in place)."""
    if w[W_STAGE] <= Stage.TASKS_END:
        for number in range(w[W_TASKS]):
            if moves(w, task_at(number)):
                return step_of_task(w, number)
        w[W_STAGE] = Stage.BROKER_ENDS
    if w[W_STAGE] == Stage.BROKER_ENDS:
        for number in range(w[W_TASKS]):
            if works(w, task_at(number)):
                return step_of_broker(w, number)
        w[W_STAGE] = Stage.REPORTS_END
    if w[W_STAGE] == Stage.REPORTS_END:
        if w[W_REPORTS] > 0:
            return deliver(w, 0, False)
        w[W_STAGE], w[W_SCAN] = Stage.EXECUTIONS_AGAIN, 0
    return _asked_again(w)


@inlined
def _asked_again(w: World) -> Op:
    """Repeat the next execution, fee or fate (modified in place)."""
    w[W_ACTOR] = Actor.RESYNC
    while w[W_STAGE] < Stage.OVER:
        number, stage = w[W_SCAN], w[W_STAGE]
        w[W_SCAN] += 1
        w[W_ENTITY] = number
        if number < (w[W_TASKS] if stage == Stage.FATES_AGAIN else w[W_EXECS]):
            if stage == Stage.EXECUTIONS_AGAIN:
                write_fill(w, AT_EVENT, number)
                if w[AT_EVENT + E_REVISION] == w[exec_at(number) + X_SEEN] and draw(w, 16) == 15:
                    w[AT_EVENT + E_PRICE] += 7  # the same revision says something else
                return Op.APPLY
            if stage == Stage.FEES_AGAIN:
                write_fee(w, AT_EVENT, number)
                return Op.APPLY
            if w[task_at(number) + T_OWNER] == 1:
                return _fate(w, task_at(number))
        else:
            w[W_STAGE], w[W_SCAN] = stage + 1, 0
    return Op.OVER


@inlined
def _fate(w: World, task: int) -> Op:
    """Say how an order ended (modified in place): at the broker, or that it never got there."""
    e = clear_event(w)
    w[e + E_KIND] = EventKind.CANCELED if w[task + T_RECEIVED] == 1 else EventKind.RELEASED
    w[e + E_KEY], w[e + E_TIME], w[e + E_REF] = w[task + T_KEY], w[W_CLOCK], 1
    return Op.APPLY
