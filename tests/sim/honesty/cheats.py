"""A strategy that knows tomorrow: what a linter must not let through."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ledger.kernel import jit, kernel
from strategies.api import Strategy, market


class Params(NamedTuple):
    """Nothing to set but the side."""

    allow_short: int = 0


@jit
def prepare(bars, params):
    """Return the close of the next bar: the mistake that makes everybody rich on paper."""
    columns = np.empty((1, bars.close.shape[0]))
    for t in range(bars.close.shape[0]):
        columns[0, t] = bars.close[min(t + 2, bars.close.shape[0] - 1)] - bars.close[t]
    return columns


@kernel
def on_bar(bars, columns, t, state, params):
    """Be long when the price is going to rise."""
    return market(1.0 if columns[0, t] > 0 else 0.0)


STRATEGY = Strategy(
    name="tests.sim.honesty.cheats:STRATEGY", params=Params, prepare=prepare, on_bar=on_bar, warmup=lambda params: 0, state_size=0,
    summary="Knows tomorrow.", allow_short=False,
)  # fmt: skip
