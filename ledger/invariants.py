"""What must hold in every book after every event, each recounted from the rows.

Theory of operation. `check` believes no total: it walks the rows and compares.
It runs after every fuzz step and every backtest, at a live start and on a timer.
The first broken invariant is returned by name; loops are bounded by row counts,
so a damaged list gives an answer and not a hang. Read only.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np

from ledger.book import (
    A_CLOSE, A_COST, A_INSTRUMENT, A_LOT, A_PROCEEDS, A_QTY, A_SIDE, A_VERSION, H_ADJUSTED, H_CASH, H_DAY_ORDERS,
    H_DEPOSITS, H_FEES, H_INCOME, H_LIMIT, H_OPEN, H_OPEN_COST, H_OVERDRAWN, H_REALIZED, H_RESERVED, H_SHORT_HOLD, H_UNMARKED,
    H_UNMATCHED, H_VALUE, I_DAY_ORDERS, I_ENTRIES, I_ENTRY_FIRST, I_ENTRY_LAST, I_FEES, I_FLAGS, I_LIVE_ENTRIES,
    I_LIVE_FIRST, I_LOT_FIRST, I_LOT_LAST, I_LOTS, I_MARK, I_OPEN, I_OPEN_COST, I_POSITION, I_REALIZED, I_SHORT_HOLD,
    I_UNMATCHED, I_UNMATCHED_VALUE, I_VALUE, I_VERSION, I_WORKING, L_COST, L_INSTRUMENT, L_NEXT, L_OPEN, L_PREV,
    L_QTY, L_SIDE, L_VALUE, L_VERSION, N_FEE, N_FLAGS, N_ID, N_INSTRUMENT, N_KIND, N_NEXT, N_ORDER, N_PREV, N_PRICE,
    N_QTY, N_SIDE, N_TIME, N_VALUE, O_FILLED, O_FILLED_VALUE, O_FLAGS, O_INSTRUMENT, O_KEY, O_NEXT, O_PARENT, O_QTY, O_SIDE,
    O_STATUS, S_ALLOC, S_ENTRY, S_IDS, S_INSTRUMENT, S_KEYS, S_LOT, S_ORDER, S_UNMATCHED, U_ENTRY, U_INSTRUMENT, U_QTY,
    U_VALUE, U_VERSION, Arena, Book, find, row, used,
)  # fmt: skip
from ledger.kernel import jit, kernel
from ledger.kernels.gate import notional
from ledger.kernels.orders import held_cash, leads, leaves, live, protective
from ledger.units import AMOUNT_MAX, muldiv
from ledger.vocabulary import EntryFlag, EventKind, InstrumentFlag, Limit, OrderFlag, OrderStatus


class Invariant(IntEnum):
    """The first thing that does not hold; HOLDS when all do."""

    HOLDS = 0
    KEY_USED_ONCE = 1
    EXECUTION_APPLIED_ONCE = 2
    STATUS_IN_TABLE = 3
    FILLED_IS_ITS_EXECUTIONS = 4
    LIVE_LIST_IS_LIVE_ORDERS = 5
    ONE_LIVE_ENTRY = 6
    RESERVED_IS_LIVE_ORDERS = 7
    RESERVED_WITHIN_CASH = 8
    EXITS_WITHIN_POSITION = 9
    ENTRIES_SORTED = 10
    POSITION_IS_LOTS = 11
    POSITION_IS_EXECUTIONS = 12
    ALLOCATED_WITHIN_LOT = 13
    CLOSER_WITHIN_EXECUTION = 14
    REALIZED_IS_ALLOCATIONS = 15
    FEES_ARE_EXECUTIONS = 16
    CASH_IDENTITY = 17
    CASH_IS_ENTRIES = 18
    COUNTERS_ARE_RECOUNT = 19
    EQUITY_IS_CASH_AND_POSITIONS = 20


@kernel
def _identities(a: Arena) -> Invariant:
    """Keys and execution ids stand once, and the indexes find them."""
    for number in range(used(a, S_ORDER)):
        if find(a, S_KEYS, a[row(a, S_ORDER, number) + O_KEY], S_ORDER) != number:
            return Invariant.KEY_USED_ONCE
    for number in range(used(a, S_ENTRY)):
        entry = row(a, S_ENTRY, number)
        if a[entry + N_ID] > 0 and not a[entry + N_FLAGS] & EntryFlag.SUPERSEDED:
            if find(a, S_IDS, a[entry + N_ID], S_ENTRY) != number:
                return Invariant.EXECUTION_APPLIED_ONCE
    return Invariant.HOLDS


@jit
def _orders(a: Arena) -> Invariant:
    """Each order's filled quantity and value are its effective executions; its status and flags agree with them."""
    filled, value = np.zeros(used(a, S_ORDER), np.int64), np.zeros(used(a, S_ORDER), np.int64)
    for number in range(used(a, S_ENTRY)):
        entry = row(a, S_ENTRY, number)
        if a[entry + N_ORDER] >= 0 and not a[entry + N_FLAGS] & EntryFlag.SUPERSEDED:
            filled[a[entry + N_ORDER]] += a[entry + N_QTY]
            value[a[entry + N_ORDER]] += a[entry + N_VALUE]
    for number in range(used(a, S_ORDER)):
        order = row(a, S_ORDER, number)
        status, flags = a[order + O_STATUS], a[order + O_FLAGS]
        if status < OrderStatus.CLAIMED or status > OrderStatus.RELEASED:
            return Invariant.STATUS_IN_TABLE
        if a[order + O_FILLED] != filled[number] or a[order + O_FILLED_VALUE] != value[number]:
            return Invariant.FILLED_IS_ITS_EXECUTIONS
        complete = filled[number] >= a[order + O_QTY]
        if status == OrderStatus.FILLED and not complete and not flags & OrderFlag.CORRECTED:
            return Invariant.FILLED_IS_ITS_EXECUTIONS
        if live(a, order) and complete and not flags & OrderFlag.CORRECTED:
            return Invariant.FILLED_IS_ITS_EXECUTIONS
        if filled[number] > a[order + O_QTY] and not flags & OrderFlag.OVERFILL:
            return Invariant.FILLED_IS_ITS_EXECUTIONS
        if status == OrderStatus.RELEASED and filled[number] > 0 and not flags & OrderFlag.LATE_FILL:
            return Invariant.FILLED_IS_ITS_EXECUTIONS
    return Invariant.HOLDS


