"""Every built-in strategy on real prices: the parts of a run add up to its equity, to the last unit.

The sums are made here, from the event log and the rows of lots and allocations, and compared with the
equity curve; none of the book's own totals is used.
"""

from __future__ import annotations

from fractions import Fraction
from functools import cache

import numpy as np
import pytest

from ledger.book import (
    A_COST, A_INSTRUMENT, A_PROCEEDS, A_SIDE, A_VERSION, E_CASH, E_EXEC, E_FEE, E_INSTRUMENT, E_KIND, E_PRICE, E_QTY, E_SIDE,
    I_VERSION, L_COST, L_INSTRUMENT, L_OPEN, L_SIDE, L_VERSION, Book,
)  # fmt: skip
from ledger.core import apply_all
from ledger.units import money
from ledger.vocabulary import EventKind as K
from sim.data import History, load
from sim.run import Setting, Simulation, simulate
from strategies import get, names

SYMBOLS = {"spy": "2001-01-02", "aapl": "2001-01-02", "ibm": "2001-01-02", "bac": "2001-01-02", "qqq": "2011-03-23"}
SETTINGS = {
    "cash": Setting(),
    "margin": Setting(
        size="percent:150", account="margin", commission="ibkr-tiered+fees", borrow_bps="50", interest_bps="100", debit_bps="550"
    ),
    "settled": Setting(size="atr:1,multiple=2,bars=14", settlement="2", commission="ibkr-fixed+fees", lot="0.0001"),
}


@cache
def bars(folder: str, symbol: str, prices: str) -> History:
    """Return 20 years of a symbol; QQQ's file begins with its last ticker, and IBM's has a bad open in 2002."""
    return load(folder, [symbol], prices=prices, start=SYMBOLS[symbol], end="2021-03-31", repairs=("allow-jumps",))[0]


def rows(sim: Simulation, *kinds: K) -> np.ndarray:
    return sim.log[np.isin(sim.log[:, E_KIND], kinds)]


def total(values: np.ndarray) -> int:
    return sum(int(value) for value in values)


def reconcile(sim: Simulation) -> None:
    """Assert the two identities, each from its own rows."""
    start, last = money(sim.setting.cash), [int(value) for value in sim.values[-1]]
    cash, held = start, [0] * (len(sim.histories) + 1)
    for line in sim.log:
        kind, number, side, qty = (int(line[column]) for column in (E_KIND, E_INSTRUMENT, E_SIDE, E_QTY))
        if kind == K.FILL:
            cash -= side * round(Fraction(qty * int(line[E_PRICE]), 10 ** (sim.histories[number - 1].price_exp - 4)))
            held[number] += side * qty
        elif kind == K.ADJUST_POSITION:
            held[number] += side * qty
        elif kind == K.SPLIT:
            held[number] = round(Fraction(held[number] * qty, int(line[E_PRICE])))
        elif kind in (K.DIVIDEND, K.INTEREST):
            cash += int(line[E_CASH])
        elif kind in (K.BORROW_FEE, K.WITHDRAWAL):
            cash -= int(line[E_CASH])
        elif kind == K.DEPOSIT and int(line[E_INSTRUMENT]):
            cash += int(line[E_CASH])
        elif kind == K.COMMISSION:
            cash -= int(line[E_FEE])
    worth = sum(
        round(Fraction(qty * int(history.close_ticks[-1]), 10 ** (history.price_exp - 4)))
        for qty, history in zip(held[1:], sim.histories, strict=True)
    )
    assert [cash, worth] == last[2:4]

    book = sim.book
    allocs = book.allocations[book.allocations[:, A_VERSION] == book.instruments[book.allocations[:, A_INSTRUMENT], I_VERSION]]
    lots = book.lots[book.lots[:, L_VERSION] == book.instruments[book.lots[:, L_INSTRUMENT], I_VERSION]]
    open_lots = lots[lots[:, L_OPEN] > 0]
    profit = total(allocs[:, A_SIDE] * (allocs[:, A_PROCEEDS] - allocs[:, A_COST]))
    unrealized = worth - total(open_lots[:, L_SIDE] * open_lots[:, L_COST])
    income = total(rows(sim, K.DIVIDEND, K.INTEREST)[:, E_CASH]) - total(rows(sim, K.BORROW_FEE)[:, E_CASH])
    assert profit + unrealized + income - total(rows(sim, K.COMMISSION)[:, E_FEE]) == last[2] + last[3] - start
    assert len(rows(sim, K.COMMISSION)) == len(set(rows(sim, K.FILL)[:, E_EXEC].tolist()))
    again = Book()
    assert apply_all(again, sim.log) == len(sim.log) and again == sim.book


@pytest.mark.parametrize("name", [name for name in names() if get(name).symbols[0] == 1])
def test_each_strategy_on_the_bundled_index_adds_up_to_the_last_unit(name: str) -> None:
    strategy = get(name)
    sim = simulate(load("sp500"), strategy, strategy.params(), Setting(borrow_bps="25", interest_bps="100"))
    reconcile(sim)


@pytest.mark.parametrize("account", SETTINGS)
@pytest.mark.parametrize("name", [name for name in names() if name not in ("ml_trend", "pairs")])
def test_each_strategy_on_twenty_years_of_five_shares_adds_up_to_the_last_unit(name: str, account: str, lean: str) -> None:
    strategy = get(name)
    sim = simulate([bars(lean, symbol, "raw") for symbol in SYMBOLS], strategy, strategy.params(), SETTINGS[account])
    assert len(rows(sim, K.FILL)) >= 4 and len(rows(sim, K.SPLIT)) >= 4
    reconcile(sim)


@pytest.mark.parametrize(("name", "symbols"), [("pairs", ["spy", "ibm"]), ("ml_trend", ["aapl"])])
def test_strategies_that_choose_their_own_instruments_add_up_too(name: str, symbols: list[str], lean: str) -> None:
    strategy = get(name)
    reconcile(simulate([bars(lean, symbol, "raw") for symbol in symbols], strategy, strategy.params(), SETTINGS["margin"]))


@pytest.mark.parametrize("prices", ["adjusted", "raw"])
def test_a_delisted_share_leaves_by_an_event_that_is_told(prices: str, lean: str) -> None:
    (gone,) = load(lean, ["aaa.1"], prices=prices, start="2006-01-03", repairs=("allow-delisted",))
    strategy, left = get("buy_and_hold"), {}
    for how in ("last", "worthless"):
        sim = simulate([gone], strategy, strategy.params(), Setting(delisting=how))
        left[how], worth = (int(value) for value in sim.values[-1][2:4])
        assert worth == 0 and any("delisted" in remark for remark in sim.remarks)
        (event,) = rows(sim, K.ADJUST_POSITION)
        assert event[E_PRICE] == (gone.close_ticks[-1] if how == "last" else 0)
        assert len(sim.book.orders) == 1
    paid = round(Fraction(int(event[E_QTY]) * int(gone.close_ticks[-1]), 10 ** (gone.price_exp - 4)))
    assert left["last"] - left["worthless"] == paid > 0


def test_a_renamed_share_is_one_instrument_whose_position_outlives_its_ticker(lean: str) -> None:
    (goog,) = load(lean, ["goog"], prices="raw", start="2014-03-28", end="2014-04-30")
    strategy = get("buy_and_hold")
    sim = simulate([goog], strategy, strategy.params())
    assert goog.symbol == "GOOG" and len(rows(sim, K.FILL)) == 1 and int(sim.values[-1][5]) == 1
    reconcile(sim)
