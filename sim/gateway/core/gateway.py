"""The gateway: sessions, the desk, the feed and the faults, put together without any I/O.

Theory of operation. A transport calls `connect` for each connection, hands bytes to the session,
calls `advance` when time has passed, and after each such turn calls `settle` and takes
what the sessions want to send. `next_ns` says when something is due. There is no clock, no
socket, no thread and no random number here: the same Config, the same bytes at the same
times give the same bytes back. State goes to the store before its answer leaves.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sim.gateway.answers import HANDLERS, Answers
from sim.gateway.core.config import Config
from sim.gateway.core.schedule import Schedule
from sim.gateway.core.session import Phase, Session
from sim.gateway.core.store import NoStore, Store
from sim.gateway.desk.contracts import Catalogue, Contract
from sim.gateway.desk.desk import Desk
from sim.gateway.desk.hours import local
from sim.gateway.faults.faults import Faults
from sim.gateway.feed.market import Market
from sim.gateway.feed.series import Real

Listener = Callable[[int, int, str, list[str]], None]
FARMS = ("2104", "usfarm"), ("2106", "ushmds"), ("2158", "secdefnj")
FARM_TEXT = {"2104": "Market data farm connection is OK:", "2106": "HMDS data farm connection is OK:",
             "2158": "Sec-def data farm connection is OK:"}  # fmt: skip


class Gateway:
    """A simulated IB Gateway."""

    def __init__(
        self, config: Config | None = None, faults: Faults | None = None, store: Store | None = None,
        extra: tuple[Contract, ...] = (), real: dict[int, Real] | None = None,
    ) -> None:  # fmt: skip
        self.config = config or Config()
        self.schedule = Schedule(self.config.start_ns)
        self.catalogue = Catalogue(local(self.config.start_ns, "US/Eastern").date(), extra)
        self.market = Market(self.config, self.catalogue, real)
        self.desk = Desk(self.config, self.catalogue, self.market, self.schedule, self.tell)
        self.faults = faults or Faults()
        self.store: Store = store or NoStore()
        self.sessions: dict[int, Session] = {}
        self.connections: set[Session] = set()
        self.next_ids: dict[int, int] = {}
        self.listeners: list[Listener] = []
        self.shut_until_ns = 0
        """Until then nobody can connect: the gateway restarts."""
        self._number = 0
        self.answers = Answers(self)
        self.store.load(self)
        self.faults.attach(self)

    # The transport's side

    def connect(self) -> Session:
        """Return the session of a new connection."""
        self._number += 1
        session = Session(self, self._number)
        self.connections.add(session)
        self.faults.connected(session)
        return session

    def shut(self) -> bool:
        """Say whether connections are refused now."""
        return self.schedule.now_ns < self.shut_until_ns or self.faults.shut()

    def advance(self, now_ns: int) -> None:
        """Let everything happen that is due up to a time."""
        self.schedule.advance(now_ns)

    def next_ns(self) -> int | None:
        """Return when something is due next."""
        return self.schedule.next_ns()

    def settle(self) -> None:
        """End a turn: keep what changed, then let messages go."""
        self.store.save(self)
        for session in list(self.connections):
            session.settle()

    # The session's side

    def admit(self, session: Session, client_id: int) -> None:
        """Let a client in, unless its id is in use."""
        if client_id in self.sessions or len(self.sessions) >= self.config.clients_max or self.faults.refuses(session, client_id):
            session.phase = Phase.READY
            session.error(-1, 326, "Unable to connect as the client id is already in use. Retry with a unique client id.")
            session.settle()
            session.close()
            return
        if session.mute:
            return
        session.client_id, session.phase = client_id, Phase.READY
        self.sessions[client_id] = session
        session.send("managedAccounts", {"accounts": self.config.account})
        session.send("nextValidId", {"orderId": self.next_id(client_id)})
        for code, farm in FARMS:
            session.error(-1, int(code), FARM_TEXT[code] + farm)

    def leave(self, session: Session) -> None:
        """Forget a connection that is gone."""
        self.connections.discard(session)
        if self.sessions.get(session.client_id) is session:
            del self.sessions[session.client_id]
        self.answers.forget(session)

    def next_id(self, client_id: int) -> int:
        """Return the lowest order id that a client may use."""
        return max(self.next_ids.get(client_id, 0), self.config.first_order_id)

    def handle(self, session: Session, name: str, values: dict[str, Any]) -> None:
        """Answer a request."""
        if self.faults.swallows(session, name, values):
            return
        handler = HANDLERS.get(name)
        if handler is not None:
            handler(self.answers, session, values)

    def tell(self, client_id: int, name: str, values: dict[str, Any]) -> None:
        """Send a message to a client, if it is connected."""
        session = self.sessions.get(client_id)
        if session is not None:
            session.send(name, values)

    def heard(self, session: Session, fields: list[str]) -> None:
        """Note what a client said."""
        for listener in self.listeners:
            listener(self.schedule.now_ns, session.number, ">", fields)

    def said(self, session: Session, fields: list[str]) -> None:
        """Note what is said to a client."""
        for listener in self.listeners:
            listener(self.schedule.now_ns, session.number, "<", fields)
