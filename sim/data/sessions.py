"""Sessions of the New York Stock Exchange, behind a small cache file.

Theory of operation. exchange_calendars knows every session since 1970 but costs
seconds to import; a backtest that is run again and again must not pay them. The
table (day, open minute, close minute in New York time) is written once to a cache
folder (ONEBOOK_CACHE, or XDG_CACHE_HOME/onebook, or ~/.cache/onebook) and read
back in a millisecond. A table that is damaged, or ends before the data, is built
anew; a folder that cannot be written only costs the time. Before 1970 the
calendar is not trusted, and gaps are judged by their length.
"""

from __future__ import annotations

import os
import tempfile
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.data.history import Int64Array
from sim.data.text.times import EPOCH_ORDINAL

NEW_YORK = "America/New_York"
FIRST_DAY = date(1970, 1, 2).toordinal()
FORMAT = 1
OPEN_MINUTE, CLOSE_MINUTE = 9 * 60 + 30, 16 * 60


class Sessions(NamedTuple):
    """Sessions in order of days; minutes count from New York midnight."""

    day: Int64Array
    open_minute: Int64Array
    close_minute: Int64Array

    def find(self, day: Int64Array) -> tuple[Int64Array, NDArray[np.bool_]]:
        """Return the index of each day, and whether it is a session (or older than the table)."""
        at = np.minimum(np.searchsorted(self.day, day), len(self.day) - 1)
        return at, (self.day[at] == day) | (day < FIRST_DAY)

    def minutes(self, day: Int64Array) -> tuple[Int64Array, Int64Array]:
        """Return open and close minute of each day; the usual ones where the day is no session."""
        at = np.minimum(np.searchsorted(self.day, day), len(self.day) - 1)
        known = self.day[at] == day
        return (
            np.where(known, self.open_minute[at], OPEN_MINUTE),
            np.where(known, self.close_minute[at], CLOSE_MINUTE),
        )

    def between(self, first: int, last: int) -> Int64Array:
        """Return the sessions from `first` to `last`, both included."""
        low, high = np.searchsorted(self.day, [first, last + 1])
        result: Int64Array = self.day[low:high]
        return result


def cache_folder() -> Path:
    """Return the folder of cache files: it may be deleted at any time."""
    home = os.environ.get("ONEBOOK_CACHE")
    if home:
        return Path(home)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "onebook"


def new_york_sessions(last_day: int) -> Sessions:
    """Return the XNYS sessions from 1970 to at least `last_day` (ordinal)."""
    # The table always ends with a year, so that one day more does not mean another build.
    return _sessions(date(date.fromordinal(last_day).year, 12, 31).toordinal(), str(cache_folder()))


@lru_cache(maxsize=4)
def _sessions(last_day: int, folder: str) -> Sessions:
    path = Path(folder) / f"xnys-{FORMAT}.npy"
    table = _read(path, last_day)
    if table is None:
        # No bar may end in the future, so a table up to this year serves all data until the next.
        table = _build(max(last_day, date(date.today().year, 12, 31).toordinal()))
        _write(path, table)
    return Sessions(*(np.ascontiguousarray(column) for column in table.T))


def _read(path: Path, last_day: int) -> Int64Array | None:
    """Return the cached table, or None when it is absent, damaged or too short."""
    try:
        table: Int64Array = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    if table.dtype != np.int64 or table.ndim != 2 or table.shape[1] != 3 or len(table) < 2:
        return None
    steps = np.diff(table[:, 0])
    sane = table[0, 0] == FIRST_DAY and steps.min() >= 1 and steps.max() <= 10
    hours = bool(((table[:, 1] >= 0) & (table[:, 1] < table[:, 2]) & (table[:, 2] <= 24 * 60)).all())
    return table if sane and hours and table[-1, 0] + 5 >= last_day else None


def _write(path: Path, table: Int64Array) -> None:
    """Write the table under another name first: a reader never sees half of it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".npy", delete=False) as file:
            np.save(file, table)
        Path(file.name).replace(path)
    except OSError:
        return


def _build(last_day: int) -> Int64Array:
    """Ask exchange_calendars; this is the only place that imports it."""
    from exchange_calendars.exchange_calendar_xnys import (
        XNYSExchangeCalendar,
    )

    calendar = XNYSExchangeCalendar(
        start=date.fromordinal(FIRST_DAY).isoformat(), end=date.fromordinal(last_day).isoformat()
    )
    day = calendar.sessions.to_numpy("datetime64[D]").astype(np.int64) + EPOCH_ORDINAL
    opens, closes = (times.dt.tz_convert(NEW_YORK) for times in (calendar.opens, calendar.closes))
    return np.stack(
        [
            day,
            (opens.dt.hour * 60 + opens.dt.minute).to_numpy(np.int64),
            (closes.dt.hour * 60 + closes.dt.minute).to_numpy(np.int64),
        ],
        axis=1,
    )
