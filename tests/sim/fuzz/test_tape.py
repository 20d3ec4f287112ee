"""The tape: its words follow from seed and number alone, and are as good as chance."""

from __future__ import annotations

import hashlib
import itertools
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.fuzz import Tape


def test_a_tape_answers_its_script_and_then_zero():
    first = Tape(5, 9)
    values = [first.draw("size", 100) for _ in range(3)]
    again = Tape(script=values)
    assert [again.draw("size", 100) for _ in range(4)] == [*values, 0]
    with pytest.raises(ValueError, match="at least 1"):
        first.draw("size", 0)


@given(st.integers(0, 1 << 70), st.integers(0, 1 << 70))
def test_the_words_of_a_tape_are_those_of_blake2b_for_its_seed_and_number(seed, number):
    tape, block, words = Tape(seed, number), f"{seed}:{number}".encode(), []
    for _ in range(3):
        block = hashlib.blake2b(block).digest()
        words += [int.from_bytes(block[at : at + 2], "little") for at in range(0, 64, 2)]
    assert [tape.word() for _ in range(96)] == words


def test_the_words_of_a_tape_never_change():
    tape = Tape(1, 2)
    assert [tape.word() for _ in range(4)] == [45372, 60155, 716, 61066]
    assert [Tape(7, 3).below(bound) for bound in (1, 10, 1 << 16, 10**9, 10**30)] == [0, 2, 13363, 203906545, 203906545124566734926969097557]


@given(st.integers(1, 1 << 80), st.integers(0, 1 << 20))
def test_a_draw_is_below_its_bound(bound, number):
    assert 0 <= Tape(0, number).below(bound) < bound and 0 <= Tape(0, number).draw("size", bound) < bound


@pytest.mark.parametrize("bound", [2, 3, 7, 10, 1000])
def test_every_number_of_a_range_is_equally_likely(bound):
    """Chi-squared over one tape and over the first words of many: a fair one is below the limit but once in 10,000 times."""
    count = 200 * bound
    one = Tape(11, 0)
    for drawn in ([one.below(bound) for _ in range(count)], [Tape(11, number).below(bound) for number in range(count)]):
        seen = Counter(drawn)
        squared = sum((seen[value] - 200) ** 2 / 200 for value in range(bound))
        degrees = bound - 1
        assert squared < degrees * (1 - 2 / (9 * degrees) + 3.72 * (2 / (9 * degrees)) ** 0.5) ** 3


def test_neighbouring_tapes_have_nothing_in_common():
    """One bit of seed or number changes half of the bits; no pair of words of two neighbours agrees more often than chance has it."""
    tapes = [Tape(seed, number) for seed in range(8) for number in range(64)]
    words = [tuple(tape.word() for _ in range(64)) for tape in tapes]
    assert len(set(words)) == len(words)
    equal = sum(a == b for one, other in itertools.pairwise(words) for a, b in zip(one, other, strict=True))
    assert equal <= 8  # 0.5 is the mean
    flipped = sum((a ^ b).bit_count() for one, other in itertools.pairwise(words) for a, b in zip(one, other, strict=True))
    assert abs(flipped / (64 * 511 * 16) - 0.5) < 0.005


def test_a_chance_is_taken_as_often_as_it_says():
    tape = Tape(3, 3)
    assert abs(sum(tape.chance(0.25) for _ in range(20_000)) - 5_000) < 250
    assert not any(tape.chance(0.0) for _ in range(100)) and all(tape.chance(1.0) for _ in range(100))
