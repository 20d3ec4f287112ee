"""Where stored equity went between two moments of a file: trades, fees, marks, deposits, and what nobody can explain.

Theory of operation. A file stores equity at some moments: the rows of its history, and the account as it is now. At each of them
the trades give a true cash and a true cost of what is open. The change of stored equity is then a sum without a rest:
true profit, fees, deposits and unmatched sales from the book; the change of stored cash that the trades do not explain; the change of
what positions are stored to be worth over their true cost, which is marks and, where the stored positions show them, shares that
nobody holds; and the change by which a row is not the sum of its own parts.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ledger.book import H_CASH, H_DEPOSITS, H_FEES, H_INCOME, H_OPEN_COST, H_REALIZED, H_UNMATCHED, Book
from ledger.core import apply_all
from ledger.explain import Explanation, Part
from ledger.rescue.amounts import worth
from ledger.rescue.audit.equity import expected_at
from ledger.rescue.audit.finding import Case
from ledger.rescue.audit.positions import held_by_symbol, stored_cost
from ledger.rescue.booking import Grid, definitions, facts, openings, require
from ledger.rescue.errors import RescueError
from ledger.rescue.legacy import StoredDay
from ledger.rescue.times import UNKNOWN, day_text
from ledger.journal.days import DAY_NS


class Moment(NamedTuple):
    """What a file stores at a moment, and until when trades belong to it (ns UTC, exclusive)."""

    name: str
    cash_e8: int
    equity_e8: int
    positions_e8: int
    until_ns: int
    phantom_e8: int


def moments(case: Case) -> list[Moment]:
    """Return the stored moments, oldest first: the start, the rows of the history, and the account as it is.

    Raises:
        RescueError: several portfolios, or no start cash: equity then has no beginning.
    """
    names = case.legacy.portfolios
    if len(names) != 1 or case.start_of(names[0])[1] == "unknown":
        raise RescueError(
            "stored equity can be explained for a file of one portfolio whose start cash is known (--start-cash)"
        )
    start = case.start_of(names[0])[0]
    found = [Moment("start", start, start, 0, -(2**62), 0)]
    rows = sorted((row for row in case.legacy.days if _complete(row)), key=lambda row: row.day or 0)
    for row, until in zip(rows, _ends(case, names[0], rows), strict=True):
        equity, cash = row.equity_e8 or 0, row.cash_e8 or 0
        held = row.positions_e8 if row.positions_e8 is not None else equity - cash
        found.append(Moment(day_text(row.day or 0), cash, equity, held, until, 0))
    return [*found, *_now(case)]


def _complete(row: StoredDay) -> bool:
    return None not in (row.day, row.cash_e8, row.equity_e8)


def _ends(case: Case, portfolio: str, rows: list[StoredDay]) -> list[int]:
    """Return until when the trades of each row's day count: by the meaning whose cash is nearest to the stored one."""
    if not rows:
        return []
    choices = np.array(expected_at(case, portfolio, rows), np.int64)
    cash = np.array([row.cash_e8 for row in rows], np.int64)
    best = np.abs(choices - cash).argmin(axis=0)
    ends = []
    for row, meaning in zip(rows, best.tolist(), strict=True):
        midnight = ((row.day or 0) + 1) * DAY_NS
        ends.append(
            (midnight, midnight + 5 * DAY_NS // 24, row.time_ns + 1 if row.time_ns != UNKNOWN else midnight)[meaning]
        )
    return ends


def _now(case: Case) -> list[Moment]:
    """Return the account as it is stored now, with the cost of shares that nobody holds."""
    held = held_by_symbol(case)
    for account in case.legacy.accounts:
        if account.cash_e8 is None or account.equity_e8 is None:
            continue
        value, phantom = account.equity_e8 - account.cash_e8, 0
        if held is not None:
            stored = [(p, stored_cost(case, p)) for p in case.legacy.positions or []]
            value = sum(worth(p.mark_e8 or 0, p.qty_e8) for p, _ in stored) or value
            phantom = sum(cost or 0 for _, cost in stored) - int(case.truth.open_cost_e8.sum())
            if all(held.get(n, 0) == int(qty) for n, qty in enumerate(case.truth.position_e8)):
                phantom = 0
        return [Moment("end", account.cash_e8, account.equity_e8, value, 2**62, phantom)]
    return []


def explain_stored(case: Case, since: str, until: str) -> tuple[Explanation, Moment, Moment]:
    """Return the causes of the change of stored equity between two moments (`start`, a date, `end`).

    Raises:
        RescueError: no stored equity at or before a moment, or the second is earlier than the first.
    """
    known = moments(case)
    places = [_place(known, name) for name in (since, until)]
    if places[1] < places[0]:
        raise RescueError(f"{until} is earlier than {since}; exchange them")
    one, two = (known[place] for place in places)
    before, after = (_book_until(case, moment.until_ns) for moment in (one, two))
    return _explanation(one, two, before, after), one, two


def _place(known: list[Moment], name: str) -> int:
    """Return the place of the last moment that is not later than a name."""
    if name == "start":
        return 0
    if name == "end":
        return len(known) - 1
    dated = [at for at, moment in enumerate(known) if moment.name not in ("start", "end") and moment.name <= name[:10]]
    return dated[-1] if dated else 0


def _book_until(case: Case, until_ns: int) -> Book:
    """Return the book of what happened before a moment."""
    grid, book = Grid(case.legacy), Book()
    require(book, definitions(case.legacy, grid), case.legacy)
    require(book, openings(case.legacy), case.legacy)
    for events in facts(case.legacy, grid):
        apply_all(book, np.ascontiguousarray(events[events[:, 0] < until_ns]))
    return book


def _explanation(one: Moment, two: Moment, before: Book, after: Book) -> Explanation:
    def change(column: int) -> int:
        return int(after.arena[column]) - int(before.arena[column])

    def edited(moment: Moment) -> int:
        return moment.equity_e8 - moment.cash_e8 - moment.positions_e8

    phantom = two.phantom_e8 - one.phantom_e8
    over = (two.positions_e8 - one.positions_e8) - change(H_OPEN_COST)
    marks = "open positions gained or lost at the stored prices"
    if two.name != "end":
        marks += "; shares that were recorded and never held are in here, too"
    parts = [
        Part("trades", change(H_REALIZED), "true profit of what was closed, before fees"),
        Part("fees", -change(H_FEES), "commissions and fees of the trades"),
        Part("marks", over - phantom, marks),
        Part("deposits", change(H_DEPOSITS), "money put in, less taken out"),
        Part("income", change(H_INCOME), "dividends and interest"),
        Part("unmatched", change(H_UNMATCHED), "proceeds of sales that found no lot"),
        Part("phantom", phantom, "cost of shares that were recorded and paid for, and are not held"),
        Part(
            "unexplained cash",
            two.cash_e8 - one.cash_e8 - change(H_CASH),
            "stored cash that came or went without a trade or deposit",
        ),
        Part("edited", edited(two) - edited(one), "stored equity that is not cash + positions of its own row"),
    ]
    residual = two.equity_e8 - one.equity_e8 - sum(part.amount_e8 or 0 for part in parts)
    return Explanation(before.seq, after.seq, one.equity_e8, two.equity_e8, parts, residual)
