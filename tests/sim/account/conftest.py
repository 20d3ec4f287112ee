"""The folder of real data, when it is there."""

from __future__ import annotations

from pathlib import Path

import pytest

LEAN = Path(__file__).resolve().parents[4] / "shared" / "data" / "lean"


@pytest.fixture(scope="session")
def lean() -> str:
    """Return the folder of real data, or skip with the reason."""
    if not (LEAN / "daily").is_dir():
        pytest.skip("real LEAN data is absent: ../shared/data/lean, seen from the project root, is not there")
    return str(LEAN)
