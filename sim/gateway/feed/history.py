"""Bars of the past, of any size, cut from the same prices that quotes come from.

Theory of operation. A request is a span and a bar size. Days come whole from the series, sizes from a
minute to eight hours are joined from minutes, smaller ones from seconds; bars begin
with their session, so an hourly bar never mixes the day with its evening. Nothing later
than the asked end, or than now, is looked at: the bar that is running holds only what has
happened. Options are priced from the bars of their underlying.
"""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import NamedTuple

import numpy as np

from sim.gateway.core.config import SECOND_NS
from sim.gateway.desk.contracts import Contract
from sim.gateway.desk.hours import MINUTE_NS, local_day, minute_ns
from sim.gateway.feed.market import Market
from sim.gateway.feed.paths import Bar, Ints, joined
from sim.gateway.feed.series import Series

SIZES = {
    "1 secs": 1, "5 secs": 5, "10 secs": 10, "15 secs": 15, "30 secs": 30, "1 min": 60, "2 mins": 120, "3 mins": 180,
    "5 mins": 300, "10 mins": 600, "15 mins": 900, "20 mins": 1200, "30 mins": 1800, "1 hour": 3600, "2 hours": 7200,
    "3 hours": 10800, "4 hours": 14400, "8 hours": 28800, "1 day": 86400, "1 week": 604800, "1 month": 2592000,
}  # fmt: skip
"""Bar sizes in seconds; also written `1 sec`, `1d`, `1W` by clients of old."""
ALIASES = {"1 sec": "1 secs", "1d": "1 day", "1D": "1 day", "1w": "1 week", "1W": "1 week", "1m": "1 month", "1M": "1 month"}
DAY_S, WEEK_S = 86400, 604800
DURATION = re.compile(r"(\d{1,6}) ([SDWMY])")
BARS_MAX = 100_000


class Timed(NamedTuple):
    """A bar and when it began."""

    time_ns: int
    bar: Bar


class Span(NamedTuple):
    """How far back: a number of seconds traded, or of days of session, or of calendar days."""

    seconds: int = 0
    sessions: int = 0
    calendar: int = 0


def size_of(words: str) -> int | None:
    """Return a bar size in seconds, None when there is none of that name."""
    return SIZES.get(ALIASES.get(words, words))


def span_of(words: str) -> Span | None:
    """Return a duration such as `900 S`, `60 D`, `2 W`, `6 M`, `1 Y`; None when it is none."""
    match = DURATION.fullmatch(words or "1 D")
    if match is None or int(match[1]) == 0:
        return None
    count, unit = int(match[1]), match[2]
    if unit == "S":
        return Span(seconds=count)
    if unit == "D":
        return Span(sessions=count)
    return Span(calendar=count * {"W": 7, "M": 31, "Y": 366}[unit])


def bars(market: Market, contract: Contract, end_ns: int, span: Span, size_s: int, regular: bool) -> list[Timed] | None:
    """Return the bars up to a moment, oldest first; None when that would be more than BARS_MAX."""
    series = market.series(contract)
    if size_s >= DAY_S:
        found: list[Timed] | None = _days(series, end_ns, span, size_s)
    else:
        found = _intraday(series, end_ns, span, size_s, regular)
    if found is None or not contract.under_id:
        return found
    return [Timed(each.time_ns, _priced(market, contract, each)) for each in found]


