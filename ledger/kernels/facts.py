"""Facts that are no executions: cash, shares without a trade, splits and marks.

Theory of operation. Each handler checks everything first; after its last check nothing
can fail. Money and shares that come without a trade are explained by a column of the
account (deposits, income, adjusted), so that worth is always what was put in plus what was earned.
"""

from __future__ import annotations

import numpy as np

from ledger.book import (
    E_CASH, E_EXEC, E_INSTRUMENT, E_KIND, E_PRICE, E_QTY, E_REF, E_SIDE, E_TIME, H_ADJUSTED, H_CASH, H_DAY_FLOWS,
    H_DEPOSITS, H_INCOME, H_UNMARKED, H_VALUE, I_ENTRY_LAST, I_INCOME, I_LIVE_FIRST, I_MARK, I_MARK_TIME, I_POSITION,
    I_VALUE, N_INSTRUMENT, N_KIND, N_VALUE, S_ENTRY, Arena, Row, room, row,
)  # fmt: skip
from ledger.kernel import inlined, kernel
from ledger.kernels.entries import (
    after_fact, bookable, instrument_of, is_late, no_side, refresh, repeat, seen, unmarked, valued, write_entry,
)  # fmt: skip
from ledger.kernels.gate import VALUE_MAX, notional
from ledger.kernels.lots import post, reach
from ledger.units import AMOUNT_MAX, OVERFLOWED, beyond, try_muldiv
from ledger.vocabulary import EventKind, Outcome


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
    if e[E_INSTRUMENT] != 0 and instrument_of(a, e) == 0:
        return Outcome.UNKNOWN_INSTRUMENT
    if kind == EventKind.ADJUST_CASH and e[E_REF] == 0:
        return Outcome.NEEDS_EVIDENCE
    old = seen(a, e)
    if old >= 0:
        entry = row(a, S_ENTRY, old)
        same = a[entry + N_KIND] == kind and a[entry + N_VALUE] == amount and a[entry + N_INSTRUMENT] == e[E_INSTRUMENT]
        return Outcome.DUPLICATE if same else Outcome.KEY_CONFLICT
    if room(a, S_ENTRY) < 1:
        return Outcome.BOOK_FULL
    column = _cash_column(kind)
    income = a[instrument_of(a, e) + I_INCOME] if e[E_INSTRUMENT] != 0 else np.int64(0)
    if max(abs(a[H_CASH]), abs(a[column]), abs(a[H_DAY_FLOWS]), abs(income)) + abs(amount) > AMOUNT_MAX:
        return Outcome.OVERFLOW
    # Nothing below may fail.
    write_entry(a, e, amount)
    signed = -amount if outflow else amount
    a[H_CASH] += signed
    a[column] += signed
    if column == H_DEPOSITS or column == H_ADJUSTED:
        a[H_DAY_FLOWS] += signed
    elif e[E_INSTRUMENT] != 0:
        a[instrument_of(a, e) + I_INCOME] += signed
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
    instrument = instrument_of(a, e)
    if instrument == 0:
        return Outcome.UNKNOWN_INSTRUMENT
    if no_side(e) or e[E_QTY] < 1 or e[E_PRICE] < 0 or e[E_EXEC] < 0:
        return Outcome.BAD_EVENT
    if e[E_REF] == 0:
        return Outcome.NEEDS_EVIDENCE
    old = seen(a, e)
    if old >= 0:
        judged = repeat(a, e, old)
        return Outcome.KEY_CONFLICT if judged == Outcome.APPLIED else judged
    value = notional(a, instrument, e[E_PRICE], e[E_QTY])
    late = is_late(a, instrument, e[E_TIME], a[instrument + I_ENTRY_LAST])
    answer = bookable(a, instrument, value, e[E_QTY], a[instrument + I_MARK], late)
    if answer == Outcome.APPLIED and max(abs(a[H_DEPOSITS]), abs(a[H_DAY_FLOWS])) + value > AMOUNT_MAX:
        answer = Outcome.OVERFLOW
    if answer != Outcome.APPLIED:
        return answer
    # Nothing below may fail.
    was_unmarked = unmarked(a, instrument)
    entry_number = write_entry(a, e, value)
    a[H_DEPOSITS] += e[E_SIDE] * value
    a[H_DAY_FLOWS] += e[E_SIDE] * value
    post(a, e[E_INSTRUMENT], entry_number, False)
    refresh(a, instrument)
    a[H_UNMARKED] += unmarked(a, instrument) - was_unmarked
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
    instrument = instrument_of(a, e)
    if instrument == 0:
        return Outcome.UNKNOWN_INSTRUMENT
    if not (1 <= e[E_QTY] <= 1_000_000 and 1 <= e[E_PRICE] <= 1_000_000) or e[E_EXEC] < 0:
        return Outcome.BAD_SPLIT
    old = seen(a, e)
    if old >= 0:
        judged = repeat(a, e, old)
        return Outcome.KEY_CONFLICT if judged == Outcome.APPLIED else judged
    if a[instrument + I_LIVE_FIRST] != 0:
        return Outcome.LIVE_ORDERS
    late = is_late(a, instrument, e[E_TIME], a[instrument + I_ENTRY_LAST])
    older = e[E_TIME] < a[instrument + I_MARK_TIME]
    mark = a[instrument + I_MARK] if older else try_muldiv(a[instrument + I_MARK], e[E_PRICE], e[E_QTY])
    most = reach(a, instrument, np.int64(0), np.int64(0))[1] if late else abs(a[instrument + I_POSITION])
    larger = try_muldiv(most, max(e[E_QTY], e[E_PRICE]), e[E_PRICE]) if most != OVERFLOWED else OVERFLOWED
    if larger == OVERFLOWED:
        return Outcome.OVERFLOW
    answer = bookable(a, instrument, np.int64(0), larger, mark, late)
    if answer != Outcome.APPLIED:
        return answer
    # Nothing below may fail.
    was_unmarked = unmarked(a, instrument)
    post(a, e[E_INSTRUMENT], write_entry(a, e, np.int64(0)), False)
    a[instrument + I_MARK] = mark
    refresh(a, instrument)
    a[H_UNMARKED] += unmarked(a, instrument) - was_unmarked
    return Outcome.APPLIED


@inlined
def mark(a: Arena, e: Row) -> Outcome:
    """Take a price to value positions with (book modified in place).

    Returns:
        APPLIED | UNKNOWN_INSTRUMENT | BAD_EVENT | SUPERSEDED (an older price) | OVERFLOW.
    """
    instrument = instrument_of(a, e)
    if instrument == 0:
        return Outcome.UNKNOWN_INSTRUMENT
    if e[E_PRICE] < 1 or beyond(e[E_TIME], AMOUNT_MAX):
        return Outcome.BAD_EVENT
    if a[instrument + I_MARK] > 0 and e[E_TIME] < a[instrument + I_MARK_TIME]:
        return Outcome.SUPERSEDED
    value = valued(a, instrument, e[E_PRICE], a[instrument + I_POSITION])
    if value == OVERFLOWED or abs(a[H_VALUE]) + 2 * VALUE_MAX > AMOUNT_MAX:
        return Outcome.OVERFLOW
    was_unmarked = unmarked(a, instrument)
    a[instrument + I_MARK], a[instrument + I_MARK_TIME] = e[E_PRICE], e[E_TIME]
    a[H_VALUE] += value - a[instrument + I_VALUE]
    a[instrument + I_VALUE] = value
    a[H_UNMARKED] += unmarked(a, instrument) - was_unmarked
    return Outcome.APPLIED
