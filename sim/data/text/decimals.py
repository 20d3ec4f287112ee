"""Decimal text to integers, vectorised and exact: no float ever holds a price here.

Theory of operation. `parse` walks over the characters of a column, all rows at
once and in blocks that stay in the cache: value = mantissa / 10**scale. What is
not a plain decimal number gets a status (missing, infinite, thousands, text) and
is judged by the caller. `to_ticks` puts the values on a grid of 1e-4, 1e-6 or
1e-8, the coarsest that holds every price of the file, or says which row fits none.
"""

from __future__ import annotations

import re
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.data.history import Int64Array
from sim.data.text.table import Column

BLOCK = 1 << 16
DIGITS_MAX = 18  # 10**18 < 2**63
TICKS_MAX = 10**17
PRICE_EXPS = (4, 6, 8)
OK, MISSING, INFINITE, THOUSANDS, TEXT = range(5)
MISSING_WORDS = frozenset({"", "nan", "na", "n/a", "#n/a", "null", "none", "nat", "-", "<na>"})
INFINITE_WORDS = frozenset({"inf", "+inf", "-inf", "infinity", "+infinity", "-infinity"})
THOUSANDS_FORM = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?")
EXPONENT_FORM = re.compile(r"[+-]?\d+(\.\d*)?[eE][+-]?\d{1,3}")
POWERS = 10 ** np.arange(DIGITS_MAX + 1, dtype=np.int64)


class Decimals(NamedTuple):
    """Parsed numbers: value = mantissa / 10**scale where status is OK."""

    mantissa: Int64Array
    scale: NDArray[np.int8]
    status: NDArray[np.int8]

    def take(self, rows: NDArray[np.bool_]) -> Decimals:
        """Return the numbers of a selection of rows."""
        return Decimals(self.mantissa[rows], self.scale[rows], self.status[rows])


def parse(column: Column, width: int) -> Decimals:
    """Parse a column of at most `width` characters a row; nothing is raised, see `Decimals.status`."""
    if column.known is not None:
        count = len(column.known.value)
        return Decimals(column.known.value, np.broadcast_to(np.int8(column.known.scale), count), np.zeros(count, np.int8))
    count = len(column.start)
    result = Decimals(np.zeros(count, np.int64), np.zeros(count, np.int8), np.zeros(count, np.int8))
    for first in range(0, count, BLOCK):
        block = slice(first, min(first + BLOCK, count))
        mantissa, scale, plain = _parse_block(column.take(block), width)
        result.mantissa[block], result.scale[block] = mantissa, scale
        result.status[block][~plain] = TEXT
    for at in np.flatnonzero(result.status).tolist():
        _classify(column.text(at), at, result)
    return result


def _parse_block(column: Column, width: int) -> tuple[Int64Array, NDArray[np.int8], NDArray[np.bool_]]:
    """Return mantissa, scale and whether each row is a plain number of at most DIGITS_MAX digits."""
    count, last = len(column.start), len(column.buffer) - 1
    mantissa = np.zeros(count, np.int64)
    digits, scale = np.zeros(count, np.int8), np.zeros(count, np.int8)
    negative, dotted, wrong = (np.zeros(count, np.bool_) for _ in range(3))
    for at in range(width):
        active = column.length > at
        char = column.buffer[np.minimum(column.start + at, last)]
        digit = char - np.uint8(48)  # wraps above 9 for every other character
        is_digit = active & (digit <= 9)
        # A number of too many digits wraps here; its digit count then marks the row as wrong.
        mantissa = np.where(is_digit, mantissa * 10 + digit, mantissa)
        digits += is_digit
        scale += is_digit & dotted
        rest = active & ~is_digit
        if not rest.any():
            continue
        if at == 0:
            negative = rest & (char == 45)
            rest &= ~negative
        point = rest & (char == 46) & ~dotted
        wrong |= rest & ~point
        dotted |= point
    plain = ~wrong & (digits > 0) & (digits <= DIGITS_MAX)
    return np.where(negative, -mantissa, mantissa), scale, plain


def _classify(text: str, at: int, result: Decimals) -> None:
    """Judge one row that is not a plain number; the results are modified in place."""
    word = text.strip().lower()
    if word in MISSING_WORDS:
        result.status[at] = MISSING
    elif word in INFINITE_WORDS:
        result.status[at] = INFINITE
    elif THOUSANDS_FORM.fullmatch(word):
        _store(Decimal(word.replace(",", "")), at, result, THOUSANDS)
    elif EXPONENT_FORM.fullmatch(word):
        _store(Decimal(word), at, result, OK)


