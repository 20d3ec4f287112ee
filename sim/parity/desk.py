"""The desk: books what the profile decided, through our gate and our ledger, on integers.

Theory of operation. One desk is one purse of a case: one book, its columns instruments
1, 2, ... Prices are ticks of 1e-8 and quantities whole shares, so money is exact. A deal
becomes a SIGNAL for the gate; a claim that the gate lets through is submitted, filled and
charged, event by event. A double that stands between two ticks is booked on the nearer
one, and how much money that moved is kept beside the book as an exact fraction, so that
`cash + moved` is what the doubles meant.

The gate is asked on the exact book. Long only, it must let through what vectorbt fills and
refuse what vectorbt cannot pay (`refused`). With short positions the two have different
rules: vectorbt lends without limit, our gate does not, and never refuses a cover. What
vectorbt fills and the gate refuses is then booked as a foreign execution and counted.
"""

from __future__ import annotations

from fractions import Fraction

from ledger import keys
from ledger.book import E_KEY, I_POSITION, Book, Capacity, Row, event
from ledger.core import apply, decide
from ledger.units import MONEY_SCALE, QTY_MAX
from ledger.vocabulary import EventKind, Gate, Limit, Outcome, Purpose

PRICE_EXP, SCALE = 8, 10**8
DAY_NS = 86_400 * 10**9
ROOM = Capacity(instruments=16, orders=1024, entries=1024, lots=1024, allocs=2048)


class DeskError(RuntimeError):
    """The book refused an event it had to take; the message names both."""


def ticks_of(price: float) -> int:
    """Return a price in ticks of 1e-8, rounded half to even once."""
    return round(Fraction(price) * SCALE)


class Desk:
    """One book of a case; `moved` is the money between the doubles and the ticks. Mutable."""

    def __init__(self, cash: float, columns: int, shorts: bool) -> None:
        self.book = Book(capacity=ROOM)
        self.moved = Fraction(0)
        self.stricter = 0
        self._executions = 0
        for number in range(1, columns + 1):
            self._book(event(EventKind.INSTRUMENT, instrument=number, revision=PRICE_EXP, price_ticks=1, qty_lots=1, target_lots=1))
        self._book(event(EventKind.LIMIT, reason=Limit.ALLOW_SHORT, cash_e8=int(shorts)))
        self._book(event(EventKind.LIMIT, reason=Limit.SHORT_MARGIN_BPS, cash_e8=0))
        self._book(event(EventKind.DEPOSIT, cash_e8=round(Fraction(cash) * MONEY_SCALE)))

    def _book(self, line: Row) -> None:
        outcome = apply(self.book, line)
        if outcome != Outcome.APPLIED:
            raise DeskError(f"the book answered {outcome.name} to an event of the profile: {line}")

    @property
    def cash(self) -> Fraction:
        """Money in the book with what rounding moved: what the doubles should add up to."""
        return Fraction(self.book.valuation().cash, MONEY_SCALE) + self.moved

    def position(self, column: int) -> int:
        """Return the shares held of a column, signed."""
        return int(self.book.instruments[column + 1, I_POSITION])

    def ask(self, column: int, bar: int, shares: float, price: float, fee: float) -> Outcome | None:
        """Return what the gate says to buying (+) or selling (-) that many shares, or None where it cannot be asked.

        It cannot be asked for part of a share, for nothing, or for more than a book can hold.
        """
        if not shares.is_integer() or shares == 0 or abs(shares) > QTY_MAX // 2:
            return None
        return decide(self.book, self._signal(column, bar, int(shares), price, fee)).outcome

    def _signal(self, column: int, bar: int, shares: int, price: float, fee: float) -> Row:
        key = keys.make(1, column + 1, Purpose.TARGET, bar * 86_400)
        return event(
            EventKind.SIGNAL, time_ns=bar * DAY_NS, key=key, instrument=column + 1, target_lots=self.position(column) + shares,
            price_ticks=max(1, ticks_of(price)), fee_e8=max(0, round(Fraction(fee) * MONEY_SCALE)),
        )  # fmt: skip

    def trade(self, column: int, bar: int, side: int, size: float, price: float, fee: float) -> None:
        """Book a deal: claim, acknowledgement, execution, fee.

        Raises:
            DeskError: a size that is no whole number of shares, or an event the book refused.
        """
        if not size.is_integer():
            raise DeskError(f"the profile filled {size!r} shares; the oracle draws whole shares only")
        shares, time_ns, instrument = int(size), bar * DAY_NS, column + 1
        claim = decide(self.book, self._signal(column, bar, side * shares, price, fee))
        key = int(claim.event[E_KEY]) if claim.outcome == Outcome.APPLIED else 0
        self.stricter += key == 0
        if key:
            self._book(claim.event)
            self._book(event(EventKind.SUBMITTED, time_ns=time_ns, key=key, instrument=instrument))
        self._executions += 1
        ticks, fee_e8 = ticks_of(price), round(Fraction(fee) * MONEY_SCALE)
        fill = event(
            EventKind.FILL, time_ns=time_ns, key=key, instrument=instrument, side=side, qty_lots=shares, price_ticks=ticks,
            exec_id=self._executions,
        )  # fmt: skip
        self._book(fill)
        self._book(event(EventKind.COMMISSION, time_ns=time_ns, exec_id=self._executions, fee_e8=fee_e8))
        if key == 0:
            self._book(event(EventKind.GATE, time_ns=time_ns, instrument=instrument, side=-1, reason=Gate.BLOCKED))
        self.moved += Fraction(ticks, SCALE) * side * shares - Fraction(price) * side * shares
        self.moved += Fraction(fee_e8, MONEY_SCALE) - Fraction(fee)

    def mark(self, column: int, bar: int, price: float) -> None:
        """Value a column at a price."""
        self._book(event(EventKind.MARK, time_ns=bar * DAY_NS, instrument=column + 1, price_ticks=ticks_of(price)))
