"""The figures of one trading day: from the book, and beside them from executions.

Theory of operation. The change of equity and its causes come from replaying the events up to the day's end
(`ledger.explain`); trades, orders and refusals from the views; each total is put beside its recount.
Whoever reads it sees both and whether they agree. What nobody knows is None.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from ledger import views
from ledger.explain import Explanation, events_of, explain_day
from ledger.journal import Journal, JournalError, SessionInfo
from ledger.units import decimal_text
from ledger.views import Order, Totals, Trade, rows
from ledger.views.days import Days, days, event_days
from ledger.vocabulary import Method, Outcome
from sim.daily.recount import Day, Recount, long_only, recount

EPOCH_ORDINAL = date(1970, 1, 1).toordinal()


class Total(NamedTuple):
    """One total of the day, and the same from executions alone."""

    name: str
    value: int | None
    recounted: int | None
    tolerance: int
    """Units by which rounding may make them differ."""
    meaning: str

    @property
    def agrees(self) -> bool | None:
        """Say whether both are the same; None where one of them is not known."""
        if self.value is None or self.recounted is None:
            return None
        return abs(self.value - self.recounted) <= self.tolerance


class Held(NamedTuple):
    """An instrument as it stands at the session's last event."""

    symbol: str
    lots: int
    qty_exp: int
    value_e8: int | None
    unrealized_e8: int | None


class Report(NamedTuple):
    """A trading day of a session."""

    book: str
    info: SessionInfo
    day: int
    """Days since 1970-01-01."""
    date: str
    zone: str
    events: int
    """Events of the session that the report is made of."""
    written_ns: int
    """Time of the last of them: what the report knows."""
    explanation: Explanation
    totals: list[Total]
    trades: list[Trade]
    held: list[Held]
    refusals: list[tuple[str, str, int]]
    """(reason, the words of a log, how often)."""
    orders: int
    executed: Day
    """The day's executions: how many, bought, sold, fees."""
    fees_unknown: int
    """Executions of the session whose fee nobody reported yet."""


def report(journal: Journal, session_id: int, day: int | None = None) -> Report:
    """Return the report of a trading day; without one of the last day on which anything happened.

    Raises:
        JournalError: no such session, or it has no event.
    """
    with journal.reading():
        info = next((one for one in journal.sessions() if one.id == session_id), None)
        if info is None:
            raise JournalError(f"{journal.path} has no session {session_id}; Journal.sessions() lists those it has")
        events = events_of(journal, session_id)
        if not len(events):
            raise JournalError(f"session {session_id} of {journal.path} has no event yet, so no day to report")
        known = days(journal, session_id)
        if day is None:
            day = int(event_days(events, known.zone)[-1])
        entries = rows.entries(journal, session_id)
        instruments = {row.number: row for row in rows.instruments(journal, session_id)}
        flags = rows.instrument_flags(journal, session_id)
        explanation = explain_day(journal, session_id, day)
        trades = views.pnl_trades(journal, session_id)
        closed = [trade for trade in trades if trade.day == day]
        held, account = _held(journal, session_id), views.totals(journal, session_id)
        if account is None:
            raise JournalError(f"the tables of session {session_id} are not written yet; ask again when its owner has written them")
        orders = views.orders(journal, session_id).rows
        refused = rows.refused(journal, session_id, len(events))

    entered = dict(zip((entry.number for entry in entries), _days_of(known, entries), strict=True))
    again = recount(entries, instruments, Method(info.method), entered, long_only(flags))
    return Report(
        str(journal.path), info, day, date.fromordinal(day + EPOCH_ORDINAL).isoformat(), str(known.zone), len(events),
        int(events[:, 0].max()), explanation, _totals(closed, again, day, account, len(trades)), closed, held,
        _refusals([one for one, on in zip(refused, _days_of(known, refused), strict=True) if on == day]),
        _days_of(known, orders).count(day),
        again.days.get(day, Day()), sum(one.fees_unknown for one in again.days.values()),
    )  # fmt: skip


def _days_of(known: Days, facts: Sequence[rows.EntryRecord | rows.RefusalRecord | Order]) -> list[int]:
    """Return the trading day of each fact."""
    seq, time_ns = ([getattr(one, name) for one in facts] for name in ("seq", "time_ns"))
    found: list[int] = known.of(np.array(seq, np.int64), np.array(time_ns, np.int64)).tolist()
    return found


def _held(journal: Journal, session_id: int) -> list[Held]:
    return [
        Held(row.symbol, row.position_lots, row.qty_exp, row.value_e8, row.unrealized_e8)
        for row in views.positions(journal, session_id)
        if row.position_lots
    ]


def _refusals(refused: list[rows.RefusalRecord]) -> list[tuple[str, str, int]]:
    found: dict[tuple[str, str], int] = {}
    for one in refused:
        name = (Outcome(one.reason).name, views.refusal_words(Outcome(one.reason), one.target_lots))
        found[name] = found.get(name, 0) + 1
    return sorted(((*name, times) for name, times in found.items()), key=lambda line: (-line[2], line[0], line[1]))


def _totals(closed: list[Trade], again: Recount, day: int, account: Totals, allocations: int) -> list[Total]:
    """Return totals of the day and to date, each beside its recount."""
    today, days = again.days.get(day, Day()), again.days.values()
    parts = allocations + sum(one.closings for one in days)
    earned, paid = _rounded(sum((one.realized for one in days), Fraction(0))), sum(one.fees_e8 for one in days)
    on_day = sum(trade.pnl_e8 for trade in closed)
    return [
        Total("realized on the day", on_day, _rounded(today.realized), len(closed) + today.closings, "allocations, before fees"),
        Total("realized to date", account.realized_e8, earned, parts, "the account's own sum, before fees"),
        Total("fees to date", account.fees_e8, paid, 0, "commissions; one nobody reported yet is not in it"),
        Total("cost of what is held", account.open_cost_e8, _rounded(again.open_cost), parts, "open lots at what was paid"),
    ]


def _rounded(number: Fraction) -> int:
    return (2 * number.numerator + number.denominator) // (2 * number.denominator)


def plain(found: Report) -> dict[str, Any]:
    """Return what the next report is compared with: cumulative figures and this day's totals, as exact text."""
    return {
        "book": found.book, "session": found.info.id, "date": found.date, "events": found.events,
        "equity": None if found.explanation.after_e8 is None else decimal_text(found.explanation.after_e8),
        "totals": {
            total.name: None if total.value is None else decimal_text(total.value) for total in found.totals
        },
        "executions": found.executed.executions, "bought": decimal_text(found.executed.bought_e8),
        "sold": decimal_text(found.executed.sold_e8), "trades": len(found.trades), "orders": found.orders,
        "refusals": sum(times for _, _, times in found.refusals), "fees_unknown": found.fees_unknown,
    }  # fmt: skip
