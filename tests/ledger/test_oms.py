"""The order manager under crashes: whatever dies when, no key is sent twice and no fill is lost.

A Ledger fake keeps the durable events; a Broker fake keeps what really reached it.
A Crash is raised at one chosen point, after the durable step or before the effect;
then a fresh manager starts from the durable events alone, as a new process would.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.book import E_FLAGS, E_INSTRUMENT, E_KEY, E_KIND, E_REF, I_POSITION, O_KEY, O_PARENT, O_STATUS, S_ORDER, Book, Row, event
from ledger.core import Decision, apply, decide
from ledger.invariants import Invariant, check
from ledger.keys import make
from ledger.oms import OrderManager, in_bracket, live_keys, of_live
from ledger.port import Absent, Acknowledged, Alert, Cancel, Charged, Effect, Ended, Executed, Fate, Query, Submit
from ledger.vocabulary import EventKind, Limit, OrderFlag, OrderStatus, Outcome, Purpose

SHARE = 10_000


class Crash(Exception):
    """The process dies here."""


class Clockwork:
    """Counts the points at which a crash could happen and dies at the chosen one."""

    def __init__(self, die_at: int = -1) -> None:
        self.points = 0
        self.die_at = die_at

    def point(self) -> None:
        self.points += 1
        if self.points - 1 == self.die_at:
            raise Crash


class FakeLedger:
    """A journal in a list: what is in `events` survives a crash, nothing else does."""

    def __init__(self, events: list[Row], names: dict[str, int], clockwork: Clockwork) -> None:
        self.events, self.names, self.clockwork = events, names, clockwork
        self.book = Book()
        for row in events:
            assert apply(self.book, row) == Outcome.APPLIED

    def record(self, row: Row) -> Outcome:
        outcome = apply(self.book, row)
        if outcome == Outcome.APPLIED:
            self.clockwork.point()
            self.events.append(row.copy())
            self.clockwork.point()
        return outcome

    def gate(self, signal: Row) -> Decision:
        decision = decide(self.book, signal)
        if decision.outcome != Outcome.AT_TARGET:
            self.record(decision.event)
        return decision

    def name(self, text: str) -> int:
        return self.names.setdefault(text, len(self.names) + 1)


class FakeBroker:
    """Accepts every order and remembers it; fills in full when asked to."""

    def __init__(self) -> None:
        self.orders: dict[int, Submit] = {}
        self.received: list[int] = []
        self.executed: list[Executed] = []

    def take(self, effect: Effect) -> None:
        if isinstance(effect, Submit):
            self.received.append(effect.key)
            self.orders[effect.key] = effect

    def fill_all(self) -> None:
        for key, order in self.orders.items():
            if not any(execution.key == key for execution in self.executed):
                exec_id = f"0001.{key:x}.01"
                self.executed.append(
                    Executed(50, "DU1", exec_id, order.instrument, order.side, order.qty_lots, 1_000_000, key)
                )

    @property
    def position(self) -> int:
        return sum(execution.side * execution.qty_lots for execution in self.executed)


def opened() -> list[Row]:
    """Return the events of a funded book with one marked instrument."""
    return [
        event(EventKind.INSTRUMENT, instrument=1, revision=4, order_type=4, price_ticks=100, qty_lots=SHARE, target_lots=1),
        event(EventKind.DEPOSIT, cash_e8=100_000 * 10**8),
        event(EventKind.DAY, revision=738_000),
        event(EventKind.MARK, instrument=1, price_ticks=1_000_000),
    ]


def wish(bar_s: int, shares: int, time_ns: int = 10) -> Row:
    """Return a signal for `shares` of instrument 1 decided at a bar."""
    key = make(1, 1, Purpose.TARGET, bar_s)
    return event(
        EventKind.SIGNAL, key=key, instrument=1, target_lots=shares * SHARE, price_ticks=1_010_000, fee_e8=10**8, time_ns=time_ns
    )


@given(st.lists(st.tuples(st.integers(1, 6), st.integers(0, 10), st.integers(0, 6)), max_size=30), st.integers(1, 5), st.integers(1, 6))
def test_what_is_live_and_what_hangs_together_is_found_row_by_row(rows: list[tuple[int, int, int]], least: int, key: int) -> None:
    book = Book()
    book.arena[3 * S_ORDER + 2] = len(rows)
    book.orders[:, [O_KEY, O_STATUS, O_PARENT]] = np.array(rows, np.int64).reshape(-1, 3)
    live = [row for row in rows if least <= row[1] <= OrderStatus.UNKNOWN]
    assert live_keys(book, least) == [row[0] for row in live] and of_live(book, O_PARENT, least) == [row[2] for row in live]
    assert in_bracket(book, key) == any(row[2] == key or (row[0] == key and row[2] > 0) for row in rows)


def carry(manager: OrderManager, effects: list[Effect], broker: FakeBroker, clockwork: Clockwork) -> None:
    """Carry effects out as a runner does: each may be the last thing the process did."""
    for effect in effects:
        clockwork.point()
        broker.take(effect)
        clockwork.point()


def deliver(manager: OrderManager, broker: FakeBroker) -> None:
    """Let the broker report everything it knows, each report twice."""
    for execution in broker.executed * 2:
        manager.on_report(execution)
        manager.on_report(Charged(60, execution.account, execution.exec_id, 10**8))


def one_life(ledger: FakeLedger, broker: FakeBroker, clockwork: Clockwork) -> None:
    """Live one process: start, answer queries, take the same two signals twice, hear the broker out."""
    manager = OrderManager(ledger, {1: "AAPL"})
    for effect in manager.on_start(1):
        if isinstance(effect, Query):
            for key in effect.keys:
                answer = Acknowledged(2, key, "openOrder") if key in broker.orders else Absent(2, key, "all lists empty")
                manager.on_report(answer)
    deliver(manager, broker)
    assert manager.on_reconciled(3, "lists agree") == Outcome.APPLIED
    for bar_s, shares in ((60, 10), (60, 10), (120, 0), (120, 0)):
        carry(manager, manager.on_signal(wish(bar_s, shares)), broker, clockwork)
        broker.fill_all()
        clockwork.point()
        deliver(manager, broker)


def crash_points() -> int:
    clockwork = Clockwork()
    one_life(FakeLedger(opened(), {}, clockwork), FakeBroker(), clockwork)
    return clockwork.points


@pytest.mark.parametrize("second", [None, 3])
def test_no_crash_at_any_point_sends_a_key_twice_or_loses_a_fill(second: int | None) -> None:
    points = crash_points()
    assert points >= 30, "the scenario must cross every durable step and every effect"
    for die_at in range(points):
        events, names, broker = opened(), {}, FakeBroker()
        for death in (die_at, second if second is not None else -1, -1):
            clockwork = Clockwork(-1 if death is None else death)
            try:
                one_life(FakeLedger(events, names, clockwork), broker, clockwork)
            except Crash:
                continue
        book = FakeLedger(events, names, Clockwork()).book
        assert len(broker.received) == len(set(broker.received)), f"sent twice after dying at {die_at}"
        assert int(book.instruments[1, I_POSITION]) == broker.position, f"book and broker differ after dying at {die_at}"
        assert check(book) == Invariant.HOLDS


def test_sending_before_recording_is_caught_by_the_same_scenario(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ablation: without the durable SENDING step a crash after the send looks like never sent, and is sent again."""

    def careless(self: OrderManager, key: int, time_ns: int) -> list[Effect]:
        order = self._order(key)
        return [Submit(key, 1, int(order[3]), int(order[4]), 0, 1, 0, 0, 0, 0, 0)]

    monkeypatch.setattr(OrderManager, "_send", careless)
    wrong = 0
    for die_at in range(60):
        events, names, broker = opened(), {}, FakeBroker()
        for death in (die_at, -1):
            clockwork = Clockwork(death)
            try:
                one_life(FakeLedger(events, names, clockwork), broker, clockwork)
            except Crash:
                broker.fill_all()
        book = FakeLedger(events, names, Clockwork()).book
        statuses = {int(order[O_STATUS]) for order in book.orders}
        wrong += OrderStatus.RELEASED in statuses and len(broker.received) > 0 and check(book) == Invariant.HOLDS
    assert wrong > 0, "releasing an order that was sent must show"


