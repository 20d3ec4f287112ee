"""Past bars from a source that answers in pieces: how much to ask for, how fast, how often.

Theory of operation. A source answers one question at a time: bars of a length that end at a
moment. `fetch` asks from the end of the range backwards, so that what came is without a
hole when it must stop; every piece is remembered, and a failure hands them over with its reason. `Pace` keeps the
rules of Interactive Brokers for questions of the past; it looks at no clock of its own: time and
waiting are handed in. A question that failed is asked again RETRIES times and no more.

States of a question: asked, answered, empty (nothing in that stretch), slowed (asked
too fast: wait and ask again), failed.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import NamedTuple, Protocol
from zoneinfo import ZoneInfo

from sim.data.errors import DataError
from sim.data.place import bar_called

SECOND_NS = 10**9
DAY_NS = 86_400 * SECOND_NS
RETRIES = 3
BACK_OFF_S = (5, 20, 60)
SLOWED_S = 60
EMPTY_MAX = 3
EMPTY_DAYS = 14
"""Nothing older is expected after so many stretches and days without a bar; holidays are shorter."""
HALF_DAY_NS = 12 * 3_600 * SECOND_NS


class Slowed(Exception):
    """The source says that it was asked too fast."""


class Unanswered(Exception):
    """The source gave no answer, or one that makes no sense; it may be asked again."""


class Refused(Exception):
    """The source will not answer this question however often it is asked."""


class PastBar(NamedTuple):
    """A bar as the source wrote it: prices as decimal text, `start` UTC ns, or a date of a daily bar at its UTC midnight."""

    start_ns: int
    open: str
    high: str
    low: str
    close: str
    volume: str


class Question(NamedTuple):
    """One request: bars of `size` that end at `end_ns` (0 = now), as far back as `duration` says."""

    symbol: str
    end_ns: int
    duration: str
    size: str
    what: str


class Source(Protocol):
    """What answers questions about the past; the gateway's side is `live.ib_history`."""

    def head_ns(self, symbol: str, what: str) -> int | None:
        """Return when the first bar there is began in UTC ns, None when the source does not say."""
        ...

    def bars(self, question: Question) -> list[PastBar]:
        """Return the bars, oldest first, [] for an empty stretch; raise Slowed, Unanswered or Refused."""
        ...


class Size(NamedTuple):
    """A bar length in the source's words, and the longest stretch that one question may be about."""

    name: str
    duration: str
    span_ns: int


def _days(count: float) -> int:
    return round(count * DAY_NS)


SIZES: dict[str, Size] = {
    "1s": Size("1 secs", "1800 S", 1_800 * SECOND_NS), "5s": Size("5 secs", "3600 S", 3_600 * SECOND_NS),
    "10s": Size("10 secs", "14400 S", 14_400 * SECOND_NS), "15s": Size("15 secs", "14400 S", 14_400 * SECOND_NS),
    "30s": Size("30 secs", "28800 S", 28_800 * SECOND_NS), "1m": Size("1 min", "1 D", _days(1)), "2m": Size("2 mins", "2 D", _days(2)),
    "3m": Size("3 mins", "1 W", _days(7)), "5m": Size("5 mins", "1 W", _days(7)), "10m": Size("10 mins", "1 W", _days(7)),
    "15m": Size("15 mins", "1 W", _days(7)), "20m": Size("20 mins", "1 W", _days(7)), "30m": Size("30 mins", "1 M", _days(30)),
    "1h": Size("1 hour", "1 M", _days(30)), "2h": Size("2 hours", "1 M", _days(30)), "3h": Size("3 hours", "1 M", _days(30)),
    "4h": Size("4 hours", "1 M", _days(30)), "8h": Size("8 hours", "1 M", _days(30)), "1d": Size("1 day", "1 Y", _days(365)),
}  # fmt: skip
"""By IBKR's table of durations and bar sizes; one year of days, one day of minutes and so on."""
WHATS = ("TRADES", "MIDPOINT", "BID", "ASK", "ADJUSTED_LAST")


class Pace:
    """IBKR's limits for questions of the past: ask `wait_ns` before each, and `asked` when it leaves.

    The same question not within 15 s, at most 5 of one contract in 2 s, at most 60 in 10 minutes.
    """

    SAME_NS = 15 * SECOND_NS
    BURST, BURST_NS = 5, 2 * SECOND_NS
    MOST, WINDOW_NS = 60, 600 * SECOND_NS

    def __init__(self) -> None:
        self._asked: deque[tuple[int, Question]] = deque()

    def wait_ns(self, question: Question, now_ns: int) -> int:
        """Return how long this question must wait, 0 when it may leave now."""
        while self._asked and self._asked[0][0] <= now_ns - self.WINDOW_NS:
            self._asked.popleft()
        free = [now_ns]
        if len(self._asked) >= self.MOST:
            free.append(self._asked[-self.MOST][0] + self.WINDOW_NS)
        mine = [at for at, other in self._asked if (other.symbol, other.what) == (question.symbol, question.what)]
        if len(mine) >= self.BURST:
            free.append(mine[-self.BURST] + self.BURST_NS)
        free += [at + self.SAME_NS for at, other in self._asked if other == question]
        return max(free) - now_ns

    def asked(self, question: Question, now_ns: int) -> None:
        """Remember that a question left."""
        self._asked.append((now_ns, question))


class Clock(NamedTuple):
    """Time and waiting, handed in: `now_ns` in UTC, `wait` for some nanoseconds."""

    now_ns: Callable[[], int]
    wait: Callable[[int], None]


