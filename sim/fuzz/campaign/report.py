"""A campaign's report as the JSON that sim/fuzz/README.md describes, and where the book keeps it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from ledger.journal import Journal
from ledger.views import FUZZ_SOURCE
from sim.fuzz import tokens
from sim.fuzz.campaign.run import Found, Report
from sim.fuzz.show import lanes, terminal
from sim.fuzz.zoo.table import Line

SCHEMA = 1


def document(report: Report, bound: str = "", zoo: Sequence[Line] = ()) -> dict[str, Any]:
    """Return a report as one JSON document."""
    failed = any(line.failures for line in report.lines)
    return {
        "schema": SCHEMA,
        "verdict": "failed" if failed else "cut",
        "bound": bound or f"{report.schedules:,} sampled schedules of seed {report.seed}",
        "scenarios": [
            {**line._asdict(), "verdict": "failed" if line.failures else "cut", "failures": _distinct(report, line.scenario)}
            for line in report.lines
        ],
        "schedules": report.schedules,
        "moves": report.moves,
        "seconds": round(report.seconds, 3),
        "per_second": round(report.schedules / report.seconds, 1) if report.seconds > 0 else None,
        "cores": report.cores,
        "seed": report.seed,
        "failures": [failure_document(found) for found in report.found],
        "coverage": [
            {"fault": fault, "label": label, "answer": code, "count": count} for fault, label, code, count in report.coverage.rows()
        ],
        "demands": report.coverage.demands,
        "happened": dict(report.coverage.happened.most_common()),
        "zoo": [zoo_document(line) for line in zoo],
    }  # fmt: skip


def _distinct(report: Report, scenario: str) -> int:
    return sum(found.scenario == scenario for found in report.found)


def failure_document(found: Found) -> dict[str, Any]:
    """Return one failure with its lanes, drawn from a replay."""
    failure = found.shrunk.failure
    drawn = lanes.lanes_of(tokens.resolve(found.scenario), failure)
    return {
        "scenario": found.scenario, "invariant": failure.invariant, "message": failure.message, "token": found.token,
        "found_after": found.found_after, "reruns": found.shrunk.reruns, "before": found.shrunk.before._asdict(),
        "after": found.shrunk.after._asdict(), "lanes": lanes.document(drawn), "text": terminal.text(drawn, found.token),
    }  # fmt: skip


def zoo_document(line: Line) -> dict[str, Any]:
    """Return one line of the ablation table."""
    kept = line._asdict()
    names = ("guard", "disaster", "intact", "found", "seeds", "median", "token", "schedules")
    return {name: kept[name] for name in names} | {"max": line.most}


def keep(journal: Journal, content: dict[str, Any], scope: str, seed: int) -> int:
    """Store a report as a session of kind fuzz; return the session's id."""
    config = {"scenarios": [line["scenario"] for line in content["scenarios"]], "schedules": content["schedules"], "seed": seed}
    session = journal.begin("fuzz", scope, config=config, seed=seed)
    session.keep(FUZZ_SOURCE, json.dumps(content, separators=(",", ":"), allow_nan=False))
    number = session.id
    session.end("done")
    return number
