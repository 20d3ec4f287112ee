"""Sharpe ratios and their doubts: the figures of the papers, vectorbt's formula, and calibration without any skill."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.honesty.luck.dice import dice
from sim.honesty.luck.sharpe import Moments, deflated, expected_maximum, minimum_track_record, moments, probabilistic

YEAR = math.sqrt(252)
MONTHS = math.sqrt(12)


def test_the_worked_example_of_the_deflated_sharpe_ratio_paper():
    """Annual ratio 2.5 over 1,250 days of 250 a year, 100 trials whose annual ratios have variance 1/2, skew -3, kurtosis 10."""
    known = Moments(1250, 2.5 / math.sqrt(250), -3.0, 10.0)
    benchmark = expected_maximum(100, 0.5 / 250)
    assert benchmark == pytest.approx(0.1132, abs=5e-5)
    assert probabilistic(known, benchmark) == pytest.approx(0.9004, abs=5e-5)
    # The paper goes on: with 46 trials, or with 88 of normal returns, the ratio would have passed at 95 %.
    assert probabilistic(known, expected_maximum(46, 0.5 / 250)) == pytest.approx(0.9505, abs=2e-4)
    normal = known._replace(skew=0.0, kurtosis=3.0)
    assert probabilistic(normal, expected_maximum(88, 0.5 / 250)) == pytest.approx(0.9505, abs=2e-4)


def test_the_worked_examples_of_the_efficient_frontier_paper():
    """24 months, monthly ratio 0.458: 98.2 % if normal, 91.3 % with skew -2.448 and kurtosis 10.164; then track records."""
    assert probabilistic(Moments(24, 0.458, 0.0, 3.0)) == pytest.approx(0.982, abs=5e-4)
    assert probabilistic(Moments(24, 0.458, -2.448, 10.164)) == pytest.approx(0.913, abs=5e-4)
    daily = minimum_track_record(Moments(2, 2 / YEAR, 0.0, 3.0), 1 / YEAR)
    monthly = minimum_track_record(Moments(2, 2 / MONTHS, 0.0, 3.0), 1 / MONTHS)
    hedge_fund = minimum_track_record(Moments(2, 2 / MONTHS, -0.72, 5.78), 1 / MONTHS)
    assert [round(n, 2) for n in (daily / 252, monthly / 12, hedge_fund / 12)] == [2.73, 3.24, 4.99]


@given(
    sharpe=st.floats(-0.3, 0.3), skew=st.floats(-2, 2), kurtosis=st.floats(2, 20), trials=st.integers(2, 100_000),
    variance=st.floats(1e-6, 0.1), length=st.integers(10, 10_000),
)  # fmt: skip
def test_our_deflated_sharpe_ratio_is_vectorbts(sharpe, skew, kurtosis, trials, variance, length):
    metrics = pytest.importorskip("vectorbt.returns.metrics")
    with np.errstate(invalid="ignore"):
        theirs = metrics.deflated_sharpe_ratio(
            est_sharpe=np.array([sharpe]), var_sharpe=variance, nb_trials=trials, backtest_horizon=length,
            skew=np.array([skew]), kurtosis=np.array([kurtosis]),
        )[0]  # fmt: skip
    ours = probabilistic(Moments(length, sharpe, skew, kurtosis), expected_maximum(trials, variance))
    assert (ours is None and math.isnan(theirs)) or ours == pytest.approx(theirs, abs=1e-9)


def test_moments_are_scipys():
    from scipy import stats

    returns = dice(1).gamma(2.0, 0.01, 500) - 0.019
    found = moments(returns)
    assert found.sharpe == pytest.approx(returns.mean() / returns.std(ddof=1))
    assert (found.skew, found.kurtosis) == pytest.approx((stats.skew(returns), stats.kurtosis(returns, fisher=False)))


@pytest.mark.parametrize("returns", [[], [0.1], [0.1, 0.2], [0.0] * 50, [0.01] * 50, [0.1, math.nan, 0.2], [0.1, math.inf, 0.2]])
def test_what_is_undefined_is_none(returns):
    assert moments(np.array(returns, np.float64)) is None


def test_no_length_of_record_proves_a_ratio_that_was_not_shown():
    assert minimum_track_record(Moments(100, -0.1, 0.0, 3.0)) is None
    assert minimum_track_record(Moments(100, 0.1, 0.0, 3.0), benchmark=0.1) is None
    assert probabilistic(Moments(100, 2.0, 5.0, 1.5)) is None, "the formula's variance is negative"


def test_the_minimum_track_record_is_where_the_probability_reaches_the_confidence():
    known = Moments(2, 0.07, -0.4, 6.0)
    needed = minimum_track_record(known, 0.02)
    at, short = (probabilistic(known._replace(length=int(n)), 0.02) for n in (math.ceil(needed), needed * 0.9))
    assert at == pytest.approx(0.95, abs=1e-3) and short < 0.945


def test_the_expected_maximum_is_what_simulated_maxima_average():
    drawn = dice(7).standard_normal((4000, 200)).max(axis=1).mean()
    assert expected_maximum(200, 1.0) == pytest.approx(drawn, abs=0.03)
    assert expected_maximum(1, 1.0) == 0.0 and expected_maximum(10, 0.0) == 0.0
    for bad in ((0, 1.0), (5, -1.0)):
        with pytest.raises(ValueError, match="at least one trial"):
            expected_maximum(*bad)


def test_without_skill_one_trial_has_a_uniform_probability_and_the_best_of_many_is_not_believed():
    chance, count = dice(11), 2000
    single = np.array([probabilistic(moments(chance.standard_t(5, 250) * 0.01)) for _ in range(count)])
    assert abs((single > 0.95).mean() - 0.05) < 0.015 and abs((single > 0.5).mean() - 0.5) < 0.035
    naive, honest = [], []
    for _ in range(300):
        returns = chance.standard_normal((250, 50)) * 0.01
        sharpes = returns.mean(axis=0) / returns.std(axis=0, ddof=1)
        best = moments(returns[:, np.argmax(sharpes)])
        naive.append(probabilistic(best))
        honest.append(deflated(best, 50, sharpes).probability)
    assert np.mean(np.array(naive) > 0.95) > 0.85, "undeflated, luck passes for skill"
    # The benchmark is the mean of the maximum, whose spread is small: half the best lie above it, hardly any far above.
    assert abs(np.mean(np.array(honest) > 0.5) - 0.45) < 0.12 and np.mean(np.array(honest) > 0.95) < 0.05


def test_skill_is_still_seen_through_the_deflation():
    returns = dice(3).standard_normal(1500) * 0.01 + 0.0015
    known = moments(returns)
    few, many = deflated(known, 2), deflated(known, 10**6)
    assert few.probability > 0.95 > 0.9 > many.probability - 0.2 and few.benchmark < many.benchmark
    assert not few.measured and few.variance == pytest.approx(1 / 1499)
    twin = deflated(known, 1000, (0.1, 0.1001))
    assert not twin.measured and twin.benchmark == deflated(known, 1000).benchmark, "two near-copies do not make it safe"
    assert deflated(known, 12, np.arange(12) / 10).variance == pytest.approx(0.13)
