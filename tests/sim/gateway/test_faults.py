"""Faults: every entry of the catalogue does something, the same thing each time, and leaves the gateway whole."""

from __future__ import annotations

import pytest

from sim.gateway.faults.plan import PlanError, load_plan, plan
from sim.gateway.faults.rules import CATALOGUE
from tests.sim.gateway.peer import Peer, fresh, names, only
from tests.sim.gateway.raw import run

LATER = {"restart", "lost-at-restart", "ids-reset", "link-lost", "farm-broken", "notice", "other-login", "foreign-order"}
EXTRA = {"burst-4096": {"nth": 2}, "no-login": {"after": 370}, "connections-refused": {"after": 370}, "silence": {"after": 15, "until": 40},
         "callbacks-lost": {"after": 5, "until": 40}, "restart": {"after": 15, "seconds": 2}, "lost-at-restart": {"after": 25, "window": 15},
         "ids-reset": {"after": 300}, "notice": {"after": 20}, "cancel-race": {}, "rejected-after-partial": {}, "error": {"code": 10329}}  # fmt: skip


def faults(name, **more):
    return plan([{"name": name, **EXTRA.get(name, {}), **more}], seed=7)


@pytest.fixture(scope="module")
def undisturbed():
    (first, second), _ = run()
    return first.seen, second.seen


@pytest.mark.parametrize("name", sorted(CATALOGUE))
def test_every_fault_changes_what_a_client_sees_and_always_in_the_same_way(name, undisturbed):
    (one, other), gateway = run(faults=faults(name))
    (again, last), _ = run(faults=faults(name))
    assert (one.seen, other.seen) == (again.seen, last.seen)
    assert (one.seen, other.seen) != undisturbed
    assert CATALOGUE[name].says.endswith(".")
    assert not gateway.connections and not gateway.sessions


@pytest.mark.parametrize("name", sorted(CATALOGUE))
def test_after_every_fault_the_account_holds_what_was_executed(name):
    _, gateway = run(faults=faults(name))
    desk = gateway.desk
    held = {h.contract.symbol: h.lots for h in desk.account.holdings()}
    done = {}
    for execution in desk.trader.filler.executions:
        done[execution.contract.symbol] = done.get(execution.contract.symbol, 0) + execution.side * execution.lots
    assert held == {symbol: lots for symbol, lots in done.items() if lots}
    for order in desk.by_perm.values():
        mine = [e for e in desk.trader.filler.executions if (e.client_id, e.order_id) == (order.client_id, order.order_id)]
        assert order.filled == sum(e.lots for e in mine)


def peer_with(*tables, **settings):
    gateway = fresh(**settings)
    gateway.faults = plan(tables, seed=7)
    gateway.faults.attach(gateway)
    peer = Peer(gateway)
    peer.look()
    return peer


def kinds(said):
    return [f"{name}:{values['status']}" if "status" in values else name for name, values in said]


WHOLE = ["openOrder:PreSubmitted", "orderStatus:PreSubmitted", "execDetails", "openOrder:Filled", "orderStatus:Filled", "openOrder:Filled", "commissionReport"]


def test_without_faults_a_market_order_is_told_as_a_real_gateway_tells_it():
    assert kinds(peer_with({"name": "ack-delay", "after": 1e6}).order(1)) == WHOLE


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("ack-never", ["execDetails", "commissionReport"]),
        ("exec-first", ["execDetails", *[kind for kind in WHOLE if kind != "execDetails"]]),
        ("commission-first", ["commissionReport", *WHOLE[:-1]]),
        ("commission-never", WHOLE[:-1]),
        ("fill-untold", [kind for kind in WHOLE if kind not in ("execDetails", "commissionReport")]),
        ("exec-twice", [*WHOLE[:3], "execDetails", *WHOLE[3:], "commissionReport"]),
        ("status-twice", [WHOLE[0], WHOLE[1], WHOLE[1], *WHOLE[2:5], WHOLE[4], *WHOLE[5:]]),
        ("status-backwards", [*WHOLE[:5], "orderStatus:Submitted", *WHOLE[5:]]),
        ("warning", [WHOLE[0], "error", *WHOLE[1:]]),
    ],
)
def test_messages_of_an_order_are_dropped_doubled_and_moved(name, told):
    assert kinds(peer_with({"name": name}).order(1)) == told


def test_late_messages_come_when_the_plan_says():
    peer = peer_with({"name": "ack-delay", "seconds": 5}, {"name": "commission-late", "seconds": 120})
    assert kinds(peer.order(1)) == ["execDetails"]
    assert kinds(peer.wait(5)) == [kind for kind in WHOLE if kind not in ("execDetails", "commissionReport")]
    assert kinds(peer.wait(114)) == [] and kinds(peer.wait(1)) == ["commissionReport"]


