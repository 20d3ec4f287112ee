"""The order gate: how much to trade for a wish, and every reason not to.

Theory of operation. `size` is the whole decision. It reads the book, changes
nothing and gives the first refusal in the order of the Outcome numbers. `decide`
is `size` for a caller; applying a CLAIM runs `size` again on the same row and
demands the same answer, so a claim that skipped `decide`, or decided on an older
book, is refused inside the transaction that would have recorded it.

A signal says the position it wants. The order is that target minus the position
minus what is already working. The part that closes is bounded by the position
less all working exits; the part that opens must pass the limits and reserves its
worst-case cash. A market order carries its worst price for that purpose.
"""

from __future__ import annotations

import numpy as np

from ledger.book import (
    BURST_RING, E_FEE, E_FLAGS, E_INSTRUMENT, E_KEY, E_PARENT, E_PRICE, E_STOP, E_TAKE, E_TARGET, E_TIME, E_TRAIL,
    E_TYPE, H_CASH, H_CLAIMS, H_DAY, H_DAY_EQUITY, H_DAY_FLOWS, H_DAY_KNOWN, H_DAY_ORDERS, H_GATES, H_LIMIT, H_OPEN,
    H_RESERVED, H_SHORT_HOLD, H_UNMARKED, H_VALUE, I_DAY_ORDERS, I_DEFINED, I_DIVIDE, I_GATES, I_LIMIT,
    I_LIVE_ENTRIES, I_MARK, I_MARK_TIME, I_MULTIPLY, I_OPEN, I_POSITION, I_REPEAT_SIDE, I_REPEATS, I_SHORT_HOLD,
    I_STEP, I_TICK, I_WORKING, O_FLAGS, O_PARENT, O_PRICE, O_STOP, O_TAKE, O_TARGET, O_TRAIL, O_TYPE, S_BURST,
    S_INSTRUMENT, S_KEYS, S_ORDER, UNSET, Arena, Row, find, row, used,
)  # fmt: skip
from ledger.kernel import inlined, kernel
from ledger.kernels.orders import claimed_quantity, parent_leaves, protective
from ledger.keys import instrument_of, purpose_of
from ledger.units import AMOUNT_MAX, OVERFLOWED, QTY_MAX, beyond, try_muldiv
from ledger.vocabulary import Gate, Limit, OrderFlag, OrderType, Outcome, Purpose

VALUE_MAX = 2**60
"""Largest money one fill, order or position may be worth: 11.5 billion at 1e-8."""

WISHES = int(OrderFlag.PYRAMID | OrderFlag.GTC | OrderFlag.OUTSIDE_RTH)


@inlined
def notional(a: Arena, instrument: int, price_ticks: int, qty_lots: int) -> int:
    """Return price x quantity x multiplier in e8, rounded half-even once, or OVERFLOWED beyond VALUE_MAX."""
    if qty_lots == 0:
        return np.int64(0)
    if a[instrument + I_MULTIPLY] != 1:
        price_ticks = try_muldiv(price_ticks, a[instrument + I_MULTIPLY], 1)
        if price_ticks == OVERFLOWED:
            return OVERFLOWED
    value = try_muldiv(price_ticks, qty_lots, a[instrument + I_DIVIDE])
    if value == OVERFLOWED or abs(value) > VALUE_MAX:
        return OVERFLOWED
    return value


@inlined
def limit_of(a: Arena, instrument: int, which: int) -> int:
    """Return a limit for an instrument: its own, or the account's."""
    own = a[instrument + I_LIMIT + which]
    return a[H_LIMIT + which] if own == UNSET else own


