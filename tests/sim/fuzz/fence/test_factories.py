"""What a program sets on its loop holds for itself alone, or is refused in words."""

from __future__ import annotations

import asyncio
import sys
from asyncio import as_completed

import pytest

from sim.fuzz import Kind, World, explore, replay
from sim.fuzz.loop import Loop
from sim.fuzz.search import exhaust


@pytest.mark.skipif(sys.version_info < (3, 12), reason="asyncio.eager_task_factory came with Python 3.12")
def test_the_eager_factory_makes_the_tasks_of_its_process_eager_and_no_others():
    log: list[str] = []

    async def task(world: World) -> None:
        log.append("began")
        await world.io("ask")

    def scenario(world: World) -> None:
        log.clear()

        async def eager() -> None:
            asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
            assert asyncio.get_running_loop().get_task_factory() is asyncio.eager_task_factory
            async with asyncio.TaskGroup() as group:
                group.create_task(task(world))
                log.append("made")

        async def lazy() -> None:
            await world.io("wait")
            assert asyncio.get_running_loop().get_task_factory() is None
            asyncio.create_task(task(world))
            log.append("made")
            await world.io("wait")

        world.process("eager", eager)
        world.process("lazy", lazy)

    world, found = replay(scenario, ["A1", "B", "B1", "B"])
    assert found is None and log == ["began", "made", "made", "began"]
    assert explore(scenario, schedules=200).kind is Kind.CUT and exhaust(scenario).kind is Kind.COMPLETE


def test_a_task_factory_of_ones_own_is_refused_with_the_line_and_none_is_the_default():
    def scenario(world: World) -> None:
        async def main() -> None:
            asyncio.get_running_loop().set_task_factory(None)
            await world.io("ask")
            asyncio.get_running_loop().set_task_factory(lambda loop, coro, **more: asyncio.Task(coro, loop=loop, **more))

        world.process("bot", main)

    found = explore(scenario, schedules=3).failure
    assert found is not None and "loop.set_task_factory() with a factory of one's own" in found.message
    assert f"(test_factories.py, line {scenario.__code__.co_firstlineno + 4})" in found.message


def test_every_method_of_an_event_loop_does_something_or_says_why_not():
    missing = [name for name in dir(asyncio.AbstractEventLoop) if name[0] != "_" and not hasattr(Loop(), name)]
    bare = [name for name in dir(Loop()) if name[0] != "_" and getattr(getattr(Loop(), name), "__module__", "") == "asyncio.events"]
    assert missing == [] and bare == []


def test_as_completed_begins_its_coroutines_in_the_order_that_was_written() -> None:
    """asyncio makes a set of them, and a coroutine's place in a set is its address: another one in each schedule."""

    def scenario(world: World) -> None:
        async def ask(symbol: str) -> str:
            await world.io(f"quote {symbol}")
            return symbol

        async def main() -> None:
            again = ask("TSLA")
            asked = [*map(ask, ("AAPL", "MSFT", "NVDA")), again, again]
            answers = [await answer for answer in asyncio.as_completed(asked)]
            assert sorted(answers) == ["AAPL", "MSFT", "NVDA", "TSLA"]
            answers = [await answer for answer in as_completed([ask("AMD"), asyncio.create_task(ask("IBM"))], timeout=60)]

        world.process("bot", main)

    heard: list[str] = []
    world = World()
    before = asyncio.as_completed, as_completed
    replay(scenario, (), world=world, watch=lambda step, lane: heard.append(lane.label if lane is not None else ""))
    assert heard == [f"quote {symbol}" for symbol in ("AAPL", "MSFT", "NVDA", "TSLA", "IBM", "AMD")]
    assert explore(scenario, schedules=100).kind is Kind.CUT and exhaust(scenario).kind is Kind.COMPLETE
    assert (asyncio.as_completed, as_completed) == before


def test_as_completed_refuses_what_it_always_refuses() -> None:
    def scenario(world: World) -> None:
        async def main() -> None:
            for _ in asyncio.as_completed(asyncio.get_running_loop().create_future()):  # type: ignore[arg-type]
                pass

        world.process("bot", main)

    found = explore(scenario, schedules=3).failure
    assert found is not None and "TypeError: expect" in found.message and "not Future" in found.message
