"""Measure and write docs/benchmarks.md: `make bench`, or `python -m benchmarks --quick` to only look.

Theory of operation. The page is written only when every measurement, and so every
equality check inside it, succeeded; a failed one leaves the old page as it was.
`python -m benchmarks fifo sweeps` measures these alone and writes their rows into the page:
a row is known by its first cell.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from benchmarks import (
    app,
    bare,
    comparing,
    fuzz,
    fuzz_depths,
    gateway,
    live,
    measures,
    native,
    portfolio,
    rescue,
    sweeps,
)
from benchmarks.peers import beside, fresh

PAGE = Path(__file__).resolve().parent.parent / "docs" / "benchmarks.md"
HEADER = """# Benchmarks

Written by `make bench`. Each figure stands beside the check without which it would not have been printed: another way to the
same answer, compared by digest or to the last unit. Medians; the machine is shared, so read ratios before absolute times.

"""

TABLE = ["| what | measured | goal | checked by |", "|---|---|---|---|"]


def _on_the_page() -> tuple[dict[str, str], str]:
    """Return the rows of the page by their first cell, and the remarks below them."""
    text = PAGE.read_text("utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| ") and line not in TABLE]
    return {row.split(" | ")[0].removeprefix("| "): row for row in rows}, text.partition(rows[-1])[2].strip()


def main(quick: bool, names: list[str]) -> int:
    """Run every measurement, or the named ones; write the page unless `quick`."""
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
            ("sweeps beside bare kernels", lambda: bare.beside_bare(100_000 // scale, 1_000 // scale)),
            ("sweeps beside C", lambda: native.beside_c(100_000 // scale, 1_000 // scale)),
            ("general kernel", lambda: sweeps.general(100_000 // scale)),
            ("fresh process", lambda: fresh.first_run(place)),
            ("other engines", lambda: beside.side_by_side(scale)),
            ("gateway", lambda: gateway.orders_over_tcp(100_000 // scale)),
            ("live, gate", lambda: live.gate(place, 4_000 // scale)),
            ("live, bar to order", lambda: live.bar_to_order(place, 1_000 // scale)),
            ("live, recovery", lambda: live.recovery(place, 1_000_000 // scale)),
            ("rescue", lambda: rescue.audit(place, 1_000_000 // scale)),
            ("fuzz, speed", lambda: fuzz.speed(20_000 // scale)),
            ("fuzz, complete searches", lambda: fuzz.complete(8 if scale == 1 else 5)),
            ("fuzz, zoo", lambda: fuzz.zoo(100 // scale)),
            ("compare", lambda: comparing.sessions(place, 100_000 // scale)),
            ("fuzz depths", lambda: fuzz_depths.depths(scale)),
            ("app", lambda: app.pages(place, 1_000_000 // scale)),
            ("commands", lambda: measures.commands(place)),
        )
        unknown = set(names) - {name for name, _ in work}
        if unknown:
            sys.exit(f"no measurement is called {', '.join(sorted(unknown))}; there are: {', '.join(name for name, _ in work)}")
        for name, measure in work:
            if names and name not in names:
                continue
            print(f"measuring: {name}", file=sys.stderr, flush=True)
            lines += measure()
    rows = {line.what: f"| {line.what} | {line.figure} | {line.goal} | {line.checked} |" for line in lines}
    remarks = ""
    if names:
        kept, remarks = _on_the_page()
        rows = kept | rows
    page = HEADER + f"Machine: {measures.machine()}.\n\n" + "\n".join([*TABLE, *rows.values(), "", remarks]).rstrip() + "\n"
    print(page)
    if not quick:
        PAGE.write_text(page, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main("--quick" in sys.argv, [word for word in sys.argv[1:] if word != "--quick"]))
