"""Curves over time: panels under each other on one axis, thinned to what a screen can show.

Theory of operation. A `Curve` is a column of values with a flag where it is known; a `Panel` has curves and one
axis of values. All curves of a chart share their times. `thinned` keeps the lowest and the highest value of
every stretch of every curve, so no peak and no trough is lost, in at most `POINTS` points. Unknown stays a gap.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.draw.theme import POINTS, Palette, base, time_axis, value_axis, zoom

Ints = NDArray[np.int64]
Values = NDArray[Any]
GAP = 34
FOOT = 64


class Curve(NamedTuple):
    """One curve; `values` in the unit of its panel."""

    name: str
    values: Values
    colour: str
    known: NDArray[np.bool_] | None = None
    area: bool = False
    step: bool = False
    width: float = 1.8


class Panel(NamedTuple):
    """Curves over one axis of values. `form` labels the axis, `tip` formats the numbers of the reading line."""

    title: str
    height: int
    curves: Sequence[Curve]
    form: str = ""
    tip: str = "localized"
    zero: bool = False


def thinned(count: int, curves: Sequence[Values], most: int = POINTS) -> Ints:
    """Return which points to send: int64[m], rising, m <= most; both extremes of each stretch of each curve."""
    if count <= most or not curves:
        return np.arange(count, dtype=np.int64)
    stretches = max(1, (most - 2) // (2 * len(curves)))
    size = -(-count // stretches)
    keep = [np.array([0, count - 1], np.int64)]
    for values in curves:
        keep += _extremes(np.asarray(values, np.float64), size)
    found: Ints = np.unique(np.concatenate(keep))
    return found


def _extremes(values: Values, size: int) -> list[Ints]:
    """Return the places of the least and the greatest value of every `size` values; unknown ones are passed over."""
    whole = len(values) // size * size
    parts = (
        [values[:whole].reshape(-1, size), values[whole:].reshape(1, -1)]
        if whole < len(values)
        else [values.reshape(-1, size)]
    )
    found, begin = [], 0
    for part in parts:
        rows = begin + np.arange(len(part), dtype=np.int64) * part.shape[1]
        low, high = np.where(np.isnan(part), np.inf, part), np.where(np.isnan(part), -np.inf, part)
        found += [rows + low.argmin(axis=1), rows + high.argmax(axis=1)]
        begin += part.size
    return found


def chart(time_ns: Ints, panels: Sequence[Panel], colours: Palette, most: int = POINTS) -> dict[str, Any]:
    """Return the ECharts description of panels under each other, linked by one reading line and one slider."""
    import pandas as pd

    shown = [_floats(curve) for panel in panels for curve in panel.curves]
    at = thinned(len(time_ns), shown, most)
    table = {"time": pd.to_datetime(time_ns[at], unit="ns", utc=True)}
    table |= {f"c{number}": values[at] for number, values in enumerate(shown)}
    option = base(colours) | {
        "dataset": {"source": pd.DataFrame(table)},
        "grid": [],
        "xAxis": [],
        "yAxis": [],
        "series": [],
        "title": [],
    }
    option["axisPointer"] = {"link": [{"xAxisIndex": "all"}]}
    option["legend"] = {
        "top": 0,
        "right": 60,
        "icon": "roundRect",
        "itemHeight": 4,
        "itemWidth": 14,
        "textStyle": {"color": colours.quiet},
    }
    option["dataZoom"] = zoom(colours, len(panels))
    top, number = 28, 0
    for grid, panel in enumerate(panels):
        _add(option, panel, grid, top, grid == len(panels) - 1, colours)
        for curve in panel.curves:
            option["series"].append(_series(curve, f"c{number}", grid, panel))
            number += 1
        top += panel.height + GAP
    return option


def height(panels: Sequence[Panel]) -> int:
    """Return how high the chart of these panels is, in pixels."""
    return 28 + sum(panel.height + GAP for panel in panels) - GAP + FOOT


def _floats(curve: Curve) -> Values:
    values = np.asarray(curve.values, np.float64)
    return values if curve.known is None else np.where(curve.known, values, np.nan)


def _add(option: dict[str, Any], panel: Panel, grid: int, top: int, last: bool, colours: Palette) -> None:
    """Add a panel's frame (option modified in place)."""
    option["title"].append(
        {
            "text": panel.title,
            "left": 6,
            "top": top - 22,
            "textStyle": {"fontSize": 12.5, "fontWeight": 600, "color": colours.ink},
        }
    )
    option["grid"].append({"left": 8, "right": 78, "top": top, "height": panel.height})
    option["xAxis"].append(time_axis(colours, grid, last))
    option["yAxis"].append(
        value_axis(colours, grid, panel.form, scale=not panel.zero, splitNumber=4 if panel.height > 120 else 2)
    )


def _series(curve: Curve, column: str, grid: int, panel: Panel) -> dict[str, Any]:
    made: dict[str, Any] = {
        "name": curve.name,
        "type": "line",
        "xAxisIndex": grid,
        "yAxisIndex": grid,
        "showSymbol": False,
        "connectNulls": False,
        "encode": {"x": "time", "y": column, "tooltip": [column]},
        "lineStyle": {"width": curve.width, "color": curve.colour},
        "itemStyle": {"color": curve.colour},
        "tooltip": {"valueFormatter": panel.tip},
        "emphasis": {"disabled": True},
    }
    if curve.area:
        made["areaStyle"] = {"opacity": 0.16, "color": curve.colour}
    if curve.step:
        made["step"] = "end"
    return made
