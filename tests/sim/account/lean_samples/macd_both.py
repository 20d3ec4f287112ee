"""Long or short by the MACD: turns round when it has passed its signal by a quarter percent of the fast average."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ledger.kernel import jit, kernel
from strategies.api import Bars, Signal, Strategy, market, no_opinion
from strategies.indicators import ema


class Params(NamedTuple):
    """Bars of the averages, and the tolerance as a fraction of the fast one."""

    fast: int = 12
    slow: int = 26
    signal: int = 9
    tolerance: float = 0.0025


@jit
def prepare(bars: Bars, params: Any) -> NDArray[np.float64]:
    """Return float64[1, T]: the gap between MACD and signal, as a fraction of the fast average."""
    fast, slow = ema(bars.close, params.fast), ema(bars.close, params.slow)
    gap = np.full((1, bars.close.shape[0]), np.nan)
    line = fast[params.slow - 1 :] - slow[params.slow - 1 :]
    gap[0, params.slow - 1 :] = (line - ema(line, params.signal)) / fast[params.slow - 1 :]
    return gap


@kernel
def on_bar(bars: Bars, columns: NDArray[np.float64], t: int, state: NDArray[np.float64], params: Any) -> Signal:
    """Turn to the side the gap says; state[0] is the side that is held."""
    gap = columns[0, t]
    side = 1.0 if gap > params.tolerance else -1.0 if gap < -params.tolerance else state[0]
    if side == state[0]:
        return no_opinion()
    state[0] = side
    return market(side)


STRATEGY = Strategy("macd_both", Params, prepare, on_bar, lambda p: p.slow + p.signal - 2, 1, "MACD both ways", True)
