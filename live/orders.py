"""The part of the runner that moves orders: facts in, orders out, the journal in between. No await in here.

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

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Protocol

from ledger.book import E_INSTRUMENT, E_KEY, H_GATES, Row, event
from ledger.keys import purpose_of
from ledger.oms import OrderManager, in_bracket, live_keys
from ledger.port import Alert, Cancel, Effect, Ended, Executed, Fate, Query, Submit
from ledger.units import decimal_text
from ledger.vocabulary import EventKind, Gate, Outcome, Purpose, Side
from live import link as links
from live.broker.facts import CommissionSeen, ExecutionSeen, Fact, OrderSeen, PositionSeen, text
from live.broker.fold import Contract, Fold, Said
from live.broker.refs import unrecalled
from live.broker.tickets import Way, decimals, ticket
from live.outbox import Outbox
from live.pacer import Pacer
from live.tape import Tape, act
from strategies.api import AT_OPEN, DAY, GTC

if TYPE_CHECKING:
    from ledger.journal.session import Session
    from live.broker.tickets import Ticket

STRATEGY_ID = 1


class Wire(Protocol):
    """What the trader needs of a connection."""

    def reserve_order_id(self) -> int:
        """Return the next order id."""

    def place(self, ticket: Ticket, contract: Any, /) -> None:
        """Write an order to the socket; ConnectionError when it is closed."""

    def cancel(self, order_id: int, /) -> None:
        """Ask for a cancel; ConnectionError when the socket is closed."""


class Orders:
    """One account's orders at a broker."""

    def __init__(
        self, session: Session, tag: str, client_id: int, account: str, contracts: Iterable[Contract], pacer: Pacer,
        alert: Callable[[str], None], now_ns: Callable[[], int], since_ns: int = 0,
    ) -> None:  # fmt: skip
        self.session, self.tag, self.client_id, self.account = session, tag, client_id, account
        self.contracts = {contract.number: contract for contract in contracts}
        self.wire: Wire | None = None
        self.tape: Tape | None = None
        self.handles: dict[int, Any] = {}
        """The broker's own contract objects, by instrument."""
        self.look_wanted = False
        self._alert, self.now_ns = alert, now_ns
        self._fold = Fold(tag, client_id, account, self.contracts.values(), since_ns)
        self._oms = OrderManager(session, {n: c.symbol for n, c in self.contracts.items()}, self._reserve)
        self._outbox = Outbox(pacer)
        self._order_ids: dict[int, int] = {}
        self._new: set[int] = set()
        """Keys whose order id was reserved on this connection: what the gateway said when it began proves nothing of them."""
        self._ways: dict[int, Way] = {}
        self._heard: dict[tuple[type, object], Fact] = {}
        """The last fact of each execution, fee, position and closed order, since the connection began."""
        for key, way in session.remarks(EventKind.SENDING, unrecalled(session.book)):
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
        self._new.add(key)
        return f"{self.client_id}:{order_id}"

    # In.

    @act
    def on_fact(self, fact: Fact) -> None:
        """Keep a fact's words, and book what follows from it."""
        if not self._is_news(fact):
            return
        self.session.keep("ib", text(fact))
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
        kind_and_name = type(fact), name
        last = self._heard.get(kind_and_name)
        self._heard[kind_and_name] = fact
        return last is None or last[1:] != fact[1:]  # a fact begins with its time

    def _take(self, said: list[Said]) -> None:
        for report in said:
            if isinstance(report, Alert):
                self._alert(report.line)
            elif isinstance(report, Executed):
                before = self.session.book.seq
                self._carry(self._oms.on_report(report))
                if self.session.book.seq > before:
                    self._alert(self._fill_line(report))
            else:
                self._carry(self._oms.on_report(report))

    def _fill_line(self, fill: Executed) -> str:
        contract = self.contracts[fill.instrument]
        qty, price = self._shares(fill.instrument, fill.qty_lots), decimals(contract.price_exp)(fill.price_ticks)
        return f"FILLED: {'BUY' if fill.side > 0 else 'SELL'} {qty} {contract.symbol} at {price}"

    def _shares(self, instrument: int, qty_lots: int | None) -> str:
        return "unknown" if qty_lots is None else decimal_text(qty_lots, self.contracts[instrument].qty_exp, 0)

    def on_wish(self, signal: Row, time_in_force: int = DAY) -> Outcome:
        """Hand a wish to the gate; an order that passes waits in the outbox.

        Args:
            time_in_force: a word of `strategies.api`; the row's GTC flag says the rest.
        """
        if time_in_force not in (GTC, DAY):
            self._ways[int(signal[E_KEY])] = Way(time_in_force)
        # The opening auction takes orders while the market is closed, so for such a one the gate is opened and shut again.
        shut = time_in_force == AT_OPEN and bool(self.session.book.arena[H_GATES] & Gate.MARKET_CLOSED)
        if shut:
            self._market_closed(Side.SELL)
        self._carry(self._oms.on_signal(signal))
        if shut:
            self._market_closed(Side.BUY)
        if self._oms.answered != Outcome.APPLIED:
            self._ways.pop(int(signal[E_KEY]), None)
        return self._oms.answered

    def _market_closed(self, side: Side) -> None:
        self.session.record(event(EventKind.GATE, time_ns=self.now_ns(), side=side, reason=Gate.MARKET_CLOSED))

    def on_bracket(self, entry: Row, children: Callable[[], list[Row]], time_in_force: int = DAY) -> Outcome:
        """Hand an entry and its guards to the gate as one: the broker holds them back until the last one is there.

        Args:
            children: makes the guards' wishes once the entry is claimed. A guard that is refused is left out.
        Returns:
            The gate's answer to the entry.
        """
        outcome, key = self.on_wish(entry, time_in_force), int(entry[E_KEY])
        if outcome != Outcome.APPLIED:
            return outcome
        family = [key, *(int(child[E_KEY]) for child in children() if self.on_guard(child) == Outcome.APPLIED)]
        for member in family:
            way = self._ways.get(member, Way())
            parent = self._order_ids[key] if member != key else 0
            self._ways[member] = way._replace(transmit=member == family[-1], parent_id=parent)
        return outcome

    def on_guard(self, signal: Row) -> Outcome:
        """Hand a guard to the gate; a refused one leaves a position less protected, so it is said."""
        outcome = self.on_wish(signal)
        if outcome != Outcome.APPLIED:
            symbol, purpose = self.contracts[int(signal[E_INSTRUMENT])].symbol, Purpose(int(purpose_of(signal[E_KEY])))
            self._alert(f"GUARD REFUSED: {symbol} {purpose.name}: {outcome.name}")
        return outcome

    def cancel(self, key: int) -> bool:
        """Ask for a cancel of one of our orders; return whether that is news."""
        effects = self._oms.cancel(key, self.now_ns())
        self._carry(effects)
        return bool(effects)

    def _carry(self, effects: list[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, Alert):
                self._alert(effect.line)
            elif isinstance(effect, Query):
                self.look_wanted = True
            elif not (isinstance(effect, Cancel) and not self._in_bracket(effect.key) and self._take_back(effect.key)):
                self._outbox.put(effect)

    def _take_back(self, key: int) -> bool:
        """End an order that still waits to be sent, which needs nobody's answer; False when it has left."""
        if not self._outbox.take_back(key):
            return False
        self._ways.pop(key, None)
        self._carry(self._oms.on_report(Ended(self.now_ns(), key, Fate.CANCELED, "it was taken back before it was sent")))
        return True

    # Out.

    @act
    def pump(self, link: links.Link) -> int:
        """Send what may leave now; return how many messages went.

        Raises:
            ConnectionError: the socket is closed; what was not written stays in doubt.
        """
        due = self._outbox.due(link, self.now_ns())
        for effect in due:
            if isinstance(effect, Submit):
                self._place(effect)
            else:
                self._cancel(effect)
        return len(due)

    def waits(self) -> bool:
        """Say whether something is to be sent."""
        return len(self._outbox) > 0

    def wait_ns(self, link: links.Link) -> int | None:
        """Return how long until `pump` may have something, None when nothing waits that may leave."""
        return self._outbox.wait_ns(link, self.now_ns())

    def _place(self, submit: Submit) -> None:
        if self.wire is None:
            raise ConnectionError("there is no connection")
        order_id, contract = self._order_ids[submit.key], self.contracts[submit.instrument]
        self._fold.sent(order_id, submit.key)
        written = ticket(submit, contract, order_id, self.tag, self.account, self._ways.pop(submit.key, Way()))
        self.wire.place(written, self.handles[submit.instrument])
        told = f"{written.action} {written.quantity.normalize():f} {contract.symbol} {written.order_type}"
        self._alert(f"SENT: {told} as {written.order_ref}")

    def _cancel(self, effect: Cancel) -> None:
        order_id = self._order_ids.get(effect.key)
        if order_id is None or self.wire is None:
            self._alert(f"CANCEL NOT SENT: order {effect.key} has no order id of this client; cancel it at the broker")
            return
        self._fold.sent(order_id, effect.key)
        self.wire.cancel(order_id)

    # Start, and loss of the link.

    @act
    def on_start(self) -> None:
        """Take up after a start: what was never sent is released, what may have been is UNKNOWN, entries stay closed."""
        self._carry(self._oms.on_start(self.now_ns()))

    @act
    def on_connected(self, wire: Wire) -> None:
        """Use a connection; entries stay closed until the lists agree."""
        self.wire = wire
        self._heard.clear()
        self._fold.connected()
        self._new.clear()
        self._carry(self._oms.on_connected(self.now_ns()))

    @act
    def on_link_lost(self) -> None:
        """Close the gate while the gateway itself has no connection; what waits was decided before, and is not sent afterwards."""
        self._carry(self._oms.on_disconnected(self.now_ns()))
        for key in sorted(self._outbox.waiting()):
            self._take_back(key)

    @act
    def on_link_back(self) -> None:
        """Go on with the connection that stood all the time; entries stay closed until the lists agree."""
        self._carry(self._oms.on_connected(self.now_ns()))

    @act
    def on_disconnected(self) -> None:
        """Close the gate; what waits in the outbox never left and is not sent later."""
        self.wire = None
        self._carry(self._oms.on_disconnected(self.now_ns()))
        for key in self._outbox.drop():
            self._ways.pop(key, None)
            self._carry(self._oms.on_doubt(key, self.now_ns(), "the connection broke while the order waited to be sent"))

    @act
    def turn(self) -> None:
        """Count a question that goes to the gateway."""
        self._outbox.pacer.take(self.now_ns())

    def _in_bracket(self, key: int) -> bool:
        """Say whether an order is a guard that hangs on an entry, or an entry that guards hang on."""
        return in_bracket(self.session.book, key)

    def live_orders(self) -> list[int]:
        """Return the keys of orders that are not closed."""
        return live_keys(self.session.book)
