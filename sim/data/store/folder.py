"""The local store: validated bars in a folder, each file with its own story and hash.

Theory of operation. A store is a folder with a marker file; below it stand
`adjusted/1d/SPY.parquet` and its like. A file holds the integer columns of one History
and, as metadata, where they came from: source and its SHA-256, zone, calendar, grid,
actions, repairs, and the SHA-256 over all of that and the columns. A file whose hash is
not its content's is refused: it was changed, or written by half. Files appear under
their name only when they are whole.

States of an import: new, same (nothing is written), extended (the bars that both have are
equal and no session is missing between them), replaced (asked for). Anything else is refused and the
store stays as it was.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from sim.data.errors import REPAIRS, DataError, base_name, near, option_hint
from sim.data.finish import Request, in_range
from sim.data.gaps import check_gaps
from sim.data.gate import Gate
from sim.data.history import Action, History, Repair, frozen
from sim.data.place import Placed, Spans, bar_ns
from sim.data.sessions import calendar_of

MARKER = "onebook-store.json"
FORMAT = 1
KINDS = ("adjusted", "raw")
TIMES = ("start_ns", "end_ns", "day")
PRICES = ("open_ticks", "high_ticks", "low_ticks", "close_ticks")
COLUMNS = (*TIMES, *PRICES, "volume")
PLAIN = re.compile(r"[A-Z0-9._-]")
DEVICES = re.compile(r"(CON|PRN|AUX|NUL|COM\d|LPT\d)(\..*)?$")
"""Names that one operating system keeps for itself, whatever their ending."""


class Kept(Enum):
    """What an import did."""

    NEW = "new"
    SAME = "same"
    EXTENDED = "extended"
    REPLACED = "replaced"


class Entry(NamedTuple):
    """One file of a store."""

    symbol: str
    bar: str
    prices: str
    path: Path
    bars: int
    first: str
    last: str
    about: dict[str, Any]  # the metadata as it stands in the file


def is_store(folder: Path) -> bool:
    """Say whether a folder is a store."""
    return (folder / MARKER).is_file()


def file_name(symbol: str) -> str:
    """Return a file name that no file system confuses with another symbol's: every letter but A-Z is spelled out."""
    safe = "".join(letter if PLAIN.fullmatch(letter) else f"%{ord(letter):02X}" for letter in symbol)
    if DEVICES.match(safe) or safe.startswith("."):
        safe = f"%{ord(safe[0]):02X}{safe[1:]}"
    return f"{safe}.parquet"


