"""Exports: nothing is lost on the way to a file, and no file does anything when it is opened."""

from __future__ import annotations

import csv
import io
import json
from decimal import Decimal

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.units import decimal_text
from sim.output import export, stored
from sim.output.tables import Column, Frame, equity, frames
from tests.sim.output.pages import EVIL, curve

AMOUNTS = st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=20)


def lines(content: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode(), newline="")))


@given(amounts=AMOUNTS, exp=st.sampled_from([0, 2, 4, 6, 8]))
def test_every_integer_leaves_as_the_same_decimal_in_every_format(amounts, exp):
    frame = Frame("t", (Column("a", "decimal", np.array(amounts, np.int64), exp),))
    wanted = [Decimal(amount).scaleb(-exp) for amount in amounts]
    assert [Decimal(cell) for (cell,) in lines(export.csv_bytes(frame))[1:]] == wanted
    assert pq.read_table(io.BytesIO(export.parquet_bytes(frame)))["a"].to_pylist() == wanted
    assert [Decimal(cell) for cell in frame.columns[0].cells()] == wanted


@given(amounts=AMOUNTS, data=st.data())
def test_instruments_with_grids_of_their_own_keep_them(amounts, data):
    small = [amount // 10**4 for amount in amounts]
    exps = data.draw(st.lists(st.sampled_from([0, 4, 8]), min_size=len(small), max_size=len(small)))
    frame = Frame("t", (Column("a", "decimal", np.array(small, np.int64), np.array(exps, np.int64)),))
    wanted = [Decimal(amount).scaleb(-exp) for amount, exp in zip(small, exps)]
    assert pq.read_table(io.BytesIO(export.parquet_bytes(frame)))["a"].to_pylist() == wanted


@pytest.mark.parametrize("kind", ["decimal", "count"])
def test_what_is_unknown_is_empty_in_csv_and_null_elsewhere(kind):
    frame = Frame("t", (Column("a", kind, np.array([0, 5], np.int64), 0, np.array([False, True])),))
    assert lines(export.csv_bytes(frame))[1:] == [[""], ["5"]]
    assert [None if v is None else int(v) for v in pq.read_table(io.BytesIO(export.parquet_bytes(frame)))["a"].to_pylist()] == [None, 5]
    assert frame.columns[0].cells()[0] is None


@pytest.mark.parametrize("text", ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "=HYPERLINK(\"x\")"])
def test_a_cell_that_a_spreadsheet_would_run_is_text(text):
    frame = Frame("t", (Column("symbol", "text", [text]),))
    assert lines(export.csv_bytes(frame))[1][0].startswith("'")


@given(value=st.floats(allow_nan=False, allow_infinity=False))
def test_a_negative_number_stays_a_number(value):
    assert export.harmless(repr(value)) == repr(value)


def test_unmarked_moments_have_no_equity():
    drawn = curve([100, 110], known=np.array([True, False]))
    assert equity(drawn).columns[-1].cells() == ["100.00", None]


@pytest.mark.parametrize("kind", ["csv", "parquet", "json", "html", "png"])
@pytest.mark.parametrize("amounts", [[], [100], [100, 90, 120]], ids=["no bars", "one bar", "three bars"])
def test_every_format_takes_any_run(tmp_path, kind, amounts):
    files = export.write(curve(amounts, symbol=EVIL), tmp_path, "run", (kind,))
    assert files and all(path.stat().st_size for path in files.values())
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(files)


@pytest.mark.parametrize(("formats", "tables", "word"), [(("xls",), (), "xls"), (("csv",), ("pnl",), "pnl")])
def test_an_unknown_format_or_table_is_refused_by_name_and_nothing_is_written(tmp_path, formats, tables, word):
    with pytest.raises(export.ExportError, match=word):
        export.write(curve([100]), tmp_path / "new", "run", formats, tables)
    assert not (tmp_path / "new").exists()


