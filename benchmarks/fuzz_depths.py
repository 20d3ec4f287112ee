"""How many schedules a second each depth of the fuzzer takes, on one core, and what bounds it.

Theory of operation. A depth that convicts the intact code of something has no speed. Rates are of the processor's own time,
because the machine is shared; the wall clock's are lower beside other work.
"""

from __future__ import annotations

import logging
import tempfile
import time
from pathlib import Path
from random import Random

import pytest

from benchmarks.measures import Line
from sim.fuzz import Kind, explore
from sim.fuzz.event.run import Player
from sim.fuzz.event.story import tell
from tests.scenarios.fuzz import runner, wire
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
        start = time.process_time()
        found = player.search(11, 0, count, thorough)
        spent = time.process_time() - start
        assert found.verdict == 0, f"schedule {found.held} of seed 11 is convicted"
        story = tell(player.tape())
        assert story.digest == player.book().digest(), "the slow twin must end with the same book"
        shown = (
            f"{count:,} schedules hold; the last one told step by step ends with book {story.digest[:12]}; "
            f"a schedule is {found.steps / count:.0f} steps and {found.cover.sum() / count:.0f} calls of the core, which bound it"
        )
        lines.append(Line(f"fuzzer, event depth, {what}", f"{count / spent:,.0f} schedules/s", goal, shown))
    return lines


def _runner(count: int) -> Line:
    explore(runner.scenario, seed=1, schedules=20)
    start = time.process_time()
    found = explore(runner.scenario, seed=12, schedules=count)
    spent = time.process_time() - start
    assert found.kind is Kind.CUT, found.failure
    shown = f"{count:,} schedules of 4 signals hold, {found.moves / count:.0f} moves each; twenty journal transactions on memdb bound it"
    return Line("fuzzer, runner depth, invariants after every event", f"{count / spent:,.0f} schedules/s", "1,000/s", shown)


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
    shown = f"{found['images']:,} images, no acknowledged event lost; with synchronous=NORMAL {weak['lost']} of {weak['images']} lose one"
    return Line("fuzzer, crash images opened and replayed", f"{found['images'] / spent:,.0f} images/s", "500/s", shown)
