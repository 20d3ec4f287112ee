"""How bars, steps and memory lie in arrays before the compiled loop sees them.

Theory of operation. Only layout: nothing here decides anything, and nothing here is money.
The bars of all instruments lie one after the other; instrument j (ids from 1) owns the
rows offset[j-1]..offset[j] of every column. The steps are cut from the bars and sorted by
time; at one moment all bars open before any closes, all close before any strategy is
asked, an instrument ends after its last bar, and the account is valued last.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ledger.book import EVENT_WIDTH
from sim.data.history import History

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

OPEN, MARK, SIGNAL, END, VALUE = 0, 1, 2, 3, 4
SPLIT, DIVIDEND = 0, 1

C_STEP, C_LOG, C_WRITTEN, C_VALUES, C_EXEC, C_PROBLEM, C_DETAIL, C_STAGE = range(8)
CURSOR = 8
STEP_ROOM = 64
"""Log rows one part of a step may need: the fills and fees of all working orders of an instrument."""
NO_TARGET = -(2**62)

# What stopped the loop for good (C_PROBLEM); 0 while nothing did.
APPLY_FAILED, FILL_DISHONEST, ORDER_TYPE, BAD_TARGET = 1, 2, 3, 4


class Tape(NamedTuple):
    """The bars of all instruments, one after the other; instrument j owns offset[j-1]..offset[j]."""

    start_ns: Ints
    end_ns: Ints
    day: Ints
    open: Ints
    high: Ints
    low: Ints
    close: Ints
    volume: Ints
    offset: Ints


class Memory(NamedTuple):
    """What a run remembers between calls of the loop."""

    cursor: Ints
    last_target: Ints
    next_action: Ints
    signal: Ints
    values: Ints


def tape(histories: Sequence[History]) -> Tape:
    """Lay the bars of all instruments out one after the other."""
    offset = np.cumsum([0, *(history.end_ns.size for history in histories)], dtype=np.int64)

    def column(name: str) -> Ints:
        return np.concatenate([getattr(history, name) for history in histories]).astype(np.int64)

    return Tape(
        column("start_ns"), column("end_ns"), column("day"), column("open_ticks"), column("high_ticks"),
        column("low_ticks"), column("close_ticks"), column("volume"), offset,
    )  # fmt: skip


def steps(bars: Tape) -> Ints:
    """Return int64[m, 3] of (kind, instrument, bar), sorted by time; one VALUE per moment, after everything else of it."""
    counts = np.diff(bars.offset)
    number = np.arange(bars.end_ns.size, dtype=np.int64)
    owner = np.repeat(np.arange(1, counts.size + 1, dtype=np.int64), counts)
    moments, at = np.unique(bars.end_ns, return_index=True)
    kinds = [(OPEN, bars.start_ns, owner, number), (MARK, bars.end_ns, owner, number), (SIGNAL, bars.end_ns, owner, number)]
    last = bars.offset[1:] - 1
    kinds.append((END, bars.end_ns[last], np.arange(1, counts.size + 1, dtype=np.int64), last))
    kinds.append((VALUE, moments, np.zeros(at.size, np.int64), number[at]))
    time_ns = np.concatenate([when for _, when, _, _ in kinds])
    table = np.concatenate([np.column_stack([np.full(who.size, kind), who, which]) for kind, _, who, which in kinds])
    order = np.lexsort((table[:, 1], table[:, 0], time_ns))
    return np.ascontiguousarray(table[order].astype(np.int64))


def actions(histories: Sequence[History]) -> Ints:
    """Return int64[k, 6] of (instrument, day, SPLIT | DIVIDEND, numerator, denominator, amount_e8).

    Sorted by instrument and day, a day's dividends before its split.
    """
    rows = [
        (number, act.day, SPLIT if act.kind == "split" else DIVIDEND, act.numerator, act.denominator, act.amount_e8)
        for number, history in enumerate(histories, 1)
        for act in sorted(history.actions, key=lambda act: (act.day, act.kind == "split"))
        if act.day > int(history.day[0]) and act.kind in ("split", "dividend")
    ]
    return np.array(rows, np.int64).reshape(len(rows), 6)


def memory(instruments: int, actions_due: Ints, values: int, logged: int) -> Memory:
    """Return the loop's memory before the first step; `logged` rows of the log are booked already."""
    cursor = np.zeros(CURSOR, np.int64)
    cursor[C_LOG] = cursor[C_WRITTEN] = logged
    starts = np.searchsorted(actions_due[:, 0], np.arange(instruments + 1)) if len(actions_due) else np.zeros(instruments + 1)
    return Memory(
        cursor,
        np.full(instruments + 1, NO_TARGET, np.int64),
        starts.astype(np.int64),
        np.zeros(EVENT_WIDTH, np.int64),
        np.zeros((values, 6), np.int64),
    )
