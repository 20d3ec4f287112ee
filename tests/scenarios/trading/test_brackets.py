"""Guards of a position, sent with its entry or after it: one exit owner, the right size, and nothing left over."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tests.scenarios.paper import Day
from tests.scenarios.trading.mishaps import dies, too_late
from tests.scenarios.trading.scripted import NONE
from tests.scenarios.trading.test_orders import MINUTE, broker_orders, day_of, once, trade

import strategies.api as api
from ledger.book import I_POSITION, O_FILLED, O_KEY, O_PARENT, O_QTY, O_STATUS
from ledger.keys import purpose_of
from ledger.vocabulary import OrderStatus, Purpose
from live.config import SecondNet
from live.link import State
from sim.gateway.desk import checks
from sim.gateway.faults.plan import plan
from strategies.api import Bars, Signal

GUARDS = {int(Purpose.STOP_LOSS), int(Purpose.TAKE_PROFIT), int(Purpose.TRAIL)}


def guarded(stop: float = 5.0, target: float = 5.0, trail: float = 0.0, entry: Any = None, until: int = 10**6) -> Any:
    """Return the script that is long half the account from minute 2 on, with guards so far from that minute's close."""
    kept: dict[str, Signal] = {}

    def script(bars: Bars, t: int, now: int) -> Signal:
        if now < 2:
            return NONE
        close = round(float(bars.close[t]), 2)
        wish = kept.setdefault("wish", api.guarded(entry(close) if entry else api.market(0.5), close - stop, close + target if target else 0.0, trail))
        return wish if now < until else api.market(0.0)

    return script


def purposes(day: Day) -> list[int]:
    return [int(purpose_of(key)) for key in day.book().orders[:, O_KEY]]


def held_guards(runner: Any) -> list[Any]:
    """Return the live guards of the book of a runner."""
    orders = runner.trader.session.book.orders
    return [o for o in orders if int(purpose_of(o[O_KEY])) in GUARDS and 1 <= o[O_STATUS] <= OrderStatus.UNKNOWN]


def test_a_bracket_is_held_back_until_its_last_order_and_fills_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    day = day_of(guarded(trail=3.0), tmp_path, monkeypatch)
    trade(day, 5)
    entry, *children = broker_orders(day)
    assert [order.kind for order in children] == ["STP", "LMT", "TRAIL"] and entry.status == "Filled"
    assert all(child.parent is entry and child.fields["ocaGroup"] == children[0].fields["ocaGroup"] for child in children)
    transmit = [order.fields.get("transmit") for order in (entry, *children)]
    assert [bool(flag) for flag in transmit] == [False, False, False, True]
    assert {child.lots for child in children} == {entry.lots} and not any(child.done for child in children)
    assert set(day.book().orders[1:, O_PARENT].tolist()) == {int(day.book().orders[0, O_KEY])}


