"""An answer becomes the same order on paper and in a backtest: what is news, which prices, which guards, how large."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.scenarios.test_paper_is_backtest import BARS, fee_of, minutes

from ledger.book import E_FLAGS, E_KIND, E_PRICE, E_STOP, E_TARGET, E_TIME, E_TRAIL, E_TYPE, EVENT_WIDTH, Book, event
from ledger.core import apply
from ledger.vocabulary import EventKind
from live.broker.fold import Contract
from live.market import prices, wishes
from live.market.guards import _share
from live.market.history import Bar
from live.market.wishes import News, NotTradable, judge
from sim.engine import claims, guards as engine_guards
from sim.engine.exchange import against, worst_price
from sim.engine.layout import BAD_PRICE, GUARD_SHARED, P_FRACTION
from sim.engine.signals import WISH
from sim.run import Setting, simulate
from strategies import get
from strategies.api import MARKET, STOP, TRAIL, Signal, parse_params
from strategies.asking import W_FROM_FILL, W_LIMIT, W_STOP, W_STOP_LOSS, W_TAKE_PROFIT, W_TARGET, W_TIF, W_TRAIL, W_TYPE
from strategies.sizing import parse_rule


def plain(function: Any) -> Any:
    return getattr(function, "py_func", function)


TICKS = st.sampled_from([1, 5, 100, 250])
SIDES = st.sampled_from([1, -1])
PRICES = st.floats(0.0, 1e6) | st.integers(1, 10**7).map(lambda n: n / 100) | st.just(0.0)


@given(PRICES, SIDES, TICKS)
@example(1012500.0000001, 1, 100)
@example(1012500.1, -1, 100)
def test_a_price_becomes_the_same_tick(price: float, side: int, tick: int) -> None:
    assert prices.tick_of(price * 10_000, side, tick) == plain(claims.tick_of)(price * 10_000, side, tick)


@given(st.integers(1, 10**10), SIDES, TICKS, st.integers(0, 2_000))
def test_the_grid_and_the_worst_price_are_the_same(price: int, side: int, tick: int, bps: int) -> None:
    assert prices.against(price, side, tick) == plain(against)(price, side, tick)
    assert prices.worst(price, side, bps) == plain(worst_price)(price, side, bps)


def maybe(values: list[float]) -> st.SearchStrategy[float]:
    return st.sampled_from([*values, 0.0])


SIGNALS = st.builds(
    Signal, target=st.sampled_from([-1.0, 0.0, 0.5, 1.0]), order_type=st.integers(0, 4), limit=maybe([99.995, 100.0, 101.231]),
    stop_loss=maybe([90.0, 0.1]), take_profit=maybe([110.0, 0.2]), trail=maybe([2.5, 0.05]), stop=maybe([100.5, 99.0]),
    time_in_force=st.integers(0, 4), from_fill=st.sampled_from([0, 1]),
)  # fmt: skip


def row(said: Signal) -> Any:
    """Return a wish as the engine's tape holds it."""
    line = np.zeros(WISH)
    line[W_TARGET], line[W_TYPE], line[W_LIMIT], line[W_STOP_LOSS] = said.target, said.order_type, said.limit, said.stop_loss
    line[W_TAKE_PROFIT], line[W_TRAIL], line[W_STOP], line[W_TIF], line[W_FROM_FILL] = (
        said.take_profit, said.trail, said.stop, said.time_in_force, said.from_fill,
    )  # fmt: skip
    return line


@given(SIGNALS, SIGNALS)
def test_what_is_news_is_news_on_both_sides(said: Signal, last: Signal) -> None:
    mine, theirs = row(said), row(last)
    same = said.target == last.target and plain(claims.same_order)(mine, theirs)
    if TRAIL in (said.order_type, last.order_type) and same:
        return  # a trailing order's distance is no guard here; in the engine's comparison it is one, with the same outcome
    expected = News.ORDER if not same else News.NONE if plain(claims.same_guards)(mine, theirs) else News.GUARDS
    assert judge(said, last) is expected


