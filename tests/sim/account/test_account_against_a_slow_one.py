"""Runs against the slow account: cash and positions after every bar, to the last unit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.book import H_CASH, H_FEES, H_INCOME, I_POSITION, Book
from ledger.core import apply_all
from sim.data import Action, History
from sim.run import Setting, simulate

from tests.sim.account.twin import SlowAccount
from tests.sim.backtest import tapes

BARS = 16
SPLITS = [(2, 1), (3, 2), (1, 3), (7, 1), (1, 50)]


def histories(draw: st.DrawFn) -> list[History]:
    """Draw one to three instruments on the same days, with gaps, jumps, splits, dividends and sometimes an end."""
    steps = draw(st.lists(st.sampled_from([1, 1, 1, 1, 3, 4, 30]), min_size=BARS, max_size=BARS))
    days = tapes.FIRST_DAY + np.cumsum(steps)
    return [_history(draw, f"S{n}", days) for n in range(draw(st.integers(1, 3)))]


def _history(draw: st.DrawFn, symbol: str, days: np.ndarray) -> History:
    moves = draw(st.lists(st.integers(-3000, 3000), min_size=2 * BARS, max_size=2 * BARS))
    price, opens, closes, actions = draw(st.integers(2_0000, 300_0000)), [], [], []
    for bar in range(BARS):
        if bar and draw(st.integers(0, 9)) == 0:
            new, old = draw(st.sampled_from(SPLITS))
            actions.append(Action(int(days[bar]), 0, "split", new, old, 0))
            price = max(100, price * old // new)
        if bar and draw(st.integers(0, 9)) == 0:
            actions.append(Action(int(days[bar]), 0, "dividend", 0, 1, draw(st.integers(1, 5 * 10**8))))
        for column, move in ((opens, moves[2 * bar]), (closes, moves[2 * bar + 1])):
            price = max(100, price + price * move // 10_000)
            column.append(price)
    if draw(st.integers(0, 3)) == 0:
        actions.append(Action(int(days[-1]), 0, "delisting", 0, 1, 0))
    made = tapes.history(closes, symbol, tuple(actions), opens)
    start = (days - 719_163) * tapes.DAY_NS + 14 * 3600 * 10**9
    return made._replace(day=days, start_ns=start, end_ns=start + 6 * 3600 * 10**9, signal_factor=np.ones(BARS))


SIZES = ["percent:95", "percent:60,buffer=0.25,fees=1", "percent:100,buffer=1,fees=1", "shares:100", "percent:180", "percent:300"]
FEES = ["zero", "ibkr-fixed", "ibkr-tiered+fees", "bps:10", "per-order:3", "lean-ibkr"]
ACCOUNTS = ["cash", "margin", "margin:initial=30,maintenance=20,short=25"]


@st.composite
def cases(draw: st.DrawFn) -> tuple[list[History], Setting, list[int]]:
    account = draw(st.sampled_from(ACCOUNTS))
    setting = Setting(
        cash=draw(st.sampled_from(["1000", "100000", "3000000"])), size=draw(st.sampled_from(SIZES)),
        commission=draw(st.sampled_from(FEES)), account=account, settlement=draw(st.sampled_from("0123")) if account == "cash" else "0",
        borrow_bps=draw(st.sampled_from(["0", "25", "3000"])), interest_bps=draw(st.sampled_from(["0", "450"])),
        debit_bps=draw(st.sampled_from(["0", "583.5"])), delisting=draw(st.sampled_from(["last", "worthless"])),
        lot=draw(st.sampled_from(["1", "1", "0.0001", "0.5"])),
    )  # fmt: skip
    return histories(draw), setting, draw(st.lists(st.sampled_from([0, 1, 1, 2]), min_size=BARS, max_size=BARS))


@settings(max_examples=120, deadline=None)
@given(cases())
def test_every_run_has_the_cash_and_positions_of_the_slow_account_after_every_bar(
    case: tuple[list[History], Setting, list[int]],
) -> None:
    tables, setting, digits = case
    sim = simulate(tables, tapes.strategy(tapes.scripted, tapes.Script, short=True), tapes.script(digits), setting)
    slow = SlowAccount(tables, setting)
    assert slow.run(digits) == [(int(row[2]), int(row[3])) for row in sim.values]
    arena = sim.book.arena
    assert [line.position for line in slow.lines] == [int(row[I_POSITION]) for row in sim.book.instruments[1:]]
    assert (slow.cash, slow.fees, slow.income) == (arena[H_CASH], arena[H_FEES], arena[H_INCOME])
    assert slow.refused == sim.book.refusals().sum()
    again = Book()
    assert apply_all(again, sim.log) == len(sim.log) and again == sim.book


@pytest.mark.parametrize("seed", range(3))
def test_the_slow_account_meets_what_it_is_there_for(seed: int) -> None:
    """A twin that never refuses, settles, calls or pays would prove nothing: count that it does."""
    random = np.random.default_rng(seed)
    met = {"refused": 0, "calls": 0, "income": 0, "unsettled": 0}
    for _ in range(60):
        walk = np.maximum(100, 100_0000 * np.exp(np.cumsum(random.normal(0, 0.2, 2 * BARS)))).astype(int).tolist()
        tape = tapes.history(walk[1::2], opens=walk[::2])
        account = random.choice(["cash", "margin"])
        setting = Setting(size="percent:190" if account == "margin" else "percent:95", account=account, borrow_bps="100",
                          settlement="2" if account == "cash" else "0")  # fmt: skip
        slow = SlowAccount([tape], setting)
        slow.run(random.choice([0, 1, 2], BARS).tolist())
        met["refused"] += slow.refused
        met["calls"] += slow.calls
        met["income"] += abs(slow.income)
        met["unsettled"] += len(slow.unsettled)
    assert min(met.values()) > 0, met
