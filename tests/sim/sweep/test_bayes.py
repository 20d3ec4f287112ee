"""Bayesian search: resumed, cut short or spread over threads, it tries the same combinations in the same order."""

from __future__ import annotations

from pathlib import Path

import pytest

from sim.sweep import SweepInterrupted, sweep
from sim.sweep import run as sweeps
from strategies.api import StrategyError

from tests.sim.sweep import markets

WIDE = {"fast": list(range(2, 30)), "slow": list(range(10, 80, 2)), "allow_short": [0, 1]}
FEW = {"fast": [3, 5, 8, 13], "slow": [10, 20, 40], "allow_short": [0, 1]}


def bayes(history, trials: int, **words):  # type: ignore[no-untyped-def]
    """Search the wide grid with seed 4."""
    return sweep(history, "sma_cross", WIDE, method="bayes", trials=trials, seed=4, jobs=1, **words)


@pytest.mark.parametrize("after", [0, 1, 3])
def test_a_search_that_was_interrupted_goes_on_as_if_it_had_not_been(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    history, whole = markets.walk(700, 21), bayes(markets.walk(700, 21), 70)
    kept, rounds = sweeps.keep, []

    def stop(job, figures):  # type: ignore[no-untyped-def]
        if len(rounds) == after:
            raise KeyboardInterrupt
        rounds.append(len(job.part))
        return kept(job, figures)

    monkeypatch.setattr(sweeps, "keep", stop)
    with pytest.raises(SweepInterrupted) as stopped:
        bayes(history, 70, out=tmp_path)
    assert f"{sum(rounds)} of 70 combinations are kept" in str(stopped.value)
    before = sorted(path.name for path in (tmp_path / "parts").iterdir()) if after else []
    assert len(before) == after
    computed: list[int] = []
    monkeypatch.setattr(sweeps, "keep", lambda job, figures: (computed.append(len(job.part)), kept(job, figures))[1])
    resumed = bayes(history, 70, out=tmp_path, resume=True)
    assert resumed.combos == whole.combos and resumed.digest == whole.digest and resumed.trials == whole.trials
    assert sum(computed) + sum(rounds) == 70, "what was kept is not computed again"


def test_a_longer_search_begins_with_the_combinations_of_a_shorter_one_and_takes_its_parts(tmp_path: Path) -> None:
    history = markets.walk(700, 22)
    short = bayes(history, 40, out=tmp_path)
    long = bayes(history, 75, out=tmp_path, resume=True)
    assert long.combos[0][:40] == short.combos[0] and len(long) == 75 == len(set(long.combos[0]))
    assert long.digest == bayes(history, 75).digest


def test_a_search_stops_when_the_grid_has_no_more() -> None:
    history, heard = markets.walk(500, 23), []
    found = sweep(history, "sma_cross", FEW, method="bayes", trials=5_000, seed=1, jobs=1, say=lambda *told: heard.append(told))
    assert len(found) == 22 and found.refused == 2
    assert heard[-1] == (22, 5_000)


def test_rows_stand_case_by_case_each_in_the_order_of_the_search_with_the_figures_of_a_grid() -> None:
    histories = [markets.walk(500, 24)._replace(symbol="ONE"), markets.walk(600, 25)._replace(symbol="TWO")]
    words = {"commissions": ["zero", "bps:10"], "jobs": 1}
    found = sweep(histories, "sma_cross", FEW, method="bayes", trials=20, seed=2, **words)
    whole = sweep(histories, "sma_cross", FEW, **words)
    assert len(found) == 80 and len(set(found.combos)) == 1
    rows = {(row["symbol"], row["commission"], row["fast"], row["slow"], row["allow_short"]): row for row in map(whole.row, range(len(whole)))}
    for number in range(len(found)):
        row = found.row(number)
        assert row == rows[row["symbol"], row["commission"], row["fast"], row["slow"], row["allow_short"]]
    places = dict(zip(whole.trials, range(len(whole)), strict=True))
    for number, name in enumerate(found.trials):
        assert whole.row(places[name]) == found.row(number)


def test_a_figure_that_nobody_knows_is_no_target_and_a_grid_that_is_refused_whole_is_an_error() -> None:
    history = markets.walk(300, 26)
    with pytest.raises(StrategyError, match="figure"):
        sweep(history, "sma_cross", FEW, method="bayes", trials=5, aim="kernel")
    with pytest.raises(StrategyError, match="no combination is left: the strategy's own check refused all 2"):
        sweep(history, "sma_cross", {"fast": [20, 30], "slow": [10]}, method="bayes", trials=5)
