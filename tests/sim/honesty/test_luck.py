"""Resampling returns, trades and entries: known answers, calibration without skill, the same seed the same figure."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.honesty.luck.bootstrap import block_length, growth_of, interval, sharpe_of, superior
from sim.honesty.luck.dice import dice
from sim.honesty.luck.entries import rule_luck, spells
from sim.honesty.luck.stability import stability
from sim.honesty.luck.trades import fractions, trade_luck


def noise(seed, *shape, drift=0.0):
    return dice(seed).standard_normal(shape) * 0.01 + drift


def test_an_interval_holds_its_figure_and_the_same_seed_gives_the_same_interval():
    returns = noise(1, 500, drift=0.0005)
    for figure, compute in (("sharpe", sharpe_of), ("total_return", growth_of)):
        found = interval(returns, figure, dice(5), draws=400)
        assert found.low < found.value < found.high and found.value == compute(returns)
        assert found == interval(returns, figure, dice(5), draws=400) != interval(returns, figure, dice(6), draws=400)
        narrow = interval(returns, figure, dice(5), draws=400, level=0.5)
        assert found.low < narrow.low < narrow.high < found.high


def test_intervals_cover_a_ratio_of_zero_as_often_as_they_say():
    missed = 0
    for seed in range(150):
        found = interval(noise(seed, 200), "sharpe", dice(seed), draws=150, level=0.9, block=1.0)
        missed += not found.low <= 0.0 <= found.high
    assert abs(missed / 150 - 0.1) < 0.07


def test_what_cannot_be_resampled_is_none_and_blocks_are_never_too_long():
    assert interval(np.zeros(100), "sharpe", dice(1)) is None and interval(noise(1, 9), "sharpe", dice(1)) is None
    assert interval(np.array([0.01] * 50 + [np.nan]), "sharpe", dice(1)) is None
    rare = np.zeros(500)
    rare[3] = 0.01
    assert np.isfinite(interval(rare, "sharpe", dice(1), draws=100, block=1.0)).all(), "samples without that day have no ratio"
    trending = np.sin(np.arange(400) / 30) * 0.01 + noise(2, 400) * 0.05
    assert block_length(noise(1, 400)) < 8 < block_length(trending) <= 100 and block_length(np.zeros(50)) == 1.0


def test_superiority_over_a_benchmark_is_believed_when_it_is_there_and_calibrated_when_it_is_not():
    returns = noise(8, 400, 20)
    returns[:, 4] += 0.004
    found = superior(returns, np.zeros(400), dice(1), draws=300)
    assert found.best == 4 and found.strategies == 20 and found.consistent < 0.02 and found.reality_check < 0.02
    assert found.lower <= found.consistent <= found.reality_check
    null = [superior(noise(seed, 150, 5), np.zeros(150), dice(seed), draws=150, block=1.0).reality_check for seed in range(120)]
    assert abs(np.mean(np.array(null) < 0.1) - 0.1) < 0.08 and abs(np.mean(null) - 0.5) < 0.12


def test_superiority_is_unknown_when_nothing_differs_and_shapes_must_fit():
    flat = noise(1, 50)
    assert superior(np.repeat(flat[:, None], 3, axis=1), flat, dice(1)) is None
    assert superior(noise(1, 5, 2), np.zeros(5), dice(1)) is None
    with pytest.raises(ValueError, match="50 rows"):
        superior(noise(1, 49, 2), flat, dice(1))


@settings(max_examples=40, deadline=None)
@given(pnl=st.lists(st.integers(-20, 30), min_size=2, max_size=25), seed=st.integers(0, 99))
def test_fractions_give_the_account_back_and_shuffling_keeps_its_end(pnl, seed):
    e8 = np.array(pnl, np.int64) * 10**8
    parts = fractions(e8, 1000 * 10**8)
    assert parts is not None and np.prod(1 + parts) == pytest.approx((1000 + sum(pnl)) / 1000)
    found = trade_luck(parts, dice(seed), draws=200)
    curve = np.maximum.accumulate(np.concatenate(([1000], 1000 + np.cumsum(pnl))))
    assert found.drawdown == pytest.approx(min(0, ((1000 + np.concatenate(([0], np.cumsum(pnl)))) / curve - 1).min()))
    assert found.shuffled_drawdown.low <= found.shuffled_drawdown.middle <= found.shuffled_drawdown.high <= 0
    assert 0 < found.drawdown_rank <= 1 or found.drawdown < found.shuffled_drawdown.low
    assert found == trade_luck(parts, dice(seed), draws=200)


def test_known_trades_have_known_bands():
    """Two trades, +50 % and -50 %: in either order the end is -25 % and the drawdown -50 %."""
    found = trade_luck(np.array([0.5, -0.5]), dice(1), draws=4000)
    assert found.drawdown == found.shuffled_drawdown.low == found.shuffled_drawdown.high == -0.5
    assert found.drawdown_rank == 1.0 and found.loss == pytest.approx(0.75, abs=0.03)
    assert found.drawn_return.low == pytest.approx(-0.75) and found.drawn_return.high == pytest.approx(1.25)
    lost = trade_luck(np.array([-1.5, 9.0]), dice(1), draws=50)
    assert lost.drawdown == -1.0 and lost.drawn_return.low == -1.0, "an account that lost everything does not come back"


def test_too_few_trades_or_a_ruined_account_have_no_bands():
    assert trade_luck(np.array([0.1]), dice(1)) is None and trade_luck(np.array([]), dice(1)) is None
    assert fractions(np.array([-10, 5]), 10) is None and fractions(np.array([], np.int64), 10).size == 0


@given(st.lists(st.sampled_from([-1.0, 0.0, 1.0]), max_size=40))
def test_spells_laid_end_to_end_are_the_position(position):
    sides, lengths = spells(np.array(position))
    assert np.repeat(sides, lengths).tolist() == position
    assert (np.diff(sides) != 0).all()


def test_a_rule_that_knows_the_future_is_told_from_one_that_does_not():
    market = noise(3, 600)
    knowing = (np.repeat(market.reshape(-1, 5).sum(axis=1), 5) > 0).astype(float)
    assert rule_luck([knowing], [market], dice(1), draws=300).p_value == pytest.approx(1 / 301)
    assert rule_luck([-knowing], [market], dice(1), draws=300).p_value > 0.99
    two = rule_luck([knowing, np.zeros(600)], [market, market], dice(1), draws=50)
    assert two.entries == spells(knowing)[0].sum() and two.p_value < 0.05


def test_without_knowledge_the_p_value_is_uniform():
    values = []
    for seed in range(300):
        chance = dice(seed)
        position = (np.repeat(chance.random(40), 5) > 0.5).astype(float)
        found = rule_luck([position], [chance.standard_normal(200)], chance, draws=60)
        values.append(found.p_value)
    assert abs(np.mean(values) - 0.5) < 0.06 and abs(np.mean(np.array(values) <= 0.1) - 0.1) < 0.05


def test_a_rule_that_never_enters_or_never_leaves_cannot_be_judged():
    market = noise(1, 50)
    for position in (np.zeros(50), np.ones(50)):
        assert rule_luck([position], [market], dice(1)) is None
    with pytest.raises(ValueError, match="one entry a bar"):
        rule_luck([np.zeros(3)], [market], dice(1))


GRID = [{"fast": fast, "slow": slow} for fast in (5, 10, 20) for slow in (30, 60)]


def test_a_plateau_is_told_from_a_needle():
    plateau = stability(GRID, [1.0, 1.0, 1.1, 1.0, 1.0, 1.0])
    assert plateau.params == {"fast": 10, "slow": 30} and plateau.neighbours == 3 and plateau.share == pytest.approx(1 / 1.1)
    needle = stability(GRID, [0.0, -0.5, 3.0, -0.1, 0.1, 5.0], chosen=2)
    assert needle.mean == pytest.approx(0.0) and needle.worst == -0.1 and needle.share == pytest.approx(0.0)


def test_unknown_figures_are_counted_and_never_taken_for_zero():
    found = stability(GRID, [None, 1.0, 2.0, float("nan"), 1.5, 1.0])
    assert (found.neighbours, found.unknown, found.mean) == (3, 2, 1.5)
    assert stability(GRID, [None] * 6) is None and stability(GRID, [1.0, *[None] * 5]) is None
    assert stability(GRID, [-1.0, -2.0, -3.0, -2.0, -2.0, -2.0]).share is None
    with pytest.raises(ValueError, match="one value a combination"):
        stability(GRID, [1.0])
