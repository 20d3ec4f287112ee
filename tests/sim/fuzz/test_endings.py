"""How a program ended is told in its own words, whichever way it ended."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine

import pytest

from sim.fuzz import ScenarioError, World, explore


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
    assert found is not None and found.invariant == "no exception" and "ended with ValueError: rejected; nobody asked it" in found.message


async def _leaves() -> None:
    sys.exit(3)


async def _fails_in_a_group() -> None:
    async with asyncio.TaskGroup() as group:
        for text in ("boom", "bang"):
            group.create_task(_raises(text))


async def _raises(text: str) -> None:
    await asyncio.sleep(0)
    raise RuntimeError(text)


@pytest.mark.parametrize(
    ("program", "words"),
    [(_leaves, "the program called sys.exit(3)"), (_fails_in_a_group, "bot ended with ExceptionGroup of RuntimeError: boom (and 1 more)")],
)  # fmt: skip
def test_how_a_program_ended_is_told_in_its_own_words(program: Callable[[], Coroutine[object, object, None]], words: str) -> None:
    def scenario(world: World) -> None:
        async def main() -> None:
            await world.io("work")
            await program()

        world.process("bot", main)

    found = explore(scenario, schedules=2).failure
    assert found is not None and (found.invariant, found.message) == ("no exception", words)


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


def test_a_main_that_is_no_function_is_refused_by_what_it_should_be() -> None:
    with pytest.raises(ScenarioError, match="this one made int: write `async def main\\(\\)`, pass `main`"):
        explore(lambda world: world.process("bot", 5) and None)  # type: ignore[arg-type]
