"""Missing bars: held against the sessions of the exchange, else against their own rhythm.

Theory of operation. Data with a calendar (New York's by default for its zone, any
other by name) is compared with its sessions: every session between the first and the
last bar must be there, no other day, and no bar outside their hours where most days
have none. Other data has no calendar: days off are tolerated up to a long weekend of
holidays (or not at all when the market never sleeps). Within a day the distance
of neighbours must be the bar length, and days must begin and end when they
usually do. Readers of trade files say `thin`: no trade, no bar.
"""

from __future__ import annotations

from datetime import date

import numpy as np
from numpy.typing import NDArray

from sim.data.errors import DataError, moment, repair_hint
from sim.data.gate import Gate
from sim.data.history import Int64Array
from sim.data.place import Placed, Spans, session_ns, sessions_for
from sim.data.sessions import NONE, zone_of_calendar
from sim.data.text.times import DAY_NS, EPOCH_ORDINAL, MINUTE_NS
from sim.data.zones import zone_of

HOLIDAYS_MAX = 4  # working days in a row that may be missing without a calendar (Easter, Christmas)
WEEK = 5  # days between neighbours: a bar of a week is not known on the evening of its date
SHARE_MAX = 0.06  # of all working days


def check_gaps(spans: Spans, placed: Placed, row: Int64Array, gate: Gate, thin: bool = False) -> None:
    """Refuse missing days and missing bars within days; `allow-gaps` counts and keeps them."""
    if len(spans.day) < 2:
        return
    if len(spans.day) > 2 and np.median(np.diff(spans.day)) >= WEEK:
        raise DataError(
            "the bars are weekly or longer; daily and shorter ones are read",
            file=gate.file,
            column="time",
            fix="choose a file of daily or intraday bars",
        )
    new_day = np.diff(spans.day, prepend=spans.day[0] - 1) != 0
    days, day_row = spans.day[new_day], row[new_day]
    if placed.calendar != NONE:
        modern = days >= sessions_for(placed.calendar, days).day[0]
        if modern.any():
            _check_sessions(placed.calendar, days[modern], day_row[modern], gate)
        days, day_row = days[~modern], day_row[~modern]
    _check_rhythm(days, day_row, gate)
    if spans.bar != "1d":
        _check_hours(spans, placed, row, gate)
        _check_within(spans, placed, row, gate, thin)


def _check_sessions(calendar: str, days: Int64Array, row: Int64Array, gate: Gate) -> None:
    sessions = sessions_for(calendar, days)
    gate.judge(
        ~sessions.find(days)[1],
        row,
        "there was no session of the exchange on this day",
        column="time",
        value=lambda at: _iso(days[at]),
        repair="allow-off-calendar",
        fix="correct the date or the time zone",
    )
    _refuse_missing(
        np.setdiff1d(sessions.between(int(days[0]), int(days[-1])), days), days, row, gate, "sessions"
    )


def _check_rhythm(days: Int64Array, row: Int64Array, gate: Gate) -> None:
    """Judge days without a calendar: weekends are off unless the data itself has them."""
    if len(days) < 2:
        return
    every = np.arange(days[0], days[-1] + 1)
    sleepless = np.isin(days % 7, (6, 0)).mean() > 0.2  # ordinal % 7: Sunday 0, Saturday 6
    if not sleepless:
        every = every[~np.isin(every % 7, (6, 0))]
    missing = np.setdiff1d(every, days)
    between = np.searchsorted(days, missing)
    longest = int(np.bincount(between).max()) if len(missing) else 0
    if sleepless or longest > HOLIDAYS_MAX or (len(days) > 50 and len(missing) > SHARE_MAX * len(every)):
        _refuse_missing(missing, days, row, gate, "days")


def _refuse_missing(missing: Int64Array, days: Int64Array, row: Int64Array, gate: Gate, word: str) -> None:
    if not len(missing):
        return
    first = int(missing[0])
    at = int(row[np.searchsorted(days, first)])
    if gate.allows("allow-gaps", len(missing), at, f"{word} of the calendar without a bar", [_iso(day) for day in missing.tolist()]):
        return
    low, high = _longest_run(missing, days)
    raise DataError(
        f"{len(missing)} {word} are missing between {_iso(days[0])} and {_iso(days[-1])}, the first before"
        " this row",
        file=gate.file,
        row=at,
        column="time",
        value=_iso(first),
        fix=repair_hint(
            "allow-gaps", f"load the longest part without a gap, start='{_iso(low)}', end='{_iso(high)}'"
        ),
    )


def _longest_run(missing: Int64Array, days: Int64Array) -> tuple[int, int]:
    """Return first and last day of the longest part without a missing day."""
    part = np.searchsorted(missing, days)
    longest = int(np.bincount(part).argmax())
    inside = days[part == longest]
    return int(inside[0]), int(inside[-1])