def test_the_json_of_a_run_has_its_figures_and_no_not_a_number():
    document = json.loads(export.json_bytes(curve([110, 99]), frames(curve([110, 99]))))
    assert document["figures"]["final_equity"] == "99.00" and document["figures"]["win_rate"] is None
    assert [row["equity"] for row in document["equity"]] == ["110.00", "99.00"]


def test_quantstats_is_an_extra_that_says_how_to_get_it(monkeypatch):
    def absent(name):
        raise ImportError(name)

    monkeypatch.setattr(export.importlib, "import_module", absent)
    with pytest.raises(export.ExportError, match=r"onebook\[tearsheet\]"):
        export.quantstats(curve([100, 110, 120]))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Return a run of two years, its journal's path and session."""
    from sim.run import run as make

    book = tmp_path_factory.mktemp("export") / "book.db"
    return make("sma_cross", book=book, start="2015-01-02", end="2017-12-29")


@pytest.fixture(scope="module")
def again(run):
    from ledger.journal import Journal

    with Journal.read(run.path) as journal:
        return stored.from_journal(journal, journal.sessions()[0])


def test_a_stored_run_reads_back_as_the_run_it_was(run, again):
    from sim.run import sheet

    made = sheet(run.simulation, run.figures)
    assert again["figures"] == made["figures"]
    for key in ("time_ns", "equity_e8", "days", "positions_e8", "benchmark_e8", "entries", "exits"):
        assert np.array_equal(again[key], made[key]), key
    assert again["symbols"] == made["symbols"]
    assert again["strategy"] == "sma_cross(allow_short=0, fast=10, slow=30)", "a journal keeps parameters by name"


def test_the_tables_of_a_run_add_up_to_its_figures(run, again):
    tables, figures = frames(again), run.figures
    cells = {name: {c.name: c.cells() for c in frame.columns} for name, frame in tables.items()}
    total = sum(map(Decimal, cells["trades"]["pnl"]))
    assert total == sum(map(Decimal, cells["allocations"]["net"])) and len(cells["trades"]["pnl"]) == figures["trades"]
    assert sum(map(Decimal, cells["fills"]["fee"])) == Decimal(decimal_text(figures["fees"])) and tables["fills"].size == figures["fills"]
    assert tables["orders"].size == figures["orders"]
    assert cells["equity"]["equity"][-1] == decimal_text(figures["final_equity"])
    flat = not cells["lots"]["open"]
    assert not flat or total == Decimal(cells["equity"]["equity"][-1]) - Decimal(run.simulation.setting.cash)


def test_average_prices_times_quantity_are_the_money_that_moved(again):
    columns = {c.name: c.cells() for c in frames(again)["trades"].columns}
    for entry, exit_, quantity, fees, pnl in zip(*(columns[k] for k in ("entry_price", "exit_price", "quantity", "fees", "pnl"))):
        gross = (Decimal(exit_) - Decimal(entry)) * Decimal(quantity)
        assert abs(gross - Decimal(fees) - Decimal(pnl)) <= Decimal(quantity) * Decimal("1e-8")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_quantstats_makes_its_page_of_our_daily_returns(again):
    content = export.quantstats(again)
    assert b"<html" in content[:500].lower() and len(content) > 100_000


def test_a_result_writes_what_a_stored_run_exports(run, tmp_path):
    from sim.api import Result

    result = Result(run.simulation)
    assert set(result.to_csv(tmp_path, "trades", "fills")) == {"run-trades.csv", "run-fills.csv"}
    assert len(result.to_parquet(tmp_path)) == 7 and list(result.to_json(tmp_path)) == ["run-run.json"]
    assert result.html(tmp_path / "page.html") == (tmp_path / "page.html").read_text()
    assert result.plot(600, 400)._repr_png_().startswith(b"\x89PNG")
    with pytest.raises(export.ExportError, match="tables"):
        result.to_csv(tmp_path, "tables")
