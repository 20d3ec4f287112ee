"""Which function answers which request, and what the answers keep.

Theory of operation. `@answer("reqPositions")` registers a function under a table's name. It gets the
Answers, the session and the decoded values, and speaks through the session. What runs on
is a Subscription: it belongs to a session and a request id, and ends with either.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sim.gateway.core.config import SECOND_NS
from sim.gateway.core.schedule import Timer
from sim.gateway.desk.contracts import Contract

if TYPE_CHECKING:
    from sim.gateway.core.gateway import Gateway
    from sim.gateway.core.session import Session

Values = dict[str, Any]
Handler = Callable[["Answers", "Session", Values], None]
HANDLERS: dict[str, Handler] = {}
MARKET_DATA = ("ticks", "tickByTick", "bars", "history", "depth")
NO_CONTRACT = "No security definition has been found for the request"


def answer(*names: str) -> Callable[[Handler], Handler]:
    """Register a function for requests."""

    def register(function: Handler) -> Handler:
        for name in names:
            HANDLERS[name] = function
        return function

    return register


class Subscription:
    """Something that a session goes on being told, every `period_ns` on whole multiples of it."""

    def __init__(self, answers: Answers, session: Session, key: tuple[str, int], period_ns: int, call: Callable[[], None]) -> None:
        self.answers, self.session, self.key, self.period_ns, self.call = answers, session, key, period_ns, call
        self._timer: Timer | None = None
        self._next()

    def _next(self) -> None:
        schedule = self.answers.gateway.schedule
        due = (schedule.now_ns // self.period_ns + 1) * self.period_ns
        self._timer = schedule.at(due, self._run)

    def _run(self) -> None:
        self._next()
        if self.key[0] not in MARKET_DATA or self.answers.now_ns >= self.answers.muted_until_ns:
            self.call()

    def stop(self) -> None:
        """End it."""
        if self._timer is not None:
            self._timer.stop()


class Answers:
    """What all answers share: the gateway, and the subscriptions of every session."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.subscriptions: dict[Session, dict[tuple[str, int], Subscription]] = {}
        gateway.desk.trader.filler.told = self.executed
        self.muted_until_ns = 0
        """Until then no market data are sent."""

    @property
    def now_ns(self) -> int:
        """The moment of this turn."""
        return self.gateway.schedule.now_ns

    def subscribe(self, session: Session, kind: str, number: int, call: Callable[[], None], period_ns: int = SECOND_NS) -> bool:
        """Begin a subscription; False when the session has one of that kind and number already."""
        mine = self.subscriptions.setdefault(session, {})
        if (kind, number) in mine:
            return False
        mine[kind, number] = Subscription(self, session, (kind, number), period_ns, call)
        return True

    def unsubscribe(self, session: Session, kind: str, number: int) -> bool:
        """End a subscription; False when there is none."""
        found = self.subscriptions.get(session, {}).pop((kind, number), None)
        if found is None:
            return False
        found.stop()
        return True

    def has(self, session: Session, kind: str, number: int = 0) -> bool:
        """Say whether a session has a subscription."""
        return (kind, number) in self.subscriptions.get(session, {})

    def count(self, session: Session, kind: str) -> int:
        """Return how many subscriptions of a kind a session has."""
        return sum(1 for key in self.subscriptions.get(session, {}) if key[0] == kind)

    def forget(self, session: Session) -> None:
        """End everything that a session was told."""
        for subscription in self.subscriptions.pop(session, {}).values():
            subscription.stop()

    def executed(self, execution: Any) -> None:
        """Tell those who follow positions and account values of an execution."""
        from sim.gateway.answers import account

        account.executed(self, execution)

    def contract(self, session: Session, values: Values) -> Contract | None:
        """Return the one contract a request means; else say error 200 and return None."""
        found = self.gateway.catalogue.find(values)
        if len(found) == 1:
            return found[0]
        more = f"; {len(found)} contracts fit" if found else ""
        session.error(values["reqId"] if values["reqId"] is not None else -1, 200, NO_CONTRACT + more)
        return None
