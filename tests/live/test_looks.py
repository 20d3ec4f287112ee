"""What two whole looks at the broker's lists prove, and that a look with a hole proves nothing and takes no proof away."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.live.fakes import MSFT, Desk, desk, execution, lists, order_seen, position, restarted, status_seen

from ledger.book import I_GATES, O_STATUS
from ledger.vocabulary import Gate, OrderStatus
from live.broker.facts import ExecutionSeen, OrderSeen
from live.broker.reconcile import APART_NS, ASIDE_NS

HOLES = ("positions", "open_orders", "all_open_orders", "executions")


def busted(d: Desk, status: str = "Filled") -> tuple[tuple[OrderSeen, ...], tuple[ExecutionSeen, ...]]:
    """Buy, and return the lists of a broker that is done with the order and took its execution back."""
    d.buy(10)
    d.pump()
    d.trader.on_fact(status_seen(1, "Submitted"))
    return (order_seen(d.ref(), 0, status, completed=True),), (execution(d.ref(), 1, "0001.01.02", 0),)


@pytest.mark.parametrize("hole", HOLES)
def test_a_look_with_a_hole_ends_no_order_that_is_listed_as_filled(tmp_path: Path, hole: str) -> None:
    """Its fill may stand in the very list that was not answered, and the next wish would buy again."""
    with desk(tmp_path) as d:
        done, taken = busted(d)
        for without in ({}, {hole: None}, {}):
            assert d.status == OrderStatus.SUBMITTED
            d.trader.look(lists(d, completed=done, executions=taken, next_id=2)._replace(**without))
            d.clock.ns += APART_NS
        assert d.status == OrderStatus.CANCELED


def test_two_looks_end_the_order_that_is_listed_as_filled_and_no_other(tmp_path: Path) -> None:
    with desk(tmp_path) as d:
        done, taken = busted(d)
        d.buy(10, contract=MSFT)
        d.pump()
        works = (order_seen(d.ref(), 2, "Submitted", perm=15)._replace(con_id=MSFT.con_id, symbol="MSFT"),)
        for later_ns, status in ((0, OrderStatus.SUBMITTED), (APART_NS - 1, OrderStatus.SUBMITTED), (APART_NS, OrderStatus.CANCELED)):
            d.clock.ns += later_ns
            d.trader.look(lists(d, open_orders=works, completed=done, executions=taken, next_id=3))
            assert d.session.book.orders[:, O_STATUS].tolist() == [status, OrderStatus.SUBMITTED]


def test_a_completed_order_of_another_word_than_filled_is_not_ended_by_two_looks(tmp_path: Path) -> None:
    """Inactive: not working, and not dead."""
    with desk(tmp_path) as d:
        done, taken = busted(d, "Inactive")
        for _ in range(3):
            d.trader.look(lists(d, completed=done, executions=taken, next_id=2))
            d.clock.ns += APART_NS
        assert d.status == OrderStatus.SUBMITTED


def test_a_look_with_a_hole_does_not_make_a_doubt_younger(tmp_path: Path) -> None:
    with restarted(tmp_path) as d:
        assert not d.trader.look(lists(d, next_id=9)).agrees
        d.clock.ns += ASIDE_NS
        assert not d.trader.look(lists(d, next_id=9)._replace(executions=None)).agrees
        assert d.trader.look(lists(d, next_id=9)).agrees, "its instrument is closed, and the others go on"


def test_a_position_off_the_grid_closes_its_instrument_and_is_said_to_be_unknown(tmp_path: Path) -> None:
    with desk(tmp_path) as d:
        d.trader.look(lists(d, positions=(position("7.00005"),)))
        assert int(d.session.book.instruments[1, I_GATES]) & Gate.BLOCKED
        assert any("POSITION DIFFERS: AAPL: book 0, broker unknown" in line for line in d.alerts)


def test_positions_that_were_not_told_close_nothing(tmp_path: Path) -> None:
    with desk(tmp_path) as d:
        d.buy(10)
        d.pump()
        d.trader.on_fact(execution(d.ref(), 1, "0001.01.01", 10))
        for _ in range(2):
            assert d.trader.look(lists(d, next_id=2)._replace(positions=None)).differences == ()
            d.clock.ns += APART_NS
        assert not d.session.book.instruments[:, I_GATES].any()
        found = d.trader.look(lists(d, positions=(position(10),), next_id=2))
        assert found.agrees and found.differences == found.not_ours == ()


def test_what_is_held_and_not_traded_here_is_shown_and_what_another_account_of_the_login_holds_is_not(tmp_path: Path) -> None:
    other = position(7, MSFT)._replace(con_id=4815747, symbol="NVDA")
    elsewhere = position(7)._replace(account="DU1000002")
    with desk(tmp_path) as d:
        found = d.trader.look(lists(d, positions=(position(0), other, position(0, MSFT)._replace(con_id=9), elsewhere)))
        assert found.agrees and (found.differences, found.not_ours) == ((), (other,))
