"""Every cause by hand: two short sessions that differ in one thing, and what that thing must be called and cost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ledger import keys
from ledger.book import Book, event
from ledger.compare import Cause, Comparison, compare
from ledger.compare.gap import Gap
from ledger.core import apply, decide
from ledger.journal import Journal
from ledger.units import money, to_grid
from ledger.vocabulary import EventKind as K
from ledger.vocabulary import Gate, InstrumentFlag, Limit, OrderStatus, OrderType, Outcome, Purpose

SECOND, START = 10**9, 1_767_387_600


class Told:
    """A session that is told step by step; times are seconds after the first bar, prices and quantities decimal text."""

    def __init__(self, cash: str = "100000", symbol: str = "AAPL", price_exp: int = 4, qty_exp: int = 4, flags: int = 0) -> None:
        self.book, self.events, self.names = Book(), [], ["cross", symbol, "evidence"]
        self.price_exp, self.qty_exp, self.fills = price_exp, qty_exp, 0
        self.add(K.INSTRUMENT, instrument=1, revision=price_exp, order_type=qty_exp, price_ticks=1, qty_lots=1, target_lots=1, ref=2, flags=flags)
        self.add(K.LIMIT, reason=Limit.ALLOW_SHORT, cash_e8=1)
        self.add(K.DEPOSIT, cash_e8=money(cash))

    def add(self, kind: K, at: float = -60, **fields: int) -> Told:
        line = event(kind, time_ns=int((START + at) * SECOND), **fields)
        assert apply(self.book, line) == Outcome.APPLIED, (kind, fields)
        self.events.append(line)
        return self

    def wish(self, target: str, at: int = 0, purpose: Purpose = Purpose.TARGET, leg: int = 0) -> Told:
        """Wish a position at a bar; what the gate answers is recorded."""
        lots, price = to_grid(target, self.qty_exp), to_grid("1000", self.price_exp)
        key = keys.make(1, 1, purpose, START + at, leg)
        side = 1 if lots >= self.position else -1
        line = event(
            K.SIGNAL, key=key, instrument=1, target_lots=lots, price_ticks=price if side > 0 else 1, order_type=OrderType.MARKET,
            time_ns=(START + at) * SECOND,
        )  # fmt: skip
        answer = decide(self.book, line)
        assert apply(self.book, answer.event) == Outcome.APPLIED
        self.events.append(answer.event)
        self.last = key
        return self

    @property
    def position(self) -> int:
        return int(self.book.instruments[1, 8])

    def fill(self, qty: str, price: str, at: float = 1, fee: str | None = "1", key: int | None = None) -> Told:
        """Fill the last order: above 0 buys."""
        self.fills += 1
        lots = to_grid(qty.lstrip("-"), self.qty_exp)
        self.add(
            K.FILL, at, key=self.last if key is None else key, instrument=1, side=-1 if qty[0] == "-" else 1, qty_lots=lots,
            price_ticks=to_grid(price, self.price_exp), exec_id=self.fills,
        )  # fmt: skip
        return self if fee is None else self.add(K.COMMISSION, at, exec_id=self.fills, fee_e8=money(fee))

    def trade(self, target: str, qty: str, price: str, at: int = 0, later: float = 1, fee: str = "1") -> Told:
        return self.wish(target, at).fill(qty, price, at + later, fee)

    def mark(self, price: str, at: float = 0) -> Told:
        return self.add(K.MARK, at, instrument=1, price_ticks=to_grid(price, self.price_exp))

    def end(self, price: str = "130") -> Told:
        return self.mark(price, 10_000)


def compared(tmp_path: Path, one: Told, two: Told) -> Comparison:
    """Store both, compare both ways round, and return the first way."""
    with Journal.open(tmp_path / "a.db") as journal:
        for told in (one, two):
            session = journal.begin("backtest", "x", config={"strategies": {"1": "cross"}})
            assert session.names_of(told.names) == [1, 2, 3]
            session.record_all(np.array(told.events))
    with Journal.read(tmp_path / "a.db") as journal:
        back = compare(journal, 2, journal, 1)
        found = compare(journal, 1, journal, 2)
        assert (back.difference_e8 is None) == (found.difference_e8 is None)
        assert back.difference_e8 is None or back.difference_e8 == -found.difference_e8
        return found


def parts(found: Comparison) -> dict[str, str]:
    from ledger.units import decimal_text

    assert found.residual_e8 == 0
    return {part.cause.value: decimal_text(part.amount_e8) for part in found.parts if part.amount_e8}


def bars(told: Told, *prices: str) -> Told:
    """Record a price a minute, the first at the bar's time."""
    for at, price in enumerate(prices):
        told.mark(price, 60 * at)
    return told


