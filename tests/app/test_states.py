"""What a person must not miss is said first; what cannot be known is unknown; nothing old passes for the present."""

from __future__ import annotations

import json
import time

import numpy as np
import pytest

from app.comparing import asking
from app.draw import candles, lanes, lines
from app.draw.theme import LIGHT
from app.jobs import results
from app.pages import fuzz
from app.shell import books, parts, rows, runner, text
from ledger.book import event
from ledger.journal import Journal
from ledger.units import money
from ledger.vocabulary import EventKind, Gate
from sim.output.prices import Bars
from sim.output.tables import Column, Frame
from tests.app.conftest import words

SECOND = 10**9


@pytest.fixture
def paper(tmp_path):
    """Return a paper book with one position that has no price, and a function that writes its runner's state."""
    path = tmp_path / "paper.db"
    with Journal.open(path) as journal:
        session = journal.begin("paper", "paper:DU1", config={"strategy": "sma_cross", "params": {"fast": 3}, "symbols": ["AAPL"], "host": None})
        number = session.name("AAPL")
        session.record(event(EventKind.INSTRUMENT, instrument=number, revision=4, order_type=4, price_ticks=100, qty_lots=10_000, target_lots=1, ref=number))
        session.record(event(EventKind.DEPOSIT, cash_e8=money("1000"), time_ns=time.time_ns() - 60 * SECOND))
        session.record(event(EventKind.FILL, instrument=number, side=1, qty_lots=20_000, price_ticks=1_000_000, exec_id=session.name("e"), time_ns=time.time_ns()))
        session.record(event(EventKind.GATE, reason=int(Gate.HALTED | Gate.STALE_CODE), side=1, ref=session.name("a person: look")))
        session.project()

    def state(age_s: float = 0, **more):
        folder = path.with_name(f"{path.name}.paper")
        folder.mkdir(exist_ok=True)
        told = {"written_ns": time.time_ns() - int(age_s * SECOND), "link": "READY", "reason": "connected", "simulated": True, "session": 1, **more}
        (folder / "state.json").write_text(json.dumps(told))

    return path, state


def test_without_a_price_the_worth_is_unknown_and_never_zero(paper, show):
    shown = {one.label: one.value for one in show(paper[0], "overview").metric}
    assert shown["Equity"] == shown["Exposure"] == shown["Open P&L"] == "unknown" and shown["Cash"] == "$800.00"
    assert {one.label: one.value for one in show(paper[0], "positions").metric}["Equity"] == "unknown"


def test_the_kill_switch_stale_code_and_simulation_are_said_first(paper, show):
    path, state = paper
    state()
    said = words(show(path, "overview"))
    assert "KILL SWITCH" in said and "STALE CODE" in said and "SIMULATED" in said and "runner READY" in said


def test_a_silent_runner_is_not_the_present(paper, show):
    path, state = paper
    assert "no runner has told how it stands" in words(show(path, "overview"))
    state(age_s=3600)
    said = words(show(path, "overview"))
    assert "RUNNER SILENT" in said and "prices live" not in said
    state(age_s=3600, link="STOPPED")
    assert "the runner stopped 60 minutes ago" in words(show(path, "overview")).replace("\\", "")


def test_differences_with_the_broker_are_named_on_overview_and_audit(paper, show):
    path, state = paper
    state(reconciled={"complete": False, "missing": ["positions"], "differences": [[1, "AAPL", 20000, 0]], "in_doubt": [], "not_ours": [], "foreign_orders": [],
                      "cash_differs": "book 1.00 USD, broker 2.00 USD: the broker has 1.00 USD more"})
    for page in ("overview", "audit"):
        said = words(show(path, page)).replace("\\", "")
        assert "AAPL: the book holds 20,000 lots and the broker 0" in said and "did not send: positions" in said
        assert "the broker has 1.00 USD more" in said
    state(reconciled={"complete": False})
    assert "a list that did not come proves nothing" in words(show(path, "audit")).replace("\\", "")


