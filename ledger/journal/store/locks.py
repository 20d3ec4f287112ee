"""Two file locks: one owner per account, and whose turn it is to write.

Theory of operation. The operating system frees a file lock when its process dies,
however it dies, so a lock is never stale. What a lock cannot do is survive the
deletion of its file: a second process would create and lock another one. So the
owner lock checks after locking that the path still names the file it holds, and
the lease row's fence in SQL stops the first owner if the file vanishes later.

Descriptors are closed on exec (Python's default) and in a forked child, because a
child that inherits the lock would keep the account blocked after its parent died.
"""

from __future__ import annotations

import os
import weakref
from pathlib import Path
from typing import Any

try:
    import fcntl
except ImportError:  # Windows has no flock; filelock keeps one owner, and SQLite alone keeps the turn there.
    fcntl = None  # type: ignore[assignment]

_held: weakref.WeakSet[FileLock] = weakref.WeakSet()


def open_private(path: Path, flags: int) -> int:
    """Open (or create with mode 0600) a file that no forked or executed program inherits."""
    return os.open(path, flags | getattr(os, "O_CLOEXEC", 0), 0o600)


class FileLock:
    """A lock on a file beside the database. One process, one lock; not reentrant."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor = -1
        self._other: Any = None

    def acquire(self, *, wait: bool) -> bool:
        """Take the lock; return False when somebody else has it and `wait` is false."""
        if fcntl is None:
            return self._acquire_elsewhere(wait)
        operation = fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB
        while True:
            if self._descriptor < 0:
                self._descriptor = open_private(self.path, os.O_RDWR | os.O_CREAT)
                _held.add(self)
            try:
                fcntl.flock(self._descriptor, operation)
            except BlockingIOError:
                self._close()
                return False
            if wait or self._names_our_file():
                return True
            self._close()

    def release(self, *, keep_open: bool = False) -> None:
        """Give the lock back; `keep_open` saves the next `acquire` an open."""
        if self._other is not None:
            self._other.release()
        elif self._descriptor >= 0:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)
            if not keep_open:
                self._close()

    def _names_our_file(self) -> bool:
        """Say whether the path still names the file that is locked: it may have been deleted in between."""
        try:
            return os.path.samestat(self.path.stat(), os.fstat(self._descriptor))
        except FileNotFoundError:
            return False

    def _close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = -1

    def _acquire_elsewhere(self, wait: bool) -> bool:
        import filelock

        self._other = self._other or filelock.FileLock(str(self.path), mode=0o600)
        try:
            self._other.acquire(timeout=-1 if wait else 0)
        except filelock.Timeout:
            return False
        return True


def _drop_in_child() -> None:
    """Close the locks a fork copied; the parent's hold is not touched by that."""
    for lock in list(_held):
        lock._close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_drop_in_child)
