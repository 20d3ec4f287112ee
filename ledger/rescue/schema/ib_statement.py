"""IBKR statements: Flex queries in XML and activity statements in CSV.

Theory of operation. Trades are executions of stocks, options and futures in the base currency; currency
conversions and trades in other currencies are counted and left out, because a book holds one currency. Costs are
written as negative amounts. IBKR's own realized profit is FIFO after commissions, so it is compared with ours net of fees.
Open positions and the ending cash of the statement are what must foot; a statement that begins after a position was opened
gives sales without a lot, and says so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from ledger.rescue import times
from ledger.rescue.amounts import one_e8
from ledger.rescue.errors import RescueError
from ledger.rescue.legacy import CashMove, Legacy, StartCash, StoredAccount, StoredPosition, Symbol, Trades
from ledger.rescue.raw import RawFile, RawRow, RawTable
from ledger.rescue.readers.opening import Progress
from ledger.rescue.schema.columns import Gathered, Layout, number, read_trades
from ledger.rescue.schema.options import Options
from ledger.rescue.schema.robo_trader import Cells
from ledger.rescue.schema.zones import zone_named
from ledger.units import money

NEEDS = "a Flex query in XML with its Trades section, or an activity statement in CSV"
TRADABLE = frozenset({"STK", "STOCKS", "OPT", "FUT", "ETF", "WAR", "BOND", "EQUITY AND INDEX OPTIONS", "FUTURES", ""})
KINDS = {
    "Deposits/Withdrawals": "deposit",
    "Deposits & Withdrawals": "deposit",
    "Dividends": "dividend",
    "Payment In Lieu Of Dividends": "dividend",
    "Withholding Tax": "dividend",
    "Broker Interest Paid": "interest",
    "Broker Interest Received": "interest",
    "Other Fees": "interest",
}


def _trades(source: RawFile) -> RawTable | None:
    return source.tables.get("Trade") or source.tables.get("Trades")


def generation(source: RawFile) -> str | None:
    """Return the form of a statement, or None."""
    if source.form not in ("flex-xml", "activity") or _trades(source) is None:
        return None
    return "Flex XML" if source.form == "flex-xml" else "activity statement"


def read(source: RawFile, found: str, options: Options, say: Progress | None) -> Legacy:
    """Return what a statement says."""
    table = _trades(source)
    if table is None:
        raise RescueError(f"{source.path} has no trades; run the Flex query with its Trades section")
    base = _base(source, table)
    layout = _layout(table, base, options)
    trades, got = read_trades(table, layout, source.first_numbers()[table.name], say)
    legacy = Legacy("ib-flex", found, "America/New_York", True, [], trades, problems=got.problems)
    _mark_shorts(trades)
    legacy.notes += [f"{count} rows of {table.name} left out: {why}" for why, count in sorted(got.skipped.items())]
    legacy.positions = _positions(source, got)
    legacy.moves = _moves(source, base)
    legacy.accounts = _accounts(source, base)
    legacy.symbols = list(got.symbols)
    legacy.multiplier = _multipliers(source, table, got)
    if options.start_cash is not None:
        legacy.start = {"default": StartCash(money(options.start_cash), "given")}
    elif (start := _starting(source)) is not None:
        legacy.start = {"default": StartCash(start, "stored")}
    legacy.facts = {"file_order": False, "stored_is_net": True, **source.facts}
    return legacy


def _mark_shorts(trades: Trades) -> None:
    """Mark sales that opened and purchases that closed, by IBKR's own O and C (`trades` modified in place)."""
    codes = trades.extra.get("openCloseIndicator") or trades.extra.get("Code") or []
    for at, code in enumerate(codes):
        marks = {mark.strip() for mark in str(code or "").split(";")}
        trades.short[at] = ("O" in marks) if trades.side[at] < 0 else ("C" in marks)


def _layout(table: RawTable, base: str, options: Options) -> Layout:
    place = table.place
    symbol, qty, price = place("symbol"), place("quantity"), place("tradeprice", "t. price", "price")
    if symbol is None or qty is None or price is None:
        raise RescueError(
            f"the section {table.name} has no symbol, quantity or price; it has {', '.join(table.columns)}"
        )
    # Times of a statement are those of New York.
    return Layout(
        ident=place("ibexecid", "tradeid", "transactionid"),
        time=place("datetime", "date/time", "tradedate"),
        symbol=symbol,
        side=place("buysell", "buy/sell"),
        qty=qty,
        price=price,
        fee=place("ibcommission", "comm/fee"),
        pnl=place("fifopnlrealized", "realized p/l"),
        order=place("iborderid", "orderid"),
        wanted=_wanted(table, base),
        zone=zone_named(options.naive_zone or "America/New_York"),
        cleaned=True,
        fee_sign=-1,
        extra=tuple((name, at) for name in ("openCloseIndicator", "Code") if (at := place(name.lower())) is not None),
    )


