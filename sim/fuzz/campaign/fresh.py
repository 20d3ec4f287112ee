"""Tokens replayed in fresh processes: what a token promises, tried many times.

Theory of operation. Every bug of the zoo is found in many seeds; each finding gives two tokens, the shrunk one and that of
the whole schedule as it was found. Each token is replayed strictly in a new interpreter with a hash seed of its own, and must
break the same invariant with the same message by the same moves. A child imports what a replay needs and no more (no
compiler, no journal), so that thousands take minutes. Hash seeds are spread over their range, not drawn: a
replay that differs can be repeated.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from ledger.kernel import ROOT
from sim.fuzz import tokens
from sim.fuzz.explore import Failure, Scenario, explore
from sim.fuzz.replay import replay
from sim.fuzz.shrink import shrink
from sim.fuzz.zoo.scenarios import SCENARIOS

BUDGET = 200
SPREAD, SEEDS = 2_654_435_761, 2**32
CHILD = """
import json, sys
from sim.fuzz import tokens
from sim.fuzz.replay import replay
said = tokens.read(sys.argv[1])
world, found = replay(tokens.resolve(said.scenario), said.steps, dials=said.dials, draws=said.draws)
json.dump([found and found.name, found and found.message, world.trace], sys.stdout)
"""


class Promise(NamedTuple):
    """A token, and what its replay must come to."""

    token: str
    invariant: str
    message: str
    moves: tuple[str, ...]


class Kept(NamedTuple):
    """How many replays there were of how many tokens, and a sentence for each that differed."""

    replays: int
    tokens: int
    broken: list[str]


def promises(seeds: Iterable[int], names: Sequence[str] = ()) -> Iterator[Promise]:
    """Yield the tokens of every bug of the zoo in every seed: the shrunk one, and the whole schedule's."""
    for seed in seeds:
        for name in names or SCENARIOS:
            found = explore(SCENARIOS[name], seed=seed, schedules=BUDGET).failure
            if found is not None:
                made = shrink(SCENARIOS[name], found)
                yield _promise(name, SCENARIOS[name], made.failure, made.needed)
                yield _promise(name, SCENARIOS[name], found, None)


def _promise(name: str, scenario: Scenario, failure: Failure, needed: tuple[str, ...] | None) -> Promise:
    """Return what a token promises, by a replay in this process."""
    token = tokens.make(f"zoo.{name}", scenario, failure, needed)
    said = tokens.read(token)
    world, found = replay(scenario, said.steps, dials=said.dials, draws=said.draws)
    return Promise(token, found.name if found else "", found.message if found else "", tuple(world.trace))


def again(promise: Promise, number: int) -> str:
    """Replay a token in a new interpreter with the hash seed of a number; return what was different, "" for nothing."""
    hash_seed = str(number * SPREAD % SEEDS)
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH", ""))))
    child = subprocess.run(
        [sys.executable, "-c", CHILD, promise.token], env=os.environ | {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": path},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    wanted = [promise.invariant, promise.message, list(promise.moves)]
    if child.returncode != 0:
        return f"{promise.token} under hash seed {hash_seed}: {child.stderr.strip().splitlines()[-1:]}"
    came = json.loads(child.stdout)
    return "" if came == wanted and promise.invariant else f"{promise.token} under hash seed {hash_seed}: {came[:2]}, promised {wanted[:2]}"


def replays(made: Sequence[Promise], count: int, cores: int, told: Callable[[int, int], None] | None = None) -> Kept:
    """Replay tokens in turns until there were `count` replays, on several cores."""
    broken: list[str] = []
    with ThreadPoolExecutor(cores) as pool:
        jobs = ((made[number % len(made)], number) for number in range(count if made else 0))
        for done, different in enumerate(pool.map(lambda job: again(*job), jobs), 1):
            broken += [different] if different else []
            if told is not None:
                told(done, len(broken))
    return Kept(count if made else 0, len({promise.token for promise in made}), broken)
