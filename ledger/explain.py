"""Why equity changed between two events, and what another lot method would have made of it.

Theory of operation. Both questions are answered by replaying the journal's events into
books, never by adding up reports. `explain` takes the book before and after, splits
the change of equity by cause, and shows what is left over: it must be 0. Cash that
came or went without a trade is summed from the events, profit from the book, so
the two sides of the sum come from different places. `rebook` replays the facts
alone (executions, fees, splits, cash) into a book of another method: orders
and gates have no part in it, because a different lot cost must not refuse a claim.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ledger.book import (
    E_CASH, E_EXEC, E_INSTRUMENT, E_KIND, E_PRICE, E_QTY, E_REVISION, E_SIDE, E_TARGET, E_TYPE, EVENT_WIDTH, H_FEES, H_REALIZED,
    H_UNMATCHED, I_REALIZED, Book,
)  # fmt: skip
from ledger.core import apply, apply_all
from ledger.journal import Journal, JournalError
from ledger.journal.days import zone_of
from ledger.journal.replay import last_seq, session_row, slices
from ledger.units import MONEY_EXP, muldiv
from ledger.views.days import event_days, recorded_days
from ledger.vocabulary import EventKind, Method

Ints = NDArray[np.int64]


class Part(NamedTuple):
    """One cause of a change, e8."""

    name: str
    amount_e8: int | None
    meaning: str


class Explanation(NamedTuple):
    """Equity at two moments and every cause of the difference; None is unknown."""

    from_seq: int
    to_seq: int
    before_e8: int | None
    after_e8: int | None
    parts: list[Part]
    residual_e8: int | None


class Rebooked(NamedTuple):
    """Realized profit of one instrument under two methods, before fees, e8."""

    instrument: int
    symbol: str
    was_e8: int
    would_be_e8: int
    difference_e8: int


def events_of(journal: Journal, session_id: int) -> Ints:
    """Return the events of a session, int64[n, EVENT_WIDTH], in the order they were recorded."""
    last = last_seq(journal.connection, session_id)
    tables = [rows[:, -EVENT_WIDTH:] for rows, _ in slices(journal.connection, session_id, 0, last)]
    return np.ascontiguousarray(np.concatenate(tables)) if tables else np.zeros((0, EVENT_WIDTH), np.int64)


def explain(events: Ints, method: int, first: int, second: int) -> Explanation:
    """Return the causes of the change of equity from behind the `first` events to behind the `second` ones.

    Args:
        events: int64[n, EVENT_WIDTH]. method: a Method. first, second: numbers of events, 0 <= first <= second.
    """
    book = Book(method=Method(method))
    apply_all(book, events[:first])
    before = book.copy()
    corrected = _replay_with_corrections(book, events[first:second], _corrections(events[:second]) - first)
    return _explanation(first, second, before, book, events[:second], corrected)


def explain_day(journal: Journal, session_id: int, day: int) -> Explanation:
    """Return the causes of the change of equity on a trading day of the session (`ledger.views.days`), days since 1970-01-01.

    Raises:
        JournalError: no such session.
    """
    row, events = session_row(journal.connection, session_id), events_of(journal, session_id)
    days = event_days(events, zone_of(json.loads(row["config"])))
    first, second = int(np.searchsorted(days, day, side="left")), int(np.searchsorted(days, day, side="right"))
    return explain(events, row["method"], first, second)


def days_of(journal: Journal, session_id: int) -> list[int]:
    """Return the trading days on which a session recorded anything, rising, as days since 1970-01-01.

    Raises:
        JournalError: no such session.
    """
    return [int(day) for day in np.unique(recorded_days(journal, session_id))]


def _corrections(events: Ints) -> Ints:
    """Return the places of executions that take an earlier one's; a broker's first revision need not be 0."""
    fills = np.flatnonzero(events[:, E_KIND] == EventKind.FILL)
    _, firsts = np.unique(events[fills, E_EXEC], return_index=True)
    return np.delete(fills, firsts)


def _replay_with_corrections(book: Book, events: Ints, places: Ints) -> int:
    """Apply events (book modified in place); return what the corrections at `places` did to realized profit, e8."""
    corrected, done = 0, 0
    for at in places[places >= 0].tolist():
        apply_all(book, events[done:at])
        realized = int(book.arena[H_REALIZED])
        apply(book, events[at])
        corrected, done = corrected + int(book.arena[H_REALIZED]) - realized, at + 1
    apply_all(book, events[done:])
    return corrected


def _explanation(first: int, second: int, before: Book, after: Book, events: Ints, corrected: int) -> Explanation:
    """Split the change between two books by cause; `events` are all up to the second moment."""

    def change(column: int) -> int:
        return int(after.arena[column]) - int(before.arena[column])

    one, other = before.valuation(), after.valuation()
    marks = None if one.unrealized is None or other.unrealized is None else other.unrealized - one.unrealized
    parts = [
        Part("trades", change(H_REALIZED) - corrected, "profit of what was closed, before fees"),
        Part("fees", -change(H_FEES), "commissions and fees of executions"),
        Part("marks", marks, "open positions gained or lost at their marks"),
        *_flows(events, first),
        Part("corrections", corrected, "executions that the broker changed or took back"),
        Part("unmatched", change(H_UNMATCHED), "proceeds of sales that found no lot"),
    ]
    known = None not in (one.equity, other.equity, marks)
    residual = (other.equity or 0) - (one.equity or 0) - sum(part.amount_e8 or 0 for part in parts) if known else None
    return Explanation(first, second, one.equity, other.equity, parts, residual)


def _flows(events: Ints, first: int) -> Iterator[Part]:
    """Yield what came and went without a trade after event `first`, summed from the events themselves."""
    new = events[first:]

    def total(kind: EventKind) -> int:
        return sum(new[new[:, E_KIND] == kind, E_CASH].tolist())

    deposits = total(EventKind.DEPOSIT) - total(EventKind.WITHDRAWAL) + _moved(events, first)
    yield Part("deposits", deposits, "money and shares put in, less taken out")
    yield Part("dividends", total(EventKind.DIVIDEND), "dividends received, less paid on short positions")
    yield Part("interest", total(EventKind.INTEREST) - total(EventKind.BORROW_FEE), "interest, less borrow fees")
    yield Part("adjustments", total(EventKind.ADJUST_CASH), "cash adjusted by an operator, with evidence")


def _moved(events: Ints, first: int) -> int:
    """Return the cost basis of shares that came without a trade after event `first`, less those that went, e8."""
    new, moved = events[first:], 0
    for line in new[new[:, E_KIND] == EventKind.ADJUST_POSITION]:
        mine = (events[:, E_KIND] == EventKind.INSTRUMENT) & (events[:, E_INSTRUMENT] == line[E_INSTRUMENT])
        grid = events[mine][0]
        exp = int(grid[E_REVISION] + grid[E_TYPE]) - MONEY_EXP
        price = int(line[E_PRICE]) * int(grid[E_TARGET]) * 10 ** max(0, -exp)
        moved += int(line[E_SIDE]) * int(muldiv(price, int(line[E_QTY]), 10 ** max(0, exp)))
    return moved


def rebook(events: Ints, method: int, other: int, symbols: dict[int, str]) -> list[Rebooked]:
    """Return realized profit per instrument under the session's method and under another one; nothing is written.

    Raises:
        JournalError: a fact cannot be booked under the other method.
    """
    was, would_be = _facts_only(events, method), _facts_only(events, other)
    rows = []
    for number in range(1, len(was.instruments)):
        one, two = int(was.instruments[number, I_REALIZED]), int(would_be.instruments[number, I_REALIZED])
        rows.append(Rebooked(number, symbols.get(number, f"#{number}"), one, two, two - one))
    return rows


def _facts_only(events: Ints, method: int) -> Book:
    """Return the book that the facts alone give under a method."""
    kinds = [EventKind.INSTRUMENT, EventKind.FILL, EventKind.COMMISSION, EventKind.ADJUST_POSITION, EventKind.SPLIT]
    facts = np.ascontiguousarray(events[np.isin(events[:, E_KIND], kinds)])
    book = Book(method=Method(method))
    done = apply_all(book, facts)
    if done < len(facts):
        raise JournalError(f"fact {done + 1} of {len(facts)} cannot be booked under {Method(method).name}; nothing was changed")
    return book
