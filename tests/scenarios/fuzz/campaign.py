"""Long campaigns of one depth, in shares, so that two cores, or two machines, do one together.

    python -m tests.scenarios.fuzz.campaign runner --schedules 1000000 --share 1/2
    python -m tests.scenarios.fuzz.campaign wire --schedules 50000 --share 2/2

Theory of operation. Schedule `number` of a `seed` is the same in every process, so a campaign is a range of numbers
and a share a part of it: shares do not overlap, and together they are the whole. One line a minute says how far
it came; what was cut off there goes on with `--first`. The last line counts and judges: `cut` (all hold, and a sample
proves nothing) with exit code 0, or `failed` with the schedule, the command that runs it again, and exit code 3.
"""

from __future__ import annotations

import argparse
import logging
import sys
import time
from collections.abc import Callable
from typing import NamedTuple

from sim.fuzz import explore, tokens
from sim.fuzz.shrink import shrink
from tests.scenarios.fuzz import runner, wire

EVERY_S = 60.0
SCENARIO = "runner.scenario"
Told = Callable[[int], None]


class Found(NamedTuple):
    """How many schedules of a share held, and what is to be known of the one that did not ("" if all did)."""

    held: int
    failure: str
    again: str


def share(first: int, count: int, part: str) -> range:
    """Return the numbers of share "k/n" of a range.

    Raises:
        ValueError: not 1/n to n/n.
    """
    number, _, of = part.partition("/")
    if not (number.isdecimal() and of.isdecimal() and 1 <= int(number) <= int(of)):
        raise ValueError(f"share {part!r} is not one of 1/n to n/n, such as 1/2")
    k, n = int(number), int(of)
    return range(first + count * (k - 1) // n, first + count * k // n)


def at_runner(seed: int, numbers: range, told: Told) -> Found:
    """Run schedules of the runner depth; a failure is shrunk to a token."""
    found = explore(runner.scenario, seed=seed, schedules=len(numbers), first=numbers.start, told=told)
    if found.failure is None:
        return Found(found.schedules, "", "")
    made = shrink(runner.scenario, found.failure)
    token = tokens.make(SCENARIO, runner.scenario, made.failure, made.needed)
    what = f"{found.failure.invariant}: {found.failure.message}"
    return Found(found.schedules - 1, what, f"onebook fuzz replay {token}")


def at_wire(seed: int, numbers: range, told: Told) -> Found:
    """Run schedules of the wire depth."""
    library = logging.getLogger("ib_async")
    before = library.level
    library.setLevel(logging.CRITICAL + 1)  # its remarks on broken connections would hide the lines of progress
    try:
        found = wire.search(seed, len(numbers), numbers.start, told)
    finally:
        library.setLevel(before)
    again = f"python -m tests.scenarios.fuzz.wire --seed {seed} --first {numbers.start + found.held} --schedules 1"
    return Found(found.held, found.violation, again if found.violation else "")


DEPTHS = {"runner": at_runner, "wire": at_wire}


def progress(depth: str, numbers: range, say: Callable[[str], None], clock: Callable[[], float]) -> Told:
    """Return what is told each finished schedule, and says once in a while how far the campaign came."""
    began = spoke = clock()

    def told(number: int) -> None:
        nonlocal spoke
        now, done = clock(), number - numbers.start + 1
        if now - spoke >= EVERY_S:
            spoke = now
            say(f"{depth}: {done:,} of {len(numbers):,} hold, next is {number + 1}, {done / (now - began):,.0f} a second")

    return told


def main(arguments: list[str] | None = None) -> int:
    """Run one share, say how it goes and how it ended."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("depth", choices=DEPTHS)
    parser.add_argument("--schedules", type=int, required=True)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--share", default="1/1", help="k/n: the k-th of n parts of the schedules")
    parser.add_argument("--seed", type=int, default=100)
    chosen = parser.parse_args(arguments)
    try:
        numbers = share(chosen.first, chosen.schedules, chosen.share)
    except ValueError as error:
        parser.error(str(error))
    began, worked = time.perf_counter(), time.process_time()
    told = progress(chosen.depth, numbers, lambda line: print(line, file=sys.stderr, flush=True), time.perf_counter)
    found = DEPTHS[chosen.depth](chosen.seed, numbers, told)
    done, spent = found.held + bool(found.failure), time.perf_counter() - began
    rates = f"{spent:,.0f} s, {done / spent:,.0f} a second, {done / (time.process_time() - worked):,.0f} a second of this processor"
    verdict = f"failed: {found.failure}; {found.again}" if found.failure else "cut"
    print(f"{chosen.depth}: {found.held:,} of {len(numbers):,} schedules from {numbers.start} of seed {chosen.seed} hold, {rates}: {verdict}", flush=True)
    return 3 if found.failure else 0


if __name__ == "__main__":
    sys.exit(main())
