"""How much of a result is luck: one report of everything this folder can say about it.

Theory of operation. `judge` takes the Evidence of a run and the count of its family from
the trial ledger, and draws with the generator it is given. `contest` takes what many
candidates returned on the same days: what the choice among them was worth. Everything that
cannot be computed is None. Nothing is stored here; `candidates` runs are recorded by the caller.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from ledger.units import money
from sim import metrics
from sim import run as runs
from sim.data.history import History
from sim.honesty.evidence import Evidence, of_run
from sim.honesty.luck.bootstrap import DRAWS, Interval, Superiority, interval, superior
from sim.honesty.luck.entries import RuleLuck, rule_luck
from sim.honesty.luck.paths import chosen_paths, path_sharpes
from sim.honesty.luck.pbo import BLOCKS, Overfitting, block_moments, overfitting
from sim.honesty.luck.sharpe import Deflated, deflated, minimum_track_record, moments, probabilistic
from sim.honesty.luck.stability import Stability, stability
from sim.honesty.luck.trades import TradeLuck, fractions, trade_luck
from sim.honesty.trials import TrialCount, trial_hash
from strategies.api import Strategy

Floats = NDArray[np.float64]
YEAR = metrics.DAYS_PER_YEAR**0.5
PATH_BLOCKS, PATH_TESTS, EMBARGO_SHARE = 6, 2, 0.01


class Verdict(NamedTuple):
    """What can be said of one run. Sharpe ratios in it are annualised, but those inside `deflated`."""

    trials: TrialCount
    days: int
    sharpe: float | None
    probabilistic: float | None  # chance that the true ratio is above 0
    deflated: Deflated | None
    track_record: float | None  # days needed to say at 95 % that the ratio is above 0
    sharpe_interval: Interval | None
    return_interval: Interval | None
    beats_holding: Superiority | None
    trade_luck: TradeLuck | None
    rule_luck: RuleLuck | None


class Contest(NamedTuple):
    """What choosing the best of several candidates was worth."""

    candidates: int
    pbo: Overfitting | None
    beats_holding: Superiority | None
    stability: Stability | None
    path_sharpes: tuple[float | None, ...]
    failures: tuple[tuple[dict[str, Any], str], ...] = ()  # (parameters, why) of candidates that could not be run


def judge(run: Evidence, tried: TrialCount, dice: Generator, draws: int = DRAWS) -> Verdict:
    """Return the verdict on a run; `tried` is the count of its family."""
    returns = run.returns
    known = None if returns is None else moments(returns)
    parts = fractions(run.trades.pnl_e8, run.start_e8)
    # The generator is used in this order; the same seed gives the same verdict.
    sharpe_interval = None if returns is None else interval(returns, "sharpe", dice, draws=draws)
    return_interval = None if returns is None else interval(returns, "total_return", dice, draws=draws)
    held = run.held_returns()
    beats = None if returns is None or held is None else superior(returns[:, None], held, dice, draws=draws)
    return Verdict(
        tried, 0 if returns is None else returns.size, None if known is None else known.sharpe * YEAR,
        None if known is None else probabilistic(known), None if known is None else deflated(known, max(1, tried.trials), tried.sharpes),
        None if known is None else minimum_track_record(known), sharpe_interval, return_interval, beats,
        None if parts is None else trade_luck(parts, dice, draws), _rule_luck(run, dice, draws),
    )  # fmt: skip


def _rule_luck(run: Evidence, dice: Generator, draws: int) -> RuleLuck | None:
    """Return the entries of a run against random ones; a position at a mark earned the move up to that mark."""
    moving = [track for track in run.tracks if track.close.size > 1]
    return rule_luck([track.side[1:] for track in moving], [track.returns() for track in moving], dice, draws)


class Candidates(NamedTuple):
    """What candidates returned on the same days, their figures and their trial hashes."""

    params: tuple[dict[str, Any], ...]
    returns: Floats  # [T, N] daily; NaN where an account was ruined, or a run had to stop
    sharpes: tuple[float | None, ...]  # annualised
    trials: dict[str, float | None]  # by hash: the ratio per day
    held: Floats | None  # [T] daily returns of holding their instruments
    failures: tuple[tuple[dict[str, Any], str], ...] = ()  # (parameters, why) of those that could not be run


def candidates_of(
    histories: Sequence[History], strategy: Strategy, params: Sequence[Any], setting: runs.Setting, config: Mapping[str, Any],
    progress: Callable[[str], None] = lambda line: None,
) -> Candidates:  # fmt: skip
    """Run each set of parameters on the same histories; `config` is the configuration of a run of the family.

    Raises:
        sim.run.BacktestError: not one of them could be run.
    """
    ran: list[Candidate] = []
    failed: list[tuple[int, str]] = []
    for number, values in enumerate(params, 1):
        progress(f"candidate {number} of {len(params)}")
        try:
            ran.append(_candidate(runs.simulate(histories, strategy, values, setting), held=not ran))
        except runs.BacktestError as error:
            failed.append((number - 1, str(error)))
    if not ran:
        raise runs.BacktestError(f"none of the {len(params):,} candidates could be run; the first: {failed[0][1]}")
    held = ran[0].held
    for place, _ in failed:  # in rising order, so that each place is right when its turn comes
        ran.insert(place, Candidate(np.full(len(ran[0].returns), np.nan), None, None))
    named = [values._asdict() for values in params]
    tried = {trial_hash({**config, "params": one}): candidate.sharpe for one, candidate in zip(named, ran, strict=True)}
    return Candidates(
        tuple(named), np.column_stack([one.returns for one in ran]),
        tuple(None if one.sharpe is None else one.sharpe * YEAR for one in ran), tried, held,
        tuple((named[place], why) for place, why in failed),
    )  # fmt: skip


class Candidate(NamedTuple):
    """One of the candidates: its daily returns, its ratio per day, and what holding returned, where that was asked for."""

    returns: Floats
    sharpe: float | None
    held: Floats | None


def _candidate(sim: runs.Simulation, held: bool) -> Candidate:
    returns = metrics.daily_returns(sim.equity_e8, sim.values[:, 1], money(sim.setting.cash))
    known = None if returns is None else moments(returns)
    # A ruined account earns nothing more; its days would otherwise be missing from the comparison.
    column = np.full(len(np.unique(sim.values[:, 1])), np.nan) if returns is None else returns
    return Candidate(column, None if known is None else known.sharpe, of_run(sim).held_returns() if held else None)


def contest(ran: Candidates, dice: Generator, draws: int = DRAWS) -> Contest:
    """Return what the choice among candidates was worth.

    Candidates that were ruined on the way, or could not be run, are left out of what compares returns.
    """
    returns = ran.returns[:, np.isfinite(ran.returns).all(axis=0)]
    days, several = returns.shape[0], returns.shape[1] > 1
    blocks = max((count for count in range(2, BLOCKS + 1, 2) if days >= 2 * count), default=0)
    pbo = overfitting(block_moments(returns, blocks)) if several and blocks else None
    beats = superior(returns, ran.held, dice, draws=draws) if several and ran.held is not None else None
    enough = several and days >= 2 * PATH_BLOCKS
    ways = chosen_paths(returns, PATH_BLOCKS, PATH_TESTS, embargo=int(days * EMBARGO_SHARE)) if enough else np.empty((0, days))
    return Contest(len(ran.params), pbo, beats, stability(ran.params, ran.sharpes), tuple(path_sharpes(ways)), ran.failures)
