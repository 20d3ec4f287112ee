"""Orders and executions: placing, cancelling, listing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim.gateway.answers.registry import Answers, Values, answer
from sim.gateway.desk import checks, words
from sim.gateway.desk.amounts import qty_text
from sim.gateway.desk.hours import local_day, midnight_ns
from sim.gateway.desk.orders import FILLED, Order

if TYPE_CHECKING:
    from sim.gateway.core.session import Session

COMPLETED_DEFAULTS = {
    "autoCancelDate": "", "refFuturesConId": 0, "shareholder": "Not an insider or substantial shareholder", "parentPermId": 0,
}  # fmt: skip


@answer("placeOrder")
def place(answers: Answers, session: Session, values: Values) -> None:
    """Place an order, or change one; now or after the gateway's delay."""
    gateway = answers.gateway
    order_id = values["orderId"] if values["orderId"] is not None else 0
    gateway.next_ids[session.client_id] = max(gateway.next_id(session.client_id), order_id + 1)
    client, delay = session.client_id, gateway.config.ack_delay_ns
    if delay:
        gateway.schedule.after(delay, lambda: gateway.desk.place(client, values))
    else:
        gateway.desk.place(client, values)


@answer("cancelOrder")
def cancel(answers: Answers, session: Session, values: Values) -> None:
    """Cancel an order."""
    gateway = answers.gateway
    client, order_id = session.client_id, values["orderId"] if values["orderId"] is not None else 0
    if gateway.config.read_only:
        session.error(order_id, 321, "Error validating request: the API interface is in Read-Only mode.")
    elif gateway.config.ack_delay_ns:
        gateway.schedule.after(gateway.config.ack_delay_ns, lambda: gateway.desk.cancel(client, order_id))
    else:
        gateway.desk.cancel(client, order_id)


@answer("reqGlobalCancel")
def cancel_all(answers: Answers, session: Session, values: Values) -> None:
    """Cancel every order."""
    if answers.gateway.config.read_only:
        session.error(-1, 321, "Error validating request: the API interface is in Read-Only mode.")
    else:
        answers.gateway.desk.cancel_all()


def _list(session: Session, orders: list[Order]) -> None:
    for order in orders:
        session.send("openOrder", words.open_order(order))
        session.send("orderStatus", words.status(order))
    session.send("openOrderEnd", {})


@answer("reqOpenOrders")
def open_orders(answers: Answers, session: Session, values: Values) -> None:
    """List the open orders of this client."""
    _list(session, answers.gateway.desk.open_orders(session.client_id))


@answer("reqAllOpenOrders")
def all_open_orders(answers: Answers, session: Session, values: Values) -> None:
    """List the open orders of every client."""
    _list(session, answers.gateway.desk.open_orders())


@answer("reqAutoOpenOrders")
def auto_open_orders(answers: Answers, session: Session, values: Values) -> None:
    """Bind orders placed by hand; only client 0 may."""
    if session.client_id != 0:
        session.error(-1, 321, "Error validating request: only the default client (i.e. 0) can auto bind orders.")


@answer("reqCompletedOrders")
def completed(answers: Answers, session: Session, values: Values) -> None:
    """List the orders that are done, of the last day on which any was."""
    gateway = answers.gateway
    for order in gateway.desk.ended_orders(midnight_ns(words.ZONE, local_day(answers.now_ns, words.ZONE))):
        session.send("completedOrder", completed_order(order, session.version))
    session.send("completedOrdersEnd", {})


def completed_order(order: Order, version: int) -> Values:
    """Return the values of `completedOrder`; a filled order's total quantity is 0, as a real gateway says it."""
    total = "0" if order.status == FILLED else qty_text(order.lots)
    told = f"Filled Size: {qty_text(order.filled)}" if order.status == FILLED else "Cancelled by Trader"
    return {
        **words.open_order(order), **COMPLETED_DEFAULTS, "totalQuantity": total, "filledQuantity": qty_text(order.filled),
        "completedTime": words.stamp(order.done_ns, 174 if version >= 174 else version), "completedStatus": told,
    }  # fmt: skip


@answer("reqExecutions")
def executions(answers: Answers, session: Session, values: Values) -> None:
    """List today's executions that pass the filter, each with its commission."""
    gateway = answers.gateway
    since = checks.moment(values["time"]) if values["time"] else 0
    wanted_side = {"BUY": 1, "BOT": 1, "SELL": -1, "SLD": -1}.get(values["side"], 0)
    for done in gateway.desk.trader.filler.today():
        contract = done.contract
        if (
            values["clientId"] in (None, 0, done.client_id)
            and values["acctCode"] in ("", gateway.config.account)
            and values["symbol"] in ("", contract.symbol)
            and values["secType"] in ("", contract.sec_type)
            and values["exchange"] in ("", contract.exchange, contract.primary)
            and wanted_side in (0, done.side)
            and done.time_ns >= (since or 0)
        ):
            session.send("execDetails", {"execution": done, "reqId": values["reqId"]})
            session.send("commissionReport", words.commission(done))
    session.send("execDetailsEnd", {"reqId": values["reqId"]})
