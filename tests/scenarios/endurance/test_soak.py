"""Days of trouble: no order twice, no execution lost, and the broker's book every evening; without a guard the same days go red.

The suite lives through a few days. `make soak` lives through 2,520 of them with four seeds, in years of 252 days, each
year a new account. ONEBOOK_SOAK_DAYS and ONEBOOK_SOAK_SEEDS ask for another number.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from tests.scenarios.endurance.soak import Soak

from ledger.oms import OrderManager
from ledger.port import Submit
from ledger.vocabulary import EventKind, OrderStatus
from ledger.book import O_KEY, O_STATUS
from live.broker.fold import Fold
from live.trader import Trader

YEAR = 252
DAYS = int(os.environ.get("ONEBOOK_SOAK_DAYS", "2520"))
SEEDS = [int(seed) for seed in os.environ.get("ONEBOOK_SOAK_SEEDS", "1,2,3,4").split(",")]


def require(found: Any, days: int) -> None:
    assert not found.wrong, "\n".join(found.wrong)
    counts = found.counts
    assert counts["days"] == days and counts["orders"] > 2 * days and counts["executions"] >= counts["orders"] - counts["settled by a person"]
    assert counts["killed"] > 0 and counts["cuts"] > 0 and counts["restarts of the gateway"] == days


def test_every_evening_the_book_is_the_brokers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    require(Soak(monkeypatch, tmp_path, 1, 8).live(), 8)


@pytest.mark.soak
@pytest.mark.parametrize("seed", SEEDS)
def test_every_evening_of_years_the_book_is_the_brokers(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    total: Counter[str] = Counter()
    for year in range(-(-DAYS // YEAR)):
        days = min(YEAR, DAYS - year * YEAR)
        (folder := tmp_path / str(year)).mkdir()
        found = Soak(monkeypatch, folder, 1000 * seed + year, days).live()
        require(found, days)
        total += found.counts
        print(json.dumps({"seed": seed, "year": year, **dict(total)}), flush=True)


# Ablations: the same days, one guard taken out.


def no_fence(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take an order that may have been sent for one that was not, as stores do that know no state in between."""
    on_start = OrderManager.on_start

    def start(self: OrderManager, time_ns: int) -> list[Any]:
        said = on_start(self, time_ns)
        for order in self._ledger.book.orders.copy():
            if order[O_STATUS] == OrderStatus.UNKNOWN:
                self._record(EventKind.RELEASED, int(order[O_KEY]), time_ns, "assumed")
        return said

    monkeypatch.setattr(OrderManager, "on_start", start)


def send_before_record(monkeypatch: pytest.MonkeyPatch) -> None:
    """Write to the socket first and down into the journal second."""
    record, place, late = OrderManager._record, Trader._place, {}

    def recorded(self: OrderManager, kind: EventKind, key: int, time_ns: int, evidence: str = "") -> Any:
        if kind is EventKind.SENDING:
            late[key] = (time_ns, evidence)
            return 0
        return record(self, kind, key, time_ns, evidence)

    def placed(self: Trader, submit: Submit) -> None:
        place(self, submit)
        record(self._oms, EventKind.SENDING, submit.key, *late.pop(submit.key))

    monkeypatch.setattr(OrderManager, "_record", recorded)
    monkeypatch.setattr(Trader, "_place", placed)


def no_dedup(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take every report of an execution for an execution."""
    said, number = Fold._on_execution, count(1)
    monkeypatch.setattr(Fold, "_on_execution", lambda self, fact: said(self, fact._replace(exec_id=f"{next(number)}.{fact.exec_id}")))
    monkeypatch.setattr(Trader, "_is_news", lambda self, fact: True)


def guard_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Know of this process's own orders and of nothing else, as a guard in memory does."""
    said = Fold._on_execution
    monkeypatch.setattr(Fold, "_on_execution", lambda self, fact: said(self, fact) if f".{self._tag}." in fact.order_ref else [])
    monkeypatch.setattr(Trader, "_close", lambda self, instrument, why: None)


ABLATIONS = [
    (no_fence, "wire-after", False, "held for never sent"),
    (send_before_record, "wire-after", False, "held for never sent"),
    (no_dedup, "", False, "positions"),
    (guard_in_memory, "", True, "positions"),
]


@pytest.mark.parametrize(("ablate", "aim", "fresh", "said"), ABLATIONS, ids=[row[0].__name__ for row in ABLATIONS])
def test_without_a_guard_the_same_days_go_red(
    ablate: Any, aim: str, fresh: bool, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ablate(monkeypatch)
    found = Soak(monkeypatch, tmp_path, 1, 25, aim, fresh).live()
    assert any(said in line for line in found.wrong), (found.wrong, found.counts)


def test_with_the_guards_the_days_of_the_ablations_are_green(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    require(Soak(monkeypatch, tmp_path, 1, 5, "wire-after").live(), 5)
