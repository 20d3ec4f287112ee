"""Local time to UTC and back for whole columns, by the transitions of a zone.

Theory of operation. zoneinfo answers one instant at a time; a million bars cannot
wait for that. The offsets of a zone are probed every two weeks over the years of
the data, each change is bisected to the second, and columns are then converted
with `searchsorted`. An hour that happens twice (the clock is set back) and an
hour that never happens (set forward) are found here and judged by the caller.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
from numpy.typing import NDArray

from sim.data.errors import DataError
from sim.data.history import Int64Array

SECOND_NS = 10**9
PROBE_SECONDS = 14 * 86_400
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Zone(NamedTuple):
    """Offsets of one zone: offset_ns[i] holds from since_ns[i] (UTC) on."""

    name: str
    since_ns: Int64Array
    offset_ns: Int64Array

    def offset_at(self, utc_ns: Int64Array) -> Int64Array:
        """Return the offset of local time from UTC at each instant."""
        result: Int64Array = self.offset_ns[np.searchsorted(self.since_ns, utc_ns, side="right") - 1]
        return result

    def to_local(self, utc_ns: Int64Array) -> Int64Array:
        """Return local ns since 1970-01-01T00:00."""
        return utc_ns + self.offset_at(utc_ns)


class Localized(NamedTuple):
    """Local times as UTC: `first` and `second` reading, equal unless the local time happens twice."""

    first: Int64Array
    second: Int64Array
    missing: NDArray[np.bool_]  # the clock was set forward over this local time


def zone_of(name: str, first_ns: int, last_ns: int) -> Zone:
    """Return the transitions of a zone around [first_ns, last_ns]; raise DataError for an unknown name."""
    first = datetime.fromtimestamp(0, UTC) + timedelta(microseconds=first_ns // 1000)
    last = datetime.fromtimestamp(0, UTC) + timedelta(microseconds=last_ns // 1000)
    return _zone(name, first.year - 1, last.year + 2)


@lru_cache(maxsize=64)
def _zone(name: str, first_year: int, last_year: int) -> Zone:
    try:
        info = ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise DataError(
            "this time zone is not known",
            column="timezone",
            value=name,
            fix="use an IANA name such as 'America/New_York' or 'UTC'",
        ) from None
    start, stop = _seconds(first_year), _seconds(last_year)
    since, offsets = [start], [_offset(info, start)]
    for probe in range(start + PROBE_SECONDS, stop + PROBE_SECONDS, PROBE_SECONDS):
        if _offset(info, probe) != offsets[-1]:
            since.append(_bisect(info, probe - PROBE_SECONDS, probe))
            offsets.append(_offset(info, probe))
    return Zone(name, np.array(since, np.int64) * SECOND_NS, np.array(offsets, np.int64) * SECOND_NS)


def _seconds(year: int) -> int:
    return int((datetime(year, 1, 1, tzinfo=UTC) - EPOCH).total_seconds())


def _offset(info: ZoneInfo, second: int) -> int:
    offset = (EPOCH + timedelta(seconds=second)).astimezone(info).utcoffset()
    assert offset is not None
    return int(offset.total_seconds())


def _bisect(info: ZoneInfo, low: int, high: int) -> int:
    """Return the first second of the offset that holds at `high`."""
    target = _offset(info, high)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _offset(info, middle) == target else (middle, high)
    return high


def localize(local_ns: Int64Array, zone: Zone) -> Localized:
    """Return local times as UTC, both readings of a repeated hour."""
    day = 86_400 * SECOND_NS
    early = local_ns - zone.offset_at(local_ns - day)  # by the offset before a change nearby
    late = local_ns - zone.offset_at(local_ns + day)  # by the offset after it
    early_holds = zone.to_local(early) == local_ns
    late_holds = zone.to_local(late) == local_ns
    return Localized(
        np.where(early_holds, early, late), np.where(late_holds, late, early), ~early_holds & ~late_holds
    )
