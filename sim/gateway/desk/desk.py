"""The desk: takes orders, changes them, lets them go.

Theory of operation. An order is named by (client id, order id); its permId never changes. The desk
answers through `tell`, in the order in which a real gateway speaks. It decides what a
request means; `trading.Trader` decides when an order trades, and `account` books it. An
order that was not transmitted, or whose parent is not filled, waits untold. Every
change of an order goes through `_say` or through the trader, which mark it for storage.
"""

from __future__ import annotations

from collections.abc import Callable

from sim.gateway.barwise import BarTrader
from sim.gateway.core.config import Config
from sim.gateway.core.schedule import Schedule
from sim.gateway.desk import checks, words
from sim.gateway.desk.account import Account
from sim.gateway.desk.contracts import Catalogue, Contract
from sim.gateway.desk.margin import Margins
from sim.gateway.desk.orders import CANCELLED, DONE, FILLED, INACTIVE, PENDING, Order
from sim.gateway.desk.trading import Trader
from sim.gateway.desk.words import Values
from sim.gateway.feed.market import Market

Tell = Callable[[int, str, Values], None]
FIRST_PERM_ID = 1_400_000_000


class Desk:
    """Orders of one account."""

    def __init__(self, config: Config, catalogue: Catalogue, market: Market, schedule: Schedule, tell: Tell) -> None:
        self.config, self.catalogue, self.market, self.schedule, self.tell = config, catalogue, market, schedule, tell
        self.account = Account(config)
        self.margins = Margins(config, self.account, market, schedule)
        self.orders: dict[tuple[int, int], Order] = {}
        self.by_perm: dict[int, Order] = {}
        self._open: dict[int, Order] = {}
        self._ended: dict[int, Order] = {}
        """Those of `by_perm` that were open, and those that have ended, when last asked for; an account of years has many others."""
        self.next_perm = FIRST_PERM_ID
        self.dirty: set[Order] = set()
        self.groups: dict[str, list[Order]] = {}
        self.trader = BarTrader(self) if config.fill_bar_s else Trader(self)

    # What clients ask for

    def place(self, client_id: int, fields: Values) -> None:
        """Place a new order, change an open one, or say why not."""
        order_id = fields["orderId"] or 0
        if self.config.read_only:
            self._refuse(client_id, order_id, checks.Refusal(321, "Error validating request: the API interface is in Read-Only mode."))
            return
        known = self.orders.get((client_id, order_id))
        if known is not None and known.done:
            self._refuse(client_id, order_id, checks.Refusal(103, "Duplicate order id"))
            return
        contract = self._contract(fields)
        if contract is None:
            self._refuse(client_id, order_id, checks.Refusal(200, "No security definition has been found for the request"))
            return
        numbers = checks.read(fields, contract, self.config.account)
        if isinstance(numbers, checks.Refusal):
            self._refuse(client_id, order_id, numbers)
        elif fields.get("whatIf"):
            self._what_if(client_id, order_id, fields, contract, numbers)
        elif known is not None:
            self._modify(known, fields, numbers)
        else:
            self._new(client_id, order_id, fields, contract, numbers)

    def cancel(self, client_id: int, order_id: int) -> None:
        """Cancel an order, or say why that cannot be."""
        order = self.orders.get((client_id, order_id))
        if order is None:
            self._error(client_id, order_id, 10147, f"OrderId {order_id} that needs to be cancelled is not found.")
        elif order.done:
            self._error(
                client_id, order_id, 10148,
                f"OrderId {order_id} that needs to be cancelled cannot be cancelled, state: {order.status}.",
            )  # fmt: skip
        else:
            self.end(order, CANCELLED, told="Order Canceled - reason:")

    def cancel_all(self) -> None:
        """Cancel every open order of every client."""
        for order in self._sweep():
            self.end(order, CANCELLED, told="Order Canceled - reason:")

    def open_orders(self, client_id: int | None = None) -> list[Order]:
        """Return open orders in the order in which they came, of one client or of all."""
        return [o for o in self._sweep() if o.transmitted and client_id in (None, o.client_id)]

    def ended_orders(self, since_ns: int) -> list[Order]:
        """Return the orders that ended at a moment or later, as they came; the moment is never earlier than the one before."""
        self._sweep()
        self._ended = {perm: order for perm, order in sorted(self._ended.items()) if order.done_ns >= since_ns}
        return [order for order in self._ended.values() if order.transmitted]

    def _sweep(self) -> list[Order]:
        """Return the open orders as they came, once the others are put aside."""
        for perm in [perm for perm, order in self._open.items() if order.done]:
            self._ended[perm] = self._open.pop(perm)
        return list(self._open.values())

    # How an order comes in

    def _contract(self, fields: Values) -> Contract | None:
        found = self.catalogue.find(fields)
        return found[0] if len(found) == 1 else None

    def _order(self, client_id: int, order_id: int, fields: Values, contract: Contract, numbers: checks.Read) -> Order:
        order = Order(client_id, order_id, self.next_perm, contract, fields, numbers.side, numbers.lots, numbers.kind)
        self._set(order, numbers)
        return order

    def _set(self, order: Order, numbers: checks.Read) -> None:
        order.limit, order.stop, order.trail, order.trail_bps = numbers.limit, numbers.stop, numbers.trail, numbers.trail_bps
        order.tif, order.due_ns, order.ends_ns, order.lots = numbers.tif, numbers.begins_ns, numbers.ends_ns, numbers.lots
        order.side, order.kind = numbers.side, numbers.kind
        order.build_row(self.config.account)

    def _new(self, client_id: int, order_id: int, fields: Values, contract: Contract, numbers: checks.Read) -> None:
        order = self._order(client_id, order_id, fields, contract, numbers)
        parent = self.orders.get((client_id, fields.get("parentId") or 0))
        if fields.get("parentId") and (parent is None or parent.status in (CANCELLED, INACTIVE)):
            self._refuse(client_id, order_id, checks.Refusal(10006, f"Missing parent order: {fields['parentId']}."))
            return
        reserve = self.margins.reserve(order)
        if parent is None and not self.margins.affords(reserve):
            self._refuse(client_id, order_id, self.margins.refusal(order))
            return
        order.reserved_e8 = reserve if parent is None else 0
        self.margins.reserved_e8 += order.reserved_e8
        self.add(order)
        if parent is not None:
            order.parent = parent
            parent.children.append(order)
        order.transmitted = bool(fields.get("transmit", True))
        if order.transmitted:
            self._transmit(order)

    def draft(self, client_id: int, fields: Values) -> Order | None:
        """Return an order as it was read, entered nowhere; None when it cannot be read."""
        contract = self._contract(fields)
        numbers = checks.read(fields, contract, self.config.account) if contract else None
        if contract is None or not isinstance(numbers, checks.Read):
            return None
        return self._order(client_id, fields["orderId"] or 0, fields, contract, numbers)

    def add(self, order: Order) -> None:
        """Make an order known under its numbers."""
        self.orders[order.client_id, order.order_id] = order
        self.name(order)
        if order.fields.get("ocaGroup"):
            self.groups.setdefault(order.fields["ocaGroup"], []).append(order)

    def name(self, order: Order) -> None:
        """Make an order known under its permId; a name it had before stays one of it."""
        self.next_perm = max(self.next_perm, order.perm_id) + 1
        self.by_perm[order.perm_id] = self._open[order.perm_id] = order
        self.dirty.add(order)

    def _transmit(self, order: Order) -> None:
        """Let an order go, and with it its parent and all that hang on it."""
        top = order
        while top.parent is not None and not top.parent.transmitted:
            top = top.parent
        waiting = [top]
        while waiting:
            each = waiting.pop(0)
            waiting[:0] = [child for child in each.children if not child.transmitted or child is order]
            each.transmitted = True
            if each.status == PENDING:
                self.trader.start(each)

    def _modify(self, order: Order, fields: Values, numbers: checks.Read) -> None:
        if numbers.side != order.side or numbers.lots < order.filled:
            self._refuse(order.client_id, order.order_id, checks.Refusal(201, "Order rejected - reason:This change is not possible."))
            return
        if order.left and numbers.lots == order.filled:
            self.end(order, CANCELLED, told="Order Canceled - reason:")
            return
        probe = self._order(order.client_id, order.order_id, fields, order.contract, numbers)
        probe.filled = order.filled
        if order.parent is None and not self.margins.affords(max(0, self.margins.reserve(probe) - order.reserved_e8)):
            self._refuse(order.client_id, order.order_id, self.margins.refusal(probe))
            return
        fields = {**order.fields, **{key: value for key, value in fields.items() if value not in (None, "")}}
        self.trader.stop(order)
        self.margins.reserved_e8 -= order.reserved_e8
        order.fields = fields
        self._set(order, numbers)
        order.triggered = False
        order.reserved_e8 = self.margins.reserve(order) if order.parent is None else 0
        self.margins.reserved_e8 += order.reserved_e8
        if fields.get("transmit", True) and not order.transmitted:
            self._transmit(order)
        elif order.transmitted:
            self.trader.start(order)

    # How it ends

    def end(self, order: Order, status: str, told: str = "", code: int = 202) -> None:
        """End an open order: out of the market, its reservation freed, its children with it, the client told."""
        if order.done:
            return
        self.trader.stop(order)
        order.status, order.done_ns, order.why_held = status, self.schedule.now_ns, ""
        self.free(order)
        if order.transmitted or status == CANCELLED:
            self.tell(order.client_id, "orderStatus", words.status(order))
        if told:
            self._error(order.client_id, order.order_id, code, told)
        self.dirty.add(order)
        if status != FILLED:
            for child in order.children:
                self.end(child, CANCELLED, told="Order Canceled - reason:")

    def free(self, order: Order) -> None:
        """Give back what an order holds of the buying power."""
        self.margins.reserved_e8 -= order.reserved_e8
        order.reserved_e8 = 0

    # How it is told

    def say(self, order: Order) -> None:
        """Tell the order as it stands."""
        self.tell(order.client_id, "openOrder", words.open_order(order))
        self.tell(order.client_id, "orderStatus", words.status(order))
        self.dirty.add(order)

    def _error(self, client_id: int, order_id: int, code: int, told: str) -> None:
        self.tell(client_id, "error", {"reqId": order_id, "code": code, "text": told})

    def warn(self, order: Order, code: int, told: str) -> None:
        """Send a warning that belongs to an order."""
        self._error(order.client_id, order.order_id, code, told)

    def _refuse(self, client_id: int, order_id: int, refusal: checks.Refusal) -> None:
        self._error(client_id, order_id, refusal.code, refusal.text)

    def _what_if(self, client_id: int, order_id: int, fields: Values, contract: Contract, numbers: checks.Read) -> None:
        """Answer with the margins that an order would need; nothing is kept and no number is used up."""
        order = self._order(client_id, order_id, fields, contract, numbers)
        order.status = "PreSubmitted"
        self.tell(client_id, "openOrder", words.open_order(order, whatIf=True, permId=0, **self.margins.preview(order)))


__all__ = ["DONE", "Desk", "Tell"]
