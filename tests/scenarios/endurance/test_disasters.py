"""The disasters that onebook comes from, each with one buy, and each beside the bot that buys again."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from tests.scenarios.endurance.naive import Naive
from tests.scenarios.paper import Day
from tests.scenarios.wired import READY, Wired

from ledger import keys
from ledger.book import I_GATES, event
from ledger.journal import JournalLocked
from ledger.vocabulary import EventKind, Gate, Outcome, Purpose
from live.link import State
from sim.gateway.faults.plan import plan

HOLD = {"strategy": "buy_and_hold", "params": {}, "symbols": ("AAPL",)}
MINUTE = 60.0


def buys(gateway: Any) -> int:
    """Return how many buy orders the broker ever had."""
    return sum(order.side > 0 for order in gateway.desk.by_perm.values())


def signal(w: Wired, number: int) -> Any:
    seconds = w.clock.now_ns() // 10**9 + number
    return event(
        EventKind.SIGNAL, time_ns=w.clock.now_ns(), instrument=1, target_lots=100_000, price_ticks=3_000_000, fee_e8=10**8,
        key=keys.make(1, 1, Purpose.TARGET, seconds),
    )  # fmt: skip


async def eight_wishes(w: Wired) -> list[Outcome]:
    async def task(number: int) -> Outcome:
        await asyncio.sleep(0.01)
        answer = w.trader.on_wish(signal(w, number))
        await asyncio.sleep(0.01)
        w.trader.pump(READY)
        return answer

    return list(await asyncio.gather(*(task(number) for number in range(8))))


def test_eight_tasks_on_one_symbol_buy_once(wired: Any) -> None:
    w: Wired = wired()

    async def story() -> None:
        await w.connect()
        answers = await eight_wishes(w)
        await asyncio.sleep(5)
        answers += await eight_wishes(w)
        await asyncio.sleep(5)
        assert buys(w.world.gateway) == 1 and answers.count(Outcome.APPLIED) == 1
        assert sum("DUPLICATE BUY BLOCKED: AAPL" in line for line in w.alerts) == 7
        assert w.held() == w.at_broker() == 100_000

    w.run(story)


def test_ablation_eight_tasks_that_look_first_buy_eight_times(wired: Any) -> None:
    w: Wired = wired()

    async def story() -> None:
        await w.connect()
        bot = Naive(await w.world.client(5))
        await asyncio.gather(*(bot.want("AAPL") for _ in range(8)))
        await asyncio.sleep(5)
        assert buys(w.world.gateway) == 8

    w.run(story)


def test_a_fresh_runner_every_cycle_buys_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    day = Day(monkeypatch, tmp_path, **HOLD)

    async def story() -> None:
        for _ in range(6):
            runner = day.begin()
            await asyncio.sleep(3 * MINUTE)
            await day.end(runner)

    day.run(story)
    assert buys(day.world.gateway) == 1
    day.agree()


def test_ablation_a_fresh_guard_in_memory_every_cycle_buys_every_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    day = Day(monkeypatch, tmp_path, faults=plan([{"name": "unanswered", "message": "reqPositions"}], seed=7), **HOLD)

    async def story() -> None:
        for _ in range(6):
            ib = await day.world.client(5, raiseSyncErrors=False, timeout=2)
            await Naive(ib).want("AAPL")
            await asyncio.sleep(3 * MINUTE)
            ib.disconnect()

    day.run(story)
    assert buys(day.world.gateway) == 6


def test_positions_that_are_not_loaded_keep_entries_closed_even_with_an_empty_book(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The book is lost as well: nothing but the broker knows what was bought, and the broker does not answer."""
    day = Day(monkeypatch, tmp_path, **HOLD)

    async def story() -> None:
        runner = day.begin()
        await asyncio.sleep(3 * MINUTE)
        await day.end(runner)
        day.change(book=str(tmp_path / "lost" / "paper.db"))
        faults = plan([{"name": "unanswered", "message": "reqPositions"}], seed=7)
        faults.attach(day.world.gateway)
        day.world.gateway.faults = faults
        runner = day.begin()
        await asyncio.sleep(20 * MINUTE)
        assert runner.link.state is not State.READY
        await day.end(runner)

    day.run(story)
    assert buys(day.world.gateway) == 1 and any("positions" in line for line in day.lines)


def test_a_lost_book_closes_what_the_broker_holds_and_shows_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    day = Day(monkeypatch, tmp_path, **HOLD)

    async def story() -> None:
        runner = day.begin()
        await asyncio.sleep(3 * MINUTE)
        await day.end(runner)
        day.change(book=str(tmp_path / "lost" / "paper.db"))
        runner = day.begin()
        await asyncio.sleep(20 * MINUTE)
        await day.end(runner)

    day.run(story)
    assert buys(day.world.gateway) == 1 and any(line.startswith("POSITION DIFFERS: AAPL: book 0, broker 871;") for line in day.lines)
    assert int(day.book().instruments[1, I_GATES]) & Gate.BLOCKED


