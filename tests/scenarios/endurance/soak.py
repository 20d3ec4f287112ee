"""Years of paper trading in minutes: short sessions, long nights, and everything that goes wrong in between.

A day is a session of some minutes: the runner starts, is cut off, killed or restarted as the seed says, the gateway
restarts at night and waits for a login on Mondays, and reports are lost, doubled, reordered, late and corrected
all the time. Every evening the lists are compared; what was closed is opened by a person; and the day is judged.
"""

from __future__ import annotations

import asyncio
import gc
import random
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from tests.scenarios.endurance.killing import Killed, arm, bury, was_killed
from tests.scenarios.paper import Day
from tests.scenarios.test_paper_is_backtest import NO_LIMITS, fee_of

from ledger.book import I_POSITION, N_FLAGS, N_INSTRUMENT, N_KIND, N_QTY, O_KEY, O_STATUS, Book
from ledger.invariants import Invariant, check
from ledger.journal import Journal
from ledger.journal.replay import session_row
from ledger.vocabulary import EntryFlag, EventKind, OrderStatus
from live.broker.refs import book_tag, key_of, order_ref
from live.config import Timeouts
from live.control import Wish
from live.link import State
from live.ops.obey import obey
from live.runner import Runner
from sim.gateway.core.config import DEFAULT_START_NS, SECOND_NS, Config
from sim.gateway.desk import hours
from sim.gateway.faults.plan import plan

SYMBOLS = ("AAPL", "MSFT")
DAY_S = 86_400
OPENING_MINUTE = 570
TROUBLES: list[dict[str, Any]] = [
    {"name": "fill-untold", "chance": 0.06}, {"name": "exec-twice", "chance": 0.15}, {"name": "shuffled", "chance": 0.25},
    {"name": "corrected-price", "seconds": 4.0, "chance": 0.06}, {"name": "corrected-quantity", "seconds": 3.0, "chance": 0.02},
    {"name": "commission-late", "seconds": 20.0, "chance": 0.15}, {"name": "commission-first", "chance": 0.15},
    {"name": "status-twice", "chance": 0.2}, {"name": "status-backwards", "chance": 0.1}, {"name": "ack-never", "chance": 0.04},
    {"name": "partial-fills", "parts": 3, "seconds": 2.0, "chance": 0.3}, {"name": "lost-order", "chance": 0.02},
    {"name": "no-submitted", "chance": 0.2}, {"name": "exec-first", "chance": 0.15},
]  # fmt: skip


class Verdict(NamedTuple):
    """What was found wrong in a soak, and how much was lived through. `wrong` is empty when all held."""

    wrong: list[str]
    counts: Counter[str]


