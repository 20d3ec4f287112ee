"""What holding costs and pays by the night: borrow fees on shorts, interest on cash and on debts.

Theory of operation. Once a trading day, before its first fill, the account is charged for the
calendar days since the day before it: three for a weekend. Rates are annual, money markets
count 360 days. The base is what was held over night: a short position at its mark, and cash less
the proceeds of shorts, which the lender keeps as collateral. Each amount is one product rounded
once, half to even, at 1e-8; it becomes one event of the ledger.
"""

from __future__ import annotations

from typing import NamedTuple

from ledger.kernel import kernel
from ledger.units import UnitError, muldiv, to_grid

DAYS = 360
ONE_E8 = 100_000_000
NIGHTS_MAX = 3_660
RATE_MAX_E8 = 100 * ONE_E8
"""A rate of 10,000 % a year; beyond that somebody mistook basis points for something else."""


class Carry(NamedTuple):
    """Annual rates at 1e-8; 0 charges nothing."""

    borrow_e8: int
    interest_e8: int
    debit_e8: int


@kernel
def borrow_fee(rate_e8: int, short_value_e8: int, nights: int) -> int:
    """Return what borrowing shares worth `short_value_e8` (>= 0) costs over so many calendar days, e8."""
    return int(muldiv(short_value_e8, rate_e8 * min(nights, NIGHTS_MAX), ONE_E8 * DAYS))


@kernel
def interest(carry: Carry, cash_e8: int, short_value_e8: int, nights: int) -> int:
    """Return the interest of cash less the proceeds of shorts over so many calendar days, e8; negative on a debt."""
    base = cash_e8 - short_value_e8
    rate = carry.interest_e8 if base > 0 else carry.debit_e8
    return int(muldiv(base, rate * min(nights, NIGHTS_MAX), ONE_E8 * DAYS))


def parse_carry(borrow_bps: str, interest_bps: str, debit_bps: str) -> Carry:
    """Return the rates of three texts in basis points a year, such as `25` or `0.5`.

    Raises:
        UnitError: no number, finer than 1e-4 of a basis point, negative or beyond 10,000 %.
    """
    texts = {"borrow-bps": borrow_bps, "interest-bps": interest_bps, "debit-bps": debit_bps}
    rates = {name: to_grid(text, 4, name) for name, text in texts.items()}
    for name, rate in rates.items():
        if not 0 <= rate <= RATE_MAX_E8:
            raise UnitError(f"{name} {texts[name]} is out of range; expected 0 to 1,000,000 basis points a year")
    return Carry(*rates.values())
