"""One history gives one book, whichever way it goes through the journal."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.ledger.journal.journal_streams import opening, proposals, signal, stream

from ledger import core
from ledger.book import E_INSTRUMENT, Book, event
from ledger.journal import Journal, JournalError, JournalHalted, source_hash
from ledger.journal.session import _symbols
from ledger.vocabulary import EventKind, Method, Outcome

TABLES = ("instrument", '"order"', "execution", "lot", "alloc", "alloc_fee", "unmatched", "account")
quick = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def projections(journal: Journal, session_id: int) -> dict[str, list[tuple[object, ...]]]:
    """Return every projection row of a session, without the session's number."""
    return {
        table: [row[1:] for row in journal.connection.execute(f"SELECT * FROM {table} WHERE session_id = ? ORDER BY 1, 2", (session_id,))]
        for table in TABLES
    }


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal.open(tmp_path / "a.db") as opened:
        yield opened


@quick
@given(st.integers(0, 10**6), st.sampled_from(list(Method)))
def test_one_by_one_and_in_bulk_and_in_memory_give_equal_books_and_projections(seed: int, method: Method) -> None:
    events, book = stream(seed, 120, method)
    with tempfile.TemporaryDirectory() as folder, Journal.open(Path(folder) / "a.db") as journal:
        one = journal.begin("backtest", "one", config={}, method=method)
        assert all(one.record(row) == Outcome.APPLIED for row in events)
        bulk = journal.begin("backtest", "bulk", config={}, method=method)
        cut = len(events) // 3
        bulk.record_all(events[:cut])
        bulk.record_all(events[cut:])
        assert one.book.digest() == bulk.book.digest() == book.digest()
        assert projections(journal, one.id) == projections(journal, bulk.id)
        assert journal.verify(one.id).findings == [] == journal.verify(bulk.id).findings


