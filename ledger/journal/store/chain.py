"""The hash chain: each event's hash covers the hash before it, the first covers the session row.

Theory of operation. The canonical bytes of an event are 24 little-endian int64:
session_id, seq, fence, recorded_ns and the 20 event columns.
`hash = sha256(hash before + canonical bytes)`. The hash before the first event
is the sha256 of the session row as canonical JSON, so an edited session row breaks
the chain at its first event. The hash before is not stored: it stands in the row
before. Nothing here touches a database.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ledger.book import EVENT_WIDTH

CANONICAL_WIDTH = 4 + EVENT_WIDTH
CANONICAL_BYTES = 8 * CANONICAL_WIDTH
HASH_BYTES = 32
_as_text = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode
pack = struct.Struct(f"<{CANONICAL_WIDTH}q").pack
"""Return the canonical bytes of an event, given its integers."""


def genesis(session_row: Mapping[str, Any]) -> bytes:
    """Return the hash a session's chain starts from: sha256 over the row's canonical JSON."""
    return hashlib.sha256(_as_text(dict(session_row)).encode()).digest()


def event_hash(before: bytes, place: tuple[int, int, int, int], event: list[int]) -> bytes:
    """Return the hash of one event: where it stands (session_id, seq, fence, recorded_ns), and the EVENT_WIDTH integers of its row."""
    return hashlib.sha256(before + pack(*place, *event)).digest()


def canonical(
    session_id: int, first_seq: int, fence: int, recorded_ns: int, events: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return int64[n, CANONICAL_WIDTH] for events int64[n, EVENT_WIDTH] that are recorded together."""
    table = np.empty((len(events), CANONICAL_WIDTH), np.dtype("<i8"))
    table[:, 0], table[:, 2], table[:, 3] = session_id, fence, recorded_ns
    table[:, 1] = np.arange(first_seq, first_seq + len(events))
    table[:, 4:] = events
    return table


def hashes(before: bytes, table: NDArray[np.int64]) -> list[bytes]:
    """Return the hash of each canonical row, the first one following `before`."""
    sha, chain = hashlib.sha256, []
    body = np.ascontiguousarray(table, np.dtype("<i8")).tobytes()
    for start in range(0, len(body), CANONICAL_BYTES):
        before = sha(before + body[start : start + CANONICAL_BYTES]).digest()
        chain.append(before)
    return chain


def first_break(before: bytes, table: NDArray[np.int64], stored: bytes) -> int:
    """Return the index of the first canonical row whose stored hash is not the one it should have, or -1.

    Args:
        stored: the hashes of all rows, one after the other.
    """
    expected = hashes(before, table)
    if b"".join(expected) == stored:
        return -1
    for index, value in enumerate(expected):
        if stored[index * HASH_BYTES : (index + 1) * HASH_BYTES] != value:
            return index
    return len(expected)


def name_hash(before: bytes, session_id: int, number: int, text: str) -> bytes:
    """Return the hash of an interned text: the names of a session are a chain of their own."""
    return hashlib.sha256(before + struct.pack("<2q", session_id, number) + text.encode()).digest()
