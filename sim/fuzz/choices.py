"""The choice tape: the only source of chance in the fuzzer.

Theory of operation. One schedule owns one Tape, made of a seed and the schedule's
number. What happens next is picked with its unlabelled stream (`random`); what the
world decides (a size, a price) is drawn under a label and written down. A tape may
instead be given the labelled draws of an earlier schedule: those are answered in turn
and everything after them is 0, the harmless answer, so that a replay needs no seed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import NamedTuple


class Draw(NamedTuple):
    """One labelled choice: `value` of range(bound)."""

    label: str
    bound: int
    value: int


class Tape:
    """The chance of one schedule.

    Attributes:
        random: returns a float in [0, 1) from the seeded stream; policies pick with it.
        draws: every labelled choice so far, in order.
    """

    __slots__ = ("_script", "_stream", "draws", "random")

    def __init__(self, seed: int = 0, number: int = 0, script: Sequence[int] | None = None) -> None:
        """Begin the tape of schedule `number` under `seed`, or one that answers the values of `script`."""
        self._stream = Random((seed << 40) + number)
        self.random: Callable[[], float] = self._stream.random
        self._script = script
        self.draws: list[Draw] = []

    def below(self, bound: int) -> int:
        """Return an unlabelled integer of range(bound)."""
        return int(self.random() * bound)

    def draw(self, label: str, bound: int) -> int:
        """Return a labelled integer of range(bound) and write it down.

        Raises:
            ValueError: bound is below 1.
        """
        if bound < 1:
            raise ValueError(f"draw {label!r} of range({bound}): there is nothing to choose; give a bound of at least 1")
        if self._script is None:
            value = int(self.random() * bound)
        else:
            at = len(self.draws)
            value = min(self._script[at], bound - 1) if at < len(self._script) else 0
        self.draws.append(Draw(label, bound, value))
        return value
