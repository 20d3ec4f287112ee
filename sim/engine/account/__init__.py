"""What the account does around an order: size it, charge it, and live through days and corporate actions.

Theory of operation. The loop calls the functions below at fixed points; each reads the
book, writes log rows with `rows.blank` or returns a number, and changes nothing in the
book itself. `Terms` carries every number they need and is made once a run by `terms`; its
arrays remember what the book does not (a month's volume, unsettled proceeds).

| hook | file | when |
|---|---|---|
| `new_day`, `write_day` | `days` | a bar of a later day than the book's opens; before everything else of that day |
| `write_action` | `corporate` | at an instrument's open, again and again until it says False; before fills |
| `fill_fee` | `orders` | a fill is written, once; its commission follows it in the log |
| `write_after_fills` | `days` | all fills of an instrument's part of a step are booked |
| `write_call` | `margin` | before a wish is looked at, again and again until it says DONE or CALLED |
| `lots_for` | `orders` | a target was accepted for a decision: how many lots it means; UNSIZED = not known yet |
| `write_credit` | `margin` | before the claim: True when the cash floor was moved and must be booked first |
| `worst_fee` | `orders` | a claim reserves the fee it may cost at most |
| `write_end` | `corporate` | after an instrument's last bar, again and again until it says False |
"""

from sim.engine.account.corporate import write_action, write_end
from sim.engine.account.days import new_day, write_after_fills, write_day
from sim.engine.account.margin import CALLED, CLEAR, WRITTEN, write_call, write_credit
from sim.engine.account.orders import UNSIZED, fill_fee, lots_for, worst_fee
from sim.engine.account.terms import CASH_IN_LIEU, DELISTING, QTY_EXP, REFERENCES, Terms, remarks, terms, with_room

__all__ = [
    "CALLED", "CASH_IN_LIEU", "CLEAR", "DELISTING", "QTY_EXP", "REFERENCES", "UNSIZED", "WRITTEN", "Terms", "fill_fee", "lots_for",
    "new_day", "remarks", "terms", "with_room", "worst_fee", "write_action", "write_after_fills", "write_call",
    "write_credit", "write_day", "write_end",
]  # fmt: skip
