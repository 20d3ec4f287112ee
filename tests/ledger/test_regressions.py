"""Faults the twin found in the core once; each stays mended."""

from __future__ import annotations

import pytest

from ledger.book import H_CASH, H_OVERDRAWN, H_RESERVED, H_SHORT_HOLD, H_VALUE, I_GATES, I_INCOME, I_POSITION
from ledger.core import apply, decide
from ledger.invariants import Invariant, check
from ledger.kernels.gate import free_cash
from ledger.keys import make
from ledger.units import AMOUNT_MAX
from ledger.vocabulary import EventKind, Gate, Limit, Outcome, Purpose
from tests.ledger.twin.comparison import row_of
from tests.ledger.twin.desk import fill, say, wish, with_instruments

K = EventKind


@pytest.mark.parametrize("capacity", [{}, dict(orders=1, entries=1, lots=1, allocs=1, unmatched=0, instruments=2)])
def test_a_late_fill_into_a_long_list_grows_the_book_and_ends(capacity: dict[str, int]) -> None:
    book = with_instruments((4, 4), **capacity)
    for n in range(1, 40):
        assert fill(book, n, 1, 1, 1, time_ns=10 * n) == Outcome.APPLIED
    assert fill(book, 99, 1, 1, 1, time_ns=5) == Outcome.APPLIED
    assert book.instruments[1, I_POSITION] == 40


def test_a_corrected_bust_brings_back_its_execution_and_loses_no_other() -> None:
    book = with_instruments((4, 4))
    assert [fill(book, 1, 1, 100, 10), fill(book, 2, 1, 60, 10), fill(book, 2, 1, 0, 0, revision=1)] == [Outcome.APPLIED] * 3
    assert book.instruments[1, I_POSITION] == 100
    assert fill(book, 2, 1, 50, 10, revision=2) == Outcome.APPLIED
    assert book.instruments[1, I_POSITION] == 150


def test_a_fill_whose_value_passes_two_to_the_64_is_refused_and_not_booked_for_nothing() -> None:
    book = with_instruments((8, 8))
    assert fill(book, 1, 1, 10**4 * 2**32 + 1, 10**4 * 2**32 - 1) == Outcome.OVERFLOW


def test_a_liquidation_under_the_kill_switch_cannot_open() -> None:
    book = with_instruments((2, 0))
    assert fill(book, 1, 1, 10, 100) == say(book, K.GATE, reason=Gate.HALTED, side=1) == Outcome.APPLIED
    assert wish(book, make(1, 1, Purpose.LIQUIDATE, 1), 100) == Outcome.HALTED
    assert wish(book, make(1, 1, Purpose.LIQUIDATE, 2), -5) != Outcome.APPLIED
    assert wish(book, make(1, 1, Purpose.LIQUIDATE, 3), 0) == Outcome.APPLIED


def test_a_burst_of_more_entries_than_the_ring_remembers_is_still_a_burst() -> None:
    book = with_instruments((2, 0), orders=512)
    assert say(book, K.LIMIT, reason=Limit.BURST_NOTIONAL, cash_e8=290 * 10**8) == Outcome.APPLIED
    assert say(book, K.LIMIT, reason=Limit.BURST_WINDOW_NS, cash_e8=3_600 * 10**9) == Outcome.APPLIED
    answers = []
    for n in range(300):
        decision = decide(book, row_of({"kind": K.SIGNAL, "time_ns": n * 10**9, "key": make(1, 1, Purpose.TARGET, n), "instrument": 1,
                                        "target_lots": n + 1, "price_ticks": 100, "flags": 1}))  # fmt: skip
        answers.append(decision.outcome)
        apply(book, decision.event)
    assert Outcome.BURST in answers and book.valuation().reserved <= 290 * 10**8


