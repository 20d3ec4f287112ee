"""A process that is killed at a named point, again and again, on one journal.

The parent forks (everything is imported and compiled by then, so a cycle costs
tens of milliseconds). The child opens the journal, takes up the work where the last
acknowledgement was, minus one step, so that each step can come twice, and writes
each finished step to a pipe. At the chosen point it kills itself. The parent reads
what was acknowledged and looks at the journal.
"""

from __future__ import annotations

import os
import signal as signals
import struct
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import NamedTuple

from ledger.book import I_POSITION, event
from ledger.journal import Journal, JournalHalted, Session
from ledger.vocabulary import EventKind, OrderFlag, Outcome
from tests.ledger.journal.journal_streams import opening, signal

QTY = 10_000
_ACK = struct.Struct("<2q")


class Plan(NamedTuple):
    """At which point to die: the `nth` time it is passed."""

    point: str
    nth: int


class Count(NamedTuple):
    """What a cycle did to the acknowledged steps."""

    acked: int
    lost: int
    doubled: int
    findings: tuple[str, ...]
    killed: bool


def work(session: Session, step: int, folder: Path) -> None:
    """Do one step of a deterministic day: claim, execution, commission, mark; now and then a name, a snapshot, a copy."""
    trade, part = divmod(step, 4)
    wish = signal(1, 10**6 * QTY, trade)
    if part == 0:
        wish[11], wish[13] = int(session.book.instruments[1, I_POSITION]) + QTY, OrderFlag.PYRAMID
        answer = session.gate(wish).outcome
        assert answer in (Outcome.APPLIED, Outcome.KEY_CONFLICT, Outcome.DUP_KEY), answer
    elif part == 1:
        fill = event(
            EventKind.FILL, key=int(wish[2]), instrument=1, side=1, qty_lots=QTY, price_ticks=1_000_000,
            exec_id=trade + 1, time_ns=int(wish[0]),
        )  # fmt: skip
        assert session.record(fill) in (Outcome.APPLIED, Outcome.DUPLICATE)
    elif part == 2:
        assert session.record(event(EventKind.COMMISSION, exec_id=trade + 1, fee_e8=10**8)) in (Outcome.APPLIED, Outcome.DUPLICATE)
    else:
        number = session.name(f"evidence {trade}")
        session.record(event(EventKind.MARK, instrument=1, price_ticks=1_000_100, time_ns=int(wish[0]), ref=number))
        if trade % 2:
            session.snapshot()
        else:
            session._journal.backup(folder / "copy.db")


def _child(path: Path, plan: Plan, start: int, steps: int, pipe: int, early: bool) -> None:
    passed = 0
    state = {"step": start}

    def at(point: str) -> None:
        nonlocal passed
        if early and point == "commit-before":
            os.write(pipe, _ACK.pack(state["step"], 0))
        if point == plan.point:
            passed += 1
            if passed == plan.nth:
                os.kill(os.getpid(), signals.SIGKILL)

    with Journal.open(path, at=at) as journal:
        session = journal.resume(1) if journal.sessions() else journal.begin("paper", "DU1", config={})
        for row in opening()[session.book.seq :]:
            session.record(row)
        for step in range(start, start + steps):
            state["step"] = step
            work(session, step, path.parent)
            if not early:
                os.write(pipe, _ACK.pack(step, session.book.seq))
        if plan.point == "end":
            session.end()


def cycle(path: Path, plan: Plan, start: int, steps: int, early: bool = False) -> Count:
    """Run one child until it dies or is done; return what became of the acknowledged steps."""
    ready, write = os.pipe()
    child = os.fork()
    if child == 0:
        code = 9
        try:
            os.close(ready)
            _child(path, plan, max(0, start - 1), steps, write, early)
            code = 0
        except JournalHalted:
            code = 8
        finally:
            os._exit(code)
    os.close(write)
    with os.fdopen(ready, "rb") as pipe:
        told = pipe.read()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (0, -signals.SIGKILL), f"the child ended with {status} at {plan}"
    acks = [_ACK.unpack_from(told, n) for n in range(0, len(told) - len(told) % _ACK.size, _ACK.size)]
    acked = max([start, *(step + 1 for step, _ in acks)])
    return _judge(path, acked, max([0, *(seq for _, seq in acks)]), status != 0)


def _judge(path: Path, acked: int, seq: int, killed: bool) -> Count:
    """Compare the journal with the acknowledgements: each claim and each fill once, the chain and the book whole."""
    if not path.exists():
        return Count(acked, acked, 0, (), killed)
    with Journal.open(path) as journal:
        if not journal.sessions():
            return Count(acked, acked, 0, (), killed)
        check = journal.verify(1)
        rows = journal.connection.execute("SELECT kind, count(*), count(DISTINCT CASE kind WHEN 10 THEN key ELSE exec_id END)"
                                          " FROM event WHERE session_id = 1 AND kind IN (10, 20) GROUP BY kind").fetchall()  # fmt: skip
        counts = {kind: (many, distinct) for kind, many, distinct in rows}
        (claims, keys), (fills, executions) = counts.get(10, (0, 0)), counts.get(20, (0, 0))
        lost = max(0, (acked + 3) // 4 - claims) + max(0, (acked + 2) // 4 - fills) + max(0, seq - check.events)
        book = journal.book(1)
        if len(book.instruments) > 1:
            assert book.instruments[1, I_POSITION] == QTY * fills
    return Count(acked, lost, claims - keys + fills - executions, tuple(f"{f.part}: {f.text}" for f in check.findings), killed)


def storm(folder: Path, points: tuple[str, ...], cycles: int, seed: int, early: bool = False,
          report: Callable[[Count], None] | None = None) -> dict[str, int]:  # fmt: skip
    """Run many cycles over all points; return how often each point killed. Raises AssertionError on the first fault."""
    draw, killed, acked, path = Random(seed), dict.fromkeys(points, 0), 0, folder / "0" / "a.db"
    for number in range(cycles):
        plan = Plan(points[number % len(points)], draw.choice([1, 1, 2, 3, 8]))
        if number % 24 == 0 or plan.point in ("schema", "session", "end"):
            path, acked = folder / str(number) / "a.db", 0
            plan = plan._replace(nth=1) if plan.point in ("schema", "session", "end") else plan
        if plan.point in ("lease", "lease-lock"):
            plan = plan._replace(nth=1)
        count = cycle(path, plan, acked, draw.randint(4, 12), early)
        acked = count.acked
        killed[plan.point] += count.killed
        if report is not None:
            report(count)
            acked -= min(acked, 4) if count.lost else 0
        else:
            assert (count.lost, count.doubled, count.findings) == (0, 0, ()), f"cycle {number}, seed {seed}, {plan}: {count}"
    return killed
