"""Equity histories: days that are missing, rows that were edited, cash that jumped, reports that stopped early.

Theory of operation. A row says what the account had at some moment of a day, and files disagree on which: when the row was
written, midnight UTC, or midnight in New York. The cash that the trades leave at each of these moments is worked
out, and a row's error is its cash less the nearest of them. An error that stays the same from row to row has one cause, so
only changes of the error are findings.
"""

from __future__ import annotations

from collections.abc import Iterator
from zoneinfo import ZoneInfo

import numpy as np

from ledger.journal.days import DAY_NS, trading_days
from ledger.rescue import times
from ledger.rescue.audit.finding import (
    CERTAIN,
    ERROR,
    LIKELY,
    SUSPECTED,
    SUSPICION,
    WARNING,
    Case,
    Finding,
    slack,
    text,
    total,
)
from ledger.rescue.legacy import Int64s, StoredDay
from ledger.rescue.times import day_text

LIMITS = (100, 500, 1000, 2000, 5000, 10_000)
"""Row limits that queries of dashboards have."""


def _by_portfolio(case: Case) -> Iterator[tuple[str, list[StoredDay]]]:
    """Yield the dated rows of each portfolio, oldest first."""
    dated = [row for row in case.legacy.days if row.day is not None]
    for name in sorted({row.portfolio for row in dated}):
        yield name, sorted((row for row in dated if row.portfolio == name), key=lambda row: (row.day or 0, row.number))


def missing_days(case: Case) -> Iterator[Finding]:
    """Find sessions of the exchange between the first and the last row that have none."""
    for name, rows in _by_portfolio(case):
        first, last = rows[0].day or 0, rows[-1].day or 0
        if case.calendar is None or not case.legacy.sessions or len(rows) < 2:
            continue
        absent = np.setdiff1d(case.calendar(first, last), [row.day or 0 for row in rows])
        if len(absent):
            days = [day_text(int(day)) for day in absent]
            yield Finding(
                "equity-day-missing",
                WARNING,
                f"{len(days)} sessions of {name} have no equity",
                None,
                days,
                f"between {day_text(first)} and {day_text(last)} the exchange was open on {len(absent) + len(rows)} "
                f"days or more, {len(rows)} have a row: "
                f"{', '.join(days[:8])}{' ...' if len(days) > 8 else ''}",
                CERTAIN,
                sql="SELECT date FROM equity_history ORDER BY date",
            )


def edited(case: Case) -> Iterator[Finding]:
    """Find rows whose equity is not their own cash + positions, and rows written again after later ones."""
    for name, rows in _by_portfolio(case):
        for row in rows:
            if None in (row.equity_e8, row.cash_e8, row.positions_e8):
                continue
            difference = (row.equity_e8 or 0) - (row.cash_e8 or 0) - (row.positions_e8 or 0)
            if abs(difference) > slack(row.equity_e8 or 0, 2):
                yield Finding(
                    "equity-edited",
                    ERROR,
                    f"equity of {name} on {day_text(row.day or 0)} is not cash + positions",
                    difference,
                    [row.row],
                    f"{text(row.equity_e8)} - cash {text(row.cash_e8)} - positions {text(row.positions_e8)} = "
                    f"{text(difference)}: "
                    "one of the three was changed by hand, or written by another program",
                    CERTAIN,
                    sql="SELECT * FROM equity_history WHERE abs(equity - cash - positions_value) > 0.01",
                )
        again = [row for row, later in zip(rows, rows[1:], strict=False) if row.number > later.number]
        if again:
            yield Finding(
                "equity-rewritten",
                SUSPICION,
                f"{len(again)} days of {name} were written again after later days",
                None,
                [row.row for row in again],
                "their place in the table is behind that of a later date: a day was deleted and inserted again, or "
                "filled in afterwards",
                SUSPECTED,
            )


