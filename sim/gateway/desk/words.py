"""The desk's words: values of the messages that tell a client about orders, executions and positions.

Theory of operation. Pure functions from what the desk keeps to what the tables encode. Times are
written as the gateway's login zone has them; a gateway from version 174 on names the zone.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from sim.gateway.desk.account import Holding
from sim.gateway.desk.amounts import money_text, qty_text, text
from sim.gateway.desk.contracts import Contract
from sim.gateway.desk.hours import local
from sim.gateway.desk.orders import Order

ZONE = "US/Eastern"
Values = dict[str, Any]


class Execution(NamedTuple):
    """One execution, as it is kept."""

    exec_id: str
    revision: int
    perm_id: int
    order_id: int
    client_id: int
    contract: Contract
    side: int
    lots: int
    price: int
    time_ns: int
    cum_lots: int
    cum_value: int
    order_ref: str
    fee_e8: int
    realized_e8: int | None

    @property
    def name(self) -> str:
        """The id with its revision: `0000e0d5.67000001.01.01`."""
        return f"{self.exec_id}.{self.revision:02d}"


def stamp(time_ns: int, version: int, zone: str = ZONE) -> str:
    """Return a moment as `20260302 09:30:00 US/Eastern`; before version 174 two blanks and no zone."""
    moment = local(time_ns, zone)
    if version >= 174:
        return f"{moment:%Y%m%d %H:%M:%S} {zone}"
    return f"{moment:%Y%m%d  %H:%M:%S}"


def average(value: int, lots: int, contract: Contract) -> str:
    """Return an average price as text; 0 when nothing is filled."""
    if lots == 0:
        return "0"
    whole, rest = divmod(value, lots)
    if rest == 0:
        return text(whole, contract.price_exp)
    return text((value * 10**8 // lots + 5) // 10, contract.price_exp + 7)


def status(order: Order) -> Values:
    """Return the values of `orderStatus`."""
    return {
        "orderId": order.order_id, "status": order.status, "filled": qty_text(order.filled), "remaining": qty_text(order.left),
        "avgFillPrice": average(order.value, order.filled, order.contract), "permId": order.perm_id,
        "parentId": order.fields.get("parentId") or 0, "lastFillPrice": text(order.last, order.contract.price_exp),
        "clientId": order.client_id, "whyHeld": order.why_held, "mktCapPrice": "0",
    }  # fmt: skip


def open_order(order: Order, **more: Any) -> Values:
    """Return the values of `openOrder` as the order stands."""
    return {**order.row, "status": order.status, "warningText": order.warning, "permId": order.perm_id, **more}


def execution(done: Execution, account: str, req_id: int, version: int, zone: str = ZONE) -> Values:
    """Return the values of `execDetails`."""
    contract = done.contract
    return {
        **contract.fields(), "reqId": req_id, "orderId": done.order_id, "execId": done.name,
        "time": stamp(done.time_ns, version, zone), "acctNumber": account, "execExchange": contract.primary or contract.exchange,
        "side": "BOT" if done.side > 0 else "SLD", "shares": qty_text(done.lots), "price": text(done.price, contract.price_exp),
        "permId": done.perm_id, "clientId": done.client_id, "liquidation": 0, "cumQty": qty_text(done.cum_lots),
        "avgPrice": average(done.cum_value, done.cum_lots, contract), "orderRef": done.order_ref, "lastLiquidity": 2,
    }  # fmt: skip


def commission(done: Execution) -> Values:
    """Return the values of `commissionReport`; what closed nothing has no realized profit."""
    realized = None if done.realized_e8 is None else text(done.realized_e8, 8)
    return {
        "execId": done.name, "commission": text(done.fee_e8, 8), "currency": done.contract.currency,
        "realizedPNL": realized, "yieldRedemptionDate": "",
    }  # fmt: skip


def position(holding: Holding, account: str) -> Values:
    """Return the values of `position` and `positionMulti`."""
    return {
        **holding.contract.fields(), "account": account, "position": qty_text(holding.lots),
        "avgCost": text(holding.average_cost_e8, 8), "modelCode": "",
    }  # fmt: skip


def portfolio(holding: Holding, account: str) -> Values:
    """Return the values of `updatePortfolio`."""
    return {
        **holding.contract.fields(), "position": qty_text(holding.lots),
        "marketPrice": text(holding.mark, holding.contract.price_exp), "marketValue": money_text(holding.value_e8),
        "averageCost": text(holding.average_cost_e8, 8), "unrealizedPNL": money_text(holding.unrealized_e8),
        "realizedPNL": money_text(holding.realized_e8), "account": account,
    }  # fmt: skip


def describe(order: Order) -> str:
    """Return an order in a line, as IB's warnings have it: `BUY 100 AAPL NASDAQ.NMS`."""
    contract = order.contract
    side = "BUY" if order.side > 0 else "SELL"
    return f"{side} {qty_text(order.lots)} {contract.symbol} {contract.primary or contract.exchange}.{contract.trading_class}"

