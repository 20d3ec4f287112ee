"""LEAN zips of bars to one text table: tickers stitched, regular hours kept.

Theory of operation. Daily and hour bars stand in one zip per ticker, minute bars
in one zip per ticker and day. Each segment of a symbol's life gives its rows of its
own days; the rows of all segments are put one below the other, still as text. Hours
and minutes outside the session are left out and counted (`regular-hours`), and the
hour that LEAN stamps 09:00 is stamped 09:30, when its open printed.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import NamedTuple, NoReturn

import numpy as np

from sim.data.errors import DataError, base_name, option_hint, refuse_symbol, repair_hint
from sim.data.finish import Request
from sim.data.gate import Gate
from sim.data.history import Int64Array
from sim.data.lean.factors import ALIVE, Segment, parse_map
from sim.data.sessions import new_york_sessions
from sim.data.text.files import read_bytes, unzip_one
from sim.data.text.table import Column, Table, column_of, read_csv

HEADER = ("time", "open", "high", "low", "close", "volume")
FOLDERS = {"1d": "daily", "1h": "hour", "1m": "minute"}
FOREVER = date(2050, 12, 31).toordinal()


class Lean(NamedTuple):
    """One symbol of one folder: `parts` collects the bytes read, for the hash."""

    root: Path
    symbol: str
    request: Request
    gate: Gate
    parts: list[bytes]


def known_symbols(root: Path, bar: str) -> set[str]:
    """Return the symbols that have bars of this length under any of their tickers."""
    folder, maps = root / FOLDERS[bar], root / "map_files"
    tickers = {entry.name.removesuffix(".zip") for entry in folder.iterdir()} if folder.is_dir() else set()
    named = {
        path.stem: {segment.ticker for segment in parse_map(path.read_bytes(), path.name)}
        for path in maps.glob("*.csv")
    }
    renamed = {ticker for symbol, used in named.items() for ticker in used if ticker != symbol}
    return {symbol for symbol, used in named.items() if used & tickers} | (tickers - renamed - named.keys())


def stitch(lean: Lean, segments: Sequence[Segment]) -> Table:
    """Return the rows of all segments as one table; row numbers are those of each segment's own file."""
    found = [_rows(lean, segment) for segment in segments]
    if all(table is None for table in found):
        _refuse_all(lean)
    tables = []
    for at, (segment, table) in enumerate(zip(segments, found, strict=True)):
        if table is not None and len(table.row):
            tables.append(table)
        elif table is None and any(later is not None for later in found[at:]) and tables:
            _refuse_segment(lean, segment)
        elif table is None:
            # Before the first and after the last bars a missing ticker only makes the history shorter.
            lean.gate.note("ticker-not-in-data", 1, 0)
    if not tables:
        raise DataError(
            "there are no bars of this symbol in the range asked for",
            column="symbol",
            file=base_name(lean.request.source),
            value=lean.symbol,
            fix="choose another range",
        )
    columns = {role: _joined([table.columns[role] for table in tables]) for role in tables[0].columns}
    row = np.concatenate([table.row for table in tables])
    return Table(
        " + ".join(dict.fromkeys(table.file for table in tables))[:80], columns, tables[0].names, row, False
    )


def _joined(columns: list[Column]) -> Column:
    """Return several columns one below the other."""
    if len(columns) == 1:
        return columns[0]
    sizes = np.cumsum([0] + [len(column.buffer) for column in columns[:-1]])
    return Column(
        np.concatenate([column.buffer for column in columns]),
        np.concatenate([column.start + size for column, size in zip(columns, sizes, strict=True)]),
        np.concatenate([column.length for column in columns]),
    )


def _rows(lean: Lean, segment: Segment) -> Table | None:
    """Return the rows of one segment, None when the data has no file for it."""
    return _minutes(lean, segment) if lean.request.bar == "1m" else _zip_rows(lean, segment)


def _zip_rows(lean: Lean, segment: Segment) -> Table | None:
    """Return the rows of a daily or hour zip that fall into the segment."""
    path = lean.root / FOLDERS[lean.request.bar or "1d"] / f"{segment.ticker}.zip"
    if not path.is_file():
        return None
    lean.parts.append(read_bytes(path))
    name = f"{path.parent.name}/{path.name}"
    table = read_csv(unzip_one(lean.parts[-1], name), name, HEADER)
    time = table.columns["time"]
    first = np.array([int(text[:8]) if text[:8].isdecimal() else 0 for text in time.texts()], dtype=np.int64)
    low, high = (
        int(date.fromordinal(day).strftime("%Y%m%d")) for day in (max(segment.first, 365), segment.last)
    )
    # A row that is no date at all stays in: the common rules name it.
    keep = ((first >= low) & (first <= high)) | (first == 0)
    table = (
        _regular_hours(table.take(keep), first[keep], lean) if lean.request.bar == "1h" else table.take(keep)
    )
    return table


