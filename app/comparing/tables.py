"""The tables of a comparison as frames: parts, rows, certificate, story."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ledger.compare import Comparison, Leg, Part, Row, Story
from sim.output.tables import Column, Frame

NO_GRID = (0, 0)


def parts(found: Comparison) -> Frame:
    """Return every cause that has an amount or is unknown, exact, and the sum."""
    shown: list[Part] = [part for part in found.parts if part.amount_e8 is None or part.amount_e8 or part.rows]
    amounts = [part.amount_e8 for part in shown] + [found.difference_e8]
    return Frame(
        "parts",
        (
            Column("cause", "text", [part.cause.value for part in shown] + ["sum"]),
            _money("amount", amounts),
            Column("rows", "count", np.array([part.rows for part in shown] + [len(found.different)], np.int64)),
            Column(
                "meaning",
                "text",
                [part.meaning for part in shown]
                + [f"difference of the two final equities; residual {found.residual_e8}"],
            ),
        ),
    )


def rows(found: Comparison, shown: Sequence[Row]) -> Frame:
    """Return decisions side by side."""
    exps_a = np.array(
        [(found.grids[row.symbol].a or NO_GRID)[1] if row.symbol in found.grids else 0 for row in shown], np.int64
    )
    exps_b = np.array(
        [(found.grids[row.symbol].b or NO_GRID)[1] if row.symbol in found.grids else 0 for row in shown], np.int64
    )
    columns = [
        Column("time", "time", np.array([row.time_ns for row in shown], np.int64)),
        Column("decision", "text", [row.text for row in shown]),
        Column("differs", "text", [", ".join(row.differs) or "nothing" for row in shown]),
        Column("cause", "text", [row.cause.value if row.cause else "" for row in shown]),
        _money("effect", [row.effect_e8 for row in shown]),
        *_leg("a", [row.a for row in shown], exps_a),
        *_leg("b", [row.b for row in shown], exps_b),
        Column("reason", "text", [row.reason for row in shown]),
    ]
    return Frame("decisions", tuple(columns))


def _leg(side: str, legs: Sequence[Leg | None], exps: np.ndarray) -> list[Column]:
    """Return what one session made of each decision."""
    there = np.array([leg is not None for leg in legs], np.bool_)
    filled = np.array([leg.filled_lots if leg else 0 for leg in legs], np.int64)
    return [
        Column(f"{side} outcome", "text", [outcome(leg) for leg in legs]),
        Column(f"{side} filled", "decimal", filled, exps, there),
        _money(f"{side} price", [leg.price_e8 if leg else None for leg in legs]),
        _money(f"{side} fee", [leg.fee_e8 if leg else None for leg in legs]),
    ]


def outcome(leg: Leg | None) -> str:
    """Return what became of a decision in one session: its order's state, its refusal, or that it was never made."""
    if leg is None:
        return "never decided"
    if leg.status is not None:
        return leg.status.name
    return f"refused: {leg.refused.name}" if leg.refused is not None else "no order"


def story(told: Story) -> Frame:
    """Return the life of an order, event by event."""
    return Frame(
        "story",
        (
            Column("event", "count", np.array([step.seq for step in told.steps], np.int64)),
            Column("time", "time", np.array([step.time_ns for step in told.steps], np.int64)),
            Column("what", "text", [step.what for step in told.steps]),
            Column("detail", "text", [step.detail for step in told.steps]),
        ),
    )


def _money(name: str, amounts: Sequence[int | None]) -> Column:
    known = np.array([amount is not None for amount in amounts], np.bool_)
    return Column(name, "decimal", np.array([amount or 0 for amount in amounts], np.int64), 8, known)
