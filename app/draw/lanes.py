"""Swim lanes: one column a task or process, one line a step, the moment at which an invariant broke in vermilion.

Theory of operation. Rows come from a fuzz report (`sim/fuzz/README.md`): who moved, what happened to whom, which fault
struck. Nothing is left out and nothing put together. A thin line follows the moves from lane to lane; steps that touched
what the violation is about have a strong frame.
"""

from __future__ import annotations

from typing import Any

from app.draw.theme import Palette

WORLD = "the world"
STEP = 30
STEPS_MOST = 400
"""Most steps that are drawn; a shrunk failure has a few dozen at most."""


def names(lanes: dict[str, Any]) -> list[str]:
    """Return the heads of the lanes; the world has one when it moved."""
    heads = [f"{column['name']}  {_short(str(column.get('title', '')))}" for column in lanes["columns"]]
    return [*heads, WORLD] if any(row["column"] is None for row in lanes["rows"]) else heads


def _short(title: str) -> str:
    """Return a task's title without the path of its function."""
    head, _, tail = title.partition(": ")
    return f"{head}: {tail.rpartition('.')[2]}" if tail else head


def table(lanes: dict[str, Any], upto: int | None = None) -> list[dict[str, Any]]:
    """Return one line a step for the picture; steps after `upto` are faint."""
    heads = names(lanes)
    shown = []
    for row in lanes["rows"][:STEPS_MOST]:
        lane = heads[row["column"]] if row["column"] is not None else WORLD
        state = ", ".join(f"{name}={value}" for name, value in (row.get("state") or {}).items())
        label = f"{row['label']}{'  ✕ ' + row['fault'] if row['fault'] else ''}"
        shown.append(
            {
                "step": row["step"],
                "lane": lane,
                "kind": row["kind"],
                "label": label,
                "state": state or "–",
                "touched": bool(row.get("touched")),
                "faint": upto is not None and row["step"] > upto,
            }
        )
    return shown


def chart(lanes: dict[str, Any], colours: Palette, upto: int | None = None) -> Any:
    """Return the Altair chart of the lanes."""
    import altair as alt
    import pandas as pd

    heads, rows = names(lanes), pd.DataFrame(table(lanes, upto))
    kinds = ["effect", "answer", "report", "fault"]
    tones = [colours.sessions[0], colours.grey, colours.gain, colours.loss]
    x = alt.X(
        "lane:N",
        sort=heads,
        axis=alt.Axis(
            orient="top", title=None, labelAngle=0, labelLimit=320, labelColor=colours.ink, domain=False, ticks=False
        ),
    )
    y = alt.Y("step:O", axis=alt.Axis(title=None, labelColor=colours.quiet, domain=False, ticks=False))
    base = alt.Chart(rows).encode(x=x, y=y, opacity=alt.condition("datum.faint", alt.value(0.25), alt.value(1)))
    boxes = base.mark_rect(cornerRadius=5, fillOpacity=0.16, strokeWidth=1.2).encode(
        color=alt.Color(
            "kind:N", scale=alt.Scale(domain=kinds, range=tones), legend=alt.Legend(orient="bottom", title=None)
        ),
        stroke=alt.condition("datum.touched", alt.value(colours.loss), alt.value("transparent")),
        tooltip=["step", "lane", "kind", "label", "state"],
    )
    words = base.mark_text(fontSize=12, color=colours.ink).encode(text="label:N")
    path = (
        alt.Chart(rows)
        .mark_line(strokeWidth=1, opacity=0.5, color=colours.grey, strokeDash=[3, 3])
        .encode(x=x, y=y, order="step:O")
    )
    layers = [path, boxes, words]
    if lanes.get("violation") and not rows.empty:
        layers.append(_violation(rows, colours))
    return alt.layer(*layers).properties(height=STEP * len(rows) + 10).configure_view(strokeWidth=0)


def _violation(rows: Any, colours: Palette) -> Any:
    """Return the line under the step at which the invariant broke."""
    import altair as alt
    import pandas as pd

    last = pd.DataFrame({"step": [rows["step"].iloc[-1]]})
    return alt.Chart(last).mark_rule(color=colours.loss, strokeWidth=3, yOffset=STEP / 2).encode(y=alt.Y("step:O"))


def sequence(lanes: dict[str, Any]) -> str:
    """Return the same steps as a Mermaid sequence diagram; texts lose every sign that Mermaid could read."""
    heads = names(lanes)
    lines = [
        "sequenceDiagram",
        *(f"  participant L{at} as {_clean(head)}" for at, head in enumerate(heads)),
        "  participant B as far side",
    ]
    for row in lanes["rows"][:STEPS_MOST]:
        who = f"L{row['column']}" if row["column"] is not None else f"L{len(heads) - 1}"
        said = _clean(row["label"] + (f" {row['fault']}" if row["fault"] else ""))
        arrow = {
            "effect": f"{who}->>B",
            "answer": f"B-->>{who}",
            "report": "B-)" + who,
            "fault": f"{who}-x" + "B",
        }.get(row["kind"], f"{who}->>B")
        lines.append(f"  {arrow}: {said or 'moves'}")
    if lanes.get("violation"):
        lines.append(f"  Note over L0,B: {_clean(lanes['violation'])}")
    return "\n".join(lines)


def _clean(text: str) -> str:
    return "".join(sign if sign.isalnum() or sign in " _.-" else " " for sign in str(text))[:80].strip()
