"""A schedule told by what happens and not by who does it: with a signal less, everything that comes later has another number.

Theory of operation. Tasks and orders are numbered as they are made. Where a handler starts a task for each order, leaving out the first
signal calls the task of the second one otherwise, and the market's lane as well, so its moves would be skipped. A told
line keeps what a move is about (`order`, an answer or not), and the lane that made it. When it is told again, the
oldest lane about to do the like takes that part, and keeps it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from sim.fuzz.faults import WORLDS, parse
from sim.fuzz.processes import Lane
from sim.fuzz.replay import Script
from sim.fuzz.world import World


class Line(NamedTuple):
    """One move: its step, whose it is, what it is about ("" where no lane moves), and whom ("AAPL")."""

    step: str
    lane: str
    about: str
    name: str


Lines = tuple[Line, ...]


def about(lane: Lane) -> str:
    """Return what a lane will do next: the first word of its label, and whether that is an answer or report."""
    return f"{lane.label.partition(' ')[0]}{'' if lane.effect is not None else ' <'}"


def line_of(step: str, lane: Lane | None) -> Line:
    """Return a move as a line; moves wait until nothing is ready when they are told again."""
    step = step.partition("~")[0]
    name, fault = parse(step)
    if lane is None or (fault in WORLDS and fault != "cancel"):
        return Line(step, name, "", "")
    return Line(step, name, about(lane), lane.label.partition(" ")[2])


class Retold(Script):
    """Makes the moves of a told schedule with whatever lanes take the parts of its own."""

    def __init__(self, world: World, lines: Sequence[Line]) -> None:
        super().__init__(world, [line.step for line in lines], False)
        self._lines, self._parts = lines, dict[str, str]()

    def pick(self, pending: list[Lane]) -> int:
        """Make the next move that somebody can make, or the one that comes by itself."""
        while self._at < len(self._lines):
            line = self._lines[self._at]
            self._at += 1
            step = self._step(line, pending)
            if step and self._world.can(step):
                return self._make(step, pending)
        return self._go_on(pending)

    def _step(self, line: Line, pending: list[Lane]) -> str:
        """Return the step by which the lane that has the part of another makes its move; "" where nobody can have it."""
        if line.about and line.lane not in self._parts:
            taken = self._parts.values()
            free = [lane.name for lane in pending if about(lane) == line.about and lane.name not in taken and lane.name[0] == line.lane[0]]
            if not free:
                return ""
            self._parts[line.lane] = free[0]
        return line.step.replace(line.lane, self._parts.get(line.lane, line.lane), 1)


def shorter(lines: Lines) -> Iterator[Lines]:
    """Yield the lines without those about each name, and without those of each lane."""
    names = dict.fromkeys(line.name for line in lines if line.name)
    lanes = dict.fromkeys(line.lane for line in lines if line.about)
    for gone in (*names, *lanes):
        left = tuple(line for line in lines if gone not in (line.name, line.lane))
        if left:
            yield left
