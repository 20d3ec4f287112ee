"""The files of a journal: where they are, who may read them, how a connection is set up.

Theory of operation. Beside `runs.db` stand `runs.db.mark` (high-water mark),
`runs.db.turn` (whose turn it is to write), `runs.db.lease-…` (one per exclusive
account) and `runs.db.snapshots/`. All are private to the user. Writers use WAL and
synchronous=FULL: a commit that returned is on the disk. Only writers checkpoint,
and only while they hold the turn, because SQLite before 3.51.3 can corrupt a
write-ahead log when one connection checkpoints while another one commits. Readers
open mode=ro and can change nothing.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
from functools import lru_cache
from pathlib import Path

from ledger.journal.errors import JournalError, JournalForeign, JournalLocked
from ledger.journal.store.locks import open_private

BUSY_SECONDS = 30
WAL_LIMIT_BYTES = 64 << 20
_MAGIC = b"SQLite format 3\0"


@lru_cache(maxsize=256)
def sidecar(path: Path, suffix: str) -> Path:
    """Return a file that belongs to the database at `path`."""
    return path.with_name(f"{path.name}.{suffix}")


@lru_cache(maxsize=256)
def lease_path(path: Path, scope: str) -> Path:
    """Return the lock file of an account; a scope may hold letters that no file name can."""
    return sidecar(path, "lease-" + hashlib.sha256(scope.encode()).hexdigest()[:12])


def prepare(path: Path) -> None:
    """Make sure that the file exists and only its user can read it; a folder that we make is private too."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = open_private(path, os.O_RDWR | os.O_CREAT)
    try:
        path.chmod(0o600)
        _require_magic(path, os.read(descriptor, len(_MAGIC)))
    finally:
        os.close(descriptor)


def require_sqlite(path: Path) -> None:
    """Refuse a file that is there and is no database, before SQLite is let near it.

    Raises:
        JournalForeign: not an SQLite file.
        JournalError: a folder, or a file we may not read.
    """
    try:
        with path.open("rb") as file:
            start = file.read(len(_MAGIC))
    except OSError as error:
        raise JournalError(f"journal {path} cannot be read: {error.strerror}; name a file you may read") from error
    _require_magic(path, start)


def _require_magic(path: Path, start: bytes) -> None:
    if start and start != _MAGIC:
        raise JournalForeign(f"{path} is not a database (it begins with {start!r}); name a journal, or a new file")


def connect_writer(path: Path) -> sqlite3.Connection:
    """Return a connection that may write; `prepare` comes first."""
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
    # The folder's other entries, -wal and -shm, get the mode of the database from SQLite itself.
    _settle(connection, path, "journal_mode = WAL", "synchronous = FULL", f"journal_size_limit = {WAL_LIMIT_BYTES}")
    return connection


def connect_reader(path: Path) -> sqlite3.Connection:
    """Return a connection that can change nothing.

    Raises:
        JournalError: no such file. JournalForeign: no database. JournalLocked: held by another program.
    """
    if not path.exists():
        raise JournalError(f"there is no journal at {path}; a backtest, a fuzz or a paper run writes one")
    require_sqlite(path)
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=5, isolation_level=None)
    _settle(connection, path, "query_only = ON")
    return connection


def _settle(connection: sqlite3.Connection, path: Path, *more: str) -> None:
    """Set the pragmas of a connection; the first one that reads the file tells whether it is a database."""
    settings = (f"busy_timeout = {BUSY_SECONDS * 1000}", "trusted_schema = OFF", "cell_size_check = ON", "foreign_keys = ON")
    try:
        for setting in (*settings, *more):
            connection.execute(f"PRAGMA {setting}")
        connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    except sqlite3.OperationalError as error:
        connection.close()
        if "locked" in str(error) or "busy" in str(error):
            raise JournalLocked(f"{path} is locked by another program; close that program and try again") from error
        raise JournalError(f"journal {path} cannot be opened: {error}; check the disk and the rights on its folder") from error
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
        connection.close()
        raise JournalForeign(f"{path} is not a readable database: {error}; restore a backup, or name another file") from error


def sync(path: Path) -> None:
    """Make a file, or the names in a folder, durable; where a folder cannot be opened its names are as durable as they are made."""
    if path.is_dir() and not hasattr(os, "O_DIRECTORY"):
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError:
        # Some systems open a folder and cannot sync it.
        if not path.is_dir():
            raise
    finally:
        os.close(descriptor)
