"""Events as they come and as they must not come: one generator for Hypothesis and for fixed seeds.

A `Stream` looks at the slow twin (which orders live, what was executed) so that
most events matter, and spoils some of them on purpose: reused and conflicting
keys, repeated and corrected executions, late, foreign and overfills, illegal
steps, unknown names, amounts at the edges. Every choice goes through `Choices`,
so Hypothesis can shrink a stream and a seed can repeat one.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

from hypothesis import strategies as st

from ledger.keys import make
from ledger.vocabulary import EntryFlag, EventKind, Gate, Limit, Purpose
from tests.ledger.twin.slow_rows import AMOUNT_MAX, VALUE_MAX, Entry, Order
from tests.oracle import Oracle

T = TypeVar("T")
Event = dict[str, int]
K = EventKind

SECOND = 10**9
GRIDS = {
    1: dict(revision=4, order_type=4, price_ticks=100, qty_lots=10_000, target_lots=1),  # a share in cents
    2: dict(revision=6, order_type=4, price_ticks=1, qty_lots=5_000, target_lots=1),  # a share at adjusted prices
    3: dict(revision=8, order_type=8, price_ticks=1, qty_lots=1, target_lots=1, flags=1),  # a coin, no short selling
    4: dict(revision=2, order_type=0, price_ticks=25, qty_lots=1, target_lots=50),  # a future, 50 a point
    5: dict(revision=0, order_type=0, price_ticks=1, qty_lots=3, target_lots=1, flags=0),  # whole units, odd step
}
PRICES = {1: 1_000_000, 2: 123_456_789, 3: 4_321_000_000_000, 4: 450_000, 5: 97}
EDGES = [0, 1, 2, 3, 2**31, 2**32 + 1, 10**9, 2**40, 2**52 - 1, VALUE_MAX - 1, VALUE_MAX, VALUE_MAX + 1, AMOUNT_MAX]


class Choices(Protocol):
    """Where a stream takes its choices from."""

    def integer(self, low: int, high: int) -> int:
        """Return low..high."""

    def pick(self, items: Sequence[T]) -> T:
        """Return one of the items."""


class Seeded:
    """Choices of a seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def integer(self, low: int, high: int) -> int:
        return self._random.randint(low, high)

    def pick(self, items: Sequence[T]) -> T:
        return items[self._random.randrange(len(items))]


class Drawn:
    """Choices of Hypothesis."""

    def __init__(self, data: Any) -> None:
        self._data = data

    def integer(self, low: int, high: int) -> int:
        return int(self._data.draw(st.integers(low, high)))

    def pick(self, items: Sequence[T]) -> T:
        return self._data.draw(st.sampled_from(items))


