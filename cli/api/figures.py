"""The figures of the documents, read from a journal; the same functions for the command line and for HTTP.

Theory of operation. Everything comes from the views of one session and from the tear sheet's own functions, so the
documents cannot disagree with them or with each other: `status` holds the very documents of `pnl` and `market`. Money is exact
decimal text. `daily` is the profit after fees of what was closed on the session's newest trading day, and `day` says which that is.
"""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from cli.api.schema import MARKET, PERFORMANCE, PNL, STATUS, WINDOWS, empty, filled, filled_window
from cli.output import moment

EPOCH_ORDINAL = 719_163
NEW_YORK = ZoneInfo("America/New_York")
EARLY, LATE = timedelta(hours=4), timedelta(hours=20)
RECENT_NS = 60 * 10**9
"""A heartbeat older than this says nothing about the gateway."""


def document(name: str, book: str, session_id: int | None, now_ns: int) -> dict[str, Any]:
    """Return a document by its name; a book that cannot be read gives its keys with null, and why."""
    import click

    from cli.stored import session_of
    from ledger.journal import Journal, JournalError

    try:
        with Journal.read(book) as journal:
            info = session_of(journal, session_id)
            return _of(name, journal, info, now_ns)
    except (JournalError, OSError) as error:
        return without_book(name, str(error), now_ns)
    except click.UsageError as error:
        return without_book(name, error.message, now_ns)


def without_book(name: str, error: str, now_ns: int) -> dict[str, Any]:
    """Return a document when there is no book: the market is known all the same."""
    found = empty(name, error)
    if name == "market":
        return market(now_ns, None)
    if name == "status":
        found["market"] = market(now_ns, None)
    return found


def _of(name: str, journal: Any, info: Any, now_ns: int) -> dict[str, Any]:
    if name == "performance":
        return performance(journal, info)
    if name == "pnl":
        return pnl(journal, info)
    found = status(journal, info, now_ns)
    return found if name == "status" else dict(found["market"])


def text(amount_e8: int | None) -> str | None:
    """Return money as decimal text; unknown stays unknown."""
    from ledger.units import decimal_text

    return None if amount_e8 is None else decimal_text(amount_e8)


