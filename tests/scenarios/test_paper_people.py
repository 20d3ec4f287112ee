"""What people ask of a runner and do to it, in the whole runner: each wish is answered, and nothing is forgotten."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from ib_async import MarketOrder, Stock
from tests.scenarios.paper import Day
from tests.scenarios.pitfalls.test_conditions import say
from tests.scenarios.wired import Wired

from ledger.book import H_GATES, H_REFUSED, I_GATES, I_POSITION
from ledger.journal import Journal, JournalError
from ledger.vocabulary import Gate, Outcome
from live.config import ConfigError
from live.control import Folder, Wish
from live.link import State
from live.runner import Runner
from live.trader import Trader
from sim.gateway.core.config import Config
from sim.gateway.faults.plan import plan

HOLD: dict[str, Any] = {"strategy": "buy_and_hold", "params": {}}


async def asked(day: Day, do: str, symbol: str = "", price: str = "", wait: float = 8.0, kind: str = "") -> tuple[bool, str]:
    """Ask as another process would, and return the answer."""
    folder = Folder(Path(day.config.book))
    path = folder.ask(Wish(do, "somebody", "the test", symbol, price, kind=kind))
    await asyncio.sleep(wait)
    answer = folder.answer_to(path)
    assert answer is not None, (do, day.lines[-3:])
    return tuple(answer)


def test_every_wish_has_an_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    day = Day(monkeypatch, tmp_path, **HOLD)

    async def story() -> None:
        runner = day.begin()
        await asyncio.sleep(90)
        assert await asked(day, "resume") == (False, "nothing was halted")
        assert await asked(day, "open", "NOPE") == (False, "NOPE is not traded here; AAPL, MSFT are")
        assert await asked(day, "open", "AAPL") == (False, "AAPL is not closed")
        assert await asked(day, "settle", "12345") == (False, "order 12345 is no order in doubt")
        assert await asked(day, "settle", "twelve") == (False, "order twelve is no order in doubt")
        assert await asked(day, "adjust", "AAPL") == (False, "AAPL does not differ")
        assert await asked(day, "look") == (True, "compared")
        assert (await asked(day, "halt"))[0] and runner.state()["gates"] == ["HALTED"]
        assert (await asked(day, "resume"))[0] and runner.state()["gates"] == [] and runner.link.state is State.READY
        done, text = await asked(day, "flat", wait=60)
        assert done and text.startswith("AAPL, MSFT: orders are cancelled") and runner.state()["positions"] == {}
        assert (await asked(day, "stop"))[0]
        assert day.task is not None
        await day.task

    day.run(story)
    assert not list(Path(f"{day.config.book}.paper").glob("*-*.json")), "wishes and answers are cleared away"


def test_without_a_gateway_a_runner_says_how_it_stands_and_can_be_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    day = Day(monkeypatch, tmp_path, faults=plan([{"name": "no-login", "until": 100_000}], seed=7))

    async def story() -> None:
        day.begin()
        await asyncio.sleep(300)
        state = Folder(Path(day.config.book)).state()
        assert state is not None and state["link"] in ("DOWN", "CONNECTING") and state["equity"] is None and state["gates"] == ["NOT_RECONCILED"]
        done, text = await asked(day, "flat")
        assert not done and text.startswith("the book is not open yet, because the runner is")
        assert (await asked(day, "stop"))[0]
        assert day.task is not None
        await asyncio.wait_for(day.task, 10)

    day.run(story)


@pytest.mark.parametrize("when", ["while nobody runs", "while the gateway does not answer"])
def test_a_wish_to_halt_is_obeyed_before_anything_is_bought(when: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    late = plan([{"name": "no-login", "until": 120}], seed=7)
    day = Day(monkeypatch, tmp_path, faults=late if when != "while nobody runs" else None, **HOLD)
    folder = Folder(Path(day.config.book))

    async def story() -> None:
        if when == "while nobody runs":
            folder.ask(Wish("halt", "somebody", "the test"))
            folder.ask(Wish("flat", "somebody", "of yesterday"))
        runner = day.begin()
        await asyncio.sleep(30)
        if when != "while nobody runs":
            assert (await asked(day, "halt"))[0]
        await asyncio.sleep(400)
        assert runner.link.state is State.READY and runner.state()["gates"] == ["HALTED"]
        await day.end(runner)

    day.run(story)
    assert not day.world.gateway.desk.by_perm and day.book().arena[H_REFUSED + Outcome.HALTED] > 0
    assert not any(line.startswith("FLAT") for line in day.lines), "what was asked for yesterday is not done today"


@pytest.mark.parametrize("after", [1101, 1102])
def test_after_a_lost_and_mended_link_of_the_gateway_orders_leave_again(after: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The socket stands all the time: nothing connects anew, and what was closed has to be opened all the same."""
    day = Day(monkeypatch, tmp_path)

    async def story() -> None:
        runner = day.begin()
        await asyncio.sleep(62)
        say(day, 1100)
        await asyncio.sleep(20)
        assert runner.state()["gates"] == ["DISCONNECTED"]
        say(day, after)
        await asyncio.sleep(10)
        assert runner.state()["gates"] == []
        before = sum(line.startswith("SENT") for line in day.lines)
        await asyncio.sleep(2400)
        assert sum(line.startswith("SENT") for line in day.lines) > before + 4
        await day.end(runner)

    day.run(story)
    assert day.book().arena[H_REFUSED + Outcome.DISCONNECTED] == 0
    assert sum("DOWN -> CONNECTING" in line for line in day.lines) == 1
    day.agree()


