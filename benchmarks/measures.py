"""Each measurement, with the equality check without which its figure is not printed.

Theory of operation. A measurement returns Lines only after it compared what it timed
with another way to the same answer: digests of books, or a count. A fast wrong answer
is an AssertionError. Times are medians of repetitions on a machine that may be busy;
what is compared with each other is measured in turns, in the same minute.
"""

from __future__ import annotations

import json
import os
import sqlite3
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks import stream
from ledger.book import EVENT_WIDTH, H_REALIZED, I_POSITION, Book, event
from ledger.core import apply, replay
from ledger.journal import Journal
from ledger.keys import make
from ledger.vocabulary import EventKind, Outcome, Purpose

ROOT = Path(__file__).resolve().parent.parent
# As many columns as an event has: the bare commit writes what a step at least must write.
BARE_TABLE = "CREATE TABLE row (a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t)"
BARE_INSERT = "INSERT INTO row VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"


class Line(NamedTuple):
    """One row of the page."""

    what: str
    figure: str
    goal: str
    checked: str


def _median(times: list[float]) -> float:
    return statistics.median(times)


def _timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _fresh(count: int) -> Book:
    # A copy has touched every page, so that no page fault of a fresh array is timed as the kernel's work.
    return Book(capacity=stream.roomy(count)).copy()


def apply_in_a_loop(count: int) -> list[Line]:
    """Time `apply` in the compiled loop and from Python, over the same mixed stream."""
    events = stream.mixed(count)
    few = events[: min(count, 100_000)]
    loop, calls = [], []
    replay(_fresh(count).arena, few, 0)
    for _ in range(5):
        looped = _fresh(count)
        loop.append(_timed(lambda book=looped: replay(book.arena, events, 0)))  # type: ignore[misc]
        short, called = _fresh(count), _fresh(count)
        replay(short.arena, few, 0)
        calls.append(_timed(lambda book=called: [apply(book, line) for line in few]))  # type: ignore[misc]
        assert called == short, "the loop and single calls must give the same book"
    assert looped.seq == count
    shown = f"same book both ways, digest {looped.digest()[:12]} after {count:,} events"
    return [
        Line(f"`apply`, compiled loop, mixed stream of {count:,} events", f"{_median(loop) / count * 1e9:.0f} ns/event", "50 ns", shown),
        Line("`apply`, one call from Python", f"{_median(calls) / len(few) * 1e6:.2f} µs/call", "2 µs", shown),
    ]


def fifo(count: int) -> list[Line]:
    """Time fills alone: every one opens or closes FIFO lots of one of twenty instruments."""
    rows, realized = stream.fills(count)
    times = []
    for _ in range(5):
        book = _fresh(2 * count)
        times.append(_timed(lambda book=book: replay(book.arena, rows, 0)))  # type: ignore[misc]
        assert int(book.arena[H_REALIZED]) == realized, "a queue in plain Python must give the same profit"
    return [
        Line(
            "FIFO booking, fills only",
            f"{_median(times) / count * 1e9:.0f} ns/fill",
            "50 ns",
            f"profit of {count:,} fills equals a plain queue's",
        )
    ]


def live_step(folder: Path, steps: int) -> list[Line]:
    """Time a durable step (decide, apply, insert, project, commit) in turns with a bare commit of one row."""
    bare = _bare_database(folder / "bare.db")
    claims, facts, commits = [], [], []
    with Journal.open(folder / "live.db") as journal:
        session = journal.begin("paper", "benchmark", config={})
        for line in stream.setup(_fresh(64)):
            assert session.record(line) == Outcome.APPLIED
        for step in range(steps):
            second = stream.START_S + step
            now, number = second * stream.SECOND_NS, 1 + step % stream.INSTRUMENTS
            key = make(1, number, Purpose.TARGET, second)
            held = int(session.book.instruments[number, I_POSITION])
            wish = event(
                EventKind.SIGNAL,
                time_ns=now,
                key=key,
                instrument=number,
                target_lots=held + 10_000,
                price_ticks=1_000_000,
            )
            claims.append(_timed(lambda wish=wish: session.gate(wish)))  # type: ignore[misc]
            commits.append(_timed(lambda row=step: _commit_bare(bare, row)))  # type: ignore[misc]
            fill = event(
                EventKind.FILL,
                time_ns=now,
                key=key,
                instrument=number,
                side=1,
                qty_lots=10_000,
                price_ticks=1_000_000,
                exec_id=step + 1,
            )
            facts.append(_timed(lambda fill=fill: session.record(fill)))  # type: ignore[misc]
            commits.append(_timed(lambda row=step: _commit_bare(bare, row)))  # type: ignore[misc]
        digest, events = session.book.digest(), session.book.seq
    with Journal.read(folder / "live.db") as journal:
        assert journal.book(1).digest() == digest, "the stored book must be the one in memory"
    assert events == 2 * steps + stream.INSTRUMENTS + 1
    base, shown = _median(commits), f"replayed book equal after {events:,} events"
    return [
        Line(
            "bare SQLite commit, WAL, synchronous FULL",
            f"{base * 1e6:.0f} µs",
            "",
            f"{2 * steps:,} commits, in turns with the steps",
        ),
        Line(
            "durable claim (`Session.gate`), p50",
            f"{_median(claims) * 1e6:.0f} µs = {_median(claims) / base:.2f}x",
            "2x",
            shown,
        ),
        Line(
            "durable fill (`Session.record`), p50",
            f"{_median(facts) * 1e6:.0f} µs = {_median(facts) / base:.2f}x",
            "2x",
            shown,
        ),
    ]


