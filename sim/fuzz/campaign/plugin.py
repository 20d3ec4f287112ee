"""A pytest plugin: `pytest -p sim.fuzz.campaign.plugin`, then a test asks for the fixture `fuzz`.

    def test_my_bot_buys_once(fuzz):
        fuzz(scenario)

Theory of operation. The fixture searches a scenario with the budget of --fz-budget and
fails the test with the lanes and a token; --fz-token TOKEN replays that one schedule instead
wherever its scenario is searched. Schedules depend on the seed only, never on time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sim.fuzz import tokens
from sim.fuzz.explore import Kind, Scenario, explore
from sim.fuzz.replay import replay
from sim.fuzz.shrink import shrink
from sim.fuzz.show import lanes, terminal

Search = Callable[..., None]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --fz-budget and --fz-token."""
    group = parser.getgroup("onebook fuzz")
    group.addoption("--fz-budget", type=int, default=1_000, help="Schedules of each search (default 1000).")
    group.addoption("--fz-token", default="", help="Replay this schedule instead of searching its scenario.")


def name_of(scenario: Scenario) -> str:
    """Return the name under which a scenario function can be found again."""
    return f"{scenario.__module__}:{getattr(scenario, '__qualname__', '')}"


def check(scenario: Scenario, budget: int, token: str = "", seed: int = 0, **words: Any) -> None:
    """Search a scenario, or replay the token if it is the scenario's; fail the test with what was found."""
    name = name_of(scenario)
    if token and tokens.read(token).scenario.rpartition(":")[2] == name.rpartition(":")[2]:
        said = tokens.read(token)
        failure = tokens.failure_of_token(said)
        _, found = replay(scenario, said.steps, dials=said.dials, draws=said.draws)
        if found is not None:
            pytest.fail(terminal.text(lanes.lanes_of(scenario, failure), token), pytrace=False)
        return
    verdict = explore(scenario, schedules=budget, seed=seed, **words)
    if verdict.kind is Kind.FAILED and verdict.failure is not None:
        made = shrink(scenario, verdict.failure)
        line = tokens.make(name, scenario, made.failure, made.needed)
        drawn = terminal.text(lanes.lanes_of(scenario, made.failure), line)
        pytest.fail(f"{drawn}\nfound after {verdict.schedules} schedules; again: --fz-token '{line}'", pytrace=False)


@pytest.fixture
def fuzz(request: pytest.FixtureRequest) -> Search:
    """Return a function that searches a scenario: `fuzz(scenario, seed=0, faults=..., dials=...)`."""
    budget, token = request.config.getoption("--fz-budget"), request.config.getoption("--fz-token")
    return lambda scenario, **words: check(scenario, budget, token, **words)
