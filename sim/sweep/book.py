"""From a kernel's decisions to the book: the event log of a run, replayed by the core.

Theory of operation. A record says at which bar a wish became which order or refusal. Together with
the bars that is the whole run, so its events can be written down as `sim.engine.loop` writes them, and
`ledger.core.replay` makes the book of them. Nothing is believed: the gate decides each claim again and must
come to the same side, quantity and reservation; otherwise the replay stops and so does the run.
The book is made when it is first asked for.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ledger.book import (
    E_CASH, E_EXEC, E_FEE, E_INSTRUMENT, E_KEY, E_KIND, E_PRICE, E_QTY, E_REASON, E_REVISION, E_SIDE, E_TARGET, E_TIME,
    EVENT_WIDTH, Book, Capacity,
)  # fmt: skip
from ledger.core import apply_all
from ledger.invariants import Invariant, check
from ledger.kernel import kernel
from ledger.keys import EPOCH_1900, pack
from ledger.vocabulary import EventKind, Outcome, Purpose
from sim import run as runs
from sim.data import History
from sim.engine.drive.worlds import Interval
from sim.sweep.core.account import (
    R_BAR, R_FEE, R_OPENS, R_OUTCOME, R_PRICE, R_QTY, R_RESERVE, R_SIDE, R_TARGET, R_WORST, R_WORST_FEE,
)  # fmt: skip
from sim.sweep.core.equity import draw
from sim.sweep.core.market import Deal
from sim.sweep.trades import closed_trades
from sim.trades import Trades
from strategies.api import Strategy, may_short

Ints = NDArray[np.int64]
SECOND = 1_000_000_000
_PARTS = range(7)
DAY, FILL, FEE, MARK, WISH, ACKNOWLEDGED, EXPIRED = _PARTS
"""The events a bar may have, in their order."""


def events(history: History, setup: list[Ints], record: Ints) -> Ints:
    """Return int64[n, EVENT_WIDTH]: the event log of a run of one instrument over a history, from its decisions.

    Args:
        setup: the events a run begins with. record: int64[k, RECORD], rising by bar.
    """
    bars = history.end_ns.size
    at, applied = record[:, R_BAR], record[:, R_OUTCOME] == int(Outcome.APPLIED)
    ordered = at[applied]
    filled = applied & (at + 1 < bars)
    present = np.zeros((bars, len(_PARTS)), bool)
    present[:, DAY] = np.concatenate([[True], history.day[1:] > np.maximum.accumulate(history.day)[:-1]])
    present[at[filled] + 1, FILL] = present[at[filled] + 1, FEE] = True
    present[:, MARK] = True
    present[at, WISH] = True
    present[ordered, ACKNOWLEDGED] = True
    present[bars - 1, EXPIRED] = ordered.size > 0 and ordered[-1] == bars - 1
    number = len(setup) + np.cumsum(present.ravel()).reshape(present.shape) - 1
    log = np.zeros((len(setup) + int(present.sum()), EVENT_WIDTH), np.int64)
    log[: len(setup)] = setup
    _days_and_marks(log, number, present, history)
    _fills(log, number, history, record[filled])
    _wishes(log, number, history, record, applied)
    return log


def _days_and_marks(log: Ints, number: Ints, present: NDArray[np.bool_], history: History) -> None:
    """Write what every bar has (log modified in place)."""
    days = np.flatnonzero(present[:, DAY])
    rows = number[days, DAY]
    log[rows, E_TIME], log[rows, E_KIND], log[rows, E_REVISION] = history.start_ns[days], EventKind.DAY, history.day[days]
    rows = number[:, MARK]
    log[rows, E_TIME], log[rows, E_KIND], log[rows, E_INSTRUMENT] = history.end_ns, EventKind.MARK, 1
    log[rows, E_PRICE] = history.close_ticks


def _keys(end_ns: Ints) -> Ints:
    """Return the order keys of decisions at these bar ends; `pack` for a whole array."""
    first = pack(runs.STRATEGY_ID, 1, Purpose.TARGET, -EPOCH_1900, 0)
    return first + ((end_ns // SECOND + EPOCH_1900) << 4)


def _fills(log: Ints, number: Ints, history: History, record: Ints) -> None:
    """Write each fill and its commission at the open after its decision (log modified in place)."""
    at = record[:, R_BAR]
    ids = np.arange(1, at.size + 1)
    rows = number[at + 1, FILL]
    log[rows, E_TIME], log[rows, E_KIND], log[rows, E_INSTRUMENT] = history.start_ns[at + 1], EventKind.FILL, 1
    log[rows, E_KEY], log[rows, E_SIDE], log[rows, E_QTY] = _keys(history.end_ns[at]), record[:, R_SIDE], record[:, R_QTY]
    log[rows, E_PRICE], log[rows, E_EXEC] = record[:, R_PRICE], ids
    rows = number[at + 1, FEE]
    log[rows, E_TIME], log[rows, E_KIND], log[rows, E_INSTRUMENT] = history.start_ns[at + 1], EventKind.COMMISSION, 1
    log[rows, E_EXEC], log[rows, E_FEE] = ids, record[:, R_FEE]


def _wishes(log: Ints, number: Ints, history: History, record: Ints, applied: NDArray[np.bool_]) -> None:
    """Write each claim with its acknowledgement, each refusal, and the end of an order nobody could fill (log modified)."""
    at = record[:, R_BAR]
    rows, keys = number[at, WISH], _keys(history.end_ns[at])
    log[rows, E_TIME], log[rows, E_KIND], log[rows, E_INSTRUMENT] = history.end_ns[at], EventKind.REFUSED, 1
    log[rows, E_KEY], log[rows, E_TARGET], log[rows, E_PRICE] = keys, record[:, R_TARGET], record[:, R_WORST]
    log[rows, E_FEE], log[rows, E_REASON] = record[:, R_WORST_FEE], record[:, R_OUTCOME]
    claims, mine = rows[applied], record[applied]
    log[claims, E_KIND], log[claims, E_SIDE], log[claims, E_QTY] = EventKind.CLAIM, mine[:, R_SIDE], mine[:, R_QTY]
    log[claims, E_CASH], log[claims, E_REASON] = mine[:, R_RESERVE], mine[:, R_OPENS] > 0
    rows = number[at[applied], ACKNOWLEDGED]
    log[rows, E_TIME], log[rows, E_KIND], log[rows, E_INSTRUMENT] = history.end_ns[at[applied]], EventKind.SUBMITTED, 1
    log[rows, E_KEY] = keys[applied]
    if applied.any() and at[applied][-1] == history.end_ns.size - 1:
        last = log[number[-1, EXPIRED]]
        last[E_TIME], last[E_KIND], last[E_INSTRUMENT], last[E_KEY] = history.end_ns[-1], EventKind.EXPIRED, 1, keys[applied][-1]


def values(history: History, deal: Deal, record: Ints) -> Ints:
    """Return int64[T, 6], the equity curve as a run has it: time, day, cash, positions, unmarked, held."""
    bars = history.end_ns.size
    begins, of_cash, of_lots = stretches(filled(record, bars), deal, bars)
    cash, position = (np.repeat(column, np.diff(begins)) for column in (of_cash, of_lots))
    worth = _worth(deal, history.close_ticks, position)
    day = np.maximum.accumulate(history.day)
    return np.column_stack([history.end_ns, day, cash, worth, np.zeros(bars, np.int64), position != 0])


def filled(record: Ints, bars: int) -> Ints:
    """Return int64[n, RECORD]: the decisions that were filled, each at the open after its bar."""
    if _all_filled(record, bars):
        return record
    return np.asarray(record[(record[:, R_OUTCOME] == int(Outcome.APPLIED)) & (record[:, R_BAR] + 1 < bars)])


@kernel
def _all_filled(record: Ints, bars: int) -> bool:
    """Say whether every decision is an order that the next bar filled; only the last of them can be at the last bar."""
    for k in range(record.shape[0]):
        if record[k, R_OUTCOME] != Outcome.APPLIED:
            return False
    return bool(record.shape[0] == 0 or record[-1, R_BAR] + 1 < bars)


def stretches(fills: Ints, deal: Deal, bars: int) -> tuple[Ints, Ints, Ints]:
    """Return the stretches between fills: int64[n + 2] first bars and T, int64[n + 1] cash, int64[n + 1] position."""
    value = _worth(deal, fills[:, R_PRICE], fills[:, R_QTY])
    spent = np.concatenate([[0], np.cumsum(fills[:, R_SIDE] * value + fills[:, R_FEE])])
    held = np.concatenate([[0], np.cumsum(fills[:, R_SIDE] * fills[:, R_QTY])])
    return np.concatenate([[0], fills[:, R_BAR] + 1, [bars]]), deal.cash - spent, held


def _worth(deal: Deal, price: Ints, qty: Ints) -> Ints:
    """Return price x quantity in e8, each rounded half to even, either sign: `account.worth` of whole arrays."""
    if deal.divide == 1:
        return np.asarray(price * qty * deal.multiply)
    whole, part = np.divmod(price, deal.divide)
    quotient, rest = np.divmod(part * qty, deal.divide)
    quotient += whole * qty
    up = (2 * rest > deal.divide) | ((2 * rest == deal.divide) & (quotient % 2 == 1))
    return np.asarray((quotient + up) * deal.multiply)


class KernelRun(runs.Simulation):
    """A Simulation whose log, book and equity curve are made of a kernel's decisions when they are first asked for."""

    def __init__(self, history: History, strategy: Strategy, params: Any, setting: runs.Setting, deal: Deal, record: Ints) -> None:
        made = {
            "histories": (history,), "strategy": strategy, "params": params, "setting": setting, "remarks": (), "deal": deal,
            "record": record,
        }  # fmt: skip
        for name, value in made.items():
            object.__setattr__(self, name, value)

    deal: Deal
    record: Ints

    @cached_property
    def log(self) -> Ints:
        """Every event of the run, in the order of `sim.engine.loop`."""
        short = may_short(self.strategy, self.params)
        return events(self.histories[0], runs._setup(self.histories, short, self.setting, self.deal.cash), self.record)

    @cached_property
    def book(self) -> Book:
        """The book that the core makes of the log.

        Raises:
            sim.run.BacktestError: the core refused an event, or the book breaks an invariant.
        """
        size = self.record.shape[0] + 16
        book = Book(method=self.setting.method, capacity=Capacity(2, size, size, size, 2 * size, 16))
        done = apply_all(book, self.log)
        if done != len(self.log):
            raise runs.BacktestError(f"the book refused event {done} of the kernel's run; please report this run")
        broken = check(book)
        if broken != Invariant.HOLDS:
            raise runs.BacktestError(f"the book of the run breaks the invariant {broken.name}; please report this run")
        return book

    @cached_property
    def values(self) -> Ints:
        """The equity curve, int64[T, 6]."""
        return values(self.histories[0], self.deal, self.record)

    @cached_property
    def equity_e8(self) -> Ints:
        """int64[T]: equity at each bar's close."""
        if self.deal.divide != 1:
            return np.asarray(self.values[:, 2] + self.values[:, 3])
        close = np.ascontiguousarray(self.histories[0].close_ticks, np.int64)
        out, place = np.empty(close.size, np.int64), np.array([0, 0, self.deal.cash, 0])
        draw(close, self.record, len(self.record), self.deal.multiply, close.size, place, out)
        return out

    @cached_property
    def trades(self) -> Trades:
        """The closed trades, equal to `sim.trades.closed_trades` of the book, without making the book."""
        return closed_trades(self.fills, self.histories[0].start_ns, self.deal)

    @property
    def times_ns(self) -> Ints:
        """int64[T]: the ends of the bars, UTC ns."""
        return self.histories[0].end_ns

    @cached_property
    def interval(self) -> Interval | None:
        """Both bounds are the final equity: an order at the next open fills the same way whatever came first within a bar."""
        final = int(self.equity_e8[-1])
        return Interval(final, final, 0, True) if self.setting.worlds else None

    @cached_property
    def fills(self) -> Ints:
        """int64[n, RECORD]: the decisions that were filled, each at the open after its bar."""
        return filled(self.record, self.histories[0].end_ns.size)
