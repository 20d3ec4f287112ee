"""Commissions against a Decimal twin, by the order, in parts, and at IBKR's own examples; the month's volume; carry."""

from __future__ import annotations

from datetime import date
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.units import UnitError
from sim.costs import (
    IBKR_FIXED, IBKR_TIERED, LEAN_IBKR, NAMED, NOTHING, ZERO, Carry, Charged, CostModel, add_volume, borrow_fee, commission,
    interest, month_of, month_volume, next_fill_commission, parse, parse_carry,
)  # fmt: skip

E8 = 10**8
SHARE = 10**4  # lots in one share

# LEAN's fee falls where its cap begins to bite below its minimum, so neither rule can hold for it.
models = st.sampled_from([*(name for name in NAMED if name != "lean-ibkr"), "bps:10", "bps:0.25", "per-share:0.005", "per-order:1.5", "per-share:0.01,minimum=2,cap=0.5"]).map(parse)
volumes = st.sampled_from([0, 299_900, 2_999_999, 19_999_000, 99_999_999]).map(lambda shares: shares * SHARE) | st.integers(0, 10**13)
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
@given(model=models, parts=fills, volume=volumes, side=st.sampled_from([-1, 1]))
def test_partial_fills_pay_together_exactly_what_the_whole_order_pays(
    model: CostModel, parts: list[tuple[int, int]], volume: int, side: int
) -> None:
    charged, fees = NOTHING, []
    for qty, price in parts:
        fees.append(next_fill_commission(model, charged, side, qty, price, qty * price, SHARE, volume))
        charged = Charged(charged.qty_lots + qty, charged.value_e8 + qty * price, charged.fee_e8 + fees[-1])
    assert sum(fees) == commission(model, side, charged.qty_lots, 0, charged.value_e8, SHARE, volume)
    # The small minimum of an order below one share may be followed by a cap of the whole: no part is ever negative.
    assert min(fees) >= 0


