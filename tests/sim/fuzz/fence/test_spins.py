"""Code that never lets anything else run ends as a finding that says where, however it guards itself, and soon."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import json
import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path

import pytest

from sim.fuzz import Kind, Profile, ScenarioError, World, explore, replay, sample, tokens
from sim.fuzz.fence import fenced, spins
from sim.fuzz.search import exhaust
from sim.fuzz.show import terminal
from sim.fuzz.show.lanes import lanes_of
from sim.fuzz.shrink import shrink

ROOT = Path(__file__).resolve().parents[4]
BOUNDS = (spins.OWN, spins.ANY, spins.STILL)


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Look often, and have little patience."""
    for name, value in (("TICK", 0.01), ("OWN", 0.15), ("ANY", 4.0), ("STILL", 0.15), ("AGAIN", 0.05), ("IDLE", 0.0)):
        monkeypatch.setattr(spins, name, value)
    before = signal.getsignal(signal.SIGALRM)
    yield
    assert signal.getsignal(signal.SIGALRM) == before and signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    assert spins.WATCH.verdict is None and spins.WATCH.alarm is None


class Order:
    """An order that is never done."""

    def __init__(self) -> None:
        self.done, self.polls = False, 0

    def poll(self) -> None:
        self.polls += 1


def bare() -> None:
    while True:
        pass


def polls() -> None:
    order = Order()
    while not order.done:
        order.poll()


def catches_exceptions() -> None:
    while True:
        try:
            polls()
        except Exception:
            continue


def catches_everything() -> None:
    while True:
        try:
            polls()
        except:  # noqa: E722
            pass


def catches_everything_twice() -> None:
    while True:
        try:
            while True:
                try:
                    bare()
                except BaseException:
                    continue
        finally:
            continue  # noqa: B012


def counts() -> None:
    for _ in itertools.count():
        pass


def reconnects() -> None:
    while True:
        try:
            time.time()
        except Exception:
            continue


def asks_a_queue() -> None:
    waiting: queue.Queue[int] = queue.Queue()
    while waiting.empty():
        pass


def swallows_and_goes_on() -> None:
    try:
        bare()
    except BaseException:
        return


SPINNING = [bare, polls, catches_exceptions, catches_everything, catches_everything_twice, counts, reconnects, asks_a_queue, swallows_and_goes_on]


def spinning(function: Callable[[], None]) -> Callable[[World], None]:
    """Return a scenario that calls a function between two events."""

    def scenario(world: World) -> None:
        async def other() -> None:
            await world.io("quote")

        async def main() -> None:
            keep = asyncio.create_task(other())
            await world.io("order")
            function()
            await world.io("more")
            await keep

        world.process("bot", main)

    return scenario


@pytest.mark.parametrize("search", [explore, exhaust])
@pytest.mark.parametrize("function", SPINNING)
def test_a_loop_that_awaits_nothing_is_a_finding_that_says_where(function: Callable[[], None], search: Callable[..., object]) -> None:
    verdict = search(spinning(function))
    found = verdict.failure
    assert verdict.kind is Kind.FAILED and found is not None
    assert found.invariant == "lets others run" and found.message.startswith("bot runs on in ")
    assert "(test_spins.py, line" in found.message and "awaits nothing" in found.message


def test_the_function_and_the_lines_that_loop_are_named_and_not_what_they_call() -> None:
    line = polls.__code__.co_firstlineno
    found = explore(spinning(polls)).failure
    assert found is not None and re.search(rf"in polls \(test_spins.py, lines? ({line + 2}|{line + 3})", found.message), found


def test_a_loop_that_awaits_nothing_is_shrunk_and_replayed_by_its_token_and_drawn() -> None:
    found = explore(spinning(polls)).failure
    assert found is not None
    made = shrink(spinning(polls), found)
    assert made.failure.invariant == "lets others run" and made.reruns <= 10 and made.failure.steps == ("A",)
    _, again = replay(spinning(polls), made.needed)
    assert again is not None and again.name == "lets others run"
    assert "lets others run: bot runs on in polls" in terminal.text(lanes_of(spinning(polls), made.failure))


