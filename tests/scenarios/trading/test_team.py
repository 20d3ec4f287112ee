"""Several strategies and daily purchases on one account: each moves its own part, and nothing runs twice in a day."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.scenarios.trading.scripted import NONE, SCRIPTS, START_NS, Script, scripted
from tests.scenarios.trading.test_brackets import guarded
from tests.scenarios.trading.test_orders import MINUTE, broker_orders, day_of, trade

import strategies.api as api
from cli.paper.asking import plan_of
from ledger.book import I_LIMIT, I_POSITION, O_FILLED, O_KEY, O_STATUS
from ledger.keys import purpose_of, strategy_of, unpack
from ledger.units import AMOUNT_MAX
from ledger.vocabulary import Limit, OrderStatus, Purpose
from live.config import Accumulate, ConfigError, PaperConfig, RiskLimits, checked
from live.market.accumulate import ACCUMULATOR
from live.market.holdings import held, share_out
from sim.gateway.core.config import Config


def team(*scripts: Script) -> dict[str, Any]:
    """Return the configuration of a session that trades several scripts."""
    first = scripted(scripts[0])
    for script in scripts[1:]:
        scripted(script)
    return {**first, "also": tuple(f"{first['strategy']} number={SCRIPTS.index(script)}" for script in scripts[1:])}


def test_two_strategies_move_their_own_parts_of_one_position(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def early(bars: Any, t: int, now: int) -> Any:
        return api.market(1.0 if 2 <= now < 8 else 0.0)

    def late(bars: Any, t: int, now: int) -> Any:
        return api.market(1.0 if 5 <= now < 12 else 0.0)

    day, parts = day_of(early, tmp_path, monkeypatch, **team(early, late)), {}

    def watch(runner: Any) -> None:
        if runner.trader is not None and runner.link.state.value == "READY":
            book = runner.trader.session.book
            now = int((runner.clock.now_ns() - START_NS) // (60 * 10**9))
            parts[now] = [held(book, 1, number, (1, 2)) for number in (1, 2)]
            assert sum(parts[now]) == book.instruments[1, I_POSITION]

    trade(day, 15, watch, 5.0)
    assert parts[4][0] > 0 == parts[4][1] and min(parts[7]) > 0 and parts[10][0] == 0 < parts[10][1] and parts[14] == [0, 0]
    assert {int(strategy_of(key)) for key in day.book().orders[:, O_KEY]} == {1, 2}
    assert all(order.status == "Filled" for order in broker_orders(day))


def test_a_strategy_that_shares_the_account_cannot_bring_guards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    day = day_of(guarded(), tmp_path, monkeypatch, **team(guarded(), lambda bars, t, now: NONE))
    trade(day, 5)
    assert broker_orders(day) == [] and sum("cannot bring any" in line for line in day.lines) == 1


def test_a_restart_gives_every_strategy_its_part_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long = lambda bars, t, now: api.market(1.0)  # noqa: E731
    leaves = lambda bars, t, now: api.market(1.0 if now < 8 else 0.0)  # noqa: E731
    day = day_of(long, tmp_path, monkeypatch, **team(long, leaves))

    async def story() -> None:
        for _ in range(3):
            runner = day.begin()
            await asyncio.sleep(5 * MINUTE)
            await day.end(runner)

    day.run(story)
    book = day.book()
    assert held(book, 1, 1, (1, 2)) > 0 == held(book, 1, 2, (1, 2)) and len(broker_orders(day)) == 3


@given(st.lists(st.integers(-50, 50), min_size=1, max_size=5), st.integers(-200, 200))
def test_shares_always_add_up_to_the_position(parts: list[int], position: int) -> None:
    shared = dict(enumerate(parts, 1))
    share_out(shared, position)
    assert sum(shared.values()) == position


def test_another_strategy_takes_over_a_flat_account_and_not_one_that_holds_something(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    day = day_of(lambda bars, t, now: api.market(1.0 if now < 12 else 0.0), tmp_path, monkeypatch)

    async def story() -> None:
        first = day.config
        runner = day.begin()
        await asyncio.sleep(5 * MINUTE)
        await day.end(runner)
        day.config = msgspec.structs.replace(first, strategy="sma_cross", params={"fast": 3, "slow": 6})
        day.begin()
        assert day.task is not None
        with pytest.raises(ConfigError, match="keys of orders and positions carry the numbers"):
            await day.task
        day.config = first
        runner = day.begin()
        await asyncio.sleep(10 * MINUTE)
        await day.end(runner)
        day.config = msgspec.structs.replace(first, strategy="sma_cross", params={"fast": 3, "slow": 6})
        runner = day.begin()
        await asyncio.sleep(4 * MINUTE)
        assert runner.trader is not None and runner.trader.session.id == 2
        await day.end(runner)

    day.run(story)
    assert not any("FOREIGN" in line for line in day.lines), "what the session before executed is not this one's"
    assert day.book().valuation().cash == day.broker()["cash"]


# Purchases once a day.

DAILY = (Accumulate("AAPL", "value:1000", "09:35"),)


def bought(day: Any) -> list[int]:
    return [int(o[O_FILLED]) for o in day.book().orders if int(purpose_of(o[O_KEY])) == Purpose.ACCUMULATE]


def test_a_daily_purchase_runs_once_however_many_runners_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    day = day_of(lambda bars, t, now: NONE, tmp_path, monkeypatch, accumulate=DAILY)

    async def story() -> None:
        for _ in range(4):
            runner = day.begin()
            await asyncio.sleep(4 * MINUTE)
            await day.end(runner)

    day.run(story)
    assert len(broker_orders(day)) == 1 and bought(day) == [40_000]
    key = unpack(int(day.book().orders[0, O_KEY]))
    assert (key.strategy, key.bar_s % 86_400, key.leg) == (ACCUMULATOR, 0, 0)
    assert day.book().instruments[1, I_LIMIT + Limit.MAX_REPEAT] == AMOUNT_MAX


def test_it_runs_again_the_next_day_and_not_before_its_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The gateway's day ends five minutes after the start: the second purchase waits for 00:02."""
    late = Config(start_ns=START_NS + (24 * 60 - 570 - 5) * 60 * 10**9)
    day = day_of(lambda bars, t, now: NONE, tmp_path, monkeypatch, late, accumulate=(Accumulate("AAPL", "shares:3", "00:02"),))
    counts: list[int] = []
    trade(day, 12, lambda runner: counts.append(len(broker_orders(day))), 30.0)
    assert bought(day) == [30_000, 30_000] and counts[8] == 1, counts


