"""The core against its slow twin: outcome, state and invariants after every event of arbitrary streams."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.book import H_OVERDRAWN, I_REPEATS, Book, Capacity, grown
from ledger.core import apply, apply_event, decide
from ledger.keys import make
from ledger.units import QTY_MAX
from ledger.vocabulary import INSTRUMENT_LIMITS, EventKind, Gate, Limit, Method, OrderType, Outcome, Purpose
from tests.arbitrary import Drawn, Seeded, Stream
from tests.ledger.twin.comparison import Pair, columns_of, row_of
from tests.ledger.twin.desk import say, wish, with_instruments

K = EventKind
TINY = Capacity(instruments=2, orders=1, entries=1, lots=1, allocs=1, unmatched=1)
NUMBER_OF_SEEDS, STEPS = 90, 90


def told(seed: int, steps: int = STEPS, capacity: Capacity | None = None) -> tuple[Pair, Counter[int]]:
    """Tell a pair the stream of a seed; every fourth stream goes to the edges of the bounds."""
    pair = Pair(seed % 4, capacity)
    stream = Stream(Seeded(seed), pair.twin, edges=seed % 3 == 2)
    kinds: Counter[int] = Counter()
    for event in stream.opening():
        kinds[event["kind"]] += 1
        pair.tell(event)
    for _ in range(steps):
        event = stream.next()
        kinds[event["kind"]] += 1
        pair.tell(event)
    return pair, kinds


@given(st.data(), st.sampled_from(Method), st.booleans(), st.integers(1, 30))
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
def test_any_stream_of_events_leaves_the_book_as_its_twin_says(data: st.DataObject, method: Method, edges: bool, steps: int) -> None:
    pair = Pair(method)
    stream = Stream(Drawn(data), pair.twin, edges)
    for event in stream.opening():
        pair.tell(event)
    for _ in range(steps):
        pair.tell(stream.next())


@pytest.fixture(scope="module")
def coverage() -> tuple[Counter[int], Counter[int]]:
    """Run the seeded streams once: (outcomes reached, kinds sent). Each step is compared inside."""
    outcomes: Counter[int] = Counter()
    kinds: Counter[int] = Counter()
    for seed in range(NUMBER_OF_SEEDS):
        pair, sent = told(seed)
        outcomes.update(pair.outcomes)
        kinds.update(sent)
    return outcomes, kinds


@pytest.mark.parametrize("outcome", [o for o in Outcome if o != Outcome.BOOK_FULL], ids=lambda o: o.name)
def test_the_generator_reaches_every_outcome(coverage: tuple[Counter[int], Counter[int]], outcome: Outcome) -> None:
    assert coverage[0][outcome] > 0, f"no stream was ever answered {outcome.name}: it is not tested"


@pytest.mark.parametrize("kind", list(EventKind), ids=lambda k: k.name)
def test_the_generator_sends_every_kind_of_event(coverage: tuple[Counter[int], Counter[int]], kind: EventKind) -> None:
    assert coverage[1][kind] > 0


@pytest.mark.parametrize("seed", range(6))
def test_a_grown_book_equals_a_book_born_large(seed: int) -> None:
    small, _ = told(seed, 60, TINY)
    large = Book(method=Method(seed % 4), capacity=Capacity(64, 4096, 4096, 4096, 4096, 4096))
    for row in small.rows:
        apply(large, row)
    assert large == small.book
    assert large.digest() == small.book.digest() == Book(grown(small.book.arena, Capacity(200, 200, 200, 200, 200, 200))).digest()


def test_a_full_arena_is_refused_and_left_as_it_was() -> None:
    seen = Counter()
    for seed in range(6):
        pair, _ = told(seed, 60)
        small = Book(method=Method(seed % 4), capacity=TINY)
        for row in pair.rows:
            before = small.arena.tobytes()
            outcome = Outcome(apply_event(small.arena, row))
            seen[outcome] += 1
            if outcome != Outcome.APPLIED:
                assert small.arena.tobytes() == before
            if outcome == Outcome.BOOK_FULL:
                small = Book(grown(small.arena, Capacity(*[2 * n for n in (64, 64, 512, 512, 2048, 512)])))
                assert Outcome(apply_event(small.arena, row)) != Outcome.BOOK_FULL
    assert seen[Outcome.BOOK_FULL] > 0


@pytest.mark.parametrize("seed", range(4))
def test_an_outcome_other_than_applied_changes_no_byte_and_decide_changes_none(seed: int) -> None:
    pair, _ = told(seed, 60)
    roomy = Book(method=Method(seed % 4), capacity=Capacity(64, 4096, 4096, 4096, 4096, 4096))
    for row in pair.rows:
        before, event = roomy.arena.tobytes(), row.tobytes()
        decide(roomy, row)
        assert roomy.arena.tobytes() == before and row.tobytes() == event
        if apply(roomy, row) != Outcome.APPLIED:
            assert roomy.arena.tobytes() == before
        assert row.tobytes() == event


def test_a_copy_shares_nothing_with_its_book() -> None:
    pair, _ = told(1)
    copy, digest = pair.book.copy(), pair.book.digest()
    assert copy == pair.book and not np.shares_memory(copy.arena, pair.book.arena)
    assert apply(copy, row_of({"kind": EventKind.DEPOSIT, "cash_e8": 1})) == Outcome.APPLIED
    assert pair.book.digest() == digest != copy.digest() and copy != pair.book


def test_digests_are_equal_if_and_only_if_books_are_equal() -> None:
    books = [told(seed, steps)[0].book for seed in range(4) for steps in (0, 10, 30)]
    books += [book.copy() for book in books] + [Book(grown(book.arena, Capacity(99, 999, 999, 999, 999, 999))) for book in books]
    for one in books:
        for other in books:
            assert (one == other) == (one.digest() == other.digest())


def test_one_changed_number_anywhere_in_the_rows_changes_the_digest() -> None:
    book = told(2)[0].book
    digest = book.digest()
    sections = (book.instruments, book.orders, book.entries, book.lots, book.allocations)
    for rows in sections:
        for column in range(rows.shape[1]):
            rows[-1, column] += 1
            assert book.digest() != digest
            rows[-1, column] -= 1
    assert book.digest() == digest


# What the streams draw too seldom: numbers at both ends, and each column changed alone.

WISH = {"key": make(1, 1, Purpose.TARGET, 1), "instrument": 1, "target_lots": 100, "price_ticks": 100, "order_type": OrderType.LIMIT}
NAMING = [K.FILL, K.ADJUST_POSITION, K.SPLIT, K.MARK, K.DIVIDEND, K.BORROW_FEE, K.GATE, K.LIMIT]


@pytest.mark.parametrize("number", [-(2**62), -2, -1, 3, 4, 2**40, 2**62])
@pytest.mark.parametrize("kind", NAMING, ids=lambda k: k.name)
def test_a_number_that_no_instrument_has_reaches_no_byte_of_the_book(kind: EventKind, number: int) -> None:
    book = with_instruments((4, 4), (4, 4), instruments=8)
    columns = {"side": 1, "qty_lots": 1, "price_ticks": 1, "exec_id": 7, "ref": 1, "reason": 1, "cash_e8": 5}
    event, before = columns | {"kind": kind, "instrument": number}, book.arena.tobytes()
    assert apply(book, row_of(event)) == decide(book, row_of(WISH | event)).outcome == Outcome.UNKNOWN_INSTRUMENT
    assert book.arena.tobytes() == before
    assert apply(book, row_of(event | {"instrument": 2})) == Outcome.APPLIED


def test_a_limit_is_within_its_bounds_and_some_are_the_accounts_alone() -> None:
    for which in set(Limit):
        book = with_instruments((4, 4), (4, 4))
        before = book.arena.tobytes()
        answer = say(book, K.LIMIT, instrument=1, reason=which, cash_e8=1)
        assert (answer == Outcome.APPLIED) == (which < INSTRUMENT_LIMITS), which
        assert answer == Outcome.APPLIED or book.arena.tobytes() == before
        assert {say(book, K.LIMIT, instrument=n, reason=which, cash_e8=2**62 + 1) for n in (0, 1)} == {Outcome.BAD_EVENT}
        assert which == Limit.CASH_FLOOR or say(book, K.LIMIT, reason=which, cash_e8=-2) == Outcome.BAD_EVENT


@pytest.mark.parametrize("change", ["revision=5", "order_type=5", "price_ticks=2", "qty_lots=2", "target_lots=2", "flags=1"])
def test_an_instrument_is_defined_once_and_every_column_of_it_counts(change: str) -> None:
    book, (column, value) = with_instruments((4, 4)), change.split("=")
    defined = {"instrument": 1, "revision": 4, "order_type": 4, "price_ticks": 1, "qty_lots": 1, "target_lots": 1}
    assert say(book, K.INSTRUMENT, **defined) == Outcome.DUPLICATE
    assert say(book, K.INSTRUMENT, **defined | {column: int(value)}) == Outcome.KEY_CONFLICT


@pytest.mark.parametrize("order_type", [OrderType.LIMIT, OrderType.MARKET])
@pytest.mark.parametrize(
    "column", ["target_lots", "price_ticks", "order_type", "flags", "stop_ticks", "take_ticks", "trail_ticks", "parent"]
)
def test_a_key_used_again_is_the_same_wish_in_every_column_or_a_conflict(column: str, order_type: OrderType) -> None:
    book, wished = with_instruments((4, 4)), WISH | {"order_type": order_type, "stop_ticks": 90, "take_ticks": 110}
    assert apply(book, decide(book, row_of(wished | {"kind": K.SIGNAL})).event) == Outcome.APPLIED
    assert decide(book, row_of(wished | {"kind": K.SIGNAL})).outcome == Outcome.DUP_KEY
    moved = wished | {"kind": K.SIGNAL, column: wished.get(column, 0) + 1}
    expected = Outcome.DUP_KEY if (column, order_type) == ("price_ticks", OrderType.MARKET) else Outcome.KEY_CONFLICT
    assert decide(book, row_of(moved)).outcome == expected


@pytest.mark.parametrize(
    ("column", "value"), [("side", -1), ("side", 0), ("qty_lots", 99), ("qty_lots", -100), ("cash_e8", 0), ("cash_e8", 10**6)]
)
def test_a_claim_says_what_the_gate_says_or_is_refused(column: str, value: int) -> None:
    book = with_instruments((4, 4))
    claim = columns_of(decide(book, row_of(WISH | {"kind": K.SIGNAL})).event)
    before = book.arena.tobytes()
    assert claim[column] != value
    assert apply(book, row_of(claim | {column: value})) == Outcome.BAD_EVENT
    assert book.arena.tobytes() == before
    assert apply(book, row_of(claim)) == Outcome.APPLIED


@pytest.mark.parametrize("side", [1, -1])
def test_no_order_is_larger_than_a_position_may_be(side: int) -> None:
    book = with_instruments((4, 4))
    assert say(book, K.LIMIT, reason=Limit.ALLOW_SHORT, cash_e8=1) == Outcome.APPLIED
    assert say(book, K.ADJUST_POSITION, instrument=1, side=side, qty_lots=QTY_MAX, ref=1) == Outcome.APPLIED
    assert wish(book, WISH["key"], -side, price=1) == Outcome.OVERFLOW
    assert wish(book, make(1, 1, Purpose.TARGET, 2), 0, price=1) == Outcome.APPLIED


@pytest.mark.parametrize("joined", [True, False], ids=["one group", "two groups"])
@pytest.mark.parametrize(("stop", "take"), [(100, 50), (50, 100), (100, 100)])
def test_guards_of_one_group_hold_the_most_that_one_of_them_can_sell_and_groups_hold_their_sum(stop: int, take: int, joined: bool) -> None:
    book = with_instruments((4, 4))
    assert say(book, K.ADJUST_POSITION, instrument=1, side=1, qty_lots=300, ref=1) == Outcome.APPLIED
    for purpose, qty, group in ((Purpose.STOP_LOSS, stop, 7), (Purpose.TAKE_PROFIT, take, 7 if joined else 8)):
        assert wish(book, make(1, 1, purpose, 1), 300 - qty, parent=group) == Outcome.APPLIED
    free = 300 - (max(stop, take) if joined else stop + take)
    assert wish(book, make(1, 1, Purpose.TARGET, 1), 300 - free - 1) == Outcome.NO_QTY
    assert wish(book, make(1, 1, Purpose.TARGET, 2), 300 - free) == Outcome.APPLIED


def test_only_a_person_who_lowers_blocked_starts_the_count_of_entries_in_a_row_anew() -> None:
    book = with_instruments((4, 4))
    assert wish(book, WISH["key"], 100) == Outcome.APPLIED
    for side, bits, count in ((1, Gate.BLOCKED, 1), (1, Gate.HALTED, 1), (-1, Gate.HALTED, 1), (-1, Gate.BLOCKED, 0)):
        assert say(book, K.GATE, instrument=1, side=side, reason=bits) == Outcome.APPLIED
        assert book.instruments[1, I_REPEATS] == count


def test_an_entry_that_is_paid_for_ends_the_note_of_an_overdraft() -> None:
    book = with_instruments((4, 4), (4, 4), cash=10**6)
    assert wish(book, WISH["key"], 1_000) == Outcome.APPLIED
    assert say(book, K.WITHDRAWAL, cash_e8=950_000) == Outcome.APPLIED
    assert book.arena[H_OVERDRAWN] == 1
    assert say(book, K.DEPOSIT, cash_e8=950_000) == wish(book, make(1, 2, Purpose.TARGET, 1), 100, number=2) == Outcome.APPLIED
    assert book.arena[H_OVERDRAWN] == 0
