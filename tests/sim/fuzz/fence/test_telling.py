"""Whoever waits is told where a schedule is that runs on, and nobody is told of one that moves."""

from __future__ import annotations

import asyncio
import itertools
import re

import pytest

from sim.fuzz import Kind, World, explore, tokens
from sim.fuzz.fence import spins


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look often, and have little patience."""
    for name, value in (("TICK", 0.01), ("OWN", 0.3), ("AGAIN", 0.05), ("TELL", 0.02)):
        monkeypatch.setattr(spins, name, value)


def polling(world: World) -> None:
    """A program that polls after an await."""

    async def main() -> None:
        await asyncio.sleep(1)
        while True:
            pass

    world.process("bot", main)


def test_a_step_that_goes_on_is_told_where_at_doubling_times_before_it_is_convicted() -> None:
    heard: list[str] = []
    with spins.telling(heard.append):
        assert explore(polling, schedules=1).kind is Kind.FAILED
    line = re.compile(r"one schedule has not moved for ([\d.]+) s: bot runs on in main \(test_telling.py, .+\) and awaits nothing")
    times = [float(found[1]) for found in map(line.fullmatch, heard) if found is not None]
    assert len(times) == len(heard) > 0, heard
    assert all(after >= 2 * before or after < before for before, after in itertools.pairwise(times)), "less: another schedule"
    assert explore(polling, schedules=1).kind is Kind.FAILED and len(heard) == len(times), "nobody asked"


def test_what_cannot_be_said_changes_no_verdict() -> None:
    """Standard error may be closed, or in the middle of a line of the program's."""

    def tell(_line: str) -> None:
        raise RuntimeError("reentrant call")

    with spins.telling(tell):
        found = explore(polling, schedules=1).failure
    assert found is not None and found.invariant == spins.INVARIANT


def test_a_schedule_that_moves_is_never_told_to_stand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spins, "TELL", 50 * spins.TICK)
    heard: list[str] = []
    with spins.telling(heard.append):
        assert explore(tokens.resolve("example.repaired"), schedules=500).kind is Kind.CUT
    assert heard == []