def test_what_is_accumulated_is_not_sold_by_the_strategy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    day = day_of(lambda bars, t, now: api.market(1.0 if 3 <= now < 9 else 0.0), tmp_path, monkeypatch, accumulate=DAILY)
    trade(day, 13)
    assert day.book().instruments[1, I_POSITION] == bought(day)[0] > 0
    assert day.book().orders[:, O_STATUS].tolist() == [OrderStatus.FILLED] * 3


def test_a_refused_purchase_is_tried_again_because_nothing_was_bought(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    day = day_of(lambda bars, t, now: NONE, tmp_path, monkeypatch, accumulate=DAILY, limits=RiskLimits(max_open=0))
    trade(day, 18)
    assert broker_orders(day) == [] and sum("refused: MAX_OPEN" in line for line in day.lines) >= 2


def test_a_rule_for_a_symbol_nobody_trades_is_refused() -> None:
    with pytest.raises(ConfigError, match="NVDA"):
        checked(PaperConfig(accumulate=(Accumulate("NVDA"),)))


# The plan of leaving.


def test_the_dry_run_lists_cancels_before_positions_and_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    day = day_of(guarded(), tmp_path, monkeypatch)
    trade(day, 5)
    before = day.book().digest()
    steps = plan_of(day.config.book)
    assert [(step["do"], step["side"]) for step in steps] == [("cancel", "SELL"), ("cancel", "SELL"), ("close", "SELL")]
    assert "STOP_LOSS" in str(steps[0]["order"]) and steps[2]["order"] is None and day.book().digest() == before
