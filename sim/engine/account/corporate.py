"""Corporate actions and borrowed nights, instrument by instrument; and the end of an instrument.

Theory of operation. At the first bar of a day the night is charged on the position that was
held over it; then come the day's dividends, per share held before a split, received on long and
paid on short positions; then splits. A market order that works through a split is claimed again
for as many new shares: another key of the same decision (leg + 1), before the same open.
Other working orders are canceled, because their prices and quantities have lost their meaning, and
the wish is decided anew.

A fraction that a split leaves in a whole-share account is paid out at the last close, rescaled: the
shares leave by ADJUST_POSITION and their worth arrives as cash, so that deposits come out even and
the profit is the lots'. A delisted instrument ends the same way, after its last bar, at its last
close or for nothing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ledger.book import (
    E_CASH, E_PRICE, E_QTY, E_REF, E_SIDE, I_LIVE_FIRST, I_MARK, I_POSITION, I_QTY_EXP, I_STEP, I_VALUE, O_KEY, O_NEXT, O_TARGET,
    O_TYPE, S_ORDER, Arena, row,
)  # fmt: skip
from ledger.kernel import kernel
from ledger.kernels.gate import notional
from ledger.keys import LEGS_MAX, purpose_of
from ledger.units import muldiv
from ledger.vocabulary import EventKind, OrderType, Purpose
from sim.costs import borrow_fee
from sim.engine.account.orders import write_market
from sim.engine.account.terms import (
    CASH_IN_LIEU, DELISTING, KEEP, N_AGAIN, N_AGAIN_KEY, N_AGAIN_WISH, N_FRACTION, N_NIGHT, WORTHLESS, Terms,
)  # fmt: skip
from sim.engine.exchange import worst_price
from sim.engine.layout import NO_TARGET, SPLIT, Memory
from sim.engine.rows import blank, write_ends

Ints = NDArray[np.int64]


@kernel
def write_action(
    a: Arena, log: Ints, memory: Memory, account: Terms, actions: Ints, instrument: int, number: int, time_ns: int, day: int
) -> bool:
    """Write the next thing due at this open; False when there is none. Book what was written before asking again."""
    if account.notes[number, N_NIGHT] != day and _write_night(a, log, memory, account, instrument, number, time_ns, day):
        return True
    if account.notes[number, N_FRACTION] == 1:
        account.notes[number, N_FRACTION] = 0
        fraction = abs(a[instrument + I_POSITION]) % a[instrument + I_STEP]
        if fraction > 0:
            _write_leaving(
                a, log, memory, account, instrument, number, time_ns, fraction, a[instrument + I_MARK], CASH_IN_LIEU
            )
            return True
    if account.notes[number, N_AGAIN_KEY] != 0:
        return _write_again(a, log, memory, account, instrument, number, time_ns)
    at = memory.next_action[number]
    if at >= actions.shape[0] or actions[at, 0] != number or actions[at, 1] > day:
        return False
    memory.next_action[number] += 1
    if actions[at, 2] == SPLIT:
        _write_split(a, log, memory, account, actions[at], instrument, number, time_ns)
        return True
    amount = muldiv(a[instrument + I_POSITION], actions[at, 5], 10 ** a[instrument + I_QTY_EXP])
    if amount != 0:
        line = log[blank(log, memory, EventKind.DIVIDEND, time_ns, number)]
        line[E_CASH] = amount
    return True


@kernel
def _write_night(
    a: Arena, log: Ints, memory: Memory, account: Terms, instrument: int, number: int, time_ns: int, day: int
) -> bool:
    """Write the borrow fee of a short position for the days since its last bar's; say whether there is one."""
    nights = day - account.notes[number, N_NIGHT]
    account.notes[number, N_NIGHT] = day
    if a[instrument + I_POSITION] >= 0 or account.carry.borrow_e8 == 0:
        return False
    fee = borrow_fee(account.carry.borrow_e8, -a[instrument + I_VALUE], nights)
    if fee == 0:
        return False
    line = log[blank(log, memory, EventKind.BORROW_FEE, time_ns, number)]
    line[E_CASH] = fee
    return True


