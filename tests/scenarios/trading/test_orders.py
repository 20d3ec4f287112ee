"""Entries at a price, through real ib_async and the simulated gateway: what the broker gets, and never two of them at once."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.scenarios.paper import Day
from tests.scenarios.trading.mishaps import too_late
from tests.scenarios.trading.scripted import NONE, Script, scripted

import strategies.api as api
from ledger.book import H_REFUSED, I_POSITION, O_FILLED, O_KEY, O_STATUS, O_TARGET
from ledger.keys import purpose_of, unpack
from ledger.vocabulary import OrderStatus, Outcome, Purpose
from live.config import Passive, RiskLimits
from sim.gateway.core.config import Config
from sim.gateway.desk import hours
from sim.gateway.faults.plan import plan
from strategies.api import Bars, Signal

MINUTE = 60.0
AAPL = ("AAPL",)
WIDE = RiskLimits(burst_count=None, max_repeat=None, orders_per_day=None, orders_per_symbol_day=None, price_collar_bps=2_000, allow_short=True)


def day_of(script: Script, folder: Path, monkeypatch: pytest.MonkeyPatch, config: Config | None = None, faults: Any = None, **changes: Any) -> Day:
    return Day(monkeypatch, folder, config, faults, **{"symbols": AAPL, "limits": WIDE, **scripted(script), **changes})


def broker_orders(day: Day) -> list[Any]:
    """Return every order the broker ever had, oldest first."""
    return list(day.world.gateway.desk.by_perm.values())


def trade(day: Day, minutes: float, watch: Any = None, every: float = 1.0) -> None:
    """Run one session and look at it each second."""

    async def story() -> None:
        runner = day.begin()
        passed = 0.0
        while passed < minutes * MINUTE:
            await asyncio.sleep(every)
            passed += every
            if watch is not None:
                watch(runner)
        await day.end(runner)

    day.run(story)
    held = day.book().instruments[1, I_POSITION]
    assert held == day.broker()["positions"].get("AAPL", 0) and day.book().valuation().cash == day.broker()["cash"]


def at(minute: int, wish: Callable[[float], Signal]) -> Script:
    """Return the script that wants one thing from a minute on, priced once, beside the close of that minute."""
    kept: dict[str, Signal] = {}

    def script(bars: Bars, t: int, now: int) -> Signal:
        if now < minute:
            return NONE
        return kept.setdefault("wish", wish(float(bars.close[t])))

    return script


KINDS = {
    "limit": (lambda close: api.limit(0.5, close * 0.9995, api.GTC), "LMT", "GTC"),
    "limit for the day": (lambda close: api.limit(0.5, close * 0.9995), "LMT", "DAY"),
    "marketable limit": (lambda close: api.limit(0.5, close * 1.01, api.IOC), "LMT", "IOC"),
    "stop": (lambda close: api.stop(-0.5, close * 0.9995), "STP", "GTC"),
    "stop limit": (lambda close: api.stop_limit(-0.5, close * 0.9995, close * 0.998, api.DAY), "STP LMT", "DAY"),
    "trailing": (lambda close: api.trailing(0.5, 0.2), "TRAIL", "GTC"),
}


@pytest.mark.parametrize("name", KINDS)
def test_an_entry_at_a_price_reaches_the_broker_as_it_was_meant_and_fills_once(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wish, kind, tif = KINDS[name]
    day = day_of(at(2, wish), tmp_path, monkeypatch)
    trade(day, 14)
    orders = broker_orders(day)
    assert [(o.kind, o.tif, o.status) for o in orders] == [(kind, tif, "Filled")], day.lines
    assert all(o.limit % 100 == 0 and o.stop % 100 == 0 for o in orders), "prices are on the contract's tick"
    assert day.book().orders[:, O_STATUS].tolist() == [OrderStatus.FILLED]


def test_a_limit_that_moves_with_every_bar_never_works_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def script(bars: Bars, t: int, now: int) -> Signal:
        return api.limit(0.5, float(bars.close[t]) - 3.0 - 0.01 * (now % 7), api.GTC)

    day, most = day_of(script, tmp_path, monkeypatch), [0]

    def watch(runner: Any) -> None:
        most[0] = max(most[0], sum(not order.done for order in broker_orders(day)))

    trade(day, 12, watch, 0.25)
    orders = broker_orders(day)
    assert most[0] == 1 and len(orders) >= 10 and all(order.status == "Cancelled" for order in orders[:-1])
    assert len({order.ref() for order in orders}) == len(orders)


def test_a_fill_while_the_old_limit_is_being_cancelled_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cancel of the first limit comes too late: it has filled. The second one finds the target reached."""

    def script(bars: Bars, t: int, now: int) -> Signal:
        return api.limit(0.5, 200.0 + now, api.GTC) if now < 4 else api.limit(0.5, 260.0, api.GTC)

    day = day_of(script, tmp_path, monkeypatch)
    too_late(day, monkeypatch)
    trade(day, 8)
    orders = day.book().orders
    assert len(orders) >= 3 and (orders[:, O_FILLED] > 0).all() and (orders[:-1, O_STATUS] == OrderStatus.CANCELED).all()
    assert int(orders[:, O_FILLED].sum()) == orders[-1, O_TARGET] == day.book().instruments[1, I_POSITION]


