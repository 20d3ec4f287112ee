"""One colour language: the palettes of light and dark, and what all charts share.

Theory of operation. Colours are those of the pages of `sim/output`: blue is equity, grey the benchmark, green-blue a
gain, vermilion a loss or drawdown, and six colours for sessions that colour-blind readers can tell apart.
Charts do not move by themselves and keep to UTC.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import streamlit as st


class Palette(NamedTuple):
    """Colours of one theme."""

    ink: str
    quiet: str
    line: str
    card: str
    ground: str
    gain: str
    loss: str
    grey: str
    sessions: tuple[str, ...]
    heat: tuple[str, ...]
    """From much lost over nothing to much gained."""


LIGHT = Palette(
    "#1d2a35",
    "#5f6c77",
    "#e4e9ed",
    "#f6f8fa",
    "#ffffff",
    "#14866d",
    "#c8553d",
    "#8b98a3",
    ("#1f6fb2", "#d17a00", "#14866d", "#a0509b", "#7a6a53", "#4c5c9e"),
    ("#c8553d", "#e7b5aa", "#f6f8fa", "#a3cfc4", "#14866d"),
)
DARK = Palette(
    "#e3e9ee",
    "#98a6b2",
    "#2b3742",
    "#192129",
    "#11171d",
    "#43bfa0",
    "#ee8268",
    "#8795a1",
    ("#62aeea", "#f0a63c", "#43bfa0", "#d08fcb", "#c0ad90", "#94a4e8"),
    ("#ee8268", "#83503f", "#192129", "#2f6f60", "#43bfa0"),
)
POINTS = 4_000
"""Most points of a curve that are sent."""
CANDLES = 20_000


def palette() -> Palette:
    """Return the colours of the reader's theme."""
    return DARK if st.context.theme.type == "dark" else LIGHT


def base(colours: Palette) -> dict[str, Any]:
    """Return what every ECharts description begins with."""
    return {
        "animation": False,
        "useUTC": True,
        "backgroundColor": "transparent",
        "textStyle": {"color": colours.quiet, "fontSize": 12},
        "tooltip": {
            "trigger": "axis",
            "confine": True,
            "backgroundColor": colours.ground,
            "borderColor": colours.line,
            "textStyle": {"color": colours.ink, "fontSize": 12},
            "axisPointer": {"type": "cross", "label": {"show": False}},
        },
    }


def zoom(colours: Palette, axes: int, bottom: int = 8) -> list[dict[str, Any]]:
    """Return the slider under a chart, and the wheel over it, for its first `axes` time axes."""
    indices = list(range(axes))
    return [
        {"type": "inside", "xAxisIndex": indices, "zoomOnMouseWheel": "ctrl", "moveOnMouseWheel": False},
        {
            "type": "slider",
            "xAxisIndex": indices,
            "height": 18,
            "bottom": bottom,
            "borderColor": colours.line,
            "brushSelect": False,
            "fillerColor": f"{colours.sessions[0]}22",
            "textStyle": {"color": colours.quiet, "fontSize": 11},
            "showDataShadow": False,
        },
    ]


def value_axis(colours: Palette, grid: int, form: str = "", **more: Any) -> dict[str, Any]:
    """Return an axis of values to the right of a grid; `form` is a template such as {value} %."""
    label = {"color": colours.quiet, **({"formatter": form} if form else {})}
    return {
        "type": "value",
        "gridIndex": grid,
        "scale": True,
        "position": "right",
        "axisLine": {"show": False},
        "axisTick": {"show": False},
        "splitLine": {"lineStyle": {"color": colours.line, "opacity": 0.7}},
        "axisLabel": label,
        "splitNumber": 4,
        **more,
    }


def time_axis(colours: Palette, grid: int, labels: bool = True) -> dict[str, Any]:
    """Return the time axis of a grid."""
    return {
        "type": "time",
        "gridIndex": grid,
        "axisLine": {"lineStyle": {"color": colours.line}},
        "axisTick": {"show": False},
        "axisLabel": {"show": labels, "color": colours.quiet, "hideOverlap": True},
        "splitLine": {"show": False},
    }
