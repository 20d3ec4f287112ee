"""Running a campaign: batches of schedules, on one core or on many, until the time or the count is used up.

Theory of operation. A batch is a range of schedule numbers of one scenario under one seed, so
who runs it does not matter: the same numbers give the same schedules anywhere. Batches are
dealt to scenarios in turns. A failure ends its batch; what is left of it is dealt again,
unless a later batch is under way on another core. The first failure of each invariant is shrunk and kept. Workers are fresh
processes with hash seed 0; the clock is the caller's.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from typing import NamedTuple

from sim.fuzz import tokens
from sim.fuzz.campaign.coverage import Coverage
from sim.fuzz.explore import Failure, failure_of, profile_of, quiet_memory, sample
from sim.fuzz.fence import spins
from sim.fuzz.replay import around
from sim.fuzz.shrink import Shrunk, shrink

BATCH = 250
"""Schedules of a batch: a second or less, so that progress and the clock are seen."""
FAILURES_MAX = 25
"""Failures kept of one scenario; more of them say nothing new."""


class Found(NamedTuple):
    """One distinct failure, shrunk."""

    scenario: str
    token: str
    found_after: int
    shrunk: Shrunk


class ScenarioLine(NamedTuple):
    """What happened in one scenario."""

    scenario: str
    schedules: int
    moves: int
    failures: int


class Report(NamedTuple):
    """A whole campaign."""

    lines: list[ScenarioLine]
    found: list[Found]
    coverage: Coverage
    seconds: float
    cores: int
    seed: int

    @property
    def schedules(self) -> int:
        """Return the schedules of all scenarios."""
        return sum(line.schedules for line in self.lines)

    @property
    def moves(self) -> int:
        """Return the moves of all scenarios."""
        return sum(line.moves for line in self.lines)


class Batch(NamedTuple):
    """What one batch gave."""

    scenario: str
    first: int
    schedules: int
    moves: int
    failure: Failure | None
    coverage: Coverage


class Settings(NamedTuple):
    """What every batch is told."""

    seed: int = 0
    dials: dict[str, int] | None = None
    faults: dict[str, int] | None = None


def batch(name: str, first: int, count: int, settings: Settings) -> Batch:
    """Run schedules `first` to `first + count` of a scenario, or up to the first that fails."""
    scenario, coverage, moves = tokens.resolve(name), Coverage(), 0
    with around(scenario), quiet_memory() as between:
        profile = profile_of(scenario, settings.dials, settings.seed)
        for number in range(first, first + count):
            world, found = sample(
                scenario, settings.seed, number, profile, dials=settings.dials, faults=settings.faults, watch=coverage
            )
            moves += len(world.trace)
            coverage.finish(world)
            if found is not None:
                return Batch(name, first, number - first + 1, moves, failure_of(world, found), coverage)
            between(number)
    return Batch(name, first, count, moves, None, coverage)


class _Book:
    """Adds batches up."""

    def __init__(self, names: Sequence[str], settings: Settings, stop_at_first: bool) -> None:
        self.totals = {name: [0, 0, 0] for name in names}
        self.next = dict.fromkeys(names, 0)
        self.coverage, self.settings = Coverage(), settings
        self.found: dict[tuple[str, str], Found] = {}
        self._stop_at_first = stop_at_first

    def take(self, done: Batch) -> None:
        """Add a batch, and shrink its failure if it is the first of its kind."""
        total = self.totals[done.scenario]
        total[0] += done.schedules
        total[1] += done.moves
        self.coverage.add(done.coverage)
        if done.failure is None:
            return
        total[2] += 1
        key = (done.scenario, done.failure.invariant)
        if key not in self.found:
            scenario = tokens.resolve(done.scenario)
            made = shrink(scenario, done.failure)
            token = tokens.make(done.scenario, scenario, made.failure, made.needed)
            self.found[key] = Found(done.scenario, token, total[0], made)

    def open(self) -> list[str]:
        """Return the scenarios that go on."""
        if self._stop_at_first and self.found:
            return []
        return [name for name, total in self.totals.items() if total[2] < FAILURES_MAX]

    def schedules(self) -> int:
        """Return how many schedules there were."""
        return sum(total[0] for total in self.totals.values())


@contextmanager
def _hash_seed_zero() -> Iterator[None]:
    """Let processes that are started here order their sets of text alike."""
    before = os.environ.get("PYTHONHASHSEED")
    os.environ["PYTHONHASHSEED"] = "0"
    try:
        yield
    finally:
        if before is None:
            del os.environ["PYTHONHASHSEED"]
        else:
            os.environ["PYTHONHASHSEED"] = before


def campaign(
    names: Sequence[str], *, clock: Callable[[], float], seconds: float | None = None, schedules: int | None = None, cores: int = 1,
    settings: Settings | None = None, stop_at_first: bool = False, told: Callable[[int, float, int], None] | None = None,
) -> Report:  # fmt: skip
    """Run scenarios until the time or the number of schedules (of each) is used up.

    Args:
        clock: returns real seconds. told: called with (schedules so far, seconds so far, failures so far).
        cores: processes; 1 runs in this one.
        stop_at_first: end with the first failure.
    """
    book, began = _Book(names, settings or Settings(), stop_at_first), clock()

    def due() -> Iterator[tuple[str, int, int]]:
        """Deal batches in turns."""
        while open_ones := [name for name in book.open() if schedules is None or book.next[name] < schedules]:
            for name in open_ones:
                first = book.next[name]
                count = BATCH if schedules is None else min(BATCH, schedules - first)
                book.next[name] = first + count
                yield name, first, count
                if seconds is not None and clock() - began >= seconds:
                    return

    def finish(done: Batch, count: int) -> None:
        book.take(done)
        if done.schedules < count and book.next[done.scenario] == done.first + count:
            book.next[done.scenario] = done.first + done.schedules
        if told is not None:
            told(book.schedules(), clock() - began, len(book.found))

    if cores <= 1:
        for name, first, count in due():
            finish(batch(name, first, count, book.settings), count)
    else:
        _on_cores(cores, due(), finish, book)
    lines = [ScenarioLine(name, *total) for name, total in book.totals.items()]
    return Report(lines, list(book.found.values()), book.coverage, clock() - began, cores, book.settings.seed)


def _on_cores(cores: int, due: Iterator[tuple[str, int, int]], finish: Callable[[Batch, int], None], book: _Book) -> None:
    """Keep every core busy with batches."""
    told, fresh = (spins.WATCH.tell is not None,), multiprocessing.get_context("spawn")
    with _hash_seed_zero(), ProcessPoolExecutor(cores, fresh, initializer=spins.tell_on_the_terminal, initargs=told) as pool:
        under_way: dict[Future[Batch], int] = {}
        for name, first, count in due:
            under_way[pool.submit(batch, name, first, count, book.settings)] = count
            while len(under_way) > cores:
                for future in wait(under_way, return_when=FIRST_COMPLETED).done:
                    finish(future.result(), under_way.pop(future))
        for future in wait(under_way).done:
            finish(future.result(), under_way.pop(future))
