"""What a fill is: an execution, its commission, and what it does to other orders.

Theory of operation. `fill` books an execution with the account, tells the client in the order in
which a real gateway does (execution, open order, status, open order with commission,
commission), then frees what the order held, starts its children when it is complete, and
cancels or reduces the orders of its one-cancels-all group. An order can be filled in
slices over time; the plan for that is kept here, and stopping the order forgets it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim.costs import Charged
from sim.gateway.core.config import SECOND_NS
from sim.gateway.desk import words
from sim.gateway.desk.amounts import money_text, text
from sim.gateway.desk.hours import local_day, midnight_ns
from sim.gateway.desk.orders import CANCELLED, FILLED, PENDING, WORKING, Order
from sim.gateway.desk.words import Execution

if TYPE_CHECKING:
    from sim.gateway.desk.desk import Desk
    from sim.gateway.desk.trading import Trader

CANCEL_ALL, REDUCE_BLOCK, REDUCE = 1, 2, 3


class Filler:
    """Books fills of one desk and what follows from them."""

    def __init__(self, desk: Desk, trader: Trader) -> None:
        self.desk, self.trader = desk, trader
        self.executions: list[Execution] = []
        self.fresh: set[int] = set()
        """Places of executions that are new or corrected since they were last stored."""
        self._before_today = 0
        self.slicing: dict[Order, list[int]] = {}
        self.gap_ns = SECOND_NS
        self.parts = self._whole
        self.told = self._nobody

    @staticmethod
    def _whole(order: Order, lots: int) -> list[int]:
        """Return the parts in which an order is filled; faults put another function here."""
        return [lots]

    @staticmethod
    def _nobody(execution: Execution) -> None:
        """Hear of a new execution; the gateway puts its subscribers here."""

    def today(self) -> list[Execution]:
        """Return the executions of this local day, as they came; those of the days before are not looked at again."""
        day = local_day(self.desk.schedule.now_ns, words.ZONE)
        begins_ns, ends_ns = midnight_ns(words.ZONE, day), midnight_ns(words.ZONE, day + 1)
        found = self.executions[self._before_today :]
        for done in found:
            if done.time_ns >= begins_ns:
                break
            self._before_today += 1
        return [done for done in found if begins_ns <= done.time_ns < ends_ns]

    def fill(self, order: Order, lots: int, price: int) -> None:
        """Fill an order, at once or in slices."""
        if lots <= 0 or order.done:
            return
        first, *rest = self.parts(order, lots) if order not in self.slicing else [lots]
        if rest:
            self.slicing[order] = rest
            self._next_slice(order)
        self._one(order, first, price)

    def _next_slice(self, order: Order) -> None:
        desk = self.desk
        self.trader._later(order, desk.schedule.now_ns + self.gap_ns, lambda: self._slice(order))

    def _slice(self, order: Order) -> None:
        rest = self.slicing.get(order)
        if not rest or order.done:
            return
        lots = rest.pop(0)
        if rest:
            self._next_slice(order)
        else:
            del self.slicing[order]
        price = order.last
        self._one(order, min(lots, order.left), price)

    def _one(self, order: Order, lots: int, price: int) -> None:
        """Book one execution and tell it."""
        execution = self.book(order, lots, price)
        order.status = FILLED if order.left == 0 else WORKING
        version_free = words.open_order(order)
        tell, client = self.desk.tell, order.client_id
        tell(client, "execDetails", {"execution": execution, "reqId": -1})
        tell(client, "openOrder", version_free)
        tell(client, "orderStatus", words.status(order))
        spent = {"commission": money_text(order.commission_e8), "commissionCurrency": order.contract.currency}
        tell(client, "openOrder", words.open_order(order, **spent))
        tell(client, "commissionReport", words.commission(execution))
        self.told(execution)
        self._after(order, lots)

    def book(self, order: Order, lots: int, price: int) -> Execution:
        """Book a fill with the account and with the order; nobody is told."""
        desk = self.desk
        account, contract = desk.account, order.contract
        fee = account.next_fee(contract, order.charged, order.side, lots, price)
        number = len(self.executions) + 1
        exec_id = f"{desk.config.seed & 0xFFFFFFFF:08x}.{0x67000000 + number:08x}.01"
        time_ns = self.trader.filled_ns(order)
        filled = account.trade(contract, order.side, lots, price, time_ns, exec_id, fee)
        charged = order.charged
        order.charged = Charged(
            charged.qty_lots + lots, charged.value_e8 + account.notional(contract, lots, price), charged.fee_e8 + fee
        )
        order.commission_e8 += fee
        order.filled += lots
        order.value += lots * price
        order.last = price
        execution = Execution(
            exec_id, 1, order.perm_id, order.order_id, order.client_id, contract, order.side, lots, price, time_ns,
            order.filled, order.value, order.ref(), fee, filled.realized_e8,
        )  # fmt: skip
        self.keep(execution)
        desk.dirty.add(order)
        return execution

    def keep(self, execution: Execution) -> None:
        """Add an execution to the list."""
        self.fresh.add(len(self.executions))
        self.executions.append(execution)

    def current(self, exec_id: str) -> int:
        """Return the place of an execution under its present revision, -1 when there is none; the newest are looked at first."""
        for place in range(len(self.executions) - 1, -1, -1):
            if self.executions[place].exec_id == exec_id:
                return place
        return -1

    def _after(self, order: Order, lots: int) -> None:
        """Free what is held, start children, settle the group."""
        desk = self.desk
        if order.left == 0:
            order.done_ns = desk.schedule.now_ns
            self.trader.stop(order)
            desk.free(order)
            for child in list(order.children):
                if not child.done and child.transmitted:
                    child.status = PENDING
                    self.trader.start(child)
        elif order.reserved_e8:
            share = order.reserved_e8 * lots // (lots + order.left)
            order.reserved_e8 -= share
            desk.margins.reserved_e8 -= share
        self._settle(order, lots)

    def _settle(self, order: Order, lots: int) -> None:
        """Cancel or reduce the siblings of an order that traded."""
        group = order.fields.get("ocaGroup")
        siblings = list(self.desk.groups.get(group, ())) if group else []
        kind = order.fields.get("ocaType") or REDUCE
        if order.parent is not None and not group:
            siblings, kind = list(order.parent.children), REDUCE
        before = lots + order.left
        for other in siblings:
            if other is order or other.done or (other.contract.con_id != order.contract.con_id and kind != CANCEL_ALL and order.left):
                continue
            if kind == CANCEL_ALL or order.left == 0:
                self.desk.end(other, CANCELLED, told="Order Canceled - reason:OCA group")
            else:
                self._reduce(other, lots, before)

    def _reduce(self, order: Order, lots: int, before: int) -> None:
        """Reduce a sibling in proportion."""
        step = order.contract.qty_step
        taken = order.left * lots // before // step * step
        if taken >= order.left:
            self.desk.end(order, CANCELLED, told="Order Canceled - reason:OCA group")
        elif taken:
            order.resized(order.lots - taken)
            self.desk.say(order)

    def correct(self, execution: Execution, lots: int, price: int) -> Execution:
        """Replace an execution by a higher revision, in the book and in what clients are told."""
        desk = self.desk
        desk.account.fill(
            execution.contract, execution.side, lots, price, execution.time_ns, execution.exec_id, execution.revision + 1
        )
        desk.account.recount(execution.contract)
        fresh = execution._replace(
            revision=execution.revision + 1, lots=lots, price=price, cum_lots=execution.cum_lots - execution.lots + lots,
            cum_value=execution.cum_value - execution.lots * execution.price + lots * price,
        )  # fmt: skip
        place = self.current(execution.exec_id)
        self.executions[place] = fresh
        self.fresh.add(place)
        order = desk.by_perm.get(execution.perm_id)
        if order is not None:
            order.filled += lots - execution.lots
            order.value += lots * price - execution.lots * execution.price
            desk.dirty.add(order)
        return fresh


__all__ = ["Filler", "text"]
