"""A vectorbt Portfolio made of our own fills, for its statistics and plots.

Theory of operation. vectorbt can be given finished order records instead of simulating.
Each execution of the run becomes one record, in the order in which it was booked, several
a bar included. Which bar an execution belongs to is read off the equity curve's own cash,
to the last unit: a fill at an open shares its timestamp with the close before it, and
only the cash says which of the two it was. So the portfolio's cash is the book's by
construction, and a run whose cash has other causes is refused.

Order records know trades and fees and nothing else. Dividends, interest, borrow fees,
later deposits, adjustments, and splits of a position that is held cannot be told with
them; for such runs `to_returns` gives vectorbt's accessor over the exact equity curve.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ledger.book import (
    I_PRICE_EXP, I_QTY_EXP, N_FEE, N_FLAGS, N_INSTRUMENT, N_KIND, N_PRICE, N_QTY, N_SEQ, N_SIDE, N_TIME, N_VALUE,
)  # fmt: skip
from ledger.units import MONEY_SCALE
from ledger.vocabulary import EntryFlag, EventKind

if TYPE_CHECKING:
    from sim.run import Simulation

Ints = NDArray[np.int64]
FREQUENCY = {"d": "D", "h": "h", "m": "min", "s": "s"}


class PortfolioError(ValueError):
    """What happened in a run cannot be told by order records; the message says what, and what to use."""


class Orders(NamedTuple):
    """Order records as columns: bar and column from 0, sizes, prices and fees as doubles, side 0 buys and 1 sells."""

    bar: Ints
    column: Ints
    size: NDArray[np.float64]
    price: NDArray[np.float64]
    fee: NDArray[np.float64]
    side: Ints


def to_vectorbt(run: Any) -> Any:
    """Return a `vectorbt.Portfolio` of a run's fills: one column a symbol, one shared purse.

    Args:
        run: a Simulation, or a Result that holds one.
    Raises:
        PortfolioError: dividends, splits of a held position, interest, borrow fees, deposits or adjustments.
        VectorbtError: vectorbt is not installed.
    """
    from sim.parity import vbt

    sim = _simulation(run)
    orders = orders_of(sim)
    return vbt.portfolio(_index(sim), sim.symbols, closes(sim), orders, _start(sim) / MONEY_SCALE, frequency(sim))


def to_returns(run: Any) -> Any:
    """Return vectorbt's returns accessor over a run's equity curve: every figure that needs no order records.

    Args:
        run: a Simulation, or a Result that holds one.
    Raises:
        VectorbtError: vectorbt is not installed.
    """
    from sim.parity import vbt

    sim = _simulation(run)
    equity = (sim.values[:, 2] + sim.values[:, 3]) / MONEY_SCALE
    return vbt.returns(_index(sim), equity, _start(sim) / MONEY_SCALE, frequency(sim))


def _simulation(run: Any) -> Simulation:
    return run.simulation if hasattr(run, "simulation") else run  # type: ignore[no-any-return]


def _index(sim: Simulation) -> Ints:
    return sim.values[:, 0]


def _start(sim: Simulation) -> int:
    """Return the deposits a run began with, e8."""
    return int(sum(int(row[N_VALUE]) for row in sim.book.entries if row[N_KIND] == EventKind.DEPOSIT))


def frequency(sim: Simulation) -> str:
    """Return the bar length as pandas writes it."""
    bar = sim.histories[0].bar
    return f"{bar[:-1]}{FREQUENCY[bar[-1]]}"


def closes(sim: Simulation) -> NDArray[np.float64]:
    """Return float64[moments, symbols]: the last close known at each moment, NaN before the first."""
    table = np.full((len(sim.values), len(sim.histories)), np.nan)
    for column, history in enumerate(sim.histories):
        at = np.searchsorted(history.end_ns, _index(sim), side="right") - 1
        known = at >= 0
        table[known, column] = history.close_ticks[at[known]] / 10.0**history.price_exp
    return table


def orders_of(sim: Simulation) -> Orders:
    """Return the effective executions of a run as order records, bar by bar.

    Raises:
        PortfolioError: see `to_vectorbt`.
    """
    entries = sim.book.entries
    effective = entries[entries[:, N_FLAGS] & EntryFlag.SUPERSEDED == 0]
    _refuse_what_records_cannot_tell(effective)
    fills = effective[(effective[:, N_KIND] == EventKind.FILL) & (effective[:, N_QTY] > 0)]
    fills = fills[np.lexsort((fills[:, N_SEQ], fills[:, N_TIME]))]
    flows = -fills[:, N_SIDE] * fills[:, N_VALUE] - fills[:, N_FEE]
    bars = _bars(fills[:, N_TIME], flows, sim.values[:, 0], sim.values[:, 2], _start(sim))
    grid = sim.book.instruments[fills[:, N_INSTRUMENT]]
    return Orders(
        bars, fills[:, N_INSTRUMENT] - 1, fills[:, N_QTY] / 10.0 ** grid[:, I_QTY_EXP],
        fills[:, N_PRICE] / 10.0 ** grid[:, I_PRICE_EXP], fills[:, N_FEE] / MONEY_SCALE,
        np.where(fills[:, N_SIDE] > 0, 0, 1),
    )  # fmt: skip


def _refuse_what_records_cannot_tell(entries: Ints) -> None:
    told = {EventKind.FILL, EventKind.SPLIT}
    later = entries[(entries[:, N_KIND] == EventKind.DEPOSIT)][1:]
    others = [EventKind(int(kind)).name for kind in np.unique(entries[:, N_KIND]) if kind not in told | {EventKind.DEPOSIT}]
    if len(later):
        others.append("a later DEPOSIT")
    held: dict[int, int] = {}
    for row in entries[np.lexsort((entries[:, N_SEQ], entries[:, N_TIME]))]:
        number = int(row[N_INSTRUMENT])
        if row[N_KIND] == EventKind.FILL:
            held[number] = held.get(number, 0) + int(row[N_SIDE] * row[N_QTY])
        elif row[N_KIND] == EventKind.SPLIT and held.get(number, 0):
            others.append("SPLIT of a held position")
            break
    if others:
        raise PortfolioError(
            f"this run has {', '.join(others)}, which vectorbt's order records cannot tell; its cash and returns would be wrong. "
            "Run on adjusted prices without carry, or use to_returns(), which needs the equity curve only"
        )


def _bars(times: Ints, flows: Ints, moments: Ints, cash: Ints, start: int) -> Ints:
    """Return the row of the curve each execution belongs to: the first whose cash contains it."""
    bars, now, at = np.zeros(len(times), np.int64), start, 0
    for bar in range(len(moments)):
        while at < len(times) and (times[at] < moments[bar] or (times[at] == moments[bar] and now != cash[bar])):
            bars[at], now, at = bar, now + int(flows[at]), at + 1
        if now != cash[bar]:
            raise PortfolioError(
                f"the cash at {np.datetime64(int(moments[bar]), 'ns')} is not what the executions before it leave; "
                "use to_returns(), which needs the equity curve only"
            )
    if at < len(times):
        raise PortfolioError("an execution came after the last point of the equity curve; use to_returns()")
    return bars
