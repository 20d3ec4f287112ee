"""Sizing rules as text, and the weights they make of past bars, against slow twins."""

from __future__ import annotations

import math
import statistics
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.units import UnitError
from strategies.api import Bars, as_bars, head
from strategies.sizing import (
    EDGE, EQUITY, FORMS, ONE_BPS, ONE_E6, SHARES, UNKNOWN_WEIGHT, VALUE, Rule, Size, bars_per_year, full_lots, parse_rule,
    weights,
)  # fmt: skip

E8 = 10**8
SHARE = 10_000
STATISTICAL = ["volatility:15,bars=5", "atr:1,multiple=2,bars=4", "kelly:50,bars=6,max=200", "inverse-volatility:95,bars=5"]


def bars_of(closes: list[float], spread: float = 0.01) -> Bars:
    close = np.array(closes, np.float64)
    before = np.concatenate([close[:1], close[:-1]])
    high, low = np.maximum(close, before) * (1 + spread), np.minimum(close, before) * (1 - spread)
    return as_bars(np.arange(close.size) * 10**9, before, high, low, close, np.ones(close.size))


closes = st.lists(st.integers(100, 20_000).map(lambda cents: cents / 100), min_size=2, max_size=24)


def slow_weight(text: str, bars: Bars, t: int) -> float | None:
    """One rule, one bar, in the words of the module's docstring."""
    rule = parse_rule(text)
    n = rule.bars
    if t < n:
        return None
    close = [float(x) for x in bars.close[: t + 1]]
    made = [close[i] / close[i - 1] - 1 for i in range(t - n + 1, t + 1)]
    cap, amount = rule.max_e6 / 1e6, rule.amount / 1e6
    if rule.kind == "volatility":
        spread = statistics.stdev([math.log1p(r) for r in made]) * math.sqrt(252)
        return min(cap, amount / spread) if spread else cap
    if rule.kind == "kelly":
        mean, variance = statistics.mean(made), statistics.variance(made)
        edge = math.inf * mean if variance == 0 and mean else (mean / variance if mean else 0.0)
        return max(-cap, min(cap, amount * edge))
    moved = [max(bars.high[i], close[i - 1]) - min(bars.low[i], close[i - 1]) for i in range(t - n + 1, t + 1)]
    span = statistics.mean(moved) * rule.multiple_e4 / 1e4
    return min(cap, amount * close[t] / span) if span else cap


@settings(deadline=None, max_examples=60)
@given(prices=closes, text=st.sampled_from(STATISTICAL[:3]))
def test_a_weight_equals_its_twin_written_out_for_one_bar(prices: list[float], text: str) -> None:
    bars = bars_of(prices)
    (found,) = weights(parse_rule(text), [bars], 252.0)
    for t in range(len(prices)):
        expected = slow_weight(text, bars, t)
        if expected is None:
            assert found[t] == UNKNOWN_WEIGHT
        else:
            # A statistic on equal returns is 0 in one order of summing and 1e-18 in another; both meet the cap.
            assert found[t] == pytest.approx(expected * 1e6, rel=1e-6, abs=2) or abs(found[t]) == parse_rule(text).max_e6


@settings(deadline=None, max_examples=60)
@given(prices=closes, text=st.sampled_from(STATISTICAL), cut=st.integers(1, 24), other=closes)
def test_no_weight_sees_a_bar_after_its_own(prices: list[float], text: str, cut: int, other: list[float]) -> None:
    pair = [bars_of(prices), bars_of(other)]
    whole = weights(parse_rule(text), pair, 252.0)
    part = weights(parse_rule(text), [head(bars, min(cut, bars.close.size)) for bars in pair], 252.0)
    for full, short in zip(whole, part, strict=True):
        assert np.array_equal(full[: min(cut, len(short))], short[:cut])


@settings(deadline=None, max_examples=40)
@given(prices=closes, text=st.sampled_from(STATISTICAL[:3]), dropped=st.integers(0, 6))
def test_a_weight_is_the_same_wherever_the_history_starts(prices: list[float], text: str, dropped: int) -> None:
    bars = bars_of(prices)
    late = Bars(*(column[dropped:].copy() for column in bars))
    (whole,), (part,) = weights(parse_rule(text), [bars], 252.0), weights(parse_rule(text), [late], 252.0)
    known = part != UNKNOWN_WEIGHT
    assert np.array_equal(whole[dropped:][known], part[known])


