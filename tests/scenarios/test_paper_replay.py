"""A recorded paper session replays to the same events and the same digest, and a tape that was changed does not."""

from __future__ import annotations

import asyncio
import json
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tests.scenarios.paper import Day

from cli.paper.compose import fees_of
from cli.root import root
from ledger.book import E_PRICE, EVENT_WIDTH
from ledger.journal import Journal
from live.config import ConfigError
from live.ops import replay as replaying
from live.ops.replay import Replayed, first_difference, replay
from live.tape import SOURCE
from sim.gateway.faults.plan import plan

MINUTE = 60.0
Line = list[Any]


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Day]:
    """Two days: entries, fills in parts, a cut, a write that fails, a night, a start in the same session."""
    with pytest.MonkeyPatch.context() as patch:
        faults = plan([{"name": "partial-fills"}], seed=5)
        day = Day(patch, tmp_path_factory.mktemp("recorded"), faults=faults, fee_of=fees_of("ibkr-fixed"))

        async def stretch(*minutes: float, act: Callable[[Any], None]) -> None:
            runner = day.begin()
            runner.fees = "ibkr-fixed"
            for length in minutes:
                await asyncio.sleep(length * MINUTE)
                act(runner)
            await day.end(runner)

        async def story() -> None:
            await stretch(17, 12, act=lambda _runner: day.cut())
            await asyncio.sleep(23 * 60 * MINUTE)
            await stretch(5, 14, act=_broken)

        day.run(story)
        yield day


def _broken(runner: Any) -> None:
    def place(*_: Any) -> None:
        raise ConnectionError("the socket is closed")

    runner.gateway.place = place


def again(book: str, folder: Path, day: int | None = None, **how: Any) -> Replayed:
    with Journal.read(book) as source, Journal.open(folder / f"again-{len(list(folder.iterdir()))}.db") as target:
        return replay(source, source.sessions()[-1].id, day, target, fees_of, **how)


@pytest.fixture(scope="module")
def whole(day: Day, tmp_path_factory: pytest.TempPathFactory) -> Replayed:
    """The replay of the tape as it was recorded."""
    return again(day.config.book, tmp_path_factory.mktemp("whole"))


def changed(book: str, folder: Path, change: Callable[[Line], list[Line]]) -> str:
    """Return a copy of a book whose tape has other lines."""
    copy = folder / "changed.db"
    shutil.copy(book, copy)
    with closing(sqlite3.connect(copy)) as file, file:
        for (name,) in file.execute("SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'broker_event'").fetchall():
            file.execute(f"DROP TRIGGER {name}")
        for number, body in file.execute("SELECT number, body FROM broker_event WHERE source = ?", (SOURCE,)).fetchall():
            lines = [json.dumps(new) for line in body.splitlines() for new in change(json.loads(line))]
            file.execute("UPDATE broker_event SET body = ? WHERE number = ?", ("\n".join(lines), number))
    return str(copy)


def test_two_days_with_partial_fills_a_cut_a_failed_write_and_a_restart_replay_to_the_same_digest(day: Day, whole: Replayed) -> None:
    found = whole
    assert found.divergence is None and not found.stopped, found
    assert found.recorded_digest == found.replayed_digest == day.book().digest()
    assert found.events == day.book().seq > 200
    orders = [line.split(" as ")[1] for line in day.lines if line.startswith("SENT")]
    assert [line.split()[-1] for line in found.sent if not line.startswith("CANCEL")] == orders
    said = "\n".join(day.lines)
    assert said.count("FILLED") > len(orders) > 6 and "writing an order failed" in said and said.count("DOWN -> CONNECTING") >= 4, said


def test_a_replay_of_the_first_day_ends_with_that_day(day: Day, tmp_path: Path) -> None:
    with Journal.read(day.config.book) as journal:
        days = sorted(set(replaying.days_of([act.time_ns for act in replaying.acts(journal, journal.sessions()[-1].id)])))
    found = again(day.config.book, tmp_path, days[0])
    assert len(days) == 2 and found.divergence is None and found.recorded_digest == found.replayed_digest
    assert 100 < found.events < day.book().seq and found.day == days[0]
    with pytest.raises(ConfigError, match="nothing on that day"):
        again(day.config.book, tmp_path, days[0] - 1)


