"""Buy on the first bar and never sell: the line every other strategy is drawn against.

Theory of operation. The target is the same number on every bar. Because a target is
a position and not an order, repeating it trades only once.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ledger.kernel import kernel
from strategies.api import Bars, Signal, Strategy, market, no_columns


class Params(NamedTuple):
    """How much to hold."""

    fraction: float = 1.0  # of full size


@kernel
def on_bar(
    bars: Bars, columns: NDArray[np.float64], t: int, state: NDArray[np.float64], params: Params
) -> Signal:
    """Return the one wish this strategy has."""
    return market(params.fraction)


def warmup(params: Params) -> int:
    """Return 0: the first bar is enough."""
    return 0


STRATEGY = Strategy(
    name="buy_and_hold",
    params=Params,
    prepare=no_columns,
    on_bar=on_bar,
    warmup=warmup,
    state_size=0,
    summary="Buy on the first bar and hold to the end.",
    allow_short=False,
    ranges={"fraction": (0, 1)},
)
