"""`exhaust`: every interleaving of a scenario, and every place of its faults, each state once.

Theory of operation. Depth first, without keeping worlds: a branch is a list of moves, run
again from the start. At each new choice the state's key is taken; a key seen before ends
the run, because everything that follows was tried from there. Without keys (`plain`)
this is the naive search, which the tests compare with. The verdict is `complete` only when
no branch is left: a budget that ends first, or a state that cannot be looked into, is `cut`.

Delivery is at rest only (`legal` mode). Labelled draws answer 0.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sim.fuzz.explore import Kind, Scenario, Verdict, first_come, quiet_memory
from sim.fuzz.faults import parse
from sim.fuzz.processes import Lane
from sim.fuzz.search.runs import Pruned, Runs, require_rest
from sim.fuzz.search.state import spent, state_of
from sim.fuzz.world import World


class _Search:
    def __init__(self, faults: dict[str, int] | None, plain: bool, symmetry: bool) -> None:
        self.faults, self.plain, self.symmetry = faults, plain, symmetry
        self.branches: list[tuple[str, ...]] = [()]
        self.seen: set[Any] = set()
        self._prefix: tuple[str, ...] = ()
        self._world: World = World()

    def begin(self, world: World) -> None:
        """Take up the branch that was kept last."""
        self._world, self._prefix = world, self.branches.pop()

    def pick(self, pending: list[Lane]) -> int:
        """Follow the branch; after its end, take the first move and keep the others for later."""
        world, trace = self._world, self._world.trace
        if len(trace) < len(self._prefix):
            step = self._prefix[len(trace)]
            for index, lane in enumerate(pending):
                if lane.name == step:
                    return index
            world.do(step)
            return -1
        require_rest(world)
        budget = world.allowed if self.faults is None else self.faults
        budget = spent(trace, budget) if budget else budget
        moves = [lane.name for lane in pending]
        for kind, left in budget.items():
            moves += world.options(kind) if left > 0 else []
        if not self.plain:
            state = state_of(world, budget, self.symmetry)
            if state.key in self.seen:
                raise Pruned
            self.seen.add(state.key)
            moves = _unlike(moves, state.alike)
        self.branches += [(*trace, move) for move in moves[:0:-1]]
        world.do(moves[0])
        return -1

    def settle(self) -> None:
        """Do nothing: an end has no branches."""


def _unlike(moves: list[str], alike: dict[str, Any]) -> list[str]:
    """Return one move of each class: moves of alike tasks lead to alike states."""
    kept: dict[Any, str] = {}
    for move in moves:
        lane, fault = parse(move) if "!" in move or "." in move else (move, "")
        kept.setdefault((alike.get(lane, lane), fault), move)
    return list(kept.values())


def exhaust(
    scenario: Scenario, *, dials: dict[str, int] | None = None, faults: dict[str, int] | None = None, runs: int = 100_000,
    plain: bool = False, symmetry: bool = True, ended: Callable[[World], None] | None = None, told: Callable[[int], None] | None = None,
) -> Verdict:  # fmt: skip
    """Try every schedule of a scenario.

    Args:
        faults: kind -> at most so many, instead of what the scenario allows. runs: budget.
        plain: compare no states. symmetry: alike tasks may change places.
        ended: called with each world that ran to its end. told: called with the number of runs so far.
    Returns:
        COMPLETE, CUT or FAILED, with the bound in words.
    """
    search, past, dialled = _Search(faults, plain, symmetry), Runs(scenario, dials, ended), dict[str, int]()
    with quiet_memory() as between:
        first_come(scenario, dials)
        while search.branches and past.count < runs:
            verdict = past.once(search)
            if verdict is not None:
                return verdict
            dialled |= past.world.dials
            between(past.count)
            if told is not None:
                told(past.count)
    left = past.world.allowed if faults is None else faults
    words = ", ".join(f"at most {most} {kind}" for kind, most in left.items()) or "no faults"
    sizes = ", ".join(f"{name} {value}" for name, value in dialled.items())
    what = f"interleaving at rest ({sizes or 'as it is'}; {words}; {past.count:,} runs)"
    if search.branches:
        return Verdict(Kind.CUT, past.count, f"not every {what}", None, past.moves)
    return Verdict(Kind.COMPLETE, past.count, f"every {what}", None, past.moves)
