"""The event depth: the intact core survives, the compiled loop is its slow twin, the generator reaches everything."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ledger.book import S_KEYS
from ledger.vocabulary import Outcome
from sim.fuzz.event.layout import FIRST_FAULT, TAPE, Actor, Violation
from sim.fuzz.event.plan import BOOKS, books
from sim.fuzz.event.run import Player, words
from sim.fuzz.event.shrink import shrink
from sim.fuzz.event.story import tell

ROOT = Path(__file__).resolve().parents[3]
EVENT_SCHEDULES = 10_000_000
FEW = 60_000


@pytest.fixture(scope="module")
def player() -> Player:
    return Player()


@pytest.mark.compiled
@pytest.mark.parametrize(("seed", "thorough"), [(1, False), (2, True)])
def test_no_schedule_convicts_the_intact_core(player: Player, seed: int, thorough: bool) -> None:
    found = player.search(seed, 0, FEW, thorough)
    assert (found.held, words(found.verdict)) == (FEW, "NONE"), f"seed {seed}, schedule {found.held}: {words(found.verdict)}"


@pytest.mark.soak
@pytest.mark.compiled
def test_ten_million_schedules_convict_the_intact_core_of_nothing(player: Player) -> None:
    half = EVENT_SCHEDULES // 2
    for seed, thorough in ((3, False), (4, True)):
        found = player.search(seed, 0, half, thorough)
        assert (found.held, words(found.verdict)) == (half, "NONE")


def test_the_compiled_loop_and_the_slow_twin_end_with_the_same_verdict_and_book(player: Player) -> None:
    for number in range(300):
        found = player.search(5, number, 1)
        digest, story = player.book().digest(), tell(player.tape())
        assert (story.verdict, story.digest) == (found.verdict, digest), f"schedule {number}"


def test_a_schedule_is_its_seed_and_number_and_its_tape_alone(player: Player) -> None:
    for number in range(100):
        player.search(6, number, 1)
        tape, digest = player.tape(), player.book().digest()
        player.search(6, number + 50, 1)
        assert player.play(tape) == 0 and player.book().digest() == digest
        player.search(6, number, 1)
        assert np.array_equal(player.tape(), tape)


def test_the_generator_reaches_every_fault_and_every_answer_that_can_be_given(player: Player) -> None:
    cover = player.search(7, 0, 20_000).cover
    silent = {Actor.LOSE_REPORT, Actor.FOREIGN, Actor.CORRECT, Actor.OVERFILL, Actor.LATE_FILL, Actor.LOSE_ORDER, Actor.AGAIN, Actor.BROKER, Actor.CRASH}
    assert [actor.name for actor in Actor if actor not in silent and not cover[actor].any()] == []
    answers = {Outcome(n) for n in np.flatnonzero(cover.sum(axis=0))}
    reached = (
        "APPLIED", "DUPLICATE", "SUPERSEDED", "KEY_CONFLICT", "DUP_KEY", "HALTED", "LIVE_ENTRY", "NO_QTY", "BLOCKED", "MAX_POSITION",
        "MAX_OPEN", "BURST", "NO_CASH", "UNKNOWN_KEY", "UNKNOWN_EXECUTION", "ILLEGAL_TRANSITION", "NEEDS_EVIDENCE", "BAD_EVENT",
    )  # fmt: skip
    assert {Outcome[name] for name in reached} - answers == set()


def test_every_fault_moves_something_in_some_schedule(player: Player) -> None:
    moved = set()
    for number in range(400):
        player.search(8, number, 1)
        moved |= {step.actor for step in tell(player.tape()).steps}
    assert {actor.name for actor in Actor if actor >= FIRST_FAULT} - moved == set()


def test_every_opening_book_is_laid_out_alike() -> None:
    arenas = books()
    assert len(arenas) == BOOKS and len({tuple(arena[: 3 * S_KEYS : 3]) for arena in arenas}) == 1


def test_a_tape_of_nonsense_is_refused_and_an_empty_one_is_the_simplest_schedule(player: Player) -> None:
    assert player.play(np.zeros(0, np.int64)) == 0
    for wrong in (np.zeros(TAPE + 1, np.int64), np.array([-1]), np.array([1 << 32])):
        with pytest.raises(ValueError, match="a tape has at most"):
            player.play(wrong)


class _Judged:
    """A player that convicts every tape with a large word behind the third place."""

    def play(self, tape: np.ndarray) -> int:
        return int(Violation.SENT_TWICE) if (tape[3:] > 1 << 30).any() else 0


def test_shrinking_keeps_what_convicts_and_nothing_else() -> None:
    tape = np.random.default_rng(1).integers(1 << 31, 1 << 32, 60)
    small = shrink(_Judged(), tape, int(Violation.SENT_TWICE))
    assert len(small.tape) == 4 and (small.tape[:3] == 0).all() and small.runs < 500
    with pytest.raises(ValueError, match="shrink what fails"):
        shrink(_Judged(), np.zeros(5, np.int64), 5)


CHILD = """
from sim.fuzz.event.run import Player
player = Player()
for number in range(40):
    run = player.search(9, number, 1)
    print(run.verdict, player.book().digest())
"""


@pytest.mark.slow
def test_plain_python_and_another_process_play_the_same_schedules(player: Player) -> None:
    expected = []
    for number in range(40):
        found = player.search(9, number, 1)
        expected.append(f"{found.verdict} {player.book().digest()}")
    environment = os.environ | {"NUMBA_DISABLE_JIT": "1", "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "random"}
    child = subprocess.run([sys.executable, "-c", CHILD], env=environment, capture_output=True, text=True, check=False)
    assert child.returncode == 0, child.stderr
    assert child.stdout.split("\n")[:-1] == expected