@inlined
def _same_body(a: Arena, order: int, s: Row) -> bool:
    """Say whether a stored order was claimed by the same wish; a market order's worst price moves with the quote."""
    same = (
        a[order + O_TARGET] == s[E_TARGET]
        and a[order + O_TYPE] == s[E_TYPE]
        and a[order + O_PARENT] == s[E_PARENT]
        and (a[order + O_FLAGS] & WISHES) == s[E_FLAGS]
        and a[order + O_STOP] == s[E_STOP]
        and a[order + O_TAKE] == s[E_TAKE]
        and a[order + O_TRAIL] == s[E_TRAIL]
    )
    return same and (s[E_TYPE] == OrderType.MARKET or a[order + O_PRICE] == s[E_PRICE])


@inlined
def _malformed(a: Arena, s: Row) -> Outcome:
    """Return what makes a signal unreadable, or APPLIED."""
    if s[E_INSTRUMENT] < 1 or s[E_INSTRUMENT] >= used(a, S_INSTRUMENT):
        return Outcome.UNKNOWN_INSTRUMENT
    if a[row(a, S_INSTRUMENT, s[E_INSTRUMENT]) + I_DEFINED] == 0:
        return Outcome.UNKNOWN_INSTRUMENT
    if s[E_KEY] < 1 or instrument_of(s[E_KEY]) != s[E_INSTRUMENT] or (s[E_FLAGS] & ~WISHES) != 0:
        return Outcome.BAD_EVENT
    if purpose_of(s[E_KEY]) < Purpose.TARGET or purpose_of(s[E_KEY]) > Purpose.ACCUMULATE:
        return Outcome.BAD_EVENT
    if s[E_TYPE] < OrderType.MARKET or s[E_TYPE] > OrderType.TRAIL or s[E_PRICE] < 1 or s[E_PRICE] > AMOUNT_MAX:
        return Outcome.BAD_EVENT
    if min(s[E_STOP], s[E_TAKE], s[E_TRAIL], s[E_PARENT], s[E_FEE]) < 0 or s[E_FEE] > VALUE_MAX:
        return Outcome.BAD_EVENT
    if beyond(s[E_TIME], AMOUNT_MAX):
        return Outcome.BAD_EVENT
    if beyond(s[E_TARGET], QTY_MAX):
        return Outcome.OVERFLOW
    return Outcome.APPLIED


@inlined
def _known_key(a: Arena, s: Row) -> Outcome:
    """Return DUP_KEY or KEY_CONFLICT for a key used before, or APPLIED."""
    number = find(a, S_KEYS, s[E_KEY], S_ORDER)
    if number < 0:
        return Outcome.APPLIED
    return Outcome.DUP_KEY if _same_body(a, row(a, S_ORDER, number), s) else Outcome.KEY_CONFLICT


@inlined
def _closed_gate(a: Arena, instrument: int, s: Row) -> Outcome:
    """Return the gate that keeps every order in, or APPLIED; only a liquidation passes the kill switch."""
    gates = a[H_GATES]
    if (gates | a[instrument + I_GATES]) & Gate.HALTED and purpose_of(s[E_KEY]) != Purpose.LIQUIDATE:
        return Outcome.HALTED
    if gates & Gate.NOT_RECONCILED:
        return Outcome.NOT_RECONCILED
    if gates & Gate.DISCONNECTED:
        return Outcome.DISCONNECTED
    return Outcome.APPLIED


@kernel
def _off_grid(a: Arena, instrument: int, s: Row, qty: int, held: int) -> bool:
    """Say whether a price is not on a tick, or a quantity not on a step (closing all of an odd position is allowed)."""
    if s[E_TYPE] != OrderType.MARKET and s[E_PRICE] % a[instrument + I_TICK] != 0:
        return True
    return qty % a[instrument + I_STEP] != 0 and qty != held


