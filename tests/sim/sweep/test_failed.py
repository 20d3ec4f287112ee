"""A combination that cannot be run is a row with a reason, and costs none of the others."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from sim.honesty.sweeps import judge_sweep, read
from sim.run import BacktestError, Setting
from sim.sweep import SweepResult, sweep, work
from strategies import get

from tests.sim.sweep import markets

VALUES = {"fast": [2, 3], "slow": [5, 9, 900]}
LOST, FINE = [0, 1, 3, 4], [2, 5]
"""Whoever holds the jump cannot be booked; an average over 900 bars never wishes anything."""
FEE = "zero"


def found(**words: object) -> SweepResult:
    """Sweep over the jump."""
    return sweep(markets.jump(), "sma_cross", VALUES, Setting(commission=FEE), **{"jobs": 1} | words)  # type: ignore[arg-type]


def assert_told(table: SweepResult) -> None:
    """Hold a sweep over the jump against what must be known of it."""
    assert np.flatnonzero(table.failed).tolist() == LOST and len(table) == 6
    for number in LOST:
        row = table.row(number)
        assert "OVERFLOW" in row["failed"] and row["failed"].startswith("at 19")
        assert all(row[name] is None for name in work.FIGURED), "nothing is known, and nothing is 0"
    assert [row["slow"] for row in table.best("total_return", 10)] == [900, 900] and table.best("fees_e8")[0]["slow"] == 900
    assert [row["slow"] for row in table.failures()] == [5, 9, 5, 9] and len(table.failures(1)) == 1
    assert table.row(2)["final_equity_e8"] == 100_000 * 10**8 and table.row(2)["failed"] is None


@pytest.mark.parametrize("kernel", ["words", "bars", "book"])
def test_what_cannot_be_run_is_told_and_the_rest_is_ranked_whichever_way_it_is_computed(kernel: str) -> None:
    strategy = get("sma_cross") if kernel != "bars" else dataclasses.replace(get("sma_cross"), columnar=None)
    setting = Setting(commission=FEE, account="margin" if kernel == "book" else "cash")
    table = sweep(markets.jump(), strategy, VALUES, setting, jobs=1)
    assert table.table["kernel"][2] == kernel
    assert_told(table)


def test_a_sweep_that_goes_on_and_its_file_know_what_could_not_be_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "PART", 2)
    whole = found(out=tmp_path)
    monkeypatch.setattr(work, "_by_book", None)  # nothing is computed again
    again = found(out=tmp_path, resume=True)
    assert_told(again)
    assert again.digest == whole.digest and {k: v.dtype for k, v in again.table.items()} == {k: v.dtype for k, v in whole.table.items()}
    rows = pq.read_table(again.to_parquet(tmp_path / "sweep.parquet")).to_pylist()
    assert all(rows[number][name] is None for number in LOST for name in work.FIGURED)
    assert all("OVERFLOW" in rows[number]["failed"] for number in LOST) and rows[2]["failed"] is None


def test_parts_of_before_had_no_reason_and_are_taken(tmp_path: Path) -> None:
    history, values = markets.walk(300), {"fast": [3], "slow": [10, 20]}
    whole = sweep(history, "sma_cross", values, jobs=1, out=tmp_path)
    (part,) = (tmp_path / "parts").iterdir()
    pq.write_table(pq.read_table(part).drop_columns(["failed"]), part)
    assert sweep(history, "sma_cross", values, jobs=1, out=tmp_path, resume=True).digest == whole.digest


def test_threads_and_a_bayesian_search_tell_the_same(tmp_path: Path) -> None:
    assert found(jobs=2).digest == found().digest
    pytest.importorskip("optuna")
    for aim in ("sharpe", "final_equity_e8"):
        searched = found(method="bayes", trials=6, aim=aim)
        assert sorted((row["fast"], row["slow"]) for row in searched.failures()) == [(2, 5), (2, 9), (3, 5), (3, 9)]


def test_workers_of_dask_tell_the_same(tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    assert_told(found(engine="dask"))


def test_a_heat_map_leaves_out_what_could_not_be_run(tmp_path: Path) -> None:
    page = found().heatmap("fast", "slow", tmp_path / "map.html", "final_equity_e8").read_text()
    assert page.count(": unknown'") == 4 and "nothing is known" not in page and "-92" not in page


def test_a_sweep_of_which_nothing_can_be_run_is_an_error() -> None:
    with pytest.raises(BacktestError, match=r"none of the 2 combinations could be run; the first: at .*OVERFLOW"):
        sweep(markets.jump(), "sma_cross", {"fast": [2], "slow": [5, 9]}, Setting(commission=FEE), jobs=1)


def test_luck_is_judged_among_what_could_be_run(tmp_path: Path) -> None:
    histories = [markets.jump(), markets.walk(90, 3)._replace(symbol="FINE")]
    table = sweep(histories, "sma_cross", {"fast": [2, 3], "slow": [5, 9]}, Setting(commission=FEE), jobs=1)
    assert table.failed.tolist() == [True] * 4 + [False] * 4
    lost, fine = judge_sweep(read(table.to_parquet(tmp_path / "sweep.parquet")), None)
    assert (lost.symbol, lost.params, lost.sharpe, lost.pbo) == ("AAA", None, None, None)
    assert fine.params is not None and fine.pbo is not None
