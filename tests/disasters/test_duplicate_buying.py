"""Buying twice: what happened to a real bot, with its figures, and what stops it now."""

from __future__ import annotations

import numpy as np
import pytest

from ledger.book import H_GATES, I_POSITION, O_STATUS, Book, Capacity
from ledger.core import apply, apply_all, decide
from ledger.invariants import Invariant, check
from ledger.keys import make
from ledger.units import money
from ledger.vocabulary import EventKind, Gate, Limit, OrderStatus, Outcome, Purpose
from tests.ledger.twin.comparison import row_of
from tests.ledger.twin.desk import fill, say, wish, with_instruments

K, SHARE, SECOND = EventKind, 10_000, 10**9


def desk(cash: str, symbols: int = 1, orders: int = 64) -> Book:
    """Return a book of stocks in ticks of 0.0001 and lots of 0.0001."""
    return with_instruments(*[(4, 4)] * symbols, cash=money(cash), instruments=64, orders=orders)


def test_eight_parallel_tasks_that_all_saw_no_position_send_one_order() -> None:
    """Eight tasks looked at the same empty position and each bought: $3.26M recorded against $207k held.

    Each task decides on the same old book; the claim is decided again when it is recorded, so one is
    APPLIED and seven are answered LIVE_ENTRY. Their keys differ (another leg), so no key helps them.
    """
    book = desk("1000000")
    stale = book.copy()
    claims = [decide(stale, row_of({
        "kind": K.SIGNAL, "key": make(1, 1, Purpose.TARGET, 60, leg), "instrument": 1, "target_lots": 169 * SHARE, "price_ticks": 296_000,
    })) for leg in range(8)]  # fmt: skip
    assert {claim.outcome for claim in claims} == {Outcome.APPLIED}, "each task alone sees nothing wrong"
    assert [apply(book, claim.event) for claim in claims] == [Outcome.APPLIED] + [Outcome.LIVE_ENTRY] * 7
    assert len(book.orders) == 1 and book.valuation().reserved == money("5002.40")


def test_fifty_two_buys_of_one_symbol_become_one_position() -> None:
    """JD: 52 buys, 8,783 shares recorded, 33 held. A target is a position, not a delta: the rest are AT_TARGET."""
    book = desk("250000")
    answers = []
    for n in range(52):
        key = make(1, 1, Purpose.TARGET, 60 * n)
        answers.append(wish(book, key, 33 * SHARE, price=296_000))
        if answers[-1] == Outcome.APPLIED:
            fill(book, n + 1, 1, 33 * SHARE, 296_000, key=key)
    assert answers == [Outcome.APPLIED] + [Outcome.AT_TARGET] * 51
    assert book.instruments[1, I_POSITION] == 33 * SHARE != 8_783 * SHARE
    assert book.valuation().cash == money("250000") - 33 * money("29.60")
    assert book.refusals()[Outcome.AT_TARGET] == 51


