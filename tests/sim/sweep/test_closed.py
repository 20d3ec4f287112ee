"""The short ways of the word kernel against the long ones: figures in closed form, and the places where a wish changes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.sweep.core import closed
from sim.sweep.core.account import S_BLOCK, S_HELD, S_STRETCHES, STATE
from sim.sweep.core.market import Market, market
from sim.sweep.core.places import places
from sim.sweep.core.statistics import F_BEFORE, F_PEAK, F_TROUGH, FIGURES, scratch, settle, take
from sim.sweep.core.words import ALL, TILE, WORDS
from tests.sim.sweep import markets

CASH = 1e13


def account(cuts: list[int], lots: list[int], where: Market, last: int) -> tuple[np.ndarray, np.ndarray, tuple[np.ndarray, ...]]:
    """Return state, figures and stretches of an account that holds lots[i] from cuts[i] on, bought at the close before."""
    state, figures = np.zeros(STATE, np.int64), np.zeros(FIGURES)
    figures[[F_BEFORE, F_PEAK, F_TROUGH]] = CASH
    begins = np.array([*cuts, last, 0], np.int64)
    held = np.array(lots, np.float64)
    price = where.price[np.maximum(np.array(cuts) - 1, 0)]
    cash = CASH - np.cumsum(np.diff(np.concatenate([[0.0], held])) * price * 1.0001)
    state[S_STRETCHES] = len(cuts)
    return state, figures, (begins, np.append(cash, [0.0, 0.0]), np.append(held, [0.0, 0.0]))


def taken(way: str, cuts: list[int], lots: list[int], where: Market, last: int, blocks: int) -> tuple[bool, np.ndarray]:
    """Return whether a tile was taken, and all it left: figures, block sums, bars held, the block at work."""
    state, figures, (begins, cash, per_tick) = account(cuts, lots, where, last)
    buffers, made, sums = scratch(1, 1), closed.tables(), np.zeros((blocks, 3))
    for column, values in zip(buffers.stretches, (begins, cash, per_tick), strict=True):
        column[: values.size] = values
    done = True
    if way == "closed":
        closed.tabulate(made, where.price, 0, last)
        done = closed.take_closed(state, figures, buffers.stretches, made, where, sums, 0, last)
    else:
        take(state, figures, buffers, where, sums, 0, last)
    settle(figures)
    return done, np.concatenate([figures, sums.ravel(), state[[S_HELD, S_BLOCK]]])


@settings(max_examples=150, deadline=None)
@given(
    st.integers(1, TILE), st.lists(st.tuples(st.integers(1, TILE - 1), st.sampled_from([0, 1, 40_000, -40_000, 6_000_000])), max_size=25),
    st.integers(0, 10**6), st.integers(1, 5), st.sampled_from([0.0, 0.0005, 0.004]),
)  # fmt: skip
def test_a_tile_in_closed_form_leaves_what_bar_by_bar_leaves(bars, turns, seed, blocks, step) -> None:  # type: ignore[no-untyped-def]
    where = market(markets.walk(bars, seed, step=step), blocks, "bar")
    inside = sorted({cut: lots for cut, lots in turns if cut < bars}.items())
    cuts, lots = [0, *(cut for cut, _ in inside)], [0, *(lots for _, lots in inside)]
    done, found = taken("closed", cuts, lots, where, bars, blocks)
    _, plain = taken("plain", cuts, lots, where, bars, blocks)
    if not done:
        assert step > 0.0 and max(map(abs, lots)) >= 40_000
        return
    assert np.allclose(found, plain, rtol=1e-9, atol=1e-13)


def test_both_ways_are_met_and_an_account_that_swings_too_much_is_left_alone() -> None:
    where = market(markets.walk(900, 4, step=0.004), 1, "bar")
    cuts, answers = [0, 100, 500], []
    for lots in (1_000, 100_000, 9_000_000):
        done, found = taken("closed", cuts, [0, lots, 0], where, 900, 1)
        answers.append(done)
        assert np.allclose(found, taken("plain", cuts, [0, lots, 0], where, 900, 1)[1], rtol=1e-9, atol=1e-13) == done
    assert answers[0] and not answers[-1]


def test_a_fill_at_the_open_behind_a_tile_and_an_account_at_zero() -> None:
    where = market(markets.walk(TILE, 4, step=0.001), 1, "bar")
    assert np.array_equal(taken("closed", [0, 5, TILE], [0, 9, 0], where, TILE, 1)[1], taken("closed", [0, 5], [0, 9], where, TILE, 1)[1])
    state, figures, (begins, cash, per_tick) = account([0], [0], where, TILE)
    buffers, made = scratch(1, 1), closed.tables()
    figures[F_BEFORE] = 0.0
    assert not closed.take_closed(state, figures, buffers.stretches, made, where, np.zeros((1, 3)), 0, TILE)


def twin(words: np.ndarray, row: int, since: int) -> list[tuple[int, int]]:
    """Return the places bar by bar."""
    rows, found = words.shape[0] - 2, []
    none = row == rows
    for place in range(since, TILE):
        wished = [r for r in range(rows) if int(words[r, place // 64]) >> (place % 64) & 1]
        if wished and wished[0] != row:
            row = wished[0]
            found.append((place, row))
            if none:
                break
    return found


@settings(max_examples=150, deadline=None)
@given(
    st.integers(1, 3), st.lists(st.tuples(st.integers(1, 200), st.integers(-1, 2)), min_size=1, max_size=60), st.integers(0, 3),
    st.integers(0, TILE - 1), st.booleans(),
)  # fmt: skip
def test_the_places_where_a_wish_changes_are_those_found_bar_by_bar(rows, runs, row, since, always) -> None:  # type: ignore[no-untyped-def]
    wished = np.concatenate([np.full(length, min(which, rows - 1)) for length, which in runs] * 10)[:TILE]
    wished = np.concatenate([wished, np.full(TILE - wished.size, 0)])
    if always:
        wished = np.maximum(wished, 0)
    words = np.zeros((rows + 2, WORDS), np.uint64)
    for place in np.flatnonzero(wished >= 0).tolist():
        for line in (int(wished[place]), rows + 1):
            words[line, place // 64] |= np.uint64(1 << (place % 64))
    row = min(row, rows)
    if rows == 2 and row < rows and (words[3] == ALL).all() and since > 0:
        row = int(wished[since - 1])  # whoever follows a row at a place followed the wish before it
    out = np.empty((TILE + 16, 2), np.int64)
    count = places(words, row, since, out)
    assert [tuple(line) for line in out[:count].tolist()] == twin(words, row, since)


@pytest.mark.parametrize("flips", [1, 2, 3, 5, 64])
def test_many_edges_in_a_word_are_all_listed(flips: int) -> None:
    wished = np.arange(TILE) // max(1, 64 // flips) % 2
    words = np.zeros((4, WORDS), np.uint64)
    words[3] = ALL
    for place, which in enumerate(wished.tolist()):
        words[which, place // 64] |= np.uint64(1 << (place % 64))
    out = np.empty((TILE + 16, 2), np.int64)
    for row in (0, 1):
        assert [tuple(line) for line in out[: places(words, row, 0, out)].tolist()] == twin(words, row, 0)
