"""Every refusal of `decide`: each cause alone, in pairs the earlier one, counted, and without a trace in the money."""

from __future__ import annotations

from itertools import combinations

import pytest

from ledger.book import H_REFUSED
from ledger.core import apply, decide
from ledger.vocabulary import EventKind, Outcome
from tests.ledger.twin.comparison import row_of
from tests.ledger.twin.refusals import SIGNAL, Cause, answer_to, book_with, causes, event_of, signal_with

CAUSES = causes()
SETTINGS = ("GATE", "LIMIT", "WITHDRAWAL")


def test_the_base_signal_is_applied() -> None:
    assert answer_to() == Outcome.APPLIED


@pytest.mark.parametrize("cause", CAUSES, ids=lambda c: c.name)
def test_each_cause_alone_refuses_the_signal_with_its_own_name(cause: Cause) -> None:
    assert answer_to(cause).name == cause.expected.name


def test_the_table_names_every_refusal_a_signal_can_get() -> None:
    assert {cause.expected for cause in CAUSES} >= {o for o in Outcome if Outcome.KEY_CONFLICT <= o <= Outcome.NO_CASH}


def compatible(one: Cause, other: Cause) -> bool:
    """Say whether both causes can hold at once: no column set twice, and settings only, so that none undoes the other."""
    columns = [pair.split("=")[0] for cause in (one, other) for pair in cause.change.split()]
    limits = [line.split()[1] for cause in (one, other) for line in cause.before if line.startswith("LIMIT")]
    plain = all(line.startswith(SETTINGS) for cause in (one, other) for line in cause.before)
    priced = one.unpriced == other.unpriced or (one.expected < Outcome.PRICE_COLLAR or other.expected > Outcome.STALE_QUOTE)
    return plain and priced and len(set(columns)) == len(columns) and len(set(limits)) == len(limits) and "liquidate_opens" not in (one.name, other.name)


PAIRS = [
    pair for pair in combinations([c for c in CAUSES if c.expected <= Outcome.NO_CASH], 2)
    if pair[0].expected != pair[1].expected and compatible(*pair) and "loss_unknown" not in (pair[0].name, pair[1].name)
]  # fmt: skip


@pytest.mark.parametrize("pair", PAIRS, ids=lambda p: f"{p[0].name}+{p[1].name}")
def test_of_two_causes_the_one_with_the_lower_number_is_named(pair: tuple[Cause, Cause]) -> None:
    assert answer_to(*pair).name == min(cause.expected for cause in pair).name


@pytest.mark.parametrize("cause", CAUSES, ids=lambda c: c.name)
def test_a_refusal_is_counted_and_a_claim_past_the_gate_is_refused_the_same(cause: Cause) -> None:
    book, signal = book_with(cause), signal_with(cause)
    copy, before = book.copy(), book.digest()
    refused = decide(book, row_of(signal)).event
    assert apply(copy, row_of(signal | {"kind": EventKind.CLAIM, "side": 1, "qty_lots": 1_000_000})) == cause.expected
    assert copy.digest() == before == book.digest()
    assert apply(book, refused) == Outcome.APPLIED
    assert book.refusals()[cause.expected] == 1 == book.refusals().sum() == book.arena[H_REFUSED + cause.expected]
    assert book.valuation() == copy.valuation() and len(book.orders) == len(copy.orders)


def test_a_claim_decided_on_an_older_book_is_refused() -> None:
    book = book_with()
    early = decide(book, row_of(event_of(SIGNAL))).event
    late = decide(book, row_of(event_of("SIGNAL key=OTHER target_lots=500000"))).event
    assert apply(book, early) == Outcome.APPLIED
    assert apply(book, late) == Outcome.LIVE_ENTRY


def test_entries_in_a_row_are_counted_on_one_side_and_an_exit_is_none() -> None:
    repeated = next(cause for cause in CAUSES if cause.name == "repeated_buy")
    book = book_with(repeated, Cause("", Outcome.APPLIED, "", ["LIMIT reason=ALLOW_SHORT cash_e8=1"]))
    for target, expected in ((500_000 + 10_000, "REPEATED"), (0, "APPLIED"), (-10_000, "APPLIED")):
        assert decide(book, row_of(event_of(f"SIGNAL target_lots={target}"))).outcome.name == expected


def test_a_collar_too_wide_to_compute_keeps_nothing_out() -> None:
    assert answer_to(Cause("", Outcome.APPLIED, "", [f"LIMIT reason=PRICE_COLLAR_BPS cash_e8={2**61}"])) == Outcome.APPLIED
