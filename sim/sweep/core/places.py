"""Where the wish changes: the places of set bits, found before anybody acts on them.

Theory of operation. An account acts where another row of words is wished than the one it follows. Were each place
looked for after the order before it, the processor would guess wrong at almost every word; a list of places
is made by a few steps a word that are always the same, and walked without a guess. A strategy that
has a wish at every bar, one of two, needs only the edges of one word; every other one is asked word by word.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ledger.kernel import inlined, kernel
from sim.sweep.core.words import ALL, BITS, WORDS

Ints = NDArray[np.int64]
Words = NDArray[np.uint64]
AT_ONCE = 4
"""Edges of a word that are written without asking how many there are."""
_U0, _U1, TOP = np.uint64(0), np.uint64(1), np.uint64(2**63)


@inlined
def _ones(word: np.uint64) -> int:
    """Return the number of set bits of a word; the compiler knows this loop as one instruction."""
    count = 0
    while word != _U0:
        word &= word - _U1
        count += 1
    return count


@inlined
def _less(word: np.uint64) -> np.uint64:
    """Return word - 1 in all bits but the highest, which is set: so there is an answer for 0, too."""
    return (word | TOP) - _U1


@inlined
def _zeros(word: np.uint64) -> int:
    """Return the number of trailing zero bits of a word; something of 63 or less when it is 0."""
    return _ones(~(word | TOP) & _less(word))


@inlined
def _wished(words: Words, k: int, place: int) -> int:
    """Return the row whose wish holds at a bit."""
    row = 0
    while (words[row, k] >> np.uint64(place)) & _U1 == _U0:
        row += 1
    return row


@inlined
def _from(since: int, k: int) -> np.uint64:
    """Return the bits of word k from place `since` of the tile on."""
    return ALL if since <= BITS * k else _U0 if since >= BITS * (k + 1) else ALL << np.uint64(since - BITS * k)


@inlined
def _two(words: Words, row: int, since: int, out: Ints) -> int:
    """List the edges of row 0, which is wished wherever row 1 is not (out modified in place); return how many."""
    count, before = 0, np.uint64(1 if row == 0 else 0)
    for k in range(WORDS):
        word = words[0, k]
        edges = (word ^ (word << _U1 | before)) & _from(since, k)
        before = word >> np.uint64(BITS - 1)
        here, bits = count, edges
        for i in range(AT_ONCE):
            out[here + i, 0] = BITS * k + _zeros(bits)
            bits &= _less(bits)
        count += _ones(edges)
        here += AT_ONCE
        while bits != _U0:
            out[here, 0] = BITS * k + _zeros(bits)
            bits &= _less(bits)
            here += 1
    for i in range(count):
        out[i, 1] = (row + 1 + i) & 1
    return count


@kernel
def places(words: Words, row: int, since: int, out: Ints) -> int:
    """List the places of a tile at which an account that follows a row of words turns to another one.

    Args:
        words: as `wish_words` gives them. row: the row that is followed; the row of zeros: none, and one place is enough.
        since: the first place that counts.
        out: int64[TILE + 4 or more, 2], modified in place: the place, the row that is wished there.
    Returns:
        How many there are.
    """
    rows = words.shape[0] - 2
    if rows == 2 and row < rows:
        always = ALL
        for k in range(WORDS):
            always &= words[rows + 1, k]
        if always == ALL:
            return _two(words, row, since, out)
    count = 0
    for k in range(since // BITS, WORDS):
        later = _from(since, k)
        while True:
            bits = words[rows + 1, k] & ~words[row, k] & later
            if bits == _U0:
                break
            place = _zeros(bits)
            later = (ALL << np.uint64(place)) << _U1
            none, row = row == rows, _wished(words, k, place)
            out[count, 0], out[count, 1] = BITS * k + place, row
            count += 1
            if none:
                return count
    return count
