"""The choice tape: the only source of chance of a schedule, and the plan that is drawn first.

Theory of operation. Every choice is one word of 32 bits. In a search the words come from a small
generator that is seeded with (seed, schedule number) and each one is written on the tape as it is
used; a replay reads the same tape instead. A word stands for the first choice when it is 0, and a
tape that ends early goes on with zeros, so shorter tapes and smaller words are simpler
schedules: that is all a shrinker needs to know. Integers only, and no product passes 63 bits, so
the compiled generator and plain Python give the same words.
"""

from __future__ import annotations

from ledger.kernel import inlined, kernel
from sim.fuzz.event.layout import AT_TAPE, TAPE, W_CHANCE, W_CURSOR, W_LENGTH, World

MASK = 0xFFFFFFFF


@inlined
def _mixed(value: int) -> int:
    """Return 32 well-mixed bits of 32 bits."""
    value = ((value ^ (value >> 16)) * 0x45D9F3B) & MASK
    value = ((value ^ (value >> 16)) * 0x45D9F3B) & MASK
    return value ^ (value >> 16)


@kernel
def wind(w: World, seed: int, number: int) -> None:
    """Begin a tape that is drawn from (seed, schedule number) (modified in place)."""
    w[W_CURSOR], w[W_LENGTH] = 0, -1
    chance = _mixed(_mixed(_mixed(seed & MASK) ^ (number & MASK)) ^ ((number >> 32) & MASK))
    w[W_CHANCE] = chance if chance != 0 else 1


@inlined
def draw(w: World, ways: int) -> int:
    """Return a choice of 0..ways-1 and note its word on the tape (modified in place)."""
    at = w[W_CURSOR]
    if at >= TAPE:
        return ways * 0
    w[W_CURSOR] = at + 1
    if w[W_LENGTH] >= 0:
        if at >= w[W_LENGTH]:
            w[AT_TAPE + at] = 0
        return (w[AT_TAPE + at] * ways) >> 32
    x = w[W_CHANCE]
    x ^= (x << 13) & MASK
    x ^= x >> 17
    x ^= (x << 5) & MASK
    w[W_CHANCE] = x
    w[AT_TAPE + at] = x
    return (x * ways) >> 32
