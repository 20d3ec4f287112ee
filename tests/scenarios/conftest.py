"""Fixtures of the scenarios."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from tests.scenarios.wired import Wired


@pytest.fixture(autouse=True)
def seats(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the seats of accounts out of the user's own folder."""
    monkeypatch.setenv("ONEBOOK_STATE", str(tmp_path / "state"))


@pytest.fixture
def wired(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a maker of wired traders, given the faults of their gateway."""
    return lambda *faults, **more: Wired(monkeypatch, tmp_path, *faults, **more)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Return a folder in memory, or on the disk where there is none: for thousands of books whose commits nobody cuts the power of."""
    memory = Path("/dev/shm")
    if not (memory.is_dir() and os.access(memory, os.W_OK)):
        yield tmp_path
        return
    with TemporaryDirectory(prefix="onebook-soak-", dir=memory) as name:
        yield Path(name)
