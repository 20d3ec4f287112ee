"""A ribbon of closes displaced by 5, 10 ... 30 bars: long from when it rises from old to new until it falls.

LEAN's `DisplacedMovingAverageRibbon` means to displace an average, but feeds the delays with prices.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ledger.kernel import jit, kernel
from strategies.api import Bars, Signal, Strategy, market


class Params(NamedTuple):
    """Bars between bands, and their number."""

    offset: int = 5
    count: int = 6


@jit
def prepare(bars: Bars, params: Any) -> NDArray[np.float64]:
    """Return float64[count, T]: the close of each band's distance ago."""
    out = np.full((params.count, bars.close.shape[0]), np.nan)
    for band in range(params.count):
        away = params.offset * (band + 1)
        out[band, away:] = bars.close[: max(0, bars.close.shape[0] - away)]
    return out


@kernel
def on_bar(bars: Bars, columns: NDArray[np.float64], t: int, state: NDArray[np.float64], params: Any) -> Signal:
    """Go in when no band is above a newer one, and out when none is below; state[0] is 1 while long."""
    rises, falls = True, True
    for band in range(params.count - 1):
        rises = rises and columns[band, t] >= columns[band + 1, t]
        falls = falls and columns[band, t] <= columns[band + 1, t]
    if state[0] == 0.0 and rises:
        state[0] = 1.0
    elif state[0] == 1.0 and falls:
        state[0] = 0.0
    return market(state[0])


STRATEGY = Strategy("ribbon", Params, prepare, on_bar, lambda p: p.offset * p.count + 1, 1, "Displaced ribbon", False)
