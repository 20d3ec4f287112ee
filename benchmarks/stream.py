"""The events that benchmarks run on: a mixed trading day, and a stream of fills.

Theory of operation. The mixed stream is made by the gate itself: each wish goes
through `decide`, and the claim it answers is what is applied, so no event in it is
refused. It is deterministic: prices walk by a linear congruence, and nothing
random is drawn. The fill stream has a closed answer that plain Python can check.
"""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from ledger import keys
from ledger.book import E_QTY, E_SIDE, EVENT_WIDTH, Book, Capacity, event
from ledger.core import apply, decide
from ledger.vocabulary import EventKind, Outcome, Purpose

Events = NDArray[np.int64]
INSTRUMENTS = 20
START_S = 1_700_000_000
SECOND_NS = 10**9


class Walk:
    """Prices that wander, without chance: a linear congruence is enough to keep branches honest."""

    def __init__(self) -> None:
        self.state = 12_345
        self.prices = [1_000_000 + 10_000 * number for number in range(INSTRUMENTS)]

    def draw(self, bound: int) -> int:
        """Return 0..bound-1."""
        self.state = (self.state * 6_364_136_223_846_793_005 + 1_442_695_040_888_963_407) % 2**64
        return (self.state >> 33) % bound

    def step(self, number: int) -> int:
        """Return the next price of an instrument, in ticks of 1e-4, on a grid of cents."""
        moved = self.prices[number] + 100 * (self.draw(201) - 100)
        self.prices[number] = min(max(moved, 500_000), 2_000_000)
        return self.prices[number]


def roomy(events: int) -> Capacity:
    """Return room for a book that this many events make, so that no measurement includes growing."""
    return Capacity(INSTRUMENTS + 1, events // 4 + 64, events // 2 + 64, events // 2 + 64, events, 64)


def setup(book: Book) -> list[Events]:
    """Return the events every stream begins with, applied to `book` (modified in place)."""
    lines = [
        event(
            EventKind.INSTRUMENT,
            instrument=n,
            revision=4,
            order_type=4,
            price_ticks=100,
            qty_lots=10_000,
            target_lots=1,
        )
        for n in range(1, INSTRUMENTS + 1)
    ]
    lines.append(event(EventKind.DEPOSIT, time_ns=START_S * SECOND_NS, cash_e8=10**17))
    return [_applied(book, line) for line in lines]


def mixed(count: int) -> Events:
    """Return int64[count, EVENT_WIDTH]: marks, claims, sends, acknowledgements, fills in parts, commissions, dividends."""
    book, walk = Book(capacity=roomy(count)), Walk()
    rows = np.zeros((count + 64, EVENT_WIDTH), np.int64)
    filled = 0
    for line in setup(book):
        rows[filled] = line
        filled += 1
    second = START_S
    while filled < count:
        second += 1
        number = walk.draw(INSTRUMENTS)
        for line in _round(book, walk, number, second):
            rows[filled] = line
            filled += 1
    return rows[:count].copy()


def _round(book: Book, walk: Walk, number: int, second: int) -> list[Events]:
    """Return the events of one decision: three prices, one order and what becomes of it; applied to `book`."""
    now, instrument = second * SECOND_NS, number + 1
    lines = [
        _applied(book, event(EventKind.MARK, time_ns=now + at, instrument=instrument, price_ticks=walk.step(number)))
        for at in range(3)
    ]
    price = walk.prices[number]
    key = keys.make(1, instrument, Purpose.TARGET, second)
    target = 10_000 * (1 + walk.draw(50)) * (1 if walk.draw(3) else 0)
    wish = event(
        EventKind.SIGNAL, time_ns=now + 3, key=key, instrument=instrument, target_lots=target, price_ticks=price + 2_000
    )
    decision = decide(book, wish)
    if decision.outcome != Outcome.APPLIED:
        return lines
    claim = decision.event
    lines.append(_applied(book, claim))
    lines += [
        _applied(book, event(kind, time_ns=now + 4, key=key)) for kind in (EventKind.SENDING, EventKind.SUBMITTED)
    ]
    side, qty = int(claim[E_SIDE]), int(claim[E_QTY])
    half = qty // 20_000 * 10_000
    for part in (half, qty - half):
        if part > 0:
            lines += _fill(book, now + 5, key, instrument, side, part, price)
    if walk.draw(50) == 0:
        lines.append(
            _applied(book, event(EventKind.DIVIDEND, time_ns=now + 9, instrument=instrument, cash_e8=12_345_678))
        )
    return lines


def _fill(book: Book, now: int, key: int, instrument: int, side: int, qty: int, price: int) -> list[Events]:
    """Return an execution and its commission, applied to `book`."""
    number = len(book.entries) + 1
    fill = event(
        EventKind.FILL,
        time_ns=now,
        key=key,
        instrument=instrument,
        side=side,
        qty_lots=qty,
        price_ticks=price,
        exec_id=number,
    )
    fee = event(EventKind.COMMISSION, time_ns=now, exec_id=number, fee_e8=100_000_000)
    return [_applied(book, fill), _applied(book, fee)]


def _applied(book: Book, line: Events) -> Events:
    outcome = apply(book, line)
    assert outcome == Outcome.APPLIED, f"a benchmark's event was answered {outcome.name}"
    return line


def fills(count: int) -> tuple[Events, int]:
    """Return (int64[n, EVENT_WIDTH] of fills after the set-up, realized profit in e8 by a FIFO queue in plain Python)."""
    book, walk = Book(capacity=roomy(64)), Walk()
    rows = np.zeros((count + INSTRUMENTS + 1, EVENT_WIDTH), np.int64)
    lines = setup(book)
    rows[: len(lines)] = lines
    queues: list[deque[tuple[int, int]]] = [deque() for _ in range(INSTRUMENTS)]
    realized = 0
    for at in range(count):
        number = walk.draw(INSTRUMENTS)
        queue, price = queues[number], walk.step(number)
        buy = len(queue) < 2 or (walk.draw(2) == 0 and len(queue) < 12)
        shares = 1 + walk.draw(9)
        shares = shares if buy else min(shares, sum(held for held, _ in queue))
        rows[len(lines) + at] = event(
            EventKind.FILL, time_ns=(START_S + at) * SECOND_NS, instrument=number + 1, side=1 if buy else -1,
            qty_lots=10_000 * shares, price_ticks=price, exec_id=at + 1,
        )  # fmt: skip
        if buy:
            queue.append((shares, price))
        else:
            realized += _taken(queue, shares, price)
    return rows, realized


def _taken(queue: deque[tuple[int, int]], shares: int, price: int) -> int:
    """Take shares from the front of a queue (modified in place); return the profit in e8."""
    profit = 0
    while shares:
        held, paid = queue.popleft()
        take = min(held, shares)
        profit += take * 10_000 * (price - paid)
        shares -= take
        if held > take:
            queue.appendleft((held - take, paid))
    return profit
