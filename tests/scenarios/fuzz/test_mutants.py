"""Each guard of the core and the runner, taken away, is noticed; the intact code never is."""

from __future__ import annotations

import os

import pytest

from tests.scenarios.fuzz.mutants import Row, document, rows_of

SEEDS, BUDGET, CORES = 20, 2_000, os.cpu_count() or 1


def judge(rows: list[Row], least: int) -> None:
    intact = [row for row in rows if row.name == "intact"]
    assert len(intact) == 1 and not any(intact[0].found), f"the intact code was convicted: {intact}"
    assert [row.name for row in rows if row.name != "intact" and not row.killed] == []
    assert len(rows) > least


@pytest.mark.slow
def test_every_mutant_of_the_core_is_killed() -> None:
    judge(rows_of("event", range(1), BUDGET), 30)


@pytest.mark.slow
def test_every_mutant_of_the_runner_is_killed() -> None:
    judge(rows_of("runner", range(1), BUDGET), 15)


@pytest.mark.soak
def test_every_mutant_is_killed_in_twenty_seeds() -> None:
    judge(rows_of("event", range(SEEDS), BUDGET, CORES), 30)
    judge(rows_of("runner", range(SEEDS), BUDGET, CORES), 15)


def test_a_survivor_and_a_false_alarm_are_findings() -> None:
    rows = [Row("event", "intact", "nothing", (0, 0), "", 7), Row("event", "a", "x", (3, 5), "boom", 9), Row("event", "b", "y", (4, 0), "boom", 9)]
    found = document(rows, 2, 10)
    assert found["verdict"] == "failed" and found["survivors"] == ["b"] and found["zoo"][1]["median"] == 4
    assert found["schedules"] == 7 + 7 + 3 + 5 + 4 + 9, "a survivor took its whole budget"
    assert (found["moves"], found["seconds"], found["per_second"]) == (None, None, None), "nobody counted them"
    assert document(rows[:2], 2, 10)["verdict"] == "cut"
    assert document([rows[0]._replace(found=(1, 0)), rows[1]], 2, 10)["verdict"] == "failed"
