"""Longer bars from finer ones: exact, by session, known no earlier than they could be.

Theory of operation. Bars of a length that divides a day lie on the clock of the
exchange (1h: 09:30 to 10:00, then 10:00 to 11:00, as vendors and LEAN cut them) and never
reach over a session; a day is a session, a week runs from Monday, a month is the calendar's. Open is the first
open, close the last close, high and low the extremes, volume the sum: integers all, so
nothing is rounded. A bar is known at its end on the clock or at the close, whichever
comes first, even if its last minutes had no trade. The first and the last bar are left
out when the data does not cover them, and counted: half a week is not a week.

Raw prices cannot be put together over a split or dividend; that is refused. `known_at`
says which longer bar a strategy may know at the end of each short one.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sim.data.errors import DataError, option_hint
from sim.data.history import Action, History, Int64Array, Repair, frozen
from sim.data.place import bar_called, bar_ns, session_ns, sessions_for
from sim.data.sessions import NONE, calendar_of
from sim.data.text.times import DAY_NS, EPOCH_ORDINAL
from sim.data.zones import localize, zone_of

DAY, WEEK, MONTH = "1d", "1w", "1mo"
SESSIONS = (DAY, WEEK, MONTH)
"""Lengths that are whole sessions; the others lie on the clock."""
VOLUME_SUM_MAX = 2**62


class Groups(NamedTuple):
    """Which finer bars make each longer one: bars first[i] to last[i], inside from start_ns[i] to end_ns[i]."""

    first: Int64Array
    last: Int64Array
    start_ns: Int64Array  # where a whole bar begins: the clock's line or the open
    end_ns: Int64Array  # where it ends: the clock's line or the close


def resample(history: History, bar: str, calendar: str | None = None) -> History:
    """Return the history in bars of a longer length.

    Args:
        bar: "5m", "1h", "4h" ...: a multiple of the history's bar that divides a day; or "1d", "1w", "1mo".
        calendar: as for `sim.data.load`.
    Raises:
        DataError: a length that does not fit, a volume beyond 2**62, an action inside a bar, no whole bar.
    """
    bar = bar_called(bar)
    check_length(history, bar)
    groups = _groups(history, bar, calendar_of(calendar, history.timezone))
    keep = slice(int(history.start_ns[0] > groups.start_ns[0]), len(groups.first) - int(history.end_ns[-1] < groups.end_ns[-1]))
    left_out = len(groups.first) - len(groups.first[keep])
    groups = Groups(*(column[keep] for column in groups))
    if not len(groups.first):
        raise DataError(f"there is no whole bar of {bar} in the data", column="bar", value=bar, fix="load a longer history")
    return _joined(history, bar, groups, left_out)


def check_length(history: History, bar: str) -> None:
    """Refuse a length that is no longer than the history's, no multiple of it, or does not divide a day."""
    have, want = bar_ns(history.bar), bar_ns(bar)
    if want < have:
        raise DataError(
            f"the bars are {history.bar}, asked for were {bar}; bars are made longer, never shorter",
            file=history.symbol, column="bar", value=bar, fix=f"{option_hint('bar', history.bar)}, or leave it out",
        )  # fmt: skip
    if (bar not in SESSIONS and (want % have or DAY_NS % want)) or (bar == MONTH and history.bar == WEEK):
        raise DataError(
            f"bars of {bar} are not made from {history.bar}: a length is a multiple of it and divides a day, or is whole sessions",
            file=history.symbol, column="bar", value=bar, fix="use 5m, 15m, 30m, 1h, 2h, 4h, 1d, 1w, or 1mo from days",
        )  # fmt: skip


def _groups(history: History, bar: str, calendar: str) -> Groups:
    """Return the groups of finer bars, whole or not."""
    if bar in SESSIONS:
        key = stretch(history.day, bar)
    else:
        key = _slot(history, bar_ns(bar))[0]
    first = np.flatnonzero(np.diff(key, prepend=key[0] - 1) != 0)
    last = np.append(first[1:], len(key)) - 1
    if bar in SESSIONS:
        start, end = _session_ends(history, first, last, bar, calendar)
    else:
        start, end = _clock_ends(history, first, last, bar_ns(bar), calendar)
    end = np.maximum(end, history.end_ns[last])
    # Where a clock change cuts a slot in two, the first part is known when the second begins.
    end[:-1] = np.minimum(end[:-1], history.start_ns[first[1:]])
    return Groups(first, last, start, end)


