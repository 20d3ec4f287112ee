"""A book of years: what a start reads of it stays little, and is enough."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import numpy as np
import pytest
from tests.live.fakes import AAPL, MSFT, Desk, FakeWire, status_seen

from ledger.book import event
from ledger.journal import Journal, snapshots
from ledger.journal.provenance import core_hash
from ledger.vocabulary import EventKind, Limit
from live.broker import refs

REPLAYS = [(1_999, 0), (2_000, 1), (3_999, 1), (4_000, 2), (9_000, 2)]


@pytest.mark.parametrize(("events", "files"), REPLAYS)
def test_a_session_that_goes_on_for_long_leaves_snapshots_and_gives_the_same_book(events: int, files: int, tmp_path: Path) -> None:
    path = tmp_path / "book.db"
    with Journal.open(path) as journal:
        session = journal.begin("paper", "paper:DU1", config={})
        for start in range(1, events + 1, 500):
            last = min(start + 499, events)
            limits = [event(EventKind.LIMIT, reason=Limit.DAILY_ORDERS, cash_e8=n) for n in range(start, last + 1)]
            session.record_all(np.array(limits))
            session.snapshot_if_due()
        digest = session.book.digest()
    assert len(list((tmp_path / "book.db.snapshots").glob("*.arena"))) == files
    with Journal.open(path) as journal:
        assert journal.resume(1).book.digest() == digest and journal.verify(1).ok


def test_a_snapshot_is_due_after_a_twentieth_of_all_events_and_only_those_of_this_core_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshots, "REPLAY_MOST", 10)
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE snapshot (session_id INTEGER, seq INTEGER, core_hash TEXT)")
    connection.execute("INSERT INTO snapshot VALUES (1, 10000, ?), (1, 10400, 'another core'), (2, 10500, ?)", (core_hash(), core_hash()))
    due = [seq for seq in range(10_001, 10_600) if snapshots.is_due(connection, 1, seq)]
    assert due == list(range(10_526, 10_600))
    connection.close()


def test_a_start_knows_the_order_ids_of_live_orders_however_old_and_of_the_newest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refs, "RECALLED", 2)
    keys, wire = [], FakeWire()
    with Journal.open(tmp_path / "paper.db") as journal:
        first = Desk(journal, wire)
        for bar in range(6):
            first.buy(10, bar, MSFT if bar == 2 else AAPL)
            first.pump()
            keys.append(first.key)
            if bar != 2:
                first.trader.on_fact(status_seen(bar + 1, "Cancelled"))
        assert first.trader.live_orders() == [keys[2]]
    with Journal.open(tmp_path / "paper.db") as journal:
        assert Desk(journal, wire, session_id=1).trader._order_ids == {key: number for number, key in enumerate(keys, 1) if number >= 3}
    monkeypatch.setattr(refs, "RECALLED", 4)
    with Journal.open(tmp_path / "paper.db") as journal:
        again = Desk(journal, wire, session_id=1)
        assert again.trader._order_ids == {key: number for number, key in enumerate(keys, 1) if number >= 3}
        again.trader.on_fact(status_seen(3, "Cancelled"))
        assert again.trader.live_orders() == []


def test_the_kept_messages_of_a_source_are_found_by_an_index(tmp_path: Path) -> None:
    with Journal.open(tmp_path / "book.db") as journal:
        session = journal.begin("paper", "paper:DU1", config={})
        for number in range(30):
            session.keep("config" if number == 7 else "ib", str(number))
        session.flush()
        assert [body for _, _, body in session.kept("config")] == ["7"] and len(session.kept("ib")) == 29 and len(session.kept()) == 30
        asked: list[str] = []
        journal.connection.set_trace_callback(asked.append)
        session.kept("config")
        plan = [row[3] for row in journal.connection.execute(f"EXPLAIN QUERY PLAN {asked[-1]}")]
        assert len(plan) == 1 and "broker_event_source (session_id=? AND source=?)" in plan[0]
