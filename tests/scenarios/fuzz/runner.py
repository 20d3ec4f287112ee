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
from contextvars import Context
from typing import TYPE_CHECKING, Any

from ledger.book import (
    H_CASH, H_FEES, H_RESERVED, H_SEQ, I_GATES, I_POSITION, I_WORKING, O_FILLED, O_INSTRUMENT, O_QTY, O_SIDE, O_STATUS, Arena, Book,
    Row,
)  # fmt: skip
from ledger.invariants import Invariant, check_arena
from ledger.kernel import jit
from ledger.vocabulary import OrderStatus, Outcome
from live import link as links
from live.broker.refs import key_of
from sim.fuzz import Dead, World
from tests.live.fakes import AAPL, MSFT
from tests.scenarios.fuzz.stage.answers import BLOCKED, find_order, untrue
from tests.scenarios.fuzz.stage.broker import Broker
from tests.scenarios.fuzz.stage.desk import Desk
from tests.scenarios.fuzz.stage.standing import standing
from tests.scenarios.fuzz.stage.storage import storage

if TYPE_CHECKING:
    from ledger.journal import Session

SHARES = (10, 10, 20, 0)
FAULTS = ("slow", "lost", "late", "dup", "reorder", "clock")
POINTS = frozenset(("begin", "claim", "apply", "insert", "commit-before", "commit-after", "mark"))
PASSES = 60
"""Points of writes among which the one is drawn at which a process is killed or the database is busy."""
OPENING = 3
"""Events of an account that nobody has opened yet."""
COLD_EVERY = 8
"""One of so many schedules begins with a process that opens the journal; in the others one is READY."""
DELAYS_S = (0.0, 12.0, 12.0, 13.0)
DEPOSIT_E8 = 10**14
LATER = (Outcome.NOT_RECONCILED, Outcome.DISCONNECTED)
"""Answers that say "not now": a strategy wishes again with its next answer."""
# A plain integer: looking a member of an enum up costs more than comparing with it.
UNKNOWN = int(OrderStatus.UNKNOWN)


@jit
def first_broken(arena: Arena) -> int:
    """Return the number of the first invariant that a book breaks, 0 for none: every one recounted, as `check_arena` does."""
    return check_arena(arena).value


