"""Commissions as integers: one formula, the numbers of a broker, charged by the order.

Theory of operation. Every model is one row of numbers for one formula. Over everything an
order has filled so far, in the month so far:

    own   = per order + sum over tiers of (rate * shares in the tier) + rate * value
    own   = min(cap * value, max(minimum, own))
    fee   = own + pass through * own                                          third parties, by the commission
          + exchange * shares + min(clearing * shares, clearing cap * value)  by the share
          + audit * shares
          + sales only: sale rate * value + min(activity * shares, activity cap)

A partial fill is charged the fee of the order up to and including it minus the fee up to
the fill before, so the parts add up to the fee of the whole to the last unit, and the
minimum is paid once. The formula never falls when shares and value grow, so no part is
negative, and the fee of the full quantity at the worst price in a month without volume
bounds whatever the order can still cost.

Tiers are marginal: the first share above a boundary is the first that is cheaper. An order
belongs to the month, and starts at the volume, of its first fill.

Rounding: each product is rounded once, half to even, to 1e-8 of the currency. IBKR shows its
commissions at about the same grain; it does not publish its rounding.

Not modelled: rebates for adding liquidity (the exchange fee is the one for taking it), the
surcharge of directed orders, a cap per execution rather than per order, and orders that
live overnight, which IBKR treats as new orders with a new minimum.
"""

from __future__ import annotations

from typing import NamedTuple

from ledger.kernel import jit
from ledger.units import AMOUNT_MAX, muldiv

ONE_E8 = 100_000_000
NO_TIERS = (AMOUNT_MAX, AMOUNT_MAX, AMOUNT_MAX, AMOUNT_MAX, AMOUNT_MAX)
FREE = (0, 0, 0, 0, 0)


class CostModel(NamedTuple):
    """The numbers of a model; all int64, money at 1e-8 of the currency, rates at 1e-8 of what they multiply."""

    tier_tops: tuple[int, int, int, int, int]  # shares a month up to which a tier reaches, rising
    tier_rates_e8: tuple[int, int, int, int, int]  # per share in the tier
    per_order_e8: int
    rate_e8: int  # of the value
    minimum_e8: int
    minimum_fraction_e8: int  # for an order that has filled less than one share
    cap_rate_e8: int  # of the value; 0: no cap
    cap_spares_minimum: int  # 1: a fee below the minimum is the minimum, whatever the cap says; then it may fall later
    pass_through_e8: int = 0  # of the commission
    exchange_e8: int = 0  # per share
    clearing_e8: int = 0  # per share
    clearing_cap_e8: int = 0  # of the value; 0: no cap
    audit_e8: int = 0  # per share
    sale_rate_e8: int = 0  # of the value of sales
    activity_e8: int = 0  # per share sold
    activity_cap_e8: int = 0  # money; 0: no cap


class Charged(NamedTuple):
    """What one order has filled and paid so far; all zero for a new order."""

    qty_lots: int
    value_e8: int
    fee_e8: int


NOTHING = Charged(0, 0, 0)
ZERO = CostModel(NO_TIERS, FREE, 0, 0, 0, 0, 0, 0)


@jit
def _tiered(model: CostModel, qty_lots: int, volume_lots: int, qty_scale: int) -> int:
    """Return the sum over tiers for an order that starts at a volume of the month, e8."""
    fee, left, start = 0, qty_lots, volume_lots
    for tier in range(5):
        if left == 0:
            break
        top = model.tier_tops[tier]
        # A boundary beyond int64 is none; the last tier has no end.
        part = left if tier == 4 or top > AMOUNT_MAX // qty_scale else min(left, max(0, top * qty_scale - start))
        fee += muldiv(model.tier_rates_e8[tier], part, qty_scale)
        left -= part
        start += part
    return fee


@jit
def _third_parties(model: CostModel, side: int, own_e8: int, qty_lots: int, value_e8: int, qty_scale: int) -> int:
    """Return what exchange, clearing house and regulators take, e8."""
    fee = muldiv(model.pass_through_e8, own_e8, ONE_E8)
    fee += muldiv(model.exchange_e8, qty_lots, qty_scale) + muldiv(model.audit_e8, qty_lots, qty_scale)
    clearing = muldiv(model.clearing_e8, qty_lots, qty_scale)
    if model.clearing_cap_e8 > 0:
        clearing = min(clearing, muldiv(model.clearing_cap_e8, value_e8, ONE_E8))
    fee += clearing
    if side < 0:
        activity = muldiv(model.activity_e8, qty_lots, qty_scale)
        fee += min(activity, model.activity_cap_e8) if model.activity_cap_e8 > 0 else activity
        fee += muldiv(model.sale_rate_e8, value_e8, ONE_E8)
    return fee


@jit
def commission(
    model: CostModel, side: int, qty_lots: int, price_ticks: int, value_e8: int, qty_scale: int, volume_lots: int = 0
) -> int:
    """Return the fee at 1e-8 of an order that fills `qty_lots` in all.

    Args:
        model: int64 numbers. side: 1 buys, -1 sells.
        qty_lots: >= 0; an order that fills nothing pays nothing.
        price_ticks: average or last price; the value decides, the price is for later models.
        value_e8: sum of the values of the fills, >= 0. qty_scale: lots in one share.
        volume_lots: what the account traded in the month before the order's first fill, >= 0.
    Raises:
        OverflowError: a product that does not fit int64.
    """
    if qty_lots == 0:
        return 0
    own = model.per_order_e8 + _tiered(model, qty_lots, volume_lots, qty_scale) + muldiv(model.rate_e8, value_e8, ONE_E8)
    minimum = model.minimum_fraction_e8 if qty_lots < qty_scale else model.minimum_e8
    spared = model.cap_spares_minimum == 1 and own < minimum
    own = max(own, minimum)
    if model.cap_rate_e8 > 0 and not spared:
        own = min(own, muldiv(model.cap_rate_e8, value_e8, ONE_E8))
    return own + _third_parties(model, side, own, qty_lots, value_e8, qty_scale)


@jit
def next_fill_commission(
    model: CostModel,
    charged: Charged,
    side: int,
    qty_lots: int,
    price_ticks: int,
    value_e8: int,
    qty_scale: int,
    volume_lots: int = 0,
) -> int:
    """Return the fee of the next fill of an order: the fee so far with it, minus without it.

    Args:
        charged: quantity, value and fee of the fills before this one.
        qty_lots, price_ticks, value_e8: of this fill alone. volume_lots: the same for all fills of an order.
    """
    quantity = charged.qty_lots + qty_lots
    value = charged.value_e8 + value_e8
    return commission(model, side, quantity, price_ticks, value, qty_scale, volume_lots) - charged.fee_e8
