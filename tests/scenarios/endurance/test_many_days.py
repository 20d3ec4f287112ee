"""Lists of an account that is days old: what is kept to answer quickly says the same as a look at everything."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.sim.gateway.peer import Peer

from sim.gateway.core.config import Config
from sim.gateway.core.gateway import Gateway
from sim.gateway.core.store import FileStore
from sim.gateway.desk import words
from sim.gateway.desk.hours import local_day

STEPS = st.lists(
    st.sampled_from(["buy", "sell", "rest", "cancel", "cancel all", "hours", "day", "correct", "look"]), min_size=1, max_size=40
)
LIMITS = {"buy": ("BUY", "MKT", {}), "sell": ("SELL", "MKT", {}), "rest": ("BUY", "LMT", {"lmtPrice": 1.0, "tif": "GTC"})}


class Account:
    """A client that trades over days, and the slow way to every list."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway, self.peer, self.number = gateway, Peer(gateway), gateway.next_id(1)

    def step(self, what: str) -> None:
        desk = self.gateway.desk
        if what in LIMITS:
            action, kind, more = LIMITS[what]
            self.peer.order(self.number, action, "10", kind, **more)
            self.number += 1
        elif what == "cancel":
            self.peer.ask("cancelOrder", orderId=self.number - 1)
        elif what == "cancel all":
            self.peer.ask("reqGlobalCancel")
        elif what in ("hours", "day"):
            self.peer.wait(9 * 3600 if what == "hours" else 30 * 3600)
        elif what == "correct" and desk.trader.filler.executions:
            last = desk.trader.filler.executions[-1]
            desk.trader.filler.correct(last, last.lots, last.price + 100)

    def require_all(self) -> None:
        """Require that each list is what a look at everything gives."""
        gateway, desk = self.gateway, self.gateway.desk
        today = local_day(gateway.schedule.now_ns, words.ZONE)
        orders = [(perm, order) for perm, order in sorted(desk.by_perm.items()) if order.transmitted]
        assert desk.open_orders() == [order for _, order in orders if not order.done]
        said = [values["permId"] for name, values in self.peer.ask("reqCompletedOrders") if name == "completedOrder"]
        assert said == [o.perm_id for _, o in orders if o.done and local_day(o.done_ns, words.ZONE) == today]
        rows = [values["execId"] for name, values in self.peer.ask("reqExecutions", reqId=9) if name == "execDetails"]
        assert rows == [e.name for e in desk.trader.filler.executions if local_day(e.time_ns, words.ZONE) == today]


@settings(max_examples=12, deadline=None)
@given(STEPS)
def test_lists_of_days_are_those_of_a_look_at_everything(steps: list[str]) -> None:
    account = Account(Gateway(Config(always_open=True, rate_limit=0)))
    for what in steps:
        account.step(what)
        if what in ("look", "day", "correct"):
            account.require_all()
    account.require_all()


@pytest.mark.parametrize("steps", [["buy", "correct", "rest", "day", "sell"], ["rest", "cancel", "buy", "hours", "correct"]])
def test_a_gateway_that_comes_back_has_every_execution_and_correction(steps: list[str], tmp_path: Path) -> None:
    config = Config(always_open=True, rate_limit=0)
    first = Account(Gateway(config, store=FileStore(tmp_path / "gateway.db")))
    for what in steps:
        first.step(what)
        first.gateway.settle()
    kept = first.gateway.desk.trader.filler.executions
    first.gateway.store.close()
    again = Account(Gateway(config, store=FileStore(tmp_path / "gateway.db")))
    assert again.gateway.desk.trader.filler.executions == kept
    again.gateway.schedule.advance(first.gateway.schedule.now_ns)
    again.require_all()
    again.gateway.store.close()
