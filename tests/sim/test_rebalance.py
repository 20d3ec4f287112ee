"""Rebalancing: the fast kernel's book is the book of the gate and the ledger, and its orders are vectorbt's."""

from __future__ import annotations

from fractions import Fraction
from math import ceil, floor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.book import (
    A_CLOSE, A_LOT, A_QTY, I_POSITION, L_ENTRY, L_OPEN, L_QTY, Book, event,
)
from ledger.core import apply, decide
from ledger.invariants import Invariant, check
from ledger.keys import make
from ledger.units import UnitError
from ledger.vocabulary import EventKind, Outcome, Purpose
from sim import costs
from sim.rebalance import book_of, kernel as rb, log, rebalance

pytestmark = pytest.mark.compiled
LOT = 10_000


def prices(seed: int, days: int, symbols: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    walk = np.cumsum(rng.normal(0, 0.03, (days, symbols)), axis=0)
    return np.maximum(1, np.round(rng.integers(50, 30_000, symbols) * np.exp(walk))).astype(np.int64)


class Slow:
    """The same rules in plain Python, each order through `decide` and `apply`; exact fractions for the sizes."""

    def __init__(self, close, when, weights, cash_e8, model):
        self.close, self.weights, self.model, self.book, self.rows = close, weights, model, Book(), []
        self.executions, self.turns = 0, {int(day): turn for turn, day in enumerate(when)}
        self.equity, self.cash = [], []
        first = 21 * 3600 * 10**9
        for j in range(1, close.shape[1] + 1):
            self.do(event(EventKind.INSTRUMENT, time_ns=first, instrument=j, revision=2, order_type=4, price_ticks=1, qty_lots=LOT, target_lots=1, ref=j))
        self.do(event(EventKind.DEPOSIT, time_ns=first, cash_e8=cash_e8))
        for day in range(len(close)):
            self.day(day)

    def do(self, row):
        assert apply(self.book, row) == Outcome.APPLIED, row
        self.rows.append(row)

    def held(self, j):
        return int(self.book.instruments[j + 1, I_POSITION]) // LOT

    def day(self, day):
        self.now = day * 86_400 * 10**9 + 21 * 3600 * 10**9
        ticks = [int(price) for price in self.close[day]]
        if day in self.turns or day == len(self.close) - 1:
            for j, price in enumerate(ticks):
                self.do(event(EventKind.MARK, time_ns=self.now, instrument=j + 1, price_ticks=price))
        if day in self.turns:
            worth = Fraction(self.book.valuation().equity)
            targets = [worth * int(w) / 10**6 / (p * 10**6) for w, p in zip(self.weights[self.turns[day]], ticks)]
            for j, target in enumerate(targets):
                if target < self.held(j) and ceil(target) < self.held(j):
                    self.order(j, ceil(target) - self.held(j), ticks[j])
            for j, target in enumerate(targets):
                if floor(target) > self.held(j):
                    self.order(j, self.payable(floor(target) - self.held(j), ticks[j]), ticks[j])
        value = self.book.valuation().cash
        self.cash.append(value)
        self.equity.append(value + sum(self.held(j) * price * 10**6 for j, price in enumerate(ticks)))

    def fee(self, shares, price):
        qty = abs(shares)
        return int(costs.commission(self.model, 1 if shares > 0 else -1, qty * LOT, price, qty * price * 10**6, LOT))

    def payable(self, want, price):
        cash = self.book.valuation().cash
        while want > 0 and want * price * 10**6 + self.fee(want, price) > cash:
            want -= 1
        return want

    def order(self, j, shares, price):
        if shares == 0:
            return
        key = make(1, j + 1, Purpose.TARGET, self.now // 10**9)
        wish = event(
            EventKind.SIGNAL, time_ns=self.now, key=key, instrument=j + 1, target_lots=(self.held(j) + shares) * LOT, price_ticks=price,
            fee_e8=self.fee(shares, price),
        )
        outcome, claim = decide(self.book, wish)
        assert outcome == Outcome.APPLIED
        self.executions += 1
        for row in (
            claim,
            event(EventKind.SUBMITTED, time_ns=self.now, key=key, instrument=j + 1),
            event(EventKind.FILL, time_ns=self.now, key=key, instrument=j + 1, side=1 if shares > 0 else -1, qty_lots=abs(shares) * LOT, price_ticks=price, exec_id=self.executions),
            event(EventKind.COMMISSION, time_ns=self.now, instrument=j + 1, exec_id=self.executions, fee_e8=self.fee(shares, price)),
        ):
            self.do(row)


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 2**32), st.integers(1, 6), st.integers(1, 25), st.sampled_from(["zero", "bps:10", "bps:0.37", "ibkr-fixed", "per-share:0.005"]),
    st.integers(0, 3),
)
def test_the_kernels_run_is_the_gates_and_the_ledgers_event_for_event(seed, symbols, days, commission, weighing):
    rng = np.random.default_rng(seed)
    close = prices(seed, days, symbols)
    when = np.flatnonzero(rng.random(days) < 0.4)
    weights = None
    if weighing:
        raw = rng.integers(0, 100, (len(when), symbols))
        weights = (raw * (1_000_000 if weighing < 3 else 600_000) // np.maximum(1, raw.sum(axis=1, keepdims=True))).astype(np.int64)
    run = rebalance(close, when, weights, cash="12345.67", commission=commission)
    used = weights if weights is not None else np.full((len(when), symbols), 1_000_000 // symbols)
    slow = Slow(close, when, used, 1_234_567_000_000, costs.parse(commission))
    assert np.array_equal(log(run), np.array(slow.rows))
    assert book_of(run).digest() == slow.book.digest()
    assert run.equity.tolist() == slow.equity and run.cash.tolist() == slow.cash


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 8), st.integers(2, 40), st.sampled_from(["zero", "bps:10", "ibkr-fixed"]))
def test_cash_lots_allocations_and_profit_are_the_replayed_books(seed, symbols, days, commission):
    close = prices(seed, days, symbols)
    run = rebalance(close, np.arange(0, days, 3), cash="50000", commission=commission)
    book = book_of(run)
    assert check(book) == Invariant.HOLDS
    worth = book.valuation()
    assert (worth.cash, worth.equity, worth.realized, worth.fees) == (run.cash[-1], run.equity[-1], run.realized, run.fees)
    assert (book.instruments[1:, I_POSITION] // LOT).tolist() == run.position.tolist()
    entry = run.lots[:, rb.L_FILL] + 1  # the deposit is entry 0
    assert book.lots[:, L_ENTRY].tolist() == entry.tolist()
    assert (book.lots[:, L_OPEN] // LOT).tolist() == run.lots[:, rb.L_OPEN].tolist()
    assert (book.lots[:, L_QTY] // LOT).tolist() == run.fills[run.lots[:, rb.L_FILL], rb.F_SHARES].tolist()
    mine = np.column_stack([run.allocations[:, rb.A_LOT], run.allocations[:, rb.A_FILL] + 1, run.allocations[:, rb.A_QTY] * LOT])
    assert np.array_equal(book.allocations[:, [A_LOT, A_CLOSE, A_QTY]], mine)


def test_a_run_that_was_tampered_with_is_refused_by_the_ledger():
    run = rebalance(prices(1, 10, 2), np.array([0, 5]), cash="10000")
    run.fills[0, rb.F_SHARES] *= 50  # more than the cash
    with pytest.raises(RuntimeError, match="the ledger refused"):
        book_of(run)


@pytest.mark.parametrize("sequence", ["default", "auto"])
def test_the_orders_are_vectorbts_and_the_cash_is_within_float_noise(sequence):
    import vectorbt as vbt

    close, when = prices(5, 250, 40), np.arange(0, 250, 21)
    weights = np.full((len(when), 40), 950_000 // 40)
    run = rebalance(close, when, weights, cash="1000000", commission="bps:10")
    size = np.full(close.shape, np.nan)
    size[when] = weights / 1e6
    portfolio = vbt.Portfolio.from_orders(
        close=close / 100, size=size, size_type="targetpercent", fees=0.001, init_cash=1e6, cash_sharing=True, group_by=True,
        size_granularity=1.0, call_seq=sequence, engine="rust",
    )
    records = portfolio.order_records
    theirs = np.column_stack([records["idx"], records["col"], np.where(records["side"] == 0, 1, -1) * records["size"]])
    mine = run.fills[:, [rb.F_DAY, rb.F_SYMBOL, rb.F_SHARES]]
    assert run.cut == run.unpaid == 0 and len(mine) > 300
    assert np.array_equal(theirs[np.lexsort(theirs[:, 1::-1].T)], mine[np.lexsort(mine[:, 1::-1].T)])
    assert np.allclose(np.ravel(portfolio.value()), run.equity / 1e8, rtol=1e-12)


@given(st.integers(0, 10**8), st.integers(0, 2**60))
@settings(max_examples=300, deadline=None)
def test_the_short_way_to_a_fee_is_the_long_one(rate, value):
    from ledger.units import muldiv

    assert rb.rate_fee(rate, value) == muldiv(rate, value, 10**8)


def test_the_short_way_to_a_fee_rounds_halves_to_even():
    assert [rb.rate_fee(50_000_000, value) for value in (1, 3, 5)] == [0, 2, 2]


def test_a_purchase_is_cut_to_what_the_cash_pays_and_counted():
    run = rebalance(np.array([[100, 100], [100, 100]]), np.array([0]), np.array([[500_000, 500_000]]), cash="100", commission="per-share:0.1")
    assert run.fills[:, rb.F_SHARES].tolist() == [50, 40] and run.cut == 1
    dear = rebalance(np.array([[20_000, 5_000]]), np.array([0]), np.array([[500_000, 500_000]]), cash="100", commission="per-share:60")
    assert len(dear.fills) == 0 and dear.unpaid == 1  # one share of the second is within its weight, not within the cash


@pytest.mark.parametrize(
    ("close", "when", "words", "message"),
    [
        (np.ones((0, 2), np.int64), [], {}, "days, symbols"),
        (np.ones(3, np.int64), [], {}, "days, symbols"),
        (np.array([[1, 0]]), [0], {}, "fill gaps"),
        (np.array([[5, -3]]), [], {}, "day 0, column 1"),
        (np.ones((3, 2), np.int64), [1, 1], {}, "rising"),
        (np.ones((3, 2), np.int64), [3], {}, "rising"),
        (np.ones((3, 2), np.int64), [-1], {}, "rising"),
        (np.ones((3, 2), np.int64), [0], {"weights_e6": np.ones((2, 2), np.int64)}, "weights_e6"),
        (np.ones((3, 2), np.int64), [0], {"weights_e6": np.array([[600_000, 400_001]])}, "at most a million"),
        (np.ones((3, 2), np.int64), [0], {"weights_e6": np.array([[-1, 1]])}, "0 or more"),
        (np.ones((3, 2), np.int64), [0], {"price_exp": 5}, "price_exp"),
        (np.ones((3, 2), np.int64), [0], {"cash": "0"}, "cash"),
        (np.ones((3, 2), np.int64), [0], {"commission": "ibkr-tiered"}, "tiers"),
        (np.ones((3, 2), np.int64), [0], {"commission": "free beer"}, "cost model"),
    ],
)
def test_what_cannot_be_rebalanced_is_refused_by_name(close, when, words, message):
    with pytest.raises((ValueError, UnitError), match=message):
        rebalance(close, np.array(when, np.int64), **words)


def test_a_worth_beyond_the_ledger_stops_the_run_and_one_below_does_not():
    close = np.array([[1], [2**50]])
    with pytest.raises(OverflowError, match="day 1"):
        rebalance(close, np.array([0]), cash="1000000")
    fine = rebalance(np.array([[1], [11_000]]), np.array([0]), cash="1000000")
    assert fine.equity[-1] == 100_000_000 * 11_000 * 10**6


@pytest.mark.parametrize("price", [2**62, 2**63 - 1, 2**45])
def test_a_price_no_share_can_have_stops_the_run_even_when_nothing_is_held(price):
    with pytest.raises(OverflowError, match="day 0"):
        rebalance(np.array([[price, 1]]), np.array([0]), cash="10")


def test_the_most_negative_price_is_no_price():
    with pytest.raises(ValueError, match="fill gaps"):
        rebalance(np.array([[-(2**63), 1]]), np.array([0]), cash="10")


def test_times_of_ones_own_are_the_events_times():
    times = np.array([10**18, 10**18 + 5 * 10**12, 10**18 + 9 * 10**12])
    run = rebalance(prices(2, 3, 2), np.array([0, 2]))
    assert set(log(run, times)[:, 0]) == {int(times[0]), int(times[2])}
    assert check(book_of(run, times)) == Invariant.HOLDS
