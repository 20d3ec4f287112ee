"""Stored numbers to exact integers: doubles, decimal text and whole numbers at 1e-8.

Theory of operation. A database of somebody else keeps money as doubles. A double that a
program wrote as 29.6 is not 29.6, but 29.6 is the shortest decimal that reads back as the same
double, and that is what is meant. So a number is taken as its shortest decimal, and that is
put on the grid of 1e-8, half to even. `State` says of each number whether the grid holds it:
a distance below a thousandth of a unit is the noise of sums of doubles, more is a rounding that
is counted and told.

Whole columns are converted at once: k = rint(x * 1e8) is proved by k / 1e8 == x, because a
division of two doubles is rounded correctly and k / 1e8 is then the double next to the decimal
k * 1e-8. What that does not prove goes the slow way, through Decimal.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ledger.units import AMOUNT_MAX, MONEY_EXP, MONEY_SCALE

Int64s = NDArray[np.int64]
_PROVABLE = 2**53 / MONEY_SCALE
"""Below this k is exact as a double."""
_NOISE = Decimal("0.001")


class State(IntEnum):
    """What became of a stored number."""

    EXACT = 0
    ROUNDED = 1  # more than eight decimals
    NULL = 2
    BAD = 3  # no number, not finite, or out of range


class Amounts(NamedTuple):
    """A column of numbers at 1e-8, and the State of each; NULL and BAD are 0 and mean nothing."""

    units: Int64s
    state: NDArray[np.int8]

    @property
    def known(self) -> NDArray[np.bool_]:
        """Say which of them are numbers."""
        return self.state <= State.ROUNDED


def to_e8(values: Sequence[Any]) -> Amounts:
    """Return stored values as units of 1e-8.

    Args:
        values: None, int, double, Decimal or decimal text.
    """
    units, state = np.zeros(len(values), np.int64), np.full(len(values), State.BAD, np.int8)
    slow: Sequence[int] = range(len(values))
    if set(map(type, values)) <= {int, float, type(None)}:
        slow = _fast(values, units, state)
    for at in slow:
        units[at], state[at] = one_e8(values[at])
    return Amounts(units, state)


def _fast(values: Sequence[Any], units: Int64s, state: NDArray[np.int8]) -> list[int]:
    """Convert what can be proved (`units`, `state` modified in place); return the places of the others."""
    try:
        doubles = np.array(values, np.float64)
    except OverflowError:
        return list(range(len(values)))
    with np.errstate(invalid="ignore", over="ignore"):
        near = np.rint(doubles * MONEY_SCALE)
        proved = (np.abs(doubles) < _PROVABLE) & (near / MONEY_SCALE == doubles)
    units[proved], state[proved] = near[proved].astype(np.int64), State.EXACT
    null = np.isnan(doubles)
    state[null] = State.NULL
    # A double that is not a number is not NULL; SQLite has none, a CSV may.
    return [at for at in np.flatnonzero(~proved).tolist() if values[at] is not None]


def one_e8(value: Any) -> tuple[int, State]:
    """Return one stored value as (units of 1e-8, State)."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return 0, State.NULL
    if isinstance(value, bool | bytes):
        return 0, State.BAD
    try:
        number = Decimal(repr(value) if isinstance(value, float) else value)
    except (InvalidOperation, TypeError, ValueError):
        return 0, State.BAD
    if not number.is_finite() or number.adjusted() > 11:
        return 0, State.BAD
    sign, digits, exponent = number.as_tuple()
    scaled = Decimal((sign, digits, int(exponent) + MONEY_EXP))
    whole = scaled.to_integral_value(rounding=ROUND_HALF_EVEN)
    if abs(whole) > AMOUNT_MAX:
        return 0, State.BAD
    return int(whole), State.EXACT if abs(scaled - whole) <= _NOISE else State.ROUNDED


def decimals(units: Int64s, most: int = MONEY_EXP) -> int:
    """Return how many decimals the values at 1e-8 need, 0 to 8."""
    for places in range(most):
        if not np.any(units % 10 ** (MONEY_EXP - places)):
            return places
    return most


def worth(price_e8: int, qty_e8: int, scale: int = MONEY_SCALE) -> int:
    """Return price x quantity / scale, half to even; stored values may be anything, so this has no bound."""
    product = int(price_e8) * int(qty_e8)
    quotient, rest = divmod(abs(product), scale)
    if 2 * rest > scale or (2 * rest == scale and quotient & 1):
        quotient += 1
    return -quotient if product < 0 else quotient
