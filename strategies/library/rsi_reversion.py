"""Buy what has fallen too fast, sell it when the relative strength index is back in the middle.

Theory of operation. rsi = 100 * up / (up + down), the averages of gains and losses smoothed with weight 1/n (Wilder,
"New Concepts in Technical Trading Systems", 1978). Below `low` it enters long, above `leave` it leaves; with
`allow_short`, above `high` it enters short and below `leave` it covers. Between the events the position is held by a
latch (see `strategies/latch.py`). A level counts as crossed when the index is beyond it by more than what may be left
of its seed, so that flat prices (exactly 50) and short histories decide nothing.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ledger.kernel import jit
from strategies.api import Bars, Strategy, first_column
from strategies.columnar import Wish, column
from strategies.indicators import FORGOTTEN, bars_to_forget, rsi
from strategies.latch import held, latch

EDGE = 1e-6
"""Of 100 points of the index: a thousand times what may be left of a seed after the warm-up."""


class Params(NamedTuple):
    """A window in bars and levels of the index."""

    n: int = 14
    low: float = 30.0
    leave: float = 50.0
    high: float = 70.0
    allow_short: int = 0  # 1: short above `high`


@jit
def position(
    index: NDArray[np.float64], low: float, leave: float, high: float, allow_short: int, first: int
) -> NDArray[np.float64]:
    """Return float64[T]: the target that the index and its levels hold, events counted from bar `first` on."""
    return latch(
        index < low - EDGE, index > leave + EDGE, index > high + EDGE, index < leave - EDGE, allow_short, first
    )  # fmt: skip


@jit
def prepare(bars: Bars, params: Params) -> NDArray[np.float64]:
    """Return float64[2, T]: the target, the index."""
    columns = np.empty((2, bars.close.shape[0]), np.float64)
    columns[1] = rsi(bars.close, params.n)
    columns[0] = position(columns[1], params.low, params.leave, params.high, params.allow_short, warmup(params) - 1)
    return columns


def columnar(params: Params) -> tuple[Wish, ...]:
    """Return the same wishes as tests of the position that the index and its levels hold; the index is shared."""
    index, levels = column(rsi, "close", params.n), (params.low, params.leave, params.high)
    return held(column(position, index, *levels, params.allow_short, warmup(params) - 1))


@jit
def warmup(params: Params) -> int:
    """Return the bars after which the index has forgotten its seed."""
    return params.n + 1 + bars_to_forget(1.0 / params.n, FORGOTTEN)


def check(params: Params) -> str:
    """Refuse levels in the wrong order: it would leave in the bar in which it entered."""
    if params.low < params.leave < params.high:
        return ""
    return f"levels must rise: low={params.low:g} < leave={params.leave:g} < high={params.high:g}"


STRATEGY = Strategy(
    name="rsi_reversion",
    params=Params,
    prepare=prepare,
    on_bar=first_column,
    warmup=warmup,
    state_size=0,
    summary="Buy when the relative strength index is low, sell when it is back in the middle (or short when high).",
    allow_short=True,
    ranges={"n": (2, 10_000), "low": (0, 100), "leave": (0, 100), "high": (0, 100), "allow_short": (0, 1)},
    check=check,
    columnar=columnar,
)
