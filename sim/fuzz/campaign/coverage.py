"""Coverage: which fault struck which await, and which refusals came of it; what never happened is a zero that shows.

Theory of operation. A generator that never reaches something says nothing about it, so a
campaign counts what it reached. A pair (fault, label) is possible once a lane with that
label could have been struck by that fault; the fault struck when a schedule has the
move. Codes are what the scenario noted (`world.note`) after the fault in the same schedule.
Labels lose their names and numbers: "order AAPL" counts as "order".
"""

from __future__ import annotations

import re
from collections import Counter
from functools import lru_cache

from sim.fuzz.faults import WORLDS, parse
from sim.fuzz.processes import Lane
from sim.fuzz.world import World

Cell = tuple[str, str, str]
"""(fault, label, code); code "" when nothing was noted after the fault."""
_NAME = re.compile(r"\s+\S*[A-Z0-9]\S*")


@lru_cache(maxsize=4096)
def plain(label: str) -> str:
    """Return a label without names and numbers."""
    return _NAME.sub("", label)


class Coverage:
    """Counts over many schedules."""

    def __init__(self) -> None:
        self.possible: set[tuple[str, str]] = set()
        self.counts: Counter[Cell] = Counter()
        self.happened: Counter[str] = Counter()
        """Answers and reports that came, by label: a program under test that never orders anything shows here."""
        self.demands: int | None = None
        """The most invariants that a schedule had; None where none ended."""
        self._strikable: set[tuple[str, str]] = set()
        self._struck: list[tuple[str, str, int]] = []
        self._moves = 0

    def __call__(self, step: str, lane: Lane | None) -> None:
        """Watch one move."""
        self._moves += 1
        if lane is not None and lane.effect is None:
            self.happened[plain(lane.label)] += 1
        _, fault = parse(step.partition("~")[0])
        if fault:
            self._struck.append((fault, plain(lane.label) if lane is not None else "-", self._moves))
        elif lane is not None and lane.faults:
            label = plain(lane.label)
            self._strikable.update((kind, label) for kind in lane.faults)

    def finish(self, world: World) -> None:
        """Count a schedule that ended."""
        self.demands = max(self.demands or 0, world.demands)
        self.possible.update(pair for pair in self._strikable if pair[0] in world.allowed)
        self.possible.update((kind, "-") for kind in world.allowed if kind in WORLDS)
        self._strikable.clear()
        for fault, label, moment in self._struck:
            codes = {code for moves, code in world.noted if moves >= moment} or {""}
            self.counts.update((fault, label, code) for code in codes)
        self._struck, self._moves = [], 0

    def add(self, other: Coverage) -> None:
        """Add what another process counted."""
        self.possible |= other.possible
        self.counts.update(other.counts)
        self.happened.update(other.happened)
        if other.demands is not None:
            self.demands = max(self.demands or 0, other.demands)

    def rows(self) -> list[tuple[str, str, str, int]]:
        """Return (fault, label, code, count), zeros of possible pairs too, in a fixed order."""
        seen = {(fault, label) for fault, label, _ in self.counts}
        struck = {fault for fault, _ in seen}
        zeros = [(fault, label, "", 0) for fault, label in self.possible - seen if label != "-" or fault not in struck]
        return sorted([*((*cell, count) for cell, count in self.counts.items()), *zeros])
