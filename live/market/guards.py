"""Guards: stop loss, take profit and trail as orders at the broker, in line with the position they protect.

Theory of operation. A wish may bring guards. As soon as the instrument holds a position on
the wish's side, each guard is claimed through the gate like any order, as large as the
position less what exits already take, and goes to the broker in one one-cancels-all
group named after the entry. `sync` looks at one instrument and makes one correction: a
guard of a wrong size, side or level is cancelled, and claimed anew when the broker has
confirmed that. It is called after everything that may have changed a position, so a
crash between a fill and its guards is mended by the next call; what guards there should
be is known after a start as well, because the strategy was asked for the past again.

A position without any guard, where the strategy wanted one, is named in `bare`.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ledger.book import (
    I_LIVE_FIRST,
    I_POSITION,
    N_INSTRUMENT,
    N_KIND,
    N_ORDER,
    N_PRICE,
    N_SIDE,
    O_FILLED,
    O_FLAGS,
    O_INSTRUMENT,
    O_KEY,
    O_NEXT,
    O_PRICE,
    O_QTY,
    O_SIDE,
    O_STOP,
    O_TRAIL,
    Book,
    Row,
    event,
)  # fmt: skip
from ledger.kernels.orders import parent_leaves
from ledger.keys import LEGS_MAX, make, purpose_of
from ledger.vocabulary import EventKind, OrderFlag, OrderType, Outcome, Purpose
from live.broker.fold import Contract
from live.trader import STRATEGY_ID, Trader
from strategies.api import Signal

KINDS = {
    Purpose.STOP_LOSS: OrderType.STOP,
    Purpose.TAKE_PROFIT: OrderType.LIMIT,
    Purpose.TRAIL: OrderType.TRAIL,
}


class Wanted(NamedTuple):
    """The guards a wish brought: prices, or fractions of the price the position was opened at; 0.0 is none."""

    stop_loss: float
    take_profit: float
    trail: float
    from_fill: bool


NONE = Wanted(0.0, 0.0, 0.0, False)


class Guards:
    """The guards that each instrument should have."""

    def __init__(self) -> None:
        self._wanted: dict[int, Wanted] = {}

    def want(self, instrument: int, said: Signal) -> None:
        """Remember the guards of a wish; a wish without any has none."""
        self._wanted[instrument] = Wanted(said.stop_loss, said.take_profit, said.trail, bool(said.from_fill))

    def withdraw(self, instrument: int) -> None:
        """Want no guard, because the strategy is about to leave by itself."""
        self._wanted[instrument] = NONE

    def bare(self, book: Book) -> list[int]:
        """Return the instruments that hold a position the strategy wanted guarded and that no guard protects."""
        return [
            number
            for number, wanted in self._wanted.items()
            if wanted != NONE and book.instruments[number, I_POSITION] != 0 and not working(book, number)
        ]

    def sync(self, trader: Trader, contract: Contract, now_ns: int) -> bool:
        """Make the next correction of an instrument's guards; False when there is none to make."""
        book, number = trader.session.book, contract.number
        position = int(book.instruments[number, I_POSITION])
        levels = self._levels(book, contract, position)
        lots = abs(position) - _exits(book, number, position)
        for purpose, order in working(book, number).items():
            if lots <= 0 or not _in_line(order, purpose, levels.get(purpose, 0), lots, position):
                return not order[O_FLAGS] & OrderFlag.CANCEL_ASKED and trader.cancel(int(order[O_KEY]))
        for purpose, price in levels.items():
            if lots > 0 and price > 0 and purpose not in working(book, number):
                line = self._claim(book, contract, purpose, price, position, now_ns)
                return trader.on_wish(line) == Outcome.APPLIED
        return False

    def _levels(self, book: Book, contract: Contract, position: int) -> dict[Purpose, int]:
        """Return the price in ticks of each guard, or the trail's distance; empty without a position."""
        wanted = self._wanted.get(contract.number, NONE)
        if position == 0 or wanted == NONE:
            return {}
        base = _opened_at(book, contract.number, position)
        side = 1 if position > 0 else -1
        scale = 10.0**contract.price_exp
        if wanted.from_fill:
            found = (base * (1 - side * wanted.stop_loss), base * (1 + side * wanted.take_profit), base * wanted.trail)
        else:
            found = (wanted.stop_loss * scale, wanted.take_profit * scale, wanted.trail * scale)
        asked = (wanted.stop_loss, wanted.take_profit, wanted.trail)
        return {
            purpose: _on_tick(price, contract.tick, up=(purpose is Purpose.TAKE_PROFIT) == (side > 0) or purpose is Purpose.TRAIL)
            for purpose, price, told in zip(KINDS, found, asked, strict=True)
            if told > 0.0
        }

    def _claim(self, book: Book, contract: Contract, purpose: Purpose, price: int, position: int, now_ns: int) -> Row:
        """Return the SIGNAL of a guard."""
        number, kind = contract.number, KINDS[purpose]
        trail = price if kind is OrderType.TRAIL else 0
        mark = _opened_at(book, number, position)
        return event(
            EventKind.SIGNAL, time_ns=now_ns, instrument=number, key=_free_key(book, number, purpose, now_ns), order_type=kind,
            price_ticks=mark if trail else price, stop_ticks=price if kind is OrderType.STOP else 0, trail_ticks=trail,
            flags=OrderFlag.GTC, parent=_parent(book, number), target_lots=_remains(book, number, position),
        )  # fmt: skip


