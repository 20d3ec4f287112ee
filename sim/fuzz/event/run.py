"""Schedules of the event depth: one, many, from a seed or from a tape.

Theory of operation. `_go` is the only function here that calls `decide` and `apply`, each at one place,
because the compiler takes seconds for each place; it allocates nothing, so that no references are
counted. What happens around the call is split into next_op (who moves), expect and after_event (was that right). A crash is the same loop
with the journal's rows as events and the second book as their goal: when all rows are in, the
two books must be equal word for word, and the schedule goes on with the replayed one.

A schedule is named by (seed, number). Its words are on the tape afterwards, and the tape alone
replays it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ledger.book import (
    BURST_RING, EVENT_WIDTH, H_CLAIMS, H_RESERVED, H_SEQ, HEAD_END, LAYOUT, S_BURST, S_INSTRUMENT, Arena, Book,
)  # fmt: skip
from ledger.core import apply_event, decide_into
from ledger.invariants import Invariant, check_arena
from ledger.kernel import jit, kernel
from ledger.units import INT64_MAX
from ledger.vocabulary import OUTCOMES, Outcome
from sim.fuzz.event.judge import after_decision, after_event, at_the_end, expect
from sim.fuzz.event.layout import (
    ACTORS, AT_CLAIMS, AT_EVENT, AT_SIGNALS, AT_TAPE, INVARIANT, TAPE, W_ACTOR, W_CURSOR, W_ENTITY, W_LENGTH, W_REPLAYED,
    W_ROWS, W_SECOND, W_STEPS, Actor, Op, Violation, World, new_world,
)  # fmt: skip
from sim.fuzz.event.plan import begin, books, restore, section_end
from sim.fuzz.event.quiet import next_op
from sim.fuzz.event.tape import MASK, wind

Words = NDArray[np.int64]
TALLY_SCHEDULES, TALLY_STEPS, TALLY_EVENTS, TALLY_VERDICT = range(4)
LOOK = -1


@kernel
def same(a: Arena, b: Arena) -> bool:
    """Say whether two books of one layout say the same, word for word."""
    for place in range(LAYOUT, HEAD_END):
        if a[place] != b[place]:
            return False
    for place in range(a[3 * S_BURST], a[3 * S_BURST] + 2 * min(a[H_CLAIMS], BURST_RING)):
        if a[place] != b[place]:
            return False
    for section in range(S_INSTRUMENT, S_BURST):
        if a[3 * section + 2] != b[3 * section + 2]:
            return False
        for place in range(a[3 * section], section_end(a, section)):
            if a[place] != b[place]:
                return False
    return True


@kernel
def _open(a: Arena, openings: NDArray[np.int64], w: World) -> int:
    """Draw the plan of the schedule whose tape is wound, and begin its book (both modified in place); return the book's number."""
    book = begin(w, openings)
    restore(a, openings[book])
    return book


@kernel
def _go(
    a: Arena, b: Arena, openings: NDArray[np.int64], book: int, w: World, cover: NDArray[np.int64], thorough: bool
) -> int:  # fmt: skip
    """Run a schedule on (books, world and counters modified in place).

    Returns:
        A violation's number, 0 at the end, or LOOK after an event that was taken, if `thorough`.
    """
    while True:
        op = next_op(w)
        if op == Op.NOTHING:
            if w[W_REPLAYED] == 0:
                restore(a if w[W_SECOND] == 1 else b, openings[book])
            continue
        if op == Op.OVER:
            return at_the_end(b if w[W_SECOND] == 1 else a, w).value
        used = b if w[W_SECOND] == 1 else a
        if op == Op.DECIDE:
            number = w[W_ENTITY] * EVENT_WIDTH
            signal, claim = (AT_SIGNALS + number) & INT64_MAX, (AT_CLAIMS + number) & INT64_MAX
            answer = decide_into(used, w[signal : signal + EVENT_WIDTH], w[claim : claim + EVENT_WIDTH])
            cover[Actor.TASK, answer] += 1
            after_decision(w, answer)
            continue
        replaying = w[W_ACTOR] == Actor.REPLAY
        goal = (a if w[W_SECOND] == 1 else b) if replaying else used
        expect(w)
        seq, reserved = goal[H_SEQ], goal[H_RESERVED]
        outcome = apply_event(goal, w[AT_EVENT : AT_EVENT + EVENT_WIDTH])
        cover[w[W_ACTOR], outcome] += 1
        found = _replayed(a, b, w, outcome) if replaying else after_event(used, w, outcome, seq, reserved)
        if found != Violation.NONE:
            return found.value
        if thorough:
            return LOOK


