"""Trading days through real ib_async and the simulated gateway: at the end the book is what the broker holds."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.scenarios.paper import Day

from ledger.book import I_POSITION, O_STATUS
from ledger.keys import purpose_of
from ledger.vocabulary import OrderStatus, Purpose
from live.link import State

MINUTE = 60.0


def test_a_day_with_cut_connections_ends_with_the_brokers_book(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    day = Day(monkeypatch, tmp_path)

    async def story() -> None:
        runner = day.begin()
        for cycle in range(6):
            await asyncio.sleep(17 * MINUTE + cycle)
            assert runner.link.state is State.READY, (runner.link, day.lines[-5:])
            day.cut()
            await asyncio.sleep(3 * MINUTE)
        await day.end(runner)

    day.run(story)
    sent = [line for line in day.lines if line.startswith("SENT")]
    assert len(sent) > 8 and sum("DOWN -> CONNECTING" in line for line in day.lines) == 7
    assert set(day.book().orders[:, O_STATUS].tolist()) == {int(OrderStatus.FILLED)}
    day.agree()


def test_a_runner_that_is_started_again_goes_on_where_the_last_one_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    day = Day(monkeypatch, tmp_path)

    async def story() -> None:
        for _ in range(3):
            runner = day.begin()
            await asyncio.sleep(40 * MINUTE)
            await day.end(runner)
            await asyncio.sleep(10 * MINUTE)

    day.run(story)
    day.agree()
    refs = [line.split(" as ")[1] for line in day.lines if line.startswith("SENT")]
    assert len(refs) == len(set(refs)) > 3


def test_the_same_day_twice_gives_the_same_book(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digests = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        day = Day(monkeypatch, tmp_path / name)

        async def story(day: Day = day) -> None:
            runner = day.begin()
            await asyncio.sleep(30 * MINUTE)
            await day.end(runner)

        day.run(story)
        digests.append(day.book().digest())
    assert digests[0] == digests[1]


def test_guards_protect_what_is_held_and_never_sell_more_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    day = Day(monkeypatch, tmp_path, strategy="tests.scenarios.guarded:STRATEGY", params={})

    async def story() -> None:
        runner = day.begin()
        for _ in range(4):
            await asyncio.sleep(9 * MINUTE)
            trader = runner.trader
            assert trader is not None
            held = trader.session.book.instruments[1:, I_POSITION]
            assert (held >= 0).all() and runner.market.guards.bare(trader.session.book) == []
            day.cut()
            await asyncio.sleep(1 * MINUTE)
        await day.end(runner)

    day.run(story)
    kinds = {int(purpose_of(key)) for key in day.book().orders[:, 0]}
    assert {int(Purpose.TARGET), int(Purpose.STOP_LOSS), int(Purpose.TAKE_PROFIT)} <= kinds
    assert not any("NO_QTY" in line for line in day.lines), "an exit withdraws its guards before it asks for the quantity"
    day.agree()
