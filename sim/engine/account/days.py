"""Days of an account: what settles, what the night cost, what the account must keep back.

Theory of operation. A trading day begins with the first bar of a later day than the book's.
Its DAY event comes first; then interest for the calendar days since the day before, then the
settlement of old sales: the cash floor of the book sinks by what may be spent from today on.
Borrow fees are charged per instrument, at its own first bar of a day (`corporate`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ledger.book import (
    E_CASH, E_REASON, E_REVISION, H_CASH, H_DAY, H_LIMIT, I_VALUE, S_INSTRUMENT, Arena, row, used,
)  # fmt: skip
from ledger.kernel import kernel
from ledger.kernels.gate import VALUE_MAX
from ledger.vocabulary import EventKind, Limit
from sim.costs import interest
from sim.engine.account.terms import Terms
from sim.engine.layout import Memory
from sim.engine.rows import blank

Ints = NDArray[np.int64]


@kernel
def new_day(a: Arena, day: int) -> bool:
    """Say whether a bar belongs to a later day than the book's."""
    return day > a[H_DAY]


@kernel
def write_day(a: Arena, log: Ints, memory: Memory, account: Terms, time_ns: int, day: int) -> None:
    """Write the beginning of a trading day, its interest and what settles; `day` is later than the book's."""
    line = log[blank(log, memory, EventKind.DAY, time_ns, 0)]
    line[E_REVISION] = day
    if a[H_DAY] > 0 and (account.carry.interest_e8 > 0 or account.carry.debit_e8 > 0):
        amount = interest(account.carry, a[H_CASH], short_value(a), day - a[H_DAY])
        if amount != 0:
            line = log[blank(log, memory, EventKind.INTEREST, time_ns, 0)]
            line[E_CASH] = amount
    if account.settle_days > 0:
        _settle(account)
        write_floor(a, log, memory, time_ns, account.settling[0])


@kernel
def short_value(a: Arena) -> int:
    """Return what all short positions are worth at their marks, e8, >= 0."""
    total = np.int64(0)
    for number in range(1, used(a, S_INSTRUMENT)):
        total -= min(np.int64(0), a[row(a, S_INSTRUMENT, number) + I_VALUE])
    return total


@kernel
def _settle(account: Terms) -> None:
    """Let a day pass (account modified in place): proceeds of `settle_days` ago are settled now."""
    pending, total = account.settling, np.int64(0)
    for age in range(account.settle_days, 1, -1):
        pending[age] = pending[age - 1]
        total += pending[age]
    pending[1] = 0
    pending[0] = total


@kernel
def write_floor(a: Arena, log: Ints, memory: Memory, time_ns: int, floor: int) -> bool:
    """Write the account's cash floor when it is another one now; say whether it was written."""
    bounded = max(-VALUE_MAX, min(VALUE_MAX, floor))
    if a[H_LIMIT + Limit.CASH_FLOOR] == bounded:
        return False
    line = log[blank(log, memory, EventKind.LIMIT, time_ns, 0)]
    line[E_REASON], line[E_CASH] = Limit.CASH_FLOOR, bounded
    return True


@kernel
def write_after_fills(a: Arena, log: Ints, memory: Memory, account: Terms, number: int, time_ns: int) -> None:
    """Write what follows from fills that are booked now: proceeds of sales that have not settled stay unspent."""
    if account.settle_days > 0:
        write_floor(a, log, memory, time_ns, account.settling[0])
