"""How a runner stands, as plain data: what `onebook paper status` shows, and what an app may draw.

Theory of operation. A pure reading of the runner; nothing here changes anything. What is not known is None, and
never a nought.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import msgspec

from ledger.book import H_GATES, I_GATES, I_POSITION
from ledger.units import decimal_text
from ledger.vocabulary import Gate
from live.market.market import utc

if TYPE_CHECKING:
    from live.runner import Runner
    from live.trader import Trader


def standing(runner: Runner) -> dict[str, Any]:
    """Return the link, the account, the orders, what is unguarded and what the last comparison found."""
    trader, found = runner.trader, runner.comparison
    return {
        "pid": os.getpid(), "written_ns": runner.clock.now_ns(), "simulated": runner.simulated, "host": runner.host, "port": runner.port,
        "link": runner.link.state.value, "reason": runner.link.reason, "since_ns": runner.link.since_ns,
        "planned": runner.planned, "data_stale": runner.link.data_stale, "stale_code": runner.stale_code,
        "bars": runner.market.bars_seen, "late_pieces": runner.market.late, "no_data": dict(runner.feeds.no_data),
        "account": trader.account if trader else None, "session": trader.session.id if trader else None,
        "live_orders": len(trader.live_orders()) if trader else None,
        **_worth(trader), "gates": _gates(trader), "closed": _closed(trader),
        "delayed_data": sorted(runner.market.delayed), "hours": _hours(runner),
        "limits": msgspec.to_builtins(runner.config.limits),
        "strategies": {str(desk.number): desk.asker.strategy.name for desk in runner.market.desks},
        "without_exit_rule": runner.market.without_exit_rule(trader) if trader else None,
        "leaving": {trader.contracts[n].symbol: why for n, why in runner.market.exits.reasons().items()} if trader else None,
        "without_guard": [trader.contracts[n].symbol for n in runner.market.guards.bare(trader.session.book)] if trader else None,
        "reconciled": None if found is None else {
            "time_ns": runner.looked_ns,
            "complete": found.complete, "missing": list(found.missing_lists), "in_doubt": [str(key) for key in found.doubtful],
            "differs": [trader.differs(difference) for difference in found.differences] if trader else [],
            "differences": [list(difference) for difference in found.differences],
            "not_ours": [f"{held.symbol} {held.quantity}" for held in found.not_ours],
            "broker_cash": runner.cash.broker(), "cash_differs": runner.cash.differs(),
            "foreign_orders": [f"{o.symbol} {o.action} {o.quantity}" for o in found.foreign_orders],
        },
    }  # fmt: skip


def _worth(trader: Trader | None) -> dict[str, Any]:
    """Return cash and equity as decimal text and the positions in shares; None where nobody knows."""
    if trader is None:
        return {"cash": None, "equity": None, "positions": None}
    book = trader.session.book
    worth = book.valuation()
    lots = {c.symbol: (int(book.instruments[n, I_POSITION]), c.qty_exp) for n, c in trader.contracts.items()}
    return {
        "cash": decimal_text(worth.cash, places=2), "equity": None if worth.equity is None else decimal_text(worth.equity, places=2),
        "positions": {symbol: decimal_text(held, exp, 0) for symbol, (held, exp) in lots.items() if held},
    }  # fmt: skip


def _gates(trader: Trader | None) -> list[str]:
    """Return why entries of every instrument are refused now; empty: they are not. What was never opened is not reconciled."""
    if trader is None:
        return [Gate.NOT_RECONCILED.name]
    found = [gate.name for gate in Gate if trader.session.book.arena[H_GATES] & gate]
    return found if trader.is_funded() else [*found, "NO_DEPOSIT"]


def _closed(trader: Trader | None) -> list[str]:
    """Return the instruments that are closed for entries until a person looked at them."""
    found = trader.contracts.items() if trader else ()
    return [c.symbol for n, c in found if trader is not None and trader.session.book.instruments[n, I_GATES] & Gate.BLOCKED]


def _hours(runner: Runner) -> dict[str, Any]:
    """Return the calendar's name, whether it is open, and when it opens and closes next; None where it never closes."""
    hours = runner.market.calendar.at(runner.clock.now_ns())
    opens, closes = (None if at is None else utc(at) for at in (hours.next_open_ns, hours.next_close_ns))
    return {"calendar": runner.market.calendar.name, "open": hours.is_open, "next_open": opens, "next_close": closes}
