"""Executions: fills, their corrections and their commissions. They happened; the book follows.

Theory of operation. A fill is broker truth and is never refused for what it says:
late, over, foreign and corrected fills are booked, flagged, and close the
instrument for new entries. It is refused only when it is no execution at all,
when the book has no such instrument, or when a sum would overflow.

Each handler checks everything first; after its last check nothing can fail. A
higher revision of an execution takes the place of the older entry, and the instrument
is booked again.
"""

from __future__ import annotations

import numpy as np

from ledger.book import (
    E_EXEC, E_FEE, E_INSTRUMENT, E_KEY, E_PRICE, E_QTY, E_REVISION, E_SIDE, E_TIME, H_CASH, H_FEES, H_FILLS,
    H_UNMARKED, I_ENTRY_LAST, I_FEES, I_GATES, I_MARK, N_FEE, N_FLAGS, N_INSTRUMENT, N_KIND, N_ORDER, N_QTY, N_SIDE,
    N_VALUE, O_FILLED, O_FILLED_VALUE, O_FLAGS, O_INSTRUMENT, O_QTY, O_SIDE, O_STATUS, S_ENTRY, S_INSTRUMENT, S_KEYS,
    S_ORDER, Arena, Row, find, row,
)  # fmt: skip
from ledger.kernel import inlined, kernel
from ledger.kernels.entries import (
    after_fact, bookable, instrument_of, is_late, no_side, refresh, repeat, seen, unmarked, write_entry,
)  # fmt: skip
from ledger.kernels.gate import VALUE_MAX, notional
from ledger.kernels.lots import post, rebook, unlink_entry
from ledger.kernels.orders import COMPLETE, NEXT, change, live
from ledger.units import AMOUNT_MAX, beyond
from ledger.vocabulary import EntryFlag, EventKind, Gate, OrderFlag, Outcome


@inlined
def _fill_order(a: Arena, number: int, qty: int, value: int, entry: int) -> None:
    """Add an execution to its order (modified in place): filled, status, flags for late and over."""
    order = row(a, S_ORDER, number)
    filled = a[order + O_FILLED] + qty
    late = not live(a, order)
    step = np.int64(COMPLETE) if filled >= a[order + O_QTY] else np.int64(EventKind.FILL)
    a[order + O_FILLED_VALUE] += value
    change(a, number, NEXT[a[order + O_STATUS], step], filled)
    a[entry + N_ORDER] = number
    if filled > a[order + O_QTY]:
        a[entry + N_FLAGS] |= EntryFlag.OVERFILL
        a[order + O_FLAGS] |= OrderFlag.OVERFILL
    if late:
        a[entry + N_FLAGS] |= EntryFlag.LATE
        a[order + O_FLAGS] |= OrderFlag.LATE_FILL


@inlined
def _own_order(a: Arena, e: Row) -> int:
    """Return the order an execution belongs to, or -1 when it is foreign: no such key, another instrument or side."""
    number = find(a, S_KEYS, e[E_KEY], S_ORDER) if e[E_KEY] > 0 else np.int64(-1)
    if number >= 0:
        order = row(a, S_ORDER, number)
        if a[order + O_INSTRUMENT] != e[E_INSTRUMENT] or a[order + O_SIDE] != e[E_SIDE]:
            return np.int64(-1)
    return number


@kernel
def fill(a: Arena, e: Row) -> Outcome:
    """Book an execution or a correction of one (book modified in place).

    Args:
        a: the book. e: instrument, side, qty_lots >= 0 (0 only to bust a known execution), price_ticks >= 0,
            exec_id >= 1, revision >= 0, key (0 = not ours). The fee comes as an event of its own.
    Returns:
        APPLIED | DUPLICATE | SUPERSEDED | KEY_CONFLICT | UNKNOWN_INSTRUMENT | BAD_EVENT | OVERFLOW | BOOK_FULL.
    """
    instrument = instrument_of(a, e)
    if instrument == 0:
        return Outcome.UNKNOWN_INSTRUMENT
    if no_side(e) or e[E_EXEC] < 1 or e[E_REVISION] < 0 or min(e[E_QTY], e[E_PRICE]) < 0:
        return Outcome.BAD_EVENT
    old = seen(a, e)
    if old >= 0:
        judged = repeat(a, e, old)
        return judged if judged != Outcome.APPLIED else _correct(a, e, instrument, old)
    if e[E_QTY] == 0:
        return Outcome.BAD_EVENT
    return _first_fill(a, e, instrument)


@inlined
def _first_fill(a: Arena, e: Row, instrument: int) -> Outcome:
    """Book an execution never seen before."""
    value = notional(a, instrument, e[E_PRICE], e[E_QTY])
    late = is_late(a, instrument, e[E_TIME], a[instrument + I_ENTRY_LAST])
    answer = bookable(a, instrument, value, e[E_QTY], a[instrument + I_MARK], late)
    number = _own_order(a, e)
    if answer == Outcome.APPLIED and number >= 0:
        order = row(a, S_ORDER, number)
        if a[order + O_FILLED] + e[E_QTY] > AMOUNT_MAX or a[order + O_FILLED_VALUE] + value > AMOUNT_MAX:
            answer = Outcome.OVERFLOW
    if answer != Outcome.APPLIED:
        return answer
    # Nothing below may fail.
    was_unmarked = unmarked(a, instrument)
    entry_number = write_entry(a, e, value)
    entry = row(a, S_ENTRY, entry_number)
    if number >= 0:
        _fill_order(a, number, e[E_QTY], value, entry)
    else:
        a[entry + N_FLAGS] |= EntryFlag.FOREIGN
    a[H_CASH] -= e[E_SIDE] * value
    a[H_FILLS] += 1
    post(a, e[E_INSTRUMENT], entry_number, False)
    if a[entry + N_FLAGS] & (EntryFlag.LATE | EntryFlag.OVERFILL | EntryFlag.FOREIGN):
        a[instrument + I_GATES] |= Gate.BLOCKED
    refresh(a, instrument)
    a[H_UNMARKED] += unmarked(a, instrument) - was_unmarked
    after_fact(a)
    return Outcome.APPLIED


