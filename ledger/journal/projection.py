"""Projections: what the book says, as SQL rows, written with the event that changed it.

Theory of operation. A projection table is a choice of columns of one section of
the arena. Which rows a few events can have touched is found in `tables.py`; after
many events the arena before and after are compared here. Both must give what the
book alone gives; `Journal.verify` compares the tables with it.

Each table is keyed by session and row number, so that sessions share tables.
"""

from __future__ import annotations

import functools
import operator
import sqlite3
from collections.abc import Mapping
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from ledger.book import (
    A_CLOSE, A_COST, A_INSTRUMENT, A_LOT, A_PROCEEDS, A_QTY, A_SIDE, A_VERSION, E_INSTRUMENT, E_KIND,
    E_REF, H_METHOD, H_REBOOKS, H_VERSION, I_DIVIDE, I_ENTRIES, I_FEES, I_FLAGS, I_GATES, I_INCOME,
    I_LIVE_ENTRIES, I_LOTS, I_MARK, I_MARK_TIME, I_MULTIPLY, I_OPEN, I_OPEN_COST, I_POSITION, I_PRICE_EXP, I_QTY_EXP,
    I_REALIZED, I_SHORT_HOLD, I_STEP, I_TICK, I_UNMATCHED, I_UNMATCHED_VALUE, I_VALUE, I_VERSION, I_WORKING, L_COST,
    L_ENTRY, L_INSTRUMENT, L_OPEN, L_QTY, L_SIDE, L_VALUE, L_VERSION, N_FEE, N_FLAGS, N_ID, N_INSTRUMENT, N_KIND,
    N_ORDER, N_PRICE, N_QTY, N_REF, N_REVISION, N_SEQ, N_SIDE, N_TIME, N_VALUE, O_CHANGED, O_FILLED, O_FILLED_VALUE,
    O_FLAGS, O_INSTRUMENT, O_KEY, O_PARENT, O_PRICE, O_QTY, O_RESERVE, O_SEQ, O_SIDE, O_STATUS, O_STOP, O_TAKE,
    O_TARGET, O_TIME, O_TRAIL, O_TYPE, S_ALLOC, S_ENTRY, S_INSTRUMENT, S_LOT, S_ORDER, S_UNMATCHED,
    U_ENTRY, U_INSTRUMENT, U_QTY, U_REASON, U_VALUE, U_VERSION, WIDTHS, Arena, section_rows,
)  # fmt: skip
from ledger.journal.days import trading_days
from ledger.kernels.fees import fee_shares
from ledger.vocabulary import EntryFlag, EventKind, Method

Rows = list[tuple[object, ...]]
Numbers = NDArray[np.int64]


class Table(NamedTuple):
    """A projection table: its name, its section of the arena, and (SQL column, arena column) pairs."""

    name: str
    section: int
    columns: tuple[tuple[str, int], ...]


