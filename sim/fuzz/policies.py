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

from sim.fuzz.choices import Tape
from sim.fuzz.processes import Lane


class Profile(NamedTuple):
    """What one first-come schedule looked like: its moves, and how many of them each lane made."""

    length: int = 50
    moves: dict[str, int] = {}  # noqa: RUF012  (a NamedTuple's default is never changed)


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
        self._random = tape.random

    def pick(self, pending: list[Lane]) -> int:
        """Return any index."""
        return int(self._random() * len(pending))


class Urw:
    """A lane in proportion to the moves it has left, which makes all interleavings about equally likely."""

    def __init__(self, tape: Tape, profile: Profile) -> None:
        self._random, self._moves = tape.random, profile.moves

    def pick(self, pending: list[Lane]) -> int:
        """Return an index by weight."""
        moves, total, weights = self._moves, 0, []
        for lane in pending:
            left = moves.get(lane.name, 2) - lane.seen
            total += left if left > 1 else 1
            weights.append(total)
        point, index = self._random() * total, 0
        while weights[index] <= point:
            index += 1
        pending[index].seen += 1
        return index


class Pct:
    """Lanes with random priorities; at `depth` - 1 random moments the leader falls behind everybody."""

    depth = 3

    def __init__(self, tape: Tape, profile: Profile) -> None:
        self._random, self._step, self._low = tape.random, 0, 0.0
        length = max(profile.length, self.depth)
        self._changes = {1 + tape.below(length) for _ in range(self.depth - 1)}

    def pick(self, pending: list[Lane]) -> int:
        """Return the lane of the highest priority."""
        self._step += 1
        best, high = 0, -2.0
        for index, lane in enumerate(pending):
            if not lane.seen:
                lane.seen, lane.priority = 1, self._random()
            if lane.priority > high:
                best, high = index, lane.priority
        if self._step in self._changes:
            self._low -= 1.0
            pending[best].priority = self._low - 1.0
        return best


class Pos:
    """Events with random priorities; those that race with the one that moved draw again."""

    def __init__(self, tape: Tape, profile: Profile) -> None:
        self._random = tape.random

    def pick(self, pending: list[Lane]) -> int:
        """Return the event of the highest priority."""
        best, high = 0, -1.0
        for index, lane in enumerate(pending):
            if lane.priority < 0.0:
                lane.priority = self._random()
            if lane.priority > high:
                best, high = index, lane.priority
        chosen = pending[best]
        for lane in pending:
            if lane.resource == chosen.resource:
                lane.priority = -1.0
        chosen.priority = -1.0
        return best


POLICIES: dict[str, type[Fifo | Sequential | RandomWalk | Urw | Pct | Pos]] = {
    "fifo": Fifo, "sequential": Sequential, "random": RandomWalk, "urw": Urw, "pct": Pct, "pos": Pos,
}  # fmt: skip
PORTFOLIO = ("urw", "pct", "random", "pos")
"""Taken in turns; `explore` begins each search with one first-come and one sequential schedule."""
