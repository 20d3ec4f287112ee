"""Orders as the gateway keeps them.

Theory of operation. An Order is the fields a client sent, kept under the names of the tables, with
what the desk adds: numbers on the contract's grid, status, what is filled. Its row for
`openOrder` is built once and changed in place, because it has 135 fields and most never
change. Status words are those of the protocol. An order that is done stays, because
its id may not be used again and completed orders can be asked for.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sim.costs import NOTHING, Charged
from sim.gateway.desk.amounts import qty_text
from sim.gateway.desk.contracts import Contract

PENDING, HELD, WORKING, FILLED, CANCELLED, INACTIVE = (
    "PendingSubmit", "PreSubmitted", "Submitted", "Filled", "Cancelled", "Inactive",
)  # fmt: skip
DONE = frozenset((FILLED, CANCELLED, INACTIVE))
KEPT_WORDS = ("secIdType", "secId", "transmit", "sharesAllocation", "scaleTable", "activeStartTime", "activeStopTime", "algoId",
              "orderMiscOptions", "extOperator", "overridePercentageConstraints")  # fmt: skip

OPEN_DEFAULTS: dict[str, Any] = {
    "deltaNeutralOrderType": "None", "right": "?", "openClose": "", "exemptCode": -1, "auctionStrategy": 0, "volatilityType": 0,
    "referencePriceType": 0, "deltaNeutralOpenClose": "?", "deltaNeutralConId": 0, "deltaNeutralShortSaleSlot": 0,
    "clearingIntent": "IB", "rule80A": "", "hedgeType": "", "adjustedOrderType": "None", "adjustableTrailingUnit": 0,
    "discretionaryAmt": "0", "cashQty": "0", "shortSaleSlot": 0, "ocaType": 3, "comboLegsDescrip": "",
}  # fmt: skip
"""What a gateway says where a client said nothing."""


@dataclass(slots=True, eq=False)
class Order:
    """One order; lots are 10**-4 of a share, prices whole numbers of the contract's unit."""

    client_id: int
    order_id: int
    perm_id: int
    contract: Contract
    fields: dict[str, Any]
    side: int
    lots: int
    kind: str
    limit: int = 0
    stop: int = 0
    trail: int = 0
    trail_bps: int = 0
    tif: str = "DAY"
    status: str = PENDING
    filled: int = 0
    value: int = 0
    """Sum of lots times price over all fills."""
    last: int = 0
    why_held: str = ""
    charged: Charged = NOTHING
    commission_e8: int = 0
    reserved_e8: int = 0
    parent: Order | None = None
    children: list[Order] = field(default_factory=list)
    transmitted: bool = True
    triggered: bool = False
    due_ns: int = 0
    """Not before this moment (an opening, a close, goodAfterTime); 0 means at once."""
    ends_ns: int = 0
    """Cancelled at this moment; 0 means never."""
    place: int = 0
    """Its entry among resting orders; any other entry of it is void."""
    waits_in: Any = None
    """The queue or list it rests in."""
    warning: str = ""
    done_ns: int = 0
    row: dict[str, Any] = field(default_factory=dict)

    @property
    def left(self) -> int:
        """What is not filled, in lots."""
        return self.lots - self.filled

    @property
    def done(self) -> bool:
        """Whether nothing can happen to it any more."""
        return self.status in DONE

    def ref(self) -> str:
        """Return the client's own name of the order."""
        return self.fields.get("orderRef") or ""

    def outside(self) -> bool:
        """Say whether it works outside regular hours."""
        return bool(self.fields.get("outsideRth"))

    def build_row(self, account: str) -> None:
        """Lay out the fields of `openOrder` that do not change with status."""
        row = {key: value for key, value in self.fields.items() if value is not None and value is not False and value != ""}
        row.update(self.contract.fields())
        row["right"] = row["right"] or "?"
        row.update(
            orderId=self.order_id, clientId=self.client_id, permId=self.perm_id, account=account,
            totalQuantity=qty_text(self.lots), tif=self.tif, displaySize=self.fields.get("displaySize") or None,
            auxPrice=row.get("auxPrice") or "0.0", lmtPrice=row.get("lmtPrice") or "0.0",
            parentId=self.fields.get("parentId") or 0, adjustedTrailStopPrice=self.fields.get("trailStopPrice"),
            sharesAllocation="",
        )  # fmt: skip
        self.row = row

    def resized(self, lots: int) -> None:
        """Change the total quantity."""
        self.lots = lots
        self.row["totalQuantity"] = qty_text(lots)
