"""A failing tape made small: shorter, then with smaller words, as long as the same thing goes wrong.

Theory of operation. A tape that ends early goes on with zeros, and a zero stands for the first choice:
no further signal, no fault, the first mover. So three passes are enough, repeated until
none of them helps: cut the end off, take pieces out of the middle, make words zero or halve them. Each
candidate is one run of the compiled schedule, so hundreds of them take no time that a person would notice.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from sim.fuzz.event.plan import PLAN_WORDS, SIZE_WORD
from sim.fuzz.event.run import Player, Words

RUNS_MAX = 20_000


class Shrunk(NamedTuple):
    """A small tape with the same verdict, and how many runs it took to find it."""

    tape: Words
    verdict: int
    runs: int


def _candidates(tape: Words) -> Iterator[Words]:
    """Yield simpler tapes, the boldest first."""
    size = len(tape)
    for keep in (size // 4, size // 2, 3 * size // 4, size - 1):
        yield tape[:keep]
    for part in range(int(tape[SIZE_WORD] >> 28) if size > PLAN_WORDS else 0):  # fewer signals, whose words go as well
        for gone in range(1, 8):
            for first in range(PLAN_WORDS, min(PLAN_WORDS + 8, size)):
                smaller = np.delete(tape, slice(first, first + gone))
                smaller[SIZE_WORD] = part << 28
                yield smaller
    for length in (32, 16, 8, 4, 3, 2, 1):
        for start in range(0, size - length + 1, max(1, length // 2)):
            yield np.delete(tape, slice(start, start + length))
    for place in np.flatnonzero(tape):
        for value in (0, 1 << 31, int(tape[place]) // 2):
            if value < tape[place]:
                smaller = tape.copy()
                smaller[place] = value
                yield smaller


def shrink(player: Player, tape: Words, verdict: int) -> Shrunk:
    """Return the smallest tape found that is convicted of the same.

    Raises:
        ValueError: the tape is not convicted of `verdict`.
    """
    if player.play(tape) != verdict:
        raise ValueError(f"this tape is not convicted of {verdict}; shrink what fails")
    runs, better = 1, True
    while better and runs < RUNS_MAX:
        better = False
        for smaller in _candidates(tape):
            runs += 1
            if player.play(smaller) == verdict:
                tape, better = smaller, True
                break
    return Shrunk(tape, verdict, runs)