@settings(deadline=None)
@given(model=models, parts=fills, worse=st.integers(0, 10**6), volume=volumes, side=st.sampled_from([-1, 1]))
def test_the_fee_of_the_full_quantity_at_the_worst_price_bounds_every_outcome(
    model: CostModel, parts: list[tuple[int, int]], worse: int, volume: int, side: int
) -> None:
    quantity = sum(qty for qty, _ in parts)
    worst = max(price for _, price in parts) + worse
    bound = commission(model, side, quantity, worst, quantity * worst, SHARE)
    some = parts[: len(parts) // 2 + 1]
    qty, value = sum(q for q, _ in some), sum(q * p for q, p in some)
    assert 0 <= commission(model, side, qty, 0, value, SHARE, volume) <= bound


@settings(deadline=None)
@given(model=models, qty=st.integers(1, 10**9), price=st.integers(1, 10**8), volume=volumes)
def test_only_the_fees_of_regulators_tell_a_sale_from_a_purchase(model: CostModel, qty: int, price: int, volume: int) -> None:
    value = qty * price
    bought, sold = (commission(model, side, qty, price, value, SHARE, volume) for side in (1, -1))
    regulators = model.sale_rate_e8 > 0 or model.activity_e8 > 0
    assert sold >= bought if regulators else sold == bought


def slow_tiered(shares: Decimal, month: Decimal) -> Decimal:
    """IBKR's tiers share by share in words: the part of the order in each tier at its rate."""
    table = [(0, 300_000, "0.0035"), (300_000, 3_000_000, "0.002"), (3_000_000, 20_000_000, "0.0015")]
    table += [(20_000_000, 100_000_000, "0.001"), (100_000_000, 10**12, "0.0005")]
    return sum((max(Decimal(0), min(month + shares, high) - max(month, low)) * Decimal(rate) for low, high, rate in table), Decimal(0))


@settings(deadline=None)
@given(shares=st.integers(1, 3 * 10**8), month=volumes, price=st.integers(10_0000, 900_0000))
def test_tiers_are_marginal_and_equal_their_twin_in_decimals(shares: int, month: int, price: int) -> None:
    value = shares * price * SHARE
    if value >= 2**60:
        return
    own = max(slow_tiered(Decimal(shares), Decimal(month) / SHARE), Decimal("0.35"))
    expected = min(own * E8, Decimal(value) / 100)
    assert abs(commission(IBKR_TIERED, 1, shares * SHARE, price, value, SHARE, month) - expected) <= 3


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


@pytest.mark.parametrize(
    ("shares", "exchange", "fees"),
    [
        # The examples of IBKR's page "Fixed vs. Tiered Pricing Comparison", sales at 5.00 that take liquidity, at
        # the rates it was written with; commission, exchange, clearing, SEC, FINRA, NYSE, trading activity.
        (30_000_000, "0.003", ["1050", "5400", "25500", "10000", "90000", "6000", "1200", "23.492", "7.34125", "7.27"]),
        (200_000, "0.003", ["700", "600", "40", "8", "0.392", "0.1225", "7.27"]),
    ],
)
def test_ibkr_tiered_with_third_parties_by_the_brokers_own_examples(shares: int, exchange: str, fees: list[str]) -> None:
    then = NAMED["ibkr-tiered+fees"]._replace(
        sale_rate_e8=800, pass_through_e8=56_000 + 17_500, activity_e8=14_500, activity_cap_e8=727_000_000, audit_e8=0,
        exchange_e8=int(Decimal(exchange) * E8),
    )  # fmt: skip
    value = shares * 5 * E8
    assert commission(then, -1, shares * SHARE, 5_0000, value, SHARE) == sum(int(Decimal(fee) * E8) for fee in fees)


@pytest.mark.parametrize(
    ("text", "side", "fee"),
    [
        ("ibkr-tiered", 1, "0.35"),
        ("ibkr-tiered+fees", 1, "0.6774583"),  # 0.35 + 0.3 exchange + 0.02 clearing + 0.0072 audit + 0.0002583 passed through
        ("ibkr-tiered+fees", -1, "0.7635583"),  # and 0.0695 SEC + 0.0166 trading activity
        ("ibkr-fixed+fees", 1, "1.0072"),
        ("ibkr-fixed+fees", -1, "1.0933"),
    ],
)
def test_a_hundred_shares_at_25_by_hand(text: str, side: int, fee: str) -> None:
    assert commission(parse(text), side, 100 * SHARE, 25_0000, 2_500 * E8, SHARE) == int(Decimal(fee) * E8)


@pytest.mark.parametrize(
    ("shares", "price", "fee"), [("100", "10", "1"), ("100", "1", "1"), ("1000", "0.5", "2.5"), ("697", "143.0", "3.485"), ("0.5", "100", "1"), ("1000", "0.05", "0.25")]
)
def test_the_reading_of_lean_spares_its_minimum_from_the_cap(shares: str, price: str, fee: str) -> None:
    qty, value = int(Decimal(shares) * SHARE), int(Decimal(shares) * Decimal(price) * E8)
    assert commission(LEAN_IBKR, 1, qty, 1, value, SHARE) == int(Decimal(fee) * E8)


def test_an_order_of_a_new_month_starts_at_the_first_tier_again() -> None:
    state, january, february = np.zeros(2, np.int64), date(2024, 1, 31).toordinal(), date(2024, 2, 1).toordinal()
    add_volume(state, january, 400_000 * SHARE, SHARE)
    add_volume(state, january, 50_000_000, 10**2)  # another grid: 500,000 shares
    assert month_volume(state, january, SHARE) == 900_000 * SHARE
    assert month_volume(state, january, 1) == 900_000
    assert month_volume(state, february, SHARE) == 0
    add_volume(state, february, 10 * SHARE, SHARE)
    assert month_volume(state, february, SHARE) == 10 * SHARE


@settings(deadline=None)
@given(st.dates())
def test_the_month_of_a_day_is_the_calendars(day: date) -> None:
    assert month_of(day.toordinal()) == 12 * day.year + day.month - 1


@settings(deadline=None)
@given(cash=st.integers(-(10**17), 10**17), short=st.integers(0, 10**17), nights=st.integers(0, 400), bps=st.integers(0, 20_000))
def test_a_night_costs_the_annual_rate_over_360_rounded_once(cash: int, short: int, nights: int, bps: int) -> None:
    carry = parse_carry(str(bps), str(bps), str(2 * bps))
    base = cash - short
    rate = Fraction(bps if base > 0 else 2 * bps, 10_000)
    assert interest(carry, cash, short, nights) == round(base * rate * nights / 360)
    assert borrow_fee(carry.borrow_e8, short, nights) == round(short * Fraction(bps, 10_000) * nights / 360)


@pytest.mark.parametrize("texts", [("-1", "0", "0"), ("x", "0", "0"), ("0", "1e9", "0"), ("0", "0", "0.00001"), ("", "0", "0")])
def test_a_rate_that_is_not_understood_is_refused(texts: tuple[str, str, str]) -> None:
    with pytest.raises(UnitError):
        parse_carry(*texts)


def test_no_rate_charges_nothing() -> None:
    assert interest(Carry(0, 0, 0), -5 * E8, 10 * E8, 3) == borrow_fee(0, 10 * E8, 3) == 0


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
        ("per-order:4.95", "10000", "4.95"),
        ("per-share:0.005,minimum=1", "10000", "1"),
        ("per-share:1,cap=0.5", "10000", "50"),
        ("bps:10, minimum=20", "10000", "20"),
    ],
)
def test_a_named_model_charges_what_its_name_says(text: str, value: str, fee: str) -> None:
    value_e8 = int(Decimal(value) * E8)
    assert commission(parse(text), 1, 100 * SHARE, 1, value_e8, SHARE) == int(Decimal(fee) * E8)


def test_an_order_that_fills_nothing_pays_nothing() -> None:
    assert commission(IBKR_FIXED, 1, 0, 100_0000, 0, SHARE) == 0


def test_a_fee_that_does_not_fit_is_an_error_and_never_wraps() -> None:
    with pytest.raises(OverflowError):
        commission(ZERO._replace(rate_e8=2**62), 1, 2**62, 1, 2**62, 1)


@pytest.mark.parametrize(
    "text", ["", "ibkr", "ibkr-fixed:1", "zero:0", "bps", "bps:", "bps:x", "bps:-1", "bps:nan", "bps:10001"]
    + ["bps:0.00001", "per-share:-0.01", "per-share:1e9", "per-share:0.000000001", "percent:1", "bps:10,cap=101", "bps:10,least=1", "bps:10,cap", "ibkr-fixed,cap=1", "per-order:-1"],
)  # fmt: skip
def test_a_cost_model_that_is_not_understood_is_refused(text: str) -> None:
    with pytest.raises(UnitError):
        parse(text)
