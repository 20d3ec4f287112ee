"""Whole numbers to wire text and back.

Theory of operation. Inside the desk a price is a whole number of 10**-price_exp, a quantity of
10**-4, money of 1e-8. On the wire all are decimal text without exponent. What a client
sends is a Decimal that may not be on the grid; then there is no whole number and the
caller refuses it by name.
"""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache

QTY_EXP = 4
LOT = 10**QTY_EXP


@lru_cache(maxsize=65536)
def text(value: int, exp: int) -> str:
    """Return value * 10**-exp as decimal text without needless zeros."""
    if exp == 0:
        return str(value)
    whole, part = divmod(abs(value), 10**exp)
    sign = "-" if value < 0 else ""
    return f"{sign}{whole}.{part:0{exp}d}".rstrip("0").rstrip(".") if part else f"{sign}{whole}"


def qty_text(lots: int) -> str:
    """Return a quantity as text."""
    return text(lots, QTY_EXP)


def money_text(e8: int) -> str:
    """Return money as text, rounded half even to cents as statements show it."""
    cents, rest = divmod(e8, 1_000_000)
    if rest > 500_000 or (rest == 500_000 and cents & 1):
        cents += 1
    sign, cents = ("-", -cents) if cents < 0 else ("", cents)
    return f"{sign}{cents // 100}.{cents % 100:02d}"


def on_grid(value: Decimal, exp: int) -> int | None:
    """Return a Decimal as a whole number of 10**-exp, None when it is not on that grid or beyond any use."""
    if not value.is_finite() or value.adjusted() > 12:
        return None
    scaled = value.scaleb(exp)
    whole = int(scaled)
    return whole if whole == scaled else None


def on_wire_grid(value: Decimal, exp: int) -> int | None:
    """Like `on_grid`, but forgive what a double adds beyond the fifteenth digit: 1.1100000000000001 is 1.11."""
    exact = on_grid(value, exp)
    if exact is not None or not value.is_finite() or value.adjusted() > 12:
        return exact
    near = round(value.scaleb(exp))
    return near if abs(value.scaleb(exp) - near) < Decimal("1e-6") else None
