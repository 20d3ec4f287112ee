"""How many schedules a second each depth of the fuzzer takes, on one core, and what bounds it.

Theory of operation. A depth that convicts the intact code of something has no speed. Rates are of the processor's own time,
because the machine is shared; the wall clock's are lower beside other work.
"""

from __future__ import annotations

import logging
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from benchmarks.measures import Line
from ledger.book import event
from ledger.journal.transaction import Transaction
from ledger.vocabulary import EventKind, Gate, Outcome
from sim.fuzz import Kind, explore
from sim.fuzz.event.run import Player
from sim.fuzz.event.story import tell
from tests.scenarios.fuzz import runner, wire
from tests.scenarios.fuzz.stage.storage import Storage, storage
from tests.sim.fuzz.test_crash import Recorded


def depths(scale: int) -> list[Line]:
    """Measure all depths and the crash images.

    Args:
        scale: divides the number of schedules.
    """
    return [*_event(1_000_000 // scale), _runner(1_500 // scale), _wire(100 // scale), _crash()]


def _event(count: int) -> list[Line]:
    player = Player()
    player.search(1, 0, 100), player.search(1, 0, 100, thorough=True)
    lines = []
    for thorough, goal, what in ((False, "500,000/s", "recount at each end"), (True, "-", "recount after every event")):
        rates, steps, calls = list[float](), 0, 0
        for turn in range(10):  # in turns, because one that falls on a busy moment is no measurement
            start = time.process_time()
            found = player.search(11, turn * (count // 10), count // 10, thorough)
            rates.append(count // 10 / (time.process_time() - start))
            assert found.verdict == 0, f"schedule {found.start + found.held} of seed 11 is convicted"
            steps, calls = steps + found.steps, calls + int(found.cover.sum())
        story = tell(player.tape())
        assert story.digest == player.book().digest(), "the slow twin must end with the same book"
        shown = (
            f"{count:,} schedules hold; the last one told step by step ends with book {story.digest[:12]}; "
            f"a schedule is {steps / count:.0f} steps and {calls / count:.0f} calls of the core, which bound it; median of ten turns"
        )
        lines.append(Line(f"fuzzer, event depth, {what}", f"{statistics.median(rates):,.0f} schedules/s", goal, shown))
    return lines


def _runner(count: int) -> Line:
    explore(runner.scenario, seed=1, schedules=20)
    start = time.process_time()
    found = explore(runner.scenario, seed=12, schedules=count)
    spent = time.process_time() - start
    assert found.kind is Kind.CUT, found.failure
    writes, lives = _counted(count)
    write_us, open_us = _record_us(), _open_us()
    share = (writes * write_us + lives * open_us) * count / 1e6 / spent
    journal = f"{writes:.0f} journal transactions of {write_us:.0f} us and {lives:.1f} openings of {open_us:.0f} us, warm, on memdb"
    shown = (
        f"{count:,} schedules of 4 signals hold, {found.moves / count:.0f} moves each; {journal} are {share:.0%} of it, "
        "the rest is the runner's Python around them"
    )
    return Line("fuzzer, runner depth, invariants after every event", f"{count / spent:,.0f} schedules/s", "1,000/s", shown)


def _counted(count: int) -> tuple[float, float]:
    """Return how many journal transactions and openings a schedule has."""
    counts = Counter[str]()

    def counting(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*words: Any) -> Any:
            counts[name] += 1
            return real(*words)

        return counted

    few = max(1, count // 10)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Transaction, "_begin", counting("write", Transaction._begin))
        patch.setattr(Storage, "take_over", counting("open", Storage.take_over))
        explore(runner.scenario, seed=12, schedules=few)
    return counts["write"] / few, counts["open"] / few


def _record_us(count: int = 500) -> float:
    """Return the microseconds of one journal transaction on memdb, the best of some runs: a gate that is raised and lowered."""
    opened = storage().take_over(storage().next_session(), lambda point: None, lambda: 1)
    lines = [event(EventKind.GATE, time_ns=5, side=side, reason=Gate.HALTED) for side in (1, -1)]

    def run() -> None:
        for _ in range(count):
            for line in lines:
                assert opened.session.record(line) == Outcome.APPLIED

    return _best_us(run) / count / 2


def _open_us(count: int = 100) -> float:
    """Return the microseconds in which a process opens the journal, takes its session over and is gone."""
    number = storage().next_session()

    def run() -> None:
        for _ in range(count):
            storage().take_over(number, lambda point: None, lambda: 1).die()

    return _best_us(run) / count


def _best_us(run: Callable[[], None]) -> float:
    best = []
    for _ in range(5):
        start = time.process_time()
        run()
        best.append(time.process_time() - start)
    return min(best) * 1e6


def _wire(count: int) -> Line:
    logger = logging.getLogger("ib_async")
    before = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    wire.search(1, 3)
    start = time.process_time()
    found = wire.search(13, count)
    spent = time.process_time() - start
    logger.setLevel(before)
    assert found == (count, ""), found.violation
    shown = f"{count:,} schedules of 8 signals hold; connecting, asking for lists and decoding in ib_async bound it"
    return Line("fuzzer, wire depth, real ib_async and the gateway", f"{count / spent:,.0f} schedules/s", "50/s", shown)


def _crash() -> Line:
    patch = pytest.MonkeyPatch()
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as ram:
        recorded = Recorded(Path(folder), "FULL", patch)
        start = time.process_time()
        found = recorded.crash(Path(ram), Random(1))
        spent = time.process_time() - start
        weak = Recorded(Path(folder) / "weak", "NORMAL", patch).crash(Path(ram), Random(1), ("none",))
    assert set(found) == {"images"} and weak["lost"] > 0, (found, weak)
    lost = f"with synchronous=NORMAL {weak['lost']} of {weak['images']} lose one"
    shown = f"{found['images']:,} images, no acknowledged event lost; {lost}; SQLite reading the schema bounds it"
    return Line("fuzzer, crash images opened and replayed", f"{found['images'] / spent:,.0f} images/s", "500/s", shown)
