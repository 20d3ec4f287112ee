"""Fault plans: which faults strike in a schedule, and at which move.

Theory of operation. The moment of a fault decides whether it shows anything, so it is
drawn uniformly over the length of the schedule instead of being left to the walk. Which
kinds take part is drawn anew for each schedule (swarm testing: leaving features out makes
the rest reach further), and an eighth of the schedules have none for sure. A fault that is
due and cannot happen yet waits until it can. The Sampler joins a policy and a plan.
"""

from __future__ import annotations

from sim.fuzz.choices import WORDS, Tape
from sim.fuzz.policies import Policy, Profile
from sim.fuzz.processes import Lane
from sim.fuzz.world import World

QUIET = 0.125
"""Share of schedules without any fault."""
EARLY = 0.3
"""In mid mode: how likely a move comes before the next ready handle."""
_EARLY_WORDS = int(EARLY * WORDS)


def draw_plan(tape: Tape, allowed: dict[str, int], profile: Profile) -> list[tuple[int, str]]:
    """Return (move, kind) of every fault of a schedule, latest first."""
    if not allowed or tape.chance(QUIET):
        return []
    plan, span = [], profile.length + profile.length // 4 + 1
    share = max(0.25, min(0.6, 2.0 / len(allowed)))
    for kind, at_most in allowed.items():
        if tape.chance(share):
            plan += [(tape.below(span), kind) for _ in range(1 + tape.below(at_most))]
    return sorted(plan, reverse=True)


class Sampler:
    """Picks moves for one schedule: the policy's, and the plan's when they are due."""

    def __init__(self, world: World, policy: Policy, plan: list[tuple[int, str]]) -> None:
        self._world, self._policy, self._plan, self._word = world, policy, plan, world.tape.word
        self._step, self._due = 0, plan[-1][0] if plan else 1 << 60

    def pick(self, pending: list[Lane]) -> int:
        """Return the index of the lane that moves, or -1 when a fault struck."""
        self._step += 1
        if self._step > self._due and self._strikes():
            return -1
        return self._policy.pick(pending)

    def _strikes(self) -> bool:
        """Let the first due fault that can happen strike."""
        for at in range(len(self._plan) - 1, -1, -1):
            step, kind = self._plan[at]
            if step >= self._step:
                return False
            options = self._world.options(kind)
            if options:
                del self._plan[at]
                self._due = self._plan[-1][0] if self._plan else 1 << 60
                self._world.do(options[self._world.tape.below(len(options))])
                return True
        return False

    def early(self, ran: int) -> bool:
        """Say whether a move comes now although handles are ready."""
        return self._word() < _EARLY_WORDS
