"""Signals as columns: what a strategy may declare beside `on_bar`, so that a sweep can read 64 bars at a time.

Theory of operation. Many strategies wish by comparing columns: long while one average is above
another, flat when a price falls below a line. Such a strategy may say so once more, as data: a
tuple of wishes in order of precedence, each a target and the tests that must all hold. The first wish that holds
at a bar is the strategy's target there; where none holds it has no opinion. A test with NaN on either
side does not hold, whatever it asks. The declaration must wish what `on_bar` wishes, bar for bar:
`targets` says what it means, slowly, and a test compares the two for every strategy that declares.

A column is a name of Bars ("close"), or a compiled function of columns and numbers:

    fast = column(sma, "close", 10)                        # sma(bars.close, 10)
    line = column(smooth, column(minus, fast, slow), 9)    # functions of functions

Equal columns are computed once, however many parameter sets share them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from strategies.api import Bars, StrategyError
from strategies.indicators import TIE, sma, smas

Floats = NDArray[np.float64]

ABOVE, NOT_ABOVE, GREATER, AT_LEAST, LESS, AT_MOST = "above", "not above", ">", ">=", "<", "<="
COMPARISONS = (ABOVE, NOT_ABOVE, GREATER, AT_LEAST, LESS, AT_MOST)
OPPOSITE = {ABOVE: NOT_ABOVE, NOT_ABOVE: ABOVE, GREATER: AT_MOST, AT_MOST: GREATER, AT_LEAST: LESS, LESS: AT_LEAST}
"""`above` calls a difference of rounding size a tie, as `indicators.above` does; the signs compare the floats as they are."""


Many = Callable[[Floats, NDArray[np.int64], NDArray[np.int64], Floats], None]
TOGETHER: dict[Any, Many] = {sma: smas}
"""Functions `make(source, n)` that give the same bits for less when asked for many n at once: `many(source, ns, rows, sheet)`."""


class Column(NamedTuple):
    """A column that is made: `make(*parts)`, each part a column, the name of one of Bars, or a number."""

    make: Callable[..., Floats]  # compiled, causal: float64[T] arrays and numbers in, float64[T] out
    parts: tuple[Any, ...]


class Test(NamedTuple):
    """`left comparison right`; the right side may be a number."""

    left: Column | str
    comparison: str
    right: Column | str | float


class Wish(NamedTuple):
    """A target, -1..1 of full size, and the tests that must all hold."""

    target: float
    when: tuple[Test, ...]


Columnar = Callable[[Any], tuple[Wish, ...]]


def column(make: Callable[..., Floats], *parts: Column | str | float) -> Column:
    """Return the column `make(*parts)`; parts that are columns or names are computed first."""
    return Column(make, parts)


def compute(wanted: Column | str, bars: Bars, known: Mapping[Column | str, Floats] | None = None) -> Floats:
    """Return float64[T] of a column; parts that are in `known` are not computed again.

    Raises:
        StrategyError: a name that Bars has not, or a column of another length.
    """
    if known and wanted in known:
        return known[wanted]
    if isinstance(wanted, str):
        if wanted not in Bars._fields or wanted == "time_ns":
            raise StrategyError(f"bars have no column {wanted!r}; they have {', '.join(Bars._fields[1:])}")
        return np.asarray(getattr(bars, wanted), np.float64)
    parts = [compute(part, bars, known) if isinstance(part, Column | str) else part for part in wanted.parts]
    made = np.ascontiguousarray(wanted.make(*parts), np.float64)
    if made.shape != bars.close.shape:
        name = getattr(wanted.make, "__name__", wanted.make)
        raise StrategyError(f"the column {name} has shape {made.shape} for {bars.close.size} bars")
    return made


def holds(test: Test, bars: Bars) -> NDArray[np.bool_]:
    """Return bool[T]: where a test holds. The slow twin of the sweep's words."""
    left = compute(test.left, bars)
    right = compute(test.right, bars) if isinstance(test.right, Column | str) else np.full(left.shape, float(test.right))
    known = ~(np.isnan(left) | np.isnan(right))
    with np.errstate(invalid="ignore"):
        above = left - right > TIE * np.maximum(np.abs(left), np.abs(right))
        answers = {
            ABOVE: above, NOT_ABOVE: ~above, GREATER: left > right, AT_LEAST: left >= right, LESS: left < right, AT_MOST: left <= right,
        }  # fmt: skip
    if test.comparison not in answers:
        raise StrategyError(f"a test compares by {', '.join(COMPARISONS)}; not by {test.comparison!r}")
    return known & answers[test.comparison]


def targets(wishes: tuple[Wish, ...], bars: Bars) -> Floats:
    """Return float64[T]: the target that a declaration wishes at every bar, NaN where it has no opinion."""
    out = np.full(bars.close.shape, np.nan)
    for wish in reversed(wishes):
        where = np.ones(out.shape, bool)
        for test in wish.when:
            where &= holds(test, bars)
        out[where] = wish.target
    return out


def opposite(wished: float, otherwise: float, test: Test) -> tuple[Wish, ...]:
    """Return the two wishes of a strategy that is `wished` where a test holds and `otherwise` where its opposite does.

    Both sides must be known for either; so there is no opinion before the columns begin.
    """
    return Wish(wished, (test,)), Wish(otherwise, (Test(test.left, OPPOSITE[test.comparison], test.right),))
