"""What trading and holding cost: commissions by the order, fees of third parties, interest and borrow.

Theory of operation. `model` has the one formula and its numbers, `named` reads a text into
them and holds the table of brokers, `volume` counts a month's shares for tiers, `carry`
charges a night. Integers only; nothing here changes a book.
"""

from sim.costs.carry import Carry, borrow_fee, interest, parse_carry
from sim.costs.model import NOTHING, ZERO, Charged, CostModel, commission, next_fill_commission
from sim.costs.named import IBKR_FIXED, IBKR_TIERED, LEAN_IBKR, NAMED, THIRD_PARTY, parse
from sim.costs.volume import SHARE_E4, add_volume, month_of, month_volume

__all__ = [
    "IBKR_FIXED", "IBKR_TIERED", "LEAN_IBKR", "NAMED", "NOTHING", "SHARE_E4", "THIRD_PARTY", "ZERO", "Carry", "Charged",
    "CostModel", "add_volume", "borrow_fee", "commission", "interest", "month_of", "month_volume", "next_fill_commission",
    "parse", "parse_carry",
]  # fmt: skip
