"""IBKR activity statements in CSV: sections of lines that each begin with the section's name.

Theory of operation. `Trades,Header,...` names the columns of what follows, `Trades,Data,...` is a row; a section may
have several headers (stocks, options, forex), and each gives a table of its own: `Trades`, `Trades#2`. Totals
are lines of their own kind and are kept as tables `Trades/Total`. Thousands are separated by commas inside quotes:
the values are kept as they are, and cleaned where they are read as numbers.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from ledger.rescue.errors import RescueError
from ledger.rescue.raw import RawFile, RawRow, RawTable


def looks_like(head: str) -> bool:
    """Say whether the first text of a file is that of an activity statement."""
    first = head.splitlines()[0] if head.splitlines() else ""
    return first.replace('"', "").startswith("Statement,Header,")


def read(path: Path, sha256: str) -> RawFile:
    """Open an activity statement.

    Raises:
        RescueError: a line that is no CSV, or data before its header.
    """
    tables: dict[str, tuple[tuple[str, ...], list[RawRow]]] = {}
    current: dict[str, str] = {}
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as stream:
        for number, line in enumerate(csv.reader(stream), 1):
            if len(line) >= 2:
                _take(line, number, path, tables, current)
    made = {name: _table(name, columns, rows) for name, (columns, rows) in tables.items()}
    return RawFile(path, "activity", path.stat().st_size, sha256, made)


def _take(
    line: list[str],
    number: int,
    path: Path,
    tables: dict[str, tuple[tuple[str, ...], list[RawRow]]],
    current: dict[str, str],
) -> None:
    """Put one line where it belongs (`tables` and `current` modified in place)."""
    section, kind = line[0].strip(), line[1].strip()
    if kind == "Header":
        taken = sum(name == section or name.startswith(f"{section}#") for name in tables)
        current[section] = name = section if not taken else f"{section}#{taken + 1}"
        tables[name] = (tuple(column.strip() for column in line[2:]), [])
        return
    if section not in current:
        raise RescueError(
            f"{path}, line {number}: data of section {section!r} before its header; download the statement again"
        )
    columns = tables[current[section]][0]
    name = current[section] if kind == "Data" else f"{current[section]}/{kind}"
    _, rows = tables.setdefault(name, (columns, []))
    rows.append((*line[2 : 2 + len(columns)], *([None] * (len(columns) - len(line) + 2))))


def _table(name: str, columns: tuple[str, ...], rows: list[RawRow]) -> RawTable:
    named = tuple(column or f"#{place}" for place, column in enumerate(columns, 1))
    return RawTable(name, named, len(rows), partial(_given, rows))


def _given(rows: list[RawRow]) -> Iterator[RawRow]:
    yield from rows
