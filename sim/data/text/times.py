"""Date and time text to integers, without a guess.

Theory of operation. A column of times is read as groups of digits between
separators, all rows at once. The separators must be the same in every row: that
alone finds mixed formats and rows with and without a zone. Three kinds come out:
"date" (no time of day), "naive" (local time of the declared zone) and "instant"
(UTC, from an offset or an epoch number). 03/04/2025 has two readings: some row
must exclude one of them (13/04/2025), or `date_format` must be declared. Epoch
numbers always need a declared unit.
"""

from __future__ import annotations

import re
from typing import NamedTuple, NoReturn

import numpy as np
from numpy.typing import NDArray

from sim.data.errors import DataError, option_hint
from sim.data.history import Int64Array
from sim.data.text.table import Column, column_of

DATE_FORMATS = ("iso", "m/d/y", "d/m/y", "epoch-s", "epoch-ms", "epoch-us", "epoch-ns")
EPOCH_NS = {"epoch-s": 10**9, "epoch-ms": 10**6, "epoch-us": 10**3, "epoch-ns": 1}
DAY_NS, MINUTE_NS = 86_400 * 10**9, 60 * 10**9
EPOCH_ORDINAL = 719_163  # date(1970, 1, 1).toordinal()
FORM = re.compile(r"(--|//|\.\.|)([ T]:(?:(:)(\.)?)?)?(Z| ?[+-]:?)?")
MONTH_DAYS = np.array([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])
BLOCK = 1 << 16
GROUPS = 9
YEAR_MIN, YEAR_MAX = 1800, 2200


class Times(NamedTuple):
    """Parsed times of one column."""

    kind: str  # "date" | "naive" | "instant"
    ns: Int64Array  # since 1970-01-01T00:00, local for date and naive, UTC for instant
    offset_ns: Int64Array | None  # the offsets the file wrote, to hold them against a declared zone


class _Context(NamedTuple):
    column: Column
    row: Int64Array
    file: str
    name: str

    def refuse(self, wrong: NDArray[np.bool_], rule: str, fix: str) -> NoReturn:
        at = int(np.flatnonzero(wrong)[0])
        raise DataError(
            f"{rule} ({int(wrong.sum())} rows)",
            file=self.file,
            row=int(self.row[at]),
            column=self.name,
            value=self.column.text(at),
            fix=fix,
        )


def parse_times(
    column: Column, width: int, row: Int64Array, file: str, name: str, date_format: str | None
) -> Times:
    """Return the times of a column.

    Raises:
        DataError: mixed forms, two-digit years, ambiguous order of day and month, impossible dates,
            epoch numbers of an undeclared unit.
    """
    where = _Context(column, row, file, name)
    if date_format is not None and date_format not in DATE_FORMATS:
        raise DataError(
            "this date format is not known",
            column="date_format",
            value=date_format,
            fix=f"use one of {', '.join(DATE_FORMATS)}",
        )
    if column.known is not None:
        if date_format in (None, "iso"):
            return Times(column.known.kind, column.known.value, None)
        column = column_of(column.texts())  # another format was declared, and is judged by how the times would be written
        where, width = where._replace(column=column), int(column.length.max(initial=0))
    value, digits, marks = _groups(column, width)
    empty = (column.length == 0) | (digits[0] == 0)
    if empty.any():
        where.refuse(empty, "the time is missing or not a time", "correct the row")
    mixed = marks != marks[0]
    if mixed.any():
        where.refuse(
            mixed,
            "mixed date formats or time zones: every row must be written like the first one,"
            f" '{shape(column.text(0))}'",
            "write all times in one format and one zone (UTC is the safest)",
        )
    form = FORM.fullmatch("".join(char for char in column.text(0) if char not in "0123456789"))
    if form is None:
        where.refuse(
            marks == marks[0], "this is not a date", "write dates as 2025-04-03 or 2025-04-03T14:30:00Z"
        )
    if form[0] == "" and (date_format in EPOCH_NS or not _compact(value[0], digits[0]).all()):
        return _epoch(value[0], digits[0], where, date_format)
    return _calendar(value, digits, form, where, date_format)


