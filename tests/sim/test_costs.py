"""Commissions against a Decimal twin, by the order, in parts, and at IBKR's own examples."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.units import UnitError
from sim.costs import IBKR_FIXED, NOTHING, ZERO, Charged, CostModel, commission, next_fill_commission, parse

E8 = 10**8
SHARE = 10**4  # lots in one share

models = st.sampled_from(["ibkr-fixed", "zero", "bps:10", "bps:0.25", "per-share:0.005"]).map(parse)
fills = st.lists(
    st.tuples(st.integers(1, 500) | st.integers(1, 5_000 * SHARE), st.integers(1, 5_000_000)),
    min_size=1,
    max_size=8,
)


def slow_ibkr(qty_lots: int, value_e8: int) -> int:
    """IBKR's page in decimals, one line a sentence."""
    shares, value = Decimal(qty_lots) / SHARE, Decimal(value_e8) / E8
    grain = Decimal("0.00000001")
    fee = (shares * Decimal("0.005")).quantize(grain, ROUND_HALF_EVEN)
    fee = max(fee, Decimal("1.00") if shares >= 1 else Decimal("0.01"))
    fee = min(fee, (value * Decimal("0.01")).quantize(grain, ROUND_HALF_EVEN))
    return int(fee * E8)


@settings(deadline=None)
@given(qty=st.integers(1, 10**9), price=st.integers(1, 10**8))
def test_ibkr_fixed_equals_its_twin_in_decimals(qty: int, price: int) -> None:
    assert commission(IBKR_FIXED, 1, qty, price, qty * price, SHARE) == slow_ibkr(qty, qty * price)


@settings(deadline=None)
@given(model=models, parts=fills)
def test_partial_fills_pay_together_exactly_what_the_whole_order_pays(
    model: CostModel, parts: list[tuple[int, int]]
) -> None:
    charged, fees = NOTHING, []
    for qty, price in parts:
        fees.append(next_fill_commission(model, charged, 1, qty, price, qty * price, SHARE))
        charged = Charged(charged.qty_lots + qty, charged.value_e8 + qty * price, charged.fee_e8 + fees[-1])
    assert sum(fees) == commission(model, 1, charged.qty_lots, 0, charged.value_e8, SHARE)
    assert min(fees) >= 0


@settings(deadline=None)
@given(model=models, parts=fills, worse=st.integers(0, 10**6))
def test_the_fee_of_the_full_quantity_at_the_worst_price_bounds_every_outcome(
    model: CostModel, parts: list[tuple[int, int]], worse: int
) -> None:
    quantity = sum(qty for qty, _ in parts)
    worst = max(price for _, price in parts) + worse
    bound = commission(model, 1, quantity, worst, quantity * worst, SHARE)
    some = parts[: len(parts) // 2 + 1]
    qty, value = sum(q for q, _ in some), sum(q * p for q, p in some)
    assert 0 <= commission(model, -1, qty, 0, value, SHARE) <= bound


@settings(deadline=None)
@given(model=models, qty=st.integers(1, 10**9), price=st.integers(1, 10**8))
def test_buying_and_selling_cost_the_same(model: CostModel, qty: int, price: int) -> None:
    value = qty * price
    assert commission(model, 1, qty, price, value, SHARE) == commission(model, -1, qty, price, value, SHARE)


@pytest.mark.parametrize(
    ("shares", "price", "fee"),
    [
        # shares    price      fee          why
        ("100", "25", "1.00"),  # the minimum; IBKR's first example
        ("1000", "25", "5.00"),  # by the share; IBKR's second example
        ("1000", "0.25", "2.50"),  # the cap; IBKR's third example
        ("200", "25", "1.00"),  # where minimum and share rate meet
        ("201", "25", "1.005"),
        ("10", "0.20", "0.02"),  # the cap lies below the minimum: the cap wins
        ("1", "100", "1.00"),  # minimum and cap meet
        ("1", "99.99", "0.9999"),
        ("0.5", "200", "0.01"),  # a fractional order has the small minimum
        ("0.9999", "200", "0.01"),
        ("2.5", "1000", "1.00"),  # more than a share has the full one
        ("0.0001", "100", "0.0001"),  # the cap of a cent
    ],
)
def test_ibkr_fixed_by_hand(shares: str, price: str, fee: str) -> None:
    qty, ticks = int(Decimal(shares) * SHARE), int(Decimal(price) * 10**4)
    assert commission(IBKR_FIXED, 1, qty, ticks, qty * ticks, SHARE) == int(Decimal(fee) * E8)


def test_the_minimum_is_paid_once_by_an_order_that_fills_in_two_parts() -> None:
    first = next_fill_commission(IBKR_FIXED, NOTHING, 1, 100 * SHARE, 50_0000, 5_000 * E8, SHARE)
    done = Charged(100 * SHARE, 5_000 * E8, first)
    assert first == 1 * E8
    assert next_fill_commission(IBKR_FIXED, done, 1, 100 * SHARE, 50_0000, 5_000 * E8, SHARE) == 0
    assert next_fill_commission(IBKR_FIXED, done, 1, 300 * SHARE, 50_0000, 15_000 * E8, SHARE) == 1 * E8


@pytest.mark.parametrize(
    ("text", "value", "fee"),
    [
        ("zero", "12345.67", "0"),
        ("bps:10", "10000", "10"),
        ("bps:0.5", "10000", "0.5"),
        ("bps:0.0001", "10000", "0.0001"),
        ("bps:10", "0.00000500", "0"),  # half a unit of 1e-8: to even, down
        ("bps:10", "0.00001500", "0.00000002"),  # one and a half: to even, up
        ("per-share:0.005", "10000", "0.5"),
        ("per-share:0", "10000", "0"),
    ],
)
def test_a_named_model_charges_what_its_name_says(text: str, value: str, fee: str) -> None:
    value_e8 = int(Decimal(value) * E8)
    assert commission(parse(text), 1, 100 * SHARE, 1, value_e8, SHARE) == int(Decimal(fee) * E8)


def test_an_order_that_fills_nothing_pays_nothing() -> None:
    assert commission(IBKR_FIXED, 1, 0, 100_0000, 0, SHARE) == 0


def test_a_fee_that_does_not_fit_is_an_error_and_never_wraps() -> None:
    with pytest.raises(OverflowError):
        commission(ZERO._replace(per_share_e8=2**62), 1, 2**62, 1, 1, 1)


@pytest.mark.parametrize(
    "text", ["", "ibkr", "ibkr-fixed:1", "zero:0", "bps", "bps:", "bps:x", "bps:-1", "bps:nan", "bps:10001"]
    + ["bps:0.00001", "per-share:-0.01", "per-share:1e9", "per-share:0.000000001", "percent:1"],
)  # fmt: skip
def test_a_cost_model_that_is_not_understood_is_refused(text: str) -> None:
    with pytest.raises(UnitError):
        parse(text)
