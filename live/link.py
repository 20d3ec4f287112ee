"""The connection as a state machine: when orders may leave, and what must happen before they may again.

Theory of operation.

    DOWN -> CONNECTING -> SYNCING -> READY <-> DEGRADED
      ^          |           |         |          |
      +----------+-----------+---------+----------+      HALTED: only a person leaves it

Orders leave in READY and nowhere else. Everything that breaks the link leads to DOWN or
DEGRADED, everything that mends it to SYNCING, and SYNCING ends in READY only when the
reconciler says that broker and book agree. The machine is a pure function of its
state and the news; what has to be done (connect, reconcile, subscribe) comes back as
Todo words, and time is told to it. Two missed heartbeats are a lost connection.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from live.broker.codes import LinkNews


class State(Enum):
    """Where the connection stands."""

    DOWN = "DOWN"
    CONNECTING = "CONNECTING"
    SYNCING = "SYNCING"
    READY = "READY"
    DEGRADED = "DEGRADED"
    HALTED = "HALTED"


class Todo(Enum):
    """What the runner must do after a change."""

    CONNECT = "connect"
    DISCONNECT = "disconnect"
    RECONCILE = "reconcile"
    SUBSCRIBE = "subscribe"
    CLOSE_GATE = "close gate"  # the book refuses entries from here on
    HALT = "halt"


class Link(NamedTuple):
    """The state, why it is that, since when, and how often connecting failed in a row."""

    state: State = State.DOWN
    reason: str = "not connected yet"
    since_ns: int = 0
    failures: int = 0
    missed: int = 0
    data_stale: bool = False


class Change(NamedTuple):
    """The link after some news, and what to do about it, in this order."""

    link: Link
    todo: tuple[Todo, ...] = ()


def _to(link: Link, state: State, reason: str, now_ns: int) -> Link:
    return Link(state, reason, now_ns, link.failures, link.missed, link.data_stale)


def connecting(link: Link, now_ns: int) -> Change:
    """Begin an attempt."""
    if link.state is not State.DOWN:
        return Change(link)
    return Change(_to(link, State.CONNECTING, "waiting for the gateway's first answers", now_ns))


def connected(link: Link, now_ns: int) -> Change:
    """Every start-up request was answered."""
    if link.state is not State.CONNECTING:
        return Change(link)
    synced = Link(State.SYNCING, "comparing the broker with the book", now_ns)  # no failures, nothing missed, data fresh
    return Change(synced, (Todo.RECONCILE, Todo.SUBSCRIBE))


def failed(link: Link, now_ns: int, reason: str) -> Change:
    """An attempt to connect came to nothing."""
    if link.state is State.HALTED:
        return Change(link)
    down = _to(link, State.DOWN, reason, now_ns)._replace(failures=link.failures + 1)
    return Change(down, (Todo.CLOSE_GATE, Todo.CONNECT))


def closed(link: Link, now_ns: int, reason: str = "the connection was closed") -> Change:
    """The socket is gone."""
    if link.state in (State.HALTED, State.DOWN):
        return Change(link)
    return Change(_to(link, State.DOWN, reason, now_ns), (Todo.CLOSE_GATE, Todo.CONNECT))


def reconciled(link: Link, now_ns: int) -> Change:
    """The broker and the book agree."""
    if link.state is not State.SYNCING:
        return Change(link)
    return Change(_to(link, State.READY, "connected and reconciled", now_ns))


def beat(link: Link, now_ns: int, answered: bool) -> Change:
    """A heartbeat was answered, or was not in time."""
    if answered or link.state not in (State.READY, State.SYNCING, State.DEGRADED):
        return Change(link._replace(missed=0))
    if link.missed + 1 < MISSED_MAX:
        return Change(link._replace(missed=link.missed + 1))
    down = _to(link, State.DOWN, f"{MISSED_MAX} heartbeats in a row were not answered", now_ns)._replace(missed=0)
    return Change(down, (Todo.CLOSE_GATE, Todo.DISCONNECT, Todo.CONNECT))


MISSED_MAX = 2


def halted(link: Link, now_ns: int, reason: str) -> Change:
    """Stop for good; a person goes on."""
    return Change(_to(link, State.HALTED, reason, now_ns), (Todo.CLOSE_GATE, Todo.HALT))


def resumed(link: Link, now_ns: int) -> Change:
    """A person lets the runner go on: connect and compare as after a start, or compare on the connection there is."""
    if link.state is State.READY:
        return Change(_to(link, State.SYNCING, "resumed by a person: comparing", now_ns), (Todo.CLOSE_GATE, Todo.RECONCILE))
    if link.state is not State.HALTED:
        return Change(link)
    return Change(_to(link, State.DOWN, "resumed by a person", now_ns), (Todo.CONNECT,))


def news(link: Link, now_ns: int, said: LinkNews) -> Change:
    """Return what a system message changes. While DOWN, CONNECTING or HALTED only the end of the data matters."""
    if said is LinkNews.RATE_EXCEEDED:
        return halted(link, now_ns, "the gateway counted more than 50 messages in a second: the pacer has a fault")
    if said in (LinkNews.DATA_STALE, LinkNews.OTHER_LOGIN):
        return Change(link._replace(data_stale=True))
    if said is LinkNews.DATA_FRESH:
        return Change(link._replace(data_stale=False))
    if link.state not in (State.SYNCING, State.READY, State.DEGRADED):
        return Change(link)
    return _about_connection(link, now_ns, said)


def _about_connection(link: Link, now_ns: int, said: LinkNews) -> Change:
    if said is LinkNews.LOST:
        if link.state is State.DEGRADED:
            return Change(link)  # it repeats itself for hours; nothing new to do
        lost = _to(link, State.DEGRADED, "the gateway lost its connection to IBKR", now_ns)
        return Change(lost, (Todo.CLOSE_GATE,))
    if said in (LinkNews.RESTORED, LinkNews.RESTORED_DATA_LOST):
        # Gateways that say "data maintained" have been seen to send none, so data is asked for anew either way.
        again = (Todo.SUBSCRIBE, Todo.RECONCILE)
        mended = _to(link, State.SYNCING, "the gateway is connected to IBKR again: comparing", now_ns)
        return Change(mended, (Todo.CLOSE_GATE, *again))
    if said is LinkNews.PORT_MOVED:
        return closed(link, now_ns, "the gateway moved to another port")
    return Change(link)


def may_send(link: Link) -> bool:
    """Say whether an order may leave."""
    return link.state is State.READY


def may_cancel(link: Link) -> bool:
    """Say whether a cancel may leave."""
    return link.state in (State.READY, State.SYNCING)


def back_off_s(failures: int, jitter: float, most_s: float = 60.0) -> float:
    """Return the seconds to wait before the next attempt: 1, 2, 4 ... `most_s`, and up to a quarter more.

    Args:
        jitter: 0..1, from the injected source of chance.
    """
    return min(most_s, 2.0 ** min(max(0, failures - 1), 10)) * (1.0 + 0.25 * jitter)
