"""One symbol of two sessions on one grid: quantities in shares of the end, prices in common ticks.

Theory of operation. The sessions may price a symbol on different grids, and one may have booked a
split that the other never saw because its prices were adjusted. So every quantity is turned into what it
became by the end (`final`), an exact integer on a grid fine enough for both, and every price into common
ticks. `worth` values a quantity at the reference mark: the later one of the two sessions' last
prices, so that it does not matter which session is called the first. Everything is Python integers: nothing overflows, and each
result is rounded once, half to even, as the book rounds.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from fractions import Fraction
from math import lcm
from typing import NamedTuple

from ledger.compare.model import Ints
from ledger.compare.reading import Decision, Reading, contract_size, half_even
from ledger.views.rows import EntryRecord, InstrumentRow

ONE = Fraction(1)


class Own(NamedTuple):
    """One session's way to the common grid."""

    lots: int
    """Common units of one of its lots, at the end."""
    ticks: int
    """Common ticks of one of its ticks."""
    splits: tuple[tuple[int, int, Fraction], ...]
    """(time_ns, entry number, new shares for one old one), rising; then `later[i]` is the product from i on."""
    later: tuple[Fraction, ...]
    position: int
    """What is held at the end, in common units."""
    value_e8: int
    mark: int | None
    """Last price in common ticks; None = never priced."""
    mark_time_ns: int
    unmatched: bool

    def factor(self, time_ns: int, number: int) -> Fraction:
        """Return how many shares of the end one share of that moment is."""
        if not self.splits:
            return ONE
        return self.later[bisect_right(self.splits, (time_ns, number, ONE * 10**9))]

    def final(self, entry: EntryRecord) -> int:
        """Return an entry's signed quantity in common units of the end."""
        raw = entry.side * entry.qty_lots * self.lots
        return raw if not self.splits else int(raw * self.factor(entry.time_ns, entry.number))


class Scale(NamedTuple):
    """One symbol in both sessions."""

    symbol: str
    a: Own | None
    b: Own | None
    number: int
    divisor: int
    """units * ticks * number / divisor is e8 of the currency."""
    mark: int | None
    """Reference price, common ticks; None = it cannot be known, and something is held."""
    market: MarketPrices | None

    @property
    def alike(self) -> bool:
        """Say whether a lot of the one is a lot of the other at any time."""
        if self.a is None or self.b is None:
            return False
        return self.a.lots == self.b.lots and not self.a.splits and not self.b.splits

    def worth(self, units: int) -> int:
        """Return what common units are worth at the reference price, e8."""
        return half_even(units * (self.mark or 0) * self.number, self.divisor)

    def at_market(self, own: Own, decision: Decision) -> int | None:
        """Return what a decision's executions would have cost at the market's price of their times; None = unknown."""
        total = Fraction(0)
        for entry in decision.fills:
            price = self.market.at(entry.time_ns) if self.market else None
            if price is None:
                return None
            total += own.final(entry) * price
        return half_even((total * self.number).numerator, total.denominator * self.divisor) if total else 0


class MarketPrices(NamedTuple):
    """Prices that one session recorded of a symbol."""

    time_ns: Ints
    price_ticks: Ints
    own: Own

    def at(self, time_ns: int) -> Fraction | None:
        """Return the last price recorded at or before a time, in common ticks for one share of the end."""
        place = int(self.time_ns.searchsorted(time_ns, side="right")) - 1
        if place < 0:
            return None
        seen = int(self.time_ns[place])
        return Fraction(int(self.price_ticks[place]) * self.own.ticks) / self.own.factor(seen, 0)


def scale_of(a: Reading, b: Reading, symbol: str, last_price: Fraction | None) -> Scale:
    """Return the common grid of a symbol.

    Args:
        last_price: a price in currency units, for a symbol that nobody holds and nobody priced.
    """
    mine, theirs = a.by_symbol.get(symbol), b.by_symbol.get(symbol)
    known = [row for row in (mine, theirs) if row is not None]
    price_exp, qty_exp = max((row.price_exp for row in known), default=0), max((row.qty_exp for row in known), default=0)
    fine = lcm(*(part.denominator for reading in (a, b) for part in _later(_splits(reading, symbol))))
    one, two = (_own(reading, row, symbol, price_exp, qty_exp, fine) for reading, row in ((a, mine), (b, theirs)))
    exp = 8 - price_exp - qty_exp
    number, divisor = 10 ** max(0, exp), 10 ** max(0, -exp) * fine
    return Scale(symbol, one, two, number, divisor, _reference(one, two, last_price, price_exp), _market(a, b, symbol, one, two))


def _splits(reading: Reading, symbol: str) -> list[tuple[int, int, Fraction]]:
    return sorted(
        (entry.time_ns, entry.number, Fraction(entry.qty_lots, entry.price_ticks))
        for entry in reading.splits
        if reading.symbols.get(entry.instrument) == symbol
    )


def _later(splits: Sequence[tuple[int, int, Fraction]]) -> tuple[Fraction, ...]:
    """Return for each place among the splits the product of those from there on."""
    products = [ONE]
    for _, _, ratio in reversed(splits):
        products.append(products[-1] * ratio)
    return tuple(reversed(products))


def _own(reading: Reading, row: InstrumentRow | None, symbol: str, price_exp: int, qty_exp: int, fine: int) -> Own | None:
    if row is None:
        return None
    splits = _splits(reading, symbol)
    lots, ticks = 10 ** (qty_exp - row.qty_exp) * contract_size(row) * fine, 10 ** (price_exp - row.price_exp)
    return Own(
        lots, ticks, tuple(splits), _later(splits), row.position_lots * lots, row.value_e8,
        row.mark_ticks * ticks if row.mark_ticks else None, row.mark_time_ns, row.unmatched_lots != 0,
    )  # fmt: skip


def _reference(a: Own | None, b: Own | None, last_price: Fraction | None, price_exp: int) -> int | None:
    """Return the price that quantities are valued at; where nothing is held any price gives the same total."""
    if any(own is not None and own.position and own.mark is None for own in (a, b)):
        return None
    marks = [(own.mark_time_ns, own.mark) for own in (a, b) if own is not None and own.mark is not None]
    return max(marks)[1] if marks else int((last_price or ONE) * 10**price_exp)


def _market(a: Reading, b: Reading, symbol: str, one: Own | None, two: Own | None) -> MarketPrices | None:
    """Return the finer of the two records of prices: delays are measured on one of them, never on both."""
    found = [
        (len(reading.marks[symbol]), MarketPrices(reading.marks[symbol][:, 0], reading.marks[symbol][:, 1], own))
        for reading, own in ((a, one), (b, two))
        if own is not None and symbol in reading.marks
    ]
    return max(found, key=lambda pair: pair[0])[1] if found else None
