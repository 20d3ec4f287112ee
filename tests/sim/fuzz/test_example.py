"""The worked example: the hole is found at once, the repair stands, and both are scenarios by name."""

from __future__ import annotations

from sim.fuzz import Kind, explore, tokens
from sim.fuzz.search import exhaust


def test_the_typical_bot_buys_twice_and_the_repaired_one_never():
    assert explore(tokens.resolve("example.typical")).kind is Kind.FAILED
    verdict = explore(tokens.resolve("example.repaired"), schedules=500)
    assert verdict.kind is Kind.CUT, verdict


def test_the_repair_is_proved_for_two_signals_a_crash_and_a_second_process():
    verdict = exhaust(tokens.resolve("example.repaired"), dials={"repeats": 1}, faults={"crash": 1})
    assert verdict.kind is Kind.COMPLETE and "repeats 1; at most 1 crash" in verdict.bound, verdict
