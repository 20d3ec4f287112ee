"""Guards: stop loss, take profit and trail as orders at the broker, in line with the position they protect.

Theory of operation. A wish may bring guards. Guards whose prices are known go to the broker
together with the entry, as a bracket: it is held back until its last order is there, so
a crash leaves all of it or nothing that can trade. Guards that are fractions of the price
the position is opened at follow the fill. Either way each guard is claimed through the
gate like any order, in one one-cancels-all group named after the entry.

`sync` looks at one instrument and makes one correction: a guard of a wrong size, side or
level is cancelled, and claimed anew when the broker has confirmed that. A guard is as large
as the position less what exits already take; one that hangs on an entry may also cover
what that entry has still to bring. So when the rest of an entry is cancelled its guards
shrink to what was bought, and a guard without entry or position goes: the next call after
a start finds orphans too. What guards there should be is known after a start as well,
because the strategy was asked for the past again.

A guard that was refused is tried again with growing pauses; meanwhile `bare` names the
instrument, and the second net (`stops.py`) counts the seconds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from ledger.book import (
    E_KEY,
    I_POSITION,
    O_FILLED,
    O_FLAGS,
    O_KEY,
    O_PARENT,
    O_PRICE,
    O_QTY,
    O_SIDE,
    O_STATUS,
    O_STOP,
    O_TRAIL,
    Book,
    Row,
    event,
)  # fmt: skip
from ledger.kernels.orders import parent_leaves
from ledger.keys import purpose_of
from ledger.vocabulary import EventKind, OrderFlag, OrderStatus, OrderType, Outcome, Purpose
from live.broker.fold import Contract
from live.market.holdings import Opened, free_key, live, opened, order_of
from live.market.prices import against, tick_of
from live.orders import STRATEGY_ID
from live.trader import Trader
from strategies.api import TRAIL, Signal

KINDS = {
    Purpose.STOP_LOSS: OrderType.STOP,
    Purpose.TAKE_PROFIT: OrderType.LIMIT,
    Purpose.TRAIL: OrderType.TRAIL,
}
COLUMNS = {Purpose.STOP_LOSS: O_STOP, Purpose.TAKE_PROFIT: O_PRICE, Purpose.TRAIL: O_TRAIL}
ONE_E6 = 1_000_000
SECOND_NS = 1_000_000_000
PAUSE_MOST = 6
"""A guard that is refused again and again is tried every 2**6 seconds in the end."""


class Wanted(NamedTuple):
    """The guards a wish brought: prices, or fractions of the price the position was opened at; 0.0 is none."""

    stop_loss: float
    take_profit: float
    trail: float
    from_fill: bool


class Try(NamedTuple):
    """The last attempt at a guard: its key, how many in a row were refused, and when the next may be made."""

    key: int
    refused: int
    next_ns: int


NONE = Wanted(0.0, 0.0, 0.0, False)


class Guards:
    """The guards that each instrument should have."""

    def __init__(self) -> None:
        self._wanted: dict[int, Wanted] = {}
        self._tries: dict[tuple[int, Purpose], Try] = {}

    def want(self, instrument: int, said: Signal) -> None:
        """Remember the guards of a wish; a wish without any has none."""
        trail = 0.0 if said.order_type == TRAIL else said.trail
        self._wanted[instrument] = Wanted(said.stop_loss, said.take_profit, trail, bool(said.from_fill))

    def withdraw(self, instrument: int) -> None:
        """Want no guard, because the position is about to be left."""
        self._wanted[instrument] = NONE

    def wanted(self, instrument: int) -> bool:
        """Say whether an instrument's position should have guards."""
        return self._wanted.get(instrument, NONE) != NONE

    def bare(self, book: Book) -> list[int]:
        """Return the instruments that hold a position the strategy wanted guarded and that no guard protects."""
        held = (number for number in self._wanted if book.instruments[number, I_POSITION] != 0)
        return [number for number in held if self.wanted(number) and not working(book, number)]

    def level(self, book: Book, contract: Contract, purpose: Purpose) -> int:
        """Return the price in ticks of one guard of the present position, or the trail's distance; 0 when none is wanted."""
        position = int(book.instruments[contract.number, I_POSITION])
        return self._levels(book, contract, position).get(purpose, 0)

    def children(self, trader: Trader, contract: Contract, entry: Row, now_ns: int) -> Callable[[], list[Row]] | None:
        """Return what makes the guards of an entry that is claimed first; None when their prices are not known before it fills."""
        wanted, book = self._wanted.get(contract.number, NONE), trader.session.book
        if wanted == NONE or wanted.from_fill or book.instruments[contract.number, I_POSITION] != 0:
            return None
        key = int(entry[E_KEY])

        def make_them() -> list[Row]:
            parent = order_of(book_of(trader), key)
            assert parent is not None
            side = int(parent[O_SIDE])
            mark = int(parent[O_PRICE])
            rows = []
            for purpose, price in self._levels(book_of(trader), contract, side).items():
                rows.append(_signal(book_of(trader), contract, purpose, price, side, Opened(mark, key), 0, now_ns))
            return rows

        return make_them

    def sync(self, trader: Trader, contract: Contract, now_ns: int, may_claim: bool = True) -> bool:
        """Make the next correction of an instrument's guards; False when there is none to make.

        Args:
            may_claim: no new guard is claimed otherwise (the market is closed, or the position is being left).
        """
        book, number = trader.session.book, contract.number
        position = int(book.instruments[number, I_POSITION])
        for purpose, order in working(book, number).items():
            if not self._in_line(book, contract, purpose, order):
                return not order[O_FLAGS] & OrderFlag.CANCEL_ASKED and trader.cancel(int(order[O_KEY]))
        if position == 0 or not may_claim or abs(position) <= _exits(book, number, position):
            return False
        for purpose, price in self._levels(book, contract, position).items():
            if price > 0 and purpose not in working(book, number) and self._may_try(book, number, purpose, now_ns):
                return self._claim(trader, contract, purpose, price, now_ns)
        return False

    def _in_line(self, book: Book, contract: Contract, purpose: Purpose, order: Row) -> bool:
        """Say whether a working guard has the side, the level and one of the sizes it may have."""
        side = -int(order[O_SIDE])
        position = int(book.instruments[contract.number, I_POSITION])
        here = max(0, side * position) - _exits(book, contract.number, side)
        coming = int(parent_leaves(book.arena, int(order[O_PARENT]), -side, contract.number))
        if here + coming <= 0 or position * side < 0:
            return False
        level = self._levels(book, contract, position or side).get(purpose, 0)
        return int(order[O_QTY] - order[O_FILLED]) in {max(here, 0), here + coming} and int(order[COLUMNS[purpose]]) == level

    def _levels(self, book: Book, contract: Contract, position: int) -> dict[Purpose, int]:
        """Return the price in ticks of each wanted guard, or the trail's distance, of a position of this sign."""
        wanted = self._wanted.get(contract.number, NONE)
        if position == 0 or wanted == NONE:
            return {}
        side, tick, scale = (1 if position > 0 else -1), contract.tick, 10.0**contract.price_exp
        if wanted.from_fill:
            base = opened(book, contract.number).price
            found = (
                _share(base, wanted.stop_loss, -side, tick, up=side < 0), _share(base, wanted.take_profit, side, tick, up=side > 0),
                against(-(-base * tick_of(wanted.trail * ONE_E6, 1, 1) // ONE_E6), 1, tick),
            )  # fmt: skip
        else:
            found = (
                tick_of(wanted.stop_loss * scale, -side, tick), tick_of(wanted.take_profit * scale, side, tick),
                tick_of(wanted.trail * scale, 1, tick),
            )  # fmt: skip
        asked = (wanted.stop_loss, wanted.take_profit, wanted.trail)
        return {purpose: price for purpose, price, told in zip(KINDS, found, asked, strict=True) if told > 0.0}

    def _may_try(self, book: Book, number: int, purpose: Purpose, now_ns: int) -> bool:
        """Say whether a guard may be claimed now; what the broker refused of the last attempt counts as well."""
        last = self._tries.get((number, purpose))
        if last is None:
            return True
        order = order_of(book, last.key)
        if order is not None and int(order[O_STATUS]) != OrderStatus.REJECTED:
            del self._tries[number, purpose]
            return True
        if order is not None:
            last = self._refused(number, purpose, last, now_ns)
        return now_ns >= last.next_ns

    def _refused(self, number: int, purpose: Purpose, last: Try, now_ns: int) -> Try:
        pause_ns = 2 ** min(last.refused, PAUSE_MOST) * SECOND_NS
        self._tries[number, purpose] = found = Try(0, last.refused + 1, now_ns + pause_ns)
        return found

    def _claim(self, trader: Trader, contract: Contract, purpose: Purpose, price: int, now_ns: int) -> bool:
        """Claim a guard of what is held now; return whether the gate let it through."""
        book, number = trader.session.book, contract.number
        position, came = int(book.instruments[number, I_POSITION]), opened(book, number)
        side = 1 if position > 0 else -1
        # The gate adds what the entry may still bring; the guard is for what is here, less what exits take already.
        coming = int(parent_leaves(book.arena, came.parent, -side, number))
        row = _signal(book, contract, purpose, price, side, came, side * (coming + _exits(book, number, position)), now_ns)
        outcome = trader.on_guard(row)
        last = self._tries.get((number, purpose), Try(0, 0, 0))
        if outcome == Outcome.APPLIED:
            self._tries[number, purpose] = last._replace(key=int(row[E_KEY]))
        else:
            self._refused(number, purpose, last, now_ns)
        return outcome == Outcome.APPLIED


def book_of(trader: Trader) -> Book:
    """Return the book as it is now; it is another object after it has grown."""
    return trader.session.book


def _signal(
    book: Book, contract: Contract, purpose: Purpose, price: int, side: int, came: Opened, remains: int, now_ns: int
) -> Row:  # fmt: skip
    """Return the SIGNAL of a guard of a position of this sign; `remains` is the position it leaves, as the gate counts."""
    number, kind = contract.number, KINDS[purpose]
    trail = price if kind is OrderType.TRAIL else 0
    level = against(came.price - side * trail, -side, contract.tick) if trail else price
    return event(
        EventKind.SIGNAL, time_ns=now_ns, instrument=number, key=free_key(book, STRATEGY_ID, number, purpose, now_ns), order_type=kind,
        price_ticks=level, stop_ticks=0 if kind is OrderType.LIMIT else level, trail_ticks=trail, flags=OrderFlag.GTC,
        parent=came.parent, target_lots=remains,
    )  # fmt: skip


def _share(base: int, fraction: float, rises: int, tick: int, up: bool) -> int:
    """Return a price a fraction above (`rises` 1) or below the base, on the grid, in whole numbers as in a backtest."""
    numerator = base * max(0, ONE_E6 + rises * tick_of(fraction * ONE_E6, 1, 1))
    if up:
        return max(tick, against(-(-numerator // ONE_E6), 1, tick))
    return max(tick, numerator // ONE_E6 // tick * tick)


def working(book: Book, instrument: int) -> dict[Purpose, Row]:
    """Return the guards of an instrument that are live."""
    return {Purpose(int(purpose_of(o[O_KEY]))): o for o in live(book, instrument) if int(purpose_of(o[O_KEY])) in set(KINDS)}


def _exits(book: Book, instrument: int, position: int) -> int:
    """Return the lots that live orders which are no guards take off a position of this sign."""
    side = -1 if position > 0 else 1
    mine = [o for o in live(book, instrument) if int(purpose_of(o[O_KEY])) not in set(KINDS) and o[O_SIDE] == side]
    return sum(int(o[O_QTY] - o[O_FILLED]) for o in mine)
