"""Equity, drawdown and difference of sessions on one time axis.

Theory of operation. A session's own valuations are its curve. One that sampled none (paper
trading records events, not points) is replayed, and its equity read after the last event of each moment. A
value holds until the session's next one; before its first, and while a position has no price, it
is unknown. Drawdowns are integers: an amount, and millionths of the greatest value so far.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np

from ledger import views
from ledger.book import H_CASH, H_DEPOSITS, H_OPEN, H_UNMARKED, H_VALUE, Book
from ledger.compare.model import Curves, Flags, Ints
from ledger.core import apply_all
from ledger.journal import Journal
from ledger.journal.days import zone_of
from ledger.journal.replay import last_seq, session_row
from ledger.views import rows
from ledger.views.days import clock_of, event_days
from ledger.vocabulary import Method

REPLAYED_MOST = 10_000
"""Points that are read from a replay; moments between them are left out, the last one of a trading day never."""
_MILLION = 1_000_000
_SMALL = (2**63 - 1) // _MILLION


def curves(sources: Sequence[tuple[Journal, int]]) -> Curves:
    """Return the curves of sessions, the first of which the others are held against.

    Raises:
        JournalError: no such session.
    """
    found = [points(journal, number) for journal, number in sources]
    time_ns = np.unique(np.concatenate([times for times, _, _ in found])) if found else np.zeros(0, np.int64)
    equity = np.zeros((len(found), len(time_ns)), np.int64)
    known = np.zeros(equity.shape, np.bool_)
    for at, (times, values, sure) in enumerate(found):
        place = np.searchsorted(times, time_ns, side="right") - 1
        begun = place >= 0
        equity[at, begun], known[at, begun] = values[place[begun]], sure[place[begun]]
    both = known & known[:1]
    drawdown, share = _drawdowns(equity, known)
    return Curves(time_ns, equity, drawdown, share, np.where(both, equity - equity[:1], 0), known, both)


def points(journal: Journal, session_id: int) -> tuple[Ints, Ints, Flags]:
    """Return a session's curve: time_ns rising, equity_e8, and where it is known."""
    stored = views.equity(journal, session_id)
    if stored:
        times = np.array([point.time_ns for point in stored], np.int64)
        values = np.array([point.equity_e8 or 0 for point in stored], np.int64)
        known = np.array([point.equity_e8 is not None for point in stored], np.bool_)
    else:
        rows = replayed(journal, session_id)
        times, values, known = rows[:, 0], rows[:, 1] + rows[:, 2], (rows[:, 3] == 0) & (rows[:, 5] == 1)
    last = np.ones(len(times), np.bool_)
    last[:-1] = times[1:] != times[:-1]
    return times[last], values[last], known[last]


def replayed(journal: Journal, session_id: int) -> Ints:
    """Return int64[n, 7] of a session that stored no points, one row a moment at which something was recorded, after its last event.

    Where a trading day begins within a moment there is a row more, of the end of the day before.
    Columns: time_ns, cash_e8, positions_e8, positions without a price, open instruments, 1 from the first deposit
    on (before it there is no account to be worth anything), and the trading day, counted from 1970-01-01.
    """
    row = session_row(journal.connection, session_id)
    book, zone = Book(method=Method(row["method"])), zone_of(json.loads(row["config"]))
    events = rows.events(journal, session_id, last_seq(journal.connection, session_id))
    if not len(events):
        return np.zeros((0, 7), np.int64)
    clock, days = clock_of(events), event_days(events, zone)
    closes = np.flatnonzero(np.append(days[1:] != days[:-1], True)) + 1
    ends = np.union1d(np.flatnonzero(clock[1:] != clock[:-1]) + 1, closes)
    ends = np.union1d(ends[:: -(-len(ends) // REPLAYED_MOST)], closes)
    found = np.zeros((len(ends), 7), np.int64)
    found[:, 0], found[:, 6] = clock[ends - 1], days[ends - 1]
    done = 0
    for place, end in enumerate(ends.tolist()):
        apply_all(book, events[done:end])
        done = end
        found[place, 1:6] = book.arena[[H_CASH, H_VALUE, H_UNMARKED, H_OPEN, H_DEPOSITS]]
    found[:, 5] = np.logical_or.accumulate(found[:, [1, 2, 5]].any(axis=1))
    return found


def _drawdowns(equity: Ints, known: Flags) -> tuple[Ints, Ints]:
    """Return (amount below the greatest known value so far, the same in millionths of it), both 0 or below."""
    low = np.iinfo(np.int64).min
    peak = np.maximum.accumulate(np.where(known, equity, low), axis=1)
    drawdown = np.where(known, equity - np.where(known, peak, equity), 0)
    above, size = np.where(known & (peak > 0), peak, 1), -drawdown
    # size * 10**6 leaves int64 for falls of 92,000 and more of the currency; there the peak is divided instead.
    small = size < _SMALL
    share = -np.where(small, np.where(small, size, 0) * _MILLION // above, size // np.maximum(1, above // _MILLION))
    return drawdown, np.where(known & (peak > 0), share, 0)