def _store(value: Decimal, at: int, result: Decimals, status: int) -> None:
    sign, digits, exponent = value.as_tuple()
    assert isinstance(exponent, int)
    if len(digits) + max(exponent, 0) > DIGITS_MAX or -exponent > DIGITS_MAX:
        return
    number = int("".join(map(str, digits))) * 10 ** max(exponent, 0)
    result.mantissa[at] = -number if sign else number
    result.scale[at], result.status[at] = max(-exponent, 0), status


def _scale(numbers: Decimals) -> Any:
    """Return the scale of each row, or one scale where all rows share it."""
    shared = len(numbers.scale) and numbers.scale.strides == (0,)
    return numbers.scale[0].astype(np.int64) if shared else numbers.scale


def fits(numbers: Decimals, exp: int) -> NDArray[np.bool_]:
    """Return which values are a whole, storable number of 10**-exp."""
    scale = _scale(numbers)
    up = np.maximum(exp - scale, 0)
    down = POWERS[np.maximum(scale - exp, 0)]
    small = np.abs(numbers.mantissa) // down <= TICKS_MAX // POWERS[up]
    on_grid: NDArray[np.bool_] = small & (numbers.mantissa % down == 0)
    return on_grid


def choose_exp(columns: list[Decimals]) -> int:
    """Return the coarsest price_exp of 4, 6, 8 that holds every value; 8 when none does."""
    for exp in PRICE_EXPS[:-1]:
        if all(bool(fits(numbers, exp).all()) for numbers in columns):
            return exp
    return PRICE_EXPS[-1]


def to_ticks(numbers: Decimals, exp: int) -> Int64Array:
    """Return value * 10**exp; a value off the grid is rounded half-even (the caller has checked `fits`)."""
    scale = _scale(numbers)
    up = POWERS[np.maximum(exp - scale, 0)]
    down = POWERS[np.maximum(scale - exp, 0)]
    with np.errstate(over="ignore"):  # rows that do not fit are refused before anybody reads them
        return _divide_half_even(numbers.mantissa * up, down)


def _divide_half_even(value: Int64Array, divisor: Any) -> Int64Array:
    if np.ndim(divisor) == 0 and divisor == 1:
        return value
    quotient, remainder = np.divmod(value, divisor)
    rest = divisor - remainder  # compare without doubling, which could overflow
    above = (remainder > rest) | ((remainder == rest) & (quotient % 2 == 1))
    result: Int64Array = quotient + above
    return result


def scale_exact(values: Int64Array, factor: Fraction) -> Int64Array:
    """Return values * factor rounded half-even, exactly; values in [0, 2**62), factor > 0.

    The int64 road splits values as high * 10**4 + low and carries both remainders; what does not
    fit its bounds takes Python integers and gives the same answer.
    """
    over, under = factor.numerator, factor.denominator
    whole, part = divmod(over, under)
    most = int(values.max(initial=0))
    if most > 10**10 or under > 10**12 or whole * (most + 1) > 2**62:
        return np.array([_round_half_even(int(value) * over, under) for value in values], dtype=np.int64)
    high, low = np.divmod(values, 10**4)
    quotient_high, rest_high = np.divmod(high * part, under)
    quotient_low, rest = np.divmod(rest_high * 10**4 + low * part, under)
    quotient = values * whole + quotient_high * 10**4 + quotient_low
    double = rest * 2
    result: Int64Array = quotient + ((double > under) | ((double == under) & (quotient % 2 == 1)))
    return result


def _round_half_even(value: int, divisor: int) -> int:
    quotient, remainder = divmod(value, divisor)
    above = remainder * 2 > divisor or (remainder * 2 == divisor and quotient % 2 == 1)
    return quotient + int(above)


def decimal_fraction(text: str) -> Fraction:
    """Return the exact value of decimal text."""
    return Fraction(Decimal(text))


def shortest_between(low: Fraction, high: Fraction, digits_max: int = 8) -> int:
    """Return, in 1e-8, the decimal of fewest digits in [low, high]: the amount somebody once announced."""
    middle = (low + high) / 2
    for digits in range(digits_max + 1):
        scaled = middle * 10**digits
        value = _round_half_even(scaled.numerator, scaled.denominator)
        if digits == digits_max or low <= Fraction(value, 10**digits) <= high:
            break
    return value * int(10 ** (8 - digits))