class Stream:
    """An endless stream of events for the book that the twin describes.

    Args:
        edges: draw amounts at the bounds too; such books soon answer OVERFLOW.
    """

    def __init__(self, choices: Choices, twin: Oracle, edges: bool = False) -> None:
        self.choices, self.twin, self.edges = choices, twin, edges
        self.clock, self.bars, self.exec_id = 1_700_000_000 * SECOND, 0, 0
        self.claims: list[Event] = []
        self._makers: list[Callable[[], Event]] = [
            maker for weight, maker in (
                (14, self.signal), (2, self.claim), (8, self.step), (8, self.fill), (3, self.foreign), (2, self.again),
                (2, self.correction), (2, self.commission), (3, self.cash), (1, self.adjust), (1, self.split),
                (4, self.mark), (2, self.limit), (3, self.gate), (5, self.lowered), (1, self.day), (1, self.nonsense),
            ) for _ in range(weight)
        ]  # fmt: skip

    def opening(self) -> list[Event]:
        """Return the first events of a book: instruments, money, prices and some limits."""
        events: list[Event] = [{"kind": K.INSTRUMENT, "instrument": n, **grid} for n, grid in GRIDS.items()]
        events.append({"kind": K.DEPOSIT, "cash_e8": self.choices.pick([10**12, 10**14, 10**16]), "exec_id": self._new_id()})
        events += [{"kind": K.MARK, "instrument": n, "price_ticks": PRICES[n], "time_ns": self.clock} for n in (1, 2, 3, 4)]
        events.append({"kind": K.LIMIT, "reason": Limit.ALLOW_SHORT, "cash_e8": self.choices.integer(0, 1)})
        margin = self.choices.pick([0, 5_000, 10_000, 12_345])
        events.append({"kind": K.LIMIT, "reason": Limit.SHORT_MARGIN_BPS, "cash_e8": margin})
        if self.choices.integer(0, 3):
            events.append({"kind": K.DAY, "revision": 1})
        return events + [self.limit() for _ in range(self.choices.integer(0, 4))]

    def next(self) -> Event:
        """Return the next event; its time moves on a little."""
        self.clock += self.choices.pick([0, 1, SECOND, SECOND, 20 * SECOND])
        return self.choices.pick(self._makers)()

    # Parts of events.

    def _rarely(self) -> bool:
        return self.choices.integer(0, 9) == 0

    def _new_id(self) -> int:
        self.exec_id += 1
        return self.exec_id

    def _instrument(self) -> int:
        return self.choices.pick([0, 9, -1]) if self.choices.integer(0, 29) == 0 else self.choices.pick(list(GRIDS))

    def _time(self) -> int:
        """Return now, or an earlier time: facts come late and out of order."""
        return self.clock - self.choices.pick([0, 0, 0, 0, SECOND, 30 * SECOND, 10**6 * SECOND])

    def _price(self, number: int) -> int:
        if self.edges and self._rarely():
            return self.choices.pick(EDGES)
        tick = GRIDS.get(number, GRIDS[1])["price_ticks"]
        return PRICES.get(number, 100) // tick * tick + tick * self.choices.pick([0, 0, 1, -1, 3, -7, 11, -96])

    def _qty(self, number: int) -> int:
        if self.edges and self._rarely():
            return self.choices.pick(EDGES[1:])
        step = GRIDS.get(number, GRIDS[1])["qty_lots"]
        return step * self.choices.pick([1, 1, 2, 3, 7, 10, 100]) + (1 if self._rarely() else 0)

    def _order(self) -> Order | None:
        """Return a live order most of the time, any order sometimes."""
        orders = list(self.twin.orders.values())
        alive = [o for o in orders if o.live]
        chosen = orders if self._rarely() else (alive or orders)
        return self.choices.pick(chosen) if chosen else None

    def _execution(self, live: bool = True) -> Entry | None:
        """Return an effective execution."""
        found = [e for e in self.twin.entries if e.kind == K.FILL and not e.flags & EntryFlag.SUPERSEDED]
        return self.choices.pick(found[-6:]) if found else None

    # Events.

    def signal(self) -> Event:
        """A wish: mostly new, sometimes for a key that was used."""
        number = self._instrument()
        if self.claims and self._rarely():
            old = self.choices.pick(self.claims)
            wish = {k: v for k, v in old.items() if k not in ("side", "qty_lots", "cash_e8", "reason")} | {"kind": K.SIGNAL}
            return wish | ({"target_lots": wish.get("target_lots", 0) + 1} if self.choices.integer(0, 1) else {})
        purpose = self.choices.pick([1, 1, 1, 2, 3, 4, 5, 6, 7])
        self.bars += 1
        wish = {
            "kind": K.SIGNAL, "time_ns": self.clock, "instrument": number, "price_ticks": self._price(number),
            "key": make(1, number if number in GRIDS else 1, Purpose(purpose), self.bars),
            "order_type": self.choices.pick([0, 0, 1, 1, 2, 3]), "fee_e8": self.choices.pick([0, 0, 10**8, 35_000_001]),
            "flags": self.choices.pick([0, 0, 0, 1, 1, 3, 6]),
        }  # fmt: skip
        wish["target_lots"] = self._target(number, purpose)
        parents = [o.key for o in self.twin.orders.values() if o.instrument == number or self._rarely()]
        if 4 <= purpose <= 6 and parents and self.choices.integer(0, 1):
            wish["parent"] = self.choices.pick(parents)
        return self._spoiled(wish) if self._rarely() else wish

    def _target(self, number: int, purpose: int) -> int:
        if number not in self.twin.instruments:
            return 1
        position = self.twin.position(number)
        kind = self.choices.integer(0, 6)
        if kind == 0 or 4 <= purpose <= 6:
            return 0 if self.choices.integer(0, 3) else position // 2
        if kind == 1:
            return position
        return self.choices.pick([1, 1, -1]) * self._qty(number) + (position if kind > 3 else 0)

    def _spoiled(self, wish: Event) -> Event:
        """Break one column of a wish."""
        name, value = self.choices.pick([
            ("flags", 256), ("order_type", 9), ("order_type", -1), ("price_ticks", 0), ("fee_e8", -1), ("fee_e8", VALUE_MAX + 1),
            ("stop_ticks", -1), ("parent", -1), ("key", 0), ("key", -5), ("target_lots", AMOUNT_MAX + 1), ("price_ticks", 2**52),
            ("price_ticks", VALUE_MAX), ("target_lots", 2**52), ("target_lots", -AMOUNT_MAX), ("target_lots", -(2**63)), ("instrument", 2),
        ])  # fmt: skip
        return wish | {name: value}

    def claim(self) -> Event:
        """A claim as a process would record it: decided now, decided long ago, or altered."""
        if self.claims and self.choices.integer(0, 1):
            return self.choices.pick(self.claims)
        wish = self.signal() | {"kind": K.CLAIM}
        answer, size = self.twin.decide(wish)
        event = wish | {"side": size.side, "qty_lots": size.qty, "cash_e8": size.reserve}
        if not answer:
            self.claims.append(event)
        if self.choices.integer(0, 2) == 0:
            event = event | {self.choices.pick(["qty_lots", "cash_e8"]): self.choices.integer(1, 5)}
        return event

    def step(self) -> Event:
        """A broker's word on an order, or ours: legal, illegal or of an unknown key; with or without evidence."""
        order = self._order()
        kind = self.choices.pick([K.SENDING, K.SUBMITTED, K.SUBMITTED, K.UNKNOWN, K.CANCEL, K.CANCELED, K.EXPIRED, K.REJECTED, K.RELEASED])
        key = order.key if order and not self._rarely() else self.choices.pick([0, 77, -3])
        return {"kind": kind, "key": key, "ref": self.choices.integer(0, 1), "time_ns": self.clock}

    def fill(self) -> Event:
        """An execution of an order of ours: a part, all of it, or too much."""
        order = self._order()
        if order is None:
            return self.foreign()
        room = order.leaves or order.qty
        qty = self.choices.pick([room, room, max(1, room // 2), max(1, room // 3), room + 1, 2 * room])
        side = order.side if self.choices.integer(0, 29) else -order.side
        return {
            "kind": K.FILL, "key": order.key, "instrument": order.instrument, "side": side, "qty_lots": min(qty, AMOUNT_MAX),
            "price_ticks": self._price(order.instrument), "exec_id": self._new_id(), "time_ns": self._time(),
        }  # fmt: skip

    def foreign(self) -> Event:
        """An execution nobody here ordered, often on the other side of the position; sometimes no execution at all."""
        number = self._instrument()
        held = self.twin.position(number) if number in self.twin.instruments else 0
        side = self.choices.pick([1, -1, -1 if held > 0 else 1])
        qty = self.choices.pick([self._qty(number), self._qty(number), abs(held) or 1])
        event = {
            "kind": K.FILL, "instrument": number, "side": side, "qty_lots": qty, "price_ticks": self._price(number),
            "exec_id": self._new_id(), "time_ns": self._time(), "key": self.choices.pick([0, 0, 77]),
        }  # fmt: skip
        wrong = [("side", 0), ("qty_lots", 0), ("qty_lots", -1), ("qty_lots", 2**63 - 1), ("price_ticks", -1), ("exec_id", 0), ("revision", -1), ("side", 2)]
        return event | dict([self.choices.pick(wrong)]) if self._rarely() else event

    def again(self) -> Event:
        """An execution that was reported before: the same, or the same id saying something else."""
        old = self._execution()
        if old is None:
            return self.mark()
        event = {
            "kind": K.FILL, "instrument": old.instrument, "side": old.side, "qty_lots": old.qty, "price_ticks": old.price,
            "exec_id": old.id, "revision": old.revision, "time_ns": old.time,
        }  # fmt: skip
        other = [("side", -old.side), ("price_ticks", old.price + 1), ("instrument", 1 + old.instrument % 5), ("revision", old.revision - 1)]
        name, value = self.choices.pick(other)
        return event | {name: value} if self.choices.integer(0, 1) else event

    def correction(self) -> Event:
        """A higher revision: other price, quantity, time or side, or a bust."""
        old = self._execution()
        if old is None:
            return self.foreign()
        event = {
            "kind": K.FILL, "instrument": old.instrument, "side": old.side, "qty_lots": old.qty, "price_ticks": old.price,
            "exec_id": old.id, "revision": old.revision + self.choices.integer(1, 2), "time_ns": old.time,
        }  # fmt: skip
        changed = [("qty_lots", old.qty + 1), ("qty_lots", self._qty(old.instrument)), ("price_ticks", old.price + 5)]
        changed += [("time_ns", self._time()), ("qty_lots", 0), ("side", -old.side)]
        return event | dict([self.choices.pick(changed)])

    def commission(self) -> Event:
        """A fee, early, late, repeated, changed, a rebate, or of nobody's execution."""
        old = self._execution()
        exec_id = old.id if old and not self._rarely() else self.choices.pick([0, 10**6, 1])
        fees = [10**8, 10**8, 35_000_000, -20_000_000, 1, 0] + ([VALUE_MAX, VALUE_MAX + 1, -VALUE_MAX, -(2**63)] if self.edges else [])
        return {"kind": K.COMMISSION, "exec_id": exec_id, "fee_e8": self.choices.pick(fees), "time_ns": self.clock}

    def cash(self) -> Event:
        """Money that came or went without a trade."""
        kind = self.choices.pick([K.DEPOSIT, K.WITHDRAWAL, K.DIVIDEND, K.INTEREST, K.BORROW_FEE, K.ADJUST_CASH])
        amounts = [10**10, 10**12, 10**13, 1, -1, -(10**9), 0] + ([VALUE_MAX, VALUE_MAX, VALUE_MAX + 1, -VALUE_MAX] if self.edges else [])
        return {
            "kind": kind, "cash_e8": self.choices.pick(amounts), "instrument": self.choices.pick([0, 0, 1, 3, 9]),
            "exec_id": self._id(), "ref": self.choices.integer(0, 3), "time_ns": self.clock,
        }  # fmt: skip

    def _id(self) -> int:
        """Return a new reference, none, or one that is taken."""
        return self.choices.pick([self._new_id(), self._new_id(), 0, max(1, self.exec_id - 3)])

    def adjust(self) -> Event:
        """Shares that came or went by an operator's hand."""
        number = self._instrument()
        return {
            "kind": K.ADJUST_POSITION, "instrument": number, "side": self.choices.pick([1, 1, -1, -1, 0]), "qty_lots": self._qty(number),
            "price_ticks": self._price(number), "exec_id": self._id(), "ref": self.choices.integer(0, 3),
            "revision": self.choices.pick([0, 0, 0, 1]), "time_ns": self._time(),
        }  # fmt: skip

    def split(self) -> Event:
        """A split, a reverse split that makes lots vanish, or none at all; sometimes the same again."""
        old = [e for e in self.twin.entries if e.kind == K.SPLIT and e.id > 0]
        if old and self.choices.integer(0, 3) == 0:
            e = self.choices.pick(old)
            new = self.choices.pick([e.qty, e.qty, e.qty + 1])
            event = {"kind": K.SPLIT, "instrument": e.instrument, "qty_lots": new, "price_ticks": e.price, "exec_id": e.id, "side": e.side}
            return event | {"revision": e.revision + self.choices.pick([0, 0, 1, -1]), "time_ns": e.time}
        new, before = self.choices.pick([(2, 1), (4, 1), (3, 2), (1, 10), (1, 50_000), (7, 3), (1, 10**6), (0, 1), (1, 0)])
        time, number = self._time(), self._instrument()
        event = {"kind": K.SPLIT, "instrument": number, "qty_lots": new, "price_ticks": before, "time_ns": time}
        return event | {"exec_id": self._id()}

    def mark(self) -> Event:
        """A price, sometimes old, sometimes none."""
        number = self._instrument()
        price = 0 if self.choices.integer(0, 19) == 0 else self._price(number)
        return {"kind": K.MARK, "instrument": number, "price_ticks": price, "time_ns": self.clock - self.choices.pick([0, 0, 0, 1, SECOND])}

    def limit(self) -> Event:
        """A limit low enough to be met soon, or none; of the account or an instrument."""
        which = self.choices.pick(list(Limit))
        values = {
            Limit.MAX_POSITION: [20_000, 10**6], Limit.MAX_NOTIONAL: [10**10, 10**13], Limit.PRICE_COLLAR_BPS: [0, 10, 500],
            Limit.STALE_QUOTE_NS: [0, SECOND, 60 * SECOND], Limit.MAX_REPEAT: [0, 1, 2], Limit.ALLOW_SHORT: [0, 1, 1],
            Limit.SHORT_MARGIN_BPS: [0, 10_000, 30_000, 30_001],
            Limit.MAX_OPEN: [1, 2, 3], Limit.DAILY_LOSS: [0, 10**9], Limit.BURST_COUNT: [1, 3, 256, 257], Limit.BURST_NOTIONAL: [10**10, 10**13],
            Limit.BURST_WINDOW_NS: [SECOND, 100 * SECOND], Limit.BURST_HALTS: [0, 1],
            Limit.CASH_FLOOR: [0, 0, 10**10, 10**12, -(10**11), -1, 2**60, -(2**60) - 1],
        }.get(which, [1, 5, 20])  # fmt: skip
        value = self.choices.pick([*values, *values, AMOUNT_MAX, -1] if which not in (Limit.BURST_HALTS, Limit.ALLOW_SHORT, Limit.SHORT_MARGIN_BPS, Limit.CASH_FLOOR) else values)
        number = 9 if self._rarely() else 0 if which >= 10 else self.choices.pick([0, 0, 1, 2, 3])
        reason = self.choices.pick([-1, 20]) if self._rarely() else which
        return {"kind": K.LIMIT, "reason": reason, "cash_e8": self.choices.pick([value, value, value, AMOUNT_MAX + 1]), "instrument": number}

    def gate(self) -> Event:
        """A gate goes up or, more often, down."""
        bits = self.choices.pick([*Gate, Gate.HALTED | Gate.BLOCKED, 63, 0, 64])
        number = self.choices.pick([0, 0, 0, 1, 3, 4, 9])
        side = self.choices.pick([1, 1, 1, -1, 0])
        return {"kind": K.GATE, "reason": bits if side > 0 or self._rarely() else 63, "side": side, "instrument": number}

    def lowered(self) -> Event:
        """A person looks at what is closed and opens it again, so that a stream goes on trading."""
        closed = [n for n, i in self.twin.instruments.items() if i.gates] + ([0] if self.twin.gates else [])
        if not closed:
            return self.signal()
        return {"kind": K.GATE, "reason": 63, "side": -1, "instrument": self.choices.pick(closed)}

    def day(self) -> Event:
        """The next day, today again, or yesterday."""
        return {"kind": K.DAY, "revision": self.twin.day + self.choices.pick([1, 1, 1, 0, -1]), "time_ns": self.clock}

    def nonsense(self) -> Event:
        """An event that says nothing, a definition that is wrong or known, a refusal of some other process."""
        number = self.choices.pick([1, 2, 5, 6, 8, 0])
        grid = GRIDS.get(number, GRIDS[1]) | {"kind": K.INSTRUMENT, "instrument": number}
        wrong = [("revision", 9), ("order_type", -1), ("price_ticks", 0), ("target_lots", 10**6 + 1), ("target_lots", 5), ("flags", 1), ("qty_lots", 7)]
        spoiled = grid | dict([self.choices.pick(wrong)])
        reason = self.choices.pick([2, 3, 7, 24, 41, 48, -1])
        refusal = {"kind": K.REFUSED, "reason": reason}
        if number == 6:
            spoiled = grid | {"qty_lots": 0}
        return self.choices.pick([{"kind": self.choices.pick([0, 0, 0, 0, 7, 31, 99, -1])}, grid if number != 6 else spoiled, spoiled, refusal])
