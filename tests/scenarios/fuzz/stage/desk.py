"""One life of a runner made of the real parts: journal session, order manager, trader, outbox, pacer and link.

Theory of operation. `live/runner.py` joins these parts with a gateway, a market and a clock; this file joins the same
parts, in the same way, with the fuzzer's broker, so that a schedule costs a millisecond. One consumer takes
facts and wishes from one queue and touches the book without an await; the main coroutine connects,
compares, connects again when the link breaks, and at the end looks at the broker's lists until they agree. What a
process knows dies with it; what it committed is in the journal.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from itertools import count
from typing import TYPE_CHECKING, Any, NamedTuple

from ledger.journal import JournalHalted, JournalLocked
from live import link as links
from live.broker.facts import Fact
from live.pacer import Pacer
from live.trader import Trader
from sim.fuzz import Dead
from tests.live.fakes import wish
from tests.scenarios.fuzz.stage.standing import Kept, standing, started

if TYPE_CHECKING:
    from tests.scenarios.fuzz.stage.broker import Connection
    from tests.scenarios.fuzz.runner import Burst
    from tests.scenarios.fuzz.stage.storage import Opened

LOOKS_MAX, SECOND_LOOK_S, RECONNECT_S = 12, 12.0, 1.0


class Wish(NamedTuple):
    """A signal of the strategy, by its number in the burst."""

    number: int


class Closed(NamedTuple):
    """A connection is gone, by its number."""

    number: int


class Tick(NamedTuple):
    """Time has passed."""


class Inbox:
    """The queue between connection and consumer: an asyncio.Queue without bound for one reader, in as few steps."""

    def __init__(self) -> None:
        self.items: deque[Fact | Wish | Closed | Tick] = deque()
        self._reader: asyncio.Future[None] | None = None

    def put_nowait(self, item: Fact | Wish | Closed | Tick) -> None:
        """Add an item, and wake the reader."""
        self.items.append(item)
        reader, self._reader = self._reader, None
        if reader is not None and not reader.done():
            reader.set_result(None)

    async def get(self) -> Fact | Wish | Closed | Tick:
        """Take the oldest item, or wait for one."""
        while not self.items:
            self._reader = asyncio.get_running_loop().create_future()
            await self._reader
        return self.items.popleft()


class Desk:
    """One process of the runner, alive from `live` until it ends or is killed."""

    def __init__(self, burst: Burst) -> None:
        self.burst, self.world = burst, burst.world
        self.link = links.Link()
        self.queue = Inbox()
        self.wire: Connection | None = None
        self.opened: Opened | Kept
        self.trader: Trader
        self._lost = asyncio.Event()
        self._asked: set[int] = set()
        self._aside: tuple[int, ...] = ()
        self.seen_seq = self.seen_changes = -1
        """Events of the book and changes at the broker when the invariants were looked at last."""
        self.holes = 0
        """Looks at which a list was not answered."""

    async def live(self) -> None:
        """Run until everything is answered and the broker agrees."""
        await self._mortal(self._live)

    async def _mortal(self, work: Callable[[], Any]) -> None:
        """Let a process that was killed inside a step stand still; one whose journal failed it ends, and is started again."""
        try:
            await work()
            return
        except JournalHalted:
            if self.process.alive:
                self.world.kill(self.process)
        except Dead:
            pass
        await asyncio.get_running_loop().create_future()

    async def _live(self) -> None:
        self.process = self.world.here()
        if self.burst.stands:
            self._stand()
        else:
            await self.world.io("open journal", faults=("slow",), resource="db")
            try:
                self._open()
            except JournalLocked:
                self.burst.locked_out += 1
                return  # somebody else trades this account
        consumer = asyncio.get_running_loop().create_task(self._mortal(self._consume))
        signals = [asyncio.get_running_loop().create_task(self._signal(n)) for n in range(self.burst.signals)]
        try:
            await self._trade(signals, consumer)
        finally:
            consumer.cancel()
            for task in signals:
                task.cancel()

    def _stand(self) -> None:
        """Be the process that has been READY for a while when the schedule begins."""
        burst = self.burst
        burst.stands = False
        self.opened = kept = standing().take(burst.session, burst.passed, self.world.now_ns)
        burst.took_over(self, kept.session)
        self.link, self.trader = kept.link, kept.trader
        self.wire = burst.broker.connect(self.process, self.queue.put_nowait, self._closed)
        kept.join(self.wire, Pacer(2, burst.turns, self.world.now_ns()), burst.said, self.world.now_ns)

    def _open(self) -> None:
        burst = self.burst
        self.opened = burst.storage.take_over(burst.session, burst.passed, self.world.now_ns)
        session = self.opened.session
        burst.took_over(self, session)
        pacer = Pacer(2, burst.turns, self.world.now_ns())
        self.trader = started(session, self.opened.tag(), pacer, burst.said, self.world.now_ns)

    async def _signal(self, number: int) -> None:
        """Let the strategy see a bar and want something."""
        delay_s = self.burst.delays_s[number]
        if delay_s:
            await asyncio.sleep(delay_s)
        await self.world.io("bar", resource="bars")
        self.queue.put_nowait(Wish(number))

    # The main coroutine.

    async def _trade(self, signals: list[Any], consumer: Any) -> None:
        for look in count(int(self.link.state is links.State.READY)):
            if look >= LOOKS_MAX and self.burst.broker.coming == 0:  # what is under way comes, however long it took to be heard
                break
            if self.link.state is links.State.DOWN:
                await self._connect()
            elif look:
                await self._pause()
            if consumer.done():
                consumer.result()
            settled = self.burst.broker.coming == 0 and self._is_quiet(signals)
            if self.link.state in (links.State.SYNCING, links.State.READY) and await self._look() and settled and self._is_quiet(signals):
                break
        self.burst.finished(self)

    async def _pause(self) -> None:
        """Wait for the next look, or for the connection to break."""
        try:
            async with asyncio.timeout(SECOND_LOOK_S):
                await self._lost.wait()
        except TimeoutError:
            pass

    def _is_quiet(self, signals: list[Any]) -> bool:
        heard = len(self._asked) == len(signals) and not self.queue.items and all(task.done() for task in signals)
        return heard and len(self.trader.live_orders()) == len(self._aside)

    async def _connect(self) -> None:
        self.link = links.connecting(self.link, self.world.now_ns()).link
        await self.world.io("connect", faults=("slow",), resource="broker")
        self._lost.clear()
        self.wire = self.burst.broker.connect(self.world.here(), self.queue.put_nowait, self._closed)
        self.trader.on_connected(self.wire)
        self._change(links.connected(self.link, self.world.now_ns()))

    def _closed(self, number: int) -> None:
        self.queue.put_nowait(Closed(number))

    async def _look(self) -> bool:
        """Compare with every list of the broker; return whether book and broker agree."""
        assert self.wire is not None
        now = await self.wire.snapshot()
        self._drain()
        if self.link.state not in (links.State.SYNCING, links.State.READY):
            return False
        found = self.trader.look(now)
        self.holes += bool(found.missing_lists)
        self._aside = found.set_aside
        if found.agrees:
            self._change(links.reconciled(self.link, self.world.now_ns()))
            self._wish_again()
        if self.trader.wait_ns(self.link) is not None:
            self.queue.put_nowait(Tick())
        return found.agrees and not found.differences

    def _wish_again(self) -> None:
        """Let the strategy repeat what was refused because the link was not ready, as it does with its next answer."""
        for number in self.burst.unanswered(self._asked):
            self.queue.put_nowait(Wish(number))

    # The consumer.

    async def _consume(self) -> None:
        while True:
            self._handle(await self.queue.get())
            self._drain()
            await self._send()

    def _drain(self) -> None:
        while self.queue.items:
            self._handle(self.queue.items.popleft())

    def _handle(self, item: Fact | Wish | Closed | Tick) -> None:
        if isinstance(item, Closed):
            if self.wire is None or item.number == self.wire.number:
                self._change(links.closed(self.link, self.world.now_ns()))
        elif isinstance(item, Wish):
            self._asked.add(item.number)
            wished = wish(*self.burst.wishes[item.number])
            self.burst.answered(self, item.number, wished, self.trader.on_wish(wished))
        elif not isinstance(item, Tick):
            self.trader.on_fact(item)
        self.burst.acked(self)

    async def _send(self) -> None:
        """Hand the wire what may leave now, and wait for turns while something is due."""
        while links.may_send(self.link):
            try:
                self.trader.pump(self.link)
            except ConnectionError:
                self._change(links.closed(self.link, self.world.now_ns()))
                return
            wait_ns = self.trader.wait_ns(self.link)
            if wait_ns is None:
                return
            await asyncio.sleep(max(wait_ns, 1_000_000) / 1e9)

    def _change(self, change: links.Change) -> None:
        self.link = change.link
        for todo in change.todo:
            if todo is links.Todo.CLOSE_GATE and self.trader.wire is not None:
                self.trader.on_disconnected()
            elif todo is links.Todo.CONNECT:
                self._lost.set()


