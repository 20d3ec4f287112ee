"""Performance: every figure of the tear sheet with its definition, and every picture."""

from __future__ import annotations

import numpy as np
import streamlit as st

from app.draw import bars, heat
from app.draw.lines import Curve, Panel, chart, height
from app.draw.theme import Palette, palette
from app.shell import answers, choice, parts, text
from app.shell.parts import Card
from sim import curves
from sim.metrics import drawdown, last_of_day
from sim.output import export, tables
from sim.output.report import GROUPS, figure_text, label
from sim.output.report import rows as figure_rows
from sim.output.sheet import Sheet
from sim.output.tables import Column, Frame

FIRST = (
    "final_equity",
    "total_return",
    "cagr",
    "sharpe",
    "max_drawdown",
    "volatility",
    "sortino",
    "win_rate",
    "profit_factor",
    "fees",
)
ROLLING = next(name for name in curves.CURVE_DEFINITIONS if name.startswith("Rolling"))


def card_list(sheet: Sheet) -> list[Card]:
    """Return the figures on top, with their definitions."""
    definitions = {name: definition for _, name, _, definition in figure_rows(sheet)}
    return [
        Card(label(name), figure_text(name, sheet["figures"].get(name), sheet["currency"]), definitions[label(name)])
        for name in FIRST
    ]


def panels(sheet: Sheet, colours: Palette) -> list[Panel]:
    """Return equity with what it is held against, drawdown and net exposure."""
    equity, start, known = sheet["equity_e8"], sheet["start_e8"], sheet.get("known")
    blue, _, green, violet = colours.sessions[:4]
    lines = [Curve("equity", equity / 1e8, blue, known)]
    if "benchmark_e8" in sheet:
        symbols = sheet.get("symbols", ())
        name = f"buy & hold {symbols[0]}" if len(symbols) > 1 else "buy & hold"
        lines.append(Curve(name, sheet["benchmark_e8"] / 1e8, colours.grey, width=1.1))
    found = [Panel("Equity", 260, lines, tip="%,.2f")]
    if start > 0:
        depth = Curve("drawdown", drawdown(equity, start) * 100, colours.loss, known, area=True, width=1.2)
        found.append(Panel("Drawdown", 90, [depth], "{value} %", "%.2f %%", zero=True))
    if "positions_e8" in sheet:
        share = curves.exposure(sheet["positions_e8"], equity) * 100
        found.append(
            Panel(
                "Net exposure",
                70,
                [Curve("net exposure", share, green, known, area=True, width=1.0)],
                "{value} %",
                "%.1f %%",
                zero=True,
            )
        )
    if "days" in sheet:
        ratio = curves.rolling_sharpe(equity, sheet["days"], start)
        spread = np.repeat(ratio, np.diff(last_of_day(sheet["days"]), prepend=-1))
        if np.isfinite(spread).any():
            found.append(
                Panel(ROLLING, 80, [Curve("rolling Sharpe", spread, violet, width=1.0)], tip="%.2f", zero=True)
            )
    return found


def falls_frame(sheet: Sheet) -> Frame:
    """Return the deepest drawdowns as a table."""
    found = curves.falls(sheet["equity_e8"], sheet["days"], sheet["start_e8"], 8) if "days" in sheet else []
    regained = [None if one.regained is None else curves.iso(one.regained) for one in found]
    return Frame(
        "drawdowns",
        (
            Column("depth_percent", "number", np.round(np.array([one.depth for one in found], np.float64) * 100, 2)),
            Column("peak", "text", [curves.iso(one.peak) for one in found]),
            Column("trough", "text", [curves.iso(one.trough) for one in found]),
            Column("regained", "text", [day or "not yet" for day in regained]),
            Column("days", "count", np.array([one.days for one in found], np.int64)),
        ),
    )


