"""Each guard of the core and the runner, taken away, is noticed; the intact code never is."""

from __future__ import annotations

import os
import re
from pathlib import Path

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


def test_a_mutant_is_a_scenario_whose_guard_is_out_only_while_its_schedules_run() -> None:
    from live.outbox import Outbox
    from sim.fuzz import Kind, explore, replay, tokens
    from sim.fuzz.campaign.run import Settings, batch
    from sim.fuzz.replay import around

    before, name = Outbox.waiting, "mutant.send_before_record"
    scenario = tokens.resolve(name)
    with around(tokens.resolve("mutant.waiting_orders_are_doubted")):
        assert Outbox.waiting is not before
    assert Outbox.waiting is before
    failure = batch(name, 0, 20, Settings()).failure
    assert failure is not None and explore(scenario, schedules=5).kind is Kind.CUT, "outside of a search or a replay the guard is there"
    said = tokens.read(tokens.make(name, scenario, failure))
    _, found = replay(tokens.scenario_of(said), said.steps, dials=said.dials, draws=said.draws)
    assert found is not None and found.name == failure.invariant


def test_the_tokens_of_the_track_record_show_the_bugs_again() -> None:
    from sim.fuzz import replay, tokens

    record = (Path(__file__).parents[3] / "docs" / "track-record.md").read_text("utf-8")
    kept = re.findall(r"fuzz replay '(fz\d:\S+)'\nFAILS: ([^:]+):", record)
    assert len(kept) == 3
    for token, invariant in kept:
        said = tokens.read(token)
        _, found = replay(tokens.scenario_of(said), said.steps, dials=said.dials, draws=said.draws)
        assert found is not None and found.name == invariant, f"{token}: the runner or its scenario changed; find the failure again"
