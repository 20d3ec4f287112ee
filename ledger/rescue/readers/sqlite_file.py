"""SQLite files of other programs, read through sqlite-utils and never written.

Theory of operation. Opening a database may write beside it: a WAL database gets a -shm file, a hot
journal is rolled back. So a file that has a log beside it is copied with that log to a
private temporary folder, and the copy is opened. A WAL database without its log is
complete in itself and is opened as immutable; any other is opened read-only under SQLite's
own lock, which also tells whether somebody is writing now. Text is decoded here, because one
name that is not UTF-8 must not make a table unreadable: its bytes are kept as lone surrogates.
"""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from sqlite_utils import Database

from ledger.rescue.errors import RescueError, SourceLocked
from ledger.rescue.raw import RawFile, RawRow, RawTable, file_sha256

BULK = frozenset({"market_data", "ticks", "features", "canonical_market_data", "ohlcv_data", "bars", "predictions"})
"""Tables of prices, which can be millions of rows and are no fact of an account."""
_WAL_VERSION = 2


def read(path: Path, sha256: str) -> RawFile:
    """Open a database; the caller closes what is returned.

    Raises:
        RescueError: damaged. SourceLocked: another program writes to it now.
    """
    connection, tidy = _connect(path)
    try:
        return _described(path, sha256, connection, tidy)
    except sqlite3.OperationalError as error:
        tidy()
        if "locked" in str(error) or "busy" in str(error):
            raise SourceLocked(
                f"{path} is being written by another program; stop it, or bring a copy: {error}"
            ) from error
        raise RescueError(f"{path} cannot be read as a database: {error}") from error
    except sqlite3.DatabaseError as error:
        tidy()
        raise RescueError(
            f"{path} is damaged: {error}. Nothing of it was taken over; try `sqlite3 {path.name} .recover` on a "
            f"copy and import that"
        ) from error


def _connect(path: Path) -> tuple[sqlite3.Connection, Callable[[], None]]:
    """Return a connection that cannot write beside the file, and what closes it."""
    logs = [
        log for end in ("-wal", "-journal") if (log := path.with_name(path.name + end)).exists() and log.stat().st_size
    ]
    if logs:
        return _copied(path, logs)
    flag = "&immutable=1" if _is_wal(path) else ""
    connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro{flag}", uri=True, timeout=2)
    return connection, connection.close


def _copied(path: Path, logs: list[Path]) -> tuple[sqlite3.Connection, Callable[[], None]]:
    """Open a private copy of a database and its log."""
    folder = Path(tempfile.mkdtemp(prefix="onebook-"))
    before = [file_sha256(file) for file in (path, *logs)]
    for file in (path, *logs):
        shutil.copyfile(file, folder / file.name)
    if [file_sha256(file) for file in (path, *logs)] != before:
        shutil.rmtree(folder)
        raise SourceLocked(f"{path} is being written while it is copied; stop the program that uses it")
    connection = sqlite3.connect(folder / path.name)

    def tidy() -> None:
        connection.close()
        shutil.rmtree(folder, ignore_errors=True)

    return connection, tidy


def _is_wal(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(20)[18:20] == bytes((_WAL_VERSION, _WAL_VERSION))


class _Decoder:
    """Decodes text and counts what was not UTF-8, each value once however often it is read."""

    def __init__(self, facts: dict[str, Any]) -> None:
        self._facts = facts
        self._seen: set[bytes] = set()

    def __call__(self, raw: bytes) -> str:
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError:
            self._seen.add(raw)
            self._facts["not_utf8"] = len(self._seen)
            return raw.decode("utf-8", "surrogateescape")


def _described(path: Path, sha256: str, connection: sqlite3.Connection, tidy: Callable[[], None]) -> RawFile:
    """Read the schema, check the pages, and return the tables."""
    source = RawFile(path, "sqlite", path.stat().st_size, sha256, {}, close=tidy)
    connection.text_factory = _Decoder(source.facts)
    connection.execute("BEGIN")  # One state of the file for everything that follows.
    database = Database(connection)
    names = [name for name in database.table_names() if not name.startswith("sqlite_stat")]
    fault = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    for name in names:
        table = database.table(name)
        columns = tuple(column.name for column in table.columns)
        if name != "sqlite_sequence":
            source.definitions[name] = table.schema
        if name.lower() in BULK:
            source.left_out[name] = f"{table.count} rows of prices"
            continue
        source.tables[name] = RawTable(name, columns, table.count, partial(_rows, database, name, path))
    source.facts["page_check"] = fault
    return source


def _rows(database: Database, name: str, path: Path) -> Iterator[RawRow]:
    """Yield the rows of a table in the order in which they were inserted."""
    order = None if "WITHOUT ROWID" in database.table(name).schema.upper() else "rowid"
    try:
        for row in database.table(name).rows_where(order_by=order):
            yield tuple(_values(row))
    except sqlite3.DatabaseError as error:
        raise RescueError(
            f"{path} is damaged: table {name} cannot be read to its end ({error}); "
            f"try `sqlite3 {path.name} .recover` on a copy and import that"
        ) from error


def _values(row: dict[str, Any]) -> Iterator[Any]:
    yield from row.values()
