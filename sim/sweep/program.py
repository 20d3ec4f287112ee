"""From declarations to the tables that `by_words` reads: tests, wishes, and a sheet of distinct columns.

Theory of operation. Combinations of a grid share most of their columns, so each distinct column is
computed once and lies in one row of a sheet. The sheet has a bounded number of rows: a part of a
sweep takes as many combinations as its rows can serve, and keeps the rows that the next part needs too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ledger.kernel import kernel
from sim.data import History
from sim.sweep.core.kernels import Program
from sim.sweep.core.words import ABOVE, AT_LEAST, GREATER, TESTS_MAX, TILE
from strategies import columnar
from strategies.api import StrategyError
from strategies.columnar import TOGETHER, Column, Wish, compute
from strategies.sizing import fraction_e6

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
SHEET_BYTES = 56 * 2**20
FAMILY = 32
"""Columns that are made together: enough to share what they share, few enough that threads find work."""
OPS: dict[str, tuple[int, bool]] = {
    columnar.ABOVE: (ABOVE, True), columnar.NOT_ABOVE: (ABOVE, False), columnar.GREATER: (GREATER, True),
    columnar.AT_MOST: (GREATER, False), columnar.AT_LEAST: (AT_LEAST, True), columnar.LESS: (AT_LEAST, False),
}  # fmt: skip
"""Each comparison as a primitive one that must hold, or whose opposite must."""
Side = Column | str


class Sight:
    """What a strategy may see of a history, each column made when it is first asked for; has the fields of Bars."""

    def __init__(self, history: History) -> None:
        self._history = history

    def __getattr__(self, name: str) -> Any:
        """Make a column of Bars by the very expression of `sim.engine.signals.seen`."""
        if name in ("open", "high", "low", "close"):
            column = np.empty(self._history.end_ns.size)
            ticks, factor = getattr(self._history, f"{name}_ticks"), self._history.signal_factor
            scaled(np.ascontiguousarray(ticks, np.int64), np.ascontiguousarray(factor, np.float64), 10.0**self._history.price_exp, column)
        elif name == "volume":
            column = np.array(self._history.volume, np.float64)
        else:
            raise AttributeError(name)
        setattr(self, name, column)
        return column


@kernel
def judged(row: Floats, count: int) -> tuple[int, bool]:
    """Write NaN behind the first `count` values of a row (modified in place).

    Returns:
        The bar from which they have no NaN, and whether there is no number below 0.
    """
    since, negative = np.int64(0), np.int64(0)
    for t in range(np.uint64(count)):
        since = max(since, np.int64(t + 1) if row[t] != row[t] else np.int64(0))
        negative |= np.int64(row[t] < 0.0)
    row[count:] = np.nan
    return int(since), bool(negative == 0)


@kernel
def scaled(ticks: Ints, factor: Floats, unit: float, out: Floats) -> None:
    """Fill out with ticks x (factor / unit), each rounded as `sim.engine.signals.seen` rounds it (modified in place)."""
    different = np.int64(0)
    for t in range(ticks.shape[0]):
        different |= np.int64(factor[t] != factor[0])
    if different or ticks.shape[0] == 0:
        for t in range(ticks.shape[0]):
            out[t] = ticks[t] * (factor[t] / unit)
        return
    each = factor[0] / unit
    for t in range(ticks.shape[0]):
        out[t] = ticks[t] * each


class Rows(Protocol):
    """Columns in rows, as `program` reads them."""

    values: Floats
    known_from: Ints
    positive: NDArray[np.bool_]
    rows: dict[Side, int]
    width: int
    count: int


class Sheet:
    """Distinct columns in rows; a column that nobody needs any more gives its row to another."""

    def __init__(self, bars: Any, count: int, limit: int = SHEET_BYTES) -> None:
        width = -(-max(1, count) // TILE) * TILE
        self.bars, self.count = bars, count
        self.rows_max = max(8, limit // (8 * width))
        self.rows: dict[Side, int] = {}
        self.width = width
        self.values = np.empty((0, width))
        self.known_from = np.full(1, count, np.int64)
        self.positive = np.zeros(0, np.bool_)

    def hold(self, wanted: Iterable[Side], over: Callable[[Callable[[list[Side]], None], list[list[Side]]], Any]) -> None:
        """Make every wanted column present; `over(function, items)` may call the function from threads."""
        needed = dict.fromkeys(wanted)
        missing = [side for side in needed if side not in self.rows]
        if not missing:
            return
        if len(self.rows) + len(missing) > self.rows_max:
            self.rows = {side: row for side, row in self.rows.items() if side in needed}
        self._grow(len(self.rows) + len(missing))
        taken = set(self.rows.values())
        free = [row for row in range(len(self.values)) if row not in taken]
        self.rows.update(zip(missing, free, strict=False))
        over(self._fill, list(_families(missing)))

    def _grow(self, rows: int) -> None:
        if rows <= len(self.values):
            return
        larger = np.empty((max(rows, min(self.rows_max, 2 * len(self.values))), self.width))
        larger[: len(self.values)] = self.values
        known = np.full(len(larger) + 1, self.count, np.int64)
        known[: len(self.values)] = self.known_from[: len(self.values)]
        self.positive = np.append(self.positive, np.zeros(len(larger) - len(self.positive), np.bool_))
        self.values, self.known_from = larger, known

    def _fill(self, family: list[Side]) -> None:
        """Make one column, or several of the same function and source."""
        rows, first = [self.rows[side] for side in family], family[0]
        if is_together(first):
            source, numbers = compute(first.parts[0], self.bars), np.array([side.parts[1] for side in family], np.int64)  # type: ignore[union-attr]
            TOGETHER[first.make](np.ascontiguousarray(source), numbers, np.array(rows, np.int64), self.values)  # type: ignore[union-attr]
        else:
            self.values[rows[0], : self.count] = compute(first, self.bars)
        for row in rows:
            self.known_from[row], self.positive[row] = judged(self.values[row], self.count)


def is_together(side: Side) -> bool:
    """Say whether a column can be made together with others that differ in one whole number."""
    return isinstance(side, Column) and side.make in TOGETHER and len(side.parts) == 2 and type(side.parts[1]) is int


def _families(wanted: Sequence[Side]) -> Iterator[list[Side]]:
    """Yield columns that can be made together, FAMILY at most; any other column alone."""
    families: dict[Any, list[Side]] = {}
    for side in wanted:
        families.setdefault((side.make, side.parts[0]) if is_together(side) else side, []).append(side)  # type: ignore[union-attr]
    for family in families.values():
        yield from (family[first : first + FAMILY] for first in range(0, len(family), FAMILY))


def sides(wishes: tuple[Wish, ...]) -> Iterator[Side]:
    """Yield the columns that a declaration reads."""
    for wish in wishes:
        for test in wish.when:
            yield test.left
            if not isinstance(test.right, float | int):
                yield test.right


def neighbours(declared: Sequence[tuple[Wish, ...]], rows_max: int) -> list[int]:
    """Return an order of combinations in which those that share columns stand together: blocks whose columns fit the sheet.

    A grid of 100 x 100 windows has 200 columns; in its own order every row of it needs 100 of them anew.
    """
    read = [tuple(dict.fromkeys(sides(wishes))) for wishes in declared]
    if len({side for mine in read for side in mine}) <= rows_max:
        return list(range(len(declared)))
    numbers: list[dict[Side, int]] = [{} for _ in range(max(map(len, read)))]
    size = max(1, rows_max // len(numbers))
    blocks = [tuple(known.setdefault(side, len(known)) // size for known, side in zip(numbers, mine, strict=False)) for mine in read]
    return sorted(range(len(declared)), key=blocks.__getitem__)


def parts(declared: Sequence[tuple[Wish, ...]], rows_max: int, most: int) -> list[range]:
    """Cut combinations, in their order, into parts of at most `most` whose distinct columns fit `rows_max` rows."""
    cut, seen, first = [], set[Side](), 0
    for number, wishes in enumerate(declared):
        mine = set(sides(wishes))
        if number - first >= most or len(seen | mine) > rows_max:
            cut.append(range(first, number))
            seen, first = set(), number
        seen |= mine
    if len(declared) > first:
        cut.append(range(first, len(declared)))
    return cut


def program(declared: Sequence[tuple[Wish, ...]], sheet: Rows) -> Program:
    """Return the tables of some combinations whose columns the sheet holds.

    Raises:
        StrategyError: a comparison nobody knows, too many tests, or a target outside -1..1.
    """
    coded = [_coded(wishes, sheet.rows) for wishes in declared]
    tests = max(1, *(len(primitives) for primitives, _ in coded))
    width = max(1, *(len(wishes) for _, wishes in coded))
    rows = [list(dict.fromkeys(target for target, _, _ in wishes)) for _, wishes in coded]
    targets = np.zeros((len(coded), max(1, *map(len, rows))), np.int64)
    table, numbers = np.zeros((len(coded), tests, 3), np.int64), np.zeros((len(coded), tests))
    wishes_of = np.zeros((len(coded), width, 3), np.int64)
    wishes_of[:, :, 1] = wishes_of[:, :, 2] = 1  # a place without a wish: a test and its opposite never hold together
    for c, (primitives, wishes) in enumerate(coded):
        for p, (op, left, right, number) in enumerate(primitives):
            table[c, p], numbers[c, p] = (op, left, right), number
        for w, (target, yes, no) in enumerate(wishes):
            wishes_of[c, w] = rows[c].index(target), yes, no
        targets[c, : len(rows[c])] = rows[c]
    values = sheet.values if len(sheet.values) else np.full((1, sheet.width), np.nan)
    known = sheet.known_from if len(sheet.values) else np.full(2, sheet.count, np.int64)
    positive = sheet.positive if len(sheet.values) else np.zeros(1, np.bool_)
    return Program(values, known, positive, table, numbers, wishes_of, targets)


def _coded(wishes: tuple[Wish, ...], rows: dict[Side, int]) -> tuple[list[tuple[int, int, int, float]], list[tuple[int, int, int]]]:
    """Return the distinct primitive tests of a declaration, and its wishes as (target, tests, opposites)."""
    primitives: dict[tuple[int, int, int, float], int] = {}
    coded = []
    for wish in wishes:
        yes = no = 0
        for test in wish.when:
            if test.comparison not in OPS:
                raise StrategyError(f"a test compares by {', '.join(OPS)}; not by {test.comparison!r}")
            op, holds = OPS[test.comparison]
            number = float(test.right) if isinstance(test.right, float | int) else 0.0
            right = -1 if isinstance(test.right, float | int) else rows[test.right]
            bit = 1 << primitives.setdefault((op, rows[test.left], right, number), len(primitives))
            yes, no = (yes | bit, no) if holds else (yes, no | bit)
        coded.append((fraction_e6(float(wish.target)), yes, no))
    if len(primitives) > TESTS_MAX:
        raise StrategyError(f"a declaration may have {TESTS_MAX} different tests; this one has {len(primitives)}")
    return list(primitives), coded