class Burst:
    """One schedule: what is wished, what was answered, and everything a process leaves behind when it dies."""

    def __init__(self, world: World) -> None:
        self.world, self.storage, self.broker = world, storage(), Broker(world)
        self.stands = world.draw("begins cold", COLD_EVERY) != COLD_EVERY - 1
        """Whether the first process is READY when the schedule begins."""
        self.session = standing().next_session(self.stands)
        self.signals = world.dial("signals", 4)
        self.wishes = [self._wish(number) for number in range(self.signals)]
        late = world.draw("bars come late", 3) == 2
        self.delays_s = [DELAYS_S[world.draw("bar comes after", len(DELAYS_S))] if late else 0.0 for _ in range(self.signals)]
        """Some strategies see all bars at once; of others some come while lists are being compared."""
        self.answers: dict[int, Outcome] = {}
        self.desks: list[Desk] = []
        self.lines: list[str] = []
        self.locked_out, self.ended = 0, 0
        self._acked, self._passes = OPENING, 0
        self.found = ""
        """What a process did that none may ever do."""
        self.lock_lost = False
        self.broker.watch = self.leaves
        self.turns = (40, 40, 1, 1)[world.draw("turns of the pacer", 4)]
        self._kill_at = world.draw("killed at point", 4 * PASSES) - 3 * PASSES
        self._busy_at = world.draw("busy at write", 8 * PASSES) - 7 * PASSES

    def _wish(self, number: int) -> tuple[int, int, int]:
        word = self.world.draw("wish", 16)
        return 1 + (word >> 3), SHARES[word & 3], number if not word & 4 else 0

    # What processes say.

    def took_over(self, desk: Desk, session: Session) -> None:
        """Look whether a new life finds everything that an old one was told is durable, and whether it may be alone."""
        if session.book.seq < self._acked:
            self.convict(f"event {self._acked} was acknowledged, the journal ends at {session.book.seq}")
        self._acked = max(self._acked, session.book.seq)  # what it finds was recorded while the account was another's
        if any(other.process.alive and not other.opened.session._stopped for other in self.desks) and not self.lock_lost:
            self.convict("a second process took the account over while its owner lives and has the lock")
        self.desks.append(desk)

    def acked(self, desk: Desk) -> None:
        """Note how far the journal acknowledged; a process that somebody took over from may acknowledge nothing more."""
        seq = desk.trader.session.book.seq
        if seq > self._acked and desk is not self.desks[-1]:
            self.convict(f"event {seq} was recorded by a process whose account belongs to another one")
        self._acked = max(self._acked, seq)

    def convict(self, what: str) -> None:
        """Keep the first thing that was done and must never be done."""
        self.found = self.found or what

    def leaves(self, connection: Any, sent: Any) -> None:
        """Look at an order that leaves: in READY only, with an id of this connection, and recorded before."""
        desk = next((desk for desk in self.desks if desk.wire is connection), None)
        if desk is None or desk.link.state is not links.State.READY:
            self.convict(f"{sent.order_ref} left while the link was {desk.link.state.value if desk else 'not there'}")
        elif sent.order_id < connection.first:
            self.convict(f"{sent.order_ref} left under order id {sent.order_id}, which another connection reserved")
        else:
            sent.key = key_of(sent.order_ref, desk.trader.tag)
            book, place = desk.trader.session.book, find_order(desk.trader.session.book, sent.key)
            said = OrderStatus(book.orders[place, O_STATUS]).name if place >= 0 else "nothing of it"
            if said != "SENDING":
                self.convict(f"{sent.order_ref} left while the journal says {said}")

    def passed(self, point: str) -> None:
        """Count a point of a write; be killed there, or find the database busy, if that was drawn."""
        if point not in POINTS:
            return
        self._passes += 1
        if self._passes == self._kill_at:
            self.world.kill(self.world.here())
            raise Dead(f"killed at {point}")
        if self._passes == self._busy_at:
            raise sqlite3.OperationalError("database is locked")

    def answered(self, desk: Desk, number: int, wish: Row, outcome: Outcome) -> None:
        """Keep the answer to a wish, which must be true; one that says `not now` is none."""
        if against := untrue(desk.trader.session.book, wish, outcome):
            self.convict(f"wish {number} was answered {outcome.name}, and {against}")
        if outcome == Outcome.APPLIED and desk.link.state is not links.State.READY:
            self.convict(f"wish {number} was claimed while the link was {desk.link.state.value}")
        if outcome not in LATER and (number not in self.answers or outcome == Outcome.APPLIED):
            self.answers[number] = outcome

    def unanswered(self, asked: set[int]) -> list[int]:
        """Return the wishes without a final answer, of those that were uttered."""
        return [number for number in sorted(asked) if number not in self.answers]

    def said(self, line: str) -> None:
        """Take a line of the log."""
        self.lines.append(line)

    def lose_lock(self) -> None:
        """Delete the lock file of the account, as a tidy person might."""
        self.lock_lost = True
        self.storage.lose_owner_lock(self.session)

    def finished(self, desk: Desk) -> None:
        """Take a process's word that nothing is left to do."""
        self.ended += 1

    # What is demanded.

    def one_order(self) -> Any:
        """No reference ever makes a second order at the broker."""
        return f"two orders under {self.broker.doubled}" if self.broker.doubled else None

    def book_holds(self) -> Any:
        """Every invariant of the book, whenever it changed; and what works at the broker, whenever that changed."""
        changes = self.broker.changes
        for desk in self.desks[-2:]:
            session = desk.opened.session
            if session._stopped:
                continue
            seq = session._book.arena.item(H_SEQ)
            if seq == desk.seen_seq and changes == desk.seen_changes:
                continue
            found = first_broken(session._book.arena) if seq != desk.seen_seq else 0
            desk.seen_seq, desk.seen_changes = seq, changes
            if found:
                return Invariant(found).name
            if desk is self.desks[-1]:
                return self._closed_early(session._book)
        return None

    def _closed_early(self, book: Book) -> Any:
        """Every order that the broker works is live in the book, or its instrument is closed."""
        for order in self.broker.orders:
            if order.works and order.ticket.order_ref:
                place = find_order(book, order.ticket.key)
                if place < 0:
                    return f"{order.ticket.order_ref} works at the broker and is unknown to the book"
                row = book.orders[place]
                blocked = book.instruments[row[O_INSTRUMENT], I_GATES] & BLOCKED
                if not 1 <= row[O_STATUS] <= UNKNOWN and not blocked:
                    return f"{order.ticket.order_ref} works at the broker and is {OrderStatus(row[O_STATUS]).name} in the book"
        return None

    def _is_for_a_person(self, desk: Desk, key: int) -> bool:
        """Say whether an order stays in doubt rightly: lists were not answered when it could be proven absent, and its instrument is closed."""
        book = desk.trader.session.book
        order = book.orders[find_order(book, key)]
        blocked = book.instruments[order[O_INSTRUMENT], I_GATES] & BLOCKED
        return bool(any(life.holes for life in self.desks) and blocked and order[O_STATUS] == UNKNOWN)

    def ends_well(self) -> Any:
        """The last process that could finish agrees with the broker, to the last unit."""
        desk = next((desk for desk in reversed(self.desks) if not desk.opened.session._stopped), None)
        if desk is None or not self.ended:
            return "no process came to an end"
        missing = [number for number in range(self.signals) if number not in self.answers]
        if missing:
            return f"wishes {missing} were never answered"
        book = desk.trader.session.book
        if found := first_broken(book.arena):
            return Invariant(found).name
        orders = book.orders.tolist()
        for contract in (AAPL, MSFT):
            row = book.instruments[contract.number].tolist()
            traded = self.broker.traded(contract.symbol) * 10_000
            if row[I_POSITION] != traded:
                return f"{contract.symbol}: book {row[I_POSITION]}, broker {traded} lots"
            if self.broker.meddled_with(contract.symbol) and not row[I_GATES] & BLOCKED:
                return f"{contract.symbol}: a person's shares came or went, and entries are open"
            most = max([0, *(shares * 10_000 for number, shares, _ in self.wishes if number == contract.number)])
            # An entry is sized with the exits that work; what they did not sell in the end was bought on top of it.
            most += sum(o[O_QTY] - o[O_FILLED] for o in orders if o[O_INSTRUMENT] == contract.number and o[O_SIDE] < 0)
            if not 0 <= row[I_POSITION] + row[I_WORKING] <= most and not row[I_GATES] & BLOCKED:
                return f"{contract.symbol}: {row[I_POSITION]} lots and {row[I_WORKING]} working, wished for {most} at most"
        spent = sum(int(f.shares * f.price) * (1 if f.side == "BOT" else -1) for _, f in self.broker.executions.values())
        if book.arena[H_CASH] + spent * 10**8 + book.arena[H_FEES] != DEPOSIT_E8:
            return f"cash {book.arena[H_CASH]} is not the deposit less executions worth {spent} and fees {book.arena[H_FEES]}"
        left = [key for key in desk.trader.live_orders() if not self._is_for_a_person(desk, key)]
        if left:
            return f"orders {left} are open in the book and nowhere else"
        if desk.trader.live_orders():
            return None
        return f"{book.arena[H_RESERVED]} is reserved for nothing" if book.arena[H_RESERVED] else None


