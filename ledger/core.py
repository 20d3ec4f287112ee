"""`decide` and `apply`: the only door to the book.

Theory of operation. `apply(book, event)` is the only code anywhere that changes
money, positions, lots, orders, reservations or the set of seen keys. `decide`
turns a wish into an order intent or a named refusal and changes nothing. Both
are deterministic: no clock, no randomness, no float. An outcome other than
APPLIED leaves every byte as it was. The backtester and the fuzzer call the
compiled `apply_event` on the arena inside their loops; the live runner calls
`apply` one event at a time inside a database transaction. It is the same code.

`apply_event` refuses with BOOK_FULL rather than grow: kernels cannot allocate
the caller's array. `apply` grows the book and tries again, which is safe because
the refused attempt changed nothing.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ledger.book import (
    BURST_RING, E_CASH, E_FLAGS, E_INSTRUMENT, E_KEY, E_KIND, E_PARENT, E_PRICE, E_QTY, E_REASON, E_REVISION,
    E_SIDE, E_STOP, E_TAKE, E_TARGET, E_TIME, E_TRAIL, E_TYPE, EVENT_WIDTH, H_CASH, H_CLAIMS, H_DAY, H_DAY_EQUITY,
    H_DAY_FLOWS, H_DAY_KNOWN, H_DAY_ORDERS, H_GATES, H_LIMIT, H_OVERDRAWN, H_REFUSED, H_SEQ, H_UNMARKED, H_VALUE,
    I_DAY_ORDERS, I_DEFINED, I_DIVIDE, I_FLAGS, I_GATES, I_LIMIT, I_MULTIPLY, I_PRICE_EXP, I_QTY_EXP, I_REPEAT_SIDE,
    I_REPEATS, I_STEP, I_TICK, O_FLAGS, O_INSTRUMENT, O_KEY, O_PARENT, O_PRICE, O_QTY, O_RESERVE, O_SEQ, O_SIDE, O_STOP,
    O_TAKE, O_TARGET, O_TIME, O_TRAIL, O_TYPE, S_BURST, S_INSTRUMENT, S_KEYS, S_ORDER, UNSET, Arena, Book, Row, append,
    doubled, room, row, slot_of, used,
)  # fmt: skip
from ledger.kernel import inlined, kernel
from ledger.kernels import entries, executions, facts
from ledger.kernels.gate import VALUE_MAX, notional, size
from ledger.kernels.lots import MARGIN_MAX_BPS
from ledger.kernels.orders import apply_step, ask_cancel, change
from ledger.units import AMOUNT_MAX, EXP_MAX, MONEY_EXP, beyond
from ledger.vocabulary import (
    INSTRUMENT_LIMITS, EventKind, Gate, Limit, OrderFlag, OrderStatus, Outcome,
)  # fmt: skip

_INT64 = np.dtype(np.int64)
_OUTCOMES = {int(outcome): outcome for outcome in Outcome}
"""The member of each number; calling the enum costs more than applying an event."""
_POWERS = np.array([10**n for n in range(2 * EXP_MAX + 1)], np.int64)


@kernel
def decide_into(a: Arena, signal: Row, intent: Row) -> Outcome:
    """Decide on a signal; write the claim to record into `intent` (modified in place). The book is read only.

    Args:
        a: arena. signal, intent: int64[EVENT_WIDTH]; may not be the same array.
    Returns:
        APPLIED with `intent` a CLAIM to apply, or the refusal with `intent` a REFUSED event to apply.
    """
    answer, side, qty, opening, reserve = size(a, signal)
    for column in range(EVENT_WIDTH):
        intent[column] = signal[column]
    if answer == Outcome.APPLIED:
        intent[E_KIND], intent[E_SIDE], intent[E_QTY], intent[E_CASH] = EventKind.CLAIM, side, qty, reserve
        intent[E_REASON] = 1 if opening > 0 else 0
    else:
        intent[E_KIND], intent[E_REASON] = EventKind.REFUSED, answer.value
    return answer


@kernel
def _claim(a: Arena, e: Row) -> Outcome:
    """Claim an order (book modified in place): the gate decides again, and must come to the event's own numbers."""
    answer, side, qty, opening, reserve = size(a, e)
    if answer != Outcome.APPLIED:
        return answer
    if e[E_SIDE] != side or e[E_QTY] != qty or e[E_CASH] != reserve:
        return Outcome.BAD_EVENT
    if room(a, S_ORDER) < 1:
        return Outcome.BOOK_FULL
    # Nothing below may fail.
    instrument = row(a, S_INSTRUMENT, e[E_INSTRUMENT])
    number = append(a, S_ORDER)
    order = row(a, S_ORDER, number)
    a[order + O_KEY], a[order + O_INSTRUMENT], a[order + O_SIDE] = e[E_KEY], e[E_INSTRUMENT], side
    a[order + O_QTY], a[order + O_RESERVE], a[order + O_TARGET] = qty, reserve, e[E_TARGET]
    a[order + O_TYPE], a[order + O_PRICE], a[order + O_STOP] = e[E_TYPE], e[E_PRICE], e[E_STOP]
    a[order + O_TAKE], a[order + O_TRAIL], a[order + O_PARENT] = e[E_TAKE], e[E_TRAIL], e[E_PARENT]
    a[order + O_FLAGS] = e[E_FLAGS] | (OrderFlag.OPENING if opening > 0 else 0)
    a[order + O_TIME], a[order + O_SEQ] = e[E_TIME], a[H_SEQ] + 1
    slot = slot_of(a, S_KEYS, e[E_KEY], S_ORDER)
    a[slot] = number + 1
    change(a, number, np.int64(OrderStatus.CLAIMED), np.int64(0))
    _count_claim(a, instrument, e, side, opening)
    return Outcome.APPLIED


