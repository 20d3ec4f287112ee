"""Times to their place: UTC instants, trading dates, bar length, when a bar is known.

Theory of operation. A time stamps the start of its bar. Dates (or midnights only)
are daily bars: of New York sessions by default, else of the local day of the
declared zone. Anything with a time of day needs a declared zone unless it carries
its own (Z, an offset, an epoch number). The length of an intraday bar is the most
frequent distance of neighbours; the last bar of a New York session ends with it.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np

from sim.data.errors import DataError, moment, option_hint
from sim.data.gate import Gate
from sim.data.history import Int64Array
from sim.data.sessions import NEW_YORK, NONE, Sessions, calendar_of, sessions_of, zone_of_calendar
from sim.data.text.times import DAY_NS, EPOCH_ORDINAL, MINUTE_NS, Times
from sim.data.zones import localize, zone_of

FIRST_NS = DAY_NS  # 1970-01-02: what is before looks like an epoch number of the wrong unit
BAR_NAME = re.compile(r"([1-9]\d{0,3}) ?([a-z]+)")
UNIT_NS = {"s": 10**9, "m": MINUTE_NS, "h": 60 * MINUTE_NS, "d": DAY_NS, "w": 7 * DAY_NS, "mo": 30 * DAY_NS}
"""What a unit measures; a month for the order of lengths only."""
CALENDAR_UNITS = ("d", "w", "mo")
UNIT_WORDS = {
    "s": "s sec secs second seconds", "m": "m min mins minute minutes", "h": "h hr hrs hour hours", "d": "d day days session sessions",
    "w": "w wk week weeks", "mo": "mo month months",
}  # fmt: skip
UNITS = {word: unit for unit, words in UNIT_WORDS.items() for word in words.split()}
BAR_WORDS = {"session": "1d", "day": "1d", "daily": "1d", "week": "1w", "weekly": "1w", "month": "1mo", "monthly": "1mo", "hour": "1h",
             "hourly": "1h", "minute": "1m"}  # fmt: skip


class Placed(NamedTuple):
    """Sort keys of the rows: local midnight for daily bars, UTC instants else."""

    ns: Int64Array
    daily: bool
    timezone: str
    calendar: str


class Spans(NamedTuple):
    """When each bar starts and is complete, its trading date, and the name of the bar length."""

    start_ns: Int64Array
    end_ns: Int64Array
    day: Int64Array
    bar: str
    spacing_ns: int


def bar_ns(bar: str) -> int:
    """Return the length of a bar such as 1d, 1h, 5m or 5min; a session, a week and a month are nominal."""
    count, unit = _bar_parts(bar)
    return count * UNIT_NS[unit]


def bar_called(bar: str) -> str:
    """Return the name that a bar length has everywhere: 60min is 1h, session is 1d, month is 1mo.

    Raises:
        DataError: no such length.
    """
    count, unit = _bar_parts(bar)
    return f"1{unit}" if unit in CALENDAR_UNITS else bar_name(count * UNIT_NS[unit])


def _bar_parts(bar: str) -> tuple[int, str]:
    # A capital M means minutes to some libraries and months to others, so it is neither here.
    text = str(bar).strip()
    text = BAR_WORDS.get(text.lower(), text if "M" in text else text.lower())
    match = BAR_NAME.fullmatch(text)
    unit = UNITS.get(match[2], "") if match else ""
    if match is None or not unit or (unit in CALENDAR_UNITS and match[1] != "1"):
        raise DataError(
            "this bar length is not known", column="bar", value=bar,
            fix="use 30s, 1m, 5min, 1h, 4h, session (1d), week (1w), month (1mo) ...",
        )  # fmt: skip
    return int(match[1]), unit


def bar_name(spacing_ns: int) -> str:
    """Return the name of a bar length: 5m, 1h, 1d."""
    for unit in "wdhms":
        if spacing_ns % UNIT_NS[unit] == 0 and (unit not in "wd" or spacing_ns == UNIT_NS[unit]):
            return f"{spacing_ns // UNIT_NS[unit]}{unit}"
    return f"{spacing_ns}ns"


def place(times: Times, zones: tuple[str | None, str | None], gate: Gate, row: Int64Array, column: str) -> Placed:
    """Return the sort keys of the rows.

    Args:
        zones: time zone and calendar asked for; a calendar brings its own zone.
    Raises:
        DataError: undeclared zone, mixed offsets, repeated or missing local hour, times near 1970.
    """
    _check_1970(times, gate, row, column)
    timezone, asked = zones
    calendar = calendar_of(asked, timezone)
    if timezone is None and asked is not None and calendar != NONE:
        timezone = zone_of_calendar(calendar)
    return _placed(times, timezone, gate, row, column)._replace(calendar=calendar_of(asked, _zone_used(times, timezone)))


def _zone_used(times: Times, timezone: str | None) -> str | None:
    """Return the zone that decides the calendar: instants without a declared one are UTC, dates are New York's."""
    if timezone is None and (times.kind == "instant" or (times.ns % DAY_NS).any()):
        return "UTC"
    return timezone


