"""The life of an order: every step from every status, the illegal ones without a trace."""

from __future__ import annotations

from itertools import product

import pytest

from ledger.book import O_FILLED, O_STATUS, Book
from ledger.core import apply, decide
from ledger.kernels.orders import COMPLETE, NEXT, TRANSITIONS
from ledger.vocabulary import EventKind, OrderFlag, OrderStatus, Outcome
from tests.ledger.twin.comparison import row_of
from tests.ledger.twin.refusals import KEY, SIGNAL, book_with, event_of

K, S = EventKind, OrderStatus
QTY, HALF = 1_000_000, 500_000
STEPS = [K.RELEASED, K.SENDING, K.SUBMITTED, K.CANCEL, K.CANCELED, K.EXPIRED, K.REJECTED, K.UNKNOWN]
WAYS: dict[OrderStatus, list[tuple[EventKind, int]]] = {
    S.CLAIMED: [], S.SENDING: [(K.SENDING, 0)], S.SUBMITTED: [(K.SUBMITTED, 0)], S.PARTIALLY_FILLED: [(K.FILL, HALF)],
    S.UNKNOWN: [(K.UNKNOWN, 0)], S.FILLED: [(K.FILL, QTY)], S.CANCELED: [(K.CANCELED, 0)], S.EXPIRED: [(K.EXPIRED, 0)],
    S.REJECTED: [(K.REJECTED, 0)], S.RELEASED: [(K.RELEASED, 0)],
}  # fmt: skip

# Rows: status before. Columns: the step and the status after it; "." is illegal, "=" a repeat, "?" needs evidence.
TABLE = """
                 | RELEASED | SENDING | SUBMITTED        | CANCELED | EXPIRED | REJECTED | UNKNOWN | FILL             | COMPLETE
CLAIMED          | RELEASED | SENDING | SUBMITTED        | CANCELED | EXPIRED | REJECTED | UNKNOWN | PARTIALLY_FILLED | FILLED
SENDING          | RELEASED?| .       | SUBMITTED        | CANCELED | EXPIRED | REJECTED | UNKNOWN | PARTIALLY_FILLED | FILLED
SUBMITTED        | .        | .       | =                | CANCELED | EXPIRED | REJECTED | UNKNOWN | PARTIALLY_FILLED | FILLED
PARTIALLY_FILLED | .        | .       | =                | CANCELED | EXPIRED | REJECTED | UNKNOWN | PARTIALLY_FILLED | FILLED
UNKNOWN          | RELEASED?| .       | SUBMITTED?       | CANCELED?| EXPIRED?| REJECTED?| =       | PARTIALLY_FILLED | FILLED
FILLED           | .        | .       | .                | .        | .       | .        | .       | FILLED           | FILLED
CANCELED         | .        | .       | .                | =        | .       | .        | .       | CANCELED         | CANCELED
EXPIRED          | .        | .       | .                | .        | =       | .        | .       | EXPIRED          | EXPIRED
REJECTED         | .        | .       | .                | .        | .       | =        | .       | REJECTED         | REJECTED
RELEASED         | =        | .       | .                | .        | .       | .        | .       | RELEASED         | RELEASED
"""


def cells() -> dict[tuple[OrderStatus, str], str]:
    """Return the table by (status, step)."""
    head, *lines = [[cell.strip() for cell in line.split("|")] for line in TABLE.strip("\n").splitlines()]
    return {(S[line[0]], step): cell for line in lines for step, cell in zip(head[1:], line[1:], strict=True)}


CELLS = cells()


def order_in(status: OrderStatus) -> Book:
    """Return a book whose one order has this status."""
    book = book_with()
    assert apply(book, decide(book, row_of(event_of(SIGNAL))).event) == Outcome.APPLIED
    for number, (kind, qty) in enumerate(WAYS[status], 1):
        assert apply(book, step(kind, qty, exec_id=number)) == Outcome.APPLIED
    assert book.orders[0, O_STATUS] == status
    return book


