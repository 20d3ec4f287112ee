"""The tables that views read: behind the events at times, never beside them."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.ledger.journal.journal_streams import opening, stream

from ledger import views
from ledger.book import event
from ledger.journal import Journal, JournalLocked, replay, tables
from ledger.journal.session import Session
from ledger.vocabulary import EventKind, Method, Outcome

quick = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def abandon(journal: Journal) -> None:
    """Leave a journal as a killed process does: nothing more is written, and its locks are gone."""
    for session in journal._sessions:
        session._stopped = "its process is gone"
    journal.close()


@quick
@given(st.integers(0, 10**6), st.sampled_from(list(Method)), st.lists(st.sampled_from([1, 2, 5, 17, 40, 90]), max_size=12))
def test_tables_brought_up_after_any_number_of_events_say_what_the_book_says(seed: int, method: Method, rests: list[int]) -> None:
    events, _ = stream(seed, 150, method)
    with tempfile.TemporaryDirectory() as folder, Journal.open(Path(folder) / "a.db") as journal:
        session = journal.begin("paper", "DU1", config={}, method=method)
        pauses = {sum(rests[: n + 1]) for n in range(len(rests))}
        for number, row in enumerate(events, 1):
            assert session.record(row) == Outcome.APPLIED
            assert views.behind(journal, 1) < tables.PROJECT_EVERY
            if number in pauses:
                session.project()
                assert views.behind(journal, 1) == 0
            if number in pauses or number % 50 == 0:
                assert journal.verify(1).findings == []


@quick
@given(st.integers(0, 10**6), st.sampled_from(list(Method)), st.integers(1, 150))
def test_the_next_owner_writes_the_rows_that_a_killed_one_left_out(seed: int, method: Method, killed: int) -> None:
    events, _ = stream(seed, 150, method)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.db"
        journal = Journal.open(path)
        session = journal.begin("paper", "DU1", config={}, method=method)
        for row in events[:killed]:
            session.record(row)
        late = views.behind(journal, 1)
        abandon(journal)
        with Journal.read(path) as reader:
            assert reader.verify(1).findings == [] and views.behind(reader, 1) == late
        with Journal.open(path) as journal:
            session = journal.resume(1)
            assert views.behind(journal, 1) == 0 and journal.verify(1).findings == []
            for row in events[killed:]:
                session.record(row)
        with Journal.read(path) as reader:
            assert reader.verify(1).findings == [] and views.behind(reader, 1) == 0


def some(path: Path) -> Journal:
    journal = Journal.open(path)
    session = journal.begin("paper", "DU1", config={})
    for row in opening():
        session.record(row)
    return journal


def test_without_the_recovery_at_the_start_rows_would_be_missing_and_verify_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    abandon(some(tmp_path / "a.db"))
    monkeypatch.setattr(Session, "adopt_tables", lambda self, _last: self._tables.are(self._book.arena))
    with Journal.open(tmp_path / "a.db") as journal:
        journal.resume(1).record(event(EventKind.DEPOSIT, cash_e8=5, time_ns=2))
    with Journal.read(tmp_path / "a.db") as reader:
        assert {finding.part for finding in reader.verify(1).findings} == {"projection"}


def test_an_ended_or_shared_session_may_not_be_behind(tmp_path: Path) -> None:
    with Journal.open(tmp_path / "a.db") as journal:
        for kind in ("paper", "fuzz"):
            session = journal.begin(kind, kind, config={})
            for row in opening():
                session.record(row)
            session.end()
            assert views.behind(journal, session.id) == 0
            journal.connection.execute("UPDATE account SET seq = seq - 1 WHERE session_id = ?", (session.id,))
            found = journal.verify(session.id).findings
            assert "they may be 0 events behind" in found[0].text


def test_a_heartbeat_brings_the_tables_up(tmp_path: Path) -> None:
    with some(tmp_path / "a.db") as journal:
        assert views.behind(journal, 1) == 6
        journal._sessions[0].heartbeat()
        assert views.behind(journal, 1) == 0


def test_closing_a_session_that_cannot_write_still_gives_the_account_back(tmp_path: Path) -> None:
    journal = some(tmp_path / "a.db")

    def busy(session: Session) -> None:
        raise JournalLocked("held by another program")

    session = journal._sessions[0]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Session, "project", busy)
        with pytest.raises(JournalLocked):
            session.close()
    journal.close()
    with Journal.open(tmp_path / "a.db") as again:
        again.resume(1)
        assert views.behind(again, 1) == 0 and again.verify(1).ok


@pytest.mark.parametrize("behind", [1, 7, 40])
def test_a_bulk_after_single_events_leaves_no_row_of_those_out(tmp_path: Path, behind: int) -> None:
    events, _ = stream(5)
    with Journal.open(tmp_path / "a.db") as journal:
        session = journal.begin("paper", "DU1", config={})
        session.record_all(events[:20])
        for row in events[20 : 20 + behind]:
            session.record(row)
        assert views.behind(journal, 1) == behind
        session.record_all(events[20 + behind :])
        assert views.behind(journal, 1) == 0 and journal.verify(1).ok


def test_the_next_owner_writes_rows_of_more_events_than_it_read_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A replay ends with a slice of few events, and more than those were left out of the tables."""
    monkeypatch.setattr(replay, "SLICE", 7)
    journal = Journal.open(tmp_path / "a.db")
    session = journal.begin("paper", "DU1", config={})
    for number, row in enumerate(stream(1)[0][:60], 1):
        session.record(row)
        if number == 20:
            session.project()
    assert views.behind(journal, 1) == 40 > 60 % replay.SLICE
    abandon(journal)
    with Journal.open(tmp_path / "a.db") as journal:
        journal.resume(1)
        assert views.behind(journal, 1) == 0 and journal.verify(1).ok
