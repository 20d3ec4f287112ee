"""The record of one run that every table, picture, page and export is made from.

Theory of operation. A `Sheet` is a plain dict, so that a backtest, a fuzz run and a
paper session look the same to all that show them. `from_book` makes one from a book
and the points of its equity curve, whether they come from a run just made or from a
journal; what a run does not know is left out and never filled with zeros.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NotRequired, TypedDict

import numpy as np
from numpy.typing import NDArray

from ledger.book import N_FLAGS, N_INSTRUMENT, N_KIND, N_SIDE, N_TIME, Book
from ledger.vocabulary import EntryFlag, EventKind
from sim.metrics import Figures, measure

Ints = NDArray[np.int64]
NAMES_SHOWN = 4


class Sheet(TypedDict):
    """Everything a report shows; a plain dict."""

    symbol: str
    strategy: str  # with its parameters, as the reader knows them
    currency: str  # ISO code
    figures: Figures
    start_e8: int
    time_ns: Ints  # [T] UTC
    equity_e8: Ints  # [T]
    benchmark_e8: NotRequired[Ints]  # [T] buy and hold of the first symbol
    entries: NotRequired[Ints]  # bar numbers
    exits: NotRequired[Ints]  # bar numbers
    notes: NotRequired[list[str]]  # whole sentences the reader must not miss
    days: NotRequired[Ints]  # [T] ordinals of the exchange's days
    positions_e8: NotRequired[Ints]  # [T] worth of all positions, short ones negative
    known: NotRequired[NDArray[np.bool_]]  # [T] every position had a price
    book: NotRequired[Book]
    symbols: NotRequired[Sequence[str]]  # by instrument number, from 1
    provenance: NotRequired[list[tuple[str, str]]]  # how the run was made: label, value
    clock: NotRequired[tuple[str, str]]  # time zone and calendar of the exchange


def from_book(
    book: Book,
    values: Ints,
    *,
    symbols: Sequence[str],
    strategy: str,
    start_e8: int,
    figures: Figures,
    benchmark_e8: Ints | None = None,
    notes: Sequence[str] = (),
    provenance: Sequence[tuple[str, str]] = (),
    currency: str = "USD",
    clock: tuple[str, str] | None = None,
) -> Sheet:
    """Return the sheet of a run.

    Args:
        values: int64[T, 6] of time, day (ordinal), cash, positions, positions without a price, positions held.
        symbols: names of the instruments from 1 on. benchmark_e8: int64[T] or None.
    """
    time_ns = values[:, 0]
    made: Sheet = {
        "symbol": short_list(symbols), "strategy": strategy, "currency": currency, "figures": figures, "start_e8": start_e8,
        "time_ns": time_ns, "equity_e8": values[:, 2] + values[:, 3], "notes": list(notes), "days": values[:, 1],
        "positions_e8": values[:, 3], "known": values[:, 4] == 0, "book": book, "symbols": tuple(symbols),
        "provenance": list(provenance),
    }  # fmt: skip
    made["entries"], made["exits"] = marks(book, time_ns)
    if clock is not None:
        made["clock"] = clock
    if benchmark_e8 is not None and benchmark_e8.size == time_ns.size:
        made["benchmark_e8"] = benchmark_e8
    return made


def short_list(symbols: Sequence[str]) -> str:
    """Return the first symbols, and how many more there are."""
    more = f" and {len(symbols) - NAMES_SHOWN} more" if len(symbols) > NAMES_SHOWN else ""
    return ", ".join(symbols[:NAMES_SHOWN]) + more


def marks(book: Book, time_ns: Ints) -> tuple[Ints, Ints]:
    """Return the bars at which the first instrument was bought and sold; nothing without bars."""
    rows = book.entries
    mine = (rows[:, N_KIND] == EventKind.FILL) & (rows[:, N_INSTRUMENT] == 1) & (rows[:, N_FLAGS] & EntryFlag.SUPERSEDED == 0)
    rows = rows[mine] if time_ns.size else rows[:0]
    when = np.minimum(np.searchsorted(time_ns, rows[:, N_TIME]), max(0, time_ns.size - 1))
    return when[rows[:, N_SIDE] > 0], when[rows[:, N_SIDE] < 0]


def held(start_e8: int, close: NDArray[np.float64], end_ns: Ints, time_ns: Ints) -> Ints:
    """Return int64[T]: what the start would be worth in an instrument bought at its first close, without costs.

    Args:
        close: float64[n], adjusted, in any unit; end_ns: int64[n], when each was known; time_ns: int64[T], points of the curve.
    """
    at = np.clip(np.searchsorted(end_ns, time_ns, side="right") - 1, 0, None)
    worth: Ints = np.round(start_e8 * (close[at] / close[0])).astype(np.int64)
    return worth


def benchmark_figures(sheet: Sheet) -> Figures | None:
    """Return the figures of buy and hold that need no trades, or None where there is no such curve."""
    curve, days = sheet.get("benchmark_e8"), sheet.get("days")
    if curve is None or days is None or not curve.size:
        return None
    none = np.empty(0, np.int64)
    nothing: dict[str, Any] = {"traded_e8": 0, "fees_e8": 0, "pnl_e8": none, "open_ns": none, "close_ns": none}
    measured = measure(curve, sheet["time_ns"], days, np.ones(curve.size, np.bool_), start_e8=sheet["start_e8"], **nothing)
    shown = ("final_equity", "total_return", "cagr", "volatility", "sharpe", "sortino", "calmar", "max_drawdown",
             "max_drawdown_duration", "max_drawdown_days")  # fmt: skip
    return {name: measured[name] for name in shown}
