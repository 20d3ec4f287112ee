"""A schedule told step by step, through the public `decide` and `apply`: slow, and for people.

Theory of operation. `tell` plays a tape like `run._many` and keeps a line of every step. It calls the core
by its front door, on a book that may grow, replays a crash into a fresh book and compares
digests, and recounts every invariant after every event. So it is also the slow twin of the
compiled loop: the same tape must end with the same verdict and a book of the same digest.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ledger.book import EVENT_COLUMNS, EVENT_WIDTH, H_RESERVED, H_SEQ, Book
from ledger.core import apply, decide
from ledger.invariants import Invariant, check
from ledger.vocabulary import EventKind, Outcome
from sim.fuzz.event.judge import after_decision, after_event, at_the_end, expect
from sim.fuzz.event.layout import (
    AT_CLAIMS, AT_EVENT, AT_ROWS, AT_SIGNALS, AT_TAPE, INVARIANT, W_ACTOR, W_CURSOR, W_ENTITY, W_LENGTH, W_REPLAYED, W_ROWS,
    Actor, Op, Violation, new_world,
)  # fmt: skip
from sim.fuzz.event.plan import begin, books
from sim.fuzz.event.quiet import next_op

SHOWN = ("key", "instrument", "side", "qty_lots", "price_ticks", "cash_e8", "fee_e8", "exec_id", "revision", "target_lots", "reason", "ref")


class Step(NamedTuple):
    """One step: who moved, what was said to the book, and what it answered."""

    actor: str
    entity: int
    what: str
    answer: str

    def line(self) -> str:
        """Return the step as one line."""
        return f"{self.actor:<12} {self.entity:>2}  {self.what} -> {self.answer}" if self.what else f"{self.actor:<12} {self.entity:>2}"


class Story(NamedTuple):
    """A schedule that was told."""

    verdict: int
    steps: tuple[Step, ...]
    digest: str


def _shown(line: np.ndarray) -> str:
    values = {name: int(value) for name, value in zip(EVENT_COLUMNS, line, strict=True) if value and name in SHOWN}
    if "key" in values:
        values["key"] %= 1 << 24  # the strategy, purpose and year of a key are the same in all of a burst's keys
    return " ".join([EventKind(int(line[1])).name, *(f"{name}={value}" for name, value in values.items())])


class _Teller:
    """A schedule under way."""

    def __init__(self, tape: np.ndarray) -> None:
        self.w = new_world()
        self.w[AT_TAPE : AT_TAPE + len(tape)] = tape
        self.w[W_CURSOR], self.w[W_LENGTH] = 0, len(tape)
        openings = books()
        self.opening = openings[int(begin(self.w, openings))]
        self.book, self.steps = Book(self.opening.copy()), list[Step]()

    def note(self, what: str = "", answer: str = "") -> None:
        self.steps.append(Step(Actor(int(self.w[W_ACTOR])).name, int(self.w[W_ENTITY]), what, answer))

    def row(self, base: int, number: int = 0) -> np.ndarray:
        start = base + number * EVENT_WIDTH
        return self.w[start : start + EVENT_WIDTH]

    def decide(self) -> None:
        number = int(self.w[W_ENTITY])
        answer, claim = decide(self.book, self.row(AT_SIGNALS, number))
        self.row(AT_CLAIMS, number)[:] = claim
        after_decision(self.w, answer)
        self.note(f"decide {_shown(self.row(AT_SIGNALS, number))}", answer.name)

    def restart(self) -> int:
        """Replay the journal; return what that convicts the book of, or 0."""
        fresh = Book(self.opening.copy())
        for number in range(int(self.w[W_ROWS])):
            if apply(fresh, self.row(AT_ROWS, number)) != Outcome.APPLIED:
                return int(Violation.REPLAY_REFUSED)
        before, self.book = self.book.digest(), fresh
        self.w[W_REPLAYED] = -1
        self.note(f"replay of {int(self.w[W_ROWS])} events", fresh.digest()[:12])
        return 0 if fresh.digest() == before else int(Violation.REPLAY_DIFFERS)

    def tell(self) -> int:
        """Give the event to the book; return the verdict on it."""
        expect(self.w)
        arena = self.book.arena
        seq, reserved = int(arena[H_SEQ]), int(arena[H_RESERVED])
        outcome = apply(self.book, self.row(AT_EVENT))
        self.note(_shown(self.row(AT_EVENT)), outcome.name)
        found = int(after_event(self.book.arena, self.w, outcome, seq, reserved))
        broken = check(self.book)
        return found or (INVARIANT + broken if broken != Invariant.HOLDS else 0)

    def step(self) -> int | None:
        """Take one step; return a verdict, 0 to go on, or None at the end."""
        op = next_op(self.w)
        if op == Op.OVER:
            return None
        if op == Op.DECIDE:
            self.decide()
        elif op == Op.APPLY:
            return self.tell()
        elif self.w[W_REPLAYED] == 0 and self.w[W_ACTOR] == Actor.CRASH:
            return self.restart()
        else:
            self.note()
        return 0


def tell(tape: np.ndarray) -> Story:
    """Play a tape one step at a time.

    Args:
        tape: int64[n], words as `Player.tape` returns them.
    """
    teller = _Teller(tape)
    while (verdict := teller.step()) == 0:
        pass
    if verdict is None:
        verdict = int(at_the_end(teller.book.arena, teller.w)) or (INVARIANT + check(teller.book) if check(teller.book) else 0)
    return Story(int(verdict), tuple(teller.steps), teller.book.digest())
