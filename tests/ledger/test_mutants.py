"""Every safeguard taken away once: the suite's own checks must notice.

The nine classic mistakes of a ledger are caught by the comparison with the twin
and the invariants on arbitrary streams. Each refusal of the gate is caught by
the table of causes; `mutants.REFUSALS` is the list of guards.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.ledger.twin import mutants

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def found() -> dict[str, str | None]:
    """What each mutant was caught by, from a child that runs the kernels as plain Python."""
    child = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.ledger.twin.mutants"], cwd=ROOT, capture_output=True, text=True, check=False,
        env=os.environ | {"NUMBA_DISABLE_JIT": "1", "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert child.returncode == 0, child.stderr
    return json.loads(child.stdout)


@pytest.mark.parametrize("name", mutants.CLASSIC)
def test_a_classic_mistake_is_caught_by_the_twin_or_an_invariant(name: str, found: dict[str, str | None]) -> None:
    assert found[name] is not None, f"the mutant {name} survived {mutants.SEEDS} streams"


@pytest.mark.parametrize(("function", "outcome"), mutants.REFUSALS)
def test_a_refusal_taken_away_from_the_gate_is_caught_by_the_table(function: str, outcome: str, found: dict[str, str | None]) -> None:
    caught = found[f"{function}-{outcome}"]
    assert caught is not None, f"nothing notices that {function} no longer answers {outcome}"


def test_the_intact_core_passes_where_the_mutants_fail(found: dict[str, str | None]) -> None:
    assert found["intact_table"] is None
    assert found["intact_streams"] is None