@settings(deadline=None, max_examples=40)
@given(tables=st.lists(closes, min_size=1, max_size=4))
def test_inverse_volatility_weights_share_the_percentage_and_the_calmest_gets_most(tables: list[list[float]]) -> None:
    count = min(len(table) for table in tables)
    pool = [bars_of(table[:count]) for table in tables]
    found = weights(parse_rule("inverse-volatility:95,bars=5"), pool, 252.0)
    for t in range(count):
        now = [int(column[t]) for column in found if column[t] != UNKNOWN_WEIGHT]
        assert not now or 950_000 - len(now) <= sum(now) <= 950_000
    spreads = [statistics.stdev(np.diff(np.log(bars.close[-6:]))) if count > 5 else 0.0 for bars in pool]
    last = [(spread, int(column[-1])) for spread, column in zip(spreads, found, strict=True) if column[-1] != UNKNOWN_WEIGHT]
    for (calm, more), (wild, less) in zip(sorted(last), sorted(last)[1:], strict=False):
        assert calm == wild or more >= less


@settings(deadline=None, max_examples=40)
@given(tables=st.lists(closes, min_size=1, max_size=4), text=st.sampled_from(STATISTICAL[:3]))
def test_the_full_sizes_of_all_symbols_together_stay_within_the_cap(tables: list[list[float]], text: str) -> None:
    count = min(len(table) for table in tables)
    found = weights(parse_rule(text), [bars_of(table[:count]) for table in tables], 252.0)
    assert all(sum(abs(int(c[t])) for c in found if c[t] != UNKNOWN_WEIGHT) <= parse_rule(text).max_e6 for t in range(count))


@settings(deadline=None, max_examples=300)
@given(
    kind=st.sampled_from([VALUE, EQUITY, EDGE]),
    amount=st.integers(0, 10**15),
    weight=st.integers(-2 * ONE_E6, 2 * ONE_E6),
    target=st.integers(-ONE_E6, ONE_E6),
    equity=st.integers(-(10**14), 10**15),
    fee=st.integers(0, 10**10),
    buffer=st.integers(0, 9_999),
    price=st.integers(100, 10**8),
    step=st.sampled_from([1, 100, SHARE]),
    with_fee=st.integers(0, 1),
)
def test_a_position_is_in_whole_steps_on_the_wanted_side_and_within_its_budget(
    kind: int, amount: int, weight: int, target: int, equity: int, fee: int, buffer: int, price: int, step: int, with_fee: int
) -> None:
    size = Size(kind, amount, buffer, with_fee)
    lots = full_lots(size, weight, target, equity, fee, price, 1, 1, step)
    paid = fee if with_fee else 0
    if kind == VALUE:
        budget = Fraction(max(0, amount - paid) * abs(target), ONE_E6)
    else:
        side = -1 if kind == EDGE and target < 0 else 1
        free = max(Fraction(0), Fraction(max(0, equity) * (ONE_BPS - buffer), ONE_BPS) - paid)
        budget = free * max(0, side * weight) * abs(target) / ONE_E6**2
    assert lots % step == 0
    assert lots * target >= 0
    assert abs(lots) * price <= budget
    assert (abs(lots) + step) * price > budget - 2


@settings(deadline=None, max_examples=200)
@given(
    weight=st.integers(0, 2 * ONE_E6), more=st.integers(0, ONE_E6), equity=st.integers(0, 10**15), fee=st.integers(0, 10**10),
    price=st.integers(100, 10**8), dearer=st.integers(0, 10**6), target=st.integers(0, ONE_E6),
)  # fmt: skip
def test_a_position_never_grows_with_price_or_fee_and_never_shrinks_with_weight_or_equity(
    weight: int, more: int, equity: int, fee: int, price: int, dearer: int, target: int
) -> None:
    size = Size(EQUITY, 0, 25, 1)
    base = full_lots(size, weight, target, equity, fee, price, 1, 1, SHARE)
    assert full_lots(size, weight, target, equity, fee + dearer, price, 1, 1, SHARE) <= base
    assert full_lots(size, weight, target, equity, fee, price + dearer, 1, 1, SHARE) <= base
    assert full_lots(size, weight + more, target, equity, fee, price, 1, 1, SHARE) >= base
    assert full_lots(size, weight, target, equity + dearer, fee, price, 1, 1, SHARE) >= base


