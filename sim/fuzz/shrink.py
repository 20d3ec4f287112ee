"""The shrinker: from a failing schedule to the one a person can read.

Theory of operation. A failure is a list of moves; a candidate is a shorter or calmer list,
replayed leniently, and accepted when the same invariant breaks with less: fewer faults,
smaller dials, fewer tasks, fewer switches between lanes, fewer moves, in this order.
Replays go on by themselves where the list ends (the lane that moved last, then the
oldest), so most failures come down to the few moves that matter. Passes: turn dials
down, cut by halves, drop faults, answer draws with 0, drop lanes, join the pieces of a lane; then again, until nothing
helps. A pass that helped goes on where it was. At the end the tail that happens by itself is cut off.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import groupby
from typing import Any, NamedTuple

from sim.fuzz.explore import Failure, Scenario, failure_of
from sim.fuzz.faults import parse
from sim.fuzz.replay import replay

RERUNS_MAX = 100


Candidates = Iterator[Failure]
"""Smaller failures to try; what they violate is what the first one did."""


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
        passes = (
            self._calmer, self._smaller_dials, self._without_faults, self._smaller_draws, self._halves, self._without_lanes,
            self._renamed_tasks, self._gathered, self._joined,
        )  # fmt: skip
        improved = True
        while improved and self._tried < self._limit - 8:
            improved = False
            for candidates in passes:
                improved = self._pass(candidates) or improved
        needed = self._needed(self._best.steps)
        return Shrunk(self._best, needed, self._tried, size_of(self._first.steps), size_of(self._best.steps))

    def _pass(self, candidates: Callable[[], Candidates]) -> bool:
        """Try candidates; after one that helps, go on with those of what is left, from the same place."""
        improved, start, again = False, 0, True
        while again:
            again = False
            for at, smaller in enumerate(candidates()):
                if self._tried >= self._limit - 8:
                    return improved
                if at >= start and self._helps(smaller):
                    improved, start, again = True, at, True
                    break
        return improved

    def _helps(self, smaller: Failure) -> bool:
        key = (smaller.steps, tuple(smaller.dials.items()), smaller.draws)
        if key in self._seen:
            return False
        self._seen.add(key)
        found = self._try(smaller)
        if found is None or _cost(found) >= _cost(self._best):
            return False
        self._best = found
        return True

    def _try(self, smaller: Failure) -> Failure | None:
        self._tried += 1
        world, found = replay(self._scenario, smaller.steps, dials=smaller.dials, draws=smaller.draws, strict=False)
        return failure_of(world, found) if found is not None and found.name == self._first.invariant else None

    def _with(self, steps: tuple[str, ...], dials: dict[str, int] | None = None) -> Failure:
        return self._best._replace(steps=steps, dials=self._best.dials if dials is None else dials)

    def _smaller_dials(self) -> Candidates:
        best = self._best
        for name, value in best.dials.items():
            for smaller in dict.fromkeys((1, 2, 3, value // 2, value - 1)):
                if 0 < smaller < value:
                    yield self._with((), {**best.dials, name: smaller})
                    yield self._with(best.steps, {**best.dials, name: smaller})

    def _renamed_tasks(self) -> Candidates:
        """Turn dials down to about as many as there are tasks that move, and call these by the numbers that are left."""
        best, tasks = self._best, size_of(self._best.steps).signals
        for name, value in best.dials.items():
            for smaller in dict.fromkeys((tasks, 1, 2, tasks + 1, value // 2, value - 1)):
                if 0 < smaller < value:
                    for steps in dict.fromkeys(_renumbered(best.steps, smaller)):
                        yield self._with(steps, {**best.dials, name: smaller})

    def _smaller_draws(self) -> Candidates:
        """Answer all draws with 0, then halves, quarters, and each one."""
        draws = self._best.draws
        told = [at for at, value in enumerate(draws) if value]
        for chunk in _chunks(told):
            yield self._best._replace(draws=tuple(0 if at in chunk else value for at, value in enumerate(draws)))

    def _halves(self) -> Candidates:
        length = len(self._best.steps)
        for keep in (0, length // 4, length // 2, 3 * length // 4):
            yield self._with(self._best.steps[:keep])

    def _without_faults(self) -> Candidates:
        steps = self._best.steps
        for at, step in enumerate(steps):
            lane, fault = parse(step.partition("~")[0])
            if fault:
                instead = (lane,) if "!" in step else ()
                yield self._with((*steps[:at], *instead, *steps[at + 1 :]))

    def _without_lanes(self) -> Candidates:
        steps = self._best.steps
        for chunk in _chunks(list(dict.fromkeys(map(_lane, steps)))):
            yield self._with(tuple(step for step in steps if _lane(step) not in chunk))

    def _calmer(self) -> Candidates:
        """Let moves wait until nothing is ready."""
        steps = self._best.steps
        if any("~" in step for step in steps):
            yield self._with(tuple(step.partition("~")[0] for step in steps))
        for at, step in enumerate(steps):
            if "~" in step:
                yield self._with((*steps[:at], step.partition("~")[0], *steps[at + 1 :]))

    def _gathered(self) -> Candidates:
        """Make all moves of a lane where its first one was, or its last."""
        steps = self._best.steps
        owners = [_lane(step) for step in steps]
        for lane in sorted(set(owners), key=lambda lane: (-owners.count(lane), lane)):
            own = [step for step, owner in zip(steps, owners, strict=True) if owner == lane]
            for place in (owners.index(lane), len(owners) - 1 - owners[::-1].index(lane)):
                before = [step for step, owner in zip(steps[:place], owners, strict=False) if owner != lane]
                after = [step for step, owner in zip(steps[place:], owners[place:], strict=True) if owner != lane]
                yield self._with((*before, *own, *after))

    def _joined(self) -> Candidates:
        """Join each piece of a lane to the piece before it, or to the one after it."""
        pieces = [tuple(piece) for _, piece in groupby(self._best.steps, key=_lane)]
        names = [_lane(piece[0]) for piece in pieces]
        for at, name in enumerate(names):
            earlier = [i for i in range(at - 1, -1, -1) if names[i] == name]
            if earlier:
                order = [*pieces[: earlier[0] + 1], pieces[at], *pieces[earlier[0] + 1 : at], *pieces[at + 1 :]]
                yield self._with(tuple(step for piece in order for step in piece))
                order = [*pieces[: earlier[0]], *pieces[earlier[0] + 1 : at], pieces[earlier[0]], *pieces[at:]]
                yield self._with(tuple(step for piece in order for step in piece))

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
            told = tuple(changed for step in steps if (changed := _with_number(step, kept)))
            yield tuple(_clipped(step, count - 1) for step in told)
            if count <= 2 and order is not names:
                yield _with_fewer(told, count)


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


def _with_fewer(steps: tuple[str, ...], count: int) -> tuple[str, ...]:
    """Return the steps with the last `count` of the numbered lanes that are no task's, called 0, 1, 2.

    What became of the others (a fill less, and so a report less) is taken from the beginning of the lanes without a number.
    """
    numbers = sorted({int(match[2]) for step in steps if (match := _NUMBERED.fullmatch(step))})
    kept = {old: new for new, old in enumerate(numbers[-count:])}
    left = [step for step in steps if (match := _NUMBERED.fullmatch(step)) is None or int(match[2]) in kept]
    fewer = dict.fromkeys((lane for lane in map(_lane, left) if not lane[-1:].isdigit() and lane[:1].islower()), len(steps) - len(left))
    found = []
    for step in left:
        if fewer.get(step, 0) > 0:
            fewer[step] -= 1
        elif match := _NUMBERED.fullmatch(step):
            found.append(f"{match[1]}{kept[int(match[2])]}{match[3]}")
        else:
            found.append(step)
    return tuple(found)


def _chunks(things: list[Any]) -> Iterator[set[Any]]:
    """Yield all of the things (when there are several), then its halves, its quarters, and so on down to each one."""
    size = len(things)
    while size > 0:
        yield from (set(things[at : at + size]) for at in range(0, len(things), size))
        size = 0 if size == 1 else (size + 1) // 2


_NUMBERED = re.compile(r"([a-z]+)(\d+)((?:!\w+)?(?:~\d+)?)")
_TASK = re.compile(r"([A-Z])(\d+)")
_IN_STEP = re.compile(r"((?:cancel\.)?[A-Z])(\d+)((?:x\d+)?(?:!\w+)?(?:~\d+)?)")


def _lane(step: str) -> str:
    return parse(step.partition("~")[0])[0]


def _cost(failure: Failure) -> tuple[int, ...]:
    size = size_of(failure.steps)
    marks = sum("~" in step for step in failure.steps)
    draws = sum(1 for value in failure.draws if value)
    return (size.faults, sum(failure.dials.values()), size.signals, size.switches, draws, marks, size.moves)
