"""A strategy for scenarios: long from the first bar, with a stop and a target near the price it got."""

from typing import NamedTuple

from ledger.kernel import kernel
from strategies.api import Strategy, guarded_from_fill, market, no_columns


class Params(NamedTuple):
    """Fractions of the price the position was opened at."""

    stop: float = 0.004
    target: float = 0.002


@kernel
def on_bar(bars, columns, t, state, params):
    """Be long, and long again three bars after a guard closed the position."""
    return guarded_from_fill(market(1.0 if t % 20 < 15 else 0.0), params.stop, params.target, 0.0)


STRATEGY = Strategy(
    name="guarded", params=Params, prepare=no_columns, on_bar=on_bar, warmup=lambda params: 1, state_size=0,
    summary="Long with a stop loss and a take profit.", allow_short=False,
)  # fmt: skip
