"""Explaining and rebooking: every cause of a change is named, and nothing is left over."""

from __future__ import annotations

from datetime import UTC, datetime

import click
import numpy as np
import pytest

from benchmarks import stream
from cli.explain import explain, place
from ledger.book import E_KIND, E_TIME, Book, event
from ledger.core import apply
from ledger.explain import rebook
from ledger.journal import Journal
from ledger.units import money, to_grid
from ledger.vocabulary import EventKind, Method, Outcome
from tests.cli.conftest import document, invoke

K = EventKind
DAY = 86_400 * 10**9


def recorded(*lines):
    """Return rows that a book takes, one day after the other."""
    book, rows = Book(), []
    for day, line in enumerate(lines):
        line[E_TIME] = day * DAY
        assert apply(book, line) == Outcome.APPLIED, line
        rows.append(line)
    return np.array(rows)


def share(number=1):
    return event(K.INSTRUMENT, instrument=number, revision=4, order_type=4, price_ticks=100, qty_lots=10_000, target_lots=1)


def traded(exec_id, side, shares, price, revision=0):
    qty, ticks = to_grid(str(shares), 4), to_grid(str(price), 4)
    return event(K.FILL, instrument=1, side=side, qty_lots=qty, price_ticks=ticks, exec_id=exec_id, revision=revision)


def marked(price):
    return event(K.MARK, instrument=1, price_ticks=to_grid(str(price), 4))


def eventful():
    return recorded(
        share(), event(K.DEPOSIT, cash_e8=money("10000")), marked("100"),
        traded(1, 1, 10, "100"), event(K.COMMISSION, exec_id=1, fee_e8=money("1")), marked("110"),
        traded(2, -1, 4, "112"), traded(2, -1, 4, "113", revision=1), event(K.COMMISSION, exec_id=2, fee_e8=money("1.5")),
        event(K.DIVIDEND, instrument=1, cash_e8=money("3")), event(K.SPLIT, instrument=1, qty_lots=2, price_ticks=1),
        event(K.BORROW_FEE, instrument=1, cash_e8=money("0.25")), event(K.INTEREST, cash_e8=money("2")),
        event(K.ADJUST_CASH, cash_e8=money("-7"), ref=1), event(K.WITHDRAWAL, cash_e8=money("500")),
        event(K.ADJUST_POSITION, instrument=1, side=1, qty_lots=to_grid("5", 4), price_ticks=to_grid("40", 4), ref=1),
        marked("60"),
    )  # fmt: skip


def test_every_cause_is_named_and_nothing_is_left_over():
    found = explain(eventful(), Method.FIFO, "start", "end", UTC)
    amounts = {part.name: part.amount_e8 for part in found.parts}
    assert amounts == {
        "trades": money("48"), "fees": -money("2.5"), "marks": money("60") * 17 - money("600") - money("200"),
        "deposits": money("9700"), "dividends": money("3"), "interest": money("1.75"), "adjustments": -money("7"),
        "corrections": money("4"), "unmatched": 0,
    }  # fmt: skip
    assert found.residual_e8 == 0 and sum(amounts.values()) == found.after_e8


