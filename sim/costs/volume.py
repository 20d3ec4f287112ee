"""The shares an account traded in a month: what a tiered commission starts at.

Theory of operation. The state is int64[2]: a month, counted from year 0, and the shares
traded in it at 1e-4. Reading it in another month gives 0 without changing it; adding in
another month starts that month. Buys and sells count alike.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ledger.kernel import kernel
from ledger.units import AMOUNT_MAX, muldiv

SHARE_E4 = 10_000
ORDINAL_OF_MARCH_0000 = -305
"""Day 1 is 0001-01-01; counting years from March puts the leap day at a year's end."""


@kernel
def month_of(day: int) -> int:
    """Return 12 * year + month - 1 of a proleptic Gregorian ordinal (`date.toordinal`), by whole-number eras of 400 years."""
    since = day - ORDINAL_OF_MARCH_0000
    era = since // 146_097
    of_era = since - era * 146_097
    year = (of_era - of_era // 1_460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * year + year // 4 - year // 100)
    march_month = (5 * of_year + 2) // 153
    return 12 * (era * 400 + year) + march_month + 2


@kernel
def month_volume(state: NDArray[np.int64], day: int, qty_scale: int) -> int:
    """Return the shares traded in the month of `day`, in lots of an instrument with `qty_scale` lots a share."""
    return int(muldiv(state[1], qty_scale, SHARE_E4)) if state[0] == month_of(day) else 0


@kernel
def add_volume(state: NDArray[np.int64], day: int, qty_lots: int, qty_scale: int) -> None:
    """Count a fill (state modified in place); a volume beyond all tiers stays where it is."""
    month = month_of(day)
    if state[0] != month:
        state[0], state[1] = month, 0
    state[1] = min(AMOUNT_MAX // 2, state[1] + muldiv(qty_lots, SHARE_E4, qty_scale))
