"""Every page draws, whatever state its book is in."""

from __future__ import annotations

import json

import pytest

from app.shell.entry import PAGES
from tests.app.conftest import words

NAMES = [name for rows in PAGES.values() for name, _, _ in rows]


@pytest.mark.parametrize("page", NAMES)
def test_a_page_draws_a_book_with_backtests(book, show, page):
    test = show(book, page)
    assert test.header and not test.warning and not test.error


@pytest.mark.parametrize("page", NAMES)
@pytest.mark.parametrize("state", ["missing", "blank", "garbage", "foreign", "half-written"])
def test_a_page_says_a_sentence_about_a_book_that_is_none(tmp_path, show, page, state):
    path = tmp_path / "strange.db"
    if state == "blank":
        path.touch()
    elif state == "garbage":
        path.write_bytes(b"not a database at all" * 100)
    elif state == "foreign":
        import sqlite3
        from contextlib import closing

        with closing(sqlite3.connect(path)) as other:
            other.execute("CREATE TABLE trades (id INTEGER, pnl REAL)")
    elif state == "half-written":
        path.write_bytes(b"SQLite format 3\0" + b"\0" * 500)
    test = show(path, page)
    said = words(test)
    assert "strange.db" in said.replace("\\", "") and len(test.dataframe) == 0


def test_the_figures_are_those_of_the_command_line(book, show, capsys):
    from cli.root import root

    root.main(["backtest", "show", "1", "--book", str(book), "--json"], standalone_mode=False)
    document = json.loads(capsys.readouterr().out)
    shown = {one.label: one.value for one in show(book, "performance", session="1").metric}
    from sim.metrics import MONEY
    from sim.output.report import figure_text, label
    from ledger.units import money

    for name in ("final_equity", "total_return", "cagr", "sharpe", "max_drawdown", "win_rate", "fees"):
        value = money(document[name]) if name in MONEY else document[name]
        assert shown[label(name)] == figure_text(name, value, "USD")


def test_the_comparison_is_the_one_of_the_ledger(book, show):
    from ledger.compare import compare
    from ledger.journal import Journal
    from sim.output.report import money_text

    with Journal.read(book) as journal:
        found = compare(journal, 1, journal, 2)
    shown = {one.label: one.value for one in show(book).metric}
    assert shown["Left unexplained"] == "0"
    assert shown["Difference"].lstrip("+") == money_text(found.difference_e8, "USD")
    assert shown["Decisions that differ"] == f"{len(found.different):,} of {len(found.rows):,}"


def test_a_session_may_be_named_in_the_address_and_a_wrong_one_is_passed_over(book, show):
    assert show(book, "performance", session="1").session_state["session_id"] == 1
    assert show(book, "performance", session="999").session_state["session_id"] == 2
    assert show(book, "performance", session="1; DROP TABLE event").session_state["session_id"] == 2


def test_a_paper_session_without_stored_points_has_its_figures_from_a_replay(tmp_path):
    import numpy as np

    from ledger.book import event
    from ledger.journal import Journal
    from ledger.units import money
    from ledger.vocabulary import EventKind
    from sim.output import stored

    second = 10**9
    with Journal.open(tmp_path / "paper.db") as journal:
        session = journal.begin("paper", "paper:DU1", config={"strategy": "x", "timezone": "America/New_York"})
        number = session.name("AAPL")
        session.record(event(EventKind.INSTRUMENT, instrument=number, revision=4, order_type=4, price_ticks=100, qty_lots=10_000, target_lots=1, ref=number))
        session.record(event(EventKind.DEPOSIT, cash_e8=money("1000"), time_ns=second))
        session.record(event(EventKind.FILL, instrument=number, side=1, qty_lots=20_000, price_ticks=1_000_000, exec_id=session.name("e1"), time_ns=2 * second))
        session.record(event(EventKind.MARK, instrument=number, price_ticks=1_100_000, time_ns=3 * second))
        session.project()
    with Journal.read(tmp_path / "paper.db") as journal:
        sheet = stored.from_journal(journal, journal.sessions()[0])
    assert sheet["start_e8"] == money("1000") and sheet["figures"]["final_equity"] == money("1020")
    assert sheet["time_ns"].tolist() == [second, 2 * second, 3 * second]
    assert sheet["known"].tolist() == [True, False, True] and np.diff(sheet["equity_e8"])[-1] == money("220")


def test_the_days_one_can_ask_about_are_trading_days_also_where_they_end_at_midnight(tmp_path, show):
    from datetime import date

    from ledger.book import event
    from ledger.journal import Journal
    from ledger.vocabulary import EventKind

    day = 86_400 * 10**9
    with Journal.open(tmp_path / "coin.db") as journal:
        session = journal.begin("backtest", "COIN", config={"timezone": "UTC"})
        session.record(event(EventKind.INSTRUMENT, instrument=1, revision=2, price_ticks=1, qty_lots=1, target_lots=1, ref=session.name("COIN")))
        for at in (1, 2):
            session.record(event(EventKind.DAY, revision=719_163 + at, time_ns=at * day))
            session.record(event(EventKind.DEPOSIT, cash_e8=10**8, time_ns=(at + 1) * day))
        session.end()
    (asked,) = show(tmp_path / "coin.db", "pnl").date_input
    assert (asked.min, asked.max, asked.value) == (date(1970, 1, 2), date(1970, 1, 3), date(1970, 1, 3))
