"""Orders as the wire needs them: words and decimals, made of the order manager's integers.

Theory of operation. `ticket` is a pure function of a Submit and of a Way: what the book does
not keep of an order, because it only matters while it is sent. An order for an auction
goes as `OPG` or as `MOC` and `LOC`; the children of a bracket name their parent, and
all of a bracket but its last order are held back (`transmit` false), so that the broker
lets the whole of it go at once or nothing of it. Guards of one position share a
one-cancels-all group of the kind that cancels the others before it lets one trade on.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import NamedTuple

from ledger.port import Submit
from ledger.units import decimal_text
from ledger.vocabulary import OrderFlag, OrderType
from live.broker.fold import Contract
from live.broker.refs import order_ref
from strategies.api import AT_CLOSE, AT_OPEN, DAY, IOC

KINDS: dict[int, str] = {
    OrderType.MARKET: "MKT", OrderType.LIMIT: "LMT", OrderType.STOP: "STP", OrderType.STOP_LIMIT: "STP LMT", OrderType.TRAIL: "TRAIL",
}  # fmt: skip
AT_THE_CLOSE: dict[int, str] = {OrderType.MARKET: "MOC", OrderType.LIMIT: "LOC"}
LIMITED: frozenset[int] = frozenset({OrderType.LIMIT, OrderType.STOP_LIMIT})
AUXILIARY: frozenset[int] = frozenset({OrderType.STOP, OrderType.STOP_LIMIT, OrderType.TRAIL})
TIMES = {IOC: "IOC", AT_OPEN: "OPG"}


class Ticket(NamedTuple):
    """An order as the wire needs it."""

    order_id: int
    order_ref: str
    account: str
    action: str
    quantity: Decimal
    order_type: str
    limit: Decimal | None
    aux: Decimal | None
    tif: str
    outside_rth: bool
    parent_id: int = 0
    oca_group: str = ""
    transmit: bool = True


class Way(NamedTuple):
    """How an order is sent; nothing of this is needed once it is."""

    time_in_force: int = DAY
    transmit: bool = True
    parent_id: int = 0
    """The broker's id of the entry that this order hangs on, 0 when it stands alone."""


def ticket(submit: Submit, contract: Contract, order_id: int, tag: str, account: str, way: Way) -> Ticket:
    """Return the ticket of an order."""
    price, kind = decimals(contract.price_exp), submit.order_type
    aux = submit.trail_ticks if kind == OrderType.TRAIL else submit.stop_ticks
    words = AT_THE_CLOSE if way.time_in_force == AT_CLOSE else KINDS
    return Ticket(
        order_id=order_id, order_ref=order_ref(tag, submit.key), account=account,
        action="BUY" if submit.side > 0 else "SELL", quantity=decimals(contract.qty_exp)(submit.qty_lots),
        order_type=words[kind], limit=price(submit.price_ticks) if kind in LIMITED else None,
        aux=price(aux) if kind in AUXILIARY else None, tif=_tif(submit, way),
        outside_rth=bool(submit.flags & OrderFlag.OUTSIDE_RTH), parent_id=way.parent_id,
        oca_group=f"{order_ref(tag, submit.parent)}.oca" if submit.parent else "", transmit=way.transmit,
    )  # fmt: skip


def _tif(submit: Submit, way: Way) -> str:
    return TIMES.get(way.time_in_force) or ("GTC" if submit.flags & OrderFlag.GTC else "DAY")


def decimals(exp: int) -> Callable[[int], Decimal]:
    """Return the function from whole units of 10**-exp to the exact decimal."""
    return lambda units: Decimal(decimal_text(units, exp))
