"""The picture of a run: equity above, drawdown below, as a PNG of modest size.

Theory of operation. matplotlib is imported inside `png` alone, because it costs half a
second that a command without a picture should not pay. The object interface is used
and not pyplot: pyplot keeps every figure in a module-level list, which leaks in the
app and is shared between threads.

A screen has fewer columns than a history has bars. `thin` keeps the least and the
greatest bar of each column, so the worst day is on the picture whatever its width.
Names are drawn with parse_math off: a symbol with two dollar signs is not a formula.
"""

from __future__ import annotations

import io
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.metrics import drawdown
from sim.output.report import CENT_E8, money_text, outcome_text, period_text
from sim.output.sheet import Sheet

Ints = NDArray[np.int64]

INK, GREY, LINE, FALL = "#22303c", "#8a949e", "#1f6fb2", "#c8553d"
BUY, SELL = "#2a9d5c", "#c8553d"
MARKS_MAX = 300
TITLE_MAX = 76
ONE_E8 = 1e8


class Picture(bytes):
    """A PNG that a notebook shows."""

    def _repr_png_(self) -> bytes:
        return bytes(self)

    def __repr__(self) -> str:
        """Say what it is; its bytes would fill a notebook."""
        return f"PNG of {len(self):,} bytes"


def thin(values: NDArray[Any], columns: int) -> Ints:
    """Return the bar numbers to draw: first, last, and both extremes of every column.

    Args:
        values: [T]. columns: width of the drawing in pixels, >= 1.
    Returns:
        int64[m], rising, m <= 2 * columns + 2.
    """
    count = values.shape[0]
    if count <= 2 * columns:
        return np.arange(count, dtype=np.int64)
    edges = np.linspace(0, count, columns + 1).astype(np.int64)
    keep = {0, count - 1}
    for start, stop in pairwise(edges):
        part = values[start:stop]
        keep.update((int(start + part.argmin()), int(start + part.argmax())))
    return np.array(sorted(keep), np.int64)


