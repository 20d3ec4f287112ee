"""Fixtures of the scenarios."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.scenarios.wired import Wired


@pytest.fixture
def wired(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a maker of wired traders, given the faults of their gateway."""
    return lambda *faults, **more: Wired(monkeypatch, tmp_path, *faults, **more)
