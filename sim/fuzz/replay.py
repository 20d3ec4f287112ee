"""Replaying the moves of a schedule: strictly for tokens, leniently for the shrinker.

Theory of operation. A strict replay makes exactly the listed moves and fails loudly at
the first that is not possible, saying what is possible instead: the code or the
scenario changed. A lenient replay skips such moves. Where the list ends, both go on with
the lane that moved last, and then with the oldest, so that a token may leave out
what follows by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext

from sim.fuzz.choices import Tape
from sim.fuzz.explore import Scenario, schedule
from sim.fuzz.fence import fenced
from sim.fuzz.processes import Lane, Violation
from sim.fuzz.world import World


def around(scenario: Scenario) -> AbstractContextManager[object]:
    """Return the context in which the schedules of a scenario run: its own `around()`, where something is to be taken out meanwhile."""
    made: AbstractContextManager[object] = getattr(scenario, "around", nullcontext)()
    return made


class Diverged(Exception):
    """A listed move is not possible: what is replayed is no longer what was recorded."""


class Script:
    """Picks the listed moves."""

    def __init__(self, world: World, steps: Sequence[str], strict: bool) -> None:
        self._world, self._steps, self._strict = world, steps, strict
        self._at, self._last = 0, ""

    def pick(self, pending: list[Lane]) -> int:
        """Make the next listed move, or go on with the lane that moved last."""
        while self._at < len(self._steps):
            step = self._steps[self._at]
            self._at += 1
            if self._world.can(step):
                self._last = step.partition("~")[0]
                self._world.do(step)
                return -1
            if self._strict:
                names = ", ".join([lane.name for lane in [*self._world.pending, *self._world.held]])
                raise Diverged(
                    f"move {self._at} of {len(self._steps)} is {step!r} and cannot happen: what can move is {names}. The code or the "
                    "scenario changed since the token was made; find the failure again with `onebook fuzz run`"
                )
        for index, lane in enumerate(pending):
            if lane.name == self._last:
                return index
        self._last = pending[0].name
        return 0

    def early(self, ran: int) -> bool:
        """Say whether the next listed move comes after so many ready handles."""
        while self._at < len(self._steps):
            step, mark, after = self._steps[self._at].partition("~")
            if not mark or int(after) != ran:
                return False
            if self._strict or self._world.can(step):
                return True
            self._at += 1
        return False


def replay(
    scenario: Scenario, steps: Sequence[str], *, dials: dict[str, int] | None = None, draws: Sequence[int] = (), strict: bool = True,
    watch: Callable[[str, Lane | None], None] | None = None, world: World | None = None,
) -> tuple[World, Violation | None]:  # fmt: skip
    """Run the listed moves of a scenario; return the world after them and what they violated.

    Raises:
        Diverged: strict, and a move is not possible.
    """
    world = world if world is not None else World(Tape(script=draws), dials)
    world.watch = watch
    script = Script(world, steps, strict)
    if any("~" in step for step in steps):
        world.early = script.early
    with fenced(), around(scenario):
        return world, schedule(scenario, world, script.pick)