INSTRUMENT = Table("instrument", S_INSTRUMENT, (
    ("price_exp", I_PRICE_EXP), ("qty_exp", I_QTY_EXP), ("multiply", I_MULTIPLY), ("divide", I_DIVIDE),
    ("step_lots", I_STEP), ("tick_ticks", I_TICK), ("flags", I_FLAGS), ("position_lots", I_POSITION),
    ("open_cost_e8", I_OPEN_COST), ("short_hold_e8", I_SHORT_HOLD), ("realized_e8", I_REALIZED), ("fees_e8", I_FEES),
    ("income_e8", I_INCOME), ("unmatched_lots", I_UNMATCHED), ("unmatched_value_e8", I_UNMATCHED_VALUE),
    ("mark_ticks", I_MARK), ("mark_time_ns", I_MARK_TIME), ("value_e8", I_VALUE), ("gates", I_GATES),
    ("working_lots", I_WORKING), ("live_entries", I_LIVE_ENTRIES), ("is_open", I_OPEN), ("open_lots_count", I_LOTS),
    ("entries", I_ENTRIES), ("version", I_VERSION),
))  # fmt: skip
ORDER = Table('"order"', S_ORDER, (
    ("key", O_KEY), ("instrument", O_INSTRUMENT), ("status", O_STATUS), ("side", O_SIDE), ("qty_lots", O_QTY),
    ("filled_lots", O_FILLED), ("filled_value_e8", O_FILLED_VALUE), ("reserve_e8", O_RESERVE),
    ("target_lots", O_TARGET), ("order_type", O_TYPE), ("flags", O_FLAGS), ("price_ticks", O_PRICE),
    ("stop_ticks", O_STOP), ("take_ticks", O_TAKE), ("trail_ticks", O_TRAIL), ("parent", O_PARENT),
    ("time_ns", O_TIME), ("seq", O_SEQ), ("changed_seq", O_CHANGED),
))  # fmt: skip
EXECUTION = Table("execution", S_ENTRY, (
    ("exec_id", N_ID), ("revision", N_REVISION), ("kind", N_KIND), ("order_number", N_ORDER),
    ("instrument", N_INSTRUMENT), ("side", N_SIDE), ("qty_lots", N_QTY), ("price_ticks", N_PRICE),
    ("value_e8", N_VALUE), ("fee_e8", N_FEE), ("flags", N_FLAGS), ("time_ns", N_TIME), ("seq", N_SEQ), ("ref", N_REF),
))  # fmt: skip
LOT = Table("lot", S_LOT, (
    ("instrument", L_INSTRUMENT), ("entry", L_ENTRY), ("side", L_SIDE), ("qty_lots", L_QTY), ("open_lots", L_OPEN),
    ("value_e8", L_VALUE), ("cost_e8", L_COST), ("version", L_VERSION),
))  # fmt: skip
ALLOC = Table("alloc", S_ALLOC, (
    ("lot", A_LOT), ("close_entry", A_CLOSE), ("instrument", A_INSTRUMENT), ("side", A_SIDE), ("qty_lots", A_QTY),
    ("cost_e8", A_COST), ("proceeds_e8", A_PROCEEDS), ("version", A_VERSION),
))  # fmt: skip
UNMATCHED = Table("unmatched", S_UNMATCHED, (
    ("entry", U_ENTRY), ("instrument", U_INSTRUMENT), ("qty_lots", U_QTY), ("value_e8", U_VALUE), ("reason", U_REASON),
    ("version", U_VERSION),
))  # fmt: skip
TABLES = (INSTRUMENT, ORDER, EXECUTION, LOT, ALLOC, UNMATCHED)
_PICK = {table.name: operator.itemgetter(*(place for _, place in table.columns)) for table in TABLES}
GROWING = (ALLOC, UNMATCHED)
"""Tables whose rows are never changed once written."""
ACCOUNT_COLUMNS = (
    "book_version", "seq", "method", "cash_e8", "deposits_e8", "realized_e8", "fees_e8", "income_e8", "adjusted_e8",
    "unmatched_e8", "open_cost_e8", "short_hold_e8", "reserved_e8", "value_e8", "unmarked", "open_count", "overdrawn",
    "gates", "day", "day_equity_e8", "day_known", "day_flows_e8", "day_orders", "claims", "fills", "rebooks",
)  # fmt: skip
FEE_COLUMNS = ("open_fee_e8", "close_fee_e8", "known")


def column_names(table: Table) -> list[str]:
    """Return the SQL columns of a projection table after session_id and number, in the order of `table_rows`."""
    names = [name for name, _ in table.columns]
    if table is INSTRUMENT:
        return ["symbol", *names]
    return [*names, "open_time_ns", "close_time_ns", "day"] if table is ALLOC else names


def table_rows(arena: Arena, table: Table, numbers: Numbers, symbols: Mapping[int, str], zone: ZoneInfo) -> Rows:
    """Return (number, columns...) of the wanted rows of a table, as Python values."""
    if len(numbers) == 1 and table is not ALLOC:
        return [_one_row(arena, table, int(numbers[0]), symbols)]
    places = [place for _, place in table.columns]
    picked = section_rows(arena, table.section)[numbers][:, places]
    if table is INSTRUMENT:
        texts = [symbols.get(int(n), f"#{n}") for n in numbers]
        return [(int(n), text, *line) for n, text, line in zip(numbers, texts, picked.tolist(), strict=True)]
    if table is ALLOC:
        picked = np.column_stack((picked, _alloc_times(arena, numbers, zone)))
    return [(int(n), *line) for n, line in zip(numbers, picked.tolist(), strict=True)]


def _one_row(arena: Arena, table: Table, number: int, symbols: Mapping[int, str]) -> tuple[object, ...]:
    """Return one row as `table_rows` does; most events touch one row of a table, and numpy's set-up costs more than that."""
    base, width = int(arena[3 * table.section]), WIDTHS[table.section]
    line = _PICK[table.name](arena[base + number * width : base + (number + 1) * width].tolist())
    return (number, symbols.get(number, f"#{number}"), *line) if table is INSTRUMENT else (number, *line)


def _alloc_times(arena: Arena, numbers: Numbers, zone: ZoneInfo) -> NDArray[np.int64]:
    """Return int64[n, 3]: when each allocation's lot was opened, when it was closed, and the trading day of that."""
    allocs, entries = section_rows(arena, S_ALLOC)[numbers], section_rows(arena, S_ENTRY)
    opened = entries[section_rows(arena, S_LOT)[allocs[:, A_LOT], L_ENTRY], N_TIME]
    closed = entries[allocs[:, A_CLOSE], N_TIME]
    return np.column_stack((opened, closed, trading_days(closed, zone)))


def fee_rows(arena: Arena) -> NDArray[np.int64]:
    """Return int64[allocs, 3]: each allocation's share of the opening and closing fee, and whether both are known.

    A share that is not known yet is 0 with known = 0, and nothing may be made of it.
    """
    count = int(arena[3 * S_ALLOC + 2])
    return fee_rows_of(arena, np.arange(count), 0) if count else np.zeros((0, 3), np.int64)


