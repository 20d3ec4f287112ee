"""The runs of a complete search: each fills a new world, and the search picks its moves.

Theory of operation. A search keeps no worlds, it runs again from the start; how a run ends is the same for all
searches. A violation ends the search as failed, a state that cannot be looked into as cut; a pruned run is
one whose rest was tried elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from sim.fuzz.choices import Tape
from sim.fuzz.explore import Kind, Scenario, Verdict, failure_of, fill
from sim.fuzz.processes import Lane, Violation
from sim.fuzz.search.freeze import Opaque
from sim.fuzz.world import World


class Pruned(BaseException):
    """The rest of this run is known, or tried elsewhere."""


def require_rest(world: World) -> None:
    """Require that nothing is ready to run.

    Raises:
        Opaque: a task polls; a state in the middle of that has no key.
    """
    if world.loop.ready:
        raise Opaque("a task that polls with sleep(0) is never at rest")


class Search(Protocol):
    """What decides the moves of a run."""

    def begin(self, world: World) -> None:
        """Take up the next branch in a new world."""

    def pick(self, pending: list[Lane]) -> int:
        """Return the index of the lane that moves, or -1 when the search moved the world itself; may raise Pruned."""

    def settle(self) -> None:
        """Look at the end of a run."""


class Runs:
    """The runs so far.

    Attributes:
        count, moves: of all runs. world: the last one.
    """

    def __init__(self, scenario: Scenario, dials: dict[str, int] | None, ended: Callable[[World], None] | None) -> None:
        self._scenario, self._dials, self._ended = scenario, dials, ended
        self.count, self.moves = 0, 0
        self.world = World()

    def once(self, search: Search) -> Verdict | None:
        """Run the search's next branch; return its verdict if this ends the search."""
        world = self.world = World(Tape(script=()), self._dials)
        self.count += 1
        try:
            self._live(world, search)
        except Pruned:
            pass
        except Violation as found:
            bound, moves = f"run {self.count:,} of a complete search", self.moves + len(world.trace)
            return Verdict(Kind.FAILED, self.count, bound, failure_of(world, found), moves)
        except Opaque as unknown:
            return Verdict(Kind.CUT, self.count, f"{unknown}; sample it instead", None, self.moves)
        self.moves += len(world.trace)
        return None

    def _live(self, world: World, search: Search) -> None:
        fill(self._scenario, world)
        search.begin(world)
        world.run(search.pick)
        search.settle()
        if self._ended is not None:
            self._ended(world)
