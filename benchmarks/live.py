"""The live path on the real disk and the real clock: the gate under eight processes, from bar to order, and recovery after a kill.

Theory of operation. Each figure is of the code that trades: journal with every commit synced, gate, order manager, market. Only the
socket is missing: an order's way ends where it would be written. Beside each figure stands what was checked: every key
claimed once however many processes asked for it, one order a bar, the same book after the kill as before.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import statistics
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from benchmarks import stream
from benchmarks.measures import Line
from ledger.book import I_POSITION, event
from ledger.journal import Journal
from ledger.kernel import kernel
from ledger.keys import make
from ledger.vocabulary import EventKind, OrderFlag, Outcome, Purpose
from live import link as links
from live.broker.facts import ExecutionSeen
from live.broker.heard import HistoryBar
from live.config import PaperConfig, RiskLimits
from live.ib import Listing
from live.market.market import Market
from live.ops import opening
from live.pacer import Pacer
from live.trader import Trader
from strategies.api import Strategy, market, no_columns

ROOT = Path(__file__).resolve().parent.parent
PROCESSES, SYMBOLS = 8, stream.INSTRUMENTS
READY = links.Link(links.State.READY, "benchmark", 0)
MINUTE_NS = 60 * stream.SECOND_NS


class NoParams(NamedTuple):
    """Nothing to choose."""

    unused: int = 0


@kernel
def _flip(bars: Any, columns: Any, t: int, state: Any, params: NoParams) -> Any:
    """Be long at every other bar."""
    return market(float(t % 2))


FLIP = Strategy(
    name="flip", params=NoParams, prepare=no_columns, on_bar=_flip, warmup=lambda params: 1, state_size=0,
    summary="Long at every other bar.", allow_short=False,
)  # fmt: skip


def _ask(path: str, session_id: int, number: int, signals: int, results: Any, begin: Any) -> None:
    """Hand signals to the gate: the same ones as every other process; send back how long each took and what was claimed."""
    with Journal.open(path) as journal:
        session = journal.resume(session_id)
        begin.wait()
        took, claimed = [], 0
        for step in range(signals):
            second, instrument = stream.START_S + step // SYMBOLS, 1 + (step + 7 * number) % SYMBOLS
            wish = event(
                EventKind.SIGNAL, time_ns=second * stream.SECOND_NS, key=make(1, instrument, Purpose.TARGET, second), instrument=instrument,
                target_lots=10_000 * (1 + step // SYMBOLS), price_ticks=1_000_000, flags=OrderFlag.PYRAMID,
            )  # fmt: skip
            began = time.perf_counter()
            outcome = session.gate(wish).outcome
            took.append(time.perf_counter() - began)
            claimed += outcome == Outcome.APPLIED
        results.put((took, claimed))


def gate(folder: Path, signals: int) -> list[Line]:
    """Let eight processes hand the same signals to one book's gate at once."""
    path, signals = folder / "gate.db", max(1, signals // SYMBOLS) * SYMBOLS
    with Journal.open(path) as journal:
        session = journal.begin("paper", "benchmark", config={}, exclusive=False)
        for line in stream.setup(_room()):
            assert session.record(line) == Outcome.APPLIED
        session_id = session.id
    context = multiprocessing.get_context("spawn")
    results, begin = context.Queue(), context.Barrier(PROCESSES + 1)
    workers = [
        context.Process(target=_ask, args=(str(path), session_id, number, signals, results, begin)) for number in range(PROCESSES)
    ]
    for worker in workers:
        worker.start()
    begin.wait()
    began = time.perf_counter()
    answers = [results.get() for _ in workers]
    elapsed = time.perf_counter() - began
    for worker in workers:
        worker.join()
    took = sorted(time_s for each, _ in answers for time_s in each)
    with Journal.read(path) as journal:
        keys = journal.book(session_id).orders[:, 0]
    # A process that is ahead makes the others' older wish AT_TARGET, so a few keys are never claimed; none is claimed twice.
    assert len(keys) == len(set(keys.tolist())) == sum(claimed for _, claimed in answers) > signals // 2
    rate, p99, worst = len(took) / elapsed, took[int(0.99 * len(took))], took[-1]
    checked = f"{len(keys):,} claims of {len(took):,} signals, no key twice, no lock error"
    return [
        Line(f"gate, {PROCESSES} processes, the same signals", f"{rate:,.0f} signals/s", "1,000/s", checked),
        Line(f"gate, {PROCESSES} processes: p99, worst", f"{p99 * 1e3:.0f} ms, {worst * 1e3:.0f} ms", "100 ms, 1 s", checked),
    ]


def _room() -> Any:
    from ledger.book import Book, Capacity

    return Book(capacity=Capacity(instruments=SYMBOLS + 1))


class _Wire:
    """Where an order would be written to the socket."""

    def __init__(self) -> None:
        self.next, self.placed = 1, []  # type: ignore[var-annotated]

    def reserve_order_id(self) -> int:
        self.next += 1
        return self.next - 1

    def place(self, ticket: Any, _contract: Any) -> None:
        self.placed.append((time.perf_counter(), ticket))

    def cancel(self, order_id: int) -> None:
        """No order is cancelled here."""


def bar_to_order(folder: Path, bars: int) -> list[Line]:
    """Time from the last piece of a bar to the order at the wire: bar, mark, strategy, size, gate, two synced commits."""
    free = RiskLimits(
        max_open=None, orders_per_day=None, orders_per_symbol_day=None, burst_count=None, max_repeat=None, price_collar_bps=None
    )
    config = PaperConfig(strategy="benchmarks.live:FLIP", symbols=("AAPL",), limits=free, host="127.0.0.1", calendar="none")
    now, took, said = [stream.START_S * stream.SECOND_NS], [], []  # type: ignore[var-annotated]
    listing = Listing("AAPL", 265598, Decimal("0.01"), "SMART", "USD", "US/Eastern", "", "", None)
    with Journal.open(folder / "bars.db") as journal:
        session = opening.open_session(journal, "DU1000001", config)
        contracts = opening.contracts(session, [listing], now[0])
        opening.set_limits(session, config.limits, now[0])
        opening.deposit(session, Decimal(10**6), now[0])
        wire = _Wire()
        trader = Trader(session, "bench0", 17, "DU1000001", contracts, Pacer(49, 49, now[0]), said.append, lambda: now[0])
        trader.handles = {1: None}
        trader.on_start()
        trader.on_connected(wire)
        trader._oms.on_reconciled(now[0], "benchmark")
        market_of = Market(config, lambda *_: 10**8, ZoneInfo("UTC"), said.append)
        for bar in range(bars):
            for at in range(0, 60, 5):
                _piece(market_of, trader, now, bar * 60 + at)
            before, began = len(wire.placed), time.perf_counter()
            _piece(market_of, trader, now, (bar + 1) * 60)
            market_of.guard(trader, now[0])
            trader.pump(READY)
            if len(wire.placed) > before:
                took.append(wire.placed[-1][0] - began)
                _fill(trader, wire.placed[-1][1], bar, now[0])
        assert len(took) >= bars - 2, (len(took), said[-5:])
        assert session.book.seq > 4 * len(took)
    took.sort()
    p50, p99 = took[len(took) // 2], took[int(0.99 * len(took))]
    checked = f"{len(took):,} bars, one order each, all filled; position {int(session_position(folder))} lots as the strategy wants"
    return [Line("from the last piece of a bar to placeOrder, p50, p99", f"{p50 * 1e3:.1f} ms, {p99 * 1e3:.1f} ms", "", checked)]


def session_position(folder: Path) -> int:
    """Return the position of the replayed book."""
    with Journal.read(folder / "bars.db") as journal:
        return int(journal.book(journal.sessions()[-1].id).instruments[1, I_POSITION])


def _piece(market_of: Market, trader: Trader, now: list[int], second: int) -> None:
    price = Decimal(200) + Decimal(second % 7) / 100
    now[0] = (stream.START_S + second + 5) * stream.SECOND_NS
    start_ns = (stream.START_S + second) * stream.SECOND_NS
    market_of.on_piece(0, HistoryBar(start_ns, price, price, price, price, Decimal(100)), trader, True)


def _fill(trader: Trader, ticket: Any, number: int, now_ns: int) -> None:
    side = "BOT" if ticket.action == "BUY" else "SLD"
    fact = ExecutionSeen(
        now_ns, f"0000.{number:08x}.01.01", ticket.order_ref, ticket.order_id, 17, 14, "DU1000001", 265598, "AAPL", side,
        ticket.quantity, Decimal(200), ticket.quantity,
    )  # fmt: skip
    trader.on_fact(fact)


def recovery(folder: Path, count: int) -> list[Line]:
    """Kill a process that has just written a long book, and time the next one up to where it would connect."""
    path = folder / "killed.db"
    program = (
        "import os, signal, sys; from pathlib import Path; from benchmarks import stream; from ledger.journal import Journal\n"
        "journal = Journal.open(Path(sys.argv[1])); session = journal.begin('paper', 'paper:DU1000001', config={})\n"
        "session.record_all(stream.mixed(int(sys.argv[2]))); print(session.book.digest(), flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(path), str(count)], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    times = []
    for _ in range(3):
        began = time.perf_counter()
        with Journal.open(path) as journal:
            session = journal.resume(1)
            digest = session.book.digest()
            trader = Trader(session, "bench0", 17, "DU1000001", (), Pacer(40, 40, 0), lambda line: None, lambda: 0)
            trader.on_start()
            times.append(time.perf_counter() - began)
            assert digest == done.stdout.strip() or len(times) > 1
    text = f"{statistics.median(times):.1f} s"
    what = f"recovery after kill -9, {count:,} events: open, verify, replay, take up orders"
    return [Line(what, text, "5 s", f"digest {digest[:12]} as before the kill")]