@given(SIGNALS, st.booleans())
def test_what_is_malformed_is_refused_on_both_sides(said: Signal, alone: bool) -> None:
    problem = plain(claims._malformed)(row(said), 10_000.0, alone)
    try:
        wishes.require_tradable(said, alone)
        assert problem == 0, problem
    except NotTradable as error:
        assert problem != 0, str(error)
        assert (problem == GUARD_SHARED) == ("shares the account" in str(error))
        assert problem != BAD_PRICE or "price" in str(error)


@given(SIGNALS, SIDES, TICKS, st.integers(500_000, 2_000_000))
def test_an_order_gets_the_same_type_prices_and_flags(said: Signal, side: int, tick: int, close: int) -> None:
    if plain(claims._malformed)(row(said), 10_000.0, True):
        return
    rules = SimpleNamespace(at_close=0, worst_bps=prices.WORST_BPS)
    tape = SimpleNamespace(close=[close], scale=[10_000.0], volume=[1_000])
    theirs, mine = np.zeros(EVENT_WIDTH, np.int64), np.zeros(EVENT_WIDTH, np.int64)
    plain(claims._price_order)(theirs, rules, row(said), tape, 0, side, tick, 10_000)
    wishes._price_order(mine, said, close, side, Contract(1, "AAPL", 1, 4, 4, tick))
    if said.order_type in (STOP, TRAIL):
        # What a stop reserves is on the book's grid, which is the finest; the engine has one grid for both.
        theirs[E_PRICE] = plain(worst_price)(int(theirs[E_STOP]), side, prices.WORST_BPS)
    for column in (E_TYPE, E_PRICE, E_STOP, E_TRAIL, E_FLAGS):
        assert mine[column] == theirs[column], column


FRACTIONS = st.just(0.0) | st.floats(0.001, 0.5)


@given(SIDES, FRACTIONS, FRACTIONS, TICKS, st.integers(10_000, 3_000_000))
def test_guards_as_fractions_of_the_fill_lie_at_the_same_prices(side: int, stop: float, target: float, tick: int, base: int) -> None:
    slot = np.zeros(64, np.int64)
    said = Signal(float(side), MARKET, 0.0, stop, target, 0.0, 0.0, 0, 1)
    plain(claims.keep_guards)(slot, row(said), side, 10_000.0, tick, base)
    assert slot[P_FRACTION] == 1
    theirs = [plain(engine_guards.level)(slot, which, side, base, base, tick) for which in (1, 2)]
    mine = [
        _share(base, stop, -side, tick, up=side < 0) if stop else 0, _share(base, target, side, tick, up=side > 0) if target else 0
    ]  # fmt: skip
    assert mine == theirs


@pytest.mark.parametrize("rule", ["percent:40", "value:5000", "shares:7", "percent:95,fees=1", "percent:50,buffer=1"])
def test_a_size_is_the_engines_to_the_share(rule: str) -> None:
    histories = [minutes("AAPL", 4, (0,), BARS)]
    setting = Setting(cash="100000", size=rule, commission="ibkr-fixed")
    chosen = get("sma_cross")
    sim = simulate(histories, chosen, parse_params(chosen, ["fast=3", "slow=7"]), setting)
    first = sim.log[sim.log[:, E_KIND] == EventKind.CLAIM][0]
    bar = next(at for at in range(BARS) if histories[0].end_ns[at] == first[E_TIME])
    book = Book()
    for line in sim.log[sim.log[:, E_TIME] < first[E_TIME]]:
        apply(book, line)
    apply(book, event(EventKind.MARK, time_ns=int(first[E_TIME]), instrument=1, price_ticks=int(histories[0].close_ticks[bar])))
    place = wishes.Place(Contract(1, "AAPL", 1, 4, 4, 1), 1, 0, True)
    size = parse_rule(rule).size(1)
    close = int(histories[0].close_ticks[bar])
    lots = wishes.Maker(size, fee_of).lots(book, place, Bar(0, int(first[E_TIME]), close, close, close, close, 0.0), size.amount, 1.0)
    assert lots == first[E_TARGET] and lots > 0
