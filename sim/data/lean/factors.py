"""LEAN factor files and map files: what a price is worth today, and what a ticker was called.

Theory of operation. A row `date, price factor, split factor, reference price`
holds for every day up to and including its date; adjusted price = raw price x
price factor x split factor. Between two rows the split factor changes by a split
(new / old = next / this), the price factor by a dividend: 1 - dividend /
reference price = this / next. Factors are rounded to 6-8 digits, so a ratio is
read back as the simplest fraction within that rounding (0.00892857 / 0.01785710
is 2:1) and a dividend as the shortest amount within it.
A map file row `last day of use, ticker, exchange` says under which ticker, and
so in which file, the bars of a permanent symbol stand.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy as np

from sim.data.errors import DataError
from sim.data.history import Action, Int64Array
from sim.data.text.decimals import decimal_fraction, shortest_between
from sim.data.text.files import read_bytes

RATIO_ERROR = Fraction(1, 100_000)  # relative; the shortest factors have six digits
PARTS_MAX = 50  # splits are of small whole numbers; anything else is kept as the exact decimal ratio
ALIVE = date(2049, 12, 31).toordinal()  # a last row of 2050-12-31 means: still listed
TICKER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")
NUMBER = re.compile(r"\d{1,12}(\.\d{1,18})?")


class Factor(NamedTuple):
    """One row of a factor file; ulp is one unit of the last decimal of its price factor."""

    day: int
    price: Fraction
    split: Fraction
    reference: Fraction
    ulp: Fraction


class Segment(NamedTuple):
    """The days (ordinals, both included) on which a permanent symbol traded under one ticker."""

    ticker: str
    first: int
    last: int


def parse_factors(data: bytes, file: str) -> list[Factor]:
    """Return the rows of a factor file in order of days."""
    rows: list[Factor] = []
    digits = 0
    for line, fields in _records(data, file):
        if len(fields) != 4 or not all(NUMBER.fullmatch(field) for field in fields[1:]):
            raise DataError(
                "a factor row is 'date,price factor,split factor,reference price'",
                file=file,
                row=line,
                value=",".join(fields),
                fix="restore the file",
            )
        price, split, reference = (decimal_fraction(field) for field in fields[1:])
        if price <= 0 or split <= 0:
            raise DataError(
                "a factor must be greater than zero",
                file=file,
                row=line,
                value=",".join(fields),
                fix="restore the file",
            )
        digits = max(digits, len(fields[1].partition(".")[2]))
        rows.append(Factor(_day(fields[0], file, line), price, split, reference, Fraction(0)))
        _check_rising(rows, file, line)
    # A factor may have lost its last zeros: all share the precision of the longest; 1 is exact.
    ulp = Fraction(1, 10**digits)
    return [row._replace(ulp=ulp if row.price != 1 else Fraction(0)) for row in rows]


def parse_map(data: bytes, file: str) -> list[Segment]:
    """Return the segments of a map file; its first row only gives the first day."""
    rows = []
    for line, fields in _records(data, file):
        if len(fields) not in (2, 3, 4):
            raise DataError(
                "a map row is 'last day,ticker,exchange'",
                file=file,
                row=line,
                value=",".join(fields),
                fix="restore the file",
            )
        if not TICKER.fullmatch(fields[1]) or ".." in fields[1]:
            # A ticker becomes the name of a file: it must not lead out of the folder.
            raise DataError(
                "this is not a ticker", file=file, row=line, value=fields[1], fix="restore the file"
            )
        rows.append((_day(fields[0], file, line), fields[1].lower()))
    segments: list[Segment] = []
    for (before, _), (last, ticker) in zip(rows, rows[1:], strict=False):
        if last < before:
            raise DataError("the days of a map file must rise", file=file, fix="restore the file")
        segments.append(Segment(ticker, before + 1 if segments else before, last))
    if not segments:
        raise DataError("a map file has at least two rows", file=file, fix="restore the file")
    return segments


def _records(data: bytes, file: str) -> list[tuple[int, list[str]]]:
    try:
        lines = data.decode("ascii").splitlines()
    except UnicodeDecodeError:
        raise DataError("the file is not plain text", file=file, fix="restore the file") from None
    return [(at, line.split(",")) for at, line in enumerate(lines, 1) if line.strip()]


def _day(text: str, file: str, line: int) -> int:
    try:
        if len(text) != 8:
            raise ValueError
        return date(int(text[:4]), int(text[4:6]), int(text[6:])).toordinal()
    except ValueError:
        raise DataError(
            "this is not a date YYYYMMDD", file=file, row=line, value=text, fix="restore the file"
        ) from None


def _check_rising(rows: list[Factor], file: str, line: int) -> None:
    if len(rows) > 1 and rows[-1].day <= rows[-2].day:
        raise DataError("the days of a factor file must rise", file=file, row=line, fix="restore the file")


def row_of(factors: Sequence[Factor], day: Int64Array) -> Int64Array:
    """Return the index of the row that holds for each day; days after the last row take the last."""
    last_days = np.array([factor.day for factor in factors], dtype=np.int64)
    result: Int64Array = np.minimum(np.searchsorted(last_days, day), len(factors) - 1)
    return result


def actions_of(factors: Sequence[Factor], day: Int64Array, start_ns: Int64Array) -> tuple[Action, ...]:
    """Return the actions between the first and the last bar, each before the bar after its row's day."""
    found: list[Action] = []
    for this, following in zip(factors, factors[1:], strict=False):
        at = int(np.searchsorted(day, this.day, side="right"))
        if at == 0 or at == len(day):
            continue
        when = int(day[at]), int(start_ns[at])
        amount = _dividend_e8(this, following)
        if amount:
            found.append(Action(*when, "dividend", 0, 1, amount))
        ratio = split_ratio(this.split, following.split)
        if ratio != 1:
            found.append(Action(*when, "split", ratio.numerator, ratio.denominator, 0))
    return tuple(found)


