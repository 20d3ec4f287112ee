"""The core against its slow twin: outcome, state and invariants after every event of arbitrary streams."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.book import Book, Capacity, grown
from ledger.core import apply, apply_event, decide
from ledger.vocabulary import EventKind, Method, Outcome
from tests.arbitrary import Drawn, Seeded, Stream
from tests.ledger.twin.comparison import Pair, row_of

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
