"""Hold a book against its slow twin, column by column, and run one event through both."""

from __future__ import annotations

import numpy as np

from ledger import book as B
from ledger.book import EVENT_COLUMNS, EVENT_WIDTH, Book, Row
from ledger.core import apply, decide
from ledger.invariants import Invariant, check
from ledger.vocabulary import EventKind, Method, Outcome
from tests.oracle import Oracle

Event = dict[str, int]


def row_of(event: Event) -> Row:
    """Return an event row from named columns."""
    line = np.zeros(EVENT_WIDTH, np.int64)
    for name, value in event.items():
        line[EVENT_COLUMNS.index(name)] = value
    return line


def columns_of(line: Row) -> Event:
    """Return the named columns of a row, zeros left out."""
    return {name: int(value) for name, value in zip(EVENT_COLUMNS, line, strict=True) if value}


def account_of(book: Book) -> dict[str, int]:
    """Return the account row by name."""
    head = range(B.LAYOUT, B.H_LIMIT)
    names = [name for name in vars(B) if name.startswith("H_") and getattr(B, name) in head]
    return {name[2:].lower(): int(book.arena[getattr(B, name)]) for name in names}


def account_of_twin(twin: Oracle) -> dict[str, int]:
    """Return the same names with the twin's numbers."""
    booked = [twin.booked(n) for n in twin.instruments]
    return dict(
        version=B.SCHEMA_VERSION, seq=twin.seq, method=twin.method, cash=twin.cash, deposits=twin.deposits,
        realized=sum(lots.realized for lots in booked), fees=twin.fees, income=twin.income(), adjusted=twin.adjusted,
        unmatched=sum(value for lots in booked for _, _, value in lots.unmatched),
        open_cost=sum(lots.open_cost for lots in booked), short_hold=sum(map(twin.short_hold, twin.instruments)),
        reserved=twin.reserved, value=sum(map(twin.value, twin.instruments)), unmarked=twin.unmarked,
        open=sum(map(twin.is_open, twin.instruments)), overdrawn=twin.overdrawn, gates=twin.gates, day=twin.day,
        day_equity=twin.day_equity, day_known=twin.day_known, day_flows=twin.day_flows, day_orders=twin.day_orders,
        claims=len(twin.claims), fills=twin.fills, rebooks=twin.rebooks,
    )  # fmt: skip


def assert_same(book: Book, twin: Oracle) -> None:
    """Demand that the book says what its twin says."""
    account = account_of(book)
    assert account == {name: account_of_twin(twin)[name] for name in account}
    a = book.arena
    assert a[B.H_LIMIT : B.H_LIMIT + 20].tolist() == [twin.limits[n] for n in range(20)]
    assert book.refusals().tolist() == [twin.refused[n] for n in range(48)]
    assert len(book.instruments) == len(twin.instruments) + 1
    for number in twin.instruments:
        _same_instrument(book, twin, number)
    orders = book.orders[:, : B.O_NEXT].tolist()
    assert orders == [_order(o) for o in twin.orders.values()]
    assert book.orders[:, B.O_TIME :].tolist() == [[o.time, o.seq, o.changed] for o in twin.orders.values()]
    assert np.delete(book.entries, [B.N_NEXT, B.N_PREV], 1).tolist() == [_entry(e) for e in twin.entries]
    ring = B.section_rows(a, B.S_BURST)
    for number, claim in list(enumerate(twin.claims))[-B.BURST_RING :]:
        assert tuple(ring[number % B.BURST_RING].tolist()) == claim


def _order(o) -> list[int]:  # type: ignore[no-untyped-def]
    names = ("order_type", "price_ticks", "stop_ticks", "take_ticks", "trail_ticks", "parent")
    kind, *prices = [o.wish.get(name, 0) for name in names]
    target = o.wish.get("target_lots", 0)
    return [o.key, o.instrument, o.status, o.side, o.qty, o.filled, o.filled_value, o.reserve, target, kind, o.flags, *prices]


def _entry(e) -> list[int]:  # type: ignore[no-untyped-def]
    named = [e.id, e.revision, e.kind, e.order, e.instrument, e.side, e.qty, e.price, e.value, e.fee, e.flags]
    return [*named, e.time, e.seq, e.ref]


