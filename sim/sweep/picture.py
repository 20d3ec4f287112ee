"""The heat map of a sweep: one figure over two parameters, as PNG or as one HTML file that needs nothing else.

Theory of operation. Colours are those of every page: green-blue for what is above 0, vermilion for what is below,
stronger the further from the other end; so a map of gains alone is not half red. A cell says its number, the best one
has a frame, and what was not tried is empty.
"""

from __future__ import annotations

import io
import math
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.metrics import PERCENT
from sim.output.export import whole_file
from sim.sweep.result import LESS_IS_BETTER, axis
from strategies.api import StrategyError

if TYPE_CHECKING:
    from sim.sweep.result import SweepResult

Floats = NDArray[np.float64]
GAIN, LOSS = "#14866d", "#c8553d"
NUMBERS_MAX = 600
"""Cells up to which each shows its number; a larger map says it when pointed at."""
TICKS_MAX = 20
FAINT, STRONG = 6, 78
"""How much of the colour the weakest and the strongest cell get, in percent."""
STYLE = """
:root{color-scheme:light dark;--bg:#fff;--ink:#1d2a35;--quiet:#5f6c77;--gain:#14866d;--loss:#c8553d}
@media(prefers-color-scheme:dark){:root{--bg:#11171d;--ink:#e3e9ee;--quiet:#98a6b2;--gain:#43bfa0;--loss:#ee8268}}
body{margin:0 auto;max-width:76rem;padding:1.6rem 1.4rem 4rem;color:var(--ink);background:var(--bg);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif;overflow-wrap:anywhere}
h1{font-size:1.5rem;line-height:1.25;margin:0}p{margin:.25rem 0;color:var(--quiet)}.scroll{overflow-x:auto;margin-top:1.2rem}
table{border-collapse:separate;border-spacing:2px;font-size:.84rem;font-variant-numeric:tabular-nums}
th{font-weight:400;color:var(--quiet);padding:.1rem .35rem;text-align:right;white-space:nowrap}tr:last-child th,td{text-align:center}
td{border-radius:4px;min-width:1.3em;height:1.9em;padding:0 .3rem;white-space:nowrap}
td.up{background:color-mix(in srgb,var(--gain) calc(var(--much)*1%),transparent)}
td.down{background:color-mix(in srgb,var(--loss) calc(var(--much)*1%),transparent)}
td.best{outline:2px solid var(--ink);font-weight:700}
"""


def squares(result: SweepResult, x: str, y: str, figure: str, row: int) -> tuple[NDArray[Any], NDArray[Any], Floats]:
    """Return the values along x and y, and float64[len(y), len(x)] of the figure; NaN where nothing was tried.

    Rows that differ from row `row` in anything but x and y (symbol, commission, other parameters) are left out.
    """
    worth = result.figure(figure)
    across, up = axis(result, x), axis(result, y)
    if x == y:
        raise StrategyError(f"a heat map needs two different parameters; both are {x}")
    alike = np.ones(len(result), bool)
    for name in ("symbol", "commission", *result.names):
        if name not in (x, y):
            alike &= result.table[name] == result.table[name][row]
    cells = np.full((up.size, across.size), np.nan)
    cells[np.searchsorted(up, result.table[y][alike]), np.searchsorted(across, result.table[x][alike])] = worth[alike]
    return across, up, cells


class Drawing(NamedTuple):
    """What a map shows: float64[len(up), len(across)], NaN where nothing is known, and the words around it."""

    across: NDArray[Any]
    up: NDArray[Any]
    cells: Floats
    x: str
    y: str
    figure: str
    title: str
    about: str

    @property
    def label(self) -> str:
        """The figure with its unit."""
        name = self.figure.removesuffix("_e8")
        return f"{name.replace('_', ' ')}{', %' if name in PERCENT else ''}"

    @property
    def shown(self) -> Floats:
        """The numbers as they are shown: percent as such, money in its currency."""
        return self.cells * (100.0 if self.figure in PERCENT else 1e-8 if self.figure.endswith("_e8") else 1.0)

    @property
    def best(self) -> tuple[int, int] | None:
        """The place of the best cell, None where nothing is known."""
        if not np.isfinite(self.cells).any():
            return None
        find = np.nanargmin if self.figure in LESS_IS_BETTER else np.nanargmax
        j, i = np.unravel_index(int(find(self.cells)), self.cells.shape)
        return int(j), int(i)


def heatmap(result: SweepResult, x: str, y: str, path: Path, figure: str, row: int) -> Path:
    """Draw the map into a file that ends in .png or .html and return its path; the file appears when it is whole."""
    if path.suffix not in (".png", ".html"):
        raise StrategyError(f"a heat map is a .png or .html file; got {path.name}")
    drawing = Drawing(*squares(result, x, y, figure, row), x, y, figure, *_words(result, x, y, row))
    path.parent.mkdir(parents=True, exist_ok=True)
    return whole_file(path, page(drawing).encode() if path.suffix == ".html" else _png(drawing))


