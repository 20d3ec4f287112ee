"""Exact amounts: the border between decimal text and int64, and `muldiv`.

Theory of operation. Inside onebook money is int64 at 1e-8 of the currency
(`_e8`), a price is int64 ticks of 10**-price_exp, a quantity is int64 lots of
10**-qty_exp. This file alone turns text, Decimal or a broker's double into
those integers and back, and it refuses a number that is not on the grid.

`muldiv(a, b, c)` is round_half_even(a * b / c) with a 128-bit product. There is
one Python body (used outside kernels and under NUMBA_DISABLE_JIT=1) and one
compiled body made of 32-bit limbs; a test holds them equal. LLVM's own 128-bit
division crashes inside numba, so the division is Knuth's algorithm D in base
2**32. `try_muldiv` gives OVERFLOWED instead of raising: the core must be able
to refuse an event without an exception.

Bounds. Every amount the core keeps is within +-AMOUNT_MAX = 2**62 - 1, so the sum
of any two is representable; sums are checked against the same bound before they are
made: numba tells the compiler that signed int64 never wraps, so a wrapped sum cannot
be noticed afterwards. Positions and orders are within +-QTY_MAX = 2**60 lots.
"""

from __future__ import annotations

from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, ROUND_HALF_EVEN, Context, Decimal, InvalidOperation

import numpy as np
from numba.extending import overload

from ledger.kernel import inlined, jit, kernel

MONEY_EXP = 8
MONEY_SCALE = 10**MONEY_EXP
AMOUNT_MAX = 2**62 - 1
QTY_MAX = 2**60
EXP_MAX = 8
INT64_MAX = 2**63 - 1
OVERFLOWED = -(2**63)
"""What `try_muldiv` returns when the result does not fit; never a legal result."""

_U0, _U1, _U32 = np.uint64(0), np.uint64(1), np.uint64(32)
_LOW = np.uint64(0xFFFFFFFF)
_BASE = np.uint64(1 << 32)
_I64 = np.uint64(INT64_MAX)
_EXACT = Context(prec=MAX_PREC, Emax=MAX_EMAX, Emin=MIN_EMIN)
"""Where nothing is rounded; a thread's own context keeps 28 digits."""


class UnitError(ValueError):
    """A number that is not on its grid or not in range: the caller's input is at fault."""


def try_muldiv(a: int, b: int, c: int) -> int:
    """Return round_half_even(a * b / c), or OVERFLOWED when it does not fit int64 or c < 1."""
    c = int(c)
    if c < 1:
        return OVERFLOWED
    product = int(a) * int(b)
    quotient, rest = divmod(abs(product), c)
    if 2 * rest > c or (2 * rest == c and quotient & 1):
        quotient += 1
    if quotient > INT64_MAX:
        return OVERFLOWED
    return -quotient if product < 0 else quotient


@inlined
def _size(a: int) -> np.uint64:
    """Return |a| as uint64; in unsigned arithmetic -2**63 has a size too, in signed it would be undefined."""
    return np.uint64(a) if a >= 0 else _U0 - np.uint64(a)


@inlined
def _multiply(a: np.uint64, b: np.uint64) -> tuple[np.uint64, np.uint64]:
    """Return the 128-bit product of two uint64 as (high, low) words."""
    a_low, a_high, b_low, b_high = a & _LOW, a >> _U32, b & _LOW, b >> _U32
    low, cross, crossed = a_low * b_low, a_low * b_high, a_high * b_low
    middle = (low >> _U32) + (cross & _LOW) + (crossed & _LOW)
    high = a_high * b_high + (cross >> _U32) + (crossed >> _U32) + (middle >> _U32)
    return high, (low & _LOW) | (middle << _U32)


@kernel
def _digit(high: np.uint64, next_digit: np.uint64, d_high: np.uint64, d_low: np.uint64) -> np.uint64:
    """Return one base-2**32 quotient digit (Knuth D3): estimate by the top digit, then correct."""
    digit = high // d_high
    rest = high - digit * d_high
    while digit >= _BASE or digit * d_low > ((rest << _U32) | next_digit):
        digit -= _U1
        rest += d_high
        if rest >= _BASE:
            break
    return digit


@kernel
def _leading_zeros(d: np.uint64) -> np.uint64:
    """Return the number of leading zero bits of d > 0, by halving."""
    zeros = _U0
    for width in (32, 16, 8, 4, 2, 1):
        if d >> np.uint64(64 - width) == _U0:
            zeros += np.uint64(width)
            d = d << np.uint64(width)
    return zeros


@kernel
def _divide(high: np.uint64, low: np.uint64, d: np.uint64) -> tuple[np.uint64, np.uint64]:
    """Return (quotient, remainder) of the 128-bit (high, low) by d; needs high < d."""
    shift = _leading_zeros(d)
    d = d << shift
    if shift > _U0:
        high = (high << shift) | (low >> (np.uint64(64) - shift))
        low = low << shift
    d_high, d_low = d >> _U32, d & _LOW
    first = _digit(high, low >> _U32, d_high, d_low)
    middle = (high << _U32) + (low >> _U32) - first * d
    second = _digit(middle, low & _LOW, d_high, d_low)
    rest = (middle << _U32) + (low & _LOW) - second * d
    return (first << _U32) | second, rest >> shift


