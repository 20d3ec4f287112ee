"""The model strategy: learns what can be learnt, only from the past, the same every time, and survives poor windows."""

from __future__ import annotations

import hashlib
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import strategies
from strategies.api import Bars, StrategyError, parse_params
from strategies.features import LOOKBACK, NAMES, features
from strategies.library import ml_trend
from strategies.library.ml_trend import Params, fitted, outcomes, prepare, probabilities, refits
from strategies.timeframe import DAY_NS, HOUR_NS
from tests.strategies.samples import DAY, real

pytestmark = pytest.mark.slow  # learning is scikit-learn's; the kernels it is fed by have tests of their own

NAN = np.nan
SMALL = Params(train=100, horizon=1, refit_days=20)


def bars_of(returns, spacing=DAY):
    close = 100 * np.exp(np.cumsum(returns))
    time_ns = np.arange(1, close.size + 1, dtype=np.int64) * spacing
    wide = 0.001 * close
    return Bars(time_ns, close, close + wide, close - wide, close, np.random.default_rng(0).uniform(1, 2, close.size))


def momentum(seed, strength, count=2_500):
    """Returns of which tomorrow's leans on the mean of the last five."""
    rng = np.random.default_rng(seed)
    noise, out = rng.normal(0, 0.01, count), np.zeros(count)
    for t in range(5, count):
        out[t] = noise[t] + strength * out[t - 5 : t].mean()
    return out


def hit_rate(bars, params):
    chance, label = probabilities(bars, params), outcomes(bars.close, params.horizon)
    known = ~(np.isnan(chance) | np.isnan(label))
    assert known.sum() > 1_000
    return ((chance[known] > 0.5) == (label[known] == 1.0)).mean()


@pytest.mark.parametrize("forest", [0, 1])
def test_what_can_be_learnt_is_learnt_and_noise_is_not(forest):
    params = Params(train=500, horizon=1, refit_days=250 if forest else 60, forest=forest)
    assert hit_rate(bars_of(momentum(1, 0.9)), params) > 0.56
    assert abs(hit_rate(bars_of(momentum(2, 0.0)), params) - 0.5) < 0.04


def test_every_window_ends_before_the_first_outcome_that_is_still_unknown(monkeypatch):
    seen = []

    def spy(x, y, params):
        seen.append((x, y))
        return lambda rows: np.full(rows.shape[0], 0.5)

    monkeypatch.setattr(ml_trend, "fitted", spy)
    bars = bars_of(momentum(3, 0.0, 600))
    params = Params(train=100, horizon=7, refit_days=20)
    chance = probabilities(bars, params)
    table, label = features(bars, 168 * HOUR_NS).T, outcomes(bars.close, 7)
    starts = refits(bars.time_ns, np.isfinite(table).all(axis=1), params)
    assert len(seen) == starts.size > 10 and int(np.isnan(chance).argmin()) == starts[0]
    for begin, (x, y) in zip(starts, seen):
        window = slice(begin - 7 - 99, begin - 7 + 1)
        np.testing.assert_array_equal(x, table[window])
        np.testing.assert_array_equal(y, label[window])
        assert window.stop - 1 + 7 == begin  # the newest outcome became known at this very bar


def test_outcomes_are_known_only_when_the_later_bar_is():
    np.testing.assert_array_equal(outcomes(np.array([1.0, 2, 1, 1, NAN, 3]), 1), [1, 0, 0, NAN, NAN, NAN])
    np.testing.assert_array_equal(outcomes(np.array([1.0, 2, 3]), 5), [NAN] * 3)


def test_models_are_fitted_on_a_grid_of_the_calendar_wherever_history_starts():
    bars = bars_of(momentum(4, 0.0, 800))
    usable = np.ones(800, bool)
    whole = refits(bars.time_ns, usable, SMALL)
    assert (np.diff(bars.time_ns[whole] - 1) == 20 * DAY_NS).all()
    late = refits(bars.time_ns[137:], usable[137:], SMALL) + 137
    assert set(late) <= set(whole) and set(whole[whole > 137 + 100 + 20 + 1]) <= set(late)


def test_a_window_of_one_kind_teaches_its_rate_and_nothing_else():
    x = np.arange(20.0).reshape(10, 2)
    assert set(fitted(x, np.ones(10), SMALL)(x)) == {11 / 12}
    assert set(fitted(x, np.zeros(10), SMALL)(x)) == {1 / 12}
    always_up = bars_of(np.full(600, 0.001))
    strategy = strategies.get("ml_trend")
    got = strategy.prepare(always_up, SMALL)[0]
    assert (got[strategy.warmup(SMALL) :] == 1.0).all()


