"""From five-second bars to the strategy's bars, with nothing invented in between.

Theory of operation. The gateway sends a bar each five seconds while something trades. They are
gathered into the strategy's bar, whose edges lie on whole multiples of its length
in UTC. A bar is complete when the first piece of a later one arrives, or when `flush` is
told that its end has passed by the allowed delay. A piece of a bar already
given away is late: it is counted and dropped, because decisions were made on that bar.
A stretch without pieces gives no bar; how many are missing is counted.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ledger.units import UnitError

if TYPE_CHECKING:
    from live.market.history import Bar

SECOND_NS = 1_000_000_000
LENGTH = re.compile(r"([1-9][0-9]{0,3})(s|m|h)")
UNITS = {"s": 1, "m": 60, "h": 3600}
BAR_SIZES = {
    5: "5 secs", 10: "10 secs", 15: "15 secs", 30: "30 secs", 60: "1 min", 120: "2 mins", 180: "3 mins", 300: "5 mins",
    600: "10 mins", 900: "15 mins", 1200: "20 mins", 1800: "30 mins", 3600: "1 hour", 7200: "2 hours", 10800: "3 hours",
    14400: "4 hours", 28800: "8 hours",
}  # fmt: skip


def bar_ns(text: str) -> int:
    """Return the length of a bar such as 5s, 1m or 1h.

    Raises:
        ValueError: not a length, or one that is no multiple of five seconds or does not divide a day.
    """
    found = LENGTH.fullmatch(text)
    seconds = int(found[1]) * UNITS[found[2]] if found else 0
    if seconds < 5 or seconds % 5 or 86_400 % seconds:
        raise ValueError(f"bar {text!r} is not known; expected 5s to 12h in steps of 5 s that divide a day, as in 1m")
    return seconds * SECOND_NS


def bar_size(length_ns: int) -> str:
    """Return a bar length in IBKR's words.

    Raises:
        UnitError: a length that IBKR has no bars of.
    """
    seconds = length_ns // SECOND_NS
    if seconds not in BAR_SIZES:
        raise UnitError(f"IBKR has no bars of {seconds} s; it has {', '.join(BAR_SIZES.values())}")
    return BAR_SIZES[seconds]


class Gatherer:
    """One instrument's pieces on their way to bars."""

    def __init__(self, length_ns: int) -> None:
        self._length_ns = length_ns
        self._open: Bar | None = None
        self._given_end_ns = 0
        self.late = 0
        self.missing = 0

    def start_after(self, end_ns: int) -> None:
        """Give no bar that ended by this time: history has it."""
        self._given_end_ns = end_ns
        if self._open is not None and self._open.end_ns <= end_ns:
            self._open = None

    def add(self, piece: Bar) -> Bar | None:
        """Take a piece; return the bar that it shows to be complete."""
        start_ns = piece.start_ns - piece.start_ns % self._length_ns
        if start_ns < self._given_end_ns or (self._open is not None and start_ns < self._open.start_ns):
            self.late += 1
            return None
        done = self._close() if self._open is not None and start_ns > self._open.start_ns else None
        self._open = _joined(self._open, piece, start_ns, start_ns + self._length_ns)
        return done

    def flush(self, now_ns: int) -> Bar | None:
        """Return the open bar when its end has passed."""
        return self._close() if self._open is not None and now_ns >= self._open.end_ns else None

    def _close(self) -> Bar:
        bar = self._open
        assert bar is not None
        if self._given_end_ns:
            self.missing += (bar.start_ns - self._given_end_ns) // self._length_ns
        self._open, self._given_end_ns = None, bar.end_ns
        return bar


def _joined(bar: Bar | None, piece: Bar, start_ns: int, end_ns: int) -> Bar:
    if bar is None:
        return piece._replace(start_ns=start_ns, end_ns=end_ns)
    return bar._replace(
        high=max(bar.high, piece.high), low=min(bar.low, piece.low), close=piece.close, volume=bar.volume + piece.volume
    )
