"""The profile `vectorbt`, orders: what becomes of one wish, in vectorbt's own arithmetic.

Theory of operation. vectorbt 1.2 decides in doubles, with tolerances, in a fixed order
of checks; whoever wants its trades must decide so too. This file says those rules once,
for one order: `resolve` turns a wish into signed shares, `trade` buys or sells them out
of a purse and names what stood in the way. It changes nothing: the caller books the deal.
The order of every operation is part of the rule, because doubles are not associative.

Left out, and never drawn by the oracle: lock_cash, random rejection, and infinite short
sales, whose size depends on a free cash that no book of ours has.

Source of the rules: vectorbt 1.2.0, its documentation and observed behaviour of both engines.
"""

from __future__ import annotations

import math
from enum import IntEnum
from typing import NamedTuple

from ledger.vocabulary import Outcome

NAN, INF = math.nan, math.inf
RELATIVE, ABSOLUTE = 1e-9, 1e-12


class Kind(IntEnum):
    """What the size of a wish counts."""

    AMOUNT = 0
    VALUE = 1
    PERCENT = 2
    TARGET_AMOUNT = 3
    TARGET_VALUE = 4
    TARGET_PERCENT = 5


class Way(IntEnum):
    """Which positions a wish may lead to."""

    LONG = 0
    SHORT = 1
    BOTH = 2


class Reason(IntEnum):
    """Why a wish was not filled; FILLED if it was. The numbers are vectorbt's."""

    FILLED = -1
    SIZE_NAN = 0
    PRICE_NAN = 1
    VAL_PRICE_NAN = 2
    VALUE_NAN = 3
    VALUE_ZERO_NEG = 4
    SIZE_ZERO = 5
    NO_CASH_SHORT = 6
    NO_CASH_LONG = 7
    NO_OPEN_POSITION = 8
    MAX_SIZE_EXCEEDED = 9
    RANDOM_EVENT = 10
    CANT_COVER_FEES = 11
    MIN_SIZE_NOT_REACHED = 12
    PARTIAL_FILL = 13


OUTCOME = {
    Reason.FILLED: Outcome.APPLIED,
    Reason.SIZE_NAN: Outcome.AT_TARGET,
    Reason.SIZE_ZERO: Outcome.AT_TARGET,
    Reason.PRICE_NAN: Outcome.NO_PRICE,
    Reason.VAL_PRICE_NAN: Outcome.NO_PRICE,
    Reason.VALUE_NAN: Outcome.NO_PRICE,
    Reason.VALUE_ZERO_NEG: Outcome.NO_CASH,
    Reason.NO_CASH_SHORT: Outcome.NO_CASH,
    Reason.NO_CASH_LONG: Outcome.NO_CASH,
    Reason.CANT_COVER_FEES: Outcome.NO_CASH,
    Reason.NO_OPEN_POSITION: Outcome.NO_QTY,
    Reason.MAX_SIZE_EXCEEDED: Outcome.MAX_POSITION,
    Reason.MIN_SIZE_NOT_REACHED: Outcome.OFF_GRID,
    Reason.PARTIAL_FILL: Outcome.NO_CASH,  # of a purchase; a sale beyond the position is NO_QTY
}
"""vectorbt's reasons in our words. RANDOM_EVENT has none: chance refuses nothing here."""


class Terms(NamedTuple):
    """What holds for every order of a case; sizes in shares, rates as fractions."""

    rate: float = 0.0
    slippage: float = 0.0
    least: float = 1e-8
    most: float = INF
    step: float = 1.0  # NaN: any size
    partial: bool = True


class Wish(NamedTuple):
    """One order as a caller of vectorbt writes it."""

    size: float
    price: float
    kind: Kind
    way: Way
    slippage: float


class Ask(NamedTuple):
    """A wish in shares: signed, infinite for `as much as there is`; fraction: of the purse, NaN for all of it."""

    reason: Reason
    size: float
    fraction: float


class Deal(NamedTuple):
    """What became of a wish; side +1, -1 or 0. `cash` and `position` are those after it."""

    reason: Reason
    side: int
    size: float
    price: float
    fee: float
    cash: float
    position: float

    @property
    def outcome(self) -> Outcome:
        """Say it in our words."""
        return OUTCOME[self.reason]


def same(a: float, b: float) -> bool:
    """Say whether two finite doubles are equal for vectorbt."""
    if not (math.isfinite(a) and math.isfinite(b)):
        return False
    return a == b or abs(a - b) <= max(RELATIVE * max(abs(a), abs(b)), ABSOLUTE)


def less(a: float, b: float) -> bool:
    """Say whether a is below b by more than the tolerance."""
    return not same(a, b) and a < b


def plus(a: float, b: float) -> float:
    """Return a + b, and exactly 0 where they nearly cancel."""
    cancels = same(abs(a), abs(b)) if _sign(a) != _sign(b) else same(a + b, 0.0)
    return 0.0 if cancels else a + b


def snapped(a: float) -> float:
    """Return a, or exactly 0 when it is nearly that."""
    return 0.0 if same(a, 0.0) else a


def _sign(a: float) -> int:
    return (a > 0) - (a < 0)


def floored(size: float, step: float) -> float:
    """Return the size in whole steps; numba and rust agree on it for whole steps, not for 0.1 (see the README)."""
    return size if math.isnan(step) else size // step * step


