"""The loop against a slow twin, and what it must never do."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.book import (
    E_CASH, E_KEY, E_KIND, E_PRICE, E_REASON, E_SIDE, E_TIME, I_POSITION, I_REALIZED, L_OPEN, Book,
)  # fmt: skip
from ledger.core import apply_all
from ledger.units import UnitError, money
from ledger.vocabulary import EventKind, Method, Outcome
from sim.data import Action
from sim.engine.exchange import Fill, judge_price, judge_quantity, worst_price
from sim.run import BacktestError, Setting, figures, simulate
from strategies.sizing import parse_rule
from sim.trades import closed_trades

from tests.sim.backtest import tapes

CASH = 100_000
SHARE = 10_000
prices = st.lists(st.integers(50_000, 2_000_000), min_size=3, max_size=30)


def slow_equity(closes: list[int], digits: list[int], shares: int) -> tuple[Fraction, int]:
    """Return (final equity, fills): whole shares, next open = this close, no commission, no shorting, exact."""
    cash, position, last, pending, fills = Fraction(CASH), 0, None, None, 0
    for bar, close in enumerate(closes):
        opening = closes[bar - 1] if bar else close
        if pending is not None:
            cash -= Fraction(pending * opening, SHARE)
            position, pending, fills = position + pending, None, fills + 1
        digit = digits[bar] if bar < len(digits) else 0
        if digit != last:
            wanted = shares if digit == 1 else 0
            worst = close + close * 400 // 10_000
            if wanted - position > 0 and Fraction((wanted - position) * worst, SHARE) > cash:
                last = None
                continue
            last = digit
            pending = wanted - position if wanted != position else None
    return cash + Fraction(position * closes[-1], SHARE), fills


@settings(max_examples=150, deadline=None)
@given(prices, st.lists(st.integers(0, 1), min_size=3, max_size=30), st.integers(1, 3000))
def test_the_loop_ends_with_the_slow_twins_equity_to_the_last_unit(closes: list[int], digits: list[int], shares: int) -> None:
    digits = (digits + [0] * len(closes))[: len(closes)]
    tape = tapes.history(closes)
    sim = simulate([tape], tapes.strategy(tapes.scripted, tapes.Script), tapes.script(digits), Setting("100000", f"shares:{shares}", "zero"))
    equity, fills = slow_equity(closes, digits, shares)
    assert sim.book.valuation().equity == equity * 10**8
    assert int((sim.log[:, E_KIND] == EventKind.FILL).sum()) == fills


@settings(max_examples=60, deadline=None)
@given(prices, st.lists(st.integers(0, 2), min_size=30, max_size=30))
def test_every_fill_is_at_the_open_after_its_claim_and_the_log_replays_to_the_same_book(
    closes: list[int], digits: list[int]
) -> None:
    tape = tapes.history(closes)
    sim = simulate([tape], tapes.strategy(tapes.scripted, tapes.Script, short=True), tapes.script(digits))
    claimed = {int(row[E_KEY]): int(row[E_TIME]) for row in sim.log if row[E_KIND] == EventKind.CLAIM}
    for row in sim.log[sim.log[:, E_KIND] == EventKind.FILL]:
        bar = int(np.searchsorted(tape.start_ns, claimed[int(row[E_KEY])]))
        assert row[E_TIME] == tape.start_ns[bar] and row[E_PRICE] == tape.open_ticks[bar]
    again = Book()
    assert apply_all(again, sim.log) == len(sim.log)
    assert again.digest() == sim.book.digest()


def test_a_strategy_without_opinion_leaves_the_cash_alone() -> None:
    sim = simulate([tapes.history([100_000] * 5)], tapes.strategy(tapes.silent), tapes.NoParams())
    assert len(sim.book.orders) == 0 and sim.book.valuation().equity == money("100000")
    assert figures(sim)["sharpe"] is None and figures(sim)["win_rate"] is None


def test_two_symbols_share_one_pot_of_cash() -> None:
    tape = [tapes.history([100_000, 110_000, 120_000, 130_000], name) for name in ("AAA", "BBB")]
    sim = simulate(tape, tapes.strategy(tapes.long_always), tapes.NoParams(), Setting(commission="zero"))
    positions = [int(row[I_POSITION]) for row in sim.book.instruments[1:]]
    assert positions == [47_50 * SHARE, 47_50 * SHARE]
    assert sim.book.valuation().equity == money("100000") + 9_500 * 3 * 10**8


def test_cash_the_first_symbol_took_is_refused_to_the_second_and_counted() -> None:
    tape = [tapes.history([100_000, 100_000, 100_000], name) for name in ("AAA", "BBB")]
    sim = simulate(tape, tapes.strategy(tapes.long_always), tapes.NoParams(), Setting(size="shares:9000"))
    assert [int(row[I_POSITION]) for row in sim.book.instruments[1:]] == [9_000 * SHARE, 0]
    assert sim.book.refusals()[Outcome.NO_CASH] == 3
    assert (sim.log[sim.log[:, E_KIND] == EventKind.REFUSED][:, E_REASON] == Outcome.NO_CASH).all()


def test_a_split_changes_shares_and_price_and_no_money() -> None:
    split = Action(tapes.FIRST_DAY + 3, 0, "split", 2, 1, 0)
    plain = tapes.history([1_000_000] * 6)
    halved = tapes.history([1_000_000] * 3 + [500_000] * 3, actions=(split,), opens=[1_000_000] * 3 + [500_000] * 3)
    kept, changed = (
        simulate([tape], tapes.strategy(tapes.long_always), tapes.NoParams(), Setting(commission="zero")) for tape in (plain, halved)
    )
    assert changed.book.valuation().equity == kept.book.valuation().equity
    assert int(changed.book.instruments[1, I_POSITION]) == 2 * int(kept.book.instruments[1, I_POSITION])
    assert len(changed.book.orders) == len(kept.book.orders) == 1


def test_a_split_cancels_what_works_and_the_wish_is_decided_anew() -> None:
    split = Action(tapes.FIRST_DAY + 1, 0, "split", 2, 1, 0)
    tape = tapes.history([1_000_000] + [500_000] * 4, actions=(split,), opens=[1_000_000] + [500_000] * 4)
    sim = simulate([tape], tapes.strategy(tapes.long_always), tapes.NoParams(), Setting(commission="zero"))
    assert int((sim.log[:, E_KIND] == EventKind.CANCELED).sum()) == 1
    assert int(sim.book.instruments[1, I_POSITION]) == 1_900 * SHARE


@pytest.mark.parametrize(("digit", "sign"), [(1, 1), (2, -1)])
def test_a_dividend_is_paid_to_who_is_long_and_by_who_is_short(digit: int, sign: int) -> None:
    dividend = Action(tapes.FIRST_DAY + 3, 0, "dividend", 0, 1, 50_000_000)
    tape = tapes.history([100_000] * 6, actions=(dividend,))
    playing = tapes.script([digit] * 6)
    sim = simulate([tape], tapes.strategy(tapes.scripted, tapes.Script, short=True), playing, Setting(size="shares:100", commission="zero"))
    assert sim.book.valuation().equity == money("100000") + sign * money("50")


def test_an_order_that_never_fills_expires_at_the_end() -> None:
    sim = simulate([tapes.history([100_000] * 3)], tapes.strategy(tapes.scripted, tapes.Script), tapes.script([0, 0, 1]))
    assert int((sim.log[:, E_KIND] == EventKind.EXPIRED).sum()) == 1
    assert sim.book.valuation().reserved == 0


@pytest.mark.parametrize(
    ("on_bar", "words"), [(tapes.off_words, "order type or time in force"), (tapes.priceless, "without the price"), (tapes.too_long, "target outside -1..1")]
)
def test_what_the_exchange_cannot_do_stops_the_run_with_a_reason(on_bar, words: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(BacktestError, match=words):
        simulate([tapes.history([100_000] * 3)], tapes.strategy(on_bar), tapes.NoParams())


@pytest.mark.parametrize(
    ("base", "price", "side", "most", "limit", "says"),
    [
        (100, 100, 1, 0, 0, Fill.HONEST), (105, 110, 1, 5, 0, Fill.HONEST), (120, 115, -1, 5, 0, Fill.HONEST),
        (99, 99, 1, 0, 0, Fill.OUTSIDE_BAR), (121, 121, 1, 0, 0, Fill.OUTSIDE_BAR), (103, 103, 1, 0, 0, Fill.OFF_TICK),
        (100, 95, 1, 5, 0, Fill.BEYOND_SLIPPAGE), (100, 115, 1, 5, 0, Fill.BEYOND_SLIPPAGE), (100, 105, 1, 0, 0, Fill.BEYOND_SLIPPAGE),
        (105, 105, 1, 0, 100, Fill.BEYOND_LIMIT), (105, 105, -1, 0, 110, Fill.BEYOND_LIMIT), (105, 105, 1, 0, 105, Fill.HONEST),
    ],
)  # fmt: skip
def test_a_fill_price_outside_the_bar_the_model_or_the_limit_is_named(base, price, side, most, limit, says) -> None:
    assert Fill(judge_price(base, price, side, 100, 120, 5, most, limit)) == says


@pytest.mark.parametrize(
    ("qty", "left", "moment", "says"),
    [
        (20, -1, 10, Fill.HONEST), (20, 20, 10, Fill.HONEST), (35, -1, 10, Fill.HONEST), (20, -1, 4, Fill.BEFORE_SIGNAL),
        (40, -1, 10, Fill.TOO_MUCH), (20, 10, 10, Fill.TOO_MUCH), (0, -1, 10, Fill.TOO_MUCH), (15, -1, 10, Fill.OFF_STEP),
    ],
)
def test_a_fill_before_its_signal_too_large_or_off_the_lot_is_named(qty, left, moment, says) -> None:
    assert Fill(judge_quantity(qty, 35, 10, left, moment, 5)) == says


@given(st.integers(1, 10**12), st.sampled_from([-1, 1]), st.integers(0, 5_000))
def test_the_worst_price_is_never_better_than_the_last_one(price: int, side: int, bps: int) -> None:
    worst = worst_price(price, side, bps)
    assert worst >= 1 and side * (worst - price) >= (0 if worst > 1 else -price)


@pytest.mark.parametrize("method", list(Method))
def test_every_lot_method_gives_the_same_cash_and_its_own_profit(method: Method) -> None:
    closes = [100_000, 120_000, 90_000, 130_000, 110_000, 140_000, 140_000]
    playing = tapes.script([1, 0, 1, 0, 1, 0, 0])
    sims = [
        simulate([tapes.history(closes)], tapes.strategy(tapes.scripted, tapes.Script), playing, Setting(method=m))
        for m in (Method.FIFO, method)
    ]
    assert sims[0].book.valuation() == sims[1].book.valuation()
    assert int(sims[1].book.lots[:, L_OPEN].sum()) == 0


def test_trades_after_fees_add_to_the_change_of_equity_when_flat_at_the_end() -> None:
    closes = [100_000, 120_000, 90_000, 130_000, 110_000, 140_000, 140_000]
    sim = simulate([tapes.history(closes)], tapes.strategy(tapes.scripted, tapes.Script), tapes.script([1, 0, 1, 0, 1, 0, 0]))
    trades, worth = closed_trades(sim.book), sim.book.valuation()
    assert trades.pnl_e8.sum() == worth.equity - money("100000")
    assert int(sim.book.instruments[1, I_REALIZED]) - worth.fees == trades.pnl_e8.sum()
    assert (trades.open_ns < trades.close_ns).all() and {int(s) for s in sim.log[:, E_SIDE]} == {-1, 0, 1}


@pytest.mark.parametrize("text", ["percent:0", "percent:-5", "percent:x", "shares:0", "shares:1.00001", "half", "percent"])
def test_a_size_that_means_nothing_is_refused_in_words(text: str) -> None:
    with pytest.raises(UnitError):
        parse_rule(text)


@pytest.mark.parametrize("cash", ["0", "-1", "abc", "1e30", "0.000000001"])
def test_cash_that_means_nothing_is_refused_in_words(cash: str) -> None:
    with pytest.raises(UnitError):
        simulate([tapes.history([100_000] * 3)], tapes.strategy(tapes.silent), tapes.NoParams(), Setting(cash=cash))


def test_a_wish_of_a_close_fills_in_the_bar_that_opens_at_that_very_moment():
    hour = 3600 * 10**9
    tape = tapes.history([100_000, 110_000, 120_000], opens=[100_000, 101_000, 111_000])
    joined = tape._replace(start_ns=np.arange(3, dtype=np.int64) * hour, end_ns=np.arange(1, 4, dtype=np.int64) * hour)
    sim = simulate([joined], tapes.strategy(tapes.long_always), tapes.NoParams())
    fill = sim.log[sim.log[:, E_KIND] == EventKind.FILL][0]
    assert (fill[E_TIME], fill[E_PRICE]) == (hour, 101_000)
    assert sim.values[0, 2] == sim.log[sim.log[:, E_KIND] == EventKind.DEPOSIT][0][E_CASH], "the first close was valued before it"
