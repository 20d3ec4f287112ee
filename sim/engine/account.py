"""What the account does around an order: size it, charge it, and live through days and corporate actions.

Theory of operation. The loop calls the functions below at fixed points; each reads the
book, writes log rows with `rows.blank` or returns a number, and changes nothing in the
book itself. `Terms` carries every number they need and is made once a run by `terms`.

| hook | when |
|---|---|
| `write_day` | a bar of a later day than the book's opens; before everything else of that day |
| `write_action` | at an instrument's open, again and again until it says False; before fills |
| `lots_for` | a target was accepted for a decision: how many lots it means (before sizing is over, nothing is claimed) |
| `worst_fee` | a claim reserves the fee it may cost at most |
| `fill_fee` | a fill is written; its commission follows it in the log |
| `write_after_fills` | all fills of an instrument's part of a step are booked |
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ledger.book import (
    E_CASH, E_PRICE, E_QTY, E_REVISION, H_CASH, H_DAY, H_VALUE, I_DIVIDE, I_MULTIPLY, I_POSITION, I_QTY_EXP, I_STEP,
    O_FILLED, O_FILLED_VALUE, O_SIDE, Arena,
)  # fmt: skip
from ledger.kernel import jit, kernel
from ledger.kernels.gate import notional
from ledger.units import UnitError, muldiv, to_grid
from ledger.vocabulary import EventKind
from sim import costs
from sim.costs import Charged, CostModel, commission, next_fill_commission
from sim.engine.layout import NO_TARGET, SPLIT, Memory, Tape
from sim.engine.rows import blank, write_ends
from strategies.sizing import fixed, percent_of_equity

Ints = NDArray[np.int64]
BY_SHARES, BY_PERCENT = 0, 1
QTY_EXP = 4


class Terms(NamedTuple):
    """The numbers of an account: how wishes are sized and what trading costs."""

    size: int
    amount: int
    costs: CostModel


def parse_size(text: str, symbols: int) -> tuple[int, int]:
    """Return (kind, amount) of `percent:95` (of equity, shared equally by the symbols) or `shares:100`.

    Raises:
        UnitError: another word, or a number out of range.
    """
    kind, _, number = text.partition(":")
    if kind == "percent":
        bps = to_grid(number, 2, "size percent")
        if not 0 < bps <= 10_000 * 10:
            raise UnitError(f"size {text!r}: the percentage must be above 0 and at most 1000")
        return BY_PERCENT, bps // max(1, symbols)
    if kind == "shares":
        lots = to_grid(number, QTY_EXP, "size shares")
        if lots <= 0:
            raise UnitError(f"size {text!r}: the number of shares must be above 0")
        return BY_SHARES, lots
    raise UnitError(f"size {text!r} is not known; write percent:95 or shares:100")


def terms(setting: Any, symbols: int) -> Terms:
    """Return the numbers of a run's Setting; `symbols` wishes share the account.

    Raises:
        UnitError: a text that is no size or no cost model.
    """
    kind, amount = parse_size(setting.size, symbols)
    return Terms(kind, amount, costs.parse(setting.commission))


@kernel
def write_day(a: Arena, log: Ints, memory: Memory, account: Terms, time_ns: int, day: int) -> None:
    """Write the beginning of a trading day; `day` is later than the book's."""
    line = log[blank(log, memory, EventKind.DAY, time_ns, 0)]
    line[E_REVISION] = day


@kernel
def write_action(
    a: Arena, log: Ints, memory: Memory, account: Terms, actions: Ints, instrument: int, number: int, time_ns: int, day: int
) -> bool:
    """Write the next corporate action due at this open; False when there is none.

    A split cancels working orders, whose quantity it would falsify, and the wish is decided anew.
    """
    at = memory.next_action[number]
    if at >= actions.shape[0] or actions[at, 0] != number or actions[at, 1] > day:
        return False
    memory.next_action[number] += 1
    if actions[at, 2] == SPLIT:
        write_ends(a, log, memory, instrument, number, time_ns, EventKind.CANCELED)
        memory.last_target[number] = NO_TARGET
        line = log[blank(log, memory, EventKind.SPLIT, time_ns, number)]
        line[E_QTY], line[E_PRICE] = actions[at, 3], actions[at, 4]
        return True
    amount = muldiv(a[instrument + I_POSITION], actions[at, 5], 10 ** a[instrument + I_QTY_EXP])
    if amount != 0:
        line = log[blank(log, memory, EventKind.DIVIDEND, time_ns, number)]
        line[E_CASH] = amount
    return True


@jit
def lots_for(a: Arena, account: Terms, tape: Tape, instrument: int, number: int, bar: int, target_e6: int, price: int) -> int:
    """Return the position in lots that a target means now.

    Args:
        instrument: address in the book. number: its id. bar: row of the tape. price: ticks, the last close.
    """
    if account.size == BY_SHARES:
        return fixed(target_e6, account.amount, a[instrument + I_STEP])
    return percent_of_equity(
        target_e6, account.amount, a[H_CASH] + a[H_VALUE], price, a[instrument + I_MULTIPLY], a[instrument + I_DIVIDE],
        a[instrument + I_STEP],
    )  # fmt: skip


@kernel
def worst_fee(a: Arena, account: Terms, instrument: int, side: int, qty: int, price: int) -> int:
    """Return the most an order of `qty` lots can cost in fees at its worst price, e8."""
    scale = 10 ** a[instrument + I_QTY_EXP]
    return commission(account.costs, side, qty, price, notional(a, instrument, price, qty), scale)


@kernel
def fill_fee(a: Arena, account: Terms, instrument: int, order: int, qty: int, price: int) -> int:
    """Return the fee of the next fill of an order (its address), e8; earlier fills of it have paid their part."""
    scale, side = 10 ** a[instrument + I_QTY_EXP], a[order + O_SIDE]
    filled, worth = a[order + O_FILLED], a[order + O_FILLED_VALUE]
    charged = Charged(filled, worth, commission(account.costs, side, filled, price, worth, scale))
    return next_fill_commission(account.costs, charged, side, qty, price, notional(a, instrument, price, qty), scale)


@kernel
def write_after_fills(a: Arena, log: Ints, memory: Memory, account: Terms, number: int, time_ns: int) -> None:
    """Write what follows from fills that are booked now (nothing yet)."""


@kernel
def new_day(a: Arena, day: int) -> bool:
    """Say whether a bar belongs to a later day than the book's."""
    return day > a[H_DAY]
