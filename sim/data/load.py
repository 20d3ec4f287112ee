"""One door for all data: `load` finds the reader, applies every rule, returns Histories.

Theory of operation. A source is a bundled index ("sp500", "nasdaq"), a folder in
LEAN layout, or a .csv, .csv.gz or .parquet file. `load` checks the request, finds
the reader and splits a file by symbol; all rules stand behind `finish`.
"""

from __future__ import annotations

import importlib.util
import re
import time
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path

import numpy as np

from sim.data import place
from sim.data.errors import DataError, check_repairs, refuse_symbol
from sim.data.finish import Request, finish
from sim.data.history import History
from sim.data.lean.folder import load_lean
from sim.data.sessions import NEW_YORK
from sim.data.text import files
from sim.data.text.table import Table, read_csv

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
    now_ns: int | None = None,
) -> list[History]:
    """Return the validated bars of each symbol, in the order asked for.

    Args:
        source: "sp500", "nasdaq", a folder in LEAN layout, or a .csv, .csv.gz, .parquet file.
        symbols: which instruments; empty means all of a file (a LEAN folder needs names).
        start, end: first and last trading date, both included.
        bar: "1d", "1h", "1m" ...; a file's own length when None, daily in a LEAN folder.
        prices: "adjusted" or "raw" (LEAN folders only: actions and signal_factor are filled).
        timezone: IANA name; needed when a file has local times of day.
        repairs: names of `errors.REPAIRS` that may be made.
        date_format: "iso", "m/d/y", "d/m/y", "epoch-s", "epoch-ms", "epoch-us" or "epoch-ns".
        now_ns: UTC ns that no bar may end after; the clock when None.
    Raises:
        DataError: any rule broken; the message names file, row, column, value, rule and fix.
    """
    request = _request(str(source), start, end, bar, prices, timezone, repairs, date_format, now_ns)
    wanted = [check_symbol(symbol) for symbol in ([symbols] if isinstance(symbols, str) else symbols)]
    twice = [symbol for at, symbol in enumerate(wanted) if symbol in wanted[:at]]
    if twice:
        raise DataError(
            "this symbol is asked for twice", column="symbols", value=twice[0], fix="name it once"
        )
    if request.source in BUNDLED:
        return _load_bundled(request, wanted)
    path = Path(request.source)
    if path.is_dir():
        return load_lean(path, wanted, request)
    return _load_file(path, wanted, request)


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
        bar = place.bar_name(place.bar_ns(bar))
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
    data = files.read_bytes(path) if suffix or not path.exists() else b""
    if not suffix:
        raise DataError(
            "this kind of file is not read here",
            file=path.name,
            fix=f"pass {', '.join(files.SUFFIXES)}, a LEAN folder, 'sp500' or 'nasdaq'",
        )
    parquet = suffix == ".parquet"
    table = files.read_parquet(data, path.name) if parquet else read_csv(files.text_of(data, path), path.name)
    digest = files.sha256_of([data])
    if "symbol" in table.columns:
        return [finish(part, symbol, request, digest) for symbol, part in _by_symbol(table, wanted)]
    symbol = path.name[: -len(suffix)].upper()
    for other in wanted:
        if other.upper() != symbol:
            refuse_symbol(other, [symbol], path.name)
    return [finish(table, check_symbol(symbol), request, digest)]


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
