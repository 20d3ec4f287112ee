"""Async generators that are left open are closed as asyncio closes them, and with their process they just end."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from typing import Any

from sim.fuzz import Kind, World, explore, replay


def quotes(world: World, closed: list[int]) -> AsyncIterator[Any]:
    """Return quotes without end, which note when they were closed."""

    async def told() -> AsyncIterator[Any]:
        try:
            while True:
                yield await world.io("quote")
        finally:
            await world.io("closing", lambda: closed.append(1))

    return told()


def test_a_generator_that_was_left_open_is_closed_by_a_task_of_its_own_as_asyncio_does():
    closed: list[int] = []

    def scenario(world: World) -> None:
        async def main() -> None:
            async for _ in quotes(world, closed):
                break
            await world.io("order")

        world.process("bot", main)

    hooks = sys.get_asyncgen_hooks()
    assert explore(scenario, schedules=20).kind is Kind.CUT and sys.get_asyncgen_hooks() == hooks
    assert len(closed) == 22, "once a schedule, and the first one is run twice before"


def test_a_generator_of_a_process_that_died_is_not_closed():
    closed: list[int] = []

    def scenario(world: World) -> None:
        async def main() -> None:
            async for _ in quotes(world, closed):
                await world.io("order")

        world.process("bot", main, restarts=False)
        world.allow("crash")

    assert replay(scenario, ("A", "crash.A"))[1] is None and closed == []
