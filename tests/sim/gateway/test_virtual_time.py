"""Hours in memory, twice the same, without a socket or a thread."""

from __future__ import annotations

import asyncio
import threading

import pytest
from ib_async import LimitOrder, MarketOrder, Stock

from sim.gateway.core.config import Config
from sim.gateway.faults.plan import plan
from sim.gateway.transport.simloop import Deadlock, SimLoop
from tests.sim.gateway.world import World


def NIGHT():
    """Return the faults of an ordinary day: fills in three parts, late commissions, a restart after an hour."""
    return plan(
        [{"name": "partial-fills", "parts": 3}, {"name": "commission-late", "seconds": 90}, {"name": "restart", "after": 3650, "seconds": 300}], seed=7
    )


async def day(world: World) -> list[str]:
    """Trade, rest an order for an hour, lose the connection at night, come back and find everything."""
    seen = []
    ib = await world.client(7)
    ib.orderStatusEvent += lambda trade: seen.append(trade.orderStatus.status)
    apple = Stock("AAPL", "SMART", "USD")
    await ib.qualifyContractsAsync(apple)
    trade = ib.placeOrder(apple, MarketOrder("BUY", 300, orderRef="a"))
    while not trade.isDone():
        await asyncio.sleep(1)
    resting = ib.placeOrder(apple, LimitOrder("BUY", 50, 100, orderRef="b", tif="GTC"))
    await asyncio.sleep(3600)
    assert resting.orderStatus.status == "Submitted"
    await asyncio.sleep(300)
    assert not ib.isConnected()
    with pytest.raises((ConnectionError, TimeoutError)):
        await world.client(7)
    await asyncio.sleep(60)
    ib = await world.client(7)
    assert [t.order.orderRef for t in ib.openTrades()] == ["b"]
    assert sorted(fill.execution.orderRef for fill in ib.fills()) == ["a"] * 3
    assert [p.position for p in ib.positions()] == [300]
    ib.cancelOrder(ib.openTrades()[0].order)
    await asyncio.sleep(60)
    return seen


def test_four_thousand_seconds_run_twice_the_same(monkeypatch):
    digests = set()
    for _ in range(2):
        world = World(monkeypatch, Config(), NIGHT())
        world.run(day(world))
        assert world.loop.time() > 4000
        digests.add(world.digest())
    assert len(digests) == 1


def test_no_socket_is_opened_and_no_thread_started(monkeypatch):
    def refuse(*_):
        raise AssertionError("a socket was used")

    monkeypatch.setattr("socket.socket.connect", refuse)
    monkeypatch.setattr("socket.socket.bind", refuse)
    before = threading.active_count()
    world = World(monkeypatch, faults=NIGHT())
    world.run(day(world))
    assert threading.active_count() == before


@pytest.mark.parametrize(("latency", "chunk"), [(0.0, 1), (0.0, 7), (0.01, 0), (0.2, 4096)])
def test_latency_and_chunks_change_times_and_nothing_that_is_said(monkeypatch, latency, chunk):
    def story(**more):
        world = World(monkeypatch, faults=NIGHT(), **more)
        seen = world.run(day(world))
        return seen, [fields[0] for _, _, direction, fields in world.transcript if direction == "<"]

    assert story(latency_s=latency, chunk=chunk)[0] == story()[0]


def test_what_can_never_go_on_is_an_error_and_not_a_hang():
    loop = SimLoop()

    async def forever():
        await loop.create_future()

    with pytest.raises(Deadlock):
        loop.run_until_complete(forever())
    with pytest.raises(ConnectionRefusedError):
        loop.run_until_complete(loop.create_connection(asyncio.Protocol, "127.0.0.1", 1))
    loop.close()
