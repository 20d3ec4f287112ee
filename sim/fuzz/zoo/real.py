"""The real guard in the zoo: `ledger.oms.OrderManager` with `decide` and `apply`, as live trading uses it.

Theory of operation. One life of the bot opens the journal (here: a list of events that
survives crashes; each record is one synchronous step, as a commit is), replays it, asks
the broker about orders that may have changed, and hands signals to the manager. The
account's lock keeps a second process out and is freed when its owner dies, as the
operating system does with file locks. Nothing of the decision is modelled here.

Which build it is made of is a word of its own: the running one, or another release beside it
(`sim.fuzz.builds`). Builds exchange events and nothing else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from ledger.book import Book, Row, event
from ledger.units import money
from ledger.vocabulary import EventKind
from sim.fuzz.builds.alias import Build, this_build
from sim.fuzz.ports import Desk, Fill, Order, Rejected
from sim.fuzz.processes import Process

QTY, SHARE, CENT = 100, 10_000, 100
BARS = (1_767_623_400, 1_767_623_460)


class Disk:
    """What survives a crash: the journal's events and names, and who holds the account's lock."""

    def __init__(self, symbols: Iterable[str], cash: int) -> None:
        self.names: dict[str, int] = {}
        self.numbers = {symbol: number for number, symbol in enumerate(dict.fromkeys(symbols), 1)}
        self.symbols = {number: symbol for symbol, number in self.numbers.items()}
        self.owner: Process | None = None
        self.events: list[Row] = [
            event(EventKind.INSTRUMENT, instrument=number, revision=2, order_type=4, price_ticks=1, qty_lots=SHARE, target_lots=1)
            for number in self.symbols
        ]
        self.events.append(event(EventKind.DEPOSIT, cash_e8=money(str(cash))))
        self.refused: dict[str, int] = {}
        self.open: Journal | None = None
        """The journal as the life has it that opened it last."""

    def lock(self, process: Process) -> bool:
        """Take the account's lock, unless a living process holds it."""
        if self.owner is not None and self.owner.alive and self.owner is not process:
            return False
        self.owner = process
        return True

    def unlock(self) -> None:
        """Give the account's lock back."""
        self.owner = None

    def length(self) -> int:
        """Return how many events there are."""
        return len(self.events)

    def snapshot(self) -> tuple[Any, ...]:
        """Return the state: events are all that a book is made of."""
        return (self.owner, self.open, b"".join(row.tobytes() for row in self.events), tuple(self.names), tuple(self.refused.items()))

    def positions(self) -> dict[str, int]:
        """Return the shares of each symbol in the open book."""
        if self.open is None:
            return {}
        column = self.open.book.instruments[:, self.open.build.book.I_POSITION].tolist()
        return {symbol: column[number] // SHARE for number, symbol in self.symbols.items()}

    def book(self, build: Build) -> Any:
        """Return the book of the events as a build replays them."""
        book = build.book.Book()
        for row in self.events:
            assert build.core.apply(book, row) == build.vocabulary.Outcome.APPLIED, "a journal must replay"
        return book


class Journal:
    """`ledger.oms.Ledger` over a Disk."""

    def __init__(self, disk: Disk, build: Build) -> None:
        self.disk, self.build = disk, build
        self.book: Book = disk.book(build)
        disk.open = self

    def record(self, row: Row) -> Any:
        """Apply and keep one event."""
        outcome = self.build.core.apply(self.book, row)
        if outcome == self.build.vocabulary.Outcome.APPLIED:
            self.disk.events.append(row.copy())
        return outcome

    def gate(self, signal: Row) -> Any:
        """Decide, and keep the claim or the refusal."""
        decision = self.build.core.decide(self.book, signal)
        if decision.outcome != self.build.vocabulary.Outcome.AT_TARGET:
            self.record(decision.event)
        return decision

    def snapshot(self) -> tuple[Any, ...]:
        """Return the state: which build has replayed how much, and to which book."""
        return (self.build.prefix, self.book.seq, self.book.digest())

    def name(self, text: str) -> int:
        """Return the number of a text."""
        return self.disk.names.setdefault(text, len(self.disk.names) + 1)


class Bot:
    """One life of the bot around the order manager.

    Args:
        journal: what the manager writes to; `disk` knows what the symbols are called.
    """

    def __init__(self, desk: Desk, disk: Disk, build: Build, journal: Any) -> None:
        self.desk, self.disk, self.build, self.journal = desk, disk, build, journal
        self.manager = build.oms.OrderManager(journal, disk.symbols)
        self.listens = True

    async def start(self) -> None:
        """Take up what a life before may have left, then open for entries if nothing is in doubt."""
        self.desk.broker.on_fill(lambda fill: self.tell(self._executed(fill)) if self.listens else None)
        for effect in self.manager.on_start(self.now()):
            await self.carry(effect)
        await self.reconcile()
        self.manager.on_reconciled(self.now(), "the broker's lists")

    def now(self) -> int:
        """Return virtual time."""
        return self.desk.world.now_ns()

    async def reconcile(self) -> None:
        """Book everything the broker's lists say of our orders."""
        for order in await self.desk.broker.all_orders():
            self._tell_order(order)
        for fill in await self.desk.broker.executions():
            self.tell(self._executed(fill))

    def _tell_order(self, order: Order) -> None:
        evidence, port = f"order {order.number}", self.build.port
        if order.status in ("working", "filled"):
            self.tell(port.Acknowledged(self.now(), int(order.ref), evidence))
        else:
            fate = port.Fate.REJECTED if order.status == "rejected" else port.Fate.CANCELED
            self.tell(port.Ended(self.now(), int(order.ref), fate, evidence))

    def _executed(self, fill: Fill) -> Any:
        number, qty, price = self.disk.numbers[fill.symbol], fill.qty * SHARE, fill.price * CENT
        return self.build.port.Executed(self.now(), "DU1", f"0001.{fill.exec_id}", number, fill.side, qty, price, int(fill.ref))

    def tell(self, report: Any) -> None:
        """Hand a report to the manager; what it answers to reports is alerts and cancels, and nothing is sent twice."""
        assert not any(isinstance(effect, self.build.port.Submit) for effect in self.manager.on_report(report))

    async def signal(self, symbol: str, bar_s: int, target: int = QTY) -> None:
        """Wish for a position, and carry out what the manager says."""
        number = self.disk.numbers[symbol]
        kinds, limit = self.build.vocabulary, self.desk.broker.price * CENT
        key = self.build.keys.make(1, number, kinds.Purpose.TARGET, bar_s)
        wish = self.build.book.event(
            kinds.EventKind.SIGNAL, time_ns=self.now(), key=key, instrument=number, target_lots=target * SHARE, price_ticks=limit
        )
        effects = self.manager.on_signal(wish)
        answered = self.manager.answered.name
        self.desk.world.note(answered)
        self.disk.refused[answered] = self.disk.refused.get(answered, 0) + 1
        for effect in effects:
            await self.carry(effect)

    async def carry(self, effect: Any) -> None:
        """Send an order; what became of it comes as a report."""
        port = self.build.port
        if isinstance(effect, port.Submit):
            symbol = self.disk.symbols[effect.instrument]
            try:
                async with asyncio.timeout(30):
                    number = await self.desk.broker.place(symbol, effect.qty_lots // SHARE, effect.side, str(effect.key))
            except Rejected:
                self.tell(port.Ended(self.now(), effect.key, port.Fate.REJECTED, "rejected"))
            except TimeoutError:
                self.manager.on_doubt(effect.key, self.now(), "no answer within 30 s")
            else:
                self.tell(port.Acknowledged(self.now(), effect.key, f"order {number}"))


async def real(desk: Desk, symbols: list[str], disk: Disk, build: Build | None = None) -> None:
    """The real guard: one process by lock, one order by key and live entry, one fill by execution id."""
    if not disk.lock(desk.world.here()):
        return
    build = build or this_build()
    bot = Bot(desk, disk, build, Journal(disk, build))
    await bot.start()
    for bar_s in BARS:
        await desk.burst(lambda symbol, bar_s=bar_s: bot.signal(symbol, bar_s), symbols)  # type: ignore[misc]
    for _ in range(4):
        await bot.reconcile()
        await asyncio.sleep(1)


def demand_of_the_book(desk: Desk, disk: Disk) -> None:
    """Demand every invariant of the ledger after every event, and the broker's positions at the end."""
    seen = {"events": 0}

    def holds() -> str:
        if disk.length() == seen["events"]:
            return ""
        seen["events"] = disk.length()
        if disk.open is None:
            return ""
        rules = disk.open.build.invariants
        broken = rules.check(disk.open.book)
        return "" if broken == rules.Invariant.HOLDS else f"the book breaks {broken.name}"

    desk.world.always("every invariant of the book", holds)
    desk.demand_same_book(disk.positions)

