"""The first ten of twenty-one ways in which ib_async 2.1.0 loses, merges, invents or takes back what a broker said, and the book that does not.

Each test pins what the library does, so that an upgrade that changes it is seen, and shows beside it what the runner
makes of the same bytes on the same connection.
"""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import ib_async
import pytest
from tests.scenarios.paper import Day
from tests.scenarios.wired import CLIENT, READY
from tests.sim.gateway.world import PORT

from ledger.port import Submit
from ledger.vocabulary import OrderStatus, OrderType
from live.ib import GatewayError, Ticket
from live.link import State
from live.outbox import Outbox
from live.pacer import Pacer
from sim.gateway.faults.plan import plan

LOW = 1_000_000
"""A limit so low that the order rests."""


@pytest.mark.parametrize("code", [10349, 161, 10148, 103, 320, 10329])
def test_p01_a_code_that_the_library_does_not_know_sets_a_live_order_to_cancelled(wired, code) -> None:
    w = wired()

    async def story() -> None:
        await w.connect()
        key = w.want(10, LOW)
        await asyncio.sleep(1)
        w.say_error(w.trader._order_ids[key], code)
        await asyncio.sleep(1)
        assert w.library().orderStatus.status == "Cancelled" and w.library().isDone()
        assert w.working() == 1 and w.status() == OrderStatus.SUBMITTED

    w.run(story)


def test_p02_a_warning_hides_where_the_order_stands(wired) -> None:
    w = wired({"name": "warning", "code": 2109})

    async def story() -> None:
        await w.connect()
        seen = []
        w.ib.orderStatusEvent += lambda trade: seen.append(trade.orderStatus.status)
        w.want(10, LOW)
        await asyncio.sleep(1)
        assert "ValidationError" in seen
        assert w.working() == 1 and w.status() == OrderStatus.SUBMITTED

    w.run(story)


def test_p03_a_request_that_is_answered_with_321_never_completes(wired) -> None:
    w = wired({"name": "refused-321", "message": "reqHistoricalData"})

    async def story() -> None:
        await w.connect()
        contract = w.trader.handles[1]
        asked = asyncio.ensure_future(w.ib.reqHistoricalDataAsync(contract, "", "1 D", "1 min", "TRADES", True, timeout=0))
        await asyncio.sleep(3600)
        assert not asked.done(), "the library waits for ever"
        asked.cancel()
        before = w.world.loop.time()
        with pytest.raises(GatewayError, match="no history of 1 D"):
            await w.gateway.history(contract, "1 D", "1 min", 15.0)
        assert w.world.loop.time() - before < 16

    w.run(story)


def test_p04_a_frame_that_cannot_be_decoded_is_a_line_in_a_log_and_a_fill_is_lost(wired, caplog) -> None:
    w = wired({"name": "unknown-zone"})

    async def story() -> None:
        await w.connect()
        w.want(10)
        await asyncio.sleep(1)
        assert w.ib.fills() == [] and w.at_broker() == 100_000
        assert any("could not be decoded" in trouble for trouble in w.troubles), "the runner hears of it, and halts"

    with caplog.at_level(logging.ERROR):
        w.run(story)


def test_p04_the_runner_halts_when_a_frame_cannot_be_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    day = Day(monkeypatch, tmp_path, faults=plan([{"name": "unknown-zone"}], seed=7))

    async def story() -> None:
        runner = day.begin()
        await asyncio.sleep(1800)
        assert runner.link.state is State.HALTED and "could not be decoded" in runner.link.reason
        sent = sum(line.startswith("SENT") for line in day.lines)
        await asyncio.sleep(1800)
        assert sum(line.startswith("SENT") for line in day.lines) == sent > 0
        await day.end(runner)

    day.world.loop.run_until_complete(story())
    day.world.host.stop()


def test_p05_a_client_id_in_use_is_a_time_out_without_a_reason(wired) -> None:
    w = wired({"name": "client-id-in-use"})

    async def story() -> None:
        ib = ib_async.IB()
        with pytest.raises(TimeoutError) as bare:
            await ib.connectAsync("127.0.0.1", PORT, CLIENT, timeout=2)
        assert "326" not in str(bare.value)
        with pytest.raises(GatewayError, match="326.*already in use"):
            await w.connect()

    async def whole() -> None:
        try:
            await story()
        finally:
            w.gateway.close()

    w.run(whole)


