"""A broker as IB is one, small: orders by reference, executions with revisions, lists that can be asked for, facts that get lost.

Theory of operation. Everything between a runner and the broker is an event of the fuzzer's world: a request is
under way in the lane `net`, facts and answers come back in the lane `facts` of the connection, in the
order in which the broker said them unless a fault bends that. The broker's truth is in
`orders` and `executions`; what it does with an order (fill, fill in parts, reject, cancel, never tell)
is drawn, 0 being the friendly way. Requests on the wire outlive their process; a connection does not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextvars import Context
from decimal import Decimal
from typing import Any, NamedTuple

from live.broker.facts import CommissionSeen, ExecutionSeen, Fact, MessageSeen, OrderSeen, PositionSeen, StatusSeen
from live.broker.reconcile import Snapshot
from sim.fuzz import World
from tests.live.fakes import AAPL, ACCOUNT, CLIENT, MSFT

CONTRACTS = {"AAPL": AAPL, "MSFT": MSFT}
NOBODY = 0
"""The client id of orders that people make by hand."""
PRICE = Decimal(230)
TO_BROKER = ("late",)
"""A connection loses no request but by breaking."""
TO_RUNNER = ("lost", "late", "dup", "reorder")
LISTS = ("lost", "late")
WAYS = ("fill", "fill", "parts", "part and cancel", "reject", "cancel", "silent fill", "correct", "bust")
"""What may become of an order; the first is friendly."""


class Order:
    """One order at the broker."""

    def __init__(self, ticket: Any, perm: int) -> None:
        self.ticket, self.perm, self.status, self.filled = ticket, perm, "Submitted", Decimal(0)
        self.asked_to_cancel = False

    @property
    def works(self) -> bool:
        return self.status == "Submitted"

    def fact(self, time_ns: int, completed: bool = False) -> OrderSeen:
        t = self.ticket
        con_id = CONTRACTS[t.symbol].con_id
        client, number = (-1, 0) if completed else (t.client, t.order_id)
        return OrderSeen(
            time_ns, t.order_ref, number, client, self.perm, ACCOUNT, con_id, t.symbol, t.action, t.quantity, t.order_type, self.status,
            self.filled, completed,
        )  # fmt: skip


class Sent:
    """A ticket as the broker got it."""

    client = CLIENT

    def __init__(self, ticket: Any, contract: str) -> None:
        self.order_id, self.order_ref, self.action = ticket.order_id, ticket.order_ref, ticket.action
        self.quantity, self.order_type, self.symbol = ticket.quantity, ticket.order_type, contract


class ByHand(NamedTuple):
    """An order that a person typed in: it has no reference, and no program is told of it."""

    symbol: str
    action: str
    quantity: Decimal
    client: int = NOBODY
    order_id: int = 0
    order_ref: str = ""
    order_type: str = "MKT"


class Connection:
    """One runner's connection: what `live.trader.Wire` asks for, and the broker's lists."""

    def __init__(self, broker: Broker, process: Any, tell: Callable[[Fact], None], closed: Callable[[int], None]) -> None:
        self.broker, self.process, self.tell, self.closed_told = broker, process, tell, closed
        self.open, self.broke, self.number = True, False, len(broker.connections)
        self.waiting: list[Sent] = []
        """Orders on the wire."""
        self._net, self._facts, self._queue = f"net.{self.number}", f"facts.{self.number}", f"queue.{process.letter}"
        self._next = self.first = broker.next_order_id
        """What the gateway says at the start is all it says: later looks carry the same number."""

    def reserve_order_id(self) -> int:
        self._next += 1
        return self._next - 1

    def _request(self, label: str, act: Callable[[], None]) -> None:
        if not self.open:
            raise ConnectionError("the socket is closed")
        self.broker.coming += 1

        def arrive() -> None:
            self.broker.coming -= 1
            if not self.broke:
                act()

        self.broker.world.post(self._net, label, arrive, faults=TO_BROKER, resource="broker")

    def place(self, ticket: Any, contract: str) -> None:
        sent = Sent(ticket, contract)
        self.broker.watch(self, sent)

        def arrives() -> None:
            self.waiting.remove(sent)
            self.broker.on_order(sent)

        self._request("order", arrives)
        self.waiting.append(sent)
        if not self.broker.broke_under_an_order and self.broker.world.draw("line breaks under an order", 6) == 5:
            self.broker.broke_under_an_order = True
            self.broker.cut(self)

    def cancel(self, order_id: int) -> None:
        self._request("cancel", lambda: self.broker.on_cancel(order_id))

    def say(self, label: str, fact: Fact) -> None:
        """Let a fact be under way to the runner."""
        if self.open:
            self.broker.world.post(self._facts, label, lambda: self.tell(fact), to=self.process, faults=TO_RUNNER, resource=self._queue)

    async def ask(self, label: str, answer: Callable[[], Any]) -> Any:
        """Ask for a list; None when no answer came in time."""
        loop = self.broker.world.loop
        future = loop.create_future()

        def come(found: Any) -> None:
            if not future.done():
                future.set_result(found)

        def reply() -> None:
            found = answer()
            if self.open:
                self.broker.world.post(self._facts, label, lambda: come(found), to=self.process, faults=LISTS, resource=self._queue)

        try:
            self._request(f"ask {label}", reply)
        except ConnectionError:
            return None
        patience = loop.call_later(20.0, come, None)
        try:
            return await future
        finally:
            patience.cancel()

    async def snapshot(self) -> Snapshot:
        """Return every list, as the adapter asks for them one after the other; positions are told as they change."""
        broker = self.broker
        own = await self.ask("open orders", broker.open_orders)
        executions = await self.ask("executions", broker.execution_list)
        completed = await self.ask("completed orders", lambda: (broker.completed(), broker.positions()))
        done, held = completed if completed else (None, None)
        return Snapshot(broker.world.now_ns(), self.first, held, own, own, executions, done)


class Broker:
    """The broker's truth."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.coming = 0
        """What is on its way to the broker, or will happen there without anybody's asking."""
        self.orders: list[Order] = []
        self.changes = 0
        """How often an order came or was closed."""
        self.by_ref: Counter[str] = Counter()
        self.executions: dict[str, tuple[int, ExecutionSeen]] = {}
        """By id without its revision: the latest one."""
        self.came: Counter[str] = Counter()
        """Shares that came, or went, without an execution."""
        self.connections: list[Connection] = []
        self.next_order_id, self.doubled = 1, ""
        self.broke_under_an_order = False
        self.watch: Callable[[Connection, Sent], None] = lambda connection, sent: None
        """Sees every order as it leaves a runner."""
        self._perm = 100

    # Connections.

    def connect(self, process: Any, tell: Callable[[Fact], None], closed: Callable[[int], None]) -> Connection:
        """Let a runner in; the client id it uses throws out who used it before."""
        for old in self.connections:
            self.cut(old)
            old.broke = True  # the gateway has read what came before it lets the same client in again
            self._read_late(old)
        self.connections.append(Connection(self, process, tell, closed))
        return self.connections[-1]

    def _read_late(self, old: Connection) -> None:
        """Take orders that were on the wire of a closed connection: read, so that their ids are gone, and worked off a while later."""
        waiting, old.waiting = old.waiting, []
        for sent in waiting:
            if self.world.draw("read from the closed line", 2) == 0:
                return  # and nothing that was written after it
            self.next_order_id = max(self.next_order_id, sent.order_id + 1)
            self.coming += 1
            delay = (0.0, 40.0, 40.0)[self.world.draw("worked off after", 3)]
            self.world.loop.call_later(delay, lambda sent=sent: self._happen(lambda: self.on_order(sent)), context=Context())

    def cut(self, connection: Connection) -> None:
        """Close a connection, with or without what is on its way to the broker; the runner hears of it if it lives."""
        if connection.open:
            connection.open, connection.broke = False, self.world.draw("lost with the line", 2) == 1
            self.world.post(connection._facts, "closed", lambda: connection.closed_told(connection.number), to=connection.process, resource="broker")

    def cut_last(self) -> None:
        """Close the connection that is open, if there is one."""
        if self.connections:
            self.cut(self.connections[-1])

    def _say(self, label: str, fact: Fact) -> None:
        if self.connections:
            self.connections[-1].say(label, fact)

    # Requests.

    def on_order(self, sent: Sent) -> None:
        """Take an order, as often as it comes: nothing here protects a runner from sending twice."""
        self.by_ref[sent.order_ref] += 1
        if self.by_ref[sent.order_ref] > 1:
            self.doubled = sent.order_ref
        self.next_order_id = max(self.next_order_id, sent.order_id + 1)
        self._perm += 1
        order = Order(sent, self._perm)
        self.orders.append(order)
        self.changes += 1
        way = WAYS[self.world.draw("order", len(WAYS))]
        if way == "reject":
            order.status = "Inactive"
            self._say("error", MessageSeen(self.world.now_ns(), sent.order_id, 201, "Order rejected - reason: margin"))
            self._say("order", order.fact(self.world.now_ns()))
            order.status = "Cancelled"
            return
        if way != "silent fill":
            self._say("order", order.fact(self.world.now_ns()))
        self._plan(order, way)

    def _plan(self, order: Order, way: str) -> None:
        whole, half = order.ticket.quantity, order.ticket.quantity // 2
        steps: list[tuple[str, Callable[[], None]]] = [("fill", lambda: self.fill(order, whole))]
        if way == "parts":
            steps = [("fill", lambda: self.fill(order, half)), ("fill", lambda: self.fill(order, whole - half))]
        elif way == "part and cancel":
            steps = [("fill", lambda: self.fill(order, half)), ("cancel", lambda: self.end(order))]
        elif way == "cancel":
            steps = [("cancel", lambda: self.end(order))]
        elif way in ("correct", "bust"):
            steps.append((way, lambda: self.correct(order, bust=way == "bust")))
        for label, act in steps:
            self.happens(f"venue.{order.perm}", label, act)

    def _happen(self, act: Callable[[], Any]) -> None:
        self.coming -= 1
        act()

    def on_cancel(self, order_id: int) -> None:
        """Cancel an order that works."""
        for order in self.orders:
            if order.ticket.order_id == order_id:
                self.end(order)

    # What happens to orders.

    def fill(self, order: Order, shares: Decimal) -> None:
        """Execute a part of an order."""
        if not order.works or shares <= 0:
            return
        fact = self._execute(order, shares)
        self._say("execution", fact)
        self._say("commission", CommissionSeen(self.world.now_ns(), fact.exec_id, Decimal(1), "USD"))
        self._say("status", StatusSeen(self.world.now_ns(), order.ticket.order_id, CLIENT, order.perm, order.status, order.filled))

    def _execute(self, order: Order, shares: Decimal) -> ExecutionSeen:
        order.filled += shares
        base, t = f"0000e.{order.perm}.{len(self.executions) + 1}", order.ticket
        contract = CONTRACTS[t.symbol]
        fact = ExecutionSeen(
            self.world.now_ns(), f"{base}.01", t.order_ref, t.order_id, t.client, order.perm, ACCOUNT, contract.con_id, contract.symbol,
            "BOT" if t.action == "BUY" else "SLD", shares, PRICE, order.filled,
        )  # fmt: skip
        self.executions[base] = 1, fact
        if order.filled >= t.quantity:
            order.status = "Filled"
            self.changes += 1
        return fact

    # What people do.

    def order_by_hand(self, ticket: ByHand) -> None:
        """Take an order that a person typed in, and execute it a while later; the lists alone say so."""
        self._perm += 1
        order = Order(ticket, self._perm)
        self.orders.append(order)
        self.happens(f"venue.{order.perm}", "fill by hand", lambda: self._execute(order, ticket.quantity))

    def happens(self, lane: str, label: str, act: Callable[[], Any]) -> None:
        """Let something happen at the broker without anybody's asking."""
        self.coming += 1
        self.world.post(lane, label, lambda: self._happen(act), resource="broker")

    def correct(self, order: Order, bust: bool) -> None:
        """Correct the price of an order's last execution, or take it back."""
        mine = [base for base, (_, fact) in self.executions.items() if fact.perm_id == order.perm]
        if mine:
            revision, fact = self.executions[mine[-1]]
            changed = {"shares": Decimal(0)} if bust else {"price": fact.price - 1}
            fact = fact._replace(exec_id=f"{mine[-1]}.{revision + 1:02}", **changed)
            self.executions[mine[-1]] = revision + 1, fact
            self._say("correction", fact)

    def end(self, order: Order) -> None:
        """Close an order that works."""
        if order.works:
            order.status = "Cancelled"
            self.changes += 1
            self._say("status", StatusSeen(self.world.now_ns(), order.ticket.order_id, CLIENT, order.perm, "Cancelled", order.filled))

    # Lists.

    def open_orders(self) -> tuple[OrderSeen, ...]:
        """Return the orders that work."""
        return tuple(order.fact(self.world.now_ns()) for order in self.orders if order.works)

    def completed(self) -> tuple[OrderSeen, ...]:
        """Return the orders that are closed."""
        return tuple(order.fact(self.world.now_ns(), completed=True) for order in self.orders if not order.works)

    def execution_list(self) -> tuple[ExecutionSeen, ...]:
        """Return every execution in its latest revision."""
        return tuple(fact for _, fact in self.executions.values())

    def traded(self, symbol: str) -> int:
        """Return the shares that all executions together leave."""
        return sum(int(fact.shares) * (1 if fact.side == "BOT" else -1) for _, fact in self.executions.values() if fact.symbol == symbol)

    def meddled_with(self, symbol: str) -> bool:
        """Say whether a person changed what is held; what went and came back is no change."""
        by_hand = any(fact.client_id == NOBODY and fact.symbol == symbol for _, fact in self.executions.values())
        return by_hand or self.came[symbol] != 0

    def held(self, symbol: str) -> int:
        """Return the shares held: what was traded, and what came without a trade."""
        return self.traded(symbol) + self.came[symbol]

    def positions(self) -> tuple[PositionSeen, ...]:
        """Return what is held."""
        now = self.world.now_ns()
        return tuple(
            PositionSeen(now, ACCOUNT, c.con_id, c.symbol, Decimal(self.held(c.symbol)), PRICE) for c in CONTRACTS.values()
        )
