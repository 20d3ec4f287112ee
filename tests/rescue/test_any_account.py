"""Any account that made no mistake is clean, and any planted fault is found with its amount, whatever the trades were."""

from __future__ import annotations

import tempfile
from decimal import Decimal
from pathlib import Path

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ledger.rescue.schema.robo_trader import USUAL_STARTS
from tests.rescue.conftest import audited
from tests.rescue.robo import GENERATIONS, Robo, at, workdays
from tests.rescue.test_robo_clean import weekdays
from tests.rescue.twin import fifo

E8 = 10**8
wish = st.tuples(
    st.sampled_from("ABCD"), st.integers(-60, 100).filter(bool), st.integers(3_000, 9_000_000).map(lambda n: Decimal(n) / 10_000),
    st.sampled_from(["0", "0.35", "1.00", "1.0049"]),
)  # fmt: skip
days = st.lists(st.lists(wish, max_size=8), min_size=1, max_size=5)


def account(generation: str, made: list, start: str = "100000") -> Robo:
    """Return a bot that did this day by day, never selling what it did not have, five minutes between two trades."""
    bot, held = Robo(generation, start), dict.fromkeys("ABCD", 0)
    for day, wishes in zip(workdays("2026-01-05", len(made)), made, strict=True):
        for n, (symbol, size, price, fee) in enumerate(wishes):
            size = max(size, -held[symbol])
            if size:
                held[symbol] += size
                bot.trade(at(day, 5 * n), "BUY" if size > 0 else "SELL", symbol, abs(size), str(price), fee)
        bot.close_day(day)
    return bot.settle()


def test_a_fault_of_a_cent_beside_a_round_sum_is_found():
    bot = account("G2", [[("A", 1, Decimal("0.3"), "0")]])
    bot.account["cash"] = float(bot.cash + Decimal("49999.99"))
    bot.account["equity"] = bot.account["cash"] + 0.3
    assert {f.audit: f.amount_e8 for f in findings(bot)}["cash-does-not-foot"] == 4_999_999_000_000


def findings(bot: Robo) -> list:
    with tempfile.TemporaryDirectory() as folder:
        return audited(bot.save(Path(folder) / "t.db"), weekdays).findings


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(GENERATIONS), days, st.sampled_from(["100000", "25000", "250000"]))
def test_an_account_without_a_mistake_has_no_finding(generation, made, start):
    assert findings(account(generation, made, start)) == []


@settings(max_examples=12, deadline=None)
@given(days, st.data())
def test_average_costs_and_profits_rounded_to_cents_are_no_finding(made, data):
    bot = account("G2", made)
    for position in bot.positions:
        bought = [d for d in bot.deals if d.symbol == position["symbol"]]
        position["avg_cost"] = float(_average(bought))
    for row in bot.trades:
        row["pnl"] = None if row["pnl"] is None else round(row["pnl"], 2)
    assert findings(bot) == []


def _average(made: list) -> Decimal:
    """Return the running average cost: purchases move it, sales do not."""
    qty, cost = Decimal(0), Decimal(0)
    for deal in made:
        if deal.sign > 0:
            qty, cost = qty + deal.qty, cost + deal.qty * deal.price
        else:
            cost, qty = cost * (qty - deal.qty) / qty, qty - deal.qty
    return cost / qty


@settings(max_examples=20, deadline=None)
@given(days.filter(lambda made: any(made)), st.sampled_from(["pnl", "null", "cash", "equity", "position"]), st.integers(100, 10**7), st.data())
def test_any_planted_fault_is_found_with_its_exact_amount(made, fault, cents, data):
    bot, amount = account("G2", made), Decimal(cents) / 100
    # A fault that makes the start a usual round sum is no fault to see: the file would be sound with that start.
    assume(100_000 + amount not in USUAL_STARTS)
    closers = [row for row in bot.trades if row["pnl"] is not None]
    if fault == "cash":
        bot.account["cash"] = float(bot.cash + amount)
        bot.account["equity"] = float(bot.cash + bot.value() + amount)
        wanted = {"cash-does-not-foot": amount, "phantom-cash": amount}
    elif fault == "equity":
        row = data.draw(st.sampled_from(bot.days))
        row["equity"] = float(Decimal(str(row["equity"])) + amount)
        wanted = {"equity-edited": amount}
    elif fault == "position" and bot.positions:
        row = data.draw(st.sampled_from(bot.positions))
        row["quantity"] -= 1
        wanted = {"position-does-not-foot": None, "phantom-cash": None}
    elif closers and fault in ("pnl", "null"):
        row = data.draw(st.sampled_from(closers))
        true = fifo(bot.deals)[0][row["id"] - 1].profit
        row["pnl"] = None if fault == "null" else float(true + amount)
        wanted = {"pnl-null": -true} if fault == "null" else {"pnl-*": amount}
    else:
        return
    found = {finding.audit: finding.amount_e8 for finding in findings(bot)}
    for audit, expected in wanted.items():
        names = [name for name in found if name.startswith(audit.rstrip("*"))] if audit.endswith("*") else [audit]
        assert names and set(names) <= found.keys(), (audit, found)
        if expected is not None:
            # A stored double has about sixteen digits, and a stored average cost is a rounded quotient of many shares.
            most = 10_000 if audit == "phantom-cash" else 100
            assert abs(sum(found[name] for name in names) - int(expected * E8)) <= most, (audit, found, expected)
