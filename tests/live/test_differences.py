"""When a position that differs closes its instrument: not while something in motion may explain it, and never another one."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
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


@example([("told", AAPL, 10), ("untold", AAPL, 0), ("looked", AAPL, 0)])
@given(st.lists(st.tuples(st.sampled_from(("told", "untold", "looked", "bought")), st.sampled_from((AAPL, MSFT)), st.sampled_from((0, 10, 20))), max_size=10))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_look_is_wanted_while_an_open_instrument_was_told_otherwise_since_the_last_one(tmp_path: Path, steps: list[tuple[str, Contract, int]]) -> None:
    """A told position is news until a look; the book's own executions may explain it before; a closed instrument waits for a person."""
    held, told, broker = {AAPL: 0, MSFT: 0}, dict[Contract, int](), {AAPL: 0, MSFT: 0}
    folder = Path(tempfile.mkdtemp(dir=tmp_path))
    with desk(folder) as d:
        for number, (what, contract, shares) in enumerate(steps):
            d.clock.ns += 2 * APART_NS
            if what == "untold":
                broker[contract] = shares
            elif what == "told":
                told[contract] = broker[contract] = shares
                d.trader.on_fact(position(shares, contract)._replace(time_ns=d.clock.ns))
            elif what == "bought":
                d.trader.on_fact(execution("", 0, f"{number:04d}.01.01", 10)._replace(con_id=contract.con_id, symbol=contract.symbol, time_ns=d.clock.ns))
                held[contract] += 10
            else:
                d.trader.look(lists(d, positions=tuple(position(broker[c], c) for c in broker)))
                told = {}
            news = any(told[c] != held[c] and not blocked(d, c) for c in told)
            assert d.trader.wants_look() is (news or d.trader.look_wanted)
