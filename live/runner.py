"""The paper runner: connects, compares, feeds the strategy, sends, and stops in order.

Theory of operation. One TaskGroup owns every task. Callbacks of the connection put what
they were told on one queue; one consumer takes it off, and everything that touches the
book happens in it, without an await between reading the book and the commit:

    gateway callbacks ─┐
    bar pieces         ├─> queue ─> consumer: fact -> trader │ piece -> bar -> strategy -> wish -> trader │ ─> pump
    clock ticks       ─┘

The connection task alone changes who the gateway is: it connects, asks for every list,
and lets the trader compare. Orders leave in READY. A fault in any task stops all of them,
closes the gate and leaves the reason; the next start recovers from the journal.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from ledger.journal import Journal, JournalError, source_hash
from ledger.journal.days import zone_of
from ledger.journal.replay import session_row
from live import link as links
from live.broker.cash import Cash
from live.broker.codes import is_read_only, link_news
from live.broker.facts import ExecutionSeen, Fact, MessageSeen
from live.broker.reconcile import Comparison
from live.broker.refs import book_tag
from live.clock import Clock, MachineClock
from live.config import ConfigError, PaperConfig, require_paper_accounts, require_paper_port
from live.control import Answer, Folder
from live.feeds import Feeds, Piece
from live.ib import Gateway, Listing
from live.market.hours import calendar_of
from live.market.market import Market
from live.market.wishes import FeeOf
from live.ops import opening
from live.ops.duties import DUTIES, Tick
from live.ops.log import Log
from live.ops.patience import Patience, lost
from live.ops.people import People
from live.ops.rescue import BookFile
from live.ops.standing import standing
from live.ops.start import Start, strategy_hash, take_up
from live.pacer import Pacer, Rank
from live.tape import Tape, TapedWire
from live.trader import Trader

SECOND_NS = 1_000_000_000
STARTUP_MESSAGES = 10
"""What the library sends by itself when it connects, at most."""


class Closed(NamedTuple):
    """The connection is gone."""

    reason: str


Dial = Callable[[Callable[[Fact], None], Callable[[], None], Callable[[str], None], Callable[[], int]], Gateway]


class Runner:
    """A paper session, from start to stop."""

    def __init__(
        self, config: PaperConfig, host: str, port: int, fee_of: FeeOf, say: Callable[[str], None], *, clock: Clock | None = None,
        dial: Dial = Gateway, chance: Callable[[], float] = lambda: 0.5, on_ready: Callable[[], None] = lambda: None,
        simulated: bool = False,
    ) -> None:  # fmt: skip
        self.config, self.host, self.port, self.simulated = config, host, port, simulated
        self.folder = Folder(Path(config.book))
        self.clock: Clock = clock or MachineClock()
        self.log = Log(self.folder.path / "runner.log", say, self.clock.now_ns)
        self.say = say = self.log.say
        self.planned: str | None = None
        """What interruption is planned now, in words."""
        self.link = links.Link(since_ns=self.clock.now_ns())
        self.trader: Trader | None = None
        self.comparison: Comparison | None = None
        self._dial, self._chance, self._on_ready = dial, chance, on_ready
        self.market = Market(config, fee_of, zone_of({}), say, calendar_of(config.calendar, simulated))
        self._listings: list[Listing] = []
        self.queue: asyncio.Queue[Fact | Piece | Tick | Closed] = asyncio.Queue()
        self.gateway: Gateway | None = None
        self._journal: Journal | None = None
        self._lost, self._stop, self.look_now = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.tape, self._born_ns, self.fees = Tape(self.clock.now_ns), self.clock.now_ns(), ""
        self._pacer = Pacer(config.messages_per_s, config.messages_per_s, self._born_ns)
        self.looked_ns, self.cash = 0, Cash(config.currency)
        self._patience = Patience(config.client_id, config.account, config.timeouts)
        self.feeds = Feeds(config, self.market, self.clock.now_ns, say, self.queue.put_nowait)
        self.people, self._file = People(self), BookFile(Path(config.book))
        self.code, self.stale_code = source_hash(), False
        self._told_ns = 0

    async def run(self) -> None:
        """Trade until `stop`; then leave a clean book.

        Raises:
            ConfigError: real money, or an account that has to be chosen. JournalError: the book is owned or damaged.
        """
        self.people.own()
        try:
            self.market.calendar.at(self.clock.now_ns())
            async with asyncio.TaskGroup() as group:
                duties = [(duty.__name__, duty(self)) for duty in DUTIES]
                jobs = [("connection", self._connection()), ("consume", self._consume()), ("looks", self._looks()), *duties]
                tasks = [group.create_task(job, name=f"paper.{name}") for name, job in jobs]
                await self._stop.wait()
                for task in tasks:
                    task.cancel()
        except* Exception as group_error:
            raise group_error.exceptions[0] from group_error
        finally:
            unrecorded = self._leave()
        if unrecorded is not None:
            raise unrecorded

    def stop(self) -> None:
        """Ask the runner to stop."""
        self._stop.set()

    def _leave(self) -> JournalError | None:
        """Close the connection and the book; every fact that was heard is recorded first, or why not is returned."""
        unrecorded = None
        try:
            self._record_rest()
        except JournalError as error:  # nothing is lost by that, and what is closed below must be
            unrecorded = error
            self.say(f"NOT RECORDED: {error}; the broker's lists bring it at the next start")
        self.folder.write_state({**self.state(), "link": "STOPPED", "reason": f"it was {self.link.state.value}: {self.link.reason}"})
        if self._journal is not None:
            self._journal.close()
        self.people.leave()
        return unrecorded

    def _record_rest(self) -> None:
        while self.trader is not None and not self.queue.empty():
            self._handle(self.queue.get_nowait())
        if self.gateway is not None:
            self.gateway.close()
        if self.trader is not None and self._file.is_there():
            self.trader.on_disconnected()
            self.trader.session.snapshot_if_due()

    # The connection.

    async def _connection(self) -> None:
        """Keep one working connection: connect, compare, subscribe; again when it is lost."""
        while True:
            self.change(links.connecting(self.link, self.clock.now_ns()))
            try:
                async with AsyncExitStack() as life:
                    await self._connect(life)
                    self.say(self.market.waits_for(self.clock.now_ns()))
                    await self._lost.wait()
            except (ConnectionError, asyncio.CancelledError) as broken:
                error = lost(broken)
                pause = self._patience.pause_s(error, self.link.failures + 1, self._chance(), self.clock.now_ns(), self.trader is None)
                again = f"trying again in {pause:.0f} s{f', {self.planned}' if self.planned else ''}"
                self.change(links.failed(self.link, self.clock.now_ns(), f"{error} ({again})"))
                await self.clock.sleep(pause)

    async def _connect(self, life: AsyncExitStack) -> None:
        """Open a connection, take over or begin the book, compare, subscribe.

        Raises:
            GatewayError: the gateway did not answer as it must. ConfigError: not provably paper.
        """
        self._lost.clear()
        waits = self.config.timeouts
        gateway = self._dial(self.queue.put_nowait, lambda: self.queue.put_nowait(Closed("the socket was closed")),
                             self._fault, self.clock.now_ns)  # fmt: skip
        life.callback(gateway.close)
        gateway.turn = self._turn
        gateway.permit = self._permit
        accounts = await gateway.open(self.host, self.port, self.config.client_id, waits.connect)
        for _ in range(STARTUP_MESSAGES):
            self._count()
        account = self._permit(accounts)
        self._listings = await self.feeds.listings(gateway)
        trader = self.trader or self._open_book(account)
        if trader.account != account:
            raise ConfigError(f"the gateway now manages {account} and this session trades {trader.account}; start anew")
        trader.handles = {number: listing.contract for number, listing in zip(trader.contracts, self._listings, strict=True)}
        self.gateway = gateway
        trader.on_connected(TapedWire(gateway, self.tape))
        self.change(links.connected(self.link, self.clock.now_ns()))
        await self._look()
        await self.feeds.begin(life)
        await self.feeds.subscribe(gateway, self._listings, trader)
        self._on_ready()

    def _permit(self, accounts: Iterable[str]) -> str:
        """Return the account to trade when port and every account are provably paper; asked on every connection and before every send.

        Raises:
            ConfigError: they are not.
        """
        if not self.simulated:
            require_paper_port(self.port)
        return require_paper_accounts(accounts, self.trader.account if self.trader else self.config.account)

    def _open_book(self, account: str) -> Trader:
        """Open the account's book and take up what it holds."""
        path = Path(self.config.book)
        path.parent.mkdir(parents=True, exist_ok=True)
        self.people.sit(account)
        self._journal = Journal.open(path, clock=self.clock.now_ns)
        session = opening.open_session(self._journal, account, self.config)
        row = session_row(self._journal.connection, session.id)
        start = Start(
            msgspec.to_builtins(self.config), account, book_tag(row), int(row["started_ns"]), self._born_ns, self.simulated, self.fees,
            strategy_hash(self.config), [[one.symbol, one.con_id, str(one.min_tick)] for one in self._listings],
        )  # fmt: skip
        self.tape.onto(session)
        with self.tape.act("start", start._asdict()):
            self.trader = take_up(session, self.config, start, self._pacer, self.say, self.tape)
        self.market.tape = self.tape
        self._file.remember()
        self.people.begin(self.trader)
        live = len(self.trader.live_orders())
        self.say(f"account {account}: session {session.id} in {path}, {session.book.seq} events, {live} live orders")
        return self.trader

    async def _look(self) -> None:
        """Ask for every list and compare; READY when all agrees."""
        trader, gateway = self._required()
        now = await gateway.snapshot(trader.account, self.config.timeouts.request)
        self._drain()
        found, self.looked_ns = trader.look(now), self.clock.now_ns()
        self.comparison = found
        for line in self.cash.looked(trader, gateway.cash(trader.account, self.config.currency), found, self.looked_ns):
            self.say(line)
        if found.agrees:
            self.change(links.reconciled(self.link, self.clock.now_ns()))
        else:
            missing = f"no answer to {', '.join(found.missing_lists)}" if found.missing_lists else ""
            doubt = f"{len(found.doubtful)} orders in doubt" if found.doubtful else ""
            self.say(f"NOT RECONCILED: {'; '.join(text for text in (missing, doubt) if text)}; entries stay closed")
        for held in found.not_ours:
            self.say(f"POSITION NOT TRADED HERE: {held.symbol} {held.quantity} is on the account and in no symbol of this session")

    async def _turn(self) -> None:
        """Wait until a question may go, and count it: orders go first."""
        while wait_ns := self._pacer.wait_ns(self.clock.now_ns(), Rank.QUESTION):
            await self.clock.sleep(wait_ns / SECOND_NS)
        self._count()

    def _count(self) -> None:
        """Count a message that is no order; until the book is open the tape has nobody who would."""
        if self.trader is not None:
            self.trader.turn()
        else:
            with self.tape.act("early"):
                self._pacer.take(self.tape.now_ns())

    # The consumer.

    async def _consume(self) -> None:
        """Work the queue off; send what may leave; bring the tables up when there is nothing else to do."""
        while True:
            self._handle(await self.queue.get())
            self._drain()
            if self.trader is not None:
                if links.may_send(self.link):
                    self.market.guard(self.trader, self.clock.now_ns())
                await self._send()
                if self.queue.empty():
                    self.trader.session.project()

    def _drain(self) -> None:
        while not self.queue.empty():
            self._handle(self.queue.get_nowait())

    async def _send(self) -> None:
        """Hand the wire what may leave now, and wait for turns while something is due."""
        trader = self.trader
        while trader is not None and trader.waits() and links.may_cancel(self.link):
            try:
                trader.pump(self.link)
            except ConnectionError as error:
                self._closed(f"writing an order failed: {error}")
                return
            wait_ns = trader.wait_ns(self.link)
            if wait_ns is None:
                return
            await self.clock.sleep(max(wait_ns, 1_000_000) / SECOND_NS)

    def _on_tick(self, now_ns: int) -> None:
        """Give finished bars away, take what people ask for, and say how things stand."""
        self.log.tick(now_ns)
        if self.trader is not None and self._journal is not None:
            self._file.require(self._journal.connection, now_ns)
            self.market.on_tick(now_ns, self.trader, self._may_trade())
            if self.trader.wants_look() and now_ns - self.looked_ns >= self.config.timeouts.second_look * SECOND_NS:
                self.look_now.set()
        self.people.heed()
        if now_ns - self._told_ns >= self.config.timeouts.state_every * SECOND_NS:
            self._told_ns = now_ns
            self.folder.write_state(self.state())

    def _may_trade(self) -> bool:
        """Say whether a wish may become an order now; sizes are parts of an equity that is not known before the first deposit."""
        return links.may_send(self.link) and self.planned is None and self.trader is not None and self.trader.is_funded()

    def state(self) -> dict[str, Any]:
        """Return how things stand, for those who may not open the book."""
        return standing(self)

    def _handle(self, item: Fact | Piece | Tick | Closed) -> None:
        if isinstance(item, Closed):
            self._closed(item.reason)
        elif isinstance(item, Tick):
            self._on_tick(item.now_ns)
        elif self.trader is None:
            return
        elif isinstance(item, Piece):
            self.feeds.no_data.pop(self.config.symbols[item.place], None)
            self.market.on_piece(item.place, item.bar, self.trader, self._may_trade())
        else:
            self._on_fact(self.trader, item)

    def _on_fact(self, trader: Trader, fact: Fact) -> None:
        if isinstance(fact, MessageSeen) and fact.req_id < 0 and (said := link_news(fact.code)) is not None:
            change = links.news(self.link, self.clock.now_ns(), said)
            if change.link.data_stale is not self.link.data_stale:
                self.say(f"DATA {'STALE' if change.link.data_stale else 'FRESH'}: {fact.code} {fact.text}")
            self.change(change)
        if isinstance(fact, MessageSeen) and is_read_only(fact.code, fact.text) and self.link.state is not links.State.HALTED:
            why = "the gateway is READ-ONLY and takes no orders: switch off 'Read-Only API' in its settings, then `onebook paper resume`"
            self.change(links.halted(self.link, self.clock.now_ns(), why))
        if isinstance(fact, ExecutionSeen) and fact.account == trader.account and fact.time_ns <= self.clock.now_ns():
            self.market.begin_day(trader, fact.time_ns)
        trader.on_fact(fact)

    # What runs by the clock.

    async def _looks(self) -> None:
        """Compare again: soon while something is in doubt, and on a timer."""
        while True:
            syncing = self.link.state is not links.State.READY or (self.trader is not None and self.trader.look_wanted)
            with suppress(TimeoutError):
                async with asyncio.timeout(self.config.timeouts.second_look if syncing else self.config.timeouts.reconcile_every):
                    await self.look_now.wait()
            self.look_now.clear()
            if self.link.state in (links.State.SYNCING, links.State.READY) and self.gateway is not None:
                try:
                    await self._look()
                    self.people.looked(Answer(True, "compared"))
                    if self.feeds.lost and self.trader is not None:
                        await self.feeds.again(self.gateway, self._listings, self.trader)
                except (ConnectionError, asyncio.CancelledError) as broken:
                    self.people.looked(Answer(False, str(lost(broken))))
                    self._closed(str(lost(broken)))

    # Small things.

    def change(self, change: links.Change) -> None:
        """Take a change of the link and do what it asks for."""
        before, self.link = self.link, change.link
        if self.link.state is not before.state:
            self.say(f"{before.state.value} -> {self.link.state.value}: {self.link.reason}")
        for todo in change.todo:
            self._do(todo, before)

    def _do(self, todo: links.Todo, before: links.Link) -> None:
        trader, stands = self.trader, self.link.state in (links.State.DEGRADED, links.State.SYNCING)
        if todo is links.Todo.CLOSE_GATE and trader is not None and trader.wire is not None:
            trader.on_link_lost() if stands else trader.on_disconnected()
        elif todo is links.Todo.HALT and trader is not None:
            trader.halt(self.link.reason)
        elif todo in (links.Todo.RECONCILE, links.Todo.SUBSCRIBE) and before.state is not links.State.CONNECTING:
            self.feeds.lost |= todo is links.Todo.SUBSCRIBE
            if todo is links.Todo.RECONCILE and trader is not None:
                trader.on_link_back()
            self.look_now.set()
        elif todo in (links.Todo.DISCONNECT, links.Todo.CONNECT):
            self._lost.set()

    def _closed(self, reason: str) -> None:
        self.change(links.closed(self.link, self.clock.now_ns(), reason))

    def _fault(self, what: str) -> None:
        """A callback failed: stop sending, because a fact may be lost."""
        self.say(f"FAULT: {what}")
        self.change(links.halted(self.link, self.clock.now_ns(), what))

    def _required(self) -> tuple[Trader, Gateway]:
        if self.trader is None or self.gateway is None:
            raise RuntimeError("the runner has no connection yet")
        return self.trader, self.gateway