class Soak(Day):
    """One account's years."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path, seed: int, days: int, aim: str = "", fresh: bool = False,
                 minutes: int = 6) -> None:  # fmt: skip
        monkeypatch.setitem(hours.SESSIONS, "stock", (OPENING_MINUTE, OPENING_MINUTE + minutes) * 2)
        weeks = [
            {"name": "no-login", "after": float(at * DAY_S - 1800), "until": float(at * DAY_S + 90)} for at in range(7, 2 * days + 7, 7)
        ]
        config = Config(seed=seed, start_ns=DEFAULT_START_NS - 60 * SECOND_NS, always_open=False, cash="1000000")
        super().__init__(
            monkeypatch, folder, config, faults=plan([*TROUBLES, *weeks], seed=seed), fee_of=fee_of, symbols=SYMBOLS, bar="1m",
            strategy="tests.scenarios.endurance.restless:STRATEGY", params={"mind": seed}, limits=NO_LIMITS,
            timeouts=Timeouts(tick=10.0, connect=10.0, code_check_every=1e6, state_every=1e6, heartbeat_every=300.0, back_off_most=20.0),
        )  # fmt: skip
        self.draw, self.days, self.aim, self.fresh = random.Random(seed), days, aim, fresh
        self.counts: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.runner: Runner | None = None
        self.folder, self.tag, self.minutes = folder, "", minutes
        self._done: Counter[tuple[int, int]] = Counter()
        self._refs: Counter[str] = Counter()
        self._counted = 0
        # Days are short, so snapshots would be rare: one after 400 events or a twentieth of all is killed as often as the rest.
        monkeypatch.setattr("ledger.journal.snapshots.REPLAY_MOST", 400)
        # The files on the disk cannot change in virtual time, and twenty thousand starts would look at them three times each.
        for place in ("ledger.journal.journal", "ledger.journal.store.leases", "live.runner", "live.ops.start"):
            monkeypatch.setattr(f"{place}.source_hash", lambda: "0" * 64)

    def live(self) -> Verdict:
        """Live through all the days, or up to the first that goes wrong."""
        # Each start leaves circles of objects behind, and looking for them must not go through all compiled code every time.
        gc.collect()
        gc.freeze()
        try:
            self.world.loop.run_until_complete(self._days())
        finally:
            gc.unfreeze()
            self.world.host.stop()
            self.world.loop.close()
            asyncio.set_event_loop(None)
        return Verdict(self.wrong, self.counts)

    async def _days(self) -> None:
        clock, zone = self.world.gateway.schedule, "US/Eastern"
        day = hours.local_day(clock.now_ns, zone)
        for _ in range(self.days):
            opens = hours.minute_ns(zone, day, OPENING_MINUTE)
            await asyncio.sleep(max(0.0, (opens - self.clock.now_ns()) / SECOND_NS - 20))
            await self._session(opens + self.minutes * 60 * SECOND_NS)
            await self._evening()
            self.counts["days"] += 1
            if self.wrong:
                return
            day += 1
            while not hours.trades_on(hours.Hours(zone, 0, 0, 0, 0), day):
                day += 1

    async def _session(self, closes_ns: int) -> None:
        """Trade until the close, with whatever the seed has in store."""
        await self._start()
        while self.clock.now_ns() < closes_ns:
            await asyncio.sleep(self.draw.uniform(20, 120))
            if self.task is not None and self.task.done():
                await self._after_kill("killed")
            elif (chance := self.draw.random()) < 0.22:
                self.counts["cuts"] += 1
                self.cut()
            elif chance < 0.40:
                self._arm()
            elif chance < 0.50:
                await self._after_kill("power cuts")
            elif chance < 0.58:
                await self._stop()
                await self._start()
        # The nightly restart: every connection ends, and for two minutes nobody is let in.
        gateway = self.world.gateway
        gateway.shut_until_ns = self.clock.now_ns() + 120 * SECOND_NS
        self.counts["restarts of the gateway"] += 1
        self.cut()

    def _arm(self) -> None:
        """Kill the runner at the nth point that it passes from now on."""
        if self.runner is None or self.runner.trader is None or self.runner.link.state is not State.READY:
            return
        left = [self.draw.randrange(1, 3 if self.aim else 120)]

        def due(point: str) -> bool:
            left[0] -= point.startswith(self.aim)
            return left[0] == 0

        arm(self.runner, due)

    async def _bury(self, what: str) -> None:
        self.counts[what] += 1
        assert self.runner is not None
        await bury(self, self.runner, self.draw.random() < 0.5)

    async def _after_kill(self, what: str) -> None:
        await self._bury(what)
        await asyncio.sleep(self.draw.uniform(1, 25))
        await self._start()

    async def _start(self) -> None:
        self.counts["starts"] += 1
        if self.fresh:
            self.change(book=str(self.folder / f"{self.counts['starts']}" / "paper.db"))
        self.runner = self.begin()
        await asyncio.sleep(0)

    async def _stop(self) -> None:
        """Stop in order; a kill that was to come may come in the middle of that."""
        assert self.runner is not None and self.task is not None
        self.runner.stop()
        ended, _ = await asyncio.wait({self.task}, timeout=600)
        assert ended, f"asked to stop, the runner does not: {self.runner.link}"
        try:
            await self.task
        except (Killed, BaseExceptionGroup) as error:
            if not was_killed(error):
                raise
            await self._bury("killed")

    async def _evening(self) -> None:
        """Bring broker and book together, as a person would see it, and judge the day."""
        await asyncio.sleep(150)
        runner = await self._looked_at()
        assert runner.trader is not None
        self._settle(runner)
        for symbol in SYMBOLS:
            obey(runner, Wish("open", "the evening", "looked at", symbol))
        self._judge(runner.trader.session.book)
        await self._stop()
        del self.lines[:-50]
        self.world.transcript.clear()

    async def _looked_at(self) -> Runner:
        """Return a runner that is ready and compared its book once more; a kill that is still to come may come before that."""
        while True:
            await self._ready()
            runner = self.runner
            assert runner is not None and runner.trader is not None and self.task is not None
            obey(runner, Wish("look", "the evening", ""))
            await asyncio.sleep(30)
            if not self.task.done():
                return runner

    async def _ready(self) -> None:
        if self.task is not None and self.task.done():
            await self._after_kill("killed")
        for _ in range(80):
            runner, trader = self.runner, self.runner.trader if self.runner else None
            if runner is not None and runner.link.state is State.READY and trader is not None and not trader.look_wanted:
                break
            await asyncio.sleep(15)
            if self.task is not None and self.task.done():
                await self._after_kill("killed")
        else:
            self.wrong.append(f"day {self.counts['days']}: never ready again: {self.lines[-3:]}")

    def _settle(self, runner: Runner) -> None:
        """Look at the broker for the orders in doubt, as a person would, and end those that are not there."""
        trader = runner.trader
        assert trader is not None
        there = {order.ref() for order in self.world.gateway.desk.by_perm.values() if not order.done}
        for key in trader._doubts.orders():
            if order_ref(trader.tag, key) in there:
                self.wrong.append(f"day {self.counts['days']}: order {key} is at the broker and in doubt")
                continue
            self.counts["settled by a person"] += 1
            obey(runner, Wish("settle", "the evening", "not in the broker's own book", str(key)))

    def _judge(self, book: Book) -> None:
        """Compare everything: positions, cash to the cent, every execution, every order."""
        today, broker = f"day {self.counts['days']}", self.broker()
        held = {symbol: int(book.instruments[n, I_POSITION]) for n, symbol in enumerate(SYMBOLS, 1)}
        truth = {symbol: broker["positions"].get(symbol, 0) for symbol in SYMBOLS}
        if held != truth:
            self.wrong.append(f"{today}: positions {held}, the broker's {truth}")
        if book.valuation().cash != broker["cash"]:
            self.wrong.append(f"{today}: cash {book.valuation().cash}, the broker's {broker['cash']}")
        if check(book) != Invariant.HOLDS:
            self.wrong.append(f"{today}: {check(book).name}")
        self._judge_executions(today, book)
        self._judge_orders(today, book)

    def _judge_executions(self, today: str, book: Book) -> None:
        fills = book.entries[(book.entries[:, N_KIND] == EventKind.FILL) & (book.entries[:, N_FLAGS] & EntryFlag.SUPERSEDED == 0)]
        sizes, times = np.unique(fills[:, [N_INSTRUMENT, N_QTY]], axis=0, return_counts=True)
        mine = Counter({(number, lots): times for (number, lots), times in zip(sizes.tolist(), times.tolist(), strict=True)})
        # Those of the days before were counted on their evenings; a correction comes within seconds.
        done = self.world.gateway.desk.trader.filler.executions
        self._done += Counter((1 + SYMBOLS.index(each.contract.symbol), each.lots) for each in done[self._counted :])
        if mine != self._done:
            self.wrong.append(f"{today}: executions lost {self._done - mine}, too many {mine - self._done}")
        self.counts["executions"] = self._counted = len(done)

    def _judge_orders(self, today: str, book: Book) -> None:
        """One order at most for a key, and none that the book does not know."""
        tag, known = self._tag(), set(book.orders[:, O_KEY].tolist())
        orders = list(self.world.gateway.desk.by_perm.values())
        fresh = [order.ref() for order in orders[self._refs.total() :]]
        self._refs.update(fresh)
        self.counts["orders"] = len(self._refs)
        released = book.orders[book.orders[:, O_STATUS] == OrderStatus.RELEASED, O_KEY]
        for key in released.tolist():
            if order_ref(tag, key) in self._refs:
                self.wrong.append(f"{today}: order {key} is held for never sent, and the broker had it")
        for ref in fresh:
            if self._refs[ref] > 1:
                self.wrong.append(f"{today}: {self._refs[ref]} orders under {ref}")
            if key_of(ref, tag) not in known:
                self.wrong.append(f"{today}: the broker has {ref}, the book does not know it")

    def _tag(self) -> str:
        """Return what tells this book's references from those of others."""
        if not self.tag or self.fresh:
            with Journal.read(self.config.book) as journal:
                self.tag = book_tag(session_row(journal.connection, journal.sessions()[-1].id))
        return self.tag


__all__ = ["Killed", "Soak", "Verdict"]
