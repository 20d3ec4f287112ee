"""A database of rows in memory: each call is one transaction, an effect and an answer.

Theory of operation. The effect commits; the answer may be late, the effect may be slow, and
another writer may hold the lock (Busy, nothing was done). A killed process loses the
calls whose effect had not happened. After a power cut, what was committed and not synced is
gone: nothing with synchronous="FULL" (the default here), the last commits with "NORMAL".
Rows are copied in and out, so nobody holds a row of the database in hand.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

from sim.fuzz.processes import Process
from sim.fuzz.world import World

READ_FAULTS = ("slow", "late")
WRITE_FAULTS = ("slow", "late", "busy")
SYNC_EVERY = 4
"""Commits between two syncs with synchronous="NORMAL": WAL syncs at checkpoints only."""
_MISSING = object()


class Busy(Exception):
    """Another connection holds the write lock; nothing was written."""


class Database:
    """Tables of rows by key.

    Attributes:
        tables: what is committed; invariants read it directly.
    """

    def __init__(self, world: World, synchronous: str = "FULL") -> None:
        if synchronous not in ("FULL", "NORMAL"):
            raise ValueError(f"synchronous is FULL or NORMAL, not {synchronous!r}")
        self.world, self._full = world, synchronous == "FULL"
        self.tables: dict[str, dict[Any, Any]] = {}
        self._unsynced: list[tuple[str, Any, Any]] = []
        world.crashed.append(self._on_crash)

    def rows(self, table: str) -> dict[Any, Any]:
        """Return the committed rows of a table, without any waiting: for invariants."""
        return self.tables.setdefault(table, {})

    async def get(self, table: str, key: Any, default: Any = None) -> Any:
        """Return a row, or `default`."""
        return await self._call(f"read {table}", lambda: deepcopy(self.rows(table).get(key, default)), READ_FAULTS, table, key)

    async def all(self, table: str) -> dict[Any, Any]:
        """Return every row of a table by its key."""
        found: dict[Any, Any] = await self._call(f"read {table}", lambda: deepcopy(self.rows(table)), READ_FAULTS, table, "")
        return found

    async def put(self, table: str, key: Any, row: Any) -> None:
        """Write a row, over an older one."""
        await self._call(f"write {table}", lambda: self._write(table, key, row), WRITE_FAULTS, table, key)

    async def add(self, table: str, key: Any, row: Any = True) -> bool:
        """Write a row only if the key is free (INSERT with a unique key); say whether it was."""

        def insert() -> bool:
            return key not in self.rows(table) and self._write(table, key, row)

        fresh: bool = await self._call(f"insert {table}", insert, WRITE_FAULTS, table, key)
        return fresh

    async def remove(self, table: str, key: Any) -> None:
        """Take a row out, if there is one."""
        await self._call(f"delete {table}", lambda: self._write(table, key, _MISSING), WRITE_FAULTS, table, key)

    async def change(self, table: str, key: Any, function: Callable[[Any], Any]) -> Any:
        """Read and write a row in one transaction: `function(row or None)` is stored and returned."""

        def transaction() -> Any:
            row = function(deepcopy(self.rows(table).get(key)))
            self._write(table, key, row)
            return deepcopy(row)

        return await self._call(f"change {table}", transaction, WRITE_FAULTS, table, key)

    async def _call(self, label: str, work: Callable[[], Any], faults: tuple[str, ...], table: str, key: Any) -> Any:
        def effect(fault: str = "") -> Any:
            if fault == "busy":
                raise Busy(f"{label}: database is locked")
            return work()

        return await self.world.io(label, effect, faults=faults, resource=f"db.{table}.{key}")

    def _write(self, table: str, key: Any, row: Any) -> bool:
        rows = self.rows(table)
        if not self._full:
            self._unsynced.append((table, key, rows.get(key, _MISSING)))
            if len(self._unsynced) >= SYNC_EVERY:
                self._unsynced.clear()
        if row is _MISSING:
            rows.pop(key, None)
        else:
            rows[key] = deepcopy(row)
        return True

    def _on_crash(self, process: Process, how: str) -> None:
        """Take back what a power cut takes back."""
        if how == "crash":
            return
        for table, key, before in reversed(self._unsynced):
            if before is _MISSING:
                self.rows(table).pop(key, None)
            else:
                self.rows(table)[key] = before
        self._unsynced.clear()
