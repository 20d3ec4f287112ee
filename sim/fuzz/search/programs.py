"""Random small programs, on which the explorers must agree about every end.

Theory of operation. A program is a few tasks of a few instructions on two shared cells, a
lock, a row in a far place and a list there. Instructions read, write, wait, ask, loop
over what was asked, hold the lock. All that is shared is told with `world.touch`, so that DPOR
may know it. The end of a run is the cells, the row and each task's own value: two
explorers that miss nothing see the same set of ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, NamedTuple

from sim.fuzz.choices import Tape
from sim.fuzz.explore import Scenario
from sim.fuzz.world import World

KINDS = ("read", "write", "add", "wait", "ask", "tell", "claim", "lock", "loop", "both")


class Program(NamedTuple):
    """Instructions (kind, cell) of each task; alike tasks have the same tuple."""

    tasks: tuple[tuple[tuple[str, int], ...], ...]


def random_program(seed: int) -> Program:
    """Return program number `seed`."""
    tape = Tape(seed)
    count = 2 + tape.below(2)
    kinds = [tuple((KINDS[tape.below(len(KINDS))], tape.below(2)) for _ in range(1 + tape.below(5 - count))) for _ in range(2)]
    return Program(tuple(kinds[tape.below(2)] for _ in range(count)))


class Machine:
    """What the tasks of a program share."""

    def __init__(self, world: World) -> None:
        self.world, self.cells, self.row, self.values = world, [0, 0], 0, list[int]()
        self.lock: asyncio.Lock | None = None

    async def task(self, program: tuple[tuple[str, int], ...]) -> None:
        """Run one task; keep its value for the end."""
        value = 1
        for kind, cell in program:
            value = await getattr(self, f"_{kind}")(cell, value)
        self._touch("values")
        self.values.append(value)
        self.values.sort()

    def _touch(self, what: str, write: bool = True) -> None:
        self.world.touch(what, write)

    async def _read(self, cell: int, value: int) -> int:
        self._touch(f"cell {cell}", False)
        return 3 * value + self.cells[cell]

    async def _write(self, cell: int, value: int) -> int:
        await self._wait(cell, value)
        self._touch(f"cell {cell}")
        self.cells[cell] = value % 7
        return value

    async def _add(self, cell: int, value: int) -> int:
        """Read, wait, write: the classic lost update."""
        self._touch(f"cell {cell}", False)
        seen = self.cells[cell]
        await self._wait(cell, value)
        self._touch(f"cell {cell}")
        self.cells[cell] = seen + 1
        return value

    async def _wait(self, cell: int, value: int) -> int:
        await self.world.io("wait")
        return value

    async def _ask(self, cell: int, value: int) -> int:
        return value + int(await self.world.io("ask", lambda: self.row, resource="row"))

    async def _tell(self, cell: int, value: int) -> int:
        def effect() -> None:
            self.row = 2 * self.row + 1 + cell

        await self.world.io("tell", effect, resource="row")
        return value

    async def _claim(self, cell: int, value: int) -> int:
        self._touch(f"cell {cell}")
        if self.cells[cell] == 0:
            self.cells[cell] = 5
            await self._wait(cell, value)
            return value + 10
        return value

    async def _lock(self, cell: int, value: int) -> int:
        self._touch("lock")
        self.lock = self.lock or asyncio.Lock()
        async with self.lock:
            value = await self._add(cell, value)
            self._touch("lock")
        return value

    async def _loop(self, cell: int, value: int) -> int:
        """Loop over an answer that no variable holds: the iterator is on the value stack only."""
        for part in await self.world.io("list", lambda: [self.row % 2, 1], resource="row"):
            await self._wait(cell, value)
            value = 2 * value + part
        return value

    async def _both(self, cell: int, value: int) -> int:
        """Two events of one task at the same time."""
        first, second = self.world.io("one", lambda: self.row, resource="row"), self.world.io("two")
        await second
        return value + int(await first)


def scenario_of(program: Program, ends: set[Any]) -> tuple[Scenario, Callable[[World], None]]:
    """Return a scenario of a program, and what adds the end of a run to `ends`."""
    machines: list[Machine] = []

    def scenario(world: World) -> None:
        machine = Machine(world)
        machines[:] = [machine]

        async def main() -> None:
            await asyncio.gather(*(machine.task(task) for task in program.tasks))

        world.share(machine)
        world.process("program", main)

    def ended(world: World) -> None:
        machine = machines[0]
        ends.add((tuple(machine.cells), machine.row, tuple(machine.values)))

    return scenario, ended
