"""IBKR Flex queries in XML: each section a table, each element a row, each attribute a column.

Theory of operation. The file comes from outside, so it is parsed by defusedxml, which refuses entities
and external references. A section (Trades, OpenPositions, CashTransactions, ...) gives a table under
the name of its elements (Trade, OpenPosition, ...). A file with several statements gives one table
of each, with the account in a column as IBKR writes it.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from ledger.rescue.errors import RescueError
from ledger.rescue.raw import RawFile, RawRow, RawTable

_MOST = 512 * 2**20
"""Bytes of a Flex file that are read at once."""


def read(path: Path, sha256: str) -> RawFile:
    """Open a Flex query.

    Raises:
        RescueError: not XML, no Flex query, or with entities that a statement never has.
    """
    import defusedxml.ElementTree as safe
    from defusedxml import DefusedXmlException

    if path.stat().st_size > _MOST:
        raise RescueError(
            f"{path} has {path.stat().st_size:,} bytes; ask IBKR for shorter periods, at most {_MOST:,} bytes each"
        )
    try:
        root = safe.parse(path).getroot()
    except (safe.ParseError, DefusedXmlException, UnicodeDecodeError) as error:
        raise RescueError(f"{path} is no sound XML: {error}; download the Flex query again") from error
    if root.tag != "FlexQueryResponse":
        raise RescueError(f"{path} is XML of {root.tag!r}, expected FlexQueryResponse: an IBKR Flex query run as XML")
    tables: dict[str, list[dict[str, str]]] = {}
    for statement in root.iter("FlexStatement"):
        tables.setdefault("FlexStatement", []).append(dict(statement.attrib))
        for section in statement:
            for row in [section, *section] if section.attrib else section:
                tables.setdefault(row.tag, []).append(dict(row.attrib))
    return RawFile(
        path, "flex-xml", path.stat().st_size, sha256, {name: _table(name, rows) for name, rows in tables.items()}
    )


def _table(name: str, rows: list[dict[str, str]]) -> RawTable:
    columns = tuple(dict.fromkeys(column for row in rows for column in row))
    return RawTable(name, columns, len(rows), partial(_values, columns, rows))


def _values(columns: tuple[str, ...], rows: list[dict[str, Any]]) -> Iterator[RawRow]:
    for row in rows:
        yield tuple(row.get(column) for column in columns)
