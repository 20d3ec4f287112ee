"""The broker's own words are kept beside the events made of them."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from ledger.book import event
from ledger.journal import Journal
from ledger.journal.session import JOINED_MAX
from ledger.vocabulary import EventKind, Outcome


def test_a_message_is_durable_with_the_next_write_even_when_that_write_changes_nothing(tmp_path: Path) -> None:
    with Journal.open(tmp_path / "a.db", clock=iter(range(1, 10**6)).__next__) as journal:
        session = journal.begin("paper", "DU1", config={})
        session.keep("execDetails", '{"execId": "0001.01"}')
        assert session.kept() == []
        assert session.record(event(EventKind.DEPOSIT, cash_e8=0)) == Outcome.BAD_EVENT
        session.keep("orderStatus", "é <img onerror>")
        assert session.record(event(EventKind.DEPOSIT, cash_e8=5)) == Outcome.APPLIED
        session.close()
        again = journal.resume(1)
        assert [(source, body) for _, source, body in again.kept()] == [
            ("execDetails", '{"execId": "0001.01"}'), ("orderStatus", "é <img onerror>"),
        ]  # fmt: skip
        assert journal.verify(1).ok and again.book.seq == 1
        assert 0 < again.kept()[0][0] < again.kept()[1][0] < 10**6, "the journal's clock is the one it was given"


def test_joined_messages_of_one_source_are_one_row_until_a_write_or_a_long_one(tmp_path: Path) -> None:
    with Journal.open(tmp_path / "a.db") as journal:
        session = journal.begin("paper", "DU1", config={})
        for source, body in (("t", "1"), ("t", "2"), ("ib", "x"), ("t", "3" * JOINED_MAX), ("t", "4")):
            session.keep(source, body, joined=True)
        session.flush()
        session.keep("t", "5", joined=True)
        session.flush()
        assert [body for _, _, body in session.kept("t")] == ["1\n2", "3" * JOINED_MAX, "4", "5"]
        for body in "67":
            session.keep("t", body)
        session.flush()
        assert [body for _, _, body in session.kept("t")][-3:] == ["5", "6", "7"]
        assert [body for _, _, body in session.kept("ib")] == ["x"] and len(session.kept()) == 7


def test_processes_that_share_a_session_keep_messages_in_one_row_of_numbers(tmp_path: Path) -> None:
    with Journal.open(tmp_path / "a.db") as one, Journal.open(tmp_path / "a.db") as two:
        first = one.begin("fuzz", "x", config={})
        second = two.resume(first.id)
        for number in range(6):
            session = (first, second)[number // 2 % 2]
            session.keep("s", str(number))
            session.flush()
        assert [body for _, _, body in first.kept()] == list("012345")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE broker_event SET body = 'x'",
        "DELETE FROM broker_event",
        "INSERT OR REPLACE INTO broker_event VALUES (1, 1, 0, 's', 'x')",
        "INSERT INTO broker_event VALUES (1, 5, 0, 's', 'gap')",
        "INSERT INTO broker_event VALUES (1, 2, 0, '', 'no source')",
    ],
)
def test_a_kept_message_is_never_changed(tmp_path: Path, statement: str) -> None:
    with Journal.open(tmp_path / "a.db") as journal:
        session = journal.begin("paper", "DU1", config={})
        session.keep("s", "b")
        session.record(event(EventKind.DEPOSIT, cash_e8=5))
    with closing(sqlite3.connect(tmp_path / "a.db")) as other, pytest.raises(sqlite3.IntegrityError):
        other.execute(statement)
