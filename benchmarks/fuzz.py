"""The fuzzer's measurements: schedules a second, complete searches, schedules to each bug of the zoo."""

from __future__ import annotations

import atexit
import shutil
import statistics
import tempfile
import time
from functools import cache
from pathlib import Path
from typing import Any

from benchmarks.measures import Line
from ledger.kernel import ROOT
from sim.fuzz import Kind, World, explore, replay, tokens
from sim.fuzz.builds import build_of
from sim.fuzz.builds.scenarios import rows
from sim.fuzz.examples.bursts import burst, crashing, locked
from sim.fuzz.search import exhaust
from sim.fuzz.shrink import shrink
from sim.fuzz.zoo.scenarios import SCENARIOS, real


@cache
def _previous() -> Any:
    """Return the previous release: this tree's ledger, copied and imported under an alias of its own."""
    folder = Path(tempfile.mkdtemp(prefix="onebook-previous-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    shutil.copytree(ROOT / "ledger", folder / "ledger", ignore=shutil.ignore_patterns("__pycache__"))
    return build_of(str(folder))


def two_builds(world: World) -> None:
    """The new build and the previous one, each with its own order manager and gate, on one account: both started at once."""
    rows(world, old=_previous())
    world.allowed.clear()


def _timed(work: Any) -> tuple[float, Any]:
    """Return the processor's own seconds, because the machine is shared, and what the work found."""
    start = time.process_time()
    found = work()
    return time.process_time() - start, found


def speed(count: int) -> list[Line]:
    """Time sampled schedules: a burst in memory, and the real order manager with every fault and invariant."""
    rates: dict[str, list[float]] = {}
    for _ in range(3):
        for name, policies in (("one policy", ("random",)), ("portfolio", ("urw", "pct", "random", "pos"))):
            spent, verdict = _timed(lambda policies=policies: explore(burst, schedules=count, policies=policies))  # type: ignore[misc]
            assert verdict.kind is Kind.CUT and verdict.moves == 48 * count, "every signal must come through in every schedule"
            rates.setdefault(name, []).append(count / spent)
        spent, verdict = _timed(lambda: explore(real, schedules=max(count // 10, 1), seed=7))
        assert verdict.kind is Kind.CUT, "the intact order manager must stand"
        rates.setdefault("real", []).append(max(count // 10, 1) / spent)
    middle = {name: statistics.median(values) for name, values in rates.items()}
    shown = f"every signal came through in {count:,} schedules; asyncio's own tasks and futures bound it"
    return [
        Line("fuzz, 8 signals x 6 awaits in memory, one core, random walk", f"{middle['one policy']:,.0f} schedules/s", "8,000/s", shown),
        Line("the same, portfolio of policies", f"{middle['portfolio']:,.0f} schedules/s", "8,000/s", shown),
        Line("fuzz, the real order manager, 8 signals x 2 bars, every fault, every invariant after each event",
             f"{middle['real']:,.0f} schedules/s", "", "no invariant broke"),
    ]  # fmt: skip


def complete(signals: int) -> list[Line]:
    """Time complete searches."""
    lines = []
    for what, scenario, count, goal in (
        ("complete search, 2 processes (new and old build) x 4 signals", two_builds, 4, "60 s"),
        (f"complete search, {signals} like signals x 6 awaits under a lock", locked, signals, "5 s"),
        (f"complete search, {signals} like signals, 2 crashes anywhere with restarts", crashing, signals, "5 s"),
    ):
        spent, verdict = _timed(lambda scenario=scenario, count=count: exhaust(scenario, dials={"signals": count}))  # type: ignore[misc]
        assert verdict.kind is Kind.COMPLETE
        lines.append(Line(what, f"{spent:.2f} s", goal, verdict.bound))
    return lines


def zoo(seeds: int) -> list[Line]:
    """Count schedules to the first failure of every bug, and what shrinking costs."""
    counts: list[int] = []
    medians, reruns, switches = [], 0, 0
    for name, scenario in SCENARIOS.items():
        own = []
        for seed in range(seeds):
            verdict = explore(scenario, seed=seed, schedules=200)
            assert verdict.failure is not None, f"{name} survived seed {seed}"
            own.append(verdict.schedules)
            if seed < 3:
                made = shrink(scenario, verdict.failure)
                said = tokens.read(tokens.make(f"zoo.{name}", scenario, made.failure, made.needed))
                _, again = replay(scenario, said.steps, dials=said.dials, draws=said.draws)
                assert again is not None and again.name == verdict.failure.invariant, f"the token of {name} must fail again"
                reruns, switches = max(reruns, made.reruns), max(switches, made.after.switches)
        counts += own
        medians.append(statistics.median(own))
    shown = f"{len(SCENARIOS)} bugs, {seeds} seeds each; tokens replayed"
    return [
        Line("schedules until a bug of the zoo is found: worst median, worst", f"{max(medians):g}, {max(counts)}", "20, 200", shown),
        Line("shrinking: most re-runs, most switches left", f"{reruns}, {switches}", "100, 6", shown),
    ]
