"""ib_async, unmodified, over a real socket: every flow a user has on the first day."""

from __future__ import annotations

import asyncio
import socket

import ib_async
import pytest
from ib_async import IB, Forex, LimitOrder, MarketOrder, Stock, StopLimitOrder, StopOrder

from sim.gateway.core.config import Config
from sim.gateway.transport.recorder import record
from sim.gateway.transport.replay import replay
from sim.gateway.core.gateway import Gateway
from sim.gateway.transport.tcp import BindError, loopback
from sim.gateway.wire.compare import compare
from sim.gateway.wire.journal import Frame, FrameJournal, read
from tests.sim.gateway.served import served
from tests.sim.gateway.world import World, decoder_errors

APPLE = Stock("AAPL", "SMART", "USD")


def trade_with(port, flow, client_id=1):
    """Run a flow with a connected client on a loop of its own; ib_async may not fail to decode anything."""

    async def main():
        ib = IB()
        await ib.connectAsync("127.0.0.1", port, clientId=client_id, timeout=30, raiseSyncErrors=True)
        try:
            return await flow(ib)
        finally:
            ib.disconnect()
            await asyncio.sleep(0.05)

    with decoder_errors() as errors:
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        try:
            result = loop.run_until_complete(main())
        finally:
            asyncio.set_event_loop(None)
            loop.close()
    assert errors == []
    return result


async def until(condition):
    """Wait for something that must happen."""
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.01)


async def first_day(ib):
    assert ib.client.serverVersion() == 178 and ib.managedAccounts() == ["DU1000001"]
    errors = []
    ib.errorEvent += lambda number, code, *_: errors.append(code)
    (apple,) = await ib.qualifyContractsAsync(APPLE)
    (details,) = await ib.reqContractDetailsAsync(apple)
    assert details.minTick == 0.01 and details.longName == "APPLE INC"
    bought = ib.placeOrder(apple, MarketOrder("BUY", 100, orderRef="run1:1"))
    await until(lambda: bought.isDone() and bought.fills and bought.fills[0].commissionReport.execId)
    assert bought.orderStatus.status == "Filled" and bought.fills[0].execution.orderRef == "run1:1"
    assert bought.fills[0].commissionReport.commission == 1.0
    await until(lambda: [p.position for p in ib.positions()] == [100])
    resting = ib.placeOrder(apple, LimitOrder("BUY", 10, 100))
    await until(lambda: resting.orderStatus.status == "Submitted")
    resting.order.lmtPrice = 101.0
    ib.placeOrder(apple, resting.order)
    await until(lambda: resting.log[-1].message == "Modified")
    assert [t.order.lmtPrice for t in await ib.reqOpenOrdersAsync()] == [101.0]
    ib.cancelOrder(resting.order)
    await until(lambda: resting.orderStatus.status == "Cancelled")
    off = ib.placeOrder(apple, LimitOrder("BUY", 10, 100.001))
    await until(lambda: off.isDone())
    assert errors == [202, 110]
    what = await ib.whatIfOrderAsync(apple, MarketOrder("BUY", 10))
    assert float(what.initMarginChange) > 1000 and what.commission == 1.0
    bracket = ib.bracketOrder("BUY", 20, 400, 500, 50)
    trades = [ib.placeOrder(apple, order) for order in bracket]
    await until(lambda: [t.orderStatus.status for t in trades] == ["Filled", "Submitted", "PreSubmitted"])
    ib.cancelOrder(trades[1].order)
    ib.cancelOrder(trades[2].order)
    await until(lambda: all(t.isDone() for t in trades))
    pair = ib_async.IB.oneCancelsAll([LimitOrder("SELL", 5, 100), LimitOrder("SELL", 5, 900)], "pair", 1)
    one, other = (ib.placeOrder(apple, order) for order in reversed(pair))
    await until(lambda: one.isDone() and other.isDone())
    assert {one.orderStatus.status, other.orderStatus.status} == {"Filled", "Cancelled"}
    stops = [ib.placeOrder(apple, StopOrder("SELL", 5, 50)), ib.placeOrder(apple, StopLimitOrder("SELL", 5, 49, 50))]
    await until(lambda: {t.orderStatus.status for t in stops} == {"PreSubmitted"})
    ib.reqGlobalCancel()
    await until(lambda: all(t.isDone() for t in stops))
    return apple


async def data(ib):
    euro = Forex("EURUSD")
    await ib.qualifyContractsAsync(euro)
    ticker = ib.reqMktData(euro)
    live = ib.reqRealTimeBars(euro, 5, "MIDPOINT", False)
    depth = ib.reqMktDepth(euro)
    await until(lambda: ticker.bid > 0 and ticker.ask > ticker.bid and len(live) > 1 and len(depth.domBids) == 5)
    bars = await ib.reqHistoricalDataAsync(APPLE, "", "5 D", "1 hour", "TRADES", True)
    assert len(bars) > 20 and all(b.low <= min(b.open, b.close) <= max(b.open, b.close) <= b.high for b in bars)
    ticks = await ib.reqHistoricalTicksAsync(euro, "", ib_async.util.formatIBDatetime(await ib.reqCurrentTimeAsync()), 50, "BID_ASK", False)
    assert ticks
    pnl = ib.reqPnL("DU1000001")
    await until(lambda: pnl.unrealizedPnL == pnl.unrealizedPnL)
    assert await ib.reqMatchingSymbolsAsync("AAP")
    assert (await ib.reqMarketRuleAsync(26))[0].increment == 0.01
    summary = await ib.accountSummaryAsync()
    assert {v.tag for v in summary} >= {"NetLiquidation", "BuyingPower", "TotalCashValue"}


