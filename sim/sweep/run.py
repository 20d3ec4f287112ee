"""A sweep from a grid to a table: cases, parts, threads, files; what is done is kept.

Theory of operation. Every history under every cost model is a case, and each case tries the same
combinations. A case is cut into parts by a rule that knows nothing of threads. A finished part is written to the
folder `parts`, under the hash of its configuration, before the next begins; a sweep that is told to resume reads
those it finds. So an interrupt loses at most the part at work, and every number of threads or
workers gives the same bits. Every combination is recorded as a trial when a book is named.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ledger.journal.provenance import canonical_json
from sim.data import History
from sim.honesty import trials as trial_ledger
from sim.run import BacktestError, Setting
from sim.sweep.grid import Combos, Grid, combinations, grid
from sim.sweep.result import SweepResult, arrow, configuration, figures_of, write
from sim.sweep.work import Bench, Case, Figures, Over, over
from strategies import get
from strategies.api import Strategy, StrategyError

METHODS = ("grid", "random", "bayes")
ENGINES = ("local", "dask")
Say = Callable[[int, int], None]


class SweepInterrupted(KeyboardInterrupt):
    """The sweep was interrupted; the message says what was kept."""


class Job(NamedTuple):
    """A part of a case, and the file that keeps it (None: nothing is kept)."""

    case: int
    part: range
    path: Path | None


class Way(NamedTuple):
    """How a sweep is computed; nothing here changes a figure."""

    jobs: int = 1
    out: Path | None = None
    resume: bool = False
    say: Say = lambda done, whole: None
    scheduler: str | None = None
    """Address of a Dask scheduler whose workers compute; None: a cluster of this machine's own."""


def cases_of(
    histories: Sequence[History], strategy: Strategy, setting: Setting, commissions: Sequence[str], blocks: int, period: str,
    together: bool | None = None,
) -> list[Case]:
    """Return a case for each history, or one for all together, under each cost model."""
    if not histories:
        raise StrategyError("a sweep needs at least one history")
    alone = strategy.prepare_universe is None and strategy.symbols[0] <= 1 if together is None else not together
    groups = [(history,) for history in histories] if alone else [tuple(histories)]
    fees = list(dict.fromkeys(commissions)) or [setting.commission]
    return [Case(group, strategy, setting._replace(commission=fee), blocks, period) for group in groups for fee in fees]


def sweep(
    histories: History | Sequence[History],
    strategy: str | Strategy,
    values: Grid | Mapping[str, Any],
    setting: Setting | None = None,
    *,
    commissions: Sequence[str] = (),
    method: str = "grid",
    trials: int | None = None,
    seed: int = 0,
    aim: str = "sharpe",
    engine: str = "local",
    scheduler: str | None = None,
    jobs: int = 0,
    blocks: int = 16,
    period: str = "day",
    together: bool | None = None,
    out: Path | str | None = None,
    resume: bool = False,
    book: Path | str | None = None,
    source: tuple[str, str] = ("bars", "as given"),
    say: Say = lambda done, whole: None,
) -> SweepResult:
    """Try combinations of a strategy's parameters and return their figures.

    Args:
        histories: each is swept alone, unless the strategy trades several (or `together` says so).
        values: what to try, by parameter: numbers or lists of numbers; a parameter left out keeps its default.
        commissions: cost models to try beside each other; none: the setting's.
        method: "grid" (all), "random" (`trials` of them, by `seed`) or "bayes" (`trials` chosen by optuna to better `aim`).
        engine: "local" (threads) or "dask" (processes of a local cluster). jobs: how many; 0: one a core.
        scheduler: address of a running Dask scheduler, such as "tcp://10.0.0.5:8786": its workers compute, on however many machines.
        blocks, period: see `market`: moments of returns per stretch of time; returns between "day" ends or "bar"s.
        out: folder for finished parts; resume: take those it has. book: the journal that trials are recorded in.
        say: is told (combinations done, combinations in all) after each part.
    Raises:
        StrategyError, UnitError: what was asked for does not exist or is no number.
        SweepInterrupted: Ctrl-C; finished parts are kept.
        BacktestError: not one combination could be run; where some could, the others are rows with a reason.
    """
    chosen = strategy if isinstance(strategy, Strategy) else get(strategy)
    wanted = values if isinstance(values, Grid) else grid(chosen, values)
    if method not in METHODS or engine not in ENGINES:
        raise StrategyError(f"method {method!r} is one of {', '.join(METHODS)}; engine {engine!r} one of {', '.join(ENGINES)}")
    if scheduler is not None and engine != "dask":
        raise StrategyError(f"the scheduler {scheduler} is for engine='dask'; the engine is {engine!r}")
    if method != "grid" and (trials is None or trials < 1):
        raise StrategyError(f"the method {method} needs the number of trials, as in trials=200")
    several = [histories] if isinstance(histories, History) else list(histories)
    cases = cases_of(several, chosen, setting or Setting(), commissions, blocks, period, together)
    way = Way(jobs or cores(), Path(out) if out is not None else None, resume, say, scheduler)
    if method == "bayes":
        from sim.sweep.bayes import search

        found = search(cases, wanted, trials or 1, seed, aim, engine, way, source)
    else:
        found = compute(cases, combinations(chosen, wanted, trials if method == "random" else None, seed), engine, way, source)
    if found.failed.all():
        raise BacktestError(f"none of the {len(found):,} combinations could be run; the first: {found.table['failed'][0]}")
    if book is not None:
        record(found, book)
    return found


