"""Field kinds: what a text field means, and how it is written.

Theory of operation. Every field of the wire is text. A Kind reads a field into a value and
writes a value as a field; unknown is None and never 0. Numbers are Decimal, so that a
price or a quantity passes through exactly; a writer lets text through as it is,
because the desk formats its own integers. Clients mark a number that was not set by
an empty field, by 2147483647 or by the largest double, and all are read as None.
What cannot be read raises BadField with the words of the message's table.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

UNSET_INT = "2147483647"
UNSET_DOUBLE = "1.7976931348623157E308"
INFINITE = Decimal("Infinity")
UNSET_FROM = Decimal("1e300")
"""No amount is as large as this; what is came from a number that was not set."""
INT_MAX = 2**63 - 1


class BadField(ValueError):
    """A field that its kind cannot read."""


class Kind(NamedTuple):
    """How a field is read and written."""

    name: str
    read: Callable[[str], Any]
    write: Callable[[Any], str]
    meaning: str


def _read_text(field: str) -> str:
    return field


def _write_text(value: Any) -> str:
    return "" if value is None else str(value)


def _read_int(field: str) -> int | None:
    if not field or field == UNSET_INT:
        return None
    try:
        number = int(field) if len(field) < 20 else INT_MAX + 1
    except ValueError:
        number = _whole(field)
    if not -INT_MAX <= number <= INT_MAX:
        raise BadField(f"{field[:40]!r} is not a whole number of 64 bits")
    return number


def _whole(field: str) -> int:
    """Return the whole number that a client wrote as a double, `4.0`."""
    number = _read_num(field)
    if number is None or number.is_infinite() or number != number.to_integral_value():
        raise BadField(f"{field[:40]!r} is not a whole number")
    return int(number)


def _write_int(value: Any) -> str:
    return "" if value is None else str(value)


def _write_imax(value: Any) -> str:
    return UNSET_INT if value is None else str(value)


def _read_num(field: str) -> Decimal | None:
    if not field or field == UNSET_INT:
        return None
    try:
        number = Decimal(field)
    except InvalidOperation:
        if field == "Infinite":
            return INFINITE
        raise BadField(f"{field[:40]!r} is not a number") from None
    if number.is_nan() or number == -INFINITE or "_" in field:
        raise BadField(f"{field[:40]!r} is not a number")
    if number.is_infinite():
        return INFINITE
    if abs(number) >= UNSET_FROM:
        return None
    if number.as_tuple().exponent < -40:  # type: ignore[operator]
        raise BadField(f"{field[:40]!r} is finer than any price or quantity")
    return number


def _write_num(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, Decimal):
        return "Infinity" if value.is_infinite() else f"{value:f}"
    return str(value)


def _write_dmax(value: Any) -> str:
    return UNSET_DOUBLE if value is None else _write_num(value)


_BOOLS = {"": False, "0": False, "1": True, "false": False, "true": True, "False": False, "True": True}


def _read_bool(field: str) -> bool:
    try:
        return _BOOLS[field]
    except KeyError:
        raise BadField(f"{field[:40]!r} is neither 0 nor 1") from None


def _write_bool(value: Any) -> str:
    return "1" if value else "0"


KINDS = {
    kind.name: kind
    for kind in (
        Kind("text", _read_text, _write_text, "text, may be empty"),
        Kind("int", _read_int, _write_int, "whole number; empty when not set"),
        Kind("imax", _read_int, _write_imax, "whole number; 2147483647 when not set"),
        Kind("num", _read_num, _write_num, "decimal number; empty when not set"),
        Kind("dmax", _read_num, _write_dmax, "decimal number; the largest double when not set"),
        Kind("bool", _read_bool, _write_bool, "1 or 0"),
    )
}
