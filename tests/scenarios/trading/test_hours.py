"""Hours, delayed data and missed bars: entries keep the exchange's hours, and nothing is decided on what is old or unseen."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.scenarios.trading.scripted import NONE, START_NS
from tests.scenarios.trading.test_brackets import guarded, purposes
from tests.scenarios.trading.test_orders import MINUTE, broker_orders, day_of, once, trade

import strategies.api as api
from ledger.book import H_GATES, H_REFUSED, I_POSITION, O_STATUS
from ledger.vocabulary import Gate, OrderStatus, Outcome, Purpose
from live.config import ConfigError
from live.market.hours import AlwaysOpen, Exchange, calendar_of
from sim.gateway.answers import bars as answers_bars
from sim.gateway.core.config import Config
from strategies.api import Bars, Signal

NEW_YORK = Exchange("XNYS")
SECOND_NS = 10**9


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * SECOND_NS


CASES = [
    ("2026-03-02T14:29:59", False, "2026-03-02T14:30:00", "2026-03-02T21:00:00"),
    ("2026-03-02T14:30:00", True, "2026-03-03T14:30:00", "2026-03-02T21:00:00"),
    ("2026-03-02T21:00:00", False, "2026-03-03T14:30:00", "2026-03-03T21:00:00"),  # the last moment is closed
    ("2026-03-06T22:00:00", False, "2026-03-09T13:30:00", "2026-03-09T20:00:00"),  # a weekend in which the clocks change
    ("2026-11-26T15:00:00", False, "2026-11-27T14:30:00", "2026-11-27T18:00:00"),  # Thanksgiving, and the half day after it
    ("2026-11-27T18:00:00", False, "2026-11-30T14:30:00", "2026-11-30T21:00:00"),
    ("2026-12-24T17:59:59", True, "2026-12-28T14:30:00", "2026-12-24T18:00:00"),
]


@pytest.mark.parametrize(("moment", "is_open", "opens", "closes"), CASES)
def test_holidays_half_days_and_the_next_open_and_close_are_known(moment: str, is_open: bool, opens: str, closes: str) -> None:
    found = NEW_YORK.at(at(moment))
    assert found == (is_open, at(opens), at(closes))


YEAR = Exchange("XNYS")
YEAR.at(at("2026-01-20T00:00:00"))


@given(st.integers(at("2026-01-01T00:00:00"), at("2026-12-31T00:00:00")))
def test_next_open_and_close_are_always_known_and_in_order(now_ns: int) -> None:
    found = YEAR.at(now_ns)
    assert found.next_open_ns is not None and found.next_close_ns is not None and min(found.next_open_ns, found.next_close_ns) > now_ns
    assert found.is_open == (found.next_close_ns < found.next_open_ns)
    assert YEAR.at(found.next_open_ns).is_open and not YEAR.at(found.next_close_ns).is_open


def test_the_embedded_gateway_never_closes_a_real_one_keeps_new_yorks_hours_and_a_wrong_name_is_said() -> None:
    assert isinstance(calendar_of("auto", True), AlwaysOpen) and calendar_of("auto", False).name == "XNYS"
    assert calendar_of("XLON", True).at(at("2026-03-02T12:00:00")).is_open and calendar_of("none", False).at(0) == (True, None, None)
    with pytest.raises(ConfigError, match="XNYX"):
        calendar_of("XNYX", False).at(0)


def last_minutes(minutes: int) -> Config:
    """Return a gateway that starts so many minutes before the close of the exchange, and takes orders at any hour."""
    return Config(start_ns=START_NS + (390 - minutes) * 60 * SECOND_NS)


def test_an_entry_outside_hours_is_refused_and_counted_and_tried_again_when_the_market_is_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    day = day_of(lambda bars, t, now: api.market(0.5) if now >= 390 else NONE, tmp_path, monkeypatch, last_minutes(3), calendar="XNYS")
    states: list[Any] = []

    async def story() -> None:
        runner = day.begin()
        await asyncio.sleep(8 * MINUTE)
        states.append(runner.state()["hours"])
        assert runner.trader is not None and runner.trader.session.book.arena[H_GATES] & Gate.MARKET_CLOSED
        await day.end(runner)

    day.run(story)
    assert broker_orders(day) == [] and day.book().arena[H_REFUSED + Outcome.MARKET_CLOSED] >= 2
    assert states == [{"calendar": "XNYS", "open": False, "next_open": "2026-03-03 14:30 UTC", "next_close": "2026-03-03 21:00 UTC"}]
    assert any(line.startswith("MARKET CLOSED until 2026-03-03 14:30 UTC") for line in day.lines)


def test_without_a_calendar_the_same_entry_goes_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ablation."""
    day = day_of(lambda bars, t, now: api.market(0.5) if now >= 390 else NONE, tmp_path, monkeypatch, last_minutes(3))
    trade(day, 8)
    assert len(broker_orders(day)) == 1


