"""Leaving a position at once, for a person or for the second net: what works goes first, then what is held.

Theory of operation. An instrument that is to be left passes three steps, each of which waits for
the broker: every live order of it is asked to be cancelled; when the last one is closed,
one liquidation for what is then held is claimed through the gate, the only order that
passes the kill switch; when it has filled, the instrument is done. So a stop that fills while
its cancel is under way makes the liquidation smaller or needless, and nothing is sold
twice; an order nobody knows about keeps the liquidation waiting, and the gate itself refuses
to sell what a live order may sell already. A liquidation that is refused is tried again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from ledger.book import I_POSITION, O_FILLED, O_FLAGS, O_KEY, O_QTY, O_SIDE, O_STATUS, Book, event
from ledger.keys import purpose_of
from ledger.vocabulary import EventKind, OrderFlag, OrderStatus, Outcome, Purpose
from live.broker.fold import Contract
from live.market.holdings import free_key, live
from live.market.prices import worst
from live.orders import STRATEGY_ID
from live.trader import Trader

AGAIN_NS = 30 * 10**9
"""How long after a refused liquidation the next one is tried."""


class Step(NamedTuple):
    """One step of leaving an instrument."""

    do: str
    """cancel or close."""
    symbol: str
    side: int
    qty_lots: int
    key: int = 0


class Leaving(NamedTuple):
    """An instrument on its way out."""

    why: str
    next_ns: int = 0
    doubted: bool = False


class Exits:
    """The instruments that are being left."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._leaving: dict[int, Leaving] = {}

    def leave(self, instrument: int, why: str) -> bool:
        """Begin to leave an instrument; False when it is being left already."""
        if instrument in self._leaving:
            return False
        self._leaving[instrument] = Leaving(why)
        return True

    def leaving(self, instrument: int) -> bool:
        """Say whether an instrument is being left: nothing else may order it."""
        return instrument in self._leaving

    def reasons(self) -> dict[int, str]:
        """Return why each instrument is being left."""
        return {number: leaving.why for number, leaving in self._leaving.items()}

    def step(self, trader: Trader, contract: Contract, close: int, now_ns: int, is_open: bool = True) -> None:
        """Take the next step of an instrument, if it is being left.

        Args:
            close: the last price in ticks, 0 when none is known. is_open: what is held can be sold now.
        """
        here, book, number = self._leaving.get(contract.number), trader.session.book, contract.number
        if here is None:
            return
        working = live(book, number)
        others = [order for order in working if int(purpose_of(order[O_KEY])) != Purpose.LIQUIDATE]
        for order in others:
            if not order[O_FLAGS] & OrderFlag.CANCEL_ASKED:
                trader.cancel(int(order[O_KEY]))
        if others and not here.doubted and any(int(order[O_STATUS]) == OrderStatus.UNKNOWN for order in others):
            self._leaving[number] = here._replace(doubted=True)
            self._say(f"EXIT WAITS: {contract.symbol}: an order of it is UNKNOWN; what may still sell must be known before more is sold")
        if not working and (is_open or book.instruments[number, I_POSITION] == 0):
            self._close(trader, contract, close, now_ns, here)

    def _close(self, trader: Trader, contract: Contract, close: int, now_ns: int, here: Leaving) -> None:
        """Claim the liquidation, or be done."""
        book, number = trader.session.book, contract.number
        position = int(book.instruments[number, I_POSITION])
        if position == 0:
            del self._leaving[number]
            self._say(f"LEFT: {contract.symbol}: {here.why}")
        elif now_ns >= here.next_ns:
            key = free_key(book, STRATEGY_ID, number, Purpose.LIQUIDATE, now_ns)
            price = worst(close, -1 if position > 0 else 1) if close else 1
            outcome = trader.on_wish(event(EventKind.SIGNAL, time_ns=now_ns, key=key, instrument=number, price_ticks=price))
            self._leaving[number] = here._replace(next_ns=now_ns + AGAIN_NS)
            if outcome != Outcome.APPLIED:
                self._say(f"EXIT REFUSED: {contract.symbol}: {outcome.name}; tried again in {AGAIN_NS // 10**9} s")


def plan(book: Book, symbols: dict[int, str]) -> list[Step]:
    """Return what leaving everything would do, in its order: cancels first, then the position as it is now."""
    steps = [
        Step("cancel", symbols[n], int(order[O_SIDE]), int(order[O_QTY] - order[O_FILLED]), int(order[O_KEY]))
        for n in symbols
        for order in reversed(live(book, n))
    ]
    for number, symbol in symbols.items():
        position = int(book.instruments[number, I_POSITION])
        if position:
            steps.append(Step("close", symbol, -1 if position > 0 else 1, abs(position)))
    return steps