@quick
@given(st.integers(0, 10**6))
def test_a_reopened_session_is_the_session_that_was_closed(seed: int) -> None:
    events, _ = stream(seed, 100)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.db"
        with Journal.open(path) as journal:
            session = journal.begin("paper", "DU1", config={})
            for number, row in enumerate(events):
                session.record(row)
                if number == len(events) // 2:
                    session.snapshot()
            digest = session.book.digest()
        with Journal.open(path) as journal:
            assert journal.resume(1).book.digest() == digest
            assert journal.verify(1).findings == []
        with Journal.read(path) as journal:
            assert journal.book(1).digest() == digest == journal.book(1, verified=False).digest()
            half = Book()
            core.apply_all(half, events[: len(events) // 3])
            assert journal.book(1, upto=len(events) // 3) == half


@quick
@given(st.integers(0, 10**6))
def test_an_event_that_does_not_apply_stores_nothing_and_changes_nothing(seed: int) -> None:
    with tempfile.TemporaryDirectory() as folder, Journal.open(Path(folder) / "a.db") as journal:
        session = journal.begin("backtest", "x", config={})
        for row in proposals(seed, 60, session.book):
            before, stored = session.book.digest(), session.book.seq
            outcome = session.record(row)
            if outcome != Outcome.APPLIED:
                assert session.book.digest() == before
            assert journal.sessions()[0].events == session.book.seq == stored + (outcome == Outcome.APPLIED)


def test_a_bulk_with_one_bad_row_stores_nothing_and_names_the_row(journal: Journal) -> None:
    session = journal.begin("backtest", "x", config={})
    events = np.array([*opening(), event(EventKind.MARK, instrument=99, price_ticks=1)])
    with pytest.raises(JournalError, match="row 6 of 7 is UNKNOWN_INSTRUMENT.*instrument=99"):
        session.record_all(events)
    assert session.book.seq == 0 and journal.sessions()[0].events == 0
    session.record_all(events[:-1])
    assert session.book.seq == 6


def test_a_refused_signal_is_stored_and_a_signal_at_target_is_not(journal: Journal) -> None:
    session = journal.begin("backtest", "x", config={})
    session.record_all(np.array(opening()))
    assert session.gate(signal(1, 0, 1)).outcome == Outcome.AT_TARGET
    assert session.book.seq == 6
    assert session.gate(signal(1, 10_000, 2)).outcome == Outcome.APPLIED
    again = session.gate(signal(1, 10_000, 2))
    assert again.outcome == Outcome.DUP_KEY and again.event[1] == EventKind.REFUSED
    assert session.book.seq == 8 and session.book.refusals()[Outcome.DUP_KEY] == 1


def test_a_snapshot_is_used_and_a_damaged_one_is_reported_and_replaced_by_replay(journal: Journal) -> None:
    events, book = stream(5)
    session = journal.begin("backtest", "x", config={})
    session.record_all(events)
    session.snapshot()
    file = next((journal.path.parent / "a.db.snapshots").iterdir())
    assert file.stat().st_mode & 0o777 == 0o600
    damaged = bytearray(file.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    file.write_bytes(damaged)
    assert journal.book(session.id) == book
    assert [finding.part for finding in journal.verify(session.id).findings] == ["snapshot"]
    file.unlink()
    assert journal.book(session.id) == book


def test_an_ended_session_is_sealed_with_its_digest(journal: Journal) -> None:
    events, book = stream(7)
    session = journal.begin("backtest", "x", config={"b": 1, "a": 2}, seed=7)
    session.record_all(events)
    session.end("done")
    info = journal.sessions()[0]
    assert (info.status, info.events, info.digest, info.config, info.seed) == ("done", len(events), book.digest(), '{"a":2,"b":1}', 7)
    assert info.source_hash == source_hash() and len(info.config_hash) == 64
    with pytest.raises(JournalError, match="has ended"):
        journal.resume(session.id)
    with pytest.raises(JournalHalted, match="closed"):
        session.record(events[0])


def test_names_are_dense_the_same_for_ever_and_shared_between_writers(tmp_path: Path) -> None:
    with Journal.open(tmp_path / "a.db") as one, Journal.open(tmp_path / "a.db") as two:
        first = one.begin("backtest", "x", config={})
        second = two.resume(first.id)
        assert [first.name("AAPL"), second.name("MSFT"), first.name("MSFT"), second.name("AAPL")] == [1, 2, 2, 1]
        assert first.text(2) == "MSFT" and second.names() == {1: "AAPL", 2: "MSFT"}
        assert first.names_of(["X", "AAPL", "Y", "X"]) == [3, 1, 4, 3]


def test_an_owner_stores_a_new_name_with_the_first_event_that_can_use_it(journal: Journal) -> None:
    session = journal.begin("paper", "DU1", config={})
    number = session.name("AAPL")
    assert journal.connection.execute("SELECT count(*) FROM name").fetchone() == (0,)
    row = opening()[0]
    row[-1] = number
    session.record(row)
    assert journal.connection.execute("SELECT number, text FROM name").fetchall() == [(1, "AAPL")]
    session.project()
    assert journal.connection.execute("SELECT symbol FROM instrument").fetchall() == [("AAPL",)]


def test_a_session_that_is_opened_again_knows_its_symbols_and_reads_no_event_behind_the_last_definition(journal: Journal) -> None:
    session, steps = journal.begin("backtest", "x", config={}), []
    first, _, _, *rest = opening()
    late = first.copy()
    first[-1], late[-1], late[E_INSTRUMENT] = session.name("AAPL"), session.name("MSFT"), 2
    session.record_all(np.array([first, *rest]))
    journal.connection.set_progress_handler(lambda: steps.append(1) and None, 100)
    for batch in range(2):
        marks = [event(EventKind.MARK, instrument=1, price_ticks=100 * (1 + n % 9), time_ns=10**18 + batch * 10**6 + n) for n in range(20_000)]
        session.record_all(np.array(marks))
        del steps[:]
        assert _symbols(journal.connection, session.id, session._names, 1) == {1: "AAPL"} and len(steps) < 20
    session.record(late)
    with Journal.open(journal.path) as again:
        assert again.resume(session.id)._tables.symbols == {1: "AAPL", 2: "MSFT"}


def test_two_processes_on_one_session_catch_up_with_each_other(tmp_path: Path) -> None:
    with Journal.open(tmp_path / "a.db") as one, Journal.open(tmp_path / "a.db") as two:
        first = one.begin("fuzz", "x", config={})
        second = two.resume(first.id)
        events, book = stream(11)
        for number, row in enumerate(events):
            assert (first, second)[number % 2].record(row) == Outcome.APPLIED
        assert one.verify(first.id).ok and two.book(first.id) == book


def test_the_source_hash_takes_less_than_50_ms() -> None:
    import time

    source_hash()
    best = min(_timed(time.perf_counter) for _ in range(5))
    assert best < 0.05


def _timed(clock) -> float:  # type: ignore[no-untyped-def]
    start = clock()
    source_hash()
    return float(clock() - start)
