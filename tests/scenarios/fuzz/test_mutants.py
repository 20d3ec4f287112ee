"""Each guard of the core and the runner, taken away, is noticed; the intact code never is.

A failure of the runner comes down to what a person reads: a few choices, one line of token, lanes as wide as a terminal.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from sim.fuzz import explore, replay, tokens
from sim.fuzz.explore import Failure
from sim.fuzz.replay import around
from sim.fuzz.shrink import RERUNS_MAX, shrink
from sim.fuzz.show import terminal
from sim.fuzz.show.lanes import lanes_of
from sim.fuzz.show.page import page
from tests.scenarios.fuzz.mutants import Row, document, rows_of
from tests.scenarios.fuzz.runner_mutants import MUTANTS, RunnerMutant
from tests.scenarios.fuzz.unguarded import SCENARIOS

SEEDS, BUDGET, CORES = 20, 2_000, os.cpu_count() or 1
SEED = 4
"""In which failures are made small."""
REORDERS = "heard once"
"""This mutant is found with three reordered reports only, and late."""
EARLIER = (
    "fz2:mutant.waiting_orders_are_doubted:311.a396:s4:d0=7.2=14.5=2.6=3.7=2.8=3.9=2.10=3:0:ad8c",
    "fz2:mutant.busted_orders_wait:311.a396:s4:d0=7.1=13.4=10.9=2.13=5.15=8.16=4:A*2-A3-A2-clock-A4-net.0-line-facts.0*2-A-"
    "net.1-facts.1-net.1-facts.1-net.1-facts.1*2-net.1*2-venue.101:e213",
    "fz2:mutant.heard_once:311.a396:s4:d0=7.3=9.4=11.5=2.9=3.12=455.15=5.19=8:A*2-net.0-facts.0-net.0-facts.0-net.0-facts.0"
    "-A4-A3-net.0-venue.101-up.A-B*2-net.1-clock-facts.1-net.1-facts.1-net.1-facts.1-B5-net.1-B2-venue.102-net.1-crash.B-up"
    ".B-venue.103-C*2-net.2-facts.2-net.2-venue.103-facts.2-net.2-facts.2*2-C3-C4:58eb",
)
"""Tokens that stood in the track record before, with every move and every draw."""


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
    from sim.fuzz import Kind
    from sim.fuzz.campaign.run import Settings, batch

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


def replayed(token: str) -> str:
    """Replay a token strictly; return the invariant that breaks, "" for none."""
    said = tokens.read(token)
    _, found = replay(tokens.scenario_of(said), said.steps, dials=said.dials, draws=said.draws)
    return found.name if found is not None else ""


def test_the_tokens_of_the_track_record_show_the_bugs_again() -> None:
    record = (Path(__file__).parents[3] / "docs" / "track-record.md").read_text("utf-8")
    kept = re.findall(r"fuzz replay '(fz\d:\S+)'\nFAILS: ([^:]+):", record)
    assert len(kept) == len(EARLIER) == 3 and max(len(token) for token, _ in kept) <= 80
    for (token, invariant), earlier in zip(kept, EARLIER, strict=True):
        again = "the runner or its scenario changed; find the failure again"
        assert (replayed(token), replayed(earlier)) == (invariant, invariant), f"{token}: {again}"


@pytest.mark.parametrize("hash_seed", [0, 1])
def test_a_token_of_a_runner_replays_in_a_fresh_process_under_any_hash_seed(hash_seed: int) -> None:
    from sim.fuzz.campaign.fresh import Promise, again

    said = tokens.read(token := "fz3:mutant.busted_orders_wait:311.a396:s1:d8=5.10=8:0:3a90")
    world, found = replay(tokens.scenario_of(said), said.steps, dials=said.dials, draws=said.draws)
    assert found is not None and again(Promise(token, found.name, found.message, tuple(world.trace)), hash_seed) == ""


def failures(mutants: tuple[RunnerMutant, ...] = MUTANTS) -> Iterator[tuple[str, Failure]]:
    """Yield the first failure of each mutant."""
    for mutant in mutants:
        name = mutant.name.replace(" ", "_")
        with around(SCENARIOS[name]):
            found = explore(SCENARIOS[name], seed=SEED, schedules=BUDGET, faults=mutant.faults).failure
        if found is not None:
            yield f"mutant.{name}", found


def test_failures_of_the_runner_come_down_to_a_line_that_replays_strictly() -> None:
    lengths, rows = [], 0
    for name, failure in failures(tuple(mutant for mutant in MUTANTS if mutant.name != REORDERS)):
        scenario = tokens.resolve(name)
        made = shrink(scenario, failure)
        token = tokens.make(name, scenario, made.failure, made.needed)
        said = tokens.read(token)
        world, found = replay(scenario, said.steps, dials=said.dials, draws=said.draws)
        assert found is not None and found.name == failure.invariant and tuple(world.trace) == made.failure.steps, token
        assert made.reruns <= RERUNS_MAX and said.dials["s"] <= 3 and made.after.choices <= 6, (token, made.after)
        lengths.append(len(token))
        drawn = lanes_of(scenario, tokens.failure_of_token(said))
        lines = terminal.text(drawn).splitlines()
        assert len(drawn.rows) == made.after.moves and max(map(len, lines)) <= terminal.WIDTH
        assert drawn.violation.startswith(failure.invariant) and page("runner", [(token, drawn)]).count("<tr class") == len(drawn.rows)
        rows += len(lines) <= 50
    assert len(lengths) == len(MUTANTS) - 1
    assert sum(length <= tokens.LENGTH_MAX for length in lengths) >= 0.9 * len(lengths), sorted(lengths)
    assert rows >= 0.9 * len(lengths)


@pytest.mark.slow
def test_the_hardest_failure_of_the_runner_comes_down_as_well() -> None:
    [(name, failure)] = failures(tuple(mutant for mutant in MUTANTS if mutant.name == REORDERS))
    made = shrink(tokens.resolve(name), failure)
    token = tokens.make(name, SCENARIOS[name[7:]], made.failure, made.needed)
    assert made.reruns <= RERUNS_MAX and len(token) <= tokens.LENGTH_MAX, token
    assert made.failure.dials == {"signals": 1} and made.after.choices == 3, "three reports that a correction overtakes"
