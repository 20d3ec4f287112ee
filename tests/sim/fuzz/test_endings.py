"""How a program ended is told in its own words, whichever way it ended."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import Callable, Coroutine

import anyio
import pytest

from sim.fuzz import ScenarioError, World, explore, replay
from sim.fuzz.search import exhaust
from sim.fuzz.show.lanes import lanes_of


@pytest.mark.parametrize("polls", [False, True])
def test_a_program_that_waits_for_a_task_that_failed_unasked_is_convicted_of_that_failure(polls: bool) -> None:
    def scenario(world: World) -> None:
        async def work() -> None:
            await world.io("order")
            raise ValueError("rejected")

        async def main() -> None:
            done = asyncio.Event()
            keep = asyncio.create_task(work())
            while polls and not done.is_set():
                await asyncio.sleep(1)
            await done.wait()
            await keep

        world.process("bot", main)

    found = explore(scenario, schedules=3).failure
    assert found is not None and found.invariant == "no exception"
    assert re.search(r"ended with ValueError: rejected \(test_endings.py, line \d+\); nobody asked it", found.message), found


async def _leaves() -> None:
    sys.exit(3)


async def _fails_in_a_group() -> None:
    async with asyncio.TaskGroup() as group:
        for text in ("boom", "bang"):
            group.create_task(_raises(text))


async def _raises(text: str) -> None:
    await asyncio.sleep(0)
    raise RuntimeError(text)


BOOM = _raises.__code__.co_firstlineno + 2


@pytest.mark.parametrize(
    ("program", "words"),
    [(_leaves, "the program called sys.exit(3)"),
     (_fails_in_a_group, f"bot ended with ExceptionGroup of RuntimeError: boom (test_endings.py, line {BOOM}) (and 1 more)")],
)  # fmt: skip
def test_how_a_program_ended_is_told_in_its_own_words(program: Callable[[], Coroutine[object, object, None]], words: str) -> None:
    def scenario(world: World) -> None:
        async def main() -> None:
            await world.io("work")
            await program()

        world.process("bot", main)

    found = explore(scenario, schedules=2).failure
    assert found is not None and (found.invariant, found.message) == ("no exception", words)


def test_an_exception_from_a_library_or_a_callback_is_told_with_the_line_of_the_program() -> None:
    def scenario(world: World) -> None:
        async def main() -> None:
            await world.io("work")
            if world.draw("which", 2) == 0:
                json.loads("{")
            asyncio.get_running_loop().call_later(1, lambda: json.loads("{"))
            await asyncio.sleep(2)

        world.process("bot", main)

    line = scenario.__code__.co_firstlineno
    for which, place in ((0, line + 4), (1, line + 5)):
        _, found = replay(scenario, ("A",), draws=(which,))
        assert found is not None and found.message.endswith(f"(char 1) (test_endings.py, line {place})"), found


def test_an_exception_that_came_out_of_a_librarys_task_group_is_told_with_the_line_of_the_program() -> None:
    def scenario(world: World) -> None:
        async def main() -> None:
            async with anyio.create_task_group() as group:
                group.start_soon(anyio.connect_tcp, "127.0.0.1", 9)

        world.process("bot", main)

    found = explore(scenario, schedules=1).failure
    line = scenario.__code__.co_firstlineno + 2
    assert found is not None and re.search(rf"a socket in a simulated world; .* \(test_endings.py, line {line}\)", found.message), found


def test_where_a_program_waits_for_ever_is_told_of_its_main_and_of_its_first_tasks() -> None:
    def scenario(world: World) -> None:
        never = asyncio.Event()

        async def inner() -> None:
            await never.wait()

        async def main() -> None:
            await asyncio.gather(*(inner() for _ in range(5)))

        world.process("bot", main)

    found = explore(scenario, schedules=1).failure
    assert found is not None and found.invariant == "ends"
    line = scenario.__code__.co_firstlineno
    places = [f"A{number} in inner, line {line + 4} > Event.wait, line " for number in (1, 2, 3)]
    assert found.message.startswith(f"waits for what can no longer happen: bot in main, line {line + 7}; {places[0]}")
    assert all(place in found.message for place in places) and "A4" not in found.message and found.message.endswith("; ...")


def test_where_a_program_is_that_goes_on_for_ever_is_told() -> None:
    def scenario(world: World) -> None:
        world.steps_max = 20

        async def main() -> None:
            while True:
                await asyncio.sleep(1)

        world.process("bot", main)

    found = explore(scenario, schedules=1).failure
    line = scenario.__code__.co_firstlineno + 5
    assert found is not None and found.message.startswith("the schedule did not end within 20 moves; ")
    assert f": bot in main, line {line} > sleep, line " in found.message


def test_a_main_that_is_no_function_is_refused_by_what_it_should_be() -> None:
    with pytest.raises(ScenarioError, match="this one made int: write `async def main\\(\\)`, pass `main`"):
        explore(lambda world: world.process("bot", 5) and None)  # type: ignore[arg-type]


def once(world: World) -> None:
    """Start a program of one event."""

    async def main() -> None:
        await world.io("work")

    world.process("bot", main)


@pytest.mark.filterwarnings("error")
def test_an_async_scenario_is_refused_by_what_it_should_be() -> None:
    async def scenario(world: World) -> None: ...

    with pytest.raises(ScenarioError, match=r"the scenario is async; write `def scenario\(world\)` and give `async def main\(\)` to"):
        explore(scenario)  # type: ignore[arg-type]


@pytest.mark.parametrize("demand", [World.always, World.at_end])
def test_a_check_that_asserts_is_an_invariant_and_one_that_stumbles_is_a_fault_of_the_scenario(demand: Callable[..., None]) -> None:
    def asserts() -> None:
        assert not sys.version_info, "five were held"

    def scenario(world: World) -> None:
        once(world)
        demand(world, "at most four", asserts)

    found = explore(scenario, schedules=1).failure
    assert found is not None and found.invariant == "at most four" and found.message.startswith("five were held")

    def stumbling(world: World) -> None:
        once(world)
        demand(world, "cash", lambda: 1 / 0)

    with pytest.raises(ScenarioError, match=r"the check 'cash' raised ZeroDivisionError: division by zero \(test_endings.py, line \d+\)"):
        explore(stumbling, schedules=1)


def test_a_state_that_cannot_be_shown_is_a_fault_of_the_scenario() -> None:
    def scenario(world: World) -> None:
        once(world)
        world.show("held", lambda: 1 / 0)
        world.at_end("never", lambda: False)

    found = explore(scenario, schedules=1).failure
    assert found is not None
    with pytest.raises(ScenarioError, match="what world.show shows raised ZeroDivisionError"):
        lanes_of(scenario, found)


@pytest.mark.parametrize("search", [explore, exhaust])
def test_a_dial_that_the_scenario_does_not_have_is_refused_with_those_it_has(search: Callable[..., object]) -> None:
    def scenario(world: World) -> None:
        world.dial("signals", 2)
        once(world)

    search(scenario, dials={"signals": 3})
    search(scenario, dials={"s": 3})
    with pytest.raises(ScenarioError, match="the scenario has no dial 'signal'; it has signals"):
        search(scenario, dials={"signal": 3})
    with pytest.raises(ScenarioError, match="the scenario has no dial 'signals'; it has none"):
        search(once, dials={"signals": 3})
