"""A strategy for endurance: it changes its mind at most bars, by the bar's own time, so that every runner wants the same."""

from typing import NamedTuple

from ledger.kernel import kernel
from strategies.api import Strategy, market, no_columns


class Params(NamedTuple):
    """Which of the possible minds."""

    mind: int = 1


@kernel
def on_bar(bars, columns, t, state, params):
    """Be flat, half or fully long, drawn from the bar's end."""
    drawn = (bars.time_ns[t] // 1_000_000_000 * 2_654_435_761 + params.mind * 40_503) % 4_294_967_296 // 65_536 % 5
    return market(0.0 if drawn < 2 else 0.5 if drawn < 3 else 1.0)


STRATEGY = Strategy(
    name="restless", params=Params, prepare=no_columns, on_bar=on_bar, warmup=lambda params: 1, state_size=0,
    summary="Flat, half or fully long, drawn from the time.", allow_short=False,
)  # fmt: skip
