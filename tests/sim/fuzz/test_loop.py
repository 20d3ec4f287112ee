"""The loop keeps asyncio's promises, and the world its own: what may happen, happens; what may not, never does."""

from __future__ import annotations

import asyncio
import sys

import pytest

from sim.fuzz import Diverged, Escaped, Kind, ScenarioError, Violation, World, explore, replay, sample
from sim.fuzz.policies import Profile

FINE, BROKEN = Kind.CUT, Kind.FAILED


def test_ready_handles_stay_first_in_first_out():
    """The program that fuzzers which permute ready handles fail, although asyncio promises that it works."""

    def scenario(world: World) -> None:
        async def main() -> None:
            flags: list[int] = []

            async def a() -> None:
                flags.append(1)

            async def b() -> None:
                assert flags, "b ran before a"

            first, second = asyncio.create_task(a()), asyncio.create_task(b())
            await world.io("elsewhere")
            await first
            await second

        world.process("bot", main)

    assert explore(scenario, schedules=500).kind is FINE


def race(world: World) -> None:
    """Two tasks look, wait, then write what they saw plus one."""
    seen = {"count": 0}

    async def task() -> None:
        value = seen["count"]
        await world.io("look")
        seen["count"] = value + 1

    async def main() -> None:
        await asyncio.gather(*(task() for _ in range(world.dial("n", 4, 2))))

    world.process("bot", main)
    world.at_end("nothing is lost", lambda: seen["count"] == world.dials["n"])


def test_a_check_then_act_race_is_found_and_replays():
    verdict = explore(race)
    assert verdict.kind is BROKEN and verdict.failure is not None
    assert verdict.failure.invariant == "nothing is lost"
    _, again = replay(race, verdict.failure.steps, dials=verdict.failure.dials)
    assert again is not None and again.name == "nothing is lost"


def test_a_strict_replay_says_which_move_is_not_possible():
    with pytest.raises(Diverged, match=r"move 2 of 2 is 'A9'"):
        replay(race, ["A1", "A9"])
    _, found = replay(race, ["A1", "A9"], strict=False)
    assert found is not None


def test_each_schedule_of_a_seed_is_the_same_again():
    profile = Profile(10, {})
    for number in range(40):
        first, second = (sample(race, 3, number, profile)[0].trace for _ in range(2))
        assert first == second
    assert len({tuple(sample(race, 3, number, profile)[0].trace) for number in range(40)}) > 10


def test_timers_fire_in_order_and_cost_no_time():
    order = []

    def scenario(world: World) -> None:
        async def nap(seconds: float) -> None:
            await asyncio.sleep(seconds)
            order.append((seconds, world.now_ns()))

        async def main() -> None:
            async with asyncio.TaskGroup() as group:
                for seconds in (3600.0, 0.5, 60.0):
                    group.create_task(nap(seconds))

        world.process("bot", main)

    sample(scenario, 0, 0, Profile())
    assert [seconds for seconds, _ in order] == [0.5, 60.0, 3600.0]
    assert order[2][1] - order[0][1] == 3_599_500_000_000


def test_a_timeout_can_win_against_an_answer_only_where_the_clock_may_jump():
    def scenario(world: World) -> None:
        async def main() -> None:
            async with asyncio.timeout(1):
                await world.io("ask")

        world.process("bot", main)

    assert explore(scenario, schedules=50).kind is FINE
    verdict = explore(scenario, schedules=50, faults={"clock": 1})
    assert verdict.kind is BROKEN and "TimeoutError" in verdict.failure.message and verdict.failure.steps[0] == "clock"


@pytest.mark.skipif(sys.version_info < (3, 12), reason="tasks take `eager_start` since Python 3.12")
def test_an_eager_task_runs_at_once_on_a_lane_of_its_own():
    seen: list[str] = []

    def scenario(world: World) -> None:
        async def eager() -> None:
            seen.append("began")
            await world.io("ask")

        async def main() -> None:
            task = asyncio.get_running_loop().create_task(eager(), eager_start=True)
            seen.append("made")
            await task

        world.process("bot", main)

    world, found = replay(scenario, ["A1"])
    assert found is None and world.trace == ["A1"] and seen == ["began", "made"]


