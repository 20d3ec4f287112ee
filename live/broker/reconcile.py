"""Broker and book side by side: what agrees, what the broker's lists prove, what differs.

Theory of operation. A Snapshot is every list the broker has, each answered in full or
not at all (None). `compare` is pure: it takes a snapshot and the book
and returns a Comparison. First the lists are facts like any other and go through the
fold, so that lost executions are booked before anything is compared. Then
  - an order the book holds for live and no list knows is UNKNOWN, and ABSENT only when
    every list was answered twice, far enough apart, and the broker's next order id shows
    that it never saw the order's id;
  - an order that is listed as filled, twice, and that its executions do not fill is ended;
  - a position that differs closes its instrument and is shown; nothing is made to fit;
  - an instrument that agrees again is not opened by this file: that is a person's word.
A snapshot with a missing list proves nothing and opens nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from ledger import oms
from ledger.book import I_POSITION, O_INSTRUMENT, Book
from ledger.port import Absent, Ended, Fate, Report
from ledger.vocabulary import OrderStatus
from live.broker.facts import ExecutionSeen, Fact, OrderSeen, PositionSeen
from live.broker.fold import Contract
from live.broker.refs import key_of

_SENDING = int(OrderStatus.SENDING)
APART_NS = 10 * 10**9
"""Two looks at the lists must be this far apart before an order is held to be absent."""


ASIDE_NS = 60 * 10**9
"""An order in doubt keeps every entry closed for so long; after that its own instrument alone, until a person says what became of it."""


class Snapshot(NamedTuple):
    """The broker's lists at one moment. None: the question was not answered."""

    time_ns: int
    next_order_id: int
    positions: tuple[PositionSeen, ...] | None
    open_orders: tuple[OrderSeen, ...] | None
    all_open_orders: tuple[OrderSeen, ...] | None
    executions: tuple[ExecutionSeen, ...] | None
    completed: tuple[OrderSeen, ...] | None

    def unanswered(self) -> tuple[str, ...]:
        """Return the names of the lists that were not answered."""
        return tuple(name for name, part in zip(self._fields, self, strict=True) if part is None) if None in self else ()


class Difference(NamedTuple):
    """A position the book and the broker do not agree on, in lots; None where a broker's number is not on the grid."""

    instrument: int
    symbol: str
    book_lots: int
    broker_lots: int | None


class Comparison(NamedTuple):
    """What came of comparing."""

    complete: bool
    missing_lists: tuple[str, ...]
    differences: tuple[Difference, ...]
    not_ours: tuple[PositionSeen, ...]
    doubtful: tuple[int, ...]
    """Keys of orders that no list knows and that cannot be proven absent yet."""
    foreign_orders: tuple[OrderSeen, ...]
    set_aside: tuple[int, ...] = ()
    """Those of the doubtful that have been so for long: their instruments are closed, and the others need not wait."""

    @property
    def agrees(self) -> bool:
        """Say whether entries may be opened: everything answered, no new doubt. A difference closes its instrument only."""
        return self.complete and set(self.set_aside).issuperset(self.doubtful)


class Doubts:
    """Since when each order has been in doubt."""

    def __init__(self) -> None:
        self._since: dict[int, int] = {}

    def sorted_out(self, found: Comparison, now_ns: int) -> Comparison:
        """Return the comparison with what has been in doubt for long set aside; a look with a hole counts for nothing."""
        if found.complete:
            self._since = {key: self._since.get(key, now_ns) for key in found.doubtful}
        old = tuple([key for key in found.doubtful if now_ns - self._since.get(key, now_ns) >= ASIDE_NS])
        return found._replace(set_aside=old) if old else found

    def orders(self) -> frozenset[int]:
        """Return the keys that the last complete look did not find."""
        return frozenset(self._since)


def facts(snapshot: Snapshot) -> list[Fact]:
    """Return the facts in a snapshot, executions first: a filled order must not look cancelled without its fill."""
    found: list[Fact] = []
    for part in (snapshot.executions, snapshot.open_orders, snapshot.all_open_orders, snapshot.completed):
        found.extend(part or ())
    return found


def known_keys(snapshot: Snapshot, tag: str) -> set[int]:
    """Return the keys of this book that any list mentions."""
    parts = (snapshot.open_orders, snapshot.all_open_orders, snapshot.completed, snapshot.executions)
    return {key_of(fact.order_ref, tag) for part in parts for fact in part or ()} - {0}


