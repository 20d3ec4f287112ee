"""Sizing against Fraction twins, up to the edge of int64."""

from __future__ import annotations

from fractions import Fraction
from math import floor, nan

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from strategies.sizing import ONE_BPS, ONE_E6, fixed, floor_muldiv, fraction_e6, percent_of_equity

targets = st.integers(-ONE_E6, ONE_E6)
steps = st.sampled_from([1, 7, 100, 10_000])


def slow_percent(target: int, bps: int, equity: int, price: int, scale: int, divisor: int, step: int) -> int:
    budget = floor(Fraction(max(equity, 0)) * Fraction(bps, ONE_BPS) * Fraction(abs(target), ONE_E6))
    lots = floor(Fraction(budget * divisor, price * scale))
    return (lots - lots % step) * (-1 if target < 0 else 1)


@settings(deadline=None, max_examples=500)
@given(a=st.integers(0, 2**62), b=st.integers(0, 2**62), c=st.integers(1, 2**63 - 1) | st.integers(1, 200))
@example(a=86, b=2**62, c=74)  # the wrapped int64 difference that the compiler got wrong
@example(a=0, b=0, c=1)
@example(a=2**62, b=2, c=1)
def test_the_floor_of_a_product_over_a_divisor_is_exact_or_raises(a: int, b: int, c: int) -> None:
    exact = a * b // c
    if round(Fraction(a * b, c)) < 2**63:
        assert floor_muldiv(a, b, c) == exact
    else:
        with pytest.raises(OverflowError):
            floor_muldiv(a, b, c)


@settings(deadline=None)
@given(target=targets, qty=st.integers(0, 2**62), step=steps)
def test_a_fixed_size_is_the_largest_multiple_of_the_step_within_the_fraction(
    target: int, qty: int, step: int
) -> None:
    lots = fixed(target, qty, step)
    assert lots % step == 0
    assert lots * target >= 0
    assert abs(lots) <= Fraction(qty * abs(target), ONE_E6) < abs(lots) + step


@settings(deadline=None, max_examples=300)
@given(
    target=targets,
    bps=st.integers(0, 40_000),
    equity=st.integers(-(10**18), 10**18),
    price=st.integers(1, 10**12),
    units=st.sampled_from([(1, 1), (100, 1), (1, 10_000), (1, 10**8)]),
    step=steps,
)
def test_percent_of_equity_equals_its_twin_in_fractions(
    target: int, bps: int, equity: int, price: int, units: tuple[int, int], step: int
) -> None:
    expected = slow_percent(target, bps, equity, price, *units, step)
    if abs(expected) > 2**62:
        return
    assert percent_of_equity(target, bps, equity, price, *units, step) == expected


@settings(deadline=None, max_examples=300)
@given(
    target=targets,
    bps=st.integers(0, 20_000),
    equity=st.integers(1, 10**17),
    price=st.integers(100, 10**9),
    step=steps,
)
def test_the_value_of_the_position_is_within_the_budget_and_one_more_step_is_not(
    target: int, bps: int, equity: int, price: int, step: int
) -> None:
    lots = abs(percent_of_equity(target, bps, equity, price, 1, 1, step))
    budget = Fraction(equity * bps * abs(target), ONE_BPS * ONE_E6)
    assert lots * price <= budget
    assert (lots + step) * price > budget or target == 0


@pytest.mark.parametrize(
    ("target", "bps", "equity_e8", "price_ticks", "step", "expected"),
    [
        # target     bps      equity        price      step    lots
        (1_000_000, 10_000, 100_000_00000000, 100_0000, 10_000, 1_000_0000),  # 1,000 whole shares
        (1_000_000, 10_000, 100_000_00000000, 100_0001, 10_000, 999_0000),  # one tick dearer: one less
        (1_000_000, 9_800, 100_000_00000000, 100_0000, 10_000, 980_0000),  # room for fees
        (-500_000, 10_000, 100_000_00000000, 100_0000, 10_000, -500_0000),  # short half
        (1_000_000, 10_000, 100_00000000, 101_0000, 10_000, 0),  # cannot afford one share
        (1_000_000, 10_000, 100_00000000, 101_0000, 1, 9_900),  # but 0.99 of one
        (0, 10_000, 100_000_00000000, 100_0000, 10_000, 0),  # flat
        (1_000_000, 10_000, 0, 100_0000, 10_000, 0),  # nothing left
        (1_000_000, 10_000, -5, 100_0000, 10_000, 0),  # less than nothing left
        (1, 1, 2**62, 1, 1, 461_168_601),  # the smallest share of the largest account
        (1_000_000, 10_000, 2**62, 1, 1, 2**62),  # the largest account at one tick
    ],
)
def test_percent_of_equity_by_hand(
    target: int, bps: int, equity_e8: int, price_ticks: int, step: int, expected: int
) -> None:
    assert percent_of_equity(target, bps, equity_e8, price_ticks, 1, 1, step) == expected


def test_a_size_that_does_not_fit_is_an_error_and_never_wraps() -> None:
    with pytest.raises(OverflowError):
        percent_of_equity(ONE_E6, ONE_BPS, 2**62, 1, 1, 10**8, 1)
    with pytest.raises(OverflowError):
        percent_of_equity(ONE_E6, ONE_BPS, 2**62, 2**62, 100, 1, 1)


@pytest.mark.parametrize("price_ticks", [0, -1])
def test_a_position_cannot_be_sized_without_a_price(price_ticks: int) -> None:
    with pytest.raises(ValueError, match="price"):
        percent_of_equity(ONE_E6, ONE_BPS, 10**12, price_ticks, 1, 1, 1)


@settings(deadline=None)
@given(st.floats(-1, 1))
def test_a_fraction_is_rounded_half_to_even_at_one_millionth(target: float) -> None:
    assert fraction_e6(target) == round(target * 1e6)


@pytest.mark.parametrize("target", [nan, 1.0000001, -1.5, float("inf")])
def test_a_target_outside_its_range_is_refused(target: float) -> None:
    with pytest.raises(ValueError, match="fraction"):
        fraction_e6(target)
