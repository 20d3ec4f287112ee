"""The periods of a run as a table of exact columns, for a terminal, a program and a file.

Theory of operation. `sim.periods` cuts and counts; this file only hands it a sheet and shows what it returns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sim import periods as cutting
from sim.data.sessions import NEW_YORK, XNYS
from sim.output.report import UNKNOWN, figure_text
from sim.output.sheet import Sheet
from sim.output.tables import Column, Frame

if TYPE_CHECKING:
    from rich.console import RenderableType


def periods(sheet: Sheet, by: str) -> list[cutting.Period]:
    """Return the periods of a run; see `sim.periods`.

    Raises:
        DataError: no such kind, or one that is finer than the points of the run.
    """
    zone, calendar = sheet.get("clock", (NEW_YORK, XNYS))
    time_ns, equity = sheet["time_ns"], sheet["equity_e8"]
    known = sheet.get("known", np.ones(time_ns.size, np.bool_))
    record = cutting.Record(
        time_ns, sheet["days"], equity - sheet["positions_e8"], equity, known, sheet["start_e8"], sheet["book"], zone, calendar
    )
    return cutting.periods(record, by)


def frame(found: list[cutting.Period]) -> Frame:
    """Return periods as a table with exact money."""
    return Frame("periods", (
        Column("period", "text", [one.label for one in found]),
        Column("until", "time", np.array([one.until_ns for one in found], np.int64)),
        *(_money(name, [getattr(one, f"{name}_e8") for one in found]) for name in ("equity", "profit")),
        *(_number(name, [getattr(one, field) for one in found]) for name, field in (("return", "change"), ("drawdown", "drawdown"))),
        _count("fills", [one.fills for one in found]), _money("fees", [one.fees_e8 for one in found]),
        _count("trades", [one.closed for one in found]), _money("realized", [one.realized_e8 for one in found]),
    ))  # fmt: skip


def _count(name: str, counts: list[int]) -> Column:
    return Column(name, "count", np.array(counts, np.int64))


def _money(name: str, amounts: list[int | None]) -> Column:
    known = np.array([amount is not None for amount in amounts], np.bool_)
    return Column(name, "decimal", np.array([amount or 0 for amount in amounts], np.int64), 8, known)


def _number(name: str, values: list[float | None]) -> Column:
    known = np.array([value is not None for value in values], np.bool_)
    return Column(name, "number", np.array([0.0 if value is None else value for value in values], np.float64), 0, known)


def documents(found: list[cutting.Period]) -> list[dict[str, Any]]:
    """Return periods as JSON rows: money as exact text, unknown as None."""
    columns = frame(found).columns
    return [dict(zip((column.name for column in columns), row, strict=True)) for row in zip(*(c.cells() for c in columns), strict=True)]


def table(found: list[cutting.Period], by: str, currency: str = "USD") -> RenderableType:
    """Return periods as a terminal shows them, with their sums."""
    from rich.table import Table

    shown = Table(title=f"By {by}", title_justify="left")
    for name in ("period", "profit", "return", "drawdown", "equity", "fills", "fees", "trades", "realized"):
        shown.add_column(name, justify="left" if name == "period" else "right")
    for one in found:
        shown.add_row(
            one.label, _text("fees", one.profit_e8, currency), _text("total_return", one.change, currency),
            _text("max_drawdown", one.drawdown, currency), _text("fees", one.equity_e8, currency), f"{one.fills:,}",
            _text("fees", one.fees_e8, currency), f"{one.closed:,}", _text("fees", one.realized_e8, currency),
        )  # fmt: skip
    if len(found) > 1:
        shown.add_section()
        profits = [one.profit_e8 for one in found]
        whole = None if any(profit is None for profit in profits) else sum(profit or 0 for profit in profits)
        shown.add_row(
            "all", _text("fees", whole, currency), "", "", "", f"{sum(one.fills for one in found):,}",
            _text("fees", sum(one.fees_e8 for one in found), currency), f"{sum(one.closed for one in found):,}",
            _text("fees", sum(one.realized_e8 for one in found), currency),
        )  # fmt: skip
    return shown


def _text(name: str, value: float | None, currency: str) -> str:
    return UNKNOWN if value is None else figure_text(name, value, currency)