def png(sheet: Sheet, width: int = 1500, height: int = 900) -> bytes:
    """Return the picture of a run as PNG.

    Args:
        width, height: in pixels, at 150 to the inch.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width / 150, height / 150), dpi=150, facecolor="white")
    FigureCanvasAgg(figure)
    equity_axis, drawdown_axis = figure.subplots(
        2, 1, sharex=True, height_ratios=(3.2, 1), gridspec_kw={"hspace": 0.07}
    )
    figure.subplots_adjust(left=0.09, right=0.91, top=0.86, bottom=0.08)
    _titles(figure, sheet)
    for axis in (equity_axis, drawdown_axis):
        _dress(axis)
    if sheet["time_ns"].size == 0:
        _say(equity_axis, "no bars")
        _say(drawdown_axis, "")
        drawdown_axis.set_xticks([])
    else:
        _draw_equity(equity_axis, sheet, width)
        _draw_marks(equity_axis, sheet)
        _draw_drawdown(drawdown_axis, sheet, width)
        _dates(drawdown_axis, sheet)
    paper = io.BytesIO()
    figure.savefig(paper, format="png", metadata={"Software": "onebook"})
    return paper.getvalue()


def _titles(figure: Any, sheet: Sheet) -> None:
    """Write what was run and what came of it, without reading formulas into names."""
    name = "".join(letter for letter in f"{sheet['symbol']} · {sheet['strategy']}" if letter.isprintable())
    shown = name if len(name) <= TITLE_MAX else name[: TITLE_MAX - 1] + "…"
    outcome = f"{period_text(sheet['time_ns'])} · {outcome_text(sheet)}"
    figure.text(0.09, 0.945, shown, fontsize=13, fontweight="bold", color=INK, parse_math=False)
    figure.text(0.09, 0.897, outcome, fontsize=10.5, color=GREY, parse_math=False)


def _say(axis: Any, words: str) -> None:
    """Show words where there is nothing to draw; an empty scale would look like data."""
    axis.text(0.5, 0.5, words, transform=axis.transAxes, ha="center", color=GREY)
    axis.set_yticks([])


def _dress(axis: Any) -> None:
    """Take away every line that says nothing."""
    for side in ("top", "right", "left"):
        axis.spines[side].set_visible(False)
    axis.spines["bottom"].set_color("#c9d0d6")
    axis.grid(axis="y", color="#e8ecef", linewidth=0.8)
    axis.set_axisbelow(True)
    axis.tick_params(colors=GREY, labelsize=8.5, length=0)


def _draw_equity(axis: Any, sheet: Sheet, width: int) -> None:
    """Draw the curve, the start as a hairline, and buy and hold in thin grey."""
    from matplotlib.ticker import FuncFormatter

    stamps, equity, currency = _stamps(sheet), sheet["equity_e8"], sheet["currency"]
    benchmark = sheet.get("benchmark_e8")
    axis.axhline(sheet["start_e8"] / ONE_E8, color=GREY, linewidth=0.7, linestyle=(0, (2, 3)))
    if benchmark is not None:
        some = thin(benchmark, width)
        axis.plot(stamps[some], benchmark[some] / ONE_E8, color="#aab4bd", linewidth=0.9, label="buy & hold")
    some = thin(equity, width)
    dot = "o" if equity.size == 1 else None
    axis.plot(stamps[some], equity[some] / ONE_E8, color=LINE, linewidth=1.5, label="equity", marker=dot)
    if np.ptp(equity) < CENT_E8 and benchmark is None:
        # A flat curve lies in the middle of the panel and not on its frame.
        axis.set_ylim(equity[0] / ONE_E8 - 1.0, equity[0] / ONE_E8 + 1.0)
    final = _short(int(equity[-1]), currency, abs(int(equity[-1])) < 1_000 * ONE_E8)
    axis.annotate(
        final,
        (stamps[-1], equity[-1] / ONE_E8),
        xytext=(6, 0),
        textcoords="offset points",
        color=LINE,
        fontsize=9,
        fontweight="bold",
        va="center",
        annotation_clip=False,
        parse_math=False,
    )
    axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _tick(value, currency, axis)))


def _tick(value: float, currency: str, axis: Any) -> str:
    """Return a tick in whole units, or in cents when the axis is so low that ticks are fractions."""
    low, high = axis.get_ylim()
    return _short(round(value * ONE_E8), currency, high - low < 30).replace("$", r"\$")


def _short(amount_e8: int, currency: str, cents: bool) -> str:
    """Return money with or without its cents; the exact figures stand in the tables."""
    text = money_text(amount_e8, currency)
    return text if cents else text.partition(".")[0]


def _draw_marks(axis: Any, sheet: Sheet) -> None:
    """Mark entries and exits on the curve, or say that there are too many to be seen."""
    stamps, equity = _stamps(sheet), sheet["equity_e8"] / ONE_E8
    entries, exits = sheet.get("entries"), sheet.get("exits")
    count = sum(bars.size for bars in (entries, exits) if bars is not None)
    if count <= MARKS_MAX:
        for bars, shape, colour, word in ((entries, "^", BUY, "entry"), (exits, "v", SELL, "exit")):
            if bars is not None and bars.size:
                axis.scatter(
                    stamps[bars],
                    equity[bars],
                    s=20,
                    marker=shape,
                    color=colour,
                    zorder=3,
                    linewidths=0.6,
                    edgecolors="white",
                    label=word,
                )
    title = f"{count:,} entries and exits: too many to draw" if count > MARKS_MAX else None
    legend = axis.legend(
        loc="upper left",
        frameon=False,
        fontsize=8.5,
        labelcolor=GREY,
        ncols=4,
        title=title,
        title_fontsize=8.5,
    )
    legend.set_alignment("left")
    legend.get_title().set_color(GREY)


def _draw_drawdown(axis: Any, sheet: Sheet, width: int) -> None:
    """Draw how far below its best the run was, and name the deepest point."""
    from matplotlib.ticker import FuncFormatter

    axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.4g} %"))
    if sheet["start_e8"] <= 0:
        _say(axis, "drawdown unknown")
        return
    stamps, depth = _stamps(sheet), drawdown(sheet["equity_e8"], sheet["start_e8"])
    some = thin(depth, width)
    axis.fill_between(stamps[some], depth[some], 0.0, color=FALL, alpha=0.25, linewidth=0)
    axis.plot(stamps[some], depth[some], color=FALL, linewidth=0.8)
    axis.set_ylim(min(float(depth.min()) * 1.3, -0.001), 0.0)
    axis.set_ylabel("drawdown", color=GREY, fontsize=8.5)
    deepest = int(depth.argmin())
    if depth[deepest] < 0:
        axis.annotate(
            f"{100 * depth[deepest]:.1f} %",
            (stamps[deepest], depth[deepest]),
            xytext=(0, -4),
            textcoords="offset points",
            ha="center",
            va="top",
            color=FALL,
            fontsize=8.5,
        )


def _dates(axis: Any, sheet: Sheet) -> None:
    """Label time by as little as is needed: years, then months, then days, then hours."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator = AutoDateLocator(minticks=4, maxticks=10)
    axis.xaxis.set_major_locator(locator)
    axis.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    stamps = _stamps(sheet)
    if stamps.size > 1:
        axis.set_xlim(stamps[0], stamps[-1])


def _stamps(sheet: Sheet) -> NDArray[np.datetime64]:
    """Return the bar times in microseconds, the finest that matplotlib draws."""
    return sheet["time_ns"].astype("datetime64[ns]").astype("datetime64[us]")
