"""The book: every number of one account, as named views on one int64 arena.

Theory of operation. A book is one flat array. Its first LAYOUT words say where
each section starts, how many rows it has room for and how many it uses; then
comes the account row (the H_ columns), then the sections. A row is addressed by
its place in the arena, so a kernel reads `a[order + O_FILLED]`; links between
rows are row numbers plus one, so 0 means none and a larger arena can be laid out
anew without touching them. Kernels take the arena and nothing else: one array
costs 0.2 microseconds to pass from Python, nine would cost two.

The digest covers the account row and the used rows of each section. It leaves
out capacities and the two hash indexes, which follow from the rows: a book that
grew and a book that was born large are equal when they say the same.

This file alone knows the layout. It changes no money: `core.apply` does.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ledger.kernel import inlined, kernel
from ledger.units import AMOUNT_MAX, INT64_MAX
from ledger.vocabulary import INSTRUMENT_LIMITS, LIMITS, OUTCOMES, Limit, Method

Arena = NDArray[np.int64]
Row = NDArray[np.int64]

SCHEMA_VERSION = 1

# The event row: one row of int64, the same in the kernel's log, the fuzzer and SQLite.
EVENT_COLUMNS = (
    "time_ns", "kind", "key", "instrument", "side", "qty_lots", "price_ticks", "cash_e8", "fee_e8", "exec_id",
    "revision", "target_lots", "order_type", "flags", "stop_ticks", "take_ticks", "trail_ticks", "parent", "reason", "ref",
)  # fmt: skip
(
    E_TIME, E_KIND, E_KEY, E_INSTRUMENT, E_SIDE, E_QTY, E_PRICE, E_CASH, E_FEE, E_EXEC,
    E_REVISION, E_TARGET, E_TYPE, E_FLAGS, E_STOP, E_TAKE, E_TRAIL, E_PARENT, E_REASON, E_REF,
) = range(20)  # fmt: skip
EVENT_WIDTH = 20
_PLACES = {name: place for place, name in enumerate(EVENT_COLUMNS)}
_INT64 = np.dtype(np.int64)

# Sections: instruments, orders, entries, lots, allocations, unmatched closers, burst ring, two hash indexes.
S_INSTRUMENT, S_ORDER, S_ENTRY, S_LOT, S_ALLOC, S_UNMATCHED, S_BURST, S_KEYS, S_IDS = range(9)
SECTIONS = 9
LAYOUT = 3 * SECTIONS
"""Layout words: base, capacity and used rows of section s at 3*s, 3*s+1, 3*s+2."""

# The account row. Money is e8 of the currency.
(
    H_VERSION, H_SEQ, H_METHOD, H_CASH, H_DEPOSITS, H_REALIZED, H_FEES, H_INCOME, H_ADJUSTED, H_UNMATCHED,
    H_OPEN_COST, H_SHORT_HOLD, H_RESERVED, H_VALUE, H_UNMARKED, H_OPEN, H_OVERDRAWN, H_GATES, H_DAY, H_DAY_EQUITY,
    H_DAY_KNOWN, H_DAY_FLOWS, H_DAY_ORDERS, H_CLAIMS, H_FILLS, H_REBOOKS,
) = range(LAYOUT, LAYOUT + 26)  # fmt: skip
H_LIMIT = LAYOUT + 26
H_REFUSED = H_LIMIT + LIMITS
HEAD_END = H_REFUSED + OUTCOMES

# An instrument; its row number is its id, row 0 stands for "none".
(
    I_DEFINED, I_PRICE_EXP, I_QTY_EXP, I_MULTIPLY, I_DIVIDE, I_STEP, I_TICK, I_FLAGS, I_POSITION, I_OPEN_COST,
    I_SHORT_HOLD, I_REALIZED, I_FEES, I_INCOME, I_UNMATCHED, I_UNMATCHED_VALUE, I_MARK, I_MARK_TIME, I_VALUE, I_GATES,
    I_DAY_ORDERS, I_REPEATS, I_REPEAT_SIDE, I_WORKING, I_LIVE_ENTRIES, I_OPEN, I_LIVE_FIRST, I_LOT_FIRST, I_LOT_LAST,
    I_LOTS, I_ENTRY_FIRST, I_ENTRY_LAST, I_ENTRIES, I_VERSION,
) = range(34)  # fmt: skip
I_LIMIT = 34
INSTRUMENT_WIDTH = I_LIMIT + INSTRUMENT_LIMITS

# An order.
(
    O_KEY, O_INSTRUMENT, O_STATUS, O_SIDE, O_QTY, O_FILLED, O_FILLED_VALUE, O_RESERVE, O_TARGET, O_TYPE,
    O_FLAGS, O_PRICE, O_STOP, O_TAKE, O_TRAIL, O_PARENT, O_NEXT, O_PREV, O_TIME, O_SEQ, O_CHANGED,
) = range(21)  # fmt: skip
ORDER_WIDTH = 21

# An entry: an execution, or another fact that moves money or lots.
(
    N_ID, N_REVISION, N_KIND, N_ORDER, N_INSTRUMENT, N_SIDE, N_QTY, N_PRICE, N_VALUE, N_FEE,
    N_FLAGS, N_TIME, N_NEXT, N_PREV, N_SEQ, N_REF,
) = range(16)  # fmt: skip
ENTRY_WIDTH = 16

# A lot: what is left of one opening execution.
L_INSTRUMENT, L_ENTRY, L_SIDE, L_QTY, L_OPEN, L_VALUE, L_COST, L_NEXT, L_PREV, L_VERSION = range(10)
LOT_WIDTH = 10

# An allocation: a closing execution takes a part of a lot. Append-only.
A_LOT, A_CLOSE, A_INSTRUMENT, A_SIDE, A_QTY, A_COST, A_PROCEEDS, A_VERSION = range(8)
ALLOC_WIDTH = 8

# A closer, or the part of one, that found no lot. Append-only.
U_ENTRY, U_INSTRUMENT, U_QTY, U_VALUE, U_REASON, U_VERSION = range(6)
UNMATCHED_WIDTH = 6

BURST_RING = 256
WIDTHS = (INSTRUMENT_WIDTH, ORDER_WIDTH, ENTRY_WIDTH, LOT_WIDTH, ALLOC_WIDTH, UNMATCHED_WIDTH, 2, 1, 1)
UNSET = -1
"""An instrument's limit that falls back to the account's."""


class Capacity(NamedTuple):
    """Rows each section has room for."""

    instruments: int = 16
    orders: int = 256
    entries: int = 256
    lots: int = 256
    allocs: int = 512
    unmatched: int = 16


@inlined
def row(a: Arena, section: int, number: int) -> int:
    """Return the address of row `number` of a section.

    The mask changes nothing. It shows the compiler that an address is not negative, so
    that it can leave out the wrap-around test at every access to the row.
    """
    return (a[3 * section] + number * WIDTHS[section]) & INT64_MAX


@inlined
def used(a: Arena, section: int) -> int:
    """Return how many rows a section uses."""
    return a[3 * section + 2]


@inlined
def room(a: Arena, section: int) -> int:
    """Return how many rows a section can still take."""
    return a[3 * section + 1] - a[3 * section + 2]


@inlined
def append(a: Arena, section: int) -> int:
    """Take the next free row of a section and return its number; the caller has checked `room`."""
    number = a[3 * section + 2]
    a[3 * section + 2] = number + 1
    return number


@inlined
def slot_of(a: Arena, index: int, wanted: int, section: int) -> int:
    """Return the arena address in a hash index where `wanted` stands, or the free place where it would.

    Args:
        index: S_KEYS (over O_KEY of orders) or S_IDS (over N_ID of entries); open addressing.
        wanted: the key or id, > 0. section: the rows the index points into, row + 1, 0 = free.

    Ids are interned, so dense: they are their own hash, and neighbours share a cache line.
    Keys are packed fields and need mixing; 31-bit halves keep the products within int64.
    """
    base, mask = a[3 * index], a[3 * index + 1] - 1
    place = wanted & mask
    if index == S_KEYS:
        mixed = ((wanted & 0x7FFFFFFF) * 0x45D9F3B) ^ ((wanted >> 31) * 0x3C6EF35F)
        place = (mixed ^ (mixed >> 29)) & mask
    while a[base + place] != 0:
        if a[row(a, section, a[base + place] - 1)] == wanted:
            break
        place = (place + 1) & mask
    return base + place


@inlined
def find(a: Arena, index: int, wanted: int, section: int) -> int:
    """Return the row number that carries `wanted`, or -1."""
    return a[slot_of(a, index, wanted, section)] - 1


@kernel
def _fill_indexes(a: Arena) -> None:
    """Point both hash indexes (modified in place, empty before) at the rows; the last entry of an id wins."""
    for number in range(used(a, S_ORDER)):
        a[slot_of(a, S_KEYS, a[row(a, S_ORDER, number) + O_KEY], S_ORDER)] = number + 1
    for number in range(used(a, S_ENTRY)):
        entry_id = a[row(a, S_ENTRY, number) + N_ID]
        if entry_id > 0:
            a[slot_of(a, S_IDS, entry_id, S_ENTRY)] = number + 1


def _power_of_two(least: int) -> int:
    return 1 << max(4, (least - 1).bit_length())


def _lay_out(capacity: Capacity) -> Arena:
    """Return a zeroed arena whose layout words are set and whose sections are empty."""
    rows = (*capacity, BURST_RING, _power_of_two(2 * capacity.orders), _power_of_two(2 * capacity.entries))
    end = HEAD_END
    layout: list[int] = []
    for count, width in zip(rows, WIDTHS, strict=True):
        layout += (end, count, 0)
        end += count * width
    # numpy asks the system for large pages in `empty` and not in `zeros`: a book of a million events is a third faster.
    arena = np.empty(end, np.int64)
    arena.fill(0)
    arena[:LAYOUT] = layout
    return arena


def _first_limits() -> Row:
    """Return the limits of an empty book: none, and short selling off."""
    limits = np.full(LIMITS, AMOUNT_MAX, np.int64)
    for limit, value in ((Limit.ALLOW_SHORT, 0), (Limit.SHORT_MARGIN_BPS, 10_000), (Limit.BURST_HALTS, 0), (Limit.CASH_FLOOR, 0)):
        limits[limit] = value
    limits[Limit.BURST_WINDOW_NS] = 60 * 10**9
    return limits


_FIRST_LIMITS = _first_limits()


def new_arena(method: Method = Method.FIFO, capacity: Capacity | None = None) -> Arena:
    """Return the arena of an empty book with no limits, short selling off and no instrument."""
    arena = _lay_out(capacity or Capacity())
    arena[3 * S_INSTRUMENT + 2] = 1  # Row 0 stands for "no instrument".
    arena[3 * S_BURST + 2] = BURST_RING
    arena[H_VERSION], arena[H_METHOD] = SCHEMA_VERSION, method
    arena[H_LIMIT : H_LIMIT + LIMITS] = _FIRST_LIMITS
    return arena


def section_rows(arena: Arena, section: int) -> NDArray[np.int64]:
    """Return a view int64[used, width] of a section's used rows."""
    base, count, width = arena.item(3 * section), arena.item(3 * section + 2), WIDTHS[section]
    return arena[base : base + count * width].reshape(count, width)


