"""The order manager: signals and reports in, effects out, no I/O of its own.

Theory of operation. Every method first makes its facts durable through the ledger
it was given (a journal session, or a plain book in tests) and only then returns
effects; a caller that carries them out cannot act on something that a crash would
forget. Sending is two durable steps: CLAIMED, when the gate has let the order
through, and SENDING, the last thing written before the effect. So after a crash a
CLAIMED order was never sent and is released, and a SENDING one may have been sent
and becomes UNKNOWN. UNKNOWN is left by evidence only; nothing is ever sent twice
for one key, because no method returns a Submit but the one that records SENDING,
and that step exists once in an order's life.

What the manager keeps in memory may be lost: commissions that came before their
execution. The broker repeats those when it is asked for executions again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ledger.book import (
    E_INSTRUMENT, E_KEY, E_TARGET, E_TIME, I_LIVE_FIRST, I_POSITION, I_QTY_EXP, N_FLAGS, N_INSTRUMENT, O_FILLED, O_FLAGS, O_INSTRUMENT,
    O_KEY, O_NEXT, O_PARENT, O_PRICE, O_QTY, O_SIDE, O_STATUS, O_STOP, O_TAKE, O_TRAIL, O_TYPE, S_IDS, S_KEYS, Book, Row, event, find,
)  # fmt: skip
from ledger.book import ORDER_WIDTH, S_ENTRY, S_ORDER, Arena, row, used
from ledger.core import Decision
from ledger.kernel import jit
from ledger.keys import split_exec_id
from ledger.port import Absent, Acknowledged, Alert, Cancel, Charged, Effect, Ended, Executed, Query, Report, Submit
from ledger.units import decimal_text
from ledger.vocabulary import EntryFlag, EventKind, Gate, OrderFlag, OrderStatus, Outcome, Side

# Plain integers: looking a member of an enum up costs more than comparing with it.
_CLAIMED, _SENDING, _UNKNOWN = int(OrderStatus.CLAIMED), int(OrderStatus.SENDING), int(OrderStatus.UNKNOWN)
_OPENING, _WISHED = int(OrderFlag.OPENING), int(OrderFlag.PYRAMID | OrderFlag.GTC | OrderFlag.OUTSIDE_RTH)
_SURPRISES = (EntryFlag.LATE, EntryFlag.OVERFILL, EntryFlag.FOREIGN)
_SURPRISING = sum(int(flag) for flag in _SURPRISES)
_APPLIED = int(Outcome.APPLIED)
_TAKEN = (Outcome.APPLIED, Outcome.DUPLICATE, Outcome.SUPERSEDED)
BLOCKED_TWICE = frozenset({Outcome.DUP_KEY, Outcome.KEY_CONFLICT, Outcome.LIVE_ENTRY})


class Ledger(Protocol):
    """What the manager needs of a journal session."""

    @property
    def book(self) -> Book:
        """The book after the last record."""

    def record(self, event: Row, /) -> Outcome:
        """Apply one event and make it durable; APPLIED only when both are done."""

    def gate(self, signal: Row, /) -> Decision:
        """Decide on a signal and record the claim or the refusal, in one transaction."""

    def name(self, text: str, /) -> int:
        """Return the number of a text, a new one when it was never seen."""


@jit
def _live_column(a: Arena, column: int, least: int) -> NDArray[np.int64]:
    """Return a column int64[n] of the orders whose status is from `least` to UNKNOWN, oldest first."""
    orders, count = row(a, S_ORDER, 0), 0
    for number in range(used(a, S_ORDER)):
        status = a[orders + number * ORDER_WIDTH + O_STATUS]
        count += 1 if least <= status <= _UNKNOWN else 0
    found = np.empty(count, np.int64)
    for number in range(used(a, S_ORDER) if count else 0):
        order = orders + number * ORDER_WIDTH
        if least <= a[order + O_STATUS] <= _UNKNOWN:
            count -= 1
            found[len(found) - 1 - count] = a[order + column]
    return found


def of_live(book: Book, column: int, least: int = _CLAIMED) -> list[int]:
    """Return a column of the orders that are not closed, oldest first; of those from a status on. A book of years has few."""
    found: list[int] = _live_column(book.arena, column, least).tolist()
    return found


def live_keys(book: Book, least: int = _CLAIMED) -> list[int]:
    """Return the keys of the orders that are not closed, oldest first; of those from a status on."""
    return of_live(book, O_KEY, least)


@jit
def _in_bracket(a: Arena, key: int) -> bool:
    """Say whether an order hangs on another one, or another one on it."""
    for number in range(used(a, S_ORDER)):
        order = row(a, S_ORDER, number)
        if a[order + O_PARENT] == key or (a[order + O_KEY] == key and a[order + O_PARENT] > 0):
            return True
    return False


def in_bracket(book: Book, key: int) -> bool:
    """Say whether an order is a guard that hangs on an entry, or an entry that guards hang on."""
    return bool(_in_bracket(book.arena, key))


class LedgerError(RuntimeError):
    """The ledger answered what a correct order manager can never see: a bug, not a condition."""


class OrderManager:
    """One account's orders, from wish to end."""

    def __init__(
        self, ledger: Ledger, symbols: dict[int, str] | None = None, route: Callable[[int], str] | None = None
    ) -> None:
        """Take over the orders of a book.

        Args:
            symbols: names for log lines. route: says by which way an order will go (the broker's session and order id),
                recorded with SENDING, so that a restart can ask for it by that name as well.
        """
        self._ledger = ledger
        self._symbols = symbols or {}
        self._route = route
        self._early_fees: dict[int, Charged] = {}
        self.answered = Outcome.AT_TARGET
        """What the gate said to the last signal."""

    def on_signal(self, signal: Row) -> list[Effect]:
        """Hand a wish to the gate; return the Submit of a new order, or what the refusal asks for.

        Args:
            signal: int64[EVENT_WIDTH] of kind SIGNAL.
        """
        outcome, claim = self._ledger.gate(signal)
        self.answered = outcome
        if outcome == _APPLIED:
            return self._send(int(claim[E_KEY]), int(claim[E_TIME]))
        effects: list[Effect] = []
        if outcome in BLOCKED_TWICE:
            effects.append(Alert(self._blocked_line(signal, outcome)))
        if outcome == Outcome.LIVE_ENTRY:
            effects += self._withdraw_entries(signal)
        return effects

    def _blocked_line(self, signal: Row, outcome: Outcome) -> str:
        """Return the log line people grep for."""
        number = int(signal[E_INSTRUMENT])
        position = self._ledger.book.instruments[number, I_POSITION]
        side = "BUY" if signal[E_TARGET] >= position else "SELL"
        return f"DUPLICATE {side} BLOCKED: {self._symbols.get(number, f'#{number}')} ({outcome.name})"

    def _withdraw_entries(self, signal: Row) -> list[Effect]:
        """Cancel live entries that go the other way than the signal now wants."""
        book = self._ledger.book
        instrument = book.instruments[signal[E_INSTRUMENT]].tolist()
        wanted, link = int(signal[E_TARGET]) - instrument[I_POSITION], instrument[I_LIVE_FIRST]
        effects: list[Effect] = []
        while link > 0:
            order = book.orders[link - 1].tolist()
            link = order[O_NEXT]
            if order[O_FLAGS] & _OPENING and order[O_SIDE] * wanted <= 0:
                effects += self.cancel(order[O_KEY], int(signal[E_TIME]))
        return effects

    def _send(self, key: int, time_ns: int) -> list[Effect]:
        """Record SENDING, then return the Submit: the only place that makes one."""
        way = self._route(key) if self._route else ""
        if self._record(EventKind.SENDING, key, time_ns, way) != _APPLIED:
            raise LedgerError(f"order {key} was claimed but may not be sent; its claim must have been recorded twice")
        order = self._order(key)
        return [
            Submit(
                key, order[O_INSTRUMENT], order[O_SIDE], order[O_QTY], order[O_TYPE], order[O_PRICE],
                order[O_STOP], order[O_TAKE], order[O_TRAIL], order[O_PARENT], order[O_FLAGS] & _WISHED,
            )
        ]  # fmt: skip

    def cancel(self, key: int, time_ns: int) -> list[Effect]:
        """Ask for a cancel, once; an order that is closed or already asked for gives no effect."""
        return [Cancel(key)] if self._record(EventKind.CANCEL, key, time_ns) == _APPLIED else []

    def on_report(self, report: Report) -> list[Effect]:
        """Book what the broker says. Repeats and old news change nothing; surprises give alerts."""
        if isinstance(report, Executed):
            return self._on_execution(report)
        if isinstance(report, Charged):
            return self._on_commission(report)
        if isinstance(report, Acknowledged):
            outcome = self._record(EventKind.SUBMITTED, report.key, report.time_ns, report.evidence)
        elif isinstance(report, Ended):
            outcome = self._record(EventKind[report.fate.name], report.key, report.time_ns, report.evidence)
            return self._surprise(outcome, report) + self._orphans(report.key, report.time_ns)
        else:
            outcome = self._on_absent(report)
        return self._surprise(outcome, report)

    def _orphans(self, parent: int, time_ns: int) -> list[Effect]:
        """Cancel the guards of an entry that ended without a fill: they would open what nobody wanted."""
        order = self._order(parent)
        if not order or order[O_FILLED] > 0 or _CLAIMED <= order[O_STATUS] <= _UNKNOWN:
            return []
        book = self._ledger.book
        orphans = [key for key, entry in zip(live_keys(book), of_live(book, O_PARENT), strict=True) if entry == parent]
        return [effect for key in orphans for effect in self.cancel(key, time_ns)]

    def on_doubt(self, key: int, time_ns: int, why: str) -> list[Effect]:
        """Call a live order UNKNOWN that the broker's lists do not mention; only evidence leads out of that."""
        outcome = self._record(EventKind.UNKNOWN, key, time_ns, why)
        return [Alert(f"ORDER UNKNOWN: {key}: {why}")] if outcome == _APPLIED else []

    def _on_absent(self, report: Absent) -> Outcome:
        """Release an UNKNOWN order that the broker proved never to have had; never send it again."""
        order = self._order(report.key)
        if not order or order[O_STATUS] != _UNKNOWN:
            return Outcome.ILLEGAL_TRANSITION
        return self._record(EventKind.RELEASED, report.key, report.time_ns, report.evidence)

    def _surprise(self, outcome: Outcome, report: Report) -> list[Effect]:
        """Return an alert for a report that fits no order or no state of it."""
        if outcome in _TAKEN:
            return []
        return [Alert(f"REPORT NOT APPLIED: {outcome.name}: {report}")]

    def _on_execution(self, report: Executed) -> list[Effect]:
        base, revision = split_exec_id(report.exec_id)
        number = self._ledger.name(f"{report.account}/{base}")
        line = event(
            EventKind.FILL, time_ns=report.time_ns, key=report.key, instrument=report.instrument, side=report.side,
            qty_lots=report.qty_lots, price_ticks=report.price_ticks, exec_id=number, revision=revision,
        )  # fmt: skip
        outcome = self._ledger.record(line)
        effects = self._surprise(outcome, report)
        if outcome == _APPLIED:
            effects += self._flagged(number, report)
        early = self._early_fees.pop(number, None)
        return effects + (self._on_commission(early) if early else [])

    def _flagged(self, number: int, report: Executed) -> list[Effect]:
        """Return an alert when the book flagged a fill: late, over, or no order of ours."""
        book = self._ledger.book
        flags = int(book.entries[find(book.arena, S_IDS, number, S_ENTRY), N_FLAGS])
        if not flags & _SURPRISING:
            return []
        names = [flag.name for flag in _SURPRISES if flags & flag]
        symbol = self._symbols.get(report.instrument, f"#{report.instrument}")
        qty = decimal_text(report.qty_lots, int(book.instruments[report.instrument, I_QTY_EXP]), 0)
        return [Alert(f"{' '.join(names)} FILL: {symbol} {Side(report.side).name} {qty}; entries are blocked")]

    def _on_commission(self, report: Charged) -> list[Effect]:
        base, _ = split_exec_id(report.exec_id)
        number = self._ledger.name(f"{report.account}/{base}")
        book = self._ledger.book
        entry = find(book.arena, S_IDS, number, S_ENTRY)
        instrument = int(book.entries[entry, N_INSTRUMENT]) if entry >= 0 else 0
        line = event(EventKind.COMMISSION, time_ns=report.time_ns, instrument=instrument, exec_id=number, fee_e8=report.fee_e8)
        outcome = self._ledger.record(line)
        if outcome == Outcome.UNKNOWN_EXECUTION:
            self._early_fees[number] = report
            return []
        return self._surprise(outcome, report)

    def on_start(self, time_ns: int) -> list[Effect]:
        """Take up after a start or a crash: release what was never sent, doubt what may have been, ask about it.

        Entries stay closed (NOT_RECONCILED) until `on_reconciled`.
        """
        self._gate(Gate.NOT_RECONCILED, Side.BUY, time_ns)
        book = self._ledger.book
        for key, status in zip(live_keys(book), of_live(book, O_STATUS), strict=True):
            if status == _CLAIMED:
                self._record(EventKind.RELEASED, key, time_ns)
            elif status == _SENDING:
                self._record(EventKind.UNKNOWN, key, time_ns)
        return self._ask_about_live_orders()

    def _ask_about_live_orders(self) -> list[Effect]:
        """Return the Query for every order that may have changed while nobody listened."""
        live = live_keys(self._ledger.book)
        return [Query(tuple(live))] if live else []

    def on_disconnected(self, time_ns: int) -> list[Effect]:
        """Close the gate for all orders while the link is down."""
        self._gate(Gate.DISCONNECTED, Side.BUY, time_ns)
        return []

    def on_connected(self, time_ns: int) -> list[Effect]:
        """Open the link's gate, keep NOT_RECONCILED shut, and ask about every order that may have changed meanwhile."""
        self._gate(Gate.NOT_RECONCILED, Side.BUY, time_ns)
        self._gate(Gate.DISCONNECTED, Side.SELL, time_ns)
        return self._ask_about_live_orders()

    def on_reconciled(self, time_ns: int, evidence: str, set_aside: frozenset[int] = frozenset()) -> Outcome:
        """Open for entries when the broker's lists agree with the book and no order is UNKNOWN.

        Args:
            set_aside: keys that may stay UNKNOWN, because the caller has closed their instruments.
        """
        if not set_aside.issuperset(live_keys(self._ledger.book, _UNKNOWN)):
            return Outcome.NOT_RECONCILED
        return self._gate(Gate.NOT_RECONCILED, Side.SELL, time_ns, evidence)

    def block(self, instrument: int, time_ns: int, why: str) -> Outcome:
        """Close one instrument for entries until a person opens it again."""
        ref = self._ledger.name(why)
        line = event(EventKind.GATE, time_ns=time_ns, side=Side.BUY, reason=Gate.BLOCKED, instrument=instrument, ref=ref)
        return self._ledger.record(line)

    def halt(self, time_ns: int, reason: str) -> list[Effect]:
        """Trip the kill switch, for good until `resume`, and cancel every live order."""
        self._gate(Gate.HALTED, Side.BUY, time_ns, reason)
        effects: list[Effect] = [Alert(f"HALTED: {reason}")]
        for key in live_keys(self._ledger.book, _SENDING):
            effects += self.cancel(key, time_ns)
        return effects

    def resume(self, time_ns: int, operator: str) -> Outcome:
        """Release the kill switch in an operator's name."""
        return self._gate(Gate.HALTED, Side.SELL, time_ns, operator)

    def _gate(self, gate: Gate, side: Side, time_ns: int, evidence: str = "") -> Outcome:
        ref = self._ledger.name(evidence) if evidence else 0
        return self._ledger.record(event(EventKind.GATE, time_ns=time_ns, side=side, reason=gate, ref=ref))

    def _record(self, kind: EventKind, key: int, time_ns: int, evidence: str = "") -> Outcome:
        ref = self._ledger.name(evidence) if evidence else 0
        return self._ledger.record(event(kind, time_ns=time_ns, key=key, ref=ref))

    def _order(self, key: int) -> list[int]:
        """Return an order as it stands in the book, as plain integers; nothing where no order has that key."""
        book = self._ledger.book
        number = find(book.arena, S_KEYS, key, S_ORDER) if key > 0 else -1
        order: list[int] = book.orders[number].tolist() if number >= 0 else []
        return order
