"""The sheet of a stored session, from its journal alone.

Theory of operation. What was run is read back and nothing is run again: the book comes from
the replayed events, the curve from the stored valuations, the figures from the same
functions that measured the run. The curve of buy and hold is made of the stored marks of the first
instrument, and left out where they are not one for each point or where splits and
dividends make raw prices no measure.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ledger import views
from ledger.compare.curves import replayed
from ledger.journal.days import zone_of
from ledger.units import money
from ledger.vocabulary import EventKind
from sim import metrics
from sim.data.errors import told
from sim.data.sessions import calendar_of
from sim.output.sheet import Sheet, from_book, held

EPOCH_ORDINAL = 719_163
Ints = NDArray[np.int64]
LATER_MONEY = (
    "Money was put in or taken out later: the total return is the profit over what was put in less what was taken out, "
    "and returns and falls of the days between count each such step as profit or loss."
)


def points(journal: Any, session_id: int) -> Ints:
    """Return the stored equity curve as int64[T, 6], days as ordinals."""
    # What a point holds is not stored; a position is worth something exactly while there is one.
    rows: Any = [
        (p.time_ns, p.day + EPOCH_ORDINAL, p.cash_e8, p.positions_e8 or 0, p.unmarked, int(bool(p.positions_e8)))
        for p in views.equity(journal, session_id)
    ]
    if not rows:
        return _replayed(journal, session_id)
    return np.array(rows, np.int64).reshape(len(rows), 6)


def _replayed(journal: Any, session_id: int) -> Ints:
    """Return the points of a session that stored none (paper trading records events): one a moment, from its first money on."""
    found = replayed(journal, session_id)
    rows: Ints = found[found[:, 5] == 1]
    # Strictly rising times are what measures need: a day that ends at the moment at which the next begins ends just before it.
    rows[:-1, 0] -= rows[1:, 0] == rows[:-1, 0]
    rows = rows[np.append(np.diff(rows[:, 0]) > 0, True)] if len(rows) else rows
    return np.column_stack((rows[:, 0], rows[:, 6] + EPOCH_ORDINAL, rows[:, 1:5]))


def start_of(journal: Any, info: Any, config: dict[str, Any]) -> int:
    """Return the money a session began with: what a backtest was told, else what was put in, e8."""
    if "cash" in config.get("setting", {}):
        return money(config["setting"]["cash"])
    known = views.totals(journal, info.id)
    return known.deposits_e8 if known else 0


def from_journal(journal: Any, info: Any) -> Sheet:
    """Return the sheet of a stored session of any kind; one that was no backtest counts what was put in as its start.

    Args:
        journal: opened to read; info: the session's `ledger.journal.SessionInfo`.
    """
    config = json.loads(info.config)
    values, book = points(journal, info.id), journal.book(info.id)
    start = start_of(journal, info, config)
    symbols = tuple(row.symbol for row in views.positions(journal, info.id))
    shown = ", ".join(f"{name}={value}" for name, value in (config.get("params") or {}).items())
    return from_book(
        book, values, symbols=symbols, strategy=f"{config.get('strategy') or info.kind}({shown})", start_e8=start,
        figures=metrics.measure_book(book, values, start), benchmark_e8=_benchmark(journal, info.id, values[:, 0], start),
        notes=_notes(config, journal, info.id), provenance=provenance(config, info), clock=clock(config),
    )  # fmt: skip


def clock(config: dict[str, Any]) -> tuple[str, str]:
    """Return the time zone and the calendar that a session's days and sessions follow."""
    zone = str(zone_of(config))
    return zone, calendar_of((config.get("reading") or {}).get("calendar"), zone)


def _benchmark(journal: Any, session_id: int, time_ns: Ints, start_e8: int) -> Ints | None:
    """Return buy and hold of instrument 1 by its stored marks, or None where they do not tell it."""
    query = "SELECT kind, time_ns, price_ticks FROM event WHERE session_id = ? AND instrument = 1 AND kind IN (?, ?, ?) ORDER BY seq"
    kinds = (int(EventKind.MARK), int(EventKind.SPLIT), int(EventKind.DIVIDEND))
    rows = np.array(journal.connection.execute(query, (session_id, *kinds)).fetchall(), np.int64).reshape(-1, 3)
    if not len(rows) or (rows[:, 0] != EventKind.MARK).any() or not np.isin(time_ns, rows[:, 1]).all():
        return None
    return held(start_e8, rows[:, 2].astype(np.float64), rows[:, 1], time_ns)


def _notes(config: dict[str, Any], journal: Any, session_id: int) -> list[str]:
    """Return the sentences a reader must not miss: repairs made, signals refused."""
    notes = [
        told(instrument["symbol"], repair["name"], repair["count"], repair["first_row"])
        for instrument in config.get("instruments", [])
        for repair in instrument.get("repairs", [])
    ]
    refused = views.refusal_counts(journal, session_id)
    notes += [f"{count} signals were refused: {reason.name}." for reason, count in refused.items()]
    return notes + ([LATER_MONEY] if _has_later_money(journal, session_id) else [])


def _has_later_money(journal: Any, session_id: int) -> bool:
    """Say whether money was put in or taken out after the first."""
    query = "SELECT min(time_ns) < max(time_ns) FROM event WHERE session_id = ? AND kind IN (?, ?)"
    kinds = int(EventKind.DEPOSIT), int(EventKind.WITHDRAWAL)
    return bool(journal.connection.execute(query, (session_id, *kinds)).fetchone()[0])


def provenance(config: dict[str, Any], info: Any) -> list[tuple[str, str]]:
    """Return how a stored run was made, as label and value."""
    setting = config.get("setting", {})
    made = [
        ("Session", str(info.id)),
        ("Code", f"{info.git_sha[:10] or 'unknown'}{' with changes' if info.dirty else ''}"),
        ("Book (SHA-256)", info.digest or "unknown"),
        ("Data", f"{config.get('data', 'unknown')}, {config.get('prices', 'unknown')} prices"),
        ("Profile", str(config.get("profile", "unknown"))),
        *((name.replace("_", " ").capitalize(), str(value)) for name, value in setting.items()),
    ]
    bars = config.get("instruments", [])[:20]
    return made + [(f"Bars of {i['symbol']}", f"{i['bars']:,} of {i['bar']}, SHA-256 {i['sha256']}") for i in bars]