def live_keys(book: Book) -> list[int]:
    """Return the keys of orders that the book holds for live at the broker, or does not know about."""
    return oms.live_keys(book, _SENDING)


def unlisted(book: Book, snapshot: Snapshot, tag: str) -> list[int]:
    """Return the keys of live orders that a complete snapshot does not mention."""
    live = live_keys(book)
    if not live or snapshot.unanswered():
        return []
    listed = known_keys(snapshot, tag)
    return [key for key in live if key not in listed]


def absent(
    book: Book, before: Snapshot | None, now: Snapshot, tag: str, order_ids: Mapping[int, int]
) -> list[Report]:
    """Return Absent for the orders that two complete looks prove the broker never had.

    Args:
        before: the look before this one, of the same connection. order_ids: order id by key, from before each send.
    """
    if before is None or before.unanswered() or now.time_ns - before.time_ns < APART_NS:
        return []
    missing = unlisted(book, now, tag)
    twice = set(missing).intersection(unlisted(book, before, tag)) if missing else ()
    reports: list[Report] = []
    for key in sorted(twice):
        order_id = order_ids.get(key, 0)
        # A gateway that had seen the id would hand out a higher one. Without an id there is no proof.
        if 0 < now.next_order_id <= order_id:
            text = f"in no list twice, {(now.time_ns - before.time_ns) // 10**9} s apart; next order id {now.next_order_id} <= {order_id}"
            reports.append(Absent(now.time_ns, key, text))
    return reports


def unfilled(book: Book, before: Snapshot | None, now: Snapshot, tag: str) -> list[Report]:
    """Return Ended for live orders that two complete looks list as filled, although every execution there is does not fill them.

    A busted execution leaves such an order: the broker is done with it, and would be waited for without end.
    """
    if before is None or before.unanswered() or now.unanswered() or now.time_ns - before.time_ns < APART_NS:
        return []
    done = _filled_keys(before, tag) & _filled_keys(now, tag)
    text = "in the completed orders as Filled, twice; its executions do not fill it"
    return [Ended(now.time_ns, key, Fate.CANCELED, text) for key in live_keys(book) if key in done] if done else []


def _filled_keys(snapshot: Snapshot, tag: str) -> set[int]:
    return {key_of(fact.order_ref, tag) for fact in snapshot.completed or () if fact.status == "Filled"} - {0}


def compare(
    book: Book, snapshot: Snapshot, contracts: Iterable[Contract], account: str, doubtful: Iterable[int], foreign: Iterable[OrderSeen]
) -> Comparison:  # fmt: skip
    """Return what still differs after the snapshot's facts were booked.

    Args:
        doubtful: what is `unlisted` of the orders that left. foreign: orders of others that work on this account.
    """
    held = {p.con_id: p for p in snapshot.positions or () if p.account == account}
    known, missing = {contract.con_id: contract for contract in contracts}, snapshot.unanswered()
    return Comparison(
        complete=not missing,
        missing_lists=missing,
        differences=_differences(book, known.values(), held) if snapshot.positions is not None else (),
        not_ours=tuple([p for p in held.values() if p.con_id not in known and p.quantity != 0]),
        doubtful=tuple(doubtful),
        foreign_orders=tuple(foreign),
    )


def _differences(book: Book, contracts: Iterable[Contract], held: Mapping[int, PositionSeen]) -> tuple[Difference, ...]:
    """Return how the positions differ, of the instruments whose positions do."""
    ours: list[int] = book.instruments[:, I_POSITION].tolist()
    return tuple([
        Difference(contract.number, contract.symbol, ours[contract.number], theirs)
        for contract in contracts
        if (theirs := held_lots(held.get(contract.con_id), contract)) != ours[contract.number]
    ])  # fmt: skip


def held_lots(held: PositionSeen | None, contract: Contract) -> int | None:
    """Return how many lots the broker holds, None where its number is not on the grid."""
    if held is None:
        return 0
    scaled = held.quantity.scaleb(contract.qty_exp)
    return int(scaled) if scaled == scaled.to_integral_value() else None


def live_of(book: Book, instrument: int) -> list[int]:
    """Return the keys of an instrument's live orders."""
    return [key for key, number in zip(oms.live_keys(book), oms.of_live(book, O_INSTRUMENT), strict=True) if number == instrument]
