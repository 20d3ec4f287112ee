"""Snapshots: a book's bytes in a file, so that opening a long session does not replay it.

Theory of operation. A snapshot is a cache and never the truth. The file is the
arena without its spare room, written to a temporary name, synced and renamed, so a
file under its final name is whole; a row then says which session, after which
event, with which digest. It is used only if the row's event hash is still the hash
of that event, if it was made by this core's code, and if the file's SHA-256 is the
row's. Anything else is reported and the events are replayed. The file is mapped
copy-on-write: a book opened from it reads the pages it needs and changes none.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ledger.book import H_SEQ, H_VERSION, HEAD_END, SCHEMA_VERSION, Book, trimmed
from ledger.journal.store.files import sidecar, sync
from ledger.journal.store.locks import open_private
from ledger.journal.provenance import core_hash
from ledger.journal.replay import hash_at

KEPT = 2
"""Snapshot files kept per session: the newest, and one more if it is damaged."""
REPLAY_MOST = 2_000
REPLAY_SHARE = 20
"""A session that is gone on with day after day keeps a snapshot when 1/20 of its events, and 2,000 at least, came after the last one."""


class Loaded(NamedTuple):
    """A book from a snapshot, and the hash of its last event."""

    book: Book
    head: bytes


def write_file(database: Path, session_id: int, book: Book, at: Callable[[str], None]) -> tuple[str, str, str]:
    """Write a book's bytes beside the database; return (file name, digest, SHA-256 of the file)."""
    folder = sidecar(database, "snapshots")
    folder.mkdir(mode=0o700, exist_ok=True)
    digest = book.digest()
    final = folder / f"{session_id}-{book.seq}-{digest[:12]}.arena"
    temporary = final.with_suffix(f".{os.getpid()}.tmp")
    content = trimmed(book.arena).astype("<i8", copy=False)
    descriptor = open_private(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content.data)
        at("snapshot-write")
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(final)
    sync(folder)
    at("snapshot-rename")
    return final.name, digest, hashlib.sha256(content.data).hexdigest()


def write_row(
    connection: sqlite3.Connection, session_id: int, seq: int, head: bytes, written: tuple[str, str, str]
) -> list[str]:
    """Name a snapshot in the database, inside the caller's transaction; return the files no row needs any more."""
    name, digest, file_hash = written
    connection.execute(
        "INSERT INTO snapshot (session_id, seq, event_hash, digest, file_hash, core_hash, file) VALUES (?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (session_id, seq) DO UPDATE SET digest = excluded.digest, file_hash = excluded.file_hash,"
        " core_hash = excluded.core_hash, file = excluded.file, event_hash = excluded.event_hash",
        (session_id, seq, head, digest, file_hash, core_hash(), name),
    )
    rows = connection.execute("SELECT seq, file FROM snapshot WHERE session_id = ? ORDER BY seq DESC", (session_id,))
    old = rows.fetchall()[KEPT:]
    connection.executemany("DELETE FROM snapshot WHERE session_id = ? AND seq = ?", [(session_id, n) for n, _ in old])
    return [file for _, file in old]


def is_due(connection: sqlite3.Connection, session_id: int, seq: int) -> bool:
    """Say whether an opening would replay so many events that a snapshot pays."""
    sql = "SELECT coalesce(max(seq), 0) FROM snapshot WHERE session_id = ? AND core_hash = ?"
    newest = int(connection.execute(sql, (session_id, core_hash())).fetchone()[0])
    return seq - newest >= max(REPLAY_MOST, seq // REPLAY_SHARE)


def remove_files(database: Path, names: list[str]) -> None:
    """Remove files whose rows are gone."""
    for name in names:
        (sidecar(database, "snapshots") / name).unlink(missing_ok=True)


def load(connection: sqlite3.Connection, database: Path, session_id: int, upto: int) -> tuple[Loaded | None, list[str]]:
    """Return the newest usable snapshot at or before `upto`, and what was wrong with newer ones."""
    rows = connection.execute(
        "SELECT seq, event_hash, file_hash, core_hash, file FROM snapshot"
        " WHERE session_id = ? AND seq <= ? ORDER BY seq DESC",
        (session_id, upto),
    ).fetchall()
    faults: list[str] = []
    for seq, event_hash, file_hash, code, file in rows:
        if code != core_hash():
            continue
        if hash_at(connection, session_id, seq) != event_hash:
            faults.append(f"snapshot {file} names event {seq}, which has another hash now")
            continue
        book, fault = read_file(sidecar(database, "snapshots") / file, file_hash)
        if book is not None and book.seq == seq:
            return Loaded(book, bytes(event_hash)), faults
        faults.append(fault or f"snapshot {file} is a book after event {book.seq if book else '?'}, not {seq}")
    return None, faults


def read_file(path: Path, file_hash: str) -> tuple[Book | None, str]:
    """Return the book in a file, or None and what is wrong with the file."""
    try:
        arena = np.memmap(path, np.int64, mode="c")
    except (OSError, ValueError) as error:
        return None, f"snapshot {path.name} cannot be read: {error}"
    if len(arena) < HEAD_END or hashlib.sha256(arena.data).hexdigest() != file_hash:
        return None, f"snapshot {path.name} is damaged: its SHA-256 is not the one that was recorded"
    if arena[H_VERSION] != SCHEMA_VERSION or arena[H_SEQ] < 1:
        return None, f"snapshot {path.name} has book layout {int(arena[H_VERSION])}, this code has {SCHEMA_VERSION}"
    return Book(np.asarray(arena)), ""
