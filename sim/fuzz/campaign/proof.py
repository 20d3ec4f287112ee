"""A complete search as a report, so that it is shown and kept like any other."""

from __future__ import annotations

from collections.abc import Callable

from sim.fuzz import tokens
from sim.fuzz.campaign.coverage import Coverage
from sim.fuzz.campaign.run import Found, Report, ScenarioLine, Settings
from sim.fuzz.explore import Kind
from sim.fuzz.replay import around
from sim.fuzz.search import exhaust
from sim.fuzz.shrink import shrink


def prove(
    name: str, settings: Settings, runs: int, clock: Callable[[], float], told: Callable[[int, float, int], None] | None = None
) -> tuple[Report, Kind, str]:
    """Search every interleaving of a scenario; return the report, what it ended with, and the bound in words."""
    scenario, began = tokens.resolve(name), clock()

    def say(count: int) -> None:
        if told is not None:
            told(count, clock() - began, 0)

    with around(scenario):
        verdict = exhaust(scenario, dials=settings.dials, faults=settings.faults, runs=runs, told=say)
    found = []
    if verdict.failure is not None:
        made = shrink(scenario, verdict.failure)
        found.append(Found(name, tokens.make(name, scenario, made.failure, made.needed), verdict.schedules, made))
    line = ScenarioLine(name, verdict.schedules, verdict.moves, len(found))
    return Report([line], found, Coverage(), clock() - began, 1, settings.seed), verdict.kind, verdict.bound
