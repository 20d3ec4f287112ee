"""The plan of a schedule, drawn before its first step: which book, which signals, which faults are possible.

Theory of operation. A burst has one to eight signals in one to three runners, over two instruments.
Some share a key, because two processes saw the same bar; some ask for less, nothing, or a
short position; some may add to a position; some are stop losses. Which kinds of fault may happen,
and how many, is drawn for each schedule (a swarm): a schedule in which everything may go
wrong at once reaches less than many in which a few things do. So are the weights of the three
parties, so that some schedules have slow brokers and some have fast ones.

The book a schedule begins with is one of BOOKS: tight or ample cash, with or without a position,
short selling, tight limits, each lot method.
"""

from __future__ import annotations

import numpy as np

from ledger import keys
from ledger.book import (
    BURST_RING, E_FLAGS, E_INSTRUMENT, E_KEY, E_KIND, E_PARENT, E_PRICE, E_TARGET, E_TIME, E_TYPE, EVENT_WIDTH, H_CASH, H_CLAIMS,
    I_POSITION, S_BURST, S_INSTRUMENT, S_KEYS, S_ORDER, WIDTHS, Arena, Book, Capacity, event, row,
)  # fmt: skip
from ledger.core import apply
from ledger.kernel import inlined, kernel
from ledger.kernels.orders import protective
from ledger.vocabulary import EventKind, Gate, Limit, Method, OrderFlag, OrderType, Outcome, Purpose, Side
from sim.fuzz.event.layout import (
    AT_SIGNALS, HEAD, INSTRUMENTS, T_INSTRUMENT, T_KEY, T_OWNER, T_RUNNER, T_TARGET, TASK_WIDTH, TASKS,
    W_BOOK, W_CASH, W_CLOCK, W_FAULTS, W_HIGH, W_LOW, W_NEWS, W_OWN, W_POSITION, W_REPLAYED, W_RUNNERS, W_TASKS, W_WIRE,
    W_CURSOR, W_LENGTH, W_CHANCE, World, task_at,
)  # fmt: skip
from sim.fuzz.event.tape import draw

BOOKS = 16
CAPACITY = Capacity(3, 16, 64, 256, 512, 16)
START_S, START_NS = 1_767_387_600, 1_767_387_600 * 10**9
SHARE, PRICE = 10_000, 1_000_000
"""Lots of a share, and 100.00 in ticks."""

PLAN_WORDS, SIZE_WORD = 5, 1
"""Words that a plan takes before the signals, one word each, and which of them says how many signals."""
_SIZES = np.array([1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 3, 3, 3, 4, 5, 8], np.int64)
_FAULTS = np.array([0, 0, 1, 1, 2, 2, 3, 6], np.int64)
_TARGETS = SHARE * np.array([100, 100, 100, 200, 0, 0, -100, 50], np.int64)
_WEIGHTS = np.array([1, 1, 0, 3], np.int64)  # as powers of two: 2, 2, 1, 8


def books() -> np.ndarray:
    """Return the arenas int64[BOOKS, words] that schedules begin with."""
    return np.stack([_book(number).arena for number in range(BOOKS)])


def _book(number: int) -> Book:
    book = Book(method=Method(number % 4), capacity=CAPACITY)
    short, tight, holding, limited = (number >> bit & 1 for bit in (0, 1, 2, 3))
    lines = [
        event(EventKind.INSTRUMENT, instrument=n, revision=4, order_type=4, price_ticks=1, qty_lots=1, target_lots=1)
        for n in range(1, INSTRUMENTS + 1)
    ]
    lines.append(event(EventKind.DEPOSIT, cash_e8=(25_000 if tight else 1_000_000) * 10**8))
    lines += [event(EventKind.MARK, instrument=n, price_ticks=PRICE, time_ns=START_NS) for n in range(1, INSTRUMENTS + 1)]
    lines.append(event(EventKind.LIMIT, reason=Limit.ALLOW_SHORT, cash_e8=short))
    if holding:
        lines.append(event(EventKind.ADJUST_POSITION, instrument=1, side=Side.BUY, qty_lots=100 * SHARE, price_ticks=PRICE, ref=1))
    if limited and holding:
        lines.append(event(EventKind.LIMIT, reason=Limit.BURST_COUNT, cash_e8=2 - short))
    elif limited:
        lines.append(event(EventKind.LIMIT, reason=Limit.MAX_OPEN, cash_e8=1))
        lines.append(event(EventKind.LIMIT, reason=Limit.MAX_POSITION, cash_e8=150 * SHARE, instrument=1))
    if number == BOOKS - 1:
        lines.append(event(EventKind.GATE, reason=Gate.HALTED, side=Side.BUY))
    for line in lines:
        if apply(book, line) != Outcome.APPLIED:
            raise ValueError(f"opening event {line.tolist()} of book {number} was refused")
    return book


