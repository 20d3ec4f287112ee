"""A Legacy as events of ours: the trades are facts, and the book works everything else out.

Theory of operation. Each bookable trade is a FILL whose execution id is KEPT + its row number, with a
COMMISSION where the file knows one. Money that came or went is a DEPOSIT or WITHDRAWAL, the start cash is the first
deposit. They are ordered by time, then as the file has them. A symbol never
sold short in the file may not go below zero: a sale beyond its lots stays unmatched, and its profit unknown.
Stored positions, profits and equity are no facts and make no events; the last stored prices
are MARKs, so that what is held has a worth.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ledger.book import (
    E_CASH, E_EXEC, E_FEE, E_INSTRUMENT, E_KIND, E_PRICE, E_QTY, E_SIDE, E_TIME, EVENT_WIDTH, Book, Capacity, event,
)  # fmt: skip
from ledger.core import apply, apply_all
from ledger.journal.names import KEPT
from ledger.rescue.amounts import decimals, worth
from ledger.rescue.errors import RescueError
from ledger.rescue.legacy import CashMove, Int64s, Legacy, grouped
from ledger.units import MONEY_EXP
from ledger.vocabulary import EventKind, InstrumentFlag, Method

CHUNK = 20_000
"""Trades that are made into events at one time."""
WORTH_MOST = 2**57
LARGE = 100_000
"""Trades from which on room for allocations is not doubled in advance."""
MONEY_KINDS = {
    "deposit": EventKind.DEPOSIT, "withdrawal": EventKind.WITHDRAWAL, "dividend": EventKind.DIVIDEND,
    "interest": EventKind.INTEREST,
}  # fmt: skip


class Grid:
    """How many decimals each symbol's prices and quantities have."""

    def __init__(self, legacy: Legacy) -> None:
        count, trades = len(legacy.symbols), legacy.trades
        self.price = np.full(count, 2, np.int64)
        self.qty = np.zeros(count, np.int64)
        # One exponent for the file: the same column of the same program.
        marks = [p.mark_e8 for p in legacy.positions or [] if p.mark_e8 is not None]
        prices = np.concatenate([trades.price_e8[trades.bookable], np.array(marks, np.int64)])
        self.price[:] = max(2, decimals(prices))
        self.qty[:] = decimals(trades.qty_e8[trades.bookable])

    def ticks(self, price_e8: Int64s, symbol: Int64s) -> Int64s:
        """Return prices in ticks."""
        return price_e8 // 10 ** (MONEY_EXP - self.price[symbol])

    def lots(self, qty_e8: Int64s, symbol: Int64s) -> Int64s:
        """Return quantities in lots."""
        return qty_e8 // 10 ** (MONEY_EXP - self.qty[symbol])


def definitions(legacy: Legacy, grid: Grid) -> NDArray[np.int64]:
    """Return the INSTRUMENT events, one a symbol; instrument number = symbol code + 1."""
    short = np.zeros(len(legacy.symbols), bool)
    short[legacy.trades.symbol[legacy.trades.short]] = True
    rows = [
        event(
            EventKind.INSTRUMENT, instrument=code + 1, revision=int(grid.price[code]), order_type=int(grid.qty[code]),
            price_ticks=1, qty_lots=1, target_lots=legacy.multiplier.get(code, 1),
            flags=0 if short[code] else InstrumentFlag.NO_NEGATIVE,
        )
        for code in range(len(legacy.symbols))
    ]  # fmt: skip
    return np.array(rows, np.int64).reshape(len(rows), EVENT_WIDTH)


def first_time(legacy: Legacy) -> int:
    """Return a moment before everything that happened, ns UTC."""
    times = legacy.trades.time_ns[legacy.trades.bookable]
    first = min([int(times.min())] if len(times) else [0], default=0)
    return min([first, *(move.time_ns for move in legacy.moves)]) - 10**9


def openings(legacy: Legacy) -> NDArray[np.int64]:
    """Return the deposits of the start cash."""
    at = first_time(legacy)
    rows = [
        event(EventKind.DEPOSIT, cash_e8=start.amount_e8, time_ns=at)
        for start in legacy.start.values()
        if start.amount_e8 > 0
    ]
    return np.array(rows, np.int64).reshape(len(rows), EVENT_WIDTH)


def _move(move: CashMove) -> NDArray[np.int64]:
    kind = MONEY_KINDS.get(move.kind, EventKind.DEPOSIT if move.amount_e8 > 0 else EventKind.WITHDRAWAL)
    signed = kind in (EventKind.DIVIDEND, EventKind.INTEREST)
    return event(
        kind,
        cash_e8=move.amount_e8 if signed else abs(move.amount_e8),
        time_ns=move.time_ns,
        exec_id=KEPT + move.number,
    )