def _placed(times: Times, timezone: str | None, gate: Gate, row: Int64Array, column: str) -> Placed:
    if times.kind != "instant" and not (times.ns % DAY_NS).any():
        return Placed(times.ns, True, timezone or NEW_YORK, NONE)
    if times.kind == "naive":
        if timezone is None:
            raise DataError(
                "times of day without a time zone",
                file=gate.file,
                row=int(row[0]),
                column=column,
                fix=f"{option_hint('timezone', 'America/New_York')}, or the zone of the file",
            )
        return Placed(_to_utc(times, timezone, gate, row, column), False, timezone, NONE)
    if timezone is None:
        if times.offset_ns is not None and times.offset_ns.any():
            mixed = "mixed " if (times.offset_ns != times.offset_ns[0]).any() else ""
            raise DataError(
                f"{mixed}UTC offsets without a declared time zone: the trading date is not known",
                file=gate.file,
                row=int(row[0]),
                column=column,
                fix=f"{option_hint('timezone', 'America/New_York')}, or the zone of the exchange",
            )
        timezone = "UTC"
    return _place_instants(times, timezone, gate, row, column)


def _place_instants(times: Times, timezone: str, gate: Gate, row: Int64Array, column: str) -> Placed:
    zone = zone_of(timezone, int(times.ns.min()), int(times.ns.max()))
    offsets = times.offset_ns
    if offsets is not None and (offsets != offsets[0]).any():
        gate.judge(
            offsets != zone.offset_at(times.ns),
            row,
            f"mixed UTC offsets that are not those of {timezone}",
            column=column,
            value=lambda at: f"{int(offsets[at]) / UNIT_NS['h']:+g} h",
            fix="write all times in UTC, or declare the zone they are in",
        )
    local = zone.to_local(times.ns)
    if not (local % DAY_NS).any():
        return Placed(local, True, timezone, NONE)
    return Placed(times.ns, False, timezone, NONE)


def _check_1970(times: Times, gate: Gate, row: Int64Array, column: str) -> None:
    """Refuse 1970-01-01, the mark of a wrong epoch unit; dates before it are real, instants are not."""
    early = times.ns // DAY_NS == 0 if times.kind == "date" else times.ns < FIRST_NS
    gate.judge(
        early,
        row,
        "the time is not after 1970-01-01: an epoch number read in the wrong unit looks like this",
        column=column,
        value=lambda at: moment(int(times.ns[at])),
        fix="declare the unit with date_format='epoch-s', 'epoch-ms', 'epoch-us' or 'epoch-ns'",
    )


def _to_utc(times: Times, timezone: str, gate: Gate, row: Int64Array, column: str) -> Int64Array:
    local = localize(times.ns, zone_of(timezone, int(times.ns.min()), int(times.ns.max())))

    def text(at: int) -> str:
        return moment(int(times.ns[at]))

    gate.judge(
        local.missing,
        row,
        f"this local time does not exist in {timezone}: the clock was set forward",
        column=column,
        value=text,
        fix="declare the zone the file was really written in",
    )
    twice = local.first != local.second
    if not gate.judge(
        twice,
        row,
        f"this local time happens twice in {timezone}: the clock was set back",
        column=column,
        value=text,
        repair="split-repeated-hour",
        fix="write the times in UTC",
    ):
        return local.first
    # Within one day the second pass begins where the local clock stops rising.
    at = np.flatnonzero(twice)
    day = times.ns[at] // DAY_NS
    falls = np.diff(times.ns[at], prepend=times.ns[at[0]] - 1) <= 0
    new_day = np.diff(day, prepend=day[0] - 1) != 0
    passes = np.cumsum(falls & ~new_day)
    second_pass = passes > np.maximum.accumulate(np.where(new_day, passes, -1))
    result = local.first.copy()
    result[at[second_pass]] = local.second[at[second_pass]]
    return result


