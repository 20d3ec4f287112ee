"""Lots: which part of which purchase a sale gives back, and at what profit.

Theory of operation. Each instrument has one list of entries (executions, splits,
position adjustments) sorted by time, then arrival. Lots and allocations follow
from that list alone. An entry at the end of the list is booked at once. An entry
that belongs earlier, or that corrects an earlier one, makes a new version: the
instrument's lots are built again from the first entry, old allocations stay as
they were, and the difference between the versions can be shown.

Money is split by remainder: the last taker takes what is left, so the parts of
a lot and of a fill always add to the whole. FIFO, LIFO and HIFO choose the lot;
AVERAGE pools all openings of a side in one lot.
"""

from __future__ import annotations

import numpy as np

from ledger.book import (
    A_CLOSE, A_COST, A_INSTRUMENT, A_LOT, A_PROCEEDS, A_QTY, A_SIDE, A_VERSION, H_METHOD, H_OPEN_COST, H_REALIZED,
    H_REBOOKS, H_SHORT_HOLD, H_UNMATCHED, I_ENTRIES, I_ENTRY_FIRST, I_ENTRY_LAST, I_FLAGS, I_LOT_FIRST, I_LOT_LAST, I_LOTS,
    I_OPEN_COST, I_POSITION, I_REALIZED, I_UNMATCHED, I_UNMATCHED_VALUE, I_VERSION, L_COST, L_ENTRY, L_INSTRUMENT,
    L_NEXT, L_OPEN, L_PREV, L_QTY, L_SIDE, L_VALUE, L_VERSION, N_FLAGS, N_KIND, N_NEXT, N_PREV, N_PRICE, N_QTY, N_SIDE,
    N_TIME, N_VALUE, S_ALLOC, S_ENTRY, S_INSTRUMENT, S_LOT, S_UNMATCHED, U_ENTRY, U_INSTRUMENT, U_QTY, U_REASON,
    U_VALUE, U_VERSION, Arena, append, room, row,
)  # fmt: skip
from ledger.kernel import inlined, kernel
from ledger.units import AMOUNT_MAX, OVERFLOWED, QTY_MAX, compare_ratios, muldiv, try_muldiv
from ledger.vocabulary import EntryFlag, EventKind, InstrumentFlag, Method, Unmatched

MARGIN_MAX_BPS = 30_000
"""Largest margin on short positions; a hold is at most four times a short's proceeds, so holds can be bounded."""


@kernel
def _dearest(a: Arena, instrument: int) -> int:
    """Return the link of the open lot with the highest unit price, the oldest of equals."""
    best = a[instrument + I_LOT_FIRST]
    link = best
    while link > 0:
        lot, top = row(a, S_LOT, link - 1), row(a, S_LOT, best - 1)
        if compare_ratios(a[lot + L_COST], a[lot + L_OPEN], a[top + L_COST], a[top + L_OPEN]) > 0:
            best = link
        link = a[lot + L_NEXT]
    return best


@inlined
def _pick(a: Arena, instrument: int, side: int) -> int:
    """Return the link of the lot that a closer of this side takes next, 0 when there is none."""
    first = a[instrument + I_LOT_FIRST]
    if first == 0 or a[row(a, S_LOT, first - 1) + L_SIDE] == side:
        return np.int64(0)
    if a[H_METHOD] == Method.LIFO:
        return a[instrument + I_LOT_LAST]
    if a[H_METHOD] == Method.HIFO:
        return _dearest(a, instrument)
    return first


@kernel
def _drop(a: Arena, instrument: int, link: int) -> None:
    """Take an exhausted lot out of the open list (modified in place)."""
    lot = row(a, S_LOT, link - 1)
    after, before = a[lot + L_NEXT], a[lot + L_PREV]
    if after > 0:
        a[row(a, S_LOT, after - 1) + L_PREV] = before
    else:
        a[instrument + I_LOT_LAST] = before
    if before > 0:
        a[row(a, S_LOT, before - 1) + L_NEXT] = after
    else:
        a[instrument + I_LOT_FIRST] = after
    a[lot + L_NEXT] = a[lot + L_PREV] = 0
    a[instrument + I_LOTS] -= 1


