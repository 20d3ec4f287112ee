"""`result.to_vectorbt()`: vectorbt shows our book, or says why it cannot."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.book import E_KIND, N_FLAGS, N_ID, N_KIND, N_PRICE, N_QTY, N_TIME, event
from ledger.core import apply
from ledger.vocabulary import EntryFlag, EventKind, Outcome
from sim.api import Result
from sim.data import Action
from sim.engine.drive.machine import BacktestError
from sim.parity.portfolio import PortfolioError, closes, frequency, orders_of, to_returns, to_vectorbt
from sim.run import Setting, figures, simulate
from tests.sim.backtest.tapes import FIRST_DAY, NoParams, Script, history, long_always, script, scripted, strategy

pytestmark = pytest.mark.compiled
# Prices that triple eleven times stay below what a book holds exactly (11.5 billion): 100,000 becomes 0.9 billion at most.
PRICES = st.lists(st.integers(300_000, 900_000), min_size=3, max_size=12)


def assert_same_money(sim):
    portfolio = to_vectorbt(sim)
    cash, equity = sim.values[:, 2] / 1e8, (sim.values[:, 2] + sim.values[:, 3]) / 1e8
    assert np.allclose(np.ravel(portfolio.cash()), cash, rtol=1e-12, atol=1e-6)
    assert np.allclose(np.ravel(portfolio.value()), equity, rtol=1e-12, atol=1e-6)
    return portfolio


@settings(max_examples=15, deadline=None)
@given(PRICES, st.lists(st.integers(0, 2), min_size=12, max_size=12), st.sampled_from(["zero", "ibkr-fixed", "bps:10"]))
def test_cash_and_value_of_the_portfolio_are_the_books_at_every_bar(closing, digits, commission):
    sim = simulate([history(closing)], strategy(scripted, Script, short=True), script(digits), Setting(commission=commission))
    portfolio = assert_same_money(sim)
    assert len(portfolio.order_records) == int((sim.log[:, E_KIND] == EventKind.FILL).sum())


def test_an_account_that_outgrows_what_a_book_holds_exactly_stops_in_words():
    closing = [1000] * 6 + [697_142] + [1000] * 4 + [183_231]
    digits = script([0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0])
    with pytest.raises(BacktestError, match=r"at 1970-01-12T20:00:00: .*OVERFLOW; .*at most 11,529,215,046.*split"):
        simulate([history(closing)], strategy(scripted, Script), digits, Setting(commission="zero"))


@settings(max_examples=12, deadline=None)
@given(PRICES, st.lists(st.integers(0, 2), min_size=12, max_size=12), st.sampled_from(["next-open", "close"]), st.booleans())
def test_fills_at_closes_and_at_opens_land_on_their_bars_even_where_bars_touch(closing, digits, profile, touching):
    tape = history(closing)
    if touching:
        edges = np.arange(len(closing) + 1, dtype=np.int64) * 3600 * 10**9
        tape = tape._replace(bar="1h", start_ns=edges[:-1].copy(), end_ns=edges[1:].copy())
    sim = simulate([tape], strategy(scripted, Script, short=True), script(digits), Setting(profile=profile))
    assert_same_money(sim)


def test_several_symbols_share_one_purse():
    tapes = [history([100_000, 120_000, 90_000, 110_000], "AAA"), history([50_000, 40_000, 45_000, 70_000], "BBB")]
    sim = simulate(tapes, strategy(scripted, Script), script([1, 0, 1, 0]))
    portfolio = assert_same_money(sim)
    assert list(portfolio.wrapper.columns) == ["AAA", "BBB"]
    assert portfolio.total_return() == pytest.approx(figures(sim)["total_return"], rel=1e-12)
    assert sorted(set(portfolio.order_records["col"])) == [0, 1]
    ids = portfolio.order_records["id"]
    assert np.all(np.diff(ids) == 1)


def test_a_fill_at_an_open_that_prints_with_the_close_before_belongs_to_the_later_bar():
    tape = history([100_000, 110_000, 120_000, 130_000])
    hour = 3600 * 10**9
    joined = tape._replace(bar="1h", start_ns=np.arange(4, dtype=np.int64) * hour, end_ns=np.arange(1, 5, dtype=np.int64) * hour)
    sim = simulate([joined], strategy(long_always), NoParams())
    assert orders_of(sim).bar.tolist() == [1] and orders_of(sim).price.tolist() == [joined.open_ticks[1] / 1e4]
    assert_same_money(sim)
    assert frequency(sim) == "1h"


def test_several_fills_of_one_bar_are_several_records():
    sim = simulate([history([100_000, 110_000, 120_000])], strategy(long_always), NoParams(), Setting(size="shares:10", commission="zero"))
    before = orders_of(sim)
    rows = sim.book.entries
    first = rows[rows[:, N_KIND] == EventKind.FILL][0]
    extra = [
        event(EventKind.FILL, time_ns=int(first[N_TIME]), instrument=1, side=side, qty_lots=20_000, price_ticks=100_500, exec_id=900 + side)
        for side in (1, -1)
    ]
    for line in extra:
        assert apply(sim.book, line) == Outcome.APPLIED
    after = orders_of(sim)
    assert len(after.bar) == len(before.bar) + 2 and set(after.bar.tolist()) == {1}
    assert_same_money(sim)


def test_an_execution_that_was_corrected_counts_once():
    sim = simulate([history([100_000, 110_000, 120_000])], strategy(long_always), NoParams(), Setting(commission="zero"))
    fill = sim.book.entries[sim.book.entries[:, N_KIND] == EventKind.FILL][0]
    again = event(
        EventKind.FILL, time_ns=int(fill[N_TIME]), instrument=1, side=1, qty_lots=int(fill[N_QTY]), price_ticks=int(fill[N_PRICE]), exec_id=int(fill[N_ID]), revision=1,
    )
    assert apply(sim.book, again) == Outcome.APPLIED
    assert (sim.book.entries[:, N_FLAGS] & EntryFlag.SUPERSEDED).any()
    assert len(orders_of(sim).bar) == 1
    assert_same_money(sim)


def acting(*actions):
    tape = history([100_000, 100_000, 100_000, 60_000, 60_000], actions=actions)
    return simulate([tape], strategy(long_always), NoParams(), Setting(commission="zero"))


def test_dividends_are_refused_with_what_to_use_instead():
    sim = acting(Action(FIRST_DAY + 3, 3 * 86_400 * 10**9, "dividend", 0, 1, 50_000_000))
    with pytest.raises(PortfolioError, match=r"DIVIDEND.*to_returns"):
        to_vectorbt(sim)
    assert to_returns(sim).total() == pytest.approx(figures(sim)["total_return"], rel=1e-9)


def test_a_split_of_a_held_position_is_refused():
    sim = acting(Action(FIRST_DAY + 3, 3 * 86_400 * 10**9, "split", 2, 1, 0))
    with pytest.raises(PortfolioError, match="SPLIT of a held position"):
        to_vectorbt(sim)


def test_a_split_of_nothing_is_no_obstacle():
    tape = history([100_000, 100_000, 100_000, 50_000, 55_000], actions=(Action(FIRST_DAY + 3, 3 * 86_400 * 10**9, "split", 2, 1, 0),))
    sim = simulate([tape], strategy(scripted, Script), script([0, 0, 0, 1, 0]), Setting(commission="zero"))
    assert_same_money(sim)


@pytest.mark.parametrize(
    ("kind", "columns"),
    [
        (EventKind.INTEREST, {"cash_e8": 5}),
        (EventKind.BORROW_FEE, {"cash_e8": 5, "instrument": 1}),
        (EventKind.DEPOSIT, {"cash_e8": 5}),
        (EventKind.WITHDRAWAL, {"cash_e8": 5}),
        (EventKind.ADJUST_CASH, {"cash_e8": 5, "ref": 1}),
        (EventKind.ADJUST_POSITION, {"instrument": 1, "side": 1, "qty_lots": 10_000, "price_ticks": 100, "ref": 1}),
    ],
)
def test_cash_of_any_other_cause_is_refused(kind, columns):
    sim = simulate([history([100_000, 110_000, 120_000])], strategy(long_always), NoParams())
    assert apply(sim.book, event(kind, time_ns=int(sim.values[-1, 0]), **columns)) == Outcome.APPLIED
    with pytest.raises(PortfolioError, match=kind.name):
        to_vectorbt(sim)


def test_a_curve_that_the_fills_do_not_explain_is_refused():
    sim = simulate([history([100_000, 110_000, 120_000])], strategy(long_always), NoParams())
    sim.values[1, 2] += 1
    with pytest.raises(PortfolioError, match="the cash at"):
        to_vectorbt(sim)


def test_the_returns_accessor_says_what_our_figures_say():
    rng = np.random.default_rng(4)
    walk = (100_000 * np.exp(np.cumsum(rng.normal(0, 0.01, 60)))).astype(int).tolist()
    sim = simulate([history(walk)], strategy(long_always), NoParams())
    accessor, measured = to_returns(sim), figures(sim)
    assert accessor.total() == pytest.approx(measured["total_return"], rel=1e-9)
    assert accessor.max_drawdown() == pytest.approx(measured["max_drawdown"], rel=1e-9)
    assert accessor.sharpe_ratio() == pytest.approx(measured["sharpe"], rel=1e-6)


def test_a_result_has_both_methods_and_stats_and_plots_work():
    sim = simulate([history([100_000, 120_000, 90_000, 110_000])], strategy(scripted, Script), script([1, 0, 1, 0]))
    result = Result(sim)
    portfolio = result.to_vectorbt()
    assert portfolio.stats()["Total Fees Paid"] == pytest.approx(figures(sim)["fees"] / 1e8)
    assert len(portfolio.plot().data) > 3
    assert result.to_returns().total() == pytest.approx(figures(sim)["total_return"])


def test_closes_are_carried_forward_and_unknown_before_the_first():
    late = history([50_000, 60_000], "LATE")
    late = late._replace(start_ns=late.start_ns + 86_400 * 10**9, end_ns=late.end_ns + 86_400 * 10**9)
    sim = simulate([history([100_000, 110_000, 120_000, 130_000]), late], strategy(long_always), NoParams())
    table = closes(sim)
    assert np.isnan(table[0, 1]) and table[:, 1].tolist()[1:] == [5.0, 6.0, 6.0]