@pytest.mark.parametrize("trouble", ["", "half of it fills while it is cancelled", "its cancel is never answered"])
def test_an_exit_that_fails_never_leaves_more_than_was_wanted(trouble: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry waits until a working exit is gone: sized net of it, it would end above the wish when the exit does not fill."""

    def script(bars: Bars, t: int, now: int) -> Signal:
        if now < 2:
            return NONE
        return api.limit(0.2, 260.0, api.GTC) if 4 <= now < 7 else api.market(0.5)

    faults = plan([{"name": "cancel-unanswered"}], seed=7) if "never answered" in trouble else None
    day, most = day_of(script, tmp_path, monkeypatch, faults=faults, size="shares:100"), [0]
    if "half" in trouble:
        too_late(day, monkeypatch)

    def watch(runner: Any) -> None:
        most[0] = max(most[0], *day.broker()["positions"].values(), 0)

    trade(day, 12, watch, 0.5)
    working = [order for order in broker_orders(day) if not order.done]
    assert most[0] == 500_000 == day.book().instruments[1, I_POSITION], "never more than 50 shares, and in the end exactly those"
    assert [order.side for order in working] == ([-1] if "never answered" in trouble else []), "what may still sell is not bought back yet"
    assert (day.book().arena[H_REFUSED + Outcome.LIVE_ENTRY], len(broker_orders(day))) == (0, 3 if "half" in trouble else 2)


@pytest.fixture
def short_night(monkeypatch: pytest.MonkeyPatch) -> Config:
    """Return a gateway that starts ten minutes before the close; the exchange is closed for twenty minutes only."""
    monkeypatch.setitem(hours.SESSIONS, "stock", (10, 1430, 5, 1435))
    return Config(start_ns=Config().start_ns + (1420 - 570) * 60 * 10**9, always_open=False)


def test_a_day_order_that_expired_is_decided_anew_the_next_day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, short_night: Config) -> None:
    limits = RiskLimits(burst_count=None, max_repeat=1, price_collar_bps=2_000)
    day = day_of(lambda bars, t, now: api.limit(0.5, 200.0), tmp_path, monkeypatch, short_night, limits=limits)
    trade(day, 35, every=10.0)
    statuses = [order.status for order in broker_orders(day)]
    assert len(statuses) == 2 and statuses[0] == "Cancelled", statuses
    assert not any("REPEATED" in line for line in day.lines), "an entry that bought nothing is no entry in a row"


@pytest.mark.parametrize("wish", [api.at_open(0.5), api.at_close(0.5), api.at_close(0.5, 240.0), api.at_open(0.5, 240.0)])
def test_orders_for_the_auctions_go_as_such(wish: Signal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, short_night: Config) -> None:
    day = day_of(at(850 + 2, lambda close: wish), tmp_path, monkeypatch, short_night)
    trade(day, 35, every=10.0)
    order = broker_orders(day)[0]
    expected = {api.AT_OPEN: ("MKT", "LMT"), api.AT_CLOSE: ("MOC", "LOC")}[wish.time_in_force][wish.order_type]
    assert order.kind == expected and (order.tif == "OPG") == (wish.time_in_force == api.AT_OPEN) and order.status == "Filled"


def test_a_wish_no_gateway_takes_is_said_once_and_never_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    day = day_of(lambda bars, t, now: api.limit(0.5, 0.0), tmp_path, monkeypatch)
    trade(day, 6)
    assert broker_orders(day) == [] and sum("LIMIT order without its price" in line for line in day.lines) == 1


def test_a_restart_takes_over_a_working_limit_and_sends_no_second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    day = day_of(lambda bars, t, now: api.limit(0.5, 215.0, api.GTC), tmp_path, monkeypatch)

    async def story() -> None:
        for _ in range(3):
            runner = day.begin()
            await asyncio.sleep(4 * MINUTE)
            await day.end(runner)

    day.run(story)
    assert [order.status for order in broker_orders(day)] == ["Submitted"]


# Passive entries.

QUOTE = Passive(lifetime_s=20.0, offset_bps=50, requotes=3, then="give up")


def legs(day: Day) -> list[int]:
    keys = [int(key) for key in day.book().orders[:, O_KEY]]
    return [unpack(key).leg for key in keys if int(purpose_of(key)) == Purpose.PASSIVE]


def once(target: float) -> Script:
    return lambda bars, t, now: api.market(target) if now >= 2 else NONE


def test_a_passive_entry_is_quoted_anew_after_its_lifetime_and_never_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    day, most = day_of(once(0.5), tmp_path, monkeypatch, passive=QUOTE), [0]

    def watch(runner: Any) -> None:
        most[0] = max(most[0], sum(not order.done for order in broker_orders(day)))

    trade(day, 6, watch, 0.25)
    orders = broker_orders(day)
    assert most[0] == 1 and legs(day) == [0, 1, 2, 3] and {o.status for o in orders} == {"Cancelled"}
    assert {o.kind for o in orders} == {"LMT"} and len({o.limit for o in orders}) > 1


def test_the_rest_of_a_passive_entry_goes_to_the_market_when_the_quotes_are_used_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rule = Passive(lifetime_s=20.0, offset_bps=50, requotes=1, then="market")
    day = day_of(once(0.5), tmp_path, monkeypatch, passive=rule)
    trade(day, 6)
    assert [o.kind for o in broker_orders(day)] == ["LMT", "LMT", "MKT"] and legs(day) == [0, 1, 2]
    assert day.book().instruments[1, I_POSITION] > 0


def test_a_passive_entry_that_fills_while_it_is_cancelled_is_not_bought_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    day = day_of(once(0.5), tmp_path, monkeypatch, passive=Passive(20.0, 50, 3, "market"))
    too_late(day, monkeypatch, parts=3)
    trade(day, 6)
    orders = broker_orders(day)
    wanted = orders[0].filled + orders[0].left
    assert day.book().instruments[1, I_POSITION] == wanted == sum(o.filled for o in orders) and len(orders) == 5


def test_an_exit_is_never_passive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rule = Passive(lifetime_s=20.0, requotes=0, then="market")
    day = day_of(lambda bars, t, now: api.market(0.5 if now < 6 else 0.0), tmp_path, monkeypatch, passive=rule)
    trade(day, 10)
    assert broker_orders(day)[-1].kind == "MKT" and Counter(o.side for o in broker_orders(day))[-1] == 1
    assert day.book().instruments[1, I_POSITION] == 0


def test_a_restart_takes_over_a_quote_and_its_leg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rule = Passive(lifetime_s=90.0, offset_bps=50, requotes=2, then="give up")
    day = day_of(once(0.5), tmp_path, monkeypatch, passive=rule)

    async def story() -> None:
        for _ in range(3):
            runner = day.begin()
            await asyncio.sleep(2.6 * MINUTE)
            await day.end(runner)

    day.run(story)
    assert legs(day)[:3] == [0, 1, 2] and sum(not o.done for o in broker_orders(day)) <= 1
