"""The benchmark beside other engines: it leaves out what cannot be installed, and believes no engine whose result is not ours."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

from benchmarks.peers import beside, environments

pytestmark = pytest.mark.compiled


def test_an_environment_that_cannot_be_made_leaves_a_sentence_and_no_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("ONEBOOK_PEERS", str(tmp_path))

    def fails(*words: str) -> None:
        raise subprocess.CalledProcessError(1, words, stderr="looking\nno route to the registry\n")

    monkeypatch.setattr(environments, "_call", fails)
    place = environments.environment("nobody", ("nothing==0",))
    assert place.python is None and place.why == "no route to the registry" and list(tmp_path.iterdir()) == []


def test_an_environment_is_made_once(monkeypatch, tmp_path):
    monkeypatch.setenv("ONEBOOK_PEERS", str(tmp_path))
    made = []

    def makes(place: Path, python: Path, packages: tuple[str, ...]) -> None:
        made.append(packages)
        python.parent.mkdir(parents=True)
        python.touch()

    monkeypatch.setattr(environments, "_make", makes)
    first, second = environments.environment("a", ("x==1",)), environments.environment("a", ("x==1",))
    other = environments.environment("a", ("x==2",))
    assert first == second and other.python != first.python and made == [("x==1",), ("x==2",)]


def test_an_engine_without_an_environment_is_left_out_and_named(monkeypatch):
    monkeypatch.setattr(beside, "environment", lambda name, packages: environments.Environment(None, "no network"))
    lines = beside.side_by_side(20)
    assert len(lines) == len(beside.PEERS)
    assert all(line.figure == "left out" and "no network" in line.checked for line in lines)


@pytest.fixture(scope="module")
def run():
    history = beside.bars_of(400)
    return history, beside._timed(history, beside.get("sma_cross"))[0]


def theirs(history, result):
    return {"fills": beside._fills(history, result), "equity": result.equity_e8 / 1e8}


def test_equal_fills_and_equity_are_believed(run):
    history, result = run
    assert "same" in beside._require_equal(beside.PEERS[1], history, result, theirs(history, result))


@pytest.mark.parametrize("column", [0, 1, 2])
def test_one_changed_fill_is_not(run, column):
    history, result = run
    changed = theirs(history, result)
    changed["fills"][1, column] += 1
    with pytest.raises(AssertionError, match="fills differ"):
        beside._require_equal(beside.PEERS[1], history, result, changed)


def test_one_changed_point_of_the_curve_is_not(run):
    history, result = run
    changed = theirs(history, result)
    changed["equity"][100] *= 1 + 1e-8
    with pytest.raises(AssertionError, match="equity differs"):
        beside._require_equal(beside.PEERS[1], history, result, changed)


def test_a_decision_on_another_bar_is_not(run):
    history, result = run
    fills = beside._fills(history, result)
    at = fills[:, 0].astype(int) - 1
    decided = np.column_stack([at, fills[:, 1], history.close_ticks[at] / 100])
    assert "decisions" in beside._require_equal(beside.PEERS[2], history, result, {"fills": decided})
    decided[0, 0] += 1
    with pytest.raises(AssertionError, match="decisions differ"):
        beside._require_equal(beside.PEERS[2], history, result, {"fills": decided})


def test_the_plain_strategy_leaves_the_compiled_ones_book(run):
    history, result = run
    assert beside._timed(history, beside.plain())[0].book.digest() == result.book.digest()
