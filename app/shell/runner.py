"""How the paper runner of a book stands, from the file it writes once a second beside the book.

Theory of operation. The runner alone writes its book; what it knows beyond it (connection, stale code, what the last
comparison with the broker found) stands in `state.json`, replaced whole. A state is as old as it says: one
that is not renewed is shown with its age and never as the present. Nothing is asked of the runner from here.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

from app.shell import text

INTERVAL_S = 1
STALE_AFTER_S = 3 * INTERVAL_S
"""A state older than this is no present any more: the runner writes one a second."""


class Runner(NamedTuple):
    """What a runner said last. `present` says whether it is young enough to be taken for the present."""

    present: bool
    stopped: bool
    age_s: int
    written_ns: int
    link: str
    reason: str
    simulated: bool
    stale_code: bool
    data_stale: bool
    account: str | None
    session: int | None
    live_orders: int | None
    bars: int | None
    without_guard: list[str] | None
    reconciled: dict[str, Any] | None


def runner_of(book: str | Path, now_ns: int | None = None) -> Runner | None:
    """Return how the runner of a book stands; None when there never was one, or its file cannot be read."""
    path = Path(f"{book}.paper") / "state.json"
    try:
        told = json.loads(path.read_text("utf-8"))
        written = int(told["written_ns"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    age_s = max(0, ((text.now_ns() if now_ns is None else now_ns) - written) // text.SECOND_NS)
    stopped = told.get("link") == "STOPPED"
    return Runner(
        age_s <= STALE_AFTER_S and not stopped,
        stopped,
        age_s,
        written,
        str(told.get("link", "unknown")),
        str(told.get("reason", "")),
        bool(told.get("simulated")),
        bool(told.get("stale_code")),
        bool(told.get("data_stale")),
        told.get("account"),
        told.get("session"),
        told.get("live_orders"),
        told.get("bars"),
        told.get("without_guard"),
        told.get("reconciled"),
    )


def differences(found: Runner | None) -> list[str]:
    """Return what the last comparison with the broker found, as sentences; empty when all agreed."""
    said = (found.reconciled if found else None) or {}
    listed = [f"a list the broker did not send: {name}" for name in said.get("missing") or []]
    listed += [_difference(row) for row in said.get("differences") or []]
    listed += [f"cash: {said['cash_differs']}"] if said.get("cash_differs") else []
    listed += [f"order in doubt: {key}" for key in said.get("in_doubt") or []]
    listed += [f"held and not ours: {row}" for row in said.get("not_ours") or []]
    return listed + [f"an order that is not ours: {row}" for row in said.get("foreign_orders") or []]


def _difference(row: list[Any]) -> str:
    """Return one position in which broker and book differ: instrument, symbol, lots of the book, lots of the broker."""
    if len(row) != 4:
        return f"differs: {' '.join(map(str, row))}"
    _, symbol, book, broker = row
    return f"{symbol}: the book holds {book:,} lots and the broker {broker:,}"
