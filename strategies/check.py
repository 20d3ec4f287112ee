"""Is a strategy what it seems: blind to the future, and the same wherever its history starts?

Theory of operation. `examine` runs the strategy on a whole universe, and again on parts of it, and compares
what it wishes (signals, not fills: fills depend on cash and on other instruments, and would raise false alarms).

- *look-ahead*: the history ends at some moment. Every signal up to it must be what it was. The moments are those at
  which the whole run changed its mind, because a look-ahead that pays is one that decides something, and others spread evenly.
- *start-up*: the history begins at some moment. From the declared warm-up on, every signal must be what it was, or NaN:
  a strategy may not know yet, but it may not know otherwise. A strategy that is not warm, or that remembers something no
  warm-up can bring back, would trade differently after every restart of paper trading.
- *chance*: the same history twice gives other signals. *writes*: it changes the bars it was shown.
- *columns*: what the strategy declares as columns (`strategies.columnar`), which a sweep believes, is not what `on_bar` wishes
  on the whole history, bar for bar. Neither sees the future when the two are equal and `on_bar` does not.

A finding names the first bar that differs, the field of the signal, both values, and the prepared columns that differ there.
What differs by less than NOISE is the same: a sum over more bars may round otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from strategies.api import Bars, Signal, Strategy, StrategyError, columns_of, market, part
from strategies.asking import ask

NOISE = 1e-9
FRACTION = 2e-6
"""Two targets that are nearer than this become the same number of lots (see sizing.fraction_e6)."""
GOLDEN = 0.6180339887498949
LENGTHS = (1.0, 1.5, 2.0, 3.0, 5.0)
"""History lengths, in warm-ups, at which the start-up check counts how many starts still disagree."""

Rows = NDArray[np.float64]
Blocks = tuple[NDArray[np.float64], ...]
Moments = NDArray[np.int64]


class Column(NamedTuple):
    """One prepared column that differs at the bar of a finding."""

    row: int
    whole: float
    part: float


class Finding(NamedTuple):
    """Something wrong, at the first bar where it shows."""

    kind: str  # "look-ahead" | "start-up" | "chance" | "writes" | "columns"
    instrument: int  # position in the universe
    bar: int  # position in that instrument's bars
    time_ns: int  # UTC, end of that bar
    field: str  # of Signal; for "writes" of Bars
    whole: float  # its value with the whole history
    part: float  # its value with less history; "columns": as declared
    history: int  # bars of this instrument in the run that differs
    disagree: int  # runs that differ ("columns": bars), of
    runs: int
    columns: tuple[Column, ...]
    enough: int | None  # start-up: with this many bars all runs agreed to the end; None: they never did

    @property
    def difference(self) -> float:
        """How far apart the two values are; NaN when one of them is no opinion."""
        return self.part - self.whole


class Start(NamedTuple):
    """How the starts stood with a history of this length."""

    length: int  # bars
    disagree: int  # starts whose signal at that bar, or at a later one, differs
    starts: int


class Report(NamedTuple):
    """What `examine` saw."""

    findings: tuple[Finding, ...]
    bars: int  # of the universe together
    cuts: int
    starts: int
    start_up: tuple[Start, ...]
    warmup: int
    columnar: bool  # wishes declared as columns were compared, too


class Seen(NamedTuple):
    """One run: what was shown, what was prepared, what was wished."""

    universe: tuple[Bars, ...]
    blocks: Blocks
    rows: tuple[Rows, ...]


def examine(strategy: Strategy, universe: Sequence[Bars], params: Any, cuts: int = 60, starts: int = 8) -> Report:
    """Run every check and return what was found; an empty `findings` means that nothing was.

    Args:
        universe: bars of each instrument, at least two warm-ups of the longest one.
        cuts, starts: how many moments to end and to begin the history at, each >= 1.
    Raises:
        StrategyError: too few bars to check anything, or the strategy failed on a part of them.
    """
    warm = max(int(strategy.warmup(params)), 1)
    longest = max(bars.time_ns.size for bars in universe)
    if longest < 2 * warm + 2:
        raise StrategyError(f"{strategy.name}: {longest} bars cannot show much; its warm-up is {warm}, so give at least {2 * warm + 2}")
    shown = tuple(part(bars, 0, bars.time_ns.size) for bars in universe)
    whole = _run(strategy, shown, params)
    total = sum(bars.time_ns.size for bars in universe)
    broken = (*_writes(universe, shown), *_chance(strategy, universe, params, whole))
    if broken:
        return Report(broken, total, 0, 0, (), warm, False)
    ends = _ends(whole, warm, cuts)
    begins = _begins(whole, warm, starts)
    late = [_late(strategy, whole, params, int(since), warm) for since in begins]
    found = (*_look_ahead(strategy, whole, params, ends), *_start_up(whole, late), *_columns(strategy, whole, params))
    return Report(found, total, ends.size, begins.size, _lengths(late, warm), warm, strategy.columnar is not None)


def _run(strategy: Strategy, universe: tuple[Bars, ...], params: Any) -> Seen:
    blocks = columns_of(strategy, universe, params)
    return Seen(universe, blocks, tuple(ask(strategy, bars, block, params) for bars, block in zip(universe, blocks, strict=True)))


def _run_part(strategy: Strategy, universe: tuple[Bars, ...], params: Any) -> Seen:
    """Run on a part; a failure there says how long the part was."""
    try:
        return _run(strategy, universe, params)
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        lengths = ", ".join(str(bars.time_ns.size) for bars in universe)
        raise StrategyError(f"{strategy.name}: works on the whole history and fails on {lengths} bars of it: {error}") from error


def unlike(whole: Rows, other: Rows) -> NDArray[np.bool_]:
    """Return bool[T, fields]: which fields of two runs' signals mean something else; without a target nothing does."""
    near = np.abs(whole - other) <= NOISE * np.maximum(1.0, np.maximum(np.abs(whole), np.abs(other)))
    near[:, 0] |= np.abs(whole[:, 0] - other[:, 0]) <= FRACTION
    both_nan = np.isnan(whole) & np.isnan(other)
    return ~(near | both_nan | both_nan[:, :1])


