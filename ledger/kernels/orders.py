"""Order rows: the state table, reservations and the list of live orders.

Theory of operation. TRANSITIONS is the whole life of an order; a step that is
not in it is refused and changes nothing. `docs/order-states.md` is generated
from it. A live order holds its reservation: cash in proportion to its leaves,
and its leaves themselves against the position. Closing frees both at once.
"""

from __future__ import annotations

import numpy as np

from ledger.book import (
    E_KEY, E_KIND, E_REF, H_OPEN, H_RESERVED, H_SEQ, I_LIVE_ENTRIES, I_LIVE_FIRST, I_OPEN, I_POSITION, I_WORKING,
    O_CHANGED, O_FILLED, O_FLAGS, O_INSTRUMENT, O_KEY, O_NEXT, O_PARENT, O_PREV, O_QTY, O_RESERVE, O_SIDE, O_STATUS,
    S_INSTRUMENT, S_KEYS, S_ORDER, Arena, Row, find, row,
)  # fmt: skip
from ledger.kernel import inlined, kernel
from ledger.keys import purpose_of
from ledger.units import try_muldiv
from ledger.vocabulary import LIVE_LAST, EventKind, OrderFlag, OrderStatus, Outcome, Purpose

COMPLETE = 31
"""The step of a fill that leaves nothing open; it shares the table with the event kinds."""

_K, _S = EventKind, OrderStatus
_FATES: dict[int, OrderStatus] = {
    _K.FILL: _S.PARTIALLY_FILLED, COMPLETE: _S.FILLED, _K.CANCELED: _S.CANCELED, _K.EXPIRED: _S.EXPIRED,
    _K.REJECTED: _S.REJECTED,
}  # fmt: skip
TRANSITIONS: dict[OrderStatus, dict[int, OrderStatus]] = {
    _S.NONE: {_K.CLAIM: _S.CLAIMED},
    _S.CLAIMED: _FATES | {_K.SENDING: _S.SENDING, _K.SUBMITTED: _S.SUBMITTED, _K.RELEASED: _S.RELEASED, _K.UNKNOWN: _S.UNKNOWN},
    _S.SENDING: _FATES | {_K.SUBMITTED: _S.SUBMITTED, _K.RELEASED: _S.RELEASED, _K.UNKNOWN: _S.UNKNOWN},
    _S.SUBMITTED: _FATES | {_K.SUBMITTED: _S.SUBMITTED, _K.UNKNOWN: _S.UNKNOWN},
    _S.PARTIALLY_FILLED: _FATES | {_K.SUBMITTED: _S.PARTIALLY_FILLED, _K.UNKNOWN: _S.UNKNOWN},
    _S.UNKNOWN: _FATES | {_K.SUBMITTED: _S.SUBMITTED, _K.RELEASED: _S.RELEASED, _K.UNKNOWN: _S.UNKNOWN},
    # A closed order stays closed; a late fill is booked and flagged, and an equal report is a repeat.
    _S.FILLED: {_K.FILL: _S.FILLED, COMPLETE: _S.FILLED},
    _S.CANCELED: {_K.FILL: _S.CANCELED, COMPLETE: _S.CANCELED, _K.CANCELED: _S.CANCELED},
    _S.EXPIRED: {_K.FILL: _S.EXPIRED, COMPLETE: _S.EXPIRED, _K.EXPIRED: _S.EXPIRED},
    _S.REJECTED: {_K.FILL: _S.REJECTED, COMPLETE: _S.REJECTED, _K.REJECTED: _S.REJECTED},
    _S.RELEASED: {_K.FILL: _S.RELEASED, COMPLETE: _S.RELEASED, _K.RELEASED: _S.RELEASED},
}


def _table() -> np.ndarray:
    table = np.zeros((len(OrderStatus), COMPLETE + 1), np.int64)
    for status, steps in TRANSITIONS.items():
        for step, then in steps.items():
            table[status, step] = then
    table.flags.writeable = False
    return table


NEXT = _table()
"""int64[status, step] -> next status, 0 = illegal."""


