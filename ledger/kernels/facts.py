"""Facts: executions, commissions, cash, splits and marks. They happened; the book follows.

Theory of operation. A fill is broker truth and is never refused for what it says:
late, over, foreign and corrected fills are booked, flagged, and close the
instrument for new entries. It is refused only when it is no execution at all,
when the book has no such instrument, or when a sum would overflow.

Each handler checks everything first; after its last check nothing can fail.
Deduplication is by execution id: the same id and revision is a repeat (or a
conflict, if it says something else), a lower revision is old news, a higher one
takes the place of the older entry and the instrument is booked again.
"""

from __future__ import annotations

import numpy as np

from ledger.book import (
    E_CASH, E_EXEC, E_FEE, E_INSTRUMENT, E_KEY, E_KIND, E_PRICE, E_QTY, E_REF, E_REVISION, E_SIDE, E_TIME, H_ADJUSTED,
    H_CASH, H_DAY_FLOWS, H_DEPOSITS, H_FEES, H_FILLS, H_INCOME, H_OVERDRAWN, H_RESERVED, H_SEQ, H_SHORT_HOLD,
    H_UNMARKED, H_VALUE, I_DEFINED, I_ENTRY_LAST, I_FEES, I_GATES, I_INCOME, I_LIVE_FIRST, I_MARK, I_MARK_TIME, I_OPEN_COST,
    I_POSITION, I_SHORT_HOLD, I_UNMATCHED, I_VALUE, N_FEE, N_FLAGS, N_ID, N_INSTRUMENT, N_KIND, N_ORDER, N_PRICE,
    N_QTY, N_REF, N_REVISION, N_SEQ, N_SIDE, N_TIME, N_VALUE, O_FILLED, O_FILLED_VALUE, O_FLAGS, O_INSTRUMENT, O_QTY,
    O_SIDE, O_STATUS, S_ENTRY, S_IDS, S_INSTRUMENT, S_KEYS, S_ORDER, Arena, Row, append, find, room, row, slot_of, used,
)  # fmt: skip
from ledger.kernel import inlined, kernel
from ledger.kernels.gate import VALUE_MAX, free_cash, limit_of, notional
from ledger.kernels.lots import fits, has_room, post, reach, rebook, unlink_entry
from ledger.kernels.orders import COMPLETE, NEXT, change, live, refresh_open
from ledger.units import AMOUNT_MAX, OVERFLOWED, QTY_MAX, beyond, try_muldiv
from ledger.vocabulary import EntryFlag, EventKind, Gate, Limit, OrderFlag, Outcome


@inlined
def _instrument_of(a: Arena, e: Row) -> int:
    """Return the address of the event's instrument, or 0 when the book has none such."""
    number = e[E_INSTRUMENT]
    if number < 1 or number >= used(a, S_INSTRUMENT):
        return np.int64(0)
    instrument = row(a, S_INSTRUMENT, number)
    return instrument if a[instrument + I_DEFINED] == 1 else np.int64(0)


@inlined
def _valued(a: Arena, instrument: int, mark: int, position: int) -> int:
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
    value = _valued(a, instrument, mark, position)
    a[H_VALUE] += value - a[instrument + I_VALUE]
    a[instrument + I_VALUE] = value
    hold = _short_hold(a, instrument) if position < 0 else np.int64(0)
    a[H_SHORT_HOLD] += hold - a[instrument + I_SHORT_HOLD]
    a[instrument + I_SHORT_HOLD] = hold
    refresh_open(a, instrument)


@inlined
def _unmarked(a: Arena, instrument: int) -> int:
    """Return 1 when the instrument has a position and no mark, so that its worth is unknown."""
    return np.int64(1) if a[instrument + I_POSITION] != 0 and a[instrument + I_MARK] == 0 else np.int64(0)


@inlined
def after_fact(a: Arena) -> None:
    """Note (modified in place) when a fact left less free cash than nothing: reservations then exceed cash."""
    if a[H_RESERVED] > 0 and free_cash(a) < 0:
        a[H_OVERDRAWN] = 1