@inlined
def _count_claim(a: Arena, instrument: int, e: Row, side: int, opening: int) -> None:
    """Move the counters that limits are checked against (modified in place)."""
    a[H_DAY_ORDERS] += 1
    a[instrument + I_DAY_ORDERS] += 1
    if a[instrument + I_REPEAT_SIDE] != side:
        a[instrument + I_REPEAT_SIDE], a[instrument + I_REPEATS] = side, 0
    if opening > 0:
        a[instrument + I_REPEATS] += 1
        ring = row(a, S_BURST, a[H_CLAIMS] % BURST_RING)
        a[ring], a[ring + 1] = e[E_TIME], notional(a, instrument, e[E_PRICE], opening)
        a[H_CLAIMS] += 1
        a[H_OVERDRAWN] = 0


@kernel
def _refuse(a: Arena, e: Row) -> Outcome:
    """Count a refusal (book modified in place); a burst may trip the kill switch, and that is kept like any event."""
    reason = e[E_REASON]
    if reason < Outcome.KEY_CONFLICT or reason > Outcome.BOOK_FULL:
        return Outcome.BAD_EVENT
    if Outcome.NO_CASH < reason < Outcome.UNKNOWN_INSTRUMENT:
        return Outcome.BAD_EVENT
    a[H_REFUSED + reason] += 1
    if reason == Outcome.BURST and a[H_LIMIT + Limit.BURST_HALTS] == 1:
        a[H_GATES] |= Gate.HALTED
    return Outcome.APPLIED


@kernel
def _define(a: Arena, e: Row) -> Outcome:
    """Define an instrument (book modified in place).

    Columns: instrument = its id (the next free one), revision = price_exp, order_type = qty_exp, price_ticks = tick,
    qty_lots = order step, target_lots = contract multiplier, flags = InstrumentFlag bits.
    """
    number, price_exp, qty_exp = e[E_INSTRUMENT], e[E_REVISION], e[E_TYPE]
    if not (0 <= price_exp <= EXP_MAX and 0 <= qty_exp <= EXP_MAX) or min(e[E_PRICE], e[E_QTY], e[E_TARGET]) < 1:
        return Outcome.BAD_EVENT
    if e[E_TARGET] > 1_000_000 or number < 1 or number > used(a, S_INSTRUMENT):
        return Outcome.BAD_EVENT
    if number < used(a, S_INSTRUMENT):
        return _redefine(a, row(a, S_INSTRUMENT, number), e)
    if room(a, S_INSTRUMENT) < 1:
        return Outcome.BOOK_FULL
    instrument = row(a, S_INSTRUMENT, append(a, S_INSTRUMENT))
    excess = price_exp + qty_exp - MONEY_EXP
    a[instrument + I_DEFINED], a[instrument + I_PRICE_EXP], a[instrument + I_QTY_EXP] = 1, price_exp, qty_exp
    a[instrument + I_MULTIPLY] = e[E_TARGET] * _POWERS[max(0, -excess)]
    a[instrument + I_DIVIDE] = _POWERS[excess] if excess > 0 else 1
    a[instrument + I_TICK], a[instrument + I_STEP], a[instrument + I_FLAGS] = e[E_PRICE], e[E_QTY], e[E_FLAGS]
    for which in range(INSTRUMENT_LIMITS):
        a[instrument + I_LIMIT + which] = UNSET
    return Outcome.APPLIED