@pytest.mark.parametrize(("number", "bit"), [(0, Gate.BLOCKED), (1, Gate.STALE_CODE), (1, Gate.DISCONNECTED), (1, Gate.BLOCKED)])
def test_no_gate_is_accepted_and_then_ignored(number: int, bit: Gate) -> None:
    book = with_instruments((2, 0))
    assert say(book, K.GATE, reason=bit, side=1, instrument=number) == Outcome.APPLIED
    assert wish(book, make(1, 1, Purpose.TARGET, 1), 100) == Outcome.BLOCKED


LEAST = -(2**63)


def test_the_least_int64_passes_no_check_of_size() -> None:
    book = with_instruments((4, 4))
    assert say(book, K.INTEREST, cash_e8=LEAST) == Outcome.BAD_EVENT
    assert fill(book, 1, 1, 1, 1) == Outcome.APPLIED
    assert say(book, K.COMMISSION, exec_id=1, fee_e8=LEAST) == Outcome.OVERFLOW
    assert wish(book, make(1, 1, Purpose.TARGET, 1), LEAST) != Outcome.APPLIED
    assert say(book, K.GATE, reason=1, side=LEAST) == Outcome.BAD_EVENT
    assert book.arena[H_CASH] == 10**15 - 1


@pytest.mark.parametrize("qty", [2**63 - 1, 2**62, AMOUNT_MAX])
def test_a_quantity_beyond_the_bound_is_refused_even_for_nothing(qty: int) -> None:
    book = with_instruments((4, 4))
    assert fill(book, 1, 1, 5, 0) == Outcome.APPLIED
    assert fill(book, 2, 1, qty, 0) == Outcome.OVERFLOW
    assert say(book, K.ADJUST_POSITION, instrument=1, side=1, qty_lots=qty, ref=1) == Outcome.OVERFLOW
    assert fill(book, 1, 1, qty, 0, revision=1) == Outcome.OVERFLOW


def test_a_late_split_never_leaves_a_position_without_a_representable_worth() -> None:
    book = with_instruments((8, 8), cash=0)
    assert say(book, K.MARK, instrument=1, price_ticks=2**40, time_ns=1) == Outcome.APPLIED
    assert fill(book, 1, 1, 10**8 * 2**19, 1, time_ns=10) == Outcome.APPLIED
    assert say(book, K.SPLIT, instrument=1, qty_lots=1, price_ticks=10, time_ns=5, exec_id=7) == Outcome.OVERFLOW
    assert book.arena[H_VALUE] == 2**59


def test_a_late_fill_before_a_split_is_valued_after_it() -> None:
    book = with_instruments((0, 0), cash=0)
    assert say(book, K.MARK, instrument=1, price_ticks=2**10, time_ns=20) == Outcome.APPLIED
    assert say(book, K.SPLIT, instrument=1, qty_lots=10**6, price_ticks=1, time_ns=10, exec_id=7) == Outcome.APPLIED
    assert fill(book, 1, 1, 2**10, 0, time_ns=5) == Outcome.OVERFLOW
    assert fill(book, 2, 1, 2, 0, time_ns=5) == Outcome.APPLIED
    assert book.arena[H_VALUE] == 2 * 10**6 * 2**10 * 10**8


def test_a_split_is_bounded_by_what_is_held_and_not_by_all_that_was_ever_traded() -> None:
    book = with_instruments((4, 4), cash=10**15)
    for turn in range(20):
        assert fill(book, 2 * turn + 1, 1, 10**10, 10**6, time_ns=turn) == Outcome.APPLIED
        assert fill(book, 2 * turn + 2, -1, 10**10, 10**6, time_ns=turn) == Outcome.APPLIED
    assert fill(book, 50, 1, 10**10, 10**6, time_ns=30) == say(book, K.MARK, instrument=1, price_ticks=10**6, time_ns=30) == Outcome.APPLIED
    for day in range(31, 36):
        assert say(book, K.SPLIT, instrument=1, qty_lots=7, price_ticks=1, time_ns=day, exec_id=100 + day) == Outcome.APPLIED
    assert book.instruments[1, I_POSITION] == 7**5 * 10**10
    assert say(book, K.SPLIT, instrument=1, qty_lots=10**3, price_ticks=1, time_ns=40, exec_id=200) == Outcome.APPLIED
    assert say(book, K.SPLIT, instrument=1, qty_lots=10**3, price_ticks=1, time_ns=41, exec_id=201) == Outcome.OVERFLOW