def resolve(wish: Wish, position: float, value: float, mark: float) -> Ask:
    """Return a wish in signed shares, or why it has none.

    Args:
        position: shares held. value: of the account as vectorbt sees it now. mark: price for valuing.
    """
    if math.isnan(wish.size):
        return Ask(Reason.SIZE_NAN, NAN, NAN)
    if math.isnan(wish.price):
        return Ask(Reason.PRICE_NAN, NAN, NAN)
    size, kind = (-wish.size if wish.way == Way.SHORT else wish.size), wish.kind
    if kind == Kind.TARGET_PERCENT:
        value = snapped(value)
        if math.isnan(value) or value <= 0:
            return Ask(Reason.VALUE_NAN if math.isnan(value) else Reason.VALUE_ZERO_NEG, NAN, NAN)
        size *= value
    if kind in (Kind.VALUE, Kind.TARGET_VALUE, Kind.TARGET_PERCENT):
        if math.isnan(mark):
            return Ask(Reason.VAL_PRICE_NAN, NAN, NAN)
        size /= mark
    if kind in (Kind.TARGET_AMOUNT, Kind.TARGET_VALUE, Kind.TARGET_PERCENT):
        size -= position
    if kind == Kind.PERCENT:
        return Ask(Reason.FILLED, math.copysign(INF, size), abs(size))
    if size == -INF and wish.way != Way.LONG:
        raise ValueError("an infinite short sale needs vectorbt's free cash, which this profile does not follow")
    return Ask(Reason.FILLED, size, NAN)


def trade(cash: float, position: float, ask: Ask, wish: Wish, terms: Terms, fixed: float) -> Deal:
    """Buy or sell what was asked for as far as vectorbt would.

    Args:
        cash: of the purse, >= 0. ask: from `resolve`. fixed: fee of this order besides the rate.
    """
    cash, position = snapped(cash), snapped(position)
    if ask.reason != Reason.FILLED:
        return _not(ask.reason, cash, position)
    if ask.size > 0:
        return _buy(cash, position, ask, wish, terms, fixed)
    return _sell(cash, position, ask, wish, terms, fixed)


def _not(reason: Reason, cash: float, position: float) -> Deal:
    return Deal(reason, 0, NAN, NAN, NAN, cash, position)


def _buy(cash: float, position: float, ask: Ask, wish: Wish, terms: Terms, fixed: float) -> Deal:
    price = wish.price * (1 + wish.slippage)
    purse = cash if math.isnan(ask.fraction) else min(cash, ask.fraction * cash)
    if wish.way == Way.SHORT and position == 0:
        return _not(Reason.NO_OPEN_POSITION, cash, position)
    if wish.way != Way.SHORT and purse == 0:
        return _not(Reason.NO_CASH_LONG, cash, position)
    want = min(-position, ask.size) if wish.way == Way.SHORT else ask.size
    if want > terms.most and not terms.partial:
        return _not(Reason.MAX_SIZE_EXCEEDED, cash, position)
    want = floored(min(want, terms.most), terms.step)
    fee = want * price * terms.rate + fixed
    got, spent = want, want * price + fee
    if not (same(spent, purse) or spent < purse):
        room = plus(purse, -fixed) / (1 + terms.rate)
        if room <= 0:
            return _not(Reason.CANT_COVER_FEES, cash, position)
        got = floored(room / price, terms.step)
        fee = purse - room if math.isnan(terms.step) else got * price * terms.rate + fixed
        spent = purse if math.isnan(terms.step) else got * price + fee
    if same(want, 0.0):
        return _not(Reason.SIZE_ZERO, cash, position)
    short = _too_small(got, ask.size, terms)
    if short != Reason.FILLED:
        return _not(short, cash, position)
    return Deal(Reason.FILLED, 1, got, price, fee, plus(cash, -spent), plus(position, got))


def _sell(cash: float, position: float, ask: Ask, wish: Wish, terms: Terms, fixed: float) -> Deal:
    price, asked = wish.price * (1 - wish.slippage), -ask.size
    want = min(position, asked) if wish.way == Way.LONG else asked
    if not math.isnan(ask.fraction):
        want = ask.fraction * want
    if want > terms.most and not terms.partial:
        return _not(Reason.MAX_SIZE_EXCEEDED, cash, position)
    want = min(want, terms.most)
    if wish.way == Way.LONG and position == 0:
        return _not(Reason.NO_OPEN_POSITION, cash, position)
    want = floored(want, terms.step)
    if same(want, 0.0):
        return _not(Reason.SIZE_ZERO, cash, position)
    short = _too_small(want, asked, terms)
    if short != Reason.FILLED:
        return _not(short, cash, position)
    gross = want * price
    fee = gross * terms.rate + fixed
    net = plus(gross, -fee)
    if net < 0:
        return _not(Reason.CANT_COVER_FEES, cash, position)
    return Deal(Reason.FILLED, -1, want, price, fee, cash + net, plus(position, -want))


def _too_small(got: float, asked: float, terms: Terms) -> Reason:
    """Return what is wrong with getting less than was asked for, or FILLED."""
    if less(got, terms.least):
        return Reason.MIN_SIZE_NOT_REACHED
    if math.isfinite(asked) and less(got, asked) and not terms.partial:
        return Reason.PARTIAL_FILL
    return Reason.FILLED


def approximate(wish: Wish, cash: float, position: float, value: float, mark: float) -> float:
    """Return the worth of an order before it is executed: `call_seq="auto"` sorts by it, sales first."""
    size = -wish.size if wish.way == Way.SHORT else wish.size
    held = position * mark
    if wish.kind == Kind.AMOUNT:
        return size * mark
    if wish.kind == Kind.VALUE:
        return size
    if wish.kind == Kind.PERCENT:
        return size * cash if size >= 0 else size * held
    if wish.kind == Kind.TARGET_AMOUNT:
        return size * mark - held
    return (size if wish.kind == Kind.TARGET_VALUE else size * value) - held
