"""The other eleven of twenty-one ways in which ib_async 2.1.0 loses, merges, invents or takes back what a broker said, and the book that does not.

Each test pins what the library does, so that an upgrade that changes it is seen, and shows beside it what the runner
makes of the same bytes on the same connection.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import ib_async
import pytest
from tests.scenarios.paper import Day
from tests.scenarios.wired import CLIENT, READY

from ledger.book import N_FEE, N_FLAGS, N_TIME
from ledger.port import Submit
from ledger.vocabulary import EntryFlag, OrderStatus
from live.broker.facts import CommissionSeen
from live.ib import Ticket
from live.link import State
from live.outbox import Outbox
from live.pacer import Pacer
from sim.gateway.core.config import DEFAULT_START_NS, Config
from sim.gateway.faults.plan import plan

LOW = 1_000_000


def test_p11_an_old_status_overwrites_a_newer_one(wired) -> None:
    w = wired({"name": "status-backwards"})

    async def story() -> None:
        await w.connect()
        w.want(10)
        await asyncio.sleep(1)
        assert w.library().orderStatus.status == "Submitted" and w.at_broker() == 100_000
        assert w.status() == OrderStatus.FILLED

    w.run(story)


def test_p12_a_correction_is_added_to_what_it_corrects(wired) -> None:
    w = wired({"name": "corrected-quantity", "seconds": 5, "shares": -1})

    async def story() -> None:
        await w.connect()
        w.want(100)
        await asyncio.sleep(30)
        assert w.library().filled() == 199
        assert w.held() == w.at_broker() == 990_000

    w.run(story)


def test_p13_an_execution_of_an_order_from_before_the_start_makes_no_event(wired) -> None:
    w = wired({"name": "partial-fills", "parts": 2, "seconds": 60})

    async def story() -> None:
        await w.connect()
        w.want(10)
        await asyncio.sleep(1)
        w.cut()
        await asyncio.sleep(1)
        other = await w.world.client(CLIENT, fetchFields=ib_async.StartupFetch(0))
        seen = []
        other.execDetailsEvent += lambda trade, fill: seen.append(fill)
        await asyncio.sleep(90)
        await other.reqExecutionsAsync()
        assert seen == [] and len(other.fills()) == 2
        other.disconnect()
        await w.connect()
        assert w.held() == w.at_broker() == 100_000 and w.status() == OrderStatus.FILLED

    w.run(story)


def test_p14_a_commission_that_comes_first_is_dropped(wired) -> None:
    w = wired({"name": "commission-first"})

    async def story() -> None:
        await w.connect()
        w.want(10)
        await asyncio.sleep(1)
        assert [fill.commissionReport.commission for fill in w.ib.fills()] == [0.0]
        entry = w.session.book.entries[-1]
        assert entry[N_FLAGS] & EntryFlag.FEE_KNOWN and entry[N_FEE] == 10**8

    w.run(story)


def test_p15_a_fee_that_was_not_set_is_an_absurd_number_and_a_profit_that_was_not_set_is_zero(wired) -> None:
    w = wired({"name": "unset-doubles"})

    async def story() -> None:
        await w.connect()
        w.want(10)
        await asyncio.sleep(1)
        report = w.ib.fills()[0].commissionReport
        assert report.commission > 1e300 and report.realizedPNL == 0.0
        assert [fact.commission for fact in w.facts if isinstance(fact, CommissionSeen)] == [None]
        assert not w.session.book.entries[-1][N_FLAGS] & EntryFlag.FEE_KNOWN, "unknown, and not zero"

    w.run(story)


def test_p16_an_order_that_waits_for_shares_to_borrow_counts_as_done(wired) -> None:
    w = wired({"name": "locate", "seconds": 30})

    async def story() -> None:
        await w.connect()
        w.want(10)
        await asyncio.sleep(1)
        assert w.library().isDone() and w.library().orderStatus.status == "Inactive"
        assert w.status() in (OrderStatus.SENDING, OrderStatus.SUBMITTED), "it is not closed in the book"
        await asyncio.sleep(60)
        assert w.status() == OrderStatus.FILLED and w.held() == w.at_broker() == 100_000

    w.run(story)


def test_p17_asking_for_a_cancel_is_taken_for_the_cancel(wired) -> None:
    w = wired({"name": "cancel-unanswered"})

    async def story() -> None:
        ib = await w.world.client(5)
        held_back = ib_async.LimitOrder("BUY", 1, 100, transmit=False)
        trade = ib.placeOrder(ib_async.Stock("AAPL", "SMART", "USD"), held_back)
        ib.cancelOrder(held_back)
        assert trade.orderStatus.status == "Cancelled" and trade.isDone(), "before a byte was answered"
        ib.disconnect()
        await w.connect()
        key = w.want(10, LOW)
        await asyncio.sleep(1)
        assert w.trader.cancel(key)
        w.trader.pump(READY)
        await asyncio.sleep(600)
        assert w.working() >= 1 and w.status(key) == OrderStatus.SUBMITTED

    w.run(story)


def test_p18_a_change_of_a_closed_order_is_sent_before_it_is_refused(wired) -> None:
    w = wired()

    async def story() -> None:
        ib = await w.world.client(5)
        order = ib_async.MarketOrder("BUY", 1)
        trade = ib.placeOrder(ib_async.Stock("AAPL", "SMART", "USD"), order)
        await asyncio.sleep(1)
        assert trade.isDone()
        before = len(w.world.transcript)
        with pytest.raises(AssertionError):
            ib.placeOrder(trade.contract, order)
        await asyncio.sleep(0.1)
        assert any(way == ">" and fields[0] == "3" for _, _, way, fields in w.world.transcript[before:])
        ib.disconnect()
        box = Outbox(Pacer(40, 40, 0))
        submit = Submit(5, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0)
        box.put(submit)
        box.due(READY, 0)
        with pytest.raises(RuntimeError, match="handed over twice"):
            box.put(submit)
        await w.connect()

    w.run(story)


def test_p19_two_permanent_ids_of_one_order_are_shown_as_one(wired) -> None:
    w = wired({"name": "second-perm-id"})

    async def story() -> None:
        await w.connect()
        key = w.want(10, LOW)
        await asyncio.sleep(1)
        order_id = w.trader._order_ids[key]
        ticket = Ticket(order_id, w.ref(key), "DU1000001", "BUY", 10, "LMT", 101, None, "GTC", False)
        w.gateway.place(ticket, w.trader.handles[1])
        await asyncio.sleep(1)
        await w.snapshot()
        assert len([trade for trade in w.ib.openTrades() if trade.order.orderId == order_id]) == 1
        assert len(w.trader._fold.perm_ids(key)) == 2 and any("SECOND PERMANENT ID" in line for line in w.alerts)

    w.run(story)


def test_p20_the_time_of_a_fill_is_the_time_of_the_packet(wired) -> None:
    w = wired(config=Config(fill_bar_s=3600, start_ns=DEFAULT_START_NS + 1234 * 10**9))

    async def story() -> None:
        await w.connect()
        w.want(10)
        await asyncio.sleep(1)
        fill = w.ib.fills()[0]
        late = fill.time.timestamp() - fill.execution.time.timestamp()
        assert late > 1000
        assert int(w.session.book.entries[-1][N_TIME]) == int(fill.execution.time.timestamp()) * 10**9

    w.run(story)


@pytest.mark.parametrize("restored", [1101, 1102])
def test_p21_the_library_knows_nothing_of_a_lost_link(restored: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    day = Day(monkeypatch, tmp_path, faults=plan([{"name": "link-lost", "after": 300, "seconds": 120, "restored": restored}], seed=7))

    async def story() -> None:
        runner = day.begin()
        await asyncio.sleep(330)
        gateway = runner.gateway
        assert gateway is not None and gateway._ib.isConnected(), "the library holds itself for connected"
        assert runner.link.state is State.DEGRADED
        asked = set(gateway._refused)
        await asyncio.sleep(200)
        assert runner.link.state is State.READY
        assert len(gateway._refused) == len(asked) == 2 and asked.isdisjoint(gateway._refused), "the bars are asked for anew"
        bars = runner.market.bars_seen
        await asyncio.sleep(180)
        assert runner.market.bars_seen > bars, "data flows again"
        await day.end(runner)

    day.run(story)
    states = [line.split(":")[0] for line in day.lines if "->" in line]
    assert "READY -> DEGRADED" in states and "DEGRADED -> SYNCING" in states
    day.agree()