@inlined
def _write_entry(a: Arena, e: Row, value: int) -> int:
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
def _seen(a: Arena, e: Row) -> int:
    """Return the entry number of the event's execution id, or -1."""
    return find(a, S_IDS, e[E_EXEC], S_ENTRY) if e[E_EXEC] > 0 else np.int64(-1)


@kernel
def _repeat(a: Arena, e: Row, old: int) -> Outcome:
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
def _bookable(a: Arena, instrument: int, value: int, qty: int, mark: int, rebooking: bool) -> Outcome:
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
def _no_side(e: Row) -> bool:
    """Say whether an event that needs a side has none."""
    return e[E_SIDE] != 1 and e[E_SIDE] != -1


@inlined
def _is_late(a: Arena, instrument: int, time_ns: int, last: int) -> bool:
    """Say whether an entry of this time comes before the instrument's last one."""
    return last > 0 and a[row(a, S_ENTRY, last - 1) + N_TIME] > time_ns


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
    instrument = _instrument_of(a, e)
    if instrument == 0:
        return Outcome.UNKNOWN_INSTRUMENT
    if _no_side(e) or e[E_EXEC] < 1 or e[E_REVISION] < 0 or min(e[E_QTY], e[E_PRICE]) < 0:
        return Outcome.BAD_EVENT
    old = _seen(a, e)
    if old >= 0:
        judged = _repeat(a, e, old)
        return judged if judged != Outcome.APPLIED else _correct(a, e, instrument, old)
    if e[E_QTY] == 0:
        return Outcome.BAD_EVENT
    return _first_fill(a, e, instrument)


@inlined
def _first_fill(a: Arena, e: Row, instrument: int) -> Outcome:
    """Book an execution never seen before."""
    value = notional(a, instrument, e[E_PRICE], e[E_QTY])
    late = _is_late(a, instrument, e[E_TIME], a[instrument + I_ENTRY_LAST])
    answer = _bookable(a, instrument, value, e[E_QTY], a[instrument + I_MARK], late)
    number = _own_order(a, e)
    if answer == Outcome.APPLIED and number >= 0:
        order = row(a, S_ORDER, number)
        if a[order + O_FILLED] + e[E_QTY] > AMOUNT_MAX or a[order + O_FILLED_VALUE] + value > AMOUNT_MAX:
            answer = Outcome.OVERFLOW
    if answer != Outcome.APPLIED:
        return answer
    # Nothing below may fail.
    was_unmarked = _unmarked(a, instrument)
    entry_number = _write_entry(a, e, value)
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
    a[H_UNMARKED] += _unmarked(a, instrument) - was_unmarked
    after_fact(a)
    return Outcome.APPLIED


@kernel
def _correct(a: Arena, e: Row, instrument: int, old: int) -> Outcome:
    """Put a higher revision in the place of an execution: reverse the old one, book the new, re-book the lots."""
    before = row(a, S_ENTRY, old)
    value = notional(a, instrument, e[E_PRICE], e[E_QTY])
    answer = _bookable(a, instrument, value, e[E_QTY], a[instrument + I_MARK], True)
    if answer != Outcome.APPLIED:
        return answer
    number = a[before + N_ORDER]
    if number >= 0 and a[row(a, S_ORDER, number) + O_FILLED_VALUE] + value > AMOUNT_MAX:
        return Outcome.OVERFLOW
    if abs(a[H_CASH]) + value + a[before + N_VALUE] > AMOUNT_MAX:
        return Outcome.OVERFLOW
    # Nothing below may fail.
    was_unmarked = _unmarked(a, instrument)
    entry_number = _write_entry(a, e, value)
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
    a[H_UNMARKED] += _unmarked(a, instrument) - was_unmarked
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
    number = _seen(a, e)
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


@inlined
def _cash_column(kind: int) -> int:
    """Return the account column that explains a cash movement of this kind."""
    if kind == EventKind.DEPOSIT or kind == EventKind.WITHDRAWAL:
        return H_DEPOSITS
    return H_ADJUSTED if kind == EventKind.ADJUST_CASH else H_INCOME


