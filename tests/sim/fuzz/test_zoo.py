"""Every bug of the zoo is found, made small and replayed; the real guard stands in the same worlds."""

from __future__ import annotations

import asyncio
import os
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.book import E_KIND
from ledger.keys import make
from ledger.vocabulary import EventKind, Purpose
from sim.fuzz import Kind, explore, replay, tokens
from sim.fuzz.explore import Failure
from sim.fuzz.shrink import RERUNS_MAX, shrink
from sim.fuzz.show import lanes, terminal
from sim.fuzz.show.page import page
from sim.fuzz.zoo import scenarios, table
from sim.fuzz.zoo.scenarios import BESIDE, SCENARIOS, ZOO

SEEDS = range(100) if os.environ.get("ONEBOOK_SOAK") else range(10)
WANTED = {"once": {"bought once"}, "cash": {"cash is enough"}, "book": {"the book is no fiction", "the book is the broker's"}}


def test_the_zoo_has_the_disasters():
    assert len(ZOO) >= 15
    assert {kind for exhibit in ZOO.values() for kind in exhibit.faults} >= {"crash", "twin", "old", "power", "clock", "cancel", "busy"}


@pytest.mark.parametrize("name", ZOO)
def test_a_bug_of_the_zoo_is_found_in_every_seed_and_comes_down_to_a_few_moves(name):
    scenario, counts = SCENARIOS[name], []
    for seed in SEEDS:
        verdict = explore(scenario, seed=seed, schedules=200)
        assert verdict.kind is Kind.FAILED, f"{name} survived 200 schedules of seed {seed}"
        assert verdict.failure.invariant in WANTED[ZOO[name].demand], verdict.failure
        counts.append(verdict.schedules)
        if seed < 3 or os.environ.get("ONEBOOK_SOAK"):
            _small_and_replayed(name, scenario, verdict.failure)
    assert median(counts) <= 20


def _small_and_replayed(name, scenario, failure):
    made = shrink(scenario, failure)
    assert made.after.signals <= 3 and made.after.switches <= 6 and made.reruns <= RERUNS_MAX, made
    token = tokens.make(f"zoo.{name}", scenario, made.failure, made.needed)
    assert len(token) <= tokens.LENGTH_MAX, token
    said = tokens.read(token)
    world, found = replay(tokens.resolve(said.scenario), said.steps, dials=said.dials, draws=said.draws)
    assert found is not None and found.name == failure.invariant
    drawn = lanes.lanes_of(scenario, made.failure)
    assert drawn.violation.startswith(failure.invariant) and len(drawn.rows) == made.after.moves
    assert f"VIOLATION  {failure.invariant}" in terminal.text(drawn)
    assert "http" not in page("zoo", [(token, drawn)]) and token in page("zoo", [(token, drawn)])


@pytest.mark.parametrize("name", ZOO)
def test_the_real_guard_stands_where_the_bug_is(name):
    verdict = explore(BESIDE[name], seed=1, schedules=60)
    assert verdict.kind is Kind.CUT, verdict


@pytest.mark.parametrize("scenario", [scenarios.real, scenarios.real_cash])
def test_the_real_guard_stands_under_every_fault(scenario):
    verdict = explore(scenario, seed=3, schedules=300)
    assert verdict.kind is Kind.CUT, verdict


def test_the_real_guard_trades_at_all():
    world_of = {}

    def scenario(world):
        world_of["disk"] = scenarios.intact(world, {})

    explore(scenario, schedules=1)
    refused = world_of["disk"].refused
    assert refused["APPLIED"] == 2 and sum(refused.values()) == 16


@pytest.mark.parametrize("guard", ["lock", "gate", "replay"])
def test_a_safeguard_taken_from_the_real_guard_is_missed(guard, monkeypatch):
    from sim.fuzz.zoo import real

    if guard == "lock":
        monkeypatch.setattr(real.Disk, "lock", lambda self, process: True)
    elif guard == "gate":

        async def resend(self, symbol, bar_s, target=100):
            number = self.disk.numbers[symbol]
            await self.desk.broker.place(symbol, 100, ref=str(make(1, number, Purpose.TARGET, bar_s)))

        monkeypatch.setattr(real.Bot, "signal", resend)
    else:
        book = real.Disk.book
        monkeypatch.setattr(real.Disk, "book", lambda self, build: book(_fresh(self), build))
    assert explore(scenarios.real, seed=1, schedules=300).kind is Kind.FAILED


