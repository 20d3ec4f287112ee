"""Every fault of the gateway's catalogue against the whole runner: one order at most for a key, and no fill is lost."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from tests.scenarios.paper import SYMBOLS, Day

from ledger.book import I_GATES, I_POSITION
from ledger.vocabulary import Gate
from live.link import State
from sim.gateway.faults.plan import plan
from sim.gateway.faults.rules import CATALOGUE

MINUTE = 60.0
EXTRA: dict[str, dict[str, Any]] = {
    "burst-4096": {"nth": 2}, "no-login": {"after": 400, "until": 900}, "connections-refused": {"after": 400, "until": 900},
    "silence": {"after": 300, "until": 500}, "callbacks-lost": {"after": 120, "until": 400}, "restart": {"after": 300, "seconds": 60},
    "lost-at-restart": {"after": 300, "window": 60}, "ids-reset": {"after": 300}, "notice": {"after": 200}, "error": {"code": 10329},
    "link-lost": {"after": 300},
}  # fmt: skip
SMALL = ("exec-twice", "fill-untold", "ids-reset", "lost-at-restart", "partial-fills", "shuffled")
EVERY = sorted(CATALOGUE) if os.environ.get("ONEBOOK_SOAK") else [name for name in SMALL if name in CATALOGUE]


def orders_by_ref(gateway: Any) -> Counter[str]:
    """Return how many orders the broker ever had under each reference."""
    return Counter(order.ref() for order in gateway.desk.by_perm.values() if order.ref())


@pytest.mark.parametrize("name", EVERY)
def test_no_fault_makes_a_second_order_or_loses_a_fill(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    day = Day(monkeypatch, tmp_path, faults=plan([{"name": name, **EXTRA.get(name, {})}], seed=7), bar="1m")

    async def story() -> None:
        for _ in range(2):
            runner = day.begin()
            await asyncio.sleep(12 * MINUTE)
            if day.task is not None and not day.task.done():
                await day.end(runner)
            await asyncio.sleep(1 * MINUTE)
        day.world.gateway.faults = plan([], seed=7)
        day.world.gateway.faults.attach(day.world.gateway)
        runner = day.begin()
        await asyncio.sleep(2 * MINUTE)
        assert runner.link.state in (State.READY, State.SYNCING, State.HALTED), day.lines[-6:]
        await day.end(runner)

    day.world.loop.run_until_complete(story())
    day.world.host.stop()
    refs = orders_by_ref(day.world.gateway)
    assert max(refs.values(), default=0) <= 1 and (refs or name not in SMALL)
    book, broker = day.book(), day.broker()
    for number, symbol in enumerate(SYMBOLS, 1):
        closed = book.instruments[number, I_GATES] & Gate.BLOCKED
        same = int(book.instruments[number, I_POSITION]) == broker["positions"].get(symbol, 0)
        assert same or closed, f"{symbol}: book {int(book.instruments[number, I_POSITION])}, broker {broker['positions'].get(symbol, 0)}"
