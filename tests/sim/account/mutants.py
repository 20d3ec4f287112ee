"""Accounts with one safeguard taken away, in the pure-Python form of the kernels.

Run as a program under NUMBA_DISABLE_JIT=1; it prints, as JSON, which test each mutant was
caught by: {name: test}, null for one that survived. The first entry is the whole account.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from sim.costs import NOTHING
from sim.engine import claims, fills, parts
from sim.engine.account import CLEAR, corporate, days, margin, orders
from tests.sim.account import test_account_rules as rules

CHECKS: dict[str, Callable[[], object]] = {
    "settlement": lambda: rules.test_proceeds_of_a_sale_buy_again_only_when_they_have_settled("2", 6),
    "credit": rules.test_a_cash_account_spends_no_more_than_its_cash_and_a_margin_account_twice_as_much,
    "call": rules.test_a_margin_call_sells_at_the_next_open_and_the_strategy_stays_out_until_its_target_changes,
    "edge": rules.test_equity_exactly_at_the_requirement_is_not_called,
    "nights": rules.test_nights_are_charged_by_the_calendar_on_shorts_cash_and_debts,
    "dividend": rules.test_a_short_position_pays_the_dividend_a_long_one_receives,
    "split": rules.test_a_market_order_that_works_through_a_split_fills_for_the_new_shares_at_the_same_open,
    "fraction": lambda: rules.test_the_fraction_of_a_split_is_paid_out_at_the_last_close(1, "1", 316, 1),
    "tiers": rules.test_partial_fills_pay_the_tiered_fee_of_their_order_from_its_months_volume_on,
    "unsized": rules.test_a_wish_before_its_size_is_known_orders_nothing_and_is_told,
}

MUTANTS: list[tuple[str, Any, str, Any]] = [
    ("nothing is taken away", rules, "FREE", rules.FREE),
    ("proceeds count at once", parts, "write_after_fills", lambda *args: None),
    ("proceeds never settle", days, "_settle", lambda account: None),
    ("credit has no limit", margin, "buying_power", lambda a, bps: 2**59),
    ("credit is never given", claims, "write_credit", lambda *args: False),
    ("no margin call", parts, "write_call", lambda *args: CLEAR),
    ("nobody is ever called", margin, "_called", lambda *args: False),
    ("nights are free", corporate, "borrow_fee", lambda *args: 0),
    ("debts are free", days, "interest", lambda *args: 0),
    ("an order dies in a split", corporate, "_write_again", lambda *args: False),
    ("every month starts anew", orders, "month_volume", lambda *args: 0),
    ("volume is not counted", orders, "add_volume", lambda *args: None),
    ("each part pays as a new order", orders, "Charged", lambda qty, value, fee: NOTHING),
    ("fills pay nothing", fills, "fill_fee", lambda *args: 0),
    ("an unknown size is no position", claims, "UNSIZED", -1),
]


def caught_by() -> str | None:
    """Return the first check that fails, or None."""
    for name, check in CHECKS.items():
        try:
            check()
        except Exception:
            return name
    return None


if __name__ == "__main__":
    found = {}
    for name, module, attribute, broken in MUTANTS:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, attribute, broken)
            found[name] = caught_by()
    print(json.dumps(found))
