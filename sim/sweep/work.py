"""Combinations to figures: which kernel computes them, in which thread, into which rows.

Theory of operation. A Case is one history (or several traded together) under one setting. Its
combinations go through `by_words` when the strategy declares its wishes as columns, through
`by_bars` when only its `on_bar` is compiled, and through `sim.run.simulate` when neither kernel can have the
run; what a kernel gives up it hands on to `simulate`. The figures are the same whichever way they came,
and tests hold the three against each other. A combination whose run has to stop (its account outgrows the book) keeps a row: its
figures are unknown and `failed` says why, so that it does not take the others with it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property, partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ledger.units import money, muldiv
from sim import metrics
from sim import run as runs
from sim.data import History
from sim.run import Setting
from sim.sweep.core.account import (
    FINE, RECORD, S_CASH, S_FEES, S_FILLS, S_HELD, S_ORDERS, S_POSITION, S_REFUSED, S_RUINED, S_STATUS, S_TRADES,
    S_WINS, STATE,
)  # fmt: skip
from sim.sweep.core.closed import Tables, tables
from sim.sweep.core.kernels import Accounts, Program, by_bars, by_words
from sim.sweep.core.market import Deal, Market, Survey, deal, market, refusal
from sim.sweep.core.statistics import B_COUNT, B_SQUARE, B_SUM, F_DEPTH, FIGURES, Scratch, scratch
from sim.sweep.program import Sheet, Side, Sight, code, neighbours, parts, tabled
from sim.sweep.window import STRETCH_OF_MANY, Window, rows_at_once
from strategies.api import Bars, Strategy, as_bars, is_compiled, may_short
from strategies.sizing import bars_per_year

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
GROUP = 512
"""Combinations that pass over a tile of time together: many, for each group brings the tile's columns into the cache anew."""
GROUP_MIN = 32
"""A group is no smaller than this, however many threads wait for one."""
PART = 2048
"""Combinations that are computed, and kept, together."""
WORDS, BARS, BOOK = "words", "bars", "book"
FIGURED = (
    "total_return", "max_drawdown", "sharpe", "final_equity_e8", "fees_e8", "trades", "win_rate", "orders", "fills", "refused",
    "exposure",
)  # fmt: skip
"""Figures of a combination; definitions as in `sim.metrics`, NaN where one is undefined."""
WHOLE = ("final_equity_e8", "fees_e8", "trades", "orders", "fills", "refused")
"""Of these: whole numbers, which know no NaN; where a run failed they are UNKNOWN."""
COLUMNS = (*FIGURED, "kernel", "failed")
"""`kernel`: which way a row came. `failed`: why it could not be run, "" where it was."""
UNKNOWN = np.iinfo(np.int64).min


class Case(NamedTuple):
    """One history, or several that are traded together, under one setting."""

    histories: tuple[History, ...]
    strategy: Strategy
    setting: Setting
    blocks: int = 16
    period: str = "day"


class Figures(NamedTuple):
    """Figures of some combinations: columns by name, and float64[n, S, 3] of block moments."""

    table: dict[str, NDArray[Any]]
    blocks: Floats


class Work(NamedTuple):
    """A group of combinations at work: its accounts, those of equal deals together, and the buffers of a thread."""

    accounts: Accounts
    pieces: list[tuple[Deal, Program, Accounts]]
    buffers: Scratch
    made: Tables

    def walk(self, where: Market, stretch: tuple[int, int, int]) -> None:
        """Walk over a stretch of bars: the first, the one behind the last, and the one in place 0 of the rows."""
        begins, ends, origin = stretch
        for deal_of, program, accounts in self.pieces:
            by_words(where, deal_of, program, accounts, self.buffers, self.made, begins, ends, origin)


def _work(table: Program, numbers: Sequence[Deal], blocks: int) -> Work:
    """Return a group that has not begun."""
    accounts, pieces = empty(len(numbers), blocks), []
    for deal_of, chosen in _alike(numbers):
        mine = {name: getattr(table, name)[chosen] for name in ("tests", "numbers", "wishes", "targets")}
        part = Accounts(accounts.state[chosen], accounts.floats[chosen], accounts.blocks[chosen], accounts.record)
        pieces.append((deal_of, table._replace(**mine), part))
    return Work(accounts, pieces, scratch(table.tests.shape[1], table.targets.shape[1]), tables())