def compute(cases: Sequence[Case], combos: Combos, engine: str, way: Way, source: tuple[str, str]) -> SweepResult:
    """Compute every combination in every case, part by part."""
    if not combos.params:
        raise StrategyError(f"no combination is left: the strategy's own check refused all {combos.refused}")
    benches = [Bench(case, combos.params) for case in cases]
    jobs = [
        Job(number, part, keeping(way.out, bench.case, bench.combos[part.start : part.stop], source))
        for number, bench in enumerate(benches)
        for part in bench.parts
    ]
    if engine == "dask":
        from sim.sweep.cluster import figures as distributed

        found = distributed(benches, jobs, way)
    else:
        found = _local(benches, jobs, way)
    return gathered(cases, [tuple(combos.params)] * len(cases), [_as_given(benches, found)], combos.refused, source)


def _as_given(benches: Sequence[Bench], found: Sequence[Figures]) -> Figures:
    """Return the figures of all parts in the order in which the combinations were given."""
    firsts = np.cumsum([0, *(len(bench.combos) for bench in benches)])
    places = np.concatenate([first + np.argsort(bench.order) for first, bench in zip(firsts, benches, strict=False)])
    table = {name: np.concatenate([one.table[name] for one in found])[places] for name in found[0].table}
    return Figures(table, np.concatenate([one.blocks for one in found])[places])


def _local(benches: Sequence[Bench], jobs: Sequence[Job], way: Way) -> list[Figures]:
    """Compute the parts one after the other, the groups of each in threads."""
    whole, done, found = sum(len(job.part) for job in jobs), 0, []
    with threads(way.jobs) as run:
        for job in jobs:
            kept = taken(job, way.resume)
            try:
                found.append(kept if kept is not None else keep(job, benches[job.case].figures(job.part, run, way.jobs)))
                done += len(job.part)
                way.say(done, whole)
            except KeyboardInterrupt as stop:
                raise interrupted(done, whole, way.out) from stop
    return found


@contextmanager
def threads(jobs: int) -> Iterator[Over]:
    """Yield a map over so many threads; an interrupt does not wait for what has not begun."""
    if jobs <= 1:
        yield over(None)
        return
    pool = ThreadPoolExecutor(jobs)
    try:
        yield over(pool)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def cores() -> int:
    """Return the number of cores this process may use."""
    import os

    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def interrupted(done: int, whole: int, out: Path | None) -> SweepInterrupted:
    """Return the interrupt that says what was kept."""
    if out is None:
        return SweepInterrupted(f"interrupted after {done} of {whole} combinations; nothing is kept without a folder for parts")
    return SweepInterrupted(f"interrupted; {done} of {whole} combinations are kept in {out / 'parts'}; go on with --resume")


def keeping(out: Path | None, case: Case, combos: Sequence[Any], source: tuple[str, str]) -> Path | None:
    """Return the file that keeps a part, named by the hash of everything its figures depend on."""
    if out is None:
        return None
    told = configuration(case, combos[0], source)
    told |= {"params": [list(params) for params in combos], "blocks": case.blocks, "period": case.period}
    return out / "parts" / f"{hashlib.sha256(canonical_json(told).encode()).hexdigest()[:32]}.parquet"


def taken(job: Job, resume: bool) -> Figures | None:
    """Return the figures of a part that an earlier sweep kept, if they are to be taken and can be read."""
    if not resume or job.path is None or not job.path.exists():
        return None
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return figures_of(pq.read_table(job.path))
    except (pa.ArrowInvalid, OSError):
        return None  # A machine that lost its power leaves half a file; computing it again writes over it.


def keep(job: Job, figures: Figures) -> Figures:
    """Write a finished part to its file, if it has one, and return it."""
    if job.path is not None:
        write(arrow(figures), job.path)
    return figures


def gathered(
    cases: Sequence[Case], combos: Sequence[tuple[Any, ...]], found: Sequence[Figures], refused: int, source: tuple[str, str]
) -> SweepResult:
    """Return the result of all parts, in their order."""
    heads: dict[str, NDArray[Any]] = {
        "symbol": np.repeat(["+".join(h.symbol for h in case.histories) for case in cases], [len(mine) for mine in combos]),
        "commission": np.repeat([case.setting.commission for case in cases], [len(mine) for mine in combos]),
    }
    rows = [params for mine in combos for params in mine]
    for place, name in enumerate(cases[0].strategy.params._fields):
        heads[name] = np.array([params[place] for params in rows])
    table = {name: np.concatenate([one.table[name] for one in found]) for name in found[0].table}
    return SweepResult(heads | table, np.concatenate([one.blocks for one in found]), tuple(cases), tuple(combos), refused, source)


def record(found: SweepResult, book: Path | str) -> int:
    """Record every combination as a trial in a book; return how many were new."""
    new, place = 0, 0
    for case, combos in zip(found.cases, found.combos, strict=True):
        names = found.trials[place : place + len(combos)]
        family = trial_ledger.family(configuration(case, combos[0], found.source))
        new += trial_ledger.record(book, family, names, sharpes=daily_sharpes(found, place, names))
        place += len(combos)
    return new


def daily_sharpes(found: SweepResult, place: int, names: Sequence[str]) -> dict[str, float]:
    """Return mean over deviation of the daily returns, not annualised, by trial hash, where known."""
    if found.cases[0].period != "day":
        return {}
    sharpes = found.table["sharpe"][place : place + len(names)] / np.sqrt(252.0)
    return {name: float(value) for name, value in zip(names, sharpes, strict=True) if not np.isnan(value)}