def fresh() -> tuple[OrderManager, FakeLedger]:
    ledger = FakeLedger(opened(), {}, Clockwork())
    return OrderManager(ledger, {1: "AAPL"}), ledger


def filled(manager: OrderManager, signal: Row, shares: int = 10) -> list[Effect]:
    """Report that shares of a buy were executed."""
    key = int(signal[E_KEY])
    return manager.on_report(Executed(20, "DU1", f"{key}.01", 1, 1, shares * SHARE, 1_000_000, key))


def stop_loss(entry: Row) -> Row:
    """Return the wish for a guard that hangs on an entry."""
    return event(
        EventKind.SIGNAL, key=make(1, 1, Purpose.STOP_LOSS, 60), instrument=1, target_lots=0, price_ticks=900_000, order_type=2,
        parent=int(entry[E_KEY]), time_ns=10,
    )  # fmt: skip


def test_a_duplicate_is_blocked_with_the_words_people_grep_for() -> None:
    manager, _ = fresh()
    assert isinstance(manager.on_signal(wish(60, 10))[0], Submit)
    assert manager.on_signal(wish(60, 10)) == [Alert("DUPLICATE BUY BLOCKED: AAPL (DUP_KEY)")]
    assert manager.on_signal(wish(120, 10)) == [Alert("DUPLICATE BUY BLOCKED: AAPL (LIVE_ENTRY)")]
    assert manager.on_signal(wish(60, 11)) == [Alert("DUPLICATE BUY BLOCKED: AAPL (KEY_CONFLICT)")]
    assert filled(manager, wish(60, 10)) == [] and isinstance(manager.on_signal(wish(180, 0))[0], Submit)
    assert manager.on_signal(wish(180, 0)) == [Alert("DUPLICATE SELL BLOCKED: AAPL (DUP_KEY)")]


