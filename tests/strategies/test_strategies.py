"""What every strategy promises: causal, deterministic, inside its range, honest about warm-up."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import strategies
from strategies.api import (
    ORDER_TYPES,
    Bars,
    Strategy,
    StrategyError,
    as_bars,
    checked,
    head,
    market,
    may_short,
    parse_params,
    part,
)
from strategies.causality import differences, signals, universe_signals
from tests.strategies.samples import DAY, bars_of, small, universe_of, walk_of

paths = st.lists(st.integers(900, 1_100), min_size=0, max_size=60)


def until(universe: tuple[Bars, ...], moment: int) -> tuple[Bars, ...]:
    return tuple(head(bars, int(np.searchsorted(bars.time_ns, moment, side="right"))) for bars in universe)


@pytest.mark.parametrize("name", strategies.names())
@settings(deadline=None, max_examples=40)
@given(ticks=paths, cut=st.integers(0, 60))
def test_a_strategy_never_sees_the_future(name: str, ticks: list[int], cut: int) -> None:
    strategy, params = small(name)
    universe = universe_of(strategy, ticks)
    moment = universe[0].time_ns[min(cut, len(ticks)) - 1] if ticks and cut else -1
    past = until(universe, moment)
    whole, prefix = (universe_signals(strategy, one, params) for one in (universe, past))
    for rows, early in zip(whole, prefix, strict=True):
        assert rows[: len(early)].tobytes() == early.tobytes()


@pytest.mark.parametrize("name", strategies.names())
def test_a_strategy_with_long_windows_never_sees_the_future(name: str) -> None:
    strategy, params = small(name)
    universe = universe_of(strategy, [int(v) for v in 100 * walk_of(11, 300).close])
    whole = universe_signals(strategy, universe, params)
    assert any(np.unique(rows[:, 0][~np.isnan(rows[:, 0])]).size > 1 for rows in whole) or name == "buy_and_hold"
    for moment in universe[0].time_ns[20::23]:
        for rows, early in zip(whole, universe_signals(strategy, until(universe, moment), params), strict=True):
            assert rows[: len(early)].tobytes() == early.tobytes()


@pytest.mark.parametrize("name", strategies.names())
@settings(deadline=None, max_examples=40)
@given(ticks=paths)
def test_a_signal_is_a_known_order_type_and_a_fraction_the_strategy_allows(name: str, ticks: list[int]) -> None:
    strategy, params = small(name)
    for rows in universe_signals(strategy, universe_of(strategy, ticks), params):
        targets = rows[:, 0][~np.isnan(rows[:, 0])]
        assert ((targets >= (-1 if may_short(strategy, params) else 0)) & (targets <= 1)).all()
        assert np.isin(rows[:, 1], range(len(ORDER_TYPES))).all()
        assert (rows[:, 2:] >= 0).all()


HOLDS = {"donchian_breakout", "rsi_reversion", "regime_switch", "momentum_rotation", "pairs", "ml_trend"}
"""Strategies that wait for an event before they have their first opinion."""


@pytest.mark.parametrize("name", strategies.names())
def test_a_strategy_has_an_opinion_from_its_warm_up_on_and_not_before(name: str) -> None:
    strategy, params = small(name)
    universe = universe_of(strategy, [int(v) for v in 100 * walk_of(3, 400).close])
    for rows in universe_signals(strategy, universe, params):
        unknown = np.isnan(rows[:, 0])
        first = max(strategy.warmup(params) - 1, 0)
        assert unknown[: first - 5].all() if name in {"momentum_rotation", "pairs"} else unknown[:first].all()
        spoken = int(unknown.argmin())
        assert not unknown[spoken:].any()
        assert spoken == first or name in HOLDS


@pytest.mark.parametrize("name", strategies.names())
@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 10**6), start=st.integers(1, 150))
def test_what_a_later_start_says_the_longer_history_says_too(name: str, seed: int, start: int) -> None:
    strategy, params = small(name)
    universe = universe_of(strategy, [int(v) for v in 100 * walk_of(seed, 300).close])
    since = universe[0].time_ns[start]
    firsts = [int(np.searchsorted(bars.time_ns, since)) for bars in universe]
    late = tuple(part(bars, first, bars.close.size) for bars, first in zip(universe, firsts, strict=True))
    warm = since + (strategy.warmup(params) * 7 // 6 + 2) * DAY  # one day in seven is missing in one instrument
    whole, short = (universe_signals(strategy, one, params) for one in (universe, late))
    for bars, first, rows, fewer in zip(late, firsts, whole, short, strict=True):
        counted = (bars.time_ns >= warm) & ~np.isnan(fewer[:, 0])
        assert (np.abs(rows[first:, 0] - fewer[:, 0])[counted] < 1e-6).all()


@pytest.mark.parametrize("name", strategies.names())
def test_every_default_is_inside_its_own_range_and_every_range_names_a_parameter(name: str) -> None:
    strategy = strategies.get(name)
    assert strategy.name == name
    assert checked(strategy, strategy.params()) == strategy.params()
    assert set(strategy.ranges) <= set(strategy.params._fields)
    assert strategy.summary.endswith(".")


@settings(deadline=None, max_examples=60)
@given(
    ticks=st.lists(st.integers(995, 1_005), min_size=8, max_size=60),
    allow_short=st.integers(0, 1),
)
def test_sma_cross_is_long_exactly_while_the_exact_fast_mean_is_greater(
    ticks: list[int], allow_short: int
) -> None:
    strategy = strategies.get("sma_cross")
    params = parse_params(strategy, ["fast=3", "slow=8", f"allow_short={allow_short}"])
    targets = signals(strategy, bars_of(ticks), params)[:, 0]
    for t in range(7, len(ticks)):
        greater = sum(ticks[t - 2 : t + 1]) * 8 > sum(ticks[t - 7 : t + 1]) * 3
        assert targets[t] == (1.0 if greater else -float(allow_short))


def test_the_check_finds_a_strategy_that_looks_one_bar_ahead() -> None:
    def tomorrow(bars: Bars, params: Any) -> NDArray[np.float64]:
        columns = np.full((1, bars.close.shape[0]), np.nan)
        columns[0, :-1] = bars.close[1:]
        return columns

    def on_bar(bars: Bars, columns: Any, t: int, state: Any, params: Any) -> Any:
        return market(1.0 if columns[0, t] > bars.close[t] else 0.0)

    honest = strategies.get("buy_and_hold")
    oracle = Strategy("oracle", honest.params, tomorrow, on_bar, honest.warmup, 0, "Cheats.", False)
    found = differences(oracle, bars_of([100, 101, 102, 103, 104]), honest.params(), range(6))
    assert [(d.cut, d.bar) for d in found] == [(1, 0), (2, 1), (3, 2), (4, 3)]
    assert (found[0].whole.target, found[0].prefix.target) == (1.0, 0.0)


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        (["fats=3"], ["unknown parameter", "'fats'", "did you mean fast"]),
        (["fast"], ["'fast'", "name=value"]),
        (["=3"], ["'=3'", "name=value"]),
        (["fast=3", "fast=4"], ["fast", "twice"]),
        (["fast=ten"], ["fast=ten", "whole number from 1 to 100000"]),
        (["fast=3.5"], ["fast=3.5", "whole number"]),
        (["fast=1_0"], ["fast=1_0", "whole number"]),
        (["fast="], ["fast=", "whole number"]),
        (["fast=0"], ["fast=0", "from 1 to"]),
        (["fast=99999999999999999999"], ["fast=", "whole number"]),
        (["allow_short=2"], ["allow_short=2", "from 0 to 1"]),
        (["fast=30", "slow=30"], ["fast=30", "slow=30", "smaller"]),
    ],
)
def test_a_wrong_parameter_is_refused_by_name_value_and_expectation(
    texts: list[str], words: list[str]
) -> None:
    with pytest.raises(StrategyError) as error:
        parse_params(strategies.get("sma_cross"), texts)
    for word in ["sma_cross", *words]:
        assert word in str(error.value)


@pytest.mark.parametrize("raw", ["nan", "inf", "1e999", "half", "1.5", "-0.1"])
def test_a_fraction_must_be_finite_and_in_range(raw: str) -> None:
    with pytest.raises(StrategyError, match="from 0 to 1"):
        parse_params(strategies.get("buy_and_hold"), [f"fraction={raw}"])


def test_parameters_left_out_keep_their_defaults() -> None:
    strategy = strategies.get("sma_cross")
    assert parse_params(strategy, []) == strategy.params() == (10, 30, 0)
    assert parse_params(strategy, [" fast = 5 "]) == (5, 30, 0)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("sma_corss", ["unknown strategy 'sma_corss'", "did you mean sma_cross", "buy_and_hold"]),
        ("zzz", ["unknown strategy 'zzz'", "known: buy_and_hold, donchian_breakout"]),
        ("os:path", ["os.path is not a strategies.api.Strategy"]),
        ("os:nothing", ["os.nothing is not"]),
        ("no_such_module:STRATEGY", ["no module 'no_such_module'"]),
    ],
)
def test_an_unknown_strategy_is_refused_with_near_names(name: str, words: list[str]) -> None:
    with pytest.raises(StrategyError) as error:
        strategies.get(name)
    for word in words:
        assert word in str(error.value)


def test_a_strategy_is_found_with_a_dash_and_by_its_dotted_name() -> None:
    assert strategies.get("sma-cross") is strategies.get("strategies.library.sma_cross:STRATEGY")


def test_listing_names_does_not_load_the_compiler() -> None:
    code = "import strategies, sys; strategies.names(); assert 'numba' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.slow
def test_interpreted_and_compiled_signals_are_the_same_bits() -> None:
    code = (
        "import hashlib, strategies\n"
        "from strategies.causality import universe_signals\n"
        "from tests.strategies.samples import small, universe_of, walk_of\n"
        "ticks = [int(v) for v in 100 * walk_of(1, 300).close]\n"
        "for name in strategies.names():\n"
        "    s, params = small(name)\n"
        "    for rows in universe_signals(s, universe_of(s, ticks), params):\n"
        "        print(name, hashlib.sha256(rows.tobytes()).hexdigest())\n"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "NUMBA_DISABLE_JIT": flag},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for flag in ("0", "1")
    }
    assert len(outputs) == 1
    assert len(outputs.pop().splitlines()) == len(strategies.names()) + 3  # pairs are two, the rotation three


def test_the_example_in_the_readme_prints_what_the_readme_says() -> None:
    text = (Path(strategies.__file__).parent / "README.md").read_text(encoding="utf-8")
    code, output = (text.split(f"```{kind}\n")[1].split("```")[0] for kind in ("python", "text"))
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert run.stdout == output


def test_bars_from_strided_read_only_columns_give_the_same_signals() -> None:
    ticks = [int(v) for v in np.random.default_rng(5).integers(900, 1_100, 40)]
    plain = bars_of(ticks)
    strided = [np.repeat(column, 2)[::2] for column in plain]
    for column in strided:
        column.flags.writeable = False
    strategy, params = small("sma_cross")
    again = signals(strategy, as_bars(*strided), params)
    assert again.tobytes() == signals(strategy, plain, params).tobytes()


def test_bars_of_unequal_columns_are_refused_with_their_shapes() -> None:
    with pytest.raises(StrategyError, match=r"one length; got shapes \(3,\), \(3,\), \(2,\)"):
        as_bars(range(3), [1, 2, 3], [1, 2], [1, 2, 3], [1, 2, 3], [1, 2, 3])
