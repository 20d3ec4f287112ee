"""Entries: what every fact shares. It finds the instrument, judges a repeat, checks room and sums, writes the row.

Theory of operation. An entry is one row of the account: an execution, a movement of cash or of
shares, a split. Deduplication is by execution id: the same id and revision is a repeat (or a
conflict, if it says something else), a lower revision is old news, a higher one takes the place
of the older entry. `bookable` is the last check of every fact that changes lots: after it, nothing
can fail. `refresh` and `after_fact` bring the sums of an instrument and of the account up to date.
"""

from __future__ import annotations

import numpy as np

from ledger.book import (
    E_EXEC, E_INSTRUMENT, E_KIND, E_PRICE, E_QTY, E_REF, E_REVISION, E_SIDE, E_TIME, H_CASH, H_OVERDRAWN, H_RESERVED,
    H_SEQ, H_SHORT_HOLD, H_VALUE, I_DEFINED, I_MARK, I_OPEN_COST, I_POSITION, I_SHORT_HOLD, I_UNMATCHED, I_VALUE,
    N_ID, N_INSTRUMENT, N_KIND, N_ORDER, N_PRICE, N_QTY, N_REF, N_REVISION, N_SEQ, N_SIDE, N_TIME, N_VALUE, S_ENTRY,
    S_IDS, S_INSTRUMENT, Arena, Row, append, find, room, row, slot_of, used,
)  # fmt: skip
from ledger.kernel import inlined, kernel
from ledger.kernels.gate import VALUE_MAX, free_cash, limit_of, notional
from ledger.kernels.lots import fits, has_room, reach
from ledger.kernels.orders import refresh_open
from ledger.units import AMOUNT_MAX, OVERFLOWED, QTY_MAX, try_muldiv
from ledger.vocabulary import Limit, Outcome


@inlined
def instrument_of(a: Arena, e: Row) -> int:
    """Return the address of the event's instrument, or 0 when the book has none such."""
    number = e[E_INSTRUMENT]
    if number < 1 or number >= used(a, S_INSTRUMENT):
        return np.int64(0)
    instrument = row(a, S_INSTRUMENT, number)
    return instrument if a[instrument + I_DEFINED] == 1 else np.int64(0)


@inlined
def valued(a: Arena, instrument: int, mark: int, position: int) -> int:
    """Return a position's worth at a mark, 0 when there is no position or no mark; OVERFLOWED possible."""
    return notional(a, instrument, mark, position) if mark > 0 and position != 0 else np.int64(0)


@inlined
def _short_hold(a: Arena, instrument: int) -> int:
    """Return the cash held against a short position: its proceeds and the margin on top, e8."""
    cost, margin = -a[instrument + I_OPEN_COST], limit_of(a, instrument, Limit.SHORT_MARGIN_BPS)
    return 2 * cost if margin == 10_000 else try_muldiv(cost, 10_000 + margin, 10_000)


@inlined
def refresh(a: Arena, instrument: int) -> None:
    """Bring value, short hold and open flag of an instrument up to its position (modified in place)."""
    position, mark = a[instrument + I_POSITION], a[instrument + I_MARK]
    value = valued(a, instrument, mark, position)
    a[H_VALUE] += value - a[instrument + I_VALUE]
    a[instrument + I_VALUE] = value
    hold = _short_hold(a, instrument) if position < 0 else np.int64(0)
    a[H_SHORT_HOLD] += hold - a[instrument + I_SHORT_HOLD]
    a[instrument + I_SHORT_HOLD] = hold
    refresh_open(a, instrument)


@inlined
def unmarked(a: Arena, instrument: int) -> int:
    """Return 1 when the instrument has a position and no mark, so that its worth is unknown."""
    return np.int64(1) if a[instrument + I_POSITION] != 0 and a[instrument + I_MARK] == 0 else np.int64(0)