@pytest.mark.parametrize("first", range(17))
def test_any_two_moments_are_explained(first):
    events = eventful()
    dates = [datetime.fromtimestamp(day * DAY // 10**9, UTC).isoformat() for day in range(17)]
    for second in range(first, 17):
        found = explain(events, Method.FIFO, dates[first], dates[second], UTC)
        assert (found.from_seq, found.to_seq) == (first + 1, second + 1)
        assert found.residual_e8 == 0
    assert explain(events, Method.FIFO, "start", dates[first], UTC).residual_e8 == 0


@pytest.mark.parametrize("method", list(Method))
def test_a_busy_stream_is_explained_under_every_method(method):
    events = stream.mixed(3_000)
    found = explain(events, method, "start", "end", UTC)
    assert found.residual_e8 == 0 and found.to_seq == 3_000


def test_an_unknown_worth_stays_unknown():
    events = recorded(share(), event(K.DEPOSIT, cash_e8=money("10000")), traded(1, 1, 10, "100"))
    found = explain(events, Method.FIFO, "start", "end", UTC)
    assert found.after_e8 is None and found.residual_e8 is None
    assert {part.name: part.amount_e8 for part in found.parts}["marks"] is None


def test_moments_are_read_exactly_or_refused():
    events = recorded(share(), event(K.DEPOSIT, cash_e8=money("10000")), marked("100"))
    events[:, E_TIME] = 1_000, DAY, DAY + 1_000
    assert [place(text, events, UTC) for text in ("start", "1970-01-01", "1970-01-02", "end")] == [0, 1, 3, 3]
    assert [place(f"1970-01-02T00:00:00{text}", events, UTC) for text in ("Z", ".000001+00:00")] == [2, 3]
    for text in ("yesterday", "1970-13-01", "1970-01-02T00:00:00", ""):
        with pytest.raises(click.BadParameter):
            place(text, events, UTC)


def test_a_date_is_a_trading_day_also_where_it_ends_at_midnight():
    rows = [share(), event(K.DEPOSIT, cash_e8=money("1000")), traded(1, 1, 5, "100")]
    for day, price in ((1, "101"), (2, "103"), (3, "104")):
        rows += [event(K.DAY, revision=719_163 + day, time_ns=day * DAY), marked(price)]
        rows[-1][E_TIME] = (day + 1) * DAY
    events = np.array(rows)
    amounts = [explain(events, Method.FIFO, f"1970-01-0{day}", f"1970-01-0{day + 1}", UTC) for day in (2, 3, 4)]
    assert [found.after_e8 - found.before_e8 for found in amounts] == [money("10"), money("5"), 0]


def test_rebooking_takes_other_lots_and_the_sum_of_both_is_shown():
    events = recorded(
        share(), event(K.DEPOSIT, cash_e8=money("10000")), traded(1, 1, 10, "100"), traded(2, 1, 10, "120"), traded(3, -1, 10, "130"),
    )  # fmt: skip
    results = {method: rebook(events, Method.FIFO, method, {1: "A"})[0] for method in Method}
    assert results[Method.FIFO].difference_e8 == 0 and results[Method.FIFO].was_e8 == money("300")
    assert results[Method.LIFO].would_be_e8 == results[Method.HIFO].would_be_e8 == money("100")
    assert results[Method.AVERAGE].would_be_e8 == money("200") and results[Method.AVERAGE].difference_e8 == -money("100")


def test_rebooking_a_busy_stream_never_meets_a_gate():
    events = stream.mixed(3_000)
    assert (events[:, E_KIND] == K.CLAIM).any()
    rows = rebook(events, Method.FIFO, Method.LIFO, {})
    assert sum(row.was_e8 for row in rows) != sum(row.would_be_e8 for row in rows)


@pytest.fixture
def unpriced(elsewhere):
    """Store a session that holds shares nobody has priced, with a fee nobody has reported."""
    lines = (share(), event(K.DEPOSIT, cash_e8=money("10000")), traded(1, 1, 10, "100"), traded(2, -1, 4, "110"))
    with Journal.open(elsewhere / "runs" / "onebook.db") as journal:
        session = journal.begin("import", "U1", config={})
        for day, line in enumerate(lines):
            line[E_TIME] = day * DAY
            if line[E_KIND] == K.INSTRUMENT:
                line[-1] = session.name("ABC")
            assert session.record(line) == Outcome.APPLIED
    return elsewhere


def test_unknown_is_a_word_with_its_time_and_null_in_json(unpriced):
    account = document("book", "status")["account"]
    assert (account["equity"], account["value"], account["unrealized"]) == (None, None, None)
    assert account["unknown_since"] == "1970-01-03T00:00:00Z" and account["cash"] == "9440.00"
    held = document("book", "positions")["positions"][0]
    assert held["value"] is None and held["mark"] is None and held["unknown_since"] == "1970-01-03T00:00:00Z"
    profit = document("book", "pnl")
    assert profit["total"] == {"pnl": "40.00", "net": None, "fees_unknown_since": "1970-01-04T00:00:00Z"}
    assert document("book", "trades")["trades"][0]["net"] is None
    for command in ("status", "positions", "pnl", "trades"):
        assert "unknown since 1970" in invoke("book", command, COLUMNS="200").stdout
    whole = document("book", "explain", "start", "end")
    assert whole["residual"] is None and whole["after"] is None


def test_a_first_execution_is_a_trade_whatever_the_broker_calls_its_revision():
    """Interactive Brokers counts revisions from 1: `0001.4f2.01` is a first report, and `.02` the correction of it."""
    events = recorded(
        share(), event(K.DEPOSIT, cash_e8=money("10000")), traded(1, 1, 10, "100", revision=1), traded(2, -1, 10, "110", revision=1),
        traded(2, -1, 10, "109", revision=2),
    )  # fmt: skip
    amounts = {part.name: part.amount_e8 for part in explain(events, Method.FIFO, "start", "end", UTC).parts}
    assert (amounts["trades"], amounts["corrections"]) == (money("100"), -money("10"))
