"""Curves against a walk over every moment, one event at a time."""

from __future__ import annotations

import numpy as np
import pytest

from ledger.book import E_TIME, H_DEPOSITS, Book
from ledger.compare import curves
from ledger.core import apply
from ledger.journal import Journal
from tests.ledger.compare.test_parts import priced, stored
from tests.ledger.journal.journal_streams import stream


def walked(events: np.ndarray) -> dict[int, int | None]:
    """Return the equity after the last event of each moment of the book's clock, None while it is unknown."""
    book, found, clock, begun = Book(), {}, -(2**62), False
    for line in events:
        apply(book, line)
        clock = max(clock, int(line[E_TIME]))
        begun = begun or bool(book.arena[H_DEPOSITS]) or bool(book.valuation().equity)
        found[clock] = book.valuation().equity if begun else None
    return found


@pytest.mark.parametrize("seed", range(3))
def test_a_session_without_points_is_replayed(tmp_path, seed):
    events = priced(stream(seed, 120)[0])
    with stored(tmp_path / "a.db", events) as journal:
        found = curves([(journal, 1)])
    wanted = walked(events)
    assert found.time_ns.tolist() == sorted(wanted)
    shown = [int(value) if sure else None for value, sure in zip(found.equity_e8[0], found.known[0], strict=True)]
    assert shown == [wanted[time] for time in sorted(wanted)]


def test_points_hold_until_the_next_and_differences_are_known_where_both_are(tmp_path):
    with Journal.open(tmp_path / "a.db") as journal:
        for rows in ([[10, 1, 100, 0, 0], [30, 1, 90, 20, 0]], [[20, 1, 50, 0, 0], [25, 1, 50, 7, 1], [40, 1, 80, 0, 0]]):
            session = journal.begin("backtest", "x", config={})
            session.record_all(stream(1, 20)[0])
            session.valuations(np.array(rows))
    with Journal.read(tmp_path / "a.db") as journal:
        found = curves([(journal, 1), (journal, 2)])
    assert found.time_ns.tolist() == [10, 20, 25, 30, 40]
    assert found.equity_e8[0].tolist() == [100, 100, 100, 110, 110] and found.known[0].all()
    assert found.known[1].tolist() == [False, True, False, False, True] and found.equity_e8[1][[1, 4]].tolist() == [50, 80]
    assert found.both_known[1].tolist() == [False, True, False, False, True] and found.difference_e8[1][[1, 4]].tolist() == [-50, -30]
    assert not found.difference_e8[0].any()


def test_drawdowns_are_exact_at_any_size(tmp_path):
    big = 2**61
    with Journal.open(tmp_path / "a.db") as journal:
        session = journal.begin("backtest", "x", config={})
        session.record_all(stream(1, 20)[0])
        session.valuations(np.array([[1, 1, 1000, 0, 0], [2, 1, 750, 0, 0], [3, 1, 1001, 0, 0], [4, 1, 1, 0, 0]]))
        other = journal.begin("backtest", "x", config={})
        other.record_all(stream(1, 20)[0])
        other.valuations(np.array([[1, 1, big, 0, 0], [2, 1, big // 4 * 3, 0, 0], [3, 1, 0, 0, 0], [4, 1, -5, 0, 0]]))
    with Journal.read(tmp_path / "a.db") as journal:
        found = curves([(journal, 1), (journal, 2)])
    assert found.drawdown_e8[0].tolist() == [0, -250, 0, -1000] and found.drawdown_e6[0].tolist()[:3] == [0, -250_000, 0]
    assert found.drawdown_e6[1].tolist() == [0, -250_000, -1_000_000, -1_000_000]


def test_a_session_without_events_has_no_curve(tmp_path):
    with Journal.open(tmp_path / "a.db") as journal:
        journal.begin("backtest", "x", config={})
    with Journal.read(tmp_path / "a.db") as journal:
        assert curves([(journal, 1)]).time_ns.size == 0
