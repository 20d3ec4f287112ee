"""Without each safeguard of the order path the same scenario goes red, or the gate behind it is what still stands."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.scenarios.trading.mishaps import dies, too_late
from tests.scenarios.trading.scripted import NONE
from tests.scenarios.trading.test_brackets import guarded, held_guards, purposes
from tests.scenarios.trading.test_orders import MINUTE, broker_orders, day_of, once, trade
from tests.scenarios.trading.test_team import DAILY, team

import strategies.api as api
from ledger.book import H_REFUSED, I_POSITION
from ledger.vocabulary import Outcome, Purpose
from live.config import Passive
from live.link import State
from live.market import desk, exits
from live.market.accumulate import Accumulator
from live.market.desk import Desk
from live.market.guards import Guards
from live.trader import Trader
from strategies.api import Bars, Signal


def moving(bars: Bars, t: int, now: int) -> Signal:
    return api.limit(0.5, float(bars.close[t]) - 3.0 - 0.01 * (now % 7), api.GTC)


@pytest.mark.parametrize("waits", [True, False])
def test_without_waiting_for_the_cancel_two_entries_of_a_strategy_live_at_once(waits: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Orders of strategies that share an account may pyramid, so the gate alone does not stop the second one."""
    day, most = day_of(moving, tmp_path, monkeypatch, **team(moving, lambda bars, t, now: NONE)), [0]
    if not waits:
        monkeypatch.setattr(desk, "own", lambda *_: [])

    def watch(runner: Any) -> None:
        most[0] = max(most[0], sum(not order.done for order in broker_orders(day)))

    trade(day, 6, watch, 0.5)
    assert most[0] == 1 if waits else most[0] > 1


def test_with_one_strategy_the_gate_stands_behind_that_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    day, most = day_of(moving, tmp_path, monkeypatch), [0]
    monkeypatch.setattr(desk, "own", lambda *_: [])

    def watch(runner: Any) -> None:
        most[0] = max(most[0], sum(not order.done for order in broker_orders(day)))

    trade(day, 6, watch, 0.5)
    assert most[0] == 1 and day.book().arena[H_REFUSED + Outcome.LIVE_ENTRY] > 0
    assert any("DUPLICATE BUY BLOCKED: AAPL" in line for line in day.lines)


def test_without_the_day_in_its_key_a_daily_purchase_runs_at_every_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = Accumulator.key
    monkeypatch.setattr(Accumulator, "key", lambda self, contract, place, now_ns: key(self, contract, place, now_ns) + (now_ns // 10**9 << 4))
    day = day_of(lambda bars, t, now: NONE, tmp_path, monkeypatch, accumulate=DAILY)

    async def story() -> None:
        for _ in range(3):
            runner = day.begin()
            await asyncio.sleep(3 * MINUTE)
            await day.end(runner)

    day.run(story)
    assert len(broker_orders(day)) > 1


def test_without_asking_for_the_cancel_a_cut_bracket_stays_in_doubt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Trader, "_in_bracket", lambda self, key: False)
    day, left = day_of(guarded(), tmp_path, monkeypatch), dies(monkeypatch, 1)

    async def story() -> None:
        runner = day.begin()
        await asyncio.sleep(2.1 * MINUTE)
        await day.end(runner)
        left[0] = 10**6
        runner = day.begin()
        await asyncio.sleep(1 * MINUTE)
        assert runner.link.state is State.SYNCING or any("IN DOUBT" in line for line in day.lines)
        await day.end(runner)

    day.run(story)
    assert broker_orders(day)[0].status != "Cancelled"


def test_without_waiting_for_the_guards_the_gate_refuses_to_sell_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leaving at once sells although the stop still may: the quantity is the guards', and the gate says so."""
    day = day_of(guarded(), tmp_path, monkeypatch)

    async def story() -> None:
        runner = day.begin()
        await asyncio.sleep(4 * MINUTE)
        monkeypatch.setattr(exits, "live", lambda *_: [])
        runner.market.flat(runner.trader, "the test says so")
        runner.market.exits.leave(1, "the test says so")
        await asyncio.sleep(10)
        assert len(held_guards(runner)) == 2
        await day.end(runner)

    day.run(story)
    assert Purpose.LIQUIDATE not in purposes(day) and day.book().arena[H_REFUSED + Outcome.NO_QTY] > 0


def test_without_pauses_a_refused_guard_is_claimed_in_a_circle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.scenarios.trading.test_brackets import no_stops

    no_stops(monkeypatch)
    monkeypatch.setattr(Guards, "_may_try", lambda *_: True)
    day = day_of(guarded(target=0.0), tmp_path, monkeypatch, brackets=False)

    async def story() -> None:
        runner = day.begin()
        await asyncio.sleep(2.06 * MINUTE)
        if day.task is not None and not day.task.done():
            await day.end(runner)

    day.run(story)
    assert purposes(day).count(Purpose.STOP_LOSS) > 20


@pytest.mark.parametrize("remembers", [True, False])
def test_without_remembering_the_target_each_quote_buys_all_of_it_again(remembers: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A delta instead of a target: the leg after a partial fill asks for everything once more, and the gate cannot know."""
    day = day_of(once(0.5), tmp_path, monkeypatch, passive=Passive(20.0, 50, 2, "market"))
    quote_it, wanted = Desk._quote, {}

    def delta(self: Desk, trader: Trader, contract: Any, slot: Any, quote: Any, last: int) -> None:
        change = wanted.setdefault(quote.time_ns, quote.lots)
        slot.quote = quote._replace(lots=self._place(trader.session.book, contract).held + change)
        quote_it(self, trader, contract, slot, slot.quote, last)

    if not remembers:
        monkeypatch.setattr(Desk, "_quote", delta)
    too_late(day, monkeypatch, parts=3)
    trade(day, 5)
    sizes = [order.filled + order.left for order in broker_orders(day)]
    if remembers:
        assert sizes == sorted(set(sizes), reverse=True), "each leg asks for what is left"
    assert bool(day.book().instruments[1, I_POSITION] == sizes[0]) is remembers
