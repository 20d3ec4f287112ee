"""The growing past of each instrument, and the strategy's answers to it.

Theory of operation. A bar is added once, in order of time, and never changed. When an
instrument's bar is complete the strategy's columns are prepared over the whole past,
exactly as a backtest prepares them over the whole file, and the strategy is asked for the
new bar by the backtest's own loop, with the state that the bars before it left behind. Bars loaded at the start are
asked for as well, so that the state is what it would be had the runner never stopped;
their answers say which target is in force, and make no order.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from strategies.api import Bars, Signal, Strategy, columns_of
from strategies.asking import ask_on

FIRST_ROOM = 1_024


class Bar(NamedTuple):
    """A complete bar; prices in ticks of the instrument, volume in shares."""

    start_ns: int
    end_ns: int
    open: int
    high: int
    low: int
    close: int
    volume: float


class OldBar(ValueError):
    """A bar that is not after the last one: it changes a past that decisions were made on."""


class Past:
    """One instrument's bars, in the adjusted floats that strategies see."""

    def __init__(self, price_exp: int) -> None:
        self._scale = 10.0**-price_exp
        self._count = 0
        self._times = np.zeros(FIRST_ROOM, np.int64)
        self._columns: NDArray[np.float64] = np.zeros((5, FIRST_ROOM))
        self.last: Bar | None = None

    def add(self, bar: Bar) -> None:
        """Add a complete bar.

        Raises:
            OldBar: it does not come after the last one.
        """
        if self.last is not None and bar.end_ns <= self.last.end_ns:
            raise OldBar(f"a bar that ended at {bar.end_ns} came after the one of {self.last.end_ns}; it is not used")
        if self._count == self._times.size:
            self._times = np.concatenate([self._times, np.zeros_like(self._times)])
            self._columns = np.concatenate([self._columns, np.zeros_like(self._columns)], axis=1)
        self._times[self._count] = bar.end_ns
        prices = (bar.open, bar.high, bar.low, bar.close)
        self._columns[:, self._count] = (*(price * self._scale for price in prices), bar.volume)
        self._count += 1
        self.last = bar

    def bars(self) -> Bars:
        """Return the past as strategies see it, contiguous copies."""
        columns = self._columns[:, : self._count]
        return Bars(self._times[: self._count].copy(), *(column.copy() for column in columns))

    def __len__(self) -> int:
        return self._count


class Asker:
    """A strategy and what it has seen."""

    def __init__(self, strategy: Strategy, params: Any, pasts: Sequence[Past]) -> None:
        """Look at these pasts; strategies of one account share them."""
        self.strategy, self.params, self.pasts = strategy, params, pasts
        self._states = [np.zeros(max(1, strategy.state_size)) for _ in pasts]
        self._asked = [0] * len(pasts)

    def ask(self, index: int) -> Signal | None:
        """Ask for every bar of an instrument not asked for yet; return the newest answer, None without bars.

        Raises:
            strategies.api.StrategyError: the strategy cannot trade these instruments together.
        """
        said = self._answers(index)
        return said[-1] if said else None

    def in_force(self, index: int) -> Signal | None:
        """Ask for all loaded bars; return the last answer that had an opinion, None when there was none."""
        return next((signal for signal in reversed(self._answers(index)) if not math.isnan(signal.target)), None)

    def _answers(self, index: int) -> list[Signal]:
        universe = [past.bars() for past in self.pasts]
        columns = columns_of(self.strategy, universe, self.params)[index]
        first, self._asked[index] = self._asked[index], len(self.pasts[index])
        return ask_on(self.strategy, universe[index], columns, self.params, self._states[index], first)
