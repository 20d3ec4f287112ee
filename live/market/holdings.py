"""What of an account's position belongs to which strategy: read off the book, never kept beside it.

Theory of operation. A key carries its strategy, so every execution of our own says whose
it is. What is nobody's (a liquidation, a foreign fill, an adjustment, a split) is
shared out over the strategies in proportion to what each holds, by the rule of the
backtest (`sim/engine/guards.py`, `share_out`): rounding loses no lot and the parts add to
the account's position. With one strategy the position is its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ledger.book import (
    I_LIVE_FIRST,
    I_POSITION,
    N_FLAGS,
    N_INSTRUMENT,
    N_KIND,
    N_ORDER,
    N_PRICE,
    N_QTY,
    N_SEQ,
    N_SIDE,
    O_INSTRUMENT,
    O_KEY,
    O_NEXT,
    O_SEQ,
    S_KEYS,
    S_ORDER,
    Book,
    Row,
    find,
)  # fmt: skip
from ledger.keys import LEGS_MAX, make, purpose_of, strategy_of
from ledger.units import try_muldiv
from ledger.vocabulary import EntryFlag, EventKind, Purpose

Ints = NDArray[np.int64]


class Opened(NamedTuple):
    """How a position came to be: the price of the execution that opened it, and that order's key (0: not ours)."""

    price: int
    parent: int


def live(book: Book, instrument: int) -> list[Row]:
    """Return an instrument's live orders, newest first."""
    found, link = [], int(book.instruments[instrument, I_LIVE_FIRST])
    while link > 0:
        order = book.orders[link - 1]
        found.append(order)
        link = int(order[O_NEXT])
    return found


def is_own(keys: Any, strategy: int) -> Any:
    """Say of a key, or of each of an array of keys, whether its order is one by which a strategy moves its position."""
    purposes = (keys >> 37) & 0xF
    return (keys >> 54 == strategy) & ((purposes <= Purpose.EXIT) | (purposes == Purpose.PASSIVE))


def own(book: Book, instrument: int, strategy: int) -> list[Row]:
    """Return the live orders by which a strategy moves its position in an instrument."""
    return [order for order in live(book, instrument) if is_own(int(order[O_KEY]), strategy)]


def orders_of(book: Book, instrument: int) -> Ints:
    """Return int64[n, width]: every order of an instrument, in the order in which they were claimed."""
    found: Ints = book.orders[book.orders[:, O_INSTRUMENT] == instrument]
    return found


def free_key(book: Book, strategy: int, instrument: int, purpose: Purpose, now_ns: int) -> int:
    """Return the first key of this second that no order has.

    Raises:
        RuntimeError: a minute's worth of keys is used up: something orders in a circle.
    """
    seconds = now_ns // 1_000_000_000
    for later in range(60):
        for leg in range(LEGS_MAX):
            key = make(strategy, instrument, purpose, seconds + later, leg)
            if int(find(book.arena, S_KEYS, key, S_ORDER)) < 0:
                return key
    raise RuntimeError(f"instrument {instrument} had {60 * LEGS_MAX} {purpose.name} orders within a second; something corrects in a circle")


def order_of(book: Book, key: int) -> Row | None:
    """Return the order of a key, None when there is none."""
    number = int(find(book.arena, S_KEYS, key, S_ORDER)) if key > 0 else -1
    found: Row | None = book.orders[number] if number >= 0 else None
    return found


def fills(book: Book, instrument: int) -> tuple[Ints, Ints]:
    """Return (int64[n, width], int64[n]): an instrument's executions that count, as they came, and their orders' keys (0: not ours)."""
    entries: Ints = book.entries
    counts = (entries[:, N_KIND] == EventKind.FILL) & (entries[:, N_FLAGS] & EntryFlag.SUPERSEDED == 0)
    mine = entries[(entries[:, N_INSTRUMENT] == instrument) & counts]
    keys = np.zeros(len(mine), np.int64)
    known = mine[:, N_ORDER] >= 0
    keys[known] = book.orders[mine[known, N_ORDER], O_KEY]
    return mine, keys


def held(book: Book, instrument: int, strategy: int, team: Sequence[int]) -> int:
    """Return the lots of an instrument that a strategy holds.

    Args:
        team: the ids of all strategies of the account, in their order.
    """
    position = int(book.instruments[instrument, I_POSITION])
    if len(team) == 1:
        return position
    parts = dict.fromkeys(team, 0)
    mine, keys = fills(book, instrument)
    for entry, key in zip(mine.tolist(), keys.tolist(), strict=True):
        lots = entry[N_SIDE] * entry[N_QTY]
        whose = strategy_of(key) if purpose_of(key) != Purpose.LIQUIDATE else 0
        if whose in parts:
            parts[whose] += lots
        else:
            share_out(parts, sum(parts.values()) + lots)
    share_out(parts, position)
    return parts[strategy]


def share_out(parts: dict[int, int], position: int) -> None:
    """Share a position out in proportion to what each holds (modified in place); what is over goes to the first."""
    total = sum(parts.values())
    if total == position:
        return
    before, given = 0, 0
    for strategy in parts:
        before += parts[strategy]
        upto = int(try_muldiv(before, position if total > 0 else -position, abs(total))) if total else 0
        parts[strategy], given = upto - given, upto
    parts[next(iter(parts))] += position - given


def opened(book: Book, instrument: int) -> Opened:
    """Return what opened the present position: the first execution since it was last flat or on the other side."""
    mine, keys = fills(book, instrument)
    if len(mine) == 0:
        return Opened(1, 0)
    after = np.cumsum(mine[:, N_SIDE] * mine[:, N_QTY])
    before = np.concatenate([[0], after[:-1]])
    first = int(np.flatnonzero((before == 0) | ((before > 0) != (after > 0)))[-1])
    return Opened(int(mine[first, N_PRICE]), int(keys[first]))


def stopped(book: Book, instrument: int, strategy: int, key: int) -> bool:
    """Say whether a guard or a liquidation closed a strategy's position after its order `key` was claimed."""
    mine, keys = fills(book, instrument)
    ours = np.flatnonzero(keys >> 54 == strategy)
    if len(ours) == 0 or is_own(int(keys[ours[-1]]), strategy):
        return False
    newest = order_of(book, key)
    return newest is None or int(newest[O_SEQ]) < int(mine[ours[-1], N_SEQ])
