"""A small desk for tests in words: define, wish, fill; every invariant is checked after every event."""

from __future__ import annotations

from ledger.book import E_KIND, Book, Capacity
from ledger.core import apply, decide
from ledger.invariants import Invariant, check
from ledger.vocabulary import EventKind, Outcome
from tests.ledger.twin.comparison import columns_of, row_of

K = EventKind


def say(book: Book, kind: EventKind, **columns: int) -> Outcome:
    """Apply one event, check every invariant, return the outcome."""
    outcome = apply(book, row_of({"kind": kind, **columns}))
    assert check(book) == Invariant.HOLDS
    return outcome


def wish(book: Book, key: int, target: int, price: int = 100, number: int = 1, **columns: int) -> Outcome:
    """Decide on a signal and record what came of it."""
    signal = {"kind": K.SIGNAL, "key": key, "instrument": number, "target_lots": target, "price_ticks": price, **columns}
    decision = decide(book, row_of(signal))
    event = columns_of(decision.event)
    assert event["kind"] == decision.event[E_KIND]
    assert say(book, K(event.pop("kind")), **event) == Outcome.APPLIED
    return decision.outcome


def with_instruments(*exps: tuple[int, int], multiplier: int = 1, cash: int = 10**15, **capacity: int) -> Book:
    """Return a book with instruments of these (price_exp, qty_exp) and some cash."""
    book = Book(capacity=Capacity(**capacity) if capacity else None)
    for number, (price_exp, qty_exp) in enumerate(exps, 1):
        columns = dict(revision=price_exp, order_type=qty_exp, price_ticks=1, qty_lots=1, target_lots=multiplier)
        assert say(book, K.INSTRUMENT, instrument=number, **columns) == Outcome.APPLIED
    if cash:
        assert say(book, K.DEPOSIT, cash_e8=cash) == Outcome.APPLIED
    return book


def fill(book: Book, exec_id: int, side: int, qty: int, price: int, number: int = 1, **columns: int) -> Outcome:
    """Book an execution of an order that may not be ours."""
    return say(book, K.FILL, exec_id=exec_id, side=side, qty_lots=qty, price_ticks=price, instrument=number, **columns)
