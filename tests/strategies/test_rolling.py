"""Rolling statistics against slow twins, pandas and statsmodels; with holes, late starts and flat prices."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strategies.indicators import ema, macd, rsi
from strategies.rolling import (
    INTERCEPT,
    MACKINNON,
    SLOPE,
    STATISTIC,
    Z,
    cointegration,
    critical_statistic,
    efficiency,
    log_returns,
    volatility,
    zscore,
)
from tests.strategies.samples import real, walk_of

prices = st.lists(st.integers(100, 10**6), min_size=1, max_size=60).map(lambda ticks: np.array(ticks) / 100)
windows = st.integers(3, 12)
ONE_SERIES = {"log_returns": log_returns, "volatility": volatility, "zscore": zscore, "efficiency": efficiency}
FIRST = {"log_returns": 0, "volatility": 0, "zscore": -1, "efficiency": 0}
"""The first known bar of each, beside n."""


def same_bits(a, b):
    return np.array_equal(a.view(np.int64), b.view(np.int64))


def close_to(a, b):
    return np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9, equal_nan=True)


def test_volatility_and_zscore_are_those_of_pandas_on_real_prices():
    close = pd.Series(real("sp500")[0].close)
    change = np.log(close).diff()
    close_to(log_returns(close.to_numpy(), 5), np.log(close).diff(5))
    close_to(volatility(close.to_numpy(), 21), change.rolling(21).std())
    close_to(zscore(close.to_numpy(), 20), (close - close.rolling(20).mean()) / close.rolling(20).std())
    path = close.diff().abs().rolling(10).sum()
    close_to(efficiency(close.to_numpy(), 10), close.diff(10).abs() / path)


def test_exponential_averages_are_those_of_pandas_from_the_same_seed():
    close = real("nasdaq")[0].close
    for n in (2, 12, 26):
        seeded = np.concatenate([[close[:n].mean()], close[n:]])
        close_to(ema(close, n)[n - 1 :], pd.Series(seeded).ewm(span=n, adjust=False).mean())
    line, signal = macd(close, 12, 26, 9)
    close_to(line, ema(close, 12) - ema(close, 26))
    seeded = np.concatenate([[line[25:34].mean()], line[34:]])
    assert np.isnan(signal[:33]).all()
    close_to(signal[33:], pd.Series(seeded).ewm(span=9, adjust=False).mean())


def test_the_strength_index_is_that_of_wilder_in_pandas():
    close = pd.Series(real("sp500")[0].close)
    change = close.diff().to_numpy()[1:]
    for n in (2, 14):
        up, down = (np.concatenate([[part[:n].mean()], part[n:]]) for part in (np.maximum(change, 0), np.maximum(-change, 0)))
        gain, loss = (pd.Series(part).ewm(alpha=1 / n, adjust=False).mean() for part in (up, down))
        close_to(rsi(close.to_numpy(), n)[n:], 100 - 100 / (1 + gain / loss))


def test_what_is_left_of_old_moves_after_hundreds_of_flat_bars_is_no_move():
    close = np.concatenate([np.linspace(100, 120, 30), np.full(400, 120.0)])
    assert rsi(close, 14)[40] == 100.0 and rsi(close, 14)[-1] == 50.0
    assert rsi(np.full(40, -1.0), 5)[-1] == 50.0


@pytest.mark.parametrize("seed", range(6))
def test_a_rolling_line_and_its_test_are_those_of_numpy_and_statsmodels(seed):
    from statsmodels.tsa.stattools import adfuller

    rng = np.random.default_rng(seed)
    x = 100 + np.cumsum(rng.normal(size=80))
    y = 20 + 0.7 * x + (np.cumsum(rng.normal(size=80)) if seed % 2 else rng.normal(size=80))
    n = 40
    fit = cointegration(y, x, n)
    assert np.isnan(fit[:, : n - 1]).all()
    for t in range(n - 1, 80):
        window = slice(t - n + 1, t + 1)
        slope, intercept = np.polyfit(x[window], y[window], 1)
        residual = y[window] - intercept - slope * x[window]
        assert fit[SLOPE, t] == pytest.approx(slope, rel=1e-8)
        assert fit[INTERCEPT, t] == pytest.approx(intercept, rel=1e-8, abs=1e-7)
        assert fit[Z, t] == pytest.approx(residual[-1] / math.sqrt((residual**2).sum() / (n - 2)), rel=1e-7)
        assert fit[STATISTIC, t] == pytest.approx(adfuller(residual, maxlag=0, autolag=None, regression="n", result_object=False)[0], rel=1e-6)


def test_the_test_agrees_with_archs_engle_granger():
    from arch.unitroot.cointegration import engle_granger

    rng = np.random.default_rng(5)
    x = 50 + np.cumsum(rng.normal(size=120))
    y = 3 + 1.5 * x + rng.normal(size=120)
    theirs = engle_granger(y, x, trend="c", lags=0)
    ours = cointegration(y, x, 120)[STATISTIC, -1]
    assert ours == pytest.approx(theirs.stat, rel=1e-6)
    assert (ours < critical_statistic(95, 120)) == (theirs.pvalue < 0.05)


@pytest.mark.parametrize("n", [30, 100, 250, 1_000])
def test_critical_values_are_mackinnons(n):
    from statsmodels.tsa.adfvalues import mackinnoncrit

    theirs = mackinnoncrit(N=2, regression="c", nobs=n)
    assert [critical_statistic(c, n) for c in (99, 95, 90)] == pytest.approx(list(theirs), abs=2e-5)
    assert list(MACKINNON) == [90, 95, 99]


def test_one_series_twice_has_no_residual_to_test_and_a_flat_one_no_line():
    x = walk_of(1, 50).close
    assert np.isnan(cointegration(x, np.full(50, 7.0), 10)).all()
    twice = cointegration(2 * x, x, 10)
    assert twice[SLOPE, 9:] == pytest.approx(np.full(41, 2.0))
    assert not (twice[STATISTIC] < critical_statistic(90, 10)).all() or np.abs(twice[Z, 9:]).max() < 10


@pytest.mark.parametrize("name", ONE_SERIES)
@settings(deadline=None)
@given(x=prices, n=windows, start=st.integers(0, 59), cut=st.integers(0, 60))
def test_a_rolling_value_has_the_same_bits_wherever_the_history_starts_and_ends(name, x, n, start, cut):
    fast, first = ONE_SERIES[name], n + FIRST[name]
    whole = fast(x, n)
    assert np.isnan(whole[:first]).all() and not np.isnan(whole[first:]).any()
    assert same_bits(fast(x[:cut].copy(), n), whole[:cut])
    assert same_bits(fast(x[start:].copy(), n)[first:], whole[start:][first:])


@pytest.mark.parametrize("name", ONE_SERIES)
@settings(deadline=None)
@given(x=prices, n=windows, hole=st.integers(0, 59))
def test_an_unknown_price_makes_its_windows_unknown_and_heals(name, x, n, hole):
    holed = x.copy()
    holed[hole % len(x)] = np.nan
    got, clean = ONE_SERIES[name](holed, n), ONE_SERIES[name](x, n)
    at = np.arange(len(x)) - hole % len(x)
    far = (at < 0) | (at > n)
    assert same_bits(got[far], clean[far])
    inside = (at >= 0) & (at <= n + FIRST[name]) if name != "log_returns" else (at == 0) | (at == n)
    assert np.isnan(got[inside]).all()


@settings(deadline=None)
@given(y=prices, x=prices, start=st.integers(0, 59), hole=st.integers(0, 59))
def test_a_rolling_line_has_the_same_bits_wherever_the_history_starts_and_heals(y, x, start, hole):
    size, n = min(len(x), len(y)), 5
    y, x = y[:size].copy(), x[:size].copy()
    whole = cointegration(y, x, n)
    late = cointegration(y[start:].copy(), x[start:].copy(), n)
    assert same_bits(late[:, n - 1 :].copy(), whole[:, start:][:, n - 1 :].copy())
    y[hole % size] = np.nan
    touched = slice(hole % size, hole % size + n)
    assert np.isnan(cointegration(y, x, n)[:, touched]).all()


@pytest.mark.parametrize("name", ONE_SERIES)
def test_flat_prices_move_nowhere_and_a_price_of_zero_has_no_logarithm(name):
    assert (ONE_SERIES[name](np.full(30, 5.0), 4)[5:] == 0.0).all()
    assert np.isnan(log_returns(np.array([1.0, 0.0, 1.0, -1.0]), 1)).all()
    assert ONE_SERIES[name](np.empty(0), 4).shape == (0,)


@pytest.mark.parametrize("call", [lambda: log_returns(np.ones(5), 0), lambda: efficiency(np.ones(5), 0), lambda: cointegration(np.ones(5), np.ones(5), 2)])
def test_a_window_that_holds_nothing_is_refused(call):
    with pytest.raises(ValueError):
        call()
