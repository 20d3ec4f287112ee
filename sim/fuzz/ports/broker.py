"""A broker with everything that brokers do: rejects, partial, repeated, corrected and busted fills, lost and late answers.

Theory of operation. An order travels (it survives its sender), is accepted or rejected at
the broker, and fills by an event of its own; each fill is reported to the process that
sent the order, in the lane of that process, if it still lives and listens. What the
broker holds is the truth that invariants compare with. Quantities and prices are
integers; an execution id is `E<order>-<n>.<revision>`, as IB writes it, and a higher revision
takes the place of a lower one (quantity 0: a bust). Nothing is refused as a
duplicate: orders with one reference are two orders, as at IB.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import Context
from dataclasses import dataclass
from numbers import Integral
from typing import NamedTuple

from sim.fuzz.processes import Process
from sim.fuzz.world import World

ORDER_FAULTS = ("slow", "unsent", "reject", "partial", "refill", "correct", "bust", "late", "lost")
REPORT_FAULTS = ("dup", "reorder", "late")
ASK_FAULTS = ("slow", "late")


class Rejected(Exception):
    """The broker did not take the order."""


class Fill(NamedTuple):
    """An execution, or a correction of one."""

    exec_id: str
    order: int
    symbol: str
    side: int
    qty: int
    price: int
    ref: str

    @property
    def base(self) -> str:
        """Return the id without its revision."""
        return self.exec_id.rpartition(".")[0]


@dataclass
class Order:
    """An order at the broker."""

    number: int
    symbol: str
    side: int
    qty: int
    ref: str
    status: str = "working"
    filled: int = 0


def _require_order(symbol: object, qty: object, side: object) -> None:
    """Refuse what no broker could take for an order, where it is called and not where it would arrive."""
    if not isinstance(symbol, str) or not symbol:
        raise TypeError(f"place({symbol!r}, ...): a symbol is a text such as 'AAPL'")
    if not isinstance(qty, Integral) or isinstance(qty, bool) or qty <= 0:
        raise ValueError(f"place({symbol!r}, {qty!r}): a quantity is a whole number above 0; side=-1 sells")
    if side not in (1, -1):
        raise ValueError(f"place({symbol!r}, {qty!r}, side={side!r}): side is 1 (buy) or -1 (sell)")


class Broker:
    """One account at a broker.

    Attributes:
        orders: every order that arrived, rejected ones too. fills: the current revision of every execution, by base id.
        cash: what is left. held: the position of each symbol.
        executed: shares of each symbol that ever changed hands, first revisions only.
    """

    def __init__(self, world: World, cash: int = 1_000_000, price: int = 100) -> None:
        self.world, self.cash, self.price = world, cash, price
        self.orders: list[Order] = []
        self.fills: dict[str, Fill] = {}
        self.held: dict[str, int] = {}
        self.executed: dict[str, int] = {}
        self.rest_s = 0.0
        """Virtual seconds that an order works before the market may fill it."""
        self._listeners: dict[Process, Callable[[Fill], None]] = {}

    # What a handler calls.

    async def place(self, symbol: str, qty: int, side: int = 1, ref: str = "") -> int:
        """Send a market order; return its number when the broker acknowledges it.

        Raises:
            Rejected: the broker says no. ValueError, TypeError: this is no order.
        """
        _require_order(symbol, qty, side)
        sender = self.world.here()

        def arrive(fault: str = "") -> int:
            return self._accept(symbol, side, qty, ref, sender, fault)

        number: int = await self.world.io(f"order {symbol}", arrive, faults=ORDER_FAULTS, resource=f"broker.{symbol}", survives=True)
        return number

    async def cancel(self, number: int) -> bool:
        """Ask to cancel; say whether the order still worked."""

        def arrive() -> bool:
            if not 0 <= number < len(self.orders):
                raise Rejected(f"there is no order {number} to cancel")
            order = self.orders[number]
            worked = order.status == "working"
            order.status = "canceled" if worked else order.status
            return worked

        done: bool = await self.world.io(f"cancel {number}", arrive, faults=ASK_FAULTS, resource="broker", survives=True)
        return done

    async def positions(self) -> dict[str, int]:
        """Return what the account holds, by symbol; flat symbols are left out."""
        found: dict[str, int] = await self.world.io("positions", lambda: {s: q for s, q in self.held.items() if q}, faults=ASK_FAULTS)
        return found

    async def open_orders(self) -> list[Order]:
        """Return copies of the orders that still work."""
        found: list[Order] = await self.world.io(
            "open orders", lambda: [Order(**vars(order)) for order in self.orders if order.status == "working"], faults=ASK_FAULTS
        )
        return found

    async def all_orders(self) -> list[Order]:
        """Return copies of every order that arrived."""
        found: list[Order] = await self.world.io("orders", lambda: [Order(**vars(order)) for order in self.orders], faults=ASK_FAULTS)
        return found

    async def executions(self) -> list[Fill]:
        """Return the current revision of every execution."""
        found: list[Fill] = await self.world.io("executions", lambda: list(self.fills.values()), faults=ASK_FAULTS)
        return found

    async def cash_left(self) -> int:
        """Return the account's cash."""
        found: int = await self.world.io("cash", lambda: self.cash, faults=ASK_FAULTS)
        return found

    def on_fill(self, callback: Callable[[Fill], None]) -> None:
        """Have every execution of the running process's orders reported to it."""
        self._listeners[self.world.here()] = callback

    # What happens at the broker.

    def _accept(self, symbol: str, side: int, qty: int, ref: str, sender: Process, fault: str) -> int:
        order = Order(len(self.orders), symbol, side, qty, ref)
        self.orders.append(order)
        if fault == "reject":
            order.status = "rejected"
            raise Rejected(f"order {order.number} of {symbol} was rejected by the broker")
        if self.rest_s:
            self.world.loop.call_later(self.rest_s, lambda: self._meet(order, sender, fault), context=Context())
        else:
            self._meet(order, sender, fault)
        return order.number

    def _meet(self, order: Order, sender: Process, fault: str) -> None:
        """Let the market fill an order from now on."""
        label, touched = f"fill {order.symbol}", f"broker.{order.symbol}"
        self.world.post(f"m{order.number}", label, lambda: self._fill(order, sender, fault), resource=touched)

    def _fill(self, order: Order, sender: Process, fault: str) -> None:
        """Execute an order, or half of it first."""
        if order.status != "working":
            return
        left = order.qty - order.filled
        qty = left // 2 if fault == "partial" and left > 1 else left
        count = sum(fill.order == order.number for fill in self.fills.values())
        fill = Fill(f"E{order.number}-{count}.01", order.number, order.symbol, order.side, qty, self.price, order.ref)
        order.filled += qty
        order.status = "filled" if order.filled == order.qty else order.status
        self._execute(fill, sender)
        lane = f"m{order.number}"
        if order.status == "working":
            self.world.post(lane, f"fill {order.symbol}", lambda: self._fill(order, sender, ""), resource=f"broker.{order.symbol}")
        if fault == "refill":
            self._report(fill, sender)
        elif fault in ("correct", "bust"):
            changed = fill._replace(exec_id=f"{fill.base}.02", price=fill.price + 1, qty=0 if fault == "bust" else qty)
            self.world.post(lane, f"{fault} {order.symbol}", lambda: self._execute(changed, sender), resource=f"broker.{order.symbol}")

    def _execute(self, fill: Fill, sender: Process) -> None:
        """Book an execution at the broker, in the place of its earlier revision, and report it."""
        before = self.fills.get(fill.base)
        if before is not None:
            self.held[fill.symbol] -= before.side * before.qty
            self.cash += before.side * before.qty * before.price
        else:
            self.executed[fill.symbol] = self.executed.get(fill.symbol, 0) + fill.qty
        self.fills[fill.base] = fill
        self.held[fill.symbol] = self.held.get(fill.symbol, 0) + fill.side * fill.qty
        self.cash -= fill.side * fill.qty * fill.price
        self._report(fill, sender)

    def _report(self, fill: Fill, sender: Process) -> None:
        listener = self._listeners.get(sender)
        if sender.alive and listener is not None:
            label, touched = f"report {fill.exec_id}", f"broker.{fill.symbol}"
            self.world.post(f"r{sender.letter}", label, lambda: listener(fill), to=sender, faults=REPORT_FAULTS, resource=touched)

    # What invariants ask.

    def exposure(self, symbol: str) -> int:
        """Return what the account holds or will hold when its working orders fill."""
        held = self.held.get(symbol, 0)
        for order in self.orders:
            if order.symbol == symbol and order.status == "working":
                held += order.side * (order.qty - order.filled)
        return held