@inlined
def _new_lot(a: Arena, instrument: int, number: int, entry_number: int, side: int, qty: int, value: int) -> None:
    """Append a lot and put it at the end of the open list (modified in place)."""
    lot_number = append(a, S_LOT)
    lot = row(a, S_LOT, lot_number)
    last = a[instrument + I_LOT_LAST]
    a[lot + L_INSTRUMENT], a[lot + L_ENTRY], a[lot + L_SIDE] = number, entry_number, side
    a[lot + L_QTY] = a[lot + L_OPEN] = qty
    a[lot + L_VALUE] = a[lot + L_COST] = value
    a[lot + L_NEXT], a[lot + L_PREV], a[lot + L_VERSION] = 0, last, a[instrument + I_VERSION]
    if last > 0:
        a[row(a, S_LOT, last - 1) + L_NEXT] = lot_number + 1
    else:
        a[instrument + I_LOT_FIRST] = lot_number + 1
    a[instrument + I_LOT_LAST] = lot_number + 1
    a[instrument + I_LOTS] += 1


@inlined
def share(money: int, part: int, whole: int) -> int:
    """Return the money that goes with `part` of `whole`, 0 < part <= whole, rounded half-even.

    Stock prices divide without rest, and one unsigned 64-bit division is a third of a 128-bit one.
    """
    if part == whole:
        return money
    if money > 0:
        unit = np.int64(np.uint64(money) // np.uint64(whole))
        if unit * whole == money:
            return unit * part
    return muldiv(money, part, whole)


@inlined
def _allocate(a: Arena, instrument: int, number: int, entry_number: int, link: int, take: int, part: int) -> None:
    """Take `take` lots of quantity for `part` of money out of a lot; append the allocation (modified in place)."""
    lot = row(a, S_LOT, link - 1)
    whole = take == a[lot + L_OPEN]
    cost = share(a[lot + L_COST], take, a[lot + L_OPEN])
    alloc, side = row(a, S_ALLOC, append(a, S_ALLOC)), a[lot + L_SIDE]
    a[alloc + A_LOT], a[alloc + A_CLOSE], a[alloc + A_INSTRUMENT] = link - 1, entry_number, number
    a[alloc + A_SIDE], a[alloc + A_QTY], a[alloc + A_COST] = side, take, cost
    a[alloc + A_PROCEEDS], a[alloc + A_VERSION] = part, a[instrument + I_VERSION]
    a[lot + L_OPEN] -= take
    a[lot + L_COST] -= cost
    if whole:
        _drop(a, instrument, link)
    _realize(a, instrument, side * (part - cost), -side * cost, -side * take)


@inlined
def _realize(a: Arena, instrument: int, profit: int, cost: int, qty: int) -> None:
    """Add to realized profit, open cost and position, of the instrument and the account (modified in place)."""
    a[instrument + I_REALIZED] += profit
    a[H_REALIZED] += profit
    a[instrument + I_OPEN_COST] += cost
    a[H_OPEN_COST] += cost
    a[instrument + I_POSITION] += qty


@kernel
def _open(a: Arena, instrument: int, number: int, entry_number: int, side: int, qty: int, value: int) -> None:
    """Open what no lot could close: a new lot, the pooled lot, or an unmatched closer (modified in place)."""
    if side < 0 and a[instrument + I_FLAGS] & InstrumentFlag.NO_NEGATIVE:
        miss = row(a, S_UNMATCHED, append(a, S_UNMATCHED))
        a[miss + U_ENTRY], a[miss + U_INSTRUMENT], a[miss + U_QTY] = entry_number, number, qty
        a[miss + U_VALUE], a[miss + U_REASON], a[miss + U_VERSION] = value, Unmatched.NO_LOT, a[instrument + I_VERSION]
        a[instrument + I_UNMATCHED] += qty
        a[instrument + I_UNMATCHED_VALUE] += value
        a[H_UNMATCHED] += value
        return
    if a[H_METHOD] == Method.AVERAGE and a[instrument + I_LOT_FIRST] > 0:
        pool = row(a, S_LOT, a[instrument + I_LOT_FIRST] - 1)
        a[pool + L_QTY] += qty
        a[pool + L_OPEN] += qty
        a[pool + L_VALUE] += value
        a[pool + L_COST] += value
    else:
        _new_lot(a, instrument, number, entry_number, side, qty, value)
    _realize(a, instrument, 0, side * value, side * qty)


@inlined
def _trade(a: Arena, instrument: int, number: int, entry_number: int) -> None:
    """Book an execution or a position adjustment: close lots of the other side, open with the rest."""
    entry = row(a, S_ENTRY, entry_number)
    side, qty, value = a[entry + N_SIDE], a[entry + N_QTY], a[entry + N_VALUE]
    link = _pick(a, instrument, side)
    while qty > 0 and link > 0:
        take = min(qty, a[row(a, S_LOT, link - 1) + L_OPEN])
        part = share(value, take, qty)
        _allocate(a, instrument, number, entry_number, link, take, part)
        qty -= take
        value -= part
        link = _pick(a, instrument, side)
    if qty > 0:
        _open(a, instrument, number, entry_number, side, qty, value)


@kernel
def _split(a: Arena, instrument: int, number: int, entry_number: int) -> None:
    """Rescale every open lot so that the lots still add to the position; cost stays (modified in place).

    Each lot gets the difference of two rounded running totals, so that nothing is
    lost between lots. A lot that rounds to nothing gives its cost to its neighbour;
    a whole position that rounds to nothing is closed for nothing, as a loss.
    """
    entry = row(a, S_ENTRY, entry_number)
    numerator, denominator = a[entry + N_QTY], a[entry + N_PRICE]
    side = np.int64(1) if a[instrument + I_POSITION] > 0 else np.int64(-1)
    link, before, after, orphan = a[instrument + I_LOT_FIRST], np.int64(0), np.int64(0), np.int64(0)
    while link > 0:
        lot = row(a, S_LOT, link - 1)
        following = a[lot + L_NEXT]
        _add_cost(a, lot, orphan)
        orphan = np.int64(0)
        before += a[lot + L_OPEN]
        fresh = muldiv(before, numerator, denominator) - after
        after += fresh
        if fresh == 0 and following == 0 and a[lot + L_PREV] == 0:
            _allocate(a, instrument, number, entry_number, link, a[lot + L_OPEN], 0)
        elif fresh == 0:
            orphan = _empty(a, instrument, link, following > 0)
        else:
            a[lot + L_QTY] += fresh - a[lot + L_OPEN]
            a[lot + L_OPEN] = fresh
        link = following
    a[instrument + I_POSITION] = side * after


@kernel
def _add_cost(a: Arena, lot: int, cost: int) -> None:
    """Move cost into a lot (modified in place)."""
    a[lot + L_COST] += cost
    a[lot + L_VALUE] += cost


@kernel
def _empty(a: Arena, instrument: int, link: int, forward: bool) -> int:
    """Close a lot that a split made vanish (modified in place); return its cost for the next, or give it to the last."""
    lot = row(a, S_LOT, link - 1)
    cost, before = a[lot + L_COST], a[lot + L_PREV]
    a[lot + L_QTY] -= a[lot + L_OPEN]
    a[lot + L_OPEN] = 0
    _add_cost(a, lot, -cost)
    _drop(a, instrument, link)
    if forward:
        return cost
    _add_cost(a, row(a, S_LOT, before - 1), cost)
    return np.int64(0)


@kernel
def _book(a: Arena, instrument: int, number: int, entry_number: int) -> None:
    """Book one entry of the list on top of the lots there are (modified in place)."""
    entry = row(a, S_ENTRY, entry_number)
    if a[entry + N_KIND] == EventKind.SPLIT:
        _split(a, instrument, number, entry_number)
    else:
        _trade(a, instrument, number, entry_number)


@kernel
def _clear(a: Arena, instrument: int) -> None:
    """Begin a new version: no open lot, nothing realized; rows of older versions stay (modified in place)."""
    a[H_REALIZED] -= a[instrument + I_REALIZED]
    a[H_OPEN_COST] -= a[instrument + I_OPEN_COST]
    a[H_UNMATCHED] -= a[instrument + I_UNMATCHED_VALUE]
    for column in (I_REALIZED, I_OPEN_COST, I_POSITION, I_UNMATCHED, I_UNMATCHED_VALUE, I_LOTS, I_LOT_FIRST, I_LOT_LAST):
        a[instrument + column] = 0
    a[instrument + I_VERSION] += 1
    a[H_REBOOKS] += 1


@kernel
def rebook(a: Arena, number: int) -> None:
    """Build an instrument's lots again from its entries, as a new version (modified in place)."""
    instrument = row(a, S_INSTRUMENT, number)
    _clear(a, instrument)
    link = a[instrument + I_ENTRY_FIRST]
    while link > 0:
        _book(a, instrument, number, link - 1)
        link = a[row(a, S_ENTRY, link - 1) + N_NEXT]


@kernel
def unlink_entry(a: Arena, instrument: int, entry: int) -> None:
    """Take a superseded entry out of the instrument's list (modified in place)."""
    after, before = a[entry + N_NEXT], a[entry + N_PREV]
    if after > 0:
        a[row(a, S_ENTRY, after - 1) + N_PREV] = before
    else:
        a[instrument + I_ENTRY_LAST] = before
    if before > 0:
        a[row(a, S_ENTRY, before - 1) + N_NEXT] = after
    else:
        a[instrument + I_ENTRY_FIRST] = after
    a[entry + N_NEXT] = a[entry + N_PREV] = 0
    a[instrument + I_ENTRIES] -= 1


@inlined
def _insert_entry(a: Arena, instrument: int, entry_number: int) -> bool:
    """Put an entry at its place by time (modified in place); return whether that is the end of the list."""
    entry = row(a, S_ENTRY, entry_number)
    before = a[instrument + I_ENTRY_LAST]
    while before > 0 and a[row(a, S_ENTRY, before - 1) + N_TIME] > a[entry + N_TIME]:
        before = a[row(a, S_ENTRY, before - 1) + N_PREV]
    after = a[row(a, S_ENTRY, before - 1) + N_NEXT] if before > 0 else a[instrument + I_ENTRY_FIRST]
    a[entry + N_PREV], a[entry + N_NEXT] = before, after
    if before > 0:
        a[row(a, S_ENTRY, before - 1) + N_NEXT] = entry_number + 1
    else:
        a[instrument + I_ENTRY_FIRST] = entry_number + 1
    if after > 0:
        a[row(a, S_ENTRY, after - 1) + N_PREV] = entry_number + 1
    else:
        a[instrument + I_ENTRY_LAST] = entry_number + 1
    a[instrument + I_ENTRIES] += 1
    return after == 0


@inlined
def has_room(a: Arena, instrument: int, rebooking: bool) -> bool:
    """Say whether one more entry can be booked, or all of them again, with the rows there are."""
    entries = a[instrument + I_ENTRIES] + 1
    lots = entries if rebooking else np.int64(1)
    allocs = 2 * entries if rebooking else a[instrument + I_LOTS] + 1
    misses = lots if a[instrument + I_FLAGS] & InstrumentFlag.NO_NEGATIVE else np.int64(0)
    return room(a, S_LOT) >= lots and room(a, S_ALLOC) >= allocs and room(a, S_UNMATCHED) >= misses


@kernel
def reach(a: Arena, instrument: int, value: int, qty: int) -> tuple[int, int]:
    """Return bounds (money, quantity) that no version of the instrument's lots can pass with one more entry.

    Args:
        value, qty: of the entry to come, each within AMOUNT_MAX.
    Returns:
        (OVERFLOWED, OVERFLOWED) when a bound is beyond AMOUNT_MAX or QTY_MAX.
    """
    link = a[instrument + I_ENTRY_FIRST]
    while link > 0 and value <= AMOUNT_MAX and 0 <= qty <= QTY_MAX:
        entry = row(a, S_ENTRY, link - 1)
        if a[entry + N_KIND] != EventKind.SPLIT:
            value, qty = value + a[entry + N_VALUE], qty + a[entry + N_QTY]
        elif a[entry + N_QTY] > a[entry + N_PRICE]:
            qty = try_muldiv(qty, a[entry + N_QTY], a[entry + N_PRICE])
        link = a[entry + N_NEXT]
    if value > AMOUNT_MAX or qty < 0 or qty > QTY_MAX:
        return OVERFLOWED, OVERFLOWED
    return value, qty


@inlined
def fits(a: Arena, instrument: int, value: int) -> bool:
    """Say whether no sum of money can pass AMOUNT_MAX when lots change by at most `value`.

    One more entry moves realized profit by at most its value plus the open cost; a new
    version can end anywhere within the sum of all values, which the caller passes.
    """
    if value > AMOUNT_MAX - abs(a[instrument + I_OPEN_COST]):
        return False
    value = value + abs(a[instrument + I_OPEN_COST])
    if value > (AMOUNT_MAX - a[H_SHORT_HOLD]) // (1 + MARGIN_MAX_BPS // 10_000):
        return False
    largest = max(abs(a[H_REALIZED]), abs(a[H_OPEN_COST]), abs(a[H_UNMATCHED]), abs(a[instrument + I_REALIZED]))
    return largest <= AMOUNT_MAX - value


@inlined
def post(a: Arena, number: int, entry_number: int, replacing: bool) -> None:
    """Enter a row into its instrument's list and book it (modified in place); the caller has checked room and sums."""
    instrument = row(a, S_INSTRUMENT, number)
    at_end = _insert_entry(a, instrument, entry_number)
    if at_end and not replacing:
        _book(a, instrument, number, entry_number)
    else:
        a[row(a, S_ENTRY, entry_number) + N_FLAGS] |= EntryFlag.REBOOKED
        rebook(a, number)
