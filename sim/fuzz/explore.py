"""`explore`: many schedules of a scenario, and a verdict that never calls a cut search a pass.

Theory of operation. A scenario is a function that fills a World; it is called anew for
each schedule, so it must keep nothing between calls. Schedule 0 is first come, first
served, and gives the profile; schedule 1 is sequential; the rest are the portfolio's, each
with its own tape, so schedule `number` of `seed` is the same in any process. The
first violation ends the search; it carries the moves that led to it.
"""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from enum import Enum
from typing import NamedTuple

from sim.fuzz.choices import Tape
from sim.fuzz.fence import fenced, spins, watched
from sim.fuzz.plan import Sampler, draw_plan
from sim.fuzz.policies import POLICIES, PORTFOLIO, Profile
from sim.fuzz.processes import Lane, ScenarioError, Violation, said
from sim.fuzz.world import World

Scenario = Callable[[World], None]
COLLECT_EVERY = 2_000
"""Schedules between two collections of garbage, always at the same place of the search."""
MID_EVERY = 3
"""One of so many sampled schedules lets moves come while handles are ready."""


class Unsteady(RuntimeError):
    """The scenario is not a function of its schedule."""


UNSTEADY = (
    "the first schedule, run twice, took another way: the scenario keeps something between calls, or asks a clock or chance "
    "that the world does not know; make everything inside the scenario function"
)


class Kind(Enum):
    """What a search ended with."""

    COMPLETE = "complete"
    CUT = "cut"
    FAILED = "failed"


class Failure(NamedTuple):
    """One violation and the moves that led to it."""

    invariant: str
    message: str
    steps: tuple[str, ...]
    dials: dict[str, int]
    draws: tuple[int, ...] = ()


class Verdict(NamedTuple):
    """What a search found. Only COMPLETE says that nothing can go wrong, within `bound`."""

    kind: Kind
    schedules: int
    bound: str
    failure: Failure | None = None
    moves: int = 0
    coverage: dict[str, int] = {}  # noqa: RUF012  (a NamedTuple's default is never changed)

    @property
    def holds(self) -> bool:
        """Say whether every schedule within the bound was tried and none failed."""
        return self.kind is Kind.COMPLETE


@contextmanager
def collecting(every: int) -> Iterator[Callable[[int], None]]:
    """Keep the collector out of schedules; yield what collects at a fixed place between them, after each `every` of them."""
    was = gc.isenabled()
    gc.disable()
    gc.freeze()

    def between(number: int) -> None:
        if number % every == every - 1:
            gc.collect()
            gc.freeze()  # what lives on, such as the states that a complete search has seen, is not walked again

    try:
        yield between
    finally:
        gc.unfreeze()
        if was:
            gc.enable()


@contextmanager
def quiet_memory() -> Iterator[Callable[[int], None]]:
    """Put up the fence, and keep the collector out of schedules; yield what collects between them."""
    with collecting(COLLECT_EVERY) as between, fenced():
        yield between


def fill(scenario: Scenario, world: World) -> None:
    """Call a scenario; what it raises by itself is its own fault and no finding.

    Raises:
        ScenarioError: naming the file and line.
    """
    try:
        made: object = scenario(world)  # type: ignore[func-returns-value]
    except ScenarioError:
        raise
    except Exception as error:
        raise ScenarioError(f"the scenario raised {said(error)}") from error
    if isinstance(made, Coroutine):
        made.close()
        raise ScenarioError("the scenario is async; write `def scenario(world)` and give `async def main()` to world.process(name, main)")


def schedule(scenario: Scenario, world: World, pick: Callable[[list[Lane]], int]) -> Violation | None:
    """Run one schedule of a scenario in a fresh world; return what it violated."""
    fill(scenario, world)
    try:
        world.run(pick)
    except Violation as found:
        return found
    return None