@kernel
def _live_lists(a: Arena) -> Invariant:
    """Each instrument's list holds its live orders and no other; working quantity and entries are their sums."""
    lives = np.int64(0)
    for number in range(used(a, S_ORDER)):
        lives += 1 if live(a, row(a, S_ORDER, number)) else 0
    for number in range(1, used(a, S_INSTRUMENT)):
        instrument = row(a, S_INSTRUMENT, number)
        link, working, entries, alone = a[instrument + I_LIVE_FIRST], np.int64(0), np.int64(0), np.int64(0)
        while link > 0:
            order = row(a, S_ORDER, link - 1)
            if lives == 0 or not live(a, order) or a[order + O_INSTRUMENT] != number:
                return Invariant.LIVE_LIST_IS_LIVE_ORDERS
            lives -= 1
            working += np.int64(0) if protective(a[order + O_KEY]) else a[order + O_SIDE] * leaves(a, order)
            if a[order + O_FLAGS] & OrderFlag.OPENING:
                entries += 1
                alone += 0 if a[order + O_FLAGS] & OrderFlag.PYRAMID else 1
            link = a[order + O_NEXT]
        if working != a[instrument + I_WORKING] or entries != a[instrument + I_LIVE_ENTRIES]:
            return Invariant.LIVE_LIST_IS_LIVE_ORDERS
        if alone > 1:
            return Invariant.ONE_LIVE_ENTRY
    return Invariant.HOLDS if lives == 0 else Invariant.LIVE_LIST_IS_LIVE_ORDERS


@kernel
def _reservations(a: Arena) -> Invariant:
    """Reserved cash is the sum over live orders, and within cash above the floor unless a broker fact took the cash away."""
    reserved = np.int64(0)
    for number in range(used(a, S_ORDER)):
        reserved += held_cash(a, row(a, S_ORDER, number))
    if reserved != a[H_RESERVED]:
        return Invariant.RESERVED_IS_LIVE_ORDERS
    floor = a[H_LIMIT + Limit.CASH_FLOOR]
    if reserved > 0 and reserved + floor > a[H_CASH] - a[H_SHORT_HOLD] and a[H_OVERDRAWN] == 0:
        return Invariant.RESERVED_WITHIN_CASH
    return Invariant.HOLDS


