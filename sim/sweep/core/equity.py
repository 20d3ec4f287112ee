"""The equity curve of one run, from its decisions: cash + position x close, both constant between two fills.

Theory of operation. `draw` goes on where it stopped, so a run may draw each stretch of bars while the closes are still in
the processor's cache. Only for deals whose values need no division; `sim.sweep.book.values` has the others.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ledger.kernel import kernel
from ledger.vocabulary import Outcome
from sim.sweep.core.account import R_BAR, R_FEE, R_OUTCOME, R_PRICE, R_QTY, R_SIDE

Ints = NDArray[np.int64]
P_BAR, P_ROW, P_CASH, P_HELD = range(4)
"""Where the drawing stands: next bar, next decision, cash, position."""
VECTOR = 16
MASK = 2**63 - 1
"""Changes no index and shows the compiler that it is not negative."""


@kernel
def draw(close: Ints, record: Ints, rows: int, multiply: int, until: int, place: Ints, out: Ints) -> None:
    """Fill out up to bar `until` - 1, decisions up to there being in the first `rows` of the record (place, out modified in place).

    Whole vectors are written: what is too much at the end of a stretch, the next one writes over.
    """
    while place[P_BAR] < until:
        begins, k = place[P_BAR], place[P_ROW]
        while k < rows and record[k, R_OUTCOME] != Outcome.APPLIED:
            k += 1
        ends = min(record[k, R_BAR] + 1, until) if k < rows else until
        many = min((ends - begins + VECTOR - 1) // VECTOR * VECTOR, close.shape[0] - begins)
        first, cash, each = begins & MASK, place[P_CASH], place[P_HELD] * multiply
        for i in range(many):
            out[first + i] = cash + each * close[first + i]
        if k < rows and record[k, R_BAR] + 1 == ends and ends < close.shape[0]:
            signed = record[k, R_SIDE] * record[k, R_QTY]
            place[P_CASH] -= signed * record[k, R_PRICE] * multiply + record[k, R_FEE]
            place[P_HELD] += signed
            k += 1
        place[P_BAR], place[P_ROW] = ends, k
