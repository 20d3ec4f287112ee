"""Long while the MACD line stands above its signal line, and above zero where that is asked for.

Theory of operation. macd = ema(close, fast) - ema(close, slow); signal = ema(macd, signal). Both lines remember
their seeds, so the strategy is silent until both have forgotten. What is compared with 0 is the distance of the lines
against the price: less than may be left of a seed is a tie, and a tie is not above. Source: Appel, "Technical
Analysis: Power Tools for Active Investors" (2005), chapter 8.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ledger.kernel import jit
from strategies.api import Bars, Strategy, first_column
from strategies.columnar import AT_MOST, GREATER, LESS, Test, Wish, column
from strategies.indicators import FORGOTTEN, bars_to_forget, ema, ema_from, macd, trusted, with_seed


class Params(NamedTuple):
    """Window lengths in bars."""

    fast: int = 12
    slow: int = 26
    signal: int = 9
    above_zero: int = 0  # 1: long only while the MACD line is above zero too, short only while below
    allow_short: int = 0  # 1: short while the line is below its signal


@jit
def prepare(bars: Bars, params: Params) -> NDArray[np.float64]:
    """Return float64[4, T]: the target, the MACD line, its distance from the signal line once warm, and what is a tie."""
    columns = np.full((4, bars.close.shape[0]), np.nan)
    lines = macd(bars.close, params.fast, params.slow, params.signal)
    columns[1] = lines[0]
    columns[2] = trusted(lines[0] - lines[1], warmup(params) - 1)
    columns[3] = with_seed(np.zeros(bars.close.shape[0]), bars.close)
    for t in range(bars.close.shape[0]):
        line, gap, tie = columns[1, t], columns[2, t], columns[3, t]
        if not (np.isnan(gap) or np.isnan(tie)):
            columns[0, t] = 0.0
            if gap > tie and (params.above_zero == 0 or line > tie):
                columns[0, t] = 1.0
            elif gap < -tie and params.allow_short and (params.above_zero == 0 or line < -tie):
                columns[0, t] = -1.0
    return columns


@jit
def _minus(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    return a - b


@jit
def _tie(close: NDArray[np.float64], side: int) -> NDArray[np.float64]:
    """Return how far from zero a difference must be on this side, 1 or -1, to be one."""
    return side * with_seed(np.zeros(close.shape[0]), close)


def columnar(params: Params) -> tuple[Wish, ...]:
    """Return the same wishes as tests of the line and of its distance from the signal line."""
    line = column(_minus, column(ema, "close", params.fast), column(ema, "close", params.slow))
    signal = column(ema_from, line, params.signal, max(params.fast, params.slow) - 1)
    gap = column(trusted, column(_minus, line, signal), warmup(params) - 1)
    over, under = column(_tie, "close", 1), column(_tie, "close", -1)
    long, short = (Test(gap, GREATER, over),), (Test(gap, LESS, under),)
    if params.above_zero:
        long, short = (*long, Test(line, GREATER, over)), (*short, Test(line, LESS, under))
    known = (Test(gap, AT_MOST, math.inf), Test(over, AT_MOST, math.inf))
    wishes = (Wish(1.0, long), Wish(-1.0, short)) if params.allow_short else (Wish(1.0, long),)
    return (*wishes, Wish(0.0, known))


@jit
def warmup(params: Params) -> int:
    """Return the bars after which the slow average, and then the signal line, have forgotten their seeds."""
    slow = params.slow + bars_to_forget(2.0 / (params.slow + 1.0), FORGOTTEN)
    return slow + params.signal + bars_to_forget(2.0 / (params.signal + 1.0), FORGOTTEN)


def check(params: Params) -> str:
    """Refuse windows in the wrong order."""
    if params.fast < params.slow:
        return ""
    return f"fast={params.fast} must be smaller than slow={params.slow}; swap them or widen slow"


STRATEGY = Strategy(
    name="macd_trend",
    params=Params,
    prepare=prepare,
    on_bar=first_column,
    warmup=warmup,
    state_size=0,
    summary="Long while the MACD line is above its signal line, else flat (or short).",
    allow_short=True,
    ranges={"fast": (1, 10_000), "slow": (2, 10_000), "signal": (1, 10_000), "above_zero": (0, 1), "allow_short": (0, 1)},
    check=check,
    columnar=columnar,
)