def split_ratio(this: Fraction, following: Fraction) -> Fraction:
    """Return new shares per old share between two split factors, as the simplest fraction they allow."""
    exact = following / this
    for parts in range(1, PARTS_MAX + 1):
        simple = Fraction(round(exact * parts), parts)
        if simple > 0 and abs(exact / simple - 1) <= RATIO_ERROR:
            return simple
        inverse = Fraction(parts, max(round(parts / exact), 1))
        if abs(exact / inverse - 1) <= RATIO_ERROR:
            return inverse
    return exact


def _dividend_e8(this: Factor, following: Factor) -> int:
    """Return the dividend per share before any split of the day, in 1e-8; 0 when there was none."""
    if this.price == following.price:
        return 0
    low = this.reference * (1 - (this.price + this.ulp / 2) / (following.price - following.ulp / 2))
    high = this.reference * (1 - (this.price - this.ulp / 2) / (following.price + following.ulp / 2))
    # A factor that falls by less than its rounding has no dividend behind it.
    return shortest_between(low, high) if low > 0 else 0


def read_segments(folder: Path, symbol: str, parts: list[bytes]) -> list[Segment]:
    """Return the segments of a symbol, [] when the folder has no map file for it; bytes read join `parts`."""
    path = folder / f"{symbol}.csv"
    if not path.is_file():
        return []
    parts.append(read_bytes(path))
    return parse_map(parts[-1], path.name)


def former_owner(folder: Path, ticker: str) -> tuple[str, Segment] | None:
    """Return the permanent symbol that once traded as `ticker`, with the days, or None."""
    if not folder.is_dir():
        return None
    for path in sorted(folder.glob("*.csv")):
        if re.search(rb"(?m)^\d{8}," + re.escape(ticker.encode()) + rb"\b", path.read_bytes().lower()):
            for segment in reversed(parse_map(read_bytes(path), path.name)):
                if segment.ticker == ticker and path.stem.lower() != ticker:
                    return path.stem, segment
    return None
