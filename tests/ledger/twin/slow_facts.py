"""The slow twin of what happens to orders and of the facts: steps, executions, fees, cash, splits, marks."""

from __future__ import annotations

from ledger.vocabulary import EntryFlag, EventKind, Gate, OrderFlag, OrderStatus
from ledger.vocabulary import Outcome as O
from tests.ledger.twin.slow_lots import half_even
from tests.ledger.twin.slow_rows import AMOUNT_MAX, VALUE_MAX, Columns, Entry, Order

_K, _S = EventKind, OrderStatus
FATES = {_K.CANCELED: _S.CANCELED, _K.EXPIRED: _S.EXPIRED, _K.REJECTED: _S.REJECTED}
STEPS = (_K.RELEASED, _K.SENDING, _K.SUBMITTED, *FATES, _K.UNKNOWN)
MONEY = (_K.DEPOSIT, _K.WITHDRAWAL, _K.DIVIDEND, _K.INTEREST, _K.BORROW_FEE, _K.ADJUST_CASH)
FLOWS, OUTFLOWS = (_K.DEPOSIT, _K.WITHDRAWAL, _K.ADJUST_CASH), (_K.WITHDRAWAL, _K.BORROW_FEE)
INCOME = (_K.DIVIDEND, _K.INTEREST, _K.BORROW_FEE)


def after(order: Order, kind: int) -> int:
    """Return the status after a step, 0 when it is illegal."""
    status, filled = order.status, order.filled > 0
    if not order.live:
        own = {_S.CANCELED: _K.CANCELED, _S.EXPIRED: _K.EXPIRED, _S.REJECTED: _K.REJECTED, _S.RELEASED: _K.RELEASED}
        return status if own.get(status) == kind else 0
    if kind in FATES:
        return FATES[kind]
    if kind == _K.UNKNOWN:
        return _S.UNKNOWN
    if kind == _K.SUBMITTED:
        return _S.PARTIALLY_FILLED if filled or status == _S.PARTIALLY_FILLED else _S.SUBMITTED
    if kind == _K.SENDING:
        return _S.SENDING if status == _S.CLAIMED else 0
    never_filled = status in (_S.CLAIMED, _S.SENDING, _S.UNKNOWN) and not filled
    return _S.RELEASED if kind == _K.RELEASED and never_filled else 0