def test_the_cash_held_against_short_positions_never_leaves_its_bound() -> None:
    book = with_instruments((4, 4), (4, 4), cash=0)
    margin = 30_000
    assert say(book, K.LIMIT, reason=Limit.SHORT_MARGIN_BPS, cash_e8=margin) == Outcome.APPLIED
    for exec_id in range(1, 12):
        outcome = fill(book, exec_id, -1, 2**30, 2**28, number=1 + exec_id % 2)
        assert outcome in (Outcome.APPLIED, Outcome.OVERFLOW)
        say(book, K.WITHDRAWAL, cash_e8=2**58)
        assert 0 <= book.arena[H_SHORT_HOLD] <= AMOUNT_MAX


def test_a_wish_never_turns_into_an_order_of_the_other_side() -> None:
    book = with_instruments((8, 8), cash=10**18)
    most = 2**60
    assert say(book, K.LIMIT, reason=Limit.ALLOW_SHORT, cash_e8=1) == Outcome.APPLIED
    assert wish(book, make(1, 1, Purpose.TARGET, 1), most, price=1) == Outcome.APPLIED
    assert fill(book, 1, 1, most, 0) == Outcome.APPLIED
    assert say(book, K.GATE, instrument=1, side=-1, reason=Gate.BLOCKED) == Outcome.APPLIED
    decision = decide(book, row_of({"kind": K.SIGNAL, "key": make(1, 1, Purpose.TARGET, 2), "instrument": 1, "target_lots": -most, "price_ticks": 1, "flags": 1}))
    assert decision.outcome != Outcome.APPLIED or decision.event[4] == -1


def test_sums_of_one_instrument_are_bounded_even_when_the_accounts_cancel() -> None:
    book = with_instruments((4, 4), (4, 4), cash=0)
    for _ in range(8):
        for number, sign in ((1, 1), (2, -1)):
            assert say(book, K.DIVIDEND, instrument=number, cash_e8=sign * 2**60) in (Outcome.APPLIED, Outcome.OVERFLOW)
            assert abs(int(book.instruments[number, I_INCOME])) <= AMOUNT_MAX
    assert book.instruments[1, I_INCOME] > 0 > book.instruments[2, I_INCOME]


def test_another_multiplier_is_another_instrument() -> None:
    book = with_instruments((2, 0), multiplier=50)
    columns = dict(instrument=1, revision=2, order_type=0, price_ticks=1, qty_lots=1)
    assert say(book, K.INSTRUMENT, target_lots=50, **columns) == Outcome.DUPLICATE
    assert say(book, K.INSTRUMENT, target_lots=5, **columns) == Outcome.KEY_CONFLICT


def test_a_higher_margin_that_eats_reserved_cash_is_noted() -> None:
    book = with_instruments((4, 4), (4, 4), cash=10**6)
    assert say(book, K.LIMIT, reason=Limit.SHORT_MARGIN_BPS, cash_e8=0) == Outcome.APPLIED
    assert fill(book, 1, -1, 100, 10_000) == Outcome.APPLIED
    assert wish(book, make(1, 2, Purpose.TARGET, 1), 1_000, price=100, number=2) == Outcome.APPLIED
    assert book.arena[H_OVERDRAWN] == 0
    assert say(book, K.LIMIT, reason=Limit.SHORT_MARGIN_BPS, cash_e8=30_000) == Outcome.APPLIED
    assert book.arena[H_OVERDRAWN] == 1