def _fresh(disk):
    """A journal that forgets everything but the set-up: positions and keys are not loaded."""
    copy = object.__new__(type(disk))
    copy.events = [row for row in disk.events if row[E_KIND] in (EventKind.INSTRUMENT, EventKind.DEPOSIT)]
    return copy


def test_the_table_shows_bugs_found_and_the_real_guard_standing():
    rows = table.table(range(2), budget=100, names=["no_lock", "send_then_record"])
    assert [row.guard for row in rows] == ["no_lock", "send_then_record", "real"]
    assert [row.found for row in rows] == [2, 2, 0]
    assert rows[0].token.startswith("fz2:zoo.no_lock:") and rows[-1].intact and rows[-1].schedules == 400


@pytest.mark.parametrize(("made", "here", "otherwise"), [("311", "313", True), ("312", "311", True), ("312", "313", False), ("311", "311", False)])
def test_a_token_of_a_python_in_which_wait_for_makes_other_tasks_says_so(made, here, otherwise, monkeypatch):
    monkeypatch.setattr(tokens, "python_version", lambda: here)
    said = tokens.read("fz1:zoo.retry_after_reject:311.a055:s3:A*2-A3-A3!reject-A3*4-A1*2:eb19")._replace(python=made)
    assert ("`asyncio.wait_for` makes a task of its own before" in tokens.other_code(said, SCENARIOS["retry_after_reject"])) is otherwise


def test_wait_for_makes_a_task_of_its_own_in_the_pythons_that_tokens_name():
    def scenario(world):
        async def ask():
            await world.io("ask")

        async def main():
            await asyncio.wait_for(ask(), timeout=5)

        world.process("bot", main)

    world, _ = replay(scenario, ["A1" if int(tokens.python_version()) < tokens.WAITS_ITSELF else "A"])
    assert len(world.trace) == 1


def test_a_token_that_was_mistyped_is_refused_and_other_code_is_told():
    failure = explore(SCENARIOS["no_lock"]).failure
    token = tokens.make("zoo.no_lock", SCENARIOS["no_lock"], failure)
    said = tokens.read(token)
    assert said.steps == failure.steps and said.dials == {"s": 8}
    assert tokens.other_code(said, SCENARIOS["no_lock"]) == ""
    assert "made with Python 399" in tokens.other_code(said._replace(python="399"), SCENARIOS["no_lock"])
    with pytest.raises(tokens.TokenError, match="checksum"):
        tokens.read(token.replace("A1", "A2"))
    with pytest.raises(tokens.TokenError, match="no scenario"):
        tokens.resolve("nothing")
    with pytest.raises(tokens.TokenError, match="no function 'nothing'"):
        tokens.resolve("zoo.nothing")


def test_tokens_of_the_first_format_are_read_and_those_of_the_future_are_refused():
    first = tokens.read("fz1:zoo.retry_after_reject:311.a055:s3:A*2-A3-A3!reject-A3*4-A1*2:eb19")
    assert first.steps == ("A", "A", "A3", "A3!reject", "A3", "A3", "A3", "A3", "A1", "A1") and first.dials == {"s": 3}
    with pytest.raises(tokens.TokenError, match="has format fz4, and this release reads fz1, fz2, fz3"):
        tokens.read("fz4:zoo.no_lock:311.a055:s3:A*2:0000")


MOVES = st.builds(
    lambda lane, fault, mark: lane + fault + mark,
    st.sampled_from(["A", "A1", "A12x2", "up.A", "crash.A", "m0", "a lane", "we-ird*:%7E", "clock"]), st.sampled_from(["", "", "!lost", "!partial"]),
    st.sampled_from(["", "", "~1", "~12"]),
)  # fmt: skip


@given(st.lists(MOVES), st.lists(st.sampled_from([0, 0, 1, 10, 20, 399])), st.dictionaries(st.sampled_from(["signals", "bars"]), st.integers(0, 99)))
def test_a_token_says_what_it_was_made_of(steps, draws, dials):
    failure = Failure("", "", tuple(steps), dials, tuple(draws))
    said = tokens.read(tokens.make("zoo.no_lock", SCENARIOS["no_lock"], failure))
    assert said.steps == failure.steps and said.dials == {name[0]: value for name, value in dials.items()}
    zeros = len(draws) - len(said.draws)
    assert zeros >= 0 and [*said.draws, *[0] * zeros] == draws and (not said.draws or said.draws[-1])
