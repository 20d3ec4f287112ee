"""Accounts by hand: each rule alone, with numbers a person can check, and every text that is refused."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from ledger.book import (
    E_CASH, E_INSTRUMENT, E_KEY, E_KIND, E_PRICE, E_QTY, E_REASON, E_REF, E_SIDE, E_TARGET, E_TIME, I_INCOME, I_POSITION, N_FEE,
    N_KIND, N_ORDER, N_QTY, N_TIME, O_FILLED, O_FILLED_VALUE, O_SIDE, O_STATUS,
)  # fmt: skip
from ledger.keys import purpose_of, unpack
from ledger.units import UnitError, money
from ledger.vocabulary import EventKind as K
from ledger.vocabulary import Limit, OrderStatus, Outcome, Purpose
from sim.costs import commission, parse
from sim.data import Action, load
from sim.engine.account.terms import MARGIN, Margin, parse_account
from sim.engine.signals import seen
from sim.run import Setting, Simulation, simulate
from strategies import get
from strategies.sizing import UNKNOWN_WEIGHT, full_lots, parse_rule, weights

from tests.sim.backtest import tapes

SHARE = 10_000
E8 = 10**8
FREE = Setting(commission="zero")


def play(closes: list[int], digits: list[int], setting: Setting = FREE, short: bool = True, **more: object) -> Simulation:
    """Run digits (0 flat, 1 long, 2 short) over daily closes in dollars; each bar opens at the close before it."""
    tape = tapes.history([close * 10_000 for close in closes], **more)  # type: ignore[arg-type]
    return simulate([tape], tapes.strategy(tapes.scripted, tapes.Script, short=short), tapes.script(digits), setting)


def events(sim: Simulation, *kinds: K) -> list[np.ndarray]:
    return [line for line in sim.log if line[E_KIND] in kinds]


def held(sim: Simulation) -> float:
    return int(sim.book.instruments[1, I_POSITION]) / SHARE


def action(day: int, kind: str, new: int = 0, old: int = 1, amount: str = "0") -> Action:
    return Action(tapes.FIRST_DAY + day, 0, kind, new, old, money(amount))


@pytest.mark.parametrize(("days", "bought_on"), [("0", 4), ("1", 5), ("2", 6), ("3", 7)])
def test_proceeds_of_a_sale_buy_again_only_when_they_have_settled(days: str, bought_on: int) -> None:
    # Bought on day 1, sold on day 3 at the open; the wish of day 3's close is refused until the money is there.
    sim = play([100] * 10, [1, 1, 0] + [1] * 7, Setting(commission="zero", settlement=days))
    fills = [(int(line[E_SIDE]), int(line[E_TIME] // tapes.DAY_NS)) for line in events(sim, K.FILL)]
    assert fills == [(1, 1), (-1, 3), (1, bought_on)]
    assert sim.book.refusals()[Outcome.NO_CASH] == bought_on - 4
    floors = [int(line[E_CASH]) for line in events(sim, K.LIMIT) if line[E_REASON] == Limit.CASH_FLOOR]
    assert floors == ([money("95000"), 0] if days != "0" else [])


def test_a_cash_account_spends_no_more_than_its_cash_and_a_margin_account_twice_as_much() -> None:
    for account, size, bought in (("cash", "percent:150", 0), ("margin", "percent:150", 1_500), ("margin", "percent:190", 1_900),
                                  ("margin", "percent:200", 0), ("margin:initial=25", "percent:380", 3_800)):  # fmt: skip
        sim = play([100] * 4, [1] * 4, Setting(size=size, commission="zero", account=account))
        assert held(sim) == bought, (account, size)
        assert sim.book.refusals()[Outcome.NO_CASH] == (0 if bought else 4)


def test_a_margin_call_sells_at_the_next_open_and_the_strategy_stays_out_until_its_target_changes() -> None:
    # 1,900 shares at 100 on 100,000: a debt of 90,000. At 62, equity 27,800 is below 25 % of 117,800.
    sim = play([100, 100, 62, 62, 62, 62, 62], [1, 1, 1, 1, 1, 0, 1], Setting(size="percent:190", commission="zero", account="margin"))
    claims = [(purpose_of(int(line[E_KEY])), int(line[E_TARGET]), int(line[E_TIME] // tapes.DAY_NS)) for line in events(sim, K.CLAIM)]
    assert claims[:2] == [(Purpose.TARGET, 1_900 * SHARE, 0), (Purpose.LIQUIDATE, 0, 2)]
    assert [day for _, _, day in claims[2:]] == [6]
    assert "1 positions were closed by margin calls." in sim.remarks
    assert int(sim.values[3][2]) == money("100000") - 1_900 * 38 * E8


def test_equity_exactly_at_the_requirement_is_not_called() -> None:
    # 1,900 shares, debt 90,000: 1900 p - 90000 = 0.25 * 1900 p at p = 63.157894...; a tick above stays.
    for ticks, called in ((631_579, False), (631_578, True)):
        tape = tapes.history([1_000_000, 1_000_000, ticks, ticks])
        setting = Setting(size="percent:190", commission="zero", account="margin")
        sim = simulate([tape], tapes.strategy(tapes.long_always), tapes.NoParams(), setting)
        assert any("margin calls" in remark for remark in sim.remarks) == called


def test_nights_are_charged_by_the_calendar_on_shorts_cash_and_debts() -> None:
    setting = Setting(commission="zero", size="percent:50", borrow_bps="360", interest_bps="720")
    sim = play([100] * 4, [2] * 4, setting)
    # Short 500 shares from day 1: a night costs 50,000 * 3.6 % / 360 = 5.00.
    assert [int(line[E_CASH]) for line in events(sim, K.BORROW_FEE)] == [5 * E8, 5 * E8]
    # 100,000 * 7.2 % / 360 = 20.00 a night; proceeds of the short earn nothing, earlier interest does.
    first, second, third = (int(line[E_CASH]) for line in events(sim, K.INTEREST))
    assert (first, second) == (20 * E8, money("20.004")) and third == round((100_040_00400000 - 5 * E8) * 2 / 10_000)
    debt = play([100] * 4, [1] * 4, Setting(commission="zero", size="percent:150", account="margin", debit_bps="360"))
    assert [int(line[E_CASH]) for line in events(debt, K.INTEREST)] == [-5 * E8, -money("5.0005")]


def test_a_short_position_pays_the_dividend_a_long_one_receives() -> None:
    for digit, sign in ((1, 1), (2, -1)):
        sim = play([100] * 4, [digit] * 4, actions=(action(2, "dividend", amount="0.25"),))
        assert int(sim.book.instruments[1, I_INCOME]) == sign * 950 * E8 // 4


def test_a_market_order_that_works_through_a_split_fills_for_the_new_shares_at_the_same_open() -> None:
    sim = play([100, 50, 50], [1, 1, 1], actions=(action(1, "split", 2, 1),), opens=[100_0000, 50_0000, 50_0000])
    assert [OrderStatus(int(order[O_STATUS])).name for order in sim.book.orders] == ["CANCELED", "FILLED"]
    first, again = (unpack(int(line[E_KEY])) for line in events(sim, K.CLAIM))
    assert (first.bar_s, first.leg, again.leg) == (again.bar_s, 0, 1)
    (fill,) = events(sim, K.FILL)
    assert (int(fill[E_QTY]), int(fill[E_TIME] // tapes.DAY_NS)) == (1_900 * SHARE, 1)


@pytest.mark.parametrize(("digit", "lot", "left", "paid"), [(1, "1", 316, 1), (2, "1", -316, 1), (1, "0.0001", 316.6667, 0)])
def test_the_fraction_of_a_split_is_paid_out_at_the_last_close(digit: int, lot: str, left: float, paid: int) -> None:
    # 950 shares at 100 become 316.6667 at 300: two thirds of a share, 200.01, leave for cash.
    opens = [100_0000] * 3 + [300_0000] * 2
    setting = Setting(commission="zero", lot=lot)
    sim = play([100, 100, 100, 300, 300], [digit] * 5, setting, actions=(action(3, "split", 1, 3),), opens=opens)
    assert held(sim) == left and len(events(sim, K.ADJUST_POSITION)) == paid
    if paid:
        (gone,), (cash,) = events(sim, K.ADJUST_POSITION), [line for line in events(sim, K.DEPOSIT, K.WITHDRAWAL) if line[E_INSTRUMENT]]
        assert (int(gone[E_QTY]), int(gone[E_PRICE])) == (6_667, 300_0000) and cash[E_CASH] == 6_667 * 300_0000
        assert gone[E_REF] == cash[E_REF] == 3 and cash[E_KIND] == (K.DEPOSIT if digit == 1 else K.WITHDRAWAL)
    assert abs(int(sim.values[-1][2] + sim.values[-1][3]) - money("100000")) <= 100_0000 * E8 // 10**8


def test_a_reverse_split_that_leaves_less_than_a_share_leaves_nothing_behind() -> None:
    setting = Setting(commission="zero", size="shares:10")
    sim = play([100, 100, 100, 5000, 5000], [1] * 5, setting, actions=(action(3, "split", 1, 50),), opens=[100_0000] * 3 + [5000_0000] * 2)
    assert held(sim) == 0 and int(sim.values[-1][2]) == money("100000")


def test_partial_fills_pay_the_tiered_fee_of_their_order_from_its_months_volume_on() -> None:
    tape = tapes.history([5_0000] * 12)._replace(volume=np.full(12, 400_000, np.int64))
    setting = Setting(cash="2300000", size="percent:90", commission="ibkr-tiered+fees", participation="25")
    digits = [1] * 6 + [0] * 6  # 414,000 shares in five parts each way: the sale starts in the second tier
    sim = simulate([tape], tapes.strategy(tapes.scripted, tapes.Script), tapes.script(digits), setting)
    model, book = parse("ibkr-tiered+fees"), sim.book
    fills = book.entries[book.entries[:, N_KIND] == K.FILL]
    assert len(fills) == 10
    month, before, started = (0, 0), 0, {}
    for fill in fills:
        this = date.fromordinal(tapes.FIRST_DAY + int(fill[N_TIME] // tapes.DAY_NS))
        month, before = (month, before) if month == (this.year, this.month) else ((this.year, this.month), 0)
        started.setdefault(int(fill[N_ORDER]), before)
        before += int(fill[N_QTY])
    assert [volume // SHARE for volume in started.values()] == [0, 414_000]
    for number, volume in started.items():
        order, paid = book.orders[number], sum(int(fill[N_FEE]) for fill in fills if fill[N_ORDER] == number)
        qty, worth = int(order[O_FILLED]), int(order[O_FILLED_VALUE])
        assert paid == commission(model, int(order[O_SIDE]), qty, 0, worth, SHARE, volume)


@pytest.mark.parametrize("size", ["volatility:15,bars=40", "atr:1,multiple=2,bars=14", "kelly:25,bars=120,max=90", "inverse-volatility:90,bars=30"])
def test_a_run_orders_what_the_weights_of_its_bars_say(size: str) -> None:
    histories = [load(name, start="2004-01-02", end="2007-12-31")[0] for name in ("sp500", "nasdaq")]
    strategy = get("sma_cross")
    sim = simulate(histories, strategy, strategy.params(), Setting(size=size, commission="zero"))
    rule = parse_rule(size)
    tables = weights(rule, [seen(history) for history in histories], 252.0)
    claims = [line for line in events(sim, K.CLAIM) if line[E_TARGET] > 0]
    assert len(claims) > 10
    for line in claims:
        number = int(line[E_INSTRUMENT])
        history, equity = histories[number - 1], sim.values[:, 2] + sim.values[:, 3]
        bar = int(np.searchsorted(history.end_ns, line[E_TIME]))
        moment = int(np.searchsorted(sim.values[:, 0], line[E_TIME]))
        weight, divide = int(tables[number - 1][bar]), 10 ** (history.price_exp - 4)
        assert weight != UNKNOWN_WEIGHT
        price = int(history.close_ticks[bar])
        assert line[E_TARGET] == full_lots(rule.size(2), weight, 10**6, int(equity[moment]), 0, price, 1, divide, SHARE)


def test_a_wish_before_its_size_is_known_orders_nothing_and_is_told() -> None:
    sim = simulate([tapes.history([100_0000] * 8)], tapes.strategy(tapes.long_always), tapes.NoParams(), Setting(size="volatility:15,bars=50"))
    assert len(sim.book.orders) == 0
    assert "8 wishes came before their size was known; nothing was ordered for them." in sim.remarks


@pytest.mark.parametrize(
    ("text", "margin"),
    [("margin", (5_000, 2_500, 3_000)), ("margin:initial=30, short=40", (3_000, 2_500, 4_000)), ("margin:maintenance=12.5", (5_000, 1_250, 3_000))],
)
def test_a_margin_account_is_read_exactly(text: str, margin: tuple[int, int, int]) -> None:
    assert parse_account(text) == Margin(MARGIN, *margin)


@pytest.mark.parametrize(
    "fields",
    [{"account": text} for text in ("", "credit", "cash:initial=5", "margin:", "margin:initial", "margin:initial=0", "margin:initial=101", "margin:x=1")]
    + [{"settlement": text} for text in ("-1", "6", "1.5", "x")] + [{"account": "margin", "settlement": "1"}]
    + [{"lot": text} for text in ("0", "-1", "0.00001", "x")] + [{"delisting": "kept"}, {"borrow_bps": "-1"}, {"size": "percent:0"}, {"commission": "x"}],
)  # fmt: skip
def test_a_setting_that_means_nothing_is_refused_in_words(fields: dict[str, str]) -> None:
    with pytest.raises(UnitError):
        play([100] * 3, [1] * 3, Setting(**fields))
