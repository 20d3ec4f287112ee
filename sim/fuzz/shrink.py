"""The shrinker: from a failing schedule to the one a person can read.

Theory of operation. A failure is a list of moves; a candidate is a shorter or calmer list,
replayed leniently, and accepted when the same invariant breaks with less: fewer faults,
smaller dials, fewer tasks, fewer switches between lanes, fewer moves, in this order.
Replays go on by themselves where the list ends (the lane that moved last, then the
oldest), so most failures come down to the few moves that matter. Passes: turn dials
down, cut by halves, drop faults, drop lanes, join the pieces of a lane; then again, until nothing helps.
At the end the tail that happens by itself is cut off.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import groupby
from typing import NamedTuple

from sim.fuzz.explore import Failure, Scenario, failure_of
from sim.fuzz.faults import parse
from sim.fuzz.replay import replay

RERUNS_MAX = 100


class Size(NamedTuple):
    """How much a person has to read: tasks that move, moves, switches between lanes, faults."""

    signals: int
    moves: int
    switches: int
    faults: int


class Shrunk(NamedTuple):
    """A failure made small. `needed` moves of its schedule are enough: the others follow by themselves."""

    failure: Failure
    needed: int
    reruns: int
    before: Size
    after: Size


def size_of(steps: tuple[str, ...]) -> Size:
    """Measure a schedule."""
    bare = [parse(step.partition("~")[0]) for step in steps]
    lanes = [lane for lane, fault in bare if not fault or "!" in step_text(lane, fault)]
    tasks = {lane.partition("x")[0] for lane in lanes if lane[-1:].isdigit() and lane[:1].isupper()}
    runs = sum(1 for _ in groupby(lanes))
    return Size(len(tasks), len(steps), max(runs - 1, 0), sum(1 for _, fault in bare if fault))


def step_text(lane: str, fault: str) -> str:
    """Return how a move on a lane is written: "A3" or "A3!lost"."""
    return f"{lane}!{fault}" if fault else lane


def shrink(scenario: Scenario, failure: Failure, reruns: int = RERUNS_MAX) -> Shrunk:
    """Make a failure small within a number of re-runs; the invariant that breaks stays the same."""
    return _Shrinker(scenario, failure, reruns).run()


class _Shrinker:
    def __init__(self, scenario: Scenario, failure: Failure, reruns: int) -> None:
        self._scenario, self._first, self._limit = scenario, failure, reruns
        self._best, self._tried, self._seen = failure, 0, set[tuple[object, ...]]()

    def run(self) -> Shrunk:
        """Take passes in turns until none helps or the re-runs are used up; leave some for the tail."""
        passes: tuple[Callable[[], Iterator[tuple[tuple[str, ...], dict[str, int]]]], ...] = (
            self._calmer, self._smaller_dials, self._without_faults, self._halves, self._without_lanes, self._gathered, self._joined,
        )  # fmt: skip
        improved = True
        while improved and self._tried < self._limit - 8:
            improved = False
            for candidates in passes:
                improved = self._pass(candidates) or improved
        needed = self._needed(self._best.steps)
        return Shrunk(self._best, needed, self._tried, size_of(self._first.steps), size_of(self._best.steps))

    def _pass(self, candidates: Callable[[], Iterator[tuple[tuple[str, ...], dict[str, int]]]]) -> bool:
        """Try candidates; begin again after each that helps."""
        improved, again = False, True
        while again:
            again = False
            for steps, dials in candidates():
                if self._tried >= self._limit - 8:
                    return improved
                if self._helps(steps, dials):
                    improved = again = True
                    break
        return improved

    def _helps(self, steps: tuple[str, ...], dials: dict[str, int]) -> bool:
        key = (steps, tuple(dials.items()))
        if key in self._seen:
            return False
        self._seen.add(key)
        found = self._try(steps, dials)
        if found is None or _cost(found) >= _cost(self._best):
            return False
        self._best = found
        return True

    def _try(self, steps: tuple[str, ...], dials: dict[str, int]) -> Failure | None:
        self._tried += 1
        world, found = replay(self._scenario, steps, dials=dials, draws=self._first.draws, strict=False)
        return failure_of(world, found) if found is not None and found.name == self._first.invariant else None

    def _smaller_dials(self) -> Iterator[tuple[tuple[str, ...], dict[str, int]]]:
        best = self._best
        for name, value in best.dials.items():
            for smaller in dict.fromkeys((1, 2, 3, value // 2, value - 1)):
                if 0 < smaller < value:
                    yield (), {**best.dials, name: smaller}
                    for steps in dict.fromkeys((best.steps, *_renumbered(best.steps, smaller))):
                        yield steps, {**best.dials, name: smaller}

    def _halves(self) -> Iterator[tuple[tuple[str, ...], dict[str, int]]]:
        length = len(self._best.steps)
        for keep in (0, length // 4, length // 2, 3 * length // 4):
            yield self._best.steps[:keep], self._best.dials

    def _without_faults(self) -> Iterator[tuple[tuple[str, ...], dict[str, int]]]:
        steps = self._best.steps
        for at, step in enumerate(steps):
            lane, fault = parse(step.partition("~")[0])
            if fault:
                instead = (lane,) if "!" in step else ()
                yield (*steps[:at], *instead, *steps[at + 1 :]), self._best.dials

    def _without_lanes(self) -> Iterator[tuple[tuple[str, ...], dict[str, int]]]:
        steps = self._best.steps
        for lane in dict.fromkeys(map(_lane, steps)):
            yield tuple(step for step in steps if _lane(step) != lane), self._best.dials

    def _calmer(self) -> Iterator[tuple[tuple[str, ...], dict[str, int]]]:
        """Let moves wait until nothing is ready."""
        steps = self._best.steps
        if any("~" in step for step in steps):
            yield tuple(step.partition("~")[0] for step in steps), self._best.dials
        for at, step in enumerate(steps):
            if "~" in step:
                yield (*steps[:at], step.partition("~")[0], *steps[at + 1 :]), self._best.dials

    def _gathered(self) -> Iterator[tuple[tuple[str, ...], dict[str, int]]]:
        """Make all moves of a lane where its first one was, or its last."""
        steps = self._best.steps
        owners = [_lane(step) for step in steps]
        for lane in sorted(set(owners), key=lambda lane: (-owners.count(lane), lane)):
            own = [step for step, owner in zip(steps, owners, strict=True) if owner == lane]
            for place in (owners.index(lane), len(owners) - 1 - owners[::-1].index(lane)):
                before = [step for step, owner in zip(steps[:place], owners, strict=False) if owner != lane]
                after = [step for step, owner in zip(steps[place:], owners[place:], strict=True) if owner != lane]
                yield (*before, *own, *after), self._best.dials

    def _joined(self) -> Iterator[tuple[tuple[str, ...], dict[str, int]]]:
        """Join each piece of a lane to the piece before it, or to the one after it."""
        pieces = [tuple(piece) for _, piece in groupby(self._best.steps, key=_lane)]
        names = [_lane(piece[0]) for piece in pieces]
        for at, name in enumerate(names):
            earlier = [i for i in range(at - 1, -1, -1) if names[i] == name]
            if earlier:
                order = [*pieces[: earlier[0] + 1], pieces[at], *pieces[earlier[0] + 1 : at], *pieces[at + 1 :]]
                yield tuple(step for piece in order for step in piece), self._best.dials
                order = [*pieces[: earlier[0]], *pieces[earlier[0] + 1 : at], pieces[earlier[0]], *pieces[at:]]
                yield tuple(step for piece in order for step in piece), self._best.dials

    def _needed(self, whole: tuple[str, ...]) -> int:
        """Return how many moves there are in the shortest beginning from which the schedule goes on by itself."""
        low, high = 0, len(whole)
        while low < high:
            middle = (low + high) // 2
            world, found = replay(self._scenario, whole[:middle], dials=self._best.dials, draws=self._best.draws, strict=False)
            self._tried += 1
            if found is not None and found.name == self._best.invariant and tuple(world.trace) == whole:
                high = middle
            else:
                low = middle + 1
        return high


def _renumbered(steps: tuple[str, ...], count: int) -> Iterator[tuple[str, ...]]:
    """Return the steps with their tasks called 1 to `count`: in the order of their numbers, and of their moves.

    Where fewer tasks are started, the one that was struck by a fault may be called otherwise.
    """
    parsed = [parse(step.partition("~")[0]) for step in steps]
    names = [match for lane, _ in parsed if (match := _TASK.fullmatch(lane))]
    struck = [match for lane, fault in parsed if fault and (match := _TASK.fullmatch(lane))]
    for order in (struck + names, names, sorted(names, key=lambda match: int(match[2]))):
        for first in (1, 2):
            numbers: dict[str, int] = {}
            for match in order:
                numbers.setdefault(match[2], len(numbers) + first)
            kept = {old: new for old, new in numbers.items() if new <= count}
            yield tuple(_clipped(changed, count - 1) for step in steps if (changed := _with_number(step, kept)))


def _with_number(step: str, numbers: dict[str, int]) -> str:
    """Return a step with its task's new number, "" when the task is left out."""
    match = _IN_STEP.fullmatch(step)
    if match is None:
        return step
    return f"{match[1]}{numbers[match[2]]}{match[3]}" if match[2] in numbers else ""


def _clipped(step: str, last: int) -> str:
    """Return the step of a numbered lane that is no task's (order 3 at the market) with a number that will exist."""
    match = _NUMBERED.fullmatch(step)
    return f"{match[1]}{min(int(match[2]), last)}{match[3]}" if match else step


_NUMBERED = re.compile(r"([a-z]+)(\d+)((?:!\w+)?(?:~\d+)?)")
_TASK = re.compile(r"([A-Z])(\d+)")
_IN_STEP = re.compile(r"((?:cancel\.)?[A-Z])(\d+)((?:x\d+)?(?:!\w+)?(?:~\d+)?)")


def _lane(step: str) -> str:
    return parse(step.partition("~")[0])[0]


def _cost(failure: Failure) -> tuple[int, ...]:
    size = size_of(failure.steps)
    marks = sum("~" in step for step in failure.steps)
    return (size.faults, sum(failure.dials.values()), size.signals, size.switches, marks, size.moves)
