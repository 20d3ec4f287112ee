"""Draws: numbers that look like chance and follow from a seed alone.

Theory of operation. A counter is stepped by the golden ratio of 2**64 and mixed
(SplitMix64, G. Steele, D. Lea, C. Flood, OOPSLA 2014). The same seed gives the same
draws on every machine and in every release of Python and numpy, so a case of the
oracle is named by two numbers for ever.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")
_GOLDEN, _MASK = 0x9E3779B97F4A7C15, (1 << 64) - 1


class Draws:
    """A stream of draws; each call takes the next one."""

    __slots__ = ("_state",)

    def __init__(self, *seeds: int) -> None:
        self._state = 0
        for seed in seeds:
            self._state = (self._word() + seed) & _MASK

    def _word(self) -> int:
        """Return the next 64 bits."""
        self._state = (self._state + _GOLDEN) & _MASK
        mixed = self._state
        mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _MASK
        return mixed ^ (mixed >> 31)

    def between(self, least: int, most: int) -> int:
        """Return a whole number from least to most, both included."""
        return least + self._word() % (most - least + 1)

    def pick(self, choices: Sequence[T]) -> T:
        """Return one of the choices, all alike."""
        return choices[self._word() % len(choices)]

    def chance(self, percent: int) -> bool:
        """Return True that often."""
        return self._word() % 100 < percent