def test_an_effect_happens_before_its_answer_and_others_may_come_between():
    log: list[str] = []

    def scenario(world: World) -> None:
        log.clear()

        async def main() -> None:
            log.append(await world.io("ask", lambda: log.append("effect") or "answer"))

        async def other() -> None:
            await world.io("elsewhere")
            log.append("other")

        world.process("one", main)
        world.process("two", other)

    replay(scenario, ["A", "B", "A"])
    assert log == ["effect", "other", "answer"]


def test_an_effect_that_raises_raises_at_the_await():
    def scenario(world: World) -> None:
        def refuse() -> None:
            raise OSError("no")

        async def main() -> None:
            with pytest.raises(OSError, match="no"):
                await world.io("ask", refuse)

        world.process("bot", main)

    assert sample(scenario, 0, 0, Profile())[1] is None


def crashing(world: World) -> None:
    """A process that sends, then writes down; a crash in between sends again after the restart."""
    sent: list[int] = []
    written: list[int] = []

    async def main() -> None:
        try:
            if not written:
                await world.io("send", lambda: sent.append(1), survives=True)
                await world.io("write", lambda: written.append(1))
        finally:
            written.extend(() if world.processes[-1].alive else (9,))

    world.allow("crash")
    world.process("bot", main)
    world.always("sent once", lambda: len(sent) <= 1 or f"sent {len(sent)} times")
    world.always("the dead write nothing", lambda: 9 not in written)


def test_a_crash_between_sending_and_writing_is_found():
    verdict = explore(crashing, schedules=300)
    assert verdict.kind is BROKEN and verdict.failure.invariant == "sent once"
    assert "crash.A" in verdict.failure.steps
    assert replay(crashing, verdict.failure.steps)[1].name == "sent once"


def test_a_request_on_the_wire_survives_its_sender_and_a_local_write_does_not():
    done: list[str] = []

    def scenario(world: World) -> None:
        done.clear()

        async def main() -> None:
            await asyncio.gather(world.io("wire", lambda: done.append("wire"), survives=True), world.io("disk", lambda: done.append("disk")))

        world.allow("crash")
        world.process("bot", main, restarts=False)

    replay(scenario, ["crash.A", "A"])
    assert done == ["wire"]


@pytest.mark.parametrize(("fault", "steps", "result"), [("", ["feed", "feed"], [1, 2]), ("dup", ["feed!dup", "feed", "feed"], [1, 2, 1]),
                                                        ("reorder", ["feed!reorder", "feed"], [2, 1]), ("lost", ["feed!lost", "feed"], [2])])  # fmt: skip
def test_reports_of_a_lane_come_in_order_unless_a_fault_says_otherwise(fault, steps, result):
    got: list[int] = []

    def scenario(world: World) -> None:
        got.clear()

        async def main() -> None:
            await world.io("wait")

        process = world.process("bot", main)
        for number in (1, 2):
            world.post("feed", "report", lambda number=number: got.append(number), to=process, faults=("dup", "reorder", "lost"))

    replay(scenario, [*steps, "A"])
    assert got == result


def test_a_wait_for_what_cannot_come_is_a_finding_that_names_the_line():
    def scenario(world: World) -> None:
        async def main() -> None:
            await asyncio.Event().wait()

        world.process("bot", main)

    _, found = sample(scenario, 0, 0, Profile())
    assert isinstance(found, Violation) and found.name == "ends" and "Event.wait" in found.message


@pytest.mark.parametrize("reach", ["connect", "thread", "reader"])
def test_the_real_world_is_out_of_reach(reach):
    def scenario(world: World) -> None:
        async def main() -> None:
            loop = asyncio.get_running_loop()
            if reach == "connect":
                await asyncio.open_connection("localhost", 1)
            elif reach == "thread":
                loop.run_forever()
            else:
                loop.add_reader(0, print)

        world.process("bot", main)

    _, found = sample(scenario, 0, 0, Profile())
    assert found is not None and Escaped.__name__ in found.message


