"""The deterministic concurrency fuzzer: every order in which the world may answer, tried on the real code.

Theory of operation. A scenario fills a World with programs, ports and invariants; `explore`
runs it under many schedules, `replay` under one. See README.md.
"""

from sim.fuzz.choices import Tape
from sim.fuzz.explore import Failure, Kind, Scenario, Verdict, explore, sample
from sim.fuzz.faults import KINDS
from sim.fuzz.loop import Escaped, Loop
from sim.fuzz.policies import POLICIES, PORTFOLIO, Profile
from sim.fuzz.processes import Dead, Lane, Process, ScenarioError, Violation
from sim.fuzz.replay import Diverged, replay
from sim.fuzz.world import World

__all__ = [
    "KINDS", "POLICIES", "PORTFOLIO", "Dead", "Diverged", "Escaped", "Failure", "Kind", "Lane", "Loop", "Process", "Profile", "Scenario",
    "ScenarioError", "Tape", "Verdict", "Violation", "World", "explore", "replay", "sample",
]  # fmt: skip
