"""Lots the slow way: lists, dicts and exact integers, written from the page on lots and not from the kernels.

A closer takes lots of the other side in the order of the method; each part of a
lot carries its share of the cost, each part of a closer its share of the
proceeds, rounded half-even, and the last taker takes the rest.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

FIFO, LIFO, HIFO, AVERAGE = range(4)


def half_even(numerator: int, denominator: int) -> int:
    """Return the nearest integer of a ratio, ties to even; denominator > 0."""
    whole, rest = divmod(numerator, denominator)
    return whole + (2 * rest > denominator or (2 * rest == denominator and whole % 2))


@dataclass
class Lot:
    """What is left of one opening."""

    entry: int
    side: int
    qty: int
    open: int
    value: int
    cost: int


@dataclass(frozen=True)
class Allocation:
    """A part of a lot that a closer took; `lot` counts the lots of this version."""

    lot: int
    close: int
    side: int
    qty: int
    cost: int
    proceeds: int

    @property
    def profit(self) -> int:
        return self.side * (self.proceeds - self.cost)


@dataclass
class Lots:
    """The lots of one instrument: feed it trades and splits in the order of their times."""

    method: int = FIFO
    no_negative: bool = False
    lots: list[Lot] = field(default_factory=list)
    open: list[int] = field(default_factory=list)
    """Numbers of the open lots, oldest first."""
    allocations: list[Allocation] = field(default_factory=list)
    unmatched: list[tuple[int, int, int]] = field(default_factory=list)
    """(entry, quantity, value) of closers that found no lot."""

    @property
    def position(self) -> int:
        return sum(self.lots[n].side * self.lots[n].open for n in self.open)

    @property
    def open_cost(self) -> int:
        return sum(self.lots[n].side * self.lots[n].cost for n in self.open)

    @property
    def realized(self) -> int:
        return sum(allocation.profit for allocation in self.allocations)

    def trade(self, entry: int, side: int, qty: int, value: int) -> None:
        """Close what can be closed, open the rest."""
        while qty and self.open and self.lots[self.open[0]].side == -side:
            number = self._next()
            taken = min(qty, self.lots[number].open)
            part = half_even(value * taken, qty)
            self._take(number, entry, taken, part)
            qty, value = qty - taken, value - part
        if qty and side < 0 and self.no_negative:
            self.unmatched.append((entry, qty, value))
        elif qty and self.method == AVERAGE and self.open:
            pool = self.lots[self.open[0]]
            pool.qty, pool.open, pool.value, pool.cost = pool.qty + qty, pool.open + qty, pool.value + value, pool.cost + value
        elif qty:
            self.open.append(len(self.lots))
            self.lots.append(Lot(entry, side, qty, qty, value, value))

    def split(self, entry: int, new: int, old: int) -> None:
        """Give `new` shares for every `old`: running totals are rounded, so the lots add to the rounded position."""
        total = shown = 0
        sizes = {}
        for number in self.open:
            total += self.lots[number].open
            sizes[number] = half_even(total * new, old) - shown
            shown += sizes[number]
        kept = [number for number in self.open if sizes[number]]
        if self.open and not kept:
            last = self.open[-1]
            for number in self.open[:-1]:
                self._give(number, last)
            self._take(last, entry, self.lots[last].open, 0)
        for place, number in enumerate(self.open if kept else []):
            if not sizes[number]:
                later = [n for n in self.open[place:] if sizes[n]]
                self._give(number, later[0] if later else kept[-1])
            else:
                lot = self.lots[number]
                lot.qty, lot.open = lot.qty - lot.open + sizes[number], sizes[number]
        self.open = kept

    def _next(self) -> int:
        if self.method == LIFO:
            return self.open[-1]
        if self.method == HIFO:
            return max(self.open, key=lambda n: (Fraction(self.lots[n].cost, self.lots[n].open), -n))
        return self.open[0]

    def _take(self, number: int, entry: int, qty: int, proceeds: int) -> None:
        lot = self.lots[number]
        cost = half_even(lot.cost * qty, lot.open)
        self.allocations.append(Allocation(number, entry, lot.side, qty, cost, proceeds))
        lot.open, lot.cost = lot.open - qty, lot.cost - cost
        if lot.open == 0:
            self.open.remove(number)

    def _give(self, number: int, heir: int) -> None:
        """A lot that a split made vanish leaves its cost to a neighbour."""
        gone, lot = self.lots[number], self.lots[heir]
        lot.cost, lot.value = lot.cost + gone.cost, lot.value + gone.cost
        gone.qty, gone.value = gone.qty - gone.open, gone.value - gone.cost
        gone.open = gone.cost = 0
