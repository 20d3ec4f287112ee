"""Cross-validation for observations that overlap in time: purged, embargoed, combinatorial.

Theory of operation. An observation's answer is known some time after its question: it
spans [first, last]. Training on one whose span touches that of a test observation
lets the answer leak, so such observations are purged; and because
markets remember, `embargo` more observations after each test block are left out as well.
Ordinary folds test one block at a time; combinatorial ones test every choice of k
of n blocks, and their parts fit together to several complete paths through time.

Source: Lopez de Prado, Advances in Financial Machine Learning (2018), chapters 7 and 12.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from math import comb
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


class Split(NamedTuple):
    """Which observations to learn from and which to test on; `blocks` are the test blocks."""

    train: Ints
    test: Ints
    blocks: tuple[int, ...]


def purged_folds(first: Ints, last: Ints, folds: int, embargo: int = 0) -> Iterator[Split]:
    """Yield one split a fold: each block of time is the test once.

    Args:
        first, last: int64[n], when an observation begins and when its answer is known; `first` never falls.
        embargo: observations after a test block that are not learnt from.
    Raises:
        ValueError: too few observations, times out of order, a negative embargo.
    """
    yield from combinatorial(first, last, folds, 1, embargo)


def combinatorial(first: Ints, last: Ints, blocks: int, tests: int, embargo: int = 0) -> Iterator[Split]:
    """Yield every split that tests `tests` of `blocks` blocks; see `purged_folds` for the arguments and errors."""
    _check(first, last, blocks, tests, embargo)
    edges = block_edges(first.size, blocks)
    for chosen in combinations(range(blocks), tests):
        test = np.concatenate([np.arange(edges[block], edges[block + 1]) for block in chosen])
        kept = np.ones(first.size, np.bool_)
        for block in chosen:
            kept &= ~_leaks(first, last, int(edges[block]), int(edges[block + 1]), embargo)
        yield Split(np.flatnonzero(kept), test, chosen)


def block_edges(count: int, blocks: int) -> Ints:
    """Return int64[blocks + 1]: where each block begins, and the end."""
    return np.linspace(0, count, blocks + 1).astype(np.int64)


def _leaks(first: Ints, last: Ints, start: int, stop: int, embargo: int) -> NDArray[np.bool_]:
    """Return bool[n]: the observation is in the block start..stop, touches its time, or follows within the embargo."""
    begins, ends = first[start:stop].min(), last[start:stop].max()
    leaks: NDArray[np.bool_] = np.asarray((first <= ends) & (last >= begins))
    leaks[start:stop] = True
    # The embargo begins after the last observation that touches the block, not after the block's last row.
    after = int(np.searchsorted(first, ends, side="right"))
    leaks[max(stop, after) : max(stop, after) + embargo] = True
    return leaks


def paths(blocks: int, tests: int) -> list[tuple[int, ...]]:
    """Return the complete paths: for each, which split (by its number) tests each block. No test is used twice."""
    uses: list[list[int]] = [[] for _ in range(blocks)]
    for number, chosen in enumerate(combinations(range(blocks), tests)):
        for block in chosen:
            uses[block].append(number)
    return [tuple(use[path] for use in uses) for path in range(comb(blocks - 1, tests - 1))]


def _check(first: Ints, last: Ints, blocks: int, tests: int, embargo: int) -> None:
    if first.shape != last.shape or first.ndim != 1:
        raise ValueError(f"first and last must be two columns of one length; got shapes {first.shape} and {last.shape}")
    if not 1 <= tests < blocks or first.size < blocks:
        raise ValueError(f"{tests} of {blocks} blocks cannot be tested with {first.size} observations; use fewer blocks")
    if embargo < 0:
        raise ValueError(f"embargo must be 0 or more observations; got {embargo}")
    if (np.diff(first) < 0).any() or (last < first).any():
        raise ValueError("observations must be sorted by `first`, and `last` must not be before `first`")