@inlined
def live(a: Arena, order: int) -> bool:
    """Say whether the order at this address still holds its reservation."""
    return 1 <= a[order + O_STATUS] <= LIVE_LAST


@inlined
def leaves(a: Arena, order: int) -> int:
    """Return the quantity still open (FIX LeavesQty), never below 0."""
    return max(np.int64(0), a[order + O_QTY] - a[order + O_FILLED])


@inlined
def protective(key: int) -> bool:
    """Say whether a key is a stop loss, take profit or trail: it guards a position and is no wish for one."""
    return Purpose.STOP_LOSS <= purpose_of(key) <= Purpose.TRAIL


@inlined
def held_cash(a: Arena, order: int) -> int:
    """Return the cash a live order reserves now: its first reservation in proportion to its leaves."""
    if not live(a, order):
        return np.int64(0)
    return try_muldiv(a[order + O_RESERVE], leaves(a, order), a[order + O_QTY])


@inlined
def _weight(a: Arena, order: int) -> int:
    """Return the signed leaves an order adds to the instrument's working quantity."""
    if not live(a, order) or protective(a[order + O_KEY]):
        return np.int64(0)
    return a[order + O_SIDE] * leaves(a, order)


@inlined
def _link(a: Arena, instrument: int, number: int) -> None:
    """Put an order in front of its instrument's live list (modified in place)."""
    first = a[instrument + I_LIVE_FIRST]
    order = row(a, S_ORDER, number)
    a[order + O_NEXT], a[order + O_PREV] = first, 0
    if first > 0:
        a[row(a, S_ORDER, first - 1) + O_PREV] = number + 1
    a[instrument + I_LIVE_FIRST] = number + 1


@inlined
def _unlink(a: Arena, instrument: int, order: int) -> None:
    """Take an order out of its instrument's live list (modified in place)."""
    after, before = a[order + O_NEXT], a[order + O_PREV]
    if after > 0:
        a[row(a, S_ORDER, after - 1) + O_PREV] = before
    if before > 0:
        a[row(a, S_ORDER, before - 1) + O_NEXT] = after
    else:
        a[instrument + I_LIVE_FIRST] = after
    a[order + O_NEXT] = a[order + O_PREV] = 0


@inlined
def refresh_open(a: Arena, instrument: int) -> None:
    """Count the instrument as open (modified in place) when it has a position or a live entry."""
    is_open = np.int64(1) if a[instrument + I_POSITION] != 0 or a[instrument + I_LIVE_ENTRIES] > 0 else np.int64(0)
    a[H_OPEN] += is_open - a[instrument + I_OPEN]
    a[instrument + I_OPEN] = is_open


@kernel
def change(a: Arena, number: int, status: int, filled: int) -> None:
    """Give an order its new status and filled quantity; reservation, working quantity and lists follow.

    Args:
        a: modified in place. number: order row. status: a legal next status. filled: new total, in lots.
    """
    order = row(a, S_ORDER, number)
    instrument = row(a, S_INSTRUMENT, a[order + O_INSTRUMENT])
    was_live, cash, weight = live(a, order), held_cash(a, order), _weight(a, order)
    a[order + O_STATUS], a[order + O_FILLED], a[order + O_CHANGED] = status, filled, a[H_SEQ] + 1
    is_live = live(a, order)
    a[H_RESERVED] += held_cash(a, order) - cash
    a[instrument + I_WORKING] += _weight(a, order) - weight
    if is_live == was_live:
        return
    step = np.int64(1) if is_live else np.int64(-1)
    if a[order + O_FLAGS] & OrderFlag.OPENING:
        a[instrument + I_LIVE_ENTRIES] += step
    if is_live:
        _link(a, instrument, number)
    else:
        _unlink(a, instrument, order)
    refresh_open(a, instrument)


@kernel
def _group(a: Arena, order: int) -> int:
    """Return the one-cancels-all group of a protective order: its parent's key, or its own."""
    return a[order + O_PARENT] if a[order + O_PARENT] != 0 else a[order + O_KEY]


