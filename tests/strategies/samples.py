"""Bars to try strategies on: from Hypothesis, from a seed, and real ones."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import strategies
from strategies.api import Bars, Strategy, parse_params

DAY = 86_400 * 10**9
LEAN = Path(__file__).resolve().parents[3] / "shared" / "data" / "lean"

SMALL: dict[str, list[str]] = {
    "sma_cross": ["fast=3", "slow=8", "allow_short=1"],
    "ema_cross": ["fast=2", "slow=3", "allow_short=1"],
    "macd_trend": ["fast=1", "slow=2", "signal=2", "allow_short=1"],
    "rsi_reversion": ["n=2", "low=35", "high=65", "allow_short=1"],
    "donchian_breakout": ["enter=4", "leave=2", "allow_short=1"],
    "regime_switch": ["n=4", "band=3", "entry=0.5", "short_vol=2", "long_vol=6", "storm=1", "calm=1", "allow_short=1"],
    "momentum_rotation": ["top=1", "lookback=3", "weekly=1"],
    "pairs": ["window=10", "entry=0.5", "leave=0.25", "confidence=0"],
    "ml_trend": ["train=50", "horizon=1", "refit_days=10", "higher_hours=48", "enter=0.5", "allow_short=1"],
}
"""Parameters with short windows, so that short histories already decide something."""


def bars_of(ticks: Sequence[int], first_day: int = 4) -> Bars:
    """Return daily bars that close at these hundredths."""
    close = np.array(ticks, np.float64) / 100
    time_ns = (np.arange(len(ticks), dtype=np.int64) + first_day) * DAY + 75_600 * 10**9
    return Bars(time_ns, close, close + 0.05, close - 0.05, close, np.full(len(ticks), 1e6))


def walk_of(seed: int, count: int, first_day: int = 4) -> Bars:
    """Return daily bars of a random walk in hundredths."""
    steps = np.random.default_rng(seed).integers(-20, 21, count)
    return bars_of([int(v) for v in 10_000 + np.cumsum(steps)], first_day)


def universe_of(strategy: Strategy, ticks: Sequence[int]) -> tuple[Bars, ...]:
    """Return as many instruments as the strategy wants (three at most), with holes in the second and a late third."""
    if strategy.prepare_universe is None:
        return (bars_of(ticks),)
    mirrored = [2 * ticks[0] - tick + at % 3 for at, tick in enumerate(ticks)]
    holed = bars_of(mirrored)
    kept = np.arange(len(ticks)) % 7 != 3
    second = Bars(*(column[kept] for column in holed))
    third = bars_of([tick + 2 * at for at, tick in enumerate(ticks)][5:], first_day=9)
    return (bars_of(ticks), second, third)[: min(3, strategy.symbols[1])]


def small(name: str) -> tuple[Strategy, object]:
    strategy = strategies.get(name)
    return strategy, parse_params(strategy, SMALL.get(name, []))


@cache
def real(*names: str) -> tuple[Bars, ...]:
    """Return what strategies see of bundled indices (sp500, nasdaq) or of instruments of the LEAN folder."""
    from sim.data import load
    from sim.engine.signals import seen

    if set(names) <= {"sp500", "nasdaq"}:
        return tuple(seen(load(name)[0]) for name in names)
    if not LEAN.exists():
        pytest.skip(f"the price data of the LEAN folder is not at {LEAN}")
    return tuple(seen(history) for history in load(str(LEAN), list(names)))