def _bare_database(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    for setting in ("journal_mode = WAL", "synchronous = FULL"):
        connection.execute(f"PRAGMA {setting}")
    connection.execute(BARE_TABLE)
    return connection


def _commit_bare(connection: sqlite3.Connection, number: int) -> None:
    connection.execute("BEGIN IMMEDIATE")
    connection.execute(BARE_INSERT, [number] * EVENT_WIDTH)
    connection.execute("COMMIT")


def restart(folder: Path, count: int) -> list[Line]:
    """Time the verified restart of a long book: from its events, and from a snapshot."""
    path = folder / "long.db"
    events = stream.mixed(count)
    with Journal.open(path) as journal:
        session = journal.begin("paper", "benchmark", config={})
        written = _timed(lambda: session.record_all(events))
        digest = session.book.digest()
    with Journal.read(path) as journal:
        taken = _timed(lambda: _require_digest(journal, digest))
    size = path.stat().st_size
    with Journal.open(path) as journal:
        journal.resume(1).snapshot()
    with Journal.read(path) as journal:
        quick = min(_timed(lambda: journal.book(1)) for _ in range(3))
        _require_digest(journal, digest)
    shown = f"digest {digest[:12]} equal each time"
    return [
        Line(
            f"writing {count:,} events in one transaction",
            f"{written:.1f} s = {written / count * 1e6:.1f} µs/event",
            "",
            shown,
        ),
        Line(f"verified restart from {count:,} events", f"{taken:.1f} s", "5 s", shown),
        Line("restart from a snapshot of them", f"{quick * 1e3:.0f} ms", "100 ms", shown),
        Line("size of the journal, all tables", f"{size / count:.0f} bytes/event", "", f"{size:,} bytes"),
        Line("size of the events alone", _event_bytes(path, count), "150 bytes", "pages of the table and its indexes"),
    ]


def _event_bytes(path: Path, count: int) -> str:
    """Return the bytes an event takes in its own table, where this SQLite can say it."""
    connection = sqlite3.connect(path)
    try:
        found = connection.execute(
            "SELECT sum(pgsize) FROM dbstat WHERE name IN (SELECT name FROM sqlite_schema WHERE tbl_name = 'event')"
        ).fetchone()[0]
        return f"{found / count:.0f} bytes/event"
    except sqlite3.OperationalError:
        return "unknown: this SQLite has no dbstat"
    finally:
        connection.close()


def _require_digest(journal: Journal, digest: str) -> None:
    assert journal.book(1).digest() == digest, "the restarted book must be the one that was written"


def commands(folder: Path) -> list[Line]:
    """Time the command line as a shell sees it: help, and a small backtest that was run before."""
    words = [sys.executable, str(ROOT / "onebook.py")]
    run = [*words, "backtest", "run", "sma_cross", "--json", "--no-picture", "-q", "--book", str(folder / "runs.db")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}

    def call(command: list[str]) -> tuple[float, str]:
        start = time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment, cwd=folder)
        return time.perf_counter() - start, done.stdout

    helps = [call([*words, "--help"]) for _ in range(7)]
    assert len({text for _, text in helps}) == 1 and "backtest" in helps[0][1]
    call(run)
    runs = [call(run) for _ in range(5)]
    digests = {json.loads(text)["digest"] for _, text in runs}
    assert len(digests) == 1, "the same run must give the same book"
    return [
        Line("`onebook --help`", f"{_median([spent for spent, _ in helps]):.2f} s", "0.5 s", "same text each time"),
        Line("small backtest again, from the shell, stored", f"{_median([spent for spent, _ in runs]):.2f} s", "2 s",
             f"same digest {digests.pop()[:12]} each time"),
    ]  # fmt: skip


def machine() -> str:
    """Return what was measured on, without names of the machine."""
    import platform

    import numba

    model = "unknown processor"
    if (info := Path("/proc/cpuinfo")).exists():
        models = [
            line.partition(":")[2].strip() for line in info.read_text().splitlines() if line.startswith("model name")
        ]
        model = models[0] if models else model
    python = f"Python {platform.python_version()}, numba {numba.__version__}, numpy {np.__version__}"
    return f"{os.cpu_count()} cores of {model}; {python}, SQLite {sqlite3.sqlite_version}"
