"""Stored times to nanoseconds UTC.

Theory of operation. A time with a zone is believed. One without is read in the zone that the
schema declares; robo_trader's CURRENT_TIMESTAMP is UTC. A column of plain texts of one length is
parsed at once by numpy, everything else one by one. What is no time gets the mark UNKNOWN and a
finding; nobody guesses.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

Int64s = NDArray[np.int64]
UNKNOWN = -(2**63)
"""The place of a time that cannot be read."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PLAIN = "0000-00-00 00:00:00"
_SECONDS_FROM, _SECONDS_TO = 10**8, 10**10


def to_ns(values: Sequence[Any], zone: ZoneInfo | None = None) -> Int64s:
    """Return times in ns UTC, UNKNOWN where there is none.

    Args:
        values: text (ISO, with or without zone), seconds or milliseconds since 1970, or None.
        zone: of texts without one; UTC if none.
    """
    if zone is None and values and all(isinstance(v, str) and len(v) == len(_PLAIN) and v[4] == "-" for v in values):
        try:
            return np.array(values, "datetime64[s]").astype(np.int64) * 10**9
        except ValueError:
            pass
    return np.array([one_ns(value, zone) for value in values], np.int64)


def one_ns(value: Any, zone: ZoneInfo | None = None) -> int:
    """Return one stored time in ns UTC, or UNKNOWN."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _of_number(value)
    if not isinstance(value, str):
        return UNKNOWN
    text = value.strip()
    if text.replace(".", "", 1).isdecimal() and len(text) >= 9:
        return _of_number(int(text) if text.isdecimal() else 0)
    try:
        when = datetime.fromisoformat(_iso(text))
    except ValueError:
        return UNKNOWN
    if when.tzinfo is None:
        when = when.replace(tzinfo=zone or UTC)
    since = when - _EPOCH
    return (since.days * 86_400 + since.seconds) * 10**9 + since.microseconds * 1_000


def _iso(text: str) -> str:
    """Return IBKR's forms (20251204;193712, 2025-12-04, 19:37:12) as ISO text; ISO stays."""
    for mark in (", ", ";"):
        text = text.replace(mark, " ", 1)
    head, _, tail = text.partition(" ")
    if len(head) == 8 and head.isdecimal():
        head = f"{head[:4]}-{head[4:6]}-{head[6:]}"
    if len(tail) == 6 and tail.isdecimal():
        tail = f"{tail[:2]}:{tail[2:4]}:{tail[4:]}"
    # PostgreSQL writes an offset of whole hours as +00, at once behind the time.
    return f"{head} {tail}" if tail else head


def _of_number(value: int | float) -> int:
    """Return a number of seconds or milliseconds since 1970 in ns; which of them is told by its size."""
    if _SECONDS_FROM <= value < _SECONDS_TO:
        return round(value * 1000) * 10**6
    if _SECONDS_FROM * 1000 <= value < _SECONDS_TO * 1000:
        return round(value) * 10**6
    return UNKNOWN


def day_of(text: Any) -> int | None:
    """Return the day of a stored date as days since 1970, or None when it is no date."""
    try:
        return (date.fromisoformat(_iso(str(text))[:10]) - date(1970, 1, 1)).days
    except ValueError:
        return None


def day_text(day: int) -> str:
    """Return a day since 1970 as ISO text."""
    return (date(1970, 1, 1) + timedelta(days=day)).isoformat()


def time_text(time_ns: int) -> str:
    """Return ns UTC as 2026-01-26T18:19:00Z, or unknown."""
    if time_ns == UNKNOWN:
        return "unknown"
    return (_EPOCH + timedelta(microseconds=time_ns // 1000)).strftime("%Y-%m-%dT%H:%M:%SZ")
