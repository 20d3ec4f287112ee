"""What the fuzzer promises of itself: no false alarm, no chance but the tape's, nothing it never tries."""

from __future__ import annotations

import asyncio
import contextvars
import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from sim.fuzz import KINDS, Kind, POLICIES, World, explore, replay, tokens
from sim.fuzz.campaign import campaign
from sim.fuzz.explore import Unsteady, sample
from sim.fuzz.policies import Profile
from sim.fuzz.search import dpor, exhaust

ROOT = Path(__file__).resolve().parents[3]
TOKENS = ROOT / "tests" / "tokens.txt"
SOAK = bool(os.environ.get("ONEBOOK_SOAK"))


async def _flags(world: World) -> None:
    flags = []

    async def a() -> None:
        flags.append(1)

    async def b() -> None:
        assert flags

    await asyncio.gather(asyncio.create_task(a()), asyncio.create_task(b()), world.io("elsewhere"))


async def _queue(world: World) -> None:
    queue: asyncio.Queue[int] = asyncio.Queue()
    got = []

    async def put(n: int) -> None:
        await world.io("work")
        queue.put_nowait(n)

    async def take() -> None:
        while len(got) < 6:
            got.append(await queue.get())

    async with asyncio.TaskGroup() as group:
        group.create_task(take())
        for n in range(3):
            queue.put_nowait(n)
        for n in range(3):
            group.create_task(put(10 + n))
    assert got[:3] == [0, 1, 2] and sorted(got[3:]) == [10, 11, 12]


async def _lock(world: World) -> None:
    """asyncio.Lock serves in the order of asking."""
    lock, asked, served = asyncio.Lock(), [], []

    async def use(n: int) -> None:
        await world.io("come")
        asked.append(n)
        async with lock:
            served.append(n)
            await world.io("use")

    await asyncio.gather(*(use(n) for n in range(4)))
    assert asked == served


async def _soon(world: World) -> None:
    order = []
    loop = asyncio.get_running_loop()
    for n in range(4):
        loop.call_soon(order.append, n)
    await world.io("wait")
    assert order == [0, 1, 2, 3]


async def _event(world: World) -> None:
    event, woken = asyncio.Event(), []

    async def wait(n: int) -> None:
        await event.wait()
        woken.append(n)

    tasks = [asyncio.create_task(wait(n)) for n in range(3)]
    await asyncio.sleep(0)
    await world.io("signal")
    event.set()
    await asyncio.gather(*tasks)
    assert woken == [0, 1, 2]


async def _timers(world: World) -> None:
    """A later timer never fires before an earlier one; results of gather keep their place."""
    fired = []

    async def after(seconds: float) -> float:
        await asyncio.sleep(seconds)
        fired.append(seconds)
        return seconds

    assert await asyncio.gather(after(3), after(1), after(2)) == [3, 1, 2]
    assert fired == [1, 2, 3]
    await world.io("end")


LEGAL = {f.__name__: f for f in (_flags, _queue, _lock, _soon, _event, _timers)}


@pytest.mark.parametrize("mid", [False, True])
@pytest.mark.parametrize("name", LEGAL)
def test_code_that_asyncio_promises_to_run_never_fails(name, mid):
    def scenario(world: World) -> None:
        world.process("program", lambda: LEGAL[name](world))

    for policy in POLICIES:
        verdict = explore(scenario, schedules=20_000 if SOAK else 150, policies=(policy,), mid=mid)
        assert verdict.kind is Kind.CUT, (policy, verdict.failure)


@pytest.mark.parametrize("search", [explore, exhaust, dpor])
def test_a_scenario_that_remembers_the_last_schedule_is_refused(search):
    calls = []

    def scenario(world: World) -> None:
        calls.append(1)

        async def main() -> None:
            for _ in calls:
                await world.io("work")

        world.process("bot", main)

    with pytest.raises(Unsteady, match="keeps something between calls"):
        search(scenario)


DIGEST = """
import hashlib, sys
from sim.fuzz.explore import profile_of, sample
from sim.fuzz import replay, tokens
whole = hashlib.sha256()
for name in ("zoo.real", "zoo.lagging_database", "zoo.lease_without_fence", "zoo.cycle_set", "example.typical", "zoo.partial_is_resent"):
    scenario = tokens.resolve(name)
    profile = profile_of(scenario)
    for _ in range(2):
        for number in range(int(sys.argv[1])):
            world, found = sample(scenario, 5, number, profile)
            whole.update(repr((name, number, world.trace, found and (found.name, found.message))).encode())
for line in open(sys.argv[2]).read().splitlines():
    said = tokens.read(line.split()[0])
    world, found = replay(tokens.resolve(said.scenario), said.steps, dials=said.dials, draws=said.draws, strict=line.split()[1] == "fails")
    assert (found is not None) == (line.split()[1] == "fails"), line
    whole.update(repr((line, world.trace, found and found.message)).encode())
print(whole.hexdigest())
"""


def test_schedules_and_tokens_are_the_same_in_fresh_processes_under_any_hash_seed():
    children = [
        subprocess.Popen([sys.executable, "-c", DIGEST, "400" if SOAK else "25", str(TOKENS)], cwd=ROOT, text=True, stdout=subprocess.PIPE,
                         env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)})
        for seed in ("0", "1", "random")
    ]  # fmt: skip
    digests = [child.communicate()[0].strip() for child in children]
    assert [child.returncode for child in children] == [0, 0, 0] and len(set(digests)) == 1 and len(digests[0]) == 64