def test_a_reversed_signal_cancels_the_working_entry_once() -> None:
    manager, _ = fresh()
    key = wish(60, 10)[2]
    manager.on_signal(wish(60, 10))
    first, second = manager.on_signal(wish(120, 0)), manager.on_signal(wish(180, 0))
    assert [effect for effect in first if isinstance(effect, Cancel)] == [Cancel(int(key))]
    assert not [effect for effect in second if isinstance(effect, Cancel)]


def test_a_signal_that_is_refused_for_another_reason_cancels_nothing() -> None:
    manager, _ = fresh()
    manager.on_signal(wish(60, 10))
    manager.on_disconnected(20)
    assert manager.on_signal(wish(120, -5)) == [] and manager.answered == Outcome.DISCONNECTED


def guarded_and_adding() -> tuple[OrderManager, FakeLedger, Row]:
    """Return a position with its guard, and a second entry beside them."""
    manager, ledger = fresh()
    manager.on_signal(wish(60, 10))
    filled(manager, wish(60, 10))
    assert isinstance(manager.on_signal(stop_loss(wish(60, 10)))[0], Submit)
    add = wish(120, 15)
    add[E_FLAGS] = OrderFlag.PYRAMID
    assert isinstance(manager.on_signal(add)[0], Submit)
    return manager, ledger, add


def test_what_becomes_of_a_second_entry_leaves_the_guards_of_the_first() -> None:
    manager, ledger, add = guarded_and_adding()
    assert manager.on_signal(wish(180, 20)) == [Alert("DUPLICATE BUY BLOCKED: AAPL (LIVE_ENTRY)")]
    assert manager.on_report(Ended(20, int(add[E_KEY]), Fate.REJECTED, "orderStatus")) == [] and len(live_keys(ledger.book)) == 1


def test_a_commission_that_comes_before_its_execution_is_booked_after_it() -> None:
    manager, ledger = fresh()
    submit = manager.on_signal(wish(60, 10))[0]
    assert isinstance(submit, Submit)
    assert manager.on_report(Charged(20, "DU1", "a.01", 10**8)) == []
    assert manager.on_report(Executed(21, "DU1", "a.01", 1, 1, 10 * SHARE, 1_000_000, submit.key)) == []
    assert ledger.book.valuation().fees == 10**8 and int(ledger.events[-1][E_INSTRUMENT]) == 1
    assert [int(row[E_KIND]) for row in ledger.events[-2:]] == [EventKind.FILL, EventKind.COMMISSION]


def test_late_foreign_and_unknown_reports_raise_alerts_and_lose_nothing() -> None:
    manager, ledger = fresh()
    submit = manager.on_signal(wish(60, 10))[0]
    assert isinstance(submit, Submit)
    manager.on_report(Ended(30, submit.key, Fate.CANCELED, "orderStatus"))
    late = manager.on_report(Executed(31, "DU1", "b.01", 1, 1, 4 * SHARE, 1_000_000, submit.key))
    foreign = manager.on_report(Executed(32, "DU1", "c.01", 1, 1, SHARE, 1_000_000))
    strange = manager.on_report(Ended(33, 12345, Fate.REJECTED, "orderStatus"))
    assert [effect.line for effect in late + foreign] == [
        "LATE FILL: AAPL BUY 4; entries are blocked", "FOREIGN FILL: AAPL BUY 1; entries are blocked"
    ]  # fmt: skip
    assert [effect.line.split()[0] for effect in strange] == ["REPORT"]
    assert manager.on_report(Executed(32, "DU1", "c.01", 1, 1, SHARE, 1_000_000)) == [], "a repeat is said once"
    assert int(ledger.book.instruments[1, I_POSITION]) == 5 * SHARE
    assert manager.on_signal(wish(120, 20)) == []
    assert ledger.book.refusals()[Outcome.BLOCKED] == 1


