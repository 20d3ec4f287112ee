"""Days of trouble: no order twice, no execution lost, and the broker's book every evening; without a guard the same days go red.

The suite lives through 250 days of four minutes. `make soak` lives through 2,520 of them with four seeds, in years of 252 days, each
year a new account. ONEBOOK_SOAK_DAYS and ONEBOOK_SOAK_SEEDS ask for another number. Books lie in memory where
the system has a file system there: what a commit survives is tested elsewhere, and a day has 150 of them.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from shutil import rmtree
from typing import Any

import pytest
from tests.scenarios.endurance.ablations import guard_in_memory, no_dedup, no_fence, send_before_record
from tests.scenarios.endurance.soak import Soak

YEAR = 252
DAYS = int(os.environ.get("ONEBOOK_SOAK_DAYS", "2520"))
SEEDS = [int(seed) for seed in os.environ.get("ONEBOOK_SOAK_SEEDS", "1,2,3,4").split(",")]


def require(found: Any, days: int) -> None:
    assert not found.wrong, "\n".join(found.wrong)
    counts = found.counts
    assert counts["days"] == days and counts["orders"] > 2 * days and counts["executions"] >= counts["orders"] - counts["settled by a person"]
    assert counts["killed"] > 0 and counts["cuts"] > 0 and counts["restarts of the gateway"] == days


def test_every_evening_of_a_year_the_book_is_the_brokers(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = Soak(monkeypatch, folder, 1, 250, minutes=4).live()
    require(found, 250)
    print(json.dumps(found.counts), flush=True)


@pytest.mark.soak
@pytest.mark.parametrize("seed", SEEDS)
def test_every_evening_of_years_the_book_is_the_brokers(seed: int, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    total: Counter[str] = Counter()
    for year in range(-(-DAYS // YEAR)):
        days = min(YEAR, DAYS - year * YEAR)
        (place := folder / str(year)).mkdir()
        found = Soak(monkeypatch, place, 1000 * seed + year, days).live()
        require(found, days)
        rmtree(place)
        total += found.counts
        print(json.dumps({"seed": seed, "year": year, **dict(total)}), flush=True)


ABLATIONS = [
    (no_fence, "wire-after", False, "held for never sent"),
    (send_before_record, "wire-after", False, "held for never sent"),
    (no_dedup, "", False, "positions"),
    (guard_in_memory, "", True, "positions"),
]


@pytest.mark.parametrize(("ablate", "aim", "fresh", "said"), ABLATIONS, ids=[row[0].__name__ for row in ABLATIONS])
def test_without_a_guard_the_same_days_go_red(
    ablate: Any, aim: str, fresh: bool, said: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ablate(monkeypatch)
    found = Soak(monkeypatch, folder, 1, 40, aim, fresh).live()
    assert any(said in line for line in found.wrong), (found.wrong, found.counts)


def test_with_the_guards_the_days_of_the_ablations_are_green(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    require(Soak(monkeypatch, folder, 1, 15, "wire-after").live(), 15)
