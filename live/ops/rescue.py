"""A book whose file was taken away while it was traded: what the open file still holds, in a new one.

Theory of operation. On this kind of system a deleted file lives on until the last process closes it. SQLite reads it through
the descriptors it holds, write-ahead log included, and copies it page by page; nothing of it is lost that was recorded.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from ledger.journal import JournalError


class BookFile:
    """The file of a book that is being traded."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: os.stat_result | None = None

    def remember(self) -> None:
        """The book is open now; from here on this file is the one."""
        self._known = self._path.stat()

    def is_there(self) -> bool:
        """Say whether the path still names the file that the book was opened in."""
        try:
            return self._known is None or os.path.samestat(self._known, self._path.stat())
        except FileNotFoundError:
            return False

    def require(self, connection: sqlite3.Connection, now_ns: int) -> None:
        """Save what was recorded into a new file and stop when the book's file was taken away.

        Raises:
            JournalError: it was; the message names the new file.
        """
        if self.is_there():
            return
        saved = rescued(connection, self._path, now_ns)
        raise JournalError(
            f"{self._path} was deleted or replaced while it was traded, so nothing more is sent. All of it was saved to {saved}: "
            f"put that in its place (`mv {saved} {self._path}`) and start again; a new book would not know its own orders"
        )


def rescued(connection: sqlite3.Connection, book: Path, now_ns: int) -> Path:
    """Copy an open journal beside where it was, private as it was; return the new file."""
    book.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = book.with_name(f"{book.name}.saved-{now_ns // 10**9}")
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))
    copy = sqlite3.connect(path)
    try:
        connection.backup(copy)
    finally:
        copy.close()
    return path
