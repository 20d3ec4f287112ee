"""Our ledger beside vectorbt's engines: the same orders bit for bit, the same cash, the same refusals."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.invariants import Invariant, check
from ledger.vocabulary import Outcome
from sim.parity import compare as comparison
from sim.parity import desk, oracle, rules, vbt, walk
from sim.parity import signals as sg
from sim.parity.cases import FAMILIES, Market, draw
from sim.parity.draws import Draws

pytestmark = pytest.mark.compiled


def judged(seed: int, run: int, engine: str) -> comparison.Verdict:
    """Return the comparison of one case on one engine."""
    case = draw(seed, run)
    ours = walk.walk(case)
    return comparison.compare(case, ours, vbt.run(case, ours.fees, engine), engine)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 2**20))
def test_any_configuration_gives_the_same_orders_and_the_same_cash_on_the_rust_engine(seed, run):
    verdict = judged(seed, run, "rust")
    assert verdict.difference is None and verdict.drift <= 1e-6


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from((0, 1)))
def test_any_orders_and_weights_give_the_same_on_the_numba_engine(seed, family):
    assert judged(seed, family, "numba").difference is None


@pytest.mark.soak
def test_twenty_thousand_orders_agree_on_both_engines():
    report = oracle.parity(500, seed=20_26)
    assert report.agrees and sum(report.orders.values()) >= 20_000
    assert min(report.orders.values()) >= 2_000 and max(report.drift.values()) <= 1e-6


@given(st.integers(0, 2**32), st.integers(0, 2**20))
@settings(max_examples=15, deadline=None)
def test_every_invariant_of_the_book_holds_after_a_case(seed, run):
    for one in walk.walk(draw(seed, run)).desks:
        assert check(one.book) == Invariant.HOLDS


@given(st.integers(0, 2**32), st.integers(0, 2**20))
@settings(max_examples=25, deadline=None)
def test_the_book_holds_what_the_doubles_meant_to_a_millionth(seed, run):
    case = draw(seed, run)
    ours = walk.walk(case)
    for purse, one in enumerate(ours.desks):
        own = [step for step in ours.steps if case.shared or step.column == purse]
        if own:
            assert abs(float(one.cash) - own[-1].deal.cash) <= 1e-12 * case.cash
        for column in range(len(one.book.instruments) - 1):
            last = [step.deal.position for step in own if step.column == (column if case.shared else purse)]
            assert one.position(column) == (last[-1] if last else 0)


def test_the_two_engines_of_vectorbt_differ_at_a_granularity_of_a_tenth():
    assert vbt.granularity("numba") == 0.9
    assert vbt.granularity("rust") == 1.0


def test_draws_are_pinned_for_ever():
    draws = Draws(1, 2)
    assert [draws.between(0, 999) for _ in range(6)] == [980, 625, 421, 226, 952, 298]
    assert draw(3, 4).close[:3, 0].tolist() == [34.14, 34.19, 34.15]


def test_families_take_turns_and_every_mode_is_drawn():
    cases = [draw(5, run) for run in range(240)]
    assert {case.family for case in cases} == set(FAMILIES)
    modes = [case.modes for case in cases if case.signals is not None]
    for place, kind in enumerate((sg.Accumulate, sg.Conflict, sg.Conflict, sg.Clash, sg.Opposite, sg.Base, sg.ExitPrice, sg.StopExit, sg.StopUpdate)):
        assert {mode[place] for mode in modes} == set(kind)
    assert {case.kind for case in cases} == set(rules.Kind)
    assert {case.sequence for case in cases if case.shared} == {"auto", "default", "reversed"}
    assert any(case.signals is not None and case.signals.trail.any() for case in cases)


def test_prices_of_ones_own_are_cut_into_windows():
    base = 50 + np.arange(300.0).reshape(100, 3) / 100
    market = Market(base, base + 0.5, base - 0.5, base + 0.25)
    report = oracle.parity(6, 1, engines=("rust",), market=market)
    assert report.agrees and sum(report.judged.values()) > 0


# Each safeguard taken away, one at a time: the oracle must notice.


def take_first(guard: sg.Guard, position: float, candle: sg.Candle) -> float:
    met = sg._met(position, guard.take_base, guard.take, candle, below=position < 0)
    return met if met == met else sg._met(position, guard.loss_base, guard.loss, candle, below=position > 0)


def without_fee(self, column, bar, side, size, price, fee):
    return TRADE(self, column, bar, side, size, price, 0.0)


TRADE = desk.Desk.trade
ABLATIONS = [
    ("sizes are rounded down", rules, "floored", lambda size, step: size),
    ("nearly nothing is nothing", rules, "_too_small", lambda got, asked, terms: rules.Reason.FILLED),
    ("sales come first", walk, "approximate", lambda *_: 0.0),
    ("the stop loss comes before the take profit", sg.Guard, "hit", take_first),
    ("a gap fills at the open", sg, "_met", lambda position, base, stop, candle, below: rules.NAN),
    ("contradictions are resolved", sg, "clean", lambda position, signs, modes: (signs, modes.accumulate)),
    ("stops move when a position grows", sg, "_replaces", lambda stop, update: False),
    ("a stop is filled at its own price", sg, "stop_price", lambda met, price, close, slippage, mode: (price, slippage)),
    ("fees reach the book", desk.Desk, "trade", without_fee),
    ("the gate is asked", desk.Desk, "ask", lambda *_: Outcome.HALTED),
]


@pytest.mark.parametrize(("what", "place", "name", "other"), ABLATIONS, ids=[row[0] for row in ABLATIONS])
def test_a_profile_without_one_of_its_rules_is_found_out(what, place, name, other, monkeypatch):
    monkeypatch.setattr(place, name, other)

    def found(run: int) -> bool:
        try:
            return judged(9, run, "rust").difference is not None
        except desk.DeskError:
            return True  # a size that no whole number of shares is

    assert any(found(run) for run in range(60))


@pytest.mark.parametrize("field", ["bar", "column", "reason", "side", "size", "price", "fee", "cash", "records", "value"])
def test_a_changed_field_is_named_with_its_place_and_a_likely_reason(field):
    case = next(case for case in (draw(2, run) for run in range(0, 30, 3)) if walk.walk(case).steps)
    ours = walk.walk(case)
    theirs = vbt.run(case, ours.fees, "rust")
    at = next(n for n, step in enumerate(ours.steps) if step.deal.reason == rules.Reason.FILLED)
    if field == "records":
        theirs = theirs._replace(records=theirs.records + 1)
    elif field == "value":
        theirs = theirs._replace(value=[theirs.value[0] + 0.01, *theirs.value[1:]])
    else:
        changed = getattr(theirs, field).copy()
        changed[at] += 1
        theirs = theirs._replace(**{field: changed})
    found = comparison.compare(case, ours, theirs, "rust").difference
    assert found is not None and found.field == field and found.likely
    if field not in ("records", "value"):
        assert (found.bar, found.column) == (ours.steps[at].bar, ours.steps[at].column)


def test_a_missing_order_is_a_difference_too():
    case = draw(2, 0)
    ours = walk.walk(case)
    theirs = vbt.run(case, ours.fees, "rust")
    assert comparison.compare(case, ours._replace(steps=ours.steps[:-1]), theirs, "rust").difference.field == "orders"


def test_a_price_between_two_ticks_is_booked_on_one_and_the_rest_is_kept():
    one = desk.Desk(1000.0, 1, shorts=False)
    one.trade(0, 0, 1, 3.0, 1 / 3, 0.0)
    booked = Fraction(one.book.valuation().cash, 10**8)
    assert booked == 1000 - 3 * Fraction(33_333_333, 10**8)
    assert one.cash == 1000 - 3 * Fraction(1 / 3) and one.cash != booked


def test_a_fraction_of_a_share_is_no_deal():
    with pytest.raises(desk.DeskError, match="whole shares"):
        desk.Desk(1000.0, 1, shorts=False).trade(0, 0, 1, 0.5, 10.0, 0.0)


def test_a_short_sale_the_gate_would_refuse_is_booked_and_counted():
    one = desk.Desk(10.0, 1, shorts=True)
    one.trade(0, 0, 1, 1.0, 9.5, 0.0)
    one.trade(0, 1, -1, 3.0, 0.1, 0.9)  # fee above the cash that is left free
    assert one.stricter == 1 and one.position(0) == -2 and check(one.book) == Invariant.HOLDS


def test_an_infinite_short_sale_is_refused_by_name():
    wish = rules.Wish(-rules.INF, 10.0, rules.Kind.AMOUNT, rules.Way.BOTH, 0.0)
    with pytest.raises(ValueError, match="free cash"):
        rules.resolve(wish, 0.0, 100.0, 10.0)


def test_an_engine_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setattr(vbt, "versions", lambda: {"vectorbt": "1.2.0", "numba": "0.68", "rust": None})
    with pytest.raises(vbt.VectorbtError, match=r"vectorbt-rust==1\.2\.0"):
        oracle.parity(1, engines=("rust",))
    monkeypatch.setattr(vbt, "versions", lambda: {"vectorbt": None, "numba": None, "rust": None})
    with pytest.raises(vbt.VectorbtError, match="pip install"):
        vbt.require("numba")


def test_every_reason_of_vectorbt_has_an_outcome_of_ours_but_chance():
    assert set(rules.Reason) - set(rules.OUTCOME) == {rules.Reason.RANDOM_EVENT}
