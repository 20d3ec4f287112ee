"""Runners that are READY when a schedule begins, put back instead of started anew.

Theory of operation. To open the journal, take an account over, connect and agree with an empty broker takes as long as
the orders of a small burst, and goes the same way each time. So it is done once, by the real parts, for each of many accounts;
then a photograph is taken of the session and the trader, and of the database that all of them have written. A schedule
takes the next account: what its session and trader hold is put back, and who lives around them (the world's clock, the
connection, who listens) is handed in anew. When the accounts are used up, the database is put back as well.

A process that dies gives its lock back as the system would; that lock is taken again when its account comes round.
Schedules that begin cold, restarts and second processes open the journal as any process does.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from enum import Enum
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from ledger.journal import Journal, Session
from ledger.journal.store.locks import FileLock
from ledger.journal.store.mark import Mark
from live import link as links
from live.broker.reconcile import Snapshot
from live.orders import Wire
from live.pacer import Pacer
from live.trader import Trader
from sim.fuzz.loop import EPOCH_NS
from tests.live.fakes import AAPL, ACCOUNT, CLIENT, MSFT, FakeWire
from tests.scenarios.fuzz.stage.storage import STANDING, Storage, storage

OURS = ("ledger.", "live.")
"""Modules whose objects a photograph looks into; what others hold is left as it is."""
SHARED = (Enum, FileLock, Journal)
"""What is left as it is although it is ours."""


class Photograph:
    """What some objects hold, and every object of ours that can be reached from them, to be put back as often as wanted."""

    def __init__(self, *roots: object) -> None:
        self.seen: dict[int, Any] = {}
        self._dicts: list[tuple[dict[Any, Any], dict[Any, Any]]] = []
        self._lines: list[tuple[Any, Any]] = []
        self._heaps: list[tuple[Any, Any]] = []
        self._slots: list[tuple[Any, str, Any]] = []
        for root in roots:
            self._look(root)

    def _look(self, thing: Any) -> None:
        """Remember what a thing holds, and look at what is in it."""
        if id(thing) in self.seen:
            return
        self.seen[id(thing)] = thing
        if isinstance(thing, dict):
            self._dicts.append((thing, dict(thing)))
            inside = [*thing, *thing.values()]
        elif isinstance(thing, np.ndarray):
            self._lines.append((thing, thing.copy()))
            return
        elif isinstance(thing, list | set | deque):
            (self._lines if isinstance(thing, list) else self._heaps).append((thing, thing.copy()))
            inside = list(thing)
        elif isinstance(thing, tuple | frozenset):
            inside = list(thing)
        elif type(thing).__module__.startswith(OURS) and not isinstance(thing, SHARED):
            slots = [(thing, name, getattr(thing, name)) for kind in type(thing).__mro__ for name in getattr(kind, "__slots__", ())]
            self._slots += slots
            inside = [*(value for _, _, value in slots), vars(thing) if hasattr(thing, "__dict__") else None]
        else:
            return
        for held in inside:
            self._look(held)

    def put_back(self) -> None:
        """Let every object hold what it held."""
        for thing, name, value in self._slots:
            setattr(thing, name, value)
        for items, kept in self._dicts:
            items.clear()
            items.update(kept)
        for line, were in self._lines:
            line[:] = were
        for heap, some in self._heaps:
            heap.clear()
            heap.update(some) if isinstance(heap, set) else heap.extend(some)


def started(session: Session, tag: str, pacer: Pacer, say: Callable[[str], None], clock: Callable[[], int]) -> Trader:
    """Return the trader of a process that has just taken an account over."""
    trader = Trader(session, tag, CLIENT, ACCOUNT, (AAPL, MSFT), pacer, say, clock)
    trader.handles = {1: "AAPL", 2: "MSFT"}
    trader.on_start()
    return trader


def agreed(session: Session, tag: str) -> Trader:
    """Return the trader of such a process once it has connected, and agreed with a broker that has nothing."""
    trader = started(session, tag, Pacer(2, 1, EPOCH_NS), lambda line: None, lambda: EPOCH_NS)
    trader.on_connected(FakeWire())
    found = trader.look(Snapshot(EPOCH_NS, 1, (), (), (), (), ()))
    assert found.agrees and not found.differences
    return trader


class Stood(NamedTuple):
    """One account whose runner stands ready: its parts, how they were, and what its high-water mark says."""

    session: Session
    trader: Trader
    photograph: Photograph
    mark: Mark
    lock: FileLock


class Kept:
    """What `Opened` is to a process that opened the journal itself."""

    def __init__(self, standing: Standing, stood: Stood) -> None:
        self.journal, self.session, self.trader, self.link = standing.journal, stood.session, stood.trader, standing.link
        self._lock, self._tag = stood.lock, stood.trader.tag

    def tag(self) -> str:
        """Return what tells the session's book from others in the references of its orders."""
        return self._tag

    def join(self, wire: Wire, pacer: Pacer, say: Callable[[str], None], clock: Callable[[], int]) -> None:
        """Let the trader live among the things of its schedule."""
        trader = self.trader
        trader.wire, trader._outbox.pacer, trader._alert, trader.now_ns = wire, pacer, say, clock

    def rest(self) -> None:
        """End with the schedule: whoever lives keeps the lock for the next one of this account."""
        if self.journal.connection.in_transaction:
            self.journal.connection.execute("ROLLBACK")

    def die(self) -> None:
        """Do what the system does for a process that is gone: roll back, and free its lock."""
        self.rest()
        self._lock._close()


class Standing:
    """The runners of this process that stand ready."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage
        storage.refresh()
        opened = storage.take_over(1, lambda point: None, lambda: EPOCH_NS)
        storage.open.remove(opened)  # it lives as long as this process
        self.journal = opened.journal
        sessions = [opened.session, *(storage.resume(self.journal, number) for number in range(2, STANDING + 1))]
        self.link = links.reconciled(links.connected(links.connecting(links.Link(), EPOCH_NS).link, EPOCH_NS).link, EPOCH_NS).link
        self._stood = [self._stand(session) for session in sessions]
        storage.keep()

    def _stand(self, session: Session) -> Stood:
        """Bring one account's trader up, and photograph it."""
        trader = agreed(session, self.storage.tag(self.journal, session.id))
        assert session._lock is not None
        return Stood(session, trader, Photograph(session, trader), Mark(session.id, session.book.seq, session._head), session._lock)

    def next_session(self, stands: bool) -> int:
        """Free what the last schedule left, and return the number of an account: of one that stands ready, or of a fresh one.

        Asked here and not of the storage, so that the runners are made before the first account is given out.
        """
        return self.storage.next_session(stands)

    def take(self, number: int, at: Callable[[str], None], clock: Callable[[], int]) -> Kept:
        """Put the runner of an account back as it stood, in a process of its own."""
        stood = self._stood[number - 1]
        stood.photograph.put_back()
        if stood.lock._descriptor < 0 or not stood.lock._names_our_file():
            stood.lock._close()
            if not stood.lock.acquire(wait=False):
                raise RuntimeError(f"the lock of {stood.session.scope} is still held by a process of an earlier schedule")
        self.journal.at, self.journal.clock = at, clock
        self.journal.mark.write(stood.mark)
        kept = Kept(self, stood)
        self.storage.open.append(kept)
        return kept


@cache
def standing() -> Standing:
    """Return this process's standing runners."""
    return Standing(storage())