def test_a_feature_that_never_changes_says_nothing():
    x = np.column_stack([np.linspace(-1, 1, 60), np.full(60, 3.0)])
    model = fitted(x, (x[:, 0] > 0).astype(float), SMALL)
    changed = x.copy()
    changed[:, 1] = 4.0
    assert (np.diff(model(x)) > 0).all() and np.ptp(model(x) - model(changed)) < 1e-12


@settings(deadline=None, max_examples=20)
@given(holes=st.lists(st.integers(0, 699), max_size=12))
def test_unknown_prices_are_neither_learnt_from_nor_predicted(holes):
    bars = bars_of(momentum(5, 0.3, 700))
    for column in bars[1:5]:
        column[holes] = NAN
    chance = probabilities(bars, SMALL)
    unknown = ~np.isfinite(features(bars, SMALL.higher_hours * HOUR_NS)).all(axis=0)
    assert np.isnan(chance[unknown]).all()
    spoken = chance[~np.isnan(chance)]
    assert ((spoken > 0) & (spoken < 1)).all()


def test_only_unknown_prices_give_no_opinion_at_all():
    bars = bars_of(np.zeros(600))
    for column in bars[1:]:
        column[:] = NAN
    assert np.isnan(prepare(bars, SMALL)).all()


@pytest.mark.parametrize("forest", [0, 1])
def test_equal_seeds_give_equal_bits_in_another_process_too(forest):
    code = (
        "import hashlib; from tests.strategies.test_ml_trend import *\n"
        f"params = SMALL._replace(forest={forest}, refit_days=100, seed=1)\n"
        "print(hashlib.sha256(prepare(bars_of(momentum(6, 0.5, 700)), params).tobytes()).hexdigest())"
    )
    theirs = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.strip()

    def digest(seed):
        params = SMALL._replace(forest=forest, refit_days=100, seed=seed)
        return hashlib.sha256(prepare(bars_of(momentum(6, 0.5, 700)), params).tobytes()).hexdigest()

    assert digest(1) == theirs
    assert (digest(2) != theirs) == bool(forest)  # the regression has no use for chance


def test_probabilities_become_targets_by_levels_with_a_latch_between(monkeypatch):
    chance = np.array([0.52, 0.56, 0.52, 0.49, 0.52, 0.44, 0.49, 0.51, 0.6, NAN, 0.4])
    monkeypatch.setattr(ml_trend, "probabilities", lambda bars, params: chance)
    monkeypatch.setattr(ml_trend, "warmup", lambda params: 1)
    bars = bars_of(np.zeros(11))
    np.testing.assert_array_equal(prepare(bars, Params())[0], [NAN, 1, 1, 0, 0, 0, 0, 0, 1, 1, 0])
    np.testing.assert_array_equal(prepare(bars, Params(allow_short=1))[0], [NAN, 1, 1, 0, 0, -1, -1, 0, 1, 1, -1])


def test_bars_shorter_than_declared_are_refused_because_the_warm_up_would_be_wrong():
    hourly = bars_of(np.zeros(400), spacing=HOUR_NS)
    with pytest.raises(StrategyError, match="60 minutes apart; set bar_minutes=60"):
        prepare(hourly, SMALL)
    strategy = strategies.get("ml_trend")
    params = parse_params(strategy, ["bar_minutes=60", "higher_hours=24", "refit_days=5", "train=100"])
    assert strategy.warmup(params) == 12 * 24 + 100 + 5 + 5 * 24 + 1
    assert prepare(hourly, params).shape == (2, 400)


def test_the_declared_warm_up_covers_the_first_model_whatever_the_day_it_starts():
    strategy = strategies.get("ml_trend")
    bars = real("sp500")[0]
    for start in range(0, 60, 13):
        late = Bars(*(column[start:].copy() for column in bars))
        chance = strategy.prepare(late, strategy.params())[1]
        assert int((~np.isnan(chance)).argmax()) < strategy.warmup(strategy.params())


def test_features_have_a_name_each_and_are_known_after_their_lookback():
    bars = bars_of(momentum(7, 0.0, 200))
    table = features(bars, 168 * HOUR_NS)
    assert table.shape == (len(NAMES), 200)
    assert np.isfinite(table[:8, LOOKBACK:]).all() and np.isnan(table[2, : LOOKBACK - 1]).all()
    assert np.isfinite(table[8:, 12 * 7 :]).all() and np.isnan(table[10, : 9 * 7]).all()
    assert ((table[6, LOOKBACK:] >= 0) & (table[6, LOOKBACK:] <= 1)).all()
