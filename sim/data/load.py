"""One door for all data: `load` finds the reader, applies every rule, returns Histories.

Theory of operation. A source is a bundled index ("sp500", "nasdaq"), a folder in
LEAN layout, or a .csv, .csv.gz or .parquet file. `load` checks the request, finds
the reader and splits a file by symbol; all rules stand behind `finish`.
"""

from __future__ import annotations

import importlib.util
import re
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime
from pathlib import Path

import numpy as np

from sim.data import place
from sim.data.errors import DataError, check_repairs, refuse_symbol
from sim.data.finish import Request, finish
from sim.data.gate import Gate
from sim.data.history import History
from sim.data.lean.folder import load_lean
from sim.data.resample import resample
from sim.data.sessions import NEW_YORK, calendar_of
from sim.data.store import Store, is_store
from sim.data.text import files
from sim.data.text.table import Table, read_csv

STORE = "store"
"""The folder that `onebook data import` makes when it is told no other."""
BUNDLED = {"sp500": "SPX", "nasdaq": "COMP"}
SYMBOL = re.compile(r"[A-Za-z0-9^][A-Za-z0-9._=^-]{0,31}")
Day = str | date | datetime | None


def load(
    source: str,
    symbols: Sequence[str] = (),
    *,
    start: Day = None,
    end: Day = None,
    bar: str | None = None,
    prices: str = "adjusted",
    timezone: str | None = None,
    repairs: Sequence[str] = (),
    date_format: str | None = None,
    calendar: str | None = None,
    now_ns: int | None = None,
    gate: Callable[[str, Iterable[str]], Gate] = Gate,
) -> list[History]:
    """Return the validated bars of each symbol, in the order asked for.

    Args:
        source: "sp500", "nasdaq", a store, a folder in LEAN layout, or a .csv, .csv.gz, .parquet file.
        symbols: which instruments; empty means all of a file (a LEAN folder needs names).
        start, end: first and last trading date, both included.
        bar: "5m" or "5min", "1h", "1d" or "session", "week", "month" ...; a file's own length when None, daily in a LEAN
            folder; longer bars are made.
        prices: "adjusted" or "raw" (LEAN folders only: actions and signal_factor are filled).
        timezone: IANA name; needed when a file has local times of day.
        repairs: names of `errors.REPAIRS` that may be made.
        date_format: "iso", "m/d/y", "d/m/y", "epoch-s", "epoch-ms", "epoch-us" or "epoch-ns".
        calendar: name of exchange_calendars (XNYS, XLON, XTKS, 24/7 ...) or "none"; New York's for its zone when None.
        now_ns: UTC ns that no bar may end after; the clock when None.
        gate: what every rule passes; another one lists faults instead of stopping (`sim.data.findings`).
    Raises:
        DataError: any rule broken; the message names file, row, column, value, rule and fix.
    """
    request = _request(str(source), start, end, bar, prices, timezone, repairs, date_format, now_ns)
    request = request._replace(calendar=calendar_of(calendar, None) if calendar is not None else None, gate=gate)
    wanted = [check_symbol(symbol) for symbol in ([symbols] if isinstance(symbols, str) else symbols)]
    twice = [symbol for at, symbol in enumerate(wanted) if symbol in wanted[:at]]
    if twice:
        raise DataError(
            "this symbol is asked for twice", column="symbols", value=twice[0], fix="name it once"
        )
    return [_in_bars(history, request) for history in _load(request, wanted)]


def _load(request: Request, wanted: list[str]) -> list[History]:
    """Return the histories in the bars that the source has."""
    if request.source in BUNDLED:
        return _load_bundled(request, wanted)
    path = Path(request.source)
    if is_store(path):
        return Store(path).load(wanted, request)
    if path.is_dir():
        return load_lean(path, wanted, request)
    if request.source == STORE and not path.exists():
        raise DataError("there is no store of bars here", file=STORE, fix="make one with `onebook data import FILE`")
    return _load_file(path, wanted, request)


def _in_bars(history: History, request: Request) -> History:
    """Return a history in the bars asked for."""
    if request.bar is None or history.bar == request.bar:
        return history
    return resample(history, request.bar, request.calendar)


def load_text(data: bytes, symbol: str, source: str, *, timezone: str, repairs: Sequence[str] = (), calendar: str | None = None,
              now_ns: int | None = None) -> History:
    """Return the validated bars of the text of a CSV that was never a file, as `load` does; `source` says where it came from."""
    request = _request(source, None, None, None, "adjusted", timezone, repairs, None, now_ns)
    request = request._replace(calendar=calendar_of(calendar, None) if calendar is not None else None)
    return finish(read_csv(data, f"{source} {symbol}"), check_symbol(symbol), request, files.sha256_of([data]))


def symbols_of(source: str) -> list[str]:
    """Return the symbols of a file in their order, or [] where it has no column of them or is no file.

    Raises:
        DataError: the file cannot be read.
    """
    path = Path(source)
    suffix = next((suffix for suffix in files.SUFFIXES if path.name.lower().endswith(suffix)), "")
    if not suffix or path.is_dir():
        return []
    table = _read_table(path, suffix)[0]
    if "symbol" not in table.columns:
        return []
    texts = np.array(table.columns["symbol"].texts(), dtype=np.str_)
    known, first = np.unique(texts, return_index=True)
    return [str(known[at]) for at in np.argsort(first).tolist()]


