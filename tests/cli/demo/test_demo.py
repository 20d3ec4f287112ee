"""`onebook demo`: one run of it, and everything it says held against the book it leaves."""

from __future__ import annotations

import asyncio
import re
import time
from pathlib import Path

import pytest

from ledger.compare import compare
from ledger.journal import Journal
from ledger.units import money
from ledger.vocabulary import EventKind
from tests.cli.conftest import document

DOC = (Path(__file__).resolve().parents[3] / "docs" / "cli.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    return document("demo", "--book", folder / "demo.db", "--out", folder, "--no-picture")


def test_the_keys_are_those_of_the_page_of_commands(shown):
    section = DOC.split("## The demo")[1].split("\n## ")[0]
    assert set(shown) | set(shown["sessions"]) | set(shown["fuzz"]) <= set(re.findall(r"`(\w+)`", section))


def test_the_four_sessions_are_in_the_book_and_verify(shown):
    with Journal.read(shown["book"]) as journal:
        kinds = {info.id: info.kind for info in journal.sessions()}
        assert {name: kinds[number] for name, number in shown["sessions"].items()} == {
            "backtest": "backtest", "day_backtest": "backtest", "day_paper": "paper", "fuzz": "fuzz"
        }
        assert all(info.status == "done" and journal.verify(info.id).ok for info in journal.sessions())


def test_the_paper_day_was_traded_over_the_wire_and_differs_for_reasons_that_add_up(shown):
    tested, traded = shown["sessions"]["day_backtest"], shown["sessions"]["day_paper"]
    with Journal.read(shown["book"]) as journal:
        sent = journal.connection.execute("SELECT count(*) FROM event WHERE session_id = ? AND kind = ?", (traded, int(EventKind.SENDING)))
        assert sent.fetchone()[0] >= 10
        found = compare(journal, tested, journal, traded)
        ends = [journal.book(number).valuation().equity for number in (tested, traded)]
    parts = {part["cause"]: money(part["amount"]) for part in shown["comparison"]["parts"]}
    assert sum(parts.values()) == ends[1] - ends[0] == found.difference_e8 != 0
    assert parts["price"] and parts["refused"] and parts["fee"] and shown["comparison"]["residual"] == "0.00"
    assert not any(row.cause and row.cause.value not in ("refused",) for row in found.rows)


def test_the_real_guard_stands_and_the_broken_one_falls_with_a_token(shown):
    verdicts = {line["scenario"]: line["verdict"] for line in shown["fuzz"]["scenarios"]}
    assert verdicts == {"zoo.real": "cut", "zoo.no_lock": "failed"}
    assert document_of_token(shown["fuzz"]["token"])["fails"]


def document_of_token(token: str) -> dict:
    import json

    from tests.cli.conftest import invoke

    result = invoke("fuzz", "replay", token, "--json")
    assert result.exit_code == 3, result.output
    return json.loads(result.stdout)


def test_the_page_is_written(shown):
    assert Path(shown["files"]["comparison"]).read_text(encoding="utf-8").count("Why the final equities differ") == 1


def test_ib_async_reads_the_machine_again_after_a_virtual_day():
    import live.ib  # noqa: F401
    from cli.demo.clock import PLACES, virtual
    import sys

    before = {place: getattr(sys.modules[f"ib_async.{place[0]}"], place[1]) for place in PLACES}
    loop = asyncio.new_event_loop()
    with pytest.raises(ZeroDivisionError), virtual(loop, 10**9):
        assert abs(sys.modules["ib_async.client"].time.time() - time.time()) > 10**8
        1 / 0
    loop.close()
    assert before == {place: getattr(sys.modules[f"ib_async.{place[0]}"], place[1]) for place in PLACES}
