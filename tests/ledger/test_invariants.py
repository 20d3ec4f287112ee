"""Each invariant fires: a sound book, one number changed by hand, and the name of what broke."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ledger import book as B
from ledger.book import Book, event, row
from ledger.core import apply, decide
from ledger.invariants import Invariant, check
from ledger.keys import make
from ledger.vocabulary import EventKind, OrderFlag, OrderStatus, Outcome, Purpose

K = EventKind
SHARE = 10_000


def claim(book: Book, instrument: int, shares: int, bar_s: int, purpose: Purpose = Purpose.TARGET, parent: int = 0) -> int:
    key = make(1, instrument, purpose, bar_s)
    signal = event(
        K.SIGNAL, key=key, instrument=instrument, target_lots=shares * SHARE, price_ticks=1_010_000, fee_e8=10**8, time_ns=bar_s,
        parent=parent,
    )  # fmt: skip
    decision = decide(book, signal)
    assert (decision.outcome, apply(book, decision.event)) == (Outcome.APPLIED, Outcome.APPLIED)
    return key


def tell(book: Book, kind: EventKind, **columns: int) -> None:
    assert apply(book, event(kind, **columns)) == Outcome.APPLIED


def sound() -> Book:
    """Return a book with closed and open lots, a working entry, a guard, fees, income and two instruments."""
    book = Book()
    for number in (1, 2):
        tell(book, K.INSTRUMENT, instrument=number, revision=4, order_type=4, price_ticks=100, qty_lots=SHARE, target_lots=1)
        tell(book, K.MARK, instrument=number, price_ticks=1_000_000)
    tell(book, K.DEPOSIT, cash_e8=100_000 * 10**8)
    tell(book, K.DAY, revision=738_000)
    first = claim(book, 1, 100, 60)
    tell(book, K.FILL, key=first, instrument=1, side=1, qty_lots=60 * SHARE, price_ticks=1_000_000, exec_id=1, time_ns=61)
    tell(book, K.FILL, key=first, instrument=1, side=1, qty_lots=40 * SHARE, price_ticks=1_001_000, exec_id=2, time_ns=62)
    tell(book, K.COMMISSION, exec_id=1, fee_e8=10**8)
    leaving = claim(book, 1, 70, 120)
    tell(book, K.FILL, key=leaving, instrument=1, side=-1, qty_lots=30 * SHARE, price_ticks=1_020_000, exec_id=3, time_ns=121)
    claim(book, 1, 0, 180, Purpose.STOP_LOSS)
    tell(book, K.DIVIDEND, instrument=1, cash_e8=5 * 10**8)
    claim(book, 2, 50, 240)
    assert check(book) == Invariant.HOLDS
    return book


def put(section: int, number: int, column: int, change: int) -> Callable[[Book], None]:
    """Return a change of one column of one row."""

    def corrupt(book: Book) -> None:
        book.arena[row(book.arena, section, number) + column] += change

    return corrupt


def head(column: int, change: int) -> Callable[[Book], None]:
    """Return a change of one column of the account."""

    def corrupt(book: Book) -> None:
        book.arena[column] += change

    return corrupt


def both(*changes: Callable[[Book], None]) -> Callable[[Book], None]:
    """Return several changes as one: a lie that is consistent in one place must still show in another."""

    def corrupt(book: Book) -> None:
        for change in changes:
            change(book)

    return corrupt



TABLE: list[tuple[Invariant, Callable[[Book], None]]] = [
    (Invariant.KEY_USED_ONCE, put(B.S_ORDER, 1, B.O_KEY, -(60 << 4))),
    (Invariant.EXECUTION_APPLIED_ONCE, put(B.S_ENTRY, 2, B.N_ID, -1)),
    (Invariant.STATUS_IN_TABLE, put(B.S_ORDER, 0, B.O_STATUS, 20)),
    (Invariant.FILLED_IS_ITS_EXECUTIONS, put(B.S_ORDER, 0, B.O_FILLED, 1)),
    (Invariant.FILLED_IS_ITS_EXECUTIONS, put(B.S_ORDER, 0, B.O_FILLED_VALUE, 1)),
    (Invariant.FILLED_IS_ITS_EXECUTIONS, put(B.S_ORDER, 3, B.O_STATUS, OrderStatus.FILLED - OrderStatus.CLAIMED)),
    (Invariant.FILLED_IS_ITS_EXECUTIONS, put(B.S_ORDER, 0, B.O_QTY, -1)),
    (Invariant.LIVE_LIST_IS_LIVE_ORDERS, put(B.S_ORDER, 3, B.O_STATUS, OrderStatus.CANCELED - OrderStatus.CLAIMED)),
    (Invariant.LIVE_LIST_IS_LIVE_ORDERS, put(B.S_INSTRUMENT, 2, B.I_WORKING, 1)),
    (Invariant.LIVE_LIST_IS_LIVE_ORDERS, put(B.S_INSTRUMENT, 2, B.I_LIVE_ENTRIES, 1)),
    (Invariant.RESERVED_IS_LIVE_ORDERS, head(B.H_RESERVED, 1)),
    (Invariant.RESERVED_IS_LIVE_ORDERS, put(B.S_ORDER, 3, B.O_RESERVE, 1)),
    (Invariant.RESERVED_WITHIN_CASH, head(B.H_SHORT_HOLD, 10**14)),
    (Invariant.EXITS_WITHIN_POSITION, put(B.S_ORDER, 2, B.O_QTY, SHARE)),
    (Invariant.ENTRIES_SORTED, put(B.S_ENTRY, 1, B.N_TIME, 1000)),
    (Invariant.ENTRIES_SORTED, put(B.S_INSTRUMENT, 1, B.I_ENTRIES, 1)),
    (Invariant.POSITION_IS_EXECUTIONS, both(put(B.S_INSTRUMENT, 1, B.I_POSITION, 1), put(B.S_LOT, 1, B.L_OPEN, 1))),
    (Invariant.POSITION_IS_LOTS, put(B.S_LOT, 1, B.L_OPEN, 1)),
    (Invariant.POSITION_IS_LOTS, put(B.S_LOT, 1, B.L_COST, 1)),
    (Invariant.POSITION_IS_LOTS, put(B.S_LOT, 1, B.L_VERSION, 1)),
    (Invariant.POSITION_IS_LOTS, put(B.S_INSTRUMENT, 1, B.I_LOTS, -1)),
    (Invariant.ALLOCATED_WITHIN_LOT, put(B.S_ALLOC, 0, B.A_QTY, 1)),
    (Invariant.ALLOCATED_WITHIN_LOT, put(B.S_ALLOC, 0, B.A_COST, 1)),
    (Invariant.CLOSER_WITHIN_EXECUTION, put(B.S_ALLOC, 0, B.A_CLOSE, -1)),
    (Invariant.REALIZED_IS_ALLOCATIONS, put(B.S_ALLOC, 0, B.A_PROCEEDS, 1)),
    (Invariant.REALIZED_IS_ALLOCATIONS, head(B.H_REALIZED, 1)),
    (Invariant.FEES_ARE_EXECUTIONS, put(B.S_ENTRY, 1, B.N_FEE, 1)),
    (Invariant.FEES_ARE_EXECUTIONS, head(B.H_FEES, 1)),
    (Invariant.CASH_IS_ENTRIES, head(B.H_CASH, 1)),
    (Invariant.CASH_IDENTITY, head(B.H_DEPOSITS, 1)),
    (Invariant.CASH_IDENTITY, head(B.H_INCOME, 1)),
    (Invariant.COUNTERS_ARE_RECOUNT, head(B.H_OPEN, 1)),
    (Invariant.COUNTERS_ARE_RECOUNT, head(B.H_DAY_ORDERS, 1)),
    (Invariant.COUNTERS_ARE_RECOUNT, put(B.S_INSTRUMENT, 1, B.I_OPEN, -1)),
    (Invariant.EQUITY_IS_CASH_AND_POSITIONS, head(B.H_VALUE, 1)),
    (Invariant.EQUITY_IS_CASH_AND_POSITIONS, put(B.S_INSTRUMENT, 1, B.I_MARK, 1)),
    (Invariant.EQUITY_IS_CASH_AND_POSITIONS, head(B.H_UNMARKED, 1)),
]


@pytest.mark.parametrize(("broken", "corrupt"), TABLE, ids=[f"{i}-{t[0].name}" for i, t in enumerate(TABLE)])
def test_one_number_changed_by_hand_breaks_the_invariant_it_belongs_to(
    broken: Invariant, corrupt: Callable[[Book], None]
) -> None:
    book = sound()
    corrupt(book)
    assert check(book) == broken


def test_two_live_entries_on_one_instrument_break_their_own_invariant() -> None:
    book = sound()
    at = row(book.arena, B.S_ORDER, 3)
    twin = claim_twin(book)
    assert check(book) == Invariant.HOLDS, "two entries are sound while the strategy declares pyramiding"
    book.arena[row(book.arena, B.S_ORDER, twin) + B.O_FLAGS] &= ~int(OrderFlag.PYRAMID)
    assert book.arena[at + B.O_FLAGS] & OrderFlag.OPENING
    assert check(book) == Invariant.ONE_LIVE_ENTRY


def claim_twin(book: Book) -> int:
    """Claim a second, pyramiding entry on instrument 2 and return its row."""
    signal = event(
        K.SIGNAL, key=make(1, 2, Purpose.ADD, 300), instrument=2, target_lots=60 * SHARE, price_ticks=1_010_000, time_ns=300,
        flags=int(OrderFlag.PYRAMID),
    )  # fmt: skip
    decision = decide(book, signal)
    assert apply(book, decision.event) == Outcome.APPLIED
    return len(book.orders) - 1


def test_every_invariant_has_a_book_that_breaks_it() -> None:
    shown = {broken for broken, _ in TABLE} | {Invariant.ONE_LIVE_ENTRY, Invariant.HOLDS}
    assert shown == set(Invariant)


def test_a_damaged_list_gives_an_answer_and_not_a_hang() -> None:
    book = sound()
    book.arena[row(book.arena, B.S_ENTRY, 2) + B.N_NEXT] = 3
    assert check(book) == Invariant.ENTRIES_SORTED