@pytest.mark.parametrize(("symbol", "quantities", "seconds"), [("GME", [167, 167, 167], 1), ("APP", [1, 7, 7, 7], 2)])
def test_buys_of_any_quantity_within_a_second_or_two_are_one_entry(symbol: str, quantities: list[int], seconds: int) -> None:
    """Three GME buys of 167 in one second; four APP buys of 1, 7, 7 and 7 in two seconds.

    The quantities differed, so a rule on equal orders would have missed them. One live entry per
    instrument does not look at quantities. Once the first is filled, MAX_POSITION holds the size.
    """
    book = desk("1000000")
    answers = [
        wish(book, make(1, 1, Purpose.TARGET, 60, leg), sum(quantities[: leg + 1]) * SHARE, price=250_000, time_ns=leg * seconds * SECOND // 4)
        for leg in range(len(quantities))
    ]
    assert answers == [Outcome.APPLIED] + [Outcome.LIVE_ENTRY] * (len(quantities) - 1), symbol
    assert [int(status) for status in book.orders[:, O_STATUS]] == [OrderStatus.CLAIMED]


def test_a_fresh_process_with_the_same_decision_finds_its_key_used() -> None:
    """The guard was a set in memory and every cycle made a new runner, so the set was always empty.

    The key is made of the decision itself, and the book is rebuilt from its events.
    """
    book, key = desk("100000"), make(1, 1, Purpose.TARGET, 60)
    events = [row_of({"kind": K.DEPOSIT, "cash_e8": 5})]
    claim = decide(book, row_of({"kind": K.SIGNAL, "key": key, "instrument": 1, "target_lots": SHARE, "price_ticks": 10_000}))
    events.append(claim.event)
    for process in range(3):
        fresh = book.copy()
        assert all(apply(fresh, event) == Outcome.APPLIED for event in events), f"replay of process {process}"
        assert wish(fresh, key, SHARE, price=10_000) == Outcome.DUP_KEY
        assert say(fresh, K.CANCELED, key=key) == Outcome.APPLIED
        assert wish(fresh, key, SHARE, price=10_000) == Outcome.DUP_KEY, "a key is used for ever, even when its order is gone"


def test_positions_that_were_not_loaded_at_start_are_there_after_replay() -> None:
    """A start with `positions = {}` bought again what was held: APLD 1193 at 16.68, UPST 30 at 66.48, TEM 25 at 77.86, NVDA 102 at 182.13."""
    book = desk("100000", symbols=4)
    held = [(1_193, 166_800), (30, 664_800), (25, 778_600), (102, 1_821_300)]
    events = []
    for number, (qty, price) in enumerate(held, 1):
        events.append(row_of({"kind": K.FILL, "exec_id": number, "instrument": number, "side": 1, "qty_lots": qty * SHARE, "price_ticks": price}))
    empty = book.copy()
    for event in events:
        apply(book, event)
    started = empty
    assert apply_all(started, np.array(events)) == len(events)
    assert started == book and started.instruments[1:, I_POSITION].tolist() == [qty * SHARE for qty, _ in held]
    for number, (qty, price) in enumerate(held, 1):
        assert wish(started, make(1, number, Purpose.TARGET, 60), qty * SHARE, price=price, number=number) == Outcome.AT_TARGET


def test_seven_hundred_and_twelve_buys_in_an_hour_trip_a_kill_switch_that_survives_replay() -> None:
    """712 buys for $5M between 18:19 and 19:14; 47 positions existed. Nothing counted.

    Twenty entries a minute are a burst; with BURST_HALTS the refusal itself raises HALTED, and because
    the refusal is an event like any other, a restart is halted too.
    """
    book = desk("5000000", symbols=47, orders=1_024)
    for which, value in ((Limit.BURST_COUNT, 20), (Limit.BURST_WINDOW_NS, 60 * SECOND), (Limit.BURST_HALTS, 1)):
        assert say(book, K.LIMIT, reason=which, cash_e8=value) == Outcome.APPLIED
    start, rows, answers = book.copy(), [], []
    for n in range(712):
        number = 1 + n % 47
        signal = {
            "kind": K.SIGNAL, "time_ns": n * 55 * 60 * SECOND // 712 // 6, "key": make(1, number, Purpose.ADD, n), "instrument": number,
            "target_lots": (1 + n // 47) * 100 * SHARE, "price_ticks": 700_000, "flags": 1,
        }  # fmt: skip
        decision = decide(book, row_of(signal))
        answers.append(decision.outcome)
        rows.append(decision.event)
        assert apply(book, decision.event) == Outcome.APPLIED
    assert answers.count(Outcome.APPLIED) == 20 and answers[20] == Outcome.BURST
    assert set(answers[21:]) == {Outcome.HALTED} and book.arena[H_GATES] & Gate.HALTED
    for row in rows:
        apply(start, row)
    assert start == book and start.arena[H_GATES] & Gate.HALTED, "a restart is halted too"
    assert check(start) == Invariant.HOLDS
    assert wish(start, make(1, 1, Purpose.TARGET, 9_999), 0) == Outcome.HALTED


def test_without_the_burst_limit_cash_alone_ends_the_hour() -> None:
    """The same hour with no limit set: reservations count from the claim on, so $5M buys $5M and not a share more."""
    book = desk("5000000", symbols=47, orders=1_024)
    answers = []
    for n in range(760):
        number = 1 + n % 47
        decision = decide(book, row_of({
            "kind": K.SIGNAL, "key": make(1, number, Purpose.ADD, n), "instrument": number, "target_lots": (1 + n // 47) * 100 * SHARE,
            "price_ticks": 700_000, "flags": 1,
        }))  # fmt: skip
        answers.append(decision.outcome)
        apply(book, decision.event)
    assert answers.count(Outcome.APPLIED) == 714 == 5_000_000 // 7_000
    assert book.valuation().reserved == 714 * money("7000") <= book.valuation().cash


def test_capacity_is_no_limit() -> None:
    """A book born small grows; the 1,001st trade is counted like the first (reports stopped at 1,000 trades)."""
    book = with_instruments((4, 4), cash=money("1000000"), instruments=2, orders=1, entries=1, lots=1, allocs=1, unmatched=1)
    for n in range(1, 1_401):
        apply(book, row_of({"kind": K.FILL, "exec_id": n, "instrument": 1, "side": 1 if n % 2 else -1, "qty_lots": SHARE, "price_ticks": 10_000 + n}))
    assert len(book.entries) == 1_401 and len(book.allocations) == 700
    assert book.valuation().realized == 700 * SHARE
    assert isinstance(Capacity().orders, int)
