"""The comparison: our walk beside vectorbt's log, order by order; the first difference is named.

Theory of operation. Both sides list every order of a case in the same order, filled or
not. Bar, column, reason, side, size, price and fee must be the same doubles, bit for bit;
the cash after each order may differ by TOLERANCE of what the case began with, because
vectorbt adds doubles and we add integers. Long only, our gate's word for the whole wish,
asked on the exact book, must be vectorbt's as well.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import NamedTuple

from ledger.vocabulary import Outcome
from sim.parity.cases import Case
from sim.parity.rules import Reason
from sim.parity.vbt import Theirs
from sim.parity.walk import Step, Walked

TOLERANCE = Fraction(1, 10**12)
"""Of the cash at the start: 1e-6 in 1e6."""

LIKELY = {
    "orders": "one side made an order that the other never thought of: look at the signals of the last bar both have",
    "bar": "the two sides call the columns in another order, or a signal was dropped on one side",
    "column": "the two sides call the columns of a bar in another order",
    "reason": "a check was passed on one side only: cash, fee or size stand at a tolerance",
    "side": "the wish has another sign: value or position differed before",
    "size": "a size was rounded down to whole steps from two doubles on the two sides of a step",
    "price": "a stop was measured from another base, or slippage was applied on one side only",
    "fee": "the rate was applied to another size or price",
    "cash": "an execution or fee is missing in one of the books",
    "records": "vectorbt's log and its order records disagree with each other",
    "value": "a position is valued at another price",
    "gate": "our gate, asked on exact integers, judges the wish otherwise than vectorbt's doubles",
}


class Difference(NamedTuple):
    """The first thing in which two sides of a case differ."""

    case: str
    family: str
    engine: str
    bar: int
    column: int
    field: str
    ours: str
    theirs: str

    @property
    def likely(self) -> str:
        """Say what most likely made it."""
        return LIKELY[self.field]


Named = Callable[[int, int, str, object, object], Difference]


class Verdict(NamedTuple):
    """What the comparison of one case found; `drift`: largest cash difference per 1e6 of the start."""

    difference: Difference | None
    drift: float


def compare(case: Case, ours: Walked, theirs: Theirs, engine: str) -> Verdict:
    """Return the first difference of a case, if any, and how far the cash of the two ran apart."""

    def differs(bar: int, column: int, field: str, mine: object, yours: object) -> Difference:
        return Difference(case.name, case.family, engine, bar, column, field, str(mine), str(yours))

    drift = Fraction(0)
    allowed = TOLERANCE * Fraction(case.cash)
    for number, step in enumerate(ours.steps[: len(theirs.bar)]):
        for field, mine, yours in _fields(step, theirs, number):
            if mine != yours:
                return Verdict(differs(step.bar, step.column, field, mine, yours), float(drift))
        apart = abs(step.cash - Fraction(float(theirs.cash[number])))
        drift = max(drift, apart / Fraction(case.cash) * 10**6)
        if apart > allowed:
            return Verdict(differs(step.bar, step.column, "cash", float(step.cash), theirs.cash[number]), float(drift))
        expected = expected_gate(case, step)
        if expected is not None and step.gate != expected:
            said = step.gate.name if step.gate is not None else "nothing"
            return Verdict(differs(step.bar, step.column, "gate", said, expected.name), float(drift))
    return Verdict(_whole(case, ours, theirs, differs), float(drift))


def _fields(step: Step, theirs: Theirs, number: int) -> list[tuple[str, str, str]]:
    """Return (field, ours, theirs) of one order, doubles in full."""
    deal = step.deal
    mine = (step.bar, step.column, int(deal.reason), deal.side, deal.size, deal.price, deal.fee)
    names = ("bar", "column", "reason", "side", "size", "price", "fee")
    return [(name, repr(value), repr(column[number].item())) for name, value, column in zip(names, mine, theirs[:7], strict=True)]


def _whole(case: Case, ours: Walked, theirs: Theirs, named: Named) -> Difference | None:
    """Return a difference of the case as a whole: number of orders, of records, worth at the end."""
    last = case.close.shape[0] - 1
    if len(ours.steps) != len(theirs.bar):
        return named(last, 0, "orders", len(ours.steps), len(theirs.bar))
    filled = sum(step.deal.reason == Reason.FILLED for step in ours.steps)
    if filled != theirs.records:
        return named(last, 0, "records", filled, theirs.records)
    for number, (mine, yours) in enumerate(zip(ours.value, theirs.value, strict=True)):
        moved = float(ours.desks[number].moved)
        if abs(mine + moved - yours) > 1e-12 * max(case.cash, abs(mine)) * 10:
            return named(last, number, "value", mine + moved, yours)
    return None


def expected_gate(case: Case, step: Step) -> Outcome | None:
    """Return what our gate must say to a whole wish, or None where the two have different rules.

    They have different rules for short positions (vectorbt lends without limit, we never refuse a cover), for orders
    that the case's own smallest, largest or step size cuts, and for exits that do not earn their fee.
    """
    terms, deal, asked = case.terms, step.deal, abs(step.asked)
    if step.gate is None or case.shorts or asked > terms.most or asked < terms.least:
        return None
    if not math.isnan(terms.step) and asked % terms.step != 0:
        return None
    if deal.reason == Reason.CANT_COVER_FEES and step.asked < 0:
        return None
    if deal.reason == Reason.FILLED and deal.size == asked:
        return Outcome.APPLIED
    return Outcome.NO_CASH if step.asked > 0 else Outcome.NO_QTY