def test_a_book_that_is_deleted_while_it_is_traded_is_saved_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    day = Day(monkeypatch, tmp_path, **HOLD)
    book = Path(day.config.book)

    async def story() -> None:
        day.begin()
        await asyncio.sleep(200)
        for path in tmp_path.glob("paper.db*"):
            if path.is_file():
                path.unlink()
        await asyncio.sleep(3)
        assert day.task is not None
        with pytest.raises(JournalError, match=r"paper.db was deleted or replaced while it was traded.*saved to .*paper.db.saved-\d+: put that"):
            await day.task
        assert not book.exists(), "nothing pretends to be the book"
        (saved,) = tmp_path.glob("paper.db.saved-*")
        assert saved.stat().st_mode & 0o777 == 0o600
        saved.rename(book)
        runner = day.begin()
        await asyncio.sleep(200)
        assert runner.link.state is State.READY and runner.state()["closed"] == []
        await day.end(runner)

    day.run(story)
    assert sum(line.startswith("SENT") for line in day.lines) == 2, "the saved book knows what was bought"
    day.agree()


def test_an_account_that_holds_things_already_is_taken_over_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new book for an account with one position that is traded here and one that is not: deposit, adjustment, and trading."""
    day = Day(monkeypatch, tmp_path, symbols=("AAPL", "NVDA"), size="percent:40", **HOLD)

    async def story() -> None:
        runner = day.begin()
        await asyncio.sleep(200)
        await day.end(runner)
        day.change(symbols=("AAPL", "MSFT"), book=str(tmp_path / "new.db"), size="percent:10")
        runner = day.begin()
        await asyncio.sleep(60)
        assert runner.state()["closed"] == ["AAPL"] and runner.state()["cash"] == "0.00"
        assert "POSITION NOT TRADED HERE: NVDA" in "\n".join(day.lines)
        (differs,) = runner.state()["reconciled"]["differs"]
        done, text = await asked(day, "open", "AAPL")
        assert not done and text.startswith(differs) and "adjust" in text
        assert (await asked(day, "adjust", "AAPL", "a lot"))[1].startswith("price 'a lot' is not a number")
        done, text = await asked(day, "adjust", "AAPL", wait=20)
        assert done and text.startswith(differs)
        assert runner.state()["closed"] == ["AAPL"] and runner.state()["reconciled"]["differs"] == []
        assert (await asked(day, "open", "AAPL")) == (True, "AAPL may be traded again: APPLIED")
        await asyncio.sleep(200)
        await day.end(runner)

    day.run(story)
    day.agree()
    book = day.book()
    assert (book.instruments[1:3, I_POSITION] > 0).all(), "\n".join(day.lines[-25:])
    assert not (book.instruments[1:3, I_GATES] & Gate.BLOCKED).any()
    with Journal.read(day.config.book) as journal:
        assert journal.verify(journal.sessions()[-1].id).ok


def test_accounts_are_looked_at_before_every_order_and_not_only_at_the_start(wired: Any) -> None:
    """The gateway logs in to a live account while the connection stands: the next order is not written."""
    w: Wired = wired()

    async def story() -> None:
        await w.connect()
        w.want(10)
        await asyncio.sleep(1)
        w.gateway._ib.wrapper.managedAccounts("U1234567")
        with pytest.raises(ConfigError, match="U1234567 is not a paper account"):
            w.want(20)
        await asyncio.sleep(1)
        assert len(w.world.gateway.desk.by_perm) == 1

    w.run(story)


def test_a_runner_ends_when_its_account_becomes_a_live_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    day = Day(monkeypatch, tmp_path, Config())

    async def story() -> None:
        runner = day.begin()
        await asyncio.sleep(62)
        sent = sum(line.startswith("SENT") for line in day.lines)
        runner.gateway._ib.wrapper.managedAccounts("DU1000001,U1234567")
        await asyncio.sleep(3600)
        assert day.task is not None and day.task.done()
        with pytest.raises(ConfigError, match="U1234567 is not a paper account"):
            await day.task
        assert sum(line.startswith("SENT") for line in day.lines) == sent

    day.run(story)
    assert day.book().arena[H_GATES] & Gate.DISCONNECTED


@pytest.mark.parametrize("question", range(1, 12))
def test_a_socket_that_closes_before_any_question_is_connected_anew(question: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Questions to a closed socket raise, whichever it is: lists, pasts, subscriptions, heartbeats. None of them ends the runner."""
    day, asked, turn = Day(monkeypatch, tmp_path), [0], Runner._turn

    async def cut_before(self: Runner) -> None:
        await turn(self)
        asked[0] += 1
        if asked[0] == question:
            day.cut()
            await asyncio.sleep(0.1)

    monkeypatch.setattr(Runner, "_turn", cut_before)

    async def story() -> None:
        runner = day.begin()
        await asyncio.sleep(900)
        assert day.task is not None and not day.task.done(), day.task.exception()
        assert runner.link.state is State.READY and asked[0] > question
        await day.end(runner)

    day.run(story)
    day.agree()


