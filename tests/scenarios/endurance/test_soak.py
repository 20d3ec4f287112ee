"""Days of trouble: no order twice, no execution lost, and the broker's book every evening; without a guard the same days go red."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.scenarios.endurance.soak import Soak

DAYS = int(os.environ.get("ONEBOOK_SOAK_DAYS", "12"))


def test_every_evening_the_book_is_the_brokers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = Soak(monkeypatch, tmp_path, 1, DAYS).live()
    print(dict(found.counts))
    assert not found.wrong, "\n".join(found.wrong)
    assert found.counts["days"] == DAYS and found.counts["orders"] > 2 * DAYS and found.counts["killed"] + found.counts["power cuts"] > DAYS / 4
