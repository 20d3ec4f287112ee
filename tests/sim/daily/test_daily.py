"""The daily report: recounts against random books, a day by hand, what changed, and files that run nothing."""

from __future__ import annotations

import csv
import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger import views
from ledger.explain import days_of
from ledger.journal import Journal, JournalError
from ledger.units import money
from ledger.vocabulary import EventKind as K
from ledger.vocabulary import Method
from sim import run as runs
from sim.daily import html, report, write
from sim.daily.facts import EPOCH_ORDINAL
from sim.daily.paper import _outcome, day_parts
from sim.data.load import load_text
from sim.output.stored import from_journal
from strategies import get
from tests.ledger.compare.test_causes import START, Told
from tests.ledger.journal.journal_streams import stream

DAY = START // 86_400
"""The trading day of the bars that `Told` counts from: 16:00 in New York."""


def stored(path: Path, told: Told) -> Journal:
    with Journal.open(path) as journal:
        session = journal.begin("paper", "DU1", config={"strategies": {"1": "cross"}}, exclusive=False)
        session.names_of(told.names)
        session.record_all(np.array(told.events))
    return Journal.read(path)


@settings(max_examples=200 if os.environ.get("ONEBOOK_SOAK") else 12, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 10**6), st.integers(20, 160), st.sampled_from(list(Method)))
def test_the_recount_is_what_the_book_says_whatever_happened(tmp_path_factory, seed, steps, method):
    events, book = stream(seed, steps, method)
    with Journal.open(tmp_path_factory.mktemp("day") / "a.db") as journal:
        journal.begin("backtest", "x", config={}, method=method).record_all(events)
        found = report(journal, 1)
        assert all(total.agrees for total in found.totals), found.totals
        assert found.explanation.residual_e8 in (0, None)
        assert found.totals[1].value == book.valuation().realized


def test_a_recount_that_differs_is_said_aloud(tmp_path, monkeypatch):
    told = Told().trade("10", "10", "100").trade("0", "-10", "110", at=60)
    with stored(tmp_path / "a.db", told) as journal:
        honest = report(journal, 1)
        assert [total.agrees for total in honest.totals] == [True] * 4
        spoiled = [trade._replace(pnl_e8=trade.pnl_e8 + 2 * money("1")) for trade in honest.trades]
        monkeypatch.setattr(views, "pnl_trades", lambda *_: spoiled)
        found = report(journal, 1)
        assert found.totals[0].agrees is False
        assert "realized on the day: the book says 102.00 and executions say 100.00." in html(found)


def test_a_day_by_hand(tmp_path):
    told = Told().trade("10", "10", "100")
    told.wish("10").trade("4", "-6", "110", at=60, fee="2").mark("120", 120)
    with stored(tmp_path / "a.db", told) as journal:
        found = report(journal, 1)
        assert (found.day, found.date, found.zone) == (DAY, "2026-01-02", "America/New_York")
        trade, = found.trades
        assert (trade.pnl_e8, found.executed.bought_e8, found.executed.sold_e8) == (money("60"), money("1000"), money("660"))
        assert (found.orders, found.executed.executions, found.executed.fees_e8) == (2, 2, money("3"))
        assert found.refusals == [("DUP_KEY", "DUPLICATE BUY BLOCKED", 1)]
        assert found.held == [("AAPL", 40_000, 4, money("480"), money("80"))]
        change = found.explanation.after_e8 - found.explanation.before_e8
        assert change == money("100000") + money("60") + money("80") - money("3")


def test_a_report_says_what_changed_since_the_last_one_and_since_it_was_first_written(tmp_path):
    path, out = tmp_path / "a.db", tmp_path / "out"
    with Journal.open(path) as journal:
        session = journal.begin("backtest", "x", config={})
        told = Told().wish("10").fill("10", "100", fee=None).mark("101", 60)
        session.names_of(told.names)
        session.record_all(np.array(told.events))
        first = report(journal, 1)
        write(first, out)
        seen = len(told.events)
        told.add(21, 70, exec_id=1, fee_e8=money("1"))
        session.record_all(np.array(told.events[seen:]))
        second = Path(write(report(journal, 1), out)["html"]).read_text(encoding="utf-8")
        assert "Changed since this day was first reported" in second and "fees unknown" in second
        seen = len(told.events)
        told.trade("0", "-10", "105", at=86_400)
        session.record_all(np.array(told.events[seen:]))
        third = Path(write(report(journal, 1), out)["html"]).read_text(encoding="utf-8")
        assert "Since the report of 2026-01-02" in third and "Changed since" not in third
        assert json.loads((out / "daily-a-1-2026-01-03.json").read_text())["trades"] == 1
        (out / "daily-a-1-2026-01-02.json").write_text("no json")
        assert "Since the report" not in Path(write(report(journal, 1), out)["html"]).read_text(encoding="utf-8")


