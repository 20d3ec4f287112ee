"""The validated bars of one instrument: what every backtest reads.

Theory of operation. A `History` is made only by `sim.data.load`, after every rule
of `sim/data/rules.py` has held. Prices are int64 ticks (price = ticks /
10**price_exp), times are int64 nanoseconds in UTC, trading dates are proleptic
Gregorian ordinals (`datetime.date.toordinal`). The arrays are contiguous and
read-only, so that a strategy that writes into its input fails at once.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Int64Array = NDArray[np.int64]
Float64Array = NDArray[np.float64]


class Action(NamedTuple):
    """A corporate action, effective before the first bar of `day`; a delisting after the last bar of `day`.

    A split gives `numerator` new shares for `denominator` old ones; a dividend pays `amount_e8`
    (1e-8 of the currency) for each share held before any split of the same day.
    """

    day: int  # proleptic Gregorian ordinal of the trading date
    time_ns: int  # UTC ns, start of that first bar; delisting: end of that last bar
    kind: str  # "split" | "dividend" | "delisting"
    numerator: int  # 0 but for a split
    denominator: int  # 1 but for a split
    amount_e8: int  # split: 0


class Repair(NamedTuple):
    """One named repair that was made: how many rows, and the first of them (1-based line of the file)."""

    name: str
    count: int  # type: ignore[assignment]  # hides tuple.count, which nobody calls on a Repair
    first_row: int


class History(NamedTuple):
    """Validated bars of one instrument; all arrays have length T, are C-contiguous and read-only."""

    symbol: str
    source: str
    bar: str  # "1d" | "1h" | "1m" | "5m" ...
    timezone: str
    price_exp: int  # price = ticks / 10**price_exp
    start_ns: Int64Array  # UTC ns: when the bar's open printed
    end_ns: Int64Array  # UTC ns: when the bar is complete and known
    day: Int64Array  # ordinal of the trading date
    open_ticks: Int64Array
    high_ticks: Int64Array
    low_ticks: Int64Array
    close_ticks: Int64Array
    volume: Int64Array
    signal_factor: Float64Array  # raw price x factor = what a strategy sees; all 1.0 when adjusted
    actions: tuple[Action, ...]
    repairs: tuple[Repair, ...]
    sha256: str  # of the source bytes


def frozen(values: Int64Array) -> Int64Array:
    """Return `values` as a contiguous, read-only int64 array of its own."""
    array = np.array(values, dtype=np.int64, order="C")
    array.setflags(write=False)
    return array