@pytest.mark.parametrize("kind", [EQUITY, EDGE])
def test_an_unknown_weight_buys_nothing_on_either_side(kind: int) -> None:
    for target in (-ONE_E6, ONE_E6):
        assert full_lots(Size(kind, 0, 0, 0), UNKNOWN_WEIGHT, target, 10**13, 0, 10**6, 1, 1, SHARE) == 0


def test_a_risk_of_one_percent_per_two_atr_loses_one_percent_when_the_price_falls_by_two_atr() -> None:
    bars = bars_of([100.0] * 10, spread=0.02)  # a true range of 4.00 on every bar
    (found,) = weights(parse_rule("atr:1,multiple=2,bars=4"), [bars], 252.0)
    lots = full_lots(Size(EQUITY, 0, 0, 0), int(found[-1]), ONE_E6, 100_000 * E8, 0, 100_0000, 1, 1, SHARE)
    assert lots == 125 * SHARE  # 125 shares * 8.00 = 1,000 = 1 % of 100,000


def test_kelly_is_silent_on_the_side_that_has_lost() -> None:
    rising = bars_of([100.0 * 1.01**t * (1 + 0.02 * (t % 2)) for t in range(12)])
    (edge,) = weights(parse_rule("kelly:50,bars=6"), [rising], 252.0)
    size, last = Size(EDGE, 0, 0, 0), int(edge[-1])
    assert full_lots(size, last, ONE_E6, 100_000 * E8, 0, 100_0000, 1, 1, SHARE) > 0
    assert full_lots(size, last, -ONE_E6, 100_000 * E8, 0, 100_0000, 1, 1, SHARE) == 0


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("shares:100", Rule("shares", 100 * SHARE, 0, 0, 0, 0, 0)),
        ("value:2500.50", Rule("value", 250_050_000_000, 0, 0, 0, 0, 0)),
        ("percent:95", Rule("percent", 950_000, 0, 0, 0, 0, 0)),
        ("percent:100,buffer=0.25,fees=1", Rule("percent", ONE_E6, 0, 0, 0, 25, 1)),
        ("each: 33.3333", Rule("each", 333_333, 0, 0, 0, 0, 0)),
        ("atr:1", Rule("atr", 10_000, 14, 20_000, ONE_E6, 0, 0)),
        ("atr:0.5,multiple=1.5,bars=20,max=50", Rule("atr", 5_000, 20, 15_000, 500_000, 0, 0)),
        ("kelly:50 , bars=100", Rule("kelly", 500_000, 100, 0, ONE_E6, 0, 0)),
        ("volatility:15", Rule("volatility", 150_000, 60, 0, ONE_E6, 0, 0)),
        ("inverse-volatility:95", Rule("inverse-volatility", 950_000, 60, 0, 0, 0, 0)),
    ],
)
def test_a_rule_is_read_exactly(text: str, rule: Rule) -> None:
    assert parse_rule(text) == rule


@pytest.mark.parametrize("text", [*FORMS.values()])
def test_every_form_that_is_shown_can_be_read_and_sized(text: str) -> None:
    size = parse_rule(text).size(3)
    assert size.kind in (SHARES, VALUE, EQUITY, EDGE)
    assert size.amount > 0


@pytest.mark.parametrize(
    "text",
    ["", "percent", "percent:", "percent:0", "percent:-5", "percent:1001", "percent:nan", "percent:95,", "percent:95,bars=5"]
    + ["procent:95", "shares:0", "shares:0.00001", "shares:1e30", "value:-1", "atr:1,bars=1", "atr:1,bars=x", "atr:1,max=0"]
    + ["atr:1,multiple=0", "kelly:50,bars=10,bars=20", "percent:95,fees=2", "percent:95,buffer=100", "percent:95,buffer=-1"],
)  # fmt: skip
def test_a_rule_that_is_not_understood_is_refused_by_name(text: str) -> None:
    with pytest.raises(UnitError, match="size"):
        parse_rule(text)


@pytest.mark.parametrize(
    ("bar", "count"), [("1d", 252), ("5d", 50.4), ("1w", 52), ("1mo", 12), ("1m", 98_280), ("5m", 19_656), ("1h", 1638)]
)
def test_a_year_has_as_many_bars_as_its_sessions_hold(bar: str, count: float) -> None:
    assert bars_per_year(bar) == count


def test_a_bar_length_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="bar length"):
        bars_per_year("fortnight")