def shape(text: str) -> str:
    """Return the text with every digit as 9: the form of a time."""
    return re.sub(r"\d", "9", text)


def _groups(column: Column, width: int) -> tuple[Int64Array, NDArray[np.int8], NDArray[np.uint64]]:
    """Return values [GROUPS, T], digit counts [GROUPS, T] and a hash [T] of the separators in order."""
    count, last = len(column.start), len(column.buffer) - 1
    value, digits = np.zeros((GROUPS, count), np.int64), np.zeros((GROUPS, count), np.int8)
    marks = np.zeros(count, np.uint64)
    for first in range(0, count, BLOCK):
        block = slice(first, min(first + BLOCK, count))
        part = column.take(block)
        at = np.arange(len(part.start))
        group = np.zeros(len(at), np.int64)
        values, counts = value[:, block], digits[:, block]
        for step in range(width):
            active = part.length > step
            char = part.buffer[np.minimum(part.start + step, last)]
            is_digit = active & (char - np.uint8(48) <= 9)
            digit = np.where(is_digit, char - np.uint8(48), 0)
            old = values[group, at]
            values[group, at] = np.where(is_digit, old * 10 + digit, old)
            counts[group, at] += is_digit
            mark = active & ~is_digit
            if mark.any():
                marks[block] = np.where(mark, marks[block] * np.uint64(131) + char, marks[block])
                group = np.minimum(group + mark, GROUPS - 1)
    return value, digits, marks


