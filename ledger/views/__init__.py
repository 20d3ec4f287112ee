"""Named questions to a journal, and their answers as typed rows.

Theory of operation. SQL that reads a session stands in this folder and nowhere else. Nothing is
calculated that the book has not booked: sums and differences of integers only, no product of
two amounts, no float. What nobody knows is None. Profit functions return every row; lists
take a page and say how many rows there are in all. Give them a journal opened with `Journal.read`.

`lists` has the tables as they stand, `rows` the raw rows that comparisons are made of.
"""

from ledger.views.lists import (
    DayProfit,
    EquityPoint,
    OpenLot,
    Order,
    Page,
    Position,
    Refusal,
    SymbolProfit,
    Totals,
    Trade,
    UnmatchedCloser,
    Version,
    behind,
    equity,
    lots,
    orders,
    pnl_days,
    pnl_symbols,
    pnl_trades,
    positions,
    refusal_counts,
    refusal_words,
    refusals,
    sessions,
    totals,
    unmatched,
    versions,
)

__all__ = [
    "DayProfit",
    "EquityPoint",
    "OpenLot",
    "Order",
    "Page",
    "Position",
    "Refusal",
    "SymbolProfit",
    "Totals",
    "Trade",
    "UnmatchedCloser",
    "Version",
    "behind",
    "equity",
    "lots",
    "orders",
    "pnl_days",
    "pnl_symbols",
    "pnl_trades",
    "positions",
    "refusal_counts",
    "refusal_words",
    "refusals",
    "sessions",
    "totals",
    "unmatched",
    "versions",
]
