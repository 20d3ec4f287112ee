"""The wire depth: real ib_async and the simulated gateway around the real parts; nothing is bought twice, nothing is lost."""

from __future__ import annotations

import logging

import pytest

from tests.scenarios.fuzz import wire
from tests.scenarios.fuzz.runner_mutants import MUTANTS, without_guard
from tests.scenarios.fuzz.wire import Schedule, search

SOAK = 50_000


@pytest.fixture(autouse=True)
def quiet_library() -> object:
    """Keep ib_async's remarks on broken connections out of the report."""
    logger = logging.getLogger("ib_async")
    before = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    yield
    logger.setLevel(before)


@pytest.mark.slow
def test_no_schedule_on_the_wire_buys_twice_or_loses_anything() -> None:
    assert search(1, 25) == (25, "")


@pytest.mark.soak
def test_fifty_thousand_schedules_on_the_wire_hold() -> None:
    assert search(100, SOAK) == (SOAK, "")


def test_a_schedule_on_the_wire_is_its_seed_and_number() -> None:
    def transcript(number: int) -> object:
        schedule = Schedule(2, number)
        assert schedule.run() == ""
        # The book's tag holds the number of its session, which is the next free one of this process.
        return [(row[0], row[2], row[3][0]) for row in schedule.world.transcript], schedule.answers

    assert [transcript(n) for n in range(3)] == [transcript(n) for n in range(3)]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["acknowledged before the commit", "never opened", "doubt for ever"])
def test_a_guard_that_is_missing_is_noticed_on_the_wire_too(name: str) -> None:
    mutant = next(mutant for mutant in MUTANTS if mutant.name == name)
    with without_guard(mutant):
        try:
            found = wire.search(3, 60)
        except Exception as error:
            found = wire.Found(0, f"{type(error).__name__}")
    assert found.violation, f"{name} survived 60 schedules"
