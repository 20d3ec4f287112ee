"""What a strategy declares for the sweep's fast kernel is, bar for bar, what its `on_bar` wishes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import strategies
from strategies.api import parse_params
from strategies.causality import signals
from strategies.columnar import targets
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
