"""`onebook overfit FILE`: the Parquet file of a sweep, and how judgements are shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cli.output import table, voice
from cli.settings import Settings

YEAR = 252**0.5


def judge_file(settings: Settings, path: Path) -> None:
    """Judge the best combination of each symbol and cost model of a sweep's file."""
    speaker = voice()
    with speaker.progress() as say:
        say("loading")
        from sim.honesty.sweeps import judge_sweep, read

        say("reading the sweep")
        found = judge_sweep(read(path), settings("book"))
    groups = [_group(verdict) for verdict in found]
    speaker.document({"sweep": str(path), "groups": groups})
    for group in groups:
        rows = _rows(group)
        title = f"{group['symbol']}, {group['commission']}: the best of {group['trials']:,} tried"
        speaker.show(table(title, ("question", "answer", "what it means"), rows, numbers=("answer",)))


def _group(verdict: Any) -> dict[str, Any]:
    """Return a verdict as a document with the names that a session's has."""
    deflated = verdict.deflated
    return {
        "symbol": verdict.symbol, "commission": verdict.commission, "candidates": verdict.candidates, "params": verdict.params,
        "days": verdict.days, "sharpe": verdict.sharpe, "probabilistic_sharpe": verdict.probabilistic,
        "deflated_sharpe": None if deflated is None else deflated.probability,
        "luckiest_sharpe": None if deflated is None else deflated.benchmark * YEAR,
        "trial_variance": None if deflated is None else ("measured" if deflated.measured else "assumed"),
        "min_track_record_days": verdict.track_record, "trials": verdict.trials, "counted": verdict.counted,
        "pbo": fields_of(verdict.pbo), "stability": fields_of(verdict.stability),
    }  # fmt: skip


def _rows(group: dict[str, Any]) -> list[tuple[str, str | None, str]]:
    pbo, near = group["pbo"], group["stability"]
    words = None if group["params"] is None else ", ".join(f"{name}={value}" for name, value in group["params"].items())
    trials = "counted in the book" if group["counted"] else "rows of this file; no book counted them"
    return [
        ("Trials", f"{group['trials']:,}", trials),
        ("Best", words, f"of {group['candidates']:,} combinations"),
        ("Sharpe ratio", number(group["sharpe"]), f"annualised, over {group['days']:,} days"),
        ("Luckiest of all tries", number(group["luckiest_sharpe"]), "best ratio to expect without skill"),
        ("Deflated Sharpe", percent(group["deflated_sharpe"]), "chance that the true ratio is above that, were returns normal"),
        ("Minimum track record", known_days(group["min_track_record_days"]), "to say at 95 % that the ratio is above 0"),
        ("Probability of overfitting", percent(pbo and pbo["pbo"]), "the best of one half is below the median of the other"),
        ("Neighbours / best", percent(near and near["share"]), "a plateau is near 100 %, a needle is not"),
    ]


def fields_of(value: Any) -> Any:
    """Return a tuple with names as a document, and anything else as it is."""
    if value is None or not hasattr(value, "_asdict"):
        return value
    return {name: fields_of(part) for name, part in value._asdict().items()}


def number(value: float | None, digits: int = 2) -> str | None:
    """Return a number as people read it; unknown stays None."""
    return None if value is None else f"{value:.{digits}f}"


def percent(value: float | None) -> str | None:
    """Return a share in percent; unknown stays None."""
    return None if value is None else f"{100.0 * value:.1f} %"


def known_days(value: float | None) -> str | None:
    """Return a number of days; unknown stays None."""
    return None if value is None else f"{value:,.0f} days"
