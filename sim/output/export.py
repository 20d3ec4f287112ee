"""Writes a run's tables to files: CSV, Parquet and JSON, exact and safe to open.

Theory of operation. Money, prices and quantities leave as exact decimals: text in CSV and
JSON, decimal128 in Parquet. A text cell of a CSV that a spreadsheet would take for a
formula gets an apostrophe in front; numbers are ours and stay as they are. Unknown is
an empty cell or null. A file appears under its name only when it is whole.
"""

from __future__ import annotations

import csv
import importlib
import io
import json
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ledger.units import decimal_text
from sim.metrics import MONEY, daily_returns, last_of_day
from sim.output import periods
from sim.output.sheet import Sheet
from sim.output.tables import Column, Frame, figure_value, frames

FORMATS = ("csv", "parquet", "json", "html", "png", "quantstats")
TABLES = ("equity", "fills", "orders", "trades", "allocations", "lots", "figures")
FORMULA = ("=", "+", "-", "@", "\t", "\r")


class ExportError(ValueError):
    """A run or a request that cannot be exported; the message says why and what to do."""


def write(
    sheet: Sheet, folder: Path, stem: str, formats: Sequence[str], tables: Sequence[str] = (), by: str | None = None
) -> dict[str, Path]:
    """Write a run and return the files by what they hold.

    Args:
        folder: made when it is missing; stem: how the names begin; formats: of FORMATS; tables: of TABLES, all when empty.
        by: also the table `periods` of this kind; see `sim.periods`.
    Raises:
        DataError: no such periods. ExportError: a format or table nobody knows, or one that this run cannot fill.
        OSError: the disk said no.
    """
    _known(formats, FORMATS, "format")
    _known(tables, TABLES, "table")
    contents: dict[str, bytes] = {}
    wanted = {name: frame for name, frame in frames(sheet).items() if not tables or name in tables}
    if by is not None:
        wanted["periods"] = periods.frame(periods.periods(sheet, by))
    for kind in formats:
        contents |= _contents(sheet, wanted, stem, kind)
    folder.mkdir(parents=True, exist_ok=True)
    return {name: whole_file(folder / name, content) for name, content in contents.items()}


def _known(words: Iterable[str], known: Sequence[str], what: str) -> None:
    for word in words:
        if word not in known:
            raise ExportError(f"{what} {word!r} is not known; use {', '.join(known)}")


def _contents(sheet: Sheet, wanted: dict[str, Frame], stem: str, kind: str) -> dict[str, bytes]:
    """Return the files of one format by name."""
    if kind in ("csv", "parquet"):
        make: Callable[[Frame], bytes] = csv_bytes if kind == "csv" else parquet_bytes
        return {f"{stem}-{name}.{kind}": make(frame) for name, frame in wanted.items()}
    if kind == "json":
        return {f"{stem}-run.json": json_bytes(sheet, wanted)}
    if kind == "html":
        from sim.output.page import html

        return {f"{stem}-report.html": html(sheet).encode()}
    if kind == "png":
        from sim.output.picture import png

        return {f"{stem}-equity.png": png(sheet)}
    return {f"{stem}-quantstats.html": quantstats(sheet)}


def whole_file(path: Path, content: bytes) -> Path:
    """Write a file under another name first, so that nobody finds half of it."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        part.write_bytes(content)
        return part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def csv_bytes(frame: Frame) -> bytes:
    """Return a table as CSV in UTF-8: a header, then one line a row."""
    paper = io.StringIO()
    writer = csv.writer(paper, lineterminator="\n")
    writer.writerow([column.name for column in frame.columns])
    writer.writerows(zip(*map(_csv_cells, frame.columns), strict=True))
    return paper.getvalue().encode()


def _csv_cells(column: Column) -> list[Any]:
    if column.kind == "text":
        return ["" if text is None else harmless(text) for text in column.cells()]
    return ["" if value is None else value for value in column.cells()]


def harmless(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula; a plain number is one already."""
    if not text.startswith(FORMULA):
        return text
    try:
        float(text)
    except ValueError:
        return f"'{text}"
    return text if text[0] in "+-" else f"'{text}"


def parquet_bytes(frame: Frame) -> bytes:
    """Return a table as Parquet: decimals as decimal128, times as UTC nanoseconds, text as text."""
    import pyarrow
    import pyarrow.parquet

    columns = {column.name: _arrow(column) for column in frame.columns}
    paper = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table(columns), paper, compression="zstd")
    return paper.getvalue()