def test_a_failure_whose_smaller_schedules_spin_is_shrunk_all_the_same() -> None:
    def scenario(world: World) -> None:
        async def main() -> None:
            for _ in range(world.dial("orders", 3)):
                await world.io("order")
            while world.dials["orders"] == 1:
                pass

        world.process("bot", main)
        world.at_end("never", lambda: False)

    found = explore(scenario).failure
    assert found is not None and shrink(scenario, found).failure.dials == {"orders": 2}


def waits_for_a_lock() -> None:
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()


@pytest.mark.parametrize("function", [waits_for_a_lock, lambda: queue.Queue().get(), lambda: threading.Event().wait()])
def test_a_wait_for_what_only_a_thread_could_bring_is_a_finding_that_says_where(
    function: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spins, "IDLE", 0.2)
    found = explore(spinning(function)).failure
    assert found is not None and found.invariant == "lets others run"
    assert found.message.startswith("bot stands still in ") and "(test_spins.py, line" in found.message and "one of asyncio's" in found.message


def test_an_executors_function_that_waits_for_the_loop_is_told_that_it_cannot_do_so_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spins, "IDLE", 0.2)

    def waits() -> None:
        Future[int]().result()

    def scenario(world: World) -> None:
        async def main() -> None:
            await asyncio.to_thread(waits)

        world.process("bot", main)

    with pytest.raises(ScenarioError, match=r"stands still in waits \(test_spins.py, line \d+\), in an executor's function: it runs inline"):
        explore(scenario)


@pytest.mark.parametrize("demand", [World.always, World.at_end])
def test_a_scenario_or_a_check_that_spins_is_a_fault_of_the_scenario(demand: Callable[..., None]) -> None:
    def scenario(world: World) -> None:
        spinning(bool)(world)
        demand(world, "one order", bare)

    for faulty in (scenario, lambda world: bare()):
        with pytest.raises(ScenarioError, match=r"the scenario runs on in bare \(test_spins.py, line \d+\) and awaits nothing"):
            explore(faulty)


def test_an_effect_that_spins_is_a_fault_of_the_scenario() -> None:
    def scenario(world: World) -> None:
        async def main() -> None:
            await world.io("order", bare)

        world.process("bot", main)

    with pytest.raises(ScenarioError, match="the scenario runs on in bare"):
        explore(scenario)


def test_what_a_program_cleans_up_may_spin_and_the_next_search_is_not_told() -> None:
    def scenario(world: World) -> None:
        async def waits() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                bare()

        async def main() -> None:
            keep = asyncio.create_task(waits())
            await world.io("order")
            raise ValueError(keep.get_name())

        world.process("bot", main)

    with pytest.raises(ScenarioError, match="runs on in bare"):
        explore(scenario)
    assert explore(spinning(bool), schedules=20).kind is Kind.CUT


