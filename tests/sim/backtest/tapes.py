"""Small made-up histories and strategies for tests of the backtest loop."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ledger.kernel import kernel
from sim.data import Action, History
from strategies.api import AT_CLOSE, Bars, Signal, Strategy, limit, market, stop, no_columns, no_opinion

DAY_NS = 86_400 * 10**9
FIRST_DAY = 730_000


def history(closes: list[int], symbol: str = "AAA", actions: tuple[Action, ...] = (), opens: list[int] | None = None) -> History:
    """Return daily bars in ticks of 1e-4; each opens at the close before it unless `opens` says otherwise."""
    close = np.array(closes, np.int64)
    first = np.array(opens, np.int64) if opens else np.concatenate([close[:1], close[:-1]])
    count = close.size
    start = np.arange(count, dtype=np.int64) * DAY_NS + 14 * 3600 * 10**9
    factor = np.ones(count)
    for act in actions:
        if act.kind == "split":
            factor[: act.day - FIRST_DAY] *= act.denominator / act.numerator
    return History(
        symbol, "made up", "1d", "America/New_York", 4, start, start + 6 * 3600 * 10**9,
        np.arange(count, dtype=np.int64) + FIRST_DAY, first, np.maximum(first, close), np.minimum(first, close), close,
        np.full(count, 1000, np.int64), factor, actions, (), "0" * 64,
    )  # fmt: skip


class NoParams(NamedTuple):
    """A strategy without parameters."""

    unused: int = 0


class Script(NamedTuple):
    """Targets by bar number, packed as base-3 digits: 0 = flat, 1 = long, 2 = short."""

    digits: int = 0


@kernel
def scripted(bars: Bars, columns: np.ndarray, t: int, state: np.ndarray, params: Script) -> Signal:
    """Return the target that the script has for bar t."""
    digit = (params.digits // 3**t) % 3
    return market(-1.0 if digit == 2 else float(digit))


@kernel
def long_always(bars: Bars, columns: np.ndarray, t: int, state: np.ndarray, params: NoParams) -> Signal:
    """Be long from the first bar on."""
    return market(1.0)


@kernel
def silent(bars: Bars, columns: np.ndarray, t: int, state: np.ndarray, params: NoParams) -> Signal:
    """Have no opinion, ever."""
    return no_opinion()


@kernel
def off_words(bars: Bars, columns: np.ndarray, t: int, state: np.ndarray, params: NoParams) -> Signal:
    """Ask for a stop order in an auction, which no exchange has."""
    return stop(1.0, 1.0, AT_CLOSE)


@kernel
def priceless(bars: Bars, columns: np.ndarray, t: int, state: np.ndarray, params: NoParams) -> Signal:
    """Ask for a limit order without a limit."""
    return limit(1.0, 0.0)


@kernel
def too_long(bars: Bars, columns: np.ndarray, t: int, state: np.ndarray, params: NoParams) -> Signal:
    """Ask for twice the full size."""
    return market(2.0)


def strategy(on_bar, params=NoParams, short: bool = False) -> Strategy:  # type: ignore[no-untyped-def]
    """Wrap an on_bar into a strategy without columns."""
    return Strategy("made_up", params, no_columns, on_bar, lambda _: 0, 0, "made up", short)


def script(digits: list[int]) -> Script:
    """Return the parameters that play these digits, one a bar."""
    return Script(sum(digit * 3**place for place, digit in enumerate(digits)))


@kernel
def replay(bars: Bars, columns: np.ndarray, t: int, state: np.ndarray, params: NoParams) -> Signal:
    """Return the wish that stands in the columns."""
    return Signal(
        columns[0, t], int(columns[1, t]), columns[2, t], columns[3, t], columns[4, t], columns[5, t], columns[6, t],
        int(columns[7, t]), int(columns[8, t]),
    )  # fmt: skip


def played(rows: list[tuple[float, ...]], name: str = "played") -> Strategy:
    """Return a strategy that wishes these rows (fields of Signal), one a bar; more bars repeat no opinion."""
    table = np.array(rows, np.float64).T.copy()

    def prepare(bars: Bars, params: NoParams) -> np.ndarray:
        return np.ascontiguousarray(table[:, : bars.close.shape[0]])

    return Strategy(name, NoParams, prepare, replay, lambda _: 0, 0, "plays what it was given", True)


def bars_of(rows: list[tuple[int, int, int, int, int]], symbol: str = "AAA", late_ns: int = 0) -> History:
    """Return daily bars of (open, high, low, close in ticks of 1e-4, volume in shares)."""
    columns = [np.array(column, np.int64) for column in zip(*rows)]
    start = np.arange(len(rows), dtype=np.int64) * DAY_NS + 14 * 3600 * 10**9
    return History(
        symbol, "made up", "1d", "America/New_York", 4, start, start + 6 * 3600 * 10**9 + late_ns,
        np.arange(len(rows), dtype=np.int64) + FIRST_DAY, *columns, np.ones(len(rows)), (), (), "0" * 64,
    )  # fmt: skip
