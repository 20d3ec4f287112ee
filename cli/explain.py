"""Moments, as people write them for `onebook book explain`; `ledger.explain` does the rest."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import click


def explain(events: Any, method: int, since: str, until: str, zone: Any) -> Any:
    """Return the `ledger.explain.Explanation` of the change of equity between two moments.

    Args:
        events: int64[n, EVENT_WIDTH]. method: a Method. since, until: see `place`. zone: of the session's days.
    Raises:
        click.BadParameter: not a moment, or the second one is earlier than the first.
    """
    from ledger import explain as ledger_explain

    first, second = (place(text, events, zone) for text in (since, until))
    if second < first:
        raise click.BadParameter(f"{until} is earlier than {since}; exchange them")
    return ledger_explain.explain(events, method, first, second)


def place(text: str, events: Any, zone: Any) -> int:
    """Return how many events lie up to a moment: an ISO date (the end of that trading day), an ISO time, `start` or `end`.

    Raises:
        click.BadParameter: anything else.
    """
    from ledger.views.days import EPOCH_ORDINAL, clock_of, event_days

    if text in ("start", "end"):
        return len(events) if text == "end" else 0
    try:
        if len(text) == 10:
            return int(event_days(events, zone).searchsorted(date.fromisoformat(text).toordinal() - EPOCH_ORDINAL, side="right"))
        when = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(
            f"{text!r} is no moment; write 2018-06-29, 2018-06-29T20:00:00Z, start or end"
        ) from None
    if when.tzinfo is None:
        raise click.BadParameter(f"{text!r} has no zone; write {text}Z for UTC")
    return int(clock_of(events).searchsorted(_nanoseconds(when), side="right"))


def _nanoseconds(when: datetime) -> int:
    since = when - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 10**9 + since.microseconds * 1_000
