"""The report: it uses the true count, competes candidates on the same bars, and shows unknown as None."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim import run as runs
from sim.data import load
from sim.honesty import evidence, overfit, trials
from sim.honesty.grid import grid
from sim.honesty.luck.dice import dice
from sim.honesty.luck.paths import chosen_paths, path_sharpes
from sim.honesty.luck.sharpe import deflated, moments
from sim.honesty.trials import TrialCount
from sim.honesty.windows import HonestyError
from strategies import get
from strategies.api import StrategyError

from tests.sim.sweep.markets import jump

SMA = get("sma_cross")
WORDS = ("fast=3:9:3", "slow=12,20,40")


@pytest.fixture(scope="module")
def prices():
    return load("sp500", (), start="2013-01-02", end="2015-12-31")


@pytest.fixture(scope="module")
def run(prices):
    return evidence.of_run(runs.simulate(prices, SMA, SMA.params(3, 12)))


@pytest.fixture(scope="module")
def ran(prices, run):
    return overfit.candidates_of(prices, SMA, grid(SMA, WORDS).params, runs.Setting(), run.config)


def test_the_count_of_the_trial_ledger_decides(run):
    few, many = (overfit.judge(run, TrialCount(count, 0, ()), dice(1), draws=100) for count in (1, 10_000))
    assert few.deflated.probability == few.probabilistic and few.deflated.benchmark == 0
    assert many.deflated.probability < few.deflated.probability and many.deflated.trials == 10_000
    assert many.probabilistic == few.probabilistic and many.sharpe == pytest.approx(run.figures["sharpe"])
    assert many.deflated == deflated(moments(run.returns), 10_000)


def test_the_same_seed_gives_the_same_report(run):
    again = [overfit.judge(run, TrialCount(5, 0, ()), dice(seed), draws=150) for seed in (3, 3, 4)]
    assert again[0] == again[1] != again[2]


def test_what_a_run_without_trades_cannot_answer_is_none(prices):
    flat = evidence.of_run(runs.simulate(prices, SMA, SMA.params(5, 4000)))
    found = overfit.judge(flat, TrialCount(7, 0, ()), dice(1), draws=100)
    unknown = ("sharpe", "probabilistic", "deflated", "track_record", "sharpe_interval", "trade_luck", "rule_luck")
    assert [getattr(found, name) for name in unknown] == [None] * len(unknown)
    empty = replace(flat, values=flat.values[:0], tracks=())
    assert overfit.judge(empty, TrialCount(0, 0, ()), dice(1), draws=100).days == 0


def test_candidates_are_the_runs_they_are_and_the_hashes_the_ledger_would_give(prices, run, ran, tmp_path):
    assert len(ran.params) == ran.returns.shape[1] == len(ran.trials) == 9
    assert (ran.held == run.held_returns()).all()
    assert (ran.returns[:, 0] == run.returns).all() and ran.sharpes[0] == pytest.approx(run.figures["sharpe"])
    assert trials.trial_hash(run.config) in ran.trials, "the same run is the same trial"


def test_a_contest_says_what_choosing_was_worth(ran):
    found = overfit.contest(ran, dice(1), draws=100)
    assert found.candidates == 9 and 0 <= found.pbo.pbo <= 1 and found.pbo.strategies == 9 and found.pbo.splits == 12_870
    assert found.stability.params in ran.params and len(found.path_sharpes) == 5
    assert 0 < found.beats_holding.lower <= found.beats_holding.reality_check <= 1


def test_one_candidate_is_no_contest_and_ruined_ones_are_left_out(ran):
    alone = ran._replace(params=ran.params[:1], returns=ran.returns[:, :1], sharpes=ran.sharpes[:1])
    found = overfit.contest(alone, dice(1))
    assert (found.pbo, found.beats_holding, found.stability, found.path_sharpes) == (None, None, None, ())
    broken = ran.returns.copy()
    broken[:, 4] = np.nan
    assert overfit.contest(ran._replace(returns=broken), dice(1), 100).pbo.strategies == 8
    short = ran._replace(returns=ran.returns[100:111], held=ran.held[100:111])
    assert overfit.contest(short, dice(1), 100).pbo.blocks == 4


def test_candidates_that_cannot_be_run_are_told_and_the_others_compete(run):
    history, setting = jump(), runs.Setting(commission="zero")
    several = [SMA.params(2, slow) for slow in (5, 60, 9, 70)]
    found = overfit.candidates_of([history], SMA, several, setting, run.config)
    assert [params["slow"] for params, why in found.failures if "OVERFLOW" in why] == [5, 9] and len(found.trials) == 4
    assert np.isfinite(found.returns).all(axis=0).tolist() == [False, True, False, True] and found.held.size == len(found.returns)
    assert found.sharpes[0] is None and overfit.contest(found, dice(1), 100).failures == found.failures
    with pytest.raises(runs.BacktestError, match="none of the 1 candidates could be run; the first: at "):
        overfit.candidates_of([history], SMA, several[:1], setting, run.config)


def test_whoever_chooses_with_skill_in_sight_finds_it_along_every_path():
    returns = dice(4).standard_normal((600, 12)) * 0.01
    skilled = returns.copy()
    skilled[:, 5] += 0.004
    ways = chosen_paths(skilled, 6, 2, embargo=5)
    assert ways.shape == (5, 600) and all((row == skilled[:, 5]).all() for row in ways)
    lucky = [path_sharpes(chosen_paths(dice(seed).standard_normal((600, 12)), 6, 2)) for seed in range(40)]
    assert abs(np.mean(lucky)) < 0.25, "chosen on other days, luck earns nothing"
    assert path_sharpes(chosen_paths(np.zeros((60, 3)), 6, 2)) == [None] * 5


@given(st.lists(st.integers(1, 60), min_size=1, max_size=4, unique=True), st.lists(st.integers(2, 90), min_size=1, max_size=4, unique=True))
def test_a_grid_is_every_combination_that_fits(fast, slow):
    words = [f"fast={','.join(map(str, fast))}", f"slow={','.join(map(str, slow))}"]
    expected = [(f, s) for f in fast for s in slow if f < s]
    if not expected:
        with pytest.raises(StrategyError, match="smaller than"):
            grid(SMA, words)
        return
    found = grid(SMA, words)
    assert [(p.fast, p.slow) for p in found.params] == expected
    assert found.refused == len(fast) * len(slow) - len(expected)


def test_ranges_have_both_ends_and_nothing_given_is_the_default():
    assert [p.fast for p in grid(SMA, ["fast=5:15:5", "slow=100"]).params] == [5, 10, 15]
    assert [p.fast for p in grid(SMA, ["fast=5:14:5", "slow=100"]).params] == [5, 10]
    assert grid(SMA, []).params == [SMA.params()]


@pytest.mark.parametrize(
    ("words", "error", "says"),
    [
        (["fast"], StrategyError, "name=1,2,3"), (["fast="], StrategyError, "name=1,2,3"), (["fast=5:x:1"], StrategyError, "not a number"),
        (["fast=9:5:1"], StrategyError, "no range"), (["fast=1:5:0"], StrategyError, "no range"), (["fast=1:9:NaN"], StrategyError, "not a number"),
        (["fast=1:200:1", "slow=201:900:1"], HonestyError, "more than 20000"), (["fast=1:99999999:1"], StrategyError, "no range"),
        (["fats=3"], StrategyError, "did you mean fast"), (["fast=2.5"], StrategyError, "whole number"),
        (["fast=0,5"], StrategyError, "from 1 to"), (["fast=1", "fast=2"], StrategyError, "twice"),
    ],
)  # fmt: skip
def test_words_that_make_no_grid_are_refused(words, error, says):
    with pytest.raises(error, match=says):
        grid(SMA, words)


def test_the_example_of_the_room_prints_what_it_says(capsys):
    text = (Path(overfit.__file__).parent / "README.md").read_text(encoding="utf-8")
    ((code, output),) = re.findall(r"```python\n(.*?)```\n```text\n(.*?)```", text, re.DOTALL)
    exec(compile(code, "README.md", "exec"), {})
    assert capsys.readouterr().out == output
