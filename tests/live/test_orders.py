"""How an order leaves: through which gate, in which words, and under which number its cancel goes."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.live.fakes import CLIENT, START_NS, Desk, desk, lists, restarted, wish

from ledger import keys
from ledger.book import E_KEY, E_TIME, H_GATES, event
from ledger.vocabulary import EventKind, Gate, OrderStatus, OrderType, Outcome, Purpose, Side
from live import link as links
from live.broker.facts import MessageSeen
from live.pacer import Pacer
from strategies.api import AT_OPEN, DAY, GTC, IOC

SYNCING = links.Link(links.State.SYNCING, "test", START_NS)


def market(d: Desk, *, is_open: bool) -> None:
    """Open or close the exchange."""
    side = Side.SELL if is_open else Side.BUY
    d.session.record(event(EventKind.GATE, time_ns=START_NS, side=side, reason=Gate.MARKET_CLOSED))


def test_nothing_is_claimed_while_the_gateway_has_no_connection_nor_before_the_lists_agree_again(tmp_path: Path) -> None:
    with desk(tmp_path) as d:
        d.trader.on_link_lost()
        assert d.buy(bar=1) == Outcome.DISCONNECTED
        d.trader.on_link_back()
        assert d.buy(bar=2) == Outcome.NOT_RECONCILED
        assert d.trader.look(lists(d)).agrees and d.buy(bar=3) == Outcome.APPLIED


@pytest.mark.parametrize("is_open", [True, False])
@pytest.mark.parametrize("time_in_force", [DAY, AT_OPEN, IOC, GTC])
def test_only_an_order_for_the_opening_auction_passes_a_closed_market_and_none_moves_its_gate(tmp_path: Path, time_in_force: int, is_open: bool) -> None:
    with desk(tmp_path) as d:
        market(d, is_open=is_open)
        passes = is_open or time_in_force == AT_OPEN
        assert d.trader.on_wish(wish(1, 10), time_in_force) == (Outcome.APPLIED if passes else Outcome.MARKET_CLOSED)
        assert bool(d.session.book.arena[H_GATES] & Gate.MARKET_CLOSED) is not is_open


def test_an_order_goes_as_it_was_wished_when_it_passed_and_not_as_when_it_was_refused(tmp_path: Path) -> None:
    with desk(tmp_path) as d:
        market(d, is_open=False)
        assert d.trader.on_wish(wish(1, 10), IOC) == Outcome.MARKET_CLOSED
        market(d, is_open=True)
        assert d.trader.on_wish(wish(1, 10)) == d.trader.on_wish(wish(2, 10), IOC) == Outcome.APPLIED
        d.pump()
        assert [ticket.tif for ticket in d.wire.placed] == ["DAY", "IOC"]


def test_an_order_of_the_process_before_is_cancelled_under_its_number_and_the_answer_is_believed(tmp_path: Path) -> None:
    with restarted(tmp_path) as d:
        assert d.trader.cancel(d.key) and d.trader.pump(SYNCING) == 1 and d.wire.cancelled == [1]
        d.trader.on_fact(MessageSeen(START_NS, 1, 202, "Order Canceled - reason:"))
        assert d.status == OrderStatus.CANCELED


def test_an_order_that_another_client_id_sent_is_not_cancelled_under_a_number_of_ours(tmp_path: Path) -> None:
    with restarted(tmp_path) as d:
        d.trader._order_ids.clear()
        d.trader._recall(d.key, f"{CLIENT + 1}:1")
        assert d.trader.cancel(d.key) and d.trader.pump(SYNCING) == 1
        assert d.wire.cancelled == [] and any(line.startswith(f"CANCEL NOT SENT: order {d.key}") for line in d.alerts)


def test_the_last_of_a_bracket_is_let_go_and_then_cancelled_when_the_others_have_left(tmp_path: Path) -> None:
    """Taken back instead, it would leave the entry at the gateway for ever: written, and never let go."""
    with desk(tmp_path) as d:
        entry = wish(1, 10)
        seconds = int(entry[E_TIME]) // 10**9
        stop = event(
            EventKind.SIGNAL, time_ns=entry[E_TIME], key=keys.make(1, 1, Purpose.STOP_LOSS, seconds), instrument=1, target_lots=0,
            price_ticks=2_200_000, order_type=OrderType.STOP, parent=entry[E_KEY],
        )  # fmt: skip
        d.trader._outbox.pacer = Pacer(1, 1, START_NS)
        assert d.trader.on_bracket(entry, lambda: [stop]) == Outcome.APPLIED
        d.pump()
        assert d.trader.cancel(int(stop[E_KEY]))
        for _ in range(2):
            d.clock.ns += 10**9
            d.pump()
        assert [ticket.transmit for ticket in d.wire.placed] == [False, True] and d.wire.cancelled == [2]