@pytest.mark.parametrize("jump_s", [3600, -3600, 0], ids=["ahead", "back", "ablation: not at all"])
def test_a_jump_of_the_clock_is_said_and_nothing_is_bought_twice(jump_s: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    day = Day(monkeypatch, tmp_path)
    start_ns = day.clock._start_ns

    async def story() -> None:
        runner = day.begin()
        await asyncio.sleep(20 * 60)
        looked = runner.looked_ns
        day.clock._start_ns = start_ns + jump_s * 10**9
        await asyncio.sleep(5)
        assert any(line.startswith(f"CLOCK JUMPED by {jump_s:+d} s") for line in day.lines) is bool(jump_s)
        assert (runner.looked_ns != looked) is bool(jump_s), "broker and book are compared at once"
        await asyncio.sleep(20 * 60)
        day.clock._start_ns = start_ns
        await asyncio.sleep(10 * 60)
        assert runner.link.state is State.READY
        await day.end(runner)

    day.run(story)
    refs = [line.split(" as ")[1] for line in day.lines if line.startswith("SENT")]
    assert len(refs) == len(set(refs)) > 3
    day.agree()


@pytest.mark.parametrize("heeded", [True, False], ids=["told", "ablation: seen by the timer alone"])
def test_what_somebody_else_trades_closes_its_instrument_within_seconds(heeded: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The broker tells every client a position that changed; the timer would compare five minutes after the last time."""
    if not heeded:
        monkeypatch.setattr(Trader, "wants_look", lambda trader: trader.look_wanted)
    day = Day(monkeypatch, tmp_path, **HOLD)

    async def story() -> None:
        runner = day.begin()
        await asyncio.sleep(400)
        other = await day.world.client(9)
        stock = (await other.qualifyContractsAsync(Stock("AAPL", "SMART", "USD")))[0]
        looked = runner.looked_ns
        other.placeOrder(stock, MarketOrder("BUY", 37))
        await asyncio.sleep(15)
        assert (runner.looked_ns > looked) is heeded
        assert runner.trader is not None
        gates = runner.trader.session.book.instruments[:, I_GATES]
        assert bool(gates[1] & Gate.BLOCKED) is heeded and not gates[2] & Gate.BLOCKED
        looks = runner.looked_ns
        await asyncio.sleep(120)
        assert runner.looked_ns == looks or not heeded, "what was looked at is not looked at again and again"
        await day.end(runner)

    day.run(story)
    if heeded:
        day.agree()
