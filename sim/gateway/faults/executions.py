"""Faults of fills: in parts, in fractions, corrected, by others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim.gateway.core.config import SECOND_NS
from sim.gateway.desk import words
from sim.gateway.desk.amounts import LOT
from sim.gateway.desk.orders import INACTIVE, Order
from sim.gateway.desk.words import Execution
from sim.gateway.faults.messages import order_of
from sim.gateway.faults.rules import Item, Rule, fault

if TYPE_CHECKING:
    from sim.gateway.core.session import Session

FOREIGN_CLIENT = 0


@fault("partial-fills", "parts", parts=3, seconds=1.0)
def partial_fills(rule: Rule, order: Order, lots: int) -> list[int]:
    """An order is filled in `parts` parts, `seconds` apart."""
    rule.gateway.desk.trader.filler.gap_ns = max(1, rule.ns("seconds"))
    step = order.contract.qty_step
    units, count = lots // step, max(1, min(rule["parts"], lots // step))
    share, rest = divmod(units, count)
    return [(share + (place < rest)) * step for place in range(count)]


@fault("fractional-fills", "parts", seconds=1.0)
def fractional_fills(rule: Rule, order: Order, lots: int) -> list[int]:
    """A fill of whole shares comes as two of fractions."""
    rule.gateway.desk.trader.filler.gap_ns = max(1, rule.ns("seconds"))
    first = lots // 3 // 1000 * 1000 + LOT // 10
    return [first, lots - first] if 0 < first < lots else [lots]


@fault("rejected-after-partial", "parts", seconds=1.0)
def rejected_after_partial(rule: Rule, order: Order, lots: int) -> list[int]:
    """Half of an order is filled, then it is rejected with 201 and Inactive."""
    gateway, step = rule.gateway, order.contract.qty_step
    half = max(step, lots // 2 // step * step)
    gateway.schedule.after(
        max(1, rule.ns("seconds")), lambda: gateway.desk.end(order, INACTIVE, "Order rejected - reason:The rest was refused.", 201)
    )
    gateway.desk.trader.filler.gap_ns = 10**15
    return [half, lots - half] if half < lots else [lots]


def _correct(rule: Rule, session: Session, items: list[Item], lots_change: int, steps: int) -> list[Item]:
    """Arrange a correction for every new execution of the orders that the rule picks."""
    for item in items:
        if item[1] == "execDetails" and rule.picks(order_of(session, item)) and item[2]["execution"].revision == 1:
            done: Execution = item[2]["execution"]
            rule.gateway.schedule.after(rule.ns("seconds"), lambda done=done: _corrected(rule, done, lots_change, steps))  # type: ignore[misc]
    return items


def _corrected(rule: Rule, done: Execution, lots_change: int, steps: int) -> None:
    gateway = rule.gateway
    filler = gateway.desk.trader.filler
    place = filler.current(done.exec_id)
    if place < 0:
        return
    current = filler.executions[place]
    lots = max(current.contract.qty_step, current.lots + lots_change)
    fresh = filler.correct(current, lots, max(current.contract.step, current.price + steps * current.contract.step))
    gateway.tell(fresh.client_id, "execDetails", {"execution": fresh, "reqId": -1})
    gateway.tell(fresh.client_id, "commissionReport", words.commission(fresh))


@fault("corrected-price", "batch", seconds=5.0, steps=1)
def corrected_price(rule: Rule, session: Session, items: list[Item]) -> list[Item]:
    """`seconds` after a fill its execution is corrected (.01 becomes .02): the price moves by `steps` price steps."""
    return _correct(rule, session, items, 0, rule["steps"])


@fault("corrected-quantity", "batch", seconds=5.0, shares=-1)
def corrected_quantity(rule: Rule, session: Session, items: list[Item]) -> list[Item]:
    """`seconds` after a fill its execution is corrected (.01 becomes .02): the quantity changes by `shares`."""
    return _correct(rule, session, items, rule["shares"] * LOT, 0)


@fault("foreign-order", "start", symbol="AAPL", quantity=10, side="BUY")
def foreign_order(rule: Rule) -> None:
    """At `after` another client of the account buys or sells; every client sees it in the lists, the position changes."""
    rule.gateway.schedule.after(int(rule.when.after * SECOND_NS), lambda: _foreign(rule))


def _foreign(rule: Rule) -> None:
    gateway = rule.gateway
    from decimal import Decimal

    order_id = gateway.next_id(FOREIGN_CLIENT)
    gateway.next_ids[FOREIGN_CLIENT] = order_id + 1
    gateway.desk.place(
        FOREIGN_CLIENT,
        {
            "orderId": order_id, "conId": 0, "symbol": rule["symbol"], "secType": "STK", "currency": gateway.config.currency,
            "exchange": "SMART", "action": rule["side"], "totalQuantity": Decimal(rule["quantity"]), "orderType": "MKT",
            "transmit": True, "orderRef": "", "tif": "DAY",
        },
    )  # fmt: skip