def fee_rows_of(arena: Arena, numbers: Numbers, instrument: int) -> NDArray[np.int64]:
    """Return the fee rows of these allocations, which are all of one instrument (0 = of any)."""
    allocs, entries = section_rows(arena, S_ALLOC)[numbers], section_rows(arena, S_ENTRY)
    table = np.zeros((len(allocs), 3), np.int64)
    if len(allocs) == 0:
        return table
    opening, closing, _ = fee_shares(arena, instrument)
    table[:, 0], table[:, 1] = opening[numbers], closing[numbers]
    # Only an execution waits for a commission; shares that were put in or split away cost nothing to move.
    known = (entries[:, N_KIND] != EventKind.FILL) | (entries[:, N_FLAGS] & EntryFlag.FEE_KNOWN > 0)
    opener = section_rows(arena, S_LOT)[allocs[:, A_LOT], L_ENTRY]
    # Shares are those of the current version; an older one keeps its profit, and its fees are no question any more.
    current = allocs[:, A_VERSION] == section_rows(arena, S_INSTRUMENT)[allocs[:, A_INSTRUMENT], I_VERSION]
    table[:, 2] = known[opener] & known[allocs[:, A_CLOSE]] & current
    if arena[H_METHOD] == Method.AVERAGE:
        # A pooled lot has many openers: its fee is known when every fill of the instrument has one.
        waiting = np.unique(entries[~known & (entries[:, N_FLAGS] & EntryFlag.SUPERSEDED == 0), N_INSTRUMENT])
        table[np.isin(allocs[:, A_INSTRUMENT], waiting), 2] = 0
    table[table[:, 2] == 0] = 0
    return table


def changed(old: Arena, new: Arena) -> dict[str, set[int]]:
    """Return the row numbers of each table that differ between two states of one book, the new ones included."""
    found: dict[str, set[int]] = {}
    for table in TABLES:
        were, are = section_rows(old, table.section), section_rows(new, table.section)
        places = [place for _, place in table.columns]
        differ = np.flatnonzero((were[:, places] != are[: len(were), places]).any(axis=1)).tolist()
        found[table.name] = {*differ, *range(len(were), len(are))} - ({0} if table is INSTRUMENT else set())
    return found


def fee_changes(old: NDArray[np.int64], new: NDArray[np.int64]) -> Rows:
    """Return (number, open_fee, close_fee, known) of the allocations whose fee row is new or differs."""
    differ = np.flatnonzero((old != new[: len(old)]).any(axis=1)).tolist() if len(old) else []
    return [(n, *new[n].tolist()) for n in (*differ, *range(len(old), len(new)))]


def write(connection: sqlite3.Connection, session_id: int, arena: Arena, rows: Mapping[str, set[int]],
          fees: Rows, symbols: Mapping[int, str], zone: ZoneInfo) -> None:  # fmt: skip
    """Write the named rows of all tables, the fee rows and the account row, inside the caller's transaction."""
    for table in TABLES:
        if rows.get(table.name):
            numbers = np.array(sorted(rows[table.name]), np.int64)
            _put(connection, table.name, ("number", *column_names(table)), table not in GROWING,
                 [(session_id, *line) for line in table_rows(arena, table, numbers, symbols, zone)])  # fmt: skip
    if fees:
        _put(connection, "alloc_fee", ("number", *FEE_COLUMNS), True, [(session_id, *line) for line in fees])
    _put(connection, "account", ACCOUNT_COLUMNS, True, [(session_id, *account_row(arena))])


def account_row(arena: Arena) -> tuple[int, ...]:
    """Return the account row's columns, in the order of ACCOUNT_COLUMNS."""
    return tuple(arena[H_VERSION : H_REBOOKS + 1].tolist())


@functools.cache
def _insert_sql(table: str, columns: tuple[str, ...], replace: bool) -> str:
    """Return the INSERT of a table: its words are the names in this file, every value is bound."""
    key = columns[: columns.index("number") + 1] if "number" in columns else columns[:1]
    words = ["INSERT INTO", table, f"({', '.join(columns)})", "VALUES", f"({', '.join('?' * len(columns))})"]
    if replace:
        updates = ", ".join(f"{name} = excluded.{name}" for name in columns[len(key) :])
        words += [f"ON CONFLICT ({', '.join(key)}) DO UPDATE SET", updates]
    return " ".join(words)


def _put(connection: sqlite3.Connection, table: str, columns: tuple[str, ...], replace: bool, rows: Rows) -> None:
    """Insert rows; where `replace`, a row that exists gets the new values."""
    sql = _insert_sql(table, ("session_id", *columns), replace)
    if len(rows) == 1:
        connection.execute(sql, rows[0])
    else:
        connection.executemany(sql, rows)


def symbol_numbers(events: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Return (instrument, number of its symbol's text) of the definitions among events int64[n, EVENT_WIDTH]."""
    defined = events[(events[:, E_KIND] == EventKind.INSTRUMENT) & (events[:, E_REF] > 0)]
    return [(int(line[E_INSTRUMENT]), int(line[E_REF])) for line in defined]
