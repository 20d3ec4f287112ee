"""The page that holds sessions of any kind against the first: curves, waterfall, certificate, rows.

Theory of operation. Figures come as documents from `ledger.compare.words`, curves from `ledger.compare.curves`;
this file draws them with the page's own script. Curves that were unknown somewhere have a hole there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ledger.compare import Comparison, Curves
from ledger.compare.words import document, row_document
from sim.output import charts
from sim.output.page import render
from sim.output.picture import thin

ROWS_MAX = 500
Ints = NDArray[np.int64]


def html(found: Sequence[Comparison], lines: Curves) -> str:
    """Return the page of one or two comparisons with the same first session."""
    sides = [found[0].a, *(one.b for one in found)]
    labels = [f"{side.info.kind} {side.info.id}" for side in sides]
    return render(
        _data(lines, labels), template="sessions.html", title=f"{len(sides)} sessions compared", subtitle=", ".join(labels),
        comparisons=[_comparison(one) for one in found],
    )  # fmt: skip


def _comparison(found: Comparison) -> dict[str, Any]:
    """Return what the template shows of one comparison; of its rows those that differ, the costliest first."""
    words = document(found)
    rows = sorted(found.different, key=lambda row: -abs(row.effect_e8 or 0))
    most = max((abs(part.amount_e8 or 0) for part in found.parts), default=0) or 1
    bars = [
        {
            **told, "width": round(100 * abs(part.amount_e8 or 0) / most, 1),
            "tone": "" if not part.amount_e8 else "gain" if part.amount_e8 > 0 else "loss",
        }
        for part, told in zip(found.parts, words["parts"], strict=True)
        if part.amount_e8 != 0
    ]  # fmt: skip
    return {**words, "bars": bars, "shown": [row_document(found, row) for row in rows[:ROWS_MAX]]}


def _data(lines: Curves, labels: Sequence[str]) -> dict[str, Any]:
    """Return the curves for the script: equity, differences to the first, drawdowns."""
    data: dict[str, Any] = {"unit": "", "times": [], "panels": [], "trades": None}
    if not lines.time_ns.size:
        return data
    kinds = ((lines.equity_e8, lines.known, 1e8), (lines.difference_e8, lines.both_known, 1e8), (lines.drawdown_e6, lines.known, 1e6))
    panels: list[list[dict[str, Any]]] = [[], [], []]
    for at, name in enumerate(labels):
        chosen = np.unique(np.concatenate([thin(values[at], charts.COLUMNS) for values, _, _ in kinds]).astype(np.int64))
        where = len(data["times"])
        data["times"].append(charts.steps(lines.time_ns[chosen]))
        for panel, (values, known, scale) in zip(panels, kinds, strict=True):
            shown = np.where(known[at, chosen], values[at, chosen] / scale, np.nan)
            panel.append(charts.series(name, f"c{at + 1}", where, charts.points(shown, 6), thin=panel is not panels[0]))
    data["panels"] = [
        charts.panel("Equity", 300, "money", *panels[0]),
        charts.panel("Difference to the first", 140, "money", *panels[1][1:], zero=True),
        charts.panel("Drawdown", 120, "percent", *panels[2], zero=True, below_zero=True),
    ]
    return data
