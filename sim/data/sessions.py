"""Sessions of the exchanges, behind small cache files.

Theory of operation. exchange_calendars knows every session of a hundred exchanges but
costs seconds to import; a backtest that is run again and again must not pay them. The
table of a calendar (day, open, close and break in minutes of its own clock) is written
once to a cache folder (ONEBOOK_CACHE, or XDG_CACHE_HOME/onebook, or ~/.cache/onebook)
and read back in a millisecond. A table that is damaged, or ends before the data, is
built anew; a folder that cannot be written only costs the time. New York's goes back to
1970, the others to FIRST_OF_OTHERS; before that gaps are judged by their length.
"""

from __future__ import annotations

import os
import tempfile
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.data.errors import DataError, near
from sim.data.history import Int64Array
from sim.data.text.times import EPOCH_ORDINAL

NEW_YORK = "America/New_York"
XNYS = "XNYS"
NONE = "none"
"""The calendar of data that has none: gaps are judged by the rhythm of the data itself."""
ZONES = {XNYS: NEW_YORK}
"""Zones that are known without the library: the usual case must not wait for it."""
FIRST_DAY = date(1970, 1, 2).toordinal()
FIRST_OF_OTHERS = date(1990, 1, 2).toordinal()
FORMAT = 2
DAY_MINUTES = 24 * 60


class Sessions(NamedTuple):
    """Sessions in order of days; minutes count from local midnight, below 0 for the evening before.

    Where a session has no break, both its ends are the close.
    """

    day: Int64Array
    open_minute: Int64Array
    close_minute: Int64Array
    break_start: Int64Array
    break_end: Int64Array

    def find(self, day: Int64Array) -> tuple[Int64Array, NDArray[np.bool_]]:
        """Return the index of each day, and whether it is a session (or older than the table)."""
        at = np.minimum(np.searchsorted(self.day, day), len(self.day) - 1)
        return at, (self.day[at] == day) | (day < self.day[0])

    def minutes(self, day: Int64Array) -> tuple[Int64Array, Int64Array]:
        """Return open and close minute of each day; the usual ones where the day is no session."""
        at = np.minimum(np.searchsorted(self.day, day), len(self.day) - 1)
        known = self.day[at] == day
        usual_close = usual(self.close_minute)
        return np.where(known, self.open_minute[at], self.usual_open()), np.where(known, self.close_minute[at], usual_close)

    def usual_open(self) -> int:
        """Return the minute at which most sessions of late open."""
        return usual(self.open_minute)

    def pauses(self, day: Int64Array) -> tuple[Int64Array, Int64Array]:
        """Return first and last minute of each day's break; equal where there is none."""
        at = np.minimum(np.searchsorted(self.day, day), len(self.day) - 1)
        return self.break_start[at], self.break_end[at]

    def between(self, first: int, last: int) -> Int64Array:
        """Return the sessions from `first` to `last`, both included."""
        low, high = np.searchsorted(self.day, [first, last + 1])
        result: Int64Array = self.day[low:high]
        return result


def usual(minutes: Int64Array) -> int:
    """Return the most frequent of the last thousand."""
    values, counts = np.unique(minutes[-1000:], return_counts=True)
    return int(values[counts.argmax()])


def cache_folder() -> Path:
    """Return the folder of cache files: it may be deleted at any time."""
    home = os.environ.get("ONEBOOK_CACHE")
    if home:
        return Path(home)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "onebook"


def calendar_of(asked: str | None, timezone: str | None) -> str:
    """Return the calendar that data is held against: the one asked for, New York's for its zone, else none.

    Raises:
        DataError: no calendar of this name.
    """
    if asked is None:
        return XNYS if timezone in (None, NEW_YORK) else NONE
    if asked in (NONE, XNYS):
        return asked
    return _canonical(asked)


@lru_cache(maxsize=16)
def _canonical(asked: str) -> str:
    from exchange_calendars.calendar_utils import get_calendar_names, resolve_alias

    names = get_calendar_names()
    found = next((name for name in names if name.lower() == asked.lower()), None)
    if found is None:
        hint = ", ".join(near(asked, names)) or "XNYS, XLON, XETR, XTKS, 24/7"
        raise DataError(
            "there is no exchange calendar of this name", column="calendar", value=asked, fix=f"use {hint}, or none"
        )
    return str(resolve_alias(found))


