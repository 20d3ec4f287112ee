"""What an audit finds, and the case that it looks at.

Theory of operation. A Finding says which audit made it, how bad it is, the amount in exact units, the rows it
stands on, how the amount follows from them, and how sure that is: `certain` follows from the rows alone, `likely` needs one
assumption that is named, `suspected` has innocent look-alikes that are named. An audit is a function
from a Case to findings; it reads and changes nothing.

Slack. Stored amounts are sums of doubles, often rounded to cents. A difference up to half a cent, and a ten-billionth of
what was added up, is no finding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from ledger.rescue.legacy import Bools, Int64s, Legacy
from ledger.rescue.truth import Truth, truth_of
from ledger.units import decimal_text
from ledger.vocabulary import Method

CENT_E8 = 10**6
HALF_CENT_E8 = CENT_E8 // 2
_RELATIVE = 10**10
ERROR, WARNING, SUSPICION = "error", "warning", "suspicion"
CERTAIN, LIKELY, SUSPECTED = "certain", "likely", "suspected"

Calendar = Callable[[int, int], Int64s]
"""Days since 1970 of the sessions between two days, both included."""


class Finding(NamedTuple):
    """One thing that is wrong, or that may be."""

    audit: str
    severity: str
    title: str
    amount_e8: int | None
    rows: list[str]
    derivation: str
    sure: str
    symbol: str | None = None
    sql: str | None = None
    detail: tuple[dict[str, Any], ...] = ()


@dataclass
class Case:
    """A file, what is true of it, and what is known of its market."""

    legacy: Legacy
    truth: Truth
    calendar: Calendar | None = None
    average: Truth | None = None
    methods: dict[str, Method] = field(default_factory=dict)
    """What `profit.method_used` found out, once."""

    def under(self, method: Method) -> Truth:
        """Return the truth under another lot method; only FIFO and the average, which several audits need, are kept."""
        if method == Method.FIFO:
            return self.truth
        if method != Method.AVERAGE:
            return truth_of(self.legacy, method)
        if self.average is None:
            self.average = truth_of(self.legacy, method)
        return self.average

    @cached_property
    def booked(self) -> Bools:
        """Say which trades are in the book."""
        return self.legacy.trades.bookable

    @cached_property
    def flow_e8(self) -> Int64s:
        """What each trade did to cash, its fee included."""
        trades = self.legacy.trades
        return np.where(self.booked, -trades.side.astype(np.int64) * self.truth.value_e8 - trades.fee_e8, 0)

    def symbols_of(self, portfolio: str) -> Int64s:
        """Return the symbols of a portfolio."""
        return self.legacy.codes(portfolio)

    def start_of(self, portfolio: str) -> tuple[int, str]:
        """Return (start cash, how it is known) of a portfolio."""
        start = self.legacy.start.get(portfolio)
        return (start.amount_e8, start.origin) if start else (0, "unknown")

    def moved_e8(self, portfolio: str) -> int:
        """Return what was paid in and out of a portfolio."""
        return sum(move.amount_e8 for move in self.legacy.moves if move.portfolio == portfolio)


Audit = Callable[[Case], Iterator[Finding]]


def slack(gross_e8: int, terms: int = 1) -> int:
    """Return the difference that rounding explains, for sums of `terms` amounts of `gross_e8` in all."""
    return HALF_CENT_E8 * max(1, terms) + abs(int(gross_e8)) // _RELATIVE


def text(amount_e8: int | None) -> str:
    """Return an amount for a sentence."""
    return "unknown" if amount_e8 is None else f"{decimal_text(int(amount_e8)):s}"


def total(amounts: Int64s) -> int:
    """Return a sum as a Python integer."""
    return int(amounts.sum()) if len(amounts) else 0