class Fetched(NamedTuple):
    """What came: bars oldest first, how many questions it took, and why it stopped early ("" when it did not)."""

    bars: list[PastBar]
    questions: int
    stopped: str


def size_for(bar: str) -> Size:
    """Return the source's words for a bar length; DataError for one it has not."""
    name = bar_called(bar)
    if name not in SIZES:
        raise DataError("the source has no bars of this length", column="bar", value=bar, fix=f"use one of {', '.join(SIZES)}")
    return SIZES[name]


def fetch(
    source: Source, symbol: str, bar: str, start: date, end: date, *, pace: Pace, clock: Clock, what: str = "TRADES",
    zone: str = "America/New_York", progress: Callable[[str], None] = lambda line: None,
) -> Fetched:  # fmt: skip
    """Return the bars of a symbol from `start` to `end`, both included, as far as the source has them.

    Args:
        zone: whose dates start and end are. what: of WHATS; ADJUSTED_LAST is answered up to now only, in one piece of days.
    Raises:
        DataError: a bar length that the source has not.
    """
    size = size_for(bar)
    first_ns = _midnight(start)
    # A day's bars end after midnight UTC where the exchange lies west; a day more asks for too much, never too little.
    last_ns = min(_midnight(end + timedelta(days=2)), clock.now_ns())
    asker = _Asker(source, pace, clock)
    try:
        head = asker.head(symbol, what)
        first_ns = max(first_ns, head or 0)
        if what == "ADJUSTED_LAST":
            years = max(1, math.ceil((clock.now_ns() - first_ns) / (365 * DAY_NS)))
            asker.take(Question(symbol, 0, f"{years} Y", size.name, what))
        else:
            _backwards(asker, Question(symbol, last_ns, size.duration, size.name, what), size, first_ns, progress)
        stopped = ""
    except (Slowed, Unanswered, Refused) as error:
        stopped = str(error) or type(error).__name__
    clock_of = UTC if size.name == "1 day" else ZoneInfo(zone)
    kept = [row for row in asker.rows() if start <= _day(row.start_ns, clock_of) <= end]
    return Fetched(kept, asker.questions, stopped)


def _backwards(asker: _Asker, question: Question, size: Size, first_ns: int, progress: Callable[[str], None]) -> None:
    """Ask for piece after piece, each ending where the one before began."""
    at = known = question.end_ns
    patience = max(EMPTY_MAX * size.span_ns, EMPTY_DAYS * DAY_NS)
    while at > first_ns and known - at < patience:
        progress(f"{question.symbol}: asking for bars before {_day(at)}")
        oldest = asker.take(question._replace(end_ns=at))
        if oldest is None or oldest >= at:
            # Empty, or no further back than what was asked. A day that ends just when its session opens
            # may be empty although there are older ones.
            at -= min(HALF_DAY_NS, size.span_ns) if at == known else size.span_ns
        else:
            at = known = oldest


class _Asker:
    """Asks one question at a time, slowly enough, and keeps what came."""

    def __init__(self, source: Source, pace: Pace, clock: Clock) -> None:
        self.source, self.pace, self.clock = source, pace, clock
        self.questions = 0
        self._rows: dict[int, PastBar] = {}

    def rows(self) -> list[PastBar]:
        """Return what came, oldest first."""
        return [self._rows[at] for at in sorted(self._rows)]

    def head(self, symbol: str, what: str) -> int | None:
        """Return when the history begins, None when the source does not say."""
        try:
            return self.source.head_ns(symbol, what)
        except (Slowed, Unanswered):
            return None

    def take(self, question: Question) -> int | None:
        """Ask until there is an answer, RETRIES times more at most; return the start of its oldest bar."""
        for attempt in range(RETRIES + 1):
            waiting = self.pace.wait_ns(question, self.clock.now_ns())
            if waiting > 0:
                self.clock.wait(waiting)
            self.pace.asked(question, self.clock.now_ns())
            self.questions += 1
            try:
                found = self.source.bars(question)
                break
            except (Slowed, Unanswered) as error:
                if attempt == RETRIES:
                    raise
                seconds = SLOWED_S * (attempt + 1) if isinstance(error, Slowed) else BACK_OFF_S[attempt]
                self.clock.wait(seconds * SECOND_NS)
        for row in found:
            # A later answer about the same bar is the older one's equal or its correction; the first is nearer to today.
            self._rows.setdefault(row.start_ns, row)
        return found[0].start_ns if found else None


def _midnight(day: date) -> int:
    return (day.toordinal() - date(1970, 1, 1).toordinal()) * DAY_NS


def _day(time_ns: int, zone: tzinfo = UTC) -> date:
    return datetime.fromtimestamp(time_ns // SECOND_NS, zone).date()


def csv_text(bars: list[PastBar], daily: bool) -> bytes:
    """Return bars as the text of a CSV, so that the rules of every file judge them too."""
    lines = ["date,open,high,low,close,volume" if daily else "time,open,high,low,close,volume"]
    for bar in bars:
        when = datetime.fromtimestamp(bar.start_ns // SECOND_NS, UTC)
        stamp = when.strftime("%Y-%m-%d") if daily else when.strftime("%Y-%m-%dT%H:%M:%SZ")
        lines.append(",".join((stamp, bar.open, bar.high, bar.low, bar.close, bar.volume)))
    return ("\n".join(lines) + "\n").encode()