def sample(
    scenario: Scenario, seed: int, number: int, profile: Profile, policies: Sequence[str] = PORTFOLIO, dials: dict[str, int] | None = None,
    faults: dict[str, int] | None = None, watch: Callable[[str, Lane | None], None] | None = None, mid: bool | None = None,
) -> tuple[World, Violation | None]:  # fmt: skip
    """Run schedule `number` of a seed: 0 is first come, 1 sequential, the others take the policies in turns."""
    tape = Tape(seed, number)
    world = World(tape, dials)
    world.watch = watch
    fill(scenario, world)
    name = ("fifo", "sequential")[number] if number < 2 else policies[number % len(policies)]
    policy = POLICIES[name](tape, profile)
    allowed = world.allowed if faults is None else faults
    plan = draw_plan(tape, allowed, profile) if number > 1 else []
    early = (number // len(policies)) % MID_EVERY == MID_EVERY - 1 and number > 1 if mid is None else mid
    sampler = Sampler(world, policy, plan)
    if early:
        world.early = sampler.early
    try:
        world.run(sampler.pick if plan else policy.pick)
    except Violation as found:
        return world, found
    return world, None


def first_come(scenario: Scenario, dials: dict[str, int] | None = None, seed: int = 0) -> World:
    """Run the first-come schedule twice, and return how it went; every search begins with this.

    Raises:
        ScenarioError: it asks the real clock or real chance. Unsteady: it took another way the second time.
    """
    heard: list[Heard] = [[], []]
    with watched():
        first, found = sample(scenario, seed, 0, Profile(), dials=dials, watch=_listen(heard[0]))
    if found is not None and found.name == spins.INVARIANT:
        return first  # the search will meet it again, and how often it moved before it was caught says nothing
    known = {*first.dials, *(name[0] for name in first.dials)}
    if unknown := [name for name in dials or {} if name not in known]:
        raise ScenarioError(f"the scenario has no dial {unknown[0]!r}; it has {', '.join(first.dials) or 'none'}")
    again, other = sample(scenario, seed, 0, Profile(), dials=dials, watch=_listen(heard[1]))
    if (heard[0], first.tape.draws, found and found.name) != (heard[1], again.tape.draws, other and other.name):
        once, twice = (*heard[0], _ended(found)), (*heard[1], _ended(other))
        at = next((at for at, (one, two) in enumerate(zip(once, twice, strict=False)) if one != two), None)
        raise Unsteady(f"{UNSTEADY}{'' if at is None else f' (first {once[at]!r}, then {twice[at]!r})'}")
    return again


Heard = list[str]
"""What happened in a schedule: each move, and what it was about."""


def _listen(heard: Heard) -> Callable[[str, Lane | None], None]:
    return lambda step, lane: heard.append(f"{step} {lane.label if lane is not None else ''}".rstrip())


def _ended(found: Violation | None) -> str:
    return str(found) if found is not None else "no failure"


def profile_of(scenario: Scenario, dials: dict[str, int] | None = None, seed: int = 0) -> Profile:
    """Return the profile of the first-come schedule; raise what `first_come` raises."""
    trace = first_come(scenario, dials, seed).trace
    return Profile(max(len(trace), 1), dict(Counter(trace)))


def failure_of(world: World, found: Violation) -> Failure:
    """Return what is kept of a failed schedule."""
    draws = tuple(draw.value for draw in world.tape.draws)
    return Failure(found.name, found.message, tuple(world.trace), dict(world.dials), draws)


def explore(
    scenario: Scenario, *, seed: int = 0, schedules: int = 2_000, first: int = 0, policies: Sequence[str] = PORTFOLIO,
    dials: dict[str, int] | None = None, faults: dict[str, int] | None = None, watch: Callable[[str, Lane | None], None] | None = None,
    told: Callable[[int], None] | None = None, mid: bool | None = None,
) -> Verdict:  # fmt: skip
    """Sample schedules `first` to `first + schedules` of a seed until one fails.

    Args:
        faults: kind -> at most so many a schedule, instead of what the scenario allows; {} for none.
        watch: sees every move. told: called with the number of every finished schedule.
        mid: always (True) or never (False) let moves come while handles are ready; None: in one of three schedules.
    Returns:
        FAILED with the first failure, else CUT: a sample proves nothing.
    """
    moves = 0
    with quiet_memory() as between:
        profile = profile_of(scenario, dials, seed)
        for number in range(first, first + schedules):
            world, found = sample(scenario, seed, number, profile, policies, dials, faults, watch, mid)
            moves += len(world.trace)
            if found is not None:
                done = number - first + 1
                return Verdict(Kind.FAILED, done, f"schedule {number} of seed {seed}", failure_of(world, found), moves)
            between(number)
            if told is not None:
                told(number)
    return Verdict(Kind.CUT, schedules, f"{schedules:,} sampled schedules of seed {seed}", None, moves)