def test_a_replay_of_a_bug_of_the_zoo_loads_no_compiler_and_no_table_library():
    code = "import sys, sim.fuzz.tokens, sim.fuzz.replay, sim.fuzz.zoo.scenarios; print({'numba', 'numpy', 'pandas'} & {*sys.modules})"
    child = subprocess.run([sys.executable, "-c", code], cwd=ROOT, text=True, capture_output=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert child.stdout.strip() == "set()", child.stderr


@pytest.mark.soak
def test_ten_thousand_replays_in_fresh_processes_come_out_the_same():
    from sim.fuzz.campaign.fresh import promises, replays

    kept = replays(list(promises(range(100))), 10_000, os.cpu_count() or 1)
    assert kept.replays == 10_000 and kept.broken == []


def test_a_set_of_tasks_has_the_order_in_which_they_were_made():
    orders = set()

    def scenario(world: World) -> None:
        async def main() -> None:
            tasks = {asyncio.create_task(world_io(n)) for n in range(6)}
            done, _ = await asyncio.wait(tasks)
            orders.add(tuple(task.result() for task in done))

        async def world_io(n: int) -> int:
            await world.io("work")
            return n

        world.process("bot", main)

    for _ in range(5):
        keep = [object() for _ in range(1000)]
        sample(scenario, 0, 0, Profile())
        del keep
    assert len(orders) == 1


@pytest.mark.parametrize("line", TOKENS.read_text().splitlines(), ids=lambda line: line.split(":")[1])
def test_a_schedule_that_once_failed_still_does_what_the_corpus_says(line):
    token, expected = line.split()[:2]
    said = tokens.read(token)
    _, found = replay(tokens.resolve(said.scenario), said.steps, dials=said.dials, draws=said.draws, strict=expected == "fails")
    assert (found is not None) == (expected == "fails"), found


def test_the_corpus_keeps_a_schedule_of_every_bug_of_the_zoo():
    from sim.fuzz.zoo.scenarios import ZOO

    kept = {tokens.read(line.split()[0]).scenario for line in TOKENS.read_text().splitlines()}
    assert {f"zoo.{name}" for name in ZOO} <= kept


def test_generators_reach_every_fault_at_every_await_it_can_strike():
    report = campaign(["zoo.real", *(f"zoo.{name}" for name in ("busy_swallowed", "lagging_database", "set_per_runner"))],
                      clock=time.perf_counter, schedules=1_500)  # fmt: skip
    struck = Counter()
    for fault, label, _, count in report.coverage.rows():
        struck[fault, label] += count
    missed = [pair for pair, count in struck.items() if not count]
    assert missed == [], missed
    assert len({fault for fault, _ in struck}) >= 16 <= len(KINDS)


def test_the_plugin_fails_a_test_with_lanes_and_a_token_and_replays_one(tmp_path):
    (tmp_path / "test_bot.py").write_text(
        "from sim.fuzz.examples.bot import repaired, typical\n"
        "def test_typical(fuzz):\n    fuzz(typical)\n"
        "def test_repaired(fuzz):\n    fuzz(repaired)\n"
    )

    def run(*words: str) -> subprocess.CompletedProcess:
        command = [sys.executable, "-m", "pytest", "-q", "-p", "sim.fuzz.campaign.plugin", "-p", "no:cacheprovider", *words, str(tmp_path)]
        return subprocess.run(command, cwd=tmp_path, text=True, capture_output=True, env={**os.environ, "PYTHONPATH": str(ROOT)})

    first = run("--fz-budget", "50")
    assert first.returncode == 1 and "1 failed, 1 passed" in first.stdout and "VIOLATION  bought once" in first.stdout
    token = first.stdout.partition("--fz-token '")[2].partition("'")[0]
    again = run("--fz-token", token, "-k", "typical")
    assert again.returncode == 1 and "VIOLATION  bought once" in again.stdout


def test_a_loop_that_permuted_ready_handles_would_fail_the_legal_programs(monkeypatch):
    from sim.fuzz import loop

    def last_in_first_out(ready):
        return lambda callback, *args, context=None: ready.appendleft((callback, args, context or contextvars.copy_context()))

    monkeypatch.setattr(loop, "_scheduler", last_in_first_out)

    def scenario(world: World) -> None:
        world.process("program", lambda: LEGAL["_flags"](world))

    assert explore(scenario, schedules=5).kind is Kind.FAILED


def polling(world: World) -> None:
    """A program that polls with `sleep(0)`, as asyncio allows."""
    state = {"ready": False}

    async def feed() -> None:
        await world.io("connect")
        await asyncio.sleep(2)
        state["ready"] = True

    async def main() -> None:
        task = asyncio.create_task(feed())
        while not state["ready"] and world.dial("answered", 1, 0):
            await asyncio.sleep(0)
        await task
        await asyncio.sleep(0 if world.dials["answered"] else 1)

    world.process("bot", main)


@pytest.mark.parametrize("mid", [False, True])
def test_a_program_that_polls_is_neither_failed_nor_waited_for(mid):
    assert explore(polling, schedules=20, mid=mid).kind is Kind.CUT
    world, _ = sample(polling, 0, 9, Profile(), mid=mid)
    again, found = replay(polling, world.trace)
    assert found is None and again.trace == world.trace and again.loop.now == world.loop.now
    assert exhaust(polling).kind is Kind.CUT and dpor(polling).kind is Kind.CUT, "what is never at rest is never proved"
    assert exhaust(polling, dials={"answered": 0}).kind is Kind.COMPLETE


@pytest.mark.parametrize("seconds", [0, 1])
def test_a_program_that_waits_for_ever_in_small_steps_is_a_finding(seconds):
    def scenario(world: World) -> None:
        async def main() -> None:
            while True:
                await asyncio.sleep(seconds)

        world.process("bot", main)

    _, found = sample(scenario, 0, 0, Profile())
    assert found is not None and found.name == "ends"
