"""Commissions as integers: one formula, five numbers a broker, charged by the order.

Theory of operation. Every model here is one row of numbers for one formula:

    fee(order) = min(cap * value, max(minimum, per_share * shares + rate * value))

over everything the order has filled so far. A partial fill is charged the fee of the
order up to and including it minus what the order has been charged before, so the
parts add up to the fee of the whole to the last unit, and the minimum is paid once.
The formula never falls when shares and value grow, so no part is negative, and the
fee of the full quantity at the worst price bounds whatever the order can still cost.

Rounding: each product is rounded once, half to even, to 1e-8 of the currency. IBKR
shows its commissions at about the same grain; it does not publish its rounding.

Not modelled: what IBKR passes through on top of Fixed pricing (SEC and FINRA fees on
sales), the surcharge of directed orders, and orders that live overnight, which IBKR
treats as a new order with a new minimum.

Source of `ibkr-fixed`: interactivebrokers.com, Commissions Stocks, United States,
Fixed: USD 0.005 a share, minimum 1.00 per order (0.01 for an order below one share),
maximum 1 % of trade value; where the maximum is below the minimum the maximum holds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from ledger.kernel import jit
from ledger.units import UnitError, money, muldiv, to_grid

ONE_E8 = 100_000_000


class CostModel(NamedTuple):
    """The five numbers; all int64, money at 1e-8 of the currency, rates at 1e-8 of the value."""

    per_share_e8: int
    rate_e8: int
    minimum_e8: int
    minimum_fraction_e8: int  # for an order that has filled less than one share
    cap_rate_e8: int  # 0: no cap


class Charged(NamedTuple):
    """What one order has filled and paid so far; all zero for a new order."""

    qty_lots: int
    value_e8: int
    fee_e8: int


NOTHING = Charged(0, 0, 0)
ZERO = CostModel(0, 0, 0, 0, 0)
IBKR_FIXED = CostModel(
    per_share_e8=500_000,
    rate_e8=0,
    minimum_e8=ONE_E8,
    minimum_fraction_e8=1_000_000,
    cap_rate_e8=1_000_000,
)


@jit
def commission(
    model: CostModel, side: int, qty_lots: int, price_ticks: int, value_e8: int, qty_scale: int
) -> int:
    """Return the fee at 1e-8 of an order that fills `qty_lots` in all.

    Args:
        model: int64 numbers. side: 1 buys, -1 sells (no model here tells them apart).
        qty_lots: >= 0; an order that fills nothing pays nothing.
        price_ticks: average or last price; the value decides, the price is for later models.
        value_e8: sum of the values of the fills, >= 0. qty_scale: lots in one share.
    Raises:
        OverflowError: a product that does not fit int64.
    """
    if qty_lots == 0:
        return 0
    fee = muldiv(model.per_share_e8, qty_lots, qty_scale) + muldiv(model.rate_e8, value_e8, ONE_E8)
    minimum = model.minimum_fraction_e8 if qty_lots < qty_scale else model.minimum_e8
    fee = max(fee, minimum)
    if model.cap_rate_e8 > 0:
        fee = min(fee, muldiv(model.cap_rate_e8, value_e8, ONE_E8))
    return fee


@jit
def next_fill_commission(
    model: CostModel,
    charged: Charged,
    side: int,
    qty_lots: int,
    price_ticks: int,
    value_e8: int,
    qty_scale: int,
) -> int:
    """Return the fee of the next fill of an order: the fee so far with it, minus without it.

    Args:
        charged: quantity, value and fee of the fills before this one.
        qty_lots, price_ticks, value_e8: of this fill alone.
    """
    quantity = charged.qty_lots + qty_lots
    value = charged.value_e8 + value_e8
    return commission(model, side, quantity, price_ticks, value, qty_scale) - charged.fee_e8


def parse(text: str) -> CostModel:
    """Return the model of `ibkr-fixed`, `zero`, `bps:10` or `per-share:0.005`.

    Raises:
        UnitError: unknown name, missing or superfluous number, or a number out of range.
    """
    name, colon, number = text.strip().partition(":")
    if name in NAMED and not colon:
        return NAMED[name]
    if name in NUMBERED and number:
        return NUMBERED[name](number)
    raise UnitError(f"unknown cost model {text!r}; write one of ibkr-fixed, zero, bps:10, per-share:0.005")


def _bps(number: str) -> CostModel:
    """Read basis points of the value; 1 bps is 10,000 at 1e-8 of the value."""
    return ZERO._replace(rate_e8=_checked(to_grid(number, 4, "bps"), 10_000 * 10_000, "bps", number))


def _per_share(number: str) -> CostModel:
    return ZERO._replace(per_share_e8=_checked(money(number), 1_000 * ONE_E8, "per-share", number))


def _checked(units: int, units_max: int, name: str, number: str) -> int:
    if 0 <= units <= units_max:
        return units
    raise UnitError(
        f"cost model {name}:{number} is out of range; a fee is zero or more, up to the whole value"
    )


NAMED = {"ibkr-fixed": IBKR_FIXED, "zero": ZERO}
NUMBERED: dict[str, Callable[[str], CostModel]] = {"bps": _bps, "per-share": _per_share}
