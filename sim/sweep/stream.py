"""One declaration over a long history, a stretch at a time: columns live only while their bars are worked on.

Theory of operation. A column that needs no more than the last n bars (a price, an average of one) need not be
made for the whole history before the first bar is walked. So a window moves over the history: its rows begin `lead` bars before the
stretch that is walked next, which is all that any of the columns looks back. Each value is made by the same additions as in a
sheet, so the words are the same; what differs is that nothing of the length of the history is written but decisions.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.data import History
from sim.sweep.core.account import FINE, S_STATUS
from sim.sweep.core.kernels import Accounts, by_words
from sim.sweep.core.market import Deal, bare
from sim.sweep.core.statistics import scratch
from sim.sweep.core.words import TILE
from sim.sweep.program import Side, is_together, judged, program, scaled, sides
from strategies.columnar import TOGETHER, Wish

Floats = NDArray[np.float64]
STRETCH = 64 * TILE
"""Bars that are walked at a time: a few columns of them fit the processor's second cache."""
PRICES = ("open", "high", "low", "close")


def can_stream(declared: tuple[Wish, ...]) -> bool:
    """Say whether every column of a declaration is a price, or an average of one that looks back less than a stretch."""
    return all(
        side in PRICES if isinstance(side, str) else is_together(side) and side.parts[0] in PRICES and 0 < side.parts[1] <= STRETCH
        for side in sides(declared)
    )


class Window:
    """The rows of a declaration's columns for some bars; what `program` reads of a sheet."""

    def __init__(self, history: History, wanted: tuple[Side, ...]) -> None:
        self.history, self.count = history, history.end_ns.size
        self.rows = {side: row for row, side in enumerate(wanted)}
        self.lead = max([side.parts[1] - 1 for side in wanted if not isinstance(side, str)], default=0)
        longest = min(self.count, STRETCH + self.lead)
        self.width = -(-longest // TILE) * TILE + TILE
        self.values = np.empty((len(wanted), self.width))
        self.known_from = np.zeros(len(wanted) + 1, np.int64)
        self.positive = np.zeros(len(wanted), np.bool_)
        self._source = np.empty(longest)
        self._families: dict[tuple[str, Any], list[Side]] = {}
        for side in wanted:
            self._families.setdefault((side, None) if isinstance(side, str) else (side.parts[0], side.make), []).append(side)
        self._families = dict(sorted(self._families.items(), key=lambda family: family[0][0]))

    def move(self, begins: int, ends: int) -> int:
        """Make the columns of bars begins..ends-1 and of those they look back at; return the bar in place 0 of the rows."""
        origin, made = max(0, begins - self.lead), ""
        count, factor = ends - origin, np.ascontiguousarray(self.history.signal_factor[origin:ends], np.float64)
        source = self._source[:count]
        for (price, make), family in self._families.items():
            if price != made:
                made, ticks = price, np.ascontiguousarray(getattr(self.history, f"{price}_ticks")[origin:ends], np.int64)
                scaled(ticks, factor, 10.0**self.history.price_exp, source)
            rows = np.array([self.rows[side] for side in family], np.int64)
            if make is None:
                self.values[rows[0], :count] = source
            else:
                TOGETHER[make](source, np.array([side.parts[1] for side in family], np.int64), rows, self.values)  # type: ignore[union-attr]
        for row in range(len(self.values)):
            self.known_from[row], self.positive[row] = judged(self.values[row], count)
        self.known_from[-1] = count
        return origin


def by_stream(history: History, declared: tuple[Wish, ...], numbers: Deal, accounts: Accounts) -> None:
    """Run one declaration that `can_stream` (accounts modified in place)."""
    window, where = Window(history, tuple(dict.fromkeys(sides(declared)))), bare(history)
    table = program([declared], window)
    buffers = scratch(table.tests.shape[1], table.targets.shape[1])
    for begins in range(0, window.count, STRETCH):
        ends = min(window.count, begins + STRETCH)
        by_words(where, numbers, table, accounts, buffers, begins, ends, window.move(begins, ends))
        if accounts.state[0, S_STATUS] != FINE:
            return
