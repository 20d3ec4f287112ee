"""What the data room says when it refuses: one exception, one table of repairs.

Theory of operation. Every rule of this folder ends in the same way: a `DataError`
that names the file, the row (the 1-based line, so that an editor can jump there),
the column, the value, the rule, and what to do. Some faults have a repair; a
repair has a name, stands in `REPAIRS`, must be asked for by that name, and is
counted in `History.repairs`. Nothing is ever repaired because it looked easy. What a
LEAN folder is by its nature (`NOTES`) is counted there too, without being asked for.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from pathlib import PurePath
from typing import NoReturn

VALUE_MAX = 48

REPAIRS: dict[str, str] = {
    "allow-gaps": "keep the bars although some are missing against the calendar",
    "allow-jumps": "keep price jumps that look like an unadjusted split or a bad print",
    "allow-off-calendar": "keep bars on days without an exchange session",
    "allow-outside-hours": "keep bars outside the hours of their session",
    "allow-one-bar": "accept a history of a single bar",
    "allow-unfinished-last-line": "accept a file whose last line has no newline",
    "allow-partial-range": "accept data that covers only part of start..end",
    "allow-delisted": "accept a history that ends because the symbol was delisted",
    "allow-no-factors": "treat a symbol without a factor file as never adjusted",
    "allow-reference": "keep bars whose close is not the reference price of the factor file",
    "drop-duplicates": "keep one of several identical rows",
    "drop-missing": "drop rows with an empty or NaN price",
    "drop-infinite": "drop rows with an infinite price",
    "drop-nonpositive": "drop rows with a price of zero or less",
    "drop-inconsistent": "drop rows that break low <= open, close <= high",
    "drop-unfinished": "drop bars that end after now",
    "keep-first": "of several rows with one time keep the first",
    "keep-last": "of several rows with one time keep the last",
    "no-volume": "set the volume to 0 where the file has no volume column",
    "round-prices": "round prices half-even to 1e-8",
    "round-volume": "round volumes half-even to whole shares",
    "sort": "sort the rows by time",
    "split-repeated-hour": "read the second pass of a repeated hour as winter time",
    "strip-thousands": "read 1,234.50 as 1234.50",
    "zero-volume": "set missing volumes to 0",
}


NOTES: dict[str, str] = {
    "no-trade-no-bar": "LEAN writes no bar for an hour or minute without a trade",
    "regular-hours": "LEAN bars outside the hours of the session were left out",
    "resampled": "the bars were made from finer ones",
    "incomplete-bar": "a first or last bar that the finer ones do not cover was left out",
    "ticker-not-in-data": "the data has no file for an earlier or later ticker; the history is shorter",
}


def told(symbol: str, name: str, count: int, first_row: int) -> str:
    """Return the sentence about a repair or note that a reader of a run must not miss."""
    if name in NOTES:
        return f"{symbol}: {NOTES[name]} ({count:,})."
    return f"{symbol}: {count:,} rows repaired by {name}, first at row {first_row}."


class DataError(Exception):
    """A file or a request that was refused; str() names everything and what to do.

    Attributes:
        file: name of the file or source; row: 1-based line, 0 when the fault has no row;
        column, value: the words concerned, "" when there are none;
        rule: what must hold; fix: what to do about it.
    """

    def __init__(
        self, rule: str, *, file: str = "", row: int = 0, column: str = "", value: object = "", fix: str = ""
    ) -> None:
        self.file, self.row, self.column = file, int(row), column
        self.value, self.rule, self.fix = shown(value), rule, fix
        super().__init__(self._sentence())

    def __reduce__(self) -> tuple[object, ...]:
        """Rebuild from the fields, so that a worker process can hand the error over."""
        return _rebuild, (self.rule, self.file, self.row, self.column, self.value, self.fix)

    def _sentence(self) -> str:
        place = [self.file] if self.file else []
        place += [f"row {self.row}"] if self.row else []
        place += [f"column {self.column}"] if self.column else []
        place += [f"value '{self.value}'"] if self.value else []
        head = ", ".join(place)
        tail = f"; to fix: {self.fix}" if self.fix else ""
        return f"{head}: {self.rule}{tail}" if head else f"{self.rule}{tail}"


def _rebuild(rule: str, file: str, row: int, column: str, value: str, fix: str) -> DataError:
    return DataError(rule, file=file, row=row, column=column, value=value, fix=fix)


def shown(value: object) -> str:
    """Return a value as short printable text: control characters from a file never reach a terminal."""
    text = value if isinstance(value, str) else str(value)
    text = text.encode("unicode_escape").decode("ascii")
    return text if len(text) <= VALUE_MAX else text[: VALUE_MAX - 3] + "..."


def moment(time_ns: int) -> str:
    """Return nanoseconds since 1970 as a date where they are midnight, else as date and time to the second."""
    from datetime import UTC, datetime, timedelta

    when = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=time_ns // 10**9)
    return when.strftime("%Y-%m-%d" if time_ns % (86_400 * 10**9) == 0 else "%Y-%m-%dT%H:%M:%S")


def base_name(source: str) -> str:
    """Return the last part of a path: messages and run records carry no folders of this machine."""
    return PurePath(source).name or source


def option_hint(name: str, *values: object) -> str:
    """Return the fix sentence of an option, as it is said on the command line and in Python."""
    told = " or ".join(f"--{name.replace('_', '-')} {value}" for value in values)
    return f"pass {told} (in Python {name}='{values[0]}')"


def repair_hint(name: str, otherwise: str = "") -> str:
    """Return the fix sentence of one named repair."""
    lead = f"{otherwise}, or " if otherwise else ""
    return f"{lead}pass --repair {name} (in Python repairs=['{name}']): {REPAIRS[name]}"


def check_repairs(repairs: Iterable[str]) -> frozenset[str]:
    """Return the repair names as a set; raise DataError for a name that is not in REPAIRS."""
    if isinstance(repairs, str):
        repairs = [part.strip() for part in repairs.split(",") if part.strip()]
    names = frozenset(repairs)
    for name in sorted(names - REPAIRS.keys()):
        raise DataError(
            "this repair name is not known",
            column="repairs",
            value=name,
            fix=f"use one of: {', '.join(near(name, REPAIRS) or sorted(REPAIRS))}",
        )
    if {"keep-first", "keep-last"} <= names:
        raise DataError(
            "keep-first and keep-last exclude each other", column="repairs", fix="pass one of them"
        )
    return names


def near(word: str, words: Iterable[str], count: int = 4) -> list[str]:
    """Return up to `count` words that look like `word`, best first."""
    table = {str(known).lower(): str(known) for known in words}
    close: Sequence[str] = difflib.get_close_matches(word.lower(), list(table), n=count, cutoff=0.5)
    return [table[key] for key in close]


def refuse_symbol(symbol: str, known: Iterable[str], source: str) -> NoReturn:
    """Raise the DataError of a symbol that a source has not, with near names."""
    names = sorted(known)
    hint = near(symbol, names) or names[:12]
    raise DataError(
        "this symbol is not in the data",
        file=base_name(source),
        column="symbol",
        value=symbol,
        fix=f"use one of {len(names)} symbols, for example {', '.join(hint)}"
        if names
        else "choose a source that holds bars",
    )
