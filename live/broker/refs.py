"""Order references: the order's key and its book, in text that every message of the broker gives back.

Theory of operation. The key names a decision and is unique within one book for ever. Two
books may have traded the same account, so the reference carries a tag of the book
as well: `ob1.<tag>.<key>`, 24 characters at most, of letters, digits and dots, which
the wire passes unchanged. A reference with another tag belongs to another book; one
that is no reference at all belongs to a person or another program.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import lru_cache

from ledger.book import O_SEQ, Book
from ledger.keys import unpack
from ledger.oms import of_live

PREFIX = "ob1"
DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
RECALLED = 1_000
"""How many of the newest orders are known under their order ids after a start, whatever became of them; live ones always are."""


def book_tag(session: Mapping[str, object]) -> str:
    """Return six hex digits that tell one book from another, from what its session row says of its making."""
    text = "\0".join(f"{name}={session[name]}" for name in ("id", "scope", "started_ns", "boot_id", "config_hash"))
    return hashlib.sha256(text.encode()).hexdigest()[:6]


def order_ref(tag: str, key: int) -> str:
    """Return the reference of an order.

    Raises:
        ValueError: not an order key.
    """
    unpack(key)
    digits = ""
    while key:
        key, digit = divmod(key, 36)
        digits = DIGITS[digit] + digits
    return f"{PREFIX}.{tag}.{digits}"


@lru_cache(maxsize=8_192)
def key_of(ref: str, tag: str) -> int:
    """Return the key of a reference of this book, or 0 when it is none of ours."""
    parts = ref.split(".")
    if len(parts) != 3 or parts[0] != PREFIX or parts[1] != tag or not parts[2] or set(parts[2]) - set(DIGITS):
        return 0
    key = int(parts[2], 36)
    try:
        unpack(key)
    except ValueError:
        return 0
    return key


def is_other_book(ref: str, tag: str) -> bool:
    """Say whether a reference was made by onebook for another book."""
    parts = ref.split(".")
    return len(parts) == 3 and parts[0] == PREFIX and parts[1] != tag


def unrecalled(book: Book) -> int:
    """Return the number of the last event before any order whose order id may still be heard of."""
    live, newest = of_live(book, O_SEQ), book.orders[-RECALLED:, O_SEQ]  # both oldest first
    return min(live[:1] + newest[:1].tolist(), default=1) - 1
