"""The backtest loop: steps in, events out, every one of them through the book.

Theory of operation. The tape of all instruments is cut into steps, sorted by time. A step
writes its events into the next rows of the log (`parts.py`), and they are applied to the
book from there, so the log is exactly the journal of the run and replaying it gives the same
book. A step has parts, because most decisions look at the book after the event before;
C_STAGE says which part comes next. The loop holds no position, no cash and no order of its
own: pending orders are the book's live orders.

The loop cannot allocate. When the log or a section of the book runs out of room it
stops between two parts; the caller makes room and calls again with the same cursor.
It also stops at an ambiguous bar when the caller wants to know (C_PAUSE).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ledger.book import I_LOTS, S_ALLOC, S_ENTRY, S_INSTRUMENT, S_LOT, S_ORDER, S_UNMATCHED, Arena, room, row, used
from ledger.core import apply_event
from ledger.kernel import kernel
from ledger.vocabulary import Outcome
from sim.engine.account import Terms
from sim.engine.exchange import Rules
from sim.engine.layout import (
    APPLY_FAILED, C_DETAIL, C_LOG, C_PROBLEM, C_STAGE, C_STEP, C_WRITTEN, STEP_ROOM, Memory, Tape,
)  # fmt: skip
from sim.engine.parts import DONE, STOP, write

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


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
def _roomy(a: Arena, log: Ints, memory: Memory, number: int) -> bool:
    """Say whether one more part of a step is sure to find room in the log, the book and the memory of orders."""
    lots = a[row(a, S_INSTRUMENT, number) + I_LOTS] if number > 0 else 0
    return (
        log.shape[0] - memory.cursor[C_LOG] >= STEP_ROOM
        and room(a, S_ORDER) >= 2
        and used(a, S_ORDER) + 2 <= memory.order.shape[0]
        and room(a, S_ENTRY) >= STEP_ROOM
        and room(a, S_LOT) >= 4
        and room(a, S_ALLOC) >= lots + STEP_ROOM
        and room(a, S_UNMATCHED) >= 4
    )


@kernel
def loop(
    a: Arena, log: Ints, memory: Memory, steps: Ints, tape: Tape, wishes: Floats, account: Terms, rules: Rules, actions: Ints
) -> bool:
    """Run steps from the cursor on; book, log and memory are modified in place.

    Args:
        a: the book's arena, instruments defined, limits set, cash deposited.
        log: int64[n, EVENT_WIDTH]. steps: int64[m, 3] of (kind, instrument id, index into the tape).
        wishes: float64[strategies, bars of the tape, WISH]. account: its numbers. rules: the profile's.
        actions: int64[k, 6] of (instrument id, day, SPLIT | DIVIDEND, numerator, denominator, amount_e8), sorted.
    Returns:
        True when all steps are done; False when room ran out, or a pause or a problem stands in the cursor.
    """
    cursor = memory.cursor
    while cursor[C_STEP] < steps.shape[0]:
        if not _roomy(a, log, memory, steps[cursor[C_STEP], 1]):
            return False
        answer = write(a, log, memory, steps, tape, wishes, account, rules, actions)
        if answer == STOP or not _book_rows(a, log, memory):
            return False
        if answer == DONE:
            cursor[C_STEP] += 1
            cursor[C_STAGE] = 0
    return True