def _remains(book: Book, instrument: int, position: int) -> int:
    """Return the position a guard leaves: what exits of the strategy take already."""
    side = -1 if position > 0 else 1
    # The gate adds what the entry may still bring; the guard is for what is here.
    to_come = int(parent_leaves(book.arena, _parent(book, instrument), side, instrument))
    return -side * (to_come + _exits(book, instrument, position))


def _on_tick(price: float, tick: int, up: bool) -> int:
    """Return a price on the broker's grid; a seller's stop is rounded down and his target up, a buyer's the other way."""
    whole = price / tick
    return max(tick, (math.ceil(round(whole, 6)) if up else math.floor(round(whole, 6))) * tick)


def _live(book: Book, instrument: int) -> list[Row]:
    """Return an instrument's live orders, newest first."""
    found, link = [], int(book.instruments[instrument, I_LIVE_FIRST])
    while link > 0:
        order = book.orders[link - 1]
        found.append(order)
        link = int(order[O_NEXT])
    return found


def working(book: Book, instrument: int) -> dict[Purpose, Row]:
    """Return the guards of an instrument that are live."""
    return {Purpose(int(purpose_of(o[O_KEY]))): o for o in _live(book, instrument) if int(purpose_of(o[O_KEY])) in set(KINDS)}


def _exits(book: Book, instrument: int, position: int) -> int:
    """Return the lots that live exits of the strategy, which are no guards, take off the position."""
    side = -1 if position > 0 else 1
    mine = [o for o in _live(book, instrument) if int(purpose_of(o[O_KEY])) not in set(KINDS) and o[O_SIDE] == side]
    return sum(int(o[O_QTY] - o[O_FILLED]) for o in mine)


def _in_line(order: Row, purpose: Purpose, level: int, lots: int, position: int) -> bool:
    column = {Purpose.STOP_LOSS: O_STOP, Purpose.TAKE_PROFIT: O_PRICE, Purpose.TRAIL: O_TRAIL}[purpose]
    right_side = int(order[O_SIDE]) == (-1 if position > 0 else 1)
    return right_side and int(order[O_QTY] - order[O_FILLED]) == lots and int(order[column]) == level


def _entries(book: Book, instrument: int) -> NDArray[np.int64]:
    """Return int64[n, width]: the instrument's executions, in order of arrival."""
    entries = book.entries
    mine: NDArray[np.int64] = entries[(entries[:, N_INSTRUMENT] == instrument) & (entries[:, N_KIND] == EventKind.FILL)]
    return mine


def _opened_at(book: Book, instrument: int, position: int) -> int:
    """Return the price of the newest execution on the position's side, in ticks."""
    mine = _entries(book, instrument)
    same = mine[mine[:, N_SIDE] == (1 if position > 0 else -1)]
    return int(same[-1, N_PRICE]) if len(same) else 1


def _parent(book: Book, instrument: int) -> int:
    """Return the key of the order that opened the position last, 0 when it was none of ours."""
    mine = _entries(book, instrument)
    numbers = mine[mine[:, N_ORDER] >= 0, N_ORDER]
    orders = [book.orders[int(n)] for n in np.unique(numbers)]
    opened = [int(o[O_KEY]) for o in orders if o[O_INSTRUMENT] == instrument and int(purpose_of(o[O_KEY])) not in set(KINDS)]
    return opened[-1] if opened else 0


def _free_key(book: Book, instrument: int, purpose: Purpose, now_ns: int) -> int:
    """Return the first key of this second that no order has."""
    taken = set(book.orders[:, O_KEY].tolist())
    seconds = now_ns // 1_000_000_000
    for later in range(60):
        for leg in range(LEGS_MAX):
            key = make(STRATEGY_ID, instrument, purpose, seconds + later, leg)
            if key not in taken:
                return key
    raise RuntimeError(f"instrument {instrument} had {60 * LEGS_MAX} guards within a second; something corrects in a circle")