def zone_of_calendar(calendar: str) -> str:
    """Return the IANA name of a calendar's clock."""
    if calendar in ZONES:
        return ZONES[calendar]
    return str(_library(calendar).tz)


@lru_cache(maxsize=4)
def _library(calendar: str) -> Any:
    from exchange_calendars import get_calendar

    return get_calendar(calendar)


def new_york_sessions(last_day: int) -> Sessions:
    """Return the XNYS sessions from 1970 to at least `last_day` (ordinal)."""
    return sessions_of(XNYS, last_day)


def sessions_of(calendar: str, last_day: int) -> Sessions:
    """Return the sessions of a calendar to at least `last_day` (ordinal)."""
    # The table always ends with a year, so that one day more does not mean another build.
    return _sessions(calendar, date(date.fromordinal(last_day).year, 12, 31).toordinal(), str(cache_folder()))


@lru_cache(maxsize=16)
def _sessions(calendar: str, last_day: int, folder: str) -> Sessions:
    path = Path(folder) / f"{calendar.lower().replace('/', '-')}-{FORMAT}.npy"
    table = _read(path, last_day)
    if table is None:
        # No bar may end in the future, so a table up to this year serves all data until the next.
        table = _build(calendar, max(last_day, date(date.today().year, 12, 31).toordinal()))
        _write(path, table)
    return Sessions(*(np.ascontiguousarray(column) for column in table.T))


def _read(path: Path, last_day: int) -> Int64Array | None:
    """Return the cached table, or None when it is absent, damaged or too short."""
    try:
        table: Int64Array = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    if table.dtype != np.int64 or table.ndim != 2 or table.shape[1] != 5 or len(table) < 2:
        return None
    steps = np.diff(table[:, 0])
    sane = table[0, 0] >= FIRST_DAY and steps.min() >= 1 and steps.max() <= 30
    hours = bool(((table[:, 1] >= -DAY_MINUTES) & (table[:, 1] < table[:, 2]) & (table[:, 2] <= DAY_MINUTES)).all())
    return table if sane and hours and table[-1, 0] + 12 >= last_day else None


def _write(path: Path, table: Int64Array) -> None:
    """Write the table under another name first: a reader never sees half of it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".npy", delete=False) as file:
            np.save(file, table)
        Path(file.name).replace(path)
    except OSError:
        return


def _build(calendar: str, last_day: int) -> Int64Array:
    """Ask exchange_calendars for one table, int64[sessions, 5]."""
    first = FIRST_DAY if calendar == XNYS else FIRST_OF_OTHERS
    kind = type(_library(calendar))
    low, high = kind.bound_min(), kind.bound_max()
    start = max(first, low.toordinal()) if low is not None else first
    end = min(last_day, high.toordinal()) if high is not None else last_day
    made = kind(start=date.fromordinal(start).isoformat(), end=date.fromordinal(end).isoformat())
    day = made.sessions.to_numpy("datetime64[D]").astype(np.int64) + EPOCH_ORDINAL
    table = made.schedule
    columns = [_local_minutes(table[name], day, str(made.tz)) for name in ("open", "close", "break_start", "break_end")]
    opens, closes, pause, resume = columns
    none = pause < opens
    return np.stack([day, opens, closes, np.where(none, closes, pause), np.where(none, closes, resume)], axis=1)


def _local_minutes(times: Any, day: Int64Array, zone: str) -> Int64Array:
    """Return minutes from local midnight of each session's day; a large negative number where there is no time."""
    local = times.dt.tz_convert(zone).dt.tz_localize(None).to_numpy("datetime64[m]")
    known = ~np.isnat(local)
    minutes: Int64Array = np.where(known, local.astype(np.int64) - (day - EPOCH_ORDINAL) * DAY_MINUTES, -10 * DAY_MINUTES)
    return minutes
