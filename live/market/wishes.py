"""From a strategy's answer to a wish that the gate can decide on: integers from here on.

Theory of operation. The same steps as in a backtest, in the same order. `judge` compares an
answer with the last one that was acted upon: the same order again is no news, other
guards alone change the guards, anything else is a new order. `Maker.row` sizes the target
on the book's equity at the bar's close and prices the order: a limit at its limit, a
stop at the worst its fill may cost, a market order at the worst price beyond the close.
Sizes come from `strategies.sizing`, so they are the backtest's to the last share.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from enum import Enum
from typing import NamedTuple

from ledger.book import (
    E_FEE,
    E_FLAGS,
    E_PRICE,
    E_STOP,
    E_TARGET,
    E_TRAIL,
    E_TYPE,
    H_CASH,
    H_VALUE,
    I_DIVIDE,
    I_MULTIPLY,
    I_POSITION,
    I_STEP,
    I_WORKING,
    Book,
    Row,
    event,
)  # fmt: skip
from ledger.keys import make
from ledger.vocabulary import EventKind, OrderFlag, Purpose
from live.broker.fold import Contract
from live.market.history import Bar
from live.market.prices import TICKS_MAX, against, tick_of, worst
from strategies.api import (
    AT_CLOSE,
    AT_OPEN,
    GTC,
    LIMIT,
    MARKET,
    ORDER_TYPES,
    STOP,
    STOP_LIMIT,
    TIMES_IN_FORCE,
    TRAIL,
    Signal,
)
from strategies.sizing import SHARES, UNKNOWN_WEIGHT, VALUE, Size, fraction_e6, full_lots

FeeOf = Callable[[int, int, int, int], int]
"""(instrument, side, qty_lots, price_ticks) -> the most the order can cost, e8."""
FEE_ROUNDS = 64
"""A size that pays its own fee is found by trying, as in a backtest; three tries are usual."""
PRICED = frozenset({LIMIT, STOP_LIMIT})


class NotTradable(ValueError):
    """A strategy asked for something that no gateway takes; the message says what."""


class News(Enum):
    """What an answer is, beside the last one that was acted upon."""

    NONE = "nothing new"
    GUARDS = "other guards"
    ORDER = "a new order"


def guards_of(said: Signal) -> tuple[float, float, float, int]:
    """Return what a wish says of guards: stop loss, take profit, trail, whether they are fractions; 0.0 is none."""
    trail = 0.0 if said.order_type == TRAIL else said.trail
    return _price(said.stop_loss), _price(said.take_profit), _price(trail), said.from_fill


def _price(price: float) -> float:
    return price if price > 0.0 else 0.0


def _order_of(said: Signal) -> tuple[float, ...]:
    trail = said.trail if said.order_type == TRAIL else 0.0
    return said.target, said.order_type, said.time_in_force, _price(said.limit), _price(said.stop), _price(trail)


def judge(said: Signal, last: Signal | None) -> News:
    """Say what an answer with an opinion asks for that the last one did not."""
    if last is None or _order_of(said) != _order_of(last):
        return News.ORDER
    return News.NONE if guards_of(said) == guards_of(last) else News.GUARDS


def require_tradable(said: Signal, alone: bool) -> None:
    """Refuse what a backtest refuses.

    Args:
        alone: no other strategy shares the account.
    Raises:
        NotTradable: naming what is wrong.
    """
    kind, tif = said.order_type, said.time_in_force
    if not MARKET <= kind <= TRAIL or not GTC <= tif <= AT_CLOSE:
        raise NotTradable(f"order type {kind} for {tif}; known are {', '.join(ORDER_TYPES)} for {', '.join(TIMES_IN_FORCE)}")
    if kind > LIMIT and tif >= AT_OPEN:
        raise NotTradable(f"a {ORDER_TYPES[kind]} order cannot wait for an auction; MARKET and LIMIT orders can")
    if not -1.0 <= said.target <= 1.0:
        raise NotTradable(f"target {said.target}; expected -1 to 1")
    if (kind in PRICED and not said.limit > 0.0) or (kind in (STOP, STOP_LIMIT) and not said.stop > 0.0):
        raise NotTradable(f"a {ORDER_TYPES[kind]} order without its price (limit {said.limit}, stop {said.stop})")
    if kind == TRAIL and (not said.trail > 0.0 or said.from_fill):
        raise NotTradable(f"a TRAIL order needs a distance above 0 as a price, not {said.trail}")
    if any(guards_of(said)[:3]) and not alone:
        raise NotTradable("guards belong to the account's position; a strategy that shares the account cannot bring any")


class Place(NamedTuple):
    """What a wish is made for: an instrument of one strategy, now."""

    contract: Contract
    strategy: int
    held: int
    """Lots the strategy holds."""
    alone: bool


class Maker:
    """Makes SIGNAL rows of answers."""

    def __init__(self, size: Size, fee_of: FeeOf) -> None:
        self._size, self._fee_of = size, fee_of

    def lots(self, book: Book, place: Place, bar: Bar, weight_e6: int, target: float) -> int | None:
        """Return the position in lots that a target means at a bar's close; None while a statistic has too few bars."""
        size, target_e6 = self._size, fraction_e6(target)
        if weight_e6 == UNKNOWN_WEIGHT and target_e6 != 0 and size.kind not in (SHARES, VALUE):
            return None
        row = book.instruments[place.contract.number]
        equity, fee, lots = int(book.arena[H_CASH] + book.arena[H_VALUE]), 0, 0
        numbers = (bar.close, int(row[I_MULTIPLY]), int(row[I_DIVIDE]), int(row[I_STEP]))
        for _ in range(FEE_ROUNDS):
            lots = int(full_lots(size, weight_e6, target_e6, equity, fee, *numbers))
            delta = lots - int(row[I_POSITION])
            if size.with_fee == 0 or delta == 0:
                break
            needed = self._fee_of(place.contract.number, 1 if delta > 0 else -1, abs(delta), bar.close)
            if needed <= fee:
                break
            fee = needed
        return lots

    def row(
        self, book: Book, place: Place, lots: int, said: Signal, close: int, time_ns: int, *, purpose: Purpose = Purpose.TARGET,
        leg: int = 0,
    ) -> Row:  # fmt: skip
        """Return the SIGNAL of an answer.

        Args:
            lots: the position wanted. close: ticks. time_ns: the bar's end; with `leg` it names the decision.
        """
        number = place.contract.number
        side = 1 if lots >= place.held else -1
        line = event(
            EventKind.SIGNAL, time_ns=time_ns, instrument=number,
            key=make(place.strategy, number, purpose, time_ns // 1_000_000_000, leg),
        )  # fmt: skip
        line[E_FLAGS] = 0 if place.alone else OrderFlag.PYRAMID
        line[E_TARGET] = lots if place.alone else _shared_target(book, number, lots - place.held)
        _price_order(line, said, close, side, place.contract)
        line[E_FEE] = self._fee_of(number, side, abs(lots) + abs(place.held), int(line[E_PRICE]))
        return line


def _shared_target(book: Book, number: int, change: int) -> int:
    """Return the account's position after a change of one strategy's part and after everything that works."""
    row = book.instruments[number]
    return int(row[I_POSITION] + row[I_WORKING]) + change


def _price_order(line: Row, said: Signal, close: int, side: int, contract: Contract) -> None:
    """Set type, prices and flags of an order (the row is modified in place)."""
    kind, tick, scale = said.order_type, contract.tick, 10.0**contract.price_exp
    line[E_TYPE] = kind
    if kind == MARKET:
        line[E_PRICE] = worst(close, side)
        return
    if max(said.limit, said.stop, said.trail) * scale > TICKS_MAX or math.isnan(said.limit + said.stop):
        raise NotTradable(f"a price beyond what an order can carry: limit {said.limit}, stop {said.stop}, trail {said.trail}")
    line[E_FLAGS] |= OrderFlag.GTC if said.time_in_force == GTC else 0
    if kind in (STOP, STOP_LIMIT):
        line[E_STOP] = tick_of(said.stop * scale, side, tick)
    elif kind == TRAIL:
        line[E_TRAIL] = tick_of(said.trail * scale, 1, tick)
        line[E_STOP] = against(close + side * int(line[E_TRAIL]), side, tick)
    if kind in PRICED:
        line[E_PRICE] = tick_of(said.limit * scale, -side, tick)
    else:
        line[E_PRICE] = worst(int(line[E_STOP]), side)  # what is reserved, on the book's grid; no broker is told
