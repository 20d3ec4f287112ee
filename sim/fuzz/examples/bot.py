"""A typical bot, the scenario that finds its race, and the bot repaired.

Theory of operation. `TypicalBot` is how order handlers are usually written: it loads its
positions at the start, asks for a price, looks, buys, remembers. `typical` hands it a desk and a
burst of signals. Run `onebook fuzz run example.typical`, read the lanes, repair; `repaired` is
the same world with a claim in the database in front of each order, and it stands.

To try your own bot, copy `typical` into a file of yours, and give your handler's broker,
database and data calls to the desk's. Then: `onebook fuzz run my_file:scenario`.
"""

from __future__ import annotations

from sim.fuzz.ports import Broker, Busy, Database, Desk
from sim.fuzz.world import World

QTY = 100
SYMBOLS = ("AAPL", "MSFT")


class TypicalBot:
    """Buys each symbol once, its author believes."""

    def __init__(self, broker: Broker, database: Database) -> None:
        self.broker, self.database = broker, database
        self.positions: dict[str, int] = {}

    async def start(self) -> None:
        """Load what is held."""
        self.positions = await self.database.all("positions")

    async def on_signal(self, symbol: str) -> None:
        """Buy, unless the symbol is held."""
        if symbol in self.positions:
            return
        cash = await self.broker.cash_left()
        if cash < QTY * self.broker.price:
            return
        await self.broker.place(symbol, QTY)
        self.positions[symbol] = QTY
        await self.database.put("positions", symbol, QTY)


class RepairedBot(TypicalBot):
    """Claims a symbol in the database before it orders: one row, one unique key, one winner, over crashes and processes."""

    async def on_signal(self, symbol: str) -> None:
        """Buy, if the claim is ours."""
        for _ in range(3):
            try:
                if await self.database.add("claims", symbol):
                    await self.broker.place(symbol, QTY)
                return
            except Busy:
                continue


def _world(world: World, bot: type[TypicalBot]) -> None:
    desk = Desk(world, cash=1_000_000, price=100)  # the broker's and the database's memory: it survives crashes
    signals = SYMBOLS * world.dial("repeats", 4)

    async def main() -> None:  # one life of the program: what is made here is lost in a crash
        handler = bot(desk.broker, desk.database)
        await handler.start()
        await desk.burst(handler.on_signal, signals)

    world.process("bot", main)
    world.allow("crash", "twin", "busy", "slow", "late")
    desk.demand_at_most(QTY, SYMBOLS)


def typical(world: World) -> None:
    """A bot that looks at its positions, waits for the broker, and buys."""
    _world(world, TypicalBot)


def repaired(world: World) -> None:
    """The same bot with a durable claim before each order."""
    _world(world, RepairedBot)
