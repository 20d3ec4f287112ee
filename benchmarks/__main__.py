"""Measure and write docs/benchmarks.md: `make bench`, or `python -m benchmarks --quick` to only look.

Theory of operation. The page is written only when every measurement, and so every
equality check inside it, succeeded; a failed one leaves the old page as it was.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from benchmarks import gateway, measures, portfolio, sweeps
from benchmarks.peers import beside

PAGE = Path(__file__).resolve().parent.parent / "docs" / "benchmarks.md"
HEADER = """# Benchmarks

Written by `make bench`. Each figure stands beside the check without which it would not have been printed: another way to the
same answer, compared by digest or to the last unit. Medians; the machine is shared, so read ratios before absolute times.

"""


def main(quick: bool) -> int:
    """Run every measurement; write the page unless `quick`."""
    scale = 20 if quick else 1
    lines: list[measures.Line] = []
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        work = (
            # A book that fits the processor's cache shows the work; a large one shows the memory.
            ("apply, small book", lambda: measures.apply_in_a_loop(20_000)[:1]),
            ("apply, large book", lambda: measures.apply_in_a_loop(1_000_000 // scale)),
            ("fifo", lambda: measures.fifo(1_000_000 // scale)),
            ("live step", lambda: measures.live_step(place, 2_000 // scale)),
            ("restart", lambda: measures.restart(place, 1_000_000 // scale)),
            ("portfolio", lambda: portfolio.rebalancing(5_000 // scale, 500)),
            ("one run", lambda: sweeps.single(1_000_000 // scale)),
            ("sweeps", lambda: sweeps.many(100_000 // scale, 1_000 // scale)),
            ("other engines (each in an environment of its own, made on the first run)", lambda: beside.side_by_side(scale)),
            ("gateway", lambda: gateway.orders_over_tcp(100_000 // scale)),
            ("commands", lambda: measures.commands(place)),
        )
        for name, measure in work:
            print(f"measuring: {name}", file=sys.stderr, flush=True)
            lines += measure()
    table = ["| what | measured | goal | checked by |", "|---|---|---|---|"]
    table += [f"| {line.what} | {line.figure} | {line.goal} | {line.checked} |" for line in lines]
    page = HEADER + f"Machine: {measures.machine()}.\n\n" + "\n".join(table) + "\n"
    print(page)
    if not quick:
        PAGE.write_text(page, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main("--quick" in sys.argv[1:]))