def _same_instrument(book: Book, twin: Oracle, number: int) -> None:
    """Compare definition, counters, and the lots of the current version."""
    line, i, lots = book.instruments[number].tolist(), twin.instruments[number], twin.booked(number)
    live = twin.live_orders(number)
    expected = {
        B.I_PRICE_EXP: i.price_exp, B.I_QTY_EXP: i.qty_exp, B.I_STEP: i.step, B.I_TICK: i.tick, B.I_FLAGS: i.flags,
        B.I_POSITION: lots.position, B.I_OPEN_COST: lots.open_cost, B.I_SHORT_HOLD: twin.short_hold(number),
        B.I_REALIZED: lots.realized, B.I_FEES: sum(e.fee for e in twin.entries if e.instrument == number and e.kind == EventKind.FILL),
        B.I_INCOME: twin.income(number), B.I_UNMATCHED: sum(qty for _, qty, _ in lots.unmatched),
        B.I_UNMATCHED_VALUE: sum(value for _, _, value in lots.unmatched), B.I_MARK: i.mark, B.I_MARK_TIME: i.mark_time,
        B.I_VALUE: twin.value(number), B.I_GATES: i.gates, B.I_DAY_ORDERS: i.day_orders, B.I_REPEATS: i.repeats,
        B.I_REPEAT_SIDE: i.repeat_side, B.I_WORKING: twin.working(number), B.I_OPEN: twin.is_open(number),
        B.I_LIVE_ENTRIES: sum(bool(o.flags & 256) for o in live), B.I_LOTS: len(lots.open), B.I_VERSION: i.version,
    }  # fmt: skip
    assert {column: line[column] for column in expected} == expected
    assert line[B.I_LIMIT :] == [i.limits.get(n, -1) for n in range(10)]
    current = [r for r in enumerate(book.lots.tolist()) if (r[1][B.L_INSTRUMENT], r[1][B.L_VERSION]) == (number, i.version)]
    names = (B.L_ENTRY, B.L_SIDE, B.L_QTY, B.L_OPEN, B.L_VALUE, B.L_COST)
    slow = [[lot.entry, lot.side, lot.qty, lot.open, lot.value, lot.cost] for lot in lots.lots]
    assert [[lot[name] for name in names] for _, lot in current] == slow
    place = {row: n for n, (row, _) in enumerate(current)}
    rows = book.allocations[(book.allocations[:, B.A_INSTRUMENT] == number) & (book.allocations[:, B.A_VERSION] == i.version)]
    assert [[place[r[B.A_LOT]], r[B.A_CLOSE], *r[B.A_SIDE : B.A_VERSION]] for r in rows.tolist()] == [
        [x.lot, x.close, x.side, x.qty, x.cost, x.proceeds] for x in lots.allocations
    ]
    misses = book.unmatched[(book.unmatched[:, B.U_INSTRUMENT] == number) & (book.unmatched[:, B.U_VERSION] == i.version)]
    assert misses[:, [B.U_ENTRY, B.U_QTY, B.U_VALUE]].tolist() == [list(miss) for miss in lots.unmatched]


class Pair:
    """A book and its twin that are told the same."""

    def __init__(self, method: int = 0, capacity: B.Capacity | None = None) -> None:
        self.book, self.twin = Book(method=Method(method), capacity=capacity), Oracle(method)
        self.rows: list[Row] = []
        self.outcomes: list[Outcome] = []

    def tell(self, event: Event) -> Outcome:
        """Give one event to both; compare outcome, state and invariants; a signal is decided, then applied."""
        if event["kind"] == EventKind.SIGNAL:
            return self._decide(event)
        row, book = row_of(event), self.book
        before, history = book.arena.copy(), book.allocations.copy()
        outcome = apply(book, row)
        assert self.twin.apply(event, outcome) == outcome, (event, outcome)
        self.rows.append(row)
        self.outcomes.append(outcome)
        if outcome != Outcome.APPLIED:
            grown = Book(before)
            assert grown == book, "an outcome other than APPLIED changed the book"
        assert np.array_equal(book.allocations[: len(history)], history), "an allocation was edited"
        assert_same(book, self.twin)
        found = check(book)
        assert found == Invariant.HOLDS, (found.name, event)
        return outcome

    def _decide(self, signal: Event) -> Outcome:
        row, before = row_of(signal), self.book.arena.tobytes()
        decision = decide(self.book, row)
        answer, size = self.twin.decide(signal)
        assert decision.outcome == answer, (signal, decision.outcome, answer)
        assert self.book.arena.tobytes() == before and columns_of(row) == {k: v for k, v in signal.items() if v}
        event = columns_of(decision.event)
        if answer == Outcome.APPLIED:
            assert event["kind"] == EventKind.CLAIM
            assert (event["side"], event["qty_lots"], event.get("cash_e8", 0)) == (size.side, size.qty, size.reserve)
        else:
            assert (event["kind"], event["reason"]) == (EventKind.REFUSED, answer)
        assert self.tell(event) == Outcome.APPLIED
        self.outcomes.append(answer)
        return answer
