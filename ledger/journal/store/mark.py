"""The high-water mark: how far the journal came, kept outside the database.

Theory of operation. SQLite takes a damaged write-ahead log for its end: the tail
is gone and nobody says so. So after each commit the last seq and hash of the
session are written to a small file beside the database, in place, one slot of 80
bytes per session. The mark is written after the commit is durable, so it can be
behind the database and never ahead of it. A database that ends before its mark,
or holds another event there, has lost or changed its tail.
"""

from __future__ import annotations

import hashlib
import os
import struct
from pathlib import Path
from typing import NamedTuple

from ledger.journal.store.locks import open_private

_SLOT, _BODY = struct.Struct("<8s2q32s24s"), struct.Struct("<8s2q32s")
_MAGIC = b"onebmark"
_CAN_PLACE = hasattr(os, "pwrite")
SYNC_EVERY = 64
"""Commits between two fsyncs of the mark."""


class Mark(NamedTuple):
    """The last event of a session that was committed."""

    session_id: int
    seq: int
    hash: bytes


def _pack(mark: Mark) -> bytes:
    body = _BODY.pack(_MAGIC, *mark)
    return body + hashlib.sha256(body).digest()[:24]


def read_marks(path: Path) -> tuple[list[Mark], list[int]]:
    """Return the marks of a file, and the numbers of slots that are unreadable; both empty when there is no file."""
    try:
        with path.open("rb", buffering=0) as file:
            content = file.readall()
    except FileNotFoundError:
        return [], []
    good: list[Mark] = []
    bad: list[int] = []
    empty = (len(content) - len(content.lstrip(b"\0"))) // _SLOT.size * _SLOT.size
    for start in range(empty, len(content), _SLOT.size):
        slot, number = content[start : start + _SLOT.size], start // _SLOT.size + 1
        if not slot.strip(b"\0"):
            continue
        if len(slot) < _SLOT.size:
            bad.append(number)
            continue
        mark = Mark(*_SLOT.unpack(slot)[1:4])
        good.append(mark) if _pack(mark) == slot and mark.session_id == number else bad.append(number)
    return good, bad


class MarkFile:
    """The mark of one database, open for writing."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor = -1
        self._unsynced = 0

    def write(self, mark: Mark) -> None:
        """Write a session's mark in place; the caller holds the turn, so marks do not overtake each other."""
        if self._descriptor < 0:
            self._descriptor = open_private(self.path, os.O_RDWR | os.O_CREAT)
        place, slot = (mark.session_id - 1) * _SLOT.size, _pack(mark)
        if _CAN_PLACE:
            os.pwrite(self._descriptor, slot, place)
        else:
            os.lseek(self._descriptor, place, os.SEEK_SET)
            os.write(self._descriptor, slot)
        self._unsynced += 1
        if self._unsynced >= SYNC_EVERY:
            self.sync()

    def sync(self) -> None:
        """Make the marks durable."""
        if self._descriptor >= 0 and self._unsynced:
            os.fsync(self._descriptor)
            self._unsynced = 0

    def close(self) -> None:
        """Make the marks durable and close the file."""
        if self._descriptor >= 0:
            self.sync()
            os.close(self._descriptor)
            self._descriptor = -1
