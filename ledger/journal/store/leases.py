"""Leases: one process owns an account, and can prove it in SQL.

Theory of operation. Two guards that fail differently. The file lock keeps a second
runner out at once and is freed by the system when its owner dies. The lease row's
fence grows with every owner, each event of an exclusive session carries the fence
of the process that wrote it, and a trigger refuses a fence that is not the current
one. So an owner whose lock file was deleted while it slept cannot write after
somebody else took over.
"""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from pathlib import Path

from ledger.journal.errors import JournalLocked
from ledger.journal.store.files import lease_path
from ledger.journal.store.locks import FileLock
from ledger.journal.provenance import owner, source_hash

_OWNER = "SELECT pid, host, since_ns, source_hash, heartbeat_ns FROM lease WHERE scope = ?"


def utc(time_ns: int) -> str:
    """Return ns since 1970 as people read it."""
    return datetime.fromtimestamp(time_ns // 10**9, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def lock_account(database: Path, scope: str, connection: sqlite3.Connection) -> FileLock:
    """Take the lock of an account, or say who has it.

    Raises:
        JournalLocked: naming the owner's process, host, start, code and last sign of life.
    """
    lock = FileLock(lease_path(database, scope))
    if lock.acquire(wait=False):
        return lock
    found = connection.execute(_OWNER, (scope,)).fetchone()
    if found is None:
        raise JournalLocked(f"account {scope} in {database} is being opened by another process; try again in a second")
    pid, host, since_ns, code, heartbeat_ns = found
    raise JournalLocked(
        f"account {scope} in {database} belongs to pid {pid} on {host} since {utc(since_ns)} (code {code[:12]}, last sign of "
        f"life {utc(heartbeat_ns)}); one writer only: stop that process, or open with Journal.read to look"
    )


def pass_lease(connection: sqlite3.Connection, scope: str, session_id: int, now_ns: int) -> int:
    """Make this process the owner of an account, inside the caller's transaction; return the new fence."""
    me, code = owner(), source_hash()
    old = connection.execute("SELECT fence FROM lease WHERE scope = ?", (scope,)).fetchone()
    fence = old[0] + 1 if old else 1
    row = (session_id, fence, me.pid, me.host, me.boot_id, now_ns, code, now_ns, scope)
    if old:
        connection.execute(
            "UPDATE lease SET session_id = ?, fence = ?, pid = ?, host = ?, boot_id = ?, since_ns = ?, source_hash = ?,"
            " heartbeat_ns = ? WHERE scope = ?",
            row,
        )
    else:
        connection.execute(
            "INSERT INTO lease (session_id, fence, pid, host, boot_id, since_ns, source_hash, heartbeat_ns, scope)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            row,
        )
    return int(fence)
