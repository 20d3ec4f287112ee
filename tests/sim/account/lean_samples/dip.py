"""Hold 70 % of the account in the first instrument from the start, and 30 % in the second from 2009 on."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from strategies.api import Bars, Strategy, alone, first_column

DIP_NS = 1_230_768_000 * 10**9  # 2009-01-01


class Params(NamedTuple):
    """Fractions of the account."""

    first: float = 0.7
    second: float = 0.3


def prepare_universe(universe: tuple[Bars, ...], params: Any) -> tuple[NDArray[np.float64], ...]:
    """Return one wish per instrument, and no opinion on every other day."""
    columns = []
    for instrument, bars in enumerate(universe):
        wishes = np.full((1, bars.close.shape[0]), np.nan)
        day = int(np.searchsorted(bars.time_ns, DIP_NS * instrument))
        wishes[0, day : day + 1] = params[instrument]
        columns.append(wishes)
    return tuple(columns)


STRATEGY = Strategy(
    "dip", Params, alone(prepare_universe), first_column, lambda p: 1, 1, "Buy the dip of 2009", False,
    prepare_universe=prepare_universe, symbols=(2, 2),
)  # fmt: skip