def days_of(placed: Placed) -> Int64Array:
    """Return the trading date (ordinal) of each row."""
    if placed.daily or not len(placed.ns):
        return placed.ns // DAY_NS + EPOCH_ORDINAL
    zone = zone_of(placed.timezone, int(placed.ns.min()), int(placed.ns.max()))
    local = zone.to_local(placed.ns)
    if placed.calendar != NONE:
        # Where a session opens on the evening before, that evening belongs to it.
        local = local + max(0, -sessions_of(placed.calendar, int(local.max() // DAY_NS) + EPOCH_ORDINAL).usual_open()) * MINUTE_NS
    result: Int64Array = local // DAY_NS + EPOCH_ORDINAL
    return result


def span(placed: Placed, row: Int64Array, gate: Gate, spacing_ns: int = 0) -> Spans:
    """Return start, end and date of strictly increasing bars; `spacing_ns` 0 infers the bar length."""
    ns, day = placed.ns, days_of(placed)
    if placed.daily:
        return _daily_spans(placed, day)
    spacing = spacing_ns or _usual(np.diff(ns))
    step = np.diff(ns, append=ns[-1] + spacing)
    first_of_day = np.diff(day, prepend=day[0] - 1) != 0
    gate.judge(
        (step < spacing) & ~first_of_day,
        row,
        f"two bars of {bar_name(spacing)} overlap",
        column="time",
        value=lambda at: moment(int(ns[at])),
        fix="keep bars of one length only",
    )
    # A declared length means a grid: the hour that opens at 09:30 ends at 10:00 even if no hour follows.
    full = spacing - ns % spacing if spacing_ns else np.int64(spacing)
    end = ns + np.minimum(step, full)
    if placed.calendar != NONE:
        end = _close_with_session(placed, end, day)
    return Spans(ns, end, day, bar_name(spacing), spacing)


def _usual(steps: Int64Array) -> int:
    """Return the most frequent distance, the smallest of equals; one lone bar counts as a minute."""
    if not len(steps):
        return MINUTE_NS
    values, counts = np.unique(steps, return_counts=True)
    return int(values[counts.argmax()])


def _daily_spans(placed: Placed, day: Int64Array) -> Spans:
    zone = zone_of(placed.timezone, int(placed.ns.min()), int(placed.ns.max()))
    if placed.calendar != NONE:
        start, end = session_ns(placed.calendar, day)
    else:
        start = localize(placed.ns, zone).first
        end = localize(placed.ns + DAY_NS, zone).first
    return Spans(start, end, day, "1d", DAY_NS)


def session_ns(calendar: str, day: Int64Array) -> tuple[Int64Array, Int64Array]:
    """Return open and close of each day's session in UTC ns, by the calendar's own clock."""
    clock = zone_of_calendar(calendar)
    midnight = (day - EPOCH_ORDINAL) * DAY_NS
    zone = zone_of(clock, int(midnight.min()), int(midnight.max()))
    opens, closes = sessions_of(calendar, int(day.max())).minutes(day)
    return localize(midnight + opens * MINUTE_NS, zone).first, localize(midnight + closes * MINUTE_NS, zone).first


def sessions_for(calendar: str, day: Int64Array) -> Sessions:
    """Return the sessions that cover these days."""
    return sessions_of(calendar, int(day.max()))


def _close_with_session(placed: Placed, end: Int64Array, day: Int64Array) -> Int64Array:
    """Cut the last bar of a day at the close, when it began before it."""
    close_ns = session_ns(placed.calendar, day)[1]
    last = np.diff(day, append=day[-1] + 1) != 0
    cut = last & (placed.ns < close_ns)
    result: Int64Array = np.where(cut, np.minimum(end, close_ns), end)
    return result
