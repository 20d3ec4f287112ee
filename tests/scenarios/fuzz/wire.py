"""The wire depth: eight signals through the real parts, real ib_async and the simulated gateway, all in virtual time.

    python -m tests.scenarios.fuzz.wire --seed 1 --schedules 500

Theory of operation. A schedule is a pure function of (seed, number): its tape draws latency, the size of the pieces in which
bytes arrive, one or two faults of the gateway's catalogue, when each signal comes, and when and how the first
process ends: never, at a moment, or at a named point inside a write. The process that follows takes the
journal over, finds its orders by reference and makes book and broker agree. The loop is the gateway's own, whose timers are
the only choices; every byte passes ib_async's codec and the gateway's both ways.

Demanded: one broker order at most for a reference, the book's invariants after every event, no acknowledged event
lost, positions and cash of the book equal to the broker's to the last unit, an answer to every signal.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

from ledger.book import I_POSITION
from ledger.invariants import Invariant
from ledger.journal import JournalHalted
from ledger.vocabulary import Outcome
from live import link as links
from live.broker.fold import Contract
from live.clock import LoopClock
from live.ib import Gateway, GatewayError
from live.pacer import Pacer
from live.trader import Trader
from sim.fuzz import Dead, Tape
from sim.fuzz.explore import collecting
from sim.gateway.core.config import Config
from sim.gateway.faults.plan import plan
from tests.live.fakes import ACCOUNT, CLIENT, wish
from tests.scenarios.fuzz.runner import PASSES, POINTS, SHARES, first_broken
from tests.scenarios.fuzz.stage.answers import untrue
from tests.scenarios.fuzz.stage.storage import storage
from tests.sim.gateway.world import PORT, World

SIGNALS, SYMBOLS = 8, ("AAPL", "MSFT")
FAULTS = (
    {"name": "exec-twice"}, {"name": "partial-fills", "parts": 3}, {"name": "shuffled"}, {"name": "fill-untold"}, {"name": "commission-late", "seconds": 5},
    {"name": "ack-delay", "seconds": 5}, {"name": "callbacks-lost", "after": 1, "until": 4},
)  # fmt: skip
LIVES, LOOKS, LOOK_S = 3, 8, 12.0
LATER = (Outcome.NOT_RECONCILED, Outcome.DISCONNECTED)
COLLECT_EVERY = 25
"""Schedules between two collections of garbage."""


class Patch:
    """What World asks of a monkeypatch; undone at the end of a schedule."""

    def __init__(self) -> None:
        self._undo: list[tuple[Any, str, Any]] = []

    def setattr(self, place: str, value: Any) -> None:
        module, _, name = place.rpartition(".")
        target = sys.modules[module]
        self._undo.append((target, name, getattr(target, name)))
        setattr(target, name, value)

    def undo(self) -> None:
        for target, name, value in reversed(self._undo):
            setattr(target, name, value)


class Life:
    """One process: the parts of the runner around a real adapter."""

    def __init__(self, schedule: Schedule) -> None:
        self.s = schedule
        self.queue: asyncio.Queue[Any] = asyncio.Queue()
        self.link = links.Link(links.State.SYNCING)
        self.faults: list[str] = []
        self.gateway: Gateway | None = None
        self.opened: Any = None

    async def run(self) -> bool:
        """Trade until book and broker agree; return whether they do."""
        self.opened = self.s.storage.take_over(self.s.session, self._at, self.s.clock.now_ns)
        session = self.opened.session
        self.s.took_over(session)
        gateway = self.gateway = Gateway(self.queue.put_nowait, lambda: None, self.faults.append, self.s.clock.now_ns)
        await gateway.open("127.0.0.1", PORT, CLIENT, 10.0)
        listings = [await gateway.listing(symbol, "SMART", "USD", 10.0) for symbol in SYMBOLS]
        contracts = [Contract(number, listing.symbol, listing.con_id, 4, 4) for number, listing in enumerate(listings, 1)]
        self.trader = Trader(session, self.opened.tag(), CLIENT, ACCOUNT, contracts, Pacer(40, 40, self.s.clock.now_ns()), self.s.lines.append, self.s.clock.now_ns)
        self.trader.handles = {number: listing.contract for number, listing in enumerate(listings, 1)}
        self.trader.on_start()
        self.trader.on_connected(gateway)
        signals = [asyncio.get_running_loop().create_task(self._signal(n)) for n in range(SIGNALS)]
        consumer = asyncio.get_running_loop().create_task(self._consume())
        try:
            return await self._looks(gateway, signals, consumer)
        finally:
            for task in (*signals, consumer):
                task.cancel()
            gateway.close()

    def _at(self, point: str) -> None:
        self.s.passed(point)

    async def _signal(self, number: int) -> None:
        await asyncio.sleep(self.s.delays[number])
        self.queue.put_nowait(number)

    async def _consume(self) -> None:
        while True:
            self._handle(await self.queue.get())
            self._drain()

    def _drain(self) -> None:
        while not self.queue.empty():
            self._handle(self.queue.get_nowait())
        if links.may_send(self.link):
            self.trader.pump(self.link)

    def _handle(self, item: Any) -> None:
        if isinstance(item, int):
            wished = wish(*self.s.wishes[item])
            outcome = self.trader.on_wish(wished)
            self.s.answered(item, outcome, untrue(self.trader.session.book, wished, outcome))
        else:
            self.trader.on_fact(item)
        self.s.judge(self.trader.session)

    async def _looks(self, gateway: Gateway, signals: list[Any], consumer: Any) -> bool:
        for look in range(LOOKS):
            if look:
                await asyncio.sleep(LOOK_S)
            if consumer.done():
                consumer.result()
            calm = all(task.done() for task in signals) and not self.trader.live_orders()
            now = await gateway.snapshot(ACCOUNT, 10.0)
            self._drain()
            found = self.trader.look(now)
            self.s.judge(self.trader.session)
            if found.agrees:
                self.link = links.Link(links.State.READY)
                for number in self.s.unanswered(signals):
                    self.queue.put_nowait(number)
                if calm and not found.differences and not self.s.unanswered(signals):
                    return True
        return False


class Schedule:
    """One schedule, from its tape to its verdict."""

    def __init__(self, seed: int, number: int) -> None:
        tape = self.tape = Tape(seed, number)
        self.storage = storage()
        self.session = self.storage.next_session()
        words = [tape.draw("wish", 16) for _ in range(SIGNALS)]
        self.wishes = [(1 + (word >> 3), SHARES[word & 3], n if not word & 4 else 0) for n, word in enumerate(words)]
        self.delays = [(0.0, 0.0, 0.001, 0.5)[tape.draw("comes after", 4)] for _ in range(SIGNALS)]
        faults = [FAULTS[tape.draw("fault", len(FAULTS))] for _ in range(max(0, tape.draw("faults", 4) - 1))]
        self.kill_at = tape.draw("killed at point", 3 * PASSES) - 2 * PASSES
        self.kill_after_s = (0.0, 0.3, 1.0, 13.0)[tape.draw("killed after", 4)]
        self.patch = Patch()
        latency, chunk = (0.0, 0.001, 0.05)[tape.draw("latency", 3)], (0, 0, 0, 0, 512, 512, 512, 7)[tape.draw("pieces", 8)]
        self.world = World(self.patch, Config(), plan(faults, seed=number), latency_s=latency, chunk=chunk)
        self.clock = LoopClock(self.world.gateway.config.start_ns)
        self.answers: dict[int, Outcome] = {}
        self.lines: list[str] = []
        self.violation, self._acked, self._passes, self._seen, self._orders = "", 3, 0, 0, 0

    # What processes say.

    def convict(self, what: str) -> None:
        self.violation = self.violation or what

    def took_over(self, session: Any) -> None:
        if session.book.seq < self._acked:
            self.convict(f"event {self._acked} was acknowledged, the journal ends at {session.book.seq}")

    def answered(self, number: int, outcome: Outcome, against: str) -> None:
        if against:
            self.convict(f"wish {number} was answered {outcome.name}, and {against}")
        if outcome not in LATER and (number not in self.answers or outcome == Outcome.APPLIED):
            self.answers[number] = outcome

    def unanswered(self, signals: list[Any]) -> list[int]:
        return [n for n, task in enumerate(signals) if task.done() and n not in self.answers]

    def passed(self, point: str) -> None:
        self._passes += point in POINTS
        if self._passes == self.kill_at and point in POINTS:
            raise Dead(point)

    def judge(self, session: Any) -> None:
        """Look at the book and at the broker's orders, after every event."""
        seq = session.book.seq
        if seq != self._seen:
            self._acked = max(self._acked, seq)
            self._seen = seq
            found = first_broken(session.book.arena)
            if found:
                self.convict(Invariant(found).name)
        orders = self.world.gateway.desk.by_perm
        if len(orders) != self._orders:  # an order at the broker keeps its reference for good
            self._orders = len(orders)
            refs = Counter(order.ref() for order in orders.values() if order.ref())
            if max(refs.values(), default=0) > 1:
                self.convict(f"two orders under {refs.most_common(1)[0][0]}")

    # The course of it.

    async def story(self) -> None:
        """Let one process after the other live until one could finish."""
        for number in range(LIVES):
            life = Life(self)
            task = asyncio.get_running_loop().create_task(life.run())
            done, _ = await asyncio.wait([task], timeout=self.kill_after_s if number == 0 and self.kill_after_s else None)
            if not done:
                self._hang_up()
                task.cancel()
                await asyncio.wait([task])
            error = None if task.cancelled() else task.exception()
            if life.opened is not None:
                life.opened.die()
            self._hang_up()
            if life.gateway is not None:
                life.gateway.close()
            if error is not None and not isinstance(error, (Dead, JournalHalted, GatewayError, ConnectionError)):
                raise error
            if done and error is None:
                if not task.result():
                    self.convict(f"book and broker do not come to agree: {self.lines[-3:]}")
                return self.agree(life)
        return self.convict("no process could finish")

    def _hang_up(self) -> None:
        """Close every connection, as the system does for a process that is gone."""
        for wire in list(self.world.host.wires.values()):
            if wire.transport is not None:
                wire.transport.abort()

    def agree(self, life: Life) -> None:
        """Require the broker's positions and cash of the book that a new reader replays."""
        book, account = life.opened.journal.book(self.session), self.world.gateway.desk.account
        held = {holding.contract.symbol: holding.lots for holding in account.holdings()}
        for number, symbol in enumerate(SYMBOLS, 1):
            if book.instruments[number, I_POSITION] != held.get(symbol, 0):
                self.convict(f"{symbol}: book {book.instruments[number, I_POSITION]}, broker {held.get(symbol, 0)} lots")
        if set(self.answers) != set(range(SIGNALS)):
            self.convict(f"signals without an answer: {sorted(set(range(SIGNALS)) - set(self.answers))}")
        if life.faults:
            self.convict(f"a callback failed: {life.faults[0]}")

    def run(self) -> str:
        """Run it; return what it is convicted of, or nothing."""
        try:
            self.world.loop.run_until_complete(self.story())
        finally:
            self.world.host.stop()
            for task in asyncio.all_tasks(self.world.loop):
                task.cancel()
            self.world.loop.run_until_complete(asyncio.sleep(0))
            self.world.loop.close()
            asyncio.set_event_loop(None)
            self.patch.undo()
        return self.violation


