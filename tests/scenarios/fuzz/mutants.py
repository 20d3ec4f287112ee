"""Every guard of the core and the runner taken away, one at a time, and how many schedules it takes to notice.

    onebook fuzz zoo --mutants --seeds 20 --schedules 2000

Theory of operation. A job is one mutant in some seeds; jobs go to processes, on as many cores as are given. Core mutants run
without the compiler, because compiled kernels cannot be patched. The intact code goes through the same
worlds first and must survive. A mutant that survives a seed is a missing check. The command line
runs this and keeps the table in the book as a session of kind fuzz; nothing here prints.
"""

from __future__ import annotations

import multiprocessing
import os
import statistics
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from importlib import import_module
from typing import Any, NamedTuple

SCOPE = "mutants of the core and the runner"
DEPTHS = {"event": "tests.scenarios.fuzz.core_mutants", "runner": "tests.scenarios.fuzz.runner_mutants"}
INTACT_BUDGET = 150


class Row(NamedTuple):
    """One line of the table; `found` holds the schedules it took in each seed, 0 where it survived the `budget`."""

    depth: str
    name: str
    guard: str
    found: tuple[int, ...]
    of: str
    budget: int

    @property
    def killed(self) -> bool:
        return all(self.found)


class Job(NamedTuple):
    """One mutant (None: the intact code) of a depth, by its place in the depth's list."""

    depth: str
    place: int | None
    seeds: tuple[int, ...]
    budget: int


def run(job: Job) -> Row:
    """Search one mutant in every seed of a job."""
    module: Any = import_module(DEPTHS[job.depth])
    mutant = module.MUTANTS[job.place] if job.place is not None else None
    budget = job.budget if mutant else min(job.budget, INTACT_BUDGET)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # plain Python warns where compiled integers wrap
        tries = [module.found_after(mutant, seed, budget) for seed in job.seeds]
    name, guard = (mutant.name, mutant.guard) if mutant else ("intact", "nothing is missing")
    return Row(job.depth, name, guard, tuple(count for count, _ in tries), next((what for _, what in tries if what), ""), budget)


@contextmanager
def _plain_python(depth: str) -> Iterator[None]:
    """Let processes that are started here run the core without the compiler."""
    before = os.environ.get("NUMBA_DISABLE_JIT")
    if depth == "event":
        os.environ["NUMBA_DISABLE_JIT"] = "1"
    try:
        yield
    finally:
        os.environ.pop("NUMBA_DISABLE_JIT", None)
        if before is not None:
            os.environ["NUMBA_DISABLE_JIT"] = before


def rows_of(
    depth: str, seeds: Sequence[int], budget: int, cores: int = 1, told: Callable[[Row], None] | None = None, only: Sequence[str] = ()
) -> list[Row]:
    """Search the intact code of a depth and all its mutants (or those that `only` names), in processes of their own."""
    places = [(place, mutant.name) for place, mutant in enumerate(import_module(DEPTHS[depth]).MUTANTS)]
    jobs = [Job(depth, place, tuple(seeds), budget) for place, name in [(None, ""), *places] if place is None or not only or name in only]
    rows = []
    with _plain_python(depth), ProcessPoolExecutor(cores, multiprocessing.get_context("spawn")) as pool:
        for row in pool.map(run, jobs):
            rows.append(row)
            if told is not None:
                told(row)
    return rows


def document(rows: list[Row], seeds: int, budget: int) -> dict[str, Any]:
    """Return the table as JSON has it, in the keys of a fuzz session's ablation table."""
    zoo = []
    for row in rows:
        hits = [count for count in row.found if count]
        zoo.append({
            "guard": f"{row.depth}: {row.guard}", "disaster": f"{row.name}: {row.of}" if row.of else row.name, "intact": row.name == "intact",
            "found": len(hits), "seeds": seeds, "median": int(statistics.median(hits)) if hits else None, "max": max(hits, default=None), "token": "",
            "schedules": sum(count or row.budget for count in row.found),
        })  # fmt: skip
    intact = [row for row in rows if row.name == "intact"]
    survivors = [row.name for row in rows if row.name != "intact" and not row.killed]
    verdict = "failed" if survivors or any(any(row.found) for row in intact) else "cut"
    return {
        "schema": 1, "verdict": verdict, "bound": f"{len(rows) - len(intact)} mutants, {seeds} seeds, {budget:,} schedules each", "scenarios": [],
        "schedules": sum(line["schedules"] for line in zoo), "moves": None, "seconds": None, "per_second": None, "cores": 1, "seed": 0, "failures": [],
        "coverage": [], "zoo": zoo, "survivors": survivors,
    }  # fmt: skip


def measured(seeds: int, budget: int, cores: int, told: Callable[[Row], None] | None = None, only: Sequence[str] = ()) -> dict[str, Any]:
    """Search every mutant of both depths; return the table as a document."""
    rows = [row for depth in DEPTHS for row in rows_of(depth, range(seeds), budget, cores, told, only)]
    return document(rows, seeds, budget) | {"cores": cores}


def names() -> list[str]:
    """Return the name of every mutant."""
    return [mutant.name for module in DEPTHS.values() for mutant in import_module(module).MUTANTS]
