"""The totals of a day, computed again from executions alone: a second opinion that shares no code with the book.

Theory of operation. Lots are matched here in fractions, without any rounding, from the rows of the executions and the
session's lot method; allocations, lots and the account row are not looked at. The book rounds each part of a lot to a unit, so a
profit may differ from this one by at most one unit for each allocation it is made of.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import NamedTuple

from ledger.views.rows import EntryRecord, InstrumentRow
from ledger.vocabulary import EventKind, InstrumentFlag, Method


@dataclass(slots=True)
class Lot:
    """What is left of an opening execution: signed lots, and what they cost (a short lot: what they brought, negative)."""

    lots: Fraction
    value: Fraction


@dataclass(slots=True)
class Day:
    """What executions say about one trading day; money in e8."""

    executions: int = 0
    bought_e8: int = 0
    sold_e8: int = 0
    fees_e8: int = 0
    fees_unknown: int = 0
    realized: Fraction = field(default_factory=Fraction)
    closings: int = 0


class Recount(NamedTuple):
    """What executions add up to: by trading day, and what the lots that are left have cost."""

    days: dict[int, Day]
    open_cost: Fraction


def recount(
    entries: Sequence[EntryRecord], instruments: dict[int, InstrumentRow], method: Method, day_of: Mapping[int, int],
    no_negative: frozenset[int] = frozenset(),
) -> Recount:  # fmt: skip
    """Return what each trading day's executions add up to, and the cost of the lots they leave.

    Args:
        entries: executions and facts that count. day_of: the trading day of each entry, by its number.
        no_negative: instruments whose sales beyond the lots are unmatched.
    """
    days: dict[int, Day] = {}
    open_cost = Fraction(0)
    for number in instruments:
        mine = sorted((one for one in entries if one.instrument == number), key=lambda one: (one.time_ns, one.number))
        open_cost += sum((lot.value for lot in _instrument(mine, method, day_of, number in no_negative, days)), Fraction(0))
    return Recount(days, open_cost)


def _instrument(
    entries: Sequence[EntryRecord], method: Method, day_of: Mapping[int, int], long_only: bool, days: dict[int, Day]
) -> list[Lot]:
    """Match one instrument's executions in the order of their times (days modified in place); return the lots that are left."""
    open_lots: list[Lot] = []
    for entry in entries:
        if entry.kind == EventKind.SPLIT:
            for lot in open_lots:
                lot.lots = lot.lots * entry.qty_lots / entry.price_ticks
        elif entry.kind in (EventKind.FILL, EventKind.ADJUST_POSITION):
            day = days.setdefault(day_of[entry.number], Day())
            if entry.kind == EventKind.FILL:
                _count(day, entry)
            if entry.qty_lots:
                _match(open_lots, entry, method, long_only, day)
    return open_lots


def _count(day: Day, entry: EntryRecord) -> None:
    day.executions += 1
    day.fees_e8 += entry.fee_e8
    day.fees_unknown += not entry.flags & 1
    if entry.side > 0:
        day.bought_e8 += entry.value_e8
    else:
        day.sold_e8 += entry.value_e8


def _match(open_lots: list[Lot], entry: EntryRecord, method: Method, long_only: bool, day: Day) -> None:
    """Close lots of the other side, then open what is left (both modified in place)."""
    left, value = Fraction(entry.side * entry.qty_lots), Fraction(entry.side * entry.value_e8)
    while left and open_lots and (open_lots[0].lots > 0) != (left > 0):
        lot = open_lots[_chosen(open_lots, method)]
        part = min(abs(left), abs(lot.lots))
        cost, proceeds = lot.value * part / abs(lot.lots), value * part / abs(left)
        day.realized += -proceeds - cost
        day.closings += 1
        lot.lots -= part if lot.lots > 0 else -part
        lot.value -= cost
        left, value = left - (part if left > 0 else -part), value - proceeds
        if lot.lots == 0:
            open_lots.remove(lot)
    if left and not (long_only and left < 0):
        _open(open_lots, Lot(left, value), method)


def _chosen(open_lots: Sequence[Lot], method: Method) -> int:
    """Return which lot is closed next: the oldest, the newest, or the dearest; of equal ones the oldest."""
    if method == Method.LIFO:
        return len(open_lots) - 1
    if method == Method.HIFO:
        prices = [abs(lot.value / lot.lots) for lot in open_lots]
        return prices.index(max(prices))
    return 0


def _open(open_lots: list[Lot], lot: Lot, method: Method) -> None:
    if method == Method.AVERAGE and open_lots:
        open_lots[0].lots += lot.lots
        open_lots[0].value += lot.value
    else:
        open_lots.append(lot)


def long_only(flags: dict[int, int]) -> frozenset[int]:
    """Return the instruments whose flags forbid a negative position."""
    return frozenset(number for number, flag in flags.items() if flag & InstrumentFlag.NO_NEGATIVE)
