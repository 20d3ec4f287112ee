"""The runner depth: the real parts survive every schedule, and every schedule is a function of its seed and number."""

from __future__ import annotations

import os

import pytest

from sim.fuzz import Kind, Profile, explore, sample
from tests.scenarios.fuzz import runner
from tests.scenarios.fuzz.runner import Burst, scenario

SOAK = 1_000_000


@pytest.mark.parametrize("seed", [0, 1])
def test_no_schedule_makes_a_second_order_loses_a_fill_or_leaves_a_wish_without_an_answer(seed: int) -> None:
    found = explore(scenario, seed=seed, schedules=250)
    assert found.kind is Kind.CUT, f"{found.bound}: {found.failure}"


@pytest.mark.soak
def test_a_million_schedules_of_the_real_parts_hold() -> None:
    found = explore(scenario, seed=int(os.environ.get("ONEBOOK_SEED", "100")), schedules=SOAK)
    assert found.kind is Kind.CUT, f"{found.bound}: {found.failure}"


def test_a_schedule_is_its_seed_and_number() -> None:
    def trace(number: int) -> tuple[str, ...]:
        world, found = sample(scenario, 3, number, Profile())
        assert found is None
        return tuple(world.trace)

    first = [trace(number) for number in range(25)]
    assert [trace(number) for number in range(25)] == first and len(set(first)) > 20


def test_the_generator_reaches_crashes_inside_writes_second_owners_and_refusals(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: set[str] = set()
    original = Burst.ends_well

    def ends_well(self: Burst) -> object:
        seen.update(outcome.name for outcome in self.answers.values())
        seen.update(f"stopped {desk.opened.session._stopped.split(':')[0]}" for desk in self.desks)
        seen.update("locked out" for _ in range(self.locked_out))
        return original(self)

    monkeypatch.setattr(runner.Burst, "ends_well", ends_well)
    explore(scenario, seed=4, schedules=250)
    wanted = {"APPLIED", "AT_TARGET", "DUP_KEY", "KEY_CONFLICT", "LIVE_ENTRY", "stopped Dead", "stopped OperationalError", "locked out"}
    assert wanted - seen == set()
