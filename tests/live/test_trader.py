"""Orders leave once, recorded first; after a crash anywhere the broker's lists decide, and nothing is sent twice."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.live.fakes import (
    AAPL, ACCOUNT, CLIENT, MSFT, START_NS, Desk, FakeWire, desk, execution, lists, order_seen, position, restarted,
    status_seen,
)  # fmt: skip

from ledger.book import H_RESERVED, I_POSITION
from ledger.journal import Journal
from ledger.vocabulary import Gate, OrderStatus, Outcome
from live import link as links
from live.broker.facts import MessageSeen
from live.outbox import Outbox
from live.pacer import Pacer
from live.broker.reconcile import APART_NS, ASIDE_NS


class Crash(BaseException):
    """The process is gone here."""


def test_eight_tasks_on_one_symbol_send_one_order(tmp_path: Path) -> None:
    with desk(tmp_path) as d:
        answers = [d.buy(10) for _ in range(8)]
        d.pump()
        assert answers.count(Outcome.APPLIED) == 1 and len(d.wire.placed) == 1
        assert sum("DUPLICATE BUY BLOCKED: AAPL" in line for line in d.alerts) == 7


def test_a_fresh_trader_every_cycle_sends_one_order(tmp_path: Path) -> None:
    wire = FakeWire()
    with Journal.open(tmp_path / "a.db") as journal:
        Desk(journal, wire).session.close()
    for cycle in range(5):
        with Journal.open(tmp_path / "a.db") as journal:
            d = Desk(journal, wire, session_id=1, reconciled=cycle == 0)
            d.trader._oms.on_reconciled(d.clock(), "the test says so")
            d.buy(10, bar=cycle)
            d.pump()
    assert len(wire.placed) == 1


def test_nothing_leaves_unless_the_link_is_ready(tmp_path: Path) -> None:
    with desk(tmp_path) as d:
        d.buy(10)
        for state in links.State:
            if state is not links.State.READY:
                assert d.trader.pump(links.Link(state)) == 0
        assert d.wire.placed == []
        d.pump()
        assert len(d.wire.placed) == 1


def test_the_order_carries_its_reference_account_and_whole_quantity(tmp_path: Path) -> None:
    with desk(tmp_path) as d:
        d.buy(10)
        d.pump()
        ticket = d.wire.placed[0]
        assert (ticket.order_ref, ticket.account, ticket.action, ticket.quantity) == (d.ref(), ACCOUNT, "BUY", 10)
        assert (ticket.order_type, ticket.tif, ticket.limit, ticket.aux) == ("MKT", "DAY", None, None)


POINTS = ["after the claim", "after SENDING", "in the outbox", "on the wire", "acknowledged", "filled"]


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("arrived", [False, True])
def test_a_crash_anywhere_leaves_one_order_at_most_and_the_book_finds_out(tmp_path: Path, point: str, arrived: bool) -> None:
    """`arrived`: whether the broker got what was written to the socket."""
    path, wire = tmp_path / "a.db", FakeWire()
    step = POINTS.index(point)
    with Journal.open(path) as journal:
        d = Desk(journal, wire)
        if step == 0:
            d.trader._oms._send = lambda *_: []  # type: ignore[method-assign]
        if d.buy(10) == Outcome.APPLIED and step >= 3:
            d.pump()
        ref, number = d.ref(), 1
        if step >= 4:
            d.trader.on_fact(order_seen(ref, number, "Submitted"))
        if step >= 5:
            d.trader.on_fact(execution(ref, number, "0001.01.01", 10))
    at_broker = bool(wire.placed) and (arrived or step >= 4)
    with Journal.open(path) as journal:
        d = Desk(journal, wire, session_id=1, reconciled=False)
        filled = (execution(ref, number, "0001.01.01", 10),) if at_broker else ()
        done = (order_seen(ref, 0, "Filled", completed=True),) if at_broker else ()
        shown = lists(d, executions=filled, completed=done, positions=(position(10),) if at_broker else (), next_id=2 if at_broker else 1)
        d.trader.look(shown)
        d.clock.ns += APART_NS
        found = d.trader.look(shown._replace(time_ns=d.clock()))
        d.pump()
        assert len(wire.placed) <= 1 and found.agrees and not found.differences
        assert int(d.session.book.instruments[1, I_POSITION]) == (100_000 if at_broker else 0)
        assert d.status == (OrderStatus.FILLED if at_broker else OrderStatus.RELEASED)


def test_an_unanswered_list_opens_nothing_and_proves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with Journal.open(path) as journal:
        d = Desk(journal, FakeWire())
        d.buy(10)
        d.pump()
    for name in ("positions", "open_orders", "all_open_orders", "executions", "completed"):
        with Journal.open(path) as journal:
            d = Desk(journal, FakeWire(), session_id=1, reconciled=False)
            hole = lists(d)._replace(**{name: None})
            d.trader.look(hole)
            d.clock.ns += APART_NS
            found = d.trader.look(hole._replace(time_ns=d.clock()))
            assert not found.agrees and found.missing_lists == (name,) and d.status == OrderStatus.UNKNOWN
            assert d.buy(10, bar=3, contract=MSFT) == Outcome.NOT_RECONCILED


def test_a_look_with_a_hole_between_two_whole_ones_weakens_no_proof(tmp_path: Path) -> None:
    with restarted(tmp_path) as d:
        d.trader.look(lists(d))
        d.clock.ns += APART_NS
        assert d.trader.look(lists(d)._replace(completed=None)).missing_lists == ("completed",) and d.status == OrderStatus.UNKNOWN
        d.clock.ns += APART_NS
        assert d.trader.look(lists(d)).agrees and d.status == OrderStatus.RELEASED


def test_looks_of_two_connections_prove_nothing_together(tmp_path: Path) -> None:
    with restarted(tmp_path) as d:
        d.trader.look(lists(d))
        d.clock.ns += APART_NS
        d.trader.on_connected(d.wire)
        assert d.trader.look(lists(d)).doubtful == (d.key,) and d.status == OrderStatus.UNKNOWN


def test_a_look_that_finds_all_well_leaves_nothing_in_the_book(tmp_path: Path) -> None:
    with Journal.open(tmp_path / "a.db") as journal:
        d = Desk(journal, FakeWire(), reconciled=False)
        before = d.session.book.seq
        assert d.trader.look(lists(d)).agrees and d.session.book.seq == before + 1, "the first one opens the gate"
        before = d.session.book.seq, d.session.names()
        for _ in range(5):
            d.clock.ns += APART_NS
            assert d.trader.look(lists(d)).agrees
        assert (d.session.book.seq, d.session.names()) == before


def test_two_looks_too_close_together_prove_nothing(tmp_path: Path) -> None:
    with restarted(tmp_path) as d:
        shown = lists(d)
        assert not d.trader.look(shown).agrees
        d.clock.ns += APART_NS - 1
        assert not d.trader.look(shown._replace(time_ns=d.clock())).agrees and d.status == OrderStatus.UNKNOWN


def test_an_order_in_no_list_stays_unknown_when_the_gateway_has_seen_its_id(tmp_path: Path) -> None:
    with restarted(tmp_path) as d:
        shown = lists(d, next_id=2)
        d.trader.look(shown)
        d.clock.ns += APART_NS
        assert d.trader.look(shown._replace(time_ns=d.clock())).doubtful == (d.key,)
        assert d.status == OrderStatus.UNKNOWN


def test_what_the_gateway_said_before_an_order_proves_nothing_of_it(tmp_path: Path) -> None:
    with desk(tmp_path) as d:
        d.buy(10)
        d.pump()
        for _ in range(2):  # the number was said when the connection began, so it is not above the order's id
            assert d.trader.look(lists(d)).doubtful == (d.key,) and d.status == OrderStatus.UNKNOWN
            d.clock.ns += APART_NS


def test_a_position_the_broker_has_and_the_book_has_not_closes_that_instrument_alone(tmp_path: Path) -> None:
    with desk(tmp_path) as d:
        found = d.trader.look(lists(d, positions=(position(7),)))
        assert [(f.symbol, f.book_lots, f.broker_lots) for f in found.differences] == [("AAPL", 0, 70_000)]
        assert d.buy(10) == Outcome.BLOCKED and d.buy(10, contract=MSFT) == Outcome.APPLIED
        assert int(d.session.book.instruments[1, I_POSITION]) == 0
        d.trader.look(lists(d))
        assert d.buy(10, bar=1) == Outcome.BLOCKED, "agreeing again opens nothing; a person does"


def test_a_lost_fill_is_booked_from_the_list_before_positions_are_compared(tmp_path: Path) -> None:
    with desk(tmp_path) as d:
        d.buy(10)
        d.pump()
        d.trader.on_disconnected()
        d.trader.on_connected(d.wire)
        found = d.trader.look(lists(d, executions=(execution(d.ref(), 1, "0001.01.01", 10),), positions=(position(10),), next_id=2))
        assert found.agrees and not found.differences and d.status == OrderStatus.FILLED


def test_an_order_listed_as_filled_whose_execution_was_taken_back_ends_after_two_looks(tmp_path: Path) -> None:
    with desk(tmp_path) as d:
        d.buy(10)
        d.pump()
        d.trader.on_fact(status_seen(1, "Submitted"))
        done = (order_seen(d.ref(), 0, "Filled", completed=True),)
        busted = (execution(d.ref(), 1, "0001.01.02", 0),)
        looks = []
        for _ in range(3):
            looks.append(lists(d, executions=busted, completed=done, next_id=2))
            d.trader.look(looks[-1])
            d.clock.ns += (5 if len(looks) == 1 else 20) * 10**9
            assert d.status == (OrderStatus.CANCELED if len(looks) == 3 else OrderStatus.SUBMITTED)


def test_a_bust_heard_before_its_fill_is_booked_once_the_fill_is_known(tmp_path: Path) -> None:
    with desk(tmp_path) as d:
        d.buy(10)
        d.pump()
        bust = (execution(d.ref(), 1, "0001.01.02", 0),)
        d.trader.look(lists(d, executions=bust, open_orders=(order_seen(d.ref(), 1, "Submitted"),), next_id=2))
        d.trader.on_fact(execution(d.ref(), 1, "0001.01.01", 10))
        assert int(d.session.book.instruments[1, I_POSITION]) == 100_000
        for _ in range(2):
            d.clock.ns += 12 * 10**9
            d.trader.look(lists(d, executions=bust, next_id=2))
        assert int(d.session.book.instruments[1, I_POSITION]) == 0


def test_an_order_that_waits_for_its_turn_is_in_no_list_and_in_no_doubt(tmp_path: Path) -> None:
    with desk(tmp_path) as d:
        d.buy(10)
        found = d.trader.look(lists(d, next_id=2))
        assert d.status == OrderStatus.SENDING and found.agrees and not found.doubtful
        d.pump()
        assert len(d.wire.placed) == 1
        assert d.trader.look(lists(d, next_id=2)).doubtful == (d.key,) and d.status == OrderStatus.UNKNOWN


def test_lists_that_repeat_themselves_add_nothing_to_the_journal(tmp_path: Path) -> None:
    with desk(tmp_path) as d:
        d.buy(10)
        d.pump()
        done = (execution(d.ref(), 1, "0001.01.01", 10), order_seen(d.ref(), 0, "Filled", completed=True), position(10))

        def hear() -> tuple[int, int]:
            for fact in done:
                d.trader.on_fact(fact)
            d.trader.look(lists(d, executions=done[:1], completed=done[1:2], positions=done[2:], next_id=2))
            d.session.heartbeat()
            return len(d.session.kept()), d.session.book.seq

        first = hear()
        assert first[0] == 3 and d.status == OrderStatus.FILLED
        assert [hear() for _ in range(3)] == [first] * 3
        d.trader.on_fact(execution(d.ref(), 1, "0001.01.02", 8))
        assert int(d.session.book.instruments[1, I_POSITION]) == 80_000, "a correction is news"


def test_an_error_about_a_question_is_not_taken_for_one_about_an_order_of_that_number(tmp_path: Path) -> None:
    """Orders and questions share a counter, and a gateway that was reset gives an old order's number to a question."""
    refused = MessageSeen(START_NS, 1, 200, "No security definition has been found")
    with restarted(tmp_path) as d:
        d.trader.on_fact(refused)
        assert d.status == OrderStatus.UNKNOWN, "the order may be working"
        d.trader._fold._here.add(1)
        d.trader.on_fact(refused)
        assert d.status == OrderStatus.REJECTED, "without the guard it is closed, and the next wish buys again"


