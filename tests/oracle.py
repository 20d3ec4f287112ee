"""The slow twin of the core: what every event must answer and what the book must say afterwards.

It keeps facts (entries, orders, settings) in lists and dicts of Python integers
and works out everything else anew each time it is asked: cash is the sum of what
moved it, lots are booked again from the first entry, reservations are added up.
It shares nothing with `ledger` but the numbers of the enums and column names.

Sums: where an amount would leave +-AMOUNT_MAX the answer must be OVERFLOW; where
all amounts are far below it, it may not be. Between the two the core may refuse
by a bound of its own, and the twin accepts what it was `told`.
"""

from __future__ import annotations

import copy
from collections import Counter
from dataclasses import fields

from ledger.vocabulary import EntryFlag, Gate, Limit, OrderFlag
from ledger.vocabulary import EventKind as K
from ledger.vocabulary import Outcome as O
from tests.ledger.twin.slow_facts import INCOME, MONEY, STEPS, SlowFacts
from tests.ledger.twin.slow_gate import SlowGate
from tests.ledger.twin.slow_lots import Lots, half_even
from tests.ledger.twin.slow_rows import AMOUNT_MAX, QTY_MAX, VALUE_MAX, Columns, Entry, Instrument, Order

FAR_BELOW = 2**55
"""Under this every sum of a test's length is far from any bound, so OVERFLOW would be wrong."""

BOUNDED = (K.FILL, K.COMMISSION, K.SPLIT, K.ADJUST_POSITION, K.MARK, K.LIMIT, *MONEY)
"""Events that can move an amount beyond its bound."""
HANDLERS = {
    K.INSTRUMENT: "_define", K.LIMIT: "_set_limit", K.GATE: "_set_gate", K.DAY: "_begin_day", K.CLAIM: "_claim",
    K.REFUSED: "_refuse", K.CANCEL: "_cancel", K.FILL: "_fill", K.COMMISSION: "_commission", K.SPLIT: "_split",
    K.ADJUST_POSITION: "_adjust", K.MARK: "_mark",
} | dict.fromkeys(STEPS, "_step") | dict.fromkeys(MONEY, "_cash")  # fmt: skip


