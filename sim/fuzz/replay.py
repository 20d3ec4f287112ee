"""Replaying the moves of a schedule: strictly for tokens, leniently for the shrinker.

Theory of operation. A strict replay makes exactly the listed moves and fails loudly at
the first that is not possible, saying what is possible instead: the code, the
scenario or the Python changed. A lenient replay skips such moves. Where the list ends, and where it only counts moves
(`Onward`), both go on with the lane that moved last, and then with the oldest, so that a
token need not say what comes by itself: `told` leaves that out of a schedule.
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


class Onward(str):
    """An item of a script that names no move: so many moves, `*12`, that happen by themselves."""

    @property
    def moves(self) -> int:
        """Return how many."""
        return int(self[1:])


class Script:
    """Picks the listed moves, and goes on by itself where none is listed.

    Attributes:
        chosen: for each move that was made whether it is another than would have come by itself.
    """

    def __init__(self, world: World, steps: Sequence[str], strict: bool) -> None:
        self._world, self._steps, self._strict = world, steps, strict
        self._at, self._last, self._waits, self._is_early = 0, "", 0, False
        self.chosen: list[bool] = []
        if any("~" in step for step in steps):
            world.early = self.early

    def pick(self, pending: list[Lane]) -> int:
        """Make the next listed move, or the one that comes by itself."""
        while self._next_is_listed():
            step = self._steps[self._at]
            self._at += 1
            if self._world.can(step):
                return self._make(step, pending)
            if self._strict:
                names = ", ".join([lane.name for lane in [*self._world.pending, *self._world.held]])
                raise Diverged(
                    f"move {self._at} of {len(self._steps)} is {step!r} and cannot happen: what can move is {names}. The code, the "
                    "scenario or the Python changed since the token was made; find the failure again with `onebook fuzz run`"
                )
        self._waits -= self._waits > 0
        return self._go_on(pending)

    def _next_is_listed(self) -> bool:
        """Say whether a move is listed here."""
        while not self._waits and self._at < len(self._steps):
            step = self._steps[self._at]
            if not isinstance(step, Onward):
                return True
            self._at, self._waits = self._at + 1, step.moves
        return False

    def _usual(self, pending: list[Lane]) -> int:
        """Return which lane moves by itself: the one that moved last, or else the oldest."""
        return next((index for index, lane in enumerate(pending) if lane.name == self._last), 0)

    def _make(self, step: str, pending: list[Lane]) -> int:
        usual = pending[self._usual(pending)].name
        self._last = step.partition("~")[0]
        self.chosen.append(self._is_early or self._last != usual)
        self._is_early = False
        self._world.do(step)
        return -1

    def _go_on(self, pending: list[Lane]) -> int:
        index = self._usual(pending)
        self.chosen.append(False)
        self._last = pending[index].name
        return index

    def early(self, ran: int) -> bool:
        """Say whether the next listed move comes after so many ready handles."""
        while self._next_is_listed():
            step, mark, after = self._steps[self._at].partition("~")
            if not mark or int(after) != ran:
                return False
            if self._strict or self._world.can(step):
                self._is_early = True
                return True
            self._at += 1
        return False


def perform(scenario: Scenario, world: World, script: Script) -> Violation | None:
    """Run a scenario in a fresh world as a script says; return what it violated."""
    with fenced(), around(scenario):
        return schedule(scenario, world, script.pick)


def told(trace: Sequence[str], chosen: Sequence[bool]) -> tuple[str, ...]:
    """Return a script that names only the moves that were chosen: what lies between them is counted, what follows them is left out."""
    script: list[str] = []
    since = 0
    for step, by_choice in zip(trace, chosen, strict=True):
        if by_choice:
            script += [Onward(f"*{since}"), step] if since else [step]
        since = 0 if by_choice else since + 1
    return tuple(script)


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
    return world, perform(scenario, world, Script(world, steps, strict))
