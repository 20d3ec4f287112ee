"""A trader on a real journal, wired to a simulated gateway through real ib_async: what the library shows beside what the book says."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from tests.sim.gateway.world import PORT, World

from ledger import keys
from ledger.book import I_POSITION, O_KEY, O_STATUS, event
from ledger.journal import Journal
from ledger.journal.replay import session_row
from ledger.vocabulary import EventKind, OrderFlag, OrderStatus, OrderType, Outcome, Purpose
from live import link as links
from live.broker.facts import Fact
from live.broker.fold import Contract
from live.broker.reconcile import Snapshot
from live.broker.refs import book_tag, order_ref
from live.clock import LoopClock
from live.ib import Gateway
from live.pacer import Pacer
from live.trader import Trader
from sim.gateway.core.config import Config
from sim.gateway.faults.plan import plan

READY = links.Link(links.State.READY, "test", 0)
CLIENT = 17


class Wired:
    """One account, one connection at a time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path, *faults: dict[str, Any], config: Config | None = None) -> None:
        self.world = World(monkeypatch, config, plan([*faults], seed=7))
        self.clock = LoopClock(self.world.gateway.config.start_ns)
        self.alerts: list[str] = []
        self.troubles: list[str] = []
        self.facts: list[Fact] = []
        self.closed = 0
        self._path = folder / "wired.db"
        self._bar = 0

    def run(self, story: Callable[[], Awaitable[None]]) -> None:
        """Live through a story; the library's own log lines stay out of the way."""
        logging.getLogger("ib_async").addHandler(logging.NullHandler())

        async def whole() -> None:
            with Journal.open(self._path, clock=self.clock.now_ns) as journal:
                self._open(journal)
                await story()
                for ib in self.world.clients:
                    ib.disconnect()
                self.gateway.close()
                await asyncio.sleep(1)

        try:
            self.world.loop.run_until_complete(whole())
        finally:
            self.world.host.stop()
            self.world.loop.close()
            asyncio.set_event_loop(None)

    def _open(self, journal: Journal) -> None:
        self.session = journal.begin("paper", "paper:DU1000001", config={})
        now = self.clock.now_ns()
        self.session.record(event(EventKind.INSTRUMENT, time_ns=now, instrument=1, revision=4, order_type=4, price_ticks=1, qty_lots=10_000, target_lots=1))
        self.session.record(event(EventKind.DEPOSIT, time_ns=now, cash_e8=10**14))
        self._take_over(journal)

    def reopen(self, journal: Journal, session_id: int) -> None:
        """Be the next process on the same book."""
        self.session = journal.resume(session_id)
        self._take_over(journal)

    def _take_over(self, journal: Journal) -> None:
        now = self.clock.now_ns()
        tag = book_tag(session_row(journal.connection, self.session.id))
        contract = Contract(1, "AAPL", 265598, 4, 4, 100)
        self.trader = Trader(self.session, tag, CLIENT, "DU1000001", (contract,), Pacer(40, 40, now), self.alerts.append, self.clock.now_ns)
        self.trader.on_start()

    async def connect(self, client_id: int = CLIENT) -> None:
        """Open a connection, take the contract's own object, look, and be reconciled."""
        if hasattr(self, "gateway"):
            self.gateway.close()
        self.gateway = Gateway(self._on_fact, self._on_closed, self.troubles.append, self.clock.now_ns)
        await self.gateway.open("127.0.0.1", PORT, client_id, 20.0)
        listing = await self.gateway.listing("AAPL", "SMART", "USD", 15.0)
        self.trader.handles = {1: listing.contract}
        self.trader.on_connected(self.gateway)
        self.look(await self.snapshot())

    async def snapshot(self) -> Snapshot:
        return await self.gateway.snapshot("DU1000001", 15.0)

    def look(self, shown: Snapshot) -> Any:
        return self.trader.look(shown)

    def _on_fact(self, fact: Fact) -> None:
        self.facts.append(fact)
        self.trader.on_fact(fact)

    def _on_closed(self) -> None:
        self.closed += 1
        self.trader.on_disconnected()

    def want(self, shares: int, limit: int | None = None) -> int:
        """Want a position in whole shares, at the market or a limit in ticks; send it, and return its key."""
        self._bar += 60
        seconds = self.clock.now_ns() // 10**9 + self._bar
        kind = OrderType.MARKET if limit is None else OrderType.LIMIT
        line = event(
            EventKind.SIGNAL, time_ns=self.clock.now_ns(), instrument=1, target_lots=shares * 10_000, order_type=kind, flags=OrderFlag.GTC,
            price_ticks=limit or 3_000_000, key=keys.make(1, 1, Purpose.TARGET, seconds), fee_e8=10**8,
        )  # fmt: skip
        assert self.trader.on_wish(line) == Outcome.APPLIED, self.trader._oms.answered
        self.trader.pump(READY)
        return int(line[2])

    @property
    def ib(self) -> Any:
        """The library's own picture of the connection that the trader uses."""
        return self.gateway._ib

    def library(self) -> Any:
        """Return the library's picture of its only order."""
        (trade,) = self.ib.trades()
        return trade

    def status(self, key: int | None = None) -> OrderStatus:
        orders = self.session.book.orders
        mine = orders[orders[:, O_KEY] == key] if key else orders[-1:]
        return OrderStatus(int(mine[-1, O_STATUS]))

    def held(self) -> int:
        """Return the book's position in lots."""
        return int(self.session.book.instruments[1, I_POSITION])

    def at_broker(self) -> int:
        """Return the broker's position in lots."""
        return sum(held.lots for held in self.world.gateway.desk.account.holdings())

    def working(self) -> int:
        """Return how many orders the broker still works."""
        return sum(not order.done for order in self.world.gateway.desk.by_perm.values())

    def ref(self, key: int) -> str:
        return order_ref(self.trader.tag, key)

    def say_error(self, number: int, code: int) -> None:
        """Have the gateway say a code about a number."""
        host = self.world.host
        host.begin()
        for session in self.world.gateway.sessions.values():
            session.error(number, code, "The test says so.")
        host.finish()

    def cut(self) -> None:
        """Cut every connection."""
        for wire in list(self.world.host.wires.values()):
            if wire.transport is not None:
                wire.transport.abort()
