"""Our side of a case: bars in, deals out, every one of them booked.

Theory of operation. A case is walked purse by purse (all columns share one, or each has
its own), bar by bar, column by column in the call sequence. Before a bar's first order
each column's price and valuation price are settled and the account is valued once; a
missing price leaves the last valuation standing. The profile's doubles decide, because
only they decide as vectorbt does; the desk books the deal on integers and asks the gate.
The fee of an order is our cost model's for what was asked, and is handed to vectorbt as
that element's fixed fee.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from ledger.units import MONEY_SCALE
from ledger.vocabulary import Outcome
from sim import costs
from sim.parity import signals as sg
from sim.parity.cases import Case, Floats
from sim.parity.desk import SCALE, Desk, ticks_of
from sim.parity.rules import INF, NAN, Ask, Deal, Reason, Way, Wish, approximate, resolve, trade


class Step(NamedTuple):
    """One order of the walk and what became of it; `gate`: our gate's word for the whole wish, None if not asked."""

    bar: int
    column: int
    deal: Deal
    asked: float
    cash: Fraction
    gate: Outcome | None


class Walked(NamedTuple):
    """Our side of a case: orders in vectorbt's order, fees int-exact as doubles [bars, columns], the desks."""

    steps: list[Step]
    fees: Floats
    desks: list[Desk]
    value: list[float]


class _Column:
    """What a column remembers. Mutable."""

    __slots__ = ("guard", "mark", "position", "price", "slippage")

    def __init__(self) -> None:
        self.position, self.mark, self.price, self.slippage = 0.0, NAN, NAN, 0.0
        self.guard = sg.Guard()


def walk(case: Case) -> Walked:
    """Return what our profile and our ledger make of a case."""
    count = case.close.shape[1]
    model = costs.parse(case.costs)
    fees, walked = np.zeros(case.close.shape, np.float64), Walked([], np.zeros(0), [], [])
    for first, last in [(0, count)] if case.shared else [(j, j + 1) for j in range(count)]:
        purse = _Purse(case, first, last, model, fees)
        walked.steps.extend(purse.run())
        walked.desks.append(purse.desk)
        walked.value.append(purse.worth())
    return walked._replace(fees=fees)


