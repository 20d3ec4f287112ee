"""Columns of some bars only: a window that moves over a long history.

Theory of operation. A column that needs no more than the last n bars (a price, an average of one) need not be
made for the whole history before the first bar is walked. A window's rows begin `lead` bars before the
stretch that is walked next, which is all that any of the columns looks back. Each value is made by the same additions as in a
sheet, so the words are the same; what is written stays in the processor's caches until it is read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from sim.data import History
from sim.sweep.core.words import TILE
from sim.sweep.program import FAMILY, SHEET_BYTES, Over, Side, is_together, judged, scaled
from strategies.columnar import TOGETHER

STRETCH = 64 * TILE
"""Bars of one declaration that are walked at a time: a few columns of them fit the processor's second cache."""
STRETCH_OF_MANY = 16 * TILE
"""Bars of many declarations that are walked at a time."""
PRICES = ("open", "high", "low", "close")


def one_by_one(function: Any, items: Sequence[Any]) -> list[Any]:
    """Return function(item) of each item: a map without threads."""
    return [function(item) for item in items]


def is_near(side: Side, most: int) -> bool:
    """Say whether a column is a price, or an average of one that looks back at `most` bars."""
    return side in PRICES if isinstance(side, str) else is_together(side) and side.parts[0] in PRICES and 0 < side.parts[1] <= most


def rows_at_once(wanted: Iterable[Side], bars: int) -> int:
    """Return how many columns a window of many declarations may have; 0 when it would not pay, or a column looks back too far."""
    if bars <= 2 * STRETCH_OF_MANY or not all(is_near(side, STRETCH_OF_MANY // 4) for side in wanted):
        return 0
    return SHEET_BYTES // (8 * 2 * STRETCH_OF_MANY)


class Window:
    """The rows of some columns for some bars; what `program` reads of a sheet."""

    def __init__(self, history: History, wanted: Sequence[Side], stretch: int = STRETCH) -> None:
        self.history, self.count, self.stretch = history, history.end_ns.size, stretch
        self.rows = {side: row for row, side in enumerate(wanted)}
        self.lead = max([side.parts[1] - 1 for side in wanted if not isinstance(side, str)], default=0)
        longest = min(self.count, stretch + self.lead)
        self.width = -(-longest // TILE) * TILE + TILE
        self.values = np.empty((len(wanted), self.width))
        self.known_from = np.zeros(len(wanted) + 1, np.int64)
        self.positive = np.zeros(len(wanted), np.bool_)
        kinds: dict[tuple[str, Any], list[Side]] = {}
        for side in wanted:
            kinds.setdefault((side, None) if isinstance(side, str) else (side.parts[0], side.make), []).append(side)
        self._sources = {price: np.empty(longest) for price, _ in kinds}
        self._families = [
            (price, make, members[first : first + FAMILY])
            for (price, make), members in kinds.items()
            for first in range(0, len(members), FAMILY)
        ]

    def stretches(self, over: Over) -> Iterator[tuple[int, int, int]]:
        """Move over the history; yield the first bar of each stretch, the bar behind it, and the bar in place 0 of the rows."""
        for begins in range(0, self.count, self.stretch):
            ends = min(self.count, begins + self.stretch)
            yield begins, ends, self.move(begins, ends, over)

    def move(self, begins: int, ends: int, over: Over = one_by_one) -> int:
        """Make the columns of bars begins..ends-1 and of those they look back at; return the bar in place 0 of the rows."""
        origin = max(0, begins - self.lead)
        factor = np.ascontiguousarray(self.history.signal_factor[origin:ends], np.float64)
        for price, source in self._sources.items():
            ticks = np.ascontiguousarray(getattr(self.history, f"{price}_ticks")[origin:ends], np.int64)
            scaled(ticks, factor, 10.0**self.history.price_exp, source[: ends - origin])
        over(lambda family: self._fill(family, ends - origin), self._families)
        self.known_from[-1] = ends - origin
        return origin

    def _fill(self, family: tuple[str, Any, list[Side]], count: int) -> None:
        """Make some columns of one source."""
        price, make, members = family
        rows, source = np.array([self.rows[side] for side in members], np.int64), self._sources[price][:count]
        if make is None:
            self.values[rows[0], :count] = source
        else:
            TOGETHER[make](source, np.array([side.parts[1] for side in members], np.int64), rows, self.values)  # type: ignore[union-attr]
        for row in rows:
            self.known_from[row], self.positive[row] = judged(self.values[row], count)
