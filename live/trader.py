"""A trader: an account's orders, the looks at the broker's lists, and what people say about both. No await in here.

Theory of operation. A look books what the lists say, ends what they prove ended, and compares. What differs closes its
instrument, unless something in motion explains it; what no list knows is in doubt, and after a while closes its
instrument alone. Nothing is made to fit: a position that differs and an order in doubt wait for a person, whose word
is an event of the book with name and reason. The class is in two files because it is long: `orders.py` has the orders.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ledger.book import H_CASH, H_DEPOSITS, H_GATES, I_GATES, I_POSITION, N_INSTRUMENT, N_TIME, event
from ledger.keys import instrument_of
from ledger.oms import live_keys
from ledger.port import Ended, Fate
from ledger.vocabulary import EventKind, Gate, OrderStatus, Outcome, Side
from live.broker.facts import PositionSeen
from live.broker.reconcile import (
    APART_NS,
    Comparison,
    Difference,
    Doubts,
    Snapshot,
    absent,
    compare,
    facts,
    held_lots,
    live_of,
    unfilled,
    unlisted,
)  # fmt: skip
from live.broker.refs import order_ref
from live.ops import opening
from live.orders import Orders
from live.tape import act

if TYPE_CHECKING:
    from decimal import Decimal

    from live.broker.fold import Contract
    from live.orders import Wire

_UNKNOWN, _UNRECONCILED = int(OrderStatus.UNKNOWN), int(Gate.NOT_RECONCILED)


class Trader(Orders):
    """One account at a broker: its orders, and whether they and the positions are what the broker says."""

    def __init__(self, *words: Any, **named: Any) -> None:
        super().__init__(*words, **named)
        self._doubts = Doubts()
        self.last_whole: Snapshot | None = None
        """The last look on this connection to which every list was answered; one with a hole between two of them weakens no proof."""
        self._unsettled: dict[Difference, int] = {}
        """When each difference of the last look was first seen."""
        self._looked_ns = 0
        """The moment of the broker's lists that were looked at last."""

    def on_connected(self, wire: Wire) -> None:
        """Use a connection; what another one listed proves nothing on it."""
        self.last_whole = None
        super().on_connected(wire)

    @act
    def look(self, now: Snapshot) -> Comparison:
        """Book what the broker's lists say, resolve what they prove, close what differs, and open when all agrees."""
        book = self.session.book
        if self._unsettled or live_keys(book, _UNKNOWN):
            self._heard.clear()  # what was heard before an order fell into doubt, or could not be booked yet, may be evidence now
        for fact in facts(now):
            if self._is_news(fact):
                self._take(self._fold.add(fact))
        known = {key: order_id for key, order_id in self._order_ids.items() if key not in self._new}
        for report in [*absent(book, self.last_whole, now, self.tag, known), *unfilled(book, self.last_whole, now, self.tag)]:
            self._carry(self._oms.on_report(report))
        waiting = self._outbox.waiting()  # what never left is in no list, and in no doubt either
        doubtful = [key for key in unlisted(book, now, self.tag) if key not in waiting]
        for key in sorted(doubtful):
            self._carry(self._oms.on_doubt(key, now.time_ns, "in none of the broker's lists"))
            if self._in_bracket(key):
                # A member that was written and never let go stands in no list; asking for its cancel gives the evidence.
                self.cancel(key)
        self.last_whole = self.last_whole if now.unanswered() else now
        found = compare(book, now, self.contracts.values(), self.account, doubtful, self._fold.foreign.values())
        found, self._looked_ns = self._doubts.sorted_out(found, now.time_ns), now.time_ns
        for key in found.set_aside:
            self._set_aside(key)
        settled = [difference for difference in found.differences if self._is_settled(difference, now.time_ns)]
        for difference in settled:
            self._close(difference)
        agrees = found.agrees
        if agrees and int(book.arena[H_GATES]) & _UNRECONCILED:  # where entries are open, a look leaves no trace
            self._oms.on_reconciled(now.time_ns, f"lists of {now.time_ns} agree", frozenset(found.set_aside))
        self.look_wanted = not agrees or len(settled) < len(found.differences)
        self._unsettled = {difference: self._unsettled.get(difference, now.time_ns) for difference in found.differences}
        return found

    def wants_look(self) -> bool:
        """Say whether to look soon: something is in doubt, or the broker told a position that the book does not have.

        Of what somebody else trades at the account nothing else is told, and the timer may be minutes away.
        """
        return self.look_wanted or any(self._is_told_otherwise(contract) for contract in self.contracts.values())

    def _is_told_otherwise(self, contract: Contract) -> bool:
        """Say whether an open instrument's position was told since the last look, and is not the book's."""
        told = self._heard.get((PositionSeen, (self.account, contract.con_id)))
        if not isinstance(told, PositionSeen) or told.time_ns <= self._looked_ns:
            return False
        row = self.session.book.instruments[contract.number]
        return held_lots(told, contract) != row[I_POSITION] and not row[I_GATES] & Gate.BLOCKED

    def _is_settled(self, difference: Difference, now_ns: int) -> bool:
        """Say whether nothing in motion explains a difference: lists are asked for one after the other, and orders fill meanwhile.

        One that stays the same over two looks is settled whatever moves.
        """
        book, number = self.session.book, difference.instrument
        if now_ns - self._unsettled.get(difference, now_ns) >= APART_NS:
            return True
        last = book.entries[book.entries[:, N_INSTRUMENT] == number][-1:]
        moving = bool(live_of(book, number)) or any(now_ns - int(entry[N_TIME]) < APART_NS for entry in last)
        return not moving

    def differs(self, difference: Difference) -> str:
        """Say in shares how a position differs."""
        ours, theirs = (self._shares(difference.instrument, lots) for lots in (difference.book_lots, difference.broker_lots))
        return f"{difference.symbol}: book {ours}, broker {theirs}"

    def _close(self, difference: Difference) -> None:
        """Close an instrument for entries until a person looked at it."""
        why = self.differs(difference)
        if self._oms.block(difference.instrument, self.now_ns(), why) == Outcome.APPLIED:
            self._alert(f"POSITION DIFFERS: {why}; entries are closed, see `onebook paper reconcile`")

    def _set_aside(self, key: int) -> None:
        """Close the instrument of an order that stays in doubt, so that the others need not wait for it."""
        number = instrument_of(key)
        if self._oms.block(number, self.now_ns(), f"order {key} is in doubt") == Outcome.APPLIED:
            self._alert(
                f"ORDER IN DOUBT: {self.contracts[number].symbol}: order {key} is in none of the broker's lists, and may have arrived; "
                f"look for {order_ref(self.tag, key)} at the broker, then `onebook paper settle --order {key}`"
            )

    @act
    def settle(self, key: int, who: str) -> bool:
        """Take a person's word that the broker never had an order, or has it no more; only for one that no list knows."""
        if key not in self._doubts.orders():
            return False
        before = self.session.book.seq
        self._carry(self._oms.on_report(Ended(self.now_ns(), key, Fate.CANCELED, f"no list has it, and {who}")))
        return bool(self.session.book.seq > before)

    @act
    def halt(self, reason: str) -> None:
        """Trip the kill switch and ask for the cancel of every live order."""
        self._carry(self._oms.halt(self.now_ns(), reason))

    @act
    def resume(self, who: str) -> Outcome:
        """Release the kill switch in a person's name."""
        return self._oms.resume(self.now_ns(), who)

    @act
    def open_instrument(self, instrument: int, who: str) -> Outcome:
        """Let an instrument trade again, in the name of the person who looked at it."""
        line = event(
            EventKind.GATE, time_ns=self.now_ns(), side=Side.SELL, reason=Gate.BLOCKED, instrument=instrument,
            ref=self.session.name(who),
        )  # fmt: skip
        return self.session.record(line)

    @act
    def adjust(self, instrument: int, lots: int, price_ticks: int, who: str) -> Outcome:
        """Book shares that came (lots above 0) or went without a trade of ours, in a person's name; cash is not touched."""
        line = event(
            EventKind.ADJUST_POSITION, time_ns=self.now_ns(), instrument=instrument, side=Side.BUY if lots > 0 else Side.SELL,
            qty_lots=abs(lots), price_ticks=price_ticks, ref=self.session.name(who),
        )  # fmt: skip
        return self.session.record(line)

    @act
    def book_cash(self, kind: EventKind, amount_e8: int, instrument: int, who: str) -> Outcome:
        """Book cash that came or went without a trade of ours, as what a person says it was; `instrument` 0 is none."""
        line = event(EventKind(kind), time_ns=self.now_ns(), cash_e8=amount_e8, instrument=instrument, ref=self.session.name(who))
        return self.session.record(line)

    @act
    def stale(self, side: Side) -> None:
        """Close entries because the code on the disk is another one (BUY), or open them again (SELL)."""
        self.session.record(event(EventKind.GATE, time_ns=self.now_ns(), side=Side(side), reason=Gate.STALE_CODE))

    @act
    def deposit(self, cash: Decimal | None) -> bool:
        """Record the broker's cash as the first deposit of a book without one; return whether that was done."""
        return opening.deposit(self.session, cash, self.now_ns())

    def is_funded(self) -> bool:
        """Say whether the book has ever been given anything."""
        return bool(self.session.book.arena[H_DEPOSITS] or self.session.book.arena[H_CASH])
