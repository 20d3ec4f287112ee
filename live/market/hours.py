"""When the exchange trades: open or closed now, when it opens next and when it closes next.

Theory of operation. `auto` means the New York Stock Exchange's calendar for a real gateway, with
its holidays and half days, and no calendar for the embedded one, whose markets never close.
The library with the calendars takes half a second to import, so it is loaded when
the first moment is asked for, a year of sessions at a time; after that a moment costs a
binary search. Breaks within a session are not known here.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import NamedTuple, Protocol

from live.config import ConfigError

DAY_NS = 86_400 * 10**9
AHEAD_NS = 370 * DAY_NS
BEHIND_NS = 30 * DAY_NS
MARGIN_NS = 15 * DAY_NS
"""A year's table is made anew when a moment comes this close to its end: no holiday is longer."""
AUTO, NEVER_CLOSED, NEW_YORK = "auto", "none", "XNYS"


class Hours(NamedTuple):
    """How the exchange stands at a moment. None: it never closes, so there is no such moment."""

    is_open: bool
    next_open_ns: int | None
    next_close_ns: int | None


class Calendar(Protocol):
    """What the market needs to know of an exchange."""

    name: str

    def at(self, now_ns: int) -> Hours:
        """Return how the exchange stands at a moment."""


class AlwaysOpen:
    """An exchange that never closes."""

    name = NEVER_CLOSED

    def at(self, now_ns: int) -> Hours:
        """Return that it is open."""
        return Hours(True, None, None)


class Exchange:
    """The sessions of one exchange."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._opens: list[int] = []
        self._closes: list[int] = []
        self._known = (0, 0)

    def at(self, now_ns: int) -> Hours:
        """Return how the exchange stands; a session's last moment is closed.

        Raises:
            ConfigError: there is no such calendar.
        """
        if not self._known[0] <= now_ns <= self._known[1] - MARGIN_NS:
            self._load(now_ns)
        began, ended = bisect_right(self._opens, now_ns), bisect_right(self._closes, now_ns)
        return Hours(began > ended, self._opens[began], self._closes[ended])

    def _load(self, now_ns: int) -> None:
        import exchange_calendars
        import pandas as pd

        first, last = now_ns - BEHIND_NS, now_ns + AHEAD_NS
        days = (pd.Timestamp(moment).normalize() for moment in (first, last))
        try:
            calendar = exchange_calendars.get_calendar(self.name, *days)
        except exchange_calendars.errors.InvalidCalendarName as error:
            known = ", ".join(exchange_calendars.get_calendar_names(include_aliases=False))
            raise ConfigError(f"calendar {self.name!r} is not known; expected auto, none or one of {known}") from error
        self._opens, self._closes = (
            column.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy("datetime64[ns]").astype("int64").tolist()
            for column in (calendar.schedule["open"], calendar.schedule["close"])
        )
        self._known = first, last


def calendar_of(name: str, simulated: bool) -> Calendar:
    """Return a session's calendar; the name is judged when the first moment is asked for."""
    if name == NEVER_CLOSED or (name == AUTO and simulated):
        return AlwaysOpen()
    return Exchange(NEW_YORK if name == AUTO else name)