@kernel
def _wish(a: Arena, instrument: int, s: Row) -> tuple[Outcome, int, int, int]:
    """Turn a target into (outcome, side, quantity, opening part)."""
    if protective(s[E_KEY]):
        return _guard(a, instrument, s)
    position, none = a[instrument + I_POSITION], np.int64(0)
    delta = s[E_TARGET] - position - a[instrument + I_WORKING]
    if a[instrument + I_LIVE_ENTRIES] > 0 and not (s[E_FLAGS] & OrderFlag.PYRAMID):
        return Outcome.LIVE_ENTRY, none, none, none
    if s[E_TARGET] == position or delta == 0:
        return Outcome.AT_TARGET, none, none, none
    side = np.int64(1) if delta > 0 else np.int64(-1)
    qty, held = abs(delta), max(none, -side * position)
    if _off_grid(a, instrument, s, qty, held):
        return Outcome.OFF_GRID, side, qty, none
    ordinary, guarded = claimed_quantity(a, instrument, side, none)
    if ordinary + qty > QTY_MAX:
        return Outcome.OVERFLOW, side, qty, none
    closing = min(qty, max(none, held - ordinary - guarded))
    if guarded > 0 and closing < min(qty, held - ordinary):
        return Outcome.NO_QTY, side, qty, none
    if closing < qty and side < 0 and limit_of(a, instrument, Limit.ALLOW_SHORT) != 1:
        return Outcome.NO_QTY, side, qty, none
    return Outcome.APPLIED, side, qty, qty - closing


@kernel
def _guard(a: Arena, instrument: int, s: Row) -> tuple[Outcome, int, int, int]:
    """Size a protective order: bounded by the position and what its live parent may still bring, less other exits."""
    position, none = a[instrument + I_POSITION], np.int64(0)
    side = np.int64(-1) if position >= 0 else np.int64(1)
    coming = parent_leaves(a, s[E_PARENT], side, s[E_INSTRUMENT])
    if position == 0 and coming == 0:
        side = np.int64(1)
        coming = parent_leaves(a, s[E_PARENT], side, s[E_INSTRUMENT])
    qty = side * (s[E_TARGET] - (position - side * coming))
    if qty <= 0:
        return Outcome.AT_TARGET, none, none, none
    held = max(none, -side * position) + coming
    if _off_grid(a, instrument, s, qty, held):
        return Outcome.OFF_GRID, side, qty, none
    group = s[E_PARENT] if s[E_PARENT] != 0 else s[E_KEY]
    ordinary, guarded = claimed_quantity(a, instrument, side, group)
    if qty > held - ordinary - guarded:
        return Outcome.NO_QTY, side, qty, none
    return Outcome.APPLIED, side, qty, none


@kernel
def _priced(a: Arena, instrument: int, s: Row) -> Outcome:
    """Check that the market is open and the price within the collar around the last mark, if there is one."""
    if (a[H_GATES] | a[instrument + I_GATES]) & Gate.MARKET_CLOSED:
        return Outcome.MARKET_CLOSED
    collar, mark = limit_of(a, instrument, Limit.PRICE_COLLAR_BPS), a[instrument + I_MARK]
    if collar == AMOUNT_MAX or mark == 0:
        return Outcome.APPLIED
    width = try_muldiv(mark, collar, 10_000)
    return Outcome.PRICE_COLLAR if width != OVERFLOWED and abs(s[E_PRICE] - mark) > width else Outcome.APPLIED


@kernel
def _entry_gates(a: Arena, instrument: int, s: Row) -> Outcome:
    """Check what keeps new exposure out: old code, a raised gate of the instrument, an old or missing quote."""
    if a[H_GATES] & Gate.STALE_CODE:
        return Outcome.STALE_CODE
    if a[H_GATES] & Gate.BLOCKED or a[instrument + I_GATES] & ~Gate.MARKET_CLOSED:
        return Outcome.BLOCKED
    age, mark = limit_of(a, instrument, Limit.STALE_QUOTE_NS), a[instrument + I_MARK]
    if mark == 0 and (age != AMOUNT_MAX or limit_of(a, instrument, Limit.PRICE_COLLAR_BPS) != AMOUNT_MAX):
        return Outcome.NO_PRICE
    return Outcome.STALE_QUOTE if s[E_TIME] - a[instrument + I_MARK_TIME] > age else Outcome.APPLIED


