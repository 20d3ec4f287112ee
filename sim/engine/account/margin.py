"""Margin accounts: how much may be bought on credit, and when the broker sells.

Theory of operation. With E the equity and G the value of all positions, long and short
together, at their marks, new positions may be worth E / initial - G less what working orders
have reserved. The gate of the book knows cash, reservations and a floor; so before a claim the
floor is set to where cash above it is exactly that buying power. A reversal of a short position
counts what it frees at the mark and not at the price it was sold at.

The call. At a bar's close, when E < long * maintenance + short * short maintenance, every
instrument that has a bar at this moment gives up its working orders and is claimed flat by a
market order with the purpose LIQUIDATE, which fills at its next open. The strategy is not asked
at this bar, and its target counts as accepted: it stays flat until its target changes.
Prices inside a bar call nothing: only closes are marks.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ledger.book import (
    H_CASH, H_SHORT_HOLD, H_VALUE, I_LIVE_FIRST, I_MARK, I_POSITION, I_SHORT_HOLD, I_VALUE, S_INSTRUMENT, Arena, row, used,
)  # fmt: skip
from ledger.kernel import kernel
from ledger.kernels.gate import notional
from ledger.keys import pack
from ledger.units import AMOUNT_MAX, muldiv
from ledger.vocabulary import EventKind, Purpose
from sim.engine.account.days import write_floor
from sim.engine.account.orders import write_market
from sim.engine.account.terms import MARGIN, T_CALL, T_CALLS, T_MOMENT, Terms
from sim.engine.layout import Memory
from sim.engine.rows import write_ends

Ints = NDArray[np.int64]
CLEAR, WRITTEN, CALLED = range(3)
"""No call; rows written that must be booked before asking again; the position is being closed, skip the wish."""


@kernel
def gross_values(a: Arena) -> tuple[int, int]:
    """Return what long and short positions are worth at their marks, both >= 0, e8."""
    long, short = np.int64(0), np.int64(0)
    for number in range(1, used(a, S_INSTRUMENT)):
        value = a[row(a, S_INSTRUMENT, number) + I_VALUE]
        long += max(np.int64(0), value)
        short -= min(np.int64(0), value)
    return long, short


@kernel
def buying_power(a: Arena, initial_bps: int) -> int:
    """Return the value of new positions that the equity carries at the initial requirement, e8; reservations not deducted."""
    long, short = gross_values(a)
    equity = min(max(a[H_CASH] + a[H_VALUE], 0), AMOUNT_MAX // 100)
    return int(muldiv(equity, 10_000, initial_bps)) - long - short


@kernel
def write_credit(
    a: Arena, log: Ints, memory: Memory, account: Terms, instrument: int, time_ns: int, target: int, worst: int
) -> bool:
    """Move the cash floor to where the gate spends the buying power; say whether that must be booked first.

    Args:
        target: the position to be claimed. worst: the price its cash will be reserved at, ticks.
    """
    if account.margin.kind != MARGIN:
        return False
    power = buying_power(a, account.margin.initial_bps)
    position = a[instrument + I_POSITION]
    if position < 0 and target > 0:
        # The gate frees proceeds and margin of the short less what buying it back costs; Reg T frees its value.
        freed = a[instrument + I_SHORT_HOLD] - notional(a, instrument, worst, -position)
        power -= max(0, freed + a[instrument + I_VALUE])
    return write_floor(a, log, memory, time_ns, a[H_CASH] - a[H_SHORT_HOLD] - power)


@kernel
def _called(a: Arena, account: Terms, time_ns: int) -> bool:
    """Say whether equity is below the maintenance requirement; asked once a moment (account modified in place)."""
    tally = account.tally
    if tally[T_MOMENT] != time_ns:
        long, short = gross_values(a)
        needed = muldiv(long, account.margin.long_bps, 10_000) + muldiv(short, account.margin.short_bps, 10_000)
        tally[T_MOMENT] = time_ns
        tally[T_CALL] = 1 if a[H_CASH] + a[H_VALUE] < needed else 0
    return tally[T_CALL] == 1


@kernel
def write_call(a: Arena, log: Ints, memory: Memory, account: Terms, instrument: int, number: int, time_ns: int) -> int:
    """Write what a margin call does to one instrument; return CLEAR, WRITTEN or CALLED."""
    if account.margin.kind != MARGIN or not _called(a, account, time_ns):
        return CLEAR
    if a[instrument + I_LIVE_FIRST] != 0:
        write_ends(a, log, memory, instrument, number, time_ns, EventKind.CANCELED)
        return WRITTEN
    if a[instrument + I_POSITION] != 0:
        key = pack(account.strategy, number, Purpose.LIQUIDATE, time_ns // 1_000_000_000, 0)
        if write_market(a, log, memory, account, key, instrument, number, time_ns, 0, a[instrument + I_MARK]):
            account.tally[T_CALLS] += 1
    return CALLED
