"""Made-up markets and strategies for tests of sweeps."""

from __future__ import annotations

import dataclasses

import numpy as np

from sim.data import History
from strategies import get
from strategies.api import Strategy, first_column
from strategies.columnar import AT_LEAST, AT_MOST, Wish, column
from strategies.columnar import Test as Compare
from tests.sim.backtest import tapes

HOUR = 3600 * 10**9


def walk(bars: int, seed: int = 0, exp: int = 4, step: float = 0.02, hours: int = 7, gap: float = 0.003) -> History:
    """Return a random walk of hourly bars, `hours` of them a day, with gaps at the open."""
    rng = np.random.default_rng(seed)
    close = np.maximum(np.round(100 * 10**exp * np.exp(np.cumsum(rng.normal(0, step, bars)))), 50).astype(np.int64)
    before = np.concatenate([close[:1], close[:-1]])
    first = np.maximum(np.round(before * np.exp(rng.normal(0, gap, bars))), 1).astype(np.int64)
    number = np.arange(bars, dtype=np.int64)
    start = (number // hours) * 24 * HOUR + (14 + number % hours) * HOUR
    return History(
        "AAA", "made up", "1h", "UTC", exp, start, start + HOUR - 1, tapes.FIRST_DAY + number // hours, first,
        np.maximum(first, close) + 3, np.maximum(np.minimum(first, close) - 3, 1), close, np.full(bars, 1000, np.int64), np.ones(bars),
        (), (), f"{seed:064d}",
    )  # fmt: skip


def jump(bars: int = 90) -> History:
    """Return prices that rise a little and then, once, a million times: a position of 95,000 would be worth 95 billion."""
    close = np.where(np.arange(bars) < 40, 1000 + np.arange(bars), 10**9).astype(np.int64)
    first = np.concatenate([close[:1], close[:-1]])
    return walk(bars, hours=1)._replace(
        open_ticks=first, high_ticks=np.maximum(first, close), low_ticks=np.minimum(first, close), close_ticks=close
    )


def scripted(targets: np.ndarray, short: bool = True) -> Strategy:
    """Return a strategy that wishes these targets bar by bar (NaN: no opinion), declared as columns, too."""
    values = np.ascontiguousarray(targets, np.float64)

    def prepare(bars, params):  # type: ignore[no-untyped-def]
        return values[None, : bars.close.size].copy()

    def script(close: np.ndarray) -> np.ndarray:
        return values[: close.size].copy()

    def columnar(params):  # type: ignore[no-untyped-def]
        mine = column(script, "close")
        different = [float(value) for value in np.unique(values[~np.isnan(values)])]
        return tuple(Wish(value, (Compare(mine, AT_LEAST, value), Compare(mine, AT_MOST, value))) for value in different)

    made = tapes.strategy(first_column, short=short)
    return dataclasses.replace(made, prepare=prepare, columnar=columnar)


def crossing() -> Strategy:
    """Return the strategy that the package itself declares as columns."""
    return get("sma_cross")
