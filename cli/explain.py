"""Moments, as people write them for `onebook book explain`; `ledger.explain` does the rest."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import click


def explain(events: Any, method: int, since: str, until: str) -> Any:
    """Return the `ledger.explain.Explanation` of the change of equity between two moments.

    Args:
        events: int64[n, EVENT_WIDTH]. method: a Method. since, until: see `parse_moment`.
    Raises:
        click.BadParameter: not a moment, or the second one is earlier than the first.
    """
    from ledger import explain as ledger_explain
    from ledger.views.days import clock_of

    clock = clock_of(events)
    last = int(clock[-1]) if len(clock) else 0
    moments = [parse_moment(text, last) for text in (since, until)]
    try:
        return ledger_explain.explain(events, method, *moments)
    except ValueError:
        raise click.BadParameter(f"{until} is earlier than {since}; exchange them") from None


def parse_moment(text: str, last_ns: int) -> int:
    """Return a moment in ns UTC: an ISO date (its end), an ISO time, `start` or `end`.

    Raises:
        click.BadParameter: anything else.
    """
    if text in ("start", "end"):
        return last_ns if text == "end" else -(2**62)
    try:
        if len(text) == 10:
            after = datetime.combine(date.fromisoformat(text) + timedelta(days=1), datetime.min.time(), UTC)
            return _nanoseconds(after) - 1
        when = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(
            f"{text!r} is no moment; write 2018-06-29, 2018-06-29T20:00:00Z, start or end"
        ) from None
    if when.tzinfo is None:
        raise click.BadParameter(f"{text!r} has no zone; write {text}Z for UTC")
    return _nanoseconds(when)


def _nanoseconds(when: datetime) -> int:
    since = when - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 10**9 + since.microseconds * 1_000
