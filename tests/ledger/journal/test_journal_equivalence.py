"""One history gives one book, whichever way it goes through the journal."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.ledger.journal.journal_streams import opening, proposals, signal, stream

from ledger import core
from ledger.book import E_CASH, E_INSTRUMENT, Book, event
from ledger.journal import Journal, JournalError, JournalHalted, snapshots, source_hash
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


def test_a_snapshot_spares_the_events_before_it_unless_anything_about_it_is_another(journal: Journal) -> None:
    """The second event is taken away, so that only a snapshot can give the book."""
    events, book = stream(5)
    session = journal.begin("backtest", "x", config={})
    session.record_all(events)
    session.snapshot()
    session.record(opening()[4])
    connection, (file,) = journal.connection, (journal.path.parent / "a.db.snapshots").iterdir()
    for trigger in ("event_delete", "event_update"):
        connection.execute(f"DROP TRIGGER {trigger}")
    connection.execute("DELETE FROM event WHERE seq = 2")
    assert journal.book(1, upto=len(events)) == book and journal.book(1).seq == len(events) + 1
    with pytest.raises(JournalError, match="event 2 of session 1 does not match"):
        journal.book(1, upto=len(events) - 1)
    other = Book()
    core.apply_all(other, events[:-1])
    np.memmap(file.with_name("shorter"), np.int64, "w+", shape=other.arena.shape)[:] = other.arena
    wrong_hash, shorter = "0" * 64, hashlib.sha256(other.arena.data).hexdigest()
    for column, value in (("core_hash", "x"), ("file_hash", wrong_hash), ("event_hash", bytes(32)), ("file", "gone"), ("seq", 3)):
        connection.execute("SAVEPOINT trial")
        connection.execute(f"UPDATE snapshot SET {column} = ?", (value,))
        with pytest.raises(JournalError, match="event 2 of session 1 does not match"):
            journal.book(1)
        connection.execute("ROLLBACK TO trial")
    connection.execute("UPDATE snapshot SET file = 'shorter', file_hash = ?", (shorter,))
    with pytest.raises(JournalError, match="event 2 of session 1 does not match"):
        journal.book(1)
    connection.execute("ROLLBACK")


def test_a_snapshot_is_taken_when_it_pays(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshots, "REPLAY_MOST", 3)
    session, taken = journal.begin("backtest", "x", config={}), []
    for row in [None, *opening()]:
        if row is not None:
            session.record(row)
        session.snapshot_if_due()
        taken.append(journal.connection.execute("SELECT coalesce(max(seq), 0) FROM snapshot").fetchone()[0])
    assert taken == [0, 0, 0, 3, 3, 3, 6]


def test_the_newest_snapshots_are_kept_and_no_file_without_its_row(journal: Journal) -> None:
    session = journal.begin("backtest", "x", config={})
    session.snapshot()
    assert journal.connection.execute("SELECT count(*) FROM snapshot").fetchone() == (0,), "there is no state before the first event"
    for row in opening()[:4]:
        session.record(row)
        session.snapshot()
    rows = journal.connection.execute("SELECT seq, file FROM snapshot ORDER BY seq").fetchall()
    assert [seq for seq, _ in rows] == [3, 4] and snapshots.KEPT == 2
    assert sorted(path.name for path in (journal.path.parent / "a.db.snapshots").iterdir()) == sorted(file for _, file in rows)


@pytest.mark.parametrize("upto", [-1, 7])
def test_there_is_no_book_after_an_event_that_is_not_there(journal: Journal, upto: int) -> None:
    journal.begin("backtest", "x", config={}).record_all(np.array(opening()))
    with pytest.raises(JournalError, match=rf"events 1..6; there is no state after event {upto}"):
        journal.book(1, upto=upto)
    assert journal.book(1, upto=0) == Book()


def test_a_number_or_a_text_that_can_be_no_name_is_refused(journal: Journal) -> None:
    session = journal.begin("backtest", "x", config={})
    assert session.name("AAPL") == 1 and session.text(1) == "AAPL"
    for number in (-1, 0, 2):
        with pytest.raises(JournalError, match=rf"has no name {number}; it has 1..1"):
            session.text(number)
    session = journal.begin("paper", "DU1", config={})
    for text in ("", "a\0b"):
        with pytest.raises(JournalError, match="cannot be a name"):
            session.name(text)


@pytest.mark.parametrize("row", [np.zeros(19, np.int64), np.zeros(20, np.int32), np.zeros(20), np.zeros((1, 20), np.int64)], ids=str)
def test_what_is_no_event_is_the_callers_fault_and_the_session_goes_on(journal: Journal, row: np.ndarray) -> None:
    session = journal.begin("paper", "DU1", config={})
    for way in (session.record, session.gate, session.record_all):
        if not (way == session.record_all and row.shape == (1, 20)):
            with pytest.raises(TypeError, match=r"expected int64\["):
                way(row)
    for rows in (np.zeros((1, 19), np.int64), np.zeros((1, 20), np.int32), np.zeros((1, 20))):
        with pytest.raises(TypeError, match=r"expected int64\["):
            session.record_all(rows)
    assert session.record(opening()[0]) == Outcome.APPLIED


def test_what_is_no_valuation_is_refused_and_the_next_ones_follow_the_last(journal: Journal) -> None:
    session = journal.begin("backtest", "x", config={})
    for bad in (np.zeros(5, np.int64), np.zeros((1, 4), np.int64), np.zeros((1, 5))):
        with pytest.raises(TypeError, match=r"valuations are int64\[n, 5\]"):
            session.valuations(bad)
    for batch in range(2):
        session.valuations(np.array([[batch, 1, 5, 6, 0], [batch, 2, 5, 7, 0]]))
    session.record_all(np.zeros((0, 20), np.int64))
    found = journal.connection.execute("SELECT number, time_ns, equity_e8 FROM valuation ORDER BY number").fetchall()
    assert found == [(1, 0, 11), (2, 0, 12), (3, 1, 11), (4, 1, 12)] and session.book.seq == 0


def test_a_gate_that_decides_otherwise_than_it_applies_halts_and_stores_nothing(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = journal.begin("paper", "DU1", config={})
    session.record_all(np.array(opening()))
    decided = core.decide(session.book, signal(1, 10_000, 1))
    decided.event[E_CASH] += 1
    monkeypatch.setattr(core, "decide", lambda book, wish: decided)
    with pytest.raises(JournalHalted, match="decide answered APPLIED and apply BAD_EVENT"):
        session.gate(signal(1, 10_000, 1))
    assert journal.sessions()[0].events == 6


@pytest.mark.parametrize("kind", ["paper", "backtest"])
def test_a_closed_session_answers_nothing_and_can_be_closed_again(journal: Journal, kind: str) -> None:
    session, row = journal.begin(kind, "DU1", config={}), opening()[0]
    session.name("AAPL")
    session.record(row)
    session.close()
    session.close()
    asked: list[Callable[[], object]] = [
        lambda: session.book, lambda: session.record(row), lambda: session.gate(row), lambda: session.record_all(np.array([row])),
        lambda: session.valuations(np.zeros((1, 5), np.int64)), lambda: session.names_of(["AAPL"]), lambda: session.text(1),
        session.symbols, session.names, lambda: session.remarks(EventKind.MARK), lambda: session.keep("s", "b"), session.flush,
        session.kept, session.snapshot, session.snapshot_if_due, session.project, session.heartbeat, session.end,
    ]  # fmt: skip
    for ask in asked:
        with pytest.raises(JournalHalted, match="is halted: it was closed"):
            ask()
    assert journal.sessions()[0].events == 1 and journal.sessions()[0].status == "open"


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
        assert first.names_of(["X", "AAPL", "Y", "X"]) == [3, 1, 4, 3] and second.text(4) == "Y"
        assert second.name("Z") == 5 and first.names()[5] == "Z"
        alone = one.begin("paper", "DU1", config={})
        assert alone.names_of(["X", "Y", "X"]) == [1, 2, 1] and alone.name("Y") == 2


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


def test_a_neighbour_knows_the_symbol_that_another_process_defined(tmp_path: Path) -> None:
    with Journal.open(tmp_path / "a.db") as one, Journal.open(tmp_path / "a.db") as two:
        first = one.begin("fuzz", "x", config={})
        second = two.resume(first.id)
        defined = opening()[0]
        defined[-1] = first.name("AAPL")
        assert first.record(defined) == Outcome.APPLIED
        assert second.record(event(EventKind.MARK, instrument=1, price_ticks=100)) == Outcome.APPLIED
        assert second.symbols() == {1: "AAPL"} and second.text(1) == "AAPL"
        assert one.connection.execute("SELECT symbol, mark_ticks FROM instrument").fetchall() == [("AAPL", 100)]
        assert one.verify(first.id).ok


def test_the_source_hash_takes_less_than_50_ms() -> None:
    import time

    source_hash()
    best = min(_timed(time.perf_counter) for _ in range(5))
    assert best < 0.05


def _timed(clock) -> float:  # type: ignore[no-untyped-def]
    start = clock()
    source_hash()
    return float(clock() - start)
