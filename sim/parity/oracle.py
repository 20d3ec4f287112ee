"""The differential oracle: many cases through both sides, on named engines, and what came out.

Theory of operation. Each case is walked once by us and run by each engine; engines are
never chosen by vectorbt itself. A report counts what was compared and keeps every case's
first difference. It is a certificate only when it has none: `agrees`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sim.data import History
from sim.parity import vbt
from sim.parity.cases import FAMILIES, Market, draw
from sim.parity.compare import Difference, compare, expected_gate
from sim.parity.rules import OUTCOME, Reason
from sim.parity.walk import Walked, walk


class ParityError(ValueError):
    """A person's own prices cannot be compared; the message says why."""


@dataclass
class Report:
    """What a run of the oracle compared and found. Mutable while it runs."""

    seed: int
    engines: tuple[str, ...]
    versions: dict[str, str | None]
    runs: Counter[str] = field(default_factory=Counter)
    orders: Counter[str] = field(default_factory=Counter)
    judged: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    gate_asked: int = 0
    gate_stricter: int = 0
    drift: dict[str, float] = field(default_factory=dict)
    differences: list[Difference] = field(default_factory=list)
    granularity: dict[str, float] = field(default_factory=dict)

    @property
    def agrees(self) -> bool:
        """Say whether nothing differed."""
        return not self.differences

    def document(self) -> dict[str, Any]:
        """Return the report as JSON: sizes and prices as text, drift per 1e6 of cash."""
        return {
            "seed": self.seed, "engines": list(self.engines), "versions": self.versions, "agrees": self.agrees,
            "families": [
                {"family": name, "runs": self.runs[name], "orders": self.orders[name], "judged": self.judged[name]}
                for name in FAMILIES
            ],
            "orders": sum(self.orders.values()),
            "reasons": [
                {"vectorbt": reason.name, "onebook": OUTCOME[reason].name, "count": self.reasons[reason.name]}
                for reason in Reason if self.reasons[reason.name]
            ],
            "gate_asked": self.gate_asked, "gate_stricter": self.gate_stricter, "cash_drift": self.drift,
            "granularity_0.1": self.granularity,
            "differences": [{**found._asdict(), "likely": found.likely} for found in self.differences],
        }  # fmt: skip


def parity(
    runs: int,
    seed: int = 0,
    *,
    engines: Sequence[str] = vbt.ENGINES,
    market: Market | None = None,
    progress: Callable[[str], None] = lambda line: None,
) -> Report:
    """Compare `runs` random cases with vectorbt.

    Args:
        engines: of numba, rust. market: prices to draw from; None draws them as well.
    Raises:
        VectorbtError: an engine is not installed.
    """
    for engine in engines:
        vbt.require(engine)
    report = Report(seed, tuple(engines), vbt.versions())
    for run in range(runs):
        if run % 20 == 0:
            progress(f"case {run} of {runs}")
        case = draw(seed, run, market)
        ours = walk(case)
        _count(report, case.family, ours)
        for step in ours.steps:
            report.gate_asked += expected_gate(case, step) is not None
        for engine in engines:
            verdict = compare(case, ours, vbt.run(case, ours.fees, engine), engine)
            report.drift[engine] = max(report.drift.get(engine, 0.0), verdict.drift)
            if verdict.difference is not None:
                report.differences.append(verdict.difference)
    report.granularity = {engine: vbt.granularity(engine) for engine in engines}
    return report


def _count(report: Report, family: str, ours: Walked) -> None:
    """Add a case's counts to the report (modified in place)."""
    report.runs[family] += 1
    report.judged[family] += len(ours.steps)
    report.orders[family] += sum(step.deal.reason == Reason.FILLED for step in ours.steps)
    report.reasons.update(step.deal.reason.name for step in ours.steps)
    report.gate_stricter += sum(desk.stricter for desk in ours.desks)


def market_of(histories: Sequence[History]) -> Market:
    """Return the bars that all histories have, as doubles [bars, symbols].

    Raises:
        ParityError: they share no bar.
    """
    shared = histories[0].end_ns
    for history in histories[1:]:
        shared = np.intersect1d(shared, history.end_ns)
    if shared.size == 0:
        raise ParityError("the symbols have no bar in common; choose symbols of the same exchange and bar length")
    rows = [np.searchsorted(history.end_ns, shared) for history in histories]

    def side(name: str) -> np.ndarray:
        return np.column_stack([getattr(h, name)[at] / 10.0**h.price_exp for h, at in zip(histories, rows, strict=True)])

    return Market(side("open_ticks"), side("high_ticks"), side("low_ticks"), side("close_ticks"))
