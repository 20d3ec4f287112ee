"""How far a trade went against and for its owner while it was open: MAE and MFE.

Theory of operation. Prices are those the session recorded, so a figure needs no other file and cannot use another
price than the book was valued with: a daily backtest recorded closes, paper trading its bars. What happened between two
recorded prices is not known and not guessed; who has bars gives their lows and highs. The worth of the shares at a price
is a product of integers, rounded as the book rounds. A trade that was open over a split has no excursion: its prices
are not of one kind.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ledger import views
from ledger.journal import Journal
from ledger.units import muldiv
from ledger.views import rows
from ledger.vocabulary import EventKind

Ints = NDArray[np.int64]
DEFINITION = (
    "MAE, MFE: least and greatest unrealized profit of a trade at the prices recorded while it was open, before fees; "
    "0 at the entry, so MAE is never above and MFE never below 0; unknown over a split and without a price."
)


class Prices(NamedTuple):
    """Prices of one instrument, int64[n] each: times (rising), lows and highs in ticks; equal where only closes are known."""

    time_ns: Ints
    low_ticks: Ints
    high_ticks: Ints


class Excursion(NamedTuple):
    """Money, e8; None = unknown."""

    mae_e8: int | None
    mfe_e8: int | None


UNKNOWN = Excursion(None, None)


def of_session(journal: Journal, session_id: int, bars: Mapping[int, Prices] | None = None) -> dict[int, Excursion]:
    """Return the excursion of each trade of `views.pnl_trades`, by its number.

    Args:
        bars: lows and highs by instrument, in its ticks; recorded prices are used for the others.
    Raises:
        JournalError: no such session.
    """
    trades = views.pnl_trades(journal, session_id)
    with journal.reading():
        marks, grids = rows.marks(journal, session_id), {row.number: row for row in rows.instruments(journal, session_id)}
        splits = [(one.instrument, one.time_ns) for one in rows.entries(journal, session_id) if one.kind == EventKind.SPLIT]
    found = {trade.number: UNKNOWN for trade in trades}
    for number, grid in grids.items():
        mine = [trade for trade in trades if trade.instrument == number]
        prices = (bars or {}).get(number) or _recorded(marks[marks[:, 0] == number])
        worth = (grid.multiply, grid.divide)
        cuts = np.array(sorted(time for instrument, time in splits if instrument == number), np.int64)
        found.update(zip((trade.number for trade in mine), excursions(mine, prices, worth, cuts), strict=True))
    return found


def _recorded(marks: Ints) -> Prices:
    order = np.argsort(marks[:, 1], kind="stable")
    times, ticks = marks[order, 1], marks[order, 2]
    return Prices(times, ticks, ticks)


def excursions(trades: Sequence[views.Trade], prices: Prices, worth: tuple[int, int], splits: Ints) -> list[Excursion]:
    """Return the excursion of each trade of one instrument.

    Args:
        prices: see `Prices`. worth: (multiply, divide): lots times ticks times the one by the other is e8.
        splits: int64[k], times of splits, rising.
    """
    first = np.searchsorted(prices.time_ns, [trade.open_time_ns for trade in trades], side="left")
    last = np.searchsorted(prices.time_ns, [trade.close_time_ns for trade in trades], side="right")
    lows, highs = _extremes(np.minimum, prices.low_ticks, first, last), _extremes(np.maximum, prices.high_ticks, first, last)
    found = []
    for trade, low, high, seen in zip(trades, lows, highs, (last > first).tolist(), strict=True):
        over = np.searchsorted(splits, [trade.open_time_ns, trade.close_time_ns], side="right")
        if not seen or over[0] != over[1]:
            found.append(UNKNOWN)
            continue
        ends = [trade.side * (int(muldiv(price * worth[0], trade.qty_lots, worth[1])) - trade.cost_e8) for price in (low, high)]
        found.append(Excursion(min(0, *ends, trade.pnl_e8), max(0, *ends, trade.pnl_e8)))
    return found


def _extremes(extreme: np.ufunc, values: Ints, first: Ints, last: Ints) -> list[int]:
    """Return the extreme of values[first:last] of each range; whatever stands there for an empty one."""
    if not values.size or not first.size:
        return [0] * first.size
    # `reduceat` takes starts: every other result is the gap between a range and the next, and is dropped.
    places = np.column_stack((np.minimum(first, values.size - 1), np.minimum(last, values.size))).ravel()
    padded = np.append(values, values[-1])
    return [int(value) for value in extreme.reduceat(padded, places)[::2]]