@overload(try_muldiv, jit_options={"cache": True})
def _try_muldiv_compiled(a, b, c):  # type: ignore[no-untyped-def]
    """Give the compiled body of `try_muldiv`; numba calls this at compile time with types."""

    def body(a, b, c):  # type: ignore[no-untyped-def]
        if c < 1:
            return OVERFLOWED
        negative = (a < 0) != (b < 0)
        size_a, size_b, divisor = _size(a), _size(b), np.uint64(c)
        high, low = _multiply(size_a, size_b)
        if high >= divisor:
            return OVERFLOWED
        if divisor == _U1:
            quotient, rest = low, _U0
        elif high == _U0:
            quotient = low // divisor
            rest = low - quotient * divisor
        else:
            quotient, rest = _divide(high, low, divisor)
        if quotient > _I64:
            return OVERFLOWED
        other = divisor - rest
        if rest > other or (rest == other and (quotient & _U1) == _U1):
            quotient += _U1
        if quotient > _I64:
            return OVERFLOWED
        return -np.int64(quotient) if negative else np.int64(quotient)

    return body


@jit
def muldiv(a: int, b: int, c: int) -> int:
    """Return round_half_even(a * b / c) exactly.

    Args:
        a, b: int64, any sign. c: int64 >= 1.
    Raises:
        OverflowError: the result does not fit int64, or c < 1.
    """
    result = try_muldiv(a, b, c)
    if result == OVERFLOWED:
        raise OverflowError("muldiv: the result does not fit int64, or the divisor is below 1")
    return result


@inlined
def beyond(amount: int, most: int) -> bool:
    """Say whether an amount is outside +-most; abs() would be wrong at -2**63."""
    return amount < -most or amount > most


@kernel
def compare_ratios(a: int, b: int, c: int, d: int) -> int:
    """Return the sign of a/b - c/d for a, c >= 0 and b, d > 0, by 128-bit products."""
    left_high, left_low = _multiply(np.uint64(a), np.uint64(d))
    right_high, right_low = _multiply(np.uint64(c), np.uint64(b))
    if left_high != right_high:
        return 1 if left_high > right_high else -1
    if left_low != right_low:
        return 1 if left_low > right_low else -1
    return 0


def _decimal(value: int | str | Decimal, what: str) -> Decimal:
    """Return the finite Decimal of text, Decimal or int; floats have their own way in."""
    if isinstance(value, float):
        raise UnitError(f"{what} {value!r} is a float; pass text, Decimal or int, or use from_broker()")
    try:
        number = Decimal(value)
    except (InvalidOperation, TypeError, ValueError) as error:
        raise UnitError(f"{what} {value!r} is not a number; write it like 101.25") from error
    if not number.is_finite():
        raise UnitError(f"{what} {value!r} is not finite; a book holds known amounts only")
    return number


def _shifted(number: Decimal, exp: int) -> Decimal:
    """Return number * 10**exp exactly."""
    return number.scaleb(exp, _EXACT)


def to_grid(value: int | str | Decimal, exp: int, what: str = "amount") -> int:
    """Return `value` as a whole number of 10**-exp.

    Args:
        value: text, Decimal or int. exp: 0..8. what: named in the message.
    Raises:
        UnitError: not a number, not on the grid, or beyond +-(2**62 - 1) units.
    """
    number = _decimal(value, what)
    if number.adjusted() + exp > 19:
        raise UnitError(f"{what} {value} is beyond the range of int64 at 10^-{exp}")
    scaled = _shifted(number, exp)
    whole = scaled.to_integral_value(rounding=ROUND_HALF_EVEN)
    if whole != scaled:
        raise UnitError(
            f"{what} {value} is not a multiple of {Decimal(1).scaleb(-exp):f}; "
            "round it first or give the instrument a finer exponent"
        )
    units = int(whole)
    if abs(units) > AMOUNT_MAX:
        raise UnitError(f"{what} {value} is beyond +-(2^62 - 1) units of 10^-{exp}")
    return units


def from_broker(value: float, exp: int, what: str = "price") -> int:
    """Return a broker's double as units of 10**-exp; a double is believed to 1e-3 of a unit.

    Raises:
        UnitError: not finite, out of range, or further than 1e-3 of a unit from the grid.
    """
    if value != value or value in (float("inf"), float("-inf")):
        raise UnitError(f"{what} {value!r} from the broker is not finite")
    scaled = _shifted(Decimal(repr(float(value))), exp)
    whole = scaled.to_integral_value(rounding=ROUND_HALF_EVEN)
    if abs(scaled - whole) > Decimal("0.001") or abs(whole) > AMOUNT_MAX:
        raise UnitError(f"{what} {value!r} from the broker is not on the grid 10^-{exp}; raise the instrument's exponent")
    return int(whole)


def money(value: int | str | Decimal) -> int:
    """Return money as int64 at 1e-8 of the currency; see `to_grid` for what is refused."""
    return to_grid(value, MONEY_EXP, "money")


def decimal_text(units: int, exp: int = MONEY_EXP, places: int | None = None) -> str:
    """Return units of 10**-exp as exact decimal text, at least `places` decimals (default: as needed, min 2)."""
    sign, digits = ("-" if units < 0 else ""), str(abs(int(units))).rjust(exp + 1, "0")
    whole, part = (digits[:-exp], digits[-exp:]) if exp else (digits, "")
    least = min(exp, 2) if places is None else min(exp, places)
    part = part[:least] + part[least:].rstrip("0")
    return f"{sign}{whole}.{part}" if part else f"{sign}{whole}"