@kernel
def _exposure(a: Arena, instrument: int, s: Row, side: int, qty: int) -> Outcome:
    """Check position, notional and number of open positions as they would be if all that works is filled."""
    ordinary, _ = claimed_quantity(a, instrument, side, np.int64(0))
    after = side * a[instrument + I_POSITION] + ordinary + qty
    if after > limit_of(a, instrument, Limit.MAX_POSITION):
        return Outcome.MAX_POSITION
    worth = notional(a, instrument, s[E_PRICE], max(np.int64(0), after))
    if worth == OVERFLOWED:
        return Outcome.OVERFLOW
    if worth > limit_of(a, instrument, Limit.MAX_NOTIONAL):
        return Outcome.MAX_NOTIONAL
    if a[instrument + I_OPEN] == 0 and a[H_OPEN] >= a[H_LIMIT + Limit.MAX_OPEN]:
        return Outcome.MAX_OPEN
    return Outcome.APPLIED


@inlined
def _counted(a: Arena, instrument: int, side: int) -> Outcome:
    """Check orders per day, in all and per instrument, and entries in a row on one side."""
    if a[H_DAY_ORDERS] >= a[H_LIMIT + Limit.DAILY_ORDERS]:
        return Outcome.MAX_DAILY_ORDERS
    if a[instrument + I_DAY_ORDERS] >= limit_of(a, instrument, Limit.SYMBOL_DAILY_ORDERS):
        return Outcome.MAX_DAILY_ORDERS
    in_a_row = a[instrument + I_REPEATS] if a[instrument + I_REPEAT_SIDE] == side else np.int64(0)
    if in_a_row >= limit_of(a, instrument, Limit.MAX_REPEAT):
        return Outcome.REPEATED
    return Outcome.APPLIED


@inlined
def _daily_loss(a: Arena) -> Outcome:
    """Check today's loss, realized and unrealized; an equity nobody knows is refused, not taken for zero."""
    allowed = a[H_LIMIT + Limit.DAILY_LOSS]
    if allowed == AMOUNT_MAX:
        return Outcome.APPLIED
    if a[H_UNMARKED] > 0 or a[H_DAY] == 0 or a[H_DAY_KNOWN] == 0:
        return Outcome.NO_PRICE
    equity = a[H_CASH] + a[H_VALUE]
    return Outcome.DAILY_LOSS if a[H_DAY_EQUITY] + a[H_DAY_FLOWS] - equity >= allowed else Outcome.APPLIED


@kernel
def _burst(a: Arena, time_ns: int, worth: int) -> Outcome:
    """Check the number and the notional of entries claimed within the window that ends now."""
    most, money = a[H_LIMIT + Limit.BURST_COUNT], a[H_LIMIT + Limit.BURST_NOTIONAL]
    if most == AMOUNT_MAX and money == AMOUNT_MAX:
        return Outcome.APPLIED
    since = time_ns - a[H_LIMIT + Limit.BURST_WINDOW_NS]
    count, total = np.int64(0), worth
    for back in range(1, min(a[H_CLAIMS], BURST_RING) + 1):
        ring = row(a, S_BURST, (a[H_CLAIMS] - back) % BURST_RING)
        if a[ring] > since:
            count += 1
            total = min(total + a[ring + 1], AMOUNT_MAX)
    # More entries than the ring remembers cannot be summed, so they are a burst whatever they were worth.
    return Outcome.BURST if count >= min(most, BURST_RING) or total > money else Outcome.APPLIED


