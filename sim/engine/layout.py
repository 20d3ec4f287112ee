"""How bars, steps and memory lie in arrays before the compiled loop sees them.

Theory of operation. Only layout: nothing here decides anything, and nothing here is money.
The bars of all instruments lie one after the other; instrument j (ids from 1) owns the
rows offset[j-1]..offset[j] of every column. The steps are cut from the bars and sorted by
time; at one moment all bars close before any strategy is asked, an instrument ends after
its last bar, the account is valued, and then the bars open that begin at that moment.

A slot is one strategy in one instrument: slot = strategy * (instruments + 1) + instrument,
strategies from 0. With one strategy a slot is the instrument's id.
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

# Steps. REDUCE and FILL_REDUCE exist only where orders fill at the close that made them: sellers go first.
OPEN, MARK, REDUCE, FILL_REDUCE, SIGNAL, FILL, END, VALUE = range(8)
SPLIT, DIVIDEND = 0, 1

(
    C_STEP, C_LOG, C_WRITTEN, C_VALUES, C_EXEC, C_PROBLEM, C_DETAIL, C_STAGE, C_WHO, C_HIT, C_HITS, C_PATH, C_FILLED,
    C_PAUSE, C_PAUSED, C_FORCE, C_AMBIGUOUS,
) = range(17)  # fmt: skip
CURSOR = 17
STEP_ROOM = 64
"""Log rows one part of a step may need: the ends of all working orders of an instrument."""
NO_TARGET = -(2**62)

# What stopped the loop for good (C_PROBLEM); 0 while nothing did.
APPLY_FAILED, FILL_DISHONEST, ORDER_TYPE, BAD_TARGET, BAD_PRICE, GUARD_REFUSED, GUARD_SHARED, LOST_ORDER = range(1, 9)

# A slot's row: the guards it wants (ticks, or 1e-6 fractions of the base), the position's base and best price.
(
    P_HELD, P_SIDE, P_STOP, P_TAKE, P_TRAIL, P_FRACTION, P_BASE, P_BEST, P_PARENT, P_BORN_NS, P_STOPPED, P_STOP_NS, P_SIZED,
) = range(13)  # fmt: skip
SLOT_WIDTH = 13
# What the exchange knows of an order beside the book: time in force, whether its stop has woken, best price so far.
X_TIF, X_WOKEN, X_BEST, X_SLOT = range(4)
ORDER_MEMORY = 4
# A row of the walk through a bar; row 4 * strategy + which, which = 0 the strategy's order, 1..3 its guards.
(
    W_ALIVE, W_SIDE, W_LEAVES, W_KIND, W_LIMIT, W_LEVEL, W_DISTANCE, W_BEST, W_WOKEN, W_FILLED, W_WORTH, W_HELD, W_BASE,
) = range(13)  # fmt: skip
WORK_WIDTH = 13
H_ROW, H_BASE, H_PRICE, H_QTY = range(4)
AT_ROW = 4
"""Rows of one slot in a walk: its own order and three guards."""


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
    edge: Ints  # bit 0: first bar of its trading day, bit 1: last
    scale: Floats  # ticks for one unit of the currency that strategies see
    offset: Ints


class Memory(NamedTuple):
    """What a run remembers between calls of the loop; the book knows nothing of it."""

    cursor: Ints
    last_target: Ints  # [slots] 1e-6; NO_TARGET: decide anew
    wish: Floats  # [slots, WISH] the last wish that was accepted
    slot: Ints  # [slots, SLOT_WIDTH]
    order: Ints  # [room for orders, ORDER_MEMORY]
    taken: Ints  # [instruments + 1] lots of the present bar's volume that fills have taken
    next_action: Ints  # [instruments + 1]
    signal: Ints  # [EVENT_WIDTH] workspace
    values: Ints  # [moments, 6] the equity curve
    work: Ints  # [2, 4 * strategies, WORK_WIDTH] two walks through one bar
    hits: Ints  # [2, n, 4] the fills of each walk


def tape(histories: Sequence[History]) -> Tape:
    """Lay the bars of all instruments out one after the other."""
    offset = np.cumsum([0, *(history.end_ns.size for history in histories)], dtype=np.int64)

    def column(name: str) -> Ints:
        return np.concatenate([getattr(history, name) for history in histories]).astype(np.int64)

    edges = [_edges(history.day) for history in histories]
    scales = [10.0**history.price_exp / history.signal_factor for history in histories]
    return Tape(
        column("start_ns"), column("end_ns"), column("day"), column("open_ticks"), column("high_ticks"),
        column("low_ticks"), column("close_ticks"), column("volume"), np.concatenate(edges), np.concatenate(scales), offset,
    )  # fmt: skip


def _edges(day: Ints) -> Ints:
    """Return 1 for the first bar of a trading day, 2 for its last, 3 for both."""
    new = np.concatenate([[True], day[1:] != day[:-1]])
    last = np.concatenate([new[1:], [True]])
    return np.asarray(new + 2 * last, np.int64)


def steps(bars: Tape, at_close: bool) -> Ints:
    """Return int64[m, 3] of (kind, instrument, bar), sorted by time; one VALUE per moment, after its closes, before its opens."""
    counts = np.diff(bars.offset)
    number = np.arange(bars.end_ns.size, dtype=np.int64)
    owner = np.repeat(np.arange(1, counts.size + 1, dtype=np.int64), counts)
    moments, at = np.unique(bars.end_ns, return_index=True)
    kinds = [(OPEN, bars.start_ns, owner, number)] + [(kind, bars.end_ns, owner, number) for kind in closing(at_close)]
    last = bars.offset[1:] - 1
    kinds.append((END, bars.end_ns[last], np.arange(1, counts.size + 1, dtype=np.int64), last))
    kinds.append((VALUE, moments, np.zeros(at.size, np.int64), number[at]))
    time_ns = np.concatenate([when for _, when, _, _ in kinds])
    table = np.concatenate([np.column_stack([np.full(who.size, kind), who, which]) for kind, _, who, which in kinds])
    # A bar that opens at the moment another closes opens after it: what is decided at that close may fill there.
    opens_later = (table[:, 0] == OPEN) & (bars.end_ns[table[:, 2]] > time_ns)
    order = np.lexsort((table[:, 1], np.where(opens_later, VALUE + 1, table[:, 0]), time_ns))
    return np.ascontiguousarray(table[order].astype(np.int64))


def closing(at_close: bool) -> tuple[int, ...]:
    """Return the kinds of steps at a bar's close, in their order."""
    return (MARK, REDUCE, FILL_REDUCE, SIGNAL, FILL) if at_close else (MARK, SIGNAL)


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


def memory(instruments: int, strategies: int, actions_due: Ints, values: int, logged: int, wish: int) -> Memory:
    """Return the loop's memory before the first step.

    Args:
        values: moments the equity curve has room for. logged: rows of the log that are booked already.
        wish: fields of a wish.
    """
    cursor = np.zeros(CURSOR, np.int64)
    cursor[C_LOG] = cursor[C_WRITTEN] = logged
    starts = np.searchsorted(actions_due[:, 0], np.arange(instruments + 1)) if len(actions_due) else np.zeros(instruments + 1)
    slots = strategies * (instruments + 1)
    return Memory(
        cursor,
        np.full(slots, NO_TARGET, np.int64),
        np.zeros((slots, wish), np.float64),
        np.zeros((slots, SLOT_WIDTH), np.int64),
        np.zeros((0, ORDER_MEMORY), np.int64),
        np.zeros(instruments + 1, np.int64),
        starts.astype(np.int64),
        np.zeros(EVENT_WIDTH, np.int64),
        np.zeros((values, 6), np.int64),
        np.zeros((2, 4 * strategies, WORK_WIDTH), np.int64),
        np.zeros((2, 12 * strategies, 4), np.int64),
    )