@kernel
def _replayed(a: Arena, b: Arena, w: World, outcome: int) -> Violation:
    """Judge a replayed event; after the last one the two books must be equal, and the new one is used (modified in place)."""
    if outcome != Outcome.APPLIED:
        return Violation.REPLAY_REFUSED
    if w[W_REPLAYED] == w[W_ROWS]:
        w[W_REPLAYED], w[W_SECOND] = -1, 1 - w[W_SECOND]
        if not same(a, b):
            return Violation.REPLAY_DIFFERS
    return Violation.NONE


@jit
def _many(
    a: Arena, b: Arena, openings: NDArray[np.int64], w: World, cover: NDArray[np.int64], tally: NDArray[np.int64], seed: int, start: int,
    count: int, wound: bool, thorough: bool,
) -> int:  # fmt: skip
    """Run schedules start..start+count-1 of a seed until one fails (all arrays modified in place); return how many held.

    One function for all of them, because each call of a function that is not a kernel counts references to its arrays.

    Args:
        a, b: arenas of the layout of `openings`. cover: int64[ACTORS, OUTCOMES]. tally: int64[4].
        wound: the tape is in the world already; seed and number are not asked. thorough: recount after every event.
    """
    for number in range(start, start + count):
        if not wound:
            wind(w, seed, number)
        book, found, verdict = _open(a, openings, w), LOOK, 0
        while found == LOOK and verdict == 0:
            found = _go(a, b, openings, book, w, cover, thorough)
            verdict = max(found, 0)
            broken = Invariant.HOLDS if found > 0 else check_arena(b) if w[W_SECOND] == 1 else check_arena(a)
            if broken != Invariant.HOLDS:
                verdict = INVARIANT + broken.value
        tally[TALLY_SCHEDULES] += 1
        tally[TALLY_STEPS] += w[W_STEPS]
        tally[TALLY_EVENTS] += w[W_ROWS]
        if verdict != 0:
            tally[TALLY_VERDICT] = verdict
            return number - start
    return count


class Run(NamedTuple):
    """What became of a number of schedules of one seed."""

    seed: int
    start: int
    held: int
    """Schedules that ended without a violation, from `start` on."""
    verdict: int
    """0, or what the schedule after those is convicted of."""
    steps: int
    events: int
    """Steps taken, and events that books took, in all schedules."""
    cover: NDArray[np.int64]
    """int64[ACTORS, OUTCOMES]: how often the book answered whom how, decisions and events together."""


class Player:
    """Runs schedules; owns the arrays they need, so that nothing is allocated for a schedule."""

    def __init__(self) -> None:
        self.openings = books()
        self.world = new_world()
        self._a, self._b = self.openings[0].copy(), self.openings[0].copy()

    def search(self, seed: int, start: int, count: int, thorough: bool = False) -> Run:
        """Run schedules start..start+count-1 of a seed until one fails.

        Args:
            thorough: recount every invariant of the book after every event, not only at the end of a schedule.
        """
        cover, tally = np.zeros((ACTORS, OUTCOMES), np.int64), np.zeros(4, np.int64)
        held = int(_many(self._a, self._b, self.openings, self.world, cover, tally, seed, start, count, False, thorough))
        return Run(seed, start, held, int(tally[TALLY_VERDICT]), int(tally[TALLY_STEPS]), int(tally[TALLY_EVENTS]), cover)

    def book(self) -> Book:
        """Return a copy of the book as the last schedule left it."""
        return Book((self._b if self.world[W_SECOND] == 1 else self._a).copy())

    def tape(self) -> Words:
        """Return the words that the last schedule used."""
        return self.world[AT_TAPE : AT_TAPE + int(self.world[W_CURSOR])].copy()

    def play(self, tape: Words, thorough: bool = True) -> int:
        """Run the schedule of a tape; return its verdict.

        Raises:
            ValueError: a tape longer than any schedule reads, or a word that is none.
        """
        if len(tape) > TAPE or (len(tape) and (tape.min() < 0 or tape.max() > MASK)):
            raise ValueError(f"a tape has at most {TAPE} words of 0..{MASK}, not {len(tape)} words")
        self.world[AT_TAPE : AT_TAPE + len(tape)] = tape
        self.world[W_CURSOR], self.world[W_LENGTH] = 0, len(tape)
        cover, tally = np.zeros((ACTORS, OUTCOMES), np.int64), np.zeros(4, np.int64)
        _many(self._a, self._b, self.openings, self.world, cover, tally, 0, 0, 1, True, thorough)
        return int(tally[TALLY_VERDICT])


def words(verdict: int) -> str:
    """Return the name of a verdict."""
    return Invariant(verdict - INVARIANT).name if verdict > INVARIANT else Violation(verdict).name
