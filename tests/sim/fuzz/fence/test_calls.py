"""Simulated code that reaches for the real clock, chance, network or disk is stopped by name; the world and libraries are not."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import uuid
from contextlib import suppress
from datetime import date, datetime
from random import randint

import numpy as np
import pytest

from sim.fuzz import Kind, ScenarioError, World, explore
from sim.fuzz.explore import Unsteady
from sim.fuzz.fence import fenced
from sim.fuzz.search import exhaust

by_name = {f.__name__: f for f in (time.time, time.perf_counter_ns, random.random, random.randint, uuid.uuid4)}
"""Functions as a module has them that wrote `from time import time`."""


@pytest.mark.parametrize(
    ("call", "word"),
    [(lambda: time.time(), "time.time"), (lambda: time.sleep(1), "asyncio.sleep"), (lambda: random.random(), "random.random"),
     (lambda: uuid.uuid4(), "uuid.uuid4"), (lambda: os.urandom(1), "os.urandom"), (lambda: socket.socket(), "socket.socket"),
     (lambda: threading.Thread(target=print), "threading.Thread"), (lambda: subprocess.run(["true"]), "subprocess.run"),
     (lambda: os.system("true"), "os.system")],
)  # fmt: skip
def test_the_fence_keeps_simulated_code_from_the_real_world_and_nobody_else(call, word):
    def scenario(world: World) -> None:
        async def main() -> None:
            await world.io("work")
            call()

        world.process("bot", main)

    verdict = explore(scenario, schedules=3)
    assert verdict.kind is Kind.FAILED and "Escaped" in verdict.failure.message and word in verdict.failure.message
    with fenced():
        assert time.time() > 0 and random.random() < 1
    assert not hasattr(time.time, "fence") and not hasattr(socket.socket.__init__, "fence")


@pytest.mark.parametrize(
    ("call", "word"),
    [(lambda: datetime.now(), "datetime.now"), (lambda: datetime.today(), "datetime.today"), (lambda: date.today(), "date.today"),
     (lambda: by_name["time"](), "time.time"), (lambda: by_name["random"](), "random.random"), (lambda: by_name["randint"](1, 6), "random.randint"),
     (lambda: by_name["uuid4"](), "uuid.uuid4"), (lambda: by_name["perf_counter_ns"](), "time.perf_counter_ns")],
)  # fmt: skip
@pytest.mark.parametrize("search", [explore, exhaust])
def test_a_clock_or_chance_that_was_imported_by_name_is_refused_with_its_line(call, word, search):
    line = call.__code__.co_firstlineno

    def scenario(world: World) -> None:
        async def main() -> None:
            await world.io("work")
            call()

        world.process("bot", main)

    with pytest.raises(ScenarioError, match=re.escape(f"{word}() in a simulated process could not be replayed (test_calls.py, line {line})")):
        search(scenario)
    assert sys.getprofile() is None


def test_chance_that_was_imported_by_name_and_is_asked_in_a_later_schedule_only_is_found():
    def scenario(world: World) -> None:
        came: list[int] = []

        async def signal(number: int) -> None:
            await world.io("signal")
            came.append(number)
            if came == [1]:
                randint(1, 6)

        async def main() -> None:
            await asyncio.gather(signal(0), signal(1))

        world.process("bot", main)

    before, verdict = randint, explore(scenario)
    assert verdict.schedules > 1 and "random.randint() in a simulated process could not be replayed (test_calls.py" in verdict.failure.message
    assert randint is before


def test_libraries_and_the_world_may_ask_what_time_it_is_while_the_first_schedule_is_watched():
    def scenario(world: World) -> None:
        assert by_name["time"]() > 0, "nobody lives yet"

        async def main() -> None:
            await world.io("work", lambda: by_name["time"]())
            logging.getLogger("bot").warning("stamped by the library")

        world.process("bot", main)

    assert explore(scenario, schedules=3).kind is Kind.CUT


def test_a_profiler_that_listens_already_is_left_alone():
    heard = []

    def scenario(world: World) -> None:
        async def main() -> None:
            datetime.now()
            await world.io("work")

        world.process("bot", main)

    def profiler(frame, event, called):
        heard.append(event)

    sys.setprofile(profiler)
    try:
        explore(scenario, schedules=3)
        assert sys.getprofile() is profiler and heard
    finally:
        sys.setprofile(None)


@pytest.mark.parametrize(
    "keep", [lambda at: sqlite3.connect(at), lambda at: open(at, "w"), lambda at: open(at, mode="a"), lambda at: open(at, "r+b"),  # noqa: SIM115
             lambda at: at.open("x"), lambda at: at.write_text("AAPL"), lambda at: at.write_bytes(b"AAPL")],
)  # fmt: skip
def test_what_would_be_left_to_the_next_schedule_is_refused_and_not_written(keep, tmp_path):
    place = tmp_path / "bot.db"

    def scenario(world: World) -> None:
        async def main() -> None:
            await world.io("work")
            keep(place)

        world.process("bot", main)

    verdict = explore(scenario, schedules=3)
    assert verdict.kind is Kind.FAILED and "leaves something to the next schedule" in verdict.failure.message
    assert not place.exists()


def test_memory_and_files_that_are_only_read_are_no_business_of_the_fence(tmp_path):
    place = tmp_path / "bot.toml"
    place.write_text("size = 1")
    texts = []

    def scenario(world: World) -> None:
        database = sqlite3.connect(":memory:", isolation_level=None)

        async def main() -> None:
            await world.io("work", lambda: (tmp_path / "world.txt").write_text("the world itself may"))
            sqlite3.connect("file:own?mode=memory", uri=True).close()
            database.execute("SELECT 1")
            database.close()
            with open(place) as file, place.open("rb") as same:
                texts.append(file.read() + place.read_text() + same.read().decode())

        world.process("bot", main)

    verdict = explore(scenario, schedules=3)
    assert verdict.kind is Kind.CUT and set(texts) == {"size = 1" * 3}, verdict.failure


def test_what_one_schedule_left_in_memory_and_the_next_one_found_is_noticed():
    done = []

    def scenario(world: World) -> None:
        async def main() -> None:
            if not done:
                await world.io("order")
                done.append(1)

        world.process("bot", main)

    with pytest.raises(Unsteady, match="keeps something between calls"):
        explore(scenario, schedules=3, first=7)


@pytest.mark.parametrize(
    ("call", "word"),
    [(lambda: time.time(), "time.time"), (lambda: sqlite3.connect("bot.db"), "sqlite3.connect"),
     (lambda: asyncio.get_running_loop().stop(), "loop.stop"), (lambda: asyncio.get_running_loop().add_reader(0, print), "loop.add_reader")],
)  # fmt: skip
def test_a_program_that_catches_what_the_fence_raises_is_convicted_all_the_same(call, word):
    def scenario(world: World) -> None:
        async def main() -> None:
            with suppress(Exception):
                call()
            await world.io("work")

        world.process("bot", main)

    verdict = explore(scenario, schedules=3)
    assert verdict.kind is Kind.FAILED and word in verdict.failure.message and "caught by the program" in verdict.failure.message


KEPT = asyncio.Lock()
KEPT_QUEUE: asyncio.Queue[int] = asyncio.Queue()


def test_two_runs_of_the_first_schedule_that_asked_for_other_things_or_ended_otherwise_are_told_apart():
    times = []

    def asks(world: World) -> None:
        times.append(1)

        async def main() -> None:
            await world.io(f"order {len(times)}")

        world.process("bot", main)

    with pytest.raises(Unsteady, match=re.escape("(first 'A order 1', then 'A order 2')")):
        explore(asks)
    times.clear()

    def ends(world: World) -> None:
        times.append(1)

        async def main() -> None:
            await world.io("order")

        world.process("bot", main)
        world.at_end("once", lambda: len(times) == 1)

    with pytest.raises(Unsteady, match=re.escape("(first 'no failure', then 'once: it does not hold')")):
        explore(ends)


async def _locks() -> None:
    async with KEPT:
        await asyncio.sleep(1)


async def _queues() -> None:
    with suppress(Exception):
        await asyncio.wait_for(KEPT_QUEUE.get(), 1)


@pytest.mark.parametrize(("waits", "word"), [(_locks, "Lock"), (_queues, "Queue")])
def test_a_lock_that_outlives_the_schedule_is_no_finding_and_told_with_its_line(waits, word):
    def scenario(world: World) -> None:
        async def main() -> None:
            await world.io("work")
            await asyncio.gather(waits(), waits())

        world.process("bot", main)

    with pytest.raises(ScenarioError, match=rf"asyncio.{word} \(.*line \d+\) was used by another schedule .* make it inside main"):
        explore(scenario, schedules=3)


@pytest.mark.parametrize(
    ("call", "word"),
    [(lambda: random.Random().random(), "random.Random"), (lambda: np.random.rand(), "numpy.random.rand"),
     (lambda: np.random.default_rng().random(), "numpy.random.default_rng"), (lambda: np.random.shuffle([1, 2]), "numpy.random.shuffle"),
     (lambda: signal.signal(signal.SIGINT, print), "signal.signal"), (lambda: signal.alarm(9), "signal.alarm")],
)  # fmt: skip
def test_dice_without_a_seed_and_the_systems_signals_are_refused_with_their_line(call, word):
    before = signal.getsignal(signal.SIGINT)

    def scenario(world: World) -> None:
        async def main() -> None:
            await world.io("work")
            call()

        world.process("bot", main)

    found = explore(scenario, schedules=3).failure
    line = call.__code__.co_firstlineno
    assert found is not None and f"{word}() in a simulated process could not be replayed (test_calls.py, line {line})" in found.message
    assert signal.getsignal(signal.SIGINT) is before and not hasattr(np.random.rand, "fence")


def test_dice_with_a_seed_are_a_function_of_the_schedule():
    def scenario(world: World) -> None:
        async def main() -> None:
            thrown = random.Random(7).random(), float(np.random.default_rng(7).random())
            await world.io(f"throw {thrown}")

        world.process("bot", main)

    assert explore(scenario, schedules=3).kind is Kind.CUT
