"""Times: order, zone, and the day that a profit is counted on.

Theory of operation. An id that grows while the time falls means a clock that ran back, or rows that were written
later. A stock exchange is open from 4:00 to 20:00 New York time at the most; trades outside of it that fall
inside when their times are read as New York's were stored in local time. And a sale in the evening of New
York has tomorrow's date in UTC: a daily profit by UTC date counts it on the wrong day.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from ledger.journal.days import DAY_NS, trading_days
from ledger.rescue.audit.finding import CERTAIN, LIKELY, SUSPECTED, SUSPICION, WARNING, Case, Finding, text, total
from ledger.rescue.legacy import Bools, Int64s

NEW_YORK = ZoneInfo("America/New_York")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
HOUR_NS = 3_600 * 10**9
EARLY_NS, LATE_NS = 4 * HOUR_NS, 20 * HOUR_NS


def backwards(case: Case) -> Iterator[Finding]:
    """Find rows that come later in the file and happened earlier."""
    trades = case.legacy.trades
    if not case.legacy.facts.get("file_order"):
        return
    at = np.flatnonzero(trades.bookable)
    earlier = at[1:][np.diff(trades.time_ns[at]) < 0]
    if len(earlier):
        yield Finding(
            "time-backwards",
            WARNING,
            f"{len(earlier)} trades have a higher id and an earlier time than the one before",
            None,
            trades.rows(earlier),
            "they were written late, or a clock was set back; they are booked by time",
            CERTAIN,
            sql="SELECT b.* FROM trades a JOIN trades b ON b.id = a.id + 1 WHERE b.timestamp < a.timestamp",
        )


def outside(time_ns: Int64s, offset_ns: Int64s) -> Bools:
    """Say which times are outside of the longest trading day, or on a weekend, on a clock that is offset from UTC."""
    local = time_ns + offset_ns
    weekend = (local // DAY_NS + 3) % 7 >= 5  # 1970-01-01 was a Thursday.
    minute = local % DAY_NS
    return weekend | (minute < EARLY_NS) | (minute >= LATE_NS)


def offsets(time_ns: Int64s) -> Int64s:
    """Return New York's offset from UTC at each time."""
    hours, where = np.unique(time_ns // HOUR_NS, return_inverse=True)
    return np.array([_offset(hour) for hour in hours.tolist()], np.int64)[where]


def _offset(hour: int) -> int:
    """Return the offset in an hour since 1970; no zone of today changes within one."""
    shift = (EPOCH + timedelta(hours=hour)).astimezone(NEW_YORK).utcoffset()
    return 0 if shift is None else (shift.days * 86_400 + shift.seconds) * 10**9


def zone(case: Case) -> Iterator[Finding]:
    """Find trades at hours at which nothing trades, and say whether they are local times taken for UTC."""
    trades = case.legacy.trades
    if not case.legacy.sessions or not case.booked.any():
        return
    at = np.flatnonzero(case.booked)
    shift = offsets(trades.time_ns[at])
    odd = outside(trades.time_ns[at], shift)
    if not odd.any():
        return
    # Read as New York's own clock these are the wall times themselves.
    local = odd & ~outside(trades.time_ns[at], np.zeros_like(shift))
    yield Finding(
        "time-zone",
        WARNING if local.sum() == odd.sum() else SUSPICION,
        f"{int(odd.sum())} trades at hours at which no exchange is open",
        None,
        trades.rows(at[odd]),
        f"read as UTC they are before 4:00, after 20:00 or on a weekend in New York; {int(local.sum())} of them are "
        f"within those hours when "
        "read as New York time: local times were stored as UTC (import again with --naive-zone America/New_York)",
        LIKELY if local.sum() == odd.sum() else SUSPECTED,
    )


def next_day(case: Case) -> Iterator[Finding]:
    """Find closers that a report by UTC date counts on the day after."""
    trades, truth = case.legacy.trades, case.truth
    if not case.legacy.sessions:
        return
    at = np.flatnonzero(truth.closers)
    if not len(at):
        return
    moved = at[trading_days(trades.time_ns[at], NEW_YORK) != trades.time_ns[at] // DAY_NS]
    moved = moved[~outside(trades.time_ns[moved], offsets(trades.time_ns[moved]))] if len(moved) else moved
    if len(moved):
        amount = total(truth.gross_e8[moved])
        yield Finding(
            "profit-on-the-next-day",
            WARNING,
            f"{len(moved)} closers have tomorrow's date in UTC",
            amount,
            trades.rows(moved),
            f"their profit, {text(amount)}, belongs to the day before in New York; a daily sum by date(timestamp) "
            f"counts it a day late",
            CERTAIN,
            sql="SELECT * FROM trades WHERE time(timestamp) < '05:00'",
        )
