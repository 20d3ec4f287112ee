"""Views: a ledger of a few rows, every figure by hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from ledger import views
from ledger.book import event
from ledger.journal import Journal, JournalError
from ledger.vocabulary import EventKind as K
from ledger.vocabulary import OrderStatus, Outcome
from tests.ledger.journal.journal_streams import FIRST_DAY, opening, signal, stream

E8 = 10**8
DAY = 86_400 * 10**9


def _fill(wish: np.ndarray, side: int, price: int, exec_id: int, time_ns: int) -> np.ndarray:
    return event(K.FILL, key=int(wish[2]), instrument=1, side=side, qty_lots=10_000, price_ticks=price, exec_id=exec_id, time_ns=time_ns)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Journal]:
    """One share bought at 100, sold at 101 the next day; the buy's fee is known, the sale's comes later in some tests."""
    with Journal.open(tmp_path / "a.db") as journal:
        session = journal.begin("backtest", "x", config={"timezone": "UTC"})
        first = opening()
        first[0][-1] = session.name("AAPL")
        session.record_all(np.array(first))
        buy, sell = signal(1, 10_000, 1), signal(1, 0, 2)
        session.gate(buy)
        session.gate(buy)
        session.record(_fill(buy, 1, 1_000_000, 1, DAY))
        session.record(event(K.COMMISSION, exec_id=1, fee_e8=E8))
        session.gate(sell)
        session.record(event(K.DAY, revision=FIRST_DAY + 2, time_ns=2 * DAY))
        session.record(_fill(sell, -1, 1_010_000, 2, 2 * DAY))
        yield journal


def test_profit_is_gross_until_every_fee_is_known(ledger: Journal) -> None:
    trade = views.pnl_trades(ledger, 1)[0]
    assert (trade.symbol, trade.pnl_e8, trade.net_e8, trade.day) == ("AAPL", E8, None, 2)
    assert views.pnl_symbols(ledger, 1) == [(1, "AAPL", 1, 1, E8, None, 1)]
    ledger.resume(1).record(event(K.COMMISSION, exec_id=2, fee_e8=2 * E8))
    trade = views.pnl_trades(ledger, 1)[0]
    assert (trade.open_fee_e8, trade.close_fee_e8, trade.net_e8) == (E8, 2 * E8, -2 * E8)
    assert views.pnl_days(ledger, 1) == [(2, 1, 1, E8, -2 * E8, 0)]


def test_a_late_fill_makes_a_new_version_and_the_old_one_is_still_seen(ledger: Journal) -> None:
    session = ledger.resume(1)
    early = event(K.FILL, instrument=1, side=1, qty_lots=10_000, price_ticks=900_000, exec_id=3, time_ns=DAY - 1)
    assert session.record(early) == Outcome.APPLIED
    assert [trade.pnl_e8 for trade in views.pnl_trades(ledger, 1)] == [11 * E8]
    assert [(v.version, v.pnl_e8, v.difference_e8) for v in views.versions(ledger, 1)] == [(0, E8, 10 * E8), (1, 11 * E8, 0)]
    assert [(lot.open_lots, lot.cost_e8) for lot in views.lots(ledger, 1)] == [(10_000, 100 * E8)]


def test_what_has_no_price_has_no_worth(ledger: Journal) -> None:
    session = ledger.resume(1)
    session.record(event(K.FILL, instrument=2, side=1, qty_lots=10_000, price_ticks=500_000, exec_id=9, time_ns=3 * DAY))
    position = views.positions(ledger, 1)[1]
    assert (position.position_lots, position.mark_ticks, position.value_e8, position.unrealized_e8) == (10_000, None, None, None)
    totals = views.totals(ledger, 1)
    assert totals is not None and totals.equity_e8 is None
    session.record(event(K.MARK, instrument=2, price_ticks=510_000, time_ns=3 * DAY))
    totals = views.totals(ledger, 1)
    assert totals is not None and totals.equity_e8 == totals.cash_e8 + 51 * E8 and totals.unrealized_e8 == E8


def test_lists_come_in_pages_and_say_how_many_rows_there_are(ledger: Journal) -> None:
    orders = views.orders(ledger, 1)
    assert orders.total == 2 and [o.status for o in orders.rows] == [OrderStatus.FILLED] * 2
    assert views.orders(ledger, 1, page=1, size=1) == ([orders.rows[1]], 2)
    assert views.orders(ledger, 1, page=9, size=5) == ([], 2)
    refused = views.refusals(ledger, 1)
    assert refused.total == 1 and refused.rows[0].reason == Outcome.DUP_KEY and refused.rows[0].symbol == "AAPL"
    assert views.refusal_counts(ledger, 1) == {Outcome.DUP_KEY: 1}


def test_an_equity_curve_keeps_unknown_unknown(ledger: Journal) -> None:
    ledger.resume(1).valuations(np.array([[1, 1, 5, 6, 0], [2, 1, 5, 0, 1]]))
    assert [point.equity_e8 for point in views.equity(ledger, 1)] == [11, None]


def test_the_sum_of_all_trades_is_the_realized_profit_of_the_account(tmp_path: Path) -> None:
    for seed in range(5):
        with Journal.open(tmp_path / f"{seed}.db") as journal:
            events, book = stream(seed, 400)
            journal.begin("backtest", "x", config={}).record_all(events)
        with Journal.read(tmp_path / f"{seed}.db") as journal:
            assert sum(trade.pnl_e8 for trade in views.pnl_trades(journal, 1)) == book.valuation().realized
            assert sum(day.pnl_e8 for day in views.pnl_days(journal, 1)) == book.valuation().realized
            assert sum(position.realized_e8 for position in views.positions(journal, 1)) == book.valuation().realized


def test_a_session_that_does_not_exist_is_an_error_and_not_an_empty_answer(ledger: Journal) -> None:
    for question in (views.pnl_trades, views.orders, views.totals, views.positions):
        with pytest.raises(JournalError, match="no session 9"):
            question(ledger, 9)
    empty = ledger.begin("backtest", "empty", config={})
    assert views.totals(ledger, empty.id) is None and views.pnl_trades(ledger, empty.id) == []
    assert [info.scope for info in views.sessions(ledger)] == ["x", "empty"]
