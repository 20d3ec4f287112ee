"""From declarations to the tables that `by_words` reads: tests, wishes, and a sheet of distinct columns.

Theory of operation. Combinations of a grid share most of their columns, so each distinct column is
computed once and lies in one row of a sheet. The sheet has a bounded number of rows: a part of a
sweep takes as many combinations as its rows can serve, and keeps the rows that the next part needs too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from typing import Any, NamedTuple, Protocol

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
Over = Callable[[Callable[[Any], Any], Sequence[Any]], Any]


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
        self._missing: list[Side] = []

    def hold(self, wanted: Iterable[Side], over: Over) -> None:
        """Make every wanted column present; `over(function, items)` may call the function from threads."""
        self.want(wanted)
        over(self._fill, list(_families(self._missing)))
        self._missing = []

    def want(self, wanted: Iterable[Side]) -> None:
        """Give every wanted column a row, with nothing in it yet."""
        needed = dict.fromkeys(wanted)
        missing = [side for side in needed if side not in self.rows]
        if missing and len(self.rows) + len(missing) > self.rows_max:
            self.rows = {side: row for side, row in self.rows.items() if side in needed}
        self._grow(len(self.rows) + len(missing))
        taken = set(self.rows.values())
        self.rows.update(zip(missing, (row for row in range(len(self.values)) if row not in taken), strict=False))
        self._missing += missing

    def stretches(self, over: Over) -> Iterator[tuple[int, int, int]]:
        """Make the columns that were wanted; yield the one stretch that they are for: all bars, with bar 0 in place 0."""
        self.hold((), over)
        yield 0, self.count, 0

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


class Coded(NamedTuple):
    """A declaration in numbers; the number of a column is its place among the different columns of all declarations."""

    tests: tuple[tuple[int, int, int, float], ...]  # comparison, left column, right column or -1, number
    wishes: tuple[tuple[int, int, int], ...]  # target at 1e-6, bits of tests that must hold, bits of those whose opposite must
    reads: tuple[int, ...]  # its different columns


def code(declared: Iterable[tuple[Wish, ...]], numbers: dict[Side, int]) -> list[Coded]:
    """Return declarations in numbers; a column that has none yet gets the next one (numbers modified in place).

    Raises:
        StrategyError: a comparison nobody knows, too many tests, or a target outside -1..1.
    """
    return [_coded(wishes, numbers) for wishes in declared]


@cache
def _target_e6(target: float) -> int:
    return fraction_e6(target)


def _coded(wishes: tuple[Wish, ...], numbers: dict[Side, int]) -> Coded:
    primitives: dict[tuple[int, int, int, float], int] = {}
    coded, reads = [], dict[int, None]()
    for target, when in wishes:
        bits = {True: 0, False: 0}
        for left, comparison, right in when:
            if comparison not in OPS:
                raise StrategyError(f"a test compares by {', '.join(OPS)}; not by {comparison!r}")
            op, holds = OPS[comparison]
            first, second, number = numbers.setdefault(left, len(numbers)), -1, 0.0
            reads[first] = None
            if isinstance(right, float | int):
                number = float(right)
            else:
                second = numbers.setdefault(right, len(numbers))
                reads[second] = None
            bits[holds] |= 1 << primitives.setdefault((op, first, second, number), len(primitives))
        coded.append((_target_e6(float(target)), bits[True], bits[False]))
    if len(primitives) > TESTS_MAX:
        raise StrategyError(f"a declaration may have {TESTS_MAX} different tests; this one has {len(primitives)}")
    return Coded(tuple(primitives), tuple(coded), tuple(reads))


def neighbours(coded: Sequence[Coded], rows_max: int) -> list[int]:
    """Return an order of combinations in which those that share columns stand together: blocks whose columns fit the sheet.

    A grid of 100 x 100 windows has 200 columns; in its own order every row of it needs 100 of them anew.
    """
    if len({number for one in coded for number in one.reads}) <= rows_max:
        return list(range(len(coded)))
    places: list[dict[int, int]] = [{} for _ in range(max(len(one.reads) for one in coded))]
    size = max(1, rows_max // len(places))
    blocks = [tuple(known.setdefault(n, len(known)) // size for known, n in zip(places, one.reads, strict=False)) for one in coded]
    return sorted(range(len(coded)), key=blocks.__getitem__)


def parts(coded: Sequence[Coded], rows_max: int, most: int) -> list[range]:
    """Cut combinations, in their order, into parts of at most `most` whose distinct columns fit `rows_max` rows."""
    cut, seen, first = [], set[int](), 0
    for number, one in enumerate(coded):
        if number - first >= most or len(seen.union(one.reads)) > rows_max:
            cut.append(range(first, number))
            seen, first = set(), number
        seen.update(one.reads)
    if len(coded) > first:
        cut.append(range(first, len(coded)))
    return cut


def program(declared: Sequence[tuple[Wish, ...]], sheet: Rows) -> Program:
    """Return the tables of some declarations whose columns the sheet holds; raises what `code` does."""
    numbers: dict[Side, int] = {}
    coded = code(declared, numbers)
    return tabled(coded, [sheet.rows[side] for side in numbers], sheet)


def tabled(coded: Sequence[Coded], row_of: Sequence[int], sheet: Rows) -> Program:
    """Return the tables of some combinations; row_of[n] is the row of the sheet that holds column n."""
    count, width = len(coded), max(1, *(len(one.tests) for one in coded))
    none = (0, 0, 0, 0.0)  # a place without a test: nobody asks for its words
    told = np.array([one.tests + (none,) * (width - len(one.tests)) for one in coded]).reshape(count, width, 4)
    rows = np.array([*(row_of or [0]), -1], np.int64)
    tests = told[:, :, :3].astype(np.int64)
    tests[:, :, 1:] = rows[tests[:, :, 1:]]
    kinds: dict[tuple[tuple[int, int, int], ...], int] = {}
    kind = [kinds.setdefault(one.wishes, len(kinds)) for one in coded]
    wishes, targets = _wished(list(kinds))
    values = sheet.values if len(sheet.values) else np.full((1, sheet.width), np.nan)
    known = sheet.known_from if len(sheet.values) else np.full(2, sheet.count, np.int64)
    positive = sheet.positive if len(sheet.values) else np.zeros(1, np.bool_)
    return Program(values, known, positive, tests, np.ascontiguousarray(told[:, :, 3]), wishes[kind], targets[kind])


def _wished(kinds: Sequence[tuple[tuple[int, int, int], ...]]) -> tuple[Ints, Ints]:
    """Return the wishes and the different targets of each kind of declaration, as `by_words` reads them."""
    rows = [list(dict.fromkeys(target for target, _, _ in wishes)) for wishes in kinds]
    targets = np.zeros((len(kinds), max(1, *map(len, rows))), np.int64)
    table = np.zeros((len(kinds), max(1, *map(len, kinds)), 3), np.int64)
    table[:, :, 1] = table[:, :, 2] = 1  # a place without a wish: a test and its opposite never hold together
    for number, wishes in enumerate(kinds):
        for place, (target, yes, no) in enumerate(wishes):
            table[number, place] = rows[number].index(target), yes, no
        targets[number, : len(rows[number])] = rows[number]
    return table, targets
