"""The core against its slow twin: outcome, state and invariants after every event of arbitrary streams."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.book import H_OVERDRAWN, I_GATES, I_POSITION, I_REPEATS, O_FILLED, O_STATUS, Book, Capacity, grown
from ledger.core import apply, apply_event, decide
from ledger.keys import make
from ledger.units import QTY_MAX
from ledger.vocabulary import INSTRUMENT_LIMITS, EventKind, Gate, Limit, Method, OrderStatus, OrderType, Outcome, Purpose
from tests.arbitrary import Drawn, Seeded, Stream
from tests.ledger.twin.comparison import Pair, columns_of, row_of
from tests.ledger.twin.desk import fill, say, wish, with_instruments

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
def test_no_order_and_no_position_passes_the_bound_of_a_quantity(side: int) -> None:
    book = with_instruments((4, 4))
    assert say(book, K.LIMIT, reason=Limit.ALLOW_SHORT, cash_e8=1) == Outcome.APPLIED
    assert say(book, K.ADJUST_POSITION, instrument=1, side=side, qty_lots=QTY_MAX, ref=1) == Outcome.APPLIED
    assert wish(book, WISH["key"], -side, price=1) == fill(book, 1, side, 1, 0) == Outcome.OVERFLOW
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


def test_an_order_in_doubt_that_was_partly_filled_comes_back_as_that_and_cannot_be_given_up() -> None:
    book = with_instruments((4, 4))
    assert wish(book, WISH["key"], 100) == fill(book, 1, 1, 40, 100, key=WISH["key"]) == Outcome.APPLIED
    assert say(book, K.UNKNOWN, key=WISH["key"]) == Outcome.APPLIED
    assert book.orders[0, O_STATUS] == OrderStatus.UNKNOWN
    assert say(book, K.RELEASED, key=WISH["key"], ref=1) == Outcome.ILLEGAL_TRANSITION
    assert say(book, K.SUBMITTED, key=WISH["key"], ref=1) == Outcome.APPLIED
    assert (book.orders[0, O_STATUS], book.orders[0, O_FILLED]) == (OrderStatus.PARTIALLY_FILLED, 40)


def test_an_execution_on_another_instrument_than_its_orders_is_foreign() -> None:
    book = with_instruments((4, 4), (4, 4))
    assert wish(book, WISH["key"], 100) == fill(book, 1, 1, 100, 100, number=2, key=WISH["key"]) == Outcome.APPLIED
    assert book.orders[0, O_FILLED] == 0 and book.instruments[1:, I_POSITION].tolist() == [0, 100]
    assert book.instruments[1:, I_GATES].tolist() == [0, Gate.BLOCKED]


@pytest.mark.parametrize(
    ("kind", "columns"),
    [
        (K.COMMISSION, {"exec_id": 1, "fee_e8": 950_000}),
        (K.FILL, {"exec_id": 1, "revision": 1, "instrument": 1, "side": 1, "qty_lots": 100, "price_ticks": 9_500}),
        (K.FILL, {"exec_id": 2, "instrument": 1, "side": 1, "qty_lots": 100, "price_ticks": 9_500}),
        (K.WITHDRAWAL, {"cash_e8": 950_000}),
        (K.BORROW_FEE, {"cash_e8": 950_000, "instrument": 1}),
        (K.ADJUST_POSITION, {"instrument": 1, "side": -1, "qty_lots": 200, "price_ticks": 9_500, "ref": 1}),
    ],
)
def test_a_fact_that_eats_reserved_cash_is_noted(kind: EventKind, columns: dict[str, int]) -> None:
    book = with_instruments((4, 4), (4, 4), cash=10**6)
    assert fill(book, 1, 1, 100, 1) == wish(book, make(1, 2, Purpose.TARGET, 1), 1_000, number=2) == Outcome.APPLIED
    assert book.arena[H_OVERDRAWN] == 0
    assert say(book, kind, **columns) == Outcome.APPLIED
    assert book.arena[H_OVERDRAWN] == 1


def overfilled(qty: int, price: int) -> Iterator[Outcome]:
    """Fill one order again and again; what it brings is sold by somebody else."""
    book = with_instruments((4, 4) if price > 1 else (8, 8))
    assert wish(book, WISH["key"], 100) == Outcome.APPLIED
    for number in itertools.count(1, 2):
        yield fill(book, number, 1, qty, price, key=WISH["key"])
        assert fill(book, number + 1, -1, qty, price) == Outcome.APPLIED


def brought() -> Iterator[Outcome]:
    """Bring shares in and sell them, again and again."""
    book = with_instruments((4, 4))
    for number in itertools.count(1):
        yield say(book, K.ADJUST_POSITION, instrument=1, side=1, qty_lots=2**29, price_ticks=2**28, ref=1)
        assert fill(book, number, -1, 2**29, 2**28) == Outcome.APPLIED


def paid(kind: EventKind, **columns: int) -> Iterator[Outcome]:
    """Book the same amount again and again."""
    book = with_instruments((4, 4))
    for number in itertools.count(1):
        assert fill(book, number, 1, 1, 1) == Outcome.APPLIED
        yield say(book, kind, exec_id=number if kind == K.COMMISSION else 0, **columns)


@pytest.mark.parametrize(
    "answers",
    [
        partial(overfilled, 2**59, 1), partial(overfilled, 2**29, 2**28), partial(paid, K.COMMISSION, fee_e8=2**60),
        partial(paid, K.DEPOSIT, cash_e8=2**60), partial(paid, K.DIVIDEND, cash_e8=2**60, instrument=1),
        partial(paid, K.INTEREST, cash_e8=-(2**60)), partial(paid, K.ADJUST_CASH, cash_e8=2**60, ref=1), brought,
    ],
    ids=["quantity of an order", "value of an order", "fees", "deposits", "dividends", "interest", "corrections", "shares brought in"],
)  # fmt: skip
def test_what_only_grows_is_refused_before_it_passes_its_bound(answers: Callable[[], Iterator[Outcome]]) -> None:
    told = list(itertools.takewhile(lambda outcome: outcome == Outcome.APPLIED, itertools.islice(answers(), 50)))
    assert 3 <= len(told) < 40


def test_a_correction_to_the_other_side_is_bounded_with_what_it_gives_back() -> None:
    book = with_instruments((4, 4), cash=2**60)
    assert [say(book, K.ADJUST_CASH, cash_e8=amount, ref=1) for amount in (2**60, 2**60, 2**60 - 151)] == [Outcome.APPLIED] * 3
    assert fill(book, 9, -1, 100, 2) == Outcome.OVERFLOW
    assert fill(book, 1, 1, 100, 1) == Outcome.APPLIED
    assert fill(book, 1, -1, 100, 2, revision=1) == Outcome.OVERFLOW
    assert fill(book, 1, -1, 100, 1, revision=1) == Outcome.APPLIED


DIVIDEND = {"kind": K.DIVIDEND, "instrument": 1, "cash_e8": 7, "exec_id": 5}
BROUGHT = {"kind": K.ADJUST_POSITION, "instrument": 1, "side": 1, "qty_lots": 10, "price_ticks": 3, "exec_id": 5, "ref": 1}
SPLIT = {"kind": K.SPLIT, "instrument": 1, "side": 1, "qty_lots": 2, "price_ticks": 1, "exec_id": 5}


@pytest.mark.parametrize(
    ("fact", "change"),
    [
        (DIVIDEND, {"cash_e8": 8}), (DIVIDEND, {"instrument": 2}), (DIVIDEND, {"kind": K.INTEREST}), (DIVIDEND, {"kind": K.DEPOSIT}),
        (BROUGHT, {"side": -1}), (BROUGHT, {"qty_lots": 11}), (BROUGHT, {"price_ticks": 4}), (BROUGHT, {"instrument": 2}),
        (BROUGHT, {"revision": 1}), (BROUGHT, {"kind": K.FILL}), (BROUGHT, {"kind": K.FILL, "revision": 1}),
        (SPLIT, {"qty_lots": 3}), (SPLIT, {"price_ticks": 2}), (SPLIT, {"instrument": 2}), (SPLIT, {"revision": 1}),
        (SPLIT, {"kind": K.FILL, "revision": 1}), (SPLIT, {"kind": K.ADJUST_POSITION, "ref": 1}),
    ],
    ids=str,
)  # fmt: skip
def test_a_reference_used_again_is_the_same_fact_or_a_conflict(fact: dict[str, int], change: dict[str, int]) -> None:
    book = with_instruments((4, 4), (4, 4))
    assert apply(book, row_of(fact)) == Outcome.APPLIED
    before = book.arena.tobytes()
    assert apply(book, row_of(fact)) == Outcome.DUPLICATE
    assert apply(book, row_of(fact | change)) == Outcome.KEY_CONFLICT
    assert book.arena.tobytes() == before


@pytest.mark.parametrize(
    "change", [{"side": 0}, {"side": 2}, {"qty_lots": 0}, {"qty_lots": -1}, {"price_ticks": -1}, {"exec_id": -1}], ids=str
)
def test_shares_that_come_without_a_trade_need_a_side_a_quantity_and_a_cost(change: dict[str, int]) -> None:
    book = with_instruments((4, 4))
    assert apply(book, row_of(BROUGHT | change)) == Outcome.BAD_EVENT
    assert apply(book, row_of(BROUGHT | {"ref": 0})) == Outcome.NEEDS_EVIDENCE
    assert apply(book, row_of(SPLIT | {"exec_id": -1})) == Outcome.BAD_SPLIT


def test_the_first_price_is_taken_whenever_it_was_made_and_ends_the_doubt_about_the_equity() -> None:
    book = with_instruments((4, 4))
    assert say(book, K.ADJUST_POSITION, instrument=1, side=1, qty_lots=10, price_ticks=3, ref=1) == Outcome.APPLIED
    assert book.valuation().equity is None
    answers = [say(book, K.MARK, instrument=1, price_ticks=5, time_ns=time) for time in (2**62, -5, -6, -5)]
    assert answers == [Outcome.BAD_EVENT, Outcome.APPLIED, Outcome.SUPERSEDED, Outcome.APPLIED]
    assert book.valuation().equity == 10**15 + 50


def test_the_worth_of_all_positions_is_bounded_by_fills_and_by_prices() -> None:
    book = with_instruments(*[(4, 4)] * 3)
    for number in (1, 2):
        assert fill(book, number, 1, 2**30, 0, number=number) == Outcome.APPLIED
        assert say(book, K.MARK, instrument=number, price_ticks=2**30) == Outcome.APPLIED
    assert say(book, K.MARK, instrument=3, price_ticks=1) == fill(book, 3, 1, 1, 0, number=3) == Outcome.OVERFLOW
