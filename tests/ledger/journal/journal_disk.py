"""A disk that remembers what it was told, and can forget what was not synced.

Theory of operation. The journal runs over apsw with a VFS that logs each write,
truncation and sync, and can fail at the n-th. An image is what a power cut at one
place of the log may leave: everything synced, and of the rest each write kept,
dropped, or torn at 512 bytes. Images are opened with the standard library's SQLite.
The journal's connection is exclusive here unless a test wants readers beside it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import apsw

from ledger.journal.store import files


class Op(NamedTuple):
    """What the disk was told. Kinds: write, truncate, sync, delete, ack (amount = last acknowledged seq)."""

    kind: str
    name: str
    offset: int = 0
    content: bytes = b""


class Disk(apsw.VFS):
    """A VFS that logs, and fails at write or sync number `fail_at` (and ever after, if `stays`)."""

    def __init__(self, name: str, fail_at: int = 0, stays: bool = False, error: type[Exception] = apsw.IOError) -> None:
        self.log: list[Op] = []
        self.fail_at, self.stays, self.error, self.done = fail_at, stays, error, 0
        self.name = name
        super().__init__(name, base="")

    def xOpen(self, name: Any, flags: list[int]) -> _File:
        return _File(self, name, flags)

    def xDelete(self, name: str, sync: bool) -> None:
        self.log.append(Op("delete", Path(name).name))
        super().xDelete(name, sync)

    def count(self) -> None:
        """Count a write or a sync, and fail if it is the one."""
        self.done += 1
        if self.fail_at and (self.done == self.fail_at or (self.stays and self.done > self.fail_at)):
            raise self.error("the disk failed")


class _File(apsw.VFSFile):
    def __init__(self, disk: Disk, name: Any, flags: list[int]) -> None:
        super().__init__("", name, flags)
        self._disk, self._name = disk, Path(name.filename() if hasattr(name, "filename") else str(name)).name

    def xWrite(self, content: bytes, offset: int) -> None:
        self._disk.count()
        self._disk.log.append(Op("write", self._name, offset, bytes(content)))
        super().xWrite(content, offset)

    def xTruncate(self, size: int) -> None:
        self._disk.log.append(Op("truncate", self._name, size))
        super().xTruncate(size)

    def xSync(self, flags: int) -> None:
        self._disk.count()
        self._disk.log.append(Op("sync", self._name))
        super().xSync(flags)


class _Answer:
    """What `execute` returns, as the standard library would."""

    def __init__(self, rows: list[Any]) -> None:
        self._rows, self.rowcount = rows, 1

    def __iter__(self) -> Iterator[Any]:
        return iter(self._rows)

    def fetchone(self) -> Any:
        return self._rows.pop(0) if self._rows else None

    def fetchall(self) -> list[Any]:
        return self._rows


class Connection:
    """An apsw connection that answers like the standard library's, as far as the journal asks."""

    def __init__(self, path: Path, disk: Disk, synchronous: str, exclusive: bool = True) -> None:
        self._inner = apsw.Connection(str(path), vfs=disk.name)
        for setting in (f"locking_mode = {'EXCLUSIVE' if exclusive else 'NORMAL'}", "journal_mode = WAL", f"synchronous = {synchronous}", "wal_autocheckpoint = 25"):
            self.execute(f"PRAGMA {setting}")

    def execute(self, sql: str, values: Sequence[Any] = ()) -> _Answer:
        try:
            return _Answer(list(self._inner.execute(sql, values)))
        except apsw.ConstraintError as error:
            raise sqlite3.IntegrityError(str(error)) from error
        except apsw.Error as error:
            raise sqlite3.OperationalError(f"{type(error).__name__}: {error}") from error

    def executemany(self, sql: str, rows: Any) -> None:
        for row in rows:
            self.execute(sql, row)

    @property
    def in_transaction(self) -> bool:
        return bool(self._inner.in_transaction)

    def close(self) -> None:
        try:
            self._inner.close()
        except apsw.Error:
            self._inner.close(True)


def use(monkeypatch: Any, disk: Disk, synchronous: str = "FULL", exclusive: bool = True) -> None:
    """Let journals that are opened from now on write to this disk."""
    monkeypatch.setattr(files, "connect_writer", lambda path: Connection(path, disk, synchronous, exclusive))


def image(base: dict[str, bytes], log: Sequence[Op], cut: int, draw: Random) -> dict[str, bytes]:
    """Return the files as a power cut after `cut` operations may leave them."""
    last_sync = {op.name: number for number, op in enumerate(log[:cut]) if op.kind == "sync"}
    state = {name: bytearray(content) for name, content in base.items()}
    for number, op in enumerate(log[:cut]):
        if op.kind in ("ack", "sync"):
            continue
        safe = number < last_sync.get(op.name, -1)
        fate = "kept" if safe else draw.choice(["kept", "dropped", "torn"])
        if op.kind == "delete" and fate != "dropped":
            state.pop(op.name, None)
        elif op.kind == "truncate" and fate != "dropped":
            del state.setdefault(op.name, bytearray())[op.offset :]
        elif op.kind == "write" and fate != "dropped":
            content = op.content if fate == "kept" else op.content[: 512 * draw.randint(0, len(op.content) // 512)]
            _write(state.setdefault(op.name, bytearray()), op.offset, content)
    return {name: bytes(content) for name, content in state.items()}


def _write(file: bytearray, offset: int, content: bytes) -> None:
    if len(file) < offset:
        file.extend(bytes(offset - len(file)))
    file[offset : offset + len(content)] = content
