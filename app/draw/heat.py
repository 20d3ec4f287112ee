"""Heat maps: months of years, days of a calendar, parameters of a sweep.

Theory of operation. Every map takes rows of (x, y, value) that are known elsewhere. What is good is green-blue, what is
bad vermilion, and nothing in between; one that has no middle goes from quiet to blue. Unknown is no cell at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

from app.draw.theme import Palette, base

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
CELL = 15


def grid(
    columns: Sequence[str],
    rows: Sequence[str],
    cells: Sequence[tuple[int, int, float]],
    colours: Palette,
    form: str = "%.2f",
    middle: bool = True,
    labels: bool = True,
    names: tuple[str, str] = ("", ""),
) -> dict[str, Any]:
    """Return the description of a map of named columns and rows.

    Args:
        cells: column, row (0 = lowest), value. middle: 0 is neutral, and both sides have a colour. labels: write the values.
    """
    low, high = _span([value for _, _, value in cells], middle)
    shown = [{"value": [x, y, value], "label": {"formatter": _cell_text(value, form)}} for x, y, value in cells]
    axis = {
        "splitLine": {"show": False},
        "axisTick": {"show": False},
        "axisLine": {"show": False},
        "nameLocation": "middle",
    }
    label = {"color": colours.quiet, "interval": 0 if max(len(columns), len(rows)) <= 40 else "auto"}
    return base(colours) | {
        "tooltip": {
            **base(colours)["tooltip"],
            "trigger": "item",
            "valueFormatter": form if form.startswith("%") else "localized",
        },
        "grid": {"left": 64 if not names[1] else 84, "right": 90, "top": 12, "bottom": 30 if not names[0] else 48},
        "xAxis": {
            "type": "category",
            "data": list(columns),
            "axisLabel": label,
            "name": names[0],
            "nameGap": 30,
            **axis,
        },
        "yAxis": {"type": "category", "data": list(rows), "axisLabel": label, "name": names[1], "nameGap": 56, **axis},
        "visualMap": _scale(low, high, colours, middle),
        "series": [
            {
                "type": "heatmap",
                "data": shown,
                "label": {"show": labels, "color": colours.ink, "fontSize": 11},
                "itemStyle": {"borderColor": colours.ground, "borderWidth": 2, "borderRadius": 4},
            }
        ],
    }


def calendar(days: Sequence[tuple[str, float]], colours: Palette) -> tuple[dict[str, Any], int]:
    """Return a calendar with one strip a year, latest first, and its height.

    Args:
        days: ISO day and amount in the currency.
    """
    years = sorted({day[:4] for day, _ in days}, reverse=True)
    low, high = _span([amount for _, amount in days], True)
    strips = [
        {
            "range": year,
            "top": 40 + at * (CELL * 7 + 44),
            "left": 56,
            "right": 100,
            "cellSize": ["auto", CELL],
            "yearLabel": {"margin": 34, "color": colours.quiet, "fontSize": 13},
            "dayLabel": {"firstDay": 1, "color": colours.quiet, "fontSize": 10, "nameMap": "en"},
            "monthLabel": {"color": colours.quiet, "fontSize": 11},
            "itemStyle": {"color": "transparent", "borderColor": colours.line, "borderWidth": 0.6},
            "splitLine": {"lineStyle": {"color": colours.grey, "width": 0.8}},
        }
        for at, year in enumerate(years)
    ]
    series = [
        {
            "type": "heatmap",
            "coordinateSystem": "calendar",
            "calendarIndex": at,
            "data": [[d, v] for d, v in days if d.startswith(year)],
            "selectedMode": "single",
            "itemStyle": {"borderColor": colours.ground, "borderWidth": 1},
        }
        for at, year in enumerate(years)
    ]
    option = base(colours) | {
        "tooltip": {**base(colours)["tooltip"], "trigger": "item", "valueFormatter": "%,.2f"},
        "visualMap": _scale(low, high, colours, True),
        "calendar": strips,
        "series": series,
    }
    return option, 40 + len(years) * (CELL * 7 + 44) + 10


def week_of(day: date) -> date:
    """Return the Monday of a day's week."""
    return day - timedelta(days=day.weekday())


def _cell_text(value: float, form: str) -> str:
    return form % value if form.startswith("%") else f"{value:g}"


def _span(values: Sequence[float], middle: bool) -> tuple[float, float]:
    """Return the ends of the scale: of equal reach around 0 where 0 is the middle."""
    if not values:
        return (-1.0, 1.0)
    if middle:
        reach = max(abs(min(values)), abs(max(values))) or 1.0
        return (-reach, reach)
    low, high = min(values), max(values)
    return (low, high) if high > low else (low, low + 1.0)


def _scale(low: float, high: float, colours: Palette, middle: bool) -> dict[str, Any]:
    return {
        "min": low,
        "max": high,
        "calculable": False,
        "orient": "vertical",
        "right": 4,
        "top": "middle",
        "itemHeight": 90,
        "itemWidth": 10,
        "precision": 2,
        "textStyle": {"color": colours.quiet, "fontSize": 10},
        "inRange": {"color": list(colours.heat) if middle else [colours.card, colours.sessions[0]]},
    }
