"""The prices behind a stored session: its bars, read again, or the marks that its book was told.

Theory of operation. A backtest says which bars it read; if the source still holds the very same ones (SHA-256), they are
read again. Where it does not, and for every other kind of session, the marks of the journal are
all that is known: points, not bars. The sentence that comes along says which of the two it is.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ledger.views import rows
from sim import excursions

Ints = NDArray[np.int64]
MARKS = "Prices are the marks of the journal: what the book was told, not every trade of the market."


class Bars(NamedTuple):
    """Prices of one instrument, int64[n] each, rising in time; a mark is a bar without length."""

    start_ns: Ints
    end_ns: Ints
    open_ticks: Ints
    high_ticks: Ints
    low_ticks: Ints
    close_ticks: Ints
    volume: Ints | None


class Seen(NamedTuple):
    """Prices of one instrument with their decimals, and a sentence that says where they are from."""

    prices: Bars | None
    price_exp: int
    told: str


def of_session(journal: Any, info: Any, instrument: int) -> Seen:
    """Return the prices of an instrument of a session, by its number from 1 on.

    Args:
        journal: opened to read; info: the session's `ledger.journal.SessionInfo`.
    """
    grid = {row.number: row for row in rows.instruments(journal, info.id)}.get(instrument)
    if grid is None:
        return Seen(None, 0, f"session {info.id} has no instrument {instrument}")
    found, why = _bars(info, grid.symbol)
    if found is not None and found.price_exp == grid.price_exp:
        bars = Bars(found.start_ns, found.end_ns, found.open_ticks, found.high_ticks, found.low_ticks, found.close_ticks, found.volume)
        return Seen(bars, grid.price_exp, f"Bars of {found.bar} from {found.source}, read again: the very bars of the run.")
    marks = rows.marks(journal, info.id)
    mine = marks[marks[:, 0] == instrument]
    if not len(mine):
        return Seen(None, grid.price_exp, f"{grid.symbol} never had a price in this session")
    times, ticks = mine[:, 1], mine[:, 2]
    rising = np.argsort(times, kind="stable")
    when, price = times[rising], ticks[rising]
    return Seen(Bars(when, when, price, price, price, price, None), grid.price_exp, f"{MARKS}{f' ({why})' if why else ''}")


def _bars(info: Any, symbol: str) -> tuple[Any, str]:
    """Return the history of a symbol that a backtest read, or None and why it cannot be had."""
    from sim.honesty.evidence import bars_again

    config = json.loads(info.config)
    if info.kind != "backtest" or "instruments" not in config:
        return None, ""
    found, why = bars_again(config)
    return next((history for history in found or () if history.symbol == symbol), None), why


def trade_excursions(journal: Any, session_id: int, seen: Seen, instrument: int) -> dict[int, excursions.Excursion]:
    """Return how far each trade went, by its number; with lows and highs where the bars of an instrument are known."""
    bars = seen.prices
    if bars is None or (bars.start_ns == bars.end_ns).all():
        return excursions.of_session(journal, session_id)
    known = {instrument: excursions.Prices(bars.end_ns, bars.low_ticks, bars.high_ticks)}
    return excursions.of_session(journal, session_id, known)
