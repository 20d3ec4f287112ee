"""Several runs side by side: figures, differences, years, and their curves on one axis.

Theory of operation. Runs may differ in symbols, dates, bars and start cash, so curves are
drawn as an index of 100 at each run's start and never as amounts. The first run is
the one the others are held against: a difference is theirs less its own, and unknown
where either is. This file subtracts and never measures: figures come with the sheets.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sim import curves
from sim.metrics import COUNTS, DEFINITIONS, MONEY, Figure, drawdown
from sim.output import charts
from sim.output.page import percent, render
from sim.output.report import GROUPS, UNKNOWN, figure_text, label, period_text
from sim.output.sheet import Sheet
from sim.output.tables import figure_value

if TYPE_CHECKING:
    from rich.console import RenderableType

RUNS_MAX = 6
"""As many as there are colours that can be told apart."""
HIGHER_IS_BETTER = {
    "final_equity": True, "total_return": True, "cagr": True, "sharpe": True, "sortino": True, "calmar": True,
    "max_drawdown": True, "win_rate": True, "profit_factor": True, "expectancy": True, "volatility": False, "fees": False,
    "max_drawdown_duration": False, "max_drawdown_days": False,
}  # fmt: skip


def difference(name: str, first: Figure, other: Figure) -> Figure:
    """Return other - first, None where either is unknown; money stays an integer at 1e-8."""
    if first is None or other is None:
        return None
    return int(other) - int(first) if name in MONEY or name in COUNTS else other - first


def difference_text(name: str, change: Figure, currency: str) -> str:
    """Return a difference for people, with its sign."""
    if change is None:
        return UNKNOWN
    text = figure_text(name, change, currency)
    return f"+{text}" if change > 0 else text


def best(name: str, sheets: Sequence[Sheet]) -> set[int]:
    """Return which runs have the best value of a figure; none where nothing is better or all are equal."""
    values = [sheet["figures"].get(name) for sheet in sheets]
    known = [value for value in values if value is not None]
    if name not in HIGHER_IS_BETTER or len(known) < 2 or len(set(known)) == 1:
        return set()
    top = max(known) if HIGHER_IS_BETTER[name] else min(known)
    return {at for at, value in enumerate(values) if value == top}


def documents(sheets: Sequence[Sheet], labels: Sequence[str]) -> list[dict[str, Any]]:
    """Return one JSON document a figure: values and differences by label, exact money, None when unknown."""
    found = []
    for name in DEFINITIONS:
        first = sheets[0]["figures"].get(name)
        values = {key: _plain(name, sheet["figures"].get(name)) for key, sheet in zip(labels, sheets, strict=True)}
        changes = {
            key: _plain(name, difference(name, first, sheet["figures"].get(name)))
            for key, sheet in list(zip(labels, sheets, strict=True))[1:]
        }
        found.append({"figure": name, "values": values, "differences": changes})
    return found


def _plain(name: str, value: Figure) -> Any:
    return figure_value(name, {name: value}) if name in MONEY else value


def table(sheets: Sequence[Sheet], labels: Sequence[str]) -> RenderableType:
    """Return the figures side by side for the terminal; the best of a row is bold, differences are to the first run."""
    from rich.table import Table
    from rich.text import Text

    grid = Table(title=Text("Differences are to the first run; the best of a row is bold"), title_justify="left")
    grid.add_column("Figure", no_wrap=True)
    for at, name in enumerate(labels):
        grid.add_column(Text(name), justify="right")
        if at:
            grid.add_column(Text("difference"), justify="right", style="dim")
    grid.add_row("Strategy", *_between([Text(sheet["strategy"]) for sheet in sheets]))
    grid.add_row("Symbols", *_between([Text(sheet["symbol"]) for sheet in sheets]))
    grid.add_row("Period", *_between([Text(period_text(sheet["time_ns"])) for sheet in sheets]))
    for group in GROUPS.values():
        grid.add_section()
        for name in group:
            grid.add_row(label(name), *_cells(name, sheets))
    return grid


def _between(cells: Sequence[Any]) -> list[Any]:
    """Return cells with an empty one after each but the first, where the differences stand."""
    return [cells[0], *(cell for each in cells[1:] for cell in (each, ""))]


def _cells(name: str, sheets: Sequence[Sheet]) -> list[Any]:
    from rich.text import Text

    top, first, cells = best(name, sheets), sheets[0]["figures"].get(name), []
    for at, sheet in enumerate(sheets):
        value = sheet["figures"].get(name)
        style = "dim italic" if value is None else "bold" if at in top else ""
        cells.append(Text(figure_text(name, value, sheet["currency"]), style=style))
        if at:
            cells.append(Text(difference_text(name, difference(name, first, value), sheet["currency"])))
    return cells


def html(sheets: Sequence[Sheet], labels: Sequence[str]) -> str:
    """Return the page that compares up to RUNS_MAX runs."""
    rows = [(group, [_line(name, sheets) for name in figures]) for group, figures in GROUPS.items()]
    heads = [
        {
            "label": name, "colour": f"c{at + 1}", "strategy": sheet["strategy"], "symbol": sheet["symbol"],
            "period": period_text(sheet["time_ns"]),
        }
        for at, (name, sheet) in enumerate(zip(labels, sheets, strict=True))
    ]  # fmt: skip
    return render(
        _data(sheets, labels), template="compare.html", title=f"{len(sheets)} runs compared",
        subtitle=f"{' · '.join(labels)}; differences are to {labels[0]}", heads=heads, rows=rows, yearly=_years(sheets),
    )  # fmt: skip


def _line(name: str, sheets: Sequence[Sheet]) -> dict[str, Any]:
    top, first, cells = best(name, sheets), sheets[0]["figures"].get(name), []
    for at, sheet in enumerate(sheets):
        value = sheet["figures"].get(name)
        change = difference(name, first, value)
        cells.append({
            "text": figure_text(name, value, sheet["currency"]), "best": at in top, "unknown": value is None,
            "difference": difference_text(name, change, sheet["currency"]) if at else "",
        })  # fmt: skip
    return {"label": label(name), "definition": DEFINITIONS[name], "cells": cells}


def _years(sheets: Sequence[Sheet]) -> list[dict[str, Any]]:
    """Return the return of each calendar year of each run, a dash where it had no bar."""
    tables = [
        curves.yearly_returns(sheet["equity_e8"], sheet["days"], sheet["start_e8"]) if sheet["time_ns"].size and "days" in sheet else {}
        for sheet in sheets
    ]
    return [
        {"name": year, "cells": [percent(table[year]) if year in table else "–" for table in tables]}
        for year in sorted(set().union(*tables))
    ]


def _data(sheets: Sequence[Sheet], labels: Sequence[str]) -> dict[str, Any]:
    """Return the curves of all runs on one axis: an index of 100 at each start, and the drawdowns."""
    data: dict[str, Any] = {"unit": "", "times": [], "panels": [], "trades": None}
    levels, depths = [], []
    for at, (name, sheet) in enumerate(zip(labels, sheets, strict=True)):
        equity, start = sheet["equity_e8"], sheet["start_e8"]
        if not equity.size or start <= 0:
            continue
        depth = drawdown(equity, start)
        bars = charts.some_bars(sheet, equity, depth)
        where = len(data["times"])
        data["times"].append(charts.steps(sheet["time_ns"][bars]))
        levels.append(charts.series(name, f"c{at + 1}", where, charts.points(equity[bars] / (start / 100.0), 4)))
        depths.append(charts.series(name, f"c{at + 1}", where, charts.points(depth[bars], 6), thin=True))
    if levels:
        positive = all(bool(np.all(sheet["equity_e8"] > 0)) for sheet in sheets)
        data["panels"] = [
            charts.panel("Equity, 100 at the start", 320, "index", *levels, key="Equity", log=positive),
            charts.panel("Drawdown", 160, "percent", *depths, zero=True, below_zero=True),
        ]
    return data