def _read_table(path: Path, suffix: str) -> tuple[Table, bytes]:
    """Return a file as a table of texts, and its bytes."""
    data = files.read_bytes(path)
    if suffix == ".parquet":
        return files.read_parquet(data, path.name), data
    return read_csv(files.text_of(data, path), path.name), data


def _request(
    source: str,
    start: Day,
    end: Day,
    bar: str | None,
    prices: str,
    timezone: str | None,
    repairs: Sequence[str],
    date_format: str | None,
    now_ns: int | None,
) -> Request:
    if not source or "\0" in source:
        raise DataError(
            "a source is needed", column="source", fix="pass 'sp500', 'nasdaq', a folder or a file"
        )
    if prices not in ("adjusted", "raw"):
        raise DataError(
            "prices are 'adjusted' or 'raw'", column="prices", value=prices, fix="pass one of the two"
        )
    if bar is not None:
        bar = place.bar_called(bar)
    first, last = _ordinal(start, "start"), _ordinal(end, "end")
    if first and last and first > last:
        raise DataError("start is after end", column="start", value=f"{start} > {end}", fix="exchange them")
    # The one look at the clock: a bar from the future is a broken date, whatever its source.
    now = time.time_ns() if now_ns is None else now_ns
    return Request(source, first, last, bar, prices, timezone, check_repairs(repairs), date_format, now)


def _ordinal(day: Day, name: str) -> int:
    """Return the ordinal of a date given as date, datetime or ISO text; 0 for None."""
    if day is None:
        return 0
    if isinstance(day, date):
        return day.toordinal()
    try:
        return date.fromisoformat(day).toordinal()
    except (ValueError, TypeError):
        raise DataError("this is not a date", column=name, value=day, fix="write it as 2025-04-03") from None


def check_symbol(symbol: str) -> str:
    """Return a symbol that is safe in a file name; DataError for anything that could be a path."""
    if not isinstance(symbol, str) or not SYMBOL.fullmatch(symbol) or ".." in symbol:
        raise DataError(
            "a symbol has 1 to 32 letters, digits, dots, dashes",
            column="symbol",
            value=symbol,
            fix="pass the ticker only, not a path",
        )
    return symbol


def _load_bundled(request: Request, wanted: Sequence[str]) -> list[History]:
    """Read an index of the arch package, found without importing it (that takes seconds)."""
    symbol = BUNDLED[request.source]
    for other in wanted:
        if other.upper() != symbol:
            refuse_symbol(other, [symbol], request.source)
    spec = importlib.util.find_spec("arch")
    if spec is None or not spec.submodule_search_locations:
        raise DataError(
            "the package arch with the bundled prices is not installed",
            file=request.source,
            fix="install arch, or name a file",
        )
    path = Path(spec.submodule_search_locations[0], "data", request.source, f"{request.source}.csv.gz")
    data = files.read_bytes(path)
    table = read_csv(files.text_of(data, path), path.name)
    request = request._replace(date_format="m/d/y", timezone=request.timezone or NEW_YORK)
    return [finish(table, symbol, request, files.sha256_of([data]), exp=6)]


def _load_file(path: Path, wanted: Sequence[str], request: Request) -> list[History]:
    name = path.name.lower()
    suffix = next((suffix for suffix in files.SUFFIXES if name.endswith(suffix)), "")
    if not suffix and not path.exists():
        files.read_bytes(path)
    if not suffix:
        raise DataError(
            "this kind of file is not read here",
            file=path.name,
            fix=f"pass {', '.join(files.SUFFIXES)}, a LEAN folder, 'sp500' or 'nasdaq'",
        )
    table, data = _read_table(path, suffix)
    digest = files.sha256_of([data])
    if "symbol" in table.columns:
        return [finish(part, symbol, request, digest) for symbol, part in _by_symbol(table, wanted)]
    symbol = path.name[: -len(suffix)].upper()
    for other in wanted:
        if other.upper() != symbol:
            refuse_symbol(other, [symbol], path.name)
    if not SYMBOL.fullmatch(symbol) or ".." in symbol:
        raise DataError(
            "the file has no column symbol, and its name is no symbol (1 to 32 letters, digits, dots, dashes)",
            file=path.name, fix="add a column symbol, or call the file by its symbol, as AAPL.csv",
        )  # fmt: skip
    return [finish(table, symbol, request, digest)]


def _by_symbol(table: Table, wanted: Sequence[str]) -> list[tuple[str, Table]]:
    """Return the rows of each symbol; tickers are text: NA, 1E5 and 0700 stay as they are."""
    texts = np.array(table.columns["symbol"].texts(), dtype=np.str_)
    known, first, inverse = np.unique(texts, return_index=True, return_inverse=True)
    for at in np.argsort(first).tolist():
        if not SYMBOL.fullmatch(str(known[at])):
            raise DataError(
                "the symbol is missing or not a ticker",
                file=table.file,
                row=int(table.row[first[at]]),
                column=table.names["symbol"],
                value=str(known[at]) or "(empty)",
                fix="correct the row",
            )
    exact = {str(symbol): at for at, symbol in enumerate(known)}
    order = wanted or [str(known[at]) for at in np.argsort(first).tolist()]
    parts = []
    for symbol in order:
        if symbol not in exact:
            refuse_symbol(symbol, exact, table.file)
        parts.append((symbol, table.take(inverse == exact[symbol])))
    return parts
