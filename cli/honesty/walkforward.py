"""`onebook walkforward STRATEGY`: choose on the past, trade the future, again and again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from cli.backtest import TRADING, run
from cli.common import StrategyName, leaf, symbols_of
from cli.output import table, voice
from cli.settings import Settings

READING = ("start", "end", "bar", "timezone", "calendar", "date_format")
SHOWN = ("total_return", "cagr", "sharpe", "max_drawdown", "trades")


@click.command()
@click.argument("strategy", type=StrategyName())
@click.option(
    "-p", "--param", "params", multiple=True, metavar="NAME=VALUES", help="Values to choose among: fast=5,10 or fast=5:50:5."
)
@click.option("--learn", type=click.IntRange(min=2), default=756, show_default=True, help="Trading days to choose on.")
@click.option("--test", type=click.IntRange(min=1), default=252, show_default=True, help="Trading days to trade the choice.")
@click.option("--anchored", is_flag=True, help="Learn from the first day on; otherwise from the last --learn days.")
@click.option("--figure", default="sharpe", show_default=True, help="What to choose by: sharpe, sortino, calmar, total_return ...")
@leaf
def walkforward(
    settings: Settings, strategy: str, params: tuple[str, ...], symbols: tuple[str, ...], repairs: tuple[str, ...], **flags: Any
) -> None:
    """Choose STRATEGY's parameters on the past, trade the time after it with them, and go on to the next window.

    All tests together are one run of one account, stored as a session. Every candidate of every window is counted as a trial.
    """
    speaker = voice()
    with speaker.progress() as say:
        say("loading")
        from cli.stored import require_journal
        from sim import run as sim_run
        from sim.data import load
        from sim.honesty import walkforward as walking
        from sim.honesty.grid import grid
        from strategies import get

        book = Path(settings("book"))
        require_journal(book)
        chosen, source = get(strategy), (settings("data"), settings("prices"))
        candidates = grid(chosen, params)
        wanted = symbols_of(symbols)
        say("reading data")
        reading = {key: flags[key] for key in READING if flags[key] is not None} | {"repairs": repairs}
        histories = load(source[0], wanted, prices=source[1], **reading)
        plan = walking.Plan(flags["learn"], flags["test"], flags["anchored"], flags["figure"])
        setting = sim_run.Setting(**{key: settings(key) for key in TRADING})
        walk = walking.walk_forward(histories, chosen, candidates.params, plan, setting, source=source, progress=say)
        say("storing")
        told = walking.configuration(walk, source) | {"reading": sim_run.reading_told(reading)}
        session = sim_run.store(walk.simulation, book, told)
        new = walking.record(walk, book, told, session)
    document = _document(walk, session, book, told, candidates.refused, new)
    speaker.document(document)
    _show(document)


# Data and account are told to a walk as they are to a backtest: the options are the same objects, so they cannot drift apart.
SHARED = {"data", "prices", "book", "symbols", "repairs", *READING, *TRADING}
walkforward.params.extend(option for option in run.params if option.name in SHARED)


def _document(walk: Any, session: int, book: Path, told: Any, refused: int, new: int) -> dict[str, Any]:
    """Return what the command says: windows, the figures of the whole, and what was counted."""
    from ledger.units import decimal_text
    from sim import metrics
    from sim.honesty import trials

    figures = {
        name: decimal_text(int(value)) if name in metrics.MONEY and value is not None else value
        for name, value in walk.figures.items()
    }
    family = trials.family(told)
    return {
        "session": session, "book": str(book), "strategy": told["strategy"], "symbols": list(walk.simulation.symbols),
        "plan": walk.plan._asdict(), "candidates": walk.candidates, "refused_combinations": refused,
        "windows": [_window(segment) for segment in walk.segments], "efficiency": walk.efficiency,
        "winning_windows": walk.winning_windows, **figures,
        "family": family, "new_trials": new, "trials": trials.count(book, family),
    }  # fmt: skip


def _window(segment: Any) -> dict[str, Any]:
    """Return one window; `test_until` is the first day after it."""
    from datetime import date

    days = {name: date.fromordinal(day).isoformat() for name, day in segment.window._asdict().items()}
    params = None if segment.params is None else segment.params._asdict()
    rest = {name: getattr(segment, name) for name in ("in_sample", "total_return", "sharpe", "undefined")}
    failures = [{**tried._asdict(), "reason": why} for tried, why in segment.failures]
    return {**days, "params": params, **rest, "failures": failures}


def _show(document: dict[str, Any]) -> None:
    """Print the windows and what they came to."""
    from sim.output.report import figure_text, label

    speaker = voice()
    rows = [
        (
            window["learn_from"], window["test_from"], "flat" if window["params"] is None else _words(window["params"]),
            _number(window["in_sample"]), _percent(window["total_return"]), _number(window["sharpe"]),
        )
        for window in document["windows"]
    ]  # fmt: skip
    plan = document["plan"]
    kind = "anchored" if plan["anchored"] else "rolling"
    title = f"{document['strategy']}: {document['candidates']} candidates, {kind}, chosen by {plan['figure']}"
    columns = ("learns from", "tests from", "chosen", plan["figure"], "test return", "test sharpe")
    speaker.show(table(title, columns, rows, numbers=columns[3:]))
    _show_failures(document)
    whole: list[tuple[str, str | None]] = [(label(name), figure_text(name, document[name], "USD")) for name in SHOWN]
    whole += [("Efficiency", _number(document["efficiency"])), ("Winning windows", _percent(document["winning_windows"]))]
    whole += [("Trials of this family", f"{document['trials']:,}")]
    speaker.show(table("Out of sample, one account", ("figure", "value"), whole, numbers=("value",)))
    if not speaker.as_json:
        click.echo(f"stored as session {document['session']} in {document['book']}")


def _show_failures(document: dict[str, Any]) -> None:
    """Say how many candidates could not be run, and why the first could not."""
    lost = [(window["learn_from"], one) for window in document["windows"] for one in window["failures"]]
    if not lost or voice().as_json:
        return
    whole, (since, first) = document["candidates"] * len(document["windows"]), lost[0]
    params = _words({name: value for name, value in first.items() if name != "reason"})
    click.echo(f"! {len(lost):,} of {whole:,} candidates could not be run; the first, {params} from {since} on: {first['reason']}")


def _words(params: dict[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in params.items())


def _number(value: float | None) -> str | None:
    return None if value is None else f"{value:.2f}"


def _percent(value: float | None) -> str | None:
    return None if value is None else f"{100.0 * value:.2f} %"
