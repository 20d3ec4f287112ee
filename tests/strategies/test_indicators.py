"""Indicators against slow twins, on cut histories, on late starts and with holes."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from strategies.indicators import above, atr, bars_to_forget, ema, highest, lowest, rsi, sma, smas, std

Floats = NDArray[np.float64]
Indicator = Callable[[Floats, int], Floats]


def slow_sma(x: list[float], n: int, t: int) -> float:
    return float(sum(map(Fraction, x[t - n + 1 : t + 1])) / n)


def slow_std(x: list[float], n: int, t: int) -> float:
    window = [Fraction(v) for v in x[t - n + 1 : t + 1]]
    mean = sum(window) / n
    return math.sqrt(sum((v - mean) ** 2 for v in window) / (n - 1))


def slow_highest(x: list[float], n: int, t: int) -> float:
    return max(x[t - n + 1 : t + 1])


def slow_lowest(x: list[float], n: int, t: int) -> float:
    return min(x[t - n + 1 : t + 1])


def sample_std(x: Floats, n: int) -> Floats:
    return std(x, n, 1)


WINDOWED: dict[str, tuple[Indicator, Callable[[list[float], int, int], float]]] = {
    "sma": (sma, slow_sma),
    "std": (sample_std, slow_std),
    "highest": (highest, slow_highest),
    "lowest": (lowest, slow_lowest),
}
RECURSIVE: dict[str, Indicator] = {"ema": ema, "rsi": rsi, "atr": lambda x, n: atr(x + 1, x - 1, x, n)}
EVERY = {name: pair[0] for name, pair in WINDOWED.items()} | RECURSIVE

prices = st.lists(st.integers(1, 10**7), min_size=1, max_size=60).map(lambda ticks: [v / 100 for v in ticks])
windows = st.integers(2, 20)


def same_bits(a: Floats, b: Floats) -> bool:
    return bool(np.array_equal(a.view(np.int64), b.view(np.int64)))


@pytest.mark.parametrize("name", WINDOWED)
@settings(deadline=None)
@given(x=prices, n=windows)
def test_a_window_indicator_equals_its_slow_twin_and_is_unknown_until_warm(
    name: str, x: list[float], n: int
) -> None:
    fast, slow = WINDOWED[name]
    got = fast(np.array(x), n)
    assert np.isnan(got[: n - 1]).all()
    for t in range(n - 1, len(x)):
        assert got[t] == pytest.approx(slow(x, n, t), rel=1e-12, abs=1e-9)


@pytest.mark.parametrize("name", WINDOWED)
@settings(deadline=None)
@given(x=prices, n=windows, start=st.integers(0, 59))
def test_a_window_indicator_has_the_same_bits_wherever_the_history_starts(
    name: str, x: list[float], n: int, start: int
) -> None:
    fast = WINDOWED[name][0]
    whole, late = fast(np.array(x), n), fast(np.array(x[start:]), n)
    assert same_bits(whole[start:][n - 1 :], late[n - 1 :])


@pytest.mark.parametrize("name", EVERY)
@settings(deadline=None)
@given(x=prices, n=windows, cut=st.integers(0, 60))
def test_no_indicator_changes_its_past_when_bars_are_added(
    name: str, x: list[float], n: int, cut: int
) -> None:
    fast = EVERY[name]
    assert same_bits(fast(np.array(x[:cut]), n), fast(np.array(x), n)[:cut])


@pytest.mark.parametrize("name", WINDOWED)
@given(x=prices, n=windows, hole=st.integers(0, 59))
@settings(deadline=None)
def test_a_window_with_an_unknown_price_is_unknown_and_heals(
    name: str, x: list[float], n: int, hole: int
) -> None:
    fast = WINDOWED[name][0]
    holed = np.array(x)
    holed[hole % len(x)] = np.nan
    touched = np.zeros(len(x), bool)
    touched[hole % len(x) : hole % len(x) + n] = True
    got, clean = fast(holed, n), fast(np.array(x), n)
    assert np.isnan(got[touched]).all()
    assert same_bits(got[~touched], clean[~touched])


@pytest.mark.parametrize("name", RECURSIVE)
def test_a_recursion_stays_unknown_after_an_unknown_price(name: str) -> None:
    x = np.linspace(100.0, 120.0, 40)
    x[20] = np.nan
    assert not np.isnan(RECURSIVE[name](x, 5)[19])
    assert np.isnan(RECURSIVE[name](x, 5)[20:]).all()


@settings(deadline=None)
@given(x=prices, n=windows)
def test_ema_equals_the_textbook_recursion_from_its_seed(x: list[float], n: int) -> None:
    got = ema(np.array(x), n)
    assert np.isnan(got[: n - 1]).all()
    value = 0.0
    for t in range(n - 1, len(x)):
        value = slow_sma(x, n, t) if t == n - 1 else (2 * x[t] + (n - 1) * value) / (n + 1)
        assert got[t] == pytest.approx(value, rel=1e-12)


@settings(deadline=None)
@given(x=prices, n=windows)
def test_rsi_equals_wilders_sums_of_gains_and_losses(x: list[float], n: int) -> None:
    got = rsi(np.array(x), n)
    assert np.isnan(got[:n]).all()
    changes = [b - a for a, b in pairwise(x)]
    for t in range(n, len(x)):
        up = sum(max(c, 0.0) for c in changes[:n]) / n
        down = sum(max(-c, 0.0) for c in changes[:n]) / n
        for change in changes[n:t]:
            up = (up * (n - 1) + max(change, 0.0)) / n
            down = (down * (n - 1) + max(-change, 0.0)) / n
        assert 0.0 <= got[t] <= 100.0
        # Where both sums have decayed to rounding noise their ratio means nothing.
        if up + down > 1e-6:
            assert got[t] == pytest.approx(100 * up / (up + down), rel=1e-8, abs=1e-8)


@settings(deadline=None)
@given(x=prices, n=windows, wide=st.integers(0, 500))
def test_atr_equals_wilders_average_of_the_true_range(x: list[float], n: int, wide: int) -> None:
    high, low = [v + wide / 100 for v in x], [v - wide / 200 for v in x]
    got = atr(np.array(high), np.array(low), np.array(x), n)
    assert np.isnan(got[:n]).all()
    reach = [max(high[t], x[t - 1]) - min(low[t], x[t - 1]) for t in range(1, len(x))]
    for t in range(n, len(x)):
        value = sum(reach[:n]) / n
        for later in reach[n:t]:
            value = (value * (n - 1) + later) / n
        assert got[t] == pytest.approx(value, rel=1e-9, abs=1e-9)


@settings(deadline=None)
@given(
    ticks=st.lists(st.integers(9_000, 11_000) | st.just(10_000), min_size=30, max_size=200),
    fast=st.integers(1, 14),
    slow=st.integers(15, 30),
)
def test_comparing_two_averages_agrees_with_exact_integers_on_a_tick_grid(
    ticks: list[int], fast: int, slow: int
) -> None:
    x = np.array(ticks) / 100
    a, b = sma(x, fast), sma(x, slow)
    for t in range(slow - 1, len(ticks)):
        exact = sum(ticks[t - fast + 1 : t + 1]) * slow > sum(ticks[t - slow + 1 : t + 1]) * fast
        assert above(a[t], b[t]) == exact


def test_the_mean_of_a_thousand_prices_is_right_to_a_few_units_in_the_last_place() -> None:
    x = np.random.default_rng(7).integers(1, 10**9, 3_000) / 10_000
    got = sma(x, 1_000)
    for t in range(999, 3_000, 97):
        exact = slow_sma(list(x), 1_000, t)
        assert abs(got[t] - exact) <= 6 * np.spacing(exact)


def test_equal_values_have_a_deviation_of_exactly_zero() -> None:
    assert (std(np.full(50, 0.1), 7, 1)[6:] == 0.0).all()


@pytest.mark.parametrize(
    ("close", "expected"),
    [([1.0, 2.0, 3.0, 4.0], 100.0), ([4.0, 3.0, 2.0, 1.0], 0.0), ([5.0, 5.0, 5.0, 5.0], 50.0)],
)
def test_rsi_is_100_without_losses_0_without_gains_and_50_without_either(
    close: list[float], expected: float
) -> None:
    assert rsi(np.array(close), 3)[3] == expected


@pytest.mark.parametrize("name", EVERY)
def test_an_empty_or_short_history_is_all_unknown(name: str) -> None:
    assert EVERY[name](np.empty(0), 5).shape == (0,)
    assert np.isnan(EVERY[name](np.ones(4), 5)).all()


@pytest.mark.parametrize("name", EVERY)
def test_a_window_of_no_bars_is_refused(name: str) -> None:
    with pytest.raises((ValueError, ZeroDivisionError)):
        EVERY[name](np.ones(9), 0)


def test_after_bars_to_forget_two_seeds_give_nearly_the_same_ema() -> None:
    n = 10
    wait = bars_to_forget(2 / (n + 1), 1e-9)
    x = np.full(n + wait, 100.0)
    other = x.copy()
    other[:n] = 200.0
    assert abs(ema(other, n)[-1] - ema(x, n)[-1]) <= 100.0 * 1e-9
    assert bars_to_forget(1.0, 1e-9) == 1


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 2_600), st.lists(st.integers(1, 1_400), min_size=1, max_size=6), st.integers(0, 10**6), st.sampled_from([0.0, 0.01]),
)  # fmt: skip
def test_averages_made_together_have_the_bits_of_those_made_alone_wherever_a_stretch_ends(size, ns, seed, holes):
    rng = np.random.default_rng(seed)
    x = rng.uniform(-5.0, 100.0, size)
    x[rng.random(size) < holes] = np.nan
    sheet, rows = np.full((len(ns) + 1, size + 3), 7.0), rng.permutation(len(ns) + 1)[: len(ns)]
    smas(x, np.array(ns), rows, sheet)
    for n, row in zip(ns, rows, strict=True):
        assert same_bits(sheet[row, :size], sma(x, n)) and (sheet[row, size:] == 7.0).all()
        for t in {size - 1, size // 2, min(size - 1, 512), min(size - 1, n - 1)}:
            if t >= n - 1:
                alone = sma(x[t - n + 1 : t + 1].copy(), n)[-1:]
                assert same_bits(alone, sheet[row, t : t + 1].copy()), "a window's mean depends on its window alone"