@kernel
def cash(a: Arena, e: Row) -> Outcome:
    """Book money that came or went without a trade (book modified in place).

    Args:
        e: kind, cash_e8 (> 0 for DEPOSIT, WITHDRAWAL, BORROW_FEE; signed otherwise), instrument (0 = account),
            exec_id (unique reference, 0 = none), ref (operator or evidence; required to adjust).
    Returns:
        APPLIED | BAD_EVENT | UNKNOWN_INSTRUMENT | NEEDS_EVIDENCE | DUPLICATE | KEY_CONFLICT | OVERFLOW | BOOK_FULL.
    """
    kind, amount = e[E_KIND], e[E_CASH]
    outflow = kind == EventKind.WITHDRAWAL or kind == EventKind.BORROW_FEE
    if amount == 0 or beyond(amount, VALUE_MAX) or e[E_EXEC] < 0 or ((outflow or kind == EventKind.DEPOSIT) and amount < 0):
        return Outcome.BAD_EVENT
    if e[E_INSTRUMENT] != 0 and _instrument_of(a, e) == 0:
        return Outcome.UNKNOWN_INSTRUMENT
    if kind == EventKind.ADJUST_CASH and e[E_REF] == 0:
        return Outcome.NEEDS_EVIDENCE
    old = _seen(a, e)
    if old >= 0:
        entry = row(a, S_ENTRY, old)
        same = a[entry + N_KIND] == kind and a[entry + N_VALUE] == amount and a[entry + N_INSTRUMENT] == e[E_INSTRUMENT]
        return Outcome.DUPLICATE if same else Outcome.KEY_CONFLICT
    if room(a, S_ENTRY) < 1:
        return Outcome.BOOK_FULL
    column = _cash_column(kind)
    income = a[_instrument_of(a, e) + I_INCOME] if e[E_INSTRUMENT] != 0 else np.int64(0)
    if max(abs(a[H_CASH]), abs(a[column]), abs(a[H_DAY_FLOWS]), abs(income)) + abs(amount) > AMOUNT_MAX:
        return Outcome.OVERFLOW
    # Nothing below may fail.
    _write_entry(a, e, amount)
    signed = -amount if outflow else amount
    a[H_CASH] += signed
    a[column] += signed
    if column == H_DEPOSITS or column == H_ADJUSTED:
        a[H_DAY_FLOWS] += signed
    elif e[E_INSTRUMENT] != 0:
        a[_instrument_of(a, e) + I_INCOME] += signed
    after_fact(a)
    return Outcome.APPLIED


@kernel
def adjust_position(a: Arena, e: Row) -> Outcome:
    """Book shares that came or went without a trade: an opening balance, a correction by an operator, a transfer.

    They enter or leave at price_ticks; the other side is the owner's deposits, not cash (book modified in place).

    Args:
        e: instrument, side, qty_lots > 0, price_ticks >= 0 (cost basis), ref (operator or evidence, required).
    Returns:
        APPLIED | UNKNOWN_INSTRUMENT | BAD_EVENT | NEEDS_EVIDENCE | DUPLICATE | KEY_CONFLICT | OVERFLOW | BOOK_FULL.
    """
    instrument = _instrument_of(a, e)
    if instrument == 0:
        return Outcome.UNKNOWN_INSTRUMENT
    if _no_side(e) or e[E_QTY] < 1 or e[E_PRICE] < 0 or e[E_EXEC] < 0:
        return Outcome.BAD_EVENT
    if e[E_REF] == 0:
        return Outcome.NEEDS_EVIDENCE
    old = _seen(a, e)
    if old >= 0:
        judged = _repeat(a, e, old)
        return Outcome.KEY_CONFLICT if judged == Outcome.APPLIED else judged
    value = notional(a, instrument, e[E_PRICE], e[E_QTY])
    late = _is_late(a, instrument, e[E_TIME], a[instrument + I_ENTRY_LAST])
    answer = _bookable(a, instrument, value, e[E_QTY], a[instrument + I_MARK], late)
    if answer == Outcome.APPLIED and max(abs(a[H_DEPOSITS]), abs(a[H_DAY_FLOWS])) + value > AMOUNT_MAX:
        answer = Outcome.OVERFLOW
    if answer != Outcome.APPLIED:
        return answer
    # Nothing below may fail.
    was_unmarked = _unmarked(a, instrument)
    entry_number = _write_entry(a, e, value)
    a[H_DEPOSITS] += e[E_SIDE] * value
    a[H_DAY_FLOWS] += e[E_SIDE] * value
    post(a, e[E_INSTRUMENT], entry_number, False)
    refresh(a, instrument)
    a[H_UNMARKED] += _unmarked(a, instrument) - was_unmarked
    after_fact(a)
    return Outcome.APPLIED


