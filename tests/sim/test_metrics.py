"""Figures against a slow twin in fractions, hand-worked cases, and the laws they must obey."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise
from statistics import mean, stdev
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.metrics import (
    COUNTS,
    DEFINITIONS,
    MONEY,
    PERCENT,
    Figures,
    daily_returns,
    decimal_string,
    exact_sum,
    measure,
)

E8 = 10**8


def record(
    equity: list[int],
    *,
    start: int | None = None,
    days: list[int] | None = None,
    invested: list[bool] | None = None,
    pnl: list[int] | None = None,
    traded: int = 0,
    fees: int = 0,
) -> Figures:
    """Measure a run given in plain lists; amounts are already at 1e-8."""
    count, trades = len(equity), pnl or []
    return measure(
        np.array(equity, np.int64),
        np.arange(count, dtype=np.int64),
        np.array(days if days is not None else range(count), np.int64),
        np.array(invested or [True] * count, bool),
        start_e8=equity[0] if start is None else start,
        traded_e8=traded,
        fees_e8=fees,
        pnl_e8=np.array(trades, np.int64),
        open_ns=np.zeros(len(trades), np.int64),
        close_ns=np.full(len(trades), 36 * 3600 * 10**9, np.int64),
    )


def slow_daily(equity: list[int], days: list[int], start: int) -> list[float]:
    closing = {day: value for day, value in zip(days, equity, strict=True)}  # the last of a day wins
    bases = [start, *closing.values()]
    return [float(Fraction(after, before) - 1) for before, after in pairwise(bases)]


def slow_underwater(equity: list[int], days: list[int], start: int) -> tuple[float, int, int]:
    """Return depth, bars and days of the worst drawdowns by walking bar by bar."""
    peak, depth, run, longest, first_day, days_longest = start, Fraction(0), 0, 0, days[0], 0
    for t, value in enumerate(equity):
        if value < peak:
            if run == 0:
                first_day = days[max(t - 1, 0)]
            run += 1
        depth = min(depth, Fraction(value, max(peak, value)) - 1)
        if run:
            longest, days_longest = max(longest, run), max(days_longest, days[t] - first_day)
        if value >= peak:
            peak, run = value, 0
    return float(depth), longest, days_longest


equities = st.lists(st.integers(1, 10**15), min_size=1, max_size=40)
gaps = st.lists(st.integers(0, 3), min_size=40, max_size=40)


@settings(deadline=None)
@given(equity=equities, gap=gaps, start=st.integers(1, 10**15))
def test_the_figures_of_a_curve_equal_their_slow_twin(equity: list[int], gap: list[int], start: int) -> None:
    days = [sum(gap[: t + 1]) for t in range(len(equity))]
    got = record(equity, start=start, days=days)
    daily = slow_daily(equity, days, start)
    depth, bars, calendar = slow_underwater(equity, days, start)
    assert got["total_return"] == pytest.approx(float(Fraction(equity[-1], start) - 1), rel=1e-12, abs=1e-15)
    assert got["max_drawdown"] == pytest.approx(depth, abs=1e-15)
    assert (got["max_drawdown_duration"], got["max_drawdown_days"]) == (bars, calendar)
    if len(daily) > 1 and stdev(daily) > 1e-9:
        assert got["volatility"] == pytest.approx(stdev(daily) * 252**0.5, rel=1e-9)
        assert got["sharpe"] == pytest.approx(mean(daily) / stdev(daily) * 252**0.5, rel=1e-9, abs=1e-9)
    downside = math.sqrt(mean(min(r, 0.0) ** 2 for r in daily))
    if len(daily) > 1 and downside > 1e-9:
        assert got["sortino"] == pytest.approx(mean(daily) / downside * 252**0.5, rel=1e-9, abs=1e-9)


@settings(deadline=None)
@given(pnl=st.lists(st.integers(-(2**61), 2**61), max_size=30))
def test_the_figures_of_trades_equal_their_slow_twin_to_the_last_unit(pnl: list[int]) -> None:
    got = record([E8, E8], pnl=pnl)
    wins, losses = [p for p in pnl if p > 0], [p for p in pnl if p < 0]

    def average(amounts: list[int]) -> int | None:
        return round(Fraction(sum(amounts), len(amounts))) if amounts else None

    assert (got["trades"], got["winning_trades"], got["losing_trades"]) == (len(pnl), len(wins), len(losses))
    assert (got["expectancy"], got["avg_win"], got["avg_loss"]) == (
        average(pnl),
        average(wins),
        average(losses),
    )
    assert (got["best_trade"], got["worst_trade"]) == (max(pnl, default=None), min(pnl, default=None))
    assert got["win_rate"] == (len(wins) / len(pnl) if pnl else None)
    assert got["profit_factor"] == (sum(wins) / -sum(losses) if losses else None)


@settings(deadline=None)
@given(equity=equities, factor=st.integers(1, 1_000))
def test_scaling_the_money_changes_no_ratio(equity: list[int], factor: int) -> None:
    one = record(equity, traded=12 * E8)
    many = record([value * factor for value in equity], traded=12 * E8 * factor)
    for name in set(DEFINITIONS) - MONEY:
        expected = one[name]
        same = expected if expected is None else pytest.approx(expected, rel=1e-9, abs=1e-12)
        assert many[name] == same, name


@settings(deadline=None)
@given(equity=equities)
def test_figures_of_positive_equity_stay_inside_their_bounds(equity: list[int]) -> None:
    got = record(equity, invested=[value % 2 == 0 for value in equity])
    assert -1 <= got["max_drawdown"] <= 0  # type: ignore[operator]
    assert 0 <= got["exposure"] <= 1  # type: ignore[operator]
    assert 0 <= got["max_drawdown_duration"] < len(equity)  # type: ignore[operator]
    assert got["total_return"] > -1  # type: ignore[operator]
    assert got["volatility"] is None or got["volatility"] >= 0


@settings(deadline=None)
@given(equity=equities)
def test_reversing_time_turns_the_worst_fall_into_the_best_rise(equity: list[int]) -> None:
    depth = record(equity[::-1])["max_drawdown"]
    rise = max(Fraction(b, a) for i, a in enumerate(equity) for b in equity[i:])
    assert 1 / (1 + depth) == pytest.approx(float(rise), rel=1e-6) or rise > 10**6  # type: ignore[operator]


@settings(deadline=None)
@given(equity=st.lists(st.integers(10**7, 10**9), min_size=1, max_size=40), gap=gaps)
def test_daily_returns_multiply_to_the_total_return(equity: list[int], gap: list[int]) -> None:
    days = [sum(gap[: t + 1]) for t in range(len(equity))]
    returns = daily_returns(np.array(equity), np.array(days), E8)
    assert returns is not None
    assert math.prod(returns + 1.0) == pytest.approx(equity[-1] / E8, rel=1e-12)


@settings(deadline=None)
@given(
    equity=st.lists(st.integers(-(10**12), 10**12), max_size=30), pnl=st.lists(st.integers(-9, 9), max_size=5)
)
def test_every_figure_is_a_finite_number_or_none_whatever_the_run(equity: list[int], pnl: list[int]) -> None:
    for start in (-1, 0, 1, 10**12):
        got = record(equity, start=start, pnl=pnl, traded=5)
        assert set(got) == set(DEFINITIONS)
        assert all(value is None or math.isfinite(value) for value in got.values())
        assert all(
            value is None or type(value) is int for name, value in got.items() if name in MONEY | COUNTS
        )


@settings(deadline=None)
@given(st.lists(st.integers(-(2**63), 2**63 - 1), max_size=50))
def test_a_sum_of_int64_never_wraps(values: list[int]) -> None:
    assert exact_sum(np.array(values, np.int64)) == sum(values)


def test_a_hand_worked_week() -> None:
    """100 -> 110 -> 99 -> 99 -> 121 at four daily bars after the start; two trades."""
    got = record(
        [110 * E8, 99 * E8, 99 * E8, 121 * E8],
        start=100 * E8,
        days=[1, 2, 3, 6],
        invested=[True, True, False, True],
        pnl=[-11 * E8, 33 * E8],
        traded=429 * E8,
        fees=3,
    )
    returns = [0.1, -0.1, 0.0, 2 / 9]
    assert got == {
        "final_equity": 121 * E8,
        "total_return": pytest.approx(0.21),
        "cagr": pytest.approx(1.21**63 - 1),
        "volatility": pytest.approx(stdev(returns) * 252**0.5),
        "sharpe": pytest.approx(mean(returns) / stdev(returns) * 252**0.5),
        "sortino": pytest.approx(mean(returns) / 0.05 * 252**0.5),  # sqrt(0.01 / 4) = 0.05
        "calmar": pytest.approx((1.21**63 - 1) / 0.1),
        "max_drawdown": pytest.approx(-0.1),
        "max_drawdown_duration": 2,
        "max_drawdown_days": 5,  # from day 1 to day 6
        "exposure": 0.75,
        "turnover": pytest.approx(4.0),  # 429 / mean of 107.25
        "trades": 2,
        "winning_trades": 1,
        "losing_trades": 1,
        "win_rate": 0.5,
        "profit_factor": 3.0,
        "expectancy": 11 * E8,
        "avg_win": 33 * E8,
        "avg_loss": -11 * E8,
        "best_trade": 33 * E8,
        "worst_trade": -11 * E8,
        "avg_holding_days": 1.5,
        "fees": 3,
    }


@pytest.mark.parametrize(
    ("case", "arguments", "unknown"),
    [
        (
            "no bars",
            {"equity": [], "start": E8},
            ["final_equity", "total_return", "exposure", "sharpe", "cagr"],
        ),
        ("one bar", {"equity": [E8]}, ["volatility", "sharpe", "sortino", "calmar"]),
        ("one day of many bars", {"equity": [E8, 2 * E8, E8], "days": [1, 1, 1]}, ["volatility", "sharpe"]),
        ("a flat curve", {"equity": [E8] * 9}, ["sharpe", "sortino", "calmar"]),
        ("a curve without a loss", {"equity": [E8, 2 * E8, 3 * E8]}, ["sortino", "calmar"]),
        ("ruin at the end", {"equity": [E8, 0]}, ["cagr", "calmar"]),
        ("ruin on the way", {"equity": [E8, 0, E8]}, ["cagr", "volatility", "sharpe", "sortino", "calmar"]),
        (
            "nothing to start with",
            {"equity": [E8, E8], "start": 0},
            ["total_return", "max_drawdown", "sharpe"],
        ),
        (
            "no trades",
            {"equity": [E8]},
            ["win_rate", "profit_factor", "expectancy", "best_trade", "worst_trade"],
        ),
        ("no loss", {"equity": [E8], "pnl": [1, 2]}, ["profit_factor", "avg_loss"]),
        ("no win", {"equity": [E8], "pnl": [-1, -2]}, ["avg_win"]),
        ("a growth beyond floats", {"equity": [1, 10**15], "days": [1, 1]}, ["cagr", "calmar"]),
        ("debt on average", {"equity": [E8, -3 * E8], "traded": 7}, ["turnover", "cagr"]),
    ],
)
def test_an_undefined_figure_is_none_and_never_zero(
    case: str, arguments: dict[str, Any], unknown: list[str]
) -> None:
    got = record(**arguments)
    assert [name for name in unknown if got[name] is not None] == [], case


def test_a_steady_growth_has_no_volatility_to_divide_by() -> None:
    """Whole 1e-8 units make the daily return differ in the thirteenth digit: grain, not risk."""
    start, *equity = [round(100_000 * E8 * 1.001**t) for t in range(50)]
    assert record(equity, start=start)["sharpe"] is None
    assert record(equity, start=start)["cagr"] == pytest.approx(1.001**252 - 1, rel=1e-6)


def test_every_figure_has_a_definition_and_one_kind_at_most() -> None:
    assert set(DEFINITIONS) >= MONEY | COUNTS | PERCENT
    assert len(MONEY) + len(COUNTS) + len(PERCENT) == len(MONEY | COUNTS | PERCENT)
    assert all(text.endswith(".") for text in DEFINITIONS.values())


@pytest.mark.parametrize(
    ("amount_e8", "text"),
    [
        (0, "0.00"),
        (1, "0.00000001"),
        (-1, "-0.00000001"),
        (123_450_000_000, "1234.50"),
        (2**62, "46116860184.27387904"),
    ],
)
def test_money_prints_exactly(amount_e8: int, text: str) -> None:
    assert decimal_string(amount_e8) == text


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"time_ns": np.array([1, 1])}, "time must rise"),
        ({"days": np.array([2, 1])}, "days must not fall"),
        ({"days": np.array([1])}, "one entry a bar"),
        ({"open_ns": np.array([1])}, "one entry a trade"),
    ],
)
def test_arrays_that_are_not_one_record_are_refused(change: dict[str, Any], words: str) -> None:
    none = np.empty(0, np.int64)
    arguments: dict[str, Any] = {
        "equity_e8": np.array([E8, E8]),
        "time_ns": np.array([1, 2]),
        "days": np.array([1, 2]),
        "invested": np.array([True, True]),
        "start_e8": E8,
        "traded_e8": 0,
        "fees_e8": 0,
        "pnl_e8": none,
        "open_ns": none,
        "close_ns": none,
    }
    with pytest.raises(ValueError, match=words):
        measure(**(arguments | change))


@pytest.mark.slow
def test_vectorbt_agrees_wherever_its_definitions_are_ours() -> None:
    """Compare with vectorbt's returns accessor on a random daily curve.

    The same: total return, CAGR, volatility, Sharpe, Sortino, Calmar, maximum drawdown.
    The differences, by definition: vectorbt's year is `year_freq` (365 days unless it is
    told 252); its drawdown and Calmar see daily points only (here bars are days); its
    first return comes from what it is given, so the start is put before the curve.
    """
    import pandas as pd
    from vectorbt.returns.accessors import ReturnsSRAccessor

    rng = np.random.default_rng(11)
    equity = np.round(1e13 * np.exp(np.cumsum(rng.normal(0.0005, 0.01, 700)))).astype(np.int64)
    got = record([int(value) for value in equity], start=10**13)
    index = pd.date_range("2020-01-01", periods=equity.size + 1, freq="D")
    curve = pd.Series(np.concatenate(([1e13], equity)), index=index)
    theirs = ReturnsSRAccessor(curve.pct_change().iloc[1:], freq="1D", year_freq="252D")
    for name, value in {
        "total_return": theirs.total(),
        "cagr": theirs.annualized(),
        "volatility": theirs.annualized_volatility(),
        "sharpe": theirs.sharpe_ratio(),
        "sortino": theirs.sortino_ratio(),
        "calmar": theirs.calmar_ratio(),
        "max_drawdown": theirs.max_drawdown(),
    }.items():
        assert got[name] == pytest.approx(float(value), rel=1e-9), name