@kernel
def _write_split(
    a: Arena, log: Ints, memory: Memory, account: Terms, action: Ints, instrument: int, number: int, time_ns: int
) -> None:
    """Write a split after the cancels of all working orders; note what is to be done when it is booked."""
    notes, link, wish = account.notes[number], a[instrument + I_LIVE_FIRST], memory.last_target[number]
    if link != 0:
        memory.last_target[number] = NO_TARGET  # unless the order is claimed again
    while link > 0:
        order = row(a, S_ORDER, link - 1)
        purpose = purpose_of(a[order + O_KEY])
        if a[order + O_TYPE] == OrderType.MARKET and (purpose == Purpose.TARGET or purpose == Purpose.LIQUIDATE):
            if a[order + O_KEY] % LEGS_MAX < LEGS_MAX - 1:
                notes[N_AGAIN_KEY] = a[order + O_KEY] + 1
                notes[N_AGAIN] = muldiv(a[order + O_TARGET], action[3], action[4])
                notes[N_AGAIN_WISH] = wish
        link = a[order + O_NEXT]
    write_ends(a, log, memory, instrument, number, time_ns, EventKind.CANCELED)
    line = log[blank(log, memory, EventKind.SPLIT, time_ns, number)]
    line[E_QTY], line[E_PRICE] = action[3], action[4]
    notes[N_FRACTION] = 1


@kernel
def _write_again(a: Arena, log: Ints, memory: Memory, account: Terms, instrument: int, number: int, time_ns: int) -> bool:
    """Claim the order that a split canceled, for whole steps of new shares; say whether anything was written."""
    notes, step = account.notes[number], a[instrument + I_STEP]
    key, wanted = notes[N_AGAIN_KEY], notes[N_AGAIN]
    notes[N_AGAIN_KEY] = 0
    target = wanted // step * step if wanted >= 0 else -(-wanted // step * step)
    mark = a[instrument + I_MARK]
    if mark == 0:
        return False
    side = 1 if target >= a[instrument + I_POSITION] else -1
    worst = worst_price(mark, side, account.worst_bps)
    if write_market(a, log, memory, account, key, instrument, number, time_ns, target, worst):
        memory.last_target[number] = notes[N_AGAIN_WISH]
    return True


@kernel
def _write_leaving(
    a: Arena, log: Ints, memory: Memory, account: Terms, instrument: int, number: int, time_ns: int, qty: int, price: int,
    why: int,
) -> None:  # fmt: skip
    """Write shares that leave without a trade, long or short, and the cash that settles them."""
    side = -1 if a[instrument + I_POSITION] > 0 else 1
    line = log[blank(log, memory, EventKind.ADJUST_POSITION, time_ns, number)]
    line[E_SIDE], line[E_QTY], line[E_PRICE], line[E_REF] = side, qty, price, account.instruments + 1 + why
    worth = notional(a, instrument, price, qty)
    if worth > 0:
        kind = EventKind.DEPOSIT if side < 0 else EventKind.WITHDRAWAL
        line = log[blank(log, memory, kind, time_ns, number)]
        line[E_CASH], line[E_REF] = worth, account.instruments + 1 + why


@kernel
def write_end(a: Arena, log: Ints, memory: Memory, account: Terms, instrument: int, number: int, time_ns: int) -> bool:
    """Write the end of an instrument: its orders expire, then a delisted position is closed; False when all is done."""
    if a[instrument + I_LIVE_FIRST] != 0:
        write_ends(a, log, memory, instrument, number, time_ns, EventKind.EXPIRED)
        return True
    if account.endings[number] == KEEP or a[instrument + I_POSITION] == 0:
        return False
    price = 0 if account.endings[number] == WORTHLESS else a[instrument + I_MARK]
    _write_leaving(a, log, memory, account, instrument, number, time_ns, abs(a[instrument + I_POSITION]), price, DELISTING)
    return True