def expected_at(case: Case, portfolio: str, rows: list[StoredDay]) -> list[Int64s]:
    """Return the cash that the trades leave at each row, under each meaning of its date, e8."""
    mine = np.flatnonzero(case.legacy.of(portfolio) & case.booked)
    when, moved = case.legacy.trades.time_ns[mine], case.flow_e8[mine]
    moves = [move for move in case.legacy.moves if move.portfolio == portfolio]
    when = np.concatenate([when, np.array([move.time_ns for move in moves], np.int64)])
    moved = np.concatenate([moved, np.array([move.amount_e8 for move in moves], np.int64)])
    order = np.argsort(when, kind="stable")
    sums = np.concatenate(
        [[case.start_of(portfolio)[0]], case.start_of(portfolio)[0] + np.cumsum(moved[order])]
    ).astype(np.int64)
    days = np.array([row.day or 0 for row in rows], np.int64)
    local = trading_days(when[order], ZoneInfo("America/New_York"))
    written = np.array([row.time_ns for row in rows], np.int64)
    results = [
        sums[np.searchsorted(when[order], (days + 1) * DAY_NS)],
        sums[np.searchsorted(local, days, side="right")],
    ]
    if (written != times.UNKNOWN).all():
        results.append(sums[np.searchsorted(when[order], written, side="right")])
    return results


def cash_jumps(case: Case) -> Iterator[Finding]:
    """Find days on which cash changed by more than the trades and deposits, and cash that an error path made up."""
    for name, rows in _by_portfolio(case):
        start, origin = case.start_of(name)
        rows = [row for row in rows if row.cash_e8 is not None]
        if origin == "unknown" or not rows:
            continue
        candidates = np.array(expected_at(case, name, rows), np.int64)
        cash = np.array([row.cash_e8 for row in rows], np.int64)
        gross = total(case.truth.value_e8[case.legacy.of(name)])
        error = 0
        for at, row in enumerate(rows):
            errors = (cash[at] - candidates[:, at]).tolist()
            best = min(errors, key=lambda value: abs(value - error))
            change, error = best - error, best
            if abs(change) <= slack(gross, 2):
                continue
            made_up = cash[at] == start and abs(best) > slack(gross, 2)
            expected = int(cash[at]) - best
            yield Finding(
                "cash-fabricated" if made_up else "equity-cash-jump",
                ERROR,
                f"cash of {name} on {day_text(row.day or 0)} "
                f"{'is the start cash' if made_up else 'changed without a trade'}",
                change,
                [row.row],
                f"stored {text(int(cash[at]))}, the trades and deposits leave {text(expected)}; the day before was "
                f"off by {text(best - change)}, "
                f"so {text(change)} came or went on this day (start {text(start)}, {origin})",
                LIKELY if origin == "assumed" else CERTAIN,
                sql="SELECT date, cash FROM equity_history ORDER BY date",
            )
            error = 0 if made_up else error


def truncated(case: Case) -> Iterator[Finding]:
    """Find stored totals that are the sum of the newest or oldest rows only, up to a query's limit."""
    trades = case.legacy.trades
    for account in case.legacy.accounts:
        mine = np.flatnonzero(case.legacy.of(account.portfolio))
        stored = account.realized_e8
        if stored is None or not trades.has_pnl:
            continue
        everything = total(trades.pnl_e8[mine])
        for limit in LIMITS:
            if len(mine) <= limit or abs(stored - everything) <= slack(stored, 2):
                continue
            for rows, which in ((mine[-limit:], "newest"), (mine[:limit], "oldest")):
                part = total(trades.pnl_e8[rows])
                if part and abs(stored - part) <= slack(part, 2):
                    yield Finding(
                        "query-truncated",
                        ERROR,
                        f"the realized profit of {account.portfolio} counts {limit} of {len(mine)} trades",
                        stored - everything,
                        [account.row],
                        f"stored {text(stored)} is the sum of the {which} {limit} rows, all rows give "
                        f"{text(everything)}: a query ends at LIMIT {limit}",
                        LIKELY,
                        sql="SELECT SUM(pnl) FROM (SELECT pnl FROM trades ORDER BY id DESC LIMIT 1000)",
                    )
