"""Tables as they were found: every row, every column, every value, and a digest over all of it.

Theory of operation. A reader turns a file into RawTables, whatever the file's format, and gives
their rows as often as they are asked for, a few at a time. `encode` writes a row as one JSON object and
`decode` gives the same values back: bytes as {"$hex"}, infinities as {"$real"}, text that is not
UTF-8 with its bytes kept as lone surrogates. The digest over all encoded rows is part
of the import session's config, so that a later reader knows that the evidence is as it came.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

RawRow = tuple[Any, ...]
CHUNK = 50_000
"""Rows that are in memory at one time."""


class RawTable(NamedTuple):
    """A table of the file; `rows` yields them anew at each call, in the file's own order."""

    name: str
    columns: tuple[str, ...]
    size: int
    rows: Callable[[], Iterator[RawRow]]

    def place(self, *names: str) -> int | None:
        """Return the place of the first of these columns that the table has, or None."""
        lower = [column.lower() for column in self.columns]
        return next((lower.index(name) for name in names if name in lower), None)

    def chunks(self) -> Iterator[tuple[int, list[RawRow]]]:
        """Yield (number of the first row from 0, up to CHUNK rows)."""
        first, part = 0, []
        for row in self.rows():
            part.append(row)
            if len(part) == CHUNK:
                yield first, part
                first, part = first + CHUNK, []
        if part:
            yield first, part


@dataclass
class RawFile:
    """What a reader made of a file. `facts` are what is known beside the rows; `left_out` says why a table is not here."""

    path: Path
    form: str
    size: int
    sha256: str
    tables: dict[str, RawTable]
    definitions: dict[str, str] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    close: Callable[[], None] = lambda: None

    def table(self, name: str) -> RawTable | None:
        """Return a table by its name in lower case."""
        return next((table for table in self.tables.values() if table.name.lower() == name), None)

    def first_numbers(self) -> dict[str, int]:
        """Return the number of each table's first row among all rows of the file, counted from 1."""
        numbers, at = {}, 1
        for table in self.tables.values():
            numbers[table.name], at = at, at + table.size
        return numbers


def encode(columns: tuple[str, ...], row: RawRow) -> str:
    """Return a row as one JSON object, in ASCII."""
    pairs = dict(zip(columns, row, strict=True))
    try:
        return json.dumps(pairs, default=_odd, allow_nan=False)
    except ValueError:
        return json.dumps({name: _finite(value) for name, value in pairs.items()}, default=_odd)


def _odd(value: Any) -> Any:
    if isinstance(value, bytes):
        return {"$hex": value.hex()}
    raise TypeError(f"{type(value).__name__} is no type of a stored value")


def _finite(value: Any) -> Any:
    infinite = isinstance(value, float) and (value != value or value in (float_of("inf"), float_of("-inf")))
    return {"$real": str(value)} if infinite else value


def float_of(text: str) -> Any:
    """Return a double by its name; infinities are evidence here and never an amount."""
    return json.loads({"inf": "Infinity", "-inf": "-Infinity", "nan": "NaN"}[text])


def decode(body: str) -> RawRow:
    """Return the values of an encoded row."""
    return tuple(_plain(value) if type(value) is dict else value for value in json.loads(body).values())


def _plain(value: dict[str, Any]) -> Any:
    if value.keys() == {"$hex"}:
        return bytes.fromhex(value["$hex"])
    return float_of(value["$real"]) if value.keys() == {"$real"} else value


class Digest:
    """SHA-256 over the rows of all tables, in order."""

    def __init__(self) -> None:
        self._sha = hashlib.sha256()

    def add(self, source: str, body: str) -> None:
        """Take the next row."""
        self._sha.update(f"{source}\0{body}\n".encode())

    def text(self) -> str:
        """Return the digest so far."""
        return self._sha.hexdigest()


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file, read a megabyte at a time."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def not_utf8(path: Path) -> int:
    """Return how many lines of a text file are not UTF-8."""
    with path.open("rb") as stream:
        return sum(not _is_utf8(line) for line in stream)


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
