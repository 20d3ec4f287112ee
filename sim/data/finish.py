"""One road for all readers: from a text table to a History, through every rule.

Theory of operation. Readers differ only in how they come to a `Table`; `finish`
places its times, cuts the range asked for, parses the prices and judges the
sequence. What lies outside start..end is not judged beyond its form, so that a
fault can be stepped around by name. The order of the steps is the order in which
faults are reported: time, number, order, doubles, range, now, gaps, jumps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.data import place, rules
from sim.data.errors import DataError, base_name, repair_hint
from sim.data.gaps import check_gaps
from sim.data.gate import Gate
from sim.data.history import Float64Array, History, Int64Array, frozen
from sim.data.place import Placed, Spans
from sim.data.prices import Draft, read_draft
from sim.data.text.table import Table, check_last_line, check_width
from sim.data.text.times import DAY_NS, EPOCH_ORDINAL, parse_times


class Request(NamedTuple):
    """What was asked for, checked; days are ordinals, 0 when open."""

    source: str
    start_day: int
    end_day: int
    bar: str | None
    prices: str
    timezone: str | None
    repairs: frozenset[str]
    date_format: str | None
    now_ns: int
    calendar: str | None = None
    gate: Callable[[str, Iterable[str]], Gate] = Gate


class Extra(NamedTuple):
    """What a LEAN folder knows beyond its table."""

    gate: Gate
    thin: bool  # no trade, no bar
    factor_of: Callable[[Int64Array], Float64Array]  # what turns the prices of each day into signals
    declared: bool  # splits are declared in a factor file


def finish(
    table: Table,
    symbol: str,
    request: Request,
    digest: str,
    exp: int | None = None,
    extra: Extra | None = None,
) -> History:
    """Apply every rule to one instrument's rows and return its History, prices as the table has them.

    Args:
        digest: SHA-256 of the source bytes; exp: price_exp, None chooses the coarsest grid that fits.
    Raises:
        DataError: any rule broken.
    """
    gate = extra.gate if extra is not None else request.gate(table.file, request.repairs)
    placed, keep = _placed(table, request, gate)
    draft, exp = read_draft(table.take(keep), placed.ns[keep], gate, exp)
    draft = _ordered(draft, gate, table.names["time"])
    spacing = place.bar_ns(request.bar) if request.bar and extra is not None and not placed.daily else 0
    spans = place.span(placed._replace(ns=draft.ns), draft.row, gate, spacing)
    draft, spans = _complete(draft, spans, request, gate, table.names["time"])
    check_gaps(spans, placed, draft.row, gate, extra is not None and extra.thin)
    factor = extra.factor_of(spans.day) if extra is not None else np.ones(len(draft.ns), np.float64)
    rules.no_jumps(draft, factor, extra is not None and extra.declared, gate)
    factor.setflags(write=False)
    times = [frozen(column) for column in (spans.start_ns, spans.end_ns, spans.day)]
    opens, highs, lows, closes, volume = (frozen(column) for column in draft[2:])
    return History(
        symbol, request.source, spans.bar, placed.timezone, exp, times[0], times[1], times[2],
        opens, highs, lows, closes, volume, factor, (), gate.made(), digest,
    )  # fmt: skip


def _placed(table: Table, request: Request, gate: Gate) -> tuple[Placed, NDArray[np.bool_]]:
    """Return the time of every row, and which rows are asked for and not days ahead."""
    if not len(table.row):
        raise DataError(
            "the file has no bars", file=table.file, fix="write at least two bars below the header"
        )
    check_last_line(table, gate.allows)
    column, name = table.columns["time"], table.names["time"]
    width = check_width(column, table.row, table.file, name)
    times = parse_times(column, width, table.row, table.file, name, request.date_format)
    placed = place.place(times, (request.timezone, request.calendar), gate, table.row, name)
    day = place.days_of(placed)
    keep = in_range(day, request, gate)
    # Whole days ahead are refused before a calendar is asked about them; the last day is judged later.
    ahead = keep & (day > request.now_ns // DAY_NS + EPOCH_ORDINAL + 1)
    rule, fix = "the bar ends in the future", "correct the date"
    if gate.judge(ahead, table.row, rule, column=name, value=column.text, repair="drop-unfinished", fix=fix):
        keep &= ~ahead
    return placed, keep


def _ordered(draft: Draft, gate: Gate, column: str) -> Draft:
    """Return the bars in order of time, one for each, with low <= open, close <= high."""
    rules.enough(len(draft.ns), int(draft.row[0]) if len(draft.row) else 0, gate)
    draft = rules.without_doubles(rules.in_order(draft, gate, column), gate, column)
    before = len(draft.ns)
    draft = rules.in_range(draft, gate)
    if len(draft.ns) != before:
        rules.enough(len(draft.ns), int(draft.row[0]) if len(draft.row) else 0, gate)
    return draft


def _complete(draft: Draft, spans: Spans, request: Request, gate: Gate, column: str) -> tuple[Draft, Spans]:
    """Return the bars that are complete now."""
    past = rules.is_past(draft, spans.end_ns, request.now_ns, gate, column)
    if past.all():
        return draft, spans
    draft = draft.take(past)
    rules.enough(len(draft.ns), int(draft.row[0]) if len(draft.row) else 0, gate)
    return draft, spans._replace(
        start_ns=spans.start_ns[past], end_ns=spans.end_ns[past], day=spans.day[past]
    )


def in_range(day: Int64Array, request: Request, gate: Gate) -> NDArray[np.bool_]:
    """Return the rows from start to end; refuse a range that the data has not or has only in part."""
    first, last = int(day.min()), int(day.max())
    keep = np.ones(len(day), np.bool_)
    if request.start_day:
        keep &= day >= request.start_day
    if request.end_day:
        keep &= day <= request.end_day
    have = f"{date.fromordinal(first)}..{date.fromordinal(last)}"
    if not keep.any():
        raise DataError(
            "the data has no bars between start and end",
            file=base_name(gate.file),
            column="start..end",
            value=f"{_iso(request.start_day)}..{_iso(request.end_day)}",
            fix=f"choose dates in {have}",
        )
    # A start on the weekend before the first bar is fine; four days hold the longest of those.
    short = [
        name
        for name, out in (
            ("start", request.start_day and request.start_day < first - 4),
            ("end", request.end_day and request.end_day > last + 4),
        )
        if out
    ]
    if short and not gate.allows("allow-partial-range", 1, 0, rule := f"the data does not reach {short[0]}"):
        raise DataError(
            rule,
            file=base_name(gate.file),
            column=short[0],
            value=_iso(request.start_day if short[0] == "start" else request.end_day),
            fix=repair_hint("allow-partial-range", f"choose dates in {have}"),
        )
    return keep


def _iso(day: int) -> str:
    return date.fromordinal(day).isoformat() if day else ""
