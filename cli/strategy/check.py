"""`onebook check`: does a strategy look into the future, or depend on where its history starts?

Theory of operation. A strategy and real prices are handed to `strategies.check.examine`; what it found is put into words,
and the command leaves with 3 when it found anything.
"""

from __future__ import annotations

import math
from typing import Any

import click

from cli.backtest import run
from cli.common import StrategyName, leaf, symbols_of
from cli.exits import Code
from cli.output import UNKNOWN, moment, table, voice
from cli.settings import Settings

BARS = 5_000
READING = ("start", "end", "bar", "timezone", "calendar", "date_format")


@click.command()
@click.argument("strategy", type=StrategyName())
@click.option(
    "-p", "--param", "params", multiple=True, metavar="NAME=VALUE", help="A parameter of the strategy; may be repeated."
)
@click.option("--bars", type=click.IntRange(min=10), default=BARS, show_default=True, help="The last bars of each instrument.")
@click.option("--cuts", type=click.IntRange(1, 10_000), default=60, show_default=True, help="Moments to end the history at.")
@click.option("--starts", type=click.IntRange(1, 10_000), default=8, show_default=True, help="Moments to begin it at.")
@leaf
def check(
    settings: Settings, strategy: str, params: tuple[str, ...], symbols: tuple[str, ...], repairs: tuple[str, ...],
    bars: int, cuts: int, starts: int, **flags: Any,
) -> None:  # fmt: skip
    """See whether STRATEGY looks into the future, or depends on where its history starts (exit 3 if so).

    The strategy runs on the whole history and on parts of it, and its signals are compared. Without --data: the bundled
    S&P 500, and the Nasdaq beside it for a strategy of several instruments.
    """
    speaker = voice()
    with speaker.progress() as say:
        say("loading")
        from strategies import get
        from strategies.api import is_compiled, parse_params
        from strategies.check import examine

        chosen = get(strategy)
        values = parse_params(chosen, params)
        wanted = symbols_of(symbols)
        reading = {key: flags[key] for key in READING if flags[key] is not None} | {"repairs": repairs}
        names, universe = _universe(settings, chosen, wanted, bars, reading)
        say(f"running {chosen.name} on {cuts + starts} parts of the history")
        report = examine(chosen, universe, values, cuts, starts)
    findings = [_finding_document(finding, names) for finding in report.findings]
    speaker.document(
        {
            "strategy": chosen.name, "params": values._asdict(), "symbols": names, "bars": report.bars, "warmup": report.warmup,
            "compiled": is_compiled(chosen), "columnar": report.columnar, "cuts": report.cuts, "starts": report.starts,
            "start_up": [row._asdict() for row in report.start_up], "findings": findings,
        }
    )  # fmt: skip
    if not speaker.as_json:
        _tell(chosen.name, report, findings, is_compiled(chosen))
    if findings:
        raise click.exceptions.Exit(Code.FINDING)


# As with `onebook walkforward`, the options of a backtest are the same objects, so they cannot drift apart.
check.params.extend(option for option in run.params if option.name in {"data", "symbols", "prices", "repairs", *READING})


def _universe(settings: Settings, strategy: Any, symbols: list[str], bars: int, reading: dict[str, Any]) -> tuple[list[str], Any]:
    """Return the symbols and the last bars of each instrument."""
    from sim.data import load
    from sim.engine.signals import seen
    from strategies.api import part

    sources = [settings("data")]
    if dict(settings.items())["data"][1] == "default" and strategy.prepare_universe is not None:
        sources = ["sp500", "nasdaq"]
    histories = [history for source in sources for history in load(source, symbols, prices=settings("prices"), **reading)]
    shown = [seen(history) for history in histories]
    return [history.symbol for history in histories], [part(one, max(0, one.close.size - bars), one.close.size) for one in shown]


def _finding_document(finding: Any, names: list[str]) -> dict[str, Any]:
    """Return a finding as JSON: unknown numbers are None."""
    shown = finding._asdict() | {"symbol": names[finding.instrument], "time": moment(finding.time_ns)}
    del shown["instrument"], shown["time_ns"]
    shown["difference"] = finding.difference
    shown["columns"] = [{key: _finite(value) for key, value in column._asdict().items()} for column in finding.columns]
    return {key: _finite(value) for key, value in shown.items()}


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


WORDS = {
    "look-ahead": "{field} is {whole} with the whole history and {part} when the history ends after {history} bars",
    "start-up": "{field} is {whole} with the whole history and {part} with the last {history} bars alone",
    "chance": "{field} is {whole} in one run and {part} in the next, with the same bars",
    "writes": "the strategy changes the bars it is shown: {field} was {whole} and is {part}",
    "columns": "{field} is {whole} in on_bar and {part} in the declared columns",
}
ADVICE = {
    "look-ahead": "A value of bar t may use bars 0..t only: no centred windows, no minimum, maximum or mean of everything, no shift(-1), "
    "no model fitted on later bars.",
    "start-up": "Declare a longer warm-up, or answer NaN (keep what is) until the past no longer matters.",
    "chance": "Seed every source of chance from a parameter.",
    "writes": "Copy the arrays before changing them.",
    "columns": "A sweep believes the columns (strategies.columnar): declare what on_bar wishes, bar for bar, or leave `columnar` out.",
}


def _sentence(found: dict[str, Any]) -> str:
    """Return one finding in words."""
    texts = {key: UNKNOWN if value is None else f"{value:g}" if isinstance(value, float) else str(value) for key, value in found.items()}
    texts["whole"], texts["part"] = ("no opinion" if text == UNKNOWN else text for text in (texts["whole"], texts["part"]))
    line = f"{found['kind']}: {found['symbol']}, bar {found['bar']} ({found['time']}): " + WORDS[found["kind"]].format(**texts)
    if found["difference"] is not None:
        line += f" (difference {texts['difference']})"
    if found["runs"] > 1:
        line += f"; {found['disagree']:,} of {found['runs']:,} {'bars' if found['kind'] == 'columns' else 'runs'} disagree"
    if found["kind"] == "start-up":
        line += f"; {found['enough']} bars are enough" if found["enough"] else "; no history that was tried is long enough"
    for column in found["columns"]:
        values = [UNKNOWN if column[key] is None else f"{column[key]:.12g}" for key in ("whole", "part")]
        line += f"\n  column {column['row']}: {values[0]} and {values[1]}"
    return line


def _tell(name: str, report: Any, findings: list[dict[str, Any]], compiled: bool) -> None:
    """Print the report for people."""
    if not compiled:
        click.echo(f"{name}: on_bar is plain Python: it runs, slower than a compiled one (@kernel from ledger.kernel compiles it)")
    for found in findings:
        click.echo(_sentence(found))
    for kind in dict.fromkeys(found["kind"] for found in findings):
        click.echo(ADVICE[kind])
    if report.start_up:
        rows = [(start.length, f"{start.disagree} of {start.starts}") for start in report.start_up]
        voice().show(table(f"Warm-up {report.warmup}", ("bars of history", "starts that disagree from there on"), rows))
    if not findings:
        columns = "; the declared columns wish the same at every bar" if report.columnar else ""
        click.echo(f"{name}: no finding on {report.bars} bars, {report.cuts} ends and {report.starts} starts{columns}")
