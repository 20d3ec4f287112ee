"""What the desk refuses, and in which words.

Theory of operation. `read` turns the fields of a placed order into numbers on the contract's grid, or
into a Refusal: an error code and a sentence. Codes are those that clients of the protocol
already know. Nothing here changes anything.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sim.gateway.core.config import SECOND_NS
from sim.gateway.desk.amounts import QTY_EXP, on_wire_grid
from sim.gateway.desk.contracts import PRICE_RULES, Contract
from sim.gateway.desk.words import ZONE

KINDS = {
    "MKT": "MKT", "LMT": "LMT", "STP": "STP", "STP LMT": "STP LMT", "STPLMT": "STP LMT", "TRAIL": "TRAIL",
    "TRAIL LIMIT": "TRAIL LIMIT", "TRAILLMT": "TRAIL LIMIT", "MOC": "MOC", "LOC": "LOC", "MOO": "MKT", "LOO": "LMT",
    "MIT": "MIT", "LIT": "LIT",
}  # fmt: skip
TIFS = ("DAY", "GTC", "IOC", "FOK", "GTD", "OPG")
NEEDS_LIMIT = frozenset(("LMT", "STP LMT", "LIT", "LOC", "TRAIL LIMIT"))
NEEDS_STOP = frozenset(("STP", "STP LMT", "MIT", "LIT"))
VALUE_MAX_E8 = 2**58
NOT_SIMULATED = ("conditions", "hedgeType", "scalePriceIncrement", "adjustedOrderType", "allOrNone", "minQty", "discretionaryAmt",
                 "cashQty")  # fmt: skip
"""What would change when or how an order trades; to take such an order and ignore it would be a lie."""


class Refusal(NamedTuple):
    """Why not: an error code, and the sentence that goes with it."""

    code: int
    text: str


class Read(NamedTuple):
    """An order's numbers on the grid."""

    side: int
    lots: int
    kind: str
    limit: int
    stop: int
    trail: int
    trail_bps: int
    tif: str
    begins_ns: int
    ends_ns: int


def moment(words: str) -> int | None:
    """Return the UTC nanoseconds of `20260302 15:30:00 US/Eastern` or `20260302-20:30:00`; None when it is neither."""
    try:
        if "-" in words and " " not in words:
            return int(datetime.strptime(words + " +0000", "%Y%m%d-%H:%M:%S %z").timestamp()) * SECOND_NS
        parts = words.split()
        zone = ZoneInfo(parts[2] if len(parts) > 2 else ZONE)
        here = datetime.strptime(" ".join([parts[0], *(parts[1:2] or ["23:59:59"])]), "%Y%m%d %H:%M:%S")
        return int(here.replace(tzinfo=zone).timestamp()) * SECOND_NS
    except (ValueError, IndexError, ZoneInfoNotFoundError):
        return None


def price_step(contract: Contract, price: Decimal) -> int:
    """Return the price step that holds at a price, in the contract's unit."""
    step = contract.step
    if contract.sec_type != "OPT":
        return step
    for edge, width in PRICE_RULES[contract.rule]:
        if price >= Decimal(edge):
            step = int(Decimal(width).scaleb(contract.price_exp))
    return min(step, contract.step)


def _on_step(contract: Contract, price: Decimal | None) -> int | None:
    """Return a price on the contract's grid, None when it is missing or off its step."""
    whole = on_wire_grid(price, contract.price_exp) if price is not None else None
    if price is None or whole is None or whole % price_step(contract, abs(price)):
        return None
    return whole


def read(fields: dict[str, Any], contract: Contract, account: str) -> Read | Refusal:
    """Return an order's numbers, or why it is not taken."""
    side = {"BUY": 1, "SELL": -1, "SSHORT": -1, "SLONG": -1}.get(fields["action"], 0)
    if side == 0:
        return Refusal(321, "Error validating request: the action must be BUY or SELL.")
    if (fields.get("account") or account) != account:
        return Refusal(321, f"Error validating request: the account code {fields['account']!r} is not one of yours.")
    words = fields["orderType"] or ""
    kind = KINDS.get(words)
    if kind is None or contract.sec_type in ("IND", "BAG") or (fields.get("algoStrategy") or ""):
        return Refusal(387, "Unsupported order type for this exchange and security type.")
    unknown = next((name for name in NOT_SIMULATED if fields.get(name) and fields[name] != "None"), None)
    if unknown is not None:
        return Refusal(201, f"Order rejected - reason:The simulator does not know what to do with {unknown}.")
    tif = "OPG" if words in ("MOO", "LOO") else fields.get("tif") or "DAY"
    if tif not in TIFS or (tif == "OPG" and kind not in ("MKT", "LMT")):
        return Refusal(201, f"Order rejected - reason:The time in force {tif!r} is not valid for this order.")
    quantity = fields.get("totalQuantity")
    lots = on_wire_grid(quantity, QTY_EXP) if quantity is not None else None
    if lots is None or lots <= 0:
        return Refusal(434, "The order size cannot be zero, and must have at most four decimals.")
    if lots % contract.qty_step:
        return Refusal(10243, "Fractional-sized order cannot be placed via API for this contract.")
    return _priced(fields, contract, side, lots, kind, tif)


def _priced(fields: dict[str, Any], contract: Contract, side: int, lots: int, kind: str, tif: str) -> Read | Refusal:
    """Read the prices and the times."""
    off = Refusal(110, "The price does not conform to the minimum price variation for this contract.")
    limit = _on_step(contract, fields.get("lmtPrice")) if kind in NEEDS_LIMIT and kind != "TRAIL LIMIT" else 0
    stop = _on_step(contract, fields.get("auxPrice")) if kind in NEEDS_STOP else 0
    if limit is None or stop is None:
        return off
    if (kind in NEEDS_LIMIT and kind != "TRAIL LIMIT" and limit <= 0) or (kind in NEEDS_STOP and stop <= 0):
        return Refusal(321, "Error validating request: the order's price must be above zero.")
    trail, percent = 0, fields.get("trailingPercent")
    if kind in ("TRAIL", "TRAIL LIMIT"):
        distance = _on_step(contract, fields.get("auxPrice") or Decimal(0))
        if distance is None:
            return off
        trail = distance
        start = fields.get("trailStopPrice")
        stop_at = _on_step(contract, start) if start else 0
        if stop_at is None:
            return off
        stop = stop_at
        if trail <= 0 and not percent:
            return Refusal(321, "Error validating request: a trailing order needs an amount or a percentage.")
        offset = fields.get("lmtPriceOffset") if kind == "TRAIL LIMIT" else None
        limit = _on_step(contract, offset) if offset is not None else 0
        if limit is None:
            return off
    begins, ends = (moment(words) if (words := fields.get(name) or "") else 0 for name in ("goodAfterTime", "goodTillDate"))
    if begins is None or ends is None or (tif == "GTD" and not ends):
        return Refusal(391, "The time or time zone entered is invalid. The correct format is yyyymmdd hh:mm:ss xx/xxxx.")
    worth = max(limit, stop, contract.base, 1) * contract.multiplier * lots
    if worth // 10 ** max(0, contract.price_exp + QTY_EXP - 8) > VALUE_MAX_E8:
        return Refusal(201, "Order rejected - reason:The order is worth more than any account can hold.")
    bps = int(percent * 100) if percent else 0
    return Read(side, lots, kind, limit, stop, trail, bps, tif, begins, ends if tif == "GTD" else 0)
