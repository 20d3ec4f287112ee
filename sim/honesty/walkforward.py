"""Walk-forward: choose parameters on the past, trade the future with them, on one continuing account.

Theory of operation. Each window cuts the histories at the day its test begins, runs every
candidate on what is left and keeps the best by one figure. The wishes of the chosen
candidate are then asked for on histories cut where the test ends, and only the rows of the
test are kept. The rows of all tests, end to end, are one run of one account: positions,
cash, fees and sizes carry over as they would have, and its equity from the first test day
on is what somebody who chose like this would have had. Warm-up comes from the past alone.

Every candidate of every window is a trial. A figure that is undefined is never chosen; a
window in which all are undefined stays flat. A candidate whose run has to stop has no figure and costs none of the others
their window; when not one could be run in any window, that is an error.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ledger.units import money
from sim import metrics
from sim import run as runs
from sim.data.history import History
from sim.engine import signals
from sim.honesty import trials
from sim.honesty.replayed import replayed, silent, standing
from sim.honesty.luck.sharpe import moments
from sim.honesty.windows import HonestyError, Window, cut, row_days, trading_days, windows
from strategies.api import Strategy, may_short

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
FIGURES = ("sharpe", "sortino", "calmar", "total_return", "cagr", "max_drawdown", "profit_factor", "expectancy", "win_rate")
"""What a window may choose by: greater is better in all of them (a drawdown is 0 or negative)."""
RATES = ("sharpe", "sortino", "calmar", "cagr")
"""Of these: what does not depend on how long a window is, so that in-sample and out-of-sample may be divided."""


class Plan(NamedTuple):
    """How to walk: trading days to learn on and to test, anchored or rolling, and the figure to choose by."""

    learn: int = 756
    test: int = 252
    anchored: bool = False
    figure: str = "sharpe"


class Segment(NamedTuple):
    """One window: who was chosen, how it looked, and what came of it."""

    window: Window
    params: Any  # None: no candidate could be judged, the account stayed flat
    in_sample: float | None
    total_return: float | None  # of the account over the test
    sharpe: float | None
    undefined: int  # candidates without a figure
    failures: tuple[tuple[Any, str], ...] = ()  # of these, (parameters, why) of those that could not be run


class Choice(NamedTuple):
    """What a window chose: a Segment before it was traded."""

    params: Any
    in_sample: float | None
    undefined: int
    failures: tuple[tuple[Any, str], ...]


class Judged(NamedTuple):
    """A candidate over the days a window learns on."""

    params: Any
    figure: float | None
    trial: str
    failed: str  # why it could not be run, "" where it was


@dataclass(frozen=True)
class WalkForward:
    """What a walk-forward leaves; `simulation.values` begins with the first test day."""

    plan: Plan
    candidates: int
    segments: tuple[Segment, ...]
    simulation: runs.Simulation
    figures: metrics.Figures
    trials: list[str]  # the hash of each candidate in each window

    @property
    def efficiency(self) -> float | None:
        """The figure out of sample over its mean in sample; None for a figure that grows with time, or when not above 0."""
        seen = [segment.in_sample for segment in self.segments if segment.in_sample is not None]
        value, whole = self.figures[self.plan.figure], math.fsum(seen)
        if self.plan.figure not in RATES or value is None or whole <= 0:
            return None
        return value / (whole / len(seen))

    @property
    def winning_windows(self) -> float | None:
        """Share of the windows whose test earned something; None when a window's return is unknown."""
        returns = [segment.total_return for segment in self.segments]
        return None if None in returns else sum(value > 0 for value in returns if value is not None) / len(returns)


def walk_forward(
    histories: Sequence[History],
    strategy: Strategy,
    candidates: Sequence[Any],
    plan: Plan | None = None,
    setting: runs.Setting | None = None,
    *,
    source: tuple[str, str] = ("bars", "as given"),
    progress: Callable[[str], None] = lambda line: None,
) -> WalkForward:
    """Walk `strategy` forward over `histories`, choosing among `candidates` (its parameters) anew for each window.

    Args:
        source: where the prices came from and of which kind, as `sim.run.configuration` keeps them.
    Raises:
        HonestyError: no candidate, a figure that nothing can be chosen by, or windows that do not fit.
        sim.run.BacktestError: a run had to stop.
    """
    plan, setting = plan or Plan(), setting or runs.Setting()
    _check(candidates, plan)
    found = windows(trading_days(histories), plan.learn, plan.test, anchored=plan.anchored)
    days, wishes = row_days(histories), silent(sum(history.end_ns.size for history in histories))
    chosen: list[Choice] = []
    seen: list[str] = []
    for number, window in enumerate(found, 1):
        progress(f"window {number} of {len(found)}: {len(candidates)} candidates until {date.fromordinal(window.test_from)}")
        known = cut(histories, window.test_from)
        judged = [_in_sample(known, strategy, params, setting, plan.figure, window, source) for params in candidates]
        seen += [one.trial for one in judged]
        chosen.append(_chosen(judged))
        _write_test(wishes, days, histories, strategy, chosen[-1].params, window)
    _require_one(chosen, len(candidates))
    simulation = _traded(histories, strategy, wishes, candidates, setting, found[0].test_from)
    segments = tuple(_segment(simulation, window, choice) for window, choice in zip(found, chosen, strict=True))
    return WalkForward(plan, len(candidates), segments, simulation, runs.figures(simulation), seen)


def _check(candidates: Sequence[Any], plan: Plan) -> None:
    if not candidates:
        raise HonestyError("there is no candidate to choose from; give at least one set of parameters")
    if plan.figure not in FIGURES:
        raise HonestyError(f"nothing can be chosen by {plan.figure!r}; choose by one of {', '.join(FIGURES)}")


