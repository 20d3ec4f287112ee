"""One bar at a time: the same run as all at once, event for event, as live trading sees it.

Theory of operation. A Feed knows the bars so far. `append` takes the bars that are complete
now, asks the strategy again over the history so far (as live does), runs the steps that
are new and returns the events they made. A causal strategy repeats its old answers, so the
book and the log are those of the one-shot run, byte for byte; `strategies.causality` is what
tells a strategy that is not.

Bars come in the order in which they end, and none may begin before everything given so far
has ended: a bar that spans others would have to open in the past.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ledger.book import Book
from sim.data.history import History
from sim.engine import layout, signals
from sim.engine.account import terms
from sim.engine.drive.machine import BacktestError, Machine
from strategies.api import Strategy

Ints = NDArray[np.int64]
REMEMBERED = ("month", "started", "settling", "notes", "tally")
COLUMNS = ("start_ns", "end_ns", "day", "open_ticks", "high_ticks", "low_ticks", "close_ticks", "volume")


class NewBar(NamedTuple):
    """One complete bar: times in UTC ns, prices in ticks, volume in shares."""

    start_ns: int
    end_ns: int
    day: int
    open_ticks: int
    high_ticks: int
    low_ticks: int
    close_ticks: int
    volume: int
    signal_factor: float = 1.0
    last_of_day: bool = True


class Feed:
    """A run that grows by a bar at a time; `book` and `log` are the run's so far."""

    def __init__(self, machine: Machine, histories: Sequence[History], team: Sequence[tuple[Strategy, Any]], setting: Any) -> None:
        """Take over a prepared machine whose histories hold at least one bar each, and run those bars."""
        self._machine, self._histories = machine, list(histories)
        self._team, self._setting = list(team), setting
        self._edges: dict[int, set[int]] = {at: set() for at in range(len(histories))}
        self._run(ending=False)

    @property
    def book(self) -> Book:
        """The book so far."""
        return self._machine.book

    @property
    def log(self) -> Ints:
        """int64[n, 20]: the events so far."""
        return self._machine.log[: int(self._machine.memory.cursor[layout.C_LOG])]

    def append(self, bars: Mapping[str, NewBar]) -> Ints:
        """Take bars that ended at one moment, by symbol, and return the events they made, int64[n, 20].

        Raises:
            BacktestError: a symbol nobody knows, bars of several moments, or a bar that begins in the past.
        """
        numbers = {history.symbol: at for at, history in enumerate(self._histories)}
        latest = max(int(history.end_ns[-1]) for history in self._histories)
        for symbol, bar in bars.items():
            if symbol not in numbers:
                raise BacktestError(f"the feed has no instrument {symbol!r}; it has {', '.join(numbers)}")
            if bar.start_ns < latest or bar.end_ns <= bar.start_ns:
                raise BacktestError(f"a bar of {symbol} begins before the feed's last one ended; give bars in order")
        if len({bar.end_ns for bar in bars.values()}) != 1:
            raise BacktestError("bars given together must end together; give them one moment at a time")
        for symbol, bar in bars.items():
            self._add(numbers[symbol], bar)
        return self._run(ending=False)

    def finish(self) -> Ints:
        """End every instrument: working orders expire. Return the events of it."""
        return self._run(ending=True)

    def _add(self, at: int, bar: NewBar) -> None:
        old = self._histories[at]
        if not bar.last_of_day:
            self._edges[at].add(int(old.end_ns.size))
        columns = {name: np.append(getattr(old, name), getattr(bar, name)) for name in COLUMNS}
        factor = np.append(old.signal_factor, bar.signal_factor)
        self._histories[at] = old._replace(signal_factor=factor, **columns)

    def _run(self, ending: bool) -> Ints:
        """Lay everything out anew and run the steps that are new."""
        machine, before = self._machine, int(self._machine.memory.cursor[layout.C_LOG])
        machine.tape = layout.tape(self._histories)
        for at, middles in self._edges.items():
            for bar in middles:
                machine.tape.edge[machine.tape.offset[at] + bar] &= 1
        machine.wishes = np.stack([signals.wishes(strategy, self._histories, params) for strategy, params in self._team])
        wide = all(strategy.prepare_universe is not None for strategy, _ in self._team)
        shares = len(self._team) * (1 if wide else len(self._histories))
        fresh = terms(self._setting, shares, self._histories, machine.account.strategy)
        machine.account = fresh._replace(**{name: getattr(machine.account, name) for name in REMEMBERED})
        steps = layout.steps(machine.tape, bool(machine.rules.at_close))
        ends = steps[:, 0] == layout.END
        steps = np.concatenate([steps[~ends], steps[ends]]) if ending else steps[~ends]
        missing = int((steps[:, 0] == layout.VALUE).sum()) - machine.memory.values.shape[0]
        if missing > 0:
            rows = np.zeros((missing, machine.memory.values.shape[1]), np.int64)
            machine.memory = machine.memory._replace(values=np.concatenate([machine.memory.values, rows]))
        machine.advance(np.ascontiguousarray(steps))
        return self.log[before:]
