"""kill -9 at every line that an order passes, under every fault that matters: one order at most for a key, and the gateway's fills.

A process lives until the nth point: any step of any write of the journal, or just before or after the order is handed
to the wire. What it had written to its socket arrives, or does not. The next process recovers, looks, and
wants the same again, as a strategy does at its next bar.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from tests.scenarios.endurance.ablations import no_fence, send_before_record
from tests.scenarios.endurance.killing import Killed
from tests.scenarios.wired import READY, Wired

from ledger import keys
from ledger.book import N_FLAGS, N_KIND, N_QTY, O_KEY, O_STATUS, event
from ledger.invariants import Invariant, check
from ledger.journal import Journal
from ledger.vocabulary import EntryFlag, EventKind, OrderFlag, OrderStatus, OrderType, Purpose
from live.ib import GatewayError

SHARES = 10
FAULTS: dict[str, dict[str, Any]] = {
    "nothing else": {}, "lost order": {"name": "lost-order", "nth": 1}, "told by lists only": {"name": "fill-untold"},
    "never acknowledged": {"name": "ack-never"}, "acknowledged late": {"name": "ack-delay", "seconds": 8.0},
    "execution first": {"name": "exec-first"}, "told twice": {"name": "exec-twice"}, "out of order": {"name": "shuffled"},
    "in parts": {"name": "partial-fills", "parts": 3, "seconds": 4.0}, "corrected price": {"name": "corrected-price", "seconds": 4.0},
    "corrected quantity": {"name": "corrected-quantity", "seconds": 4.0}, "commission late": {"name": "commission-late", "seconds": 9.0},
    "commission first": {"name": "commission-first"}, "rejected": {"name": "rejected-201", "nth": 1},
    "rejected after a part": {"name": "rejected-after-partial", "nth": 1}, "status backwards": {"name": "status-backwards"},
    "waits for shares": {"name": "locate", "seconds": 20.0}, "a warning": {"name": "warning"},
    "canceled by the broker": {"name": "broker-cancel", "seconds": 2.0}, "restart": {"name": "lost-at-restart", "after": 4.0, "window": 4.0, "seconds": 5.0},
    "ids reset": {"name": "ids-reset", "after": 4.0, "seconds": 5.0}, "link lost": {"name": "link-lost", "after": 2.0, "seconds": 10.0},
}  # fmt: skip


class Mortal(Wired):
    """A process that ends at the nth point it passes; 0 never."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path, *faults: dict[str, Any], kill_at: int, delivered: bool) -> None:
        super().__init__(monkeypatch, folder, *faults)
        self.kill_at, self.delivered = kill_at, delivered
        self.points: list[str] = []
        self.inbox: list[Any] = []
        self.session_id = 0

    def at(self, point: str) -> None:
        self.points.append(point)
        if len(self.points) == self.kill_at:
            raise Killed(point)

    def _on_fact(self, fact: Any) -> None:
        self.inbox.append(fact)

    def _on_closed(self) -> None:
        self.inbox.append(None)

    async def settle(self, seconds: float) -> None:
        """Let time pass; what is heard is worked off, as the runner's one consumer does."""
        until = self.world.loop.time() + seconds
        while self.world.loop.time() < until:
            while self.inbox:
                fact = self.inbox.pop(0)
                self.trader.on_fact(fact) if fact is not None else self.trader.on_disconnected()
            await asyncio.sleep(0.5)

    async def live(self, first: bool) -> None:
        """One process: open the book, connect, look, want, and see what comes."""
        self.journal = Journal.open(self._path, clock=self.clock.now_ns)
        if first:
            self._open(self.journal)
            self.session_id = self.session.id
        else:
            self.reopen(self.journal, self.session_id)
        for _ in range(20):
            with contextlib.suppress(GatewayError):
                await self.connect()
                break
            await asyncio.sleep(5)
        place = self.gateway.place

        def placed(*arguments: Any) -> None:
            self.at("wire-before")
            place(*arguments)
            self.at("wire-after")

        self.gateway.place = placed  # type: ignore[method-assign]
        if first:
            self.journal.at = self.at
        else:
            await self._find_out()
        self._want()
        await self.settle(40)
        await self._look_again()

    async def _find_out(self) -> None:
        """Look until what is in doubt is settled or set aside."""
        for pause in (0.0, 12.0, 61.0):
            await self.settle(pause)
            await self._connected()
            shown = await self.snapshot()
            await self.settle(0.1)
            self.trader.look(shown)

    async def _look_again(self) -> None:
        await self._connected()
        await self._find_out()

    async def _connected(self) -> None:
        """Have a connection, trying as long as it takes."""
        for _ in range(20):
            with contextlib.suppress(GatewayError):
                if not self.ib.isConnected():
                    await self.connect()
                return
            await self.settle(5)

    def _want(self) -> None:
        """Want the same position again, at this moment's bar."""
        line = event(
            EventKind.SIGNAL, time_ns=self.clock.now_ns(), instrument=1, target_lots=SHARES * 10_000, order_type=OrderType.MARKET,
            flags=OrderFlag.GTC, price_ticks=3_000_000, key=keys.make(1, 1, Purpose.TARGET, self.clock.now_ns() // 10**9), fee_e8=10**8,
        )  # fmt: skip
        self.trader.on_wish(line)
        self.trader.pump(READY)

    async def die(self) -> None:
        """Give back what the system takes back, and lose the rest."""
        if self.delivered:
            await asyncio.sleep(0.001)
        self.cut()
        self.gateway.close()
        session = self.session
        if session._lock is not None:
            session._lock.release()
        session._lock, session._stopped = None, "killed"
        self.journal.mark.close()
        self.journal.connection.close()
        self.journal._turn.release()
        self.inbox.clear()
        await asyncio.sleep(12)

    def history(self) -> None:
        """Live, be killed, live again."""

        async def story() -> None:
            try:
                await self.live(first=True)
            except Killed:
                pass
            await self.die()
            self.kill_at = 0
            try:
                await self.live(first=False)
                self.judge()
            finally:
                await self.die()

        try:
            self.world.loop.run_until_complete(story())
        finally:
            self.gateway.close()
            self.world.loop.run_until_complete(asyncio.sleep(0.1))
            self.world.host.stop()
            self.world.loop.close()
            asyncio.set_event_loop(None)

    def judge(self) -> None:
        """One order for a key at most, never more than was wanted, the gateway's executions, and nothing held for never sent that was."""
        book, orders = self.session.book, list(self.world.gateway.desk.by_perm.values())
        refs = Counter(order.ref() for order in orders)
        assert max(refs.values(), default=0) <= 1, refs
        assert self.at_broker() <= SHARES * 10_000 and self.held() == self.at_broker(), (self.held(), self.at_broker(), self.alerts)
        fills = book.entries[(book.entries[:, N_KIND] == EventKind.FILL) & (book.entries[:, N_FLAGS] & EntryFlag.SUPERSEDED == 0)]
        assert Counter(fills[:, N_QTY].tolist()) == Counter(done.lots for done in self.world.gateway.desk.trader.filler.executions)
        known = {self.ref(int(order[O_KEY])): int(order[O_STATUS]) for order in book.orders}
        assert set(refs) <= set(known), "the broker has an order that the book does not know"
        assert not [ref for ref in refs if known[ref] == OrderStatus.RELEASED], "held for never sent"
        assert check(book) == Invariant.HOLDS


def points_of(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the points that one life passes when nobody kills it."""
    return lived(name, 0, True, folder, monkeypatch).points


def lived(name: str, kill_at: int, delivered: bool, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Mortal:
    """Return a process after its two lives under a fault."""
    with TemporaryDirectory(dir=folder) as place, monkeypatch.context() as patch:
        mortal = Mortal(patch, Path(place), *([FAULTS[name]] if FAULTS[name] else []), kill_at=kill_at, delivered=delivered)
        mortal.history()
    return mortal


def killed_at(name: str, delivered: bool, step: int, first: int, folder: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """Kill a process at every `step`th point of its life, each time anew; return how many times."""
    points = points_of(name, folder, monkeypatch)
    assert {"wire-before", "wire-after", "begin", "commit-before", "commit-after"} <= set(points)
    numbers = range(1 + first % step, len(points) + 1, step)
    for number in numbers:
        try:
            lived(name, number, delivered, folder, monkeypatch)
        except AssertionError as error:
            raise AssertionError(f"{name}, killed at {points[number - 1]} (point {number} of {len(points)}): {error}") from error
    return len(numbers)


SENT = [pytest.param(True, id="delivered"), pytest.param(False, id="lost in the socket")]


@pytest.mark.parametrize("delivered", SENT)
def test_a_kill_at_any_line_leaves_one_order_and_the_gateways_fills(delivered: bool, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert killed_at("nothing else", delivered, 2, int(delivered), folder, monkeypatch) > 20


@pytest.mark.parametrize("delivered", SENT)
@pytest.mark.parametrize("name", list(FAULTS)[1:])
def test_a_kill_at_some_lines_under_every_fault_leaves_one_order_and_the_gateways_fills(
    name: str, delivered: bool, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each fault begins at another line, so that all of them together miss none."""
    assert killed_at(name, delivered, 12, 5 * list(FAULTS).index(name) + 6 * delivered, folder, monkeypatch) > 1


@pytest.mark.soak
@pytest.mark.parametrize("delivered", SENT)
@pytest.mark.parametrize("name", FAULTS)
def test_a_kill_at_every_line_under_every_fault_leaves_one_order_and_the_gateways_fills(
    name: str, delivered: bool, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kills = killed_at(name, delivered, 1, 0, folder, monkeypatch)
    print(json.dumps({"fault": name, "delivered": delivered, "kills": kills}), flush=True)


@pytest.mark.parametrize("ablate", [no_fence, send_before_record], ids=lambda ablate: ablate.__name__)
def test_without_the_state_between_claim_and_send_a_kill_leaves_a_second_order(ablate: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ablation: killed just after the wire had the order, the book holds it for never sent."""
    after = points_of("nothing else", folder, monkeypatch).index("wire-after") + 1
    ablate(monkeypatch)
    # Without the record before the send fewer points are passed on the way.
    killed = [number for number in range(after - 12, after + 1) if wrong_when_killed(number, folder, monkeypatch)]
    assert killed


def wrong_when_killed(number: int, folder: Path, monkeypatch: pytest.MonkeyPatch) -> bool:
    try:
        lived("nothing else", number, True, folder, monkeypatch)
    except AssertionError:
        return True
    return False
