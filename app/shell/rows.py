"""Typed rows of `ledger.views` as tables of `sim.output`: exact integers with what they are.

Theory of operation. The unit at the end of a field's name says what it is: `_e8` money, `_ticks` a price, `_lots` a
quantity, `_ns` a time, `_e6` and `_e3` a ratio. The unit is taken off the name. Decimals of prices and quantities come from the
row's instrument. Unknown (None) stays unknown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np

from app.shell import text
from ledger import views
from sim.output.tables import Column, Frame


class Exponents(NamedTuple):
    """Decimals of an instrument's prices and quantities."""

    price: int = 8
    qty: int = 0


def exponents(held: Sequence[views.Position]) -> dict[int, Exponents]:
    """Return the decimals of every instrument by its number."""
    return {row.instrument: Exponents(row.price_exp, row.qty_exp) for row in held}


def frame(name: str, rows: Sequence[Any], fields: Sequence[str], known: Mapping[int, Exponents] | None = None) -> Frame:
    """Return rows as a table of the named fields, in their order.

    Args:
        rows: NamedTuples. known: decimals by instrument, where the rows do not carry them.
    """
    exps = [_exps(row, known or {}) for row in rows]
    return Frame(name, tuple(_column(field, [getattr(row, field) for row in rows], exps) for field in fields))


def _exps(row: Any, known: Mapping[int, Exponents]) -> Exponents:
    own = known.get(getattr(row, "instrument", 0), Exponents())
    price, qty = getattr(row, "price_exp", None), getattr(row, "qty_exp", None)
    return Exponents(own.price if price is None else price, own.qty if qty is None else qty)


def _column(field: str, values: list[Any], exps: list[Exponents]) -> Column:
    """Return one field as a column."""
    there = np.array([value is not None for value in values], np.bool_)
    known = None if there.all() else there
    for unit, exp in (("_e8", 8), ("_e6", 6), ("_e3", 3)):
        if field.endswith(unit):
            return Column(field.removesuffix(unit), "decimal", _ints(values), exp, known)
    if field.endswith("_ticks"):
        return Column(
            field.removesuffix("_ticks"), "decimal", _ints(values), np.array([e.price for e in exps], np.int64), known
        )
    if field.endswith("_lots"):
        return Column(
            field.removesuffix("_lots"), "decimal", _ints(values), np.array([e.qty for e in exps], np.int64), known
        )
    if field.endswith("_ns"):
        return Column(field.removesuffix("_ns"), "time", _ints(values), 0, known)
    if all(type(value) is int for value in values if value is not None) and field not in ("day", "side"):
        return Column(field, "count", _ints(values), 0, known)
    return Column(field, "text", [_word(field, value) for value in values], 0, known)


def _ints(values: list[Any]) -> Any:
    return np.array([0 if value is None else int(value) for value in values], np.int64)


def _word(field: str, value: Any) -> str:
    if value is None:
        return ""
    if field == "day":
        return text.day(value)
    if field == "side":
        return {1: "long", -1: "short"}.get(value, "none")
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value.name if isinstance(value, IntEnum) else str(value)