def stretch(day: Int64Array, bar: str) -> Int64Array:
    """Return a number of the session, week or month that each day (ordinal) lies in; it rises with time."""
    if bar == DAY:
        return day
    return (day - 1) // 7 if bar == WEEK else (day - EPOCH_ORDINAL).astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)


def _slot(history: History, length: int) -> tuple[Int64Array, Int64Array]:
    """Return a number that changes with each slot of the clock, day and clock change; and the slot's start in UTC."""
    zone = zone_of(history.timezone, int(history.start_ns[0]), int(history.start_ns[-1]))
    local = zone.to_local(history.start_ns)
    begin = history.start_ns - local % length
    changes = (np.diff(begin, prepend=begin[0]) != 0) | (np.diff(history.day, prepend=history.day[0]) != 0)
    key: Int64Array = np.cumsum(changes).astype(np.int64)
    return key, begin


def _clock_ends(history: History, first: Int64Array, last: Int64Array, length: int, calendar: str) -> tuple[Int64Array, Int64Array]:
    """Return where each slot begins and ends: on the clock, inside its session where it touches one."""
    start = _slot(history, length)[1][first]
    end = start + length
    if calendar == NONE:
        return start, end
    opens, closes = session_ns(calendar, history.day[first])
    inside = (history.start_ns[first] < closes) & (history.end_ns[last] > opens)
    return np.where(inside, np.maximum(start, opens), start), np.where(inside, np.minimum(end, closes), end)


def _session_ends(history: History, first: Int64Array, last: Int64Array, bar: str, calendar: str) -> tuple[Int64Array, Int64Array]:
    """Return where the first session of each group opens and its last one closes."""
    low, high = history.day[first], history.day[last]
    if bar != DAY:
        low, high = _outer_days(history, *_bounds(low, bar), calendar)
    if calendar == NONE:
        zone = zone_of(history.timezone, int(history.start_ns[0]), int(history.end_ns[-1]))
        opens, closes = _usual_hours(history)
        midnight = (low - EPOCH_ORDINAL) * DAY_NS, (high - EPOCH_ORDINAL) * DAY_NS
        return localize(midnight[0] + opens, zone).first, localize(midnight[1] + closes, zone).first
    return session_ns(calendar, low)[0], session_ns(calendar, high)[1]


def _bounds(day: Int64Array, bar: str) -> tuple[Int64Array, Int64Array]:
    """Return the first day of the week or month of each day, and the first day after it."""
    if bar == WEEK:
        monday = (day - 1) // 7 * 7 + 1
        return monday, monday + 7
    number = stretch(day, bar)
    begin, after = (months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64) for months in (number, number + 1))
    return begin + EPOCH_ORDINAL, after + EPOCH_ORDINAL


def _outer_days(history: History, begin: Int64Array, after: Int64Array, calendar: str) -> tuple[Int64Array, Int64Array]:
    """Return the first and last day from `begin` to before `after` that should have bars."""
    weekdays = np.unique((history.day - 1) % 7) if calendar == NONE else np.arange(5)
    low, high = begin + _until(begin, weekdays, 1), after - 1 - _until(after - 1, weekdays, -1)
    if calendar == NONE:
        return low, high
    table = sessions_for(calendar, after - 1).day
    at, end = np.searchsorted(table, begin), np.searchsorted(table, after) - 1
    known = (begin >= table[0]) & (at <= end)
    return np.where(known, table[np.minimum(at, len(table) - 1)], low), np.where(known, table[end], high)


def _until(day: Int64Array, weekdays: Int64Array, step: int) -> Int64Array:
    """Return how many days lie between each day and the next (step 1) or last (-1) one of these weekdays."""
    days = ((weekdays[None, :] - (day[:, None] - 1) % 7) * step) % 7
    found: Int64Array = days.min(axis=1)
    return found


