"""Text columns to integer bars: the rules about single numbers.

Theory of operation. Each price column is parsed to mantissa and scale; the rules
about missing, infinite, formatted and non-positive numbers judge those; one grid
(price_exp) is chosen for all four columns of the instrument; only then do ticks
exist. Rows that a repair drops leave here, so that the later rules never see them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.data.errors import DataError, repair_hint
from sim.data.gate import Gate
from sim.data.history import Int64Array
from sim.data.text import decimals
from sim.data.text.decimals import Decimals
from sim.data.text.table import Column, Table, check_width

PRICE_ROLES = ("open", "high", "low", "close")
VOLUME_MAX = 10**15


class Draft(NamedTuple):
    """Bars on their way to a History: integers, but not yet judged as a sequence.

    `ns` is the local midnight of a daily bar, the UTC instant of any other; `row` the 1-based line.
    """

    row: Int64Array
    ns: Int64Array
    open: Int64Array
    high: Int64Array
    low: Int64Array
    close: Int64Array
    volume: Int64Array

    def take(self, rows: NDArray[np.bool_] | Int64Array | slice) -> Draft:
        """Return the bars of a selection of rows."""
        return Draft(*(np.ascontiguousarray(column[rows]) for column in self))


def read_draft(table: Table, ns: Int64Array, gate: Gate, exp: int | None = None) -> tuple[Draft, int]:
    """Return the bars of a table and their price_exp (`exp` when it is given, else the coarsest that fits).

    Raises:
        DataError: a number that is missing, infinite, text, not positive, or off every grid up to 1e-8.
    """
    numbers = [_parse(table, role, gate) for role in PRICE_ROLES]
    keep = np.ones(len(ns), np.bool_)
    for role, column in zip(PRICE_ROLES, numbers, strict=True):
        keep &= ~_judge_status(table, role, column, gate)
    if not keep.all():
        table, ns = table.take(keep), ns[keep]
        numbers = [column.take(keep) for column in numbers]
    if exp is None:
        exp = decimals.choose_exp(numbers)
    opens, highs, lows, closes = (
        _ticks(table, role, column, exp, gate) for role, column in zip(PRICE_ROLES, numbers, strict=True)
    )
    return Draft(table.row, ns, opens, highs, lows, closes, _volume(table, gate)), exp


def _parse(table: Table, role: str, gate: Gate) -> Decimals:
    column = table.columns[role]
    numbers = decimals.parse(column, check_width(column, table.row, table.file, table.names[role]))
    _judge_text(table, role, numbers, gate)
    return numbers


def _judge_text(table: Table, role: str, numbers: Decimals, gate: Gate) -> None:
    """Refuse words and formatted numbers; thousands separators may be read by name."""
    column, name = table.columns[role], table.names[role]
    if not numbers.status.any():
        return
    gate.judge(
        numbers.status == decimals.TEXT,
        table.row,
        "this is not a plain decimal number",
        column=name,
        value=column.text,
        fix="write the number with digits, one point and at most 18 digits",
    )
    if gate.judge(
        numbers.status == decimals.THOUSANDS,
        table.row,
        "the number has thousands separators",
        column=name,
        value=column.text,
        repair="strip-thousands",
    ):
        numbers.status[numbers.status == decimals.THOUSANDS] = decimals.OK


def _judge_status(table: Table, role: str, numbers: Decimals, gate: Gate) -> NDArray[np.bool_]:
    """Return the rows to drop because of this column."""
    column, name = table.columns[role], table.names[role]
    drop = np.zeros(len(table.row), np.bool_)
    bad_rules = (
        (numbers.status == decimals.MISSING, "the price is missing (empty or NaN)", "drop-missing"),
        (numbers.status == decimals.INFINITE, "the price is infinite", "drop-infinite"),
        (
            (numbers.status == decimals.OK) & (numbers.mantissa <= 0),
            "a price must be greater than zero",
            "drop-nonpositive",
        ),
    )
    for wrong, rule, repair in bad_rules:
        if gate.judge(wrong, table.row, rule, column=name, value=_value_of(column), repair=repair):
            drop |= wrong
    return drop


def _value_of(column: Column) -> Callable[[int], str]:
    return lambda at: column.text(at) or "(empty)"


def _ticks(table: Table, role: str, numbers: Decimals, exp: int, gate: Gate) -> Int64Array:
    column, name = table.columns[role], table.names[role]
    large = (
        np.abs(numbers.mantissa) // decimals.POWERS[np.minimum(numbers.scale, 18)]
        > decimals.TICKS_MAX // 10**exp
    )
    gate.judge(
        large,
        table.row,
        f"the price is too large for a grid of 1e-{exp}",
        column=name,
        value=column.text,
        fix="quote it in a larger unit",
    )
    off = ~decimals.fits(numbers, exp)
    gate.judge(
        off,
        table.row,
        "the price is on no grid up to 1e-8",
        column=name,
        value=column.text,
        repair="round-prices",
        fix="write the price with at most 8 decimals",
    )
    ticks = decimals.to_ticks(numbers, exp)
    gate.judge(
        ticks <= 0,
        table.row,
        "a price must be greater than zero on its grid",
        column=name,
        value=column.text,
        fix="quote it in a smaller unit",
    )
    return ticks


def _volume(table: Table, gate: Gate) -> Int64Array:
    """Return whole shares; a missing column or value is zero only when that was asked for."""
    if "volume" not in table.columns:
        return _no_volume(table, gate)
    numbers, column, name = _parse(table, "volume", gate), table.columns["volume"], table.names["volume"]
    large = numbers.mantissa // decimals.POWERS[np.minimum(numbers.scale, 18)] > VOLUME_MAX
    for wrong, rule, repair in (
        (numbers.status == decimals.INFINITE, "the volume is infinite", ""),
        (numbers.status == decimals.MISSING, "the volume is missing (empty or NaN)", "zero-volume"),
        (numbers.mantissa < 0, "a volume must not be negative", ""),
        (large, f"a volume must not exceed {VOLUME_MAX}", ""),
        (~decimals.fits(numbers, 0), "a volume must be a whole number", "round-volume"),
    ):
        fix = "" if repair else "correct the row"
        gate.judge(wrong, table.row, rule, column=name, value=_value_of(column), repair=repair, fix=fix)
    return decimals.to_ticks(numbers, 0)


def _no_volume(table: Table, gate: Gate) -> Int64Array:
    """Return zeros where the file has no volume column and that was asked for."""
    count = len(table.row)
    rule = "the column volume is missing"
    if not gate.allows("no-volume", count, int(table.row[0]) if count else 1, rule):
        fix = repair_hint("no-volume", "add the column")
        raise DataError(rule, file=table.file, row=1, column="volume", fix=fix)
    return np.zeros(count, np.int64)
