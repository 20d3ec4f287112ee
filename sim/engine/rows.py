"""Rows of the event log: the one place where the loop takes a row and fills in its head.

Theory of operation. A step writes rows behind what is booked already (C_WRITTEN runs
ahead of C_LOG) and changes nothing in the book; the loop applies them in order. So
whoever writes a row reads the book as it was before all rows of its part of the step.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ledger.book import E_INSTRUMENT, E_KEY, E_KIND, E_TIME, I_LIVE_FIRST, O_KEY, O_NEXT, S_ORDER, Arena, row
from ledger.kernel import kernel
from sim.engine.layout import C_WRITTEN, Memory

Ints = NDArray[np.int64]


@kernel
def blank(log: Ints, memory: Memory, kind: int, time_ns: int, instrument: int) -> int:
    """Take the next log row, zeroed, with kind, time and instrument id set (modified in place); return its number."""
    number = memory.cursor[C_WRITTEN]
    memory.cursor[C_WRITTEN] = number + 1
    line = log[number]
    for column in range(line.shape[0]):
        line[column] = 0
    line[E_KIND], line[E_TIME], line[E_INSTRUMENT] = kind, time_ns, instrument
    return int(number)


@kernel
def write_ends(a: Arena, log: Ints, memory: Memory, instrument: int, number: int, time_ns: int, kind: int) -> None:
    """Write an event of this kind (CANCELED, EXPIRED) for every working order of an instrument."""
    link = a[instrument + I_LIVE_FIRST]
    while link > 0:
        order = row(a, S_ORDER, link - 1)
        line = log[blank(log, memory, kind, time_ns, number)]
        line[E_KEY] = a[order + O_KEY]
        link = a[order + O_NEXT]
