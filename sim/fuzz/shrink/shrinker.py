"""The shrinker: from a failing schedule to the one a person can read.

Theory of operation. A failure is a list of moves; a candidate is a shorter or calmer one, replayed leniently, and
accepted when the same invariant breaks with less to read. A move is *chosen* when it is another than would come by itself
(the lane that moved last goes on, else the oldest moves), so a schedule is as long to tell as its chosen moves, however
long it is to run. Schedules fail for one of two reasons, and each has its own passes and its own order of what is less.

By order: nothing was drawn, so tasks got into each other's way. Fewer faults, smaller dials, fewer tasks, fewer switches
between lanes, fewer moves, in this order; moves are listed, and what is impossible is skipped.
By data: what is wished and what the broker does was drawn, and a schedule of a hundred moves fails because of a few of
these and a fault or two. Fewer faults, smaller dials, fewer chosen moves and draws; what is left of the chosen
moves comes at its time, or as soon after it as it can. Big steps come first: no choice at all, faults
alone, one signal, then halves, quarters and single ones. Then it is begun again from little: one signal, one draw or the few
that are left, and the last fault at events like those that it struck (`hints.py`); a draw that counts something is lowered, too.

A pass that helped goes on where it was; passes take turns until nothing helps or the re-runs are used up. Where none helps any more,
the schedule is told again without one of its lanes or names, whatever the others are called then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import groupby
from typing import Any, NamedTuple

from sim.fuzz.choices import Draw, LabelledTape, Tape, by_label
from sim.fuzz.explore import Failure, Scenario, failure_of
from sim.fuzz.faults import parse
from sim.fuzz.fence import fenced, spins
from sim.fuzz.shrink.orders import (
    Steps, as_one_life, chunks, fault_of, first_task, gathered, heirs, joined, lane_of, left_of, moves_of, renumbered, without_tasks,
)  # fmt: skip
from sim.fuzz.processes import Violation
from sim.fuzz.replay import Script, perform, told
from sim.fuzz.shrink.hints import Anchored, Choice, Hints, Moves
from sim.fuzz.shrink.stories import Line, Lines, Retold, line_of, shorter
from sim.fuzz.world import World

RERUNS_MAX = 100
RERUNS_SPINNING = 10
"""Re-runs of a failure that takes its time: code that never lets go is known by how long it takes."""
FEW = 3
"""Sizes that a dial is turned down to at once."""

LOWER = range(4, 33, 4)
"""By how much a draw that counts something is lowered where there are fewer signals."""
COUNTS = 64
"""From this bound on a draw counts something, such as the writes before one at which a process is killed."""


class Size(NamedTuple):
    """How much a person has to read: tasks that move, moves, switches between lanes, faults, and moves that were chosen."""

    signals: int
    moves: int
    switches: int
    faults: int
    choices: int


class Shrunk(NamedTuple):
    """A failure made small. `needed` of its schedule is enough: everything else happens by itself."""

    failure: Failure
    needed: Steps
    reruns: int
    before: Size
    after: Size


class Stumbled(Exception):
    """A scenario raised by itself, at a candidate that it was never meant to meet: no invariant is broken by that."""


class Known(NamedTuple):
    """A schedule that fails, as it went."""

    failure: Failure
    moves: Moves
    draws: tuple[Draw, ...]
    needed: Steps
    lines: Lines

    @property
    def size(self) -> Size:
        """Measure it."""
        return size_of(self.failure.steps)._replace(choices=len(self.moves))


def size_of(steps: Steps) -> Size:
    """Measure a schedule, every move of which counts as chosen."""
    bare = [parse(step.partition("~")[0]) for step in steps]
    lanes = [lane for lane, fault in bare if not fault or "!" in step_text(lane, fault)]
    tasks = {lane.partition("x")[0] for lane in lanes if lane[-1:].isdigit() and lane[:1].isupper()}
    runs = sum(1 for _ in groupby(lanes))
    return Size(len(tasks), len(steps), max(runs - 1, 0), sum(1 for _, fault in bare if fault), len(steps))


def step_text(lane: str, fault: str) -> str:
    """Return how a move on a lane is written: "A3" or "A3!lost"."""
    return f"{lane}!{fault}" if fault else lane


def shrink(scenario: Scenario, failure: Failure, reruns: int = RERUNS_MAX) -> Shrunk:
    """Make a failure small within a number of re-runs; the invariant that breaks stays the same."""
    most = min(reruns, RERUNS_SPINNING) if failure.invariant == spins.INVARIANT else reruns
    with fenced():  # once for all re-runs
        return _Shrinker(scenario, failure, most).run()


def _listed(world: World, steps: Steps) -> Script:
    return Script(world, steps, False)


class Plan(NamedTuple):
    """What is tried: all moves one after the other, chosen ones at their times, or told ones, and the values of the draws by label."""

    steps: Steps | Moves | Lines
    dials: dict[str, int]
    draws: dict[str, tuple[int, ...]]
    script: Callable[[World, Any], Script] = _listed


Candidates = Iterator[Plan]


class _Shrinker:
    def __init__(self, scenario: Scenario, failure: Failure, reruns: int) -> None:
        self._scenario, self._first, self._limit = scenario, failure, reruns
        self._tried, self._seen = 0, set[object]()
        self._by_data = any(failure.draws)

    def run(self) -> Shrunk:
        """Take passes in turns until none helps or the re-runs are used up."""
        first = self._first
        world = World(Tape(script=first.draws), first.dials)
        known = self._known(world, Script(world, first.steps, False))
        if known is None:
            raise ValueError(f"this schedule does not break {first.invariant!r}; shrink what fails")
        self._best, before = known, known.size
        passes = self._passes_by_data if self._by_data else self._passes_by_order
        improved = True
        while improved and self._tried < self._limit:
            improved = sum(map(self._pass, passes())) > 0 or self._tells_again()
        return Shrunk(self._best.failure, self._best.needed, self._tried, before, self._best.size)

    def _passes_by_order(self) -> tuple[Callable[[], Candidates], ...]:
        return (
            self._calmer, self._smaller_dials, self._without_faults, self._without_deaths, self._cut, self._without_lanes,
            self._renamed_tasks, self._gathered, self._joined, self._fewer_signals,
        )  # fmt: skip

    def _passes_by_data(self) -> tuple[Callable[[], Candidates], ...]:
        return (
            self._at_once, self._at_rest, self._fewer_signals, self._fewer_draws, self._from_little, self._from_less, self._fewer_moves,
            self._without_chosen_faults, self._without_faults, self._without_deaths, self._at_other_times,
        )  # fmt: skip

    def _pass(self, candidates: Callable[[], Candidates]) -> bool:
        """Try candidates; after one that helps, go on with those of what is left, from the same place."""
        improved, start, again = False, 0, True
        while again:
            again = False
            for at, plan in enumerate(candidates()):
                if self._tried >= self._limit:
                    return improved
                if at >= start and self._helps(plan):
                    improved, start, again = True, at, True
                    break
        return improved

    def _helps(self, plan: Plan) -> bool:
        """Try a plan that was not tried before; keep what it comes to if there is less to read."""
        steps = tuple(move[:2] for move in plan.steps) if plan.script is Hints else plan.steps
        key = (plan.script if steps else None, steps, tuple(plan.dials.items()), tuple(plan.draws.items()))
        if key in self._seen:
            return False
        self._seen.add(key)
        world = World(LabelledTape(plan.draws), plan.dials)
        found = self._known(world, plan.script(world, plan.steps))
        if found is None or self._cost(found) >= self._cost(self._best):
            return False
        self._best = found
        return True

    def _known(self, world: World, script: Script) -> Known | None:
        """Run a schedule; return how it went if it breaks the invariant."""
        self._tried += 1
        lines = list[Line]()
        world.watch = lambda step, lane: lines.append(line_of(step, lane))
        try:
            found = self._perform(world, script)
        except Stumbled:
            return None
        if found is None or found.name != self._first.invariant:
            return None
        about = [line.about for line in lines]
        made = zip(world.trace, script.chosen, about, ["", *about][: len(about)], strict=True)
        moves = tuple(Choice(at, step, own, after) for at, (step, chosen, own, after) in enumerate(made) if chosen)
        return Known(failure_of(world, found), moves, tuple(world.tape.draws), told(world.trace, script.chosen), tuple(lines))

    def _perform(self, world: World, script: Script) -> Violation | None:
        try:
            return perform(self._scenario, world, script)
        except SystemExit as left:
            raise Stumbled(str(spins.ended_by(left))) from left
        except Exception as error:
            raise Stumbled(f"{type(error).__name__}: {error}") from error

    def _cost(self, known: Known) -> tuple[int, ...]:
        """Return what there is to read, the most important first."""
        failure, size = known.failure, known.size
        marks = sum("~" in step for step in failure.steps)
        draws = sum(1 for value in failure.draws if value)
        rest = (size.signals, size.switches, draws, marks, size.moves)
        return (size.faults, sum(failure.dials.values()), *((draws + size.choices,) if self._by_data else ()), *rest)

    def _listed(self, steps: Steps, dials: dict[str, int] | None = None) -> Plan:
        failure = self._best.failure
        return Plan(steps, failure.dials if dials is None else dials, by_label(self._best.draws))

    def _timed(self, moves: Moves, dials: dict[str, int] | None = None) -> Plan:
        failure = self._best.failure
        return Plan(moves, failure.dials if dials is None else dials, by_label(self._best.draws), Hints)

    # A pass for both, where no other helps.

    def _tells_again(self) -> bool:
        """Tell the schedule again; by data it may not take more choices than before, as it can with a signal less."""
        before, improved = self._best, self._pass(self._retold)
        if self._by_data and self._best.size.choices > before.size.choices:
            self._best, improved = before, False
        return improved

    def _retold(self) -> Candidates:
        """Leave out what each name and each lane does, with all dials as they are and with each a little lower."""
        dials = self._best.failure.dials
        for lower in (dials, *({**dials, name: value - 1} for name, value in dials.items() if value > 1)):
            for lines in shorter(self._best.lines):
                yield Plan(lines, lower, by_label(self._best.draws), Retold)

    # Passes by data.

    def _at_once(self) -> Candidates:
        """Leave out every choice, or all but the faults; then turn dials down to a few, by choices and by the whole order."""
        dials, everything = self._best.failure.dials, self._best.moves
        faults = tuple(move for move in everything if fault_of(move.step))
        for moves in dict.fromkeys(((), faults)):
            yield self._timed(moves)
        for few in range(1, FEW + 1):
            fewer = {name: min(value, few) for name, value in dials.items()}
            if fewer != dials:
                for moves in dict.fromkeys(((), faults)):
                    if few == 1:
                        yield self._timed(moves, fewer)._replace(draws={})
                    yield self._timed(moves, fewer)
                yield self._listed(self._best.failure.steps, fewer)

    def _from_little(self) -> Candidates:
        """Begin again with one signal, and of the draws with all that are left or with one."""
        drawn = [draw for draw in self._best.draws if draw.value]
        for few in (drawn, *([draw] for draw in reversed(drawn))):
            yield self._again(few)

    def _from_less(self) -> Candidates:
        """Begin again where a draw counts what there is less of with one signal: the same event has a lower number then."""
        drawn = [draw for draw in self._best.draws if draw.value]
        if len(drawn) > FEW or max(self._best.failure.dials.values(), default=1) == 1:
            return
        for less in LOWER:
            for few in (drawn, *([draw] for draw in drawn)):
                lower = [draw._replace(value=max(draw.value - less, 0)) if draw.bound >= COUNTS else draw for draw in few]
                if lower != few:
                    yield self._again(lower)

    def _again(self, drawn: list[Draw]) -> Plan:
        """Begin again with one signal, a few draws, which come first of their labels, and the last fault, as often as it struck."""
        best = self._best
        struck = [move for move in best.moves if fault_of(move.step)]
        last = tuple(move for move in struck if (move.step, move.about) == (struck[-1].step, struck[-1].about))
        return Plan(last, dict.fromkeys(best.failure.dials, 1), by_label(drawn), Anchored)

    def _fewer_signals(self) -> Candidates:
        """Leave out halves, quarters and each one of what a dial counts: its draws, and its tasks."""
        best, first = self._best, first_task(self._first.steps)
        for name, count in best.failure.dials.items():
            size = count // 2
            while size > 0:
                for gone in (range(at, min(at + size, count)) for at in range(0, count, size)):
                    dials = {**best.failure.dials, name: count - len(gone)}
                    known = by_label(best.draws)
                    draws = {label: left_of(values, gone, count) for label, values in known.items()}
                    moves = tuple(move._replace(step=left[0]) for move in best.moves if (left := without_tasks((move.step,), gone, first)))
                    yield Plan(without_tasks(best.failure.steps, gone, first), dials, draws)
                    yield Plan(moves, dials, draws, Hints)
                    # What is drawn for each order, and not for each signal, goes with the orders that are not placed.
                    rest = {label: draws[label] if len(values) in (1, count) else values[len(gone) :] for label, values in known.items()}
                    if rest != draws:
                        yield Plan(moves, dials, rest, Hints)
                size //= 2

    def _fewer_draws(self) -> Candidates:
        """Answer all draws with 0, then halves, quarters, and each one."""
        best = self._best
        for chunk in chunks([at for at, draw in enumerate(best.draws) if draw.value]):
            draws = by_label(draw._replace(value=0) if at in chunk else draw for at, draw in enumerate(best.draws))
            yield self._timed(best.moves)._replace(draws=draws)

    def _fewer_moves(self) -> Candidates:
        """Leave out all choices, halves, quarters, and each one."""
        for chunk in chunks(list(self._best.moves)):
            yield self._timed(tuple(move for move in self._best.moves if move not in chunk))

    def _at_rest(self) -> Candidates:
        """Let chosen moves wait until nothing is ready."""
        moves = self._best.moves
        if any("~" in move.step for move in moves):
            yield self._timed(tuple(move._replace(step=move.step.partition("~")[0]) for move in moves))

    def _without_chosen_faults(self) -> Candidates:
        """Let the moves that were struck by a fault come at their time, but whole."""
        for move in self._best.moves:
            if "!" in move.step:
                whole = move._replace(step=lane_of(move.step))
                yield self._timed(tuple(whole if other == move else other for other in self._best.moves))

    def _at_other_times(self) -> Candidates:
        """Let each chosen move come at another time, so that others may become needless."""
        for place, move in enumerate(self._best.moves):
            rest = self._best.moves[:place] + self._best.moves[place + 1 :]
            for when in (move.at // 2, move.at - 1, move.at + 1, 0):
                if when >= 0:
                    yield self._timed(tuple(sorted([*rest, move._replace(at=when)], key=lambda move: move.at)))

    # Passes by order.

    def _smaller_dials(self) -> Candidates:
        best = self._best.failure
        for name, value in best.dials.items():
            for smaller in dict.fromkeys((1, 2, 3, value // 2, value - 1)):
                if 0 < smaller < value:
                    yield self._listed((), {**best.dials, name: smaller})
                    yield self._listed(best.steps, {**best.dials, name: smaller})

    def _renamed_tasks(self) -> Candidates:
        """Turn dials down to about as many as there are tasks that move, and call these by the numbers that are left."""
        best, tasks = self._best.failure, self._best.size.signals
        for name, value in best.dials.items():
            for smaller in dict.fromkeys((tasks, 1, 2, tasks + 1, value // 2, value - 1)):
                if 0 < smaller < value:
                    for steps in dict.fromkeys(renumbered(best.steps, smaller)):
                        yield self._listed(steps, {**best.dials, name: smaller})

    def _cut(self) -> Candidates:
        """Let nothing, a quarter, a half, three quarters stand, and the rest come by itself."""
        steps = self._best.failure.steps
        for keep in range(4):
            yield self._listed(steps[: keep * len(steps) // 4])

    def _without_faults(self) -> Candidates:
        steps = self._best.failure.steps
        for at, step in enumerate(steps):
            if fault_of(step):
                instead = (lane_of(step),) if "!" in step else ()
                yield self._listed((*steps[:at], *instead, *steps[at + 1 :]))

    def _without_deaths(self) -> Candidates:
        """Let a process that was ended and started again be one life: the second, or both after each other."""
        best = self._best
        steps = best.failure.steps
        for fault, process, heir in heirs(steps):
            for first in (moves_of(steps, process), set[str]()):
                over = {fault, f"up.{process}", *first}
                yield self._listed(as_one_life(tuple(step for step in steps if step not in over), process, heir))
                left = [move for move in best.moves if move.step not in over]
                names = as_one_life(tuple(move.step for move in left), process, heir)
                yield self._timed(tuple(move._replace(step=name) for move, name in zip(left, names, strict=True)))

    def _without_lanes(self) -> Candidates:
        steps = self._best.failure.steps
        for chunk in chunks(list(dict.fromkeys(map(lane_of, steps)))):
            yield self._listed(tuple(step for step in steps if lane_of(step) not in chunk))

    def _calmer(self) -> Candidates:
        """Let moves wait until nothing is ready."""
        steps = self._best.failure.steps
        if any("~" in step for step in steps):
            yield self._listed(tuple(step.partition("~")[0] for step in steps))
        for at, step in enumerate(steps):
            if "~" in step:
                yield self._listed((*steps[:at], step.partition("~")[0], *steps[at + 1 :]))

    def _gathered(self) -> Candidates:
        return map(self._listed, gathered(self._best.failure.steps))

    def _joined(self) -> Candidates:
        return map(self._listed, joined(self._best.failure.steps))
