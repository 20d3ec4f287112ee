"""All bars of a moment are known and marked before the strategy is asked for any of them; and what begins a day."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from tests.live.fakes import ACCOUNT, START_NS, desk, execution

from ledger.book import H_DAY, I_MARK
from live.config import PaperConfig
from live.broker.heard import HistoryBar
from live.market.market import Market
from live.runner import Runner

MINUTE_NS = 60 * 10**9


def piece(second: int, price: str) -> HistoryBar:
    number = Decimal(price)
    return HistoryBar(START_NS + second * 10**9, number, number, number, number, Decimal(1))


@pytest.mark.parametrize("late", [False, True], ids=["both came", "one never came"])
def test_the_strategy_is_asked_when_all_bars_of_a_moment_are_there_or_waited_for(tmp_path: Path, late: bool) -> None:
    with desk(tmp_path) as d:
        market = Market(PaperConfig(symbols=("AAPL", "MSFT"), bar="1m"), lambda *_: 0, ZoneInfo("UTC"), d.alerts.append)
        seen: list[tuple[int, list[int], list[int]]] = []

        def ask(place: int) -> None:
            marks = d.session.book.instruments[1:, I_MARK].tolist()
            seen.append((place, [len(past) for past in market.pasts], marks))

        market.desks[0].asker.ask = ask  # type: ignore[method-assign, assignment]
        for second in range(0, 60, 5):
            market.on_piece(0, piece(second, "230"), d.trader, True)
            if not late:
                market.on_piece(1, piece(second, "410"), d.trader, True)
        market.on_piece(0, piece(60, "231"), d.trader, True)
        assert seen == [], "the other bar of this moment may still come"
        market.on_tick(START_NS + MINUTE_NS + 2 * 10**9, d.trader, True)
        both = [1, 0] if late else [1, 1]
        marks = [2_300_000, 0 if late else 4_100_000]
        assert seen == [(0, both, marks)] + ([] if late else [(1, both, marks)])


@pytest.mark.parametrize(
    ("account", "later_ns", "begun"), [(ACCOUNT, 0, True), (ACCOUNT, 1, False), ("DU1000002", 0, False)],
    ids=["ours", "of a gateway whose clock is ahead", "of another account of the login"],
)  # fmt: skip
def test_a_day_is_begun_by_an_execution_of_this_account_that_has_happened(account: str, later_ns: int, begun: bool, tmp_path: Path) -> None:
    """A day that begins too soon gives its limits anew."""
    with desk(tmp_path) as d:
        clock: Any = SimpleNamespace(now_ns=d.clock)
        runner = Runner(PaperConfig(book=str(tmp_path / "paper.db")), "127.0.0.1", 4002, lambda *_: 0, d.alerts.append, clock=clock)
        runner._on_fact(d.trader, execution("", 0, "0001.01.01", 1)._replace(account=account, time_ns=START_NS + later_ns))
        assert (int(d.session.book.arena[H_DAY]) > 0) is begun
