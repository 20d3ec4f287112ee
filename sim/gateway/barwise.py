"""Orders that trade bar by bar, as in a backtest, instead of second by second: what `fill_bar_s` asks for.

Theory of operation. Two moments of a bar matter. Seven seconds after it has begun, which is time enough for five-second bars to
arrive and for orders to be decided at the close before, everything that works is looked at in one order of contracts: market
orders trade at the open, and so do limits and stops that the open has passed; those executions carry the bar's first moment.
And just before it ends the bar is walked as the backtester walks it: from the open to one extreme, to the other, to the
close, orders acting where the price reaches them, trailing stops following, children living from their parent's fill on.
Both orders of the extremes are walked, and the one that leaves the account with less is the one that happened; those
executions carry the bar's end. Whether and where an order acts is `sim.engine.walk.acts_at`, the backtester's own function,
and there is no spread. Orders of other kinds (at the close, if touched, trailing limits) trade second by second.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sim.engine.layout import W_ALIVE, W_KIND, W_LEAVES, W_LEVEL, W_LIMIT, W_SIDE, W_WOKEN
from sim.engine.walk import NEVER, acts_at
from sim.gateway.core.config import SECOND_NS
from sim.gateway.core.schedule import Timer
from sim.gateway.desk import prices
from sim.gateway.desk.orders import CANCELLED, FILLED, Order
from sim.gateway.desk.trading import NOW_OR_NEVER, Trader
from sim.gateway.feed.paths import Bar, Ints, joined
from strategies.api import LIMIT, MARKET, STOP, STOP_LIMIT, TRAIL

if TYPE_CHECKING:
    from sim.gateway.desk.desk import Desk

KINDS = {"MKT": MARKET, "LMT": LIMIT, "STP": STOP, "STP LMT": STOP_LIMIT, "TRAIL": TRAIL}
BEFORE_END_NS = 1_000_000
"""The walk comes so long before a bar's end, so that its fills are told before the bar is."""
OPENS_AFTER_NS = 7 * SECOND_NS
"""So long after its first moment a bar's open is traded, or half the bar where that is shorter."""
_WIDTH = 1 + max(W_ALIVE, W_KIND, W_LEAVES, W_LEVEL, W_LIMIT, W_SIDE, W_WOKEN)


@dataclass(slots=True)
class Walker:
    """An order on a walk through a bar; the order itself is not touched."""

    order: Order
    line: Ints
    """What `acts_at` reads."""

    def follow(self, price: int) -> None:
        """Let a trailing stop follow the price where that is to its good."""
        if self.line[W_KIND] == TRAIL:
            stop = _stop(self.order, price)
            side = self.order.side
            self.line[W_LEVEL] = stop if side * (self.line[W_LEVEL] - stop) > 0 else self.line[W_LEVEL]


def _stop(order: Order, best: int) -> int:
    return prices.trailed(best, order.trail, order.side, order.contract.step)


def _walker(order: Order, bar: Bar) -> Walker:
    line = np.zeros(_WIDTH, np.int64)
    line[W_ALIVE], line[W_SIDE], line[W_KIND], line[W_LEAVES] = _lives(order), order.side, KINDS[order.kind], order.left
    line[W_LIMIT], line[W_LEVEL], line[W_WOKEN] = order.limit, order.stop, order.triggered
    walker = Walker(order, line)
    walker.follow(bar.open)
    return walker


def _lives(order: Order) -> bool:
    return order.parent is None or order.parent.status == FILLED


def _rank(order: Order) -> tuple[int, bool, int]:
    """Return the order in which orders are looked at: by contract, guards before others, older ones first."""
    return order.contract.con_id, not order.fields.get("ocaGroup"), order.perm_id


def walked(orders: list[Order], bar: Bar, low_first: bool) -> tuple[list[tuple[Order, int]], list[Walker], int]:
    """Return the fills of one walk (order and price), the walkers after it, and what they leave at the close, in units x lots."""
    walkers = [_walker(order, bar) for order in orders]
    fills: list[tuple[Order, int]] = []
    price = bar.open
    for goal in (*((bar.low, bar.high) if low_first else (bar.high, bar.low)), bar.close):
        while (found := _nearest(walkers, price, goal)) is not None:
            walker, price = found
            for each in walkers:
                each.follow(price)
            if walker.line[W_KIND] == STOP_LIMIT and not walker.line[W_WOKEN]:
                walker.line[W_WOKEN] = 1
                continue
            fills.append((walker.order, price))
            _after_fill(walkers, walker, price)
        for each in walkers:
            each.follow(goal)
        price = goal
    return fills, walkers, sum(order.side * order.left * (bar.close - paid) for order, paid in fills)


def _nearest(walkers: list[Walker], price: int, goal: int) -> tuple[Walker, int] | None:
    """Return who acts first on the way and where; of several at one price the first in rank."""
    found: tuple[Walker, int] | None = None
    for walker in walkers:
        here = int(acts_at(walker.line, price, goal))
        if here != NEVER and (found is None or abs(here - price) < abs(found[1] - price)):
            found = walker, here
    return found


def _after_fill(walkers: list[Walker], filled: Walker, price: int) -> None:
    """Let children live, trails following from here, and siblings of a group die."""
    group = filled.order.fields.get("ocaGroup")
    filled.line[W_ALIVE] = filled.line[W_LEAVES] = 0
    for other in walkers:
        if other.order.parent is filled.order:
            other.line[W_ALIVE] = 1
            other.line[W_LEVEL] = other.line[W_LEVEL] or _stop(other.order, price)
        elif group and other.order.fields.get("ocaGroup") == group:
            other.line[W_ALIVE] = 0