CASES: list[tuple[str, Any, Any, dict[str, str], str]] = [
    ("fee", lambda: Told().trade("10", "10", "100"), lambda: Told().trade("10", "10", "100", fee="3.5"), {"fee": "-2.50"}, ""),
    ("price at one time", lambda: Told().trade("10", "10", "100"), lambda: Told().trade("10", "10", "101"), {"price": "-10.00"}, ""),
    ("price of a sale", lambda: Told().trade("-10", "-10", "100"), lambda: Told().trade("-10", "-10", "101"), {"price": "10.00"}, ""),
    (
        "the market moved before the later fill", lambda: bars(Told(), "100", "102").trade("10", "10", "100.5", at=0, later=1),
        lambda: bars(Told(), "100", "102").trade("10", "10", "102.2", at=0, later=61), {"delay": "-20.00", "price": "3.00"}, "",
    ),
    (
        "no price says how the market moved", lambda: Told().trade("10", "10", "100", later=1),
        lambda: Told().trade("10", "10", "102", later=61), {"price or delay": "-20.00"}, "",
    ),
    (
        "the same wish in another size", lambda: Told().trade("10", "10", "100"), lambda: Told().trade("8", "8", "100"),
        {"size": "-60.00"}, "other quantities ordered, filled 100000 and 80000 lots",
    ),
    (
        "another size at another price", lambda: Told().trade("10", "10", "100"), lambda: Told().trade("8", "8", "99"),
        {"size": "-60.00", "price": "8.00"}, "other quantities ordered, filled 100000 and 80000 lots",
    ),
    (
        "only a part was filled", lambda: Told().trade("10", "10", "100"), lambda: Told().trade("10", "4", "100"),
        {"missed": "-180.00"}, "the same order, filled 100000 and 40000 lots",
    ),
    (
        "opposite sides", lambda: Told().trade("10", "10", "100"), lambda: Told().trade("-10", "-10", "100"),
        {"signal": "-600.00"}, "the two sessions traded in opposite directions",
    ),
    (
        "the gate refused it", lambda: Told().trade("10", "10", "100"),
        lambda: Told().add(K.GATE, side=1, reason=Gate.HALTED, ref=3).wish("10"),
        {"refused": "-300.00", "fee": "1.00"}, "the second session refused it: HALTED",
    ),
    (
        "it was canceled", lambda: Told().trade("10", "10", "100"),
        lambda: _ended(Told().wish("10"), K.CANCELED), {"missed": "-300.00", "fee": "1.00"},
        "the second session ordered it and nothing was filled: CANCELED",
    ),
    (
        "the first one was canceled", lambda: _ended(Told().wish("10"), K.EXPIRED), lambda: Told().trade("10", "10", "100"),
        {"extra": "300.00", "fee": "-1.00"}, "the first session ordered it and nothing was filled: EXPIRED",
    ),
    (
        "the bar was never seen", lambda: bars(Told(), "100", "101").trade("10", "10", "100"),
        lambda: Told().mark("101", 60), {"missed": "-300.00", "fee": "1.00"}, "the second session recorded no price of this bar",
    ),
    (
        "the strategy wished to be flat", lambda: bars(Told(), "100", "101").trade("10", "10", "100"),
        lambda: bars(Told(), "100", "101"), {"signal": "-300.00", "fee": "1.00"},
        "the strategy of the second session wished to be flat at that time",
    ),
    (
        "a stop that only one has", lambda: bars(Told(), "100", "101").trade("10", "10", "100"),
        lambda: bars(Told(), "100", "101").trade("10", "10", "100").wish("0", 60, Purpose.STOP_LOSS).fill("-10", "99", 61),
        {"extra": "-310.00", "fee": "-1.00"}, "the first session has no such order",
    ),
    (
        "a fill that nobody ordered", lambda: Told(), lambda: Told().fill("10", "100", key=0),
        {"extra": "300.00", "fee": "-1.00"}, "the first session has no such execution",
    ),
    ("deposits", lambda: Told("100000"), lambda: Told("100500").add(K.WITHDRAWAL, cash_e8=7), {"deposit": "499.99999993"}, ""),
    ("interest", lambda: Told().add(K.INTEREST, cash_e8=5), lambda: Told().add(K.BORROW_FEE, instrument=1, cash_e8=3), {"interest": "-0.00000008"}, ""),
    ("dividends", lambda: Told(), lambda: Told().add(K.DIVIDEND, instrument=1, cash_e8=9), {"corporate action": "0.00000009"}, ""),
    ("adjusted cash", lambda: Told(), lambda: Told().add(K.ADJUST_CASH, cash_e8=-9, ref=3), {"adjustment": "-0.00000009"}, ""),
    (
        "shares without a trade come in at their basis and are as good as bought", lambda: Told(),
        lambda: Told().add(K.ADJUST_POSITION, instrument=1, side=1, qty_lots=20_000, price_ticks=900_000, ref=3),
        {"adjustment": "260.00"}, "shares without a trade: evidence",
    ),
    (
        "shares exchanged for cash are a corporate action",
        lambda: Told().trade("10", "10", "100"),
        lambda: Told().trade("10", "10", "100").add(K.ADJUST_POSITION, 5, instrument=1, side=-1, qty_lots=100_000, price_ticks=900_000, ref=3)
        .add(K.DEPOSIT, 5, cash_e8=money("900"), ref=3),
        {"corporate action": "-400.00"}, "shares without a trade: evidence",
    ),
]  # fmt: skip


