"""Views that pages ask: a ledger of a few rows, every figure by hand; then sums against random streams."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import views
from ledger.book import event
from ledger.explain import days_of, explain_day
from ledger.journal import Journal
from ledger.vocabulary import EventKind as K
from ledger.vocabulary import Gate, Limit, OrderStatus, Outcome, Purpose
from ledger.views.profit import score_e3
from tests.ledger.journal.journal_streams import FIRST_DAY, opening, signal, stream

E8, DAY = 10**8, 86_400 * 10**9


def fill(wish: np.ndarray, side: int, price: int, exec_id: int, time_ns: int) -> np.ndarray:
    return event(K.FILL, key=int(wish[2]), instrument=1, side=side, qty_lots=10_000, price_ticks=price, exec_id=exec_id, time_ns=time_ns)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Journal]:
    """One share bought at 100 and sold at 101 the next day, a duplicate and a halted wish, a foreign fill of another share."""
    with Journal.open(tmp_path / "a.db") as journal:
        session = journal.begin("backtest", "x", config={"timezone": "UTC", "strategies": {"1": "cross"}})
        first = opening()
        first[0][-1] = session.name("AAPL")
        session.record_all(np.array(first))
        buy, sell = signal(1, 10_000, 1), signal(1, 0, 2)
        session.record(event(K.DAY, revision=FIRST_DAY + 2, time_ns=2 * DAY))
        session.gate(buy)
        session.gate(buy)
        session.record(event(K.LIMIT, reason=Limit.MAX_POSITION, cash_e8=40_000))
        session.record(event(K.LIMIT, reason=Limit.MAX_OPEN, cash_e8=4))
        session.record(event(K.MARK, instrument=1, price_ticks=1_000_000, time_ns=DAY))
        session.record(fill(buy, 1, 1_000_000, 1, DAY))
        session.record(event(K.COMMISSION, exec_id=1, fee_e8=E8, time_ns=DAY))
        session.gate(sell)
        session.record(fill(sell, -1, 1_010_000, 2, 2 * DAY))
        session.record(event(K.COMMISSION, exec_id=2, fee_e8=E8 // 2, time_ns=2 * DAY))
        session.record(event(K.GATE, reason=Gate.HALTED, side=1, time_ns=2 * DAY, ref=session.name("too many")))
        session.gate(signal(1, 20_000, 3))
        session.record(event(K.FILL, instrument=2, side=1, qty_lots=30_000, price_ticks=50_000, exec_id=9, time_ns=3 * DAY))
        yield journal


def test_every_wish_is_told_with_what_became_of_it(ledger: Journal) -> None:
    found = views.intents(ledger, 1)
    assert found.total == 4
    told = [(row.strategy, row.symbol, row.purpose, row.outcome, row.words, row.status, row.filled_lots) for row in found.rows]
    assert told == [
        ("cross", "AAPL", Purpose.TARGET, Outcome.APPLIED, "BUY CLAIMED", OrderStatus.FILLED, 10_000),
        ("cross", "AAPL", Purpose.TARGET, Outcome.DUP_KEY, "DUPLICATE BUY BLOCKED", None, None),
        ("cross", "AAPL", Purpose.TARGET, Outcome.APPLIED, "SELL CLAIMED", OrderStatus.FILLED, 10_000),
        ("cross", "AAPL", Purpose.TARGET, Outcome.HALTED, "BUY REFUSED", None, None),
    ]
    assert views.intents(ledger, 1, page=1, size=3) == ([found.rows[3]], 4)
    with pytest.raises(ValueError, match="pages count from 0"):
        views.intents(ledger, 1, page=-1)


def test_refusals_are_counted_by_reason_instrument_and_direction(ledger: Journal) -> None:
    found = {(row.reason, row.words, row.symbol): row.times for row in views.refusal_reasons(ledger, 1)}
    assert found == {(Outcome.DUP_KEY, "DUPLICATE BUY BLOCKED", "AAPL"): 1, (Outcome.HALTED, "BUY REFUSED", "AAPL"): 1}


@pytest.mark.parametrize(("by", "name"), [("symbol", "AAPL"), ("strategy", "cross"), ("purpose", "TARGET"), ("source", "order")])
def test_profit_has_one_row_a_group(ledger: Journal, by: str, name: str) -> None:
    assert views.profit_by(ledger, 1, by) == [(name, None, 1, 1, 0, E8, 3 * E8 // 2, -E8 // 2, 0, E8, E8)]


def test_profit_by_day_is_in_the_order_of_days(ledger: Journal) -> None:
    assert [(row.day, row.pnl_e8) for row in views.profit_by(ledger, 1, "day")] == [(2, E8)]
    with pytest.raises(ValueError, match="write one of day, symbol"):
        views.profit_by(ledger, 1, "week")


def test_limits_say_what_is_used_and_unknown_is_none(ledger: Journal) -> None:
    found = {(row.limit, row.symbol): row for row in views.limits(ledger, 1)}
    assert found[Limit.MAX_OPEN, None][3:6] == (4, 1, 250_000)
    assert found[Limit.DAILY_ORDERS, None][3:6] == (None, 2, None)
    assert found[Limit.ALLOW_SHORT, None].value == 1 and found[Limit.ALLOW_SHORT, None].used is None
    position, notional = found[Limit.MAX_POSITION, "#2"], found[Limit.MAX_NOTIONAL, "#2"]
    assert position[3:6] == (40_000, 30_000, 750_000)
    assert (notional.value, notional.used, notional.share_e6) == (None, None, None)


def test_what_a_person_should_see_comes_newest_first(ledger: Journal) -> None:
    found = views.remarks(ledger, 1)
    assert [(row.level, row.what, row.symbol) for row in found] == [("alert", "FILL", "#2"), ("alert", "GATE", None)]
    assert found[0].text == "filled for no order of ours" and found[1].text == "HALTED raised: too many"


def test_the_age_of_everything_is_told(ledger: Journal) -> None:
    found = views.age(ledger, 1)
    assert found.events == found.shown > 0 and found.last_ns == 3 * DAY and found.heartbeat_ns is None
    assert (found.oldest_mark_ns, found.unpriced) == (None, 1)
    empty = ledger.begin("backtest", "empty", config={})
    assert views.age(ledger, empty.id) == (0, 0, None, None, None, None, None, 0)


def test_any_day_can_be_explained(ledger: Journal) -> None:
    # Claims carry the time of their bar, years later; the day that was begun is in force all the same.
    assert days_of(ledger, 1) == [0, 2]
    with Journal.open(ledger.path.with_name("b.db")) as journal:
        session = journal.begin("backtest", "x", config={"timezone": "UTC"})
        first = opening()
        session.record_all(np.array([*first[:3], event(K.DEPOSIT, cash_e8=E8, time_ns=DAY), event(K.INTEREST, cash_e8=7, time_ns=2 * DAY)]))
        found = explain_day(journal, 1, 2)
        assert (found.before_e8, found.after_e8, found.residual_e8) == (E8, E8 + 7, 0)
        assert {part.name: part.amount_e8 for part in found.parts}["interest"] == 7
        assert explain_day(journal, 1, 5).before_e8 == E8 + 7


def test_a_leaderboard_ranks_nothing_with_too_few_trades(ledger: Journal) -> None:
    rank, = views.leaderboard([(ledger, 1)], by="symbol")
    assert (rank.name, rank.trades, rank.ranked, rank.score_e3, rank.net_e8) == ("AAPL", 1, False, None, -E8 // 2)
    with pytest.raises(ValueError, match="at least two"):
        views.leaderboard([(ledger, 1)], minimum=1)


@given(st.lists(st.integers(-(10**12), 10**12), min_size=2, max_size=60))
def test_the_score_is_the_mean_in_standard_errors(net: list[int]) -> None:
    found, count = score_e3(net), len(net)
    if len(set(net)) == 1:
        assert found is None
        return
    mean = sum(net) / count
    variance = sum((one - mean) ** 2 for one in net) / (count - 1)
    assert found == pytest.approx(1_000 * mean / (variance / count) ** 0.5, rel=1e-6, abs=1.0)


@pytest.mark.parametrize("seed", range(4))
def test_every_group_adds_up_to_the_realized_profit_of_the_account(tmp_path: Path, seed: int) -> None:
    events, book = stream(seed, 250)
    with Journal.open(tmp_path / "a.db") as journal:
        journal.begin("backtest", "x", config={}).record_all(events)
        for by in views.GROUPS:
            assert sum(row.pnl_e8 for row in views.profit_by(journal, 1, by)) == book.valuation().realized
        assert sum(row.times for row in views.refusal_reasons(journal, 1)) == sum(views.refusal_counts(journal, 1).values())
        assert views.intents(journal, 1).total == len(book.orders) + sum(views.refusal_counts(journal, 1).values())