@pytest.mark.parametrize("content", ["", "{", "[]", '{"link": 3}', '{"written_ns": "x"}', "null"])
def test_a_state_that_cannot_be_read_is_no_state(tmp_path, content):
    (tmp_path / "b.db.paper").mkdir()
    (tmp_path / "b.db.paper" / "state.json").write_text(content)
    assert runner.runner_of(tmp_path / "b.db") is None


def test_the_boundary_between_present_and_silent_is_three_seconds(paper):
    path, state = paper
    state()
    written = json.loads((path.with_name("paper.db.paper") / "state.json").read_text())["written_ns"]
    assert runner.runner_of(path, written + 3 * SECOND).present and not runner.runner_of(path, written + 4 * SECOND).present


def test_a_session_without_events_says_so_on_every_page(tmp_path, show):
    from app.shell.entry import PAGES

    path = tmp_path / "empty.db"
    with Journal.open(path) as journal:
        journal.begin("paper", "paper:DU1", config={})
    test = show(path)
    for name in [name for group in PAGES.values() for name, _, _ in group]:
        test = show(path, name)
        assert test.header and not test.error, name


def test_figures_are_asked_again_when_an_event_comes(paper):
    path, _ = paper
    from app.shell import answers

    before = books.picked(path, 1)
    assert answers.totals(before).equity_e8 is None
    with Journal.open(path) as journal:
        session = journal.resume(1)
        session.record(event(EventKind.MARK, instrument=1, price_ticks=1_100_000, time_ns=time.time_ns()))
        session.project()
    after = books.picked(path, 1)
    assert after != before and after.events == before.events + 1
    assert answers.totals(after).equity_e8 == money("1020")


def test_every_question_about_one_state_has_its_own_answer(paper):
    path, _ = paper
    from app.shell import answers
    from ledger import views

    state = books.picked(path, 1)
    assert type(answers.totals(state)) is views.Totals and type(answers.age(state)) is views.Age
    by_day, by_symbol = answers.profit(state, "day"), answers.profit(state, "symbol")
    assert by_day is answers.profit(state, "day") and by_day is not by_symbol
    assert answers.totals(state) is answers.totals(state)


def test_the_pair_that_is_most_alike_is_suggested(tmp_path):
    with Journal.open(tmp_path / "b.db") as journal:
        for kind, config in (
            ("backtest", {"strategy": "x", "params": {"fast": 1}, "symbols": ["A"]}), ("backtest", {"strategy": "x", "params": {"fast": 3}, "symbols": ["A"]}),
            ("backtest", {"strategy": "y", "params": {"fast": 3}}), ("paper", {"strategy": "x", "params": {"fast": 3}, "symbols": ["A"]}), ("fuzz", {}),
        ):  # fmt: skip
            session = journal.begin(kind, f"{kind}:{config}", config=config)
            session.record(event(EventKind.DEPOSIT, cash_e8=1))
            session.end("done")
    assert asking.suggested(books.sessions(tmp_path / "b.db")) == [2, 4]


