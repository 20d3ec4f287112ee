"""The runner with one guard taken out, as scenarios: `mutant.busted_orders_wait`, for tokens and for the command line.

Theory of operation. Each is a scenario of the runner depth, and `around()` takes the guard out while its schedules run; a search or a
replay enters it, and the real code is back afterwards. So a bug that was mended is shown again by a token: the guard is the mending.
"""

from __future__ import annotations

from functools import partial

from sim.fuzz import World
from sim.fuzz.explore import Scenario
from tests.scenarios.fuzz.runner_mutants import MUTANTS, RunnerMutant, without_guard


def _without(mutant: RunnerMutant) -> Scenario:
    def unguarded(world: World) -> None:
        mutant.scenario(world)

    unguarded.__name__ = unguarded.__qualname__ = mutant.name.replace(" ", "_")
    unguarded.__doc__ = f"The runner without a guard: {mutant.guard}."
    unguarded.around = partial(without_guard, mutant)  # type: ignore[attr-defined]
    return unguarded


SCENARIOS = {made.__name__: made for made in map(_without, MUTANTS)}
globals().update(SCENARIOS)