def _chosen(judged: Sequence[Judged]) -> Choice:
    """Return the first candidate of the greatest known figure, or none."""
    known = [one for one in judged if one.figure is not None]
    best = max(known, key=lambda one: one.figure or 0.0, default=None)
    failures = tuple((one.params, one.failed) for one in judged if one.failed)
    params, figure = (None, None) if best is None else (best.params, best.figure)
    return Choice(params, figure, len(judged) - len(known), failures)


def _require_one(chosen: Sequence[Choice], candidates: int) -> None:
    """Raise a BacktestError when no candidate could be run in any window: to have stayed flat would be no result."""
    if all(len(one.failures) == candidates for one in chosen):
        raise runs.BacktestError(f"none of the {candidates:,} candidates could be run in any window; the first: {chosen[0].failures[0][1]}")


def _in_sample(
    known: Sequence[History], strategy: Strategy, params: Any, setting: runs.Setting, figure: str, window: Window,
    source: tuple[str, str],
) -> Judged:  # fmt: skip
    """Return what a candidate was worth over the days a window learns on.

    Bars before the window warm the strategy up; its wishes there are not traded.
    """
    days = row_days(known)
    masked, played = window.learn_from > int(days.min()), (strategy, params)
    if masked:
        asked, wishes = signals.wishes(strategy, known, params), silent(days.size)
        _keep(wishes, asked, known, days, window.learn_from, window.test_from)
        played = replayed(strategy, known, wishes, may_short(strategy, params))
    told = {**runs.configuration(runs.unrun(known, *played, setting), *source), "params": params._asdict()} | (
        {"learn_from": window.learn_from} if masked else {}
    )
    trial = trials.trial_hash(told)
    try:
        simulation = _from(runs.simulate(known, *played, setting), window.learn_from)
    except runs.BacktestError as error:
        return Judged(params, None, trial, str(error))
    return Judged(params, runs.figures(simulation)[figure], trial, "")


def _keep(wishes: Floats, asked: Floats, histories: Sequence[History], days: Ints, since: int, until: int) -> None:
    """Copy the rows of days since..until of each instrument (wishes modified in place), the first as it then stands."""
    at = 0
    for history in histories:
        size = history.end_ns.size
        first, last = np.searchsorted(days[at : at + size], (since, until))
        wishes[at + first : at + last] = standing(asked[at : at + size], int(first), int(last))
        at += size


def _write_test(
    wishes: Floats, days: Ints, histories: Sequence[History], strategy: Strategy, params: Any, window: Window
) -> None:
    """Write the wishes of a window's test (modified in place): those of the chosen parameters, or to be flat."""
    known = cut(histories, window.test_until)
    sizes = [history.end_ns.size for history in known]
    asked = silent(sum(sizes)) if params is None else signals.wishes(strategy, known, params)
    starts = np.cumsum([0, *(history.end_ns.size for history in histories)])
    at = 0
    for history, size, start in zip(known, sizes, starts[:-1], strict=True):
        part = wishes[start : start + size]
        _keep(part, asked[at : at + size], [history], days[start : start + size], window.test_from, window.test_until)
        at += size


def _traded(
    histories: Sequence[History], strategy: Strategy, wishes: Floats, candidates: Sequence[Any], setting: runs.Setting, since: int
) -> runs.Simulation:
    """Return the run of the stitched wishes on one account; its equity begins on day `since`."""
    short = any(may_short(strategy, params) for params in candidates)
    return _from(runs.simulate(histories, *replayed(strategy, histories, wishes, short), setting), since)


def _from(simulation: runs.Simulation, since: int) -> runs.Simulation:
    """Return a run whose equity curve begins on day `since`; nothing was traded before."""
    return replace(simulation, values=simulation.values[simulation.values[:, 1] >= since])


def _returns(values: Ints, start_e8: int) -> Floats | None:
    return metrics.daily_returns(values[:, 2] + values[:, 3], values[:, 1], start_e8) if len(values) else None


def _segment(simulation: runs.Simulation, window: Window, choice: Choice) -> Segment:
    """Return what came of a window: the account's own equity over its test."""
    values = simulation.values
    first, last = np.searchsorted(values[:, 1], (window.test_from, window.test_until))
    equity = values[:, 2] + values[:, 3]
    start = int(equity[first - 1]) if first > 0 else money(simulation.setting.cash)
    returns = _returns(values[first:last], start)
    judged = None if returns is None else moments(returns)
    annual = None if judged is None else judged.sharpe * metrics.DAYS_PER_YEAR**0.5
    total = int(equity[last - 1]) / start - 1.0 if start > 0 and last > first else None
    return Segment(window, choice.params, choice.in_sample, total, annual, choice.undefined, choice.failures)


def configuration(walk: WalkForward, source: tuple[str, str]) -> dict[str, Any]:
    """Return what the session row keeps: that of a run, in the family of its strategy, and how it was walked."""
    told = runs.configuration(walk.simulation, *source)
    chosen = [None if segment.params is None else segment.params._asdict() for segment in walk.segments]
    return {**told, "params": {}, "walkforward": {**walk.plan._asdict(), "candidates": walk.candidates, "chosen": chosen}}


def record(walk: WalkForward, book: Any, told: Mapping[str, Any], session: int | None) -> int:
    """Record every candidate of every window in the trial ledger; return how many were new.

    Their ratios are not recorded: those of short windows differ more than those of whole runs, with which they
    would be thrown together when the spread between trials is measured.
    """
    return trials.record(book, trials.family(told), walk.trials, session)