def test_an_order_that_stays_in_doubt_closes_its_own_instrument_until_a_person_settles_it(tmp_path: Path) -> None:
    with restarted(tmp_path) as d:
        shown, key = lists(d, next_id=9), d.key
        assert not d.trader.look(shown).agrees and d.buy(10, contract=MSFT) == Outcome.NOT_RECONCILED
        assert not d.trader.settle(key + 1, "the test"), "only an order that no list knows"
        d.clock.ns += ASIDE_NS
        assert d.trader.look(shown._replace(time_ns=d.clock())).agrees
        assert any(line.startswith("ORDER IN DOUBT: AAPL") for line in d.alerts)
        assert d.buy(10, bar=1, contract=MSFT) == Outcome.APPLIED and d.status != OrderStatus.UNKNOWN
        assert d.buy(10, bar=1) in (Outcome.LIVE_ENTRY, Outcome.BLOCKED)
        assert d.trader.settle(key, "the test looked") and d.trader.settle(key, "again") is False
        d.trader.open_instrument(1, "the test")
        assert d.buy(10, bar=2) == Outcome.APPLIED


def test_what_waits_when_the_link_breaks_is_not_sent_later(tmp_path: Path) -> None:
    with desk(tmp_path) as d:
        d.buy(10)
        d.trader.on_disconnected()
        d.trader.on_connected(d.wire)
        d.pump()
        assert d.wire.placed == [] and d.status == OrderStatus.UNKNOWN


