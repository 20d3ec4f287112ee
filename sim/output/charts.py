"""What a page's script draws: panels of curves and the list of trades, as plain JSON values.

Theory of operation. A screen has fewer columns than a history has bars, so a curve is
thinned to both extremes of each of COLUMNS columns before it is written; the script
thins again to the pixels it has, so that zooming in shows more. Times are seconds,
written as steps. Unknown is null. Nothing is calculated here but these points: curves
come from `sim.curves`, and a run that has no bars or no trades gets a sentence.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from sim import curves
from sim.metrics import drawdown, last_of_day
from sim.output.report import CENT_E8, SYMBOLS
from sim.output.sheet import Sheet
from sim.output.tables import Frame, trades
from sim.output.picture import thin

Ints = NDArray[np.int64]
COLUMNS = 2_000
TRADES_MAX = 5_000
SECOND_NS = 10**9
ROLLING = next(name for name in curves.CURVE_DEFINITIONS if name.startswith("Rolling"))


def unit(currency: str) -> str:
    """Return what stands before an amount: $ or CHF and a space."""
    return SYMBOLS.get(currency, f"{currency} ")


def steps(time_ns: Ints) -> list[int]:
    """Return times as the first second and the seconds from each to the next."""
    found: list[int] = np.diff(time_ns // SECOND_NS, prepend=0).tolist()
    return found


def points(values: NDArray[np.float64], digits: int) -> list[float | None]:
    """Return a curve as JSON numbers, NaN as None."""
    rounded = np.round(values, digits)
    return [value if np.isfinite(value) else None for value in rounded.tolist()]


def some_bars(sheet: Sheet, *curve: NDArray[Any]) -> Ints:
    """Return the bars to write: both extremes of each column of each curve."""
    chosen = [thin(values, COLUMNS) for values in curve if values.size]
    if not chosen:
        return np.empty(0, np.int64)
    found: Ints = np.unique(np.concatenate(chosen).astype(np.int64))
    return found


def series(name: str, colour: str, times: int, values: list[float | None], **more: Any) -> dict[str, Any]:
    """Return one curve of a panel."""
    return {"name": name, "colour": colour, "t": times, "v": values, **more}


def panel(title: str, height: int, kind: str, *curve: dict[str, Any], key: str = "", **more: Any) -> dict[str, Any]:
    """Return one panel: curves over one axis of values."""
    help_text = curves.CURVE_DEFINITIONS.get(key or title, "")
    return {"title": title, "help": help_text, "height": height, "format": kind, "series": list(curve), **more}


def run_data(sheet: Sheet) -> dict[str, Any]:
    """Return everything the script of one run's page needs."""
    data: dict[str, Any] = {"unit": unit(sheet["currency"]), "times": [], "panels": [], "trades": None}
    if sheet["time_ns"].size:
        _draw_curves(sheet, data)
    if (book := sheet.get("book")) is not None:
        data["trades"] = trade_rows(trades(book, sheet["symbols"]), sheet)
    return data


def _draw_curves(sheet: Sheet, data: dict[str, Any]) -> None:
    """Add the panels that the record of the run allows (data modified in place)."""
    equity, start = sheet["equity_e8"], sheet["start_e8"]
    depth = drawdown(equity, start) if start > 0 else np.empty(0)
    benchmark = sheet.get("benchmark_e8", np.empty(0, np.int64))
    at = some_bars(sheet, equity, depth, benchmark)
    data["times"].append(steps(sheet["time_ns"][at]))
    lines = [series("equity", "c1", 0, points(equity[at] / 1e8, 2))]
    if benchmark.size:
        # Of several symbols only the first is held, and the legend says which.
        held = f"buy & hold {sheet['symbols'][0]}" if len(sheet.get("symbols", ())) > 1 else "buy & hold"
        lines.insert(1, series(held, "grey", 0, points(benchmark[at] / 1e8, 2), thin=True))
    marks = {"entry": _marks(sheet, "entries"), "exit": _marks(sheet, "exits")}
    data["panels"].append(panel("Equity", 300, "money", *lines, log=bool((equity > 0).all()), marks=marks))
    if depth.size:
        lines = [series("drawdown", "fall", 0, points(depth[at], 6), area=True)]
        data["panels"].append(panel("Drawdown", 110, "percent", *lines, zero=True, below_zero=True))
    if "positions_e8" in sheet:
        share = curves.exposure(sheet["positions_e8"], equity)
        lines = [series("net exposure", "c3", 0, points(share[at], 4), area=True, thin=True)]
        data["panels"].append(panel("Net exposure", 80, "percent", *lines, zero=True))
    if "days" in sheet:
        ratio = curves.rolling_sharpe(equity, sheet["days"], start)
        data["times"].append(steps(sheet["time_ns"][last_of_day(sheet["days"])]))
        lines = [series("rolling Sharpe", "c4", 1, points(ratio, 3), thin=True)]
        empty = f"fewer than {curves.ROLLING_DAYS} trading days, or no change in them"
        data["panels"].append(panel(ROLLING, 90, "number", *lines, zero=True, empty=empty))


def _marks(sheet: Sheet, name: Literal["entries", "exits"]) -> list[list[float]]:
    bars: Ints = np.unique(sheet[name])[-TRADES_MAX:] if name in sheet else np.empty(0, np.int64)
    return [
        [int(when) // SECOND_NS, round(int(amount) / 1e8, 2)]
        for when, amount in zip(sheet["time_ns"][bars].tolist(), sheet["equity_e8"][bars].tolist(), strict=True)
    ]


def cents(amount_e8: int) -> int:
    """Return money in cents, rounded half to even."""
    whole, rest = divmod(amount_e8, CENT_E8)
    return whole + (2 * rest > CENT_E8 or (2 * rest == CENT_E8 and whole & 1))


def trade_rows(frame: Frame, sheet: Sheet) -> dict[str, Any] | None:
    """Return the closed trades for the script, the last TRADES_MAX of them, or None when there is none."""
    if not frame.size:
        return None
    columns = {column.name: column for column in frame.columns}
    clock = bool((np.diff(sheet["time_ns"]) < 43_200 * SECOND_NS).any())
    shown: list[tuple[str, str, Sequence[Any]]] = [
        ("#", "count", columns["trade"].cells()), ("Symbol", "text", columns["symbol"].cells()),
        ("Side", "text", columns["side"].cells()), ("Quantity", "plain", columns["quantity"].cells()),
        ("Opened", "time", (columns["opened"].values // SECOND_NS).tolist()),
        ("Closed", "time", (columns["closed"].values // SECOND_NS).tolist()),
        ("Entry", "plain", columns["entry_price"].cells()), ("Exit", "plain", columns["exit_price"].cells()),
        ("Fees", "money", [cents(amount) for amount in columns["fees"].values.tolist()]),
        ("P&L", "money", [cents(amount) for amount in columns["pnl"].values.tolist()]),
        ("Return", "percent", points(columns["return"].values, 6)), ("Days", "days", points(columns["days_held"].values, 2)),
    ]  # fmt: skip
    rows = list(zip(*(_numbers(kind, values) for _, kind, values in shown), strict=True))[-TRADES_MAX:]
    heads = [{"name": name, "kind": kind, "signed": name in ("P&L", "Return"), "clock": clock} for name, kind, _ in shown]
    return {"columns": heads, "rows": rows, "span": [4, 5], "total": frame.size}


def _numbers(kind: str, values: Sequence[Any]) -> Sequence[Any]:
    """Return prices and quantities as numbers that sort; seven digits are what a table shows."""
    if kind != "plain":
        return values
    return [None if value is None else float(f"{float(value):.7g}") for value in values]