def _arrow(column: Column) -> Any:
    import pyarrow

    mask = None if column.known is None else ~column.known
    if column.kind == "time":
        return pyarrow.array(column.values, pyarrow.timestamp("ns", "UTC"), mask=mask)
    if column.kind == "count":
        return pyarrow.array(column.values, pyarrow.int64(), mask=mask)
    if column.kind == "decimal" and isinstance(column.exp, int):
        return _decimals(column.values, column.exp, mask)
    kinds = {"text": pyarrow.string(), "number": pyarrow.float64(), "decimal": pyarrow.string()}
    made = pyarrow.array(column.cells(), kinds[column.kind])
    return made.cast(pyarrow.decimal128(38, 8)) if column.kind == "decimal" else made


def _decimals(values: Any, exp: int, mask: Any) -> Any:
    """Return int64 values / 10**exp as decimal128: two words each, the high one the sign."""
    import pyarrow

    words = np.empty((len(values), 2), np.int64)
    words[:, 0], words[:, 1] = values, np.asarray(values) >> 63
    buffers = [None, pyarrow.py_buffer(words)]
    made = pyarrow.Array.from_buffers(pyarrow.decimal128(38, exp), len(values), buffers)
    if mask is None or not mask.any():
        return made
    import pyarrow.compute

    return pyarrow.compute.if_else(pyarrow.array(mask), pyarrow.scalar(None, made.type), made)


def json_bytes(sheet: Sheet, wanted: dict[str, Frame]) -> bytes:
    """Return a run as one JSON document: what it was, its figures, and its tables as lists of objects."""
    figures = wanted.pop("figures") if "figures" in wanted else None
    head = {"symbol": sheet["symbol"], "strategy": sheet["strategy"], "currency": sheet["currency"]}
    content: dict[str, Any] = {**head, "start": decimal_text(sheet["start_e8"]), "notes": sheet.get("notes", [])}
    content["made"] = dict(sheet.get("provenance", []))
    if figures is not None:
        content["figures"] = {name: sheet_value(sheet, name) for name in figures.columns[0].values}
    for name, frame in wanted.items():
        keys = [column.name for column in frame.columns]
        content[name] = [dict(zip(keys, row, strict=True)) for row in zip(*(c.cells() for c in frame.columns), strict=True)]
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False).encode()


def sheet_value(sheet: Sheet, name: str) -> Any:
    """Return a figure for JSON: money as exact decimal text, ratios as numbers, unknown as None."""
    value = sheet["figures"].get(name)
    return figure_value(name, sheet["figures"]) if name in MONEY else value


def quantstats(sheet: Sheet) -> bytes:
    """Return the tear sheet of quantstats, made from our daily returns; the library is an extra.

    Raises:
        ExportError: it is not installed, or the run has no daily returns.
    """
    try:
        library: Any = importlib.import_module("quantstats")
    except ImportError as error:
        raise ExportError(
            "quantstats is not installed; install the extra with: pip install 'onebook[tearsheet]', or choose --format html"
        ) from error
    import logging
    import tempfile
    import warnings

    returns = daily_series(sheet)
    if returns is None or len(returns) < 3:
        raise ExportError("quantstats needs at least three days with equity above 0; choose --format html")
    benchmark = daily_series({**sheet, "equity_e8": sheet["benchmark_e8"]}) if "benchmark_e8" in sheet else None
    title = f"{sheet['symbol']} {sheet['strategy']}"
    # The library's drawing complains about fonts a hundred times; its page is none the worse.
    logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = Path(folder) / "report.html"
        library.reports.html(returns, benchmark=benchmark, output=str(path), title=title, download_filename=str(path))
        return path.read_bytes()


def daily_series(sheet: Sheet) -> Any:
    """Return the daily returns as a pandas Series by date, None where they are undefined."""
    import pandas

    if "days" not in sheet or not sheet["time_ns"].size:
        return None
    returns = daily_returns(sheet["equity_e8"], sheet["days"], sheet["start_e8"])
    if returns is None:
        return None
    days = (sheet["days"][last_of_day(sheet["days"])] - 719_163).astype("datetime64[D]").astype("datetime64[ns]")
    return pandas.Series(returns, pandas.DatetimeIndex(days), name="run")