def test_a_write_that_fails_leaves_the_order_in_doubt_and_is_not_repeated(tmp_path: Path) -> None:
    with desk(tmp_path) as d:
        d.buy(10)
        d.wire.broken = True
        with pytest.raises(ConnectionError):
            d.pump()
        d.wire.broken = False
        d.pump()
        assert d.wire.placed == [] and d.status == OrderStatus.SENDING


def test_a_key_handed_over_twice_stops_the_program() -> None:
    from ledger.port import Submit

    box = Outbox(Pacer(40, 40, 0))
    submit = Submit(5, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0)
    box.put(submit)
    with pytest.raises(RuntimeError, match="handed over twice"):
        box.put(submit)
    assert len(box.due(links.Link(links.State.READY), 0)) == 1
    with pytest.raises(RuntimeError, match="handed over twice"):
        box.put(submit)


def test_a_halt_cancels_live_orders_and_refuses_entries_until_a_person_resumes(tmp_path: Path) -> None:
    with desk(tmp_path) as d:
        d.buy(10)
        d.pump()
        d.trader.on_fact(status_seen(1, "Submitted"))
        d.trader.halt("the test says so")
        d.pump()
        assert d.wire.cancelled == [1] and d.buy(5, contract=MSFT) == Outcome.HALTED
    with Journal.open(tmp_path / "paper.db") as journal:
        again = Desk(journal, FakeWire(), session_id=1)
        assert again.buy(5, bar=9, contract=MSFT) == Outcome.HALTED, "the kill switch outlives the process"


