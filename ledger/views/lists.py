"""Named questions to a journal, and their answers as typed rows.

Theory of operation. Each question is an SQL view in `journal/schema.sql` and a
function here that returns its rows. Nothing is calculated that the book has not
booked: sums and differences of integers only, no product, no float. What nobody
knows is None: a fee that has not been reported, the worth of a position without a
price. Profit functions return every row; lists take a page and say how many rows
there are in all. Give them a journal opened with `Journal.read`.

Money is e8 of the currency, time ns UTC, a day is a trading day (`days`), as days since 1970-01-01.
"""

from __future__ import annotations

from typing import Generic, NamedTuple, TypeVar

import numpy as np

from ledger.journal import Journal, SessionInfo
from ledger.journal.projection import ACCOUNT_COLUMNS
from ledger.journal.replay import session_row
from ledger.keys import strategy_of
from ledger.views.days import days
from ledger.views.naming import strategy_names
from ledger.vocabulary import OrderStatus, OrderType, Outcome

Row = TypeVar("Row")


class Page(NamedTuple, Generic[Row]):
    """Some rows of a list, and how many the list has."""

    rows: list[Row]
    total: int


class Trade(NamedTuple):
    """An allocation of the current book: a closing execution took a part of a lot. A book's profit is the sum of these."""

    number: int
    instrument: int
    symbol: str
    side: int
    """Side of the lot: +1 long, -1 short."""
    qty_lots: int
    cost_e8: int
    proceeds_e8: int
    pnl_e8: int
    open_fee_e8: int | None
    close_fee_e8: int | None
    net_e8: int | None
    open_time_ns: int
    close_time_ns: int
    day: int
    open_order: int
    """Row of the order in `orders`, -1 = no order of ours."""
    close_order: int
    qty_exp: int


class SymbolProfit(NamedTuple):
    """Profit of one instrument; net is None while a fee is not known."""

    instrument: int
    symbol: str
    trades: int
    winners: int
    pnl_e8: int
    net_e8: int | None
    fees_unknown: int


class Position(NamedTuple):
    """An instrument as it stands now. Worth and unrealized profit are None without a price."""

    instrument: int
    symbol: str
    position_lots: int
    open_cost_e8: int
    realized_e8: int
    fees_e8: int
    income_e8: int
    mark_ticks: int | None
    mark_time_ns: int | None
    value_e8: int | None
    unrealized_e8: int | None
    working_lots: int
    unmatched_lots: int
    gates: int
    price_exp: int
    qty_exp: int


class OpenLot(NamedTuple):
    """What is left of one opening execution."""

    number: int
    instrument: int
    symbol: str
    side: int
    qty_lots: int
    open_lots: int
    cost_e8: int
    open_time_ns: int


class Order(NamedTuple):
    """An order as it stands now."""

    number: int
    key: int
    strategy: str | None
    instrument: int
    symbol: str
    status: OrderStatus
    side: int
    qty_lots: int
    filled_lots: int
    filled_value_e8: int
    target_lots: int
    order_type: OrderType
    flags: int
    price_ticks: int
    parent: int
    time_ns: int
    seq: int
    changed_seq: int


class Refusal(NamedTuple):
    """A signal that was refused, and why."""

    seq: int
    time_ns: int
    reason: Outcome
    key: int
    instrument: int
    symbol: str | None
    target_lots: int
    price_ticks: int


class UnmatchedCloser(NamedTuple):
    """A closing execution, or a part of one, that found no lot: its profit cannot be known."""

    number: int
    instrument: int
    symbol: str
    qty_lots: int
    value_e8: int
    reason: int
    time_ns: int


class EquityPoint(NamedTuple):
    """The account's worth at a time; None where a position had no price."""

    number: int
    time_ns: int
    day: int
    cash_e8: int
    positions_e8: int | None
    equity_e8: int | None
    unmarked: int


class Version(NamedTuple):
    """One booking of an instrument: late and corrected fills make a new one and leave the old one to be seen."""

    instrument: int
    symbol: str
    version: int
    current_version: int
    trades: int
    pnl_e8: int
    current_pnl_e8: int
    difference_e8: int


class Totals(NamedTuple):
    """The account after its last event. Equity and unrealized profit are None while a position has no price."""

    book_version: int
    seq: int
    method: int
    cash_e8: int
    deposits_e8: int
    realized_e8: int
    fees_e8: int
    income_e8: int
    adjusted_e8: int
    unmatched_e8: int
    open_cost_e8: int
    short_hold_e8: int
    reserved_e8: int
    value_e8: int
    unmarked: int
    open_count: int
    overdrawn: int
    gates: int
    day: int
    day_equity_e8: int
    day_known: int
    day_flows_e8: int
    day_orders: int
    claims: int
    fills: int
    rebooks: int

    @property
    def equity_e8(self) -> int | None:
        """Cash and positions together."""
        return self.cash_e8 + self.value_e8 if self.unmarked == 0 else None

    @property
    def unrealized_e8(self) -> int | None:
        """What the open positions have gained since they were opened."""
        return self.value_e8 - self.open_cost_e8 if self.unmarked == 0 else None


def pnl_trades(journal: Journal, session_id: int) -> list[Trade]:
    """Return every allocation of the current versions, in the order they were booked."""
    with journal.reading():
        found, known = _all(journal, session_id, "v_pnl_trade", Trade, "number"), days(journal, session_id)
        seqs = journal.connection.execute(_CLOSERS, (session_id,)).fetchall() if known.day.size else []
    if not seqs:
        return found
    places, times = [trade.number for trade in found], [trade.close_time_ns for trade in found]
    day = known.of(np.array(seqs, np.int64)[places, 0], np.array(times, np.int64)).tolist()
    return [trade if trade.day == on else trade._replace(day=on) for trade, on in zip(found, day, strict=True)]


