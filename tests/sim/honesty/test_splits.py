"""No training observation knows an answer of the test: purging against a twin that compares all pairs."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.honesty.luck.splits import block_edges, combinatorial, paths, purged_folds


@st.composite
def observations(draw):
    count = draw(st.integers(6, 60))
    first = np.sort(np.array(draw(st.lists(st.integers(0, 80), min_size=count, max_size=count)), np.int64))
    last = first + np.array(draw(st.lists(st.integers(0, 15), min_size=count, max_size=count)), np.int64)
    return first, last


def leaks(first, last, train, block, embargo):
    """Say for one test block, the slow way, whether a training observation touches its time or follows within the embargo."""
    begins, ends = min(first[i] for i in block), max(last[i] for i in block)
    after = max([i for i in range(len(first)) if first[i] <= ends] + list(block)) + 1
    return [i for i in train if (first[i] <= ends and last[i] >= begins) or after <= i < after + embargo]


@given(data=observations(), blocks=st.integers(2, 6), tests=st.integers(1, 3), embargo=st.integers(0, 8))
def test_no_split_trains_on_what_touches_its_test_and_none_leaves_out_more(data, blocks, tests, embargo):
    first, last = data
    if tests >= blocks:
        return
    edges, count = block_edges(first.size, blocks), 0
    for split in combinatorial(first, last, blocks, tests, embargo):
        count += 1
        tested = [range(edges[b], edges[b + 1]) for b in split.blocks]
        assert sorted(split.test) == sorted(i for block in tested for i in block)
        banned = {i for block in tested for i in [*block, *leaks(first, last, range(first.size), block, embargo)]}
        assert set(split.train) == set(range(first.size)) - banned
    assert count == comb(blocks, tests)


def test_without_purging_an_overlapping_answer_would_be_learnt():
    first, last = np.arange(20), np.arange(20) + 3
    split = next(purged_folds(first, last, 4))
    assert split.test.tolist() == [0, 1, 2, 3, 4] and split.train.min() == 8
    assert next(purged_folds(first, first, 4)).train.min() == 5, "answers that are known at once need no purging"
    assert next(purged_folds(first, last, 4, embargo=2)).train.min() == 10


@given(blocks=st.integers(2, 8), tests=st.integers(1, 4))
def test_every_path_crosses_all_time_and_no_test_is_used_twice(blocks, tests):
    if tests >= blocks:
        return
    first = np.arange(blocks * 2)
    splits = list(combinatorial(first, first, blocks, tests))
    found = paths(blocks, tests)
    assert len(found) == comb(blocks, tests) * tests // blocks
    used = [(block, number) for path in found for block, number in enumerate(path)]
    assert len(set(used)) == len(used) == len(splits) * tests
    assert all(block in splits[number].blocks for block, number in used)


@pytest.mark.parametrize(
    ("first", "last", "blocks", "tests", "embargo", "words"),
    [
        ([0, 1], [0], 2, 1, 0, "one length"), ([0, 1], [0, 1], 3, 1, 0, "fewer blocks"), ([0, 1], [0, 1], 2, 2, 0, "cannot be tested"),
        ([1, 0], [1, 1], 2, 1, 0, "sorted"), ([0, 1], [0, 0], 2, 1, 0, "before"), ([0, 1], [0, 1], 2, 1, -1, "embargo"),
    ],
)  # fmt: skip
def test_wrong_observations_are_refused(first, last, blocks, tests, embargo, words):
    with pytest.raises(ValueError, match=words):
        next(combinatorial(np.array(first), np.array(last), blocks, tests, embargo))