def test_the_first_day_of_a_user_works_and_is_decoded_without_an_error():
    with served(Config(cash="1000000", rate_limit=0)) as (port, _):
        trade_with(port, first_day)


def test_prices_bars_depth_and_profit_arrive():
    with served(Config(), speed=30) as (port, _):
        trade_with(port, data)


async def buy_and_rest(ib):
    (apple,) = await ib.qualifyContractsAsync(APPLE)
    done = ib.placeOrder(apple, MarketOrder("BUY", 30, orderRef="a"))
    rest = ib.placeOrder(apple, LimitOrder("BUY", 5, 100, orderRef="b", tif="GTC"))
    await until(lambda: done.isDone() and rest.orderStatus.status == "Submitted")


async def look(ib):
    return (
        [(p.contract.symbol, p.position, round(p.avgCost, 2)) for p in ib.positions()], [t.order.orderRef for t in ib.openTrades()],
        [f.execution.orderRef for f in ib.fills()], ib.client.getReqId(),
    )  # fmt: skip


def test_a_restarted_gateway_still_has_orders_positions_and_ids(tmp_path):
    path = tmp_path / "gateway.db"
    with served(state=path) as (port, _):
        trade_with(port, buy_and_rest)
        before = trade_with(port, look)
    with served(state=path) as (port, gateway):
        after = trade_with(port, look)
        assert gateway.desk.margins.reserved_e8 > 0
    assert after[:3] == before[:3] and after[3] == before[3] and before[0][0][:2] == ("AAPL", 30.0) and before[1] == ["b"]


def test_a_thousand_connects_leave_nothing_behind():
    with served(Config(clients_max=8)) as (port, gateway):
        for number in range(1000):
            with socket.create_connection(("127.0.0.1", port)) as plug:
                plug.sendall(b"API\0\0\0\0\tv157..178" + b"\0\0\0\x0971\x002\x001\x00\x00"[: number % 14])
                if number % 3:
                    plug.recv(4096)
        trade_with(port, look)
    assert not gateway.sessions and not gateway.answers.subscriptions and gateway.schedule.next_ns() is None


@pytest.mark.parametrize("address", ["0.0.0.0", "192.168.1.5", "::", "example.com", ""])
def test_only_a_loopback_address_is_opened(address):
    with pytest.raises(BindError, match="not a loopback address"):
        loopback(address)


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "localhost", "127.8.8.8"])
def test_loopback_addresses_are_opened(address):
    assert loopback(address)


def test_a_recorded_day_replays_to_the_same_conversation(tmp_path):
    journal = FrameJournal(tmp_path / "frames.log")
    with served(Config(cash="1000000", rate_limit=0)) as (port, gateway):

        async def recorded():
            box, stop = {}, asyncio.Event()
            ready = asyncio.Event()

            def told(number):
                box["port"] = number
                ready.set()

            # The recorder's clock is the gateway's, so that the replay keeps its distances in time.
            task = asyncio.ensure_future(record(0, "127.0.0.1", port, journal, lambda: gateway.schedule.now_ns, ready=told, stop=stop))
            await ready.wait()
            ib = IB()
            await ib.connectAsync("127.0.0.1", box["port"], clientId=1, timeout=30, raiseSyncErrors=True)
            await first_day(ib)
            ib.disconnect()
            await asyncio.sleep(0.1)
            stop.set()
            await task

        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        loop.run_until_complete(recorded())
        asyncio.set_event_loop(None)
        loop.close()
    journal.close()
    frames = list(read(tmp_path / "frames.log"))
    assert {frame.direction for frame in frames} == {">", "<"} and len(frames) > 100
    again = replay(frames, Gateway(Config(cash="1000000", rate_limit=0)))
    assert compare(frames, again) == []
    assert compare(frames, [Frame(f.time_ns, f.connection, f.direction, f.fields) for f in frames if f.fields[0] != "55"])


def said(rows):
    """Return what was said as (direction, message number, order or request id), without the clock."""
    return [(direction, fields[0], fields[2] if fields[0] == "4" else fields[1]) for _, _, direction, fields in rows if len(fields) > 1]


def test_a_socket_and_memory_carry_the_same_conversation(monkeypatch):
    settings, over_tcp = Config(cash="1000000", rate_limit=0), []
    with served(settings) as (port, gateway):
        gateway.listeners.append(lambda *row: over_tcp.append(row))
        trade_with(port, first_day)
    world = World(monkeypatch, settings)

    async def story():
        await first_day(await world.client(1, timeout=30))

    world.run(story())
    ours = [row for row in said(over_tcp) if row[1] != "61"]
    assert ours == [row for row in said(world.transcript) if row[1] != "61"] and len(ours) > 100
