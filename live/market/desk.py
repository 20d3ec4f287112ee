"""One strategy's desk: what it said last, what works for it, and what waits until something else is gone.

Theory of operation. An instrument of a strategy has one Slot. An answer that is news becomes
`pending`: the strategy's own working order is asked to be cancelled, and its guards too when
the position is to shrink. `settle` hands the pending order to the gate when the broker has
confirmed that all of it is gone; until then a newer answer takes its place. So a strategy
never has two live orders in an instrument, and what filled while a cancel was under way
counts, because a wish is a position and not a quantity.

An order that ended without filling (expired, cancelled, never sent) is forgotten, so that
the same answer is decided anew at the next bar, as in a backtest; one that the broker
refused is not tried again before the strategy says something new.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ledger.book import E_KEY, I_GATES, I_POSITION, I_REPEATS, O_FILLED, O_FLAGS, O_KEY, O_STATUS, O_TARGET, Book, event
from ledger.views import refusal_words
from ledger.vocabulary import EventKind, Gate, OrderFlag, OrderStatus, Outcome, Purpose, Side
from live.broker.fold import Contract
from live.config import Passive
from live.market import passive
from live.market.guards import Guards, working
from live.market.history import Asker, Bar
from live.market.holdings import held, is_own, order_of, orders_of, own, stopped
from live.market.passive import Quote
from live.market.wishes import Maker, News, Place, judge, require_tradable
from live.trader import Trader
from strategies.api import AT_OPEN, Signal

ENDED_UNFILLED = frozenset({int(OrderStatus.CANCELED), int(OrderStatus.EXPIRED), int(OrderStatus.RELEASED)})


class Pending(NamedTuple):
    """An order that waits until what stands in its way is gone."""

    lots: int
    said: Signal
    bar: Bar
    reducing: bool


@dataclass(slots=True)
class Slot:
    """One instrument of one strategy."""

    said: Signal | None = None
    """The last answer that was acted upon; None: the next one is."""
    key: int = 0
    """The order made of it."""
    pending: Pending | None = None
    quote: Quote | None = None


class Desk:
    """One strategy's orders in all its instruments."""

    def __init__(
        self, number: int, asker: Asker, maker: Maker, guards: Guards, team: Sequence[int], say: Callable[[str], None],
        quoting: Passive | None = None, brackets: bool = True, shared: Mapping[str, int] | None = None,
    ) -> None:  # fmt: skip
        """Open a desk.

        Args:
            number: the strategy's id. team: the ids of all strategies. shared: who else holds an instrument, by symbol.
        """
        self.number, self.asker = number, asker
        self._maker, self._guards, self._team, self._say = maker, guards, tuple(team), say
        self._quoting, self._brackets, self._shared = quoting, brackets, shared or {}
        self._slots: dict[int, Slot] = {}

    def slot(self, instrument: int) -> Slot:
        """Return an instrument's slot."""
        return self._slots.setdefault(instrument, Slot())

    def _place(self, book: Book, contract: Contract) -> Place:
        team = self._holders(contract)
        return Place(contract, self.number, held(book, contract.number, self.number, team), len(team) == 1)

    def _holders(self, contract: Contract) -> tuple[int, ...]:
        """Return the ids of all that hold parts of an instrument."""
        other = self._shared.get(contract.symbol)
        return self._team if other is None else (*self._team, other)

    def adopt(self, book: Book, contract: Contract, said: Signal) -> None:
        """Take an answer of before the start for acted upon, if position, working order or a guard's exit say that it was."""
        number, slot = contract.number, self.slot(contract.number)
        side = (said.target > 0) - (said.target < 0)
        team = self._holders(contract)
        lots = held(book, number, self.number, team)
        mine = own(book, number, self.number)
        keys = orders_of(book, number)[:, O_KEY]
        past = keys[is_own(keys, self.number)]
        slot.key = int(past[-1]) if len(past) else 0
        if mine or (lots > 0) - (lots < 0) == side or stopped(book, number, self.number, slot.key):
            slot.said = said
        if mine and self._quoting is not None and len(team) == 1:
            slot.quote = passive.adopted(self._quoting, mine[0], int(mine[0][O_TARGET]), said)
        self._guards.want(number, said)

    def consider(self, trader: Trader, contract: Contract, bar: Bar, weight_e6: int, said: Signal) -> None:
        """Take an answer.

        Raises:
            live.market.wishes.NotTradable: no gateway takes such an order.
        """
        book, slot = trader.session.book, self.slot(contract.number)
        if math.isnan(said.target):
            if slot.said is not None and stopped(book, contract.number, self.number, slot.key):
                slot.said = None
            return
        place = self._place(book, contract)
        require_tradable(said, place.alone)
        news = judge(said, slot.said)
        if news is News.GUARDS:
            slot.said = said
            slot.pending = slot.pending._replace(said=said) if slot.pending else None
            self._guards.want(contract.number, said)
        if news is not News.ORDER:
            return
        lots = self._maker.lots(book, place, bar, weight_e6, said.target)
        if lots is None:
            return
        slot.said, slot.quote = said, None
        slot.pending = Pending(lots, said, bar, abs(lots) < abs(place.held) or lots * place.held < 0)
        for order in own(book, contract.number, self.number):
            trader.cancel(int(order[O_KEY]))
        if slot.pending.reducing:
            # Guards hold the quantity; they are withdrawn before the strategy's own exit asks for it.
            self._guards.withdraw(contract.number)
        else:
            self.settle(trader, contract, bar.close, bar.end_ns)

    def drop(self, instrument: int) -> None:
        """Forget what waits, because the position is being left."""
        slot = self.slot(instrument)
        slot.pending = slot.quote = None

    def settle(self, trader: Trader, contract: Contract, close: int, now_ns: int) -> None:
        """Go on with an instrument: hand over what waited, end and renew quotes, forget what ended unfilled."""
        book, slot = trader.session.book, self.slot(contract.number)
        mine = own(book, contract.number, self.number)
        if slot.quote is not None:
            self._settle_quote(trader, contract, slot, slot.quote, close, now_ns)
        elif slot.pending is None:
            self._forget_ended(trader, contract, slot)
        elif not mine and not self._guards_in_the_way(book, contract, slot.pending.reducing):
            pending, slot.pending = slot.pending, None
            self._claim(trader, contract, slot, pending, now_ns)

    def _guards_in_the_way(self, book: Book, contract: Contract, reducing: bool) -> bool:
        """Say whether live guards hold an order up: they take an exit's quantity, and those of the last position that of new guards."""
        flat = book.instruments[contract.number, I_POSITION] == 0
        return bool((reducing or flat) and working(book, contract.number))

    def _claim(self, trader: Trader, contract: Contract, slot: Slot, pending: Pending, now_ns: int) -> None:
        """Hand an order to the gate; from here on its guards are the instrument's."""
        place = self._place(trader.session.book, contract)
        if place.alone:
            self._guards.want(contract.number, pending.said)
        if pending.lots == place.held:
            return
        if self._quoting is not None and passive.is_passive(self._quoting, pending.said, place.held, pending.lots):
            slot.quote = passive.begin(self._quoting, pending.lots, pending.said, pending.bar.end_ns, now_ns)
            self._quote(trader, contract, slot, slot.quote, pending.bar.close)
            return
        self._hand_over(trader, contract, slot, place, pending.lots, pending.said, pending.bar.close, pending.bar.end_ns)

    def _hand_over(
        self, trader: Trader, contract: Contract, slot: Slot, place: Place, lots: int, said: Signal, close: int, time_ns: int,
        purpose: Purpose = Purpose.TARGET, leg: int = 0,
    ) -> None:  # fmt: skip
        """Give one order to the gate, with its guards if their prices are known."""
        book = trader.session.book
        row = self._maker.row(book, place, lots, said, close, time_ns, purpose=purpose, leg=leg)
        children = self._guards.children(trader, contract, row, time_ns) if self._brackets and lots and place.alone else None
        if children is not None and said.time_in_force < AT_OPEN:
            outcome = trader.on_bracket(row, children, said.time_in_force)
        else:
            outcome = trader.on_wish(row, said.time_in_force)
        slot.key = int(row[E_KEY]) if outcome == Outcome.APPLIED else slot.key
        if outcome != Outcome.APPLIED and not (outcome == Outcome.AT_TARGET and place.alone):
            slot.said = slot.quote = None
            self._say(f"{refusal_words(outcome, lots)}: {contract.symbol}: {outcome.name}")

    def _forget_ended(self, trader: Trader, contract: Contract, slot: Slot) -> None:
        """Forget an answer whose order ended unfilled; after a guard's exit end what is left of the entry, and keep the answer."""
        book, order = trader.session.book, order_of(trader.session.book, slot.key)
        if order is None or int(order[O_STATUS]) == OrderStatus.FILLED:
            return
        working = int(order[O_STATUS]) <= OrderStatus.UNKNOWN
        ended = int(order[O_STATUS]) in ENDED_UNFILLED
        if not working and not ended:
            return
        if stopped(book, contract.number, self.number, slot.key):
            if working:
                trader.cancel(slot.key)
        elif ended:
            slot.said, slot.key = None, 0
            self._uncount(trader, contract)

    def _uncount(self, trader: Trader, contract: Contract) -> None:
        """Begin the count of entries in a row anew when none of those counted bought anything."""
        book, number = trader.session.book, contract.number
        repeats, gates = int(book.instruments[number, I_REPEATS]), int(book.instruments[number, I_GATES])
        if repeats == 0 or gates & Gate.BLOCKED:
            return
        orders = orders_of(book, number)
        counted = orders[orders[:, O_FLAGS] & OrderFlag.OPENING > 0][-repeats:]
        if (counted[:, O_FILLED] == 0).all() and (counted[:, O_STATUS] > OrderStatus.UNKNOWN).all():
            ref = trader.session.name("entries that ended without a fill are not entries in a row")
            trader.session.record(
                event(
                    EventKind.GATE, time_ns=trader.now_ns(), side=Side.SELL, reason=Gate.BLOCKED, instrument=number, ref=ref
                )
            )  # fmt: skip

    # Passive entries.

    def _quote(self, trader: Trader, contract: Contract, slot: Slot, quote: Quote, last_ticks: int) -> None:
        """Quote a leg."""
        assert self._quoting is not None
        place = self._place(trader.session.book, contract)
        said = passive.priced(self._quoting, quote, last_ticks, place.held, contract)
        self._hand_over(trader, contract, slot, place, quote.lots, said, last_ticks, quote.time_ns, Purpose.PASSIVE, quote.leg)

    def _settle_quote(self, trader: Trader, contract: Contract, slot: Slot, quote: Quote, close: int, now_ns: int) -> None:
        """End a quote whose time is over; when the broker has confirmed its end, quote the next leg or stop."""
        assert self._quoting is not None
        mine = own(trader.session.book, contract.number, self.number)
        if mine:
            # The leg that goes to the market is not a quote any more and is left alone.
            if now_ns >= quote.until_ns and quote.leg <= self._quoting.requotes:
                trader.cancel(int(mine[0][O_KEY]))
            return
        if close <= 0 or self._guards_in_the_way(trader.session.book, contract, False):
            return
        order, place = order_of(trader.session.book, slot.key), self._place(trader.session.book, contract)
        rejected = order is not None and int(order[O_STATUS]) == OrderStatus.REJECTED
        following = None if place.held == quote.lots or rejected else passive.after(self._quoting, quote, now_ns)
        slot.quote = following
        self._uncount(trader, contract)
        if following is not None:
            self._quote(trader, contract, slot, following, close)
        else:
            slot.key = 0  # the decision is over, filled or given up; only something new is decided again
