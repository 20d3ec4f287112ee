"""The rows of a run as typed columns: equity, fills, orders, trades, allocations, lots, figures.

Theory of operation. A `Frame` is a name and a list of columns; a column keeps its
int64 values together with what they are (money, price, quantity, time, day), so each
writer can give them exactly: decimal text in CSV and JSON, decimal128 in Parquet.
Nothing is calculated but an average price, which is rounded half to even at 1e-8.
Unknown is `known` False, and every writer has its own word for that: empty or null.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ledger.book import (
    A_CLOSE, A_COST, A_INSTRUMENT, A_LOT, A_PROCEEDS, A_QTY, A_SIDE, I_PRICE_EXP, I_QTY_EXP, I_VERSION, L_COST, L_ENTRY,
    L_INSTRUMENT, L_OPEN, L_QTY, L_SIDE, L_VERSION, N_FEE, N_FLAGS, N_INSTRUMENT, N_KIND, N_ORDER, N_PRICE, N_QTY, N_SIDE,
    N_TIME, N_VALUE, O_FILLED, O_FILLED_VALUE, O_INSTRUMENT, O_PRICE, O_QTY, O_SIDE, O_STATUS, O_TIME, O_TYPE, Book,
)  # fmt: skip
from ledger.units import decimal_text
from ledger.vocabulary import EntryFlag, EventKind, OrderStatus, OrderType
from sim.metrics import DEFINITIONS, MONEY, Figures
from sim.output.sheet import Sheet
from sim.trades import Trades, allocations, closed_trades

Ints = NDArray[np.int64]
SIDES = {1: "long", -1: "short", 0: "none"}
ACTIONS = {1: "buy", -1: "sell", 0: "none"}
PRICE_EXP = 8
SECOND_NS = 10**9
DAY_NS = 86_400 * SECOND_NS


class Column(NamedTuple):
    """One column: `kind` is text, count, number, time or decimal; decimals are values / 10**exp.

    `exp` is int64[n] where the instruments of the rows have grids of their own.
    """

    name: str
    kind: str
    values: Any  # list[str] for text, int64[n] or float64[n] else
    exp: int | Ints = 0
    known: NDArray[np.bool_] | None = None

    def cells(self) -> list[Any]:
        """Return the column as Python values: exact decimal text, ISO times, None where unknown."""
        raw = self.values if self.kind == "text" else self.values.tolist()
        if self.kind == "decimal":
            exps = [self.exp] * len(raw) if isinstance(self.exp, int) else self.exp.tolist()
            shown: list[Any] = [decimal_text(value, exp) for value, exp in zip(raw, exps, strict=True)]
        elif self.kind == "time":
            unit: Any = "s" if not (self.values % SECOND_NS).any() else "ns"
            shown = [f"{text}Z" for text in np.datetime_as_string(self.values.astype("datetime64[ns]"), unit=unit).tolist()]
        elif self.kind == "number":
            shown = [value if np.isfinite(value) else None for value in raw]
        else:
            shown = list(raw)
        if self.known is not None:
            shown = [value if known else None for value, known in zip(shown, self.known.tolist(), strict=True)]
        return shown


class Frame(NamedTuple):
    """A table of a run."""

    name: str
    columns: tuple[Column, ...]

    @property
    def size(self) -> int:
        """Return the number of rows."""
        return len(self.columns[0].values)


def frames(sheet: Sheet) -> dict[str, Frame]:
    """Return every table of a run, by name; without its book there are only equity and figures."""
    found = [equity(sheet), figures(sheet)]
    if (book := sheet.get("book")) is not None:
        names = sheet["symbols"]
        found += [fills(book, names), orders(book, names), trades(book, names), allocation_rows(book, names), lots(book, names)]
    return {frame.name: frame for frame in found}


def equity(sheet: Sheet) -> Frame:
    """Return the equity curve: time, trading day, cash, positions, equity; unknown while a position has no price."""
    time_ns, total = sheet["time_ns"], sheet["equity_e8"]
    columns = [Column("time", "time", time_ns)]
    if "days" in sheet:
        columns.append(_days("day", sheet["days"]))
    positions, known = sheet.get("positions_e8"), sheet.get("known")
    if positions is not None:
        columns += [Column("cash", "decimal", total - positions, 8), Column("positions", "decimal", positions, 8, known)]
    columns.append(Column("equity", "decimal", total, 8, known))
    if "benchmark_e8" in sheet:
        columns.append(Column("buy_and_hold", "decimal", sheet["benchmark_e8"], 8))
    return Frame("equity", tuple(columns))


def figures(sheet: Sheet) -> Frame:
    """Return the figures with their definitions, one row each."""
    measured = sheet["figures"]
    names = [*DEFINITIONS, *(name for name in measured if name not in DEFINITIONS)]
    texts = [figure_value(name, measured) for name in names]
    return Frame(
        "figures",
        (
            Column("figure", "text", names),
            Column("value", "text", ["" if text is None else text for text in texts], 0, np.array([t is not None for t in texts])),
            Column("definition", "text", [DEFINITIONS.get(name, "") for name in names]),
        ),
    )


def figure_value(name: str, measured: Figures) -> str | None:
    """Return a figure as text without loss: money exact, ratios in their shortest form, None when unknown."""
    value = measured.get(name)
    if value is None:
        return None
    return decimal_text(int(value)) if name in MONEY else repr(value)


def fills(book: Book, names: Sequence[str]) -> Frame:
    """Return every execution that counts, in the order they were booked."""
    rows = book.entries
    rows = rows[(rows[:, N_KIND] == EventKind.FILL) & (rows[:, N_FLAGS] & EntryFlag.SUPERSEDED == 0)]
    who = rows[:, N_INSTRUMENT]
    fee_known = rows[:, N_FLAGS] & EntryFlag.FEE_KNOWN != 0
    return Frame("fills", (
        Column("time", "time", rows[:, N_TIME]), _symbols(who, names), _words("action", rows[:, N_SIDE], ACTIONS),
        _quantity("quantity", rows[:, N_QTY], who, book), _price("price", rows[:, N_PRICE], who, book),
        Column("value", "decimal", rows[:, N_VALUE], 8), Column("fee", "decimal", rows[:, N_FEE], 8, fee_known),
        Column("order", "count", rows[:, N_ORDER], 0, rows[:, N_ORDER] >= 0),
    ))  # fmt: skip


def orders(book: Book, names: Sequence[str]) -> Frame:
    """Return every order and its state."""
    rows = book.orders
    who, filled = rows[:, O_INSTRUMENT], rows[:, O_FILLED]
    return Frame("orders", (
        Column("order", "count", np.arange(len(rows), dtype=np.int64)), Column("time", "time", rows[:, O_TIME]), _symbols(who, names),
        _words("action", rows[:, O_SIDE], ACTIONS), _words("type", rows[:, O_TYPE], {int(t): t.name for t in OrderType}),
        _words("status", rows[:, O_STATUS], {int(s): s.name for s in OrderStatus}),
        _quantity("quantity", rows[:, O_QTY], who, book), _quantity("filled", filled, who, book),
        Column("filled_value", "decimal", rows[:, O_FILLED_VALUE], 8),
        _price("price", rows[:, O_PRICE], who, book, rows[:, O_TYPE] != OrderType.MARKET),
    ))  # fmt: skip


def trades(book: Book, names: Sequence[str], closed: Trades | None = None) -> Frame:
    """Return the closed trades as the figures count them: one row per closing order, P&L after fees."""
    found = closed if closed is not None else closed_trades(book)
    who, quantity = found.instrument, found.qty_lots
    return Frame("trades", (
        Column("trade", "count", np.arange(1, len(who) + 1)), _symbols(who, names), _words("side", found.side, SIDES),
        _quantity("quantity", quantity, who, book), Column("opened", "time", found.open_ns), Column("closed", "time", found.close_ns),
        _average("entry_price", found.cost_e8, quantity, who, book), _average("exit_price", found.proceeds_e8, quantity, who, book),
        Column("fees", "decimal", found.fees_e8, 8), Column("pnl", "decimal", found.pnl_e8, 8),
        Column("return", "number", np.divide(found.pnl_e8, found.cost_e8, out=np.full(len(who), np.nan), where=found.cost_e8 > 0)),
        Column("days_held", "number", (found.close_ns - found.open_ns) / DAY_NS),
    ))  # fmt: skip


def allocation_rows(book: Book, names: Sequence[str]) -> Frame:
    """Return the parts of lots that closing executions took: what the profit is the sum of."""
    rows, open_fee, close_fee = allocations(book)
    who, entries = rows[:, A_INSTRUMENT], book.entries
    opened, closed = entries[book.lots[rows[:, A_LOT], L_ENTRY]], entries[rows[:, A_CLOSE]]
    gross = rows[:, A_SIDE] * (rows[:, A_PROCEEDS] - rows[:, A_COST])
    return Frame("allocations", (
        _symbols(who, names), _words("side", rows[:, A_SIDE], SIDES), _quantity("quantity", rows[:, A_QTY], who, book),
        Column("opened", "time", opened[:, N_TIME]), Column("closed", "time", closed[:, N_TIME]),
        _price("entry_price", opened[:, N_PRICE], who, book), _price("exit_price", closed[:, N_PRICE], who, book),
        Column("cost", "decimal", rows[:, A_COST], 8), Column("proceeds", "decimal", rows[:, A_PROCEEDS], 8),
        Column("entry_fee", "decimal", open_fee, 8), Column("exit_fee", "decimal", close_fee, 8),
        Column("net", "decimal", gross - open_fee - close_fee, 8), Column("lot", "count", rows[:, A_LOT]),
    ))  # fmt: skip


def lots(book: Book, names: Sequence[str]) -> Frame:
    """Return the lots that are open at the end."""
    rows = book.lots
    rows = rows[(rows[:, L_OPEN] > 0) & (rows[:, L_VERSION] == book.instruments[rows[:, L_INSTRUMENT], I_VERSION])]
    who = rows[:, L_INSTRUMENT]
    return Frame("lots", (
        _symbols(who, names), _words("side", rows[:, L_SIDE], SIDES), _quantity("quantity", rows[:, L_QTY], who, book),
        _quantity("open", rows[:, L_OPEN], who, book), Column("cost", "decimal", rows[:, L_COST], 8),
        Column("opened", "time", book.entries[rows[:, L_ENTRY], N_TIME]),
    ))  # fmt: skip


def _symbols(who: Ints, names: Sequence[str]) -> Column:
    return Column("symbol", "text", [names[at - 1] for at in who.tolist()])


def _words(name: str, values: Ints, words: dict[int, str]) -> Column:
    return Column(name, "text", [words[value] for value in values.tolist()])


def _days(name: str, days: Ints) -> Column:
    return Column(name, "text", np.datetime_as_string((days - 719_163).astype("datetime64[D]")).tolist())


def _quantity(name: str, lots_: Ints, who: Ints, book: Book) -> Column:
    return Column(name, "decimal", lots_, book.instruments[who, I_QTY_EXP])


def _price(name: str, ticks: Ints, who: Ints, book: Book, known: NDArray[np.bool_] | None = None) -> Column:
    return Column(name, "decimal", ticks, book.instruments[who, I_PRICE_EXP], known)


def _average(name: str, value_e8: Ints, quantity: Ints, who: Ints, book: Book) -> Column:
    """Return value / quantity at 1e-8, rounded half to even, by Python's unbounded integers."""
    scale = (10 ** book.instruments[who, I_QTY_EXP]).tolist()
    found = []
    for value, lots_, unit in zip(value_e8.tolist(), quantity.tolist(), scale, strict=True):
        whole, rest = divmod(value * unit, lots_) if lots_ else (0, 0)
        found.append(whole + (2 * rest > lots_ or (2 * rest == lots_ and whole & 1)))
    return Column(name, "decimal", np.array(found, np.int64), PRICE_EXP, quantity > 0)