def test_a_test_whose_bot_spins_fails_with_the_place_and_a_token(tmp_path: Path) -> None:
    (tmp_path / "test_bot.py").write_text(
        "from sim.fuzz.fence import spins\n"
        "spins.TICK, spins.OWN, spins.AGAIN = 0.01, 0.15, 0.05\n"
        "def scenario(world):\n"
        "    async def main():\n"
        "        await world.io('order')\n"
        "        while True: pass\n"
        "    world.process('bot', main)\n"
        "def test_bot(fuzz):\n    fuzz(scenario)\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "sim.fuzz.campaign.plugin", "-p", "no:cacheprovider", str(tmp_path)]
    ended = subprocess.run(command, cwd=tmp_path, text=True, capture_output=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert ended.returncode == 1 and "lets others run: bot runs on in main (test_bot.py, line 6)" in ended.stdout, ended.stdout
    assert "--fz-token 'fz2:" in ended.stdout


# What is slow and right.


def spends(seconds: float) -> None:
    """Use the processor for a while."""
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass


def calls_a_slow_library() -> None:
    json.dumps([{"number": number} for number in range(400_000)], indent=1)


def is_in_a_debugger() -> None:
    exec("until = now() + 0.4\nwhile now() < until: pass", {"__name__": "pdb", "now": time.thread_time})


@pytest.mark.parametrize("function", [calls_a_slow_library, is_in_a_debugger])
def test_time_in_a_library_or_in_a_debugger_is_not_held_against_a_program(function: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spins, "ANY", 60.0)  # the first schedule is watched, which makes this library take many seconds
    before = time.thread_time()
    function()
    assert time.thread_time() - before > spins.OWN, "longer than own code may take"
    assert explore(spinning(function), schedules=1).kind is Kind.CUT


def test_a_library_that_never_comes_back_is_a_finding_after_the_larger_bound() -> None:
    def never() -> None:
        deque(heapq.merge(itertools.count(), itertools.count()), maxlen=0)

    found = explore(spinning(never)).failure
    assert found is not None and found.message.startswith("bot runs on in never (test_spins.py, line")


def test_a_program_that_works_for_long_and_lets_others_run_meanwhile_is_never_convicted() -> None:
    def scenario(world: World) -> None:
        async def main() -> None:
            for _ in range(20):
                spends(0.02)
                await asyncio.sleep(0)
            for _ in range(10):
                spends(0.04)
                await world.io("order")

        world.process("bot", main)

    assert explore(scenario, schedules=1).kind is Kind.CUT


def test_an_alarm_at_any_moment_changes_no_schedule(monkeypatch: pytest.MonkeyPatch) -> None:
    calm = [sample(recovering, 7, number, Profile())[0].trace for number in range(300)]
    monkeypatch.setattr(spins, "TICK", 0.0001)
    with fenced():
        rung = [sample(recovering, 7, number, Profile())[0].trace for number in range(300)]
    assert rung == calm


def test_an_alarm_at_any_moment_of_the_schedule_that_is_watched_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    calm = explore(recovering, schedules=1)
    monkeypatch.setattr(spins, "TICK", 0.0001)
    for _ in range(100):
        assert explore(recovering, schedules=1) == calm


def recovering(world: World) -> None:
    """Keep things that say when they are let go."""
    tokens.resolve("zoo.no_lock")(world)
    ends: list[int] = []

    class Thing:
        def __init__(self, number: int) -> None:
            self.number = number

        def __del__(self) -> None:
            ends.append(self.number)

    async def main() -> None:
        for number in range(5):
            thing = Thing(number)
            await world.io(f"{thing.number} after {len(ends)}")
            assert ends == list(range(number)), "each was let go when the next one came"

    world.process("other", main)


# Whose alarm it is.


def test_an_alarm_of_somebody_else_is_left_alone_and_another_one_is_used() -> None:
    rung: list[int] = []
    before = signal.signal(signal.SIGALRM, lambda number, frame: rung.append(number))
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    try:
        assert explore(spinning(polls)).kind is Kind.FAILED and rung == [signal.SIGALRM]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)


def test_a_search_in_another_thread_runs_without_an_alarm() -> None:
    verdicts = []
    thread = threading.Thread(target=lambda: verdicts.append(explore(spinning(bool), schedules=5)))
    thread.start()
    thread.join()
    assert [verdict.kind for verdict in verdicts] == [Kind.CUT]


def test_bounds_are_those_that_the_documents_say() -> None:
    text = (ROOT / "sim" / "fuzz" / "README.md").read_text(encoding="utf-8")
    assert f"{BOUNDS[0]:.0f} s of processor time in its own code" in text and f"{BOUNDS[1] / 60:.0f} minutes" in text
    assert f"{BOUNDS[2]:.0f} s in which" in text


def test_code_that_escapes_many_strikes_is_told_on_the_terminal(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(spins, "TOLD_AFTER", 1)

    def scenario(world: World) -> None:
        async def main() -> None:
            catches_everything()

        world.process("bot", main)

    assert explore(scenario, schedules=1).kind is Kind.FAILED
    assert "it also catches what should end it: stop this process" in capfd.readouterr().err
