"""How a runner stands, for people: what is wrong or closed first, and nothing that is not news.

Theory of operation. A pure reading of the state that the runner wrote. Of a runner that is gone it says so before anything
else, because the rest is how things stood then.
"""

from __future__ import annotations

from typing import Any

from cli.output import moment

GATES = {
    "HALTED": "HALTED by the kill switch; `onebook paper resume` releases it", "NOT_RECONCILED": "broker and book are not compared yet",
    "STALE_CODE": "STALE CODE: the files on disk are not the code that runs; restart", "DISCONNECTED": "no connection to the gateway",
    "MARKET_CLOSED": "the exchange is closed", "NO_DEPOSIT": "no deposit yet: broker and book have to agree first",
}  # fmt: skip
"""What each gate says to a person."""
LISTS = (
    ("delayed_data", "delayed data"), ("leaving", "being left"), ("without_guard", "wanted guarded, and not"),
    ("without_exit_rule", "held without an exit rule"), ("no_data", "no data"),
)  # fmt: skip


def told(state: dict[str, Any]) -> list[tuple[str, object]]:
    """Return a state as rows of words."""
    rows: list[tuple[str, object]] = [("runner", _runner(state)), ("link", f"{state['link']}: {state['reason']}")]
    rows += [("entries", _entries(state))]
    rows += [("planned", state["planned"])] if state["planned"] else []
    rows += [("closed", f"{', '.join(state['closed'])}; see `onebook paper reconcile`")] if state.get("closed") else []
    rows += [("account", f"{state['account']}, session {state['session']}" if state["account"] else None)]
    rows += [("equity, cash", f"{state['equity'] or 'unknown'}, {state['cash']}" if state.get("cash") else None)]
    rows += [("positions", _pairs(state.get("positions"), "none")), ("live orders", state["live_orders"])]
    rows += [(title, _pairs(state[key], "")) for key, title in LISTS if state.get(key)]
    rows += [("strategies", _pairs(state["strategies"], "none")), ("bars", f"{state['bars']}, late pieces {state['late_pieces']}")]
    rows += [("data", "STALE: the gateway says that its data farm is gone")] if state["data_stale"] else []
    rows += [("hours", _hours(state["hours"])), ("limits", _pairs({k: v for k, v in state["limits"].items() if v is not None}, "none"))]
    return [*rows, *compared(state["reconciled"])]


def _runner(state: dict[str, Any]) -> str:
    age = f"{state['age_s']} s ago"
    if state["running"]:
        return f"pid {state['pid']} at {state['host']}:{state['port']}, told {age}"
    ended = "stopped in order" if state["link"] == "STOPPED" else "was KILLED or lost its machine"
    return f"NONE RUNS; pid {state['pid']} {ended}, and this is what it told {age}"


def _entries(state: dict[str, Any]) -> str:
    reasons = [GATES.get(name, name) for name in state.get("gates", ())]
    if not state["running"]:
        return "; ".join(["nobody trades", *(text for text in reasons if text.startswith("HALTED"))])
    return f"REFUSED: {'; '.join(reasons)}" if reasons else "open"


def _pairs(found: Any, nothing: str) -> str | None:
    if found is None:
        return None
    words = [f"{name} {value}" for name, value in found.items()] if isinstance(found, dict) else [str(name) for name in found]
    return ", ".join(words) or nothing


def _hours(hours: dict[str, Any]) -> str:
    if hours["next_open"] is None:
        return "never closed"
    return f"{hours['calendar']}: " + (f"open until {hours['next_close']}" if hours["open"] else f"closed until {hours['next_open']}")


def compared(found: dict[str, Any] | None) -> list[tuple[str, object]]:
    """Return the last comparison of broker and book as rows of words."""
    if found is None:
        return [("compared", None)]
    rows: list[tuple[str, object]] = [
        *(("no answer to", name) for name in found["missing"]), *(("differs", text) for text in found["differs"]),
        *(("cash differs", f"{text}; see `onebook paper cash`") for text in [found.get("cash_differs")] if text),
        *(("in doubt", f"order {key}; look for it at the broker, then `onebook paper settle --order {key}`") for key in found["in_doubt"]),
        *(("not traded here", text) for text in found["not_ours"]), *(("foreign order", text) for text in found["foreign_orders"]),
    ]  # fmt: skip
    at = moment(found["time_ns"] // 10**9 * 10**9)
    agree = not (found["missing"] or found["differs"] or found["in_doubt"] or found.get("cash_differs"))
    return [("compared", f"{at}: broker and book {'agree' if agree else 'DIFFER'}"), *rows]
