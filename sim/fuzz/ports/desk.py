"""A desk: broker and database together, the burst of signals, and what every order handler must keep.

Theory of operation. A scenario makes a Desk, starts a program whose main builds the
handler with the desk's ports, and names its demands. Signals come as tasks of their own,
each after an event of its own, so that a second signal may come at any moment of the
first one's way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence

from sim.fuzz.ports.broker import Broker
from sim.fuzz.ports.database import Database
from sim.fuzz.world import World


class Desk:
    """What one handler under test has."""

    def __init__(self, world: World, cash: int = 1_000_000, price: int = 100, synchronous: str = "FULL") -> None:
        self.world = world
        self.broker = Broker(world, cash, price)
        self.database = Database(world, synchronous)
        world.show("held", lambda: {symbol: qty for symbol, qty in sorted(self.broker.held.items()) if qty} or "-")
        world.show("orders", lambda: len(self.broker.orders))

    async def quote(self, symbol: str) -> int:
        """Return a price: one answer of a data feed."""
        price: int = await self.world.io(f"quote {symbol}", lambda: self.broker.price)
        return price

    async def burst(self, handler: Callable[[str], Awaitable[object]], symbols: Iterable[str]) -> None:
        """Call the handler for every symbol, each in a task of its own and at a moment of its own; wait for all.

        A cancelled signal is no error (the fault `cancel` does that); any other exception of a handler is raised here.
        """

        async def signal(symbol: str) -> None:
            await self.world.io(f"signal {symbol}")
            await handler(symbol)

        results = await asyncio.gather(*(signal(symbol) for symbol in symbols), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException) and not isinstance(result, asyncio.CancelledError):
                raise result

    # Demands.

    def demand_at_most(self, qty: int, symbols: Sequence[str]) -> None:
        """Demand that no symbol's position and working orders together ever exceed `qty`, nor go short."""

        def check() -> str:
            for symbol in symbols:
                held = self.broker.exposure(symbol)
                if held > qty:
                    return f"{symbol}: {held} held or ordered, {qty} wanted"
                if held < 0:
                    return f"{symbol}: short by {-held}, nobody wanted that"
            return ""

        self.world.always("bought once", check)

    def demand_cash(self) -> None:
        """Demand that filled and working orders never cost more than there is."""

        def check() -> str:
            working = sum(order.side * (order.qty - order.filled) for order in self.broker.orders if order.status == "working")
            left = self.broker.cash - working * self.broker.price
            return f"cash would be {left}" if left < 0 else ""

        self.world.always("cash is enough", check)

    def demand_same_book(self, positions: Callable[[], dict[str, int]]) -> None:
        """Demand that the handler's own positions never exceed what was executed, and at the end are the broker's."""

        def bounded() -> str:
            for symbol, qty in positions().items():
                if abs(qty) > self.broker.executed.get(symbol, 0):
                    return f"{symbol}: the book says {qty}, only {self.broker.executed.get(symbol, 0)} were ever executed"
            return ""

        def check() -> str:
            ours = {symbol: qty for symbol, qty in positions().items() if qty}
            theirs = {symbol: qty for symbol, qty in self.broker.held.items() if qty}
            wrong = sorted(symbol for symbol in {*ours, *theirs} if ours.get(symbol) != theirs.get(symbol))
            return "; ".join(f"{symbol}: the book says {ours.get(symbol, 0)}, the broker holds {theirs.get(symbol, 0)}" for symbol in wrong)

        self.world.always("the book is no fiction", bounded)
        self.world.at_end("the book is the broker's", check)