def pnl_symbols(journal: Journal, session_id: int) -> list[SymbolProfit]:
    """Return the profit of each instrument that closed something."""
    return _all(journal, session_id, "v_pnl_symbol", SymbolProfit, "instrument")


def positions(journal: Journal, session_id: int) -> list[Position]:
    """Return every instrument of the session, flat ones too."""
    return _all(journal, session_id, "v_positions", Position, "instrument")


def lots(journal: Journal, session_id: int) -> list[OpenLot]:
    """Return every open lot of the current versions."""
    return _all(journal, session_id, "v_lots", OpenLot, "number")


def unmatched(journal: Journal, session_id: int) -> list[UnmatchedCloser]:
    """Return every closer of the current versions that found no lot."""
    return _all(journal, session_id, "v_unmatched", UnmatchedCloser, "number")


def versions(journal: Journal, session_id: int) -> list[Version]:
    """Return every version of each instrument that closed something, with its difference to the current one."""
    return _all(journal, session_id, "v_versions", Version, "instrument, version")


def equity(journal: Journal, session_id: int) -> list[EquityPoint]:
    """Return the equity curve, every point."""
    return _all(journal, session_id, "v_equity", EquityPoint, "number")


def orders(journal: Journal, session_id: int, page: int = 0, size: int | None = None) -> Page[Order]:
    """Return the orders, oldest first: page `page` of `size`, or all of them."""
    found, names = _page(journal, session_id, "v_orders", Order, "number", page, size), strategy_names(journal, session_id)
    rows = [
        o._replace(status=OrderStatus(o.status), order_type=OrderType(o.order_type), strategy=names.get(strategy_of(o.key)))
        for o in found.rows
    ]
    return Page(rows, found.total)


def refusals(journal: Journal, session_id: int, page: int = 0, size: int | None = None) -> Page[Refusal]:
    """Return the refused signals, oldest first: page `page` of `size`, or all of them."""
    found = _page(journal, session_id, "v_refusals", Refusal, "seq", page, size)
    return Page([line._replace(reason=Outcome(line.reason)) for line in found.rows], found.total)


def refusal_counts(journal: Journal, session_id: int) -> dict[Outcome, int]:
    """Return how often each reason refused a signal."""
    sql = "SELECT reason, count(*) FROM v_refusals WHERE session_id = ? GROUP BY reason ORDER BY reason"
    session_row(journal.connection, session_id)
    return {Outcome(reason): count for reason, count in journal.connection.execute(sql, (session_id,))}


def sessions(journal: Journal) -> list[SessionInfo]:
    """Return every session of the journal, oldest first."""
    return journal.sessions()


def totals(journal: Journal, session_id: int) -> Totals | None:
    """Return the account's figures after its last event, or None when the session has no event."""
    session_row(journal.connection, session_id)
    found = journal.connection.execute(" ".join(_TOTALS), (session_id,)).fetchone()
    return Totals(*found) if found else None


def behind(journal: Journal, session_id: int) -> int:
    """Return how many stored events the other tables do not show yet: fewer than 64, and only while a session has an owner."""
    session_row(journal.connection, session_id)
    sql = (
        "SELECT coalesce((SELECT max(seq) FROM event WHERE session_id = ?1), 0)"
        " - coalesce((SELECT seq FROM account WHERE session_id = ?1), 0)"
    )
    return int(journal.connection.execute(sql, (session_id,)).fetchone()[0])


# Allocations are numbered from 0 without a gap, so the row of a number is its place.
_CLOSERS = (
    "SELECT e.seq FROM alloc AS a JOIN execution AS e ON e.session_id = a.session_id AND e.number = a.close_entry"
    " WHERE a.session_id = ? ORDER BY a.number"
)
_TOTALS = ("SELECT", ", ".join(ACCOUNT_COLUMNS), "FROM account WHERE session_id = ?")


def _all(journal: Journal, session_id: int, view: str, kind: type[Row], order: str) -> list[Row]:
    """Return all rows of a view for one session; a session that does not exist is an error, not an empty answer."""
    session_row(journal.connection, session_id)
    columns = ", ".join(kind._fields)  # type: ignore[attr-defined]
    sql = " ".join(("SELECT", columns, "FROM", view, "WHERE session_id = ? ORDER BY", order))
    return [kind(*line) for line in journal.connection.execute(sql, (session_id,))]


def _page(
    journal: Journal, session_id: int, view: str, kind: type[Row], order: str, page: int, size: int | None
) -> Page[Row]:
    """Return one page of a view, and the number of all rows, from one state of the file."""
    session_row(journal.connection, session_id)
    if page < 0 or (size is not None and size < 1):
        raise ValueError(f"page {page} of size {size}: pages count from 0 and hold at least one row")
    columns = ", ".join(kind._fields)  # type: ignore[attr-defined]
    with journal.reading():
        count = " ".join(("SELECT count(*) FROM", view, "WHERE session_id = ?"))
        total = journal.connection.execute(count, (session_id,)).fetchone()[0]
        # A negative LIMIT is SQLite's word for no limit.
        bounds = (session_id, -1 if size is None else size, page * (size or 0))
        sql = " ".join(("SELECT", columns, "FROM", view, "WHERE session_id = ? ORDER BY", order, "LIMIT ? OFFSET ?"))
        return Page([kind(*line) for line in journal.connection.execute(sql, bounds)], total)