def test_two_runners_on_one_book_are_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    day = Day(monkeypatch, tmp_path, **HOLD)

    async def story() -> None:
        first = day.begin()
        task = day.task
        await asyncio.sleep(30)
        day.begin()
        assert day.task is not None
        with pytest.raises(JournalLocked, match=r"a runner trades .* already, pid \d+"):
            await day.task
        await asyncio.sleep(5 * MINUTE)
        day.task = task
        await day.end(first)

    day.run(story)
    assert buys(day.world.gateway) == 1
    day.agree()


def test_two_runners_with_two_books_on_one_account_buy_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second has the same client id and is not let in; with another id it sees an execution that is not in its book."""
    day = Day(monkeypatch, tmp_path, **HOLD)

    async def story() -> None:
        first = day.begin()
        task = day.task
        await asyncio.sleep(3 * MINUTE)
        day.change(book=str(tmp_path / "second" / "paper.db"))
        second = day.begin()
        await asyncio.sleep(60)
        assert second.link.state in (State.DOWN, State.CONNECTING) and "326" in second.link.reason + "".join(day.lines)
        await day.end(second)
        day.change(book=str(tmp_path / "third" / "paper.db"), client_id=18)
        third = day.begin()
        await asyncio.sleep(10 * MINUTE)
        await day.end(third)
        day.task = task
        await day.end(first)

    day.run(story)
    assert buys(day.world.gateway) == 1 and any(line.startswith("POSITION DIFFERS: AAPL: book 0, broker 871;") for line in day.lines)


def test_ablation_two_bots_on_one_account_buy_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    day = Day(monkeypatch, tmp_path, **HOLD)

    async def story() -> None:
        bots = [Naive(await day.world.client(number)) for number in (5, 6)]
        await asyncio.gather(*(bot.want("AAPL") for bot in bots))
        await asyncio.sleep(5)

    day.run(story)
    assert buys(day.world.gateway) == 2


def test_a_slow_database_delays_the_order_and_buys_once(wired: Any) -> None:
    """Somebody else holds the write lock while eight tasks want the same; nobody looks at a state that is being written."""
    w: Wired = wired()

    async def story() -> None:
        await w.connect()
        holding, done = threading.Event(), threading.Event()

        def hold() -> None:
            other = sqlite3.connect(w._path, isolation_level=None)
            other.execute("BEGIN IMMEDIATE")
            holding.set()
            time.sleep(0.2)
            other.execute("COMMIT")
            other.close()
            done.set()

        threading.Thread(target=hold).start()
        holding.wait()
        began = time.monotonic()
        answers = await eight_wishes(w)
        assert done.is_set() and time.monotonic() - began > 0.1, "the claim waited for the lock"
        await asyncio.sleep(5)
        assert answers.count(Outcome.APPLIED) == 1 and buys(w.world.gateway) == 1

    w.run(story)


def test_ablation_a_check_that_races_a_slow_write_buys_eight_times(wired: Any) -> None:
    w: Wired = wired()

    async def story() -> None:
        await w.connect()
        bot, table = await w.world.client(5), set()

        async def task() -> None:
            if "AAPL" in table:
                return
            await Naive(bot, set()).want("AAPL", pause=0.0)
            await asyncio.sleep(2.0)  # the write
            table.add("AAPL")

        await asyncio.gather(*(task() for _ in range(8)))
        await asyncio.sleep(5)
        assert buys(w.world.gateway) == 8

    w.run(story)


@pytest.mark.parametrize("watched", [True, False], ids=["checked every 30 s", "ablation: never checked"])
def test_an_old_process_after_a_fix_enters_nothing_within_a_minute(watched: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    day = Day(monkeypatch, tmp_path)
    day.change(timeouts=day.config.timeouts.__class__(code_check_every=30.0 if watched else 10**6, state_every=10**6))
    saved: list[float] = []

    async def story() -> None:
        runner = day.begin()
        await asyncio.sleep(10 * MINUTE)
        monkeypatch.setattr("live.ops.duties.source_hash", lambda: "somebody saved a fix")
        saved.append(day.world.gateway.schedule.now_ns)
        await asyncio.sleep(60)
        assert runner.state()["stale_code"] is watched and runner.link.state is State.READY
        before = buys(day.world.gateway)
        await asyncio.sleep(20 * MINUTE)
        assert (buys(day.world.gateway) == before) is watched, "entries are refused; exits are not"
        await day.end(runner)
        monkeypatch.setattr("live.runner.source_hash", lambda: "somebody saved a fix")
        runner = day.begin()
        await asyncio.sleep(20 * MINUTE)
        assert runner.state()["stale_code"] is False and buys(day.world.gateway) > before, "the process of the fix trades"
        await day.end(runner)

    day.run(story)
    assert any("STALE CODE" in line for line in day.lines) is watched
    assert any("BUY REFUSED: AAPL: STALE_CODE" in line for line in day.lines) is watched
    day.agree()