class Found(NamedTuple):
    """How many schedules held, and what the next one was convicted of ("" if none was)."""

    held: int
    violation: str


def search(seed: int, count: int, first: int = 0, told: Callable[[int], None] | None = None) -> Found:
    """Run schedules first..first+count-1 of a seed until one is convicted; `told` hears of each one that held."""
    with collecting(COLLECT_EVERY) as between:
        for number in range(first, first + count):
            violation = Schedule(seed, number).run()
            if violation:
                return Found(number - first, violation)
            between(number)
            if told is not None:
                told(number)
    return Found(count, "")


def main() -> int:
    """Run schedules and say how many held."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--schedules", type=int, default=500)
    chosen = parser.parse_args()
    logging.getLogger("ib_async").setLevel(logging.CRITICAL + 1)
    start, worked = time.perf_counter(), time.process_time()
    found = search(chosen.seed, chosen.schedules, chosen.first)
    done = found.held + bool(found.violation)
    rates = f"{done / (time.perf_counter() - start):.0f} a second, {done / (time.process_time() - worked):.0f} a second of this processor"
    print(f"{found.held:,} schedules of seed {chosen.seed} hold, {rates}{': ' + found.violation if found.violation else ''}")
    return 3 if found.violation else 0


if __name__ == "__main__":
    sys.exit(main())
