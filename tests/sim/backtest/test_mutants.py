"""Every rule of the exchange is missed by a case when it is taken out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def test_a_rule_that_is_taken_out_is_missed_by_a_case():
    answer = subprocess.run(
        [sys.executable, "-m", "tests.sim.backtest.mutants"], capture_output=True, text=True, check=True, cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), "NUMBA_DISABLE_JIT": "1"},
    )  # fmt: skip
    noticed = json.loads(answer.stdout)
    assert noticed.pop("nothing is changed") == []
    assert len(noticed) >= 14 and [name for name, cases in noticed.items() if not cases] == []
