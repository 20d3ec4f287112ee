"""The faults of a plan, at work.

Theory of operation. The gateway asks at each hook, and every rule of that hook has its say in the
order of the plan. Messages of one turn to one client are a batch: rules may drop, delay,
double, change or reorder its items, and each rule sees what the one before left.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from sim.gateway.faults import connection, executions, messages, notices, placing  # noqa: F401  (they fill the catalogue)
from sim.gateway.faults.connection import Pieces
from sim.gateway.faults.faults import Batch, Faults
from sim.gateway.faults.rules import Item, Rule

if TYPE_CHECKING:
    from sim.gateway.core.gateway import Gateway
    from sim.gateway.core.session import Session
    from sim.gateway.desk.orders import Order


class PlannedFaults(Faults):
    """The rules of a plan."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.rules = list(rules)
        self.frames = bool(self._at("batch"))
        self.bytes = bool(self._at("cut"))

    def _at(self, hook: str) -> list[Rule]:
        return [rule for rule in self.rules if rule.injector.hook == hook]

    def attach(self, gateway: Gateway) -> None:
        """Begin: rules get their gateway, and arrange what happens by the clock."""
        for rule in self.rules:
            rule.gateway = gateway
        for rule in self._at("start"):
            rule.injector.function(rule)
        if self._at("parts"):
            gateway.desk.trader.filler.parts = self.parts

    def refuses(self, session: Session, client_id: int) -> bool:
        """Say whether a client is refused."""
        answers = [rule.injector.function(rule, session, client_id) for rule in self._at("admit")]
        return any(answers)

    def shut(self) -> bool:
        """Say whether connections are refused now."""
        return any(rule.injector.function(rule) for rule in self._at("shut"))

    def swallows(self, session: Session, name: str, values: dict[str, Any]) -> bool:
        """Let rules answer a request in the gateway's place."""
        if any(rule.injector.function(rule, session, name, values) for rule in self._at("request")):
            return True
        if name == "placeOrder":
            for rule in self._at("placed"):
                order = session.gateway.desk.orders.get((session.client_id, values["orderId"] or 0))
                rule.injector.function(rule, session, values, order)
        return False

    def parts(self, order: Order, lots: int) -> list[int]:
        """Return the parts in which an order is filled."""
        for rule in self._at("parts"):
            if rule.picks(order):
                parts: list[int] = rule.injector.function(rule, order, lots)
                return parts
        return [lots]

    def pass_on(self, session: Session, batch: Batch) -> Iterable[Item]:
        """Pass a turn's messages through every rule."""
        items: list[Item] = [(0, name, values) for name, values in batch]
        for rule in self._at("batch"):
            items = rule.injector.function(rule, session, items)
        return items

    def cut(self, session: Session, data: bytes) -> Pieces:
        """Pass bytes through every rule."""
        pieces: Pieces = [(0, data)]
        for rule in self._at("cut"):
            pieces = rule.injector.function(rule, session, pieces)
        return pieces
