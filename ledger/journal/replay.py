"""Reading events back: rows to integers, integers to a book, the chain checked on the way.

Theory of operation. Events are read in slices, in one read transaction, so that a
million of them need no more memory than the book itself. Rows are packed into their
canonical bytes as they come: the chain hashes those, and numpy takes them as the table
without a copy. `seq` is not read at all: rows are numbered as they come, and since the
hash covers the number, a gap breaks the chain.
"""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ledger import core
from ledger.book import EVENT_WIDTH, Book, Capacity
from ledger.journal.store import chain
from ledger.journal.errors import JournalError
from ledger.vocabulary import Method, Outcome

SLICE = 100_000
SESSION_COLUMNS = (
    "id", "kind", "scope", "exclusive", "parent", "started_ns", "pid", "host", "boot_id", "git_sha", "dirty",
    "source_hash", "config_hash", "config", "versions", "seed", "method", "book_version",
)  # fmt: skip
_NO_EVENTS = np.zeros((0, EVENT_WIDTH), np.int64)
_PLAIN, _METHODS = frozenset((int, str)), frozenset(Method)
_SESSION = (
    "SELECT id, kind, scope, exclusive, parent, started_ns, pid, host, boot_id, git_sha, dirty, source_hash, config_hash,"
    " config, versions, seed, method, book_version FROM session WHERE id = ?"
)
_EVENTS = (
    "SELECT fence, recorded_ns, time_ns, kind, key, instrument, side, qty_lots, price_ticks, cash_e8, fee_e8, exec_id,"
    " revision, target_lots, order_type, flags, stop_ticks, take_ticks, trail_ticks, parent, reason, ref, hash"
    " FROM event WHERE session_id = ? AND seq > ? AND seq <= ? ORDER BY seq"
)


class Break(NamedTuple):
    """Where reading had to stop, and why."""

    seq: int
    reason: str


class Replayed(NamedTuple):
    """A book, the hash of its last event, what was wrong with the rest, if anything, and the events that were read last."""

    book: Book
    head: bytes
    broken: Break | None
    last: NDArray[np.int64] = _NO_EVENTS


def room(events: int) -> Capacity | None:
    """Return the room a book is opened with: little for few events, because fresh pages cost more than replaying those does."""
    return Capacity(orders=32, entries=64, lots=32, allocs=64) if events < 64 else None


def session_row(connection: sqlite3.Connection, session_id: int) -> dict[str, Any]:
    """Return a session's row.

    Raises:
        JournalError: no such session.
    """
    found = connection.execute(_SESSION, (session_id,)).fetchone()
    if found is None:
        raise JournalError(f"the journal has no session {session_id}; Journal.sessions() lists those it has")
    row = dict(zip(SESSION_COLUMNS, found, strict=True))
    if not _PLAIN.issuperset(map(type, found)) or row["method"] not in _METHODS:
        raise JournalError(f"the row of session {session_id} cannot be read: the file is damaged; restore a backup")
    return row


def last_seq(connection: sqlite3.Connection, session_id: int) -> int:
    """Return the number of the last stored event of a session, 0 when it has none."""
    return int(connection.execute("SELECT coalesce(max(seq), 0) FROM event WHERE session_id = ?", (session_id,)).fetchone()[0])


def hash_at(connection: sqlite3.Connection, session_id: int, seq: int) -> bytes | None:
    """Return the stored hash of an event, or None when there is no such event."""
    found = connection.execute("SELECT hash FROM event WHERE session_id = ? AND seq = ?", (session_id, seq)).fetchone()
    return found[0] if found and isinstance(found[0], bytes) else None


def slices(
    connection: sqlite3.Connection, session_id: int, after: int, upto: int
) -> Iterator[tuple[NDArray[np.int64], bytes]]:
    """Yield (canonical rows int64[n, CANONICAL_WIDTH], their stored hashes) of the events after < seq <= upto."""
    for start in range(after, upto, SLICE):
        bounds = (session_id, start, min(start + SLICE, upto))
        packed, stored = bytearray(), bytearray()
        try:
            for seq, line in enumerate(connection.execute(_EVENTS, bounds), start + 1):
                packed += chain.pack(session_id, seq, *line[:-1])
                stored += line[-1]
        except (TypeError, ValueError, OverflowError, struct.error) as error:
            raise JournalError(
                f"events {start + 1} to {bounds[2]} of session {session_id} hold something that is no event ({error}): the file is "
                "damaged; look at Journal.verify, and restore a backup"
            ) from error
        yield np.frombuffer(packed, "<i8").reshape(-1, chain.CANONICAL_WIDTH), bytes(stored)


def extend(
    connection: sqlite3.Connection, session_id: int, book: Book, head: bytes, upto: int, *, verified: bool = True
) -> Replayed:
    """Apply the stored events after book.seq up to `upto` (the book is modified in place), checking the chain from `head`.

    A break leaves the book at the last event that was good.
    """
    good = _NO_EVENTS
    for table, stored in slices(connection, session_id, book.seq, upto):
        wrong = chain.first_break(head, table, stored) if verified else -1
        good = np.ascontiguousarray((table if wrong < 0 else table[:wrong])[:, -EVENT_WIDTH:])
        start = book.seq
        done = core.apply_all(book, good)
        head = stored[(done - 1) * chain.HASH_BYTES : done * chain.HASH_BYTES] if done else head
        if done < len(good):
            outcome = core.apply(book, good[done])
            return Replayed(book, head, Break(start + done + 1, f"is stored as applied and replays as {Outcome(outcome).name}"))
        if wrong >= 0:
            return Replayed(book, head, Break(start + wrong + 1, "does not match its hash"))
    if book.seq != upto:
        return Replayed(book, head, Break(book.seq + 1, "is missing"))
    return Replayed(book, head, None, good)


def require(replayed: Replayed, session_id: int) -> Replayed:
    """Return a replay that is whole.

    Raises:
        JournalError: naming the first event that is not as it was recorded.
    """
    if replayed.broken is not None:
        raise JournalError(
            f"event {replayed.broken.seq} of session {session_id} {replayed.broken.reason}: the journal is not what was "
            "recorded; look at Journal.verify, and restore a backup"
        )
    return replayed