def draw() -> None:
    """Draw the page."""
    found = choice.chosen()
    if found is None:
        st.stop()
    info, at = found
    sheet = answers.sheet(at)
    last = int(sheet["time_ns"][-1]) if sheet["time_ns"].size else None
    parts.header("Performance", "What the session was worth, and every definition.", info, at, last)
    for note in sheet.get("notes", []):
        st.caption(f":material/priority_high: {text.plain(note)}")
    if not sheet["time_ns"].size:
        parts.empty("The session has no point of an equity curve yet, so nothing can be measured.")
        return
    colours = palette()
    parts.cards(card_list(sheet))
    shown = panels(sheet, colours)
    st.echarts_chart(chart(sheet["time_ns"], shown, colours), height=height(shown), key="performance-curves")
    _returns(sheet, colours)
    left, right = st.columns([3, 2])
    with left:
        st.subheader("Deepest drawdowns", anchor=False, help=curves.CURVE_DEFINITIONS["Deepest drawdowns"])
        parts.table(falls_frame(sheet), "falls", {"depth_percent": "depth, %"})
    with right:
        _all_figures(sheet)
    st.download_button(
        "The whole tear sheet, one HTML page",
        lambda: _page(sheet),
        f"session-{info.id}.html",
        "text/html",
        on_click="ignore",
        icon=":material/description:",
        help="Interactive, needs no network; the same page as `onebook backtest export --format html`.",
    )
    parts.command(["backtest", "show", str(info.id), "--book", at.path])


def _page(sheet: Sheet) -> bytes:
    from sim.output import page

    return page.html(sheet).encode()


def _returns(sheet: Sheet, colours: Palette) -> None:
    """Draw months, years and the distribution of days."""
    if "days" not in sheet:
        return
    equity, days, start = sheet["equity_e8"], sheet["days"], sheet["start_e8"]
    months = [month for month in curves.monthly_returns(equity, days, start) if month.change is not None]
    years = sorted({month.year for month in months})
    left, right = st.columns([3, 2])
    with left:
        st.subheader("Monthly returns, %", anchor=False, help=curves.CURVE_DEFINITIONS["Monthly returns"])
        rising = years[::-1]
        cells = [(m.month - 1, rising.index(m.year), round(100 * (m.change or 0.0), 2)) for m in months]
        option = heat.grid(heat.MONTHS, [str(year) for year in rising], cells, colours, "%.1f")
        st.echarts_chart(option, height=60 + 25 * max(4, len(years)), key="months")
    with right:
        yearly = curves.yearly_returns(equity, days, start)
        st.subheader("Yearly returns", anchor=False)
        shown = [None if change is None else round(100 * change, 2) for change in yearly.values()]
        st.echarts_chart(
            bars.columns([str(year) for year in yearly], shown, colours, "%.2f %%", axis="{value} %"),
            height=220,
            key="years",
        )
        _distribution(sheet, colours)


def _distribution(sheet: Sheet, colours: Palette) -> None:
    found = curves.histogram(sheet["equity_e8"], sheet["days"], sheet["start_e8"])
    st.subheader("Daily returns", anchor=False, help=curves.CURVE_DEFINITIONS["Daily returns"])
    if found is None:
        st.caption("Fewer than two trading days, or no change in them.")
        return
    middles = (found.edges[1:] + found.edges[:-1]) / 2 * 100
    option = bars.columns([f"{middle:+.2f} %" for middle in middles], found.counts.tolist(), colours)
    for one, middle in zip(option["series"][0]["data"], middles, strict=True):
        one["itemStyle"]["color"] = colours.gain if middle > 1e-9 else colours.loss if middle < -1e-9 else colours.grey
    st.echarts_chart(option, height=220, key="distribution")
    st.caption(f"{found.unchanged:,} days without any change are left out.")


def _all_figures(sheet: Sheet) -> None:
    st.subheader(
        "All figures",
        anchor=False,
        help="As `onebook backtest show` prints them; hover over a card on top for its definition.",
    )
    for group in GROUPS:
        lines = [
            f"| {text.plain(name)} | {text.plain(value)} |" for of, name, value, _ in figure_rows(sheet) if of == group
        ]
        st.markdown("\n".join([f"| {group} | |", "| :-- | --: |", *lines]))
    with st.expander("Definitions"):
        for _, name, _, definition in figure_rows(sheet):
            st.markdown(f"**{text.plain(name)}** {text.plain(definition)}")
    st.download_button(
        "CSV of all figures",
        lambda: export.csv_bytes(tables.figures(sheet)),
        "figures.csv",
        "text/csv",
        on_click="ignore",
        type="tertiary",
        icon=":material/download:",
        key="figures-csv",
    )


if __name__ == "__main__":
    parts.guarded(draw)
