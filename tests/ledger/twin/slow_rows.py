"""What the slow twin keeps: events as dicts, instruments, orders and entries as plain records."""

from __future__ import annotations

from dataclasses import dataclass, field

from ledger.vocabulary import EntryFlag, EventKind, OrderStatus, Purpose
from tests.ledger.twin.slow_lots import half_even

AMOUNT_MAX, VALUE_MAX, QTY_MAX = 2**62 - 1, 2**60, 2**60
LIVE = (
    OrderStatus.CLAIMED, OrderStatus.SENDING, OrderStatus.SUBMITTED, OrderStatus.PARTIALLY_FILLED, OrderStatus.UNKNOWN,
)  # fmt: skip
PROTECTIVE = (Purpose.STOP_LOSS, Purpose.TAKE_PROFIT, Purpose.TRAIL)
WISHES = 1 | 2 | 4
"""PYRAMID, GTC and OUTSIDE_RTH: what a signal may ask for."""


class Columns:
    """An event by column names; a column it does not name is 0."""

    def __init__(self, columns: dict[str, int]) -> None:
        self._columns = columns

    def __getattr__(self, name: str) -> int:
        return self._columns.get(name, 0)


def purpose_of(key: int) -> int:
    """Return the purpose inside an order key: 4 bits above the 33 of the bar and the 4 of the leg."""
    return key // 2**37 % 16


def instrument_of(key: int) -> int:
    """Return the instrument inside an order key: 13 bits above the purpose."""
    return key // 2**41 % 2**13


@dataclass
class Instrument:
    """Its definition, settings, mark and counters."""

    price_exp: int
    qty_exp: int
    multiplier: int
    step: int
    tick: int
    flags: int
    limits: dict[int, int] = field(default_factory=dict)
    mark: int = 0
    mark_time: int = 0
    gates: int = 0
    day_orders: int = 0
    repeats: int = 0
    repeat_side: int = 0
    version: int = 0

    def worth(self, price: int, qty: int) -> int:
        """Return price x quantity in e8, rounded half-even once."""
        return half_even(price * qty * self.multiplier * 10**8, 10 ** (self.price_exp + self.qty_exp))


@dataclass
class Order:
    """An order and what happened to it; `wish` holds the columns it was claimed with."""

    key: int
    instrument: int
    side: int
    qty: int
    reserve: int
    wish: dict[str, int]
    flags: int
    time: int
    seq: int
    status: int = OrderStatus.CLAIMED
    filled: int = 0
    filled_value: int = 0
    changed: int = 0

    @property
    def live(self) -> bool:
        return self.status in LIVE

    @property
    def leaves(self) -> int:
        return max(0, self.qty - self.filled)

    @property
    def protective(self) -> bool:
        return purpose_of(self.key) in PROTECTIVE

    @property
    def group(self) -> int:
        """One cancels all: the parent's key, or its own."""
        return self.wish.get("parent", 0) or self.key

    @property
    def held(self) -> int:
        """Cash it reserves now."""
        return half_even(self.reserve * self.leaves, self.qty) if self.live else 0


@dataclass
class Entry:
    """An execution or another fact that moves money or lots."""

    id: int
    revision: int
    kind: int
    instrument: int
    side: int
    qty: int
    price: int
    value: int
    time: int
    seq: int
    ref: int
    order: int = -1
    fee: int = 0
    flags: int = 0

    @property
    def cash(self) -> int:
        """What it did to cash, its fee apart."""
        if self.flags & EntryFlag.SUPERSEDED or self.kind in (EventKind.SPLIT, EventKind.ADJUST_POSITION):
            return 0
        if self.kind == EventKind.FILL:
            return -self.side * self.value
        return -self.value if self.kind in (EventKind.WITHDRAWAL, EventKind.BORROW_FEE) else self.value
