"""PBO against a slow twin, against chance, and against strategies that are what they seem."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import rankdata

from sim.honesty.luck import pbo
from sim.honesty.luck.dice import dice
from sim.honesty.luck.pbo import block_moments, overfitting


def slow(returns, count):
    """Cut, choose, rank: the paper's five steps, one split at a time."""
    edges = np.linspace(0, len(returns), count + 1).astype(int)
    blocks = [returns[a:b] for a, b in zip(edges[:-1], edges[1:])]

    def ratio(rows):
        return rows.mean(axis=0) / rows.std(axis=0, ddof=1)

    ranks, reached = [], []
    for chosen in combinations(range(count), count // 2):
        inside = ratio(np.concatenate([blocks[i] for i in chosen]))
        outside = ratio(np.concatenate([blocks[i] for i in range(count) if i not in chosen]))
        best = int(np.argmax(inside))
        ranks.append(rankdata(outside)[best] / (returns.shape[1] + 1))
        reached.append(outside[best])
    logits = [math.log(rank / (1 - rank)) for rank in ranks]
    return float(np.mean(np.array(logits) <= 0)), float(np.median(ranks)), float(np.mean(np.array(reached) < 0))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), strategies=st.integers(2, 12), count=st.sampled_from([2, 4, 6, 8]), length=st.integers(40, 90))
def test_the_fast_computation_is_the_slow_one(seed, strategies, count, length):
    returns = dice(seed).standard_normal((length, strategies)) * 0.01
    found = overfitting(block_moments(returns, count))
    assert (found.pbo, found.median_rank, found.loss) == pytest.approx(slow(returns, count))
    assert found.splits == math.comb(count, count // 2) and found.strategies == strategies


def test_chunks_do_not_change_the_answer(monkeypatch):
    blocks = block_moments(dice(5).standard_normal((200, 9)), 8)
    whole = overfitting(blocks)
    monkeypatch.setattr(pbo, "CHUNK_CELLS", 50)
    assert overfitting(blocks) == whole


def test_among_strategies_without_skill_choosing_means_nothing():
    found = [overfitting(block_moments(dice(seed).standard_normal((480, 30)), 10)).pbo for seed in range(60)]
    assert abs(np.mean(found) - 0.5) < 0.06


def test_a_strategy_that_is_truly_better_is_not_called_overfitted():
    returns = dice(2).standard_normal((480, 30)) * 0.01
    returns[:, 7] += 0.003
    found = overfitting(block_moments(returns, 10))
    assert found.pbo < 0.05 and found.median_rank > 0.9 and found.loss < 0.05


def test_strategies_fitted_to_one_half_are_found_out():
    """Each strategy shines in its own random half and pays for it in the other: what looks best is worst later."""
    chance = dice(9)
    returns = chance.standard_normal((480, 40)) * 0.002
    for column in range(40):
        half = np.repeat(chance.permutation([1.0, -1.0] * 4), 60)
        returns[:, column] += 0.004 * half
    found = overfitting(block_moments(returns, 8))
    assert found.pbo > 0.9 and found.loss > 0.9 and found.slope < 0


def test_equals_share_their_rank_and_strategies_that_never_trade_cannot_be_chosen():
    series = dice(4).standard_normal((100, 1)) * 0.01
    same = overfitting(block_moments(np.repeat(series, 5, axis=1), 4))
    assert same.pbo == 1.0 and same.median_rank == 0.5, "choosing among equals is worth nothing"
    one = overfitting(block_moments(np.hstack([np.zeros((100, 3)), series + 0.02]), 4))
    assert one.pbo == 0.0 and one.strategies == 4
    assert overfitting(block_moments(np.zeros((100, 4)), 4)) is None
    assert overfitting(block_moments(series, 4)) is None, "one strategy was not chosen from anything"


@pytest.mark.parametrize("shape", [(3, 5, 3), (3, 4, 2), (3, 0, 3), (3, 22, 3), (4, 3)])
def test_blocks_of_another_shape_are_refused(shape):
    with pytest.raises(ValueError, match="even S"):
        overfitting(np.zeros(shape))


def test_too_few_returns_are_refused():
    with pytest.raises(ValueError, match="at least 32 returns"):
        block_moments(np.zeros((31, 3)))
