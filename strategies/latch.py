"""Positions that are held between two events, without pretending to know how it began.

Theory of operation. "Buy when it breaks out, sell when it falls back" needs a memory:
between the two events the answer depends on the past. A history that starts in the
middle does not have that past. So the latch does not remember a position but the set
of positions that are still possible. It starts with all of them, an event maps each, and
only when one is left does the latch have an opinion; until then it says NaN, which
means "keep what is".

Invariant (tested): whatever a shorter history says, the longer one says too. The set of
the longer history is always a subset of the other's, because every event maps
subsets to subsets. That is what makes a restart in paper trading safe.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ledger.kernel import jit
from strategies.columnar import AT_MOST, GREATER, LESS, Column, Test, Wish

Flags = NDArray[np.bool_]
LONG, FLAT, SHORT = 1, 2, 4


@jit
def latch(
    enter_long: Flags, leave_long: Flags, enter_short: Flags, leave_short: Flags, allow_short: int, first: int
) -> NDArray[np.float64]:
    """Return float64[T]: 1 long, 0 flat, -1 short, NaN while more than one of them is possible.

    Args:
        enter_long, leave_long, enter_short, leave_short: bool[T]. On one bar leaving comes before entering, and
            two entries that contradict each other are none.
        allow_short: 0: the entries into short positions are not looked at.
        first: events before this bar are not looked at: the indicators behind them are not warm.
    """
    size = enter_long.shape[0]
    out = np.full(size, np.nan)
    possible = LONG | FLAT | SHORT if allow_short else LONG | FLAT
    for t in range(max(first, 0), size):
        if leave_long[t] and possible & LONG:
            possible = possible & ~LONG | FLAT
        if leave_short[t] and possible & SHORT:
            possible = possible & ~SHORT | FLAT
        short = enter_short[t] and allow_short != 0
        if enter_long[t] and not short:
            possible = LONG
        elif short and not enter_long[t]:
            possible = SHORT
        if possible == LONG:
            out[t] = 1.0
        elif possible == FLAT:
            out[t] = 0.0
        elif possible == SHORT:
            out[t] = -1.0
    return out


def held(position: Column) -> tuple[Wish, ...]:
    """Return the wishes of a column that a latch made: long, short, flat, and no opinion where it is NaN."""
    return (
        Wish(1.0, (Test(position, GREATER, 0.5),)),
        Wish(-1.0, (Test(position, LESS, -0.5),)),
        Wish(0.0, (Test(position, AT_MOST, 0.5),)),
    )
