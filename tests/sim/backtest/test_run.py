"""A real run end to end: the same book six ways, and the same figures in SQL."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ledger import views
from ledger.book import Book
from ledger.core import apply, apply_all
from ledger.invariants import Invariant, check
from ledger.journal import Journal
from ledger.units import decimal_text
from ledger.vocabulary import Method, Outcome
from sim.data import load
from sim.run import Run, run, simulate
from sim.trades import closed_trades
from strategies import get
from strategies.api import parse_params

ROOT = Path(__file__).resolve().parents[3]
CHILD = """
from sim.data import load
from sim.run import simulate
from strategies import get
from strategies.api import parse_params
chosen = get("sma_cross")
print(simulate(load("sp500", start="2008-01-01"), chosen, parse_params(chosen, [])).book.digest())
"""


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return run("sma_cross", start="2008-01-01", book=tmp_path_factory.mktemp("runs") / "book.db")


def child_digest(**environment: str) -> str:
    answer = subprocess.run(
        [sys.executable, "-c", CHILD], capture_output=True, text=True, check=True, cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
    )  # fmt: skip
    return answer.stdout.strip()


def test_a_real_backtest_gives_the_same_book_six_ways(stored: Run) -> None:
    sim = stored.simulation
    wanted = sim.book.digest()
    one_by_one, bulk = Book(), Book()
    assert {apply(one_by_one, row) for row in sim.log} == {Outcome.APPLIED}
    assert apply_all(bulk, sim.log) == len(sim.log)
    with Journal.read(stored.path) as journal:
        replayed = journal.book(stored.session)
    ways = {
        "one by one": one_by_one.digest(), "bulk": bulk.digest(), "SQLite": replayed.digest(),
        "interpreted": child_digest(NUMBA_DISABLE_JIT="1"), "bounds checked": child_digest(NUMBA_BOUNDSCHECK="1"),
    }  # fmt: skip
    assert ways == dict.fromkeys(ways, wanted)
    assert check(sim.book) == Invariant.HOLDS


def test_one_changed_row_gives_another_book(stored: Run) -> None:
    """Ablation: the digest is not blind."""
    log, other = stored.simulation.log.copy(), Book()
    log[-1, 6] += 1
    apply_all(other, log)
    assert other.digest() != stored.simulation.book.digest()


def test_the_same_run_twice_stores_the_same_digest(stored: Run) -> None:
    again = run("sma_cross", start="2008-01-01", book=stored.path)
    assert again.simulation.book == stored.simulation.book
    assert again.session == stored.session + 1


def test_profit_by_trade_symbol_and_day_in_sql_is_the_runs_own(stored: Run) -> None:
    book, trades = stored.simulation.book, closed_trades(stored.simulation.book)
    with Journal.read(stored.path) as journal:
        by_trade = views.pnl_trades(journal, stored.session)
        by_symbol = views.pnl_symbols(journal, stored.session)
        by_day = views.pnl_days(journal, stored.session)
    total = int(trades.pnl_e8.sum())
    assert sum(r.net_e8 for r in by_trade) == sum(r.net_e8 for r in by_symbol) == sum(r.net_e8 for r in by_day) == total
    assert len(by_trade) == len(book.allocations)


def test_the_session_row_says_what_ran(stored: Run) -> None:
    with Journal.read(stored.path) as journal:
        info = next(info for info in journal.sessions() if info.id == stored.session)
        findings = journal.verify(stored.session).findings
    config = json.loads(info.config) if isinstance(info.config, str) else info.config
    assert info.kind == "backtest" and info.status == "done" and not findings
    assert config["params"] == {"fast": 10, "slow": 30, "allow_short": 0}
    assert config["instruments"][0]["sha256"] == stored.simulation.histories[0].sha256


def test_the_document_has_its_promised_keys_and_money_as_text(stored: Run) -> None:
    document = stored.document()
    promised = {"session", "final_equity", "total_return", "fees", "orders", "trades", "max_drawdown", "sharpe"}
    assert promised <= document.keys()
    assert document["final_equity"] == decimal_text(stored.simulation.book.valuation().equity)
    assert json.loads(json.dumps(document, allow_nan=False)) == document


def test_a_run_over_real_shares_with_splits_and_dividends_keeps_every_invariant() -> None:
    folder = ROOT.parent / "shared" / "data" / "lean"
    if not folder.exists():
        pytest.skip("the LEAN prices are not here: ../shared/data/lean is absent")
    chosen = get("sma_cross")
    params = parse_params(chosen, [])
    for prices in ("raw", "adjusted"):
        sim = simulate(load(str(folder), ["SPY", "AAPL"], prices=prices), chosen, params)
        again = Book(method=Method.FIFO)
        assert apply_all(again, sim.log) == len(sim.log) and again == sim.book
        equity = sim.values[:, 2] + sim.values[:, 3]
        jumps = np.abs(np.diff(equity) / equity[:-1])
        assert jumps.max() < 0.25, "a split must not look like a crash or a windfall"
