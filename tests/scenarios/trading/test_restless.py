"""Days of trouble in every order type: brackets, quotes, stops and trails, and every evening the book is the broker's."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest
from tests.scenarios.endurance.soak import Soak

from ledger.book import O_KEY
from ledger.keys import purpose_of
from ledger.vocabulary import Purpose
from live.config import Passive

DAYS = int(os.environ.get("ONEBOOK_SOAK_DAYS", "250"))


def lived(seed: int, days: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Soak:
    soak = Soak(monkeypatch, tmp_path, seed, days)
    quoted = Passive(15.0, 2, 2) if seed % 2 else None
    soak.config = msgspec.structs.replace(
        soak.config, strategy="tests.scenarios.trading.restless:STRATEGY", params={"mind": seed}, passive=quoted
    )
    found = soak.live()
    assert not found.wrong, "\n".join(found.wrong)
    assert found.counts["days"] == days and found.counts["executions"] > 2 * days
    return soak


def test_every_order_type_survives_days_of_trouble(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    book = lived(3, 4, tmp_path, monkeypatch).book()
    purposes = {int(purpose_of(key)) for key in book.orders[:, O_KEY]}
    assert {Purpose.TARGET, Purpose.PASSIVE, Purpose.STOP_LOSS, Purpose.TAKE_PROFIT} <= purposes


@pytest.mark.soak
@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_every_order_type_survives_years_of_trouble(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lived(seed, DAYS, tmp_path, monkeypatch)
