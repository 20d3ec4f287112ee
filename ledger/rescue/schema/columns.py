"""A table of trades to columns: the part that all schemas share.

Theory of operation. A schema says which column holds what (`Layout`); the table is then read a chunk at a
time, so a million rows never stand in memory as Python objects. What cannot be read is noted as a
Problem; a row without a side, quantity, price or symbol is fatal and is not booked. A time
that cannot be read takes the one of the row before, because the order of rows is then the best
that is known, and that is a finding too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np

from ledger.rescue import times
from ledger.rescue.amounts import Amounts, State, decimals, to_e8
from ledger.rescue.legacy import Problem, Symbol, Trades
from ledger.rescue.raw import RawRow, RawTable
from ledger.rescue.readers.opening import Progress

SIDES: dict[str, tuple[int, bool]] = {
    "BUY": (1, False), "B": (1, False), "BOT": (1, False), "BOUGHT": (1, False), "LONG": (1, False), "BUY_TO_OPEN": (1, False),
    "SELL": (-1, False), "S": (-1, False), "SLD": (-1, False), "SOLD": (-1, False), "SELL_TO_CLOSE": (-1, False),
    "SELL_SHORT": (-1, True), "SHORT": (-1, True), "SSHORT": (-1, True), "SELL_TO_OPEN": (-1, True),
    "BUY_TO_COVER": (1, True), "COVER": (1, True), "BUY_TO_CLOSE": (1, True),
}  # fmt: skip
"""Words for a side: its sign, and whether it opens or closes a short position."""
_VALUE_BITS = 58
"""A trade beyond 2^58 e8 (2.9 billion) is taken for a damaged number."""


class Layout(NamedTuple):
    """Which column holds what; None where the file has none."""

    ident: int | None
    time: int | None
    symbol: int
    side: int | None
    qty: int
    price: int
    fee: int | None = None
    pnl: int | None = None
    order: int | None = None
    portfolio: int | None = None
    extra: tuple[tuple[str, int], ...] = ()
    wanted: Callable[[RawRow], str | None] | None = None
    """Says why a row is no trade, or None when it is one."""
    zone: ZoneInfo | None = None
    cleaned: bool = False
    """Whether numbers have thousands separators."""
    fee_sign: int = 1
    """-1 where costs are written as negative amounts."""


@dataclass
class Gathered:
    """The columns so far; one array a chunk, joined at the end."""

    parts: dict[str, list[Any]] = field(default_factory=dict)
    ident: list[str] = field(default_factory=list)
    order: list[str] = field(default_factory=list)
    extra: dict[str, list[Any]] = field(default_factory=dict)
    symbols: dict[Symbol, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    skipped: dict[str, int] = field(default_factory=dict)
    pnl_decimals: int = 0
    rounded: int = 0

    def add(self, **arrays: Any) -> None:
        """Take the arrays of a chunk."""
        for name, array in arrays.items():
            self.parts.setdefault(name, []).append(array)

    def joined(self, name: str, dtype: Any) -> Any:
        """Return one column."""
        return np.concatenate([np.zeros(0, dtype), *self.parts.get(name, [])]).astype(dtype)


THOUSANDS = re.compile(r"[^\d,]*\d{1,3}(,\d{3})+(\.\d*)?\D*")
"""Digits that commas put into threes, with whatever sign or bracket there is around them."""


def number(value: Any) -> Any:
    """Return a number's text without thousands separators and currency signs; other values as they are.

    A comma that separates no thousands stays, and 29,60 is no number: without its comma it would be a hundred times as much.
    """
    if not isinstance(value, str):
        return value
    text = value.replace("$", "").strip()
    return text.replace(",", "") if "," in text and THOUSANDS.fullmatch(text) else text


def read_trades(table: RawTable, layout: Layout, first: int, say: Progress | None = None) -> tuple[Trades, Gathered]:
    """Return the trades of a table, and what was noted on the way.

    Args:
        first: number of the table's first row among all rows of the file.
    """
    got = Gathered(extra={name: [] for name, _ in layout.extra})
    for start, rows in table.chunks():
        if say is not None:
            say(f"reading {table.name}: {start + len(rows):,} rows")
        _chunk(table, layout, got, first + start, rows)
    trades = Trades(
        table.name, got.joined("number", np.int64), got.ident, _filled_times(got), got.joined("symbol", np.int64),
        got.joined("side", np.int8), got.joined("short", bool), got.joined("qty", np.int64), got.joined("price", np.int64),
        got.joined("fee", np.int64), got.joined("fee_known", bool), got.joined("pnl", np.int64), got.joined("pnl_known", bool),
        got.pnl_decimals, got.joined("bookable", bool), got.order if layout.order is not None else None, got.extra, got.rounded,
        layout.pnl is not None, layout.fee is not None,
    )  # fmt: skip
    return trades, got


def _chunk(table: RawTable, layout: Layout, got: Gathered, first: int, rows: list[RawRow]) -> None:
    """Read some rows into the columns (`got` is modified in place)."""
    numbers = np.arange(first, first + len(rows))
    if layout.wanted is not None:
        reasons = [layout.wanted(row) for row in rows]
        for reason in reasons:
            if reason is not None:
                got.skipped[reason] = got.skipped.get(reason, 0) + 1
        keep = [at for at, reason in enumerate(reasons) if reason is None]
        rows, numbers = [rows[at] for at in keep], numbers[keep]
    columns = list(zip(*rows, strict=True)) if rows else [() for _ in table.columns]
    idents = (
        [str(n) for n in numbers - first + 1]
        if layout.ident is None
        else [str(value) for value in columns[layout.ident]]
    )
    names = [f"{table.name}#{ident}" for ident in idents]
    got.ident += idents
    if layout.order is not None:
        got.order += ["" if value is None else str(value) for value in columns[layout.order]]
    for name, place in layout.extra:
        got.extra[name] += columns[place]
    side, short, signed = _sides(layout, columns, names, got)
    qty, price = (
        _required(layout, columns[layout.qty], "quantity", names, got),
        _required(layout, columns[layout.price], "price", names, got),
    )
    symbol = _symbols(layout, columns, names, got)
    units, worth = np.abs(qty.units), price.units
    if not signed.all() and layout.side is not None and (qty.units[~signed] < 0).any():
        _note_signs(columns[layout.qty], qty, side, signed, names, got)
    side = np.where(side == 0, np.sign(qty.units), side).astype(np.int8) if layout.side is None else side
    large = [
        u.bit_length() + p.bit_length() > _VALUE_BITS + 27 for u, p in zip(units.tolist(), worth.tolist(), strict=True)
    ]
    for at in np.flatnonzero(large).tolist():
        got.problems.append(
            Problem(
                names[at],
                "quantity",
                f"{columns[layout.qty][at]} x {columns[layout.price][at]}",
                "worth billions",
                True,
            )
        )
    good = qty.known & price.known & (side != 0) & (units > 0) & (worth > 0) & (symbol >= 0) & ~np.array(large, bool)
    for at in np.flatnonzero(~good & qty.known & price.known & ((units == 0) | (worth <= 0))).tolist():
        which, place = ("quantity", layout.qty) if units[at] == 0 else ("price", layout.price)
        got.problems.append(Problem(names[at], which, str(columns[place][at]), "must be above 0", True))
    fee, pnl = (
        _optional(layout.fee, layout, columns, "fee", names, got),
        _optional(layout.pnl, layout, columns, "pnl", names, got),
    )
    got.pnl_decimals = max(got.pnl_decimals, decimals(pnl.units))
    got.rounded += int(((qty.state == State.ROUNDED) | (price.state == State.ROUNDED)).sum())
    got.add(
        number=numbers, side=side, short=short, qty=units, price=worth, symbol=np.maximum(symbol, 0), bookable=good,
        fee=fee.units * layout.fee_sign, fee_known=fee.known, pnl=pnl.units, pnl_known=pnl.known, time=_times(layout, columns, names, got),
    )  # fmt: skip


def _sides(layout: Layout, columns: Sequence[Any], names: list[str], got: Gathered) -> tuple[Any, Any, Any]:
    """Return the sign of each row, whether it is of a short position, and whether the quantity carries the sign too."""
    if layout.side is None:
        zeros = np.zeros(len(names), np.int8)
        return zeros, zeros.astype(bool), np.ones(len(names), bool)
    known = [SIDES.get(str(value).strip().upper().replace(" ", "_"), (0, False)) for value in columns[layout.side]]
    for at, (sign, _) in enumerate(known):
        if sign == 0:
            got.problems.append(Problem(names[at], "side", str(columns[layout.side][at]), "is no side", True))
    side = np.array([sign for sign, _ in known], np.int8)
    return side, np.array([short for _, short in known], bool), np.zeros(len(names), bool)


def _note_signs(values: Any, qty: Amounts, side: Any, signed: Any, names: list[str], got: Gathered) -> None:
    """Note rows whose quantity is negative although they buy; a negative sale says the same twice."""
    for at in np.flatnonzero((qty.units < 0) & (side > 0) & ~signed).tolist():
        got.problems.append(
            Problem(names[at], "quantity", str(values[at]), "is negative in a purchase; its size was taken", False)
        )


def _required(layout: Layout, values: Sequence[Any], what: str, names: list[str], got: Gathered) -> Amounts:
    amounts = to_e8([number(value) for value in values] if layout.cleaned else values)
    for at in np.flatnonzero(~amounts.known).tolist():
        got.problems.append(
            Problem(names[at], what, str(values[at]), "is missing" if values[at] is None else "is no number", True)
        )
    return amounts


def _optional(
    place: int | None, layout: Layout, columns: Sequence[Any], what: str, names: list[str], got: Gathered
) -> Amounts:
    """Return a column that may be absent or NULL; only a text that is no number is a problem."""
    if place is None:
        return Amounts(np.zeros(len(names), np.int64), np.full(len(names), State.NULL, np.int8))
    amounts = to_e8([number(value) for value in columns[place]] if layout.cleaned else columns[place])
    for at in np.flatnonzero(amounts.state == State.BAD).tolist():
        got.problems.append(Problem(names[at], what, str(columns[place][at]), "is no number", False))
    return amounts


def _symbols(layout: Layout, columns: Sequence[Any], names: list[str], got: Gathered) -> Any:
    """Return the number of each row's symbol, -1 where it has none."""
    values = columns[layout.symbol]
    portfolios = (
        [layout_portfolio(value) for value in columns[layout.portfolio]] if layout.portfolio is not None else None
    )
    codes = np.full(len(names), -1, np.int64)
    for at, value in enumerate(values):
        if value is None or not str(value).strip():
            got.problems.append(Problem(names[at], "symbol", str(value), "is missing", True))
            continue
        symbol = Symbol(portfolios[at] if portfolios else "default", str(value).strip().replace("\0", ""))
        codes[at] = got.symbols.setdefault(symbol, len(got.symbols))
    return codes


def layout_portfolio(value: Any) -> str:
    """Return the name of a portfolio; NULL is the default one."""
    return "default" if value is None else str(value)


def _times(layout: Layout, columns: Sequence[Any], names: list[str], got: Gathered) -> Any:
    if layout.time is None:
        return np.full(len(names), times.UNKNOWN, np.int64)
    found = times.to_ns(columns[layout.time], layout.zone)
    for at in np.flatnonzero(found == times.UNKNOWN).tolist():
        got.problems.append(
            Problem(names[at], "time", str(columns[layout.time][at]), "is no time; the row before lends its own", False)
        )
    return found


def _filled_times(got: Gathered) -> Any:
    """Return the times, an unknown one as that of the row before; at the start, as the first known."""
    found = got.joined("time", np.int64)
    known = found != times.UNKNOWN
    if not known.any():
        return np.arange(len(found), dtype=np.int64) * 10**9
    last = np.maximum.accumulate(np.where(known, np.arange(len(found)), -1))
    return np.where(last < 0, found[np.argmax(known)], found[np.maximum(last, 0)])
