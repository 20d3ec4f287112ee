"""Bars from a folder in LEAN layout, under the names, factors and hours of its own files.

Theory of operation. A symbol is looked up in map_files: it says which zip holds
which days (`goog` stands in goocv.zip until 2014-04-02, in goog.zip after it; the
older days of goog.zip belong to `googl`). The segments are stitched into one text
table and take the common road through the rules. "adjusted" multiplies the raw
prices by both factors, exactly, on a grid of 1e-8, and divides volumes by the
split factor; "raw" keeps 1e-4, and hands out splits and dividends as Actions.
Three things are peculiar to LEAN and noted in `History.repairs` when they happen:
its zips end without a newline (their CRC proves them whole, so nothing is noted),
bars outside regular hours are left out (`regular-hours`), and an hour or minute
without a trade has no bar (`no-trade-no-bar`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path

from sim.data.errors import DataError, base_name, option_hint, repair_hint
from sim.data.finish import Extra, Request, finish
from sim.data.history import Action, History
from sim.data.lean.adjust import adjusted, check_references, signal_factor, with_actions
from sim.data.lean.bars import FOLDERS, FOREVER, Lean, known_symbols, stitch
from sim.data.lean.factors import ALIVE, Factor, Segment, former_owner, parse_factors, read_segments
from sim.data.place import bar_ns
from sim.data.sessions import NEW_YORK
from sim.data.text.files import read_bytes, sha256_of

RAW_EXP = 4  # LEAN quotes in 1/10,000 dollar


def load_lean(path: Path, symbols: Sequence[str], request: Request) -> list[History]:
    """Return the Histories of the symbols; see `sim.data.load` for arguments and errors."""
    root = path / "equity" / "usa" if (path / "equity" / "usa").is_dir() else path
    if not any((root / folder).is_dir() for folder in FOLDERS.values()):
        raise DataError(
            "the folder has neither daily, hour nor minute in it: it is not in LEAN layout",
            file=path.name,
            fix="name the folder above daily/, or one .csv or .parquet file",
        )
    bar = _source_bar(root, request.bar or "1d")
    if request.timezone not in (None, NEW_YORK):
        raise DataError(
            "LEAN equities are in New York time",
            column="timezone",
            value=request.timezone,
            fix=f"leave timezone out, or pass '{NEW_YORK}'",
        )
    if not symbols:
        names = ", ".join(sorted(known_symbols(root, bar))[:12])
        raise DataError("a LEAN folder needs symbols", column="symbols", fix=f"pass some of: {names}")
    request = request._replace(bar=bar, timezone=NEW_YORK, date_format="iso")
    return [
        _load_one(Lean(root, symbol.lower(), request, request.gate(symbol.lower(), request.repairs), []))
        for symbol in symbols
    ]


def _source_bar(root: Path, bar: str) -> str:
    """Return the longest of LEAN's bars that bars of this length can be made from."""
    if bar in FOLDERS:
        return bar
    fitting = [name for name in FOLDERS if bar_ns(bar) % bar_ns(name) == 0 and (root / FOLDERS[name]).is_dir()]
    if not fitting:
        raise DataError(
            "a LEAN folder has bars of 1d, 1h, 1m; others are made from them", column="bar", value=bar, fix="pass 5m, 4h, 1d, 1w, 1mo ..."
        )
    return fitting[0]


def _load_one(lean: Lean) -> History:
    """Return one symbol's History: common rules on raw prices first, then the factors."""
    table = stitch(lean, _segments(lean))
    lean.gate.file = table.file
    factors = _factors(lean)
    intraday = lean.request.bar != "1d"
    extra = Extra(
        lean.gate, thin=intraday, factor_of=lambda day: signal_factor(factors, day), declared=bool(factors)
    )
    # The files count in 1/10,000 dollar: their whole numbers already are ticks of price_exp 4.
    raw = finish(table, lean.symbol.upper(), lean.request, "", 0, extra)._replace(price_exp=RAW_EXP)
    check_references(raw, factors, lean.gate)
    history = with_actions(raw, factors) if lean.request.prices == "raw" else adjusted(raw, factors)
    gone = (Action(int(history.day[-1]), int(history.end_ns[-1]), "delisting", 0, 1, 0),) if _delisted(lean) else ()
    return history._replace(sha256=sha256_of(lean.parts), repairs=lean.gate.made(), actions=history.actions + gone)


def _delisted(lean: Lean) -> bool:
    """Say whether the symbol was delisted within the range asked for, which only the repair lets through."""
    return any(repair.name == "allow-delisted" for repair in lean.gate.made())


def _segments(lean: Lean) -> list[Segment]:
    """Return the segments that overlap the range asked for; refuse a delisted or renamed symbol."""
    folder = lean.root / "map_files"
    segments = read_segments(folder, lean.symbol, lean.parts)
    if not segments:
        owner = former_owner(folder, lean.symbol)
        if owner is not None:
            name, segment = owner
            raise DataError(
                f"this was a ticker of {name.upper()} until {date.fromordinal(segment.last)}",
                file=base_name(lean.request.source),
                column="symbol",
                value=lean.symbol,
                fix=f"ask for {name}: its history includes those days",
            )
        return [Segment(lean.symbol, 1, FOREVER)]
    last, request = segments[-1].last, lean.request
    rule = f"the symbol was delisted on {date.fromordinal(last)}"
    if (
        last < ALIVE
        and (not request.end_day or request.end_day > last)
        and not lean.gate.allows("allow-delisted", 1, 0, rule)
    ):
        raise DataError(
            rule,
            file=base_name(request.source),
            column="symbol",
            value=lean.symbol,
            fix=repair_hint("allow-delisted", f"{option_hint('end', date.fromordinal(last))} or earlier"),
        )
    first_day, last_day = request.start_day or 1, request.end_day or FOREVER
    inside = [segment for segment in segments if segment.last >= first_day and segment.first <= last_day]
    return inside or segments[:1]


def _factors(lean: Lean) -> list[Factor]:
    """Return the rows of the factor file, [] for a symbol that has none and needs none."""
    path = lean.root / "factor_files" / f"{lean.symbol}.csv"
    if path.is_file():
        lean.parts.append(read_bytes(path))
        rows = parse_factors(lean.parts[-1], path.name)
        if rows:
            return rows
    rule = "there is no factor file to adjust prices with"
    if lean.request.prices == "adjusted" and not lean.gate.allows("allow-no-factors", 1, 0, rule):
        raise DataError(
            rule,
            file=f"factor_files/{path.name}",
            column="symbol",
            value=lean.symbol,
            fix=repair_hint("allow-no-factors", option_hint("prices", "raw")),
        )
    return []
