"""CSV files: one table, its name taken from the file, every value kept as the text it is.

Theory of operation. Encoding: UTF-8 with or without a mark at the start; other bytes are kept as lone
surrogates and become a finding. The separator is the one of comma, semicolon and tab that
the header has most of. A row that is longer or shorter than the header is kept as it is, with its further
fields under numbered names, and reported: nothing is dropped.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from ledger.rescue.errors import RescueError
from ledger.rescue.raw import RawFile, RawRow, RawTable, not_utf8

csv.field_size_limit(2**24)
SEPARATORS = ",;\t"
EXTRA = "#more"
"""The column that holds what a row has beyond its header."""


def read(path: Path, sha256: str) -> RawFile:
    """Open a CSV file.

    Raises:
        RescueError: no header, or a header without a second column.
    """
    header, separator = _header(path)
    if len(header) < 2:
        raise RescueError(
            f"{path} has no table: its first line is {header!r}, expected the names of at least two columns"
        )
    columns = (*_unique(header), EXTRA)
    count = sum(1 for _ in _rows(path, len(header), separator))
    table = RawTable(path.stem, columns, count, partial(_rows, path, len(header), separator))
    definitions, facts = {path.stem: separator.join(header)}, {"not_utf8": not_utf8(path)}
    return RawFile(path, "csv", path.stat().st_size, sha256, {path.stem: table}, definitions, facts)


def _header(path: Path) -> tuple[list[str], str]:
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as stream:
        first = stream.readline()
        separator = max(SEPARATORS, key=first.count)
        return next(csv.reader([first], delimiter=separator), []), separator


def _unique(header: list[str]) -> list[str]:
    """Return column names with the second and later ones of a name numbered."""
    seen: dict[str, int] = {}
    names = []
    for name in header:
        name = name.strip()
        seen[name] = seen.get(name, 0) + 1
        names.append(name if seen[name] == 1 else f"{name}#{seen[name]}")
    return names


def _rows(path: Path, width: int, separator: str) -> Iterator[RawRow]:
    """Yield the rows; a short one is filled with None, what a long one has more stands in the last column."""
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as stream:
        lines = csv.reader(stream, delimiter=separator)
        try:
            next(lines)
            for line in lines:
                if line:
                    more = separator.join(line[width:]) if len(line) > width else None
                    yield (*line[:width], *([None] * (width - len(line))), more)
        except csv.Error as error:
            raise RescueError(f"{path}, line {lines.line_num}, is no CSV: {error}") from error