def test_names_are_text_in_the_page_and_no_formula_in_a_table(tmp_path):
    name = "=cmd|'<img onerror=1>"
    told = Told(symbol=name).trade("10", "10", "100").trade("0", "-10", "110", at=60)
    with stored(tmp_path / "a.db", told) as journal:
        files = write(report(journal, 1), tmp_path / "out")
    page = files["html"].read_text(encoding="utf-8")
    assert "There are no bars" not in page
    assert "<img" not in page and "&lt;img" in page and "http:" not in page.replace("http://www.w3.org/2000/svg", "")
    rows = list(csv.reader(files["trades"].read_text(encoding="utf-8").splitlines()))
    assert rows[1][0] == f"'{name}" and rows[1][7:] == ["100.00", "2.00", "98.00"]
    assert [row[3] for row in csv.reader(files["totals"].read_text(encoding="utf-8").splitlines())] == ["agrees", "yes", "yes", "yes", "yes"]


def test_a_day_without_events_is_a_day_on_which_nothing_happened(tmp_path):
    with stored(tmp_path / "a.db", Told().trade("10", "10", "100").end()) as journal:
        found = report(journal, 1, DAY + 30)
        assert found.trades == [] and found.explanation.before_e8 == found.explanation.after_e8


def test_an_empty_session_gets_a_sentence(tmp_path):
    with Journal.open(tmp_path / "a.db") as journal:
        journal.begin("backtest", "x", config={})
        with pytest.raises(JournalError, match="has no event yet"):
            report(journal, 1)
        with pytest.raises(JournalError, match="no session 7"):
            report(journal, 7)


def test_people_read_grouped_amounts_in_the_page_and_programs_plain_ones_in_the_tables(tmp_path):
    told = Told().trade("10", "10", "10000.123").trade("0", "-10", "11000", at=60).end()
    with stored(tmp_path / "a.db", told) as journal:
        files = write(report(journal, 1), tmp_path)
    text = files["html"].read_text()
    assert "9,998.77" in text and ">10<" in text and "10.00<" not in text
    assert "(+$" in text and "%)" in text
    assert "9998.77" in files["trades"].read_text() and "9,998.77" not in files["trades"].read_text()
    assert set(files) == {"html", "trades", "totals", "figures"}


def test_an_equity_nobody_knows_is_unknown_in_the_headline_and_no_change_is_made_up():
    assert _outcome(None, money("5")) == "Equity unknown became $5.00"
    assert _outcome(money("0"), money("5")) == "Equity $0.00 became $5.00 (+$5.00)"
    assert _outcome(money("1000"), money("1000.004")) == "Equity $1,000.00 became $1,000.00 (+$0.004, +0.00%)"


def test_the_hours_of_a_day_add_up_to_it_also_where_it_begins_on_the_evening_before(tmp_path):
    """A session that opens at 17:00 is the next day's; hours by the clock's date would be parts of two days."""
    opens = [datetime(2026, 1, 4, 17, tzinfo=UTC) + timedelta(hours=at) for at in range(71)]
    rows = [f"{when:%Y-%m-%dT%H:%M:%SZ},100,105,97,{100 + (when.hour * 7 + when.day) % 5},9" for when in opens]
    text = "\n".join(["time,open,high,low,close,volume", *rows, ""])
    bars = load_text(text.encode(), "FUT", "test", timezone="UTC")
    bars = bars._replace(day=(bars.start_ns // 10**9 + 7 * 3_600) // 86_400 + EPOCH_ORDINAL)
    sim = runs.simulate([bars], get("sma_cross"), get("sma_cross").params(1, 3, 0), runs.Setting())
    runs.store(sim, tmp_path / "a.db", runs.configuration(sim, "test", "raw"))
    with Journal.read(tmp_path / "a.db") as journal:
        sheet, profit, fills = from_journal(journal, journal.sessions()[0]), 0, 0
        for day in days_of(journal, 1):
            found = report(journal, 1, day)
            hours = day_parts(sheet, found, "1h")
            whole = {part.name: part.amount_e8 for part in found.explanation.parts}
            assert sum(one.profit_e8 for one in hours) == found.explanation.after_e8 - found.explanation.before_e8 - whole["deposits"]
            assert sum(one.fills for one in hours) == found.executed.executions
            profit, fills = profit + sum(one.profit_e8 for one in hours), fills + found.executed.executions
        account = views.totals(journal, 1)
    assert profit == account.equity_e8 - account.deposits_e8 and fills == account.fills > 0


@pytest.mark.parametrize(("moved", "noted"), [({}, False), ({"kind": K.DEPOSIT}, True), ({"kind": K.WITHDRAWAL}, True), ({"kind": K.INTEREST}, False)])
def test_money_that_was_put_in_or_taken_out_later_is_noted_beside_the_returns(tmp_path, moved, noted):
    told = Told().trade("10", "10", "100").mark("110", 120)
    if moved:
        told.add(moved["kind"], at=180, cash_e8=money("500"))
    with stored(tmp_path / "a.db", told.mark("111", 240)) as journal:
        notes = from_journal(journal, journal.sessions()[0])["notes"]
    assert any(note.startswith("Money was put in or taken out later") for note in notes) is noted