def _compact(value: Int64Array, digits: NDArray[np.int8]) -> NDArray[np.bool_]:
    """Return which numbers are YYYYMMDD."""
    compact: NDArray[np.bool_] = (digits == 8) & (value // 10_000 >= YEAR_MIN) & (value // 10_000 <= YEAR_MAX)
    return compact


def _epoch(value: Int64Array, digits: NDArray[np.int8], where: _Context, date_format: str | None) -> Times:
    """Read epoch numbers of the declared unit; without one, say which unit the median looks like."""
    if date_format not in EPOCH_NS:
        size = int(np.median(digits))
        guess = (
            "epoch-s"
            if size <= 11
            else "epoch-ms"
            if size <= 14
            else "epoch-us"
            if size <= 17
            else "epoch-ns"
        )
        where.refuse(
            digits > 0,
            "epoch numbers have no declared unit",
            f"{option_hint('date_format', guess)}"
            f" if the values are {guess.removeprefix('epoch-')} since 1970 (the size looks like it)",
        )
    unit = EPOCH_NS[date_format]
    wrong = (digits > 18 + (unit == 1)) | (value > (2**63 - 1) // unit // 2)
    if wrong.any():
        where.refuse(
            wrong, f"the number is too large for {date_format}", "declare the unit the file really uses"
        )
    return Times("instant", value * unit, None)


def _calendar(
    value: Int64Array, digits: NDArray[np.int8], form: re.Match[str], where: _Context, date_format: str | None
) -> Times:
    """Read calendar dates, with or without a time of day and an offset."""
    if form[1]:
        year, month, day = _order(value[:3], digits[:3], where, date_format)
        rest = 3
    else:
        wrong = ~_compact(value[0], digits[0])
        if wrong.any():
            where.refuse(wrong, "this is not a date", "write dates as 2025-04-03")
        year, month, day = value[0] // 10_000, value[0] // 100 % 100, value[0] % 100
        rest = 1
    ns = _days(year, month, day, where) * DAY_NS
    if not form[2]:
        if form[5]:
            where.refuse(
                digits[0] > 0, "a date without a time of day carries a zone", "write the time of day too"
            )
        return Times("date", ns, None)
    ns += _clock(value[rest:], digits[rest:], bool(form[3]), bool(form[4]), where)
    if not form[5]:
        return Times("naive", ns, None)
    at = rest + 2 + bool(form[3]) + bool(form[4])
    offset = _offset(value[at:], digits[at:], form[5], where)
    return Times("instant", ns - offset, offset)


def _order(
    value: Int64Array, digits: NDArray[np.int8], where: _Context, date_format: str | None
) -> tuple[Int64Array, Int64Array, Int64Array]:
    """Return year, month, day; refuse two-digit years and two possible readings."""
    if bool((digits[0] == 4).all()) and date_format in (None, "iso"):
        return value[0], value[1], value[2]
    short = digits[2] != 4
    if short.any():
        where.refuse(short, "two-digit year: the year needs four digits", "write dates as 2025-04-03")
    if date_format is None:
        month_first, day_first = bool((value[0] <= 12).all()), bool((value[1] <= 12).all())
        if month_first and day_first:
            where.refuse(
                short | True, "ambiguous date: day or month first", option_hint("date_format", "d/m/y", "m/d/y")
            )
        date_format = "m/d/y" if month_first else "d/m/y"
    if date_format == "iso":
        where.refuse(
            short | True, "the dates are not written year first", option_hint("date_format", "d/m/y", "m/d/y")
        )
    return (value[2], value[0], value[1]) if date_format == "m/d/y" else (value[2], value[1], value[0])


def _days(year: Int64Array, month: Int64Array, day: Int64Array, where: _Context) -> Int64Array:
    """Return days since 1970-01-01 (H. Hinnant, days_from_civil); refuse dates that do not exist."""
    leap = ((year % 4 == 0) & (year % 100 != 0)) | (year % 400 == 0)
    length = MONTH_DAYS[np.clip(month, 0, 12)] + ((month == 2) & leap)
    wrong = (month < 1) | (month > 12) | (day < 1) | (day > length)
    if wrong.any():
        where.refuse(wrong, "this date does not exist", "correct the date, or declare date_format")
    far = (year < YEAR_MIN) | (year > YEAR_MAX)
    if far.any():
        where.refuse(far, f"the year must be in {YEAR_MIN}..{YEAR_MAX}", "correct the date")
    shifted = year - (month <= 2)
    era = shifted // 400
    of_era = shifted - era * 400
    of_year = (153 * (month + np.where(month > 2, -3, 9)) + 2) // 5 + day - 1
    result: Int64Array = era * 146_097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719_468
    return result


def _clock(
    value: Int64Array, digits: NDArray[np.int8], seconds: bool, fraction: bool, where: _Context
) -> Int64Array:
    """Return the time of day in ns."""
    second = value[2] if seconds else np.zeros_like(value[0])
    wrong = (value[0] > 23) | (value[1] > 59) | (second > 59) | (digits[0] == 0) | (digits[1] != 2)
    if fraction:
        wrong |= (digits[3] == 0) | (digits[3] > 9)
    if wrong.any():
        where.refuse(wrong, "this time of day does not exist", "write 00:00:00 to 23:59:59")
    ns = (value[0] * 60 + value[1]) * MINUTE_NS + second * 10**9
    if fraction:
        ns = ns + value[3] * 10 ** (9 - digits[3].astype(np.int64))
    result: Int64Array = ns
    return result


def _offset(value: Int64Array, digits: NDArray[np.int8], mark: str, where: _Context) -> Int64Array:
    """Return the offset of local time from UTC in ns: Z, +05:30, +0530 or +05."""
    if mark == "Z":
        return np.zeros_like(value[0])
    if ":" in mark:
        hours, minutes = value[0], value[1]
    else:
        hours = np.where(digits[0] > 2, value[0] // 100, value[0])
        minutes = np.where(digits[0] > 2, value[0] % 100, 0)
    wrong = (hours > 14) | (minutes > 59)
    if wrong.any():
        where.refuse(wrong, "this UTC offset does not exist", "write an offset like -05:00")
    result: Int64Array = (hours * 60 + minutes) * MINUTE_NS * (-1 if "-" in mark else 1)
    return result
