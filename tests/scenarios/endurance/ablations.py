"""Guards taken out, one at a time, so that tests can show what each of them is for."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest

from ledger.book import O_KEY, O_STATUS
from ledger.oms import OrderManager
from ledger.port import Submit
from ledger.vocabulary import EventKind, OrderStatus
from live.broker.fold import Fold
from live.trader import Trader


def no_fence(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take an order that may have been sent for one that was not, as stores do that know no state in between."""
    on_start = OrderManager.on_start

    def start(self: OrderManager, time_ns: int) -> list[Any]:
        said = on_start(self, time_ns)
        for order in self._ledger.book.orders.copy():
            if order[O_STATUS] == OrderStatus.UNKNOWN:
                self._record(EventKind.RELEASED, int(order[O_KEY]), time_ns, "assumed")
        return said

    monkeypatch.setattr(OrderManager, "on_start", start)


def send_before_record(monkeypatch: pytest.MonkeyPatch) -> None:
    """Write to the socket first and down into the journal second."""
    record, place, late = OrderManager._record, Trader._place, {}

    def recorded(self: OrderManager, kind: EventKind, key: int, time_ns: int, evidence: str = "") -> Any:
        if kind is EventKind.SENDING:
            late[key] = (time_ns, evidence)
            return 0
        return record(self, kind, key, time_ns, evidence)

    def placed(self: Trader, submit: Submit) -> None:
        place(self, submit)
        record(self._oms, EventKind.SENDING, submit.key, *late.pop(submit.key))

    monkeypatch.setattr(OrderManager, "_record", recorded)
    monkeypatch.setattr(Trader, "_place", placed)


def no_dedup(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take every report of an execution for an execution."""
    said, number = Fold._on_execution, count(1)
    monkeypatch.setattr(Fold, "_on_execution", lambda self, fact: said(self, fact._replace(exec_id=f"{next(number)}.{fact.exec_id}")))
    monkeypatch.setattr(Trader, "_is_news", lambda self, fact: True)


def guard_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Know of this process's own orders and of nothing else, as a guard in memory does."""
    said = Fold._on_execution
    monkeypatch.setattr(Fold, "_on_execution", lambda self, fact: said(self, fact) if f".{self._tag}." in fact.order_ref else [])
    monkeypatch.setattr(Trader, "_close", lambda self, *difference: None)
