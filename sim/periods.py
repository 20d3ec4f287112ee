"""What every session, week, month, hour or five minutes of a run earned: parts that add up to the whole.

Theory of operation. The points of an equity curve are cut into periods: sessions, weeks, months, quarters and years
by their trading day, shorter lengths by the clock of the exchange. A period never reaches over a session: `1h` is
09:30 to 10:00, then 10:00 to 11:00, and on a half day the last one ends at 13:00. What a period earned is its last
equity less that of the period before (for the first: the start), so a night belongs to the session after it. A fill
lies in the period whose last point is the first that already has its cash; so profit, fees, fills and realized profit
of all periods are those of the run, to the last unit. What begins with nothing or less has no return, and what ends
while a position has no price has no profit: None, never 0.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ledger.book import A_CLOSE, A_COST, A_PROCEEDS, A_SIDE, N_FEE, N_FLAGS, N_KIND, N_ORDER, N_SIDE, N_TIME, N_VALUE, Book
from ledger.vocabulary import EntryFlag, EventKind
from sim.data.errors import DataError
from sim.data.place import bar_called, bar_ns, session_ns
from sim.data.resample import SESSIONS, stretch
from sim.data.sessions import NONE
from sim.data.zones import zone_of
from sim.metrics import drawdown
from sim.trades import allocations

Ints = NDArray[np.int64]
QUARTER, YEAR = "1q", "1y"
WORDS = {"quarter": QUARTER, "quarterly": QUARTER, "1q": QUARTER, "year": YEAR, "yearly": YEAR, "annual": YEAR, "1y": YEAR}
MONTHS = {"1mo": 1, QUARTER: 3, YEAR: 12}
OUTFLOWS = (EventKind.WITHDRAWAL, EventKind.BORROW_FEE)
FLOWS = (EventKind.DEPOSIT, EventKind.DIVIDEND, EventKind.INTEREST, EventKind.ADJUST_CASH, *OUTFLOWS)
Labels = Callable[[int], str]


class Record(NamedTuple):
    """A run as its periods are made of: points oldest first, each int64[T] or bool[T]."""

    time_ns: Ints
    day: Ints  # ordinals
    cash_e8: Ints
    equity_e8: Ints
    known: NDArray[np.bool_]  # every position had a price
    start_e8: int
    book: Book
    timezone: str
    calendar: str  # of `sim.data.sessions`, or "none"


class Period(NamedTuple):
    """One period; money in e8, `drawdown` and `change` as fractions."""

    label: str  # 2020-01-02 09:30 (the exchange's clock), 2020-01-02, 2020-W01, 2020-01, 2020-Q1, 2020
    day: int  # of its last point, an ordinal; where a session opens on the evening before, the label has another date
    until_ns: int  # its last point
    equity_e8: int | None
    profit_e8: int | None
    change: float | None
    drawdown: float | None  # deepest below the greatest equity of the run so far
    fills: int
    fees_e8: int
    closed: int  # orders that closed something, counted where they last did
    realized_e8: int  # profit of what was closed, after its fees


def called(by: str) -> str:
    """Return the name of a kind of period: as a bar length, or 1q and 1y.

    Raises:
        DataError: no such kind.
    """
    word = WORDS.get(str(by).strip().lower())
    if word is not None:
        return word
    try:
        return bar_called(by)
    except DataError:
        raise DataError(
            "this kind of period is not known", column="by", value=by, fix="use 5min, 1h, session, week, month, quarter, year ..."
        ) from None


def periods(record: Record, by: str) -> list[Period]:
    """Return the periods of a run, oldest first; those without a point do not exist.

    Args:
        by: "5min", "1h" ..., "session" (or "day"), "week", "month", "quarter", "year".
    Raises:
        DataError: no such kind, or one that is finer than the points of the run.
    """
    name = called(by)
    if not record.time_ns.size:
        return []
    keys, labels = _stretches(record, name) if name in (*SESSIONS, *MONTHS) else _slots(record, bar_ns(name), by)
    last = np.append(np.flatnonzero(np.diff(keys)), keys.size - 1)
    first = np.append(0, last[:-1] + 1)
    depth = np.minimum.reduceat(drawdown(record.equity_e8, record.start_e8), first)
    known = np.logical_and.reduceat(record.known, first)
    columns = _traded(record, last)
    found, before, sure = [], record.start_e8, True
    for at, end in enumerate(last.tolist()):
        equity = int(record.equity_e8[end]) if record.known[end] else None
        profit = None if equity is None or not sure else equity - before
        change = None if profit is None or before <= 0 else profit / before
        deepest = float(depth[at]) if known[at] else None
        counted, day, until_ns = (int(column[at]) for column in columns), int(record.day[end]), int(record.time_ns[end])
        found.append(Period(labels(int(first[at])), day, until_ns, equity, profit, change, deepest, *counted))
        before, sure = (before, False) if equity is None else (equity, True)
    return found


def _stretches(record: Record, name: str) -> tuple[Ints, Labels]:
    """Return which session, week, month, quarter or year each point lies in, and what to call it."""
    months = MONTHS.get(name)
    keys = stretch(record.day, "1mo") // months if months else stretch(record.day, name)

    def label(at: int) -> str:
        day = date.fromordinal(int(record.day[at]))
        week = day.isocalendar()
        return {
            "1d": day.isoformat(), "1w": f"{week.year}-W{week.week:02d}", "1mo": f"{day:%Y-%m}",
            QUARTER: f"{day.year}-Q{(day.month + 2) // 3}", YEAR: str(day.year),
        }[name]  # fmt: skip

    return keys, label


def _slots(record: Record, length: int, by: str) -> tuple[Ints, Labels]:
    """Return which slot of the exchange's clock each point ends in, and when it begins there, cut at the open."""
    steps = np.diff(record.time_ns)[np.diff(record.day) == 0]
    if not steps.size or steps.min() > length:
        raise DataError(
            "the points of this run lie further apart than that", column="by", value=by,
            fix="choose session, week, month, or run finer bars",
        )  # fmt: skip
    inside = record.time_ns - 1
    zone = zone_of(record.timezone, int(inside[0]), int(inside[-1]))
    begin = inside - zone.to_local(inside) % length
    if record.calendar != NONE:
        opens = session_ns(record.calendar, record.day)[0]
        begin = np.where((begin < opens) & (inside >= opens), opens, begin)
    keys = np.cumsum((np.diff(begin, prepend=begin[0]) != 0) | (np.diff(record.day, prepend=record.day[0]) != 0))
    local = zone.to_local(begin)
    unit: Any = "m" if not (local % (60 * 10**9)).any() else "s"

    def label(at: int) -> str:
        return str(np.datetime_as_string(local[at].astype("datetime64[ns]"), unit=unit)).replace("T", " ")

    return keys.astype(np.int64), label


