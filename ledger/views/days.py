"""Which trading day something belongs to: the day in force when the book heard of it.

Theory of operation. A DAY event begins a trading day, and it is in force until the next one. The clock cannot say so much: a bar that
ends at midnight ends its own day while the clock shows the next, the evening session of a future is the next
day's, and a bar of a week its last day's. What happened at the very moment at which a day began belongs to the day in force
when it was recorded. The clock of the session's zone decides where no day can: before the first one, in a session without
any (an import), and for an execution that happened before or after the day in which the book heard of it.

The column `day` of the tables `alloc`, `v_pnl_trade` and `v_pnl_day` is the clock's date alone: rows that are written stay.
"""

from __future__ import annotations

import json
from itertools import chain
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from ledger.book import E_KIND, E_REVISION, E_TIME
from ledger.journal import Journal
from ledger.journal.days import trading_days, zone_of
from ledger.journal.replay import session_row
from ledger.vocabulary import EventKind

Ints = NDArray[np.int64]
EPOCH_ORDINAL = 719_163
_NEVER = 2**63 - 1


class Days(NamedTuple):
    """The trading days of a session as its DAY events began them, in the order in which they were recorded."""

    seq: Ints
    begin_ns: Ints
    day: Ints
    """Days since 1970-01-01, rising."""
    zone: ZoneInfo

    def of(self, seq: Ints, time_ns: Ints) -> Ints:
        """Return the trading day of each fact, as days since 1970-01-01.

        Args:
            seq: int64[n], the events that recorded them. time_ns: int64[n], when they happened.
        """
        if not self.day.size:
            return trading_days(time_ns, self.zone)
        # What was recorded before the first day can have happened at its very beginning, as a first deposit does.
        place = np.maximum(np.searchsorted(self.seq, seq, side="right") - 1, 0)
        end_ns = np.append(self.begin_ns[1:], _NEVER)[place]
        found, outside = self.day[place], (time_ns < self.begin_ns[place]) | (time_ns > end_ns)
        found[outside] = trading_days(time_ns[outside], self.zone)
        return found


def days(journal: Journal, session_id: int) -> Days:
    """Return the trading days of a session.

    Raises:
        JournalError: no such session.
    """
    zone = zone_of(json.loads(session_row(journal.connection, session_id)["config"]))
    found = np.array(journal.connection.execute(_DAYS, (session_id,)).fetchall(), np.int64).reshape(-1, 3)
    return Days(found[:, 0], found[:, 1], found[:, 2] - EPOCH_ORDINAL, zone)


# Kind 4: DAY.
_DAYS = "SELECT seq, time_ns, revision FROM event WHERE session_id = ? AND kind = 4 ORDER BY seq"
_TIMES = "SELECT time_ns, kind, revision FROM event WHERE session_id = ? ORDER BY seq"
_LAST = "SELECT max(time_ns) FROM event WHERE session_id = ?"


def newest_day(journal: Journal, session_id: int) -> int | None:
    """Return the day in force after the last event, as days since 1970-01-01; None where no event has a time.

    Raises:
        JournalError: no such session.
    """
    with journal.reading():
        found = days(journal, session_id)
        last = journal.connection.execute(_LAST, (session_id,)).fetchone()[0]
    if found.day.size:
        return int(found.day[-1])
    return None if not last else int(trading_days(np.array([last], np.int64), found.zone)[0])


def recorded_days(journal: Journal, session_id: int) -> Ints:
    """Return the trading day in force at each event of a session, as `event_days`, without reading all of each event.

    Raises:
        JournalError: no such session.
    """
    zone = zone_of(json.loads(session_row(journal.connection, session_id)["config"]))
    found = np.fromiter(chain.from_iterable(journal.connection.execute(_TIMES, (session_id,))), np.int64).reshape(-1, 3)
    return _in_force(found[:, 0], found[:, 1], found[:, 2], zone)


def clock_of(events: Ints) -> Ints:
    """Return the book's clock after each event; it never runs back: a late fill belongs to when the book learned of it."""
    return np.asarray(np.maximum.accumulate(events[:, E_TIME]), np.int64)


def event_days(events: Ints, zone: ZoneInfo) -> Ints:
    """Return the trading day in force at each of a session's events, int64[n, EVENT_WIDTH] from the first one on; never falling."""
    return _in_force(events[:, E_TIME], events[:, E_KIND], events[:, E_REVISION], zone)


def _in_force(time_ns: Ints, kind: Ints, revision: Ints, zone: ZoneInfo) -> Ints:
    """Return the trading day in force at each event, by three of its columns."""
    clock, begun = np.maximum.accumulate(time_ns), np.flatnonzero(kind == EventKind.DAY)
    # What is told without a time before anything happened, as an import's definitions are, makes no day of 1970.
    for first in np.flatnonzero(time_ns)[:1]:
        clock[:first] = clock[first]
    found = Days(begun + 1, clock[begun], revision[begun] - EPOCH_ORDINAL, zone)
    # Before the first day the clock may be ahead of it, and a wall clock that is set back over midnight shows a date again.
    in_force = found.of(np.arange(1, len(clock) + 1), clock)
    return np.asarray(np.minimum.accumulate(in_force[::-1])[::-1], np.int64)