def one_tick(of: str, inner: str, number: int, at: int) -> Callable[[Line], list[Line]]:
    """Return a change of one price, one tick up, in the act of that number of its kind that ends a minute or is an execution."""
    seen = [0]

    def change(line: Line) -> list[Line]:
        held = next((word[inner] for word in line[3:] if isinstance(word, dict) and inner in word), None)
        if line[0] == of and held is not None and (inner != "HistoryBar" or held[0] // 10**9 % 60 == 55):
            seen[0] += 1
            if seen[0] == number:
                held[at] = {"Decimal": str(round(float(held[at]["Decimal"]) + 0.0001, 4))}
        return [line]

    return change


def test_one_recorded_price_that_is_one_tick_off_is_named(day: Day, tmp_path: Path) -> None:
    found = again(changed(day.config.book, tmp_path, one_tick("on_piece", "HistoryBar", 3, 4)), tmp_path)
    first = found.divergence
    assert first is not None and (first.kind, first.field) == ("MARK", "price_ticks") and first.replayed == (first.recorded or 0) + 1


def test_one_execution_that_is_one_tick_off_is_named(day: Day, tmp_path: Path) -> None:
    found = again(changed(day.config.book, tmp_path, one_tick("on_fact", "ExecutionSeen", 2, 11)), tmp_path)
    first = found.divergence
    assert first is not None and (first.kind, first.field) == ("FILL", "price_ticks") and first.replayed == (first.recorded or 0) + 1


@pytest.mark.parametrize("name", ["on_piece", "on_fact", "on_tick", "guard", "look", "load", "on_disconnected", "deposit", "id", "broke"])
def test_every_kind_of_act_is_needed(name: str, day: Day, whole: Replayed, tmp_path: Path) -> None:
    """Ablation: a tape that lacks one kind of line does not replay to the same book, or what is sent differs."""
    found = again(changed(day.config.book, tmp_path, lambda line: [] if line[0] == name else [line]), tmp_path)
    assert found.divergence is not None or found.sent != whole.sent, name


def test_a_tape_whose_looks_hold_the_one_before_them_replays_to_the_same_digest(day: Day, tmp_path: Path) -> None:
    """So they were written until the trader itself remembered the last whole look."""
    looks: list[Any] = [None]

    def older(line: Line) -> list[Line]:
        if line[0] == "look":
            looks.append(line[3])
            return [[*line[:3], looks[-2], line[3]]]
        return [line]

    found = again(changed(day.config.book, tmp_path, older), tmp_path)
    assert len(looks) > 5 and found.divergence is None and found.replayed_digest == day.book().digest()


def test_a_session_without_a_tape_is_refused(day: Day, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="without a tape"):
        again(changed(day.config.book, tmp_path, lambda _line: []), tmp_path)


def test_other_code_is_refused_with_both_hashes_unless_it_is_accepted(day: Day, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replaying, "strategy_hash", lambda _config: "f" * 64)
    with pytest.raises(ConfigError, match="[0-9a-f]{64} then, f{64} here"):
        again(day.config.book, tmp_path)
    assert again(day.config.book, tmp_path, accept_changes=True).divergence is None


def test_the_first_difference_is_the_earliest_row_and_a_missing_event_is_one() -> None:
    import numpy as np

    log = np.ones((3, EVENT_WIDTH), np.int64)
    other = log.copy()
    other[1, E_PRICE] = 7
    assert first_difference(log, log) is None
    found = first_difference(log, other)
    assert found is not None and (found.event, found.field, found.recorded, found.replayed) == (2, "price_ticks", 1, 7)
    shorter = first_difference(log, log[:2])
    assert shorter is not None and (shorter.event, shorter.recorded, shorter.replayed) == (3, 1, None)


def test_the_command_says_equal_or_names_the_difference_with_exit_code_3(day: Day, tmp_path: Path) -> None:
    same = CliRunner().invoke(root, ["paper", "replay", "--book", day.config.book, "--into", str(tmp_path / "kept.db"), "--json"])
    said = json.loads(same.stdout)
    assert same.exit_code == 0 and said["equal"] and said["divergence"] is None and said["events"] == day.book().seq, same.output
    with Journal.read(tmp_path / "kept.db") as journal:
        assert journal.book(journal.sessions()[-1].id).digest() == day.book().digest()
    wrong = changed(day.config.book, tmp_path, one_tick("on_piece", "HistoryBar", 3, 4))
    other = CliRunner().invoke(root, ["paper", "replay", said["day"], "--book", wrong])
    assert other.exit_code == 3 and "DIFFERENT from event" in other.output and "MARK.price_ticks: recorded" in other.output, other.output
    assert CliRunner().invoke(root, ["paper", "replay", "--book", str(tmp_path / "none.db")]).exit_code == 2
