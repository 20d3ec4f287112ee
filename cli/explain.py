"""Why equity changed between two moments, and what another lot method would have made of it.

Theory of operation. Both questions are answered by replaying the journal's events into
books, never by adding up reports. `explain` takes the book before and after, splits
the change of equity by cause, and shows what is left over: it must be 0. Cash that
came or went without a trade is summed from the events, profit from the book, so
the two sides of the sum come from different places. `rebook` replays the facts
alone (executions, fees, splits, cash) into a book of another method: orders
and gates have no part in it, because a different lot cost must not refuse a claim.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

import click


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


def parse_moment(text: str, last_ns: int) -> int:
    """Return a moment in ns UTC: an ISO date (its end), an ISO time, `start` or `end`.

    Raises:
        click.BadParameter: anything else.
    """
    if text in ("start", "end"):
        return last_ns if text == "end" else -(2**62)
    try:
        if len(text) == 10:
            after = datetime.combine(date.fromisoformat(text) + timedelta(days=1), datetime.min.time(), UTC)
            return _nanoseconds(after) - 1
        when = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(
            f"{text!r} is no moment; write 2018-06-29, 2018-06-29T20:00:00Z, start or end"
        ) from None
    if when.tzinfo is None:
        raise click.BadParameter(f"{text!r} has no zone; write {text}Z for UTC")
    return _nanoseconds(when)


def _nanoseconds(when: datetime) -> int:
    since = when - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 10**9 + since.microseconds * 1_000


def events_of(journal: Any, session_id: int) -> Any:
    """Return the events of a session, int64[n, EVENT_WIDTH], in the order they were recorded."""
    import numpy as np

    from ledger.book import EVENT_WIDTH
    from ledger.journal.replay import last_seq, slices

    last = last_seq(journal.connection, session_id)
    tables = [rows[:, -EVENT_WIDTH:] for rows, _ in slices(journal.connection, session_id, 0, last)]
    return np.ascontiguousarray(np.concatenate(tables)) if tables else np.zeros((0, EVENT_WIDTH), np.int64)


def explain(events: Any, method: int, since: str, until: str) -> Explanation:
    """Return the causes of the change of equity between two moments.

    Args:
        events: int64[n, EVENT_WIDTH]. method: a Method. since, until: see `parse_moment`.
    Raises:
        click.BadParameter: not a moment, or the second one is earlier than the first.
    """
    import numpy as np

    from ledger.book import E_TIME, Book
    from ledger.core import apply_all
    from ledger.vocabulary import Method

    # The book's clock never runs back: a late fill belongs to the moment at which the book learned of it.
    clock = np.maximum.accumulate(events[:, E_TIME])
    last = int(clock[-1]) if len(clock) else 0
    first, second = (
        int(np.searchsorted(clock, parse_moment(text, last), side="right")) if len(clock) else 0
        for text in (since, until)
    )
    if second < first:
        raise click.BadParameter(f"{until} is earlier than {since}; exchange them")
    book = Book(method=Method(method))
    apply_all(book, events[:first])
    before = book.copy()
    corrected = _replay_with_corrections(book, events[first:second])
    return _explanation(first, second, before, book, events[:second], corrected)


def _replay_with_corrections(book: Any, events: Any) -> int:
    """Apply events (book modified in place); return what corrections of executions did to realized profit, e8."""
    import numpy as np

    from ledger.book import E_KIND, E_REVISION, H_REALIZED
    from ledger.core import apply, apply_all
    from ledger.vocabulary import EventKind

    corrected, done = 0, 0
    for at in np.flatnonzero((events[:, E_KIND] == EventKind.FILL) & (events[:, E_REVISION] > 0)).tolist():
        apply_all(book, events[done:at])
        realized = int(book.arena[H_REALIZED])
        apply(book, events[at])
        corrected, done = corrected + int(book.arena[H_REALIZED]) - realized, at + 1
    apply_all(book, events[done:])
    return corrected


def _explanation(first: int, second: int, before: Any, after: Any, events: Any, corrected: int) -> Explanation:
    """Split the change between two books by cause; `events` are all up to the second moment."""
    from ledger.book import H_FEES, H_REALIZED, H_UNMATCHED

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


def _flows(events: Any, first: int) -> Iterator[Part]:
    """Yield what came and went without a trade after event `first`, summed from the events themselves."""
    from ledger.book import E_CASH, E_KIND
    from ledger.vocabulary import EventKind

    new = events[first:]

    def total(kind: EventKind) -> int:
        return sum(new[new[:, E_KIND] == kind, E_CASH].tolist())

    deposits = total(EventKind.DEPOSIT) - total(EventKind.WITHDRAWAL) + _moved(events, first)
    yield Part("deposits", deposits, "money and shares put in, less taken out")
    yield Part("dividends", total(EventKind.DIVIDEND), "dividends received, less paid on short positions")
    yield Part("interest", total(EventKind.INTEREST) - total(EventKind.BORROW_FEE), "interest, less borrow fees")
    yield Part("adjustments", total(EventKind.ADJUST_CASH), "cash adjusted by an operator, with evidence")


def _moved(events: Any, first: int) -> int:
    """Return the cost basis of shares that came without a trade after event `first`, less those that went, e8."""
    from ledger.book import E_INSTRUMENT, E_KIND, E_PRICE, E_QTY, E_REVISION, E_SIDE, E_TARGET, E_TYPE
    from ledger.units import MONEY_EXP, muldiv
    from ledger.vocabulary import EventKind

    new, moved = events[first:], 0
    for line in new[new[:, E_KIND] == EventKind.ADJUST_POSITION]:
        mine = (events[:, E_KIND] == EventKind.INSTRUMENT) & (events[:, E_INSTRUMENT] == line[E_INSTRUMENT])
        grid = events[mine][0]
        exp = int(grid[E_REVISION] + grid[E_TYPE]) - MONEY_EXP
        price = int(line[E_PRICE]) * int(grid[E_TARGET]) * 10 ** max(0, -exp)
        moved += int(line[E_SIDE]) * int(muldiv(price, int(line[E_QTY]), 10 ** max(0, exp)))
    return moved


def rebook(events: Any, method: int, other: int, symbols: dict[int, str]) -> list[Rebooked]:
    """Return realized profit per instrument under the session's method and under another one; nothing is written."""
    was, would_be = _facts_only(events, method), _facts_only(events, other)
    from ledger.book import I_REALIZED

    rows = []
    for number in range(1, len(was.instruments)):
        one, two = int(was.instruments[number, I_REALIZED]), int(would_be.instruments[number, I_REALIZED])
        rows.append(Rebooked(number, symbols.get(number, f"#{number}"), one, two, two - one))
    return rows


def _facts_only(events: Any, method: int) -> Any:
    """Return the book that the facts alone give under a method."""
    import numpy as np

    from ledger.book import E_KIND, Book
    from ledger.core import apply_all
    from ledger.vocabulary import EventKind, Method

    kinds = [EventKind.INSTRUMENT, EventKind.FILL, EventKind.COMMISSION, EventKind.ADJUST_POSITION, EventKind.SPLIT]
    facts = np.ascontiguousarray(events[np.isin(events[:, E_KIND], kinds)])
    book = Book(method=Method(method))
    done = apply_all(book, facts)
    if done < len(facts):
        name = Method(method).name
        raise click.ClickException(
            f"fact {done + 1} of {len(facts)} cannot be booked under {name}; nothing was changed"
        )
    return book