@kernel
def _redefine(a: Arena, instrument: int, e: Row) -> Outcome:
    """Judge a definition of an instrument that exists: the same again, or a conflict; grids never change."""
    same = (
        a[instrument + I_MULTIPLY] == e[E_TARGET] * _POWERS[max(0, MONEY_EXP - e[E_REVISION] - e[E_TYPE])]
        and a[instrument + I_PRICE_EXP] == e[E_REVISION]
        and a[instrument + I_QTY_EXP] == e[E_TYPE]
        and a[instrument + I_TICK] == e[E_PRICE]
        and a[instrument + I_STEP] == e[E_QTY]
        and a[instrument + I_FLAGS] == e[E_FLAGS]
    )
    return Outcome.DUPLICATE if same else Outcome.KEY_CONFLICT


@kernel
def _set_limit(a: Arena, e: Row) -> Outcome:
    """Set a limit (book modified in place): reason = Limit, cash_e8 = value, instrument 0 = the account.

    AMOUNT_MAX means no limit; UNSET (-1) lets an instrument fall back to the account's value. CASH_FLOOR is
    an amount of its own, of either sign, within +-VALUE_MAX.
    """
    which, value, number = e[E_REASON], e[E_CASH], e[E_INSTRUMENT]
    if which < 0 or which > Limit.CASH_FLOOR or Limit.SHORT_MARGIN_BPS < which < Limit.MAX_OPEN:
        return Outcome.BAD_EVENT
    if beyond(value, VALUE_MAX) if which == Limit.CASH_FLOOR else value < UNSET or value > AMOUNT_MAX:
        return Outcome.BAD_EVENT
    if which == Limit.BURST_COUNT and value != AMOUNT_MAX and value > BURST_RING:
        return Outcome.BAD_EVENT
    if which == Limit.SHORT_MARGIN_BPS and value > MARGIN_MAX_BPS:
        return Outcome.BAD_EVENT
    if number == 0:
        if value == UNSET and which != Limit.CASH_FLOOR:
            return Outcome.BAD_EVENT
        a[H_LIMIT + which] = value
    else:
        if number < 1 or number >= used(a, S_INSTRUMENT):
            return Outcome.UNKNOWN_INSTRUMENT
        if which >= INSTRUMENT_LIMITS:
            return Outcome.BAD_EVENT
        a[row(a, S_INSTRUMENT, number) + I_LIMIT + which] = value
    if which == Limit.SHORT_MARGIN_BPS:
        for other in range(1, used(a, S_INSTRUMENT)):
            entries.refresh(a, row(a, S_INSTRUMENT, other))
    if which == Limit.SHORT_MARGIN_BPS or which == Limit.CASH_FLOOR:
        entries.after_fact(a)
    return Outcome.APPLIED


@kernel
def _set_gate(a: Arena, e: Row) -> Outcome:
    """Raise (side +1) or lower (side -1) a gate (book modified in place): reason = Gate bits, instrument 0 = account.

    Lowering BLOCKED is a person's word that the instrument was looked at: its repeat counter starts anew.
    """
    bits, number = e[E_REASON], e[E_INSTRUMENT]
    if bits < 1 or bits > 63 or (e[E_SIDE] != 1 and e[E_SIDE] != -1):
        return Outcome.BAD_EVENT
    if number < 0 or number >= used(a, S_INSTRUMENT):
        return Outcome.UNKNOWN_INSTRUMENT
    place = H_GATES if number == 0 else row(a, S_INSTRUMENT, number) + I_GATES
    gates = a[place] | bits if e[E_SIDE] > 0 else a[place] & ~bits
    if gates == a[place] and not (number > 0 and e[E_SIDE] < 0 and bits & Gate.BLOCKED):
        return Outcome.DUPLICATE
    a[place] = gates
    if number > 0 and e[E_SIDE] < 0 and bits & Gate.BLOCKED:
        a[row(a, S_INSTRUMENT, number) + I_REPEATS] = 0
    return Outcome.APPLIED


@kernel
def _begin_day(a: Arena, e: Row) -> Outcome:
    """Begin a trading day (book modified in place): revision = its ordinal, later than the last one."""
    if e[E_REVISION] < 1:
        return Outcome.BAD_EVENT
    if e[E_REVISION] <= a[H_DAY]:
        return Outcome.DUPLICATE if e[E_REVISION] == a[H_DAY] else Outcome.SUPERSEDED
    a[H_DAY], a[H_DAY_ORDERS], a[H_DAY_FLOWS] = e[E_REVISION], 0, 0
    a[H_DAY_KNOWN] = 1 if a[H_UNMARKED] == 0 else 0
    a[H_DAY_EQUITY] = a[H_CASH] + a[H_VALUE] if a[H_UNMARKED] == 0 else 0
    for number in range(1, used(a, S_INSTRUMENT)):
        a[row(a, S_INSTRUMENT, number) + I_DAY_ORDERS] = 0
    return Outcome.APPLIED