def _wanted(table: RawTable, base: str) -> Callable[[RawRow], str | None]:
    """Return what says why a row is no trade of this book."""
    kind, currency, level = (
        table.place("assetcategory", "asset category"),
        table.place("currency"),
        table.place("levelofdetail", "datadiscriminator"),
    )

    def reason(row: RawRow) -> str | None:
        if level is not None and str(row[level]).upper() not in ("EXECUTION", "ORDER", "TRADE", "NONE"):
            return f"a line of kind {row[level]}"
        if kind is not None and str(row[kind] or "").upper() not in TRADABLE:
            return f"asset category {row[kind]}"
        if currency is not None and row[currency] not in (None, "", base):
            return f"currency {row[currency]}, the book is in {base}"
        return None

    return reason


def _base(source: RawFile, table: RawTable) -> str:
    """Return the currency of most trades."""
    place = table.place("currency")
    found = Counter(str(row[place]) for row in table.rows() if row[place]) if place is not None else Counter()
    return found.most_common(1)[0][0] if found else "USD"


class _Clean(Cells):
    """A row whose numbers may have thousands separators."""

    def e8(self, *names: str) -> int | None:
        """Return an amount at 1e-8, or None."""
        units, state = one_e8(number(self.get(*names)))
        return units if state <= 1 else None


def _cells(source: RawFile, *names: str) -> list[_Clean]:
    table = next((source.tables[name] for name in names if name in source.tables), None)
    return [] if table is None else [_Clean(table, row, at) for at, row in enumerate(table.rows(), 1)]


def _positions(source: RawFile, got: Gathered) -> list[StoredPosition] | None:
    rows = _cells(source, "OpenPosition", "Open Positions")
    if not rows:
        return None
    found = []
    for row in rows:
        qty, name = row.e8("position", "quantity"), row.get("symbol")
        level = str(row.get("levelofdetail", "datadiscriminator") or "SUMMARY").upper()
        if qty is None or not name or level not in ("SUMMARY", "NONE"):
            continue
        code = got.symbols.setdefault(Symbol("default", str(name)), len(got.symbols))
        cost = row.e8("costbasisprice", "cost price")
        found.append(StoredPosition(row.name, code, qty, cost, row.e8("markprice", "close price"), times.UNKNOWN))
    return found


def _moves(source: RawFile, base: str) -> list[CashMove]:
    table = source.tables.get("CashTransaction")
    moves = []
    for row in _cells(source, "CashTransaction") if table is not None else []:
        amount, kind = row.e8("amount"), KINDS.get(str(row.get("type")))
        when = times.one_ns(row.get("datetime", "settledate", "reportdate"), zone_named("America/New_York"))
        if amount and kind and row.get("currency") in (None, "", base) and when != times.UNKNOWN:
            kind = kind if kind != "deposit" or amount > 0 else "withdrawal"
            first = source.first_numbers()["CashTransaction"]
            moves.append(CashMove(row.name, first + row.number - 1, when, amount, kind, "default"))
    return moves


def _accounts(source: RawFile, base: str) -> list[StoredAccount]:
    for row in _cells(source, "CashReportCurrency"):
        if row.get("currency") in (base, "BASE_SUMMARY"):
            return [StoredAccount(row.name, "default", row.e8("endingcash"), None, None, None, None, times.UNKNOWN)]
    return []


def _starting(source: RawFile) -> int | None:
    for row in _cells(source, "CashReportCurrency"):
        return row.e8("startingcash")
    return None


def _multipliers(source: RawFile, table: RawTable, got: Gathered) -> dict[int, int]:
    """Return contract multipliers other than 1."""
    symbol, place = table.place("symbol"), table.place("multiplier")
    if symbol is None or place is None:
        return {}
    found: dict[int, int] = {}
    for row in table.rows():
        units, state = one_e8(number(row[place]))
        code = got.symbols.get(Symbol("default", str(row[symbol]).strip()))
        if code is not None and state == 0 and units > 10**8 and units % 10**8 == 0:
            found[code] = units // 10**8
    return found