def test_a_cash_floor_keeps_entries_off_unsettled_money_and_never_an_exit() -> None:
    book = with_instruments((4, 4), cash=10**6)
    assert say(book, K.LIMIT, reason=Limit.CASH_FLOOR, cash_e8=10**6 - 99) == Outcome.APPLIED
    assert wish(book, make(1, 1, Purpose.TARGET, 1), 100, price=1) == Outcome.NO_CASH
    assert say(book, K.LIMIT, reason=Limit.CASH_FLOOR, cash_e8=10**6 - 100) == Outcome.APPLIED
    assert wish(book, make(1, 1, Purpose.TARGET, 1), 100, price=1) == Outcome.APPLIED
    assert book.arena[H_OVERDRAWN] == 0
    assert say(book, K.LIMIT, reason=Limit.CASH_FLOOR, cash_e8=10**6) == Outcome.APPLIED
    assert book.arena[H_OVERDRAWN] == 1
    assert fill(book, 1, 1, 100, 1, key=make(1, 1, Purpose.TARGET, 1)) == Outcome.APPLIED
    assert wish(book, make(1, 1, Purpose.TARGET, 2), 0, price=1) == Outcome.APPLIED


def test_a_floor_below_zero_is_credit_to_the_last_unit() -> None:
    book = with_instruments((4, 4), cash=1_000)
    assert say(book, K.LIMIT, reason=Limit.CASH_FLOOR, cash_e8=-500) == Outcome.APPLIED
    assert wish(book, make(1, 1, Purpose.TARGET, 1), 1_501, price=1) == Outcome.NO_CASH
    assert wish(book, make(1, 1, Purpose.TARGET, 2), 1_500, price=1) == Outcome.APPLIED
    assert fill(book, 1, 1, 1_500, 1, key=make(1, 1, Purpose.TARGET, 2)) == Outcome.APPLIED
    assert book.valuation().cash == -500


def test_free_cash_cannot_wrap_at_the_ends_of_its_range() -> None:
    for floor in (-(2**60), 2**60):
        for cash, short in ((AMOUNT_MAX, 0), (-AMOUNT_MAX, 0), (-AMOUNT_MAX, AMOUNT_MAX)):
            book = with_instruments((4, 4), cash=1)
            assert say(book, K.LIMIT, reason=Limit.CASH_FLOOR, cash_e8=floor) == Outcome.APPLIED
            book.arena[H_CASH], book.arena[H_SHORT_HOLD], book.arena[H_RESERVED] = cash, short, AMOUNT_MAX
            exact = max(max(cash - AMOUNT_MAX, -AMOUNT_MAX) - short, -AMOUNT_MAX) - floor
            assert free_cash(book.arena) == exact
            assert -(2**63) < exact < 2**63
    book = with_instruments((4, 4))
    assert say(book, K.LIMIT, reason=Limit.CASH_FLOOR, cash_e8=2**60 + 1) == Outcome.BAD_EVENT
    assert say(book, K.LIMIT, reason=Limit.CASH_FLOOR, cash_e8=-(2**60) - 1) == Outcome.BAD_EVENT
    assert say(book, K.LIMIT, reason=Limit.CASH_FLOOR, cash_e8=5, instrument=1) == Outcome.BAD_EVENT


def test_an_execution_of_the_other_side_is_foreign_and_blocks() -> None:
    book = with_instruments((4, 4))
    key = make(1, 1, Purpose.TARGET, 1)
    assert wish(book, key, 100) == Outcome.APPLIED
    assert fill(book, 1, -1, 100, 100, key=key) == Outcome.APPLIED
    assert book.orders[0, 5] == 0 and book.instruments[1, I_POSITION] == -100
    assert book.instruments[1, I_GATES] & Gate.BLOCKED


def test_a_reference_below_zero_is_no_reference() -> None:
    assert say(with_instruments((4, 4)), K.DEPOSIT, cash_e8=5, exec_id=-3) == Outcome.BAD_EVENT