def _usual_hours(history: History) -> tuple[int, int]:
    """Return the local time in ns at which most days of data without a calendar begin and end."""
    zone = zone_of(history.timezone, int(history.start_ns[0]), int(history.end_ns[-1]))
    first = np.flatnonzero(np.diff(history.day, prepend=history.day[0] - 1) != 0)
    last = np.append(first[1:], len(history.day)) - 1
    base = (history.day - EPOCH_ORDINAL) * DAY_NS
    begins, ends = zone.to_local(history.start_ns[first]) - base[first], zone.to_local(history.end_ns[last]) - base[last]
    return _most_frequent(begins), _most_frequent(ends)


def _most_frequent(values: Int64Array) -> int:
    found, counts = np.unique(values, return_counts=True)
    return int(found[counts.argmax()])


def _joined(history: History, bar: str, groups: Groups, left_out: int) -> History:
    """Return the bars of the groups."""
    first, last = groups.first, groups.last
    _check_volume(history, last - first + 1)
    _check_actions(history, bar, first, last)
    stop = int(last[-1]) + 1
    factor = history.signal_factor[last].copy()
    factor.setflags(write=False)
    made = {repair.name: repair for repair in history.repairs}
    made["resampled"] = Repair("resampled", stop - int(first[0]), 0)
    if left_out:
        made["incomplete-bar"] = Repair("incomplete-bar", left_out, 0)
    return history._replace(
        bar=bar,
        start_ns=frozen(history.start_ns[first]),
        end_ns=frozen(groups.end_ns),
        day=frozen(history.day[last]),
        open_ticks=frozen(history.open_ticks[first]),
        high_ticks=frozen(np.maximum.reduceat(history.high_ticks[:stop], first)),
        low_ticks=frozen(np.minimum.reduceat(history.low_ticks[:stop], first)),
        close_ticks=frozen(history.close_ticks[last]),
        volume=frozen(np.add.reduceat(history.volume[:stop], first)),
        signal_factor=factor,
        actions=tuple(_moved(history, action, first) for action in history.actions if action.day >= history.day[first[0]]),
        repairs=tuple(made[name] for name in sorted(made)),
    )


def _moved(history: History, action: Action, first: Int64Array) -> Action:
    """Return an action at the start of the bar that its day begins."""
    at = int(first[np.searchsorted(history.day[first], action.day)]) if action.day <= history.day[first[-1]] else -1
    return action._replace(time_ns=int(history.start_ns[at])) if at >= 0 else action


def _check_volume(history: History, sizes: Int64Array) -> None:
    if int(history.volume.max()) * int(sizes.max()) > VOLUME_SUM_MAX:
        raise DataError("the volumes of a longer bar would not fit", column="volume", fix="load without volume (repair zero-volume)")


def _check_actions(history: History, bar: str, first: Int64Array, last: Int64Array) -> None:
    """Refuse raw prices with a split or dividend inside a longer bar: no one price would be right."""
    changed = history.signal_factor[first] != history.signal_factor[last]
    inside = changed.copy()
    for action in history.actions:
        at = int(np.searchsorted(history.day[last], action.day))
        if at < len(first) and history.day[first[at]] < action.day <= history.day[last[at]]:
            inside[at] = True
    if inside.any():
        day = int(history.day[last[int(np.argmax(inside))]]) - EPOCH_ORDINAL
        raise DataError(
            f"a split or dividend lies inside a bar of {bar}: raw prices cannot be put together over it",
            file=history.symbol, column="bar", value=str(np.datetime64(day, "D")), fix=option_hint("prices", "adjusted"),
        )  # fmt: skip


def known_at(short: History, long: History) -> Int64Array:
    """Return int64[T]: for each short bar the index of the last long bar that is complete at its end, -1 for none.

    This is how a strategy reads several lengths without looking ahead: `long.close_ticks[known]` where known >= 0.
    """
    return frozen(np.searchsorted(long.end_ns, short.end_ns, side="right") - 1)


