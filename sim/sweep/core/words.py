"""Comparisons of columns, 64 bars at a time: bit i of a word says what holds at bar i.

Theory of operation. A test compares two columns, or a column and a number; a word of it has a
bit for each bar where it holds. A bar where either side is NaN holds nothing, neither the test nor its
opposite. Wishes are conjunctions of tests in order of precedence, so a bar has at most one. The
columns are the very floats that `on_bar` reads, and the tie rule is the same `above`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ledger.kernel import inlined, kernel
from strategies.indicators import TIE, above

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Words = NDArray[np.uint64]
MASK = 2**63 - 1
ABOVE, GREATER, AT_LEAST = 0, 1, 2
"""Primitive comparisons; the others are their mirrors or opposites."""
T_OP, T_LEFT, T_RIGHT = range(3)
"""Columns of a test: comparison, left and right column of the sheet (-1: the test's number)."""
W_ROW, W_YES, W_NO = range(3)
"""Columns of a wish: row of its target, bits of tests that must hold, bits of tests whose opposite must hold."""
TESTS_MAX = 62
BITS = 64
TILE = 1024
"""Bars that are worked on together: their words are a constant number, so the compiler unrolls the loops over them."""
WORDS = TILE // BITS
ALL = np.uint64(2**64 - 1)
_U0, _U1 = np.uint64(0), np.uint64(1)


@inlined
def _above_of_positive(a: float, b: float) -> bool:
    """As `above`, for numbers not below 0: where a > b, a is the greater magnitude; elsewhere nothing holds."""
    return a - b > TIE * a


@inlined
def _greater(a: float, b: float) -> bool:
    return a > b


@inlined
def _at_least(a: float, b: float) -> bool:
    return a >= b


@inlined
def _both_known(a: float, b: float) -> bool:
    return a == a and b == b


def _of_columns(test: Callable[[float, float], bool]) -> Callable[[Floats, Floats, int, Words], None]:
    """Return the kernel that fills out with the words of a test of two columns from bar `first` on."""

    def words(a: Floats, b: Floats, first: int, out: Words) -> None:
        base = first & MASK
        for k in range(out.shape[0]):
            word = _U0
            for i in range(BITS):
                word |= np.uint64(test(a[base + i], b[base + i])) << np.uint64(i)
            out[k] = word
            base += BITS

    words.__qualname__ = f"words_of_columns_{test.__name__}"  # the compiler's cache knows a function by this name
    return kernel(words)


def _of_number(test: Callable[[float, float], bool]) -> Callable[[Floats, float, int, Words], None]:
    """Return the kernel that fills out with the words of a test of a column and a number from bar `first` on."""

    def words(a: Floats, number: float, first: int, out: Words) -> None:
        base = first & MASK
        for k in range(out.shape[0]):
            word = _U0
            for i in range(BITS):
                word |= np.uint64(test(a[base + i], number)) << np.uint64(i)
            out[k] = word
            base += BITS

    words.__qualname__ = f"words_of_number_{test.__name__}"
    return kernel(words)


_columns_above, _columns_above_of_positive = _of_columns(above), _of_columns(_above_of_positive)
_columns_greater, _columns_at_least, _columns_known = _of_columns(_greater), _of_columns(_at_least), _of_columns(_both_known)
_number_above, _number_greater, _number_at_least = _of_number(above), _of_number(_greater), _of_number(_at_least)


@kernel
def compare(
    test: Ints, number: float, sheet: Floats, known_from: Ints, positive: NDArray[np.bool_], first: int, yes: Words, known: Words
) -> None:
    """Fill the words of one test over the tile that begins at bar `first`: where it holds, and where both sides are known.

    Args:
        sheet: float64[columns, padded T]; bars beyond the history are NaN.
        known_from: int64[columns], the bar from which a column has no NaN; the sheet's width when there is none.
        positive: bool[columns], whether a column has no number below 0.
        yes, known: uint64[WORDS], modified in place.
    """
    left, right, op = test[T_LEFT], test[T_RIGHT], test[T_OP]
    a = sheet[left]
    b = a if right < 0 else sheet[right]
    if right < 0 and op == ABOVE:
        _number_above(a, number, first, yes)
    elif right < 0 and op == GREATER:
        _number_greater(a, number, first, yes)
    elif right < 0:
        _number_at_least(a, number, first, yes)
    elif op == ABOVE and positive[left] and positive[right]:
        _columns_above_of_positive(a, b, first, yes)
    elif op == ABOVE:
        _columns_above(a, b, first, yes)
    elif op == GREATER:
        _columns_greater(a, b, first, yes)
    else:
        _columns_at_least(a, b, first, yes)
    since = max(known_from[left], known_from[right] if right >= 0 else np.int64(0))
    if first >= since and first + TILE <= known_from[-1]:
        for k in range(WORDS):
            known[k] = ALL
    else:
        _columns_known(a, b, first, known)


@kernel
def wish_words(wishes: Ints, yes: Words, known: Words, bars: int, out: Words) -> None:
    """Combine tests into words of targets (out modified in place); a bar belongs to the first wish that holds.

    Args:
        wishes: int64[wishes, 3]. yes, known: uint64[tests, WORDS]. bars: of the tile; no bit beyond them is set.
        out: uint64[rows + 2, WORDS]: a row for each target, one of zeros, and one of the bars where any wish holds.
    """
    rows = out.shape[0] - 2
    free, spare = out[rows + 1], out[rows]
    if rows == 2 and yes.shape[0] == 1 and _is_choice(wishes):
        for k in range(WORDS):
            out[0, k], out[1, k], spare[k], free[k] = yes[0, k] & known[0, k], ~yes[0, k] & known[0, k], _U0, known[0, k]
        return
    for row in range(rows):
        for k in range(WORDS):
            out[row, k] = _U0
    for k in range(WORDS):
        free[k] = ALL
    for w in range(wishes.shape[0]):
        _wish(wishes[w], yes, known, free, spare, out[wishes[w, W_ROW]])
    for k in range(WORDS):
        free[k] = ~free[k]
        spare[k] = _U0
    if bars < TILE:
        for row in range(rows + 2):
            _cut(out[row], bars)


@inlined
def _is_choice(wishes: Ints) -> bool:
    """Say whether the wishes are one test and its opposite: the usual strategy, whose words need no conjunctions."""
    two = wishes.shape[0] == 2 and wishes[0, W_ROW] == 0 and wishes[1, W_ROW] == 1
    return two and wishes[0, W_YES] == 1 and wishes[0, W_NO] == 0 and wishes[1, W_YES] == 0 and wishes[1, W_NO] == 1


@inlined
def _wish(wish: Ints, yes: Words, known: Words, free: Words, spare: Words, mine: Words) -> None:
    """Move the free bits where all tests of a wish hold to its row (free, spare, mine modified in place)."""
    for k in range(WORDS):
        spare[k] = free[k]
    for p in range(yes.shape[0]):
        for sense in (W_YES, W_NO):
            if (wish[sense] >> p) & 1:
                flip = ALL if sense == W_NO else _U0
                for k in range(WORDS):
                    spare[k] &= (yes[p, k] ^ flip) & known[p, k]
    for k in range(WORDS):
        mine[k] |= spare[k]
        free[k] &= ~spare[k]


@kernel
def _cut(word: Words, bars: int) -> None:
    """Clear the bits of a tile from bar `bars` on (modified in place)."""
    for k in range(WORDS):
        word[k] &= ALL if bars >= BITS * (k + 1) else _U0 if bars <= BITS * k else (_U1 << np.uint64(bars - BITS * k)) - _U1
