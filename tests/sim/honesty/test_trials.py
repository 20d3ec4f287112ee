"""Trials are counted across sessions and books of any age; asking never makes or changes a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.journal import JournalError, JournalForeign
from sim.honesty import trials

CONFIG = {
    "strategy": "sma_cross", "params": {"fast": 1, "slow": 2}, "data": "sp500", "setting": {"cash": "100000"},
    "instruments": [{"symbol": "SPX", "bar": "1d"}, {"symbol": "IXIC", "bar": "1d"}],
}  # fmt: skip


def test_the_same_combinations_in_another_sweep_of_another_session_add_nothing(tmp_path: Path) -> None:
    book, name = tmp_path / "deep" / "a.db", trials.family(CONFIG)
    first = trials.hashes_of(CONFIG, ({"fast": fast, "slow": 30} for fast in range(10)))
    second = trials.hashes_of(CONFIG, ({"fast": np.int64(fast), "slow": np.float64(30)} for fast in range(5, 20)))
    assert trials.record(book, name, first) == 10
    assert trials.record(book, name, second + second) == 10
    assert trials.count(book, name) == 20 and trials.count(book, "another family") == 0


@given(st.lists(st.dictionaries(st.text(max_size=5), st.integers() | st.floats(allow_nan=False, allow_infinity=False), max_size=3), max_size=4))
def test_many_hashes_at_once_are_those_of_each(params):
    config = {**CONFIG, "setting": {"cash": '1"params": {', "z": [1, 2.0]}}
    assert trials.hashes_of(config, params) == [trials.trial_hash({**config, "params": dict(values)}) for values in params]


def test_a_family_is_the_strategy_and_its_instruments_in_any_order() -> None:
    turned = {**CONFIG, "instruments": CONFIG["instruments"][::-1], "params": {}, "setting": {}}
    assert trials.family(CONFIG) == trials.family(turned) == "sma_cross on IXIC 1d, SPX 1d"
    for missing in ({}, {"strategy": "x"}, {"strategy": "x", "instruments": [{"symbol": "A"}]}, {"instruments": CONFIG["instruments"]}):
        with pytest.raises(ValueError, match="names its"):
            trials.family(missing)


def test_counting_makes_no_file_and_a_file_that_is_no_book_is_refused(tmp_path: Path) -> None:
    assert trials.count(tmp_path / "none.db", "x") == 0 and not (tmp_path / "none.db").exists()
    (tmp_path / "empty.db").touch()
    assert trials.count(tmp_path / "empty.db", "x") == 0
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(JournalForeign, match="not a database"):
        trials.count(tmp_path / "notes.txt", "x")
    with pytest.raises(JournalForeign, match="not a database"):
        trials.record(tmp_path / "notes.txt", "x", [])
    with pytest.raises(JournalError):
        trials.count(tmp_path, "x")
    assert (tmp_path / "notes.txt").read_text() == "hello"


def test_each_stored_run_is_one_trial_and_the_same_run_again_is_none(tmp_path: Path) -> None:
    from sim import run as sim_run

    book = tmp_path / "a.db"
    for fast in ("5", "5", "7"):
        done = sim_run.run("sma_cross", [f"fast={fast}"], book=book, start="2017-01-03", end="2017-12-29")
    config = sim_run.configuration(done.simulation, "elsewhere", "adjusted")
    found = trials.counted(book, trials.family(config))
    assert (found.trials, found.unrecorded, len(found.sharpes)) == (2, 0, 2)
    assert done.figures["sharpe"] / 252**0.5 == pytest.approx(min(found.sharpes, key=lambda x: abs(x - done.figures["sharpe"] / 252**0.5)))
    sim_run.run("sma_cross", ["fast=5"], book=book, start="2016-01-04", end="2017-12-29")
    assert trials.count(book, trials.family(config)) == 3, "other dates are another trial of the same family"


def test_known_sharpes_come_back_with_the_count(tmp_path: Path) -> None:
    one, two = trials.hashes_of(CONFIG, [{"fast": 1}, {"fast": 2}])
    trials.record(tmp_path / "a.db", "f", [one, two], None, {two: 0.01})
    assert trials.counted(tmp_path / "a.db", "f") == trials.TrialCount(2, 0, (0.01,))