@pytest.mark.parametrize("count", [1, 2, 4_000, 4_001, 10_000, 1_000_003])
def test_a_thinned_curve_keeps_every_extreme_in_at_most_four_thousand_points(count):
    rng = np.random.default_rng(count)
    one, two = rng.standard_normal(count).cumsum(), rng.standard_normal(count)
    two[: count // 3] = np.nan
    at = lines.thinned(count, [one, two])
    assert len(at) <= max(4_000, min(count, 4_000)) and (np.diff(at) > 0).all() and at[0] == 0 and at[-1] == count - 1
    for curve in (one, two):
        assert np.nanmax(curve[at], initial=-9e9) == np.nanmax(curve, initial=-9e9) and np.nanmin(curve[at], initial=9e9) == np.nanmin(curve, initial=9e9)


def test_grouped_candles_are_the_extremes_of_what_they_hold():
    rng = np.random.default_rng(5)
    close = rng.integers(100, 200, 50_001)
    high, low = close + rng.integers(0, 9, close.size), close - rng.integers(0, 9, close.size)
    end = np.arange(1, close.size + 1, dtype=np.int64)
    bars = Bars(end - 1, end, close, high, low, close, np.ones(close.size, np.int64))
    found, size = candles.grouped(bars)
    assert size == 3 and len(found.end_ns) <= 20_000 and found.volume.sum() == close.size
    assert found.high_ticks[7] == high[21:24].max() and found.low_ticks[7] == low[21:24].min()
    assert found.open_ticks[7] == close[21] and found.close_ticks[7] == close[23] and found.end_ns[-1] == end[-1]
    option, told = candles.chart(bars, 2, [candles.Mark(5, 1.5, 1)], LIGHT)
    assert told == 3 and len(option["dataset"][0]["source"]) == len(found.end_ns)


def test_a_yes_or_no_is_said_in_words_and_an_unknown_one_not_at_all():
    assert [rows._word("ranked", value) for value in (True, False, None)] == ["yes", "no", ""]


def test_a_table_on_the_screen_and_its_download_are_harmless_and_exact():
    known = np.array([True, False, True])
    table = Frame("t", (Column("symbol", "text", ["=1+1", "@x", "A"]), Column("pnl", "decimal", np.array([1, 2, -123456789012345], np.int64), 8, known)))
    data = parts.pandas_of(table)
    assert data["symbol"].tolist() == ["'=1+1", "'@x", "A"] and data["pnl"].isna().tolist() == [False, True, False]
    from sim.output.export import csv_bytes

    assert csv_bytes(table).decode().splitlines() == ["symbol,pnl", "'=1+1,0.00000001", "'@x,", "A,-1234567.89012345"]


def test_units_of_a_row_decide_what_a_column_is():
    from ledger.views import OpenLot

    lot = OpenLot(7, 1, "A", -1, 12_345, 5, 10**8, 3 * SECOND)
    cells = {column.name: column.cells()[0] for column in rows.frame("lots", [lot], OpenLot._fields, {1: rows.Exponents(2, 3)}).columns}
    assert cells == {"number": 7, "instrument": 1, "symbol": "A", "side": "short", "qty": "12.345", "open": "0.005", "cost": "1.00", "open_time": "1970-01-01T00:00:03Z"}


@pytest.mark.parametrize(("seconds", "told"), [(0, "0 s ago"), (119, "119 s ago"), (120, "2 minutes ago"), (7_200, "2 hours ago"), (3 * 86_400, "3 days ago"), (-5, "in the future")])
def test_ages_are_told_in_the_unit_that_fits(seconds, told):
    assert text.age(10**18, 10**18 + seconds * SECOND) == told and text.age(None) == "unknown"


def test_lanes_leave_nothing_out_and_mermaid_gets_no_syntax():
    told = {
        "columns": [{"name": "A", "title": "bot: x<script>"}], "violation": "bought once: 2; drop",
        "rows": [
            {"step": 0, "column": 0, "kind": "effect", "label": "order; A->>B: x", "fault": "", "switch": False, "touched": True, "state": {"held": "1"}},
            {"step": 1, "column": None, "kind": "fault", "label": "crash", "fault": "lost", "switch": True, "touched": False, "state": {}},
        ],
    }  # fmt: skip
    shown = lanes.table(told, upto=0)
    assert [row["lane"] for row in shown] == [lanes.names(told)[0], lanes.WORLD] and [row["faint"] for row in shown] == [False, True]
    body = lanes.sequence(told)
    assert "script>" not in body and ";" not in body and body.count("\n") == 6 and "<" not in body
    assert lanes.chart(told, LIGHT).to_dict()["height"] == lanes.STEP * 2 + 10


def test_a_document_without_keys_is_unknown_and_no_error():
    cards = results.figure_cards({})
    assert {card.value for card in cards} == {"unknown"}


def test_what_a_campaign_did_not_count_is_unknown_and_never_0():
    counted = {card.label: card.value for card in fuzz.card_list({"verdict": "cut", "schedules": 12_000, "moves": 0, "per_second": 860.4})}
    assert (counted["Schedules"], counted["Moves"], counted["Rate"]) == ("12,000", "0", "860/s")
    for report in ({"verdict": "cut"}, {"verdict": "cut", "schedules": None, "moves": None, "per_second": None}):
        shown = {card.label: card.value for card in fuzz.card_list(report)}
        assert {shown[name] for name in ("Schedules", "Moves", "Rate")} == {"unknown"}
