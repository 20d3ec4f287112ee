"""One session as a comparison sees it: decisions with their executions, facts, prices.

Theory of operation. Rows come from `ledger.views.rows`, all of one state of the file. A decision is
everything that carries one order key: refusals, the order, its executions. Decisions
of two sessions are joined by name (strategy, symbol) and by purpose, bar and leg, because numbers of
strategies and instruments are a session's own. A fill that no order explains is joined
by its execution id, shares that came or went without a trade by symbol, evidence and time.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np

from ledger import keys, views
from ledger.compare.model import Ints, Leg, Side
from ledger.journal import Journal, SessionInfo
from ledger.journal.errors import JournalError
from ledger.vocabulary import EntryFlag, EventKind, OrderStatus, Outcome
from ledger.views import rows
from ledger.views.naming import execution_names, strategy_names
from ledger.views.rows import EntryRecord, InstrumentRow, OrderRecord, RefusalRecord

_LOW = (1 << 41) - 1
"""The part of a key that means the same in every session: purpose, bar, leg."""
_CASH = {
    EventKind.DEPOSIT: 1, EventKind.WITHDRAWAL: -1, EventKind.DIVIDEND: 1, EventKind.INTEREST: 1, EventKind.BORROW_FEE: -1,
    EventKind.ADJUST_CASH: 1,
}  # fmt: skip
"""Kinds that move cash without a trade, and the sign of their amount."""

FILL, FEE_KNOWN = int(EventKind.FILL), int(EntryFlag.FEE_KNOWN)
"""Plain integers: an enum's attribute costs more than the loop's other work."""

JoinKey = tuple[str, str, str, int]
"""(kind, strategy or evidence, symbol, low part of the key or time): equal in two sessions for one decision."""


class Flow(NamedTuple):
    """Cash that came (above 0) or went without a trade."""

    kind: int
    amount_e8: int
    exchanged: bool
    """Its evidence is also that of shares: they were exchanged for cash."""


@dataclass(slots=True)
class Decision:
    """Everything in one session that belongs to one join key."""

    instrument: int
    key: int = 0
    order: OrderRecord | None = None
    refusals: list[RefusalRecord] = field(default_factory=list)
    fills: list[EntryRecord] = field(default_factory=list)
    exchanged: bool = False


class Reading:
    """One session, read once. `decisions` by join key, in the order in which they were made."""

    def __init__(self, journal: Journal, session_id: int) -> None:
        self.journal, self.id = journal, session_id
        with journal.reading():
            self.info = _info(journal, session_id)
            self.totals = views.totals(journal, session_id)
            self.behind = views.behind(journal, session_id)
            self.instruments = {row.number: row for row in rows.instruments(journal, session_id)}
            self.names = rows.names(journal, session_id)
            self.span = rows.span(journal, session_id)
            self.seq = self.totals.seq if self.totals else 0
            orders, entries = rows.orders(journal, session_id), rows.entries(journal, session_id)
            refusals = rows.refused(journal, session_id, self.seq)
        self.strategies = strategy_names(journal, session_id)
        self.executions = execution_names(journal, session_id, self.names)
        self.symbols = {number: row.symbol for number, row in self.instruments.items()}
        self.counts = (len(orders), sum(entry.kind == EventKind.FILL for entry in entries), len(refusals))
        self.splits = [entry for entry in entries if entry.kind == EventKind.SPLIT]
        exchanged = _exchanged(entries)
        self.flows = [
            Flow(entry.kind, _CASH[EventKind(entry.kind)] * entry.value_e8, entry.ref in exchanged)
            for entry in entries
            if entry.kind in _CASH
        ]
        self.decisions: dict[JoinKey, Decision] = {}
        self._by_number: dict[int, Decision] = {}
        self._orders(orders)
        self._refusals(refusals)
        self._entries(entries, exchanged)

    @cached_property
    def by_symbol(self) -> dict[str, InstrumentRow]:
        """Return the instruments by symbol."""
        return {row.symbol: row for row in self.instruments.values()}

    @cached_property
    def marks(self) -> dict[str, Ints]:
        """Return the recorded prices of each symbol, int64[n, 2]: time_ns (rising), price_ticks."""
        table = rows.marks(self.journal, self.id)
        found = {}
        for number in np.unique(table[:, 0]).tolist():
            mine = table[table[:, 0] == number, 1:]
            found[self.symbols.get(number, f"#{number}")] = mine[np.argsort(mine[:, 0], kind="stable")]
        return found

    @cached_property
    def wishes(self) -> dict[tuple[str, str], list[tuple[int, int]]]:
        """Return for each strategy and symbol its recorded wishes as (bar_s, sign of the target), rising."""
        found: dict[tuple[str, str], list[tuple[int, int]]] = {}
        for (kind, strategy, symbol, _), decision in self.decisions.items():
            target = target_of(decision)
            if kind == "order" and target is not None:
                bar_s = keys.unpack(decision.key).bar_s
                found.setdefault((strategy, symbol), []).append((bar_s, (target > 0) - (target < 0)))
        return {name: sorted(wishes, key=lambda wish: wish[0]) for name, wishes in found.items()}

    def _name(self, key: int) -> str:
        number = keys.strategy_of(key)
        return self.strategies.get(number) or f"#{number}"

    def _decision(self, key: int) -> Decision:
        number = keys.instrument_of(key)
        joined = ("order", self._name(key), self.symbols.get(number, f"#{number}"), key & _LOW)
        found = self.decisions.get(joined)
        if found is None:
            found = self.decisions[joined] = Decision(number, key)
        return found

    def _orders(self, orders: list[OrderRecord]) -> None:
        for order in orders:
            found = self._by_number[order.number] = self._decision(order.key)
            found.order = order

    def _refusals(self, refusals: list[RefusalRecord]) -> None:
        for refusal in refusals:
            # A refused key need not be one that `keys.pack` makes: BAD keys are refused, too.
            if refusal.key > 0:
                self._decision(refusal.key).refusals.append(refusal)

    def _entries(self, entries: list[EntryRecord], exchanged: set[int]) -> None:
        for entry in entries:
            if entry.kind == FILL:
                (self._by_number.get(entry.order_number) or self._foreign(entry)).fills.append(entry)
            elif entry.kind == EventKind.ADJUST_POSITION:
                found = self._other("adjustment", self.names.get(entry.ref, f"#{entry.ref}"), entry, entry.time_ns)
                found.fills.append(entry)
                found.exchanged = entry.ref in exchanged

    def _foreign(self, entry: EntryRecord) -> Decision:
        return self._other("foreign", self.executions.get(entry.exec_id, f"#{entry.exec_id}"), entry, 0)

    def _other(self, kind: str, said: str, entry: EntryRecord, place: int) -> Decision:
        joined = (kind, said, self.symbols.get(entry.instrument, f"#{entry.instrument}"), place)
        return self.decisions.setdefault(joined, Decision(entry.instrument))

    def side(self, path: str) -> Side:
        """Return what a reader is told about the session."""
        fees = sum(
            not entry.flags & EntryFlag.FEE_KNOWN
            for decision in self.decisions.values()
            for entry in decision.fills
            if entry.kind == EventKind.FILL
        )
        first, last = self.span or (None, None)
        unpriced = tuple(row.symbol for row in self.instruments.values() if row.position_lots and not row.mark_ticks)
        orders, executions, refusals = self.counts
        return Side(
            path, self.info, f"{self.info.kind} {self.id}", self.seq, self.behind, first, last,
            self.totals.equity_e8 if self.totals else None, self.totals.cash_e8 if self.totals else None, unpriced, fees,
            orders, executions, refusals,
        )  # fmt: skip


def _info(journal: Journal, session_id: int) -> SessionInfo:
    for info in journal.sessions():
        if info.id == session_id:
            return info
    raise JournalError(f"{journal.path} has no session {session_id}; Journal.sessions() lists those it has")


def _exchanged(entries: list[EntryRecord]) -> set[int]:
    """Return the evidence that shares and cash have in common: the ones went for the other."""
    shares = {entry.ref for entry in entries if entry.kind == EventKind.ADJUST_POSITION and entry.ref}
    return {entry.ref for entry in entries if entry.kind in (EventKind.DEPOSIT, EventKind.WITHDRAWAL)} & shares


def target_of(decision: Decision) -> int | None:
    """Return the position a decision wished for."""
    if decision.order is not None:
        return decision.order.target_lots
    return decision.refusals[-1].target_lots if decision.refusals else None


STATUS = {int(status): status for status in OrderStatus}


def leg_of(decision: Decision, instrument: InstrumentRow | None) -> Leg:
    """Return a decision as a reader sees it."""
    order, fills = decision.order, decision.fills
    filled = value = fee = 0
    fee_known, times = True, []
    for _, kind, _, _, side, qty_lots, _, value_e8, fee_e8, flags, time_ns, *_ in fills:
        filled += side * qty_lots
        value += side * value_e8
        if kind == FILL:
            fee += fee_e8
            fee_known = fee_known and flags & FEE_KNOWN != 0
        times.append(time_ns)
    last = decision.refusals[-1] if decision.refusals else None
    return Leg(
        decision.key, order.number if order else None, STATUS[order.status] if order else None,
        Outcome(last.reason) if last else None, len(decision.refusals), target_of(decision),
        order.side * order.qty_lots if order else 0, filled, value, _mean_price(filled, value, instrument),
        fee if fee_known else None, len(fills), order.time_ns if order else last.time_ns if last else None,
        min(times) if times else None, max(times) if times else None,
    )  # fmt: skip


def _mean_price(filled: int, value_e8: int, instrument: InstrumentRow | None) -> int | None:
    """Return value / shares in e8, rounded half to even."""
    if filled == 0 or instrument is None:
        return None
    # value / (lots / 10**qty_exp * contract), where contract = multiply * 10**(price_exp + qty_exp) / (divide * 10**8)
    shares = filled * instrument.multiply * 10**instrument.price_exp
    return half_even(value_e8 * instrument.divide * 10**8, shares)


def contract_size(instrument: InstrumentRow) -> int:
    """Return how many units of the price one whole contract is; 1 for shares."""
    return int(instrument.multiply * 10 ** (instrument.price_exp + instrument.qty_exp) // (instrument.divide * 10**8))


def half_even(number: int, divisor: int) -> int:
    """Return number / divisor as an integer, halves to the even one; Python integers, so nothing can overflow."""
    if divisor < 0:
        number, divisor = -number, -divisor
    quotient, rest = divmod(number, divisor)
    return quotient + (2 * rest > divisor or (2 * rest == divisor and quotient & 1 == 1))
