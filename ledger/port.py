"""The narrow place where order managers and brokers meet: reports in, effects out.

Theory of operation. A broker, real or simulated, says what happened by Reports and
is told what to do by Effects. Both are plain values: no socket, no clock, no
library type. Amounts are the book's integers, names are text. `ledger.oms` turns
reports into events and decisions into effects; live and the simulators only carry
them. An order is named by its key on both sides, and the key's text travels to the
broker as its order reference.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from enum import Enum
from typing import NamedTuple, Protocol


class Fate(Enum):
    """How an order ended, as the broker says it."""

    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"
    REJECTED = "REJECTED"


class Acknowledged(NamedTuple):
    """The broker has the order."""

    time_ns: int
    key: int
    evidence: str


class Executed(NamedTuple):
    """An execution, a correction of one (higher revision), or a bust (quantity 0)."""

    time_ns: int
    account: str
    exec_id: str
    instrument: int
    side: int
    qty_lots: int
    price_ticks: int
    key: int = 0
    """0 when the execution carries no reference of ours."""


class Charged(NamedTuple):
    """The commission of an execution; may come before it, after it, or twice."""

    time_ns: int
    account: str
    exec_id: str
    fee_e8: int


class Ended(NamedTuple):
    """The order is closed at the broker."""

    time_ns: int
    key: int
    fate: Fate
    evidence: str


class Absent(NamedTuple):
    """Every list that could hold the order was answered in full, and it is in none of them."""

    time_ns: int
    key: int
    evidence: str


Report = Acknowledged | Executed | Charged | Ended | Absent


class Submit(NamedTuple):
    """Send this order, once. It is durable in the journal as SENDING already."""

    key: int
    instrument: int
    side: int
    qty_lots: int
    order_type: int
    price_ticks: int
    stop_ticks: int
    take_ticks: int
    trail_ticks: int
    parent: int
    flags: int


class Cancel(NamedTuple):
    """Ask the broker to cancel this order; it stays what it is until the broker says so."""

    key: int


class Query(NamedTuple):
    """Find out what became of these orders; nothing may be sent for them before."""

    keys: tuple[int, ...]


class Alert(NamedTuple):
    """Something a person should see; `line` is what goes into the log."""

    line: str


Effect = Submit | Cancel | Query | Alert


class Broker(Protocol):
    """What live and the simulators implement."""

    async def carry(self, effect: Submit | Cancel | Query) -> None:
        """Hand one effect to the broker; raise only when the environment is broken."""

    def reports(self) -> AsyncIterator[Report]:
        """Yield reports in the order in which the broker gave them."""