def test_a_stop_on_one_instrument_cannot_lean_on_an_order_of_another() -> None:
    book = with_instruments((4, 4), (4, 4))
    parent = make(1, 2, Purpose.TARGET, 1)
    assert wish(book, parent, 100, number=2) == Outcome.APPLIED
    assert wish(book, make(1, 1, Purpose.STOP_LOSS, 1), 0, parent=parent) == Outcome.AT_TARGET


def test_a_fill_can_be_both_late_and_too_large() -> None:
    book = with_instruments((4, 4))
    key = make(1, 1, Purpose.TARGET, 1)
    assert wish(book, key, 50) == say(book, K.RELEASED, key=key) == fill(book, 1, 1, 100, 100, key=key) == Outcome.APPLIED
    assert book.orders[0, 10] & (1024 | 2048) == 1024 | 2048
    assert say(book, K.RELEASED, key=key) == Outcome.DUPLICATE


def test_a_flat_future_survives_any_number_of_reverse_splits() -> None:
    book = with_instruments((2, 0), multiplier=50)
    assert say(book, K.MARK, instrument=1, price_ticks=450_000) == Outcome.APPLIED
    for number in range(1, 5):
        assert say(book, K.SPLIT, instrument=1, qty_lots=1, price_ticks=10**6, exec_id=number) in (Outcome.APPLIED, Outcome.OVERFLOW)


def test_forbidding_short_sales_while_one_works_breaks_no_invariant() -> None:
    book = with_instruments((4, 4))
    assert say(book, K.LIMIT, reason=Limit.ALLOW_SHORT, cash_e8=1) == wish(book, make(1, 1, Purpose.TARGET, 1), -50) == Outcome.APPLIED
    assert say(book, K.LIMIT, reason=Limit.ALLOW_SHORT, cash_e8=0) == Outcome.APPLIED


def test_a_guard_that_outlives_its_rejected_entry_is_no_fault_of_the_book() -> None:
    book = with_instruments((4, 4))
    parent = make(1, 1, Purpose.TARGET, 1)
    assert wish(book, parent, 10) == wish(book, make(1, 1, Purpose.STOP_LOSS, 1), 0, parent=parent) == Outcome.APPLIED
    assert say(book, K.REJECTED, key=parent) == Outcome.APPLIED


def test_a_refusal_or_limit_without_a_name_is_refused() -> None:
    book = with_instruments((4, 4))
    assert {say(book, K.REFUSED, reason=reason) for reason in (0, 1, 2, 26, 31, 42, 47)} == {Outcome.BAD_EVENT}
    assert {say(book, K.LIMIT, reason=reason, cash_e8=1) for reason in (8, 9, 18, 19)} == {Outcome.BAD_EVENT}
    assert wish(book, 1 << 54 | 1 << 41 | 12 << 37 | 1 << 4, 5) == Outcome.BAD_EVENT


def test_an_exit_that_an_order_the_other_way_overtakes_breaks_no_invariant() -> None:
    book = with_instruments((4, 4))
    bought, first, second = (make(1, 1, Purpose.TARGET, bar) for bar in range(3))
    assert say(book, K.LIMIT, reason=Limit.ALLOW_SHORT, cash_e8=1) == wish(book, bought, 200) == Outcome.APPLIED
    assert fill(book, 1, 1, 200, 100, key=bought) == Outcome.APPLIED
    assert wish(book, first, 100) == wish(book, second, -100) == fill(book, 2, -1, 200, 100, key=second) == Outcome.APPLIED
    assert book.instruments[1, I_POSITION] == 0 and check(book) == Invariant.HOLDS
    assert fill(book, 3, -1, 100, 100, key=first) == Outcome.APPLIED
    assert book.instruments[1, I_POSITION] == -100 and check(book) == Invariant.HOLDS
