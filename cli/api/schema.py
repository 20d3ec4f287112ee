"""The documents that other programs read: their keys, the same on every path.

Theory of operation. A dashboard breaks when a key is missing, and lies when unknown is 0. So each document has all
its keys always; what is not known is null; when nothing could be read all figures are null, `stale` is true and
`error` says why. `filled` is the only way to make one, and it refuses a key that the schema does not have. The names are those that
dashboards of such bots use already.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SAID = ("stale", "error")
MARKET = (
    "is_open",
    "session",
    "status_text",
    "next_open",
    "next_close",
    "seconds_until_open",
    "gateway_available",
    *SAID,
)
PNL = ("total", "unrealized", "realized", "daily", "equity", "cash", "unmatched", "day", "as_of", *SAID)
STATUS = (
    "session", "kind", "scope", "strategy", "running", "owner_pid", "owner_host", "heartbeat", "code", "started", "last_event",
    "last_event_time", "lag_seconds", "positions_count", "working_orders", "gates", "pnl", "market", *SAID,
)  # fmt: skip
WINDOWS = {"daily": 1, "weekly": 7, "monthly": 30, "all": None}
"""Window -> calendar days up to the session's newest day."""
WINDOW = (
    "total_return", "total_pnl", "win_rate", "total_trades", "winning_trades", "losing_trades", "avg_win", "avg_loss", "best_trade",
    "worst_trade", "profit_factor", "max_drawdown", "volatility", "sharpe",
)  # fmt: skip
PERFORMANCE = ("session", "as_of", *WINDOWS, "definitions", *SAID)


def filled(keys: tuple[str, ...], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a document with all keys, null where no value is given.

    Raises:
        KeyError: a value for a key that the schema does not have.
    """
    if unknown := values.keys() - set(keys):
        raise KeyError(f"no such key in the schema: {', '.join(sorted(unknown))}")
    document = dict.fromkeys(keys) | dict(values)
    document["stale"] = bool(document["stale"])
    return document


def empty(name: str, error: str) -> dict[str, Any]:
    """Return a document of which nothing is known, and why."""
    said = {"stale": True, "error": error}
    if name == "performance":
        return filled(PERFORMANCE, {**{window: filled_window({}) for window in WINDOWS}, **said})
    if name == "status":
        return filled(STATUS, {"pnl": empty("pnl", error), "market": empty("market", error), **said})
    return filled({"market": MARKET, "pnl": PNL}[name], said)


def filled_window(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the figures of one window, null where there is none."""
    return dict.fromkeys(WINDOW) | {name: values[name] for name in WINDOW if name in values}