@inlined
def after_fact(a: Arena) -> None:
    """Note (modified in place) when a fact left less free cash than nothing: reservations then exceed cash."""
    if a[H_RESERVED] > 0 and free_cash(a) < 0:
        a[H_OVERDRAWN] = 1


@inlined
def write_entry(a: Arena, e: Row, value: int) -> int:
    """Append an entry row from an event (modified in place), point the id index at it, return its number."""
    number = append(a, S_ENTRY)
    entry = row(a, S_ENTRY, number)
    a[entry + N_ID], a[entry + N_REVISION], a[entry + N_KIND] = e[E_EXEC], e[E_REVISION], e[E_KIND]
    a[entry + N_ORDER], a[entry + N_INSTRUMENT], a[entry + N_SIDE] = -1, e[E_INSTRUMENT], e[E_SIDE]
    a[entry + N_QTY], a[entry + N_PRICE], a[entry + N_VALUE] = e[E_QTY], e[E_PRICE], value
    a[entry + N_TIME], a[entry + N_SEQ], a[entry + N_REF] = e[E_TIME], a[H_SEQ] + 1, e[E_REF]
    if e[E_EXEC] > 0:
        slot = slot_of(a, S_IDS, e[E_EXEC], S_ENTRY)
        a[slot] = number + 1
    return number


@inlined
def seen(a: Arena, e: Row) -> int:
    """Return the entry number of the event's execution id, or -1."""
    return find(a, S_IDS, e[E_EXEC], S_ENTRY) if e[E_EXEC] > 0 else np.int64(-1)


@kernel
def repeat(a: Arena, e: Row, old: int) -> Outcome:
    """Judge an execution whose id is known: APPLIED means that it is a correction to be booked."""
    entry = row(a, S_ENTRY, old)
    if a[entry + N_KIND] != e[E_KIND] or a[entry + N_INSTRUMENT] != e[E_INSTRUMENT]:
        return Outcome.KEY_CONFLICT
    if e[E_REVISION] > a[entry + N_REVISION]:
        return Outcome.APPLIED
    if e[E_REVISION] < a[entry + N_REVISION]:
        return Outcome.SUPERSEDED
    same = a[entry + N_SIDE] == e[E_SIDE] and a[entry + N_QTY] == e[E_QTY] and a[entry + N_PRICE] == e[E_PRICE]
    return Outcome.DUPLICATE if same else Outcome.KEY_CONFLICT


@inlined
def bookable(a: Arena, instrument: int, value: int, qty: int, mark: int, rebooking: bool) -> Outcome:
    """Check rows and sums before an entry changes lots.

    Args:
        value, qty: of the entry. mark: the price the position will be valued at.
    """
    if value == OVERFLOWED or qty > QTY_MAX or mark == OVERFLOWED:
        return Outcome.OVERFLOW
    if room(a, S_ENTRY) < 1 or not has_room(a, instrument, rebooking):
        return Outcome.BOOK_FULL
    largest, most = value, abs(a[instrument + I_POSITION]) + a[instrument + I_UNMATCHED] + qty
    if rebooking:
        largest, most = reach(a, instrument, value, qty)
    if largest == OVERFLOWED or most > QTY_MAX or not fits(a, instrument, largest):
        return Outcome.OVERFLOW
    if mark > 0 and notional(a, instrument, mark, most) == OVERFLOWED:
        return Outcome.OVERFLOW
    if abs(a[H_CASH]) + value > AMOUNT_MAX or abs(a[H_VALUE]) + 2 * VALUE_MAX > AMOUNT_MAX:
        return Outcome.OVERFLOW
    return Outcome.APPLIED


@inlined
def no_side(e: Row) -> bool:
    """Say whether an event that needs a side has none."""
    return e[E_SIDE] != 1 and e[E_SIDE] != -1


@inlined
def is_late(a: Arena, instrument: int, time_ns: int, last: int) -> bool:
    """Say whether an entry of this time comes before the instrument's last one."""
    return last > 0 and a[row(a, S_ENTRY, last - 1) + N_TIME] > time_ns
