"""Bars: years, distributions, causes of a difference, counts by reason.

Theory of operation. Every bar's value is known elsewhere; a bar above zero is green-blue and one below vermilion, unless the
bars count things. The waterfall stacks each part on what came before, which is the only addition here and
is for the picture; the amounts on it are those it was given.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

from app.draw.theme import Palette, base, value_axis


def columns(
    names: Sequence[str],
    values: Sequence[float | None],
    colours: Palette,
    form: str = "localized",
    signed: bool = True,
    axis: str = "",
) -> dict[str, Any]:
    """Return one column a name; None leaves a gap. `form` formats the reading line, `axis` the labels of the axis."""
    data = _bars(values, colours, signed)
    return base(colours) | {
        "grid": {"left": 8, "right": 64, "top": 12, "bottom": 26},
        "xAxis": {
            "type": "category",
            "data": list(names),
            "axisLabel": {"color": colours.quiet},
            "axisTick": {"show": False},
            "axisLine": {"lineStyle": {"color": colours.line}},
        },
        "yAxis": value_axis(colours, 0, axis, scale=False),
        "series": [{"type": "bar", "data": data, "barCategoryGap": "18%", "tooltip": {"valueFormatter": form}}],
    }


def rows(
    names: Sequence[str], values: Sequence[float], colours: Palette, form: str = "localized", signed: bool = False
) -> dict[str, Any]:
    """Return one horizontal bar a name, the first on top, with its value at its end."""
    data = _bars(values, colours, signed)
    return base(colours) | {
        "grid": {"left": 8, "right": 60, "top": 4, "bottom": 4, "containLabel": True},
        "xAxis": {"type": "value", "show": False},
        "yAxis": {
            "type": "category",
            "inverse": True,
            "data": list(names),
            "axisTick": {"show": False},
            "axisLine": {"show": False},
            "axisLabel": {"color": colours.ink},
        },
        "tooltip": {**base(colours)["tooltip"], "trigger": "item", "valueFormatter": form},
        "series": [
            {
                "type": "bar",
                "data": data,
                "barWidth": "62%",
                "label": {"show": True, "position": "right", "color": colours.ink},
            }
        ],
    }


def waterfall(
    names: Sequence[str], amounts: Sequence[float], texts: Sequence[str], colours: Palette, total: str
) -> dict[str, Any]:
    """Return the parts of a difference, each beginning where the one before ended, and their sum at the end.

    Args:
        amounts: in the currency. texts: the exact amounts as they are written on the bars, one more for the sum.
    """
    ends = list(accumulate(amounts, initial=0.0))
    spans = [(min(one, two), max(one, two)) for one, two in zip(ends, ends[1:], strict=False)]
    spans.append((min(0.0, ends[-1]), max(0.0, ends[-1])))
    tones = [_tone(amount, colours) for amount in amounts] + [colours.sessions[0]]
    below = [{"value": low if low >= 0 else high if high <= 0 else 0.0} for low, high in spans]
    above, under = [], []
    for (low, high), tone, words in zip(spans, tones, texts, strict=True):
        style = {"color": tone, "borderRadius": 2}
        label = {"show": True, "formatter": words, "color": colours.ink, "fontSize": 11}
        above.append(
            {
                "value": high - max(0.0, low) if high > 0 else 0.0,
                "itemStyle": style,
                "label": {**label, "position": "top", "show": high > 0 or low == high},
            }
        )
        under.append(
            {
                "value": low - min(0.0, high) if low < 0 else 0.0,
                "itemStyle": style,
                "label": {**label, "position": "bottom", "show": low < 0 and high <= 0},
            }
        )
    clear = {
        "type": "bar",
        "stack": "w",
        "silent": True,
        "itemStyle": {"color": "transparent"},
        "data": below,
        "tooltip": {"show": False},
    }
    return base(colours) | {
        "grid": {"left": 8, "right": 70, "top": 24, "bottom": 40},
        "tooltip": {"show": False},
        "xAxis": {
            "type": "category",
            "data": [*names, total],
            "axisTick": {"show": False},
            "axisLine": {"onZero": False, "lineStyle": {"color": colours.line}},
            "axisLabel": {"color": colours.ink, "interval": 0, "width": 90, "overflow": "break"},
        },
        "yAxis": value_axis(colours, 0, scale=False),
        "series": [
            clear,
            {"type": "bar", "stack": "w", "data": above, "barWidth": "58%"},
            {"type": "bar", "stack": "w", "data": under},
        ],
    }


def _bars(values: Sequence[float | None], colours: Palette, signed: bool) -> list[dict[str, Any]]:
    """Return one bar a value, in the colour of its sign where the sign says something."""
    tones = [_tone(value, colours) if signed else colours.sessions[0] for value in values]
    return [{"value": value, "itemStyle": {"color": tone, "borderRadius": 2}} for value, tone in zip(values, tones, strict=True)]


def _tone(value: float | None, colours: Palette) -> str:
    if value is None or value == 0:
        return colours.grey
    return colours.gain if value > 0 else colours.loss
