"""The whole runner, unmodified, with real ib_async, against the simulated gateway, on virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.sim.gateway.world import PORT, World

from ledger.book import I_POSITION, Book
from ledger.journal import Journal
from live.clock import LoopClock
from live.config import PaperConfig, Timeouts
from live.runner import Runner
from sim.gateway.core.config import Config

SYMBOLS = ("AAPL", "MSFT")
CONFIG = PaperConfig(
    symbols=SYMBOLS, host="127.0.0.1", port=PORT, params={"fast": 3, "slow": 6}, bar="1m",
    timeouts=Timeouts(code_check_every=36_000.0, state_every=36_000.0, heartbeat_every=600.0),
)


class Day:
    """A gateway, and as many runners one after the other as a test wants."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path, config: Config | None = None, faults: Any = None,
                 files: Any = None, fee_of: Any = lambda *_: 10**8, **changes: Any) -> None:
        self.world, self._fee_of = World(monkeypatch, config, faults, files=files), fee_of
        self.config = msgspec.structs.replace(CONFIG, book=str(folder / "paper.db"), **changes)
        self.clock = LoopClock(self.world.gateway.config.start_ns)
        self.lines: list[str] = []
        self.task: asyncio.Task[None] | None = None
        self.simulated = True
        """Whether runners know that the gateway is the embedded one."""

    def change(self, **changes: Any) -> None:
        """Let the next runner have another configuration."""
        self.config = msgspec.structs.replace(self.config, **changes)

    def begin(self) -> Runner:
        """Start a runner as a task of the loop."""
        runner = Runner(self.config, "127.0.0.1", PORT, self._fee_of, self.lines.append, clock=self.clock, simulated=self.simulated)
        self.task = asyncio.get_running_loop().create_task(runner.run())
        return runner

    async def end(self, runner: Runner) -> None:
        """Stop a runner in order."""
        runner.stop()
        assert self.task is not None
        await self.task

    def run(self, story: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Live through a story."""
        self.world.run(story())

    def cut(self) -> None:
        """Cut every connection."""
        for wire in list(self.world.host.wires.values()):
            if wire.transport is not None:
                wire.transport.abort()

    def book(self) -> Book:
        """Return the account's book as the file has it."""
        with Journal.read(self.config.book) as journal:
            return journal.book(journal.sessions()[-1].id)

    def broker(self) -> dict[str, Any]:
        """Return what the broker holds: positions in shares by symbol, and cash in e8."""
        return broker_side(self.world.gateway)

    def agree(self) -> None:
        """Require that the book is what the broker holds, to the last unit."""
        book, broker = self.book(), self.broker()
        held = {symbol: int(book.instruments[n, I_POSITION]) for n, symbol in enumerate(self.config.symbols, 1)}
        assert held == {symbol: broker["positions"].get(symbol, 0) for symbol in self.config.symbols}
        assert book.valuation().cash == broker["cash"]


def broker_side(gateway: Any) -> dict[str, Any]:
    """Read the simulated broker's own account."""
    account = gateway.desk.account
    positions = {held.contract.symbol: held.lots for held in account.holdings()}
    return {"positions": positions, "cash": account.book("USD").valuation().cash}
