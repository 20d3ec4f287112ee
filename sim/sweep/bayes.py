"""Bayesian search: optuna proposes the next combination from those that are known, within the grid.

Theory of operation. Combinations are proposed and computed in rounds of ROUND, a round at a time, so
that a kernel has something to work on; what was proposed twice is computed once. The sampler is seeded and told of figures in a
fixed order: the same seed tries the same combinations, whatever the number of threads. Several cases are
judged by their mean. An unknown figure is told to optuna as a failed trial. optuna is an extra (`tune`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sim.sweep.grid import Combos, Grid
from sim.sweep.result import LESS_IS_BETTER, SweepResult
from sim.sweep.run import Way, compute
from sim.sweep.work import COLUMNS, Case
from strategies.api import StrategyError, known_name

ROUND = 16
PATIENCE = 50
"""Rounds without a combination that is new and passes the strategy's check, after which nothing is left to try."""


def search(
    cases: Sequence[Case], wanted: Grid, trials: int, seed: int, aim: str, way: Way, source: tuple[str, str]
) -> SweepResult:
    """Return the result of `trials` combinations chosen to better the figure `aim`.

    Raises:
        StrategyError: no such figure, or optuna is not installed.
    """
    known_name("figure", aim, [name for name in COLUMNS if name != "kernel"])
    try:
        import optuna
    except ImportError as missing:
        raise StrategyError("the method bayes needs optuna; install onebook[tune]") from missing
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        direction="minimize" if aim in LESS_IS_BETTER else "maximize", sampler=optuna.samplers.TPESampler(seed=seed)
    )
    tried: dict[Any, float] = {}
    refused: set[Any] = set()
    idle = 0
    while len(tried) < trials and idle < PATIENCE:
        asked = [_asked(study, cases[0], wanted) for _ in range(min(ROUND, trials - len(tried)))]
        strategy = cases[0].strategy
        fitting = [params for _, params in asked if strategy.check is None or not strategy.check(params)]
        refused |= {params for _, params in asked} - set(fitting)
        fresh = list(dict.fromkeys(params for params in fitting if params not in tried))
        idle = 0 if fresh else idle + 1
        if fresh:
            tried |= dict(zip(fresh, _aims(cases, fresh, aim, way, source), strict=True))
        for trial, params in asked:
            value = tried.get(params, np.nan)
            if np.isnan(value):
                study.tell(trial, state=optuna.trial.TrialState.FAIL)
            else:
                study.tell(trial, value)
        way.say(len(tried) * len(cases), trials * len(cases))
    if not tried:
        raise StrategyError(f"no combination is left: the strategy's own check refused all {len(refused)} that were proposed")
    return compute(cases, Combos(list(tried), len(refused)), "local", way._replace(out=None), source)


def _asked(study: Any, case: Case, wanted: Grid) -> tuple[Any, Any]:
    """Return a proposal of the sampler: its trial, and the parameters."""
    trial = study.ask()
    # A value is proposed by its place, so that it is exactly one of those the grid names.
    chosen = {name: values[trial.suggest_int(name, 0, len(values) - 1)] for name, values in wanted.values.items()}
    return trial, case.strategy.params(**chosen)


def _aims(cases: Sequence[Case], fresh: list[Any], aim: str, way: Way, source: tuple[str, str]) -> list[float]:
    """Return the figure of each combination: the mean over the cases."""
    found = compute(cases, Combos(fresh, 0), "local", Way(way.jobs), source)
    return list(found.table[aim].astype(np.float64).reshape(len(cases), len(fresh)).mean(axis=0))
