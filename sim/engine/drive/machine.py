"""The driver: a run's arrays together, room made when the loop asks for it, problems put into words.

Theory of operation. `Machine` holds everything a run needs besides its steps; `advance` runs
the compiled loop until its steps are done or it pauses at an ambiguous bar. The loop stops
when room runs out and goes on where it was, so growing is invisible in what it writes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ledger.book import S_ORDER, Book, doubled
from ledger.kernels.gate import VALUE_MAX
from ledger.vocabulary import Outcome
from sim.engine import layout
from sim.engine.account import Terms, with_room
from sim.engine.exchange import Fill, Rules
from sim.engine.layout import Memory, Tape
from sim.engine.loop import loop
from strategies.api import ORDER_TYPES, TIMES_IN_FORCE

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


class BacktestError(RuntimeError):
    """A run that had to stop: the message says at which moment and why."""


_BEYOND = (
    f"; a price, a quantity or a position is beyond what the book holds exactly (a position is worth at most {VALUE_MAX // 10**8:,}); "
    "look for a split that the prices are not adjusted for, or begin with less cash"
)


def _refused(detail: int) -> str:
    """Return which answer the book gave to an event of its own run, and what to do where the prices are to blame."""
    return f"the book refused an event of the run: {Outcome(detail).name}{_BEYOND if detail == Outcome.OVERFLOW else ''}"


_PROBLEMS: dict[int, Callable[[int], str]] = {
    layout.APPLY_FAILED: _refused,
    layout.FILL_DISHONEST: lambda detail: f"the exchange made a dishonest fill: {Fill(detail).name}",
    layout.ORDER_TYPE: lambda detail: (
        f"the strategy asked for instrument {detail} with an order type or time in force that does not exist; there are "
        f"{', '.join(ORDER_TYPES)} and {', '.join(TIMES_IN_FORCE)}, auctions for MARKET and LIMIT only"
    ),
    layout.BAD_TARGET: lambda detail: f"the strategy gave instrument {detail} a target outside -1..1",
    layout.BAD_PRICE: lambda detail: (
        f"the strategy gave instrument {detail} an order without the price its type needs (limit, stop or trail), or one too large"
    ),
    layout.GUARD_REFUSED: lambda detail: f"the gate refused a guard of a position: {Outcome(detail).name}",
    layout.GUARD_SHARED: lambda detail: (
        f"instrument {detail} is traded by several strategies and one of them guards its position; a guard needs a run of its own"
    ),
    layout.LOST_ORDER: lambda detail: f"an order of the walk through the bar is not in the book (row {detail}); please report this run",
}


@dataclass
class Machine:
    """A run under way. The arrays are modified in place; the book and the log may be replaced by larger ones."""

    book: Book
    log: Ints
    memory: Memory
    tape: Tape
    wishes: Floats
    account: Terms
    rules: Rules
    actions: Ints
    aside: bool = False
    """A run on the side: its log is scratch and begins anew whenever it is full."""

    def advance(self, steps: Ints) -> bool:
        """Run `steps` from the cursor on; True when they are done, False at a pause.

        Raises:
            BacktestError: the run had to stop.
        """
        cursor = self.memory.cursor
        self._make_room()
        while not loop(
            self.book.arena, self.log, self.memory, steps, self.tape, self.wishes, self.account, self.rules, self.actions
        ):
            if cursor[layout.C_PROBLEM]:
                problem = _PROBLEMS[int(cursor[layout.C_PROBLEM])](int(cursor[layout.C_DETAIL]))
                raise BacktestError(f"at {moment(steps, self.tape, int(cursor[layout.C_STEP]))}: {problem}")
            if cursor[layout.C_PAUSED]:
                return False
            self._grow()
        return True

    def force(self, path: int) -> None:
        """Book the present ambiguous bar the WORSE or the BETTER way, and go on."""
        self.memory.cursor[layout.C_PAUSED], self.memory.cursor[layout.C_FORCE] = 0, path + 1

    def fork(self) -> Machine:
        """Return a copy that shares nothing that changes, keeps no curve and no log."""
        memory = Memory(*(column.copy() for column in self.memory._replace(values=self.memory.values[:0])))
        memory.cursor[layout.C_LOG] = memory.cursor[layout.C_WRITTEN] = 0
        own = {name: getattr(self.account, name).copy() for name in ("month", "started", "settling", "notes", "tally")}
        log = np.zeros((4 * layout.STEP_ROOM, self.log.shape[1]), np.int64)
        return replace(self, book=self.book.copy(), log=log, memory=memory, account=self.account._replace(**own), aside=True)

    def _grow(self) -> None:
        """Make room where it ran out; a scratch log begins anew instead."""
        cursor = self.memory.cursor
        if self.log.shape[0] - cursor[layout.C_LOG] < layout.STEP_ROOM:
            if self.aside:
                cursor[layout.C_LOG] = cursor[layout.C_WRITTEN] = 0
                return
            self.log = np.concatenate([self.log, np.zeros_like(self.log)])
        self.book.arena = doubled(self.book.arena)
        self._make_room()

    def _make_room(self) -> None:
        """Give the memory of orders as many rows as the book has."""
        self.account = with_room(self.account, self.book.arena)
        rows = int(self.book.arena[3 * S_ORDER + 1]) + 2
        missing = rows - self.memory.order.shape[0]
        if missing > 0:
            more = np.zeros((missing, layout.ORDER_MEMORY), np.int64)
            self.memory = self.memory._replace(order=np.concatenate([self.memory.order, more]))


def moment(steps: Ints, tape: Tape, at: int) -> str:
    """Return the moment of a step for a message."""
    return str(np.datetime64(int(tape.end_ns[steps[min(at, len(steps) - 1), 2]]), "ns"))[:19]
