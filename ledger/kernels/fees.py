"""Fees of executions, shared out over allocations and open lots.

Theory of operation. The core books fees on executions and in cash, because a
broker reports them late. What part of a fee belongs to which allocation is a
question for reports, and is answered here from the book alone: walk each
instrument's entries again in booking order and split every fee the way its
quantity was split, by remainder, so that shares always add to the whole. An
opening fee travels with its lot, through splits and pooling, until the lot is
closed. Read only.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ledger.book import (
    A_CLOSE, A_INSTRUMENT, A_LOT, A_QTY, A_VERSION, I_ENTRY_FIRST, I_VERSION, L_ENTRY, L_INSTRUMENT, L_VERSION, N_FEE,
    N_KIND, N_NEXT, N_PRICE, N_QTY, S_ALLOC, S_ENTRY, S_INSTRUMENT, S_LOT, Arena, row, used,
)  # fmt: skip
from ledger.kernel import kernel
from ledger.kernels.lots import share
from ledger.units import muldiv
from ledger.vocabulary import EventKind

Amounts = NDArray[np.int64]


@kernel
def _current(a: Arena, instrument_number: int, version: int) -> bool:
    """Say whether a row belongs to the instrument's current version."""
    return a[row(a, S_INSTRUMENT, instrument_number) + I_VERSION] == version


@kernel
def _firsts(a: Arena, first_alloc: Amounts, first_lot: Amounts) -> None:
    """Find, per entry, its first allocation and its lot of the current version (arrays modified in place, -1 = none)."""
    for number in range(used(a, S_ALLOC) - 1, -1, -1):
        alloc = row(a, S_ALLOC, number)
        if _current(a, a[alloc + A_INSTRUMENT], a[alloc + A_VERSION]):
            first_alloc[a[alloc + A_CLOSE]] = number
    for number in range(used(a, S_LOT)):
        lot = row(a, S_LOT, number)
        if _current(a, a[lot + L_INSTRUMENT], a[lot + L_VERSION]):
            first_lot[a[lot + L_ENTRY]] = number


@kernel
def _split_lots(a: Arena, instrument_number: int, entry: int, lot_open: Amounts, lot_fee: Amounts) -> int:
    """Rescale what is open in each lot as `lots._split` does; a vanished lot's fee goes where its cost went.

    Returns:
        The fee of a position that vanished as a whole: it belongs to the allocation that closed it.
    """
    numerator, denominator = a[entry + N_QTY], a[entry + N_PRICE]
    before, after, orphan, heir = np.int64(0), np.int64(0), np.int64(0), np.int64(-1)
    for number in range(used(a, S_LOT)):
        lot = row(a, S_LOT, number)
        if lot_open[number] == 0 or a[lot + L_INSTRUMENT] != instrument_number:
            continue
        before += lot_open[number]
        fresh = muldiv(before, numerator, denominator) - after
        after += fresh
        lot_open[number] = fresh
        orphan += lot_fee[number]
        lot_fee[number] = 0
        if fresh > 0:
            heir = number
            lot_fee[heir] += orphan
            orphan = np.int64(0)
    if heir < 0:
        return orphan
    lot_fee[heir] += orphan
    return np.int64(0)


@kernel
def _close(a: Arena, number: int, entry_number: int, lot_open: Amounts, lot_fee: Amounts, open_fee: Amounts) -> int:
    """Give allocation `number` its part of its lot's fee (arrays modified in place); return its quantity, 0 = not this entry's."""
    if number < 0 or number >= used(a, S_ALLOC):
        return np.int64(0)
    alloc = row(a, S_ALLOC, number)
    if a[alloc + A_CLOSE] != entry_number or not _current(a, a[alloc + A_INSTRUMENT], a[alloc + A_VERSION]):
        return np.int64(0)
    lot, take = a[alloc + A_LOT], a[alloc + A_QTY]
    open_fee[number] = share(lot_fee[lot], take, lot_open[lot])
    lot_fee[lot] -= open_fee[number]
    lot_open[lot] -= take
    return take


@kernel
def share_fees(
    a: Arena, only: int, open_fee: Amounts, close_fee: Amounts, lot_fee: Amounts, lot_open: Amounts, firsts: Amounts,
    first_lots: Amounts,
) -> None:  # fmt: skip
    """Fill the fee shares of current allocations and lots (all arrays but `a` modified in place); only 0 = all instruments."""
    _firsts(a, firsts, first_lots)
    for instrument_number in range(max(1, only), only + 1 if only > 0 else used(a, S_INSTRUMENT)):
        link, pool = a[row(a, S_INSTRUMENT, instrument_number) + I_ENTRY_FIRST], np.int64(-1)
        while link > 0:
            entry_number = link - 1
            entry = row(a, S_ENTRY, entry_number)
            link = a[entry + N_NEXT]
            number = firsts[entry_number]
            fee, qty = a[entry + N_FEE], a[entry + N_QTY]
            if a[entry + N_KIND] == EventKind.SPLIT:
                gone = _split_lots(a, instrument_number, entry, lot_open, lot_fee)
                if number >= 0:
                    open_fee[number] = gone
                continue
            take = _close(a, number, entry_number, lot_open, lot_fee, open_fee)
            while take > 0:
                close_fee[number] = share(fee, take, qty)
                fee, qty, number = fee - close_fee[number], qty - take, number + 1
                take = _close(a, number, entry_number, lot_open, lot_fee, open_fee)
            if first_lots[entry_number] >= 0:
                pool = first_lots[entry_number]
            if qty > 0 and pool >= 0 and (first_lots[entry_number] >= 0 or lot_open[pool] > 0):
                lot_open[pool] += qty
                lot_fee[pool] += fee


def fee_shares(arena: Arena, instrument: int = 0) -> tuple[Amounts, Amounts, Amounts]:
    """Return (opening fee per allocation, closing fee per allocation, fee still in each lot), int64 e8.

    Rows of older versions, and of other instruments than the one asked for (0 = all), get 0.
    The shares of one execution's fee, with what is
    left in its lot, add to that fee; an unmatched closer keeps its own.
    """
    allocs, lots, entries = (int(used(arena, section)) for section in (S_ALLOC, S_LOT, S_ENTRY))
    open_fee, close_fee = np.zeros(allocs, np.int64), np.zeros(allocs, np.int64)
    lot_fee, lot_open = np.zeros(lots, np.int64), np.zeros(lots, np.int64)
    none = np.full((2, max(1, entries)), -1, np.int64)
    share_fees(arena, instrument, open_fee, close_fee, lot_fee, lot_open, none[0], none[1])
    return open_fee, close_fee, lot_fee
