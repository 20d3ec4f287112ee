"""What a strategy declares for the sweep's fast kernel is, bar for bar, what its `on_bar` wishes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import strategies
from sim.sweep import sweep
from strategies.api import parse_params
from strategies.causality import signals
from strategies.columnar import targets
from tests.sim.sweep import markets
from tests.strategies.samples import SMALL, bars_of, real

DECLARED = [name for name in strategies.names() if strategies.get(name).columnar is not None]
MORE = {"macd_trend": [["above_zero=1"], ["above_zero=1", "allow_short=1"]]}


def same(strategy, bars, params):
    np.testing.assert_array_equal(targets(strategy.columnar(params), bars), signals(strategy, bars, params)[:, 0])


def test_crosses_and_thresholds_are_declared():
    assert {"sma_cross", "ema_cross", "macd_trend", "rsi_reversion", "donchian_breakout"} <= set(DECLARED)


@pytest.mark.parametrize(("name", "texts"), [(name, t) for name in DECLARED for t in [[], ["allow_short=1"], *MORE.get(name, [])]])
def test_a_declaration_wishes_what_the_strategy_wishes_on_real_prices(name, texts):
    strategy = strategies.get(name)
    for bars in real("sp500", "nasdaq"):
        same(strategy, bars, parse_params(strategy, texts))
        holed = type(bars)(*(column[:2_000].copy() for column in bars))
        for column in holed[1:5]:
            column[1_200] = np.nan
        same(strategy, holed, parse_params(strategy, texts))


@pytest.mark.parametrize("name", DECLARED)
@settings(deadline=None, max_examples=40)
@given(ticks=st.lists(st.integers(995, 1_005), min_size=1, max_size=80), short=st.integers(0, 1))
def test_a_declaration_wishes_what_the_strategy_wishes_on_prices_full_of_ties(name, ticks, short):
    strategy = strategies.get(name)
    same(strategy, bars_of(ticks), parse_params(strategy, SMALL[name])._replace(allow_short=short))


GRIDS = {
    "ema_cross": {"fast": [3, 7], "slow": [10, 20], "allow_short": [0, 1]},
    "macd_trend": {"fast": [4, 8], "slow": [12], "signal": [3, 5], "above_zero": [0, 1]},
    "rsi_reversion": {"n": [3, 8], "low": [25.0, 35.0], "allow_short": [0, 1]},
    "donchian_breakout": {"enter": [10, 20], "leave": [5, 10], "allow_short": [0, 1]},
}


@pytest.mark.slow
@pytest.mark.parametrize("name", GRIDS)
def test_both_kernels_of_the_sweep_give_the_same_table(name):
    strategy, history = strategies.get(name), markets.walk(3_000, 11)
    words, bars = (sweep(history, one, GRIDS[name], jobs=1) for one in (strategy, replace(strategy, columnar=None)))
    assert set(words.table["kernel"]) <= {"words", "book"} and "words" in set(words.table["kernel"])
    assert "bars" in set(bars.table["kernel"]) and words.table["trades"].sum() > 20
    for field in words.table:
        if field != "kernel":
            np.testing.assert_array_equal(words.table[field], bars.table[field])
