"""Fakes of the broker's side: facts as a gateway tells them, a wire that remembers, a journal in a folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

from ledger import keys
from ledger.book import Row, event
from ledger.journal import Journal
from ledger.journal.replay import session_row
from ledger.vocabulary import EventKind, Outcome, Purpose
from live import link as links
from live.broker.facts import CommissionSeen, ExecutionSeen, OrderSeen, PositionSeen, StatusSeen
from live.broker.fold import Contract
from live.broker.reconcile import Snapshot
from live.pacer import Pacer
from live.broker.refs import book_tag, order_ref
from live.trader import Trader

ACCOUNT, CLIENT = "DU1000001", 17
AAPL = Contract(1, "AAPL", 265598, 4, 4)
MSFT = Contract(2, "MSFT", 272093, 4, 4)
START_NS = 1_772_461_800 * 10**9
READY = links.Link(links.State.READY, "test", START_NS)


class Clock:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.ns = START_NS

    def __call__(self) -> int:
        return self.ns


class FakeWire:
    """A connection that remembers what was written to it."""

    def __init__(self, first: int = 1) -> None:
        self.next, self.placed, self.cancelled = first, [], []
        self.broken = False

    def reserve_order_id(self) -> int:
        self.next += 1
        return self.next - 1

    def place(self, ticket: Any, _contract: Any) -> None:
        if self.broken:
            raise ConnectionError("the socket is closed")
        self.placed.append(ticket)

    def cancel(self, order_id: int) -> None:
        self.cancelled.append(order_id)


class Desk:
    """A trader over a real journal and a fake wire."""

    def __init__(self, journal: Journal, wire: FakeWire, session_id: int | None = None, reconciled: bool = True) -> None:
        self.clock, self.wire, self.alerts = Clock(), wire, []
        self.session = journal.resume(session_id) if session_id else journal.begin("paper", f"paper:{ACCOUNT}", config={})
        if session_id is None:
            for line in opening():
                assert self.session.record(line) == Outcome.APPLIED
        self.tag = book_tag(session_row(journal.connection, self.session.id))
        pacer = Pacer(40, 40, self.clock())
        self.trader = Trader(self.session, self.tag, CLIENT, ACCOUNT, (AAPL, MSFT), pacer, self.alerts.append, self.clock)
        self.trader.handles = {1: "AAPL", 2: "MSFT"}
        self.trader.on_start()
        self.trader.on_connected(wire)
        if reconciled:
            self.trader._oms.on_reconciled(self.clock(), "test")

    def buy(self, shares: int = 10, bar: int = 0, contract: Contract = AAPL) -> Outcome:
        return self.trader.on_wish(wish(contract.number, shares, bar))

    def pump(self) -> None:
        self.trader.pump(READY)

    @property
    def key(self) -> int:
        return int(self.session.book.orders[-1, 0])

    @property
    def status(self) -> int:
        return int(self.session.book.orders[-1, 2])

    def ref(self) -> str:
        return order_ref(self.tag, self.key)


@contextmanager
def desk(folder: Path, **options: Any) -> Iterator[Desk]:
    with Journal.open(folder / "paper.db") as journal:
        yield Desk(journal, FakeWire(), **options)


@contextmanager
def restarted(folder: Path) -> Iterator[Desk]:
    """Yield the process that comes up after one that sent an order and heard nothing of it."""
    with Journal.open(folder / "paper.db") as journal:
        d = Desk(journal, FakeWire())
        d.buy(10)
        d.pump()
    with Journal.open(folder / "paper.db") as journal:
        yield Desk(journal, FakeWire(), session_id=1, reconciled=False)


def lists(
    desk: Desk, *, open_orders: tuple[OrderSeen, ...] = (), executions: tuple[ExecutionSeen, ...] = (), completed: tuple[OrderSeen, ...] = (),
    positions: tuple[PositionSeen, ...] = (), next_id: int = 1,
) -> Snapshot:  # fmt: skip
    """Return the broker's lists at the desk's time."""
    return Snapshot(desk.clock(), next_id, positions, open_orders, open_orders, executions, completed)


def opening() -> list[Row]:
    """Return the events of a fresh account: two stocks, a million."""
    lines = [
        event(EventKind.INSTRUMENT, time_ns=START_NS, instrument=c.number, revision=4, order_type=4, price_ticks=1, qty_lots=10_000, target_lots=1)
        for c in (AAPL, MSFT)
    ]
    return [*lines, event(EventKind.DEPOSIT, time_ns=START_NS, cash_e8=10**14)]


def wish(instrument: int, shares: int, bar: int = 0) -> Row:
    """Return a wish for a position in whole shares at 230.00."""
    seconds = START_NS // 10**9 + 60 * bar
    return event(
        EventKind.SIGNAL, time_ns=seconds * 10**9, instrument=instrument, target_lots=shares * 10_000, price_ticks=2_392_000,
        key=keys.make(1, instrument, Purpose.TARGET, seconds), fee_e8=10**8,
    )  # fmt: skip


def order_seen(ref: str, order_id: int, status: str, *, perm: int = 14, completed: bool = False, shares: int = 10) -> OrderSeen:
    client, number = (-1, 0) if completed else (CLIENT, order_id)
    return OrderSeen(START_NS, ref, number, client, perm, ACCOUNT, AAPL.con_id, "AAPL", "BUY", Decimal(shares), "MKT", status, Decimal(0), completed)


def status_seen(order_id: int, status: str, *, perm: int = 14) -> StatusSeen:
    return StatusSeen(START_NS, order_id, CLIENT, perm, status, Decimal(0))


def execution(ref: str, order_id: int, exec_id: str, shares: int | str, *, side: str = "BOT", price: str = "230", perm: int = 14) -> ExecutionSeen:
    return ExecutionSeen(
        START_NS, exec_id, ref, order_id, CLIENT, perm, ACCOUNT, AAPL.con_id, "AAPL", side, Decimal(shares), Decimal(price), Decimal(shares)
    )


def commission(exec_id: str, fee: str | None = "1") -> CommissionSeen:
    return CommissionSeen(START_NS, exec_id, None if fee is None else Decimal(fee), "USD")


def position(shares: int | str, contract: Contract = AAPL) -> PositionSeen:
    return PositionSeen(START_NS, ACCOUNT, contract.con_id, contract.symbol, Decimal(shares), Decimal(230))
