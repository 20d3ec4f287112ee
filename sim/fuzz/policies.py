"""Policies: which pending lane moves next. Each is a class with one method, `pick`.

Theory of operation. A policy is made for one schedule from its tape and from a profile
of the scenario (how many moves each lane made in a first-come run), and answers an index
into the list of pending lanes. No policy finds everything: a portfolio takes them in
turns. Faults are not the policy's affair; `plan.Sampler` throws them in between.

Sources: random walk; PCT (Burckhardt et al., ASPLOS 2010); POS (Yuan, Yang, Gu, CAV 2018);
URW, which weighs tasks by the moves they have left (Zhao et al., ASPLOS 2025).
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from sim.fuzz.choices import WORD_BITS, Tape
from sim.fuzz.processes import UNDRAWN, Lane


class Profile(NamedTuple):
    """What one first-come schedule looked like: its moves, and how many of them each lane made."""

    length: int = 50
    moves: dict[str, int] = {}  # noqa: RUF012  (a NamedTuple's default is never changed)


MANY = 4_096
"""From so many choices on, one word of the tape is too coarse."""


class Policy(Protocol):
    """Chooses who moves."""

    def pick(self, pending: list[Lane]) -> int:
        """Return an index into `pending`, which is not empty."""


class Fifo:
    """First come, first served: what a quiet machine does."""

    def __init__(self, tape: Tape, profile: Profile) -> None:
        pass

    def pick(self, pending: list[Lane]) -> int:
        """Return the oldest."""
        return 0


class Sequential:
    """One lane as long as it can move, then the next."""

    def __init__(self, tape: Tape, profile: Profile) -> None:
        self._current = ""

    def pick(self, pending: list[Lane]) -> int:
        """Return the lane that moved last, or else the oldest."""
        for index, lane in enumerate(pending):
            if lane.name == self._current:
                return index
        self._current = pending[0].name
        return 0


class RandomWalk:
    """Any pending lane, all equally likely."""

    def __init__(self, tape: Tape, profile: Profile) -> None:
        self._word = tape.word

    def pick(self, pending: list[Lane]) -> int:
        """Return any index; with so few lanes one word is even enough."""
        return self._word() * len(pending) >> WORD_BITS


class Urw:
    """A lane in proportion to the moves it has left, which makes all interleavings about equally likely."""

    def __init__(self, tape: Tape, profile: Profile) -> None:
        self._word, self._below, self._moves = tape.word, tape.below, profile.moves

    def pick(self, pending: list[Lane]) -> int:
        """Return an index by weight."""
        total = 0
        for lane in pending:
            if lane.left is None:
                lane.left = max(self._moves.get(lane.name, 2), 1)
            total += lane.left
        point, index = self._word() * total >> WORD_BITS if total < MANY else self._below(total), 0
        for lane in pending:
            point -= lane.left  # type: ignore[operator]  # the first loop filled it in
            if point < 0:
                break
            index += 1
        if lane.left != 1:
            lane.left -= 1  # type: ignore[operator]
        return index


class Pct:
    """Lanes with random priorities; at `depth` - 1 random moments the leader falls behind everybody."""

    depth = 3

    def __init__(self, tape: Tape, profile: Profile) -> None:
        self._priority, self._step, self._low = tape.priority, 0, 0
        length = max(profile.length, self.depth)
        self._changes = {1 + tape.below(length) for _ in range(self.depth - 1)}

    def pick(self, pending: list[Lane]) -> int:
        """Return the lane of the highest priority."""
        self._step += 1
        best, high = pending[0], self._low - 1
        for lane in pending:
            if lane.priority > high:
                if lane.priority == UNDRAWN:
                    lane.priority = self._priority()
                    if lane.priority <= high:
                        continue
                best, high = lane, lane.priority
        if self._step in self._changes:
            self._low -= 1
            best.priority = self._low
        return pending.index(best)


class Pos:
    """Events with random priorities; those that race with the one that moved draw again."""

    def __init__(self, tape: Tape, profile: Profile) -> None:
        self._word, self._priority = tape.word, tape.priority

    def pick(self, pending: list[Lane]) -> int:
        """Return the event of the highest priority."""
        resource = pending[0].resource
        for lane in pending:
            if lane.priority != UNDRAWN or lane.resource != resource:
                return self._highest(pending)
        # All would draw now and, as all race, again after the move: the highest of them is any.
        return self._word() * len(pending) >> WORD_BITS

    def _highest(self, pending: list[Lane]) -> int:
        best, high = pending[0], -1
        for lane in pending:
            if lane.priority == UNDRAWN:
                lane.priority = self._priority()
            if lane.priority > high:
                best, high = lane, lane.priority
        best.priority = UNDRAWN
        for lane in pending:
            if lane.resource == best.resource:
                lane.priority = UNDRAWN
        return pending.index(best)


POLICIES: dict[str, type[Fifo | Sequential | RandomWalk | Urw | Pct | Pos]] = {
    "fifo": Fifo, "sequential": Sequential, "random": RandomWalk, "urw": Urw, "pct": Pct, "pos": Pos,
}  # fmt: skip
PORTFOLIO = ("urw", "pct", "random", "pos")
"""Taken in turns; `explore` begins each search with one first-come and one sequential schedule."""
