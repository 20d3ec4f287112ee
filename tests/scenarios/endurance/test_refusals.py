"""What the runner refuses to begin or to go on with, each with a message that says what happened and what to do."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from tests.scenarios.paper import CONFIG, Day

from ledger.journal import Journal, JournalLocked
from live.config import ConfigError, PaperConfig, Windows, checked, read
from live.control import Folder
from live.link import State
from live.ops.seat import Seat
from live.runner import Runner
from sim.gateway.core.config import Config
from sim.gateway.faults.plan import plan


def refused(day: Day, kind: type[Exception], words: str, seconds: float = 600.0) -> None:
    async def story() -> None:
        day.begin()
        await asyncio.sleep(seconds)
        assert day.task is not None and day.task.done(), day.lines[-3:]
        with pytest.raises(kind, match=words):
            await day.task

    day.run(story)
    assert not day.world.gateway.desk.by_perm, "nothing was ordered"


@pytest.mark.parametrize("port", [4001, 7496, 4003, 7498])
def test_a_live_port(port: int) -> None:
    with pytest.raises(ConfigError, match="REAL MONEY; onebook trades paper only"):
        checked(PaperConfig(host="127.0.0.1", port=port))


def test_an_unknown_port() -> None:
    with pytest.raises(ConfigError, match="not known to be a paper port"):
        checked(PaperConfig(host="127.0.0.1", port=80))


@pytest.mark.parametrize(
    ("accounts", "words"),
    [("U1234567", "is not a paper account"), ("DU1000001,U1234567", "U1234567 is not a paper account"), ("", "named no account"),
     ("DU1000001,DU1000002", "say which one")],
    ids=["a live account", "a live account beside a paper one", "no account", "two accounts and no choice"],
)  # fmt: skip
def test_accounts_that_are_not_provably_one_paper_account(accounts: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refused(Day(monkeypatch, tmp_path, Config(account=accounts)), ConfigError, words)


def runner_at(port: int, folder: Path) -> Runner:
    return Runner(PaperConfig(book=str(folder / "paper.db")), "127.0.0.1", port, lambda *_: 0, lambda _: None)


@pytest.mark.parametrize("port", [4001, 7496, 4003, 7498])
def test_a_live_port_that_nobody_checked(port: int, tmp_path: Path) -> None:
    """The runner asks by itself, on every connection and before every order."""
    with pytest.raises(ConfigError, match="REAL MONEY"):
        runner_at(port, tmp_path)._permit(["DU1000001"])


def test_another_account_than_the_one_it_began_with(tmp_path: Path) -> None:
    runner = runner_at(4002, tmp_path)
    runner.trader = SimpleNamespace(account="DU1000001")  # type: ignore[assignment]
    assert runner._permit(["DU1000002", "DU1000001"]) == "DU1000001"
    with pytest.raises(ConfigError, match="not managed"):
        runner._permit(["DU1000002"])


def test_a_client_id_that_stays_in_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    day = Day(monkeypatch, tmp_path, faults=plan([{"name": "client-id-in-use"}], seed=7))
    refused(day, ConfigError, "client id 17 has been in use for 120 s.*orders belong to their client id")
    assert sum("326" in line for line in day.lines) >= 1


def test_a_client_id_that_is_in_use_for_a_while_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    day = Day(monkeypatch, tmp_path, faults=plan([{"name": "client-id-in-use", "until": 60}], seed=7))

    async def story() -> None:
        runner = day.begin()
        await asyncio.sleep(200)
        assert runner.link.state is State.READY
        await day.end(runner)

    day.run(story)


def test_a_read_only_gateway_halts_at_the_first_order_and_says_which_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    day = Day(monkeypatch, tmp_path, faults=plan([{"name": "read-only"}], seed=7), strategy="buy_and_hold", params={})

    async def story() -> None:
        runner = day.begin()
        await asyncio.sleep(600)
        assert runner.link.state is State.HALTED and "Read-Only API" in runner.link.reason
        assert sum(line.startswith("SENT") for line in day.lines) <= 2
        await day.end(runner)

    day.run(story)


def test_a_gateway_that_accepts_the_socket_and_never_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    day = Day(monkeypatch, tmp_path, faults=plan([{"name": "no-login", "until": 100_000}], seed=7))

    async def story() -> None:
        runner = day.begin()
        await asyncio.sleep(900)
        assert runner.link.state in (State.DOWN, State.CONNECTING) and runner.link.failures > 5
        assert any("did not answer in time" in line or "logged in" in line for line in day.lines)
        assert any(line.startswith("ALERT DOWN") for line in day.lines)
        assert len(day.lines) < 80, "it says so without a flood"
        await day.end(runner)

    day.run(story)


def test_a_book_that_another_runner_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    day = Day(monkeypatch, tmp_path)

    async def story() -> None:
        first, task = day.begin(), day.task
        first.folder.path.mkdir()
        first.folder.write_state({"pid": 1})  # what a runner that is gone has left
        await asyncio.sleep(0)
        day.begin()
        with pytest.raises(JournalLocked, match=rf"trades .*paper.db already, pid {os.getpid()}; ask it with `onebook paper status` or `stop`"):
            assert day.task is not None
            await day.task
        day.task = task
        await day.end(first)

    day.run(story)


def test_a_book_that_another_program_writes_to_ends_the_runner_and_a_new_one_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ledger.journal.store.files.BUSY_SECONDS", 0)
    day = Day(monkeypatch, tmp_path)

    async def story() -> None:
        day.begin()
        await asyncio.sleep(200)
        other = sqlite3.connect(day.config.book, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        await asyncio.sleep(600)
        with pytest.raises(JournalLocked, match="held by another program, nothing was recorded .* start again"):
            assert day.task is not None
            await day.task
        other.execute("ROLLBACK")
        other.close()
        state = Folder(Path(day.config.book)).state()
        assert state is not None and (state["link"], state["reason"]) == ("STOPPED", "it was READY: connected and reconciled")
        again = day.begin()
        await asyncio.sleep(100)
        assert again.link.state is State.READY, "nothing of the first one is left that keeps the book"
        await day.end(again)

    day.run(story)
    day.agree()


def test_a_stop_that_cannot_be_recorded_says_so_and_leaves_nothing_locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ledger.journal.store.files.BUSY_SECONDS", 0)
    day = Day(monkeypatch, tmp_path)

    async def story() -> None:
        runner = day.begin()
        await asyncio.sleep(200)
        other = sqlite3.connect(day.config.book, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(JournalLocked, match="held by another program"):
            await day.end(runner)
        other.close()
        assert any("NOT RECORDED" in line for line in day.lines)
        assert not Folder(Path(day.config.book)).is_running()

    day.run(story)


async def two_runners_with_books_of_their_own(day: Day) -> tuple[Runner, asyncio.Task[None], asyncio.Task[None]]:
    """Start two runners on one account: another book, another client id, as a second terminal would."""
    day.simulated = False
    first, task = day.begin(), day.task
    await asyncio.sleep(10)
    day.change(book=day.config.book.replace("paper.db", "other.db"), client_id=18)
    day.begin()
    await asyncio.sleep(600)
    assert task is not None and day.task is not None
    return first, task, day.task


def test_an_account_that_another_runner_trades_from_another_book(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    day = Day(monkeypatch, tmp_path)

    async def story() -> None:
        first, task, second = await two_runners_with_books_of_their_own(day)
        with pytest.raises(JournalLocked, match=r"account DU\w+ is traded .* pid \d+ from the book .*/paper.db as client 17 since 20.*one runner"):
            await second
        assert not (tmp_path / "other.db").exists(), "nothing was begun"
        day.task = task
        await day.end(first)
        third = day.begin()
        await asyncio.sleep(10)
        assert third.link.state is State.READY, "the seat is free again"
        await day.end(third)

    day.run(story)


def test_without_the_seat_two_books_would_trade_one_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Seat, "take", lambda *_: None)
    day = Day(monkeypatch, tmp_path)

    async def story() -> None:
        first, task, second = await two_runners_with_books_of_their_own(day)
        assert not second.done() and (tmp_path / "other.db").exists(), "the gateway takes both clients"
        second.cancel()
        day.task = task
        await day.end(first)

    day.run(story)


def test_a_seat_whose_notice_cannot_be_read_is_still_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONEBOOK_STATE", str(tmp_path))
    first, second = Seat("DU1"), Seat("DU1")
    first.take(tmp_path / "a.db", 17, 0)
    (tmp_path / "paper-DU1.json").write_text("[]")
    with pytest.raises(JournalLocked, match="a process that has not said yet who it is"):
        second.take(tmp_path / "b.db", 18, 0)
    Seat("DU2").take(tmp_path / "b.db", 18, 0)
    first.leave()
    second.take(tmp_path / "b.db", 18, 0)


def test_a_seat_that_cannot_be_written_is_a_fault_of_the_set_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ONEBOOK_STATE", str(tmp_path / "file" / "state"))
    with pytest.raises(ConfigError, match="DU1 cannot be taken: .*ONEBOOK_STATE"):
        Seat("DU1").take(tmp_path / "a.db", 17, 0)


CHANGES: list[tuple[dict[str, Any], str]] = [
    ({"params": {"fast": 4, "slow": 9}}, "params was"), ({"bar": "5m"}, "bar was '1m' and is '5m' now"),
    ({"size": "percent:50"}, "size was 'percent:20' and is 'percent:50' now"), ({"client_id": 18}, "client_id was 17 and is 18 now"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "words"), CHANGES, ids=[next(iter(row[0])) for row in CHANGES])
def test_a_book_that_was_traded_with_another_configuration(change: dict[str, Any], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    day = Day(monkeypatch, tmp_path)

    async def story() -> None:
        runner = day.begin()
        await asyncio.sleep(10)
        await day.end(runner)
        day.change(**change)
        day.begin()
        await asyncio.sleep(10)
        assert day.task is not None
        with pytest.raises(ConfigError, match=f"{words}.*--accept-changes"):
            await day.task
        day.change(accept_changes=True)
        runner = day.begin()
        await asyncio.sleep(30)
        assert runner.link.state is State.READY
        await day.end(runner)
        day.change(accept_changes=False)
        runner = day.begin()
        await asyncio.sleep(30)
        assert runner.link.state is State.READY, "what was accepted is the configuration from then on"
        await day.end(runner)

    day.run(story)
    with Journal.read(day.config.book) as journal:
        assert len(journal.sessions()) == 1


def test_a_key_nobody_knows(tmp_path: Path) -> None:
    path = tmp_path / "paper.toml"
    path.write_text('strategy = "sma_cross"\nlive_money = true\n')
    with pytest.raises(ConfigError, match="paper.toml.*live_money"):
        read(path)


def test_a_window_that_is_none() -> None:
    with pytest.raises(ConfigError, match="restart '25:00' is no window"):
        checked(msgspec.structs.replace(CONFIG, windows=Windows(restart="25:00")))