def _check_hours(spans: Spans, placed: Placed, row: Int64Array, gate: Gate) -> None:
    """Refuse bars outside the session's hours, unless most days have them: then they are what the file is about."""
    if placed.calendar == NONE:
        return
    outside = outside_hours(spans, placed.calendar)
    days = np.unique(spans.day)
    if not outside.any() or len(np.unique(spans.day[outside])) > len(days) // 2:
        return
    gate.judge(
        outside,
        row,
        "the bar lies outside the hours of its session, as the bars of most days do not",
        column="time",
        value=lambda at: moment(int(spans.start_ns[at])) + " UTC",
        repair="allow-outside-hours",
        fix="correct the time zone, or drop the row",
    )


def outside_hours(spans: Spans, calendar: str) -> NDArray[np.bool_]:
    """Return the bars that begin at or after the close of their day's session, or end before it opens."""
    opens, closes = session_ns(calendar, spans.day)
    return (spans.start_ns >= closes) | (spans.start_ns + spans.spacing_ns <= opens)


def _check_within(spans: Spans, placed: Placed, row: Int64Array, gate: Gate, thin: bool) -> None:
    """Judge the bars within each day."""
    step = np.diff(spans.start_ns, prepend=spans.start_ns[0])
    same_day = np.diff(spans.day, prepend=spans.day[0] - 1) == 0
    weekend = np.isin(spans.day % 7, (6, 0))
    continuous = same_day if weekend.mean() < 0.2 else np.ones_like(same_day)
    late = continuous & (step > spans.spacing_ns)
    lost = int(((step[late] - 1) // spans.spacing_ns).sum())
    if placed.calendar != NONE:
        late &= ~_over_break(spans, placed.calendar)
    late |= _odd_edges(spans, placed, same_day)
    if not late.any():
        return
    at = int(np.argmax(late))
    if thin:
        gate.note("no-trade-no-bar", max(lost, 1), int(row[at]))
        return
    before = [f"before {moment(int(when))} UTC" for when in spans.start_ns[late].tolist()]
    if not gate.allows("allow-gaps", max(lost, int(late.sum())), int(row[at]), "bars missing within a day", before):
        raise DataError(
            f"bars are missing within a day ({max(lost, int(late.sum()))} in all), the first at this row",
            file=gate.file,
            row=int(row[at]),
            column="time",
            value=moment(int(spans.start_ns[at])) + " UTC",
            fix=repair_hint("allow-gaps"),
        )


def _over_break(spans: Spans, calendar: str) -> NDArray[np.bool_]:
    """Return the bars that are the first after their session's break, and whose day has one."""
    zone = zone_of(zone_of_calendar(calendar), int(spans.start_ns[0]), int(spans.start_ns[-1]))
    minute = (zone.to_local(spans.start_ns) - (spans.day - EPOCH_ORDINAL) * DAY_NS) // MINUTE_NS
    before = np.append(minute[:1], minute[:-1])
    pause, resume = sessions_for(calendar, spans.day).pauses(spans.day)
    found: NDArray[np.bool_] = (pause < resume) & (before < pause) & (before + spans.spacing_ns // MINUTE_NS >= pause) & (minute <= resume)
    return found


def _odd_edges(spans: Spans, placed: Placed, same_day: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return bars that open or end their day later or earlier than its kind of day usually does."""
    odd = np.zeros(len(same_day), np.bool_)
    zone = zone_of(placed.timezone, int(spans.start_ns[0]), int(spans.start_ns[-1]))
    minute = (zone.to_local(spans.start_ns) - (spans.day - EPOCH_ORDINAL) * DAY_NS) // MINUTE_NS
    first, last = np.flatnonzero(~same_day), np.append(np.flatnonzero(~same_day)[1:], len(same_day)) - 1
    if len(first) < 3:
        return odd
    days = spans.day[first]
    by_weekday = bool(np.isin(days % 7, (6, 0)).any())
    for weekday in range(7) if by_weekday else (-1,):
        mine = np.flatnonzero(days % 7 == weekday) if by_weekday else np.arange(len(days))
        if len(mine) < 3:
            continue
        usual_first, usual_last = _most_frequent(minute[first[mine]]), _most_frequent(minute[last[mine]])
        latest = np.full(len(mine), usual_last)
        if placed.calendar != NONE and placed.timezone == zone_of_calendar(placed.calendar):
            closes = sessions_for(placed.calendar, days).minutes(days[mine])[1]
            latest = np.minimum(latest, closes - spans.spacing_ns // MINUTE_NS)
        odd[first[mine]] |= (minute[first[mine]] > usual_first) & (mine != 0)
        odd[last[mine]] |= (minute[last[mine]] < latest) & (mine != len(days) - 1)
    return odd


def _most_frequent(values: Int64Array) -> int:
    found, counts = np.unique(values, return_counts=True)
    return int(found[counts.argmax()])


def _iso(day: int | np.int64) -> str:
    return date.fromordinal(int(day)).isoformat()