def test_an_order_for_the_opening_auction_passes_while_the_market_is_closed_and_leaves_the_gate_shut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    day = day_of(lambda bars, t, now: api.at_open(0.5) if now >= 391 else NONE, tmp_path, monkeypatch, last_minutes(3), calendar="XNYS")
    trade(day, 8)
    assert [order.tif for order in broker_orders(day)] == ["OPG"] and day.book().arena[H_GATES] & Gate.MARKET_CLOSED


def test_leaving_waits_for_the_open_and_guards_are_not_refused_all_night(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    day = day_of(guarded(entry=lambda close: api.market(0.5)), tmp_path, monkeypatch, last_minutes(3), calendar="XNYS")

    async def story() -> None:
        runner = day.begin()
        await asyncio.sleep(4 * MINUTE)
        runner.market.flat(runner.trader, "the test says so")
        await asyncio.sleep(6 * MINUTE)
        assert runner.state()["leaving"] == {"AAPL": "the test says so"}
        await day.end(runner)

    day.run(story)
    assert Purpose.LIQUIDATE not in purposes(day) and day.book().instruments[1, I_POSITION] > 0
    assert day.book().arena[H_REFUSED + Outcome.MARKET_CLOSED] == 0


@pytest.mark.parametrize("allowed", [False, True])
def test_delayed_data_is_flagged_and_used_only_where_that_is_allowed(allowed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    day = day_of(once(0.5), tmp_path, monkeypatch, Config(subscriptions=(3,)), allow_delayed=allowed)
    if not allowed:  # a gateway set to send delayed data by itself
        def delayed(answers: Any, session: Any, number: int, contract: Any) -> int:
            session.error(number, 10167, "Requested market data is not subscribed. Displaying delayed market data.")
            return 3

        monkeypatch.setattr(answers_bars, "granted", delayed)
    flags: list[Any] = []
    trade(day, 22, lambda runner: flags.append(runner.state()["delayed_data"]), 60.0)
    assert flags[-1] == ["AAPL"] and any(line.startswith("DELAYED DATA: AAPL") for line in day.lines)
    assert len(broker_orders(day)) == (1 if allowed else 0)


def test_data_that_is_not_subscribed_is_said_and_decides_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    day = day_of(once(0.5), tmp_path, monkeypatch, Config(subscriptions=(3,)))
    trade(day, 6)
    assert broker_orders(day) == [] and any(line.startswith("NO DATA: AAPL: 354") for line in day.lines)


def test_the_strategy_sees_the_bars_of_an_interruption_and_makes_no_order_of_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The link is down from minute 3 to minute 9: the wish of minute 5 is over, the one of minute 10 is acted upon."""
    seen: list[int] = []

    def script(bars: Bars, t: int, now: int) -> Signal:
        seen.append(now)
        return api.market(0.5) if 5 <= now <= 6 or now >= 10 else api.market(0.0)

    day = day_of(script, tmp_path, monkeypatch)

    async def story() -> None:
        runner = day.begin()
        await asyncio.sleep(3.1 * MINUTE)
        day.cut()
        runner.host = "127.0.0.2"
        await asyncio.sleep(6 * MINUTE)
        runner.host = "127.0.0.1"
        await asyncio.sleep(4 * MINUTE)
        await day.end(runner)

    day.run(story)
    assert seen == sorted(set(seen)) and set(range(1, 13)) <= set(seen), seen
    assert [order.side for order in broker_orders(day)] == [1] and day.book().orders[:, O_STATUS].tolist() == [OrderStatus.FILLED]
    assert any(line.startswith("MISSED BARS: AAPL:") for line in day.lines)
