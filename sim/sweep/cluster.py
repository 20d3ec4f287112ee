"""A sweep on many processes: Dask hands out parts, the figures are the same bits.

Theory of operation. A worker is sent cases once and then the numbers of parts; it computes a part as the local
engine does, with one thread. Parts are handed out a few at a time, so that an interrupt loses little and memory stays flat.
Starting processes takes seconds: this pays from some minutes of work on. Dask is an extra (`cluster`).
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any

from sim.sweep.run import Job, Way, interrupted, keep, taken
from sim.sweep.work import Bench, Case, Figures, over
from strategies import get
from strategies.api import Strategy, StrategyError

AHEAD = 2
"""Parts handed to each worker beyond the one it computes."""
Sent = tuple[str, Case]


def packed(case: Case) -> Sent:
    """Return a case as it travels: compiled functions stay at home, the strategy goes by name.

    Raises:
        StrategyError: a strategy that no worker could find by its name.
    """
    try:
        known = get(case.strategy.name) is case.strategy
    except StrategyError:
        known = False
    if not known:
        raise StrategyError(f"{case.strategy.name}: workers find a strategy by its name; put it into the registry or use the local engine")
    return case.strategy.name, case._replace(strategy=None)  # type: ignore[arg-type]


def work(sent: Sent, combos: Sequence[tuple[Any, ...]], part: tuple[int, int]) -> Figures:
    """Compute one part in a worker."""
    name, case = sent
    strategy: Strategy = get(name)
    bench = Bench(case._replace(strategy=strategy), [strategy.params(*values) for values in combos])
    return bench.figures(range(*part), over(None))


def _dask() -> Any:
    """Return the library that starts processes and talks to them.

    Raises:
        StrategyError: it is not installed.
    """
    try:
        return import_module("distributed")
    except ImportError as missing:
        raise StrategyError("the engine dask needs dask; install onebook[cluster]") from missing


def figures(benches: Sequence[Bench], jobs: Sequence[Job], way: Way) -> list[Figures]:
    """Return the figures of all parts, computed by a local cluster of `way.jobs` processes on the loopback interface."""
    dask = _dask()
    sent = [packed(bench.case) for bench in benches]
    found: dict[int, Figures] = {}
    waiting = []
    for number, job in enumerate(jobs):
        kept = taken(job, way.resume)
        if kept is not None:
            found[number] = kept
        else:
            waiting.append(number)
    if waiting:
        with (
            dask.LocalCluster(n_workers=way.jobs, threads_per_worker=1, host="127.0.0.1", dashboard_address=None) as cluster,
            dask.Client(cluster) as client,
        ):
            _hand_out(dask, client, sent, benches, jobs, waiting, found, way)
    return [found[number] for number in range(len(jobs))]


def _hand_out(
    dask: Any, client: Any, sent: list[Sent], benches: Sequence[Bench], jobs: Sequence[Job], waiting: list[int],
    found: dict[int, Figures], way: Way,
) -> None:  # fmt: skip
    """Keep every worker busy until nothing waits (found modified in place)."""
    cases = [client.scatter(one, broadcast=True) for one in sent]
    whole, todo = sum(len(job.part) for job in jobs), iter(waiting)
    numbers: dict[Any, int] = {}

    def hand(number: int) -> Any:
        job = jobs[number]
        mine = benches[job.case].combos[job.part.start : job.part.stop]
        future = client.submit(work, cases[job.case], [tuple(params) for params in mine], (0, len(mine)), pure=False)
        numbers[future] = number
        return future

    first = [hand(number) for number, _ in zip(todo, range(way.jobs * AHEAD), strict=False)]
    queue = dask.as_completed(first)
    try:
        for future in queue:
            number = numbers.pop(future)
            found[number] = keep(jobs[number], future.result())
            way.say(sum(len(jobs[done].part) for done in found), whole)
            following = next(todo, None)
            if following is not None:
                queue.add(hand(following))
    except KeyboardInterrupt as stop:
        raise interrupted(sum(len(jobs[done].part) for done in found), whole, way.out) from stop
