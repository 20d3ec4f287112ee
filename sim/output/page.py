"""The pages: one HTML file that holds its charts, its data and its script, and needs no network.

Theory of operation. What comes from outside passes through jinja2 with autoescape on, or
is JSON in which no character can end its block; the script puts it on the page as text.
The content policy of the page names the one script it may run, by its hash, and forbids
every address. `html` makes the page of one run; `sim.output.compare` uses `render` for many.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from typing import Any

from sim import curves
from sim.metrics import DEFINITIONS
from sim.output import charts
from sim.output.report import UNKNOWN, figure_text, label, outcome_text, period_text, rows
from sim.output.sheet import Sheet, benchmark_figures

CARDS = ("total_return", "cagr", "max_drawdown", "sharpe", "volatility", "trades", "win_rate", "profit_factor")
SIGNED = frozenset({"total_return", "cagr", "max_drawdown", "sharpe"})
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
HEAT_MAX = 70


def html(sheet: Sheet) -> str:
    """Return the page of one run."""
    data = charts.run_data(sheet)
    return render(
        data,
        title=f"{sheet['symbol']} · {sheet['strategy']}",
        subtitle=period_text(sheet["time_ns"]),
        outcome=outcome_text(sheet),
        notes=sheet.get("notes", []),
        cards=_cards(sheet),
        groups=[(group, list(lines)) for group, lines in groupby(rows(sheet), key=lambda row: row[0])],
        trades_said=_trades_said(sheet, data),
        provenance=sheet.get("provenance", []),
        **_distribution(sheet),
    )


def render(data: dict[str, Any], *, template: str = "page.html", **words: Any) -> str:
    """Return a page.

    Args:
        data: what the script draws. template: a file of this folder. words: what the template shows, as text.
    """
    from jinja2 import Environment, FileSystemLoader
    from markupsafe import Markup

    environment = Environment(autoescape=True, loader=FileSystemLoader(Path(__file__).parent))
    script, style = _file("page.js"), _file("page.css")
    # Our own two files and the escaped JSON are the only texts that are not escaped again.
    return environment.get_template(template).render(
        {"notes": [], "cards": [], "groups": [], "months": MONTHS, "definitions": curves.CURVE_DEFINITIONS, **words},
        has_charts=bool(data["panels"]),
        policy=_policy(script),
        css=Markup(style),
        js=Markup(script),
        data=Markup(safe_json(data)),
    )


def safe_json(value: Any) -> str:
    """Return JSON that no HTML parser can take for markup, whatever texts it holds."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


@lru_cache(maxsize=8)
def _file(name: str) -> str:
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


def _policy(script: str) -> str:
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    return f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def _cards(sheet: Sheet) -> list[dict[str, str]]:
    """Return the figures that are read at a glance, each beside that of buy and hold where there is one."""
    beside = benchmark_figures(sheet) or {}
    return [
        {
            "label": label(name), "definition": DEFINITIONS[name],
            "value": figure_text(name, sheet["figures"].get(name), sheet["currency"]), "tone": tone(name, sheet["figures"].get(name)),
            "beside": f"buy & hold {figure_text(name, beside[name], sheet['currency'])}" if name in beside else "",
        }
        for name in CARDS
    ]  # fmt: skip


def tone(name: str, value: float | None) -> str:
    """Return the colour of a figure: gain, loss, unknown, or none for what has no sign."""
    if value is None:
        return UNKNOWN
    return ("gain" if value > 0 else "loss" if value < 0 else "") if name in SIGNED else ""


def _trades_said(sheet: Sheet, data: dict[str, Any]) -> str:
    """Return the sentence above the list of trades; a run without trades gets one, too."""
    if "book" not in sheet:
        return ""
    if data["trades"] is None:
        waiting = int(sheet["figures"].get("orders") or 0)
        opened = "No position was closed; what was opened is still open." if waiting else "The strategy sent no order."
        return f"There are no closed trades. {opened}"
    total, shown = data["trades"]["total"], len(data["trades"]["rows"])
    more = f" The last {shown:,} of {total:,}; `onebook backtest export` writes all." if shown < total else ""
    return f"One row for each closing order, P&L after fees. Click a heading to sort, a row to see it in the charts.{more}"


def _distribution(sheet: Sheet) -> dict[str, Any]:
    """Return the heat map, the histogram and the drawdowns of a run; empty where the record has no days."""
    if "days" not in sheet or not sheet["time_ns"].size:
        return {"years": [], "bars": None, "falls": []}
    record = (sheet["equity_e8"], sheet["days"], sheet["start_e8"])
    return {"years": heat_map(record), "bars": _bars(curves.histogram(*record)), "falls": _falls(curves.falls(*record))}


def heat_map(record: tuple[Any, Any, int]) -> list[dict[str, Any]]:
    """Return one row for each year: its months' cells and its total."""
    found = curves.monthly_returns(*record)
    most = max((abs(month.change) for month in found if month.change is not None), default=0.0) or 1.0
    totals = curves.yearly_returns(*record)
    table = {(month.year, month.month): month.change for month in found}
    return [
        {
            "name": year, "total": percent(total), "tone": "" if not total else "gain" if total > 0 else "loss",
            "cells": [_cell(table[year, at], most) if (year, at) in table else None for at in range(1, 13)],
        }
        for year, total in totals.items()
    ]  # fmt: skip


def _cell(change: float | None, most: float) -> dict[str, Any]:
    if change is None:
        return {"text": UNKNOWN, "tone": UNKNOWN, "much": 0}
    text = f"{100 * change:.1f}"
    return {"text": "0.0" if text == "-0.0" else text, "tone": "up" if change > 0 else "down", "much": round(abs(change) / most * HEAT_MAX)}


def percent(value: float | None) -> str:
    """Return a return for a table: 12.3 %, or the word unknown."""
    return UNKNOWN if value is None else f"{100 * value:.1f} %"


def _bars(found: curves.Histogram | None) -> dict[str, Any] | None:
    """Return the histogram's bars in the coordinates of its drawing."""
    if found is None:
        return None
    width, most = 520 / len(found.counts), int(found.counts.max())
    rects = []
    for at, count in enumerate(found.counts.tolist()):
        height = round(195 * count / most, 1)
        low, high = found.edges[at : at + 2]
        title = f"{100 * low:.2f} % to {100 * high:.2f} %: {count:,} days"
        side = "up" if low >= -1e-12 else "down" if high <= 1e-12 else ""
        box = {"x": round(at * width + 0.5, 1), "y": round(205 - height, 1), "width": round(width - 1, 1), "height": height}
        rects.append({**box, "title": title, "tone": side})
    reach = float(found.edges[-1])
    ticks = [{"x": round(260 + 240 * k / 2), "text": f"{100 * reach * k / 2 * 240 / 260:+.1f} %" if k else "0"} for k in (-2, -1, 0, 1, 2)]
    return {"rects": rects, "ticks": ticks, "unchanged": found.unchanged}


def _falls(found: Sequence[curves.Fall]) -> list[dict[str, str]]:
    return [
        {
            "depth": f"{100 * fall.depth:.2f} %", "peak": curves.iso(fall.peak), "trough": curves.iso(fall.trough),
            "regained": curves.iso(fall.regained) if fall.regained is not None else "not yet", "days": f"{fall.days:,}",
        }
        for fall in found
    ]  # fmt: skip

