"""A plain table of trades, in a CSV or in a database of its own: columns by declaration, or by their usual names.

Theory of operation. Each field has names under which it is commonly found; `--column field=name` overrules. Symbol,
quantity and price are needed; a side may be missing when quantities carry a sign. Rows that share an order id are parts of one
order and no suspects of being duplicates.
"""

from __future__ import annotations

from ledger.rescue.errors import RescueError
from ledger.rescue.legacy import Legacy, StartCash
from ledger.rescue.raw import RawFile, RawTable
from ledger.rescue.readers.opening import Progress
from ledger.rescue.schema.columns import Layout, read_trades
from ledger.rescue.schema.options import Options
from ledger.rescue.schema.zones import zone_named
from ledger.units import money

NAMES: dict[str, tuple[str, ...]] = {
    "ident": ("id", "trade_id", "tradeid", "exec_id", "execution_id", "fill_id", "rowid"),
    "time": (
        "time",
        "timestamp",
        "datetime",
        "date_time",
        "date/time",
        "executed_at",
        "filled_at",
        "trade_time",
        "order_time",
        "created_at",
        "date",
    ),
    "symbol": ("symbol", "ticker", "instrument", "asset", "product_id"),
    "side": ("side", "action", "buy/sell", "buysell", "direction", "type"),
    "qty": ("quantity", "qty", "shares", "size", "filled_qty", "amount", "volume"),
    "price": ("price", "fill_price", "avg_price", "average_price", "filled_avg_price", "t. price", "tradeprice"),
    "fee": ("fee", "fees", "commission", "commissions", "comm/fee", "total_fees"),
    "pnl": ("pnl", "realized_pnl", "realized", "profit", "pnl_usd", "realized p/l"),
    "order": ("order_id", "orderid", "client_order_id"),
}
NEEDS = (
    "one table with columns for symbol, quantity and price (declare others with --column field=name; fields: "
    + ", ".join(NAMES)
    + ")"
)


def generation(source: RawFile) -> str | None:
    """Return the name of the table that holds trades, or None."""
    named = _declared(source)
    return named.name if named is not None else None


def _declared(source: RawFile) -> RawTable | None:
    fitting = [
        t for t in source.tables.values() if all(t.place(*NAMES[field]) is not None for field in ("qty", "price"))
    ]
    named = [t for t in fitting if t.place(*NAMES["symbol"]) is not None]
    if source.form == "csv" and not named:
        # A file of one table whose columns have other names: the user may declare them.
        named = list(source.tables.values())
    return next((t for t in named if t.name.lower() in ("trades", "fills", "executions")), named[0] if named else None)


def read(source: RawFile, found: str, options: Options, say: Progress | None) -> Legacy:
    """Return what a table of trades says.

    Raises:
        RescueError: a declared column is not there, or a needed one is not found.
    """
    table = source.tables[found]
    if unknown := set(options.columns) - NAMES.keys():
        raise RescueError(f"there is no field {sorted(unknown)[0]!r}; fields are {', '.join(NAMES)}")
    place = {field: _place(table, field, options) for field in NAMES}
    lost = [field for field in ("symbol", "qty", "price") if place[field] is None]
    if lost:
        header = ", ".join(name for name in table.columns if not name.startswith("#"))  # what a row has beyond it is no name
        raise RescueError(
            f"{source.path} has no column for {', '.join(lost)}; it has {header}. "
            f"Declare it: --column {lost[0]}=NAME"
        )
    # An id of a row is no order id: the same column is not read twice.
    layout = Layout(
        ident=place["ident"], time=place["time"], symbol=place["symbol"] or 0, side=place["side"], qty=place["qty"] or 0,
        price=place["price"] or 0, fee=place["fee"], pnl=place["pnl"], order=place["order"], zone=zone_named(options.naive_zone),
        cleaned=True, extra=_extra(table),
    )  # fmt: skip
    trades, got = read_trades(table, layout, source.first_numbers()[table.name], say)
    start = {} if options.start_cash is None else {"default": StartCash(money(options.start_cash), "given")}
    legacy = Legacy(
        "trades-csv",
        table.name,
        "America/New_York",
        True,
        list(got.symbols),
        trades,
        start=start,
        problems=got.problems,
    )
    legacy.facts = {"file_order": False, **source.facts}
    return legacy


def _place(table: RawTable, field: str, options: Options) -> int | None:
    declared = options.columns.get(field)
    if declared is None:
        return table.place(*NAMES[field])
    place = table.place(declared.lower())
    if place is None:
        raise RescueError(f"{field} was declared as column {declared!r}; the columns are {', '.join(table.columns)}")
    return place


def _extra(table: RawTable) -> tuple[tuple[str, int], ...]:
    return tuple(
        (name, place) for name in ("strategy", "trigger", "source") if (place := table.place(name)) is not None
    )