@kernel
def leads(a: Arena, instrument: int, order: int) -> bool:
    """Say whether a protective order has the most leaves of its group: only one of them can fill."""
    other = a[instrument + I_LIVE_FIRST]
    mine = leaves(a, order)
    while other > 0:
        peer = row(a, S_ORDER, other - 1)
        if protective(a[peer + O_KEY]) and a[peer + O_SIDE] == a[order + O_SIDE] and _group(a, peer) == _group(a, order):
            theirs = leaves(a, peer)
            if theirs > mine or (theirs == mine and a[peer + O_KEY] < a[order + O_KEY]):
                return False
        other = a[peer + O_NEXT]
    return True


@kernel
def claimed_quantity(a: Arena, instrument: int, side: int, group: int) -> tuple[int, int]:
    """Return what live orders of one side may still take: (ordinary orders, protective groups but `group`)."""
    ordinary, guarded = np.int64(0), np.int64(0)
    number = a[instrument + I_LIVE_FIRST]
    while number > 0:
        order = row(a, S_ORDER, number - 1)
        if a[order + O_SIDE] == side:
            if not protective(a[order + O_KEY]):
                ordinary += leaves(a, order)
            elif _group(a, order) != group and leads(a, instrument, order):
                guarded += leaves(a, order)
        number = a[order + O_NEXT]
    return ordinary, guarded


@kernel
def parent_leaves(a: Arena, parent: int, side: int, instrument_number: int) -> int:
    """Return the leaves of a live parent on the other side of the same instrument: a bracket guards what is to come."""
    number = find(a, S_KEYS, parent, S_ORDER) if parent > 0 else np.int64(-1)
    if number < 0:
        return np.int64(0)
    order = row(a, S_ORDER, number)
    related = live(a, order) and a[order + O_SIDE] == -side and a[order + O_INSTRUMENT] == instrument_number
    return leaves(a, order) if related else np.int64(0)


@kernel
def apply_step(a: Arena, e: Row) -> Outcome:
    """Move an order along the table (book modified in place); everything but claims and fills.

    Returns:
        APPLIED | UNKNOWN_KEY | ILLEGAL_TRANSITION | DUPLICATE | NEEDS_EVIDENCE.
    """
    number = find(a, S_KEYS, e[E_KEY], S_ORDER) if e[E_KEY] > 0 else np.int64(-1)
    if number < 0:
        return Outcome.UNKNOWN_KEY
    order = row(a, S_ORDER, number)
    status, kind = a[order + O_STATUS], e[E_KIND]
    then = NEXT[status, kind]
    if then == status:
        return Outcome.DUPLICATE
    if then == 0 or (then == OrderStatus.RELEASED and a[order + O_FILLED] > 0):
        return Outcome.ILLEGAL_TRANSITION
    doubtful = status == OrderStatus.UNKNOWN or (status == OrderStatus.SENDING and then == OrderStatus.RELEASED)
    if doubtful and e[E_REF] == 0:
        return Outcome.NEEDS_EVIDENCE
    if then == OrderStatus.SUBMITTED and a[order + O_FILLED] > 0:
        then = np.int64(OrderStatus.PARTIALLY_FILLED)
    change(a, number, then, a[order + O_FILLED])
    return Outcome.APPLIED


@kernel
def ask_cancel(a: Arena, e: Row) -> Outcome:
    """Note that a cancel was asked for (book modified in place); the order stays what it is until the broker speaks."""
    number = find(a, S_KEYS, e[E_KEY], S_ORDER) if e[E_KEY] > 0 else np.int64(-1)
    if number < 0:
        return Outcome.UNKNOWN_KEY
    order = row(a, S_ORDER, number)
    if not live(a, order):
        return Outcome.ILLEGAL_TRANSITION
    if a[order + O_FLAGS] & OrderFlag.CANCEL_ASKED:
        return Outcome.DUPLICATE
    a[order + O_FLAGS] |= OrderFlag.CANCEL_ASKED
    a[order + O_CHANGED] = a[H_SEQ] + 1
    return Outcome.APPLIED