Over = Callable[[Callable[[Any], Any], Sequence[Any]], list[Any]]


def over(pool: ThreadPoolExecutor | None) -> Over:
    """Return a map that runs in the pool, or here when there is none."""
    if pool is None:
        return lambda function, items: [function(item) for item in items]
    return lambda function, items: list(pool.map(function, items))


class Bench:
    """A case and its combinations: what they share (market, columns) is made once; figures come part by part."""

    def __init__(self, case: Case, combos: Sequence[Any]) -> None:
        """Judge which kernel computes the case, and cut the combinations into parts.

        `combos` are in the order in which they are computed; `order` says which of the given ones each is. The cut depends on
        nothing but the case and the combinations, so that an interrupted sweep finds its parts again.
        """
        self.case, self.combos, self.order = case, combos, list(range(len(combos)))
        self.why = why_not(case)
        columnar = case.strategy.columnar
        self.kernel = BOOK if self.why else WORDS if columnar is not None else BARS
        self.parts = [range(first, min(first + PART, len(combos))) for first in range(0, len(combos), PART)]
        if self.kernel != BOOK:
            history = case.histories[0]
            self.market = market(history, case.blocks, case.period)
            self.sight = Sight(history)
        if self.kernel == WORDS and columnar is not None:
            numbers: dict[Side, int] = {}
            coded = code(map(columnar, combos), numbers)
            self.sides = list(numbers)
            self.sheet = Sheet(self.sight, self.market.close.size)
            self.at_once = rows_at_once(self.sides, self.market.close.size)
            self.order = neighbours(coded, self.at_once or self.sheet.rows_max)
            self.combos, self.coded = [combos[at] for at in self.order], [coded[at] for at in self.order]
            self.parts = parts(self.coded, self.at_once or self.sheet.rows_max, PART)

    def figures(self, part: range, run: Over, jobs: int = 1) -> Figures:
        """Return the figures of a part, in the order of its combinations; `jobs`: how many groups `run` takes at once."""
        combos = self.combos[part.start : part.stop]
        if self.kernel == BOOK:
            return _joined([_by_book(self.case, params) for params in combos])
        numbers: Sequence[Deal] = _deal(self.case, combos)
        size = min(GROUP, max(GROUP_MIN, -(-len(combos) // jobs)))
        groups = [range(first, first + size) for first in range(0, len(combos), size)]
        if self.kernel == WORDS:
            accounts = self._words(part, [(g, numbers[g.start : g.stop]) for g in groups], run)
        else:
            accounts = run(lambda g: self._bars(combos[g.start : g.stop], numbers[g.start : g.stop]), groups)
        found = _figures(_stacked(accounts), self.market, numbers, self.case, self.kernel)
        return self._mended(found, combos, np.concatenate([one.state[:, S_STATUS] for one in accounts]))

    def _words(self, part: range, groups: Sequence[tuple[range, Sequence[Deal]]], run: Over) -> list[Accounts]:
        """Return the accounts of each group of a part: rows of columns are made, and every group walks over them."""
        coded = self.coded[part.start : part.stop]
        wanted = list(dict.fromkeys(number for one in coded for number in one.reads))
        rows = self._rows([self.sides[number] for number in wanted])
        rows_of = [rows.rows.get(side, 0) for side in self.sides]
        works = [_work(tabled(coded[g.start : g.stop], rows_of, rows), numbers, self.case.blocks) for g, numbers in groups]
        for stretch in rows.stretches(run):
            run(partial(Work.walk, where=self.market, stretch=stretch), works)
        return [work.accounts for work in works]

    def _rows(self, wanted: Sequence[Side]) -> Sheet | Window:
        """Return what makes the wanted columns: a stretch of bars after the other, if all of them look back a little only."""
        if self.at_once:
            return Window(self.case.histories[0], wanted, STRETCH_OF_MANY)
        self.sheet.want(wanted)
        return self.sheet

    def _bars(self, combos: Sequence[Any], numbers: Sequence[Deal]) -> Accounts:
        strategy, accounts = self.case.strategy, empty(len(combos), self.case.blocks)
        buffers, bars = scratch(1, 1), self.bars
        for c, params in enumerate(combos):
            columns = np.ascontiguousarray(strategy.prepare(bars, params), np.float64)
            memory = np.zeros(max(1, strategy.state_size))
            by_bars(self.market, numbers[c], accounts, c, buffers, strategy.on_bar, bars, columns, memory, params)
        return accounts

    @cached_property
    def bars(self) -> Bars:
        """The whole Bars of the history, for `prepare`."""
        s = self.sight
        return as_bars(self.case.histories[0].end_ns, s.open, s.high, s.low, s.close, s.volume)

    def _mended(self, found: Figures, combos: Sequence[Any], status: Ints) -> Figures:
        """Return the figures with those that a kernel gave up computed by the book."""
        for c in np.flatnonzero(status != FINE).tolist():
            one = _by_book(self.case, combos[c])
            for name, column in found.table.items():
                column[c] = one.table[name][0]
            found.blocks[c] = one.blocks[0]
        return found


def why_not(case: Case, found: Survey | None = None) -> str:
    """Return why no kernel can compute a case, or ""; `found` is what `survey` says of its history, where that is known."""
    strategy = case.strategy
    if len(case.histories) != 1 or strategy.prepare_universe is not None:
        return "several instruments share an account"
    if not strategy.symbols[0] <= 1 <= strategy.symbols[1]:
        return "the strategy trades several instruments"
    if strategy.columnar is None and not is_compiled(strategy):
        return "on_bar is not compiled"
    if strategy.pyramiding:
        return "the strategy adds to positions with orders at work"
    return refusal(case.histories[0], case.setting, found)


def empty(count: int, blocks: int, rows: int = 0) -> Accounts:
    """Return zeroed accounts, with room for `rows` decisions of the first."""
    return Accounts(
        np.zeros((count, STATE), np.int64), np.zeros((count, FIGURES)), np.zeros((count, blocks, 3)),
        np.empty((rows, RECORD), np.int64),
    )  # fmt: skip


def _deal(case: Case, combos: Sequence[Any]) -> Sequence[Deal]:
    """Return the deal of each combination: only the right to sell short may depend on its parameters."""
    both = [deal(case.histories[0], case.setting, short) for short in (False, True)]
    return [both[may_short(case.strategy, params)] for params in combos]


def _alike(numbers: Sequence[Deal]) -> list[tuple[Deal, slice]]:
    """Return stretches of equal deals."""
    edges = [0, *(c for c in range(1, len(numbers)) if numbers[c] is not numbers[c - 1]), len(numbers)]
    return [(numbers[a], slice(a, b)) for a, b in zip(edges, edges[1:], strict=False)]


def _stacked(accounts: list[Accounts]) -> Accounts:
    state, floats, blocks = (np.concatenate([one[place] for one in accounts]) for place in range(3))
    return Accounts(state, floats, blocks, accounts[0].record)


def _joined(all_figures: list[Figures]) -> Figures:
    names = all_figures[0].table if all_figures else dict.fromkeys(COLUMNS)
    table = {name: np.concatenate([one.table[name] for one in all_figures]) for name in names}
    return Figures(table, np.concatenate([one.blocks for one in all_figures]))


def _figures(accounts: Accounts, where: Market, numbers: Sequence[Deal], case: Case, kernel: str) -> Figures:
    """Return the columns of finished accounts."""
    s, one = accounts.state, numbers[0]
    last = int(where.close[-1])
    worth = s[:, S_POSITION] * last * one.multiply
    if one.divide != 1:
        worth = np.array([muldiv(last, int(lots), one.divide) for lots in s[:, S_POSITION]], np.int64)
    final, trades = s[:, S_CASH] + worth, s[:, S_TRADES]
    with np.errstate(divide="ignore", invalid="ignore"):
        table: dict[str, NDArray[Any]] = {
            "total_return": final / one.cash - 1.0,
            "max_drawdown": accounts.floats[:, F_DEPTH].copy(),
            "sharpe": np.where(s[:, S_RUINED] == 0, sharpe(accounts.blocks, per_year(case)), np.nan),
            "final_equity_e8": final, "fees_e8": s[:, S_FEES].copy(), "trades": trades.copy(),
            "win_rate": np.where(trades > 0, s[:, S_WINS] / trades, np.nan),
            "orders": s[:, S_ORDERS].copy(), "fills": s[:, S_FILLS].copy(), "refused": s[:, S_REFUSED].copy(),
            "exposure": s[:, S_HELD] / where.close.size,
            "kernel": np.full(len(s), kernel, "U5"), "failed": np.full(len(s), "", object),
        }  # fmt: skip
    return Figures(table, accounts.blocks)


def per_year(case: Case) -> float:
    """Return how many returns a year has: days, or bars of this length."""
    return float(metrics.DAYS_PER_YEAR) if case.period == "day" else float(bars_per_year(case.histories[0].bar))


def sharpe(blocks: Floats, yearly: float) -> Floats:
    """Return float64[n]: mean over deviation (n - 1) of the returns, times the root of returns a year; NaN if undefined."""
    total, square, count = (blocks[:, :, place].sum(axis=1) for place in (B_SUM, B_SQUARE, B_COUNT))
    mean = total / count
    deviation = np.sqrt(np.maximum(square - count * mean * mean, 0.0) / (count - 1))
    return np.where((count > 1) & (deviation > metrics.DEVIATION_MIN), mean / deviation * np.sqrt(yearly), np.nan)


def _by_book(case: Case, params: Any) -> Figures:
    """Return the figures of one combination by the whole engine: any order type, any account, many instruments."""
    try:
        sim = runs.simulate(case.histories, case.strategy, params, case.setting)
    except runs.BacktestError as error:
        return _failed(case, str(error))
    found, book = runs.figures(sim), sim.book
    known = {name: found.get(name) for name in FIGURED}
    blocks = moments_of(sim.values, case)
    if case.period != "day":
        known["sharpe"] = float(sharpe(blocks, per_year(case))[0])
    known |= {"final_equity_e8": found["final_equity"], "fees_e8": found["fees"], "refused": int(book.refusals().sum())}
    return Figures(_row(known, ""), blocks)


def _failed(case: Case, why: str) -> Figures:
    """Return the row of a combination that could not be run: nothing is known of it but why."""
    return Figures(_row(dict.fromkeys(FIGURED), why), np.full((1, case.blocks, 3), np.nan))


def _row(known: dict[str, Any], failed: str) -> dict[str, NDArray[Any]]:
    """Return the table of one combination that the book was asked about."""
    table: dict[str, NDArray[Any]] = {
        name: np.array([UNKNOWN if value is None else value], np.int64)
        if name in WHOLE
        else np.array([np.nan if value is None else value], np.float64)
        for name, value in known.items()
    }
    return table | {"kernel": np.array([BOOK], "U5"), "failed": np.array([failed], object)}


def moments_of(values: Ints, case: Case) -> Floats:
    """Return float64[1, S, 3] of an equity curve: the slow, plain way to block moments."""
    equity, day = values[:, 2] + values[:, 3], values[:, 1]
    ends = np.ones(day.size, bool)
    if case.period == "day":
        ends[:-1] = day[1:] != day[:-1]
    closing = equity[ends].astype(np.float64)
    base = np.concatenate([[float(money(case.setting.cash))], closing[:-1]])
    step = np.where(base > 0, closing / np.where(base > 0, base, 1.0) - 1.0, np.nan)
    edges = np.arange(case.blocks + 1) * step.size // case.blocks
    pieces = [step[a:b] for a, b in zip(edges, edges[1:], strict=False)]
    return np.array([[[piece.sum(), np.square(piece).sum(), piece.size] for piece in pieces]], np.float64)
