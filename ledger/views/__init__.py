"""Named questions to a journal, and their answers as typed rows.

Theory of operation. SQL that reads a session stands in this folder and nowhere else. Nothing is
calculated that the book has not booked: sums and differences of integers only, no product of
two amounts, no float. What nobody knows is None. Profit functions return every row; lists
take a page and say how many rows there are in all. Give them a journal opened with `Journal.read`.

`lists` has the tables as they stand, `days` which trading day something belongs to, `wishes` every wish with its answer,
refusals by reason, remarks and ages, `profit` the groups and the leaderboard, `risk` the limits and their use, `fuzz` the
report of a fuzz session, `rows` the raw rows that comparisons are made of.
"""

from ledger.views.days import newest_day
from ledger.views.fuzz import FUZZ_SOURCE, fuzz_report
from ledger.views.exits import ExitQuality, exit_quality
from ledger.views.lists import (
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
    pnl_symbols,
    pnl_trades,
    positions,
    refusal_counts,
    refusals,
    sessions,
    totals,
    unmatched,
    versions,
)
from ledger.views.profit import FORMULA, GROUPS, DayProfit, Profit, Rank, leaderboard, pnl_days, profit_by
from ledger.views.risk import LimitUse, limits
from ledger.views.wishes import Age, Intent, RefusalCount, Remark, age, intents, refusal_reasons, refusal_words, remarks

__all__ = [
    "Age",
    "DayProfit",
    "EquityPoint",
    "ExitQuality",
    "FORMULA",
    "FUZZ_SOURCE",
    "GROUPS",
    "Intent",
    "LimitUse",
    "OpenLot",
    "Order",
    "Page",
    "Position",
    "Profit",
    "Rank",
    "Refusal",
    "RefusalCount",
    "Remark",
    "SymbolProfit",
    "Totals",
    "Trade",
    "UnmatchedCloser",
    "Version",
    "age",
    "behind",
    "equity",
    "exit_quality",
    "fuzz_report",
    "intents",
    "leaderboard",
    "limits",
    "lots",
    "newest_day",
    "orders",
    "pnl_days",
    "pnl_symbols",
    "pnl_trades",
    "positions",
    "profit_by",
    "refusal_counts",
    "refusal_reasons",
    "refusal_words",
    "refusals",
    "remarks",
    "sessions",
    "totals",
    "unmatched",
    "versions",
]