def test_the_second_process_on_an_account_is_refused_by_name(tmp_path: Path) -> None:
    from ledger.journal import JournalLocked

    with desk(tmp_path) as d, Journal.open(tmp_path / "paper.db") as second, pytest.raises(JournalLocked, match="pid"):
        assert d.session.exclusive
        second.resume(1)


def test_stale_code_refuses_entries(tmp_path: Path) -> None:
    from ledger.book import event
    from ledger.vocabulary import EventKind, Side

    with desk(tmp_path) as d:
        d.session.record(event(EventKind.GATE, time_ns=START_NS, side=Side.BUY, reason=Gate.STALE_CODE))
        assert d.buy(10) == Outcome.STALE_CODE


def test_the_account_client_and_contracts_are_what_the_fakes_say() -> None:
    assert (ACCOUNT, CLIENT, AAPL.number) == ("DU1000001", 17, 1)


# What has not left yet.


@pytest.mark.parametrize("why", ["halt", "the link is lost", "cancel"])
def test_an_order_that_has_not_left_is_taken_back_and_never_sent(tmp_path: Path, why: str) -> None:
    with desk(tmp_path) as d:
        assert d.buy() == Outcome.APPLIED
        if why == "halt":
            d.trader.halt("the test")
        elif why == "the link is lost":
            d.trader.on_link_lost()
            d.trader.on_link_back()
        else:
            assert d.trader.cancel(d.key)
        d.pump()
        assert (d.wire.placed, d.wire.cancelled, d.status) == ([], [], OrderStatus.CANCELED)
        assert not d.trader.waits() and int(d.session.book.arena[H_RESERVED]) == 0


def test_an_order_that_has_left_is_cancelled_at_the_broker(tmp_path: Path) -> None:
    with desk(tmp_path) as d:
        d.buy()
        d.pump()
        d.trader.halt("the test")
        d.pump()
        assert len(d.wire.placed) == 1 and d.wire.cancelled == [1] and d.status == OrderStatus.SENDING