@kernel
def _rare(a: Arena, e: Row) -> Outcome:
    """Hand an event of a kind that comes once a day or once a book to the function that knows it."""
    kind = e[E_KIND]
    if EventKind.DEPOSIT <= kind <= EventKind.ADJUST_CASH:
        return facts.cash(a, e)
    if kind == EventKind.DAY:
        return _begin_day(a, e)
    if kind == EventKind.REFUSED:
        return _refuse(a, e)
    if kind == EventKind.GATE:
        return _set_gate(a, e)
    if kind == EventKind.LIMIT:
        return _set_limit(a, e)
    if kind == EventKind.INSTRUMENT:
        return _define(a, e)
    if kind == EventKind.SPLIT:
        return facts.split(a, e)
    if kind == EventKind.ADJUST_POSITION:
        return facts.adjust_position(a, e)
    return Outcome.BAD_EVENT


@kernel
def apply_event(a: Arena, e: Row) -> Outcome:
    """Apply one event to the book, modified in place; change nothing unless APPLIED.

    Args:
        a: arena. e: int64[EVENT_WIDTH].
    Returns:
        APPLIED, or why nothing changed. BOOK_FULL asks for a larger arena (`book.doubled`).
    """
    kind = e[E_KIND]  # The most frequent kinds are asked for first.
    if kind == EventKind.MARK:
        answer = facts.mark(a, e)
    elif kind == EventKind.FILL:
        answer = executions.fill(a, e)
    elif kind == EventKind.CLAIM:
        answer = _claim(a, e)
    elif kind == EventKind.COMMISSION:
        answer = executions.commission(a, e)
    elif kind == EventKind.CANCEL:
        answer = ask_cancel(a, e)
    elif EventKind.RELEASED <= kind <= EventKind.UNKNOWN:
        answer = apply_step(a, e)
    else:
        answer = _rare(a, e)
    if answer == Outcome.APPLIED:
        a[H_SEQ] += 1
    return answer


@kernel
def _step(a: Arena, e: Row) -> int:
    """Apply one event and return the outcome's number: a plain int is cheap to hand back to Python."""
    return apply_event(a, e).value


@kernel
def _decision(a: Arena, signal: Row, intent: Row) -> int:
    """Decide like `decide_into` and return the outcome's number."""
    return decide_into(a, signal, intent).value


@kernel
def replay(a: Arena, events: np.ndarray, start: int) -> int:
    """Apply rows int64[n, EVENT_WIDTH] from `start` (book modified in place) until one is not APPLIED.

    Returns:
        n when all were applied, else the index of the row that was not.
    """
    for number in range(start, events.shape[0]):
        if apply_event(a, events[number]) != Outcome.APPLIED:
            return number
    return events.shape[0]


class Decision(NamedTuple):
    """What `decide` answers: the outcome, and the event row to apply and keep (a CLAIM or a REFUSED)."""

    outcome: Outcome
    event: Row


def decide(book: Book, signal: Row) -> Decision:
    """Turn a signal into an order intent or a named refusal; the book is not changed.

    Args:
        signal: int64[EVENT_WIDTH] of kind SIGNAL; see `kernels.gate.size` for the columns.
    """
    intent = np.zeros(EVENT_WIDTH, _INT64)
    return Decision(_OUTCOMES[_decision(book.arena, signal, intent)], intent)


def apply(book: Book, event: Row) -> Outcome:
    """Apply one event to the book, modified in place (it grows when full); change nothing unless APPLIED.

    Args:
        event: int64[EVENT_WIDTH].
    Raises:
        TypeError: the row is not int64[EVENT_WIDTH].
    """
    if event.dtype != _INT64 or event.shape != (EVENT_WIDTH,):
        raise TypeError(f"an event is int64[{EVENT_WIDTH}], not {event.dtype}{list(event.shape)}; use ledger.book.event()")
    outcome = _step(book.arena, event)
    while outcome == Outcome.BOOK_FULL:
        book.arena = doubled(book.arena)
        outcome = _step(book.arena, event)
    return _OUTCOMES[outcome]


def apply_all(book: Book, events: np.ndarray) -> int:
    """Apply rows int64[n, EVENT_WIDTH] in one compiled loop, growing the book as needed.

    Returns:
        n when all were applied, else the index of the first that was not.
    """
    done = 0
    while (done := int(replay(book.arena, events, done))) < len(events):
        if apply(book, events[done]) != Outcome.APPLIED:
            return done
        done += 1
    return done