def step(kind: int, qty: int = 0, ref: int = 0, exec_id: int = 9):  # type: ignore[no-untyped-def]
    """Return a step of the order, or a fill of it."""
    event = {"kind": kind, "key": KEY, "ref": ref}
    if kind == K.FILL:
        event |= {"instrument": 1, "side": 1, "qty_lots": qty, "price_ticks": 1_000_000, "exec_id": exec_id}
    return row_of(event)


@pytest.mark.parametrize(("status", "name"), list(CELLS), ids=lambda part: getattr(part, "name", part))
def test_every_step_from_every_status_is_as_the_table_says(status: OrderStatus, name: str) -> None:
    cell, book = CELLS[status, name], order_in(status)
    before, filled = book.arena.copy(), int(book.orders[0, O_FILLED])
    qty = max(1, QTY - filled) if name == "COMPLETE" else 1
    kind = K.FILL if name in ("FILL", "COMPLETE") else K[name]
    expected = {".": Outcome.ILLEGAL_TRANSITION, "=": Outcome.DUPLICATE}.get(cell, Outcome.APPLIED)
    if cell.endswith("?"):
        assert apply(book, step(kind, qty)) == Outcome.NEEDS_EVIDENCE
        assert (book.arena == before).all()
    assert apply(book, step(kind, qty, ref=int(cell.endswith("?")))) == expected
    if expected == Outcome.APPLIED:
        assert S(book.orders[0, O_STATUS]).name == cell.rstrip("?")
    else:
        assert (book.arena == before).all(), "an illegal step or a repeat changed the book"


def test_the_kernels_table_and_the_tests_table_are_the_same() -> None:
    for status, kind in product(S, range(COMPLETE + 1)):
        name = "COMPLETE" if kind == COMPLETE else K(kind).name if kind in set(K) else ""
        cell = CELLS.get((status, name), ".")
        expected = 0 if cell == "." else status if cell == "=" else S[cell.rstrip("?")]
        if status == S.NONE:
            expected = S.CLAIMED if name == "CLAIM" else 0
        assert NEXT[status, kind] == expected == TRANSITIONS[status].get(kind, 0), (status, name)
    assert not NEXT.flags.writeable


@pytest.mark.parametrize("status", WAYS, ids=lambda s: s.name)
def test_a_cancel_is_asked_for_once_and_only_while_the_order_lives(status: OrderStatus) -> None:
    book = order_in(status)
    alive = status in (S.CLAIMED, S.SENDING, S.SUBMITTED, S.PARTIALLY_FILLED, S.UNKNOWN)
    assert apply(book, step(K.CANCEL)) == (Outcome.APPLIED if alive else Outcome.ILLEGAL_TRANSITION)
    if alive:
        assert book.orders[0, O_STATUS] == status and book.orders[0, 10] & OrderFlag.CANCEL_ASKED
        assert apply(book, step(K.CANCEL)) == Outcome.DUPLICATE


@pytest.mark.parametrize("kind", STEPS, ids=lambda k: k.name)
@pytest.mark.parametrize("key", [0, -1, 12345])
def test_a_step_of_an_order_nobody_claimed_is_unknown(kind: EventKind, key: int) -> None:
    book = book_with()
    before = book.digest()
    assert apply(book, row_of({"kind": kind, "key": key, "ref": 1})) == Outcome.UNKNOWN_KEY
    assert book.digest() == before


@pytest.mark.parametrize("status", [s for s in WAYS if s > S.UNKNOWN], ids=lambda s: s.name)
def test_closing_an_order_frees_its_whole_reservation(status: OrderStatus) -> None:
    assert order_in(S.CLAIMED).valuation().reserved == 10**12 + 10**8
    assert order_in(status).valuation().reserved == 0
    assert order_in(S.PARTIALLY_FILLED).valuation().reserved == (10**12 + 10**8) // 2
