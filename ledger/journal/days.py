"""Trading days: the date on the exchange's wall clock, not the date in London.

Theory of operation. Profit is counted by the day on which it was made. A trade at
20:30 in New York happened that day there and the next day in UTC; counting UTC days
puts it into tomorrow. A session names its exchange's time zone in its config
(`timezone`, an IANA name); days are numbered from 1970-01-01.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from ledger.journal.errors import JournalError

ZONE = "America/New_York"
"""The zone of a session that names none."""
DAY_NS = 86_400 * 10**9
_QUARTER_NS = 900 * 10**9
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def zone_of(config: Mapping[str, Any]) -> ZoneInfo:
    """Return the time zone of a session's config.

    Raises:
        JournalError: a name that is no IANA time zone.
    """
    name = config.get("timezone", ZONE)
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, TypeError, OSError) as error:
        raise JournalError(f"timezone {name!r} is not an IANA time zone; write one like {ZONE}") from error


def trading_days(time_ns: NDArray[np.int64], zone: ZoneInfo) -> NDArray[np.int64]:
    """Return the wall-clock day in `zone` of each UTC time, as days since 1970-01-01.

    Offsets change on quarter hours at the finest, so each quarter is looked up once.
    """
    if time_ns.size == 1:
        return (time_ns + _offset_ns(int(time_ns[0] // _QUARTER_NS), zone)) // DAY_NS
    quarters, place = np.unique(time_ns // _QUARTER_NS, return_inverse=True)
    offsets = np.array([_offset_ns(int(quarter), zone) for quarter in quarters], np.int64)
    return (time_ns + offsets[place]) // DAY_NS if time_ns.size else time_ns.copy()


def _offset_ns(quarter: int, zone: ZoneInfo) -> int:
    """Return the zone's offset from UTC at a quarter hour since 1970; before year 1 and after 9999 there is none."""
    try:
        offset = (_EPOCH + timedelta(seconds=900 * quarter)).astimezone(zone).utcoffset()
    except OverflowError:
        return 0
    return 0 if offset is None else (offset.days * 86_400 + offset.seconds) * 10**9