@kernel
def split(a: Arena, e: Row) -> Outcome:
    """Book a stock split: qty_lots new shares for every price_ticks old ones (book modified in place).

    Working orders would keep their old quantity, so they must be gone first. The mark is
    rescaled with the position. A late split alone must fit with all that was ever traded.

    Returns:
        APPLIED | UNKNOWN_INSTRUMENT | BAD_SPLIT | LIVE_ORDERS | DUPLICATE | KEY_CONFLICT | OVERFLOW | BOOK_FULL.
    """
    instrument = _instrument_of(a, e)
    if instrument == 0:
        return Outcome.UNKNOWN_INSTRUMENT
    if not (1 <= e[E_QTY] <= 1_000_000 and 1 <= e[E_PRICE] <= 1_000_000) or e[E_EXEC] < 0:
        return Outcome.BAD_SPLIT
    old = _seen(a, e)
    if old >= 0:
        judged = _repeat(a, e, old)
        return Outcome.KEY_CONFLICT if judged == Outcome.APPLIED else judged
    if a[instrument + I_LIVE_FIRST] != 0:
        return Outcome.LIVE_ORDERS
    late = _is_late(a, instrument, e[E_TIME], a[instrument + I_ENTRY_LAST])
    older = e[E_TIME] < a[instrument + I_MARK_TIME]
    mark = a[instrument + I_MARK] if older else try_muldiv(a[instrument + I_MARK], e[E_PRICE], e[E_QTY])
    most = reach(a, instrument, np.int64(0), np.int64(0))[1] if late else abs(a[instrument + I_POSITION])
    larger = try_muldiv(most, max(e[E_QTY], e[E_PRICE]), e[E_PRICE]) if most != OVERFLOWED else OVERFLOWED
    if larger == OVERFLOWED:
        return Outcome.OVERFLOW
    answer = _bookable(a, instrument, np.int64(0), larger, mark, late)
    if answer != Outcome.APPLIED:
        return answer
    # Nothing below may fail.
    was_unmarked = _unmarked(a, instrument)
    post(a, e[E_INSTRUMENT], _write_entry(a, e, np.int64(0)), False)
    a[instrument + I_MARK] = mark
    refresh(a, instrument)
    a[H_UNMARKED] += _unmarked(a, instrument) - was_unmarked
    return Outcome.APPLIED


@inlined
def mark(a: Arena, e: Row) -> Outcome:
    """Take a price to value positions with (book modified in place).

    Returns:
        APPLIED | UNKNOWN_INSTRUMENT | BAD_EVENT | SUPERSEDED (an older price) | OVERFLOW.
    """
    instrument = _instrument_of(a, e)
    if instrument == 0:
        return Outcome.UNKNOWN_INSTRUMENT
    if e[E_PRICE] < 1 or beyond(e[E_TIME], AMOUNT_MAX):
        return Outcome.BAD_EVENT
    if a[instrument + I_MARK] > 0 and e[E_TIME] < a[instrument + I_MARK_TIME]:
        return Outcome.SUPERSEDED
    value = _valued(a, instrument, e[E_PRICE], a[instrument + I_POSITION])
    if value == OVERFLOWED or abs(a[H_VALUE]) + 2 * VALUE_MAX > AMOUNT_MAX:
        return Outcome.OVERFLOW
    was_unmarked = _unmarked(a, instrument)
    a[instrument + I_MARK], a[instrument + I_MARK_TIME] = e[E_PRICE], e[E_TIME]
    a[H_VALUE] += value - a[instrument + I_VALUE]
    a[instrument + I_VALUE] = value
    a[H_UNMARKED] += _unmarked(a, instrument) - was_unmarked
    return Outcome.APPLIED
