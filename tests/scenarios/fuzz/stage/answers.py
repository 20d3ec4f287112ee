"""Whether the answer to a wish is true, as far as the book itself shows it.

Theory of operation. A runner that answers and does nothing would agree with its broker for ever. So an answer
is held against the book right after it was given: what was claimed, or claimed before, is there under its key; a target that is
said to be reached is reached; an instrument that is said to be closed is. (An entry that is said to work may be gone by then: a wish for
less takes back one that has not left.)
"""

from __future__ import annotations

from ledger.book import E_INSTRUMENT, E_KEY, E_TARGET, I_GATES, I_POSITION, I_WORKING, S_KEYS, S_ORDER, Book, Row, find
from ledger.vocabulary import Gate, Outcome

BLOCKED = int(Gate.BLOCKED)
KNOWN = (Outcome.APPLIED, Outcome.DUP_KEY, Outcome.KEY_CONFLICT)


def find_order(book: Book, key: int) -> int:
    """Return the row of an order, or -1."""
    return int(find(book.arena, S_KEYS, key, S_ORDER))


def untrue(book: Book, wish: Row, outcome: Outcome) -> str:
    """Return what contradicts an answer that was just given, "" for nothing."""
    if outcome in KNOWN:
        return "" if find_order(book, int(wish[E_KEY])) >= 0 else "the book has no order of that key"
    row = book.instruments[wish[E_INSTRUMENT]].tolist()
    if outcome == Outcome.AT_TARGET:
        position, working, target = row[I_POSITION], row[I_WORKING], int(wish[E_TARGET])
        return "" if target in (position, position + working) else f"{position} lots are held and {working} work, {target} were wished for"
    return "the instrument is open" if outcome == Outcome.BLOCKED and not row[I_GATES] & BLOCKED else ""