def test_p06_a_start_up_question_that_nobody_answers_is_no_positions(wired) -> None:
    w = wired({"name": "unanswered", "message": "reqPositions"})

    async def story() -> None:
        ib = ib_async.IB()
        await ib.connectAsync("127.0.0.1", PORT, 5, timeout=2)
        assert ib.isConnected() and ib.positions() == []
        ib.disconnect()
        with pytest.raises(GatewayError, match="positions"):
            await w.connect()

    w.run(story)


def test_p07_an_exception_in_a_handler_is_swallowed_without_a_line(wired, caplog) -> None:
    w = wired()

    async def story() -> None:
        await w.connect()

        def broken(*_: object) -> None:
            raise RuntimeError("a handler broke")

        w.ib.orderStatusEvent += broken
        w.want(10)
        await asyncio.sleep(1)
        assert "a handler broke" not in caplog.text and w.troubles == []
        w.gateway._on_fact = broken
        w.want(20)
        await asyncio.sleep(1)
        assert any("a handler broke" in trouble for trouble in w.troubles), "what breaks in our own listeners is a fault"

    with caplog.at_level(logging.DEBUG):
        w.run(story)


def test_p08_orders_that_wait_inside_the_library_are_thrown_away_when_the_link_breaks(wired) -> None:
    w = wired()

    async def story() -> None:
        ib = await w.world.client(5)
        for number in range(100):
            ib.placeOrder(ib_async.Stock("AAPL", "SMART", "USD"), ib_async.LimitOrder("BUY", 1, 100, orderRef=f"l{number}"))
        shown = len(ib.trades())
        await asyncio.sleep(0.5)
        w.cut()
        await asyncio.sleep(30)
        arrived = w.working()
        assert shown == 100 and 0 < arrived < 60, "the others are gone, and nobody was told"

        await w.connect()
        assert w.ib.client.MaxRequests == 0
        await asyncio.sleep(1)
        now = w.clock.now_ns()
        box, handed = Outbox(Pacer(40, 40, now)), 0
        for number in range(1, 101):
            box.put(Submit(number, 1, 1, 10_000, OrderType.LIMIT, LOW, 0, 0, 0, 0, 0))
        for _ in range(3):
            for submit in box.due(READY, w.clock.now_ns()):
                ticket = Ticket(w.gateway.reserve_order_id(), f"o{submit.key}", "DU1000001", "BUY", 1, "LMT", 100, None, "GTC", False)
                w.gateway.place(ticket, w.trader.handles[1])
                handed += 1
            await asyncio.sleep(0.3)
        w.cut()
        assert w.working() - arrived == handed == 40 and len(box.drop()) == 60, "what was not handed over is known by key"

    w.run(story)


def test_p09_a_lost_socket_empties_the_library_and_not_the_book(wired) -> None:
    w = wired()

    async def story() -> None:
        await w.connect()
        w.want(10)
        await asyncio.sleep(1)
        key = w.want(20, LOW)
        await asyncio.sleep(1)
        assert w.ib.fills() and len(w.ib.trades()) == 2
        w.cut()
        await asyncio.sleep(1)
        assert w.ib.fills() == [] and w.ib.trades() == [] and w.ib.positions() == []
        assert w.held() == 100_000 and w.status(key) == OrderStatus.SUBMITTED

    w.run(story)


def test_p10_two_questions_of_one_kind_at_a_time_leave_one_without_an_answer(wired) -> None:
    w = wired()

    async def story() -> None:
        await w.connect()
        asked = [asyncio.ensure_future(ask()) for ask in (w.ib.reqOpenOrdersAsync, w.ib.reqAllOpenOrdersAsync)]
        await asyncio.sleep(600)
        assert sum(not one.done() for one in asked) == 1
        for one in asked:
            one.cancel()
        both = await asyncio.gather(w.snapshot(), w.snapshot())
        assert [shown.unanswered() for shown in both] == [(), ()], "the runner asks one after the other"

    w.run(story)


def test_the_version_that_these_are_true_of_is_the_one_installed() -> None:
    assert ib_async.__version__ == "2.1.0"
