"""The choice tape: the only source of chance in the fuzzer.

Theory of operation. One schedule owns one Tape, made of a seed and the schedule's
number. Its chance is a stream of 16-bit words: blake2b of the two numbers, then of each block in
turn, cut into words. A stream begins when its first word is asked for and costs nothing before, which
a Mersenne Twister does not: filling its table takes as long as a dozen moves. What happens next is
picked with unlabelled words; what the world decides (a size, a price) is drawn under a label and
written down. A tape may instead be given the labelled draws of an earlier schedule: those
are answered in turn and everything after them is 0, the harmless answer, so that a replay needs no seed.

Invariant. The words are a function of (seed, number) alone: no process, no Python and no machine changes them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from itertools import chain
from struct import Struct
from typing import NamedTuple

WORD_BITS = 16  # products of a word and a small number stay in one digit of Python's integers, which is twice as fast
WORDS = 1 << WORD_BITS
"""How many words there are: `word() < p * WORDS` happens with probability p."""
_words_of = Struct("<32H").unpack


def blocks(seed: int, number: int) -> Iterator[tuple[int, ...]]:
    """Yield the stream of one schedule for ever, 32 words at a time."""
    block = b"%d:%d" % (seed, number)
    while True:
        block = blake2b(block).digest()
        yield _words_of(block)


class Draw(NamedTuple):
    """One labelled choice: `value` of range(bound)."""

    label: str
    bound: int
    value: int


class Tape:
    """The chance of one schedule.

    Attributes:
        word: returns the next unlabelled word, an integer of range(WORDS); policies pick with it.
        draws: every labelled choice so far, in order.
    """

    __slots__ = ("_script", "draws", "word")

    def __init__(self, seed: int = 0, number: int = 0, script: Sequence[int] | None = None) -> None:
        """Begin the tape of schedule `number` under `seed`, or one that answers the values of `script`."""
        self.word: Callable[[], int] = chain.from_iterable(blocks(seed, number)).__next__
        self._script = script
        self.draws: list[Draw] = []

    def below(self, bound: int) -> int:
        """Return an unlabelled integer of range(bound); how likely two of them are differs by less than one part in 65,536."""
        value, bits = self.word(), WORD_BITS
        while bound >> bits - 16:
            value, bits = value << WORD_BITS | self.word(), bits + WORD_BITS
        return value * bound >> bits

    def priority(self) -> int:
        """Return 32 unlabelled bits, so that two of them are hardly ever equal."""
        return self.word() << WORD_BITS | self.word()

    def chance(self, probability: float) -> bool:
        """Say yes with a probability."""
        return self.word() < probability * WORDS

    def draw(self, label: str, bound: int) -> int:
        """Return a labelled integer of range(bound) and write it down.

        Raises:
            ValueError: bound is below 1.
        """
        if bound < 1:
            raise ValueError(f"draw {label!r} of range({bound}): there is nothing to choose; give a bound of at least 1")
        value = self.below(bound) if self._script is None else min(self._told(label, self._script), bound - 1)
        self.draws.append(Draw(label, bound, value))
        return value

    def _told(self, label: str, script: Sequence[int]) -> int:
        """Return what the script says of the next draw, 0 after its end."""
        at = len(self.draws)
        return script[at] if at < len(script) else 0


class LabelledTape(Tape):
    """Answers the values of each label in turn, so that a scenario of another size still gets what was meant for it."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, Sequence[int]]) -> None:
        super().__init__(script=())
        self._values = {label: iter(own) for label, own in values.items()}

    def _told(self, label: str, script: Sequence[int]) -> int:
        return next(self._values.get(label, iter(())), 0)


def by_label(draws: Iterable[Draw]) -> dict[str, tuple[int, ...]]:
    """Return the values of draws in turn, for each label."""
    found: dict[str, tuple[int, ...]] = {}
    for draw in draws:
        found[draw.label] = (*found.get(draw.label, ()), draw.value)
    return found