def scenario(world: World) -> None:
    """Fill a world with one account, its broker and its runner."""
    begin(world)


def begin(world: World) -> Burst:
    """Fill a world, and return what is demanded of it."""
    burst = Burst(world)
    world.crashed.append(lambda process, how: _die(burst, process))
    world.allow(*FAULTS)
    world.allow("crash", at_most=2)
    world.allow("twin")
    world.always("one broker order for a key", burst.one_order)
    world.always("the book's invariants", burst.book_holds)
    world.always("nothing forbidden is done", lambda: burst.found or None)
    world.at_end("book and broker agree", burst.ends_well)
    breaks = world.draw("line breaks", 4)
    if breaks == 3:
        world.post("line", "line breaks", burst.broker.cut_last, resource="broker")
    elif breaks == 2:  # while bars come late and lists are compared again
        later = Context()
        world.loop.call_later(DELAYS_S[-2], lambda: world.post("line", "line breaks", burst.broker.cut_last, resource="broker"), context=later)
    if world.draw("owner's lock vanishes", 8) == 7:
        world.post("lock", "lock vanishes", burst.lose_lock, resource="db")
    world.process("runner", lambda: Desk(burst).live())
    return burst


def _die(burst: Burst, process: Any) -> None:
    """Let the system clean up after a process that is gone."""
    for desk in burst.desks:
        if getattr(desk, "process", None) is process:
            desk.opened.die()
            for connection in burst.broker.connections:
                if connection.process is process:
                    connection.open = False