def _pieces(arena: Arena) -> Iterator[NDArray[np.int64]]:
    """Yield what a book says, in a fixed order: counts, account row, used rows."""
    yield np.array([arena[3 * section + 2] for section in range(S_BURST)], np.int64)
    yield arena[LAYOUT:HEAD_END]
    for section in range(S_KEYS):
        yield section_rows(arena, section)


def digest(arena: Arena) -> str:
    """Return the SHA-256 (hex) of what a book says; equal digests mean equal books."""
    sha = hashlib.sha256()
    for piece in _pieces(arena):
        sha.update(np.ascontiguousarray(piece).astype("<i8", copy=False).data)
    return sha.hexdigest()


def _resized(arena: Arena, capacity: Capacity) -> Arena:
    """Return a copy of the book with exactly this room, which must hold what it uses."""
    other = _lay_out(capacity)
    other[LAYOUT:HEAD_END] = arena[LAYOUT:HEAD_END]
    for section in range(S_KEYS):
        other[3 * section + 2] = arena[3 * section + 2]
        section_rows(other, section)[:] = section_rows(arena, section)
    _fill_indexes(other)
    return other


def grown(arena: Arena, least: Capacity) -> Arena:
    """Return a copy of the book with room for at least `least` rows in each section."""
    return _resized(arena, Capacity(*(max(int(arena[3 * s + 1]), n) for s, n in enumerate(least))))