class Oracle(SlowGate, SlowFacts):
    """The slow book. `apply` takes an event as a dict of columns, absent ones 0."""

    def __init__(self, method: int = 0) -> None:
        self.method = method
        self.instruments: dict[int, Instrument] = {}
        self.orders: dict[int, Order] = {}
        self.entries: list[Entry] = []
        self.limits = {n: AMOUNT_MAX for n in range(20)}
        self.limits |= {Limit.ALLOW_SHORT: 0, Limit.SHORT_MARGIN_BPS: 10_000, Limit.BURST_HALTS: 0, Limit.CASH_FLOOR: 0}
        self.limits[Limit.BURST_WINDOW_NS] = 60 * 10**9
        self.refused: Counter[int] = Counter()
        self.claims: list[tuple[int, int]] = []
        self.seq = self.gates = self.overdrawn = self.fills = self.rebooks = 0
        self.day = self.day_equity = self.day_known = self.day_flows = self.day_orders = 0
        self._booked: dict[int, Lots] = {}

    # What follows from the facts.

    def booked(self, number: int) -> Lots:
        """Book every effective entry of an instrument from the first, in the order of time, then arrival."""
        if number not in self._booked:
            lots = Lots(self.method, bool(self.instruments[number].flags & 1))
            numbered = [(e.time, n, e) for n, e in enumerate(self.entries) if e.instrument == number]
            for _, n, e in sorted(numbered, key=lambda item: item[:2]):
                if e.flags & EntryFlag.SUPERSEDED or e.kind not in (K.FILL, K.ADJUST_POSITION, K.SPLIT):
                    continue
                if e.kind == K.SPLIT:
                    lots.split(n, e.qty, e.price)
                elif e.qty:
                    lots.trade(n, e.side, e.qty, e.value)
            self._booked[number] = lots
        return self._booked[number]

    @property
    def cash(self) -> int:
        return sum(e.cash - e.fee for e in self.entries)

    @property
    def fees(self) -> int:
        return sum(e.fee for e in self.entries)

    def moved(self, *kinds: int) -> int:
        """Return what entries of these kinds did to cash."""
        return sum(e.cash for e in self.entries if e.kind in kinds)

    def income(self, number: int | None = None) -> int:
        """Return dividends and interest less borrow fees, of an instrument or of all."""
        return sum(e.cash for e in self.entries if e.kind in INCOME and number in (None, e.instrument))

    @property
    def adjusted(self) -> int:
        return self.moved(K.ADJUST_CASH)

    @property
    def deposits(self) -> int:
        shares = sum(e.side * e.value for e in self.entries if e.kind == K.ADJUST_POSITION)
        return self.moved(K.DEPOSIT, K.WITHDRAWAL) + shares

    def live_orders(self, number: int) -> list[Order]:
        """Return the live orders of an instrument."""
        return [o for o in self.orders.values() if o.live and o.instrument == number]

    @property
    def reserved(self) -> int:
        return sum(o.held for o in self.orders.values())

    def position(self, number: int) -> int:
        return self.booked(number).position

    def value(self, number: int) -> int:
        """Return what the position is worth at its mark."""
        return self.instruments[number].worth(self.instruments[number].mark, self.position(number))

    def short_hold(self, number: int) -> int:
        """Return the cash held against a short position: its proceeds and the margin on top."""
        margin = 10_000 + self.limit(number, Limit.SHORT_MARGIN_BPS)
        return half_even(-self.booked(number).open_cost * margin, 10_000) if self.position(number) < 0 else 0

    @property
    def free_cash(self) -> int:
        return self.cash - self.reserved - sum(map(self.short_hold, self.instruments)) - self.limits[Limit.CASH_FLOOR]

    @property
    def unmarked(self) -> int:
        return sum(self.position(n) != 0 and i.mark == 0 for n, i in self.instruments.items())

    @property
    def equity(self) -> int | None:
        return None if self.unmarked else self.cash + sum(map(self.value, self.instruments))

    def is_open(self, number: int) -> bool:
        """Say whether the instrument counts against the number of open positions."""
        return self.position(number) != 0 or any(o.flags & OrderFlag.OPENING for o in self.live_orders(number))

    def amounts(self) -> list[int]:
        """Return every amount that must stay within +-AMOUNT_MAX."""
        result = [self.cash, self.fees, self.deposits, self.income(), self.adjusted, self.reserved, self.day_flows]
        result += [sum(map(self.value, self.instruments)), sum(map(self.short_hold, self.instruments))]
        for n in self.instruments:
            lots = self.booked(n)
            result += [lots.position, lots.open_cost, lots.realized, self.short_hold(n), self.income(n)]
            result += [lot.qty for lot in lots.lots] + [lot.value for lot in lots.lots]
            result.append(sum(qty for _, qty, _ in lots.unmatched))
        return result

    def reach(self, e: Columns) -> int:
        """Return a bound above every sum that the event could come near, splits and marks included."""
        result = sum(map(abs, self.amounts())) + max(abs(e.qty_lots), abs(e.price_ticks), abs(e.cash_e8), abs(e.fee_e8))
        for number, instrument in self.instruments.items():
            own = [entry for entry in self.entries if entry.instrument == number]
            growth = max([entry.qty for entry in own if entry.kind == K.SPLIT], default=1)
            gross = sum(entry.qty for entry in own) * growth
            result += instrument.mark + instrument.worth(max(instrument.mark, 1), gross) + gross + sum(entry.value for entry in own)
        return result

    # Events.

    def apply(self, event: dict[str, int], told: O | None = None) -> O:
        """Apply an event; change nothing unless APPLIED. `told`: the core's answer, believed near the bounds only."""
        e = Columns(event)
        return self._bounded(e, told) if e.kind in BOUNDED else self._done(e, self._apply(e))

    def _bounded(self, e: Columns, told: O | None) -> O:
        """Try the event on a copy, look at the sums, then let it be."""
        trial = copy.copy(self)
        trial.instruments = {n: copy.copy(i) for n, i in self.instruments.items()}
        trial.orders = {n: copy.copy(o) for n, o in self.orders.items()}
        trial.entries = [copy.copy(entry) for entry in self.entries]
        trial._booked = dict(self._booked)
        answer = trial._apply(e)
        if answer != O.APPLIED:
            return answer
        amounts = trial.amounts()
        values = [entry.value for entry in trial.entries] + [trial.value(n) for n in trial.instruments]
        large = max(abs(trial.position(n)) for n in trial.instruments) > QTY_MAX if trial.instruments else False
        if large or e.qty_lots > QTY_MAX or max(map(abs, amounts)) > AMOUNT_MAX or max(map(abs, values), default=0) > VALUE_MAX:
            return O.OVERFLOW
        if told == O.OVERFLOW and trial.reach(e) > FAR_BELOW:
            return O.OVERFLOW
        self.__dict__.update(trial.__dict__)
        return self._done(e, answer)

    def _done(self, e: Columns, answer: O) -> O:
        if answer == O.APPLIED:
            self.seq += 1
            if e.kind != K.CLAIM and self.reserved > 0 and self.free_cash < 0:
                self.overdrawn = 1
        return answer

    def _apply(self, e: Columns) -> O:
        return getattr(self, HANDLERS[e.kind])(e) if e.kind in HANDLERS else O.BAD_EVENT

    def _define(self, e: Columns) -> O:
        new = Instrument(e.revision, e.order_type, e.target_lots, e.qty_lots, e.price_ticks, e.flags)
        exps = new.price_exp in range(9) and new.qty_exp in range(9)
        if not exps or min(new.tick, new.step, new.multiplier) < 1 or new.multiplier > 10**6:
            return O.BAD_EVENT
        if not 1 <= e.instrument <= len(self.instruments) + 1:
            return O.BAD_EVENT
        old = self.instruments.get(e.instrument)
        if old:
            grid = [f.name for f in fields(Instrument)][:6]
            return O.DUPLICATE if all(getattr(old, n) == getattr(new, n) for n in grid) else O.KEY_CONFLICT
        self.instruments[e.instrument] = new
        return O.APPLIED

    def _set_limit(self, e: Columns) -> O:
        which, value = e.reason, e.cash_e8
        least, most = (-(2**60), 2**60) if which == Limit.CASH_FLOOR else (-1, AMOUNT_MAX)
        if which not in list(Limit) or not least <= value <= most:
            return O.BAD_EVENT
        if (which == Limit.BURST_COUNT and 256 < value < AMOUNT_MAX) or (which == Limit.SHORT_MARGIN_BPS and value > 30_000):
            return O.BAD_EVENT
        if e.instrument == 0:
            if value == -1 and which != Limit.CASH_FLOOR:
                return O.BAD_EVENT
            self.limits[which] = value
            return O.APPLIED
        if e.instrument not in self.instruments:
            return O.UNKNOWN_INSTRUMENT
        if which >= 10:
            return O.BAD_EVENT
        self.instruments[e.instrument].limits[which] = value
        return O.APPLIED

    def _set_gate(self, e: Columns) -> O:
        if e.reason not in range(1, 64) or e.side not in (-1, 1):
            return O.BAD_EVENT
        if e.instrument and e.instrument not in self.instruments:
            return O.UNKNOWN_INSTRUMENT
        place = self.instruments[e.instrument] if e.instrument else self
        gates = place.gates | e.reason if e.side > 0 else place.gates & ~e.reason
        looked_at = e.instrument and e.side < 0 and e.reason & Gate.BLOCKED
        if gates == place.gates and not looked_at:
            return O.DUPLICATE
        place.gates = gates
        if looked_at:
            place.repeats = 0
        return O.APPLIED

    def _begin_day(self, e: Columns) -> O:
        if e.revision < 1:
            return O.BAD_EVENT
        if e.revision <= self.day:
            return O.DUPLICATE if e.revision == self.day else O.SUPERSEDED
        self.day, self.day_orders, self.day_flows = e.revision, 0, 0
        self.day_known, self.day_equity = int(self.equity is not None), self.equity or 0
        for instrument in self.instruments.values():
            instrument.day_orders = 0
        return O.APPLIED

    def _refuse(self, e: Columns) -> O:
        if e.reason not in list(O) or e.reason < O.KEY_CONFLICT:
            return O.BAD_EVENT
        self.refused[e.reason] += 1
        if e.reason == O.BURST and self.limits[Limit.BURST_HALTS] == 1:
            self.gates |= Gate.HALTED
        return O.APPLIED