@pytest.mark.parametrize(("stop", "target", "trail", "which"), [(0.1, 9.0, 0.0, "STP"), (9.0, 0.1, 0.0, "LMT"), (9.0, 9.0, 0.1, "TRAIL")])
def test_one_guard_fills_and_cancels_the_others(stop: float, target: float, trail: float, which: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    day = day_of(guarded(stop, target, trail), tmp_path, monkeypatch)
    trade(day, 15)
    filled = [order.kind for order in broker_orders(day) if order.status == "Filled"]
    assert filled == ["MKT", which] and all(order.done for order in broker_orders(day))
    assert day.book().instruments[1, I_POSITION] == 0, "the same wish does not enter again after its guard"


def test_guards_of_a_partly_filled_and_cancelled_entry_shrink_to_what_was_bought(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The broker cancels the rest of the entry, and with it the children: what was bought is guarded anew, at its own size."""
    day = day_of(guarded(entry=lambda close: api.limit(0.5, close - 4.0, api.GTC)), tmp_path, monkeypatch)
    seen: list[int] = []

    async def story() -> None:
        runner = day.begin()
        await asyncio.sleep(3.2 * MINUTE)
        desk, entry = day.world.gateway.desk, broker_orders(day)[0]
        assert {int(o[O_QTY]) for o in held_guards(runner)} == {entry.lots}
        desk.trader.filler.fill(entry, 70_000, entry.limit)
        await asyncio.sleep(5)
        assert {int(o[O_QTY]) for o in held_guards(runner)} == {entry.lots}, "the guards cover what is still to come"
        desk.end(entry, "Cancelled", told="Order Canceled - reason:")
        await asyncio.sleep(20)
        seen.extend(int(o[O_QTY]) for o in held_guards(runner))
        await day.end(runner)

    day.run(story)
    assert seen == [70_000, 70_000] and day.book().instruments[1, I_POSITION] == 70_000


def test_an_entry_that_never_fills_takes_its_guards_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    day = day_of(guarded(entry=lambda close: api.limit(0.5, close - 4.0, api.GTC), until=5), tmp_path, monkeypatch)
    trade(day, 8)
    assert {order.status for order in broker_orders(day)} == {"Cancelled"} and len(broker_orders(day)) == 3


POINTS = ("after the entry", "after the first guard")


@pytest.mark.parametrize("point", POINTS)
def test_a_bracket_that_a_crash_cut_in_two_is_found_and_ended_at_the_restart(point: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process dies between two orders of the bracket: nothing of it can trade, and the next start clears it away."""
    day, left = day_of(guarded(), tmp_path, monkeypatch), dies(monkeypatch, POINTS.index(point) + 1)

    async def story() -> None:
        runner = day.begin()
        await asyncio.sleep(2.1 * MINUTE)
        assert left[0] == 0 and not any(order.filled for order in broker_orders(day))
        if day.task is not None and not day.task.done():
            await day.end(runner)
        left[0] = 10**6
        runner = day.begin()
        await asyncio.sleep(3 * MINUTE)
        assert runner.link.state is State.READY, '\n'.join(day.lines)
        await day.end(runner)

    day.run(story)
    first, *others = broker_orders(day)
    assert first.status == "Cancelled" and first.filled == 0
    working = [order for order in others if not order.done]
    assert {order.kind for order in working} == {"STP", "LMT"} and day.broker()["positions"]["AAPL"] == working[0].lots, "the next bar decided anew"
    day_book = day.book()
    assert day_book.instruments[1, I_POSITION] == working[0].lots


def test_guards_left_over_at_a_restart_are_cancelled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While nobody listens the position is sold by hand; the guards would open a new one, and go."""
    day = day_of(guarded(), tmp_path, monkeypatch)

    async def story() -> None:
        runner = day.begin()
        await asyncio.sleep(3 * MINUTE)
        await day.end(runner)
        desk = day.world.gateway.desk
        entry = broker_orders(day)[0]
        sold = {"orderId": 900, "action": "SELL", "totalQuantity": Decimal(entry.lots // 10_000), "orderType": "MKT", "tif": "DAY", "transmit": True,
                **{name: entry.fields.get(name) for name in ("conId", "symbol", "secType", "exchange", "currency")}}
        desk.place(99, {**entry.fields, **sold, "orderRef": "", "ocaGroup": ""})
        await asyncio.sleep(5)
        runner = day.begin()
        await asyncio.sleep(2 * MINUTE)
        assert held_guards(runner) == []
        await day.end(runner)

    day.run(story)
    assert all(order.done for order in broker_orders(day)) and day.book().instruments[1, I_POSITION] == 0


def test_an_entry_waits_while_a_guard_of_the_last_one_may_still_be_alive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A child that never arrived is in doubt. It would take the quantity of new guards, so nothing is bought without them."""

    def script(bars: Bars, t: int, now: int) -> Signal:
        close = round(float(bars.close[t]), 2)
        if now < 5:
            return api.guarded(api.limit(0.5, 215.0, api.GTC), 200.0, 240.0, 0.0)
        return api.market(0.0) if now < 7 else api.guarded(api.market(0.5), round(close - 5, 0), round(close + 5, 0), 0.0)

    day = day_of(script, tmp_path, monkeypatch)
    desk, place = day.world.gateway.desk, day.world.gateway.desk.place

    def loses(client_id: int, fields: Any) -> None:
        if not (fields.get("parentId") and fields["orderType"] == "LMT"):
            place(client_id, {**fields, "transmit": True} if fields["orderType"] == "STP" else fields)

    monkeypatch.setattr(desk, "place", loses)
    trade(day, 12)
    assert [order.kind for order in broker_orders(day)] == ["LMT", "STP"] and day.book().instruments[1, I_POSITION] == 0
    assert not any("GUARD REFUSED" in line for line in day.lines)


def test_partial_fills_never_leave_more_guards_than_position(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    day = day_of(guarded(0.3, 0.3), tmp_path, monkeypatch, faults=plan([{"name": "partial-fills"}], seed=5))

    def watch(runner: Any) -> None:
        if runner.trader is not None:
            assert runner.trader.session.book.instruments[1, I_POSITION] >= 0

    trade(day, 12, watch)


# Leaving everything.


def test_flat_takes_working_entries_and_guards_away_before_it_sells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    day = day_of(guarded(trail=3.0), tmp_path, monkeypatch)

    async def story() -> None:
        runner = day.begin()
        await asyncio.sleep(4 * MINUTE)
        assert runner.state()["without_exit_rule"] == [] and len(held_guards(runner)) == 3
        runner.market.flat(runner.trader, "the test says so")
        assert runner.state()["leaving"] == {"AAPL": "the test says so"}
        await asyncio.sleep(2 * MINUTE)
        assert runner.state()["leaving"] == {}
        await day.end(runner)

    day.run(story)
    assert all(order.done for order in broker_orders(day)) and day.book().instruments[1, I_POSITION] == 0
    assert purposes(day).count(Purpose.LIQUIDATE) == 1
    sides = [order.side for order in broker_orders(day) if order.status == "Filled"]
    assert sides == [1, -1]


def test_a_stop_that_fills_while_the_position_is_being_left_is_not_sold_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    day = day_of(guarded(), tmp_path, monkeypatch)
    too_late(day, monkeypatch, parts=1, kind="STP")

    async def story() -> None:
        runner = day.begin()
        await asyncio.sleep(4 * MINUTE)
        runner.market.flat(runner.trader, "the test says so")
        await asyncio.sleep(1 * MINUTE)
        await day.end(runner)

    day.run(story)
    assert day.book().instruments[1, I_POSITION] == 0 == day.broker()["positions"].get("AAPL", 0)
    assert Purpose.LIQUIDATE not in purposes(day)


# The second net.


def no_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the broker refuse every stop order."""
    read = checks.read

    def refusing(fields: Any, contract: Any, account: str) -> Any:
        if fields["orderType"] == "STP":
            return checks.Refusal(201, "Order rejected - reason:no stops today")
        return read(fields, contract, account)

    monkeypatch.setattr(checks, "read", refusing)


def test_a_position_whose_stop_the_broker_refuses_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    no_stops(monkeypatch)
    day = day_of(guarded(target=0.0), tmp_path, monkeypatch, brackets=False, second_net=SecondNet(unprotected_s=30.0))
    trade(day, 6)
    assert any("SOFTWARE STOP" in line for line in day.lines) and purposes(day).count(Purpose.LIQUIDATE) == 1
    assert day.book().instruments[1, I_POSITION] == 0
    assert purposes(day).count(Purpose.STOP_LOSS) <= 7, "a refused guard is tried with growing pauses"


def test_without_the_second_net_that_position_stays_without_a_stop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ablation."""
    no_stops(monkeypatch)
    day = day_of(guarded(target=0.0), tmp_path, monkeypatch, brackets=False, second_net=SecondNet(on=False, unprotected_s=30.0))
    trade(day, 6)
    assert day.book().instruments[1, I_POSITION] > 0


def test_a_stop_that_does_not_fill_is_taken_away_before_the_position_is_sold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The broker holds the stop, the price goes through it and nothing happens."""
    day = day_of(guarded(0.05, 9.0), tmp_path, monkeypatch, second_net=SecondNet(through_s=5.0))
    monkeypatch.setattr(day.world.gateway.desk.trader, "_trigger", lambda *_: None)
    trade(day, 15)
    stops = [order for order in broker_orders(day) if order.kind == "STP"]
    assert [order.status for order in stops] == ["Cancelled"] and purposes(day).count(Purpose.LIQUIDATE) == 1
    assert sum(int(o[O_FILLED]) for o in day.book().orders if int(purpose_of(o[O_KEY])) == Purpose.LIQUIDATE) == stops[0].lots
    assert day.book().instruments[1, I_POSITION] == 0


def test_a_stop_in_doubt_keeps_the_exit_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its cancel is never answered: nobody knows whether it will sell, so nothing else does."""
    day = day_of(guarded(0.05, 9.0), tmp_path, monkeypatch, second_net=SecondNet(through_s=5.0))
    monkeypatch.setattr(day.world.gateway.desk.trader, "_trigger", lambda *_: None)
    monkeypatch.setattr(day.world.gateway.desk, "cancel", lambda *_: None)
    trade(day, 15)
    assert Purpose.LIQUIDATE not in purposes(day) and day.book().instruments[1, I_POSITION] > 0
    assert any("LEAVING" in line for line in day.lines)


def test_a_position_without_any_exit_rule_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    day, named = day_of(once(0.5), tmp_path, monkeypatch), []

    def watch(runner: Any) -> None:
        named.append(runner.state()["without_exit_rule"])

    trade(day, 4, watch, 30.0)
    assert named[-1] == ["AAPL"] and ([] in named or None in named)
