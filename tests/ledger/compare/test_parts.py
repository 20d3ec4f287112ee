"""The parts add up, whatever the two sessions are: random histories, then every cause by hand."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.book import E_EXEC, E_KEY, E_KIND, E_REF, E_TIME, Book, event
from ledger.compare import Cause, CompareError, Comparison, compare, compare_many
from ledger.core import apply
from ledger.journal import Journal
from ledger.vocabulary import EventKind as K
from ledger.vocabulary import Method, Outcome
from tests.arbitrary import Drawn, Stream
from tests.ledger.journal.journal_streams import stream
from tests.oracle import Oracle

MANY = 2_000 if os.environ.get("ONEBOOK_SOAK") else 20
SWAPPED = {Cause.MISSED: Cause.EXTRA, Cause.EXTRA: Cause.MISSED}
BY_SWAP = {*Cause} - {Cause.DEPOSIT, Cause.FEE, Cause.INTEREST, Cause.MARK}
"""Causes whose share depends on what is swapped first, where both sessions have one order, execution or adjustment in different quantities."""


def stored(path: Path, *histories: np.ndarray, method: Method = Method.FIFO) -> Journal:
    """Return a journal, opened to read, with one session for each history."""
    with Journal.open(path) as journal:
        for events in histories:
            journal.begin("backtest", "x", config={}, method=method).record_all(events)
    return Journal.read(path)


def amounts(found: Comparison) -> dict[Cause, int]:
    """Return the causes that are not 0."""
    return {part.cause: part.amount_e8 for part in found.parts if part.amount_e8}


def booked(journal: Journal, number: int) -> int | None:
    """Return a session's final equity as its replayed book says it."""
    return journal.book(number).valuation().equity


def priced(events: np.ndarray, instruments: int = 3) -> np.ndarray:
    """Return a history with a last price for everything, so that the final equity is known."""
    last = int(events[:, E_TIME].max()) + 1
    marks = [event(K.MARK, instrument=n, price_ticks=1_000_000 + n, time_ns=last) for n in range(1, instruments + 1)]
    book = Book()
    return np.array([line for line in [*events, *marks] if apply(book, line) == Outcome.APPLIED])


def arbitrary(data: st.DataObject, steps: int) -> np.ndarray:
    """Return a history with everything in it: splits, corrections, foreign fills, other grids, unpriced positions."""
    twin, book, taken = Oracle(), Book(), []
    events = Stream(Drawn(data), twin)
    for fields in [*events.opening(), *(events.next() for _ in range(steps))]:
        line = event(fields["kind"], **{name: value for name, value in fields.items() if name != "kind"})
        if fields["kind"] not in (K.SIGNAL, K.NONE) and apply(book, line) == Outcome.APPLIED:
            taken.append(line)
            twin.apply(fields)
    return priced(np.array(taken), 5) if data.draw(st.integers(0, 5)) else np.array(taken)


@settings(max_examples=MANY, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(10, 160), st.sampled_from(list(Method)))
def test_the_parts_add_up_to_the_difference_of_the_books(tmp_path_factory, one, two, steps, method):
    path = tmp_path_factory.mktemp("pair") / "a.db"
    with stored(path, stream(one, steps, method)[0], priced(stream(two, steps, method)[0]), method=method) as journal:
        found = compare(journal, 1, journal, 2)
        ends = booked(journal, 1), booked(journal, 2)
        if None in ends:
            assert found.difference_e8 is None and found.residual_e8 is None
        else:
            assert found.difference_e8 == ends[1] - ends[0] == sum(part.amount_e8 for part in found.parts)
            assert found.residual_e8 == 0
            rows = sum(row.effect_e8 for row in found.rows)
            assert rows == sum(amount for row in found.rows for _, amount in row.parts)


