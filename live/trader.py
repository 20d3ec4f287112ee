"""The part of the runner that knows orders: facts in, orders out, the journal in between. No await in here.

Theory of operation. Every fact of the broker passes `on_fact`: its words are kept, the
fold says what follows, the order manager books it. Every wish passes `on_wish`: the
gate decides and records. What is to be sent waits in the outbox until `pump` hands it to
the wire. Nothing here waits, so between reading the book and the commit nothing else
can happen; that is the whole of the concurrency argument inside a process, and between
processes the journal's account lock is.

An order's name at the broker, `client id:order id`, is reserved when it is claimed and
recorded with SENDING, so a restart knows it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Protocol

from ledger.book import I_POSITION, N_INSTRUMENT, N_TIME, O_KEY, O_STATUS, Row, event
from ledger.keys import make
from ledger.oms import OrderManager
from ledger.port import Alert, Cancel, Effect, Executed, Query, Submit
from ledger.units import decimal_text
from ledger.vocabulary import EventKind, Gate, OrderFlag, OrderStatus, OrderType, Outcome, Purpose, Side
from live import link as links
from live.broker.facts import CommissionSeen, ExecutionSeen, Fact, OrderSeen, PositionSeen, words
from live.broker.fold import Contract, Fold, Said
from live.broker.reconcile import (
    APART_NS,
    Comparison,
    Difference,
    Snapshot,
    absent,
    compare,
    facts,
    live_of,
    unfilled,
    unlisted,
)
from live.broker.refs import order_ref
from live.outbox import Outbox
from live.pacer import Pacer

if TYPE_CHECKING:
    from ledger.journal.session import Session
    from live.ib import Ticket

ORDER_TYPES = {
    OrderType.MARKET: "MKT", OrderType.LIMIT: "LMT", OrderType.STOP: "STP", OrderType.STOP_LIMIT: "STP LMT", OrderType.TRAIL: "TRAIL",
}  # fmt: skip


STRATEGY_ID = 1


class Wire(Protocol):
    """What the trader needs of a connection."""

    def reserve_order_id(self) -> int:
        """Return the next order id."""

    def place(self, ticket: Ticket, contract: Any, /) -> None:
        """Write an order to the socket; ConnectionError when it is closed."""

    def cancel(self, order_id: int, /) -> None:
        """Ask for a cancel; ConnectionError when the socket is closed."""


class Trader:
    """One account's orders at a broker."""

    def __init__(
        self, session: Session, tag: str, client_id: int, account: str, contracts: Iterable[Contract], pacer: Pacer,
        alert: Callable[[str], None], now_ns: Callable[[], int],
    ) -> None:  # fmt: skip
        self.session, self.tag, self.client_id, self.account = session, tag, client_id, account
        self.contracts = {contract.number: contract for contract in contracts}
        self.wire: Wire | None = None
        self.handles: dict[int, Any] = {}
        """The broker's own contract objects, by instrument."""
        self.look_wanted = False
        self._alert, self._now_ns = alert, now_ns
        self._fold = Fold(tag, client_id, account, self.contracts.values())
        self._oms = OrderManager(session, {n: c.symbol for n, c in self.contracts.items()}, self._reserve)
        self._outbox = Outbox(pacer)
        self._order_ids: dict[int, int] = {}
        self._unsettled: dict[Difference, int] = {}
        """When each difference of the last look was first seen."""
        self._heard: dict[tuple[type, object], Fact] = {}
        """The last fact of each execution, fee, position and closed order, since the connection began."""
        for key, way in session.remarks(EventKind.SENDING):
            self._recall(key, way)

    def _recall(self, key: int, way: str) -> None:
        """Remember under which name an order was sent by a process before this one."""
        client, _, order_id = way.partition(":")
        if client == str(self.client_id) and order_id.isdecimal():
            self._order_ids[key] = int(order_id)
            self._fold.sent(int(order_id), key)

    def _reserve(self, key: int) -> str:
        if self.wire is None:
            raise RuntimeError("an order was claimed without a connection; the gate DISCONNECTED must have been open")
        order_id = self.wire.reserve_order_id()
        self._order_ids[key] = order_id
        return f"{self.client_id}:{order_id}"

    # In.

    def on_fact(self, fact: Fact) -> None:
        """Keep a fact's words, and book what follows from it."""
        if not self._is_news(fact):
            return
        self.session.keep("ib", json.dumps(words(fact), separators=(",", ":")))
        self._take(self._fold.add(fact))

    def _is_news(self, fact: Fact) -> bool:
        """Say whether a fact differs from the last of its kind; lists repeat executions, fees and closed orders every time."""
        if isinstance(fact, ExecutionSeen | CommissionSeen):
            name: object = fact.exec_id
        elif isinstance(fact, PositionSeen):
            name = fact.account, fact.con_id
        elif isinstance(fact, OrderSeen) and fact.completed:
            name = fact.order_ref, fact.perm_id
        else:
            return True
        last = self._heard.get((type(fact), name))
        self._heard[type(fact), name] = fact
        return last is None or last._replace(time_ns=fact.time_ns) != fact

    def _take(self, said: list[Said]) -> None:
        for report in said:
            if isinstance(report, Alert):
                self._alert(report.line)
            else:
                before = self.session.book.seq
                self._carry(self._oms.on_report(report))
                if isinstance(report, Executed) and self.session.book.seq > before:
                    self._alert(self._fill_line(report))

    def _fill_line(self, fill: Executed) -> str:
        contract = self.contracts[fill.instrument]
        qty, price = _decimals(contract.qty_exp)(fill.qty_lots), _decimals(contract.price_exp)(fill.price_ticks)
        return f"FILLED: {'BUY' if fill.side > 0 else 'SELL'} {qty.normalize():f} {contract.symbol} at {price}"

    def on_wish(self, signal: Row) -> Outcome:
        """Hand a wish to the gate; an order that passes waits in the outbox."""
        self._carry(self._oms.on_signal(signal))
        return self._oms.answered

    def cancel(self, key: int) -> bool:
        """Ask for a cancel of one of our orders; return whether that is news."""
        effects = self._oms.cancel(key, self._now_ns())
        self._carry(effects)
        return bool(effects)

    def _carry(self, effects: list[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, Alert):
                self._alert(effect.line)
            elif isinstance(effect, Query):
                self.look_wanted = True
            else:
                self._outbox.put(effect)

    # Out.

    def pump(self, link: links.Link) -> int:
        """Send what may leave now; return how many messages went.

        Raises:
            ConnectionError: the socket is closed; what was not written stays in doubt.
        """
        due = self._outbox.due(link, self._now_ns())
        for effect in due:
            if isinstance(effect, Submit):
                self._place(effect)
            else:
                self._cancel(effect)
        return len(due)

    def wait_ns(self) -> int | None:
        """Return how long until `pump` may have something, None when nothing waits."""
        return self._outbox.wait_ns(self._now_ns())

    def _place(self, submit: Submit) -> None:
        from live.ib import Ticket

        if self.wire is None:
            raise ConnectionError("there is no connection")
        order_id, contract = self._order_ids[submit.key], self.contracts[submit.instrument]
        self._fold.sent(order_id, submit.key)
        price = _decimals(contract.price_exp)
        kind = OrderType(submit.order_type)
        aux = submit.trail_ticks if kind is OrderType.TRAIL else submit.stop_ticks
        ticket = Ticket(
            order_id=order_id, order_ref=order_ref(self.tag, submit.key), account=self.account,
            action="BUY" if submit.side > 0 else "SELL", quantity=_decimals(contract.qty_exp)(submit.qty_lots),
            order_type=ORDER_TYPES[kind],
            limit=price(submit.price_ticks) if kind in (OrderType.LIMIT, OrderType.STOP_LIMIT) else None,
            aux=price(aux) if kind in (OrderType.STOP, OrderType.STOP_LIMIT, OrderType.TRAIL) else None,
            tif="GTC" if submit.flags & OrderFlag.GTC else "DAY",
            outside_rth=bool(submit.flags & OrderFlag.OUTSIDE_RTH),
            oca_group=_group(self.tag, submit.parent),
        )  # fmt: skip
        self.wire.place(ticket, self.handles[submit.instrument])
        self._alert(f"SENT: {ticket.action} {ticket.quantity.normalize():f} {contract.symbol} {ticket.order_type} as {ticket.order_ref}")

    def _cancel(self, effect: Cancel) -> None:
        order_id = self._order_ids.get(effect.key)
        if order_id is None or self.wire is None:
            self._alert(f"CANCEL NOT SENT: order {effect.key} has no order id of this client; cancel it at the broker")
            return
        self._fold.sent(order_id, effect.key)
        self.wire.cancel(order_id)

    # Start, loss of the link, and the look at the broker's lists.

    def on_start(self) -> None:
        """Take up after a start: what was never sent is released, what may have been is UNKNOWN, entries stay closed."""
        self._carry(self._oms.on_start(self._now_ns()))

    def on_connected(self, wire: Wire) -> None:
        """Use a connection; entries stay closed until the lists agree."""
        self.wire = wire
        self._heard.clear()
        self._fold.connected()
        self._carry(self._oms.on_connected(self._now_ns()))

    def on_disconnected(self) -> None:
        """Close the gate; what waits in the outbox never left and is not sent later."""
        self.wire = None
        self._carry(self._oms.on_disconnected(self._now_ns()))
        for key in self._outbox.drop():
            self._carry(self._oms.on_doubt(key, self._now_ns(), "the connection broke while the order waited to be sent"))

    def look(self, before: Snapshot | None, now: Snapshot) -> Comparison:
        """Book what the broker's lists say, resolve what they prove, close what differs, and open when all agrees."""
        if (self.session.book.orders[:, O_STATUS] == OrderStatus.UNKNOWN).any():
            self._heard.clear()  # what was heard before an order fell into doubt may be its evidence now
        for fact in facts(now):
            if self._is_news(fact):
                self._take(self._fold.add(fact))
        book = self.session.book
        for report in [*absent(book, before, now, self.tag, self._order_ids), *unfilled(book, before, now, self.tag)]:
            self._carry(self._oms.on_report(report))
        for key in unlisted(self.session.book, now, self.tag):
            self._carry(self._oms.on_doubt(key, now.time_ns, "in none of the broker's lists"))
        found = compare(self.session.book, now, self._fold, self.contracts.values(), self.account, self.tag)
        settled = [difference for difference in found.differences if self._is_settled(difference, now.time_ns)]
        for difference in settled:
            self._close(difference.instrument, f"book {difference.book_lots}, broker {difference.broker_lots} lots")
        if found.agrees:
            self._oms.on_reconciled(now.time_ns, f"lists of {now.time_ns} agree")
        self.look_wanted = not found.agrees or len(settled) < len(found.differences)
        self._unsettled = {difference: self._unsettled.get(difference, now.time_ns) for difference in found.differences}
        return found

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

    def _close(self, instrument: int, why: str) -> None:
        """Close an instrument for entries until a person looked at it."""
        if self._oms.block(instrument, self._now_ns(), why) == Outcome.APPLIED:
            self._alert(f"POSITION DIFFERS: {self.contracts[instrument].symbol}: {why}; entries are closed, see `onebook paper reconcile`")

    def halt(self, reason: str) -> None:
        """Trip the kill switch and ask for the cancel of every live order."""
        self._carry(self._oms.halt(self._now_ns(), reason))

    def resume(self, who: str) -> Outcome:
        """Release the kill switch in a person's name."""
        return self._oms.resume(self._now_ns(), who)

    def open_instrument(self, instrument: int, who: str) -> Outcome:
        """Let an instrument trade again, in the name of the person who looked at it."""
        line = event(
            EventKind.GATE, time_ns=self._now_ns(), side=Side.SELL, reason=Gate.BLOCKED, instrument=instrument,
            ref=self.session.name(who),
        )  # fmt: skip
        return self.session.record(line)

    def flat(self, prices: Mapping[int, int]) -> list[Outcome]:
        """Ask for the cancel of every live order and for no position anywhere; return the gate's answers.

        Args:
            prices: ticks that each sale or cover is reserved at, by instrument.
        """
        for key in self.live_orders():
            self.cancel(key)
        now, answers = self._now_ns(), []
        for number, row in enumerate(self.session.book.instruments):
            if number == 0 or row[I_POSITION] == 0:
                continue
            key = make(STRATEGY_ID, number, Purpose.LIQUIDATE, now // 1_000_000_000)
            wish = event(EventKind.SIGNAL, time_ns=now, key=key, instrument=number, price_ticks=prices[number])
            answers.append(self.on_wish(wish))
        return answers

    def live_orders(self) -> list[int]:
        """Return the keys of orders that are not closed."""
        return [int(o[O_KEY]) for o in self.session.book.orders if 1 <= o[O_STATUS] <= OrderStatus.UNKNOWN]


def _decimals(exp: int) -> Callable[[int], Decimal]:
    """Return the function from whole units of 10**-exp to the exact decimal."""
    return lambda units: Decimal(decimal_text(units, exp))


def _group(tag: str, parent: int) -> str:
    """Return the one-cancels-all group of the guards of an entry, none for an order without a parent."""
    return f"{order_ref(tag, parent)}.oca" if parent else ""