def market(now_ns: int, gateway_available: bool | None) -> dict[str, Any]:
    """Return what New York's exchange is doing, with its half days and holidays, and when it opens and closes next."""
    now = datetime.fromtimestamp(now_ns // 10**9, UTC)
    sessions = _sessions(now)
    current = next(((start, end) for start, end in sessions if start <= now < end), None)
    coming = next((start, end) for start, end in sessions if start > now)
    name, words = _session_name(now, sessions, current)
    closes = current[1] if current else coming[1]
    return filled(MARKET, {
        "is_open": current is not None, "session": name, "status_text": words, "next_open": _iso(coming[0]), "next_close": _iso(closes),
        "seconds_until_open": 0 if current else int((coming[0] - now).total_seconds()), "gateway_available": gateway_available,
    })  # fmt: skip


def _sessions(now: datetime) -> list[tuple[datetime, datetime]]:
    """Return the regular sessions from yesterday to two weeks on, as (open, close) in UTC."""
    from sim.data.sessions import new_york_sessions

    first = (now - timedelta(days=1)).date().toordinal()
    table = new_york_sessions(first + 16)
    found = []
    for at in range(int(table.day.searchsorted(first)), len(table.day)):
        if table.day[at] > first + 16:
            break
        midnight = datetime.combine(date.fromordinal(int(table.day[at])), datetime.min.time(), NEW_YORK)
        ends = (midnight + timedelta(minutes=int(minute)) for minute in (table.open_minute[at], table.close_minute[at]))
        start, end = (one.astimezone(UTC) for one in ends)
        found.append((start, end))
    return found


def _session_name(now: datetime, sessions: list[Any], current: Any) -> tuple[str, str]:
    """Return (session, words): regular, pre-market, after-hours or closed."""
    if current:
        return "regular", "the market is open"
    local = now.astimezone(NEW_YORK)
    today = [pair for pair in sessions if pair[0].astimezone(NEW_YORK).date() == local.date()]
    clock = timedelta(hours=local.hour, minutes=local.minute)
    if today and now < today[0][0] and clock >= EARLY:
        return "pre-market", "before the opening"
    if today and now >= today[0][1] and clock < LATE:
        return "after-hours", "after the close"
    return "closed", "the market is closed" if today else "no session today"


def _iso(when: datetime) -> str:
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def pnl(journal: Any, info: Any) -> dict[str, Any]:
    """Return the account's profit: realized after fees and income, unrealized at the marks, null where a price is unknown."""
    from ledger import views

    totals = views.totals(journal, info.id)
    if totals is None:
        return empty("pnl", f"session {info.id} has no event yet")
    realized = totals.realized_e8 - totals.fees_e8 + totals.income_e8
    unrealized = totals.unrealized_e8
    day, daily = _daily(journal, info)
    return filled(PNL, {
        "total": text(None if unrealized is None else realized + unrealized), "unrealized": text(unrealized), "realized": text(realized),
        "daily": text(daily), "equity": text(totals.equity_e8), "cash": text(totals.cash_e8), "unmatched": text(totals.unmatched_e8),
        "day": None if day is None else date.fromordinal(day + EPOCH_ORDINAL).isoformat(), "as_of": moment(_last_time(journal, info)),
    })  # fmt: skip


def _daily(journal: Any, info: Any) -> tuple[int | None, int | None]:
    """Return (newest trading day since 1970, profit after fees of what was closed on it)."""
    from ledger import views

    day = views.newest_day(journal, info.id)
    if day is None:
        return None, None
    found = [row.net_e8 for row in views.pnl_days(journal, info.id) if row.day == day]
    return day, found[0] if found else 0


def _last_time(journal: Any, info: Any) -> int | None:
    """Return the time of the latest thing that happened, ns UTC; a correction may be recorded after it and be older."""
    from ledger.views.rows import span

    found = span(journal, info.id)
    return None if found is None or found[1] == 0 else int(found[1])


def status(journal: Any, info: Any, now_ns: int) -> dict[str, Any]:
    """Return what a session is, who owns it and how far it is, with its profit and its market."""
    from ledger import views
    from ledger.vocabulary import Gate

    age, last = views.age(journal, info.id), _last_time(journal, info)
    totals = views.totals(journal, info.id)
    heartbeat = age.heartbeat_ns
    running = info.status == "open" and heartbeat is not None and now_ns - heartbeat < RECENT_NS
    gates = [gate.name for gate in Gate if totals is not None and totals.gates & gate]
    gateway = ("DISCONNECTED" not in gates) if running and info.kind == "paper" else None
    recorded = age.recorded_ns
    return filled(STATUS, {
        "session": info.id, "kind": info.kind, "scope": info.scope, "strategy": json.loads(info.config).get("strategy"), "running": running,
        "owner_pid": info.pid, "owner_host": info.host, "heartbeat": moment(heartbeat),
        "code": f"{info.git_sha[:10] or 'unknown'}{'+changes' if info.dirty else ''}", "started": moment(info.started_ns // 10**9 * 10**9),
        "last_event": info.events, "last_event_time": moment(last),
        "lag_seconds": None if recorded is None or not running else max(0, (now_ns - recorded) // 10**9),
        "positions_count": None if totals is None else sum(bool(row.position_lots) for row in views.positions(journal, info.id)),
        "working_orders": sum(order.status <= 5 for order in views.orders(journal, info.id).rows), "gates": gates,
        "pnl": pnl(journal, info), "market": market(now_ns, gateway),
    })  # fmt: skip


def performance(journal: Any, info: Any) -> dict[str, Any]:
    """Return the figures of the newest day, week and month and of everything, by the tear sheet's own functions."""
    from ledger import views
    from ledger.views.days import days
    from sim.metrics import DEFINITIONS
    from sim.output.stored import points
    from sim.trades import closed_trades, closing_days

    totals, newest = views.totals(journal, info.id), views.newest_day(journal, info.id)
    if totals is None or newest is None:
        return empty("performance", f"session {info.id} has no event yet")
    book = journal.book(info.id, verified=False)
    closed = closing_days(book, days(journal, info.id).of)
    sources = (closed_trades(book), closed, points(journal, info.id), totals, newest)
    names = {"total_trades": "trades"}
    definitions = {
        name: DEFINITIONS.get(names.get(name, name), OWN_DEFINITIONS.get(name)) for name in filled_window({})
    }
    found = {window: _window(days, *sources) for window, days in WINDOWS.items()}
    return filled(
        PERFORMANCE,
        {**found, "session": info.id, "as_of": moment(_last_time(journal, info)), "definitions": definitions},
    )


OWN_DEFINITIONS = {"total_pnl": "Sum of the P&L of the closed trades of the window, after fees."}


def _window(days: int | None, trades: Any, closed: Any, values: Any, totals: Any, newest: int) -> dict[str, Any]:
    """Return the figures of the trades closed, and of the equity seen, in the last days; `closed`: the day of each trade."""
    import numpy as np

    from sim.metrics import MONEY, exact_sum, measure

    first = -(2**62) if days is None else newest - days + 1
    kept = closed >= first
    seen = values[:, 1] - EPOCH_ORDINAL >= first
    before = values[~seen]
    start = int(before[-1, 2] + before[-1, 3]) if len(before) else int(totals.deposits_e8)
    known = values[seen] if not values[:, 4].any() else values[:0]
    flat = np.zeros(len(known), bool)
    pnl_e8 = trades.pnl_e8[kept]
    figures = measure(
        known[:, 2] + known[:, 3], known[:, 0], known[:, 1], flat, start_e8=start, traded_e8=0, fees_e8=0,
        pnl_e8=pnl_e8, open_ns=trades.open_ns[kept], close_ns=trades.close_ns[kept],
    )  # fmt: skip
    shown = {
        name: text(value) if name in MONEY and isinstance(value, int) else value for name, value in figures.items()
    }
    return filled_window({**shown, "total_trades": shown["trades"], "total_pnl": text(exact_sum(pnl_e8))})
