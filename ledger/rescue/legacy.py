"""What a file says about an account, in one shape for every schema: trades as columns, all else as rows.

Theory of operation. A schema reads RawTables and fills a Legacy. Nothing is corrected on the way: a value that is
no number, a side nobody knows or a time that cannot be read becomes a Problem and the row is not
bookable, but it stays in the columns. Stored values are what the file claims; what is true is worked out
in `truth.py` from the trades alone. Money, prices and quantities are int64 at 1e-8, times ns UTC.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Int64s = NDArray[np.int64]
Bools = NDArray[np.bool_]


class Problem(NamedTuple):
    """A value that cannot be what it should be; its row is not booked where `fatal`."""

    row: str
    column: str
    value: str
    what: str
    fatal: bool


class Symbol(NamedTuple):
    """What is traded, in which portfolio of the file."""

    portfolio: str
    name: str


class StoredPosition(NamedTuple):
    """A row of a table of positions."""

    row: str
    symbol: int
    qty_e8: int
    avg_cost_e8: int | None
    mark_e8: int | None
    time_ns: int


class StoredAccount(NamedTuple):
    """A row of a table of accounts; what it does not say is None."""

    row: str
    portfolio: str
    cash_e8: int | None
    equity_e8: int | None
    realized_e8: int | None
    unrealized_e8: int | None
    daily_e8: int | None
    time_ns: int


class StoredDay(NamedTuple):
    """A row of an equity history. `day` counts from 1970, None when the date cannot be read."""

    row: str
    number: int
    portfolio: str
    day: int | None
    cash_e8: int | None
    equity_e8: int | None
    positions_e8: int | None
    realized_e8: int | None
    unrealized_e8: int | None
    time_ns: int


class CashMove(NamedTuple):
    """Money that came (+) or went (-) without a trade."""

    row: str
    number: int
    time_ns: int
    amount_e8: int
    kind: str
    portfolio: str


class StartCash(NamedTuple):
    """What an account began with, and how that is known: given, stored or assumed."""

    amount_e8: int
    origin: str


@dataclass
class Trades:
    """Every trade row, in the order of the file; arrays of one length."""

    table: str
    number: Int64s
    ident: list[str]
    time_ns: Int64s
    symbol: Int64s
    side: NDArray[np.int8]
    short: Bools
    qty_e8: Int64s
    price_e8: Int64s
    fee_e8: Int64s
    fee_known: Bools
    pnl_e8: Int64s
    pnl_known: Bools
    pnl_decimals: int
    bookable: Bools
    order: list[str] | None = None
    extra: dict[str, list[Any]] = field(default_factory=dict)
    rounded: int = 0
    has_pnl: bool = False
    has_fee: bool = False

    def __len__(self) -> int:
        return len(self.number)

    def row(self, at: int) -> str:
        """Return the name of a row, as people look it up in the file."""
        return f"{self.table}#{self.ident[at]}"

    def rows(self, places: Any) -> list[str]:
        """Return the names of rows."""
        return [self.row(int(at)) for at in places]


@dataclass
class Allocations:
    """Stored matches of sells to buys; `sell` and `buy` are places in the trades, -1 = not among them."""

    table: str
    ident: list[str]
    sell_id: list[str]
    buy_id: list[str | None]
    sell: Int64s
    buy: Int64s
    qty_e8: Int64s
    pnl_e8: Int64s
    pnl_known: Bools
    buy_time_ns: Int64s
    sell_time_ns: Int64s
    version: Int64s

    def rows(self, places: Any) -> list[str]:
        """Return the names of rows."""
        return [f"{self.table}#{self.ident[int(at)]}" for at in places]


@dataclass
class Legacy:
    """An account as the file tells it."""

    schema: str
    generation: str
    zone: str
    sessions: bool
    """Whether the venue has sessions; crypto trades round the clock."""
    symbols: list[Symbol]
    trades: Trades
    positions: list[StoredPosition] | None = None
    accounts: list[StoredAccount] = field(default_factory=list)
    days: list[StoredDay] = field(default_factory=list)
    moves: list[CashMove] = field(default_factory=list)
    allocations: Allocations | None = None
    start: dict[str, StartCash] = field(default_factory=dict)
    multiplier: dict[int, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def portfolios(self) -> list[str]:
        """Return the names of the portfolios, sorted."""
        named = {symbol.portfolio for symbol in self.symbols} | {account.portfolio for account in self.accounts}
        return sorted(named | set(self.start)) or ["default"]

    def label(self, code: int) -> str:
        """Return a symbol's name; with its portfolio where the file has several."""
        symbol = self.symbols[code]
        return symbol.name if len(self.portfolios) == 1 else f"{symbol.portfolio}/{symbol.name}"

    def codes(self, portfolio: str) -> Int64s:
        """Return the numbers of a portfolio's symbols."""
        return np.array([n for n, symbol in enumerate(self.symbols) if symbol.portfolio == portfolio], np.int64)

    def of(self, portfolio: str) -> Bools:
        """Say which trades belong to a portfolio."""
        return np.isin(self.trades.symbol, self.codes(portfolio))

    def in_order(self) -> Int64s:
        """Return the places of the bookable trades in the order in which they happened."""
        at = np.flatnonzero(self.trades.bookable)
        if self.facts.get("ties_by_ident"):
            ranked = np.array(self.trades.ident, object)[at].astype(str)
            return at[np.lexsort((ranked, self.trades.time_ns[at]))]
        return at[np.argsort(self.trades.time_ns[at], kind="stable")]


def grouped(codes: Int64s) -> Iterator[tuple[int, Int64s]]:
    """Yield (code, places that have it), in the order of codes; places stay in their order."""
    order = np.argsort(codes, kind="stable")
    if not len(order):
        return
    cuts = np.flatnonzero(np.diff(codes[order])) + 1
    for part in np.split(order, cuts):
        yield int(codes[part[0]]), part


def name_text(text: str) -> str:
    """Return text as a name that a journal takes: a symbol, or evidence with one.

    Bytes that are no UTF-8, and NUL, are written as escapes, and no text in words.
    """
    taken = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace").replace("\0", "\\x00")
    return taken or "(no symbol)"
