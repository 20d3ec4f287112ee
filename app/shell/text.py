"""Words and numbers of the pages: money, times, ages, names from outside.

Theory of operation. Formats and never calculates but an age. Unknown is the word unknown, with the
time since when where that is known; never 0 and never blank. Streamlit reads labels and
captions as Markdown, so whatever comes from outside goes through `plain` first.
"""

from __future__ import annotations

import re
import time
from datetime import UTC, date, datetime

from sim.output.report import UNKNOWN, money_text

EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
SECOND_NS = 10**9
_MARKS = re.compile(r"([!-/:-@\[-`{-~])")
_AGES = ((2 * 86_400, 86_400, "days"), (2 * 3_600, 3_600, "hours"), (120, 60, "minutes"), (0, 1, "s"))


def plain(text: object) -> str:
    """Return a text as Markdown that shows exactly this text: no markup, no link, no picture, no formula."""
    return _MARKS.sub(r"\\\1", str(text).replace("\n", " "))


def money(amount_e8: int | None, currency: str = "USD", signed: bool = False) -> str:
    """Return money for people; None is the word unknown; `signed` puts a plus before a gain."""
    if amount_e8 is None:
        return UNKNOWN
    text = money_text(amount_e8, currency)
    return f"+{text}" if signed and amount_e8 > 0 else text


def percent(value: float | None, signed: bool = False) -> str:
    """Return a share of 1 as percent with two decimals; None is the word unknown."""
    if value is None:
        return UNKNOWN
    return f"{100 * value:+,.2f} %" if signed else f"{100 * value:,.2f} %"


def moment(time_ns: int | None) -> str:
    """Return a UTC time to the second, or the word unknown."""
    if time_ns is None:
        return UNKNOWN
    return datetime.fromtimestamp(time_ns // SECOND_NS, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def day(number: int | None) -> str:
    """Return a trading day, counted from 1970-01-01, as 2024-01-31."""
    return UNKNOWN if number is None else date.fromordinal(number + EPOCH_ORDINAL).isoformat()


def now_ns() -> int:
    """Return the time now, in ns UTC."""
    return time.time_ns()


def age(then_ns: int | None, now: int | None = None) -> str:
    """Return how long ago something was: 12 s, 5 minutes, 3 days; a future time says so."""
    if then_ns is None:
        return UNKNOWN
    seconds = ((now_ns() if now is None else now) - then_ns) // SECOND_NS
    if seconds < 0:
        return "in the future"
    for least, unit, word in _AGES:
        if seconds >= least:
            return f"{seconds // unit:,} {word} ago"
    return UNKNOWN


def count(number: int, one: str, many: str = "") -> str:
    """Return a number with its noun: 1 order, 2 orders."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
