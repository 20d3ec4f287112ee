"""The slow twin of the gate: one refusal a line, in the order in which they are promised."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ledger.vocabulary import Gate, Limit, OrderFlag, OrderType, Purpose
from ledger.vocabulary import Outcome as O
from tests.ledger.twin.slow_lots import half_even
from tests.ledger.twin.slow_rows import AMOUNT_MAX, PROTECTIVE, QTY_MAX, VALUE_MAX, WISHES, Columns, Order, instrument_of, purpose_of


class Size(NamedTuple):
    """How much a wish comes to."""

    side: int = 0
    qty: int = 0
    opening: int = 0
    reserve: int = 0

    @property
    def closing(self) -> int:
        return self.qty - self.opening


class SlowGate:
    """`decide` over the attributes and derived amounts of the oracle."""

    def limit(self, number: int, which: int) -> int:
        """Return an instrument's limit, or the account's where it has none."""
        own = self.instruments[number].limits.get(which, -1)
        return self.limits[which] if own == -1 else own

    def decide(self, signal: dict[str, int]) -> tuple[O, Size]:
        """Return the first refusal, or APPLIED and the size of the order."""
        s = Columns(signal)
        for refusal in self._unreadable(s):
            return refusal, Size()
        wish, size = self._wish(s)
        for refusal in (wish, *self._halted(s, size), *self._prices(s)):
            if refusal:
                return refusal, size
        if size.opening:
            for refusal in self._against_opening(s, size):
                return refusal, size
            size = size._replace(reserve=self._reserve(s, size))
            for refusal in self._against_paying(s, size):
                return refusal, size
        return O.APPLIED, size

    def _unreadable(self, s: Columns) -> Iterator[O]:
        if s.instrument not in self.instruments:
            yield O.UNKNOWN_INSTRUMENT
            return
        if s.key < 1 or instrument_of(s.key) != s.instrument or s.flags & ~WISHES:
            yield O.BAD_EVENT
        if purpose_of(s.key) not in list(Purpose) or s.order_type not in list(OrderType):
            yield O.BAD_EVENT
        if not 1 <= s.price_ticks <= AMOUNT_MAX or not 0 <= s.fee_e8 <= VALUE_MAX or abs(s.time_ns) > AMOUNT_MAX:
            yield O.BAD_EVENT
        if min(s.stop_ticks, s.take_ticks, s.trail_ticks, s.parent) < 0:
            yield O.BAD_EVENT
        if abs(s.target_lots) > QTY_MAX:
            yield O.OVERFLOW
        if s.key in self.orders:
            yield O.DUP_KEY if self._same_wish(self.orders[s.key], s) else O.KEY_CONFLICT
        if (self.gates | self.instruments[s.instrument].gates) & Gate.HALTED and purpose_of(s.key) != Purpose.LIQUIDATE:
            yield O.HALTED
        if self.gates & Gate.NOT_RECONCILED:
            yield O.NOT_RECONCILED
        if self.gates & Gate.DISCONNECTED:
            yield O.DISCONNECTED

    @staticmethod
    def _same_wish(order: Order, s: Columns) -> bool:
        names = ["target_lots", "order_type", "flags", "stop_ticks", "take_ticks", "trail_ticks", "parent"]
        if s.order_type != OrderType.MARKET:  # The worst price of a market order moves with the quote.
            names.append("price_ticks")
        return all(order.wish.get(name, 0) == getattr(s, name) for name in names)

    def claimed(self, number: int, side: int, but_group: int = 0) -> tuple[int, int]:
        """Return what live orders of a side may take: (ordinary, protective; of each group only one can fill)."""
        mine = [o for o in self.live_orders(number) if o.side == side]
        groups: dict[int, int] = {}
        for order in mine:
            if order.protective and order.group != but_group:
                groups[order.group] = max(groups.get(order.group, 0), order.leaves)
        return sum(o.leaves for o in mine if not o.protective), sum(groups.values())

    def working(self, number: int) -> int:
        """Return the signed leaves of all live orders that are no guards."""
        return sum(o.side * o.leaves for o in self.live_orders(number) if not o.protective)

    def _wish(self, s: Columns) -> tuple[O, Size]:
        if purpose_of(s.key) in PROTECTIVE:
            return self._guard(s)
        position = self.position(s.instrument)
        delta = s.target_lots - position - self.working(s.instrument)
        entries = [o for o in self.live_orders(s.instrument) if o.flags & OrderFlag.OPENING]
        if entries and not s.flags & OrderFlag.PYRAMID:
            return O.LIVE_ENTRY, Size()
        if s.target_lots == position or delta == 0:
            return O.AT_TARGET, Size()
        side, qty = (1 if delta > 0 else -1), abs(delta)
        held = max(0, -side * position)
        ordinary, guarded = self.claimed(s.instrument, side)
        closing = min(qty, max(0, held - ordinary - guarded))
        if self._off_grid(s, qty, held):
            return O.OFF_GRID, Size(side, qty)
        if ordinary + qty > QTY_MAX:
            return O.OVERFLOW, Size(side, qty)
        forbidden = closing < qty and side < 0 and self.limit(s.instrument, Limit.ALLOW_SHORT) != 1
        if forbidden or (guarded and closing < min(qty, held - ordinary)):
            return O.NO_QTY, Size(side, qty)
        return O.APPLIED, Size(side, qty, qty - closing)

    def _off_grid(self, s: Columns, qty: int, held: int) -> bool:
        """A limit stands on a tick, a quantity on a step, but all of an odd position may be closed."""
        instrument = self.instruments[s.instrument]
        odd_price = s.order_type != OrderType.MARKET and s.price_ticks % instrument.tick
        return bool(odd_price or (qty % instrument.step and qty != held))

    def _halted(self, s: Columns, size: Size) -> Iterator[O]:
        """A liquidation passes the kill switch, but not with a part that opens."""
        if size.opening and (self.gates | self.instruments[s.instrument].gates) & Gate.HALTED:
            yield O.HALTED

    def _guard(self, s: Columns) -> tuple[O, Size]:
        """A guard closes the position and what its live parent may still bring, less the other exits."""
        position = self.position(s.instrument)
        parent = self.orders.get(s.parent)
        coming = parent.leaves if parent and parent.live and parent.instrument == s.instrument else 0
        if position:
            side = -1 if position > 0 else 1
        else:
            side = -parent.side if coming else 1
        coming = coming if coming and parent.side == -side else 0
        qty = side * (s.target_lots - position + side * coming)
        if qty <= 0:
            return O.AT_TARGET, Size()
        ordinary, guarded = self.claimed(s.instrument, side, s.parent or s.key)
        held = max(0, -side * position) + coming
        if self._off_grid(s, qty, held):
            return O.OFF_GRID, Size(side, qty)
        return (O.NO_QTY if qty > held - ordinary - guarded else O.APPLIED), Size(side, qty)

    def _prices(self, s: Columns) -> Iterator[O]:
        instrument, collar = self.instruments[s.instrument], self.limit(s.instrument, Limit.PRICE_COLLAR_BPS)
        if (self.gates | instrument.gates) & Gate.MARKET_CLOSED:
            yield O.MARKET_CLOSED
        if collar != AMOUNT_MAX and instrument.mark:
            if abs(s.price_ticks - instrument.mark) > half_even(instrument.mark * collar, 10_000):
                yield O.PRICE_COLLAR

    def _against_opening(self, s: Columns, size: Size) -> Iterator[O]:
        number, instrument = s.instrument, self.instruments[s.instrument]
        if self.gates & Gate.STALE_CODE:
            yield O.STALE_CODE
        if self.gates & Gate.BLOCKED or instrument.gates & ~Gate.MARKET_CLOSED:
            yield O.BLOCKED
        age, collar = self.limit(number, Limit.STALE_QUOTE_NS), self.limit(number, Limit.PRICE_COLLAR_BPS)
        if not instrument.mark and (age != AMOUNT_MAX or collar != AMOUNT_MAX):
            yield O.NO_PRICE
        if age != AMOUNT_MAX and s.time_ns - instrument.mark_time > age:
            yield O.STALE_QUOTE
        after = size.side * self.position(number) + self.claimed(number, size.side)[0] + size.qty
        worth = instrument.worth(s.price_ticks, max(0, after))
        if after > self.limit(number, Limit.MAX_POSITION):
            yield O.MAX_POSITION
        if worth > VALUE_MAX:
            yield O.OVERFLOW
        if worth > self.limit(number, Limit.MAX_NOTIONAL):
            yield O.MAX_NOTIONAL
        if not self.is_open(number) and sum(map(self.is_open, self.instruments)) >= self.limits[Limit.MAX_OPEN]:
            yield O.MAX_OPEN
        if self.day_orders >= self.limits[Limit.DAILY_ORDERS]:
            yield O.MAX_DAILY_ORDERS
        if instrument.day_orders >= self.limit(number, Limit.SYMBOL_DAILY_ORDERS):
            yield O.MAX_DAILY_ORDERS
        in_a_row = instrument.repeats if instrument.repeat_side == size.side else 0
        if in_a_row >= self.limit(number, Limit.MAX_REPEAT):
            yield O.REPEATED
        if self.limits[Limit.DAILY_LOSS] != AMOUNT_MAX:
            if self.equity is None or not self.day or not self.day_known:
                yield O.NO_PRICE
            elif self.day_equity + self.day_flows - self.equity >= self.limits[Limit.DAILY_LOSS]:
                yield O.DAILY_LOSS

    def _reserve(self, s: Columns, size: Size) -> int:
        """Worst-case cost of the opening part, less what the closing part frees, and the worst fee."""
        number, worth = s.instrument, self.instruments[s.instrument].worth
        need, freed = worth(s.price_ticks, size.opening), worth(s.price_ticks, size.closing)
        if max(need, freed) > VALUE_MAX:
            return AMOUNT_MAX
        if size.side < 0:
            need = half_even(need * self.limit(number, Limit.SHORT_MARGIN_BPS), 10_000)
        elif size.closing:
            freed = half_even(self.short_hold(number) * size.closing, -self.position(number)) - freed
        return AMOUNT_MAX if need > VALUE_MAX else max(0, need - freed) + s.fee_e8

    def _against_paying(self, s: Columns, size: Size) -> Iterator[O]:
        if size.reserve > VALUE_MAX:
            yield O.OVERFLOW
        most, money = self.limits[Limit.BURST_COUNT], self.limits[Limit.BURST_NOTIONAL]
        since = s.time_ns - self.limits[Limit.BURST_WINDOW_NS]
        recent = [worth for time, worth in self.claims if time > since]
        worth = self.instruments[s.instrument].worth(s.price_ticks, size.opening)
        watched = min(most, money) != AMOUNT_MAX  # The ring remembers 256 entries; more are a burst, whatever they are worth.
        if (watched and len(recent) >= min(most, 256)) or (money != AMOUNT_MAX and sum(recent) + worth > money):
            yield O.BURST
        if size.reserve > self.free_cash:
            yield O.NO_CASH

    def _claim(self, e: Columns) -> O:
        """A claim is decided again and must come to the same size."""
        wish = dict(e._columns)
        answer, size = self.decide(wish)
        if answer:
            return answer
        if (e.side, e.qty_lots, e.cash_e8) != (size.side, size.qty, size.reserve):
            return O.BAD_EVENT
        instrument = self.instruments[e.instrument]
        flags = e.flags | (OrderFlag.OPENING if size.opening else 0)
        order = Order(e.key, e.instrument, size.side, size.qty, size.reserve, wish, flags, e.time_ns, self.seq + 1)
        order.changed = self.seq + 1
        self.orders[e.key] = order
        self.day_orders += 1
        instrument.day_orders += 1
        if instrument.repeat_side != size.side:
            instrument.repeat_side, instrument.repeats = size.side, 0
        if size.opening:
            instrument.repeats += 1
            self.claims = [*self.claims, (e.time_ns, instrument.worth(e.price_ticks, size.opening))]
            self.overdrawn = 0
        return O.APPLIED
