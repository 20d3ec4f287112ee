"""robo_trader's SQLite databases, in every generation from its first to the one with settlement tables.

Theory of operation. G1 has trades, positions and account; G2 adds trades.pnl and equity_history; G2a calls the side
`action`; G3 adds portfolios; G4 adds append-only tables, which are kept as evidence and not read as
trades. Times are naive UTC of one second, so the order of trades is their id. A position that went flat has
no row, the account is one row that is overwritten, and what an account began with stands in `portfolios` or
nowhere: then it is the 100,000 that the schema itself inserts, and every finding that uses it says "assumed".
"""

from __future__ import annotations

from typing import Any

from ledger.rescue import times
from ledger.rescue.amounts import one_e8
from ledger.rescue.errors import RescueError
from ledger.rescue.legacy import Legacy, StartCash, StoredAccount, StoredDay, StoredPosition, Symbol
from ledger.rescue.raw import RawFile, RawRow, RawTable
from ledger.rescue.readers.opening import Progress
from ledger.rescue.schema.columns import Gathered, Layout, layout_portfolio, read_trades
from ledger.rescue.schema.options import Options
from ledger.rescue.schema.zones import zone_named
from ledger.units import MONEY_SCALE, money

NEEDS = (
    "a table trades with symbol, quantity, price and side or action, and a table positions, account or equity_history"
)
SEED_CASH = 100_000
"""What the schema itself inserts into `account` of a new database."""
USUAL_STARTS = frozenset(digit * 10**zeros // 10 for digit in (10, 15, 20, 25, 30, 50, 75) for zeros in range(3, 8))
"""Round sums that accounts begin with."""
CLOSE = 0.004
"""A cent more or less is a fault and no rounding."""
SETTLED = ("fifo_accounting_epochs", "paper_reduction_settlements", "safety_journal_events")


def generation(source: RawFile) -> str | None:
    """Return the generation of a database, or None when it is of another program."""
    trades = source.table("trades")
    if trades is None or None in (
        trades.place("symbol"),
        trades.place("quantity"),
        trades.place("price"),
        trades.place("side", "action"),
    ):
        return None
    if not any(source.table(name) for name in ("positions", "account", "equity_history")):
        return None
    if any(source.table(name) for name in SETTLED):
        return "G4"
    if source.table("portfolios") or trades.place("portfolio_id") is not None:
        return "G3"
    if trades.place("side") is None or trades.place("notional") is not None:
        return "G2a"
    return "G2" if trades.place("pnl") is not None or source.table("equity_history") else "G1"


def read(source: RawFile, found: str, options: Options, say: Progress | None) -> Legacy:
    """Return what a database says."""
    first = source.first_numbers()
    table = source.table("trades")
    if table is None:
        raise RescueError(f"{source.path} has no table trades")
    layout = Layout(
        ident=table.place("id"), time=table.place("timestamp", "time", "created_at"), symbol=_must(table, "symbol"),
        side=_must(table, "side", "action"), qty=_must(table, "quantity"), price=_must(table, "price"),
        fee=table.place("commission"), pnl=table.place("pnl"), portfolio=table.place("portfolio_id"),
        zone=zone_named(options.naive_zone), extra=_extra(table),
    )  # fmt: skip
    trades, got = read_trades(table, layout, first[table.name], say)
    legacy = Legacy("robo-trader", found, "America/New_York", True, [], trades, problems=got.problems)
    legacy.positions = _positions(source, got)
    legacy.accounts = _accounts(source)
    legacy.days = _days(source)
    legacy.symbols = list(got.symbols)
    legacy.start = _start(source, legacy, options)
    legacy.facts = {"file_order": True, "deleted_ids": _deleted(source), **source.facts}
    return legacy


def _must(table: RawTable, *names: str) -> int:
    place = table.place(*names)
    if place is None:
        raise RescueError(f"table {table.name} has no column {' or '.join(names)}; it has {', '.join(table.columns)}")
    return place


def _extra(table: RawTable) -> tuple[tuple[str, int], ...]:
    return tuple((name, place) for name in ("strategy",) if (place := table.place(name)) is not None)


class Cells:
    """One row of a table by the names of its columns; a column that is not there is None."""

    def __init__(self, table: RawTable, row: RawRow, number: int) -> None:
        self._table, self._row, self.number = table, row, number
        ident = self.get("id", "name", "portfolio_id")
        self.name = f"{table.name}#{number if ident is None else ident}"

    def get(self, *names: str) -> Any:
        """Return a value, or None."""
        place = self._table.place(*names)
        return None if place is None else self._row[place]

    def e8(self, *names: str) -> int | None:
        """Return an amount at 1e-8, or None when there is none or it is no number."""
        units, state = one_e8(self.get(*names))
        return units if state <= 1 else None

    def time(self, *names: str) -> int:
        """Return a time in ns UTC, or UNKNOWN."""
        return times.one_ns(self.get(*names))

    @property
    def portfolio(self) -> str:
        """Return the portfolio the row belongs to."""
        return layout_portfolio(self.get("portfolio_id"))


def cells(source: RawFile, name: str) -> list[Cells]:
    """Return the rows of a table; none when it is not there."""
    table = source.table(name)
    return [] if table is None else [Cells(table, row, at) for at, row in enumerate(table.rows(), 1)]


def _positions(source: RawFile, got: Gathered) -> list[StoredPosition] | None:
    if source.table("positions") is None:
        return None
    found = []
    for row in cells(source, "positions"):
        qty = row.e8("quantity", "qty", "position")
        symbol = row.get("symbol")
        if symbol is None or qty is None:
            continue
        code = got.symbols.setdefault(Symbol(row.portfolio, str(symbol).strip()), len(got.symbols))
        found.append(
            StoredPosition(
                row.name, code, qty, row.e8("avg_cost", "entry_price"), row.e8("market_price"), row.time("timestamp")
            )
        )
    return found


def _accounts(source: RawFile) -> list[StoredAccount]:
    return [
        StoredAccount(
            row.name, row.portfolio, row.e8("cash"), row.e8("equity"), row.e8("realized_pnl", "realized"),
            row.e8("unrealized_pnl", "unrealized"), row.e8("daily_pnl"), row.time("timestamp"),
        )
        for row in cells(source, "account")
    ]  # fmt: skip


def _days(source: RawFile) -> list[StoredDay]:
    return [
        StoredDay(
            row.name, row.number, row.portfolio, times.day_of(row.get("date")), row.e8("cash"), row.e8("equity"),
            row.e8("positions_value"), row.e8("realized_pnl", "realized"), row.e8("unrealized_pnl", "unrealized"), row.time("timestamp"),
        )
        for row in cells(source, "equity_history")
    ]  # fmt: skip


def _start(source: RawFile, legacy: Legacy, options: Options) -> dict[str, StartCash]:
    """Return what each portfolio began with."""
    start = {name: _implied(legacy, name) for name in legacy.portfolios}
    for row in cells(source, "portfolios"):
        amount = row.e8("starting_cash")
        if amount is not None:
            start[str(row.get("id", "name"))] = StartCash(amount, "stored")
    if options.start_cash is not None:
        if len(start) > 1:
            raise RescueError(
                "start cash was given for a file of several portfolios; theirs stand in its table portfolios"
            )
        start = dict.fromkeys(start, StartCash(money(options.start_cash), "given"))
    return start


def _implied(legacy: Legacy, portfolio: str) -> StartCash:
    """Return a start that nobody stored: what cash and trades imply if that is a usual round sum, else the schema's own."""
    trades, mine = legacy.trades, legacy.of(portfolio) & legacy.trades.bookable
    for account in legacy.accounts:
        if account.portfolio == portfolio and account.cash_e8 is not None:
            # A guess only: doubles are good enough to recognise 250,000, and the book gets the round sum itself.
            spent = (
                trades.side[mine] * (trades.qty_e8[mine] / MONEY_SCALE) * (trades.price_e8[mine] / MONEY_SCALE)
            ).sum()
            implied = account.cash_e8 / MONEY_SCALE + spent + trades.fee_e8[mine].sum() / MONEY_SCALE
            whole = round(implied)
            if whole in USUAL_STARTS and whole != SEED_CASH and abs(implied - whole) < CLOSE:
                return StartCash(whole * MONEY_SCALE, "inferred")
    return StartCash(SEED_CASH * MONEY_SCALE, "assumed")


def _deleted(source: RawFile) -> dict[str, int]:
    """Return, per table, the highest id that was ever given, where SQLite keeps it."""
    table = source.table("sqlite_sequence")
    return {} if table is None else {str(name): int(most) for name, most, *_ in table.rows() if most is not None}