@jit
def _disturbed(a: Arena) -> np.ndarray:
    """Return bool per instrument: a fact that no order of ours announced moved its position."""
    result = np.zeros(used(a, S_INSTRUMENT), np.bool_)
    odd = EntryFlag.LATE | EntryFlag.OVERFILL | EntryFlag.FOREIGN | EntryFlag.REBOOKED | EntryFlag.SUPERSEDED
    for number in range(used(a, S_ENTRY)):
        entry = row(a, S_ENTRY, number)
        if a[entry + N_FLAGS] & odd or a[entry + N_KIND] == EventKind.ADJUST_POSITION:
            result[a[entry + N_INSTRUMENT]] = True
    return result


@jit
def _turned(a: Arena) -> np.ndarray:
    """Return int64[instruments, 2]: what filled orders that were allowed to open traded, by side (0 sold, 1 bought)."""
    result = np.zeros((used(a, S_INSTRUMENT), 2), np.int64)
    for number in range(used(a, S_ORDER)):
        order = row(a, S_ORDER, number)
        if a[order + O_FLAGS] & OrderFlag.OPENING:
            which = result[a[order + O_INSTRUMENT]]
            which[(a[order + O_SIDE] + 1) // 2] = min(which[(a[order + O_SIDE] + 1) // 2] + a[order + O_FILLED], AMOUNT_MAX)
    return result


@jit
def _exits(a: Arena) -> Invariant:
    """Working exits never exceed the position they close.

    An order that also opens was allowed to, so it is no mere exit; once it is filled it may have
    closed what an older exit was to close, and that exit then opens what the other was allowed to.
    A guard that came with an entry may outlive it when the entry is rejected: cancelling it is
    the order manager's business, and no fault of the book.
    """
    disturbed, turned = _disturbed(a), _turned(a)
    for number in range(1, used(a, S_INSTRUMENT)):
        instrument = row(a, S_INSTRUMENT, number)
        exits, link, side = np.int64(0), a[instrument + I_LIVE_FIRST], np.int64(-1)
        if a[instrument + I_POSITION] < 0:
            side = np.int64(1)
        while link > 0:
            order = row(a, S_ORDER, link - 1)
            link = a[order + O_NEXT]
            if a[order + O_SIDE] != side or a[order + O_FLAGS] & OrderFlag.OPENING:
                continue
            if not protective(a[order + O_KEY]):
                exits += leaves(a, order)
            elif a[order + O_PARENT] == 0 and leads(a, instrument, order):
                exits += leaves(a, order)
        if exits > abs(a[instrument + I_POSITION]) + turned[number, (side + 1) // 2] and not disturbed[number]:
            return Invariant.EXITS_WITHIN_POSITION
    return Invariant.HOLDS


@kernel
def _entry_lists(a: Arena) -> Invariant:
    """Entries are sorted by time, and replaying their quantities gives the position and the unmatched quantity."""
    for number in range(1, used(a, S_INSTRUMENT)):
        instrument = row(a, S_INSTRUMENT, number)
        link, last, count = a[instrument + I_ENTRY_FIRST], np.int64(0), np.int64(0)
        position, missing = np.int64(0), np.int64(0)
        while link > 0 and count <= a[instrument + I_ENTRIES]:
            entry = row(a, S_ENTRY, link - 1)
            if a[entry + N_PREV] != last or a[entry + N_FLAGS] & EntryFlag.SUPERSEDED:
                return Invariant.ENTRIES_SORTED
            if last > 0 and a[row(a, S_ENTRY, last - 1) + N_TIME] > a[entry + N_TIME]:
                return Invariant.ENTRIES_SORTED
            if a[entry + N_KIND] == EventKind.SPLIT:
                position = muldiv(position, a[entry + N_QTY], a[entry + N_PRICE])
            else:
                position += a[entry + N_SIDE] * a[entry + N_QTY]
            if position < 0 and a[instrument + I_FLAGS] & InstrumentFlag.NO_NEGATIVE:
                missing, position = missing - position, np.int64(0)
            last, link, count = link, a[entry + N_NEXT], count + 1
        if count != a[instrument + I_ENTRIES] or last != a[instrument + I_ENTRY_LAST]:
            return Invariant.ENTRIES_SORTED
        if position != a[instrument + I_POSITION] or missing != a[instrument + I_UNMATCHED]:
            return Invariant.POSITION_IS_EXECUTIONS
    return Invariant.HOLDS


@kernel
def _lot_lists(a: Arena) -> Invariant:
    """The open lots of an instrument are of one side and one version and add to its position and open cost."""
    for number in range(1, used(a, S_INSTRUMENT)):
        instrument = row(a, S_INSTRUMENT, number)
        link, last, count = a[instrument + I_LOT_FIRST], np.int64(0), np.int64(0)
        position, cost = np.int64(0), np.int64(0)
        while link > 0 and count <= a[instrument + I_LOTS]:
            lot = row(a, S_LOT, link - 1)
            side = a[lot + L_SIDE]
            if a[lot + L_OPEN] < 1 or a[lot + L_INSTRUMENT] != number or a[lot + L_PREV] != last:
                return Invariant.POSITION_IS_LOTS
            if a[lot + L_VERSION] != a[instrument + I_VERSION] or side * a[instrument + I_POSITION] <= 0:
                return Invariant.POSITION_IS_LOTS
            position, cost = position + side * a[lot + L_OPEN], cost + side * a[lot + L_COST]
            last, link, count = link, a[lot + L_NEXT], count + 1
        if count != a[instrument + I_LOTS] or last != a[instrument + I_LOT_LAST]:
            return Invariant.POSITION_IS_LOTS
        if position != a[instrument + I_POSITION] or cost != a[instrument + I_OPEN_COST]:
            return Invariant.POSITION_IS_LOTS
    return Invariant.HOLDS


@jit
def _allocations(a: Arena) -> Invariant:
    """Every lot is what its allocations took plus what is open; closers are of the other side and gave what they had."""
    qty, cost = np.zeros(used(a, S_LOT), np.int64), np.zeros(used(a, S_LOT), np.int64)
    given = np.zeros(used(a, S_ENTRY), np.int64)
    for number in range(used(a, S_ALLOC)):
        alloc = row(a, S_ALLOC, number)
        qty[a[alloc + A_LOT]] += a[alloc + A_QTY]
        cost[a[alloc + A_LOT]] += a[alloc + A_COST]
        if a[alloc + A_VERSION] == a[row(a, S_INSTRUMENT, a[alloc + A_INSTRUMENT]) + I_VERSION]:
            given[a[alloc + A_CLOSE]] += a[alloc + A_QTY]
        closer = row(a, S_ENTRY, a[alloc + A_CLOSE])
        if a[closer + N_SIDE] != -a[alloc + A_SIDE] and a[closer + N_KIND] != EventKind.SPLIT:
            return Invariant.CLOSER_WITHIN_EXECUTION
    for number in range(used(a, S_UNMATCHED)):
        miss = row(a, S_UNMATCHED, number)
        if a[miss + U_VERSION] == a[row(a, S_INSTRUMENT, a[miss + U_INSTRUMENT]) + I_VERSION]:
            given[a[miss + U_ENTRY]] += a[miss + U_QTY]
    for number in range(used(a, S_LOT)):
        lot = row(a, S_LOT, number)
        if qty[number] + a[lot + L_OPEN] != a[lot + L_QTY] or cost[number] + a[lot + L_COST] != a[lot + L_VALUE]:
            return Invariant.ALLOCATED_WITHIN_LOT
        if a[lot + L_OPEN] < 0 or (a[lot + L_OPEN] == 0 and a[lot + L_COST] != 0):
            return Invariant.ALLOCATED_WITHIN_LOT
    for number in range(used(a, S_ENTRY)):
        entry = row(a, S_ENTRY, number)
        if a[entry + N_KIND] != EventKind.SPLIT and given[number] > a[entry + N_QTY]:
            return Invariant.CLOSER_WITHIN_EXECUTION
    return Invariant.HOLDS


@jit
def _profits(a: Arena) -> Invariant:
    """Realized profit is the sum over current allocations; fees are the sum over executions."""
    realized, fees = np.zeros(used(a, S_INSTRUMENT), np.int64), np.zeros(used(a, S_INSTRUMENT), np.int64)
    unmatched = np.zeros(used(a, S_INSTRUMENT), np.int64)
    for number in range(used(a, S_ALLOC)):
        alloc = row(a, S_ALLOC, number)
        which = a[alloc + A_INSTRUMENT]
        if a[alloc + A_VERSION] == a[row(a, S_INSTRUMENT, which) + I_VERSION]:
            realized[which] += a[alloc + A_SIDE] * (a[alloc + A_PROCEEDS] - a[alloc + A_COST])
    for number in range(used(a, S_UNMATCHED)):
        miss = row(a, S_UNMATCHED, number)
        which = a[miss + U_INSTRUMENT]
        if a[miss + U_VERSION] == a[row(a, S_INSTRUMENT, which) + I_VERSION]:
            unmatched[which] += a[miss + U_VALUE]
    for number in range(used(a, S_ENTRY)):
        entry = row(a, S_ENTRY, number)
        fees[a[entry + N_INSTRUMENT]] += a[entry + N_FEE]
    for number in range(1, used(a, S_INSTRUMENT)):
        instrument = row(a, S_INSTRUMENT, number)
        if realized[number] != a[instrument + I_REALIZED] or unmatched[number] != a[instrument + I_UNMATCHED_VALUE]:
            return Invariant.REALIZED_IS_ALLOCATIONS
        if fees[number] != a[instrument + I_FEES]:
            return Invariant.FEES_ARE_EXECUTIONS
    if realized.sum() != a[H_REALIZED] or unmatched.sum() != a[H_UNMATCHED]:
        return Invariant.REALIZED_IS_ALLOCATIONS
    return Invariant.HOLDS if fees.sum() == a[H_FEES] else Invariant.FEES_ARE_EXECUTIONS


@kernel
def _cash_of(a: Arena, entry: int) -> int:
    """Return what one entry did to cash, its fee apart."""
    kind, value = a[entry + N_KIND], a[entry + N_VALUE]
    if a[entry + N_FLAGS] & EntryFlag.SUPERSEDED or kind == EventKind.SPLIT or kind == EventKind.ADJUST_POSITION:
        return np.int64(0)
    if kind == EventKind.FILL:
        return -a[entry + N_SIDE] * value
    return -value if kind == EventKind.WITHDRAWAL or kind == EventKind.BORROW_FEE else value


@kernel
def _money(a: Arena) -> Invariant:
    """Cash is the sum of what moved it, and cash + open cost = deposits + realized - fees + income + adjustments."""
    cash = -a[H_FEES]
    for number in range(used(a, S_ENTRY)):
        cash += _cash_of(a, row(a, S_ENTRY, number))
    if cash != a[H_CASH]:
        return Invariant.CASH_IS_ENTRIES
    owed = a[H_DEPOSITS] + a[H_REALIZED] - a[H_FEES] + a[H_INCOME] + a[H_ADJUSTED] + a[H_UNMATCHED]
    return Invariant.HOLDS if a[H_CASH] + a[H_OPEN_COST] == owed else Invariant.CASH_IDENTITY


@kernel
def _counters(a: Arena) -> Invariant:
    """Every total of the account is the sum over its instruments; every position is worth quantity times mark."""
    cost, hold, value = np.int64(0), np.int64(0), np.int64(0)
    unmarked, opened, day = np.int64(0), np.int64(0), np.int64(0)
    for number in range(1, used(a, S_INSTRUMENT)):
        instrument = row(a, S_INSTRUMENT, number)
        position, mark = a[instrument + I_POSITION], a[instrument + I_MARK]
        worth = notional(a, instrument, mark, position) if mark > 0 else np.int64(0)
        if worth != a[instrument + I_VALUE]:
            return Invariant.EQUITY_IS_CASH_AND_POSITIONS
        is_open = position != 0 or a[instrument + I_LIVE_ENTRIES] > 0
        if is_open != (a[instrument + I_OPEN] == 1):
            return Invariant.COUNTERS_ARE_RECOUNT
        cost, hold = cost + a[instrument + I_OPEN_COST], hold + a[instrument + I_SHORT_HOLD]
        value, day = value + worth, day + a[instrument + I_DAY_ORDERS]
        unmarked += 1 if position != 0 and mark == 0 else 0
        opened += 1 if is_open else 0
    if value != a[H_VALUE] or unmarked != a[H_UNMARKED]:
        return Invariant.EQUITY_IS_CASH_AND_POSITIONS
    same = cost == a[H_OPEN_COST] and hold == a[H_SHORT_HOLD] and opened == a[H_OPEN] and day == a[H_DAY_ORDERS]
    return Invariant.HOLDS if same else Invariant.COUNTERS_ARE_RECOUNT


@jit
def check_arena(a: Arena) -> Invariant:
    """Return the first invariant that does not hold in the book, or HOLDS."""
    for answer in (
        _identities(a),
        _orders(a),
        _live_lists(a),
        _reservations(a),
        _exits(a),
        _entry_lists(a),
        _lot_lists(a),
        _allocations(a),
        _profits(a),
        _money(a),
        _counters(a),
    ):
        if answer != Invariant.HOLDS:
            return answer
    return Invariant.HOLDS


def check(book: Book) -> Invariant:
    """Return the first invariant that does not hold in the book, or HOLDS (0)."""
    return Invariant(check_arena(book.arena))