class SlowFacts:
    """Handlers over the attributes of the oracle; each appends an entry or changes an order."""

    def _step(self, e: Columns) -> O:
        order = self.orders.get(e.key)
        if order is None:
            return O.UNKNOWN_KEY
        then = after(order, e.kind)
        if not then:
            return O.ILLEGAL_TRANSITION
        if then == order.status:
            return O.DUPLICATE
        doubt = order.status == _S.UNKNOWN or (order.status == _S.SENDING and then == _S.RELEASED)
        if doubt and not e.ref:
            return O.NEEDS_EVIDENCE
        order.status, order.changed = then, self.seq + 1
        return O.APPLIED

    def _cancel(self, e: Columns) -> O:
        order = self.orders.get(e.key)
        if order is None:
            return O.UNKNOWN_KEY
        if not order.live:
            return O.ILLEGAL_TRANSITION
        if order.flags & OrderFlag.CANCEL_ASKED:
            return O.DUPLICATE
        order.flags, order.changed = order.flags | OrderFlag.CANCEL_ASKED, self.seq + 1
        return O.APPLIED

    def seen(self, exec_id: int) -> Entry | None:
        """Return the newest entry of an execution id."""
        return next((entry for entry in reversed(self.entries) if entry.id == exec_id), None) if exec_id > 0 else None

    @staticmethod
    def _again(old: Entry, e: Columns) -> O:
        """Judge an id that was seen: APPLIED means a higher revision."""
        if (old.kind, old.instrument) != (e.kind, e.instrument):
            return O.KEY_CONFLICT
        if e.revision != old.revision:
            return O.APPLIED if e.revision > old.revision else O.SUPERSEDED
        return O.DUPLICATE if (old.side, old.qty, old.price) == (e.side, e.qty_lots, e.price_ticks) else O.KEY_CONFLICT

    def _append(self, e: Columns, value: int) -> Entry:
        entry = Entry(
            e.exec_id, e.revision, e.kind, e.instrument, e.side, e.qty_lots, e.price_ticks, value, e.time_ns, self.seq + 1, e.ref
        )
        self.entries.append(entry)
        self._booked.pop(e.instrument, None)
        return entry

    def _later(self, e: Columns) -> bool:
        """Say whether the instrument's list holds an entry after this time."""
        kinds = (_K.FILL, _K.ADJUST_POSITION, _K.SPLIT)
        return any(
            old.time > e.time_ns and old.instrument == e.instrument and old.kind in kinds
            and not old.flags & EntryFlag.SUPERSEDED and not (old.kind == _K.FILL and old.qty == 0)
            for old in self.entries
        )  # fmt: skip

    def _new_version(self, number: int) -> None:
        self.instruments[number].version += 1
        self.rebooks += 1

    def _fill(self, e: Columns) -> O:
        if e.instrument not in self.instruments:
            return O.UNKNOWN_INSTRUMENT
        if e.side not in (-1, 1) or e.exec_id < 1 or min(e.revision, e.qty_lots, e.price_ticks) < 0:
            return O.BAD_EVENT
        old = self.seen(e.exec_id)
        if old:
            answer = self._again(old, e)
            return self._correct(e, old) if answer == O.APPLIED else answer
        return self._first(e) if e.qty_lots else O.BAD_EVENT

    def _first(self, e: Columns) -> O:
        instrument, late_in_list = self.instruments[e.instrument], self._later(e)
        entry = self._append(e, instrument.worth(e.price_ticks, e.qty_lots))
        order = self.orders.get(e.key) if e.key > 0 else None
        if order is None or (order.instrument, order.side) != (e.instrument, e.side):
            entry.flags = EntryFlag.FOREIGN
        else:
            entry.order = list(self.orders).index(order.key)
            closed = not order.live
            self._fill_order(order, e.qty_lots, entry.value)
            if order.filled > order.qty:
                entry.flags, order.flags = EntryFlag.OVERFILL, order.flags | OrderFlag.OVERFILL
            if closed:
                entry.flags, order.flags = entry.flags | EntryFlag.LATE, order.flags | OrderFlag.LATE_FILL
        if entry.flags:
            instrument.gates |= Gate.BLOCKED
        if late_in_list:
            entry.flags |= EntryFlag.REBOOKED
            self._new_version(e.instrument)
        self.fills += 1
        return O.APPLIED

    def _fill_order(self, order: Order, qty: int, value: int) -> None:
        """A live order becomes partially filled or filled; a closed one stays what it is."""
        order.filled, order.filled_value, order.changed = order.filled + qty, order.filled_value + value, self.seq + 1
        if order.live:
            order.status = _S.FILLED if order.filled >= order.qty else _S.PARTIALLY_FILLED

    def _correct(self, e: Columns, old: Entry) -> O:
        """A higher revision takes the place of the older one: its fee, its order, its flags but OVERFILL."""
        instrument = self.instruments[e.instrument]
        new = self._append(e, instrument.worth(e.price_ticks, e.qty_lots))
        new.fee, new.order, old.fee = old.fee, old.order, 0
        new.flags = old.flags & (EntryFlag.FEE_KNOWN | EntryFlag.FOREIGN | EntryFlag.LATE)
        old.flags |= EntryFlag.SUPERSEDED
        if new.order >= 0:
            order = list(self.orders.values())[new.order]
            order.flags |= OrderFlag.CORRECTED
            if new.side == order.side:
                self._fill_order(order, new.qty - old.qty, new.value - old.value)
            else:
                self._fill_order(order, -old.qty, -old.value)
                new.order, new.flags = -1, new.flags | EntryFlag.FOREIGN
            if order.filled > order.qty:
                new.flags, order.flags = new.flags | EntryFlag.OVERFILL, order.flags | OrderFlag.OVERFILL
        if new.qty:
            new.flags |= EntryFlag.REBOOKED
        self._new_version(e.instrument)
        if (new.qty, new.side) != (old.qty, old.side):
            instrument.gates |= Gate.BLOCKED
        return O.APPLIED

    def _commission(self, e: Columns) -> O:
        entry = self.seen(e.exec_id)
        if entry is None or entry.kind != _K.FILL:
            return O.UNKNOWN_EXECUTION
        if entry.flags & EntryFlag.FEE_KNOWN and entry.fee == e.fee_e8:
            return O.DUPLICATE
        if abs(e.fee_e8) > VALUE_MAX:
            return O.OVERFLOW
        entry.fee, entry.flags = e.fee_e8, entry.flags | EntryFlag.FEE_KNOWN
        return O.APPLIED

    def _cash(self, e: Columns) -> O:
        signed = e.kind in (_K.DIVIDEND, _K.INTEREST, _K.ADJUST_CASH)
        if not e.cash_e8 or abs(e.cash_e8) > VALUE_MAX or e.exec_id < 0 or (e.cash_e8 < 0 and not signed):
            return O.BAD_EVENT
        if e.instrument and e.instrument not in self.instruments:
            return O.UNKNOWN_INSTRUMENT
        if e.kind == _K.ADJUST_CASH and not e.ref:
            return O.NEEDS_EVIDENCE
        old = self.seen(e.exec_id)
        if old:
            same = (old.kind, old.value, old.instrument) == (e.kind, e.cash_e8, e.instrument)
            return O.DUPLICATE if same else O.KEY_CONFLICT
        self._append(e, e.cash_e8)
        if e.kind in FLOWS:
            self.day_flows += -e.cash_e8 if e.kind in OUTFLOWS else e.cash_e8
        return O.APPLIED

    def _adjust(self, e: Columns) -> O:
        if e.instrument not in self.instruments:
            return O.UNKNOWN_INSTRUMENT
        if e.side not in (-1, 1) or e.qty_lots < 1 or min(e.price_ticks, e.exec_id) < 0:
            return O.BAD_EVENT
        if not e.ref:
            return O.NEEDS_EVIDENCE
        old = self.seen(e.exec_id)
        if old:
            answer = self._again(old, e)
            return O.KEY_CONFLICT if answer == O.APPLIED else answer
        late = self._later(e)
        entry = self._append(e, self.instruments[e.instrument].worth(e.price_ticks, e.qty_lots))
        self.day_flows += entry.side * entry.value
        if late:
            entry.flags |= EntryFlag.REBOOKED
            self._new_version(e.instrument)
        return O.APPLIED

    def _split(self, e: Columns) -> O:
        if e.instrument not in self.instruments:
            return O.UNKNOWN_INSTRUMENT
        if not (1 <= e.qty_lots <= 10**6 and 1 <= e.price_ticks <= 10**6) or e.exec_id < 0:
            return O.BAD_SPLIT
        old = self.seen(e.exec_id)
        if old:
            answer = self._again(old, e)
            return O.KEY_CONFLICT if answer == O.APPLIED else answer
        if self.live_orders(e.instrument):
            return O.LIVE_ORDERS
        late, instrument = self._later(e), self.instruments[e.instrument]
        entry = self._append(e, 0)
        if e.time_ns >= instrument.mark_time:
            instrument.mark = half_even(instrument.mark * e.price_ticks, e.qty_lots)
        if late:
            entry.flags |= EntryFlag.REBOOKED
            self._new_version(e.instrument)
        return O.APPLIED

    def _mark(self, e: Columns) -> O:
        instrument = self.instruments.get(e.instrument)
        if instrument is None:
            return O.UNKNOWN_INSTRUMENT
        if e.price_ticks < 1 or abs(e.time_ns) > AMOUNT_MAX:
            return O.BAD_EVENT
        if instrument.mark and e.time_ns < instrument.mark_time:
            return O.SUPERSEDED
        instrument.mark, instrument.mark_time = e.price_ticks, e.time_ns
        return O.APPLIED
