"""What the wire's callbacks carry, as plain values: orders, bars, moments.

Theory of operation. The adapter hands over the library's objects; here they are read once, field by field, into
values of our own. A time without a zone, or a frame that could not be decoded, is a fault and never a guess.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple

from live.broker.facts import OrderSeen, amount


class HistoryBar(NamedTuple):
    """A bar of the gateway; `start_ns` is when it began."""

    start_ns: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal


class DecoderFaults(logging.Handler):
    """A frame that cannot be decoded is only logged by the library; here it is a fault."""

    def __init__(self, on_fault: Callable[[str], None]) -> None:
        super().__init__(logging.ERROR)
        self._on_fault = on_fault

    def emit(self, record: logging.LogRecord) -> None:
        """Hand the line on."""
        self._on_fault(f"a message of the gateway could not be decoded, an execution may be lost: {record.getMessage()}")


def order_fact(now_ns: int, order_id: int, contract: Any, order: Any, state: Any, *, completed: bool) -> OrderSeen:
    """Return an order of openOrder or completedOrder."""
    # A completed order carries neither order id nor client id, and its total is 0: what was filled stands elsewhere.
    filled = amount(order.filledQuantity) or Decimal(0)
    return OrderSeen(
        now_ns, order.orderRef or "", order_id, -1 if completed else order.clientId, order.permId, order.account or "",
        contract.conId, contract.symbol, order.action, Decimal(str(order.totalQuantity)), order.orderType,
        state.status or "", filled, completed, (state.completedStatus or "") if completed else (state.warningText or ""),
    )  # fmt: skip


def moment_ns(moment: Any) -> int:
    """Return UTC ns of an execution's time.

    Raises:
        ValueError: a time without a zone: nobody can say which day it is on.
    """
    if not isinstance(moment, datetime) or moment.tzinfo is None:
        raise ValueError(f"an execution's time {moment!r} has no time zone; set the gateway to send UTC")
    return int(moment.astimezone(UTC).timestamp()) * 1_000_000_000


def history_bar(bar: Any) -> HistoryBar:
    """Return a bar of the past; a day's bar begins at midnight in UTC."""
    if isinstance(bar.date, datetime):
        start_ns = moment_ns(bar.date)
    else:
        start_ns = int(datetime(bar.date.year, bar.date.month, bar.date.day, tzinfo=UTC).timestamp()) * 1_000_000_000
    numbers = (Decimal(str(value)) for value in (bar.open, bar.high, bar.low, bar.close, bar.volume))
    return HistoryBar(start_ns, *numbers)


def live_bar(bar: Any) -> HistoryBar:
    """Return a bar of five seconds."""
    numbers = (Decimal(str(value)) for value in (bar.open_, bar.high, bar.low, bar.close, bar.volume))
    return HistoryBar(moment_ns(bar.time), *numbers)