def _writes(universe: Sequence[Bars], shown: tuple[Bars, ...]) -> Iterator[Finding]:
    for number, (before, after) in enumerate(zip(universe, shown, strict=True)):
        for field, old, new in zip(Bars._fields, before, after, strict=True):
            changed = np.flatnonzero(old.view(np.int64) != new.view(np.int64))
            if changed.size:
                bar = int(changed[0])
                yield Finding(
                    "writes", number, bar, int(before.time_ns[bar]), field, float(old[bar]), float(new[bar]),
                    old.size, 1, 1, (), None,
                )  # fmt: skip
                return


def _chance(strategy: Strategy, universe: Sequence[Bars], params: Any, whole: Seen) -> Iterator[Finding]:
    again = _run(strategy, tuple(part(bars, 0, bars.time_ns.size) for bars in universe), params)
    for number in range(len(universe)):
        found = _first("chance", whole, again, number, 0, 0)
        if found is not None:
            yield found
            return


def _first(kind: str, whole: Seen, other: Seen, number: int, offset: int, compared: int) -> Finding | None:
    """Return the first differing bar of an instrument, or None.

    Args:
        offset: the bar of `whole` at which `other` begins. compared: the first bar of `other` that counts.
    """
    rows = other.rows[number]
    differs = unlike(whole.rows[number][offset : offset + len(rows)], rows)
    differs[:compared] = False
    if kind == "start-up":
        differs &= ~np.isnan(rows[:, :1])
    bars = np.flatnonzero(differs.any(axis=1))
    if not bars.size:
        return None
    here, there = int(bars[0]), int(bars[0]) + offset
    field = int(differs[here].argmax())
    left, right = whole.blocks[number][:, there], other.blocks[number][:, here]
    odd = np.flatnonzero(~((np.abs(left - right) <= NOISE * np.maximum(1.0, np.abs(left))) | (np.isnan(left) & np.isnan(right))))
    return Finding(
        kind, number, there, int(whole.universe[number].time_ns[there]), Signal._fields[field],
        float(whole.rows[number][there, field]), float(rows[here, field]), here + 1 if kind == "start-up" else len(rows), 1, 1,
        tuple(Column(int(row), float(left[row]), float(right[row])) for row in odd),
        int(bars[-1]) + 2 if int(bars[-1]) + 1 < len(rows) else None,
    )  # fmt: skip


def _merged(found: Sequence[Finding | None]) -> Finding | None:
    """Return the earliest of the findings of several runs, with how many runs disagreed and how much history is enough."""
    real = [finding for finding in found if finding is not None]
    if not real:
        return None
    needed = [finding.enough for finding in real]
    enough = None if None in needed else max(need for need in needed if need is not None)
    return min(real, key=lambda finding: finding.time_ns)._replace(disagree=len(real), runs=len(found), enough=enough)


def _columns(strategy: Strategy, whole: Seen, params: Any) -> Iterator[Finding]:
    """Hold the declared columns against `on_bar`: a declaration is a plain market order at every bar, or no opinion."""
    if strategy.columnar is None:
        return
    for number, bars in enumerate(whole.universe):
        declared = np.tile(np.array(market(0.0), np.float64), (bars.time_ns.size, 1))
        declared[:, 0] = _declared(strategy, bars, params)
        differs = unlike(whole.rows[number], declared)
        wrong = np.flatnonzero(differs.any(axis=1))
        if wrong.size:
            bar, field = int(wrong[0]), int(differs[wrong[0]].argmax())
            asked, said = float(whole.rows[number][bar, field]), float(declared[bar, field])
            name, size = Signal._fields[field], bars.time_ns.size
            yield Finding("columns", number, bar, int(bars.time_ns[bar]), name, asked, said, size, int(wrong.size), size, (), None)


