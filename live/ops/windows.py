"""Interruptions that are known beforehand: the gateway's nightly restart, the weekly login.

Theory of operation. A window is a stretch of wall clock, every day or on one day of the week, written `23:45-23:55` or
`sun 01:00-07:00`. Two minutes before it begins nothing new is decided, so that no order is on its way when the connection
goes; while it lasts a lost connection is no alarm, and whoever waits is told until when. An empty text is no window.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

LEAD = timedelta(minutes=2)
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
WINDOW = re.compile(r"(?:(mon|tue|wed|thu|fri|sat|sun) )?([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")


class Window(NamedTuple):
    """One stretch; `day` 0 is Monday, None every day. Minutes of the wall clock; an end before the beginning is tomorrow's."""

    name: str
    day: int | None
    begin: int
    end: int


def parse(name: str, text: str) -> Window | None:
    """Return the window of a text, None for an empty one.

    Raises:
        ValueError: naming what was expected.
    """
    if not text:
        return None
    found = WINDOW.fullmatch(text.strip().lower())
    if found is None or found.groups()[1:3] == found.groups()[3:5]:
        raise ValueError(f"{name} {text!r} is no window; write 23:45-23:55, or sun 01:00-07:00")
    day = DAYS.index(found[1]) if found[1] else None
    return Window(name, day, int(found[2]) * 60 + int(found[3]), int(found[4]) * 60 + int(found[5]))


def current(windows: tuple[Window, ...], now_ns: int, zone: ZoneInfo) -> str | None:
    """Return what is planned now, in words, from two minutes before it begins; None when nothing is."""
    here = datetime.fromtimestamp(now_ns // 10**9, UTC).astimezone(zone)
    for window in windows:
        for back in (0, -1, 1):
            first = (here + timedelta(days=back)).replace(hour=0, minute=0, second=0, microsecond=0)
            if window.day is not None and first.weekday() != window.day:
                continue
            begin = first + timedelta(minutes=window.begin)
            end = first + timedelta(minutes=window.end + (1440 if window.end < window.begin else 0))
            if begin - LEAD <= here < end:
                return f"{window.name} until {end:%a %H:%M} {zone.key}"
    return None
