"""The ablation table: how many schedules each guard survives, beside the real one.

Theory of operation. Each exhibit is searched once per seed until it fails or the budget
ends; the first failure is shrunk to a token. The real guard goes through the same number
of schedules in the same world with the same faults, and through the world with every fault.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median
from typing import NamedTuple

from sim.fuzz import tokens
from sim.fuzz.explore import Scenario, explore
from sim.fuzz.shrink import Shrunk, shrink
from sim.fuzz.zoo.scenarios import BESIDE, SCENARIOS, ZOO, real

BUDGET = 200


class Line(NamedTuple):
    """One guard: found in `found` of `seeds`, after these many schedules; the shrunk failure of the first seed that has one."""

    guard: str
    disaster: str
    intact: bool
    found: int
    seeds: int
    median: float | None
    most: int | None
    token: str
    shrunk: Shrunk | None
    schedules: int
    moves: int


def line(name: str, scenario: Scenario, seeds: Sequence[int], budget: int = BUDGET, intact: bool = False) -> Line:
    """Search one guard."""
    counts, first, spent, moves = [], None, 0, 0
    for seed in seeds:
        verdict = explore(scenario, seed=seed, schedules=budget)
        spent, moves = spent + verdict.schedules, moves + verdict.moves
        if verdict.failure is not None:
            counts.append(verdict.schedules)
            first = first or verdict.failure
    made = shrink(scenario, first) if first is not None else None
    full = f"zoo.{name}"
    token = tokens.make(full, scenario, made.failure, made.needed) if made is not None else ""
    words = (scenario.__doc__ or "").strip().splitlines()
    middle, most = (median(counts), max(counts)) if counts else (None, None)
    return Line(name, words[0] if words else "", intact, len(counts), len(seeds), middle, most, token, made, spent, moves)


def table(seeds: Sequence[int], budget: int = BUDGET, names: Sequence[str] = (), told: Callable[[Line], None] | None = None) -> list[Line]:
    """Search every exhibit (or the named ones), the real guard beside each, and the real guard under every fault."""
    rows = []
    for name in names or ZOO:
        rows.append(line(name, SCENARIOS[name], seeds, budget))
        if told is not None:
            told(rows[-1])
    beside = [line(name, BESIDE[name], [seeds[0]], budget, intact=True) for name in names or ZOO]
    broken = [other for other in beside if other.found]
    rows += [other._replace(guard=f"the real guard beside {other.guard}") for other in broken]
    everything = line("real", real, seeds, budget, intact=True)
    spent, moves = (sum(getattr(other, what) for other in (everything, *beside)) for what in ("schedules", "moves"))
    words = "The real order manager and gate, beside each of these and under every fault."
    rows.append(everything._replace(disaster=words, schedules=spent, moves=moves))
    if told is not None:
        told(rows[-1])
    return rows
