"""Trading hours: when a contract trades, and how IB writes that down.

Theory of operation. A session is minutes of the exchange's local day; `regular` is what useRTH and
outsideRth speak of, `full` adds what is traded before and after. Weekends are closed. With
`always_open` every day is one session from midnight to midnight, which suits a
newcomer who connects at night; holidays are not modelled either way.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from sim.gateway.core.config import SECOND_NS

MINUTE_NS = 60 * SECOND_NS
DAY_MINUTES = 1440


class Hours(NamedTuple):
    """Minutes of the local day."""

    zone: str
    open: int
    close: int
    full_open: int
    full_close: int
    weekends: bool = False


ALWAYS = (0, DAY_MINUTES, 0, DAY_MINUTES, True)
SESSIONS = {
    "stock": (570, 960, 240, 1200),
    "forex": (0, DAY_MINUTES, 0, DAY_MINUTES),
    "future": (510, 900, 0, 960),
}


def hours_of(kind: str, zone: str, always_open: bool) -> Hours:
    """Return the hours of a kind of contract."""
    return Hours(zone, *ALWAYS) if always_open else Hours(zone, *SESSIONS[kind])


@lru_cache(maxsize=4096)
def midnight_ns(zone: str, ordinal: int) -> int:
    """Return the UTC nanoseconds at which a local day begins."""
    day = date.fromordinal(ordinal)
    moment = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone))
    return int(moment.timestamp()) * SECOND_NS


@lru_cache(maxsize=4096)
def minute_ns(zone: str, ordinal: int, minute: int) -> int:
    """Return the UTC nanoseconds of a local minute; on days of changing clocks the wall clock counts."""
    day = date.fromordinal(ordinal) + timedelta(days=minute // DAY_MINUTES)
    minute %= DAY_MINUTES
    moment = datetime(day.year, day.month, day.day, minute // 60, minute % 60, tzinfo=ZoneInfo(zone))
    return int(moment.timestamp()) * SECOND_NS


@lru_cache(maxsize=64)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def local(time_ns: int, zone: str) -> datetime:
    """Return the wall clock of a zone."""
    return datetime.fromtimestamp(time_ns // SECOND_NS, _zone(zone))


def local_day(time_ns: int, zone: str) -> int:
    """Return the ordinal of the local day."""
    return local(time_ns, zone).toordinal()


def trades_on(hours: Hours, ordinal: int) -> bool:
    """Say whether a day has a session."""
    return hours.weekends or date.fromordinal(ordinal).weekday() < 5


def is_open(hours: Hours, time_ns: int, outside: bool = False) -> bool:
    """Say whether a contract trades at a moment, within regular hours or also outside them."""
    here = local(time_ns, hours.zone)
    minute = here.hour * 60 + here.minute
    first, last = (hours.full_open, hours.full_close) if outside else (hours.open, hours.close)
    return trades_on(hours, here.toordinal()) and first <= minute < last


def next_open_ns(hours: Hours, time_ns: int, outside: bool = False) -> int:
    """Return the next moment, not before `time_ns`, at which a session is open."""
    if is_open(hours, time_ns, outside):
        return time_ns
    day = local_day(time_ns, hours.zone)
    first = hours.full_open if outside else hours.open
    while not trades_on(hours, day) or minute_ns(hours.zone, day, first) < time_ns:
        day += 1
    return minute_ns(hours.zone, day, first)


def close_ns(hours: Hours, time_ns: int) -> int:
    """Return the end of the regular session that is open, or of the next one."""
    day = local_day(time_ns, hours.zone)
    while not trades_on(hours, day) or minute_ns(hours.zone, day, hours.close) <= time_ns:
        day += 1
    return minute_ns(hours.zone, day, hours.close)


def written(hours: Hours, time_ns: int, regular: bool) -> str:
    """Return six days of hours as IB writes them: `20260302:0930-20260302:1600;20260307:CLOSED`."""
    first, last = (hours.open, hours.close) if regular else (hours.full_open, hours.full_close)
    today = local_day(time_ns, hours.zone)
    spans = []
    for ordinal in range(today, today + 6):
        day = date.fromordinal(ordinal).strftime("%Y%m%d")
        end = min(last, DAY_MINUTES - 1)
        span = f"{day}:{first // 60:02d}{first % 60:02d}-{day}:{end // 60:02d}{end % 60:02d}"
        spans.append(span if trades_on(hours, ordinal) else f"{day}:CLOSED")
    return ";".join(spans)


def utc_text(time_ns: int) -> str:
    """Return a moment as `20260302-14:30:00` in UTC."""
    return datetime.fromtimestamp(time_ns // SECOND_NS, UTC).strftime("%Y%m%d-%H:%M:%S")
