"""Complete searches miss nothing: three explorers agree, and a cut search never says that something holds."""

from __future__ import annotations

import asyncio
import os

import pytest

from sim.fuzz import Kind, World
from sim.fuzz.examples.bursts import crashing, locked
from sim.fuzz.search import dpor, exhaust
from sim.fuzz.search.programs import random_program, scenario_of
from sim.fuzz.search.state import Opaque

SOAK = bool(os.environ.get("ONEBOOK_SOAK"))
PROGRAMS = range(1_000) if SOAK else range(40)


def test_three_explorers_agree_about_every_end_of_random_programs():
    compared = 0
    for seed in PROGRAMS:
        found = []
        for search in (lambda s, e: exhaust(s, ended=e, plain=True, runs=800), lambda s, e: dpor(s, ended=e, tracked=True), lambda s, e: exhaust(s, ended=e)):
            ends = set()
            verdict = search(*scenario_of(random_program(seed), ends))
            found.append((verdict.kind, ends))
        (plain, every), (_, classes), (_, states) = found
        assert [kind for kind, _ in found[1:]] == [Kind.COMPLETE] * 2, seed
        assert classes == states, f"program {seed}: DPOR and state hashing differ"
        assert every == states if plain is Kind.COMPLETE else every <= states, f"program {seed}: the plain search differs"
        compared += plain is Kind.COMPLETE
    assert compared > 0.7 * len(PROGRAMS)


def check_then_act(world: World) -> None:
    """Eight signals of six awaits; the check and the act are apart."""
    positions: dict[str, int] = {}
    orders: list[int] = []

    async def signal() -> None:
        if "AAPL" not in positions:
            for label in ("quote", "cash", "risk"):
                await world.io(label)
            await world.io("order", lambda: orders.append(1), resource="broker")
            positions["AAPL"] = 1
            await world.io("row")

    async def main() -> None:
        await asyncio.gather(*(signal() for _ in range(world.dial("signals", 8))))

    world.process("bot", main)
    world.always("orders", lambda: len(orders) <= world.dials["signals"])


@pytest.mark.parametrize(("scenario", "signals"), [(locked, 8), (crashing, 8 if SOAK else 3)])
def test_a_correct_burst_is_proved_with_every_crash(scenario, signals):
    verdict = exhaust(scenario, dials={"signals": signals})
    assert verdict.kind is Kind.COMPLETE and verdict.holds, verdict
    assert f"signals {signals}" in verdict.bound


def test_a_race_is_found_by_every_explorer():
    def racy(world: World) -> None:
        check_then_act(world)
        world.checks[0] = ("orders", lambda: len(world.trace) < 12)

    assert exhaust(racy, dials={"signals": 3}).kind is Kind.FAILED
    assert dpor(racy, dials={"signals": 3}).kind is Kind.FAILED
    assert exhaust(racy, dials={"signals": 3}, plain=True).kind is Kind.FAILED


def test_symmetry_and_state_keys_save_runs_and_find_the_same():
    dials = {"signals": 2}
    runs = [exhaust(check_then_act, dials=dials, **words).schedules for words in ({}, {"symmetry": False}, {"plain": True})]
    assert runs[0] < runs[1] < runs[2] / 3


def test_a_cut_search_is_never_a_pass():
    verdict = exhaust(check_then_act, runs=10)
    assert verdict.kind is Kind.CUT and not verdict.holds and verdict.bound.startswith("not every")
    verdict = dpor(check_then_act, runs=10)
    assert verdict.kind is Kind.CUT and not verdict.holds


def test_a_state_that_cannot_be_looked_into_ends_the_search_as_cut():
    def scenario(world: World) -> None:
        async def main() -> None:
            hidden = memoryview(b"abc")
            await world.io("wait")
            del hidden

        world.process("bot", main)

    verdict = exhaust(scenario)
    assert verdict.kind is Kind.CUT and "memoryview" in verdict.bound and Opaque.__doc__


def test_minus_one_and_minus_two_are_two_states():
    """Python hashes both to -2; keys are compared by value, so a short position of one is not one of two."""
    ends: set[int] = set()

    def scenario(world: World) -> None:
        state = [0]

        async def one() -> None:
            await world.io("a")
            state[0] = state[0] - 1 if state[0] else -1
            await world.io("b")

        async def main() -> None:
            await asyncio.gather(one(), one())
            ends.add(state[0])

        world.share(state)
        world.process("bot", main)

    assert exhaust(scenario).kind is Kind.COMPLETE and ends == {-2}


def test_the_real_order_manager_stands_in_a_search_of_states():
    from sim.fuzz.zoo.scenarios import real

    verdict = exhaust(real, dials={"signals": 2}, faults={"dup": 1}, runs=300)
    assert verdict.kind is not Kind.FAILED, verdict


def hidden_loop(ends: set[int]):
    """A task loops over an answer that no variable holds; what it asked differs, and in the middle nothing shows it."""

    def scenario(world: World) -> None:
        row = [0]

        async def asks() -> None:
            last = 5
            for part in await world.io("ask", lambda: [5, 5, row[0]], resource="row"):
                await world.io("wait")
                last = part
            ends.add(last)

        async def tells() -> None:
            for value in (1, 0):
                await world.io("tell", lambda value=value: row.__setitem__(0, value), resource="row")

        async def main() -> None:
            await asyncio.gather(asks(), tells())

        world.share(row)
        world.process("bot", main)

    return scenario


def test_what_lies_on_a_value_stack_is_part_of_the_state(monkeypatch):
    from sim.fuzz.search import freeze

    ends: set[int] = set()
    assert exhaust(hidden_loop(ends)).kind is Kind.COMPLETE and ends == {0, 1}
    ends.clear()
    monkeypatch.setattr(freeze.gc, "get_referents", lambda owner: [])
    exhaust(hidden_loop(ends))
    assert ends != {0, 1}, "without the stack the search must miss an end, or this test proves nothing"


def test_locals_are_part_of_the_state(monkeypatch):
    from sim.fuzz.search.freeze import Freezer

    monkeypatch.setattr(Freezer, "_frame", lambda self, owner, frame, awaited: (frame.f_code.co_qualname, frame.f_lasti))
    missed = 0
    for seed in range(8):
        every, some = set(), set()
        scenario, ended = scenario_of(random_program(seed), every)
        dpor(scenario, tracked=True, ended=ended)
        scenario, ended = scenario_of(random_program(seed), some)
        exhaust(scenario, ended=ended)
        missed += every != some
    assert missed, "without locals the search must miss an end, or the comparison proves nothing"
