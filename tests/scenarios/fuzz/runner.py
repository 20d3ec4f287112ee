"""The runner depth: bursts of signals through the real trader, order manager, outbox, link and journal.

`onebook fuzz run tests.scenarios.fuzz.runner:scenario`

Theory of operation. A schedule is one account: a journal session in memory, a broker, and processes that come and go.
The wishes of the burst are drawn; every life of the program wishes the same, because its keys are
made of the decision. Processes are killed at any move, and at named points inside a write; a second
process may start; the owner's lock may vanish; the connection may break; the database may be busy.

Demanded after every event: at most one broker order for a reference, the book's invariants, and no
acknowledged event lost. At the end, when a process could finish: every wish has an answer, positions are
the broker's, cash is deposits less executions and fees, no order is left, nothing is reserved.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any

from ledger.book import H_RESERVED, I_GATES, I_POSITION, I_WORKING
from ledger.invariants import Invariant, check_arena
from ledger.vocabulary import Gate, Outcome
from sim.fuzz import Dead, World
from sim.fuzz.processes import Violation
from tests.live.fakes import AAPL, MSFT
from tests.scenarios.fuzz.broker import Broker
from tests.scenarios.fuzz.desk import Desk
from tests.scenarios.fuzz.storage import storage

if TYPE_CHECKING:
    from ledger.journal import Session

SHARES = (10, 10, 20, 0)
FAULTS = ("slow", "lost", "late", "dup", "reorder", "clock")
POINTS = ("begin", "claim", "apply", "insert", "commit-before", "commit-after", "mark")
PASSES = 60
"""Points of writes among which the one is drawn at which a process is killed or the database is busy."""
LATER = (Outcome.NOT_RECONCILED, Outcome.DISCONNECTED)
"""Answers that say "not now": a strategy wishes again with its next answer."""


class Burst:
    """One schedule: what is wished, what was answered, and everything a process leaves behind when it dies."""

    def __init__(self, world: World) -> None:
        self.world, self.storage, self.broker = world, storage(), Broker(world)
        self.session = self.storage.next_session()
        self.signals = world.dial("signals", 4)
        self.wishes = [self._wish(number) for number in range(self.signals)]
        self.answers: dict[int, Outcome] = {}
        self.desks: list[Desk] = []
        self.lines: list[str] = []
        self.locked_out, self.ended, self.seen = 0, 0, 0
        self._acked, self._passes = 3, 0
        self._kill_at = world.draw("killed at point", 4 * PASSES) - 3 * PASSES
        self._busy_at = world.draw("busy at write", 8 * PASSES) - 7 * PASSES

    def _wish(self, number: int) -> tuple[int, int, int]:
        word = self.world.draw("wish", 16)
        return 1 + (word >> 3), SHARES[word & 3], number if not word & 4 else 0

    # What processes say.

    def took_over(self, desk: Desk, session: Session) -> None:
        """Look whether a new life finds everything that an old one was told is durable."""
        if session.book.seq < self._acked:
            raise Violation("no acknowledged event is lost", f"event {self._acked} was acknowledged, the journal ends at {session.book.seq}")
        self.desks.append(desk)

    def acked(self, desk: Desk) -> None:
        """Note how far the journal acknowledged."""
        self._acked = max(self._acked, desk.trader.session.book.seq)

    def passed(self, desk: Desk, point: str) -> None:
        """Count a point of a write; be killed there, or find the database busy, if that was drawn."""
        if point not in POINTS:
            return
        self._passes += 1
        process = self.world.here()
        if self._passes == self._kill_at:
            self.world.kill(process)
            raise Dead(f"killed at {point}")
        if self._passes == self._busy_at:
            raise sqlite3.OperationalError("database is locked")

    def answered(self, number: int, outcome: Outcome) -> None:
        """Keep the answer to a wish; one that says `not now` is none."""
        if outcome not in LATER and (number not in self.answers or outcome == Outcome.APPLIED):
            self.answers[number] = outcome

    def unanswered(self, asked: set[int]) -> list[int]:
        """Return the wishes without a final answer, of those that were uttered."""
        return [number for number in sorted(asked) if number not in self.answers]

    def said(self, line: str) -> None:
        """Take a line of the log."""
        self.lines.append(line)

    def finished(self, desk: Desk) -> None:
        """Take a process's word that nothing is left to do."""
        self.ended += 1

    # What is demanded.

    def one_order(self) -> Any:
        """No reference ever makes a second order at the broker."""
        return f"two orders under {self.broker.doubled}" if self.broker.doubled else None

    def book_holds(self) -> Any:
        """Every invariant of the book, whenever it changed."""
        for desk in self.desks[-2:]:
            session = desk.trader.session if hasattr(desk, "trader") else None
            if session is None or session._stopped or session._book.seq == self.seen:
                continue
            self.seen = session._book.seq
            found = check_arena(session._book.arena)
            if found != Invariant.HOLDS:
                return Invariant(found).name
        return None

    def ends_well(self) -> Any:
        """The last process that could finish agrees with the broker, to the last unit."""
        desk = next((desk for desk in reversed(self.desks) if not desk.opened.session._stopped), None)
        if desk is None or not self.ended:
            return "no process came to an end"
        missing = [number for number in range(self.signals) if number not in self.answers]
        if missing:
            return f"wishes {missing} were never answered"
        book = desk.trader.session.book
        for contract in (AAPL, MSFT):
            row = book.instruments[contract.number]
            held = self.broker.held(contract.symbol) * 10_000
            if row[I_POSITION] != held and not row[I_GATES] & Gate.BLOCKED:
                return f"{contract.symbol}: book {row[I_POSITION]}, broker {held} lots"
            most = max([0, *(shares * 10_000 for number, shares, _ in self.wishes if number == contract.number)])
            if not 0 <= row[I_POSITION] + row[I_WORKING] <= most and not row[I_GATES] & Gate.BLOCKED:
                return f"{contract.symbol}: {row[I_POSITION]} lots and {row[I_WORKING]} working, wished for {most} at most"
        if desk.trader.live_orders():
            return f"orders {desk.trader.live_orders()} are open in the book and nowhere else"
        return f"{book.arena[H_RESERVED]} is reserved for nothing" if book.arena[H_RESERVED] else None


def scenario(world: World) -> None:
    """Fill a world with one account, its broker and its runner."""
    burst = Burst(world)
    world.crashed.append(lambda process, how: _die(burst, process))
    world.allow(*FAULTS)
    world.allow("crash", at_most=2)
    world.allow("twin")
    world.always("one broker order for a key", burst.one_order)
    world.always("the book's invariants", burst.book_holds)
    world.at_end("book and broker agree", burst.ends_well)
    if world.draw("line breaks", 4) == 3:
        world.post("line", "line breaks", burst.broker.cut_last, resource="broker")
    if world.draw("owner's lock vanishes", 8) == 7:
        world.post("lock", "lock vanishes", lambda: burst.storage.lose_owner_lock(burst.session), resource="db")
    world.process("runner", lambda: Desk(burst).live())


def _die(burst: Burst, process: Any) -> None:
    """Let the system clean up after a process that is gone."""
    for desk in burst.desks:
        if getattr(desk, "process", None) is process:
            desk.opened.die()
            for connection in burst.broker.connections:
                if connection.process is process:
                    connection.open = False


