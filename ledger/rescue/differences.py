"""What a file stores beside what is true: for each closing trade, each symbol and each day, with the reason.

Theory of operation. A line is a stored profit, the profit that the booked lots give, their difference and why they differ. A
closer that stores nothing has no difference, and neither has one without a lot: nobody knows its true profit. Sums
of symbols and days add what is known and say how many are not. Both columns have the same meaning (before or
after fees), the one that the file's own values have.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np

from ledger.journal.days import trading_days
from ledger.rescue.audit.allocations import allocated_profits
from ledger.rescue.audit.finding import Case
from ledger.rescue.audit.profit import Conventions, compared, groups
from ledger.rescue.times import day_text, time_text
from ledger.vocabulary import Method

EQUAL, NOT_STORED, NO_LOT = "equal", "no profit stored", "sold without a lot: nobody can know the profit"


class Line(NamedTuple):
    """One closing trade; amounts e8, None where there is none or nobody knows it."""

    row: str
    symbol: str
    day: str
    time: str
    stored_e8: int | None
    allocated_e8: int | None
    """What the file's own table of allocations says, where it has one."""
    true_e8: int | None
    difference_e8: int | None
    reason: str


class Sum(NamedTuple):
    """The lines of a symbol or a day added up."""

    name: str
    closers: int
    stored_e8: int
    true_e8: int
    difference_e8: int
    not_stored: int
    without_lot: int
    reasons: str


class Differences(NamedTuple):
    """All lines, and what their profits mean."""

    meaning: str
    method: Method
    lines: list[Line]


def differences(case: Case, method: Method = Method.FIFO) -> Differences:
    """Return every closing trade with its stored and its true profit under a lot method."""
    truth = case.under(method)
    found = compared(case, truth)
    trades, at = case.legacy.trades, np.flatnonzero(truth.closers)
    days = trading_days(trades.time_ns[at], ZoneInfo(case.legacy.zone))
    why = _reasons(case, found, method)
    allocated = allocated_profits(case)
    lines = []
    for place, day in zip(at.tolist(), days.tolist(), strict=True):
        stored = int(trades.pnl_e8[place]) if trades.pnl_known[place] else None
        true = None if truth.unmatched_e8[place] else int(found.true_e8[place])
        gap = None if stored is None or true is None else stored - true
        reason = NO_LOT if true is None else NOT_STORED if stored is None else why.get(place, EQUAL)
        label = case.legacy.label(int(trades.symbol[place]))
        when = time_text(int(trades.time_ns[place]))
        lines.append(
            Line(trades.row(place), label, day_text(day), when, stored, allocated.get(place), true, gap, reason)
        )
    return Differences(found.name, method, lines)


def _reasons(case: Case, found: Conventions, method: Method) -> dict[int, str]:
    """Return why each wrong value is wrong."""
    reasons: dict[int, str] = {}
    if not case.legacy.trades.has_pnl:
        return reasons
    for group in groups(case, found):
        text = {
            "pnl-fabricated": "0 stored, never worked out",
            "pnl-differs": "other lots, or another calculation",
        }.get(group.audit)
        for place in np.flatnonzero(group.rows).tolist():
            flipped = abs(int(case.legacy.trades.pnl_e8[place] + found.true_e8[place])) <= int(found.slack_e8[place])
            sign = "right size, wrong sign" if flipped and group.audit == "pnl-differs" else None
            reasons[place] = sign or text or group.why.removeprefix("Each is the ").rstrip(".")
    if method != Method.FIFO:
        return {place: f"{reason} (held against {method.name})" for place, reason in reasons.items()}
    return reasons


def sums(lines: list[Line], by: str) -> list[Sum]:
    """Return the lines added up by `symbol` or `day`, in order of the name."""
    names = sorted({getattr(line, by) for line in lines})
    parts: dict[str, list[Line]] = {name: [] for name in names}
    for line in lines:
        parts[getattr(line, by)].append(line)
    return [_sum(name, part) for name, part in parts.items()]


def _sum(name: str, lines: list[Line]) -> Sum:
    stored, true = (sum(v for v in values if v is not None) for values in _columns(lines))
    reasons = dict.fromkeys(line.reason for line in lines if line.reason != EQUAL)
    return Sum(
        name,
        len(lines),
        stored,
        true,
        stored - true,
        sum(line.stored_e8 is None for line in lines),
        sum(line.true_e8 is None for line in lines),
        "; ".join(reasons) or EQUAL,
    )


def _columns(lines: list[Line]) -> Iterator[list[int | None]]:
    yield [line.stored_e8 for line in lines]
    yield [line.true_e8 for line in lines]


def everything(lines: list[Line]) -> Sum:
    """Return all lines added up."""
    return _sum("all", lines)
