"""The linter: what a careful reader would ask of a finished run, asked every time.

Theory of operation. Each check reads the Evidence and gives a Judged (a figure beside its
threshold, and whether that is a finding) or says why it cannot judge. A check that cannot
judge is listed as unknown and is never taken for passed. Thresholds are rules of thumb
and stand in `checks.py` with the checks; what they mean stands in each sentence.
"""

from __future__ import annotations

from typing import NamedTuple

from sim.honesty.evidence import Evidence
from sim.honesty.checks import CHECKS, Unknown
from sim.honesty.trials import TrialCount


class Finding(NamedTuple):
    """Something a reader should know before believing a run."""

    check: str
    severity: str  # high, medium or low
    figure: float
    threshold: float
    sentence: str


class Lint(NamedTuple):
    """What the linter found, what it found in order, and what it could not judge (check, reason)."""

    findings: tuple[Finding, ...]
    passed: tuple[str, ...]
    unknown: tuple[tuple[str, str], ...]


def lint(evidence: Evidence, tried: TrialCount | None = None) -> Lint:
    """Return what all checks say of a run; `tried` is the count of its family from the trial ledger."""
    findings, passed, unknown = [], [], []
    for name, (severity, check) in CHECKS.items():
        try:
            judged = check(evidence, tried)
        except Unknown as reason:
            unknown.append((name, str(reason)))
            continue
        if judged.fires:
            findings.append(Finding(name, severity, judged.figure, judged.threshold, judged.sentence))
        else:
            passed.append(name)
    order = ("high", "medium", "low")
    return Lint(tuple(sorted(findings, key=lambda finding: order.index(finding.severity))), tuple(passed), tuple(unknown))
