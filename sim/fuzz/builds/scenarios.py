"""Two builds on one account: this one and another release, each with its own order manager, gate and journal.

Theory of operation. Both programs start at once and wish the same. One has the account; the other one waits
for it, and takes it over when the first has ended or was killed, at any moment. What one build leaves
behind is all that the next one knows of it: `rows` hands over the events themselves and is small enough to be searched
completely; `file` hands over the journal's file, with its schema, locks, leases, chain and marks. With `--old` the second
program is that release; without it both are this build.

A build that does not know a journal's schema refuses it, writes nothing, and ends; that is an answer, and it is counted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from sim.fuzz.builds.alias import Build, this_build
from sim.fuzz.builds.paper import Paper
from sim.fuzz.ports import Desk
from sim.fuzz.world import World
from sim.fuzz.zoo.real import BARS, QTY, Bot, Disk, Journal, demand_of_the_book

SYMBOL, CASH = "AAPL", 1_000_000
FAULTS = {"crash": 2, "slow": 1, "clock": 1, "late": 1, "dup": 1}
WAITS, WAIT_S, LOOKS, LOOK_S, REST_S = 8, 20.0, 6, 15.0, 50.0


Life = Callable[[Desk, Build, int], Coroutine[Any, Any, None]]


async def _trade(bot: Bot, signals: int) -> None:
    """Take up what is there, wish for the position in two bars' names, and look until the broker agrees."""
    await bot.start()

    async def wish(bar: str) -> None:
        await bot.signal(SYMBOL, BARS[int(bar)])

    await bot.desk.burst(wish, [str(number % len(BARS)) for number in range(signals)])
    for _ in range(LOOKS):
        await asyncio.sleep(LOOK_S)
        await bot.reconcile()
        if not await bot.desk.broker.open_orders():
            break
    bot.listens = False  # what comes now is the next life's to find


async def _on_rows(desk: Desk, disk: Disk, build: Build, signals: int) -> None:
    """One life over the events themselves."""
    for _ in range(WAITS):
        await desk.world.io("open journal", faults=("slow",), resource="db")
        if disk.lock(desk.world.here()):
            await _trade(Bot(desk, disk, build, Journal(disk, build)), signals)
            disk.unlock()
            return
        await asyncio.sleep(WAIT_S)


async def _on_file(desk: Desk, paper: Paper, build: Build, signals: int) -> None:
    """One life over the journal's file."""
    for _ in range(WAITS):
        await desk.world.io("open journal", faults=("slow",), resource="db")
        opened = paper.opened_by(build, desk.world)
        if opened is not None:
            try:
                await _trade(Bot(desk, paper, build, opened), signals)
            finally:
                opened.leave()
            return
        if desk.world.here() in paper.refused_by:
            return
        await asyncio.sleep(WAIT_S)


def _world(world: World, disk: Disk, life: Life, old: Build | None) -> Desk:
    desk, signals = Desk(world, CASH), world.dial("signals", 4, 1)
    desk.broker.rest_s = REST_S * world.draw("orders rest", 2)
    for kind, at_most in FAULTS.items():
        world.allow(kind, at_most=at_most)
    for name, build in (("new", this_build()), ("old", old or this_build())):
        world.process(name, partial(life, desk, build, signals))
    desk.demand_at_most(QTY, [SYMBOL])
    demand_of_the_book(desk, disk)
    world.show("refused", lambda: disk.refused)
    return desk


def rows(world: World, old: Build | None = None) -> None:
    """Put the running build and an old one on one account: what one recorded, the other one replays."""
    disk = Disk([SYMBOL], CASH)
    _world(world, disk, lambda desk, build, signals: _on_rows(desk, disk, build, signals), old)


def file(world: World, old: Build | None = None) -> None:
    """Put the running build and an old one on one account: the journal's file, with its schema and locks, goes from one to the other."""
    began = old if world.draw("begun by the old build", 2) == 1 else None
    paper = Paper([SYMBOL], CASH, began or this_build())
    _world(world, paper, lambda desk, build, signals: _on_file(desk, paper, build, signals), old)
    world.crashed.append(lambda process, how: paper.closes_what(process))
    world.always("one owner", paper.one_owner)
    world.at_end("the journal verifies", paper.verifies)
