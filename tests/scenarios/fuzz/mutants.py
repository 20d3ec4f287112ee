"""Every guard of the core and the runner taken away, one at a time, and how many schedules it takes to notice.

    python -m tests.scenarios.fuzz.mutants --seeds 20 --budget 2000 [--json FILE] [--store BOOK]

Theory of operation. Core mutants run in a process of their own without the compiler, because compiled kernels
cannot be patched; runner mutants run here. A mutant that survives a seed is a missing check, and the exit code is 3.
With --store the table is kept in a book as a session of kind fuzz.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[3]
SCOPE = "mutants of the core and the runner"


class Row(NamedTuple):
    """One line of the table; `found` holds the schedules it took in each seed, 0 where it survived the `budget`."""

    depth: str
    name: str
    guard: str
    found: tuple[int, ...]
    of: str
    budget: int

    @property
    def killed(self) -> bool:
        return all(self.found)


def core_rows(seeds: int, budget: int) -> list[Row]:
    """Run the core's mutants in plain Python."""
    environment = os.environ | {"NUMBA_DISABLE_JIT": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-W", "ignore::RuntimeWarning", "-m", "tests.scenarios.fuzz.mutants", "--core", "--seeds", str(seeds), "--budget", str(budget)]
    child = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    if child.returncode != 0:
        raise RuntimeError(f"the core's mutants could not be run: {child.stderr[-2_000:]}")
    return [Row(*line[:3], tuple(line[3]), *line[4:]) for line in json.loads(child.stdout)]


def rows_of(depth: str, seeds: int, budget: int) -> list[Row]:
    """Run all mutants of a depth in this process; the intact code comes first and must survive."""
    module: Any = __import__(f"tests.scenarios.fuzz.{'core' if depth == 'event' else 'runner'}_mutants", fromlist=["MUTANTS"])
    rows = []
    for mutant in (None, *module.MUTANTS):
        most = budget if mutant else min(budget, 150)
        tries = [module.found_after(mutant, seed, most) for seed in range(seeds)]
        name, guard = (mutant.name, mutant.guard) if mutant else ("intact", "nothing is missing")
        rows.append(Row(depth, name, guard, tuple(count for count, _ in tries), next((what for _, what in tries if what), ""), most))
    return rows


def document(rows: list[Row], seeds: int, budget: int) -> dict[str, Any]:
    """Return the table as JSON has it, in the keys of a fuzz session's ablation table."""
    zoo = []
    for row in rows:
        hits = [count for count in row.found if count]
        zoo.append({
            "guard": f"{row.depth}: {row.guard}", "disaster": f"{row.name}: {row.of}" if row.of else row.name, "intact": row.name == "intact",
            "found": len(hits), "seeds": seeds, "median": int(statistics.median(hits)) if hits else None, "max": max(hits, default=None), "token": "",
        })  # fmt: skip
    survivors = [row.name for row in rows if row.name != "intact" and not row.killed]
    verdict = "failed" if survivors or any(any(row.found) for row in rows if row.name == "intact") else "cut"
    return {
        "schema": 1, "verdict": verdict, "bound": f"{len(rows) - 2} mutants, {seeds} seeds, {budget:,} schedules each", "scenarios": [],
        "schedules": sum(count or row.budget for row in rows for count in row.found), "moves": None, "seconds": None, "per_second": None, "cores": 1, "failures": [],
        "coverage": [], "zoo": zoo, "survivors": survivors,
    }  # fmt: skip


def store(book: Path, found: dict[str, Any]) -> int:
    """Keep the table in a book; return the session's number."""
    from ledger.journal import Journal

    with Journal.open(book) as journal:
        session = journal.begin("fuzz", SCOPE, config={"bound": found["bound"]})
        session.keep("onebook.fuzz", json.dumps(found))
        session.end(found["verdict"])
        return session.id


def table(found: dict[str, Any]) -> str:
    """Return the table as text."""
    lines = [f"{'found':>7}  {'median':>6}  {'max':>5}  guard, and what became of it without"]
    for row in found["zoo"]:
        share = f"{row['found']}/{row['seeds']}"
        lines.append(f"{share:>7}  {row['median'] or '-':>6}  {row['max'] or '-':>5}  {row['guard']} | {row['disaster'][:110]}")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Run, show, keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--budget", type=int, default=2_000)
    parser.add_argument("--core", action="store_true", help="only the core's, as JSON, in this process")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--store", type=Path)
    chosen = parser.parse_args(arguments)
    if chosen.core:
        print(json.dumps(rows_of("event", chosen.seeds, chosen.budget)))
        return 0
    rows = core_rows(chosen.seeds, chosen.budget) + rows_of("runner", chosen.seeds, chosen.budget)
    found = document(rows, chosen.seeds, chosen.budget)
    print(table(found))
    if chosen.json:
        chosen.json.write_text(json.dumps(found, indent=1), "utf-8")
    if chosen.store:
        print(f"stored as session {store(chosen.store, found)} in {chosen.store}")
    return 3 if found["verdict"] == "failed" else 0


if __name__ == "__main__":
    sys.exit(main())