@kernel
def _correct(a: Arena, e: Row, instrument: int, old: int) -> Outcome:
    """Put a higher revision in the place of an execution: reverse the old one, book the new, re-book the lots."""
    before = row(a, S_ENTRY, old)
    value = notional(a, instrument, e[E_PRICE], e[E_QTY])
    answer = bookable(a, instrument, value, e[E_QTY], a[instrument + I_MARK], True)
    if answer != Outcome.APPLIED:
        return answer
    number = a[before + N_ORDER]
    if number >= 0 and a[row(a, S_ORDER, number) + O_FILLED_VALUE] + value > AMOUNT_MAX:
        return Outcome.OVERFLOW
    if abs(a[H_CASH]) + value + a[before + N_VALUE] > AMOUNT_MAX:
        return Outcome.OVERFLOW
    # Nothing below may fail.
    was_unmarked = unmarked(a, instrument)
    entry_number = write_entry(a, e, value)
    entry = row(a, S_ENTRY, entry_number)
    a[before + N_FLAGS] |= EntryFlag.SUPERSEDED
    if a[before + N_QTY] > 0:  # A busted execution is in no list.
        unlink_entry(a, instrument, before)
    a[entry + N_FEE], a[entry + N_ORDER] = a[before + N_FEE], number
    a[entry + N_FLAGS] = a[before + N_FLAGS] & (EntryFlag.FEE_KNOWN | EntryFlag.FOREIGN | EntryFlag.LATE)
    a[before + N_FEE] = 0
    a[H_CASH] += a[before + N_SIDE] * a[before + N_VALUE] - e[E_SIDE] * value
    if number >= 0:
        _correct_order(a, number, before, entry)
    if e[E_QTY] > 0:
        post(a, e[E_INSTRUMENT], entry_number, True)
    else:
        rebook(a, e[E_INSTRUMENT])
    if e[E_QTY] != a[before + N_QTY] or e[E_SIDE] != a[before + N_SIDE]:
        a[instrument + I_GATES] |= Gate.BLOCKED
    refresh(a, instrument)
    a[H_UNMARKED] += unmarked(a, instrument) - was_unmarked
    after_fact(a)
    return Outcome.APPLIED


@kernel
def _correct_order(a: Arena, number: int, before: int, entry: int) -> None:
    """Move an order's filled quantity from the old revision to the new one (modified in place).

    A closed order stays closed; a live one may become complete. A correction to the
    other side is no fill of the order any more.
    """
    order = row(a, S_ORDER, number)
    filled, value = a[order + O_FILLED] - a[before + N_QTY], -a[before + N_VALUE]
    if a[entry + N_SIDE] == a[order + O_SIDE]:
        filled, value = filled + a[entry + N_QTY], value + a[entry + N_VALUE]
    else:
        a[entry + N_ORDER] = -1
        a[entry + N_FLAGS] |= EntryFlag.FOREIGN
    a[order + O_FILLED_VALUE] += value
    a[order + O_FLAGS] |= OrderFlag.CORRECTED
    step = np.int64(COMPLETE) if filled >= a[order + O_QTY] else np.int64(EventKind.FILL)
    change(a, number, NEXT[a[order + O_STATUS], step], filled)
    if filled > a[order + O_QTY]:
        a[entry + N_FLAGS] |= EntryFlag.OVERFILL
        a[order + O_FLAGS] |= OrderFlag.OVERFILL


@inlined
def commission(a: Arena, e: Row) -> Outcome:
    """Book the fee of an execution, whenever it comes; a second report replaces the first (book modified in place).

    Args:
        e: exec_id, fee_e8 (negative = rebate).
    Returns:
        APPLIED | UNKNOWN_EXECUTION | DUPLICATE | OVERFLOW.
    """
    number = seen(a, e)
    if number < 0 or a[row(a, S_ENTRY, number) + N_KIND] != EventKind.FILL:
        return Outcome.UNKNOWN_EXECUTION
    entry = row(a, S_ENTRY, number)
    if a[entry + N_FLAGS] & EntryFlag.FEE_KNOWN and a[entry + N_FEE] == e[E_FEE]:
        return Outcome.DUPLICATE
    instrument = row(a, S_INSTRUMENT, a[entry + N_INSTRUMENT])
    if beyond(e[E_FEE], VALUE_MAX):
        return Outcome.OVERFLOW
    extra = e[E_FEE] - a[entry + N_FEE]
    if max(abs(a[H_CASH]), abs(a[H_FEES]), abs(a[instrument + I_FEES])) + abs(extra) > AMOUNT_MAX:
        return Outcome.OVERFLOW
    a[entry + N_FEE] = e[E_FEE]
    a[entry + N_FLAGS] |= EntryFlag.FEE_KNOWN
    a[H_CASH] -= extra
    a[H_FEES] += extra
    a[instrument + I_FEES] += extra
    after_fact(a)
    return Outcome.APPLIED
