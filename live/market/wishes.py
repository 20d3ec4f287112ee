"""From a strategy's answer to a wish that the gate can decide on: integers from here on.

Theory of operation. The same steps as in a backtest, in the same order: a target equal to
the one in force is no news; a new one is sized on the book's equity at the bar's close; the
signal carries the worst price and fee that the claim reserves. Sizes come from
`strategies.sizing`, so they are the backtest's to the last share. What is in force is
remembered per instrument; after a start it is taken from the replayed past when the book's
position is on that side, and is unknown otherwise, so that the next answer acts.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from ledger.book import (
    E_FEE,
    E_PRICE,
    E_TARGET,
    H_CASH,
    H_VALUE,
    I_DIVIDE,
    I_MULTIPLY,
    I_POSITION,
    I_STEP,
    Book,
    Row,
    event,
)  # fmt: skip
from ledger.keys import make
from ledger.vocabulary import EventKind, Purpose
from live.market.history import Bar
from strategies.api import MARKET, Signal
from strategies.sizing import Size, fraction_e6, full_lots

FeeOf = Callable[[int, int, int, int], int]
"""(instrument, side, qty_lots, price_ticks) -> the most the order can cost, e8."""


class NotTradable(ValueError):
    """A strategy asked for something that paper trading does not do; the message says what."""


class Sizing(NamedTuple):
    """How targets become lots."""

    strategy: int
    size: Size
    worst_bps: int
    fee_of: FeeOf


class Wishes:
    """The targets in force."""

    def __init__(self, sizing: Sizing) -> None:
        self._sizing = sizing
        self._in_force: dict[int, int] = {}

    def adopt(self, book: Book, instrument: int, target: float) -> None:
        """Take a target from before the start for being in force, if the position is on its side."""
        if math.isnan(target):
            return
        position = int(book.instruments[instrument, I_POSITION])
        if (position > 0) - (position < 0) == (target > 0) - (target < 0):
            self._in_force[instrument] = fraction_e6(target)

    def forget(self, instrument: int) -> None:
        """Hold nothing for being in force: the wish was refused, and the next answer tries again."""
        self._in_force.pop(instrument, None)

    def wish(self, book: Book, instrument: int, bar: Bar, weight_e6: int, said: Signal) -> Row | None:
        """Return the SIGNAL of a new target, or None when there is nothing new to want.

        Raises:
            NotTradable: another order type than MARKET, or a target outside -1..1.
        """
        if math.isnan(said.target):
            return None
        if said.order_type != MARKET or not -1.0 <= said.target <= 1.0:
            raise NotTradable(
                f"the strategy asked for order type {said.order_type} at target {said.target}; market orders to -1..1 are traded"
            )
        target_e6 = fraction_e6(said.target)
        if self._in_force.get(instrument) == target_e6:
            return None
        self._in_force[instrument] = target_e6
        return self._signal(book, instrument, bar, weight_e6, target_e6)

    def _signal(self, book: Book, instrument: int, bar: Bar, weight_e6: int, target_e6: int) -> Row:
        sizing, row = self._sizing, book.instruments[instrument]
        position = int(row[I_POSITION])
        equity = int(book.arena[H_CASH] + book.arena[H_VALUE])
        numbers = (bar.close, int(row[I_MULTIPLY]), int(row[I_DIVIDE]), int(row[I_STEP]))
        lots = int(full_lots(sizing.size, weight_e6, target_e6, equity, 0, *numbers))
        side = 1 if lots >= position else -1
        worst = max(1, bar.close + side * (bar.close * sizing.worst_bps // 10_000))
        line = event(
            EventKind.SIGNAL, time_ns=bar.end_ns, instrument=instrument,
            key=make(sizing.strategy, instrument, Purpose.TARGET, bar.end_ns // 1_000_000_000),
        )  # fmt: skip
        line[E_TARGET], line[E_PRICE] = lots, worst
        line[E_FEE] = sizing.fee_of(instrument, side, abs(lots) + abs(position), worst)
        return line