def test_an_executor_is_an_effect_and_an_answer():
    def scenario(world: World) -> None:
        async def main() -> None:
            assert await asyncio.to_thread(lambda: 7) == 7

        world.process("bot", main)

    world, found = sample(scenario, 0, 0, Profile())
    assert found is None and world.trace == ["A", "A"]


@pytest.mark.parametrize("kind", ["crash", "twin", "cancel", "clock"])
def test_every_fault_of_the_world_can_be_replayed(kind):
    def scenario(world: World) -> None:
        async def child() -> None:
            async with asyncio.timeout(5):
                await world.io("step")
                await world.io("step")

        async def main() -> None:
            await asyncio.gather(child(), child(), return_exceptions=True)

        world.allow("crash", "twin", "cancel", "clock")
        world.process("bot", main)

    hits = 0
    for number in range(2, 200):
        world, found = sample(scenario, 1, number, Profile(6, {}), faults={kind: 1})
        hits += any(kind in step for step in world.trace)
        steps, dials = tuple(world.trace), world.dials
        again, same = replay(scenario, steps, dials=dials)
        assert again.trace == list(steps) and (same is None) == (found is None)
    assert hits > 20


def test_a_lost_connection_loses_what_is_on_its_way_and_nothing_else():
    got: list[object] = []

    def scenario(world: World) -> None:
        got.clear()

        async def ask() -> None:
            async with asyncio.timeout(9):
                await world.io("ask", lambda: got.append("asked"), survives=True)

        async def main() -> None:
            results = await asyncio.gather(ask(), world.io("disk", lambda: "row"), return_exceptions=True)
            got.append([type(result).__name__ for result in results])

        process = world.process("bot", main)
        world.post("feed", "tick", lambda: got.append("tick"), to=process)
        world.dropped.append(lambda process: got.append("lost"))

    _, found = replay(scenario, ["A1", "A", "drop.A"])
    assert found is None and got == ["asked", "lost", ["TimeoutError", "str"]]
    assert explore(scenario, faults={"drop": 1}, schedules=50).kind is FINE


def test_an_exception_that_nobody_asks_for_is_a_finding():
    def scenario(world: World) -> None:
        async def boom() -> None:
            await world.io("work")
            raise KeyError("lost")

        async def main() -> None:
            task = asyncio.create_task(boom(), name="background")
            await asyncio.sleep(1)
            del task

        world.process("bot", main)

    _, found = sample(scenario, 0, 0, Profile())
    assert found is not None and "KeyError" in found.message and "nobody asked" in found.message


@pytest.mark.parametrize(
    ("scenario", "words"),
    [(lambda world: None, "starts no program"), (lambda world: world.process("bot", lambda: 5), "made int"),
     (lambda world: 1 / 0, "division by zero .test_loop.py, line")],
)  # fmt: skip
def test_a_scenario_that_cannot_run_is_told_so(scenario, words):
    with pytest.raises(ScenarioError, match=words):
        explore(scenario, schedules=3)


def test_a_program_that_runs_for_ever_is_cut_short_with_advice():
    def scenario(world: World) -> None:
        async def main() -> None:
            while True:
                await world.io("tick")

        world.steps_max = 50
        world.process("bot", main)

    _, found = sample(scenario, 0, 0, Profile())
    assert found is not None and "daemon=True" in found.message


def test_a_wait_after_a_request_on_the_wire_is_not_on_the_wire_itself():
    """A lane is used again and again: what its last event was must not decide what a lost connection takes."""
    done: list[str] = []

    def scenario(world: World) -> None:
        done.clear()

        async def main() -> None:
            await world.io("ask", lambda: None, survives=True)
            await world.io("rest")
            done.append("rested")

        world.process("bot", main)
        world.dropped.append(lambda process: done.append("lost"))

    _, found = replay(scenario, ["A", "A", "drop.A"])
    assert found is None and done == ["lost", "rested"]


def test_who_watches_sees_every_move_of_both_modes():
    early = 0
    for mid in (False, True):
        for number in range(12):
            seen: list[str] = []
            world, _ = sample(race, 4, number, Profile(8, {}), watch=lambda step, lane, seen=seen: seen.append(step), mid=mid)
            assert seen == [step.partition("~")[0] for step in world.trace]
            early += sum("~" in step for step in world.trace)
    assert early > 3
