"""Take each safeguard of the account away: some rule of `test_account_rules.py` must go red."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def test_every_account_without_one_of_its_safeguards_is_caught() -> None:
    environment = os.environ | {"NUMBA_DISABLE_JIT": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-m", "tests.sim.account.mutants"], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found.pop("nothing is taken away") is None
    assert len(found) >= 14 and [name for name, test in found.items() if test is None] == []
