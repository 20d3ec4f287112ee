"""Candles with what was bought and sold on them.

Theory of operation. Up to `CANDLES` candles are drawn as they are; more are put together in equal groups (first open, highest high, lowest
low, last close, summed volume), and the page says so. Bars without a length (marks) become a line.
Entries are triangles that point up below the price, exits triangles that point down above it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.draw.lines import thinned
from app.draw.theme import CANDLES, Palette, base, time_axis, value_axis, zoom
from sim.output.prices import Bars

MARKERS = 4_000
"""Most fills that are marked; the newest ones are."""
HEIGHT, VOLUME = 330, 60


class Mark(NamedTuple):
    """A fill: when, at which price in the currency, bought (+1) or sold (-1)."""

    time_ns: int
    price: float
    side: int


def grouped(prices: Bars, most: int = CANDLES) -> tuple[Bars, int]:
    """Return at most `most` candles, and how many of the given ones each is made of."""
    count = len(prices.end_ns)
    size = -(-count // most) if count > most else 1
    if size == 1:
        return prices, 1
    first = np.arange(0, count, size)
    last = np.minimum(first + size, count) - 1
    volume = None if prices.volume is None else np.add.reduceat(prices.volume, first)
    return Bars(
        prices.start_ns[first],
        prices.end_ns[last],
        prices.open_ticks[first],
        np.maximum.reduceat(prices.high_ticks, first),
        np.minimum.reduceat(prices.low_ticks, first),
        prices.close_ticks[last],
        volume,
    ), size


def between(prices: Bars, first_ns: int, last_ns: int) -> Bars:
    """Return the prices of a stretch of time."""
    at = slice(
        int(np.searchsorted(prices.end_ns, first_ns)), int(np.searchsorted(prices.start_ns, last_ns, side="right"))
    )
    return Bars(*(None if column is None else column[at] for column in prices))  # type: ignore[arg-type]


def chart(prices: Bars, price_exp: int, marks: Sequence[Mark], colours: Palette) -> tuple[dict[str, Any], int]:
    """Return the description of candles (or a line of marks) with fills, and how many bars one candle is made of."""
    import pandas as pd

    scale = 10.0**price_exp
    points = prices.start_ns is prices.end_ns or bool((prices.start_ns == prices.end_ns).all())
    size = 1
    if points:
        at = thinned(len(prices.end_ns), [prices.close_ticks])
        prices = Bars(*(None if column is None else column[at] for column in prices))  # type: ignore[arg-type]
    else:
        prices, size = grouped(prices)
    columns = {
        "open": prices.open_ticks,
        "close": prices.close_ticks,
        "low": prices.low_ticks,
        "high": prices.high_ticks,
    }
    table = {"time": _times(prices.end_ns)} | {name: ticks / scale for name, ticks in columns.items()}
    if prices.volume is not None:
        table["volume"] = prices.volume
    option = base(colours) | {"dataset": [{"source": pd.DataFrame(table)}], "legend": _legend(colours)}
    option["series"] = [_line(colours) if points else _candles(colours), *_fills(option, marks, colours)]
    _frame(option, prices.volume is not None, colours)
    return option, size


def _times(time_ns: NDArray[np.int64]) -> Any:
    import pandas as pd

    return pd.to_datetime(time_ns, unit="ns", utc=True)


def _candles(colours: Palette) -> dict[str, Any]:
    style = {"color": colours.gain, "color0": colours.loss, "borderColor": colours.gain, "borderColor0": colours.loss}
    encode = {"x": "time", "y": ["open", "close", "low", "high"], "tooltip": ["open", "high", "low", "close"]}
    return {
        "name": "price",
        "type": "candlestick",
        "datasetIndex": 0,
        "encode": encode,
        "itemStyle": style,
        "tooltip": {"valueFormatter": "%.4f"},
    }


def _line(colours: Palette) -> dict[str, Any]:
    encode = {"x": "time", "y": "close", "tooltip": ["close"]}
    style = {"color": colours.grey, "width": 1.4}
    return {
        "name": "price",
        "type": "line",
        "datasetIndex": 0,
        "encode": encode,
        "showSymbol": False,
        "lineStyle": style,
        "itemStyle": style,
        "step": "end",
        "tooltip": {"valueFormatter": "%.4f"},
    }


def _fills(option: dict[str, Any], marks: Sequence[Mark], colours: Palette) -> list[dict[str, Any]]:
    """Return bought and sold as two series, their points as datasets of their own (option modified in place)."""
    import pandas as pd

    found = []
    for side, name, tone, turn, shift in (
        (1, "bought", colours.sessions[0], 0, "70%"),
        (-1, "sold", colours.sessions[1], 180, "-70%"),
    ):
        mine = [mark for mark in marks if mark.side == side][-MARKERS:]
        times = _times(np.array([mark.time_ns for mark in mine], np.int64))
        option["dataset"].append({"source": pd.DataFrame({"time": times, name: [mark.price for mark in mine]})})
        found.append(
            {
                "name": name,
                "type": "scatter",
                "datasetIndex": len(option["dataset"]) - 1,
                "encode": {"x": "time", "y": name, "tooltip": [name]},
                "symbol": "triangle",
                "symbolRotate": turn,
                "symbolSize": 11 if len(mine) <= 40 else 8,
                "symbolOffset": [0, shift],
                "z": 5,
                "itemStyle": {"color": tone, "borderColor": colours.ground, "borderWidth": 1},
                "tooltip": {"valueFormatter": "%.4f"},
            }
        )
    return found


def _legend(colours: Palette) -> dict[str, Any]:
    return {"top": 0, "right": 60, "textStyle": {"color": colours.quiet}, "data": ["bought", "sold"]}


def _frame(option: dict[str, Any], volume: bool, colours: Palette) -> None:
    """Add grids and axes; volume gets a grid of its own (option modified in place)."""
    option["axisPointer"] = {"link": [{"xAxisIndex": "all"}]}
    option["grid"] = [{"left": 8, "right": 78, "top": 26, "height": HEIGHT}]
    option["xAxis"], option["yAxis"] = [time_axis(colours, 0, not volume)], [value_axis(colours, 0)]
    if volume:
        option["grid"].append({"left": 8, "right": 78, "top": 26 + HEIGHT + 16, "height": VOLUME})
        option["xAxis"].append(time_axis(colours, 1))
        option["yAxis"].append(value_axis(colours, 1, splitNumber=2, scale=False))
        option["yAxis"][1]["axisLabel"]["formatter"] = ""
        option["series"].append(
            {
                "name": "volume",
                "type": "bar",
                "datasetIndex": 0,
                "xAxisIndex": 1,
                "yAxisIndex": 1,
                "large": True,
                "encode": {"x": "time", "y": "volume", "tooltip": ["volume"]},
                "itemStyle": {"color": colours.grey},
                "tooltip": {"valueFormatter": "localized"},
            }
        )
    option["dataZoom"] = zoom(colours, 2 if volume else 1)


def height(volume: bool) -> int:
    """Return how high the chart is, in pixels."""
    return 26 + HEIGHT + (VOLUME + 16 if volume else 0) + 62