def _priced(market: Market, contract: Contract, each: Timed) -> Bar:
    prices = [market.worth(contract, price, each.time_ns) for price in each.bar[:4]]
    return Bar(prices[0], max(prices), min(prices), prices[3], each.bar.volume // 1000)


def _first_day(series: Series, last: int, span: Span) -> int:
    """Return the first day of a span that ends on day `last`."""
    if span.calendar:
        return max(series.first_day, last - span.calendar + 1)
    day = last if series.has(last) else series.previous(last)
    for _ in range(min(span.sessions or 1, 20_000) - 1):
        if day <= series.first_day:
            break
        day = series.previous(day)
    return day


def _days(series: Series, end_ns: int, span: Span, size_s: int) -> list[Timed]:
    last = local_day(end_ns, series.hours.zone)
    if span.seconds:
        span = Span(sessions=max(1, span.seconds // DAY_S))
    opening = series.hours.open
    rows: list[Timed] = []
    for day in range(_first_day(series, last, span), last + 1):
        begins = minute_ns(series.hours.zone, day, opening)
        if series.has(day) and begins < end_ns:
            whole = minute_ns(series.hours.zone, day, series.hours.close) <= end_ns
            rows.append(Timed(begins, series.day(day) if whole else series.today(end_ns - 1)))
    if size_s == DAY_S:
        return rows
    return _grouped(rows, series.hours.zone, size_s == WEEK_S)


def _grouped(rows: list[Timed], zone: str, weekly: bool) -> list[Timed]:
    """Join days into weeks or months."""
    groups: dict[object, list[Timed]] = {}
    for row in rows:
        day = date.fromordinal(local_day(row.time_ns, zone))
        groups.setdefault(day - timedelta(days=day.weekday()) if weekly else (day.year, day.month), []).append(row)
    return [Timed(group[0].time_ns, joined(np.array([row.bar for row in group], np.int64))) for group in groups.values()]


def _intraday(series: Series, end_ns: int, span: Span, size_s: int, regular: bool) -> list[Timed] | None:
    last = local_day(end_ns, series.hours.zone)
    wanted = -(-span.seconds // size_s) if span.seconds else 0
    first = _first_day(series, last, span)
    per_day = (series.hours.close - series.hours.open) * 60 // size_s
    if max(wanted, 0 if wanted else (last - first) * per_day) > BARS_MAX:
        return None
    found: list[Timed] = []
    day = last
    while day >= (series.first_day if wanted else first):
        if series.has(day):
            found[:0] = _of_day(series, day, end_ns, size_s, regular, wanted - len(found) if wanted else 0)
        if (wanted and len(found) >= wanted) or last - day > 4000:
            break
        day -= 1
    return found[-wanted:] if wanted else found


def _of_day(series: Series, day: int, end_ns: int, size_s: int, regular: bool, wanted: int) -> list[Timed]:
    """Return the bars of one day, at most the last `wanted` (0: all) of each part of it."""
    rows: list[Timed] = []
    hours = series.hours
    for part, first in ((1, hours.open),) if regular else ((0, hours.full_open), (1, hours.open), (2, hours.close)):
        begins = minute_ns(hours.zone, day, first)
        if begins < end_ns:
            rows += _of_part(series, day, part, begins, end_ns, size_s, wanted)
    return rows


def _of_part(series: Series, day: int, part: int, begins: int, end_ns: int, size_s: int, wanted: int) -> list[Timed]:
    minutes = series.minutes(day, part)
    length = min(len(minutes) * 60, (end_ns - begins) // SECOND_NS)
    if length <= 0:
        return []
    if size_s >= 60:
        whole, rest = divmod(int(length), 60)
        table = minutes[:whole]
        if rest:
            running = joined(series.seconds(day, part, whole)[:rest])
            table = np.vstack((table, np.array([running], np.int64)))
        return _joined_rows(table, begins, size_s // 60, MINUTE_NS)
    first = 0
    if wanted:
        first = max(0, (int(length) // size_s - wanted) * size_s // 60)
    table = np.vstack([series.seconds(day, part, minute) for minute in range(first, -(-int(length) // 60))])[: int(length) - first * 60]
    return _joined_rows(table, begins + first * MINUTE_NS, size_s, SECOND_NS)


def _joined_rows(table: Ints, begins: int, width: int, unit_ns: int) -> list[Timed]:
    """Join every `width` rows; the last group may be short."""
    starts = range(0, len(table), width)
    return [Timed(begins + at * unit_ns, joined(table[at : at + width])) for at in starts]