def _words(result: SweepResult, x: str, y: str, row: int) -> tuple[str, str]:
    """Return what was swept, and what the map holds still."""
    table, name = result.table, result.cases[0].strategy.name
    still = [f"{other}={table[other][row]:g}" for other in result.names if other not in (x, y)]
    return f"{name} on {table['symbol'][row]}", ", ".join([*still, f"commission {table['commission'][row]}"])


def tone(value: float, low: float, high: float, less_is_better: bool = False) -> tuple[str, int]:
    """Return "up" or "down" and how much of its colour a value between `low` and `high` gets, in percent."""
    if low < 0.0 < high:
        word, share = ("up", value / high) if value >= 0.0 else ("down", value / low)
    elif low >= 0.0:
        word, share = "up", (value - low) / (high - low) if high > low else 0.5
    else:
        word, share = "down", (high - value) / (high - low) if high > low else 0.5
    if less_is_better:
        word = "down"
    return word, round(FAINT + (STRONG - FAINT) * share)


def _bounds(cells: Floats) -> tuple[float, float]:
    return (float(np.nanmin(cells)), float(np.nanmax(cells))) if np.isfinite(cells).any() else (0.0, 0.0)


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000.0 or value == round(value) else f"{value:.1f}" if abs(value) >= 10.0 else f"{value:.2f}"


def _png(drawing: Drawing) -> bytes:
    from matplotlib.colors import LinearSegmentedColormap, TwoSlopeNorm
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

    shown, (low, high) = drawing.shown, _bounds(drawing.shown)
    mixed = low < 0.0 < high
    ends = [LOSS, "white", GAIN] if mixed else ["white", GAIN] if low >= 0.0 else [LOSS, "white"]
    ends = ["white", LOSS] if drawing.figure in LESS_IS_BETTER else ends
    paper = Figure(figsize=(9, 6), layout="constrained")
    axes = paper.add_subplot()
    colours = LinearSegmentedColormap.from_list("onebook", ends)
    image = axes.imshow(shown, origin="lower", aspect="auto", cmap=colours, norm=TwoSlopeNorm(0.0, low, high) if mixed else None)
    for set_ticks, values in ((axes.set_xticks, drawing.across), (axes.set_yticks, drawing.up)):
        places = range(0, values.size, -(-values.size // TICKS_MAX))
        set_ticks(places, [f"{values[place]:g}" for place in places])
    if shown.size <= NUMBERS_MAX // 2:
        for (j, i), value in np.ndenumerate(shown):
            if math.isfinite(value):
                axes.text(i, j, _number(value), ha="center", va="center", fontsize=7.5)
    if drawing.best is not None:
        j, i = drawing.best
        axes.add_patch(Rectangle((i - 0.5, j - 0.5), 1, 1, fill=False, linewidth=2, edgecolor="#1d2a35"))
    axes.set_xlabel(drawing.x, parse_math=False)
    axes.set_ylabel(drawing.y, parse_math=False)
    axes.set_title(f"{drawing.title} · {drawing.about}", loc="left", fontsize=10, parse_math=False)
    paper.colorbar(image, label=drawing.label)
    made = io.BytesIO()
    paper.savefig(made, format="png", dpi=120)
    return made.getvalue()


def page(drawing: Drawing) -> str:
    """Return one HTML page: a table whose cells are coloured and say their number, in light and dark."""
    low, high = _bounds(drawing.shown)
    x, y, label = (escape(name.replace("_", " ")) for name in (drawing.x, drawing.y, drawing.label))
    rows = []
    for j in reversed(range(drawing.up.size)):
        cells = "".join(_cell(drawing, j, i, low, high) for i in range(drawing.across.size))
        rows.append(f"<tr><th>{drawing.up[j]:g}</th>{cells}</tr>")
    head = "".join(f"<th>{value:g}</th>" for value in drawing.across)
    known = f"{label}: {low:,.4g} to {high:,.4g}" if drawing.best is not None else f"{label}: nothing is known"
    return (
        f"<!doctype html><html lang='en'><meta charset='utf-8'><meta name='viewport' content='width=device-width'>"
        f"<title>{escape(drawing.title)}: {label} by {x} and {y}</title><style>{STYLE}</style>"
        f"<h1>{escape(drawing.title)}: {label}</h1><p>{escape(drawing.about)}</p>"
        f"<p>{known}; across: {x}, up: {y}; the frame marks the best, an empty cell was not tried or is unknown</p>"
        f"<div class='scroll'><table>{''.join(rows)}<tr><th></th>{head}</tr></table></div></html>"
    )


def _cell(drawing: Drawing, j: int, i: int, low: float, high: float) -> str:
    value = float(drawing.shown[j, i])
    where = escape(f"{drawing.x}={drawing.across[i]:g}, {drawing.y}={drawing.up[j]:g}", quote=True)
    if math.isnan(value):
        return f"<td title='{where}: unknown'></td>"
    word, much = tone(value, low, high, drawing.figure in LESS_IS_BETTER)
    best = " best" if drawing.best == (j, i) else ""
    text = _number(value) if drawing.cells.size <= NUMBERS_MAX else ""
    return f"<td class='{word}{best}' style='--much:{much}' title='{where}: {value:,.6g}'>{text}</td>"