def _ended(told: Told, kind: K) -> Told:
    return told.add(K.SUBMITTED, 1, key=told.last).add(kind, 2, key=told.last)


@pytest.mark.parametrize(("one", "two", "wanted", "reason"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_a_difference_has_its_name_and_its_amount(tmp_path, one, two, wanted, reason):
    found = compared(tmp_path, one().end(), two().end())
    assert parts(found) == wanted
    assert not found.certificate.equal
    if reason:
        assert found.different[-1].reason == reason


def test_a_refused_buy_costs_what_the_other_session_made_of_it_until_it_sold(tmp_path):
    one = bars(Told(), "100", "110", "130").trade("10", "10", "100").trade("0", "-10", "110", at=60)
    two = bars(Told(), "100", "110", "130").add(K.GATE, 0, side=1, reason=Gate.HALTED, ref=3).wish("10")
    found = compared(tmp_path, one.end("500"), two.end("500"))
    assert parts(found) == {"refused": "-100.00", "fee": "2.00"}
    entry, leaving = found.rows
    assert (entry.cause, entry.effect_e8) == (Cause.REFUSED, -money("99")) and leaving.effect_e8 == money("1")
    assert leaving.cause == Cause.REFUSED and leaving.reason == "gives back the difference opened by the decision of 2026-01-02T21:00:00Z"


def test_entering_later_costs_the_way_the_price_went_meanwhile_and_is_the_signals_fault(tmp_path):
    one = bars(Told(), "100", "103", "130").trade("10", "10", "100")
    two = bars(Told(), "100", "103", "130").trade("10", "10", "103", at=60)
    found = compared(tmp_path, one.end("500"), two.end("500"))
    assert parts(found) == {"signal": "-30.00"}


def test_a_reversal_after_a_missed_entry_belongs_to_the_entry(tmp_path):
    one = bars(Told(), "100", "105").trade("10", "10", "100").trade("-10", "-20", "105", at=60)
    two = _ended(bars(Told(), "100", "105").wish("10"), K.REJECTED).trade("-10", "-10", "105", at=60)
    assert parts(compared(tmp_path, one.end(), two.end())) == {"missed": "-50.00", "fee": "1.00"}


def test_a_late_part_of_a_fill_counts_by_the_price_of_its_time(tmp_path):
    one = bars(Told(), "100", "102", "104").wish("10").fill("10", "100", 1)
    two = bars(Told(), "100", "102", "104").wish("10").fill("5", "100", 1).fill("5", "104.1", 121)
    assert parts(compared(tmp_path, one.end(), two.end())) == {"delay": "-20.00", "price": "-0.50", "fee": "-1.00"}


def test_one_price_record_measures_both_delays_and_it_is_the_finer_one(tmp_path):
    one = Told().mark("100").trade("10", "10", "100")
    two = bars(Told(), "100", "101", "102").trade("10", "10", "102", later=121)
    assert parts(compared(tmp_path, one.end(), two.end())) == {"delay": "-20.00"}


def split(told: Told, at: float = 100) -> Told:
    return told.add(K.SPLIT, at, instrument=1, qty_lots=4, price_ticks=1)


def test_adjusted_and_raw_prices_of_one_split_are_no_difference(tmp_path):
    raw = split(Told().trade("10", "10", "400")).end("110")
    adjusted = Told().trade("40", "40", "100").end("110")
    found = compared(tmp_path, raw, adjusted)
    assert parts(found) == {} and found.difference_e8 == 0
    assert set(found.rows[0].differs) == {"target", "ordered", "filled", "price"}


def test_a_missed_split_is_a_corporate_action(tmp_path):
    found = compared(tmp_path, split(Told().trade("10", "10", "400")).end("110"), Told().trade("10", "10", "400").end("110"))
    assert parts(found) == {"corporate action": "-3300.00"}


def test_shares_that_came_and_went_around_a_split_at_one_moment_are_compared(tmp_path):
    def adjusted(told: Told, side: int, lots: int) -> Told:
        return told.add(K.ADJUST_POSITION, 5, instrument=1, side=side, qty_lots=lots, price_ticks=10_000, ref=3)

    one, two = adjusted(Told(), 1, 1), adjusted(Told(), 1, 10_001).add(K.SPLIT, 5, instrument=1, qty_lots=1, price_ticks=3)
    assert "adjustment" in parts(compared(tmp_path, one.end("2"), adjusted(two, -1, 3_333).end("2")))


def test_a_split_in_both_is_no_difference_and_later_sizes_count_in_new_shares(tmp_path):
    one = split(Told().trade("10", "10", "400")).trade("36", "-4", "110", at=200).end("120")
    two = split(Told().trade("10", "10", "400")).trade("32", "-8", "110", at=200).end("120")
    assert parts(compared(tmp_path, one, two)) == {"size": "-40.00"}


def test_a_symbol_on_two_grids_is_compared_exactly(tmp_path):
    one = Told(price_exp=4, qty_exp=4).trade("10", "10", "100.5").end()
    two = Told(price_exp=2, qty_exp=0).trade("10", "10", "100.5").end()
    found = compared(tmp_path, one, two)
    assert parts(found) == {} and found.grids["AAPL"] == ((4, 4), (2, 0))
    assert found.rows[0].a.price_e8 == found.rows[0].b.price_e8 == money("100.5")


def test_what_is_held_at_other_prices_is_a_difference_of_marks(tmp_path):
    one, two = Told().trade("10", "10", "100").end("130"), Told().trade("10", "10", "100").end("131")
    found = compared(tmp_path, one, two)
    assert parts(found) == {"mark": "10.00"} and found.different == () and not found.certificate.equal


def test_sales_without_a_lot_are_told_apart(tmp_path):
    one = Told(flags=InstrumentFlag.NO_NEGATIVE).trade("10", "10", "100").end()
    two = Told(flags=InstrumentFlag.NO_NEGATIVE).trade("10", "10", "100").fill("-12", "110", 5, key=0).end()
    assert parts(compared(tmp_path, one, two)) == {"extra": "-240.00", "unmatched": "260.00", "fee": "-1.00"}


def test_rounding_is_what_one_rounding_differs_from_many(tmp_path):
    def told(first: str, second: str) -> Told:
        return Told(price_exp=8, qty_exp=8).trade("1", first, "0.00000001", fee="0").fill(second, "0.00000001", 2, fee=None).end("0.00000001")

    one, two = told("0.5", "0.5"), Told(price_exp=8, qty_exp=8).end("0.00000001")
    with_foreign = told("0.4", "0.6")
    assert compared(tmp_path, one, with_foreign).residual_e8 == 0
    (tmp_path / "b").mkdir()
    assert compared(tmp_path / "b", one, two).residual_e8 == 0


def test_gaps_are_closed_first_in_first_out_and_split_to_the_last_unit():
    gap = Gap()
    assert gap.trade(0, 3, -10, ((Cause.MISSED, 3),)) == [(0, Cause.MISSED, -10)]
    assert gap.trade(1, 2, -5, ((Cause.SIZE, 2),)) == [(1, Cause.SIZE, -5)]
    assert gap.trade(2, -7, 100, ((Cause.EXTRA, -7),)) == [(0, Cause.MISSED, 43), (1, Cause.SIZE, 28), (2, Cause.EXTRA, 29)]
    assert gap.trade(3, 2, 1, ((Cause.SIZE, -1), (Cause.MISSED, 3))) == [(2, Cause.EXTRA, 1)]
    assert gap.trade(4, 9, 9, ((Cause.SIZE, 4), (Cause.EXTRA, 5))) == [(4, Cause.SIZE, 4), (4, Cause.EXTRA, 5)]


def test_the_certificate_names_the_first_decision_and_the_first_event_that_differ(tmp_path):
    one = Told().trade("10", "10", "100").trade("0", "-10", "110", at=60).end()
    two = Told().trade("10", "10", "100").trade("0", "-10", "109", at=60).end()
    certificate = compared(tmp_path, one, two).certificate
    assert (certificate.rows, certificate.rows_equal, certificate.events_equal) == (2, 1, 7)
    assert certificate.first_event[:6] == ("event 8", 8, 8, "price_ticks", "1100000", "1090000")
    first = certificate.first_row
    assert (first.place, first.field, first.a, first.b) == ("cross|AAPL|TARGET|2026-01-02T21:01:00Z|0", "price", "110.00", "109.00")


def test_numbers_of_a_session_are_its_own_and_names_are_compared(tmp_path):
    """The same history under other numbers of instruments and texts is equal, event for event."""
    with Journal.open(tmp_path / "a.db") as journal:
        told = Told().trade("10", "10", "100").end()
        for names, number in ((["cross", "AAPL", "evidence"], 1), (["other", "evidence", "cross", "x", "AAPL"], 2)):
            session = journal.begin("backtest", "x", config={"strategies": {"1": "cross"}})
            session.names_of(names)
            events = np.array(told.events)
            events[0][-1] = names.index("AAPL") + 1
            session.record_all(events)
            assert session.id == number
    with Journal.read(tmp_path / "a.db") as journal:
        found = compare(journal, 1, journal, 2)
        assert found.certificate.equal and found.certificate.first_event is None
        assert found.certificate.events_equal == len(told.events)


def test_hostile_names_stay_names(tmp_path):
    name = "<img onerror=alert(1)>|=1+1"
    one, two = Told(symbol=name).trade("10", "10", "100").end(), Told(symbol=name).trade("8", "8", "100").end()
    found = compared(tmp_path, one, two)
    assert found.rows[0].symbol == name and name in found.rows[0].text


def test_unknown_fees_stay_unknown(tmp_path):
    one, two = Told().wish("10").fill("10", "100", fee=None).end(), Told().trade("10", "10", "100").end()
    found = compared(tmp_path, one, two)
    assert found.rows[0].a.fee_e8 is None and found.rows[0].b.fee_e8 == money("1") and found.a.fees_unknown == 1
    assert parts(found) == {"fee": "-1.00"} and any("no commission yet" in note for note in found.notes)


def test_an_order_that_nothing_came_of_differs_by_its_end_and_costs_nothing(tmp_path):
    found = compared(tmp_path, _ended(Told().wish("10"), K.CANCELED).end(), Told().wish("10").end())
    assert found.rows[0].differs == ("status",) and found.rows[0].effect_e8 == 0
    assert found.rows[0].b.status == OrderStatus.CLAIMED and parts(found) == {} and not found.certificate.equal


def test_the_first_event_that_differs_is_found_across_slices(tmp_path, monkeypatch):
    from ledger.compare import certificate

    monkeypatch.setattr(certificate, "SLICE", 3)
    one = Told().trade("10", "10", "100").trade("0", "-10", "110", at=60).end()
    for cut in range(1, len(one.events)):
        other = Told()
        other.events = one.events[:cut]
        (tmp_path / str(cut)).mkdir()
        found = compared(tmp_path / str(cut), one, other).certificate
        assert (found.events_equal, found.events_a, found.events_b) == (cut, len(one.events), cut)
        assert found.first_event.place == f"event {cut + 1}" and found.first_event.field == "events"
        assert found.first_event.reason.startswith("the first session goes on")