class _Purse:
    """One purse with its columns first..last-1. Mutable."""

    def __init__(self, case: Case, first: int, last: int, model: costs.CostModel, fees: Floats) -> None:
        self.case, self.first, self.model, self.fees = case, first, model, fees
        self.prices = [[array[:, j].tolist() for j in range(first, last)] for array in (case.open, case.high, case.low, case.close)]
        self.size = [case.size[:, j].tolist() for j in range(first, last)]
        self.price = [case.price[:, j].tolist() for j in range(first, last)]
        self.columns = [_Column() for _ in range(first, last)]
        self.cash = case.cash
        self.desk = Desk(case.cash, last - first, case.shorts)

    def run(self) -> Iterator[Step]:
        """Yield every order of the purse."""
        for bar in range(self.case.close.shape[0]):
            for j, column in enumerate(self.columns):
                self._price(j, column, bar)
            value = self._value()
            wishes = [self._wish(j, column, bar) for j, column in enumerate(self.columns)]
            for j in self._sequence(wishes, value):
                if wishes[j] is not None:
                    step, value = self._order(j, bar, wishes[j], value)  # type: ignore[arg-type]
                    yield step

    def worth(self) -> float:
        """Return the purse's worth at the last known closes; NaN while a position has none."""
        for j, close in enumerate(self.prices[3]):
            known = [price for price in close if not math.isnan(price)]
            if known:
                self.desk.mark(j, len(close), known[-1])
        equity = self.desk.book.valuation().equity
        return NAN if equity is None else equity / MONEY_SCALE

    def _price(self, j: int, column: _Column, bar: int) -> None:
        """Settle the order price and the valuation price of a column for a bar (modified in place)."""
        close = self.prices[3][j]
        before = close[bar - 1] if bar else NAN
        price = self.price[j][bar]
        if price == INF:
            price = close[bar]
        elif price == -INF:
            opened = self.prices[0][j][bar] if self.case.signals else NAN
            price = before if math.isnan(opened) else opened
        mark = {INF: price, -INF: before}.get(self.case.val_price, self.case.val_price)
        column.price, column.slippage = price, self.case.terms.slippage
        if not math.isnan(mark):
            column.mark = mark

    def _value(self) -> float:
        """Return cash and positions at their valuation prices, in the order of the columns."""
        value = self.cash
        for column in self.columns:
            if column.position != 0:
                value += column.position * column.mark
        return value

    def _wish(self, j: int, column: _Column, bar: int) -> Wish | None:
        """Return the wish of a column on a bar; a bar without signals wishes nothing."""
        case = self.case
        if case.signals is None:
            return Wish(self.size[j][bar], column.price, case.kind, case.way, column.slippage)
        met = self._met(j, column, bar)
        if math.isnan(met):
            signs, accumulate = sg.clean(column.position, case.signals.at(bar, self.first + j), case.modes)
        else:
            signs, accumulate = sg.stop_signs(column.position, case.modes.stop_exit, case.modes.accumulate)
            close, slip = self.prices[3][j][bar], column.slippage
            column.price, column.slippage = sg.stop_price(met, column.price, close, slip, case.modes.exit_price)
        size, kind, way = sg.sized(column.position, signs, self.size[j][bar], case.kind, accumulate, column.mark)
        if size == 0:
            return None
        return Wish(-size if way == Way.SHORT else size, column.price, kind, way, column.slippage)

    def _met(self, j: int, column: _Column, bar: int) -> float:
        """Return the price at which a stop of the column was met on a bar, or NaN."""
        if math.isnan(column.guard.loss) and math.isnan(column.guard.take):
            return NAN
        opened, high, low, close = (side[j][bar] for side in self.prices)
        return column.guard.hit(column.position, sg.complete(opened, high, low, close))

    def _sequence(self, wishes: list[Wish | None], value: float) -> list[int]:
        """Return the columns of a bar in the order in which they are called."""
        order = list(range(len(wishes)))
        if self.case.sequence == "reversed":
            return order[::-1]
        if self.case.sequence == "auto":
            worth = [
                0.0 if wish is None else approximate(wish, self.cash, column.position, value, column.mark)
                for wish, column in zip(wishes, self.columns, strict=True)
            ]
            numbers = sorted((j for j in order if not math.isnan(worth[j])), key=worth.__getitem__)
            return numbers + [j for j in reversed(order) if math.isnan(worth[j])]  # vectorbt's sort turns NaNs around
        return order

    def _order(self, j: int, bar: int, wish: Wish, value: float) -> tuple[Step, float]:
        """Execute one wish, book it, move the stops (modified in place); return the step and the account's value."""
        column, case = self.columns[j], self.case
        if not case.shared:
            value = self._value()
        ask = resolve(wish, column.position, value, column.mark)
        fixed = self._fee(ask, wish, column)
        self.fees[bar, self.first + j] = fixed
        deal = trade(self.cash, column.position, ask, wish, case.terms, fixed)
        gate = self._gate(j, bar, ask, wish, fixed)
        before, cash = column.position, self.cash
        self.cash, column.position = deal.cash, deal.position
        if deal.reason == Reason.FILLED:
            self.desk.trade(j, bar, deal.side, deal.size, deal.price, deal.fee)
            if case.update_value:
                held = before * column.mark if before else 0.0
                value = value + (deal.cash - cash) + ((deal.position * deal.price if deal.position else 0.0) - held)
                column.mark = deal.price
            if case.signals is not None:
                close = self.prices[3][j][bar]
                base = sg.base_price(case.modes.base, column.mark, wish, deal.price, close)
                stops = case.signals.stops(bar, self.first + j)
                column.guard.after(before, column.position, base, stops, case.modes.stop_update)
        return Step(bar, self.first + j, deal, ask.size, self.desk.cash, gate), value

    def _gate(self, j: int, bar: int, ask: Ask, wish: Wish, fixed: float) -> Outcome | None:
        """Return our gate's word for the whole wish at its price after slippage and with its whole fee."""
        if ask.reason != Reason.FILLED or math.isinf(ask.size):
            return None
        price = wish.price * (1 + wish.slippage if ask.size > 0 else 1 - wish.slippage)
        return self.desk.ask(j, bar, ask.size, price, abs(ask.size) * price * self.case.terms.rate + fixed)

    def _fee(self, ask: Ask, wish: Wish, column: _Column) -> float:
        """Return our cost model's fee for what was asked; for `as much as there is`, for what the purse could buy."""
        if ask.reason != Reason.FILLED or ask.size == 0:
            return 0.0
        shares = abs(ask.size)
        if math.isinf(shares):
            shares = self.cash / wish.price if ask.size > 0 else abs(column.position)
        lots, price = int(shares), ticks_of(wish.price)
        fee = costs.commission(self.model, 1 if ask.size > 0 else -1, lots, price, lots * price * MONEY_SCALE // SCALE, 1)
        return float(fee / MONEY_SCALE)