def _declared(strategy: Strategy, bars: Bars, params: Any) -> NDArray[np.float64]:
    """Return float64[T]: the declared targets; a declaration that cannot be computed is named."""
    from strategies.columnar import targets

    try:
        return targets(strategy.columnar(params), bars)  # type: ignore[misc]
    except StrategyError:
        raise
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise StrategyError(f"{strategy.name}: its columns cannot be computed (see strategies.columnar): {error}") from error


def _ends(whole: Seen, warm: int, cuts: int) -> Moments:
    """Return the moments to end the history at: half of them where signals change, half spread over all bars."""
    longest = max(whole.universe, key=lambda bars: bars.time_ns.size).time_ns
    late = longest[warm - 1 : -1]
    changes = []
    for bars, rows in zip(whole.universe, whole.rows, strict=True):
        turned = np.flatnonzero(unlike(rows[:-1], rows[1:]).any(axis=1)) + 1 if len(rows) > 1 else np.empty(0, np.int64)
        changes.append(bars.time_ns[turned])
    turning = np.unique(np.concatenate(changes))
    turning = turning[(turning >= late[0]) & (turning <= late[-1])]
    return np.unique(np.concatenate([_spread(turning, -(-cuts // 2)), _spread(late, cuts - -(-cuts // 2)), late[-1:]]))


def _begins(whole: Seen, warm: int, starts: int) -> Moments:
    """Return the moments to begin the history at: spread over the bars that leave room for a warm-up."""
    longest = max(whole.universe, key=lambda bars: bars.time_ns.size).time_ns
    return np.unique(_spread(longest[1 : longest.size - warm], starts))


def _spread(moments: Moments, count: int) -> Moments:
    """Return at most `count` of the moments, one from each of as many equal stretches, at changing places in them.

    Even steps would meet the same weekday each time, and a strategy may know weekdays.
    """
    if moments.size <= count:
        return moments
    places = (np.arange(count) + np.arange(1, count + 1) * GOLDEN % 1.0) / count
    return moments[(places * moments.size).astype(np.int64)]


def _look_ahead(strategy: Strategy, whole: Seen, params: Any, ends: Moments) -> Iterator[Finding]:
    cut = []
    for until in ends:
        counts = [int(np.searchsorted(bars.time_ns, until, side="right")) for bars in whole.universe]
        shown = tuple(part(bars, 0, count) for bars, count in zip(whole.universe, counts, strict=True))
        cut.append(_run_part(strategy, shown, params))
    for number in range(len(whole.universe)):
        found = _merged([_first("look-ahead", whole, other, number, 0, 0) for other in cut])
        if found is not None:
            yield found


class Late(NamedTuple):
    """A run whose history begins late, and what it found for each instrument."""

    found: tuple[Finding | None, ...]
    length: int  # bars of its longest instrument


def _late(strategy: Strategy, whole: Seen, params: Any, since: int, warm: int) -> Late:
    firsts = [int(np.searchsorted(bars.time_ns, since)) for bars in whole.universe]
    shown = tuple(part(bars, first, bars.time_ns.size) for bars, first in zip(whole.universe, firsts, strict=True))
    other = _run_part(strategy, shown, params)
    ready = _ready(shown, firsts, warm)
    found = []
    for number, bars in enumerate(shown):
        compared = int(np.searchsorted(bars.time_ns, ready))
        found.append(_first("start-up", whole, other, number, firsts[number], compared))
    return Late(tuple(found), max(bars.time_ns.size for bars in shown))


def _ready(shown: tuple[Bars, ...], firsts: list[int], warm: int) -> int:
    """Return the moment at which every instrument whose history was cut has its warm-up (or has long ended)."""
    ready, ended = 0, 0
    for bars, first in zip(shown, firsts, strict=True):
        if first > 0 and bars.time_ns.size:
            ready = max(ready, int(bars.time_ns[min(warm, bars.time_ns.size) - 1]))
            ended = max(ended, int(bars.time_ns[-1]) if bars.time_ns.size < warm else 0)
    if ended == 0:
        return ready
    # An instrument that ends before it is warm leaves its mark on the others for one more warm-up.
    longest = max(shown, key=lambda bars: bars.time_ns.size).time_ns
    after = int(np.searchsorted(longest, ended, side="right")) + warm
    return max(ready, int(longest[after]) if after < longest.size else int(longest[-1]) + 1)


def _start_up(whole: Seen, late: Sequence[Late]) -> Iterator[Finding]:
    for number in range(len(whole.universe)):
        found = _merged([run.found[number] for run in late])
        if found is not None:
            yield found


def _lengths(late: Sequence[Late], warm: int) -> tuple[Start, ...]:
    """Return, for several lengths of history, how many starts that have as many bars disagree there or later."""
    table = []
    for times in LENGTHS:
        length = int(times * warm)
        able = [run for run in late if run.length >= length]
        wrong = [run for run in able if any(one is not None and (one.enough is None or one.enough > length) for one in run.found)]
        if able:
            table.append(Start(length, len(wrong), len(able)))
    return tuple(table)
