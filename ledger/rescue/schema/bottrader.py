"""BotTrader's trade_records and fifo_allocations, from a PostgreSQL dump, a CSV or a SQLite copy.

Theory of operation. `trade_records` has one row an order with its whole size, times with a zone and money as doubles; a
row whose status says that it never traded is no trade. `fifo_allocations` is what BotTrader's own engine
matched, per version; `cash_transactions` are deposits and withdrawals. Trades of one moment are ordered by their order id, as
that engine orders them. Two stored profits exist for a sale: pnl_usd of the inline engine and the allocations' sum.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ledger.rescue import times
from ledger.rescue.amounts import to_e8
from ledger.rescue.errors import RescueError
from ledger.rescue.legacy import Allocations, CashMove, Legacy, StartCash, Trades
from ledger.rescue.raw import RawFile, RawRow, RawTable
from ledger.rescue.readers.opening import Progress
from ledger.rescue.schema.columns import Layout, read_trades
from ledger.rescue.schema.options import Options
from ledger.rescue.schema.robo_trader import cells
from ledger.rescue.schema.zones import zone_named
from ledger.units import money

NEEDS = "a table with order_id, symbol, side, price, size and order_time (trade_records), or fifo_allocations beside it"
OPEN_STATUS = frozenset(
    {"open", "pending", "queued", "cancelled", "canceled", "rejected", "expired", "failed", "unknown_order_status"}
)
EXTRA = ("parent_id", "remaining_size", "realized_profit", "trigger", "source", "status", "ingest_via", "order_type")


def records(source: RawFile) -> RawTable | None:
    """Return the table of orders, whatever its name is: a CSV is named after its file."""
    needed = ("order_id", "symbol", "side", "price", "size", "order_time")
    return next((t for t in source.tables.values() if all(t.place(name) is not None for name in needed)), None)


def generation(source: RawFile) -> str | None:
    """Return which of its tables a file has, or None when it is of another program."""
    if records(source) is None:
        return None
    return "trade_records + fifo_allocations" if _matches(source) is not None else "trade_records"


def _matches(source: RawFile) -> RawTable | None:
    needed = ("sell_order_id", "buy_order_id", "allocated_size", "allocation_version")
    return next((t for t in source.tables.values() if all(t.place(name) is not None for name in needed)), None)


def read(source: RawFile, found: str, options: Options, say: Progress | None) -> Legacy:
    """Return what the records say."""
    table = records(source)
    if table is None:
        raise RescueError(f"{source.path} has no trade_records")
    place = {
        name: table.place(name)
        for name in (*EXTRA, "order_id", "order_time", "symbol", "side", "size", "price", "total_fees_usd", "pnl_usd")
    }
    layout = Layout(
        ident=place["order_id"], time=place["order_time"], symbol=place["symbol"] or 0, side=place["side"], qty=place["size"] or 0,
        price=place["price"] or 0, fee=place["total_fees_usd"], pnl=place["pnl_usd"], order=place["order_id"],
        extra=tuple((name, at) for name in EXTRA if (at := place[name]) is not None), wanted=_wanted(table),
        zone=zone_named(options.naive_zone),
    )  # fmt: skip
    trades, got = read_trades(table, layout, source.first_numbers()[table.name], say)
    trades.pnl_known &= trades.side < 0  # A purchase has no profit; its column holds 0 or NULL.
    legacy = Legacy("bottrader", found, "UTC", False, list(got.symbols), trades, problems=got.problems)
    legacy.notes += [
        f"{count} rows of {table.name} are no trades: status {status}" for status, count in sorted(got.skipped.items())
    ]
    legacy.moves = _moves(source)
    legacy.allocations = _allocations(source, trades)
    if options.start_cash is not None:
        legacy.start = {"default": StartCash(money(options.start_cash), "given")}
    legacy.facts = {"file_order": False, "ties_by_ident": True, **source.facts}
    return legacy


def _wanted(table: RawTable) -> Callable[[RawRow], str | None] | None:
    place = table.place("status")
    if place is None:
        return None
    at = place

    def reason(row: RawRow) -> str | None:
        status = str(row[at]).strip().lower()
        return status if status in OPEN_STATUS else None

    return reason


def _moves(source: RawFile) -> list[CashMove]:
    """Return deposits and withdrawals; fees of a transfer are part of it."""
    table = source.table("cash_transactions")
    if table is None:
        return []
    first, moves = source.first_numbers()[table.name], []
    for row in cells(source, "cash_transactions"):
        amount, kind = row.e8("amount_usd", "amount"), str(row.get("normalized_type", "type")).lower()
        when = row.time("transaction_date", "timestamp")
        if amount and kind in ("deposit", "withdrawal") and when != times.UNKNOWN:
            signed = abs(amount) if kind == "deposit" else -abs(amount)
            moves.append(
                CashMove(
                    f"{table.name}#{row.get('transaction_id', 'id')}",
                    first + row.number - 1,
                    when,
                    signed,
                    kind,
                    "default",
                )
            )
    return moves


def _allocations(source: RawFile, trades: Trades) -> Allocations | None:
    table = _matches(source)
    if table is None:
        return None
    column = {name: [row[at] for row in table.rows()] if (at := table.place(name)) is not None else None for name in (
        "id", "sell_order_id", "buy_order_id", "allocated_size", "pnl_usd", "buy_time", "sell_time", "allocation_version",
    )}  # fmt: skip
    count, known = table.size, {ident: at for at, ident in enumerate(trades.ident)}
    sell, buy = (
        [str(v) for v in column["sell_order_id"] or []],
        [None if v is None else str(v) for v in column["buy_order_id"] or []],
    )
    pnl = to_e8(_or_none(column["pnl_usd"], count))
    return Allocations(
        table.name, [str(v) for v in column["id"] or range(1, count + 1)], sell, buy,
        np.array([known.get(v, -1) for v in sell], np.int64), np.array([known.get(v, -1) if v else -1 for v in buy], np.int64),
        to_e8(_or_none(column["allocated_size"], count)).units, pnl.units, pnl.known,
        times.to_ns(_or_none(column["buy_time"], count)), times.to_ns(_or_none(column["sell_time"], count)),
        to_e8(_or_none(column["allocation_version"], count)).units // 10**8,
    )  # fmt: skip


def _or_none(values: list[Any] | None, count: int) -> list[Any]:
    return [None] * count if values is None else values