def _traded(record: Record, last: Ints) -> tuple[Ints, Ints, Ints, Ints]:
    """Return fills, fees, orders that closed and realized profit of each period whose last points are these."""
    entries = record.book.entries
    fills = (entries[:, N_KIND] == EventKind.FILL) & (entries[:, N_FLAGS] & EntryFlag.SUPERSEDED == 0)
    # What is booked behind the last point belongs to the last period: nothing is left out.
    where = np.minimum(np.searchsorted(_booked(record, fills)[last], np.arange(len(entries)), side="right"), last.size - 1)
    rows, opening, closing = allocations(record.book)
    earned = rows[:, A_SIDE] * (rows[:, A_PROCEEDS] - rows[:, A_COST]) - opening - closing
    counts, fees, realized, closed = (np.zeros(last.size, np.int64) for _ in range(4))
    np.add.at(counts, where[fills], 1)
    np.add.at(fees, where[fills], entries[fills, N_FEE])
    np.add.at(realized, where[rows[:, A_CLOSE]], earned)
    orders = entries[rows[:, A_CLOSE], N_ORDER]
    closers = np.where(orders >= 0, orders, -1 - rows[:, A_CLOSE])
    ends = dict(zip(closers.tolist(), rows[:, A_CLOSE].tolist(), strict=True))
    np.add.at(closed, where[np.array(list(ends.values()), np.int64)], 1)
    return counts, fees, closed, realized


def _booked(record: Record, fills: NDArray[np.bool_]) -> Ints:
    """Return int64[T]: how many entries of the book each point already has.

    A fill at the very moment of a point lies before it (an auction at the close) or behind it (the open of the next bar);
    the point's cash tells which. Where no cash fits, as after corrections, the moment decides.
    """
    entries, points = record.book.entries, record.time_ns
    flows = np.where(np.isin(entries[:, N_KIND], OUTFLOWS), -1, 1) * np.isin(entries[:, N_KIND], FLOWS) * entries[:, N_VALUE]
    paid = -entries[:, N_SIDE] * entries[:, N_VALUE] - entries[:, N_FEE]
    after = np.concatenate(([0], np.cumsum(np.where(fills, paid, flows))))
    times = np.maximum.accumulate(entries[:, N_TIME]) if len(entries) else entries[:, N_TIME]
    low, high = np.searchsorted(times, points, side="left"), np.searchsorted(times, points, side="right")
    found: Ints = high.astype(np.int64)
    for at in np.flatnonzero(low < high).tolist():
        fits = np.flatnonzero(after[low[at] : high[at] + 1] == record.cash_e8[at])
        if fits.size:
            found[at] = low[at] + fits[-1]
    return np.maximum.accumulate(found)
