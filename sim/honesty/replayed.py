"""A strategy that says what was written down for it: how wishes from several sources trade on one account.

Theory of operation. Strategies see no money and no orders, so their wishes are fixed by
the bars alone. A run of wishes that were put together (the parameters of one window, then
of the next) is therefore an ordinary run of an ordinary strategy whose columns are those
wishes; the account, the gate and the exchange know nothing of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ledger.kernel import kernel
from sim.data.history import History
from sim.engine.signals import (
    W_FROM_FILL, W_LIMIT, W_STOP, W_STOP_LOSS, W_TAKE_PROFIT, W_TARGET, W_TIF, W_TRAIL, W_TYPE, WISH,
)  # fmt: skip
from strategies.api import GTC, MARKET, Bars, Signal, Strategy, alone

Floats = NDArray[np.float64]


class Params(NamedTuple):
    """What a replayed strategy may still be told."""

    allow_short: int = 0


@kernel
def on_bar(bars: Bars, columns: Floats, t: int, state: Floats, params: Params) -> Signal:
    """Return the wish that stands in the columns."""
    return Signal(
        columns[W_TARGET, t], int(columns[W_TYPE, t]), columns[W_LIMIT, t], columns[W_STOP_LOSS, t], columns[W_TAKE_PROFIT, t],
        columns[W_TRAIL, t], columns[W_STOP, t], int(columns[W_TIF, t]), int(columns[W_FROM_FILL, t]),
    )  # fmt: skip


def replayed(base: Strategy, histories: Sequence[History], wishes: Floats, short: bool) -> tuple[Strategy, Params]:
    """Return a strategy, and its parameters, that repeats wishes float64[bars of all histories, WISH] in place of `base`."""
    edges = np.cumsum([0, *(history.end_ns.size for history in histories)])
    blocks = tuple(np.ascontiguousarray(wishes[a:b].T) for a, b in zip(edges[:-1], edges[1:], strict=True))

    def prepare(universe: tuple[Bars, ...], params: Any) -> tuple[Floats, ...]:
        return blocks

    strategy = Strategy(
        name=base.name, params=Params, prepare=alone(prepare), on_bar=on_bar, warmup=lambda params: 0, state_size=0,
        summary=base.summary, allow_short=True, pyramiding=base.pyramiding, prepare_universe=prepare, symbols=base.symbols,
    )  # fmt: skip
    return strategy, Params(int(short))


def silent(rows: int) -> Floats:
    """Return wishes without any opinion."""
    wishes = np.zeros((rows, WISH))
    wishes[:, W_TARGET], wishes[:, W_TYPE], wishes[:, W_TIF] = np.nan, MARKET, GTC
    return wishes


def standing(wishes: Floats, first: int, last: int) -> Floats:
    """Return a copy of rows first..last of one instrument whose first row is the wish that stands by then.

    A strategy says what it wants and may stay silent while it goes on wanting it. Whoever takes over in the middle must be
    told: the last opinion until then, as a market order, or to be flat when there never was one.
    """
    rows = wishes[first:last].copy()
    if len(rows) and np.isnan(rows[0, W_TARGET]):
        spoken = np.flatnonzero(~np.isnan(wishes[:first, W_TARGET]))
        rows[0] = wishes[spoken[-1]] if spoken.size else np.zeros(WISH)
        rows[0, W_TYPE], rows[0, W_TIF] = MARKET, GTC
    return rows
