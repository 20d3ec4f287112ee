"""The layout of a schedule's world: one int64 array, addressed like a book's arena.

Theory of operation. A world holds everything a schedule is made of and nothing of the book: the
choice tape, the signals with where each one stands, what the broker truly has, its reports that are
under way, its executions, and the journal's rows. One array and no Python object, because a
compiled function takes an array in a few nanoseconds and a schedule has two thousand.
This file alone knows the layout.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np

from ledger.book import EVENT_WIDTH, Arena
from ledger.kernel import inlined
from ledger.units import INT64_MAX

World = Arena
"""int64[WORLD_WORDS]"""

# What a schedule counts. OWN, WIRE and NEWS are the weights of the three parties, as powers of two.
# SECOND is 1 while the second of the two books is the one in use. LENGTH is -1 while words are
# drawn from the seed, else the length of the tape that is played.
(
    W_CURSOR, W_LENGTH, W_CHANCE, W_TASKS, W_RUNNERS, W_REPORTS, W_EXECS, W_ROWS, W_FAULTS, W_STAGE,
    W_STEPS, W_REPLAYED, W_CASH, W_ACTOR, W_ENTITY, W_CLOCK, W_OWN, W_WIRE, W_NEWS, W_BOOK,
    W_SCAN, W_EXPECTED, W_SECOND,
) = range(23)  # fmt: skip
W_POSITION, W_LOW, W_HIGH = 24, 28, 32
"""By instrument: the fuzzer's own position, and the least and the largest position any signal asked for."""
W_MOVERS, W_WORKERS = 36, 44
"""Numbers of the signals whose runner, and whose order at the broker, can move now."""
HEAD = 52

TASKS, REPORTS, EXECS, ROWS, TAPE = 8, 48, 32, 160, 320
INSTRUMENTS = 2
STEPS_MAX = 160
"""Steps after which a schedule is ended by force; a schedule that needs more is a fault of the scenario."""

# A signal and what became of it: the runner's half, then the broker's half.
(
    T_PHASE, T_RUNNER, T_KEY, T_INSTRUMENT, T_TARGET, T_OWNER, T_SENT, T_ANSWER, T_ASKED,
    T_RECEIVED, T_ACKED, T_CLOSED, T_SIDE, T_QTY, T_DONE, T_LOST, T_ENDED,
) = range(17)  # fmt: skip
TASK_WIDTH = 17

# An execution as the broker has it, and which revision of it the journal has.
X_TASK, X_INSTRUMENT, X_SIDE, X_QTY, X_PRICE, X_REVISION, X_FEE, X_TIME, X_SEEN, X_SEEN_QTY, X_SEEN_VALUE, X_SEEN_FEE = range(12)
EXEC_WIDTH = 12

AT_TASKS = HEAD
AT_SIGNALS = AT_TASKS + TASKS * TASK_WIDTH
AT_CLAIMS = AT_SIGNALS + TASKS * EVENT_WIDTH
AT_REPORTS = AT_CLAIMS + TASKS * EVENT_WIDTH
AT_EXECS = AT_REPORTS + REPORTS * EVENT_WIDTH
AT_EVENT = AT_EXECS + EXECS * EXEC_WIDTH
AT_ROWS = AT_EVENT + EVENT_WIDTH
AT_TAPE = AT_ROWS + ROWS * EVENT_WIDTH
WORLD_WORDS = AT_TAPE + TAPE


class Phase(IntEnum):
    """Where a signal stands in its runner."""

    WISH = 0  # the strategy wants something; nobody decided yet
    DECIDED = 1  # the answer of `decide` is in the runner's memory and nowhere else
    CLAIMED = 2  # the claim is in the journal
    SENDING = 3  # so is SENDING: the next thing is the wire
    RELEASING = 4  # a restart found a claim that was never sent
    DOUBTING = 5  # a restart found an order that may have been sent
    ANSWERED = 6  # nothing is left to do for the runner


class Stage(IntEnum):
    """The parts of a schedule: chaos, then the world becomes quiet and the broker is asked for everything."""

    CHAOS = 0
    TASKS_END = 1
    BROKER_ENDS = 2
    REPORTS_END = 3
    EXECUTIONS_AGAIN = 4
    FEES_AGAIN = 5
    FATES_AGAIN = 6
    OVER = 7


class Actor(IntEnum):
    """Who moved. The faults begin with CRASH."""

    TASK = 0
    BROKER = 1
    REPORT = 2
    REPLAY = 3
    RESYNC = 4
    CRASH = 5
    DUPLICATE = 6
    LOSE_REPORT = 7
    FOREIGN = 8
    CORRECT = 9
    OVERFILL = 10
    LATE_FILL = 11
    OLD_REPORT = 12
    LOSE_ORDER = 13
    CANCEL = 14
    FORGET = 15  # an impatient runner gives an order up without evidence
    AGAIN = 16  # the same decision comes from another runner
    HALT = 17


FIRST_FAULT, ACTORS = int(Actor.CRASH), len(Actor)


class Op(IntEnum):
    """What a step asks the loop to do."""

    NOTHING = 0
    DECIDE = 1
    APPLY = 2
    OVER = 3


class Violation(IntEnum):
    """What a schedule can be convicted of; an Invariant of the book is 100 and its number."""

    NONE = 0
    POSITION_IS_NOT_EXECUTIONS = 1
    CASH_IS_NOT_EXECUTIONS = 2
    REFUSED_EVENT_CHANGED_THE_BOOK = 3
    TWO_CLAIMS_FOR_A_KEY = 4
    SENT_TWICE = 5
    POSITION_BEYOND_WISH = 6
    WORKING_BEYOND_WISH = 7
    CLOSED_WHILE_WORKING = 8
    EXECUTION_ANSWERED_WRONGLY = 9
    REPLAY_REFUSED = 10
    REPLAY_DIFFERS = 11
    NO_FINAL_ANSWER = 12
    FILLED_IS_NOT_EXECUTIONS = 13
    ORDER_LIVES_ON = 14
    RESERVED_FOR_NOTHING = 15
    NEVER_QUIET = 16
    CASH_IDENTITY = 17
    FACT_REFUSED = 18
    ENTERED_WHILE_CLOSED = 19
    REOPENED = 20
    RESERVED_IS_NOT_LIVE_ORDERS = 21
    GUARDS_TOO_MUCH = 22


INVARIANT = 100
"""A verdict beyond this is INVARIANT plus the number of a broken `ledger.invariants.Invariant`."""


@inlined
def task_at(number: int) -> int:
    """Return the address of a signal's row; the mask says that it is not negative, as in `ledger.book.row`."""
    return (AT_TASKS + number * TASK_WIDTH) & INT64_MAX


@inlined
def exec_at(number: int) -> int:
    """Return the address of an execution's row."""
    return (AT_EXECS + number * EXEC_WIDTH) & INT64_MAX


@inlined
def report_at(number: int) -> int:
    """Return the address of a report that is under way."""
    return (AT_REPORTS + number * EVENT_WIDTH) & INT64_MAX


@inlined
def copy_event(w: World, goal: int, source: int) -> None:
    """Copy an event row within the world (modified in place)."""
    goal, source = goal & INT64_MAX, source & INT64_MAX
    for column in range(EVENT_WIDTH):
        w[goal + column] = w[source + column]


@inlined
def clear_event(w: World) -> int:
    """Zero the row of the event that is being made (modified in place); return its address."""
    for column in range(EVENT_WIDTH):
        w[AT_EVENT + column] = 0
    return AT_EVENT


def new_world() -> World:
    """Return an empty world."""
    return np.zeros(WORLD_WORDS, np.int64)
