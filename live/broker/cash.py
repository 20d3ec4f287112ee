"""Whether the broker's cash is the book's, and what is said when it is not.

Theory of operation. The broker tells its cash when it likes: soon after a trade, else every three minutes, in cents. What is on
its way (an execution, a fee) makes the two differ for a while; what differs by the same amount for longer is a dividend,
interest, a deposit, shares that were adjusted, or a fee that nobody told. It is said once and shown, closes nothing, and waits for
a person who says what it was (`ops/obey.py` records it as that), so that the causes of a change of equity stay true. Nothing is made
to fit by itself. Until the broker has told its cash it is unknown, and no difference.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from ledger.units import MONEY_EXP, UnitError, decimal_text, money
from ledger.vocabulary import EventKind

if TYPE_CHECKING:
    from live.broker.reconcile import Comparison
    from live.trader import Trader

LAG_NS = 200 * 10**9
"""Longer than the three minutes after which a broker tells its account's values again."""
CENT_E8 = 10**6


class Kind(NamedTuple):
    """What cash may have been."""

    event: EventKind
    direction: int
    """1 came, -1 went, 0 may do both; what has a direction is recorded without a sign."""


KINDS = {
    "deposit": Kind(EventKind.DEPOSIT, 1), "withdrawal": Kind(EventKind.WITHDRAWAL, -1), "dividend": Kind(EventKind.DIVIDEND, 0),
    "interest": Kind(EventKind.INTEREST, 0), "borrow-fee": Kind(EventKind.BORROW_FEE, -1), "adjustment": Kind(EventKind.ADJUST_CASH, 0),
}  # fmt: skip
OF_AN_INSTRUMENT = ("dividend", "borrow-fee")


class Cash:
    """The broker's cash beside the book's, as of the last look."""

    def __init__(self, currency: str) -> None:
        self._currency = currency
        self._book_e8 = self._gap_e8 = self._since_ns = self._looked_ns = 0
        self._broker_e8: int | None = None
        self._is_said = False

    def looked(self, trader: Trader, told: Decimal | None, found: Comparison, now_ns: int) -> Iterator[str]:
        """Take the broker's cash after a look, as the first deposit of a book that has none; yield what is to be said."""
        if found.complete and not found.differences and trader.deposit(told):
            yield f"first deposit: {self._words(trader.session.book.valuation().cash)}, told by the broker"
        elif not trader.is_funded():
            yield "NO DEPOSIT: nothing is decided before the broker told its cash and holds what the book holds"
        self.heard(trader.session.book.valuation().cash, told, now_ns)
        if self.gap_e8() and not self._is_said and trader.is_funded():
            self._is_said = True
            yield f"CASH DIFFERS: {self.differs()}; entries stay open, see `onebook paper cash`"

    def heard(self, book_e8: int, told: Decimal | None, now_ns: int) -> None:
        """Note both, and since when they have differed by so much."""
        try:
            self._broker_e8 = None if told is None else money(told)
        except UnitError:
            self._broker_e8 = None
        self._book_e8, self._looked_ns = book_e8, now_ns
        gap_e8 = 0 if self._broker_e8 is None else _cents(self._broker_e8 - book_e8)
        if gap_e8 != self._gap_e8:
            self._gap_e8, self._since_ns, self._is_said = gap_e8, now_ns, False

    def gap_e8(self) -> int:
        """Return how much more the broker has than the book, in 1e-8 of the currency; 0 while nobody knows, or it may be on its way."""
        return self._gap_e8 if self._looked_ns - self._since_ns >= LAG_NS else 0

    def broker(self) -> str | None:
        """Return the broker's cash as decimal text, None while it told none."""
        return None if self._broker_e8 is None else decimal_text(self._broker_e8, places=2)

    def differs(self) -> str | None:
        """Say how much cash the two have, None while it is the same, unknown, or may be on its way."""
        if not self.gap_e8() or self._broker_e8 is None:
            return None
        more = "more" if self._gap_e8 > 0 else "less"
        both = f"book {self._words(self._book_e8)}, broker {self._words(self._broker_e8)}"
        return f"{both}: the broker has {self._words(abs(self._gap_e8))} {more}"

    def _words(self, amount_e8: int) -> str:
        return f"{Decimal(amount_e8).scaleb(-MONEY_EXP):,.2f} {self._currency}"


def _cents(more_e8: int) -> int:
    """Return a difference in whole cents, as cash comes and goes; less than one is the broker's rounding.

    The book has fractions of a cent (prices and fees have), and the broker rounds them, a half upwards; here a half goes down again.
    """
    return 0 if abs(more_e8) < CENT_E8 else (2 * more_e8 + CENT_E8 - 1) // (2 * CENT_E8) * CENT_E8
