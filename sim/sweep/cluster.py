"""A sweep on many processes, of one machine or of many: Dask hands out parts, the figures are the same bits.

Theory of operation. Without an address a cluster of this machine's own is started on the loopback interface; with one, a running
scheduler is asked, and its workers must have this very onebook: other code could compute other figures. A worker is sent
cases once and then the numbers of parts; it computes a part as the local engine does, with one thread. Parts are handed out a
few at a time, so that an interrupt loses little and memory stays flat. Starting processes takes seconds: this pays from
some minutes of work on. Dask is an extra (`cluster`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from ledger.journal.provenance import source_hash
from sim.sweep.run import Job, Way, interrupted, keep, taken
from sim.sweep.work import Bench, Case, Figures, over
from strategies import get
from strategies.api import Strategy, StrategyError

AHEAD = 2
"""Parts handed to each worker beyond the one it computes."""
CONNECT_S = 10
"""How long a scheduler may take to answer."""
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


@contextmanager
def _client(dask: Any, way: Way) -> Iterator[Any]:
    """Yield a client of the scheduler that was named, or of a local cluster of `way.jobs` processes on the loopback interface.

    Raises:
        StrategyError: no scheduler answers there, it has no workers, or they run other code.
    """
    if way.scheduler is None:
        with (
            dask.LocalCluster(n_workers=way.jobs, threads_per_worker=1, host="127.0.0.1", dashboard_address=None) as cluster,
            dask.Client(cluster) as client,
        ):
            yield client
        return
    try:
        found = dask.Client(way.scheduler, timeout=CONNECT_S)
    except (OSError, ValueError) as error:
        raise StrategyError(f"no Dask scheduler answers at {way.scheduler}: {error}; start one with `dask scheduler`") from error
    with found as client:
        _same_code(client, way.scheduler)
        yield client


def own_code() -> str:
    """Return what the code of this process is known by."""
    return source_hash()


def _same_code(client: Any, scheduler: str) -> None:
    """See that there are workers and that each has the source of this process.

    Raises:
        StrategyError: there are none, or theirs is another.
    """
    try:
        found = client.run(source_hash)
    except ImportError as error:
        raise StrategyError(f"a worker of {scheduler} has no onebook ({error}); install this release where the workers run") from error
    if not found:
        raise StrategyError(f"the scheduler at {scheduler} has no workers; start some with `dask worker {scheduler}`")
    own = own_code()
    others = sorted(worker for worker, theirs in found.items() if theirs != own)
    if others:
        named = ", ".join(others[:3]) + (f" and {len(others) - 3} more" if len(others) > 3 else "")
        raise StrategyError(f"{named}: another onebook than here; install the same release and restart the workers")


def figures(benches: Sequence[Bench], jobs: Sequence[Job], way: Way) -> list[Figures]:
    """Return the figures of all parts, computed by the workers of `way`.

    Raises:
        StrategyError: there are no workers that could.
    """
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
        with _client(dask, way) as client:
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

    hands = sum(client.nthreads().values())
    first = [hand(number) for number, _ in zip(todo, range(hands * AHEAD), strict=False)]
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
