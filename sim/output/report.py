"""What a person reads: the terminal table and the words and numbers of every report.

Theory of operation. A report is drawn from a Sheet, a plain dict of figures and
arrays, so that a backtest, a fuzz run and a paper session look the same and this file
knows none of them. It formats and never calculates: each number comes from
`sim.metrics`, each definition from `metrics.DEFINITIONS`.

Rules of reading. A figure that is None is the word "unknown", never 0 and never blank.
Money is shown in cents, rounded half to even; an amount that cents would turn into
zero is shown exactly. Names come from outside, so they are text and never markup: not
for rich, not for HTML, not for the mathematics of matplotlib.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sim.metrics import COUNTS, DEFINITIONS, MONEY, PERCENT, Figure, decimal_string
from sim.output.sheet import Sheet

if TYPE_CHECKING:
    from rich.console import RenderableType

UNKNOWN = "unknown"
CENT_E8 = 1_000_000
SYMBOLS = {"USD": "$", "EUR": "€", "GBP": "£"}
DAYS_SUFFIX = frozenset({"max_drawdown_days", "avg_holding_days"})
BARS_SUFFIX = frozenset({"max_drawdown_duration"})

GROUPS: dict[str, tuple[str, ...]] = {
    "Result": ("final_equity", "total_return", "cagr", "fees", "exposure", "turnover"),
    "Risk": (
        "volatility",
        "sharpe",
        "sortino",
        "calmar",
        "max_drawdown",
        "max_drawdown_duration",
        "max_drawdown_days",
    ),
    "Trades": (
        "trades",
        "winning_trades",
        "losing_trades",
        "win_rate",
        "profit_factor",
        "expectancy",
        "avg_win",
        "avg_loss",
        "best_trade",
        "worst_trade",
        "avg_holding_days",
    ),
}
LABELS = {
    "cagr": "CAGR",
    "sharpe": "Sharpe ratio",
    "sortino": "Sortino ratio",
    "calmar": "Calmar ratio",
    "max_drawdown": "Maximum drawdown",
    "max_drawdown_duration": "Longest under water",
    "max_drawdown_days": "Longest recovery",
    "trades": "Closed trades",
    "avg_win": "Average win",
    "avg_loss": "Average loss",
    "avg_holding_days": "Average holding",
}


def money_text(amount_e8: int, currency: str) -> str:
    """Return money for people: $1,234.50, in cents, or exact when cents would hide it."""
    sign = "-" if amount_e8 < 0 else ""
    unit = SYMBOLS.get(currency, f"{currency} ")
    cents, rest = divmod(abs(amount_e8), CENT_E8)
    cents += 2 * rest > CENT_E8 or (2 * rest == CENT_E8 and cents & 1)
    if cents == 0 and amount_e8 != 0:
        return f"{sign}{unit}{decimal_string(abs(amount_e8))}"
    return f"{sign}{unit}{cents // 100:,}.{cents % 100:02d}"


def figure_text(name: str, value: Figure, currency: str) -> str:
    """Return one figure for people, with its unit; None is the word unknown."""
    if value is None:
        return UNKNOWN
    if name in MONEY:
        return money_text(int(value), currency)
    if name in PERCENT:
        return f"{_number(100.0 * value)} %"
    text = f"{value:,}" if name in COUNTS else _number(value)
    suffix = " days" if name in DAYS_SUFFIX else " bars" if name in BARS_SUFFIX else ""
    return text + suffix


def label(name: str) -> str:
    """Return the heading of a figure: max_drawdown is Maximum drawdown."""
    return LABELS.get(name, name.replace("_", " ").capitalize())


def period_text(time_ns: NDArray[np.int64]) -> str:
    """Return the first and last day of the run in UTC, as 2020-01-02 to 2024-12-31."""
    if time_ns.size == 0:
        return "no bars"
    first, last = time_ns[[0, -1]].astype("datetime64[ns]").astype("datetime64[D]")
    return f"{first} to {last}"


def headline(sheet: Sheet) -> str:
    """Return symbol, strategy and period in one line."""
    return f"{sheet['symbol']} · {sheet['strategy']} · {period_text(sheet['time_ns'])}"


def outcome_text(sheet: Sheet) -> str:
    """Return start and final equity and what lies between them, in one line."""
    currency, figures = sheet["currency"], sheet["figures"]
    start = money_text(sheet["start_e8"], currency)
    final = figure_text("final_equity", figures.get("final_equity"), currency)
    growth = figures.get("total_return")
    change = figure_text("total_return", growth, currency)
    sign = "+" if growth is not None and growth > 0 else ""
    return f"{start} became {final} ({sign}{change})"


def rows(sheet: Sheet) -> Iterator[tuple[str, str, str, str]]:
    """Yield (group, label, value, definition) of every figure, in reading order."""
    for group, names in GROUPS.items():
        for name in names:
            value = figure_text(name, sheet["figures"].get(name), sheet["currency"])
            yield group, label(name), value, DEFINITIONS[name]


def table(sheet: Sheet, definitions: bool = False) -> RenderableType:
    """Return what the terminal shows: headline, outcome, notes, then one section a group.

    Args:
        definitions: add the definition of each figure as a third column.
    """
    from rich.console import Group
    from rich.text import Text

    # Text objects and not strings: a symbol called [red] is a symbol and not a colour.
    top = [Text(headline(sheet), style="bold"), Text(outcome_text(sheet))]
    notes = [Text(f"! {note}", style="yellow") for note in sheet.get("notes", [])]
    return Group(*top, *notes, _grid(sheet, definitions))


def plain(sheet: Sheet, width: int = 100, definitions: bool = False) -> str:
    """Return the table as plain text: what a log file or a golden test holds."""
    from rich.console import Console

    paper = io.StringIO()
    Console(file=paper, width=width, no_color=True).print(table(sheet, definitions))
    return "\n".join(line.rstrip() for line in paper.getvalue().splitlines()) + "\n"


def _grid(sheet: Sheet, definitions: bool) -> RenderableType:
    from rich.table import Table
    from rich.text import Text

    grid = Table()
    grid.add_column("Figure", no_wrap=True)
    grid.add_column("Value", justify="right", no_wrap=True)
    if definitions:
        grid.add_column("Definition", style="dim")
    last = ""
    for group, name, value, definition in rows(sheet):
        if last and group != last:
            grid.add_section()
        last = group
        cells = [Text(name), Text(value, style=_style(value))]
        grid.add_row(*cells, *([Text(definition)] if definitions else []))
    return grid


def _style(value: str) -> str:
    if value == UNKNOWN:
        return "dim italic"
    return "red" if value.startswith("-") else ""


def _number(value: float) -> str:
    """Return two decimals with thousands apart; past a billion the exponent says more."""
    return f"{value:,.2f}" if abs(value) < 1e9 else f"{value:.3g}"
