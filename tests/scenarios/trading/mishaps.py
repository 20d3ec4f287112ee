"""What goes wrong in several scenarios: a cancel that comes too late, a process that dies between two orders."""

from __future__ import annotations

from typing import Any

import pytest
from tests.scenarios.paper import Day

from live.trader import Trader


def too_late(day: Day, monkeypatch: pytest.MonkeyPatch, parts: int = 2, kind: str = "") -> None:
    """Have every cancel (of one kind of order) find that one of so many parts of what is left, in whole shares, has just filled."""
    desk, cancel = day.world.gateway.desk, day.world.gateway.desk.cancel

    def found_filled(client_id: int, order_id: int) -> None:
        order = desk.orders[client_id, order_id]
        if kind in ("", order.kind) and not order.done:
            desk.trader.ladders[order.contract.con_id].drop(order)
            desk.trader.filler.fill(order, order.left // parts // 10_000 * 10_000 if parts > 1 else order.left, order.limit or order.stop)
        cancel(client_id, order_id)

    monkeypatch.setattr(desk, "cancel", found_filled)


def dies(monkeypatch: pytest.MonkeyPatch, sent: int) -> list[int]:
    """Have the process die instead of sending the order after so many; what the list holds is how many may still go."""
    left, place = [sent], Trader._place

    def gone(self: Trader, submit: Any) -> None:
        if left[0] == 0:
            raise ConnectionError("the process is gone here")
        left[0] -= 1
        place(self, submit)

    monkeypatch.setattr(Trader, "_place", gone)
    return left