@settings(max_examples=MANY // 2, suppress_health_check=list(HealthCheck))
@given(st.data(), st.integers(5, 60))
def test_the_parts_add_up_for_histories_with_other_grids_splits_and_unmatched_sales(tmp_path_factory, data, steps):
    path = tmp_path_factory.mktemp("pair") / "a.db"
    with stored(path, arbitrary(data, steps), arbitrary(data, steps)) as journal:
        found = compare(journal, 1, journal, 2)
        ends = booked(journal, 1), booked(journal, 2)
        known = None not in ends
        assert found.difference_e8 == (ends[1] - ends[0] if known else None)
        assert found.residual_e8 == (0 if known else None)
        rounding = next(part.amount_e8 for part in found.parts if part.cause == Cause.ROUNDING)
        assert rounding is None or abs(rounding) <= sum(side.orders + side.executions + 20 for side in (found.a, found.b))


@settings(max_examples=MANY // 2, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 10**6), st.integers(20, 200))
def test_a_session_against_itself_has_nothing_but_zeros(tmp_path_factory, seed, steps):
    path = tmp_path_factory.mktemp("pair") / "a.db"
    history = stream(seed, steps)[0]
    with stored(path, history, history) as journal:
        for found in (compare(journal, 1, journal, 1), compare(journal, 1, journal, 2)):
            assert amounts(found) == {} and found.different == () and found.certificate.equal and found.certificate.same_book
            assert found.certificate.first_event is None and found.certificate.events_equal == len(history)


@settings(max_examples=MANY // 2, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(20, 160), st.booleans())
def test_exchanging_the_sessions_negates_every_part_and_turns_missed_into_extra(tmp_path_factory, one, two, steps, shift):
    path = tmp_path_factory.mktemp("pair") / "a.db"
    other = priced(stream(two, steps)[0])
    if shift:  # no order, execution or adjustment of one is in the other
        other[other[:, E_KEY] > 0, E_KEY] += 7 << 4
        other[other[:, E_EXEC] > 0, E_EXEC] += 10**6
        other[np.isin(other[:, E_KIND], (K.ADJUST_POSITION, K.DEPOSIT, K.WITHDRAWAL)) & (other[:, E_REF] > 0), E_REF] += 10**6
    with stored(path, priced(stream(one, steps)[0]), other) as journal:
        there, back = compare(journal, 1, journal, 2), compare(journal, 2, journal, 1)
        assert there.difference_e8 == -back.difference_e8
        mine, theirs = amounts(there), {SWAPPED.get(cause, cause): -part for cause, part in amounts(back).items()}
        for cause in set(Cause) - (set() if shift else BY_SWAP):
            assert mine.get(cause, 0) == theirs.get(cause, 0), cause


# Ablation: take a cause away and the proof goes red.


def eventful(draw: int) -> np.ndarray:
    return priced(stream(draw, 220)[0])


@pytest.mark.parametrize(
    ("kinds", "cause"),
    [
        ({K.DEPOSIT, K.WITHDRAWAL}, Cause.DEPOSIT), ({K.DIVIDEND}, Cause.CORPORATE_ACTION), ({K.BORROW_FEE}, Cause.INTEREST),
        ({K.ADJUST_CASH}, Cause.ADJUSTMENT),
    ],
)  # fmt: skip
def test_the_residual_is_red_when_a_flow_is_not_counted(tmp_path, monkeypatch, kinds, cause):
    from ledger.compare import reading

    base = eventful(4)
    flows = [event(kind, instrument=1, cash_e8=10 + kind, ref=77, time_ns=int(base[-1, E_TIME])) for kind in sorted(kinds)]
    with stored(tmp_path / "a.db", base, np.array([*base, *flows])) as journal:
        assert amounts(compare(journal, 1, journal, 2)).keys() == {cause}
        monkeypatch.setattr(reading, "_CASH", {kind: sign for kind, sign in reading._CASH.items() if kind not in kinds})
        with pytest.raises(CompareError, match="unexplained"):
            compare(journal, 1, journal, 2)


@pytest.mark.parametrize("missing", ["_fees", "_flows"])
def test_the_residual_is_red_when_a_step_is_left_out(tmp_path, monkeypatch, missing):
    from ledger.compare.comparison import Comparing

    with stored(tmp_path / "a.db", eventful(4), eventful(11)) as journal:
        monkeypatch.setattr(Comparing, missing, lambda self: None)
        with pytest.raises(CompareError, match="unexplained"):
            compare(journal, 1, journal, 2)


@pytest.mark.parametrize("part", ["value_e8", "qty_lots"])
def test_the_residual_is_red_when_a_table_does_not_say_what_the_book_says(tmp_path, monkeypatch, part):
    from ledger.views import rows

    honest = rows.entries

    def spoiled(journal, session_id):
        found = honest(journal, session_id)
        at = max(place for place, entry in enumerate(found) if entry.kind == K.FILL and entry.qty_lots)
        found[at] = found[at]._replace(**{part: getattr(found[at], part) + 1})
        return found if session_id == 1 else honest(journal, session_id)

    with stored(tmp_path / "a.db", priced(eventful(3)[:150]), eventful(3)) as journal:
        if compare(journal, 1, journal, 2).difference_e8 is None:
            pytest.fail("this history must end with every position priced")
        monkeypatch.setattr(rows, "entries", spoiled)
        with pytest.raises(CompareError, match="unexplained"):
            compare(journal, 1, journal, 2)


def test_three_sessions_are_two_comparisons_against_the_first(tmp_path):
    with stored(tmp_path / "a.db", eventful(1), eventful(2), eventful(1)) as journal:
        first, second = compare_many([(journal, 1), (journal, 2), (journal, 3)])
        assert first == compare(journal, 1, journal, 2) and second.certificate.same_book


def test_sessions_may_stand_in_two_files(tmp_path):
    with stored(tmp_path / "a.db", eventful(1)) as one, stored(tmp_path / "b.db", eventful(2), eventful(1)) as two:
        assert compare(one, 1, two, 2).certificate.equal
        assert amounts(compare(one, 1, two, 1)) == amounts(compare(two, 2, two, 1))


def unpriced(history: np.ndarray) -> np.ndarray:
    """Return a history with a share that is held and was never priced."""
    late = event(K.FILL, instrument=3, side=1, qty_lots=10_000, price_ticks=1_000_000, exec_id=99_999, time_ns=int(history[-1, E_TIME]))
    return np.array([*[line for line in history if line[E_KIND] != K.MARK], late])


def test_without_a_price_the_difference_is_unknown_and_flows_are_told(tmp_path):
    from tests.ledger.journal.journal_streams import opening

    plain = np.array([*opening(), event(K.WITHDRAWAL, cash_e8=7, time_ns=2)])
    with stored(tmp_path / "a.db", plain, unpriced(np.array(opening()))) as journal:
        found = compare(journal, 1, journal, 2)
        told = {part.cause: part.amount_e8 for part in found.parts}
        assert (found.difference_e8, found.residual_e8, found.b.unpriced) == (None, None, ("#3",))
        assert told[Cause.DEPOSIT] == 7 and told[Cause.EXTRA] is None and found.rows[-1].effect_e8 is None
        assert any("no price" in note for note in found.notes) and not found.certificate.equal


def test_a_session_without_events_gets_a_sentence(tmp_path):
    with Journal.open(tmp_path / "a.db") as journal:
        journal.begin("backtest", "x", config={}).record_all(eventful(1))
        journal.begin("backtest", "empty", config={})
    with Journal.read(tmp_path / "a.db") as journal:
        found = compare(journal, 1, journal, 2)
        assert found.difference_e8 is None and "Session 2 has no event." in found.notes and found.rows
        with pytest.raises(Exception, match="no session 9"):
            compare(journal, 1, journal, 9)