def _refuse_all(lean: Lean) -> NoReturn:
    """Refuse a symbol without any file of this bar length."""
    bar = lean.request.bar or "1d"
    have = [name for name in known_symbols(lean.root, bar) if name != lean.symbol]
    refuse_symbol(lean.symbol, have, f"{lean.root.name}/{FOLDERS[bar]}")


def _refuse_segment(lean: Lean, segment: Segment) -> None:
    """Refuse a symbol that has bars, but not those of one of its other tickers."""
    if "allow-gaps" in lean.gate.asked:
        return  # the rule about gaps counts the sessions
    days = f"{date.fromordinal(segment.first)}..{date.fromordinal(segment.last)}"
    fix = (
        option_hint("start", date.fromordinal(segment.last + 1))
        if segment.last < ALIVE
        else option_hint("end", date.fromordinal(segment.first - 1))
    )
    raise DataError(
        f"{lean.symbol} traded as {segment.ticker} in {days}; those bars are not in the data",
        file=f"{FOLDERS[lean.request.bar or '1d']}/{segment.ticker}",
        column="symbol",
        value=lean.symbol,
        fix=repair_hint("allow-gaps", f"{fix} if the rest is enough"),
    )


def _regular_hours(table: Table, compact: Int64Array, lean: Lean) -> Table:
    """Leave out hours that begin after the close; the first hour begins with the session."""
    texts = table.columns["time"].texts()
    day = np.array(
        [date(value // 10_000, value // 100 % 100, value % 100).toordinal() for value in compact.tolist()],
        dtype=np.int64,
    )
    minute = np.array([int(text[9:11]) * 60 + int(text[12:14]) for text in texts], dtype=np.int64)
    return _within_session(table, day, minute, 60, lean)


def _within_session(table: Table, day: Int64Array, minute: Int64Array, length: int, lean: Lean) -> Table:
    """Return the bars of regular hours, each stamped with the minute its open printed."""
    if not len(day):
        return table
    open_minute, close_minute = new_york_sessions(int(day.max())).minutes(day)
    outside = (minute + length <= open_minute) | (minute >= close_minute)
    if outside.any():
        lean.gate.note("regular-hours", int(outside.sum()), int(table.row[int(np.argmax(outside))]))
    begin = np.maximum(minute, open_minute)
    stamps = [
        f"{date.fromordinal(at).isoformat()} {to // 60:02d}:{to % 60:02d}"
        for at, to in zip(day.tolist(), begin.tolist(), strict=True)
    ]
    return table._replace(columns={**table.columns, "time": column_of(stamps)}).take(~outside)


def _minutes(lean: Lean, segment: Segment) -> Table | None:
    """Return the rows of the daily files of minute bars within the segment and the range asked for."""
    folder, request = lean.root / "minute" / segment.ticker, lean.request
    if not folder.is_dir():
        return None
    tables = []
    for path in sorted(folder.glob("*_trade.zip")):
        text = path.name[:8]
        day = date(int(text[:4]), int(text[4:6]), int(text[6:])).toordinal() if text.isdecimal() else 0
        low, high = max(segment.first, request.start_day), min(segment.last, request.end_day or FOREVER)
        if low <= day <= high:
            tables.append(_minute_file(lean, path, day))
    if not tables:
        return None
    columns = {role: _joined([table.columns[role] for table in tables]) for role in HEADER}
    return tables[0]._replace(
        file=f"minute/{segment.ticker}", columns=columns, row=np.concatenate([table.row for table in tables])
    )


def _minute_file(lean: Lean, path: Path, day: int) -> Table:
    lean.parts.append(read_bytes(path))
    name = f"minute/{path.parent.name}/{path.name}"
    table = read_csv(unzip_one(lean.parts[-1], name), name, HEADER)
    texts = table.columns["time"].texts()
    for at, text in enumerate(texts):
        if not (text.isdecimal() and len(text) < 9 and int(text) < 86_400_000 and int(text) % 60_000 == 0):
            raise DataError(
                "minute bars are stamped in whole minutes, as milliseconds since New York midnight",
                file=name,
                row=int(table.row[at]),
                column="time",
                value=text,
                fix="restore the file",
            )
    minute = np.array([int(text) // 60_000 for text in texts], dtype=np.int64)
    return _within_session(table, np.full(len(minute), day, np.int64), minute, 1, lean)
