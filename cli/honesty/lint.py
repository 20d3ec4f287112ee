"""`onebook backtest lint SESSION`: what a careful reader would ask of a finished run."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import click

from cli.backtest import backtest
from cli.common import StrategyName, leaf
from cli.exits import Code
from cli.output import table, voice
from cli.settings import Settings


@backtest.command()
@click.argument("session", type=click.IntRange(min=1))
@click.option("--strategy", "name", type=StrategyName(), help="Where the session's strategy is; default: its name in the registry.")
@click.option("--book", type=click.Path(), help="Journal to read.")
@leaf
def lint(settings: Settings, session: int, name: str | None) -> None:
    """Check a stored backtest for what makes results too good to be true; exit 3 when something is found."""
    speaker = voice()
    with speaker.progress() as say:
        say("loading")
        from cli.stored import open_book, session_of
        from sim.honesty import evidence, linter, trials

        say("reading the run")
        with open_book(settings) as journal:
            run = evidence.of_session(journal, session_of(journal, session))
        run = run if name is None else _asked_as(run, name)
        say("checking")
        found = linter.lint(run, None if run.family is None else trials.counted(settings("book"), run.family))
    speaker.document(
        {
            "session": session, "strategy": run.config["strategy"], "findings": [finding._asdict() for finding in found.findings],
            "passed": list(found.passed), "unknown": [{"check": check, "reason": reason} for check, reason in found.unknown],
        }
    )  # fmt: skip
    _show(found, session)
    if found.findings:
        raise click.exceptions.Exit(int(Code.FINDING))


def _asked_as(run: Any, name: str) -> Any:
    """Return the run with the reader's word for its strategy, which must be the strategy that ran."""
    from sim.honesty.checks import ASK_AS
    from strategies import get

    if get(name).name != run.config["strategy"]:
        raise click.UsageError(f"the session ran {run.config['strategy']}, not {get(name).name}")
    return replace(run, config={**run.config, ASK_AS: name})


def _show(found: Any, session: int) -> None:
    speaker = voice()
    rows = [(f.severity, f.check, f"{f.figure:.4g}", f"{f.threshold:.4g}", f.sentence) for f in found.findings]
    columns = ("severity", "check", "figure", "threshold", "what it means")
    title = f"Session {session}: {len(found.findings)} findings, {len(found.passed)} checks passed, {len(found.unknown)} could not judge"
    speaker.show(table(title, columns, rows, numbers=("figure", "threshold")))
    if found.unknown:
        speaker.show(table("", ("could not judge", "why"), found.unknown))