class BarTrader(Trader):
    """Lets orders of one desk trade bar by bar."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._bar_ns = desk.config.fill_bar_s * SECOND_NS
        self._working: dict[Order, None] = {}
        """Orders that wait for an open or a walk."""
        self._opens_ns = min(OPENS_AFTER_NS, self._bar_ns // 2)
        self._timer: Timer | None = None
        self._moment_ns = 0
        self._walking = False

    def filled_ns(self, order: Order) -> int:
        """Return the time that an execution of an order made now carries."""
        return self._moment_ns or super().filled_ns(order)

    def stop(self, order: Order) -> None:
        """Take an order out of the market."""
        self._working.pop(order, None)
        super().stop(order)

    def _take_or_rest(self, order: Order) -> None:
        if order.kind not in KINDS:
            super()._take_or_rest(order)
        elif not order.done:
            self._working[order] = None
            now = self.schedule.now_ns
            if not self._walking and now % self._bar_ns >= self._opens_ns:
                self._open(order, now - now % self._bar_ns)
            self._arm()

    def _arm(self) -> None:
        """Have the next moment looked at: this bar's first second, or what is just before its end."""
        if self._timer is None and self._working:
            now = self.schedule.now_ns
            began = now - now % self._bar_ns
            ends = began + self._bar_ns - BEFORE_END_NS
            if self._walking:
                return  # the walk arms the next moment when it is over
            if now < began + self._opens_ns:
                self._timer = self.schedule.at(began + self._opens_ns, self._opens)
            elif now < ends:
                self._timer = self.schedule.at(ends, self._ends)
            else:
                self._timer = self.schedule.at(began + self._bar_ns + self._opens_ns, self._opens)

    def _opens(self) -> None:
        """Look at everything that works at a bar's open."""
        self._timer = None
        now = self.schedule.now_ns
        for order in sorted(self._working, key=_rank):
            if order in self._working and self._trades(order, now):
                self._open(order, now - now % self._bar_ns)
        self._timer = self.schedule.at(now - now % self._bar_ns + self._bar_ns - BEFORE_END_NS, self._ends) if self._working else None

    def _trades(self, order: Order, now_ns: int) -> bool:
        return self.market.open(order.contract, now_ns, order.outside())

    def _open(self, order: Order, began_ns: int) -> None:
        """Let an order trade at the open of the bar that began at a moment, if the open allows it."""
        first = self.market.second(order.contract, began_ns + SECOND_NS).open
        if self._acts(order, first, began_ns):
            self._fill(order, first, began_ns)
        if order.tif in NOW_OR_NEVER and not order.done and order not in self.filler.slicing:
            self.desk.end(order, CANCELLED, told="Order Canceled - reason:")

    def _acts(self, order: Order, first: int, began_ns: int) -> bool:
        """Say whether an order acts at the open; a stop may wake and a trailing stop follows (order modified in place)."""
        kind, side = KINDS[order.kind], order.side
        if kind == TRAIL and not order.stop:
            # A guard follows from where its position began, any other order from the last close.
            guard = order.fields.get("ocaGroup")
            order.stop = _stop(order, first if guard else self.market.second(order.contract, began_ns).close)
        if kind in (STOP, STOP_LIMIT, TRAIL) and side * (first - order.stop) >= 0:
            order.triggered = True
        elif kind == TRAIL and side * (order.stop - _stop(order, first)) > 0:
            order.stop = _stop(order, first)
        if kind == LIMIT or (kind == STOP_LIMIT and order.triggered):
            return side * (first - order.limit) <= 0
        return kind == MARKET or (order.triggered and kind != STOP_LIMIT)

    def _fill(self, order: Order, price: int, moment_ns: int) -> None:
        self._moment_ns = moment_ns
        try:
            self.filler.fill(order, min(order.left, self.available(order)), price)
        finally:
            self._moment_ns = 0

    def _ends(self) -> None:
        """Walk the bar that is about to end, contract by contract."""
        self._timer, self._walking = None, True
        now = self.schedule.now_ns
        ends = now - now % self._bar_ns + self._bar_ns
        contracts: dict[int, list[Order]] = {}
        for order in sorted(self._working, key=_rank):
            if KINDS[order.kind] != MARKET and self._trades(order, now):
                contracts.setdefault(order.contract.con_id, []).append(order)
        for orders in contracts.values():
            self._walk(orders, ends)
        self._walking = False
        self._timer = self.schedule.at(ends + self._opens_ns, self._opens) if self._working else None

    def _walk(self, orders: list[Order], ends_ns: int) -> None:
        """Walk one contract's bar both ways, and let the worse one happen."""
        children = [child for order in orders for child in order.children if not child.done and child.transmitted and child not in orders]
        orders = sorted([*orders, *(child for child in children if child.kind in KINDS)], key=_rank)
        bar = self._bar_until(orders[0], ends_ns)
        low, high = walked(orders, bar, True), walked(orders, bar, False)
        fills, walkers, _ = low if low[2] <= high[2] else high
        for walker in walkers:
            if walker.line[W_KIND] == TRAIL and walker.line[W_LEVEL]:
                walker.order.stop = int(walker.line[W_LEVEL])
            walker.order.triggered = bool(walker.line[W_WOKEN])
        for order, price in fills:
            limit = order.limit if KINDS[order.kind] in (LIMIT, STOP_LIMIT) else 0
            self._fill(order, prices.honest(price, order.side, bar, order.contract.step, limit), ends_ns)

    def _bar_until(self, order: Order, ends_ns: int) -> Bar:
        """Return the bar that ends at a moment."""
        series = self.market.series(order.contract)
        return joined(np.array([series.second(at) for at in range(ends_ns - self._bar_ns, ends_ns, SECOND_NS)], np.int64))