def test_the_guards_of_an_entry_that_never_filled_are_cancelled_with_it() -> None:
    manager, ledger = fresh()
    entry = wish(60, 10)
    manager.on_signal(entry)
    (child,) = manager.on_signal(stop_loss(entry))
    assert isinstance(child, Submit) and (child.side, child.qty_lots) == (-1, 10 * SHARE)
    assert manager.on_report(Ended(20, int(entry[E_KEY]), Fate.REJECTED, "orderStatus")) == [Cancel(child.key)]
    assert check(ledger.book) == Invariant.HOLDS


@pytest.mark.parametrize(("shares", "evidence"), [(4, "orderStatus"), (0, "")], ids=["partly filled", "an end without evidence"])
def test_the_guards_of_an_entry_stay_while_there_is_or_may_be_something_to_guard(shares: int, evidence: str) -> None:
    manager, _ = fresh()
    entry = wish(60, 10)
    manager.on_signal(entry)
    manager.on_signal(stop_loss(entry))
    if shares:
        filled(manager, entry, shares)
    manager.on_doubt(int(entry[E_KEY]), 20, "in no list")
    assert not [effect for effect in manager.on_report(Ended(30, int(entry[E_KEY]), Fate.CANCELED, evidence)) if isinstance(effect, Cancel)]


def test_the_kill_switch_stops_entries_cancels_orders_and_survives_a_restart() -> None:
    manager, ledger = fresh()
    submit = manager.on_signal(wish(60, 10))[0]
    assert isinstance(submit, Submit)
    assert manager.halt(40, "operator")[1:] == [Cancel(submit.key)]
    assert ledger.names["operator"] in [int(row[E_REF]) for row in ledger.events if row[E_KIND] == EventKind.GATE]
    again = FakeLedger(ledger.events, ledger.names, Clockwork())
    restarted = OrderManager(again)
    restarted.on_start(50)
    assert restarted.on_signal(wish(300, 5)) == []
    assert again.book.refusals()[Outcome.HALTED] == 1
    assert restarted.resume(60, "operator") == Outcome.APPLIED


def test_a_restart_doubts_what_may_have_been_sent_and_nothing_that_the_broker_spoke_of() -> None:
    for told, status in ((False, OrderStatus.UNKNOWN), (True, OrderStatus.SUBMITTED)):
        manager, ledger = fresh()
        key = int(wish(60, 10)[E_KEY])
        manager.on_signal(wish(60, 10))
        if told:
            manager.on_report(Acknowledged(20, key, "openOrder"))
        OrderManager(again := FakeLedger(ledger.events, ledger.names, Clockwork())).on_start(50)
        assert int(again.book.orders[-1, O_STATUS]) == status


def test_an_order_is_released_as_absent_only_once_it_is_in_doubt() -> None:
    """Until then it may wait in this process, to be sent."""
    manager, ledger = fresh()
    key = int(wish(60, 10)[E_KEY])
    manager.on_signal(wish(60, 10))
    (line,) = manager.on_report(Absent(20, key, "in no list twice"))
    assert isinstance(line, Alert) and int(ledger.book.orders[-1, O_STATUS]) == OrderStatus.SENDING
    assert len(manager.on_doubt(key, 30, "in no list")) == 1 and manager.on_doubt(key, 31, "in no list") == []
    assert manager.on_report(Absent(40, key, "in no list twice")) == []
    assert int(ledger.book.orders[-1, O_STATUS]) == OrderStatus.RELEASED


def test_nothing_is_reconciled_while_an_order_is_unknown() -> None:
    manager, ledger = fresh()
    manager.on_signal(wish(60, 10))
    restarted = OrderManager(FakeLedger(ledger.events, ledger.names, Clockwork()))
    (query,) = restarted.on_start(50)
    assert isinstance(query, Query)
    assert restarted.on_reconciled(51, "lists agree") == Outcome.NOT_RECONCILED
    restarted.on_report(Absent(52, query.keys[0], "open, completed and executions were all answered"))
    assert restarted.on_reconciled(53, "lists agree") == Outcome.APPLIED


def test_a_burst_of_bought_claims_trips_the_switch_by_itself() -> None:
    manager, ledger = fresh()
    ledger.record(event(EventKind.LIMIT, reason=Limit.BURST_COUNT, cash_e8=1))
    ledger.record(event(EventKind.LIMIT, reason=Limit.BURST_HALTS, cash_e8=1))
    submit = manager.on_signal(wish(60, 10))[0]
    assert isinstance(submit, Submit)
    manager.on_report(Ended(11, submit.key, Fate.CANCELED, "orderStatus"))
    assert manager.on_signal(wish(61, 10)) == []
    assert manager.on_signal(wish(62, 10)) == []
    assert ledger.book.refusals()[[Outcome.BURST, Outcome.HALTED]].tolist() == [1, 1]
