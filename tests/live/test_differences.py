"""When a position that differs closes its instrument: not while something in motion may explain it, and never another one."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.live.fakes import AAPL, CLIENT, MSFT, Desk, desk, execution, lists, order_seen, position

from ledger.book import I_GATES
from ledger.vocabulary import Gate, OrderStatus
from live.broker.facts import OrderSeen
from live.broker.fold import Contract
from live.broker.reconcile import APART_NS


def blocked(d: Desk, contract: Contract = AAPL) -> bool:
    """Say whether an instrument is closed for entries."""
    return bool(int(d.session.book.instruments[contract.number, I_GATES]) & Gate.BLOCKED)


def working(d: Desk, contract: Contract) -> tuple[OrderSeen, ...]:
    """Buy, and return the list in which the order works."""
    d.buy(10, contract=contract)
    d.pump()
    return (order_seen(d.ref(), 1, "Submitted")._replace(con_id=contract.con_id, symbol=contract.symbol),)


def test_a_difference_waits_for_a_second_look_while_an_order_of_its_instrument_works(tmp_path: Path) -> None:
    with desk(tmp_path) as d:
        orders = working(d, AAPL)
        for later_ns, closed in ((0, False), (APART_NS - 1, False), (1, True)):
            d.clock.ns += later_ns
            d.trader.look(lists(d, open_orders=orders, positions=(position(7),)))
            assert blocked(d) == closed and d.trader.look_wanted != closed


def test_a_difference_that_changes_is_a_new_one(tmp_path: Path) -> None:
    with desk(tmp_path) as d:
        orders = working(d, AAPL)
        for shares in (7, 8):
            d.trader.look(lists(d, open_orders=orders, positions=(position(shares),)))
            d.clock.ns += APART_NS
        assert not blocked(d)


def test_what_moves_in_one_instrument_keeps_no_other_open(tmp_path: Path) -> None:
    with desk(tmp_path) as d:
        orders = working(d, MSFT)
        d.trader.look(lists(d, open_orders=orders, positions=(position(7),)))
        assert blocked(d) and not blocked(d, MSFT)


def test_a_difference_right_after_an_execution_waits_until_it_is_old(tmp_path: Path) -> None:
    with desk(tmp_path) as d:
        d.buy(10)
        d.pump()
        d.trader.on_fact(execution(d.ref(), 1, "0001.01.01", 10))
        assert d.status == OrderStatus.FILLED
        for later_ns, shares, closed in ((APART_NS - 1, 7, False), (1, 8, True)):
            d.clock.ns += later_ns
            d.trader.look(lists(d, positions=(position(shares),)))
            assert blocked(d) == closed


@pytest.mark.parametrize(("way", "known"), [(f"{CLIENT}:1", True), (f"{CLIENT + 1}:1", False), (f"{CLIENT}:", False), (f"{CLIENT}:x", False)])
def test_an_order_id_is_remembered_only_as_this_client_gave_it_out(tmp_path: Path, way: str, known: bool) -> None:
    with desk(tmp_path) as d:
        d.buy(10)
        d.trader._order_ids.clear()
        d.trader._recall(d.key, way)
        assert (d.trader._order_ids == {d.key: 1}) is known and (d.trader._fold.order_ids() == {1: d.key}) is known
