"""Fee shares: whatever happened to the lots, the parts of a fee add to the fee."""

from __future__ import annotations

import numpy as np
import pytest

from ledger.book import (
    A_CLOSE, A_INSTRUMENT, A_LOT, A_VERSION, I_VERSION, L_ENTRY, L_OPEN, L_VERSION, N_FEE, N_INSTRUMENT, N_KIND, N_QTY, Book,
    U_ENTRY, U_INSTRUMENT, U_QTY, U_VERSION, event,
)  # fmt: skip
from ledger.core import apply
from ledger.kernels.fees import fee_shares
from ledger.vocabulary import EventKind, Method, Outcome
from tests.arbitrary import Seeded, Stream
from tests.ledger.twin.comparison import Pair

SHARE = 10_000


def unmatched_entries(book: Book) -> set[int]:
    """Return the entries with an unmatched part in the current version: their fee has nothing to go with."""
    rows = book.unmatched
    current = [r for r in rows if r[U_VERSION] == book.instruments[r[U_INSTRUMENT], I_VERSION] and r[U_QTY] > 0]
    return {int(r[U_ENTRY]) for r in current}


@pytest.mark.parametrize("method", list(Method))
@pytest.mark.parametrize("seed", range(12))
def test_the_shares_of_all_fees_add_to_the_fees_of_the_book(method: Method, seed: int) -> None:
    pair = Pair(method)
    stream = Stream(Seeded(seed), pair.twin)
    for line in stream.opening():
        pair.tell(line)
    for _ in range(250):
        pair.tell(stream.next())
    book = pair.book
    opened, closed, left = fee_shares(book.arena)
    entries = book.entries
    for number in range(1, len(book.instruments)):
        mine = book.allocations[:, A_INSTRUMENT] == number
        lots = book.lots[:, 0] == number
        shared = int(opened[mine].sum() + closed[mine].sum() + left[lots].sum())
        # A busted execution took part in nothing, so its fee is nobody's share.
        fees = (entries[:, N_INSTRUMENT] == number) & (entries[:, N_KIND] == EventKind.FILL) & (entries[:, N_QTY] > 0)
        missed = unmatched_entries(book)
        if not any(entries[e, N_INSTRUMENT] == number for e in missed):
            assert shared == int(entries[fees, N_FEE].sum())


def flip(fee_one: int, fee_two: int) -> Book:
    """Buy 30, then sell 50: 30 close the lot, 20 open a short."""
    book = Book()
    lines = [
        event(EventKind.INSTRUMENT, instrument=1, revision=4, order_type=4, price_ticks=1, qty_lots=SHARE, target_lots=1),
        event(EventKind.FILL, instrument=1, side=1, qty_lots=30 * SHARE, price_ticks=100_000, exec_id=1, time_ns=1),
        event(EventKind.FILL, instrument=1, side=-1, qty_lots=50 * SHARE, price_ticks=110_000, exec_id=2, time_ns=2),
        event(EventKind.COMMISSION, exec_id=1, fee_e8=fee_one),
        event(EventKind.COMMISSION, exec_id=2, fee_e8=fee_two),
    ]
    for line in lines:
        assert apply(book, line) == Outcome.APPLIED
    return book


def test_a_flip_pays_its_fee_partly_as_a_close_and_partly_as_an_opening() -> None:
    opened, closed, left = fee_shares(flip(300, 500).arena)
    assert opened.tolist() == [300] and closed.tolist() == [300] and left.tolist() == [0, 200]


def test_a_rebate_is_shared_like_a_fee() -> None:
    opened, closed, left = fee_shares(flip(-3, -7).arena)
    assert opened.tolist() == [-3] and closed.tolist() == [-4] and left.tolist() == [0, -3]


def test_an_odd_unit_goes_somewhere_and_only_once() -> None:
    book = Book()
    apply(book, event(EventKind.INSTRUMENT, instrument=1, revision=4, order_type=4, price_ticks=1, qty_lots=SHARE, target_lots=1))
    apply(book, event(EventKind.FILL, instrument=1, side=1, qty_lots=3 * SHARE, price_ticks=100_000, exec_id=1, time_ns=1))
    apply(book, event(EventKind.COMMISSION, exec_id=1, fee_e8=10))
    for number in range(3):
        line = event(EventKind.FILL, instrument=1, side=-1, qty_lots=SHARE, price_ticks=1, exec_id=2 + number, time_ns=2 + number)
        assert apply(book, line) == Outcome.APPLIED
    opened, _, left = fee_shares(book.arena)
    assert opened.tolist() == [3, 4, 3] and left.tolist() == [0]


def test_older_versions_carry_no_fee() -> None:
    book = flip(300, 500)
    assert apply(book, event(EventKind.FILL, instrument=1, side=1, qty_lots=SHARE, price_ticks=1, exec_id=9, time_ns=0)) == Outcome.APPLIED
    opened, closed, left = fee_shares(book.arena)
    old = book.allocations[:, A_VERSION] != book.instruments[1, I_VERSION]
    assert old.any() and not opened[old].any() and not closed[old].any()
    assert not left[book.lots[:, L_VERSION] != book.instruments[1, I_VERSION]].any()
    assert int(opened.sum() + closed.sum() + left.sum()) == 800


def test_the_fee_left_in_a_lot_is_of_open_lots_only() -> None:
    book = flip(300, 500)
    _, _, left = fee_shares(book.arena)
    assert np.array_equal(left != 0, book.lots[:, L_OPEN] > 0)
    assert book.lots[left != 0, L_ENTRY].tolist() == [1] and book.allocations[:, [A_LOT, A_CLOSE]].tolist() == [[0, 1]]
