"""The exchange again, slowly: one instrument, prices walked tick by tick, everything in plain Python.

Theory of operation. This is its own reading of the rules, written from their description:
a bar is walked one tick at a time through its open, its extremes in one order or the other,
and its close; at every tick whoever must act acts, guards before the strategy's own order.
Nothing is clever and nothing is shared with the engine but the words of a wish.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil, floor
from typing import NamedTuple

MARKET, LIMIT, STOP, STOP_LIMIT, TRAIL = range(5)
GTC, DAY, IOC, AT_OPEN, AT_CLOSE = range(5)
STOP_GUARD, TAKE_GUARD, TRAIL_GUARD = "stop", "take", "trail"
LOTS = 10_000


class Bar(NamedTuple):
    """One bar, in ticks; volume in shares."""

    open: int
    high: int
    low: int
    close: int
    volume: int


class Wish(NamedTuple):
    """A wish in ticks; None = no such price."""

    target: float | None
    kind: int = MARKET
    limit: int | None = None
    stop: int | None = None
    tif: int = GTC
    stop_loss: float | None = None
    take_profit: float | None = None
    trail: float | None = None
    from_fill: bool = False

    def order(self) -> tuple:
        return (self.target, self.kind, self.limit, self.stop, self.tif, self.trail if self.kind == TRAIL else None)

    def guards(self) -> tuple:
        return (self.stop_loss, self.take_profit, self.trail, self.from_fill)


class Profile(NamedTuple):
    """What a profile means to the twin."""

    at_close: bool = False
    better: bool = False
    stop_first: bool = False  # and no guards in the entry bar, trails between bars, stopped wishes open anew


PROFILES = {
    "next-open": Profile(), "pessimistic": Profile(), "optimistic": Profile(better=True), "close": Profile(at_close=True),
    "vectorbt": Profile(at_close=True, stop_first=True),
}  # fmt: skip


@dataclass
class Order:
    """A working order; guards carry their name."""

    side: int
    lots: int
    kind: int
    limit: int = 0
    stop: int = 0
    distance: int = 0
    best: int = 0
    tif: int = GTC
    guard: str = ""
    woken: bool = False
    placed: int = -1  # the bar at whose close it was placed

    def acts(self, price: int) -> bool:
        """Say whether the order acts when the market stands at this price; a stop may wake."""
        if self.kind in (STOP, STOP_LIMIT) and self.side * (price - self.stop) >= 0:
            self.woken = True
        if self.kind == TRAIL and self.side * (price - self.trigger()) >= 0:
            self.woken = True
        if self.kind == LIMIT or (self.kind == STOP_LIMIT and self.woken):
            return self.side * (price - self.limit) <= 0
        return self.woken and self.kind != STOP_LIMIT

    def trigger(self) -> int:
        return max(1, self.best + self.side * self.distance)


@dataclass
class Exchange:
    """One account in one instrument."""

    cash: Fraction
    profile: Profile
    slippage: tuple[str, Fraction] = ("none", Fraction(0))
    participation: Fraction | None = None
    position: int = 0
    base: int = 0
    best: int = 0
    orders: list[Order] = field(default_factory=list)
    wanted: Wish | None = None
    side: int = 0  # of the wish that brought the guards
    last: Wish | None = None
    stopped: bool = False
    stop_bar: int = -1
    born_bar: int = -1
    taken: int = 0
    fills: list[tuple[int, str, int, int, int]] = field(default_factory=list)  # bar, where, side, lots, price

    # Prices and quantities.

    def slipped(self, price: int, side: int, lots: int, bar: Bar) -> int:
        kind, amount = self.slippage
        if kind == "none":
            return price
        if kind == "ticks":
            moved = amount
        elif kind == "bps":
            moved = price * amount / 10_000
        else:
            volume = bar.volume * LOTS
            share = min(Fraction(lots, volume), 1) if volume else Fraction(1)
            moved = price * amount * share * share
        return max(1, price + side * ceil(moved))

    def room(self, bar: Bar) -> int | None:
        if self.participation is None:
            return None
        cap = floor(bar.volume * LOTS * self.participation / LOTS) * LOTS
        return max(0, cap - self.taken)

    def own(self) -> Order | None:
        return next((order for order in self.orders if not order.guard), None)

    def guard(self, name: str) -> Order | None:
        return next((order for order in self.orders if order.guard == name), None)

    # Guards.

    def guard_price(self, name: str) -> int | None:
        """Return the level of a stop or a target, or the distance of a trail."""
        wish = self.wanted
        amount = {STOP_GUARD: wish.stop_loss, TAKE_GUARD: wish.take_profit, TRAIL_GUARD: wish.trail}[name] if wish else None
        if amount is None or (name == TRAIL_GUARD and wish.kind == TRAIL):
            return None
        long = self.position > 0
        if not wish.from_fill:
            return int(amount)
        share = Fraction(round(amount * 10**6), 10**6)
        if name == TRAIL_GUARD:
            return ceil(self.base * share)
        up = (name == TAKE_GUARD) == long
        level = self.base * max(0, 1 + (share if up else -share))
        # The seller's stop down and target up, the buyer's the other way round.
        return max(1, ceil(level) if (name == TAKE_GUARD) == long else floor(level))

    def align(self) -> None:
        """Bring the guards in line with the position."""
        own = self.own()
        exits = own.lots if own and own.side * self.position < 0 else 0
        lots = abs(self.position) - exits if self.position * self.side > 0 else 0
        for name in (STOP_GUARD, TAKE_GUARD, TRAIL_GUARD):
            price, there = self.guard_price(name) if lots > 0 else None, self.guard(name)
            right = there and price is not None and there.lots == lots and there.side * self.position < 0
            if right and price == {STOP_GUARD: there.stop, TAKE_GUARD: there.limit, TRAIL_GUARD: there.distance}[name]:
                continue
            if there:
                self.orders.remove(there)
            if price is not None:
                kind = {STOP_GUARD: STOP, TAKE_GUARD: LIMIT, TRAIL_GUARD: TRAIL}[name]
                side = -1 if self.position > 0 else 1
                self.orders.append(Order(side, lots, kind, price, price, price, self.best, GTC, name))

    # Fills.

    def fill(self, order: Order, price: int, number: int, bar: Bar, where: str) -> bool:
        """Fill what the volume leaves; False when nothing is left."""
        left = self.room(bar)
        lots = order.lots if left is None else min(order.lots, left)
        if lots == 0:
            return False
        paid = price if order.kind in (LIMIT, STOP_LIMIT) else self.slipped(price, order.side, lots, bar)
        self.taken += lots
        self.cash -= Fraction(order.side * lots * paid, LOTS * 10_000)
        before, self.position = self.position, self.position + order.side * lots
        order.lots -= lots
        if order.lots == 0:
            self.orders.remove(order)
        self.fills.append((number, where, order.side, lots, paid))
        if order.guard:
            self.stopped, self.stop_bar = True, number
            self.orders = [other for other in self.orders if other.guard]
        elif self.position and before * self.position <= 0:
            self.base = self.best = paid
            self.born_bar, self.stopped = number, False
        self.align()
        return True

    def rank(self, order: Order) -> int:
        return {STOP_GUARD: 0, TAKE_GUARD: 1, TRAIL_GUARD: 2, "": 3}[order.guard]

    def everything(self, price: int, number: int, bar: Bar, where: str, allowed) -> None:
        """Let every allowed order act at one price until none does."""
        spent: list[int] = []
        while True:
            ready = [o for o in self.orders if id(o) not in spent and allowed(o) and o.acts(price)]
            if not ready:
                return
            order = min(ready, key=self.rank)
            if not self.fill(order, price, number, bar, where):
                spent.append(id(order))

    # One bar.

    def open_bar(self, number: int, bar: Bar) -> None:
        self.taken = 0

        def allowed(order: Order) -> bool:
            if order.tif == AT_CLOSE:
                return False
            return not (order.guard and self.profile.stop_first)

        for _ in range(20):
            market = [o for o in self.orders if o.kind == MARKET and (o.tif == AT_OPEN or (not self.profile.at_close and o.tif != AT_CLOSE))]
            guards = [o for o in self.orders if o.guard and allowed(o) and o.acts(bar.open)]
            # At one price the guards come first.
            if guards:
                if not self.fill(min(guards, key=self.rank), bar.open, number, bar, "open"):
                    break
            elif market:
                if not self.fill(market[0], bar.open, number, bar, "open"):
                    break
            else:
                break
        self.everything(bar.open, number, bar, "open", lambda o: allowed(o) and o.kind != MARKET)
        for order in list(self.orders):
            if order.tif in (IOC, AT_OPEN):
                self.orders.remove(order)
                self.last = None

    def once_a_bar(self, number: int, bar: Bar) -> None:
        """Judge guards once: the stop, then the trail, then the target; not in the entry bar."""
        if not self.position or self.born_bar == number:
            return
        for name in (STOP_GUARD, TRAIL_GUARD, TAKE_GUARD):
            order = self.guard(name)
            if order is None:
                continue
            level = order.trigger() if order.kind == TRAIL else order.limit if order.kind == LIMIT else order.stop
            down = (self.position > 0) == (name != TAKE_GUARD)
            beyond = bar.open <= level if down else bar.open >= level
            reached = bar.low <= level if down else bar.high >= level
            if beyond or reached:
                self.fill(order, bar.open if beyond else level, number, bar, "within")
                return

    def walk(self, number: int, bar: Bar, low_first: bool) -> None:
        """Walk through the bar tick by tick."""
        first, second = (bar.low, bar.high) if low_first else (bar.high, bar.low)
        asleep: list[Order] = []  # woken without volume: they wait for the next open

        def allowed(order: Order) -> bool:
            if order.guard and self.profile.stop_first:
                return False
            if order.kind == MARKET or order.tif in (AT_OPEN, AT_CLOSE) or any(order is other for other in asleep):
                return False
            return True

        asleep += [o for o in self.orders if o.kind in (STOP, TRAIL) and o.woken]
        price = bar.open
        self.follow(price)
        for goal in (first, second, bar.close):
            step = 1 if goal > price else -1
            while True:
                while True:
                    ready = [o for o in self.orders if allowed(o) and o.acts(price)]
                    if not ready:
                        break
                    order = min(ready, key=self.rank)
                    if not self.fill(order, price, number, bar, "within") or (order.lots and order.kind in (STOP, TRAIL)):
                        asleep.append(order)
                if price == goal:
                    break
                price += step
                self.follow(price)

    def follow(self, price: int) -> None:
        """Let trailing stops follow the price."""
        for order in self.orders:
            if order.kind == TRAIL and not (order.guard and self.profile.stop_first):
                order.best = max(order.best, price) if order.side < 0 else min(order.best, price)
                if order.guard:
                    self.best = order.best

    def state(self) -> tuple:
        """Return what matters of the account after a bar: its fills, too, for other prices are another book."""
        orders = [(o.side, o.lots, o.kind, o.guard, o.woken, o.trigger() if o.kind == TRAIL else o.stop) for o in self.orders]
        return self.cash, self.position, sorted(orders), list(self.fills)

    def worth(self, price: int) -> Fraction:
        return self.cash + Fraction(self.position * price, LOTS * 10_000)

    def close_bar(self, number: int, bar: Bar) -> None:
        """Closing auction, then what ends with the day."""
        for order in list(self.orders):
            if order.tif == AT_CLOSE and order.placed < number:
                if order.kind == MARKET or order.side * (bar.close - order.limit) <= 0:
                    self.fill(order, bar.close, number, bar, "close")
        for order in list(self.orders):
            if order.tif in (DAY, AT_CLOSE) and not order.guard and order.placed < number:
                self.orders.remove(order)
                self.last = None

    def decide(self, wish: Wish, number: int, bar: Bar, size) -> None:
        """Act on the strategy's wish at the close."""
        if wish.target is None:
            if self.stopped:
                self.last = None
            return
        if self.profile.stop_first and self.stopped:
            if self.stop_bar == number:
                return
            self.last = None
        if self.last is not None and wish.order() == self.last.order():
            if wish.guards() != self.last.guards():
                self.take_guards(wish, bar)
                self.last = wish
                self.align()
            return
        target = size(self, wish.target, bar.close)
        if self.own():
            self.orders.remove(self.own())
        if (self.position > 0 and target < self.position) or (self.position < 0 and target > self.position):
            self.orders = []
        self.take_guards(wish, bar)
        self.last, self.stopped = wish, False
        if target != self.position:
            side = 1 if target > self.position else -1
            order = Order(side, abs(target - self.position), wish.kind, wish.limit or 0, wish.stop or 0, tif=wish.tif, placed=number)
            if wish.kind == TRAIL:
                order.distance, order.best = int(wish.trail), bar.close
            self.orders.append(order)
        self.align()

    def take_guards(self, wish: Wish, bar: Bar) -> None:
        had = self.guard_price(TRAIL_GUARD) if self.wanted and self.side else None
        self.wanted, self.side = wish, (wish.target > 0) - (wish.target < 0)
        if self.side == 0:
            self.wanted = None
        if not had and self.position and self.guard_price(TRAIL_GUARD):
            self.best = bar.close

    def fill_at_close(self, number: int, bar: Bar) -> None:
        own = self.own()
        if self.profile.at_close and own and own.kind == MARKET and own.tif not in (AT_OPEN, AT_CLOSE):
            self.fill(own, bar.close, number, bar, "close")