class Store:
    """A folder of bars."""

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)

    def path(self, symbol: str, bar: str, prices: str) -> Path:
        """Return where the bars of a symbol stand, or would stand."""
        return self.folder / prices / bar / file_name(symbol)

    def entries(self) -> Iterator[Entry]:
        """Yield every file of the store, by kind, bar and symbol; their content is not read.

        Raises:
            DataError: no store here, or a file of it that cannot be read.
        """
        self._require()
        for path in sorted(self.folder.glob("*/*/*.parquet")):
            about, bars = _about(path)
            yield Entry(
                about["symbol"], about["bar"], about["prices"], path, bars, about["first"], about["last"], about,
            )  # fmt: skip

    def find(self, symbol: str, bar: str, prices: str) -> Entry | None:
        """Return the file of a symbol, None when the store has none."""
        path = self.path(symbol, bar, prices)
        if not path.is_file():
            return None
        about, bars = _about(path)
        return Entry(symbol, bar, prices, path, bars, about["first"], about["last"], about)

    def lacking(self, symbol: str, bar: str, prices: str, first: date, last: date) -> list[tuple[date, date]]:
        """Return the stretches of first to last that the store has not; each touches what it has by a day.

        The day at the seam is asked for again, so that a price that has changed since is noticed.
        """
        entry = self.find(symbol, bar, prices)
        if entry is None:
            return [(first, last)]
        begin, end = date.fromisoformat(entry.first), date.fromisoformat(entry.last)
        older = [(first, begin)] if first < begin else []
        return older + ([(end, last)] if last > end else [])

    def _require(self) -> None:
        if is_store(self.folder):
            return
        raise DataError(
            "there is no store of bars here", file=self.folder.name or ".", fix="make one with `onebook data import FILE`"
        )

    def keep(
        self, history: History, prices: str, calendar: str | None, now_ns: int, replace: bool = False, repairs: Iterable[str] = ()
    ) -> tuple[Kept, Entry]:
        """Write a history, or join it to what the store has of it.

        Args:
            prices: of KINDS. calendar: as asked for. now_ns: UTC ns, for the record. replace: write over other prices.
            repairs: those asked for.
        Raises:
            DataError: the store has other bars for the same time, or a hole would be between old and new.
        """
        path = self.path(history.symbol, history.bar, prices)
        name = calendar_of(calendar, history.timezone)
        kept, joined = Kept.NEW, history
        if path.is_file():
            old, about = read(path)
            kept, joined = (Kept.REPLACED, history) if replace else join(old, history, (about["calendar"], name), repairs)
        if kept is not Kept.SAME:
            self._write(path, joined, prices, name, now_ns)
        about, bars = _about(path)
        return kept, Entry(history.symbol, history.bar, prices, path, bars, about["first"], about["last"], about)

    def set_aside(self, symbol: str, bar: str, text: bytes) -> Path:
        """Keep the text of a download that the rules refused, so that nobody has to wait for it again."""
        folder = self.folder / "refused" / bar
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{file_name(symbol).removesuffix('.parquet')}.csv"
        path.write_bytes(text)
        return path

    def _write(self, path: Path, history: History, prices: str, calendar: str, now_ns: int) -> None:
        """Write one file, whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        marker = self.folder / MARKER
        if not marker.exists():
            marker.write_text(json.dumps({"format": FORMAT}) + "\n", encoding="utf-8")
        about = describe(history, prices, calendar, now_ns)
        part = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            _write_parquet(part, history, about)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)

    def load(self, symbols: Sequence[str], request: Request) -> list[History]:
        """Return the histories of the symbols, all of the kind and bar when none is named.

        Raises:
            DataError: not in the store, changed since its import, or outside start and end.
        """
        found = [entry for entry in self.entries() if entry.prices == request.prices]
        names = list(symbols) or sorted({entry.symbol for entry in found})
        if not names:
            raise DataError(f"the store has no {request.prices} prices", file=self.folder.name, fix=self._hint())
        return [self._load_one(symbol, found, request) for symbol in names]

    def _hint(self) -> str:
        kinds = sorted({entry.prices for entry in self.entries()})
        return option_hint("prices", kinds[0]) if kinds else "import a file first"

    def _load_one(self, symbol: str, found: list[Entry], request: Request) -> History:
        mine = [entry for entry in found if entry.symbol == symbol]
        if not mine:
            names = {entry.symbol for entry in found}
            hint = ", ".join(near(symbol, names) or sorted(names)[:8])
            fix = f"use one of {len(names)} symbols, for example {hint}" if names else self._hint()
            raise DataError("this symbol is not in the store", file=self.folder.name, column="symbol", value=symbol, fix=fix)
        history, about = read(_longest(mine, request.bar).path)
        gate = request.gate(base_name(history.source), request.repairs | _accepted(history))
        history = cut(history, in_range(history.day, request, gate))
        _check(history, about["calendar"], gate)
        return history


def _longest(entries: list[Entry], bar: str | None) -> Entry:
    """Return the file to read bars of this length from: itself, else the longest that they can be made from."""
    if bar is None:
        if len(entries) > 1:
            have = ", ".join(entry.bar for entry in entries)
            raise DataError("the store has bars of several lengths", column="bar", value=have, fix="say which with --bar (in Python bar=)")
        return entries[0]
    want = bar_ns(bar)
    fitting = [entry for entry in entries if want % bar_ns(entry.bar) == 0]
    if not fitting:
        have = ", ".join(entry.bar for entry in entries)
        raise DataError(f"the store has bars of {have}, asked for were {bar}", column="bar", value=bar, fix="import finer bars")
    return max(fitting, key=lambda entry: bar_ns(entry.bar))


def cut(history: History, keep: Any) -> History:
    """Return the bars of a mask."""
    if keep.all():
        return history
    columns: dict[str, Any] = {name: frozen(getattr(history, name)[keep]) for name in COLUMNS}
    factor = history.signal_factor[keep]
    factor.setflags(write=False)
    return history._replace(**columns, signal_factor=factor)


def join(old: History, new: History, calendars: tuple[str, str], repairs: Iterable[str] = ()) -> tuple[Kept, History]:
    """Return the bars of both; SAME when the new ones add nothing.

    Args:
        calendars: of the old and of the new bars. repairs: those asked for: `allow-gaps` lets a hole between them stand.
    Raises:
        DataError: other zone, calendar or prices, or a session missing between the two.
    """
    calendar = calendars[1]
    if (old.timezone, calendars[0]) != (new.timezone, calendar):
        raise DataError(
            f"the store has these bars in {old.timezone} by {calendars[0]}", file=base_name(new.source), column="timezone",
            value=f"{new.timezone} by {calendar}", fix="import with the same --timezone and --calendar, or pass --replace",
        )  # fmt: skip
    exp = max(old.price_exp, new.price_exp)
    old, new = _on_grid(old, exp), _on_grid(new, exp)
    times = np.union1d(old.start_ns, new.start_ns)
    _check_equal(old, new)
    if len(times) == len(old.start_ns) and set(new.actions) <= set(old.actions):
        return Kept.SAME, old
    at_old, at_new = np.searchsorted(times, old.start_ns), np.searchsorted(times, new.start_ns)
    columns: dict[str, Any] = {}
    for name in (*COLUMNS, "signal_factor"):
        values = np.zeros(len(times), getattr(old, name).dtype)
        values[at_old] = getattr(old, name)
        values[at_new] = getattr(new, name)
        values.setflags(write=False)
        columns[name] = values
    joined = new._replace(**columns, actions=tuple(sorted({*old.actions, *new.actions})))
    gate = Gate(base_name(new.source), {*repairs, *_accepted(old), *_accepted(new)})
    _check(joined, calendar, gate)
    made = {repair.name: repair for repair in (*old.repairs, *new.repairs, *gate.made())}
    return Kept.EXTENDED, joined._replace(repairs=tuple(made[name] for name in sorted(made)))


def _accepted(history: History) -> frozenset[str]:
    """Return the repairs that were asked for when a history was imported."""
    return frozenset(repair.name for repair in history.repairs if repair.name in REPAIRS)


def _on_grid(history: History, exp: int) -> History:
    """Return a history with prices of this many decimals."""
    scale = 10 ** (exp - history.price_exp)
    if scale == 1:
        return history
    limit = np.iinfo(np.int64).max // scale
    if int(history.high_ticks.max()) > limit:
        raise DataError("the prices do not fit the finer grid of the new ones", file=history.symbol, fix="pass --replace")
    scaled: dict[str, Any] = {name: frozen(getattr(history, name) * scale) for name in PRICES}
    return history._replace(price_exp=exp, **scaled)


def _check_equal(old: History, new: History) -> None:
    """Refuse bars that both have and that differ: adjusted prices change with every dividend."""
    _, at_old, at_new = np.intersect1d(old.start_ns, new.start_ns, return_indices=True)
    for name in (*PRICES, "volume", "end_ns"):
        wrong = getattr(old, name)[at_old] != getattr(new, name)[at_new]
        if wrong.any():
            at = int(np.argmax(wrong))
            raise DataError(
                f"the store has another {name.removesuffix('_ticks')} for {int(wrong.sum())} of the same bars",
                file=base_name(new.source), column=name.removesuffix("_ticks"),
                value=f"{date.fromordinal(int(new.day[at_new[at]]))}: {getattr(new, name)[at_new[at]]}, stored "
                f"{getattr(old, name)[at_old[at]]}",
                fix="pass --replace to keep the new bars only",
            )  # fmt: skip


def _check(history: History, calendar: str, gate: Any) -> None:
    """Hold the bars against the calendar again: what was stored may have been joined of several imports."""
    if history.bar in ("1w", "1mo"):
        return
    daily = history.bar == "1d"
    spans = Spans(history.start_ns, history.end_ns, history.day, history.bar, bar_ns(history.bar))
    thin = any(repair.name == "no-trade-no-bar" for repair in history.repairs)
    row = np.arange(1, len(history.day) + 1, dtype=np.int64)
    check_gaps(spans, Placed(history.start_ns, daily, history.timezone, calendar), row, gate, thin)


def describe(history: History, prices: str, calendar: str, now_ns: int) -> dict[str, Any]:
    """Return the metadata of a file, with the hash over it and the columns."""
    about = {
        "format": FORMAT, "symbol": history.symbol, "bar": history.bar, "prices": prices, "timezone": history.timezone,
        "calendar": calendar, "price_exp": history.price_exp, "source": base_name(history.source), "source_sha256": history.sha256,
        "first": date.fromordinal(int(history.day[0])).isoformat(), "last": date.fromordinal(int(history.day[-1])).isoformat(),
        "actions": [action._asdict() for action in history.actions], "repairs": [repair._asdict() for repair in history.repairs],
        "imported_ns": now_ns,
    }  # fmt: skip
    return {**about, "sha256": content_hash(about, history)}


def content_hash(about: dict[str, Any], history: History) -> str:
    """Return the SHA-256 over the metadata but the hash itself, and every column in order."""
    plain = {key: value for key, value in about.items() if key not in ("sha256", "imported_ns")}
    digest = hashlib.sha256(json.dumps(plain, sort_keys=True).encode())
    for name in (*COLUMNS, "signal_factor"):
        digest.update(np.ascontiguousarray(getattr(history, name)).astype("<f8" if name == "signal_factor" else "<i8").tobytes())
    return digest.hexdigest()


def _write_parquet(path: Path, history: History, about: dict[str, Any]) -> None:
    import pyarrow
    import pyarrow.parquet

    columns = {name: getattr(history, name) for name in (*COLUMNS, "signal_factor")}
    table = pyarrow.table(columns).replace_schema_metadata({"onebook": json.dumps(about)})
    pyarrow.parquet.write_table(table, path, compression="zstd")


def _about(path: Path) -> tuple[dict[str, Any], int]:
    """Return the metadata of a file and its number of rows."""
    import pyarrow
    import pyarrow.parquet

    try:
        stored = pyarrow.parquet.ParquetFile(path)
        about: dict[str, Any] = json.loads((stored.schema_arrow.metadata or {})[b"onebook"])
        if about["format"] != FORMAT:
            raise DataError(f"the file is of format {about['format']}, this program reads {FORMAT}", file=path.name, fix="import it again")
        return about, int(stored.metadata.num_rows)
    except (pyarrow.ArrowException, OSError, KeyError, ValueError, TypeError) as error:
        raise DataError(f"the file of the store cannot be read ({error})", file=path.name, fix="import its source again") from None


def read(path: Path) -> tuple[History, dict[str, Any]]:
    """Return one file of a store as a History, and its metadata.

    Raises:
        DataError: unreadable, or not what was written.
    """
    import pyarrow
    import pyarrow.parquet

    about, _ = _about(path)
    try:
        table = pyarrow.parquet.read_table(path)
        columns = {name: frozen(table.column(name).to_numpy()) for name in COLUMNS}
        factor = np.array(table.column("signal_factor").to_numpy(), np.float64)
        factor.setflags(write=False)
        history = History(
            about["symbol"], about["source"], about["bar"], about["timezone"], about["price_exp"], **columns, signal_factor=factor,
            actions=tuple(Action(**action) for action in about["actions"]), repairs=tuple(Repair(**made) for made in about["repairs"]),
            sha256=about["source_sha256"],
        )  # fmt: skip
    except (pyarrow.ArrowException, OSError, KeyError, ValueError, TypeError) as error:
        raise DataError(f"the file of the store cannot be read ({error})", file=path.name, fix="import its source again") from None
    if content_hash(about, history) != about["sha256"]:
        raise DataError(
            "the file of the store is not what was written: its SHA-256 differs", file=path.name, fix="import its source again"
        )
    return history._replace(sha256=about["sha256"]), about
