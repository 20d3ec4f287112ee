"""MAE and MFE against an obvious twin, on random trades and prices, and by hand."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ledger.journal import Journal
from ledger.units import money
from ledger.views import Trade, pnl_trades
from sim.excursions import UNKNOWN, Excursion, Prices, excursions, of_session
from tests.ledger.compare.test_causes import Told, split


def trade(side: int, qty: int, cost: int, opened: int, closed: int) -> Trade:
    return Trade(0, 1, "A", side, qty, cost, cost, 0, 0, 0, 0, opened, closed, 0, 0, 0, 4)


@given(st.lists(st.tuples(st.integers(1, 500), st.integers(0, 50)), max_size=30),
       st.lists(st.tuples(st.sampled_from([-1, 1]), st.integers(1, 9), st.integers(0, 31), st.integers(0, 31)), max_size=12))
def test_the_excursions_are_those_of_a_loop_over_every_price(bars, drawn):
    low = np.array([one for one, _ in bars], np.int64)
    prices = Prices(np.arange(len(bars)), low, low + np.array([more for _, more in bars], np.int64))
    trades = [trade(side, qty, 100 * qty, min(a, b), max(a, b)) for side, qty, a, b in drawn]
    for one, found in zip(trades, excursions(trades, prices, (1, 1), np.zeros(0, np.int64)), strict=True):
        held = [at for at in range(len(bars)) if one.open_time_ns <= at <= one.close_time_ns]
        worths = [one.side * (price * one.qty_lots - one.cost_e8) for at in held for price in (prices.low_ticks[at], prices.high_ticks[at])]
        assert found == (Excursion(min(0, *worths), max(0, *worths)) if held else UNKNOWN)


def stored(tmp_path, told: Told) -> Journal:
    with Journal.open(tmp_path / "a.db") as journal:
        session = journal.begin("backtest", "x", config={})
        session.names_of(told.names)
        session.record_all(np.array(told.events))
    return Journal.read(tmp_path / "a.db")


def test_a_trade_of_a_session_is_measured_at_its_recorded_prices(tmp_path):
    told = Told().trade("10", "10", "100").mark("95", 30).mark("120", 60).trade("0", "-10", "110", at=90).mark("500", 200)
    with stored(tmp_path, told) as journal:
        assert of_session(journal, 1) == {pnl_trades(journal, 1)[0].number: (-money("50"), money("200"))}
        bars = Prices(np.array([told.events[-2][0]]), np.array([800_000]), np.array([1_300_000]))
        assert list(of_session(journal, 1, {1: bars}).values()) == [(-money("200"), money("300"))]


def test_a_trade_over_a_split_and_one_without_a_price_have_no_excursion(tmp_path):
    told = split(Told().trade("10", "10", "400").mark("390", 50)).trade("0", "-40", "110", at=200)
    with stored(tmp_path, told) as journal:
        assert list(of_session(journal, 1).values()) == [UNKNOWN]
    (tmp_path / "b").mkdir()
    with stored(tmp_path / "b", Told().trade("10", "10", "100").trade("0", "-10", "110", at=60)) as journal:
        assert list(of_session(journal, 1).values()) == [UNKNOWN]
