"""Small correct bursts: what the searches prove completely, and what the fuzzer's speed is measured with.

Theory of operation. Each is a scenario in a few lines, with the size `signals`. All of them hold: the first in memory, the
second by a lock, the third by a durable claim under crashes and restarts.
"""

from __future__ import annotations

import asyncio

from sim.fuzz.world import World


def burst(world: World) -> None:
    """Eight signals of six awaits in memory, with a race at the end that an invariant would see."""
    positions: dict[str, int] = {}
    world_io = world.io

    async def signal() -> None:
        for _ in range(6):
            await world_io("step")
        positions["AAPL"] = positions.get("AAPL", 0) + 1

    async def main() -> None:
        await asyncio.gather(*(signal() for _ in range(world.dial("signals", 8))))

    world.process("bot", main)
    world.at_end("every signal came through", lambda: positions["AAPL"] == world.dials["signals"])


def locked(world: World) -> None:
    """Signals of six awaits under one lock: correct."""
    positions: dict[str, int] = {}
    orders: list[int] = []

    async def main() -> None:
        lock = asyncio.Lock()

        async def signal() -> None:
            for label in ("quote", "cash"):
                await world.io(label)
            async with lock:
                await world.io("risk")
                if "AAPL" not in positions:
                    await world.io("order", lambda: orders.append(1), resource="broker")
                    positions["AAPL"] = 1
                await world.io("row")

        await asyncio.gather(*(signal() for _ in range(world.dial("signals", 8))))

    world.process("bot", main)
    world.always("one order", lambda: len(orders) <= 1)


def crashing(world: World) -> None:
    """Signals that claim durably and then send; a crash anywhere, a restart, and the same signals again."""
    claims: dict[str, int] = {}
    orders: list[int] = []

    async def main() -> None:
        async def signal() -> None:
            await world.io("quote")
            if await world.io("claim", lambda: "AAPL" not in claims and claims.setdefault("AAPL", 1) == 1, resource="db"):
                await world.io("order", lambda: orders.append(1), resource="broker", survives=True)

        await asyncio.gather(*(signal() for _ in range(world.dial("signals", 8))))

    world.allow("crash", at_most=2)
    world.process("bot", main)
    world.always("one order", lambda: len(orders) <= 1)
