"""The heat map of a sweep: one figure over two parameters, as PNG or as one HTML file that needs nothing else."""

from __future__ import annotations

import math
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sim.sweep.result import axis
from sim.sweep.work import COLUMNS
from strategies.api import StrategyError, known_name

if TYPE_CHECKING:
    from sim.sweep.result import SweepResult

Floats = NDArray[np.float64]


def squares(result: SweepResult, x: str, y: str, figure: str, row: int) -> tuple[NDArray[Any], NDArray[Any], Floats]:
    """Return the values along x and y, and float64[len(y), len(x)] of the figure; NaN where nothing was tried.

    Rows that differ from row `row` in anything but x and y (symbol, commission, other parameters) are left out.
    """
    known_name("figure", figure, [name for name in COLUMNS if name != "kernel"])
    across, up = axis(result, x), axis(result, y)
    if x == y:
        raise StrategyError(f"a heat map needs two different parameters; both are {x}")
    alike = np.ones(len(result), bool)
    for name in ("symbol", "commission", *result.names):
        if name not in (x, y):
            alike &= result.table[name] == result.table[name][row]
    cells = np.full((up.size, across.size), np.nan)
    cells[np.searchsorted(up, result.table[y][alike]), np.searchsorted(across, result.table[x][alike])] = result.table[figure][alike]
    return across, up, cells


def heatmap(result: SweepResult, x: str, y: str, path: Path, figure: str, row: int) -> Path:
    """Draw the map into a file that ends in .png or .html and return its path."""
    if path.suffix not in (".png", ".html"):
        raise StrategyError(f"a heat map is a .png or .html file; got {path.name}")
    across, up, cells = squares(result, x, y, figure, row)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".html":
        path.write_text(page(across, up, cells, (x, y, figure)), encoding="utf-8")
    else:
        _png(across, up, cells, (x, y, figure), path)
    return path


def _png(across: NDArray[Any], up: NDArray[Any], cells: Floats, names: tuple[str, str, str], path: Path) -> None:
    from matplotlib.figure import Figure

    drawing = Figure(figsize=(9, 6), layout="constrained")
    axes = drawing.add_subplot()
    image = axes.imshow(cells, origin="lower", aspect="auto", cmap="RdYlGn")
    for set_ticks, values in ((axes.set_xticks, across), (axes.set_yticks, up)):
        places = np.unique(np.linspace(0, values.size - 1, min(values.size, 12)).round().astype(int))
        set_ticks(places, [f"{values[place]:g}" for place in places])
    axes.set_xlabel(names[0])
    axes.set_ylabel(names[1])
    drawing.colorbar(image, label=names[2].replace("_", " "))
    drawing.savefig(path, dpi=120)


def page(across: NDArray[Any], up: NDArray[Any], cells: Floats, names: tuple[str, str, str]) -> str:
    """Return one HTML page: a table whose cells are coloured and say their number when pointed at."""
    low, high = (float(np.nanmin(cells)), float(np.nanmax(cells))) if np.isfinite(cells).any() else (0.0, 0.0)
    x, y, figure = (escape(name.replace("_", " ")) for name in names)
    rows = []
    for j in reversed(range(up.size)):
        line = [_cell(cells[j, i], low, high, f"{x}={across[i]:g}, {y}={up[j]:g}") for i in range(across.size)]
        rows.append(f"<tr><th>{up[j]:g}</th>{''.join(line)}</tr>")
    head = "".join(f"<th>{value:g}</th>" for value in across)
    return (
        f"<!doctype html><html lang='en'><meta charset='utf-8'><title>{figure} by {x} and {y}</title>"
        "<style>body{font:13px sans-serif;margin:2em}table{border-collapse:collapse}td{min-width:1.2em;height:1.2em}"
        "th{font-weight:normal;padding:0 .3em;text-align:right}</style>"
        f"<h1>{figure} by {x} (across) and {y} (up)</h1><p>from {low:.4g} (red) to {high:.4g} (green); white: not tried or unknown</p>"
        f"<table>{''.join(rows)}<tr><th></th>{head}</tr></table></html>"
    )


def _cell(value: float, low: float, high: float, where: str) -> str:
    if math.isnan(value):
        return f"<td title='{where}: unknown'></td>"
    share = (value - low) / (high - low) if high > low else 0.5
    return f"<td title='{where}: {value:.6g}' style='background:hsl({120 * share:.0f} 65% 60%)'></td>"
