"""Which release a file belongs to, and how an old one becomes a new one.

Theory of operation. `user_version` is the number of the schema; version 1 is the
first that was released. SCHEMAS[n] is what version n + 1 added, so a new file gets
all of them and MIGRATIONS[n], which turns version n into n + 1, is one of them: a
migrated file and a new one cannot differ. A migration takes a backup first and then runs in one transaction, so a
process that is killed at any statement leaves the old file or the new one, never
something between. A file that is newer than this code is refused: old code must
not write what it does not understand.
"""

from __future__ import annotations

import functools
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType

from ledger.journal.errors import JournalError, JournalForeign

APPLICATION_ID = 0x6F6E6562
"""The letters "oneb", in the header of every journal."""
SCHEMAS = tuple(Path(__file__).parent.parent / name for name in ("schema.sql", "schema_2.sql", "schema_3.sql"))
VERSION = len(SCHEMAS)

At = Callable[[str], None]


class Transaction:
    """A write that is committed at the end of its block, or rolled back by whatever leaves the block."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def __enter__(self) -> None:
        self._connection.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            if error is None:
                self._connection.execute("COMMIT")
        finally:
            # Some errors have rolled back already.
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")


def statements(script: str) -> Iterator[str]:
    """Yield the statements of a script; triggers contain semicolons, so SQLite itself judges where one ends."""
    pending = ""
    for line in script.splitlines(keepends=True):
        pending += line
        if line.rstrip().endswith(";") and sqlite3.complete_statement(pending):
            yield pending.strip()
            pending = ""
    if any(line.strip() and not line.strip().startswith("--") for line in pending.splitlines()):
        raise JournalError(f"the last statement of the schema is not complete: {pending.strip()[:80]!r}")


def schema(version: int = VERSION) -> Iterator[str]:
    """Yield the statements that make a new file of a version."""
    for path in SCHEMAS[:version]:
        yield from statements(path.read_text())


MIGRATIONS: Mapping[int, tuple[str, ...]] = {
    number: tuple(statements(path.read_text())) for number, path in enumerate(SCHEMAS[1:], 1)
}


def is_blank(connection: sqlite3.Connection) -> bool:
    """Say whether a database holds nothing at all, as a file does whose creator was killed."""
    if version_of(connection) or _application(connection):
        return False
    return bool(connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0] == 0)


def version_of(connection: sqlite3.Connection) -> int:
    """Return the schema's number."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _application(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA application_id").fetchone()[0])


def create(connection: sqlite3.Connection, at: At) -> None:
    """Write the schema in one transaction; a process that comes second finds it done."""
    with Transaction(connection):
        if is_blank(connection):
            for statement in schema():
                connection.execute(statement)
            at("schema")
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {VERSION}")


@functools.lru_cache(maxsize=VERSION)
def expected_schema(version: int = VERSION) -> dict[str, str | None]:
    """Return the SQL of every table, index, trigger and view as this release writes it into a file of a version."""
    connection = sqlite3.connect(":memory:")
    try:
        for statement in schema(version):
            connection.execute(statement)
        return dict(connection.execute("SELECT name, sql FROM sqlite_schema").fetchall())
    finally:
        connection.close()


def check(connection: sqlite3.Connection, path: Path, migrations: Mapping[int, tuple[str, ...]] = MIGRATIONS) -> int:
    """Return the schema's number of a journal that this code can read or migrate.

    Raises:
        JournalForeign: no journal, or of a release this code does not know.
    """
    application, version = _application(connection), version_of(connection)
    if application != APPLICATION_ID:
        raise JournalForeign(
            f"{path} is an SQLite database but no onebook journal (application id {application:#x}, expected "
            f"{APPLICATION_ID:#x}); name another file"
        )
    if version > VERSION:
        raise JournalForeign(
            f"{path} has schema {version} and this onebook knows up to {VERSION}: it was written by a newer release; "
            "use that release to open it"
        )
    if version < VERSION and any(step not in migrations for step in range(version, VERSION)):
        raise JournalForeign(f"{path} has schema {version}, and no migration leads from there to {VERSION}")
    return version


def migrate(connection: sqlite3.Connection, version: int, at: At, migrations: Mapping[int, tuple[str, ...]]) -> None:
    """Bring a journal from `version` to VERSION in one transaction; the caller has made a backup.

    Raises:
        JournalError: a statement failed; the file is as it was.
    """
    try:
        with Transaction(connection):
            for step in range(version_of(connection), VERSION):
                for statement in migrations[step]:
                    at("migrate-step")
                    connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {VERSION}")
            at("migrate-commit")
    except sqlite3.Error as error:
        raise JournalError(
            f"the migration from schema {version} to {VERSION} failed: {error}; the file is as it was, its backup beside it"
        ) from error
    at("migrate-done")
