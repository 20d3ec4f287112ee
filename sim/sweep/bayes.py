"""Bayesian search: optuna proposes the next combinations from those that are known, within the grid.

Theory of operation. Combinations are proposed and computed in rounds of ROUND, a round at a time, so
that a kernel has something to work on; what was proposed twice is computed once. The sampler is seeded, told of figures in a
fixed order and always asked for a whole round: the same seed tries the same combinations in the same order, whatever the number of
threads, and a longer search begins with those of a shorter one. So nothing of the sampler needs to be kept: each round's figures are
kept as a part, and a search that is resumed asks the sampler everything again and finds the answers in the parts. Several cases are
judged by their mean. An unknown figure is told to optuna as a failed trial. optuna is an extra (`tune`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sim.sweep.grid import Combos, Grid
from sim.sweep.result import LESS_IS_BETTER, SweepResult
from sim.sweep.run import Way, compute, interrupted
from sim.sweep.work import FIGURED, Case
from strategies.api import StrategyError, known_name

ROUND = 16
PATIENCE = 50
"""Rounds without a combination that is new and passes the strategy's check, after which nothing is left to try."""


class Search:
    """A search at work: the sampler, what was tried in which order, what the strategy's check refused."""

    def __init__(self, cases: Sequence[Case], wanted: Grid, seed: int, aim: str) -> None:
        """Begin a search with nothing tried."""
        self.cases, self.wanted, self.aim, self.study = cases, wanted, aim, _study(seed, aim in LESS_IS_BETTER)
        self.tried: dict[Any, float] = {}
        self.refused: set[Any] = set()
        self.rounds: list[SweepResult] = []

    def left(self, trials: int) -> int:
        """Return how many combinations may still be tried: of those asked for, and of those there are."""
        return min(trials, self.wanted.size - len(self.refused)) - len(self.tried)

    def turn(self, trials: int, engine: str, way: Way, source: tuple[str, str]) -> bool:
        """Try the next round, at most `trials` combinations in all; return whether there was a new one."""
        asked = [_asked(self.study, self.cases[0], self.wanted) for _ in range(ROUND)]
        check = self.cases[0].strategy.check
        self.refused |= {params for _, params in asked if check is not None and check(params)}
        new = dict.fromkeys(params for _, params in asked if params not in self.refused and params not in self.tried)
        fresh = list(new)[: trials - len(self.tried)]
        if fresh:
            found = compute(self.cases, Combos(fresh, 0), engine, way, source)
            aims = found.figure(self.aim).reshape(len(self.cases), len(fresh)).mean(axis=0)
            self.tried |= dict(zip(fresh, aims.tolist(), strict=True))
            self.rounds.append(found)
        for trial, params in asked:
            _tell(self.study, trial, self.tried.get(params, np.nan))
        return bool(fresh)


def search(
    cases: Sequence[Case], wanted: Grid, trials: int, seed: int, aim: str, engine: str, way: Way, source: tuple[str, str]
) -> SweepResult:
    """Return the result of `trials` combinations chosen to better the figure `aim`, in the order in which they were tried.

    Fewer, when the grid has no more that the strategy's check lets through. With the engine dask each round starts a cluster.

    Raises:
        StrategyError: no such figure, optuna is not installed, or every combination is refused.
        SweepInterrupted: Ctrl-C; finished rounds are kept.
    """
    known_name("figure", aim, FIGURED)
    at, idle = Search(cases, wanted, seed, aim), 0
    quiet = way._replace(say=lambda done, whole: None)
    try:
        while at.left(trials) > 0 and idle < PATIENCE:
            idle = 0 if at.turn(trials, engine, quiet, source) else idle + 1
            way.say(len(at.tried) * len(cases), trials * len(cases))
    except KeyboardInterrupt as stop:
        raise interrupted(len(at.tried) * len(cases), trials * len(cases), way.out) from stop
    if not at.tried:
        raise StrategyError(f"no combination is left: the strategy's own check refused all {len(at.refused)} that were proposed")
    return _joined(at, source)


def _study(seed: int, less: bool) -> Any:
    try:
        import optuna
    except ImportError as missing:
        raise StrategyError("the method bayes needs optuna; install onebook[tune]") from missing
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna.create_study(direction="minimize" if less else "maximize", sampler=optuna.samplers.TPESampler(seed=seed))


def _asked(study: Any, case: Case, wanted: Grid) -> tuple[Any, Any]:
    """Return a proposal of the sampler: its trial, and the parameters."""
    trial = study.ask()
    # A value is proposed by its place, so that it is exactly one of those the grid names.
    chosen = {name: values[trial.suggest_int(name, 0, len(values) - 1)] for name, values in wanted.values.items()}
    return trial, case.strategy.params(**chosen)


def _tell(study: Any, trial: Any, value: float) -> None:
    """Tell the sampler a figure; one that is unknown failed."""
    if np.isnan(value):
        from optuna.trial import TrialState

        study.tell(trial, state=TrialState.FAIL)
    else:
        study.tell(trial, value)


def _joined(at: Search, source: tuple[str, str]) -> SweepResult:
    """Return all rounds as one result: case by case, in each the combinations in the order in which they were tried."""
    count, blocks = len(at.cases), np.concatenate([_by_case(one.blocks, len(at.cases)) for one in at.rounds], axis=1)
    table = {
        name: np.concatenate([_by_case(one.table[name], count) for one in at.rounds], axis=1).reshape(-1) for name in at.rounds[0].table
    }
    combos = (tuple(at.tried),) * count
    return SweepResult(table, blocks.reshape(-1, *blocks.shape[2:]), tuple(at.cases), combos, len(at.refused), source)


def _by_case(column: Any, cases: int) -> Any:
    """Return [cases * n, ...] as [cases, n, ...]."""
    return column.reshape(cases, -1, *column.shape[1:])
