"""All that is wrong with a source, in one list: what `onebook data check` prints.

Theory of operation. A load stops at the first fault, because nothing may be traded on
data that has one. A check goes on: its gate makes every repair that has a name, only
to find the next fault, and writes down each row with its rule and repair. A fault
without a repair is written down with all its rows and ends the check of that symbol.
What was repaired here is thrown away; only the list and the calendar's count remain.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.data import sessions
from sim.data.errors import REPAIRS, DataError, shown
from sim.data.gaps import outside_hours
from sim.data.gate import Gate
from sim.data.history import History, Int64Array
from sim.data.load import load, symbols_of
from sim.data.place import Spans, bar_ns
from sim.data.store import Store
from sim.data.zones import zone_of

LISTED_MAX = 1_000
"""Rows of one rule that are listed one by one; the rest is counted."""
SOFT = frozenset({"keep-last"})
"""Repairs that the gate of a check does not make: they exclude another one."""
DAY_NS = 86_400 * 10**9


class Finding(NamedTuple):
    """One fault: where it stands, what must hold, and the repair that would let it pass ("" when there is none)."""

    symbol: str
    file: str
    row: int  # 1-based line, 0 when the fault has no row
    column: str
    value: str
    rule: str
    repair: str
    fix: str


class Calendar(NamedTuple):
    """What the calendar says of the bars of one instrument; None where there is no calendar."""

    symbol: str
    bar: str
    bars: int
    first: str
    last: str
    timezone: str
    calendar: str
    sessions: int | None
    missing: int | None
    half_days: int | None
    outside_hours: int | None
    clock_changes: int


class Report(NamedTuple):
    """Everything a check found; `findings` holds at most LISTED_MAX rows of a rule, `total` counts all."""

    findings: list[Finding]
    total: int
    calendars: list[Calendar]


class Collector(Gate):
    """A gate that lets everything with a repair pass and remembers it."""

    def __init__(self, file: str, repairs: Iterable[str] = ()) -> None:
        super().__init__(file, REPAIRS.keys() - SOFT)
        self.accepted = frozenset(repairs)
        self.findings: list[Finding] = []
        self.total = 0

    def allows(self, name: str, count: int, first_row: int, rule: str, values: Sequence[str] = ()) -> bool:
        """Remember what a repair would have to let pass, unless it was asked for."""
        if name not in self.accepted:
            self.total += count
            for value in (values or [""])[:LISTED_MAX]:
                self._add(first_row, "", value, rule, name, "")
        return True

    def judge(
        self,
        wrong: NDArray[np.bool_],
        row: Int64Array,
        rule: str,
        *,
        column: str = "",
        value: Callable[[int], object] = lambda at: "",
        repair: str = "",
        fix: str = "",
    ) -> bool:
        """Remember each wrong row; without a repair raise DataError, as nothing after it can be judged."""
        found = np.flatnonzero(wrong)
        if not len(found):
            return False
        if repair not in self.accepted:
            self.total += len(found)
            for at in found[:LISTED_MAX].tolist():
                self._add(int(row[at]), column, shown(value(at)), rule, repair, fix)
        if repair:
            return True
        raise Ended(rule)

    def _add(self, row: int, column: str, value: str, rule: str, repair: str, fix: str) -> None:
        self.findings.append(Finding("", self.file, row, column, value, rule, repair, fix))


class Ended(DataError):
    """The check of a symbol ended at a fault that is in the list already."""


def check(source: str, symbols: Sequence[str] = (), **reading: Any) -> Report:
    """Return everything that is wrong with a source.

    Args:
        source, symbols, reading: as `sim.data.load` takes them; the repairs that are passed are accepted.
    """
    findings: list[Finding] = []
    calendars: list[Calendar] = []
    total = 0
    try:
        names: Sequence[str] = symbols or symbols_of(source)
    except DataError as error:
        return Report([_of(error, "")], 1, [])
    for symbol in names or [""]:
        found, counted, calendar = _check_one(source, symbol, reading)
        findings += found
        total += counted
        calendars += calendar
    return Report(findings, total, calendars)


def check_store(folder: str, symbols: Sequence[str] = (), **reading: Any) -> Report:
    """Return what is wrong with the files of a store: changed bytes, unreadable files, sessions without a bar."""
    found: list[Finding] = []
    calendars: list[Calendar] = []
    total = 0
    try:
        entries = [entry for entry in Store(folder).entries() if not symbols or entry.symbol in symbols]
    except DataError as error:
        return Report([_of(error, "")], 1, [])
    for entry in entries:
        some, counted, calendar = _check_one(folder, entry.symbol, {**reading, "bar": entry.bar, "prices": entry.prices})
        found += some
        total += counted
        calendars += calendar
    return Report(found, total, calendars)


def _check_one(source: str, symbol: str, reading: dict[str, Any]) -> tuple[list[Finding], int, list[Calendar]]:
    """Return findings, their number and the calendar's count of one symbol."""
    gates: list[Collector] = []

    def gate(file: str, repairs: Iterable[str]) -> Collector:
        gates.append(Collector(file, repairs))
        return gates[-1]

    extra: list[Finding] = []
    calendar: list[Calendar] = []
    try:
        for history in load(source, [symbol] if symbol else [], gate=gate, **reading):
            symbol = symbol or history.symbol
            calendar.append(count(history, reading.get("calendar")))
    except Ended:
        pass
    except DataError as error:
        extra.append(_of(error, symbol))
    found = [finding._replace(symbol=symbol) for one in gates for finding in one.findings]
    return found + extra, sum(one.total for one in gates) + len(extra), calendar


def _of(error: DataError, symbol: str) -> Finding:
    repair = next((name for name in REPAIRS if f"'{name}'" in error.fix), "")
    return Finding(symbol, error.file, error.row, error.column, error.value, error.rule, repair, error.fix)


def count(history: History, asked: str | None = None) -> Calendar:
    """Return what the calendar of a history says: sessions, those without a bar, half days, odd hours, clock changes."""
    name = sessions.calendar_of(asked, history.timezone)
    days = np.unique(history.day)
    ends = (int(days[0]), int(days[-1]))
    zone = zone_of(history.timezone, int(history.start_ns[0]), int(history.end_ns[-1]))
    changes = int(((zone.since_ns > history.start_ns[0]) & (zone.since_ns <= history.end_ns[-1])).sum())
    base = (history.symbol, history.bar, len(history.day), _iso(ends[0]), _iso(ends[1]), history.timezone, name)
    if name == sessions.NONE:
        return Calendar(*base, None, None, None, None, changes)
    table = sessions.sessions_of(name, ends[1])
    expected = table.between(*ends)
    closes = table.minutes(expected)[1] if len(expected) else np.empty(0, np.int64)
    half = int((closes < sessions.usual(table.close_minute)).sum())
    outside = 0
    if history.bar not in ("1d", "1w", "1mo"):
        spans = Spans(history.start_ns, history.end_ns, history.day, history.bar, bar_ns(history.bar))
        outside = int(outside_hours(spans, name).sum())
    return Calendar(*base, len(expected), len(np.setdiff1d(expected, days)), half, outside, changes)


def _iso(day: int) -> str:
    from datetime import date

    return date.fromordinal(day).isoformat()
