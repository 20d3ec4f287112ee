"""Faults of placing, changing and cancelling: refusals, warnings, races, lost orders."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim.gateway.desk import words
from sim.gateway.desk.orders import CANCELLED, INACTIVE, PENDING, Order
from sim.gateway.faults.messages import ACKS, order_of
from sim.gateway.faults.rules import Item, Rule, Values, fault

if TYPE_CHECKING:
    from sim.gateway.core.session import Session

REASON = "Order rejected - reason:The simulator was told to refuse it."


def _fits(rule: Rule, session: Session, values: Values) -> bool:
    """Say whether the rule applies to an order that is about to be placed."""
    from fnmatch import fnmatchcase

    ref = values.get("orderRef") or ""
    return (not rule.when.ref or fnmatchcase(ref, rule.when.ref)) and rule.fires(session.client_id)


def _new(session: Session, name: str, values: Values) -> bool:
    """Say whether a request places a new order, and not a what-if."""
    key = (session.client_id, values.get("orderId") or 0)
    return name == "placeOrder" and key not in session.gateway.desk.orders and not values.get("whatIf")


def _dead(rule: Rule, session: Session, values: Values) -> Order | None:
    """Enter an order that goes nowhere; None when it could not have been read anyway."""
    gateway = rule.gateway
    order = gateway.desk.draft(session.client_id, values)
    if order is not None:
        gateway.next_ids[session.client_id] = max(gateway.next_id(session.client_id), order.order_id + 1)
        order.status, order.done_ns = INACTIVE, gateway.schedule.now_ns
        gateway.desk.add(order)
    return order


@fault("rejected-201", "request", inactive="after")
def rejected(rule: Rule, session: Session, name: str, values: Values) -> bool:
    """A new order is rejected: error 201, and orderStatus Inactive `after`, `before` or `never`."""
    if not _new(session, name, values) or not _fits(rule, session, values):
        return False
    order = _dead(rule, session, values)
    if order is None:
        return False
    if rule["inactive"] == "before":
        session.send("orderStatus", words.status(order))
    session.error(order.order_id, 201, REASON)
    if rule["inactive"] == "after":
        session.send("orderStatus", words.status(order))
    return True


@fault("error", "request", code=10329, message="placeOrder", text="The simulator was told to say so.", swallow=True)
def any_error(rule: Rule, session: Session, name: str, values: Values) -> bool:
    """A request of the kind `message` is answered with `code`; with `swallow` that is all that happens."""
    if name != rule["message"] or not _fits(rule, session, values):
        return False
    number = values.get("reqId", values.get("orderId"))
    session.error(-1 if number is None else number, rule["code"], rule["text"])
    return bool(rule["swallow"])


@fault("lost-order", "request")
def lost_order(rule: Rule, session: Session, name: str, values: Values) -> bool:
    """An order is written to the socket and never arrives; its id stays unused."""
    return _new(session, name, values) and _fits(rule, session, values)


@fault("locate", "request", seconds=30.0)
def locate(rule: Rule, session: Session, name: str, values: Values) -> bool:
    """A new order is Inactive with whyHeld `locate`; after `seconds` it comes to life and trades."""
    if not _new(session, name, values) or not _fits(rule, session, values):
        return False
    order = _dead(rule, session, values)
    if order is None:
        return False
    order.why_held = "locate"
    rule.gateway.desk.say(order)

    def revive() -> None:
        order.status, order.why_held, order.done_ns = PENDING, "", 0
        rule.gateway.desk.trader.start(order)

    rule.gateway.schedule.after(rule.ns("seconds"), revive)
    return True


@fault("warning", "batch", code=10349, text="")
def warning(rule: Rule, session: Session, items: list[Item]) -> list[Item]:
    """The first acknowledgement of an order comes with a warning that changes nothing: 10349, 399, 2109 or another `code`."""
    texts = {
        10349: "Order TIF was set to DAY based on order preset.", 399: "Order Message:\nA message about your order.",
        2109: "Order Event Warning:Attribute 'Outside Regular Trading Hours' is ignored based on the order type.",
    }  # fmt: skip
    out: list[Item] = []
    for item in items:
        order = order_of(session, item)
        out.append(item)
        if item[1] in ACKS and order is not None and order not in rule.state and rule.picks(order):
            rule.state[order] = True
            text = rule["text"] or texts.get(rule["code"], "A warning.")
            out.append((item[0], "error", {"reqId": order.order_id, "code": rule["code"], "text": text}))
    return out


def _cancelling(rule: Rule, session: Session, name: str, values: Values) -> Order | None:
    """Return the open order that a request cancels, if the rule picks it."""
    if name != "cancelOrder":
        return None
    order = rule.gateway.desk.orders.get((session.client_id, values["orderId"] or 0))
    return order if order is not None and not order.done and rule.picks(order) else None


@fault("cancel-refused", "request", code=10147)
def cancel_refused(rule: Rule, session: Session, name: str, values: Values) -> bool:
    """A cancel of a working order is answered with `code` (10147, 10148, 161, 135) and the order works on."""
    order = _cancelling(rule, session, name, values)
    if order is None:
        return False
    texts = {
        10147: f"OrderId {order.order_id} that needs to be cancelled is not found.",
        10148: f"OrderId {order.order_id} that needs to be cancelled cannot be cancelled, state: {order.status}.",
        161: f"Cancel attempted when order is not in a cancellable state. Order permId = {order.perm_id}",
        135: f"Can't find order with id = {order.order_id}",
    }  # fmt: skip
    session.error(order.order_id, rule["code"], texts.get(rule["code"], "The cancel is refused."))
    return True


@fault("cancel-unanswered", "request")
def cancel_unanswered(rule: Rule, session: Session, name: str, values: Values) -> bool:
    """A cancel gets no answer and the order works on."""
    return _cancelling(rule, session, name, values) is not None


@fault("cancel-race", "request")
def cancel_race(rule: Rule, session: Session, name: str, values: Values) -> bool:
    """A cancel comes too late: the order is filled first, and the cancel is answered with 10148."""
    order = _cancelling(rule, session, name, values)
    if order is None:
        return False
    desk = rule.gateway.desk
    desk.trader.stop(order)
    price = order.limit or desk.margins.last(order.contract)
    desk.trader.filler.fill(order, order.left, price)
    desk.cancel(session.client_id, order.order_id)
    return True


@fault("broker-cancel", "batch", seconds=5.0)
def broker_cancel(rule: Rule, session: Session, items: list[Item]) -> list[Item]:
    """`seconds` after an order was acknowledged the broker cancels it: 202, nobody asked."""
    for item in items:
        order = order_of(session, item)
        if item[1] == "orderStatus" and order is not None and order not in rule.state and rule.picks(order):
            rule.state[order] = True
            rule.gateway.schedule.after(
                rule.ns("seconds"),
                lambda order=order: rule.gateway.desk.end(order, CANCELLED, "Order Canceled - reason:Cancelled by the exchange"),  # type: ignore[misc]
            )
    return items


@fault("second-perm-id", "placed")
def second_perm_id(rule: Rule, session: Session, values: Values, order: Order | None) -> None:
    """A change of an order gives it a second permId; both are live in the gateway's lists."""
    if order is None or order.done or not rule.picks(order):
        return
    desk = rule.gateway.desk
    order.perm_id = desk.next_perm
    desk.name(order)
