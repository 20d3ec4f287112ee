"""Random streams of events that a book takes: every kind, with late, corrected, foreign and over-fills."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import numpy as np

from ledger import core, keys
from ledger.book import I_POSITION, Book, Row, event
from ledger.vocabulary import EventKind as K
from ledger.vocabulary import Gate, Limit, Method, OrderStatus, OrderType, Outcome, Purpose

START = 1_700_000_000
INSTRUMENTS = 3
FIRST_DAY = 719_163


def opening() -> list[Row]:
    """Return the events every stream begins with: instruments, cash, a day."""
    defined = [
        event(K.INSTRUMENT, instrument=n, revision=4, order_type=4, price_ticks=100, qty_lots=10_000, target_lots=1)
        for n in range(1, INSTRUMENTS + 1)
    ]
    short = event(K.LIMIT, reason=Limit.ALLOW_SHORT, cash_e8=1)
    return [*defined, short, event(K.DEPOSIT, cash_e8=10**15, time_ns=1), event(K.DAY, revision=FIRST_DAY, time_ns=1)]


def signal(instrument: int, target: int, bar: int, leg: int = 0) -> Row:
    """Return a wish for a position, to be decided."""
    key = keys.make(1, instrument, Purpose.TARGET, START + 60 * bar, leg)
    return event(
        K.SIGNAL, key=key, instrument=instrument, target_lots=target, price_ticks=1_000_000,
        order_type=OrderType.LIMIT, time_ns=10**9 * (START + 60 * bar),
    )  # fmt: skip


def _fill(draw: Random, book: Book, now: int, exec_id: int) -> Row:
    """Return an execution: mostly of a live order, sometimes late, foreign, over-filling or a correction."""
    orders = book.orders
    row = orders[draw.randrange(len(orders))] if len(orders) else None
    late = now - draw.choice([0, 0, 0, 3]) * 60 * 10**9
    fields = {"price_ticks": 100 * draw.randint(9_000, 11_000), "time_ns": late, "exec_id": exec_id}
    if row is None or draw.random() < 0.05:
        return event(K.FILL, instrument=draw.randint(1, INSTRUMENTS), side=draw.choice([-1, 1]), qty_lots=10_000, **fields)
    qty = draw.choice([10_000, int(row[4])])
    if exec_id > 1 and draw.random() < 0.1:
        fields |= {"exec_id": draw.randint(1, exec_id - 1), "revision": draw.randint(1, 3)}
        qty = draw.choice([0, qty])
    return event(K.FILL, key=int(row[0]), instrument=int(row[1]), side=int(row[3]), qty_lots=qty, **fields)


def _rare(draw: Random, now: int, step: int) -> Row:
    instrument = draw.randint(1, INSTRUMENTS)
    return draw.choice(
        [
            event(K.DAY, revision=FIRST_DAY + 1 + step, time_ns=now),
            event(K.DIVIDEND, instrument=instrument, cash_e8=draw.randint(1, 10**9), time_ns=now),
            event(K.WITHDRAWAL, cash_e8=10**8, time_ns=now),
            event(K.BORROW_FEE, instrument=instrument, cash_e8=10**6, time_ns=now),
            event(K.ADJUST_CASH, cash_e8=-(10**7), ref=1, time_ns=now),
            event(K.ADJUST_POSITION, instrument=instrument, side=1, qty_lots=30_000, price_ticks=9 * 10**5, ref=1, time_ns=now),
            event(K.SPLIT, instrument=instrument, qty_lots=draw.choice([2, 3]), price_ticks=draw.choice([1, 2]), time_ns=now),
            event(K.GATE, instrument=instrument, side=-1, reason=Gate.BLOCKED, time_ns=now),
            event(K.LIMIT, reason=Limit.SHORT_MARGIN_BPS, cash_e8=draw.choice([5_000, 10_000])),
            event(K.MARK, instrument=instrument, price_ticks=100 * draw.randint(9_000, 11_000), time_ns=now),
        ]
    )


def _step(draw: Random, book: Book, now: int) -> Row:
    orders = book.orders
    kind = draw.choice([K.SUBMITTED, K.CANCEL, K.CANCELED, K.EXPIRED, K.REJECTED, K.UNKNOWN, K.SENDING, K.RELEASED])
    key = int(orders[draw.randrange(len(orders))][0]) if len(orders) else 1
    return event(kind, key=key, ref=1, time_ns=now)


def proposals(seed: int, steps: int, book: Book) -> Iterator[Row]:
    """Yield events that may or may not apply to the book; the caller applies those it keeps."""
    draw, executions = Random(seed), 0
    yield from opening()
    for step in range(steps):
        now = 10**9 * (START + 60 * step)
        dice = draw.random()
        if dice < 0.3:
            instrument = draw.randint(1, INSTRUMENTS)
            held = int(book.instruments[instrument, I_POSITION])
            wish = signal(instrument, draw.choice([0, 50_000, -30_000, held]), step)
            decision = core.decide(book, wish)
            if decision.outcome != Outcome.AT_TARGET:
                yield decision.event
        elif dice < 0.6:
            executions += 1
            yield _fill(draw, book, now, executions)
        elif dice < 0.7:
            yield event(K.COMMISSION, exec_id=draw.randint(1, max(1, executions)), fee_e8=draw.randint(-100, 10**8), time_ns=now)
        elif dice < 0.8:
            yield _step(draw, book, now)
        else:
            yield _rare(draw, now, step)


def stream(seed: int, steps: int = 120, method: Method = Method.FIFO) -> tuple[np.ndarray, Book]:
    """Return the applied events int64[n, 20] of a random history, and the book they give."""
    book = Book(method=method)
    taken = [row for row in proposals(seed, steps, book) if core.apply(book, row) == Outcome.APPLIED]
    return np.array(taken), book


def live_orders(book: Book) -> int:
    """Return how many orders still hold a reservation."""
    return int(((book.orders[:, 2] >= OrderStatus.CLAIMED) & (book.orders[:, 2] <= OrderStatus.UNKNOWN)).sum())