def facts(legacy: Legacy, grid: Grid, chunk: int = CHUNK) -> Iterator[NDArray[np.int64]]:
    """Yield fills, commissions and cash, int64[n, EVENT_WIDTH], in the order of time."""
    trades, order = legacy.trades, legacy.in_order()
    moves = sorted((move for move in legacy.moves if move.amount_e8), key=lambda move: move.time_ns)
    times = np.concatenate([np.array([move.time_ns for move in moves], np.int64), trades.time_ns[order]])
    # What is paid in at a moment is there for the trades of that moment.
    items = np.argsort(times, kind="stable") - len(moves)
    for start in range(0, len(items), chunk):
        part = items[start : start + chunk]
        table = _fills(legacy, grid, order[part[part >= 0]])
        paid = np.flatnonzero(part < 0)
        if len(paid):
            table = _with_moves(table, part, paid, [_move(moves[int(part[at])]) for at in paid])
        yield np.ascontiguousarray(table.reshape(-1, EVENT_WIDTH)[table.reshape(-1, EVENT_WIDTH)[:, E_KIND] > 0])


def _fills(legacy: Legacy, grid: Grid, at: Int64s) -> NDArray[np.int64]:
    """Return int64[n, 2, EVENT_WIDTH]: a FILL and its COMMISSION; a fee nobody knows leaves a row of kind 0."""
    trades = legacy.trades
    table = np.zeros((len(at), 2, EVENT_WIDTH), np.int64)
    symbol = trades.symbol[at]
    table[:, :, E_TIME] = trades.time_ns[at][:, None]
    table[:, :, E_EXEC] = KEPT + trades.number[at][:, None]
    fill, fee = table[:, 0], table[:, 1]
    fill[:, E_KIND], fill[:, E_INSTRUMENT], fill[:, E_SIDE] = EventKind.FILL, symbol + 1, trades.side[at]
    fill[:, E_QTY], fill[:, E_PRICE] = grid.lots(trades.qty_e8[at], symbol), grid.ticks(trades.price_e8[at], symbol)
    fee[:, E_KIND] = np.where(trades.fee_known[at], int(EventKind.COMMISSION), 0)
    fee[:, E_FEE] = np.where(trades.fee_known[at], trades.fee_e8[at], 0)
    return table


def _with_moves(
    table: NDArray[np.int64], part: Int64s, paid: Int64s, rows: list[NDArray[np.int64]]
) -> NDArray[np.int64]:
    """Return the events with the cash rows at their places."""
    whole = np.zeros((len(part), 2, EVENT_WIDTH), np.int64)
    whole[part >= 0] = table
    whole[paid, 0] = rows
    return whole


def marks(legacy: Legacy, grid: Grid) -> NDArray[np.int64]:
    """Return MARK events of the stored prices of what is held, after the last trade."""
    times = legacy.trades.time_ns[legacy.trades.bookable]
    last = int(times.max()) if len(times) else 0
    gross: dict[int, int] = {}
    for symbol, part in grouped(legacy.trades.symbol):
        gross[symbol] = sum(legacy.trades.qty_e8[part[legacy.trades.bookable[part]]].tolist())
    rows = []
    for position in legacy.positions or []:
        # A price that makes a position worth billions is a damaged number; the audit shows what it does to equity.
        sane = worth(position.mark_e8 or 0, gross.get(position.symbol, 0)) < WORTH_MOST
        if position.mark_e8 and position.mark_e8 > 0 and sane:
            ticks = int(grid.ticks(np.array([position.mark_e8]), np.array([position.symbol]))[0])
            rows.append(
                event(
                    EventKind.MARK,
                    instrument=position.symbol + 1,
                    price_ticks=ticks,
                    time_ns=max(last, position.time_ns),
                )
            )
    rows = [line for line in rows if line[E_PRICE] > 0]
    return np.array(rows, np.int64).reshape(len(rows), EVENT_WIDTH)


def book_of(legacy: Legacy, method: Method = Method.FIFO) -> Book:
    """Return the book that the trades of a file give.

    Raises:
        RescueError: a sum beyond what a book holds; the message names the row.
    """
    grid, count = Grid(legacy), len(legacy.trades) + len(legacy.moves) + 64
    bought = int((legacy.trades.side > 0).sum())
    lots = max(bought, len(legacy.trades) - bought) + 64
    room = Capacity(len(legacy.symbols) + 2, 16, count, lots, count if count > LARGE else 2 * count, 64)
    book = Book(method=method, capacity=room)
    for events in everything(legacy, grid):
        require(book, events, legacy)
    return book


def everything(legacy: Legacy, grid: Grid) -> Iterator[NDArray[np.int64]]:
    """Yield all events of a file, a few at a time: at no time do all of them stand in memory."""
    yield definitions(legacy, grid)
    yield openings(legacy)
    yield from facts(legacy, grid)
    yield marks(legacy, grid)


def require(book: Book, events: NDArray[np.int64], legacy: Legacy) -> None:
    """Apply events (book modified in place); all must be taken."""
    done = apply_all(book, events)
    if done == len(events):
        return
    outcome = apply(book, events[done])
    number = int(events[done, E_EXEC]) - KEPT
    found = np.flatnonzero(legacy.trades.number == number)
    name = legacy.trades.row(int(found[0])) if len(found) else f"cash {int(events[done, E_CASH])} e8"
    raise RescueError(f"{name} cannot be booked: {outcome.name}; sums of this size are beyond what a book holds")
