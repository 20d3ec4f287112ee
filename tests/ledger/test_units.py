"""Exact amounts: the product of three, the border to text and to a broker's doubles."""

from __future__ import annotations

import math
from decimal import Decimal, localcontext

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ledger.kernel import jit
from ledger.units import (
    AMOUNT_MAX, INT64_MAX, OVERFLOWED, UnitError, compare_ratios, decimal_text, from_broker, money, muldiv, to_grid, try_muldiv,
)  # fmt: skip
from tests.ledger.twin.slow_lots import half_even

EDGES = [0, 1, 2, 3, 5, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**32 + 1, 10**8, 2**53, AMOUNT_MAX, 2**62, INT64_MAX - 1, INT64_MAX]


@jit
def _all(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    """Return try_muldiv of each triple, compiled."""
    result = np.empty(a.size, np.int64)
    for n in range(a.size):
        result[n] = try_muldiv(a[n], b[n], c[n])
    return result


def exact(a: int, b: int, c: int) -> int:
    """Python's own integers, rounded half-even; OVERFLOWED outside +-(2**63 - 1)."""
    if c < 1:
        return OVERFLOWED
    size = half_even(abs(a * b), c)
    return OVERFLOWED if size > INT64_MAX else size if a * b >= 0 else -size


def triples(count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Numbers of every size, edges, exact halves and divisors that make a product just fit."""
    random = np.random.default_rng(20_260_101)
    bits = random.integers(1, 64, (3, count))
    a, b, c = (random.integers(0, 2**63 - 1, (3, count)) >> (63 - bits)).astype(np.int64)
    edges = np.array(EDGES, np.int64)
    for column in (a, b, c):
        some = random.random(count) < 0.2
        column[some] = edges[random.integers(0, edges.size, some.sum())]
    a[random.random(count) < 0.3] *= -1
    b[random.random(count) < 0.3] *= -1
    halves = np.arange(0, count, 10)
    c[halves], b[halves] = 2 * (c[halves] >> 2) + 2, c[halves] // 2 | 1
    fitting = np.arange(5, count, 10)
    c[fitting] = np.maximum(1, np.abs(a[fitting]) // (1 + (np.abs(b[fitting]) >> 60)))
    return a, b, c


def test_muldiv_equals_whole_number_arithmetic_on_three_hundred_thousand_triples() -> None:
    a, b, c = triples(300_000)
    compiled = _all(a, b, c).tolist()
    expected = [exact(*triple) for triple in zip(a.tolist(), b.tolist(), c.tolist(), strict=True)]
    assert compiled == expected
    overflows = expected.count(OVERFLOWED)
    assert 10_000 < overflows < 200_000


@given(a=st.integers(-INT64_MAX, INT64_MAX), b=st.integers(-INT64_MAX, INT64_MAX), c=st.integers(1, INT64_MAX))
@settings(deadline=None)
def test_muldiv_raises_exactly_where_the_result_leaves_int64(a: int, b: int, c: int) -> None:
    expected = exact(a, b, c)
    if expected == OVERFLOWED:
        with pytest.raises(OverflowError):
            muldiv(a, b, c)
    else:
        assert muldiv(a, b, c) == expected == try_muldiv(a, b, c)


@pytest.mark.parametrize(("a", "b", "c"), [
    (100 * 2**32 - 1, 100 * 2**32 + 1, 10_000),
    (10**4 * 2**32 - 1, 10**4 * 2**32 + 1, 10**8),
    (2**62 - 2**30, 2**62 - (2**32 - 3), 2**60 - (2**30 + 2**32 - 4) // 4),
])  # fmt: skip
def test_a_quotient_that_rounds_up_to_two_to_the_64_overflows_and_does_not_become_zero(a: int, b: int, c: int) -> None:
    with pytest.raises(OverflowError):
        muldiv(a, b, c)


@given(st.tuples(*[st.integers(0, AMOUNT_MAX)] * 2), st.tuples(*[st.integers(1, AMOUNT_MAX)] * 2))
def test_ratios_compare_like_fractions(above: tuple[int, int], below: tuple[int, int]) -> None:
    left, right = above[0] * below[1], above[1] * below[0]
    assert compare_ratios(above[0], below[0], above[1], below[1]) == (left > right) - (left < right)


@given(units=st.integers(-AMOUNT_MAX, AMOUNT_MAX), exp=st.integers(0, 8), places=st.none() | st.integers(0, 8))
def test_decimal_text_and_grid_are_inverse(units: int, exp: int, places: int | None) -> None:
    text = decimal_text(units, exp, places)
    assert to_grid(text, exp) == units
    assert Decimal(text) == Decimal(units).scaleb(-exp)


@given(units=st.integers(-AMOUNT_MAX, AMOUNT_MAX), exp=st.integers(0, 8), tail=st.integers(1, 10**12), zeros=st.integers(0, 40))
@example(units=10**8, exp=8, tail=1, zeros=28)
def test_a_number_between_two_grid_points_is_refused_however_close(units: int, exp: int, tail: int, zeros: int) -> None:
    whole = f"{decimal_text(abs(units), 8, 8)}"
    with pytest.raises(UnitError, match="not a multiple"):
        to_grid(whole + "0" * zeros + str(tail), exp)


DECIMALS = st.builds(
    lambda sign, digits, exponent: Decimal((sign, digits, exponent)),
    st.integers(0, 1), st.lists(st.integers(0, 9), min_size=1, max_size=60).map(tuple), st.integers(-70, 30) | st.integers(-(10**17), 10**17),
)  # fmt: skip


def on_grid(number: Decimal, exp: int) -> int | str:
    """Return units or why there are none, by the digits: the slow way to shift a point."""
    sign, digits, exponent = number.as_tuple()
    scaled = Decimal((sign, digits, int(exponent) + exp))
    if scaled.adjusted() > 19:
        return "beyond the range"
    if scaled.to_integral_value() != scaled:
        return "is not a multiple"
    return "is beyond" if abs(scaled) > AMOUNT_MAX else int(scaled)


@given(number=DECIMALS, exp=st.integers(0, 8), prec=st.integers(1, 40))
@example(number=Decimal("-0E-99999999999"), exp=8, prec=28)
@example(number=Decimal(AMOUNT_MAX), exp=0, prec=5)
@example(number=Decimal("46116860184.27387903"), exp=8, prec=28)
@example(number=Decimal("46116860184.27387904"), exp=8, prec=28)
def test_the_grid_is_that_of_the_digits_whatever_the_callers_context(number: Decimal, exp: int, prec: int) -> None:
    expected = on_grid(number, exp)
    with localcontext() as context:
        context.prec = prec
        if isinstance(expected, int):
            assert to_grid(number, exp) == expected
        else:
            with pytest.raises(UnitError, match=expected):
                to_grid(number, exp)


@pytest.mark.parametrize("text", ["1E+999999999999999999", "-9.9E+999999999999999995", "0E+999999999999999999"])
def test_a_number_at_the_end_of_what_decimals_can_say_is_beyond_the_range(text: str) -> None:
    with pytest.raises(UnitError, match="beyond the range"):
        to_grid(text, 8)


def test_the_callers_decimal_context_does_not_change_a_number() -> None:
    with localcontext() as context:
        context.prec = 4
        assert to_grid("123456.7891", 4) == 1_234_567_891
        assert from_broker(123456.7891, 4) == 1_234_567_891


@pytest.mark.parametrize("value", ["", "abc", "NaN", "Infinity", "-inf", None, [], 1.5, float("nan"), "1e30", 2**62, -(2**62), "1e-9"])
def test_what_is_no_amount_is_refused_with_a_reason(value: object) -> None:
    with pytest.raises(UnitError):
        to_grid(value, 0)  # type: ignore[arg-type]


@given(units=st.integers(-(10**13), 10**13), exp=st.integers(0, 6))
def test_a_brokers_double_of_a_grid_point_comes_back_exactly(units: int, exp: int) -> None:
    assert from_broker(units / 10**exp, exp) == units


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1.7976931348623157e308, 0.33334, 101.237])
def test_a_brokers_double_that_is_off_the_grid_is_refused(value: float) -> None:
    with pytest.raises(UnitError):
        from_broker(value, 2)


def test_money_has_eight_decimals() -> None:
    assert money("144420.92") == 14_442_092_000_000 and money(-1) == -(10**8)
    assert decimal_text(20_158_122_000_000) == "201581.22"
