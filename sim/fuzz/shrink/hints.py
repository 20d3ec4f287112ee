"""Chosen moves in a schedule that is another than theirs: when each of them comes.

Theory of operation. What the shrinker leaves out moves everything behind it, so a choice that is kept has to find its place
again. `Hints` looks at the time: as many moves came before it as in the schedule it was taken from, or more. That serves while
little changes. `Anchored` looks at the event: a fault strikes where one about the same thing comes by in a lane of the same kind,
whatever the lane's number is there (a report of an execution, on whichever connection), and a crash comes after a move about
the same thing as the move before it. That serves where most of a schedule is left out.
"""

from __future__ import annotations

import re
from typing import NamedTuple, cast

from sim.fuzz.faults import parse
from sim.fuzz.processes import Lane
from sim.fuzz.replay import Script
from sim.fuzz.shrink.stories import about
from sim.fuzz.world import World

_KIND = re.compile(r"\D*")


class Choice(NamedTuple):
    """A chosen move: how many came before it, its step, and what it and the move before it were about."""

    at: int
    step: str
    about: str = ""
    after: str = ""


Moves = tuple[Choice, ...]


class Hints(Script):
    """Makes each chosen move as soon as its time has come and it is possible."""

    def __init__(self, world: World, moves: Moves) -> None:
        super().__init__(world, [move.step for move in moves], False)
        self._due = list(moves)

    def pick(self, pending: list[Lane]) -> int:
        """Make the first move that is due and possible, or the one that comes by itself."""
        for at, move in enumerate(self._due):
            if move.at > len(self.chosen):
                break
            if self._world.can(move.step):
                del self._due[at]
                return self._make(move.step, pending)
        return self._go_on(pending)

    def early(self, ran: int) -> bool:
        """Say whether the first move that is due comes after so many ready handles."""
        if self._due and self._due[0].at <= len(self.chosen):
            step, mark, after = self._due[0].step.partition("~")
            self._is_early = bool(mark) and int(after) == ran and self._world.can(step)
        return self._is_early


class Anchored(Script):
    """Lets faults strike in turn, each where an event comes by that is about the same as the one it struck."""

    def __init__(self, world: World, faults: Moves) -> None:
        super().__init__(world, (), False)
        self._due, self._after = list(faults), ""

    def pick(self, pending: list[Lane]) -> int:
        """Let the next fault strike if it can here, or else make the move that comes by itself."""
        step = self._strike(self._due[0], pending) if self._due else ""
        if step:
            self._after = self._due.pop(0).about
            return self._make(step, pending)
        index = self._go_on(pending)
        self._after = about(pending[index])
        return index

    def _strike(self, move: Choice, pending: list[Lane]) -> str:
        """Return the step by which a fault happens now, "" if it does not."""
        lane, fault = parse(step := move.step.partition("~")[0])
        if f"{lane}!{fault}" != step:
            return step if self._after == move.after and self._world.can(step) else ""
        alike = (other.name for other in pending if about(other) == move.about and _kind_of(other.name) == _kind_of(lane))
        return next((found for name in alike if self._world.can(found := f"{name}!{fault}")), "")


def _kind_of(name: str) -> str:
    """Return the name of a lane up to its number: `facts.` of `facts.1`."""
    return cast("re.Match[str]", _KIND.match(name))[0]
