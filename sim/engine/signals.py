"""What strategies see, and their answers for every bar: the wishes.

Theory of operation. A strategy never sees money, positions or orders, so its answers do
not depend on the run: they are asked for before the loop and lie in one array,
float64[bars, WISH], laid out like the tape. The loop is therefore compiled once for all
strategies, and only the small function that asks is compiled for each. A strategy that
numba cannot compile is asked by Python, one call a bar; everything else stays compiled.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.data.history import History
from strategies.api import Bars, Strategy, as_bars, columns_of
from strategies.asking import (
    W_FROM_FILL, W_LIMIT, W_STOP, W_STOP_LOSS, W_TAKE_PROFIT, W_TARGET, W_TIF, W_TRAIL, W_TYPE, WISH, ask,
)  # fmt: skip

Floats = NDArray[np.float64]
__all__ = [
    "WISH", "W_FROM_FILL", "W_LIMIT", "W_STOP", "W_STOP_LOSS", "W_TAKE_PROFIT", "W_TARGET", "W_TIF", "W_TRAIL", "W_TYPE", "seen",
    "wishes",
]  # fmt: skip


def seen(history: History) -> Bars:
    """Return what a strategy may see of a history: adjusted floats."""
    factor = history.signal_factor / 10.0**history.price_exp
    return as_bars(
        history.end_ns, history.open_ticks * factor, history.high_ticks * factor, history.low_ticks * factor,
        history.close_ticks * factor, history.volume,
    )  # fmt: skip


def wishes(strategy: Strategy, histories: Sequence[History], params: Any) -> Floats:
    """Return float64[bars of all histories, WISH]: the strategy's signal at every bar."""
    bars = [seen(history) for history in histories]
    blocks = columns_of(strategy, bars, params)
    return np.concatenate([ask(strategy, one, block, params) for one, block in zip(bars, blocks, strict=True)])
