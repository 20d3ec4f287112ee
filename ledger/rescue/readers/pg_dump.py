r"""Plain-text dumps of PostgreSQL: COPY blocks and INSERT statements.

Theory of operation. pg_dump writes a table as `COPY public.name (columns) FROM stdin;`, rows of
tab-separated values with backslash escapes and \N for NULL, and `\.`; with --inserts it writes one statement
per row. Both are read as lines, nothing is run. The first pass notes the tables, their columns and
where their rows stand in the file; rows are then read from there. Values stay text, as the dump has them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from ledger.rescue.errors import RescueError
from ledger.rescue.raw import RawFile, RawRow, RawTable, not_utf8
from ledger.rescue.readers.sqlite_file import BULK

_COPY = re.compile(r"^COPY (?:\"?\w+\"?\.)?\"?(\w+)\"? \((.*)\) FROM stdin;", re.IGNORECASE)
_INSERT = re.compile(r"^INSERT INTO (?:\"?\w+\"?\.)?\"?(\w+)\"?\s*(?:\((.*?)\)\s*)?VALUES\s*", re.IGNORECASE)
_CREATE = re.compile(r"^CREATE TABLE (?:IF NOT EXISTS )?(?:\"?\w+\"?\.)?\"?(\w+)\"? \(", re.IGNORECASE)
_COLUMN = re.compile(r"^\s*\"?(\w+)\"?\s+\w")
_NO_COLUMN = frozenset({"constraint", "primary", "unique", "check", "foreign", "exclude"})
_ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_END = "\\."


@dataclass
class _Block:
    """Where a table's rows stand: (byte offset, rows) of COPY blocks and of INSERT statements."""

    columns: tuple[str, ...] = ()
    copies: list[tuple[int, int]] = field(default_factory=list)
    inserts: list[tuple[int, int]] = field(default_factory=list)

    @property
    def count(self) -> int:
        return sum(rows for _, rows in (*self.copies, *self.inserts))


def looks_like(head: str) -> bool:
    """Say whether the first text of a file is that of a dump."""
    return "PostgreSQL database dump" in head or bool(
        re.search(r"^(COPY|INSERT INTO|CREATE TABLE) ", head, re.MULTILINE | re.IGNORECASE)
    )


def read(path: Path, sha256: str) -> RawFile:
    """Open a dump.

    Raises:
        RescueError: a COPY block without an end (the dump is truncated), or no table at all.
    """
    definitions: dict[str, str] = {}
    blocks = _scan(path, definitions)
    if not blocks:
        raise RescueError(f"{path} is a dump without rows; dump the data, too: pg_dump without --schema-only")
    source = RawFile(path, "pg-dump", path.stat().st_size, sha256, {}, definitions, {"not_utf8": not_utf8(path)})
    for name, block in blocks.items():
        if name.lower() in BULK:
            source.left_out[name] = f"{block.count} rows of prices"
            continue
        source.tables[name] = RawTable(name, block.columns, block.count, partial(_rows, path, block))
    return source


def _scan(path: Path, definitions: dict[str, str]) -> dict[str, _Block]:
    """Return the tables of a dump and where their rows are; fill in the definitions (modified in place)."""
    blocks: dict[str, _Block] = {}
    with path.open("rb") as stream:
        while line := stream.readline():
            text = line.decode("utf-8", "surrogateescape")
            if found := _COPY.match(text):
                block = blocks.setdefault(found[1], _Block())
                block.columns = tuple(name.strip().strip('"') for name in found[2].split(","))
                offset = stream.tell()
                block.copies.append((offset, _count_copy(stream, found[1], path)))
            elif found := _CREATE.match(text):
                definitions[found[1]] = text + _until_end(stream)
            elif found := _INSERT.match(text):
                named = found[2] or ", ".join(_columns_of(definitions.get(found[1], "")))
                block = blocks.setdefault(found[1], _Block())
                block.columns = block.columns or tuple(name.strip().strip('"') for name in named.split(","))
                offset = stream.tell() - len(line)
                stream.seek(offset)
                block.inserts.append((offset, len(_inserted(_statement(stream, path)))))
    return blocks