@kernel
def reserve_for(a: Arena, instrument: int, s: Row, side: int, qty: int, opening: int) -> int:
    """Return the cash a claim must hold, e8: worst-case cost of the opening part less what the closing part frees.

    Returns OVERFLOWED when a product does not fit. A pure exit holds nothing.
    """
    if opening == 0:
        return np.int64(0)
    need = notional(a, instrument, s[E_PRICE], opening)
    freed = notional(a, instrument, s[E_PRICE], qty - opening)
    if need == OVERFLOWED or freed == OVERFLOWED:
        return OVERFLOWED
    if side < 0:
        need = try_muldiv(need, limit_of(a, instrument, Limit.SHORT_MARGIN_BPS), 10_000)
        if need == OVERFLOWED or need > VALUE_MAX:
            return OVERFLOWED
    elif qty > opening:
        freed = try_muldiv(a[instrument + I_SHORT_HOLD], qty - opening, -a[instrument + I_POSITION]) - freed
    return max(np.int64(0), need - freed) + s[E_FEE]


@inlined
def free_cash(a: Arena) -> int:
    """Return cash above the floor that is neither reserved nor held against short positions, e8.

    Each step is bounded before the next, so that no difference can wrap.
    """
    free = max(a[H_CASH] - a[H_RESERVED], -AMOUNT_MAX)
    free = max(free - a[H_SHORT_HOLD], -AMOUNT_MAX)
    return free - a[H_LIMIT + Limit.CASH_FLOOR]


@kernel
def _may_open(a: Arena, instrument: int, s: Row, side: int, qty: int, opening: int) -> Outcome:
    """Check everything that only an order with an opening part must pass, burst and cash apart."""
    answer = _entry_gates(a, instrument, s)
    if answer == Outcome.APPLIED:
        answer = _exposure(a, instrument, s, side, qty)
    if answer == Outcome.APPLIED:
        answer = _counted(a, instrument, side)
    if answer == Outcome.APPLIED:
        answer = _daily_loss(a)
    return answer


@kernel
def _affordable(a: Arena, instrument: int, s: Row, opening: int, reserve: int) -> Outcome:
    """Check the burst limits and the cash for the opening part."""
    worth = notional(a, instrument, s[E_PRICE], opening)
    if reserve == OVERFLOWED or worth == OVERFLOWED or reserve > VALUE_MAX:
        return Outcome.OVERFLOW
    answer = _burst(a, s[E_TIME], worth)
    if answer == Outcome.APPLIED and reserve > free_cash(a):
        return Outcome.NO_CASH
    return answer


@kernel
def size(a: Arena, s: Row) -> tuple[Outcome, int, int, int, int]:
    """Decide on a signal; read only.

    Args:
        a: the book. s: int64[EVENT_WIDTH] of kind SIGNAL or CLAIM: time_ns, key, instrument, target_lots,
            order_type, price_ticks (limit, or the worst price of a market order), fee_e8 (worst fee), flags,
            stop_ticks, take_ticks, trail_ticks, parent.
    Returns:
        (outcome, side, qty_lots, opening part in lots, reserve_e8); the numbers count only with APPLIED.
    """
    none = np.int64(0)
    answer = _malformed(a, s)
    if answer == Outcome.APPLIED:
        answer = _known_key(a, s)
    if answer != Outcome.APPLIED:
        return answer, none, none, none, none
    instrument = row(a, S_INSTRUMENT, s[E_INSTRUMENT])
    answer = _closed_gate(a, instrument, s)
    if answer != Outcome.APPLIED:
        return answer, none, none, none, none
    answer, side, qty, opening = _wish(a, instrument, s)
    if opening > 0 and (a[H_GATES] | a[instrument + I_GATES]) & Gate.HALTED:
        return Outcome.HALTED, side, qty, opening, none
    if answer == Outcome.APPLIED:
        answer = _priced(a, instrument, s)
    if answer == Outcome.APPLIED and opening > 0:
        answer = _may_open(a, instrument, s, side, qty, opening)
    if answer != Outcome.APPLIED or opening == 0:
        return answer, side, qty, opening, none
    reserve = reserve_for(a, instrument, s, side, qty, opening)
    return _affordable(a, instrument, s, opening, reserve), side, qty, opening, reserve
