"""When orders trade: activation, holding, resting, triggering, filling, expiring.

Theory of operation. `start` takes an order that is transmitted and decides: it waits for its parent,
for a time, for an opening; or it trades at once; or it rests. Once a second, while
anything rests, `second` looks at the bar of the second that has passed and lets trade what
it touches: one look at the top of each queue, so it does not matter how many orders
rest further away. At what price is asked of `prices` alone; what a fill brings with it
(commission, siblings, children) is `fills`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim.gateway.core.config import SECOND_NS
from sim.gateway.core.schedule import Timer
from sim.gateway.desk import prices
from sim.gateway.desk.amounts import QTY_EXP
from sim.gateway.desk.fills import Filler
from sim.gateway.desk.hours import close_ns, local, next_open_ns
from sim.gateway.desk.orders import CANCELLED, FILLED, HELD, PENDING, WORKING, Order
from sim.gateway.desk.resting import Ladder
from sim.gateway.desk.words import ZONE, describe
from sim.gateway.feed.paths import Bar

if TYPE_CHECKING:
    from sim.gateway.desk.desk import Desk

AT_CLOSE = frozenset(("MOC", "LOC"))
NOW_OR_NEVER = frozenset(("IOC", "FOK"))


class Trader:
    """Lets orders of one desk trade."""

    def __init__(self, desk: Desk) -> None:
        self.desk, self.market, self.schedule = desk, desk.market, desk.schedule
        self.filler = Filler(desk, self)
        self.ladders: dict[int, Ladder] = {}
        self._timers: dict[Order, list[Timer]] = {}
        self._number = 0
        self._second: Timer | None = None

    # An order comes in

    def start(self, order: Order) -> None:
        """Let a transmitted order do what it can do now."""
        if order.parent is not None and order.parent.status != FILLED:
            self._hold(order, "child")
            return
        now = self.schedule.now_ns
        hours = self.market.hours(order.contract)
        due = max(order.due_ns, 0)
        if order.kind in AT_CLOSE:
            due = max(due, close_ns(hours, now))
        elif order.tif == "OPG":
            due = max(due, next_open_ns(hours, close_ns(hours, now)) if self.market.open(order.contract, now) else next_open_ns(hours, now))
        elif not self.market.open(order.contract, max(now, due), order.outside()):
            due = next_open_ns(hours, max(now, due), order.outside())
            self._warn_held(order, due)
        self._expire(order)
        if due > now:
            self._hold(order, "")
            self._later(order, due, lambda: self.activate(order, told=False))
        else:
            self.activate(order)

    def _hold(self, order: Order, why: str) -> None:
        order.status, order.why_held = HELD, why
        self.desk.say(order)

    def _warn_held(self, order: Order, due_ns: int) -> None:
        begins = f"{local(due_ns, ZONE):%Y-%m-%d %H:%M:%S}"
        self.desk.warn(
            order, 399, f"Order Message:\n{describe(order)}\nWarning: your order will not be placed at the exchange until {begins} {ZONE}"
        )

    def _later(self, order: Order, due_ns: int, call: object) -> None:
        self._timers.setdefault(order, []).append(self.schedule.at(due_ns, call))  # type: ignore[arg-type]

    def _expire(self, order: Order) -> None:
        """Arrange the end of an order that is good for a day or until a date."""
        hours = self.market.hours(order.contract)
        if order.tif == "DAY" and order.kind not in AT_CLOSE:
            ends = close_ns(hours, max(self.schedule.now_ns, order.due_ns))
        elif order.ends_ns:
            ends = order.ends_ns
        else:
            return
        self._later(order, ends, lambda: self.desk.end(order, CANCELLED, told="Order Canceled - reason:Order expired"))

    def activate(self, order: Order, told: bool = True) -> None:
        """Bring an order to market: trade at once, or rest."""
        if order.done:
            return
        order.why_held = ""
        delay = self.desk.config.fill_delay_ns
        taking = self._takes(order)
        if taking is not None and order.kind != "LMT":
            order.status = HELD if order.status == PENDING or told else order.status
            if told:
                self.desk.say(order)
        elif told or order.status != WORKING:
            order.status = HELD if order.kind in ("STP", "STP LMT", "TRAIL", "TRAIL LIMIT", "MIT", "LIT") else WORKING
            self.desk.say(order)
        if taking is not None and delay:
            self._later(order, self.schedule.now_ns + delay, lambda: self._take_or_rest(order))
        else:
            self._take_or_rest(order)

    def _bar(self, order: Order) -> Bar:
        """Return the last second as the order's side sees it."""
        bar = self.market.second(order.contract, self.schedule.now_ns)
        return prices.for_side(bar, order.side, order.contract.step)

    def _takes(self, order: Order) -> int | None:
        """Return the price at which an order trades at once, None if it cannot."""
        if order.kind in ("MKT", "MOC") or (order.triggered and order.kind in ("STP", "TRAIL", "MIT")):
            return prices.market_price(order.side, self._bar(order), order.contract.step)
        if order.kind in ("LMT", "LOC") or (order.triggered and order.kind in ("STP LMT", "LIT", "TRAIL LIMIT")):
            return prices.taking_price(order.side, order.limit, self._bar(order), order.contract.step)
        return None

    def filled_ns(self, order: Order) -> int:
        """Return the time that an execution of an order made now carries."""
        return self.schedule.now_ns

    def _take_or_rest(self, order: Order) -> None:
        if order.done:
            return
        price = self._takes(order)
        if price is not None:
            self._take(order, price)
        if order.done or order in self.filler.slicing:
            return
        if order.tif in NOW_OR_NEVER or order.kind in AT_CLOSE:
            self.desk.end(order, CANCELLED, told="Order Canceled - reason:")
        else:
            self._rest(order)

    def _take(self, order: Order, price: int) -> None:
        available = self.available(order)
        if order.tif == "FOK" and available < order.left:
            return
        self.filler.fill(order, min(order.left, available), price)

    def available(self, order: Order) -> int:
        """Return how many lots can trade within this second."""
        words = self.desk.config.liquidity
        if not words or order.kind in AT_CLOSE:
            return order.left
        most = int(float(words) * 10**QTY_EXP) // order.contract.qty_step * order.contract.qty_step
        return min(order.left, most)

    # An order rests

    def _rest(self, order: Order) -> None:
        ladder = self.ladders.setdefault(order.contract.con_id, Ladder())
        self._number += 1
        if order.kind in ("TRAIL", "TRAIL LIMIT") and not order.triggered:
            if not order.stop:
                self._trail(order, self.market.second(order.contract, self.schedule.now_ns))
            ladder.add_trail(order, self._number)
        elif order.kind in ("LMT", "LOC") or (order.triggered and order.kind in ("STP LMT", "LIT", "TRAIL LIMIT")):
            ladder.add_limit(order, self._number)
        elif order.triggered or order.kind == "MKT":
            self._later(order, self.next_second(), lambda: self._take_or_rest(order))
        else:
            # An if-touched order waits for a better price, a stop for a worse one.
            ladder.add_stop(order, self._number, -order.side if order.kind in ("MIT", "LIT") else order.side)
        self.wake()

    def stop(self, order: Order) -> None:
        """Take an order out of the market and forget everything that was to happen to it."""
        for timer in self._timers.pop(order, ()):
            timer.stop()
        self.filler.slicing.pop(order, None)
        ladder = self.ladders.get(order.contract.con_id)
        if ladder is not None:
            ladder.drop(order)

    def next_second(self) -> int:
        """Return when the next whole second begins."""
        return (self.schedule.now_ns // SECOND_NS + 1) * SECOND_NS

    def wake(self) -> None:
        """Look at the market once a second from now on, while anything rests."""
        if self._second is None:
            self._second = self.schedule.at(self.next_second(), self._each_second)

    def _each_second(self) -> None:
        self._second = None
        for con_id, ladder in list(self.ladders.items()):
            if len(ladder):
                self.second(con_id, ladder)
            else:
                del self.ladders[con_id]
        if self.ladders:
            self.wake()

    def second(self, con_id: int, ladder: Ladder) -> None:
        """Let trade what the last second touched."""
        contract = self.desk.catalogue.by_id[con_id]
        now = self.schedule.now_ns
        if not self.market.open(contract, now - 1, outside=True):
            return
        regular = self.market.open(contract, now - 1)
        bar = self.market.second(contract, now)
        for order in list(ladder.trails):
            if regular or order.outside():
                self._follow(order, ladder, bar)
        for side in (1, -1):
            self._trigger(ladder, side, bar, regular)
            self._cross(ladder, side, prices.for_side(bar, side, contract.step), regular)

    def _trigger(self, ladder: Ladder, side: int, bar: Bar, regular: bool) -> None:
        """Let stops go that the last prices reached; an order that may not trade now waits again."""
        again = []
        while (first := ladder.stops[side].first()) is not None and prices.stop_touched(side, side * first[0], bar):
            order = first[1]
            ladder.stops[side].drop(order)
            if regular or order.outside():
                self._triggered(order, bar)
            else:
                again.append(order)
        for order in again:
            self._rest(order)

    def _triggered(self, order: Order, bar: Bar) -> None:
        """Turn a touched stop into the order it stands for."""
        order.triggered = True
        if order.kind in ("STP", "TRAIL", "MIT"):
            step = order.contract.step
            seen = prices.for_side(bar, order.side, step)
            touched = order.kind != "MIT"
            price = prices.stop_price(order.side, order.stop, seen, step) if touched else prices.market_price(order.side, seen, step)
            self.filler.fill(order, self.available(order), price)
            if not order.done and order not in self.filler.slicing:
                self._rest(order)
            return
        order.status = WORKING
        self.desk.say(order)
        self._take_or_rest(order)

    def _cross(self, ladder: Ladder, side: int, bar: Bar, regular: bool) -> None:
        """Let limit orders trade that the other side reached."""
        again = []
        while (first := ladder.limits[side].first()) is not None:
            order = first[1]
            price = prices.limit_price(side, order.limit, bar, order.contract.step)
            if price is None:
                break
            ladder.limits[side].drop(order)
            if regular or order.outside():
                self.filler.fill(order, self.available(order), price)
            if not order.done and order not in self.filler.slicing:
                again.append(order)
        for order in again:
            self._rest(order)

    # A stop that follows the price

    def _trail(self, order: Order, bar: Bar) -> None:
        """Move a trailing stop after the best price so far; it never moves back."""
        best = bar.low if order.side > 0 else bar.high
        step = order.contract.step
        distance = order.trail or -(-best * order.trail_bps // (10_000 * step)) * step
        stop = prices.trailed(best, distance, order.side, step)
        if not order.stop or order.side * (order.stop - stop) > 0:
            order.stop = max(step, stop)
            self.desk.dirty.add(order)

    def _follow(self, order: Order, ladder: Ladder, bar: Bar) -> None:
        if prices.stop_touched(order.side, order.stop, bar):
            ladder.drop(order)
            if order.kind == "TRAIL LIMIT":
                order.limit = order.stop + order.side * order.limit
            self._triggered(order, bar)
        else:
            self._trail(order, bar)