@inlined
def section_end(a: Arena, section: int) -> int:
    """Return the address behind the used rows of a section."""
    return a[3 * section] + a[3 * section + 2] * WIDTHS[section]


@kernel
def restore(a: Arena, opening: Arena) -> None:
    """Make a book (modified in place) the opening one; both were laid out alike, so addresses agree."""
    _clear(a, a[3 * S_BURST], a[3 * S_BURST] + 2 * min(a[H_CLAIMS], BURST_RING))
    for section in range(S_ORDER, S_BURST):
        kept = section_end(opening, section)
        _clear(a, kept, section_end(a, section))
        _copy(a, opening, a[3 * section], kept)
    _copy(a, opening, 0, section_end(opening, S_INSTRUMENT))
    _copy(a, opening, opening[3 * S_KEYS], opening.shape[0])


@inlined
def _clear(a: Arena, start: int, end: int) -> None:
    """Zero words start..end-1 (modified in place); unsigned places need no look at their sign, so several words go at once."""
    for place in range(np.uint64(start), np.uint64(end)):
        a[place] = 0


@inlined
def _copy(a: Arena, source: Arena, start: int, end: int) -> None:
    """Copy words start..end-1 (modified in place)."""
    for place in range(np.uint64(start), np.uint64(end)):
        a[place] = source[place]


@kernel
def begin(w: World, openings: np.ndarray) -> int:
    """Draw the plan of a schedule into a world (modified in place, its tape is wound); return the number of its book."""
    cursor, length, chance = w[W_CURSOR], w[W_LENGTH], w[W_CHANCE]
    for place in range(HEAD + TASKS * TASK_WIDTH):
        w[place] = 0
    w[W_CURSOR], w[W_LENGTH], w[W_CHANCE], w[W_REPLAYED] = cursor, length, chance, -1
    book = draw(w, BOOKS)
    w[W_BOOK], w[W_CLOCK] = book, START_NS
    w[W_TASKS], w[W_RUNNERS] = _SIZES[draw(w, 16)], 1 + draw(w, 3)
    w[W_FAULTS] = _FAULTS[draw(w, 8)]
    weights = draw(w, 64)
    w[W_OWN], w[W_WIRE], w[W_NEWS] = _WEIGHTS[weights & 3], _WEIGHTS[weights >> 2 & 3], _WEIGHTS[weights >> 4 & 3]
    w[W_CASH] = openings[book, H_CASH]
    for number in range(1, INSTRUMENTS + 1):
        held = openings[book, row(openings[book], S_INSTRUMENT, number) + I_POSITION]
        w[W_POSITION + number] = w[W_LOW + number] = w[W_HIGH + number] = held
    for number in range(w[W_TASKS]):
        _signal(w, number)
    return book


@kernel
def _signal(w: World, number: int) -> None:
    """Draw one signal (modified in place)."""
    word = draw(w, 1 << 16)
    task, s = task_at(number), AT_SIGNALS + number * EVENT_WIDTH
    for column in range(EVENT_WIDTH):
        w[s + column] = 0
    instrument, target, purpose = 1 + (word & 1 & (word >> 1)), _TARGETS[word >> 2 & 7], np.int64(Purpose.TARGET)
    w[task + T_RUNNER] = number % w[W_RUNNERS]
    same = number > 0 and (word >> 5 & 3) == 3
    if (word >> 7 & 15) >= 14:
        purpose, target = np.int64(Purpose.STOP_LOSS), np.int64(0)
        parent = w[task_at(0) + T_KEY] if number > 0 else np.int64(0)
        w[s + E_PARENT] = 0 if protective(parent) else parent  # a guard guards an entry, and never another guard
    elif (word >> 7 & 15) == 13:
        w[s + E_FLAGS] = OrderFlag.PYRAMID
    w[s + E_KIND], w[s + E_TIME], w[s + E_PRICE] = EventKind.SIGNAL, START_NS + number, PRICE
    w[s + E_TYPE] = OrderType.LIMIT if (word >> 11 & 3) == 3 else OrderType.MARKET
    if same:  # Another runner saw the same bar, and now and then concluded something else from it.
        first = task_at(0)
        for column in range(EVENT_WIDTH):
            w[s + column] = w[AT_SIGNALS + column]
        instrument, key = w[first + T_INSTRUMENT], w[first + T_KEY]
        target = w[first + T_TARGET] if (word >> 13 & 7) != 7 else w[first + T_TARGET] + SHARE
    else:
        key = keys.pack(1 + w[task + T_RUNNER], instrument, purpose, START_S + number, 0)
    w[s + E_KEY], w[s + E_INSTRUMENT], w[s + E_TARGET] = key, instrument, target
    w[task + T_KEY], w[task + T_INSTRUMENT], w[task + T_TARGET], w[task + T_OWNER] = key, instrument, target, -1
    w[W_LOW + instrument] = min(w[W_LOW + instrument], target)
    w[W_HIGH + instrument] = max(w[W_HIGH + instrument], target)