def _count_copy(stream: object, name: str, path: Path) -> int:
    """Return the rows of a COPY block; the stream then stands behind its end."""
    count = 0
    for line in iter(stream.readline, b""):  # type: ignore[attr-defined]
        if line.rstrip(b"\r\n") == _END.encode():
            return count
        count += 1
    raise RescueError(
        f"{path} is truncated: the rows of {name} have no end ({count} were read); dump the database again"
    )


def _until_end(stream: object) -> str:
    lines = []
    for line in iter(stream.readline, b""):  # type: ignore[attr-defined]
        lines.append(line.decode("utf-8", "surrogateescape"))
        if line.rstrip().endswith(b");"):
            break
    return "".join(lines)


def _columns_of(definition: str) -> list[str]:
    """Return the column names of a CREATE TABLE statement, in order."""
    found = [match[1] for line in definition.splitlines()[1:] if (match := _COLUMN.match(line))]
    return [name for name in found if name.lower() not in _NO_COLUMN]


def _rows(path: Path, block: _Block) -> Iterator[RawRow]:
    """Yield the rows of a table."""
    width = len(block.columns)
    with path.open("rb") as stream:
        for offset, count in block.copies:
            stream.seek(offset)
            for _ in range(count):
                text = stream.readline().decode("utf-8", "surrogateescape").rstrip("\r\n")
                yield _exact([_copied(value) for value in text.split("\t")], width, path)
        for offset, _ in block.inserts:
            stream.seek(offset)
            for values in _inserted(_statement(stream, path)):
                yield _exact(values, width, path)


def _exact(values: list[str | None], width: int, path: Path) -> RawRow:
    if len(values) != width:
        raise RescueError(
            f"{path} has a row of {len(values)} values where its table has {width} columns: {values[:4]!r}"
        )
    return tuple(values)


def _copied(text: str) -> str | None:
    """Return a value of a COPY block."""
    if "\\" not in text:
        return text
    if text == r"\N":
        return None
    return re.sub(r"\\(.)", lambda found: _ESCAPES.get(found[1], found[1]), text)


def _statement(stream: object, path: Path) -> str:
    """Return the text behind VALUES, to the end of the statement; a quoted text may hold line ends."""
    text = ""
    for line in iter(stream.readline, b""):  # type: ignore[attr-defined]
        text += line.decode("utf-8", "surrogateescape")
        if text.rstrip().endswith(");") and text.count("'") % 2 == 0:
            found = _INSERT.match(text)
            return text[found.end() :] if found else ""
    raise RescueError(f"{path} is truncated: its last INSERT has no end; dump the database again")


_VALUE = re.compile(r"\s*(?:E?'((?:[^']|'')*)'(?:::[\w ]+)?|([^,()']+))\s*([,)])")
_NEXT_ROW = re.compile(r"\s*,?\s*\(")


def _inserted(text: str) -> list[list[str | None]]:
    """Return the rows of a statement: parentheses of literals, one or many."""
    rows: list[list[str | None]] = []
    at = 0
    while opened := _NEXT_ROW.match(text, at):
        values, at = _literals(text, opened.end())
        rows.append(values)
    return rows


def _literals(text: str, at: int) -> tuple[list[str | None], int]:
    """Return the values of one parenthesis, and the place behind it."""
    values: list[str | None] = []
    while found := _VALUE.match(text, at):
        bare = found[2].strip() if found[2] is not None else None
        quoted = found[1].replace("''", "'") if found[1] is not None else None
        values.append(quoted if bare is None else None if bare.upper() == "NULL" else bare)
        at = found.end()
        if found[3] == ")":
            break
    return values, at