def trimmed(arena: Arena) -> Arena:
    """Return a copy of the book with little more room than it uses: what is kept on disk, and read back."""
    return _resized(arena, Capacity(*(int(arena[3 * section + 2]) + 64 for section in range(S_BURST))))


def doubled(arena: Arena) -> Arena:
    """Return a copy of the book with twice the room in every section."""
    return grown(arena, Capacity(*(max(16, 2 * int(arena[3 * section + 1])) for section in range(S_BURST))))


class Valuation(NamedTuple):
    """What the account is worth. Money in e8; None where a position has no price."""

    cash: int
    positions: int | None
    equity: int | None
    realized: int
    unrealized: int | None
    fees: int
    reserved: int
    unmarked: int


class Book:
    """One account's book: the arena, and names for what is in it. Mutable; `copy` to keep."""

    __slots__ = ("arena",)

    def __init__(self, arena: Arena | None = None, method: Method = Method.FIFO, capacity: Capacity | None = None):
        self.arena = new_arena(method, capacity) if arena is None else arena

    def copy(self) -> Book:
        """Return a book that says the same and shares nothing."""
        return Book(self.arena.copy())

    def digest(self) -> str:
        """Return the SHA-256 (hex) of what the book says."""
        return digest(self.arena)

    def __eq__(self, other: object) -> bool:
        """Say whether two books say the same, whatever room they have."""
        if not isinstance(other, Book):
            return NotImplemented
        return all(np.array_equal(p, q) for p, q in zip(_pieces(self.arena), _pieces(other.arena), strict=True))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Book(seq={self.seq}, orders={len(self.orders)}, entries={len(self.entries)}, digest={self.digest()[:12]})"

    @property
    def seq(self) -> int:
        """Number of events applied so far."""
        return self.arena.item(H_SEQ)

    @property
    def instruments(self) -> NDArray[np.int64]:
        """int64[n, INSTRUMENT_WIDTH], row = instrument id, row 0 unused."""
        return section_rows(self.arena, S_INSTRUMENT)

    @property
    def orders(self) -> NDArray[np.int64]:
        """int64[n, ORDER_WIDTH], in the order of their claims."""
        return section_rows(self.arena, S_ORDER)

    @property
    def entries(self) -> NDArray[np.int64]:
        """int64[n, ENTRY_WIDTH], in the order of arrival."""
        return section_rows(self.arena, S_ENTRY)

    @property
    def lots(self) -> NDArray[np.int64]:
        """int64[n, LOT_WIDTH], every version."""
        return section_rows(self.arena, S_LOT)

    @property
    def allocations(self) -> NDArray[np.int64]:
        """int64[n, ALLOC_WIDTH], every version."""
        return section_rows(self.arena, S_ALLOC)

    @property
    def unmatched(self) -> NDArray[np.int64]:
        """int64[n, UNMATCHED_WIDTH], every version."""
        return section_rows(self.arena, S_UNMATCHED)

    def refusals(self) -> NDArray[np.int64]:
        """Return int64[OUTCOMES]: how often each refusal was recorded, by Outcome number."""
        return self.arena[H_REFUSED : H_REFUSED + OUTCOMES]

    def valuation(self) -> Valuation:
        """Return the account's worth; equity is cash + positions, or None when a position has no price."""
        a = self.arena
        known = a[H_UNMARKED] == 0
        cash, positions = int(a[H_CASH]), int(a[H_VALUE])
        return Valuation(
            cash=cash,
            positions=positions if known else None,
            equity=cash + positions if known else None,
            realized=int(a[H_REALIZED]),
            unrealized=positions - int(a[H_OPEN_COST]) if known else None,
            fees=int(a[H_FEES]),
            reserved=int(a[H_RESERVED]),
            unmarked=int(a[H_UNMARKED]),
        )


def event(kind: int, **columns: int) -> Row:
    """Return an event row int64[EVENT_WIDTH]; columns by name, the others 0.

    Raises:
        KeyError: a column that no event has.
    """
    line = np.zeros(EVENT_WIDTH, _INT64)
    line[E_KIND] = kind
    for name, value in columns.items():
        place = _PLACES.get(name)
        if place is None:
            raise KeyError(f"an event has no column {name!r}; it has {', '.join(EVENT_COLUMNS)}")
        line[place] = value
    return line
