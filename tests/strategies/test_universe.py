"""Several instruments: one clock, the rotation, the pair, and both of them through a whole backtest."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import strategies
from ledger.book import I_POSITION
from sim import backtest
from sim.data import load
from strategies.api import Bars, Strategy, StrategyError, alone, columns_of, first_column, parse_params, part
from strategies.causality import universe_signals
from strategies.library.momentum_rotation import weights
from strategies.library.pairs import Params as PairParams
from strategies.library.pairs import legs
from strategies.rolling import STATISTIC, Z, cointegration
from strategies.universe import clock_of, newest
from tests.strategies.samples import DAY, real, walk_of

NAN = np.nan


def bars_on(days, close):
    close = np.array(close, float)
    return Bars(np.array(days, np.int64) * DAY + 1, close, close, close, close, np.ones(close.size))


def targets(name, universe, *texts):
    strategy = strategies.get(name)
    return [rows[:, 0] for rows in universe_signals(strategy, universe, parse_params(strategy, texts))]


def test_the_newest_bar_at_a_moment_is_the_last_that_had_ended_and_grows_old():
    clock = clock_of((bars_on([1, 2, 5], [1, 2, 3]), bars_on([2, 3, 4], [1, 2, 3])))
    assert list(clock.moments_ns // DAY) == [1, 2, 3, 4, 5]
    everyone = np.arange(-1, 5)
    assert list(newest(clock, 0, everyone, 0)) == [-1, 0, 1, -1, -1, 2]
    assert list(newest(clock, 0, everyone, 1)) == [-1, 0, 1, 1, -1, 2]
    assert list(newest(clock, 1, everyone, 9)) == [-1, -1, 0, 1, 2, 2]


def test_weights_go_to_the_best_that_rose_and_ties_to_the_first():
    returns = np.array([[0.1, 0.3, 0.3, -0.1], [NAN, NAN, NAN, 0.2], [-0.2, -0.1, NAN, -0.3], [NAN] * 4])
    np.testing.assert_array_equal(weights(returns, 2, 1), [[0, 0.5, 0.5, 0], [0, 0, 0, 0.5], [0] * 4, [0] * 4])
    np.testing.assert_array_equal(weights(returns, 1, 0), [[0, 1, 0, 0], [0, 0, 0, 1], [0, 1, 0, 0], [0] * 4])
    np.testing.assert_array_equal(weights(returns[:, :2].copy(), 5, 0)[0], [0.2, 0.2])


def rotation_twin(universe, top, lookback):
    """The rotation in pandas: closes of all on one index, ranked at the first moment of each month."""
    frame = pd.DataFrame({at: pd.Series(bars.close, index=bars.time_ns) for at, bars in enumerate(universe)}).sort_index()
    filled = frame.ffill(limit=5)
    month = pd.to_datetime(frame.index - 1).to_period("M")
    held = pd.DataFrame(np.nan, index=frame.index, columns=frame.columns)
    for u in range(lookback + 5, len(frame)):
        if month[u] != month[u - 1]:
            past = (filled.iloc[u] / filled.iloc[u - lookback] - 1).where(filled.iloc[u].notna())
            best = past[past > 0].sort_values(ascending=False, kind="stable").index[:top]
            held.iloc[u] = [1 / top if name in best else 0.0 for name in held.columns]
    held = held.ffill()
    return [held.loc[bars.time_ns, at].to_numpy() for at, bars in enumerate(universe)]


def test_the_rotation_holds_what_pandas_ranks_best_with_holes_late_listings_and_delistings():
    days = np.arange(1, 900)
    rng = np.random.default_rng(4)

    def member(kept):
        return bars_on(days[kept], 100 * np.exp(np.cumsum(rng.normal(0.0003, 0.01, days.size)))[kept])

    everyone = np.ones(days.size, bool)
    universe = (
        member(everyone), member(rng.random(days.size) > 0.1), member(days > 400), member(days < 500), member(rng.random(days.size) > 0.8),
    )  # fmt: skip
    got = targets("momentum_rotation", universe, "top=2", "lookback=60", "rebalance=0")
    for mine, theirs in zip(got, rotation_twin(universe, 2, 60)):
        np.testing.assert_array_equal(mine, theirs)
    assert {0.0, 0.5} <= set(np.concatenate(got)[~np.isnan(np.concatenate(got))])


def test_the_rotation_on_real_shares_is_that_of_pandas():
    universe = real("SPY", "AAPL", "BAC", "AIG", "GOOG")
    for mine, theirs in zip(targets("momentum_rotation", universe, "top=2", "rebalance=0"), rotation_twin(universe, 2, 126)):
        np.testing.assert_array_equal(mine, theirs)


def test_the_rotation_ranks_each_monday_and_may_skip_the_newest_bars():
    universe = (walk_of(1, 300), walk_of(2, 300))
    weekly = targets("momentum_rotation", universe, "top=1", "lookback=20", "weekly=1", "absolute=0", "rebalance=0")
    turned = np.flatnonzero(np.diff(weekly[0][40:]) != 0) + 41
    weekday = pd.to_datetime(universe[0].time_ns[turned]).day_of_week
    assert turned.size > 3 and set(weekday) == {0}
    assert (weekly[0][60:] + weekly[1][60:] == 1.0).all()
    skipped = targets("momentum_rotation", universe, "top=1", "lookback=20", "skip=5", "weekly=1", "absolute=0", "rebalance=0")
    close = [bars.close for bars in universe]
    at = turned[-1]
    better = close[0][at - 5] / close[0][at - 25] > close[1][at - 5] / close[1][at - 25]
    assert skipped[0][at] == float(better)


def test_what_stays_is_brought_back_to_its_weight_at_each_ranking():
    universe = (walk_of(1, 400), walk_of(2, 400))
    left, again = (targets("momentum_rotation", universe, "top=2", "lookback=20", "absolute=0", f"rebalance={r}") for r in (0, 1))
    month = pd.to_datetime(universe[0].time_ns - 1).month
    for plain, nudged in zip(left, again):
        assert set(plain[~np.isnan(plain)]) == {0.5} and np.nanmax(np.abs(plain - nudged)) <= 1.1e-6
        changed = np.flatnonzero(np.diff(nudged[40:]) != 0) + 41
        assert changed.size > 8 and (month[changed] != month[changed - 1]).all()
        assert changed.size == (np.diff(month[40:]) != 0).sum() - np.isnan(nudged[40:]).any()


def test_a_winner_is_trimmed_so_that_the_others_find_cash():
    histories = [load("sp500")[0], load("nasdaq")[0]]
    words = {"cash": "1000000", "size": "percent:98", "commission": "zero", "top": 2, "absolute": 0, "lookback": 20}
    left, again = (backtest(histories, "momentum_rotation", rebalance=r, **words) for r in (0, 1))
    assert len(again.fills) > 10 * len(left.fills) and set(again.fills.symbol) == {"SPX", "COMP"}


def drifting(seed, count=600):
    """Two series that belong together: y = 2 x^0.8, times a noise that comes back."""
    rng = np.random.default_rng(seed)
    x = 50 * np.exp(np.cumsum(rng.normal(0, 0.01, count)))
    gap = np.zeros(count)
    for t in range(1, count):
        gap[t] = 0.85 * gap[t - 1] + rng.normal(0, 0.01)
    return bars_on(np.arange(1, count + 1), 2 * x**0.8 * np.exp(gap)), bars_on(np.arange(1, count + 1), x)


def test_a_pair_that_belongs_together_is_traded_both_ways_and_both_legs_close_together():
    first, second = targets("pairs", drifting(3))
    known = ~np.isnan(first)
    assert (known == ~np.isnan(second)).all() and set(np.sign(first[known])) == {-1.0, 0.0, 1.0}
    held = known & (first != 0)
    np.testing.assert_allclose(np.abs(first[held]) + np.abs(second[held]), 1.0)
    slope = -second[held] / first[held]
    assert 0.5 < np.median(slope) < 1.1  # the truth is 0.8
    kept = held[1:] & held[:-1] & (np.sign(first[1:]) == np.sign(first[:-1]))
    assert (first[1:][kept] == first[:-1][kept]).all()  # the slope of the entry is kept


def test_the_legs_follow_z_by_the_rules():
    z = [1.0, 0.3, 2.5, 1.0, -0.7, -2.5, -4.5, -2.5, -0.2, -2.1, 0.9, NAN, 2.2, 0.1]
    fit = np.full((4, len(z)), 1.0)
    fit[Z], fit[STATISTIC] = z, -9.0
    got = legs(fit, PairParams(), -3.0)
    #        unknown flat short short met  long parted - flat long crossed - short met
    sides = [NAN, 0, -1, -1, 0, 1, 0, 0, 0, 1, 0, 0, -1, 0]
    np.testing.assert_array_equal(np.sign(got[0]), np.array(sides, float))
    np.testing.assert_array_equal(got[0], -got[1])
    assert np.nanmax(np.abs(got)) == 0.5
    fit[STATISTIC] = -2.0
    assert (legs(fit, PairParams(), -3.0)[0][1:] == 0.0).all()  # not cointegrated: nothing is opened
    fit[STATISTIC] = NAN
    assert (legs(fit, PairParams(), np.inf)[0][1:] == 0.0).all()


def test_a_pair_with_holes_is_fitted_on_common_bars_and_says_the_same_in_between():
    y, x = drifting(5, 300)
    kept = np.arange(300) % 5 != 2
    holed = Bars(*(column[kept] for column in x))
    first, second = targets("pairs", (y, holed), "window=50")
    common = cointegration(np.log(y.close[kept]), np.log(holed.close), 50)
    want = legs(common, PairParams(window=50), -3.04445 - 4.2412 / 50 - 2.72 / 2500)
    np.testing.assert_array_equal(first[kept], want[0])
    np.testing.assert_array_equal(second, want[1])
    gaps = np.flatnonzero(~kept)
    np.testing.assert_array_equal(first[gaps], first[gaps - 1])


@pytest.mark.parametrize(("name", "count", "words"), [("pairs", 1, "exactly 2"), ("pairs", 3, "exactly 2")])
def test_too_few_or_too_many_instruments_are_refused_by_number(name, count, words):
    strategy = strategies.get(name)
    with pytest.raises(StrategyError, match=f"{count} instruments given; it trades {words}"):
        columns_of(strategy, [walk_of(at, 200) for at in range(count)], strategy.params())


def test_columns_of_a_wrong_shape_are_refused():
    def short(universe, params):
        return tuple(np.zeros((1, bars.close.size - 1)) for bars in universe)

    base = strategies.get("momentum_rotation")
    wrong = replace(base, prepare=alone(short), prepare_universe=short)
    with pytest.raises(StrategyError, match=r"shapes .* for bars of lengths 50, 60"):
        columns_of(wrong, [walk_of(1, 50), walk_of(2, 60)], base.params())
    few = replace(base, symbols=(3, 5))
    with pytest.raises(StrategyError, match="at least 3"):
        columns_of(few, [walk_of(1, 50)], base.params())


def constant(shares):
    def fixed(universe, params):
        return tuple(np.full((1, bars.close.size), share) for bars, share in zip(universe, shares))

    base = strategies.get("buy_and_hold")
    return Strategy("fixed", base.params, alone(fixed), first_column, base.warmup, 0, "Fixed weights.", False, prepare_universe=fixed)


def test_targets_of_a_universe_are_weights_of_the_whole_account():
    histories = [load("sp500", start="2015-01-02", end="2015-06-30")[0], load("nasdaq", start="2015-01-02", end="2015-06-30")[0]]
    result = backtest(histories, constant((0.5, 0.25)), cash="1000000", size="percent:80", commission="zero")
    spent = {row.symbol: row.qty * row.price for row in result.fills.itertuples()}
    assert spent["SPX"] == pytest.approx(0.5 * 0.8 * 1e6, rel=0.02) and spent["COMP"] == pytest.approx(0.25 * 0.8 * 1e6, rel=0.02)
    alone_each = backtest(histories, "buy_and_hold", cash="1000000", size="percent:80", commission="zero")
    halves = {row.symbol: row.qty * row.price for row in alone_each.fills.itertuples()}
    assert halves["SPX"] == pytest.approx(0.4 * 1e6, rel=0.02) and halves["COMP"] == pytest.approx(0.4 * 1e6, rel=0.02)


@pytest.mark.parametrize(("name", "words"), [("momentum_rotation", {"top": 1, "lookback": 60}), ("pairs", {"window": 60, "confidence": 0})])
def test_a_universe_is_traded_end_to_end_and_the_book_holds_what_the_signals_want(name, words):
    histories = [load("sp500")[0], load("nasdaq")[0]]
    result = backtest(histories, name, cash="1000000", size="percent:50", commission="zero", **words)
    assert len(result.fills) > 10 and set(result.fills.symbol) == {"SPX", "COMP"}
    strategy = strategies.get(name)
    wanted = universe_signals(strategy, real("sp500", "nasdaq"), strategy.params(**words))
    for number, (history, rows) in enumerate(zip(histories, wanted), 1):
        held = int(result.book.instruments[number, I_POSITION])
        target = rows[:, 0][-2]  # the last signal that could still be filled
        assert np.sign(held) == np.sign(0.0 if np.isnan(target) else target)
        fills = result.fills[result.fills.symbol == history.symbol]
        spoken = rows[:, 0][~np.isnan(rows[:, 0])]
        assert len(fills) <= (np.diff(spoken) != 0).sum() + 1


def test_a_universe_without_some_history_yet_is_no_reason_to_fail():
    whole = (walk_of(1, 300), walk_of(2, 300))
    for name in ("momentum_rotation", "pairs"):
        for first, second in ((0, 300), (300, 0), (0, 0), (1, 1)):
            got = targets(name, (part(whole[0], 0, first), part(whole[1], 0, second)))
            assert [column.size for column in got] == [first, second]
            assert all(np.isnan(column).all() for column in got) or (name == "momentum_rotation" and first + second == 300)