def test_the_same_fill_under_two_ids_is_in_the_book_once():
    peer = peer_with({"name": "exec-two-ids"})
    said = only(peer.order(1), "execDetails")
    assert len({row["execId"] for row in said}) == 2 and {row["cumQty"] for row in said} == {100}
    assert [row["position"] for row in only(peer.ask("reqPositions"), "position")] == [100]


def test_partial_fills_add_up_and_the_minimum_commission_is_paid_once():
    peer = peer_with({"name": "partial-fills", "parts": 3, "seconds": 1})
    said = peer.order(1) + peer.wait(5)
    assert [row["shares"] for row in only(said, "execDetails")] == [34, 33, 33]
    assert [row["cumQty"] for row in only(said, "execDetails")] == [34, 67, 100]
    assert [row["commission"] for row in only(said, "commissionReport")] == [1, 0, 0]
    assert only(said, "orderStatus")[-1]["status"] == "Filled"


def test_a_correction_replaces_the_execution_in_the_book():
    peer = peer_with({"name": "corrected-quantity", "seconds": 5, "shares": -1})
    first = only(peer.order(1), "execDetails")[0]
    second = only(peer.wait(6), "execDetails")[0]
    assert first["execId"].endswith(".01") and second["execId"] == first["execId"][:-3] + ".02"
    assert (second["shares"], second["cumQty"]) == (99, 99)
    assert only(peer.ask("reqPositions"), "position")[0]["position"] == 99


def test_a_rejection_says_201_before_or_after_inactive_or_alone():
    for inactive, told in (("after", ["error", "orderStatus:Inactive"]), ("before", ["orderStatus:Inactive", "error"]), ("never", ["error"])):
        assert kinds(peer_with({"name": "rejected-201", "inactive": inactive}).order(1)) == told


def test_a_cancel_may_lose_the_race():
    peer = peer_with({"name": "cancel-race"})
    peer.order(1, kind="LMT", lmtPrice="100")
    said = peer.ask("cancelOrder", orderId=1)
    assert "orderStatus:Filled" in kinds(said) and only(said, "error")[0]["code"] == 10148


def test_a_lost_order_leaves_no_trace_and_its_id_may_be_used():
    peer = peer_with({"name": "lost-order", "times": 1})
    assert peer.order(1) == [] and names(peer.ask("reqOpenOrders")) == ["openOrderEnd"]
    assert "orderStatus:Filled" in kinds(peer.order(1))


def test_orders_lost_at_a_restart_roll_the_next_id_back():
    peer = peer_with({"name": "lost-at-restart", "after": 10, "window": 5, "seconds": 3})
    peer.order(1)
    peer.wait(7)
    assert peer.order(2) == []
    peer.wait(4)
    assert peer.session.closing and peer.gateway.shut()
    peer.session.closed()
    peer.gateway.advance(peer.gateway.schedule.now_ns + 3 * 10**9)
    assert not peer.gateway.shut()
    assert only(Peer(peer.gateway).look(), "nextValidId")[0]["orderId"] == 2


def test_a_fault_that_a_plan_limits_to_one_order_spares_the_others():
    peer = peer_with({"name": "ack-never", "ref": "run1:*", "times": 1})
    assert kinds(peer.order(1, orderRef="run2:1")) == WHOLE
    assert kinds(peer.order(2, orderRef="run1:1")) == ["execDetails", "commissionReport"]
    assert kinds(peer.order(3, orderRef="run1:2")) == WHOLE


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[[fault]]\nname = "ack-dely"', "did you mean ack-delay"),
        ('[[fault]]\nname = "ack-delay"\nsecnds = 5', "'secnds' is not known"),
        ('[[fault]]\nname = "ack-delay"\nseconds = "five"', "expected float"),
        ('[[fault]]\nname = "partial-fills"\nparts = true', "expected int"),
        ("[[fault]]\n", "no fault is named None"),
        ("fautl = 1", "fautl is not known"),
        ("not toml", "not a TOML plan"),
    ],
)
def test_a_plan_that_cannot_be_read_says_where_and_what(tmp_path, text, words):
    path = tmp_path / "storm.toml"
    path.write_text(text)
    with pytest.raises(PlanError, match=words.replace("[", r"\[")):
        load_plan(path, 7)


def test_a_plan_of_all_faults_together_does_not_break_the_gateway():
    tables = [{"name": name, "chance": 0.2} for name in sorted(CATALOGUE) if name not in ("silence", "no-login", "connections-refused")]
    for seed in range(4):
        _, gateway = run(faults=plan(tables, seed))
        assert not gateway.connections
