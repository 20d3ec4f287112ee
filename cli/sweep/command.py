"""`onebook sweep`: many combinations of a strategy's parameters at once.

Theory of operation. Words become a grid, histories and settings; `sim.sweep` does the rest. Finished parts lie
in the folder of `--out`, so an interrupted sweep goes on with `--resume`. Every combination is
recorded as a trial in the book, so that later statistics know how many were tried.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from cli.backtest import TRADING, run
from cli.common import StrategyName, leaf, symbols_of
from cli.output import table, voice
from cli.settings import Settings

SHOWN, TOLD = 10, 3
"""The best, and of what could not be run: how many the document has, how many are told."""
FIGURES = ("total_return", "sharpe", "max_drawdown", "trades", "win_rate", "exposure", "final_equity_e8")
READING = ("start", "end", "bar", "timezone", "calendar", "date_format")


@click.command()
@click.argument("strategy", type=StrategyName())
@click.option(
    "-p", "--param", "params", multiple=True, metavar="NAME=VALUES", help="Values to try: fast=5:50:5 or slow=20,50,100; may be repeated."
)
@click.option("--method", type=click.Choice(["grid", "random", "bayes"]), default="grid", help="How combinations are chosen; default: all.")
@click.option("--trials", type=click.IntRange(min=1), help="How many combinations (random and bayes).")
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True, help="Of random and bayes.")
@click.option("--by", "by", default="sharpe", show_default=True, help="Figure that the best are chosen by.")
@click.option("--commissions", multiple=True, metavar="MODEL", help="Cost models to try beside each other; may be repeated.")
@click.option("--engine", type=click.Choice(["local", "dask"]), default="local", help="Threads, or processes of a local Dask cluster.")
@click.option("--scheduler", metavar="ADDRESS", help="A running Dask scheduler (tcp://HOST:8786); its workers compute, on any machines.")
@click.option("--jobs", type=click.IntRange(min=0), default=0, help="Threads or processes; 0: one a core.")
@click.option("--resume", is_flag=True, help="Take the finished parts that --out has.")
@click.option("--heatmap", metavar="X,Y", help="Draw the figure of --by over two parameters (PNG and HTML).")
@click.option("--symbol", "symbols", multiple=True, metavar="A,B", help="Instruments; each is swept alone.")
@leaf
def sweep(
    settings: Settings, strategy: str, params: tuple[str, ...], symbols: tuple[str, ...], repairs: tuple[str, ...],
    commissions: tuple[str, ...], by: str, heatmap: str | None, resume: bool, **flags: Any,
) -> None:  # fmt: skip
    """Try every combination of parameter values of STRATEGY and show the best.

    Each combination is run exactly as `onebook backtest run` would run it: the same orders, fees and equity. Ctrl-C keeps
    what is done; --resume goes on from there.
    """
    if flags["trials"] and flags["method"] == "grid":
        raise click.UsageError("--trials belongs to --method random or bayes; a grid tries every combination")
    speaker = voice()
    began = time.perf_counter()
    with speaker.progress() as say:
        say("loading")
        from cli.stored import require_journal
        from sim import sweep as sweeps
        from sim.data import load
        from sim.run import Setting
        from strategies import get

        require_journal(Path(settings("book")))
        chosen = get(strategy)
        aim, axes = _aim(by), _axes(heatmap, chosen)
        wanted = symbols_of(symbols)
        reading = {key: flags[key] for key in READING if flags[key] is not None}
        histories = load(settings("data"), wanted, prices=settings("prices"), repairs=repairs, **reading)
        folder = Path(settings("out")) / f"sweep-{chosen.name}"
        found = sweeps.sweep(
            histories, chosen, sweeps.parse_grid(chosen, params), Setting(**{key: settings(key) for key in TRADING}),
            commissions=commissions, method=flags["method"], trials=flags["trials"], seed=flags["seed"], aim=aim,
            engine="dask" if flags["scheduler"] else flags["engine"], scheduler=flags["scheduler"], jobs=flags["jobs"],
            out=folder, resume=resume, book=Path(settings("book")),
            source=(settings("data"), settings("prices")), say=told(say, began, time.perf_counter),
        )  # fmt: skip
        best = found.best(aim, SHOWN)
        files = {"table": found.to_parquet(folder / "sweep.parquet")} | _drawn(found, axes, aim, folder)
    _shown(found, best, by, files, time.perf_counter() - began)


# As with `onebook walkforward`, the options of a backtest are the same objects, so they cannot drift apart.
sweep.params.extend(option for option in run.params if option.name in {"data", "prices", "book", "out", "repairs", *READING, *TRADING})


def told(say: Callable[[str], None], began: float, clock: Callable[[], float]) -> Callable[[int, int], None]:
    """Return a listener that says how many combinations are done and when the rest will be."""

    def listen(done: int, whole: int) -> None:
        spent = clock() - began
        left = spent / done * (whole - done) if done else 0.0
        say(f"{done:,} of {whole:,} combinations, {left:.0f} s to go")

    return listen


def _aim(by: str) -> str:
    """Return the column of a figure that is named as in the document; a wrong name must not cost a sweep first."""
    from sim.sweep.work import FIGURED
    from strategies.api import known_name

    columns = {name.removesuffix("_e8"): name for name in FIGURED}
    known_name("figure", by.removesuffix("_e8"), columns)
    return columns[by.removesuffix("_e8")]


def _axes(heatmap: str | None, strategy: Any) -> tuple[str, ...]:
    """Return the two parameters to draw over, or none."""
    from strategies.api import known_name

    if heatmap is None:
        return ()
    names = tuple(part.strip() for part in heatmap.split(","))
    if len(names) != 2 or names[0] == names[1]:
        raise click.UsageError(f"--heatmap {heatmap!r} does not name two parameters, as --heatmap fast,slow does")
    for name in names:
        known_name(f"parameter of {strategy.name}", name, strategy.params._fields)
    return names


def _drawn(found: Any, axes: tuple[str, ...], figure: str, folder: Path) -> dict[str, Path]:
    """Draw the heat map that was asked for; return the files by kind."""
    if not axes:
        return {}
    return {f"heat map {kind}": found.heatmap(*axes, folder / f"heatmap.{kind}", figure) for kind in ("png", "html")}


def _shown(found: Any, best: list[dict[str, Any]], by: str, files: dict[str, Path], seconds: float) -> None:
    """Print the document or the table."""
    speaker = voice()
    rows = [{name.removesuffix("_e8"): _exact(name, value) for name, value in row.items() if name != "failed"} for row in best]
    lost = [_failure(found, row) for row in found.failures(SHOWN)]
    speaker.document(
        {
            "strategy": found.cases[0].strategy.name, "combinations": len(found), "left_out": found.refused, "by": by, "best": rows,
            "failed": int(found.failed.sum()), "failures": lost,
            "digest": found.digest, "seconds": round(seconds, 3), "files": {kind: str(path) for kind, path in files.items()},
        }
    )
    if speaker.as_json:
        return
    varied = _varied(found)
    columns = (*varied, *(name.removesuffix("_e8") for name in FIGURES))
    lines = [[*(row[name] for name in varied), *(_text(name, row[name]) for name in FIGURES)] for row in best]
    title = f"Best of {len(found):,} combinations by {by.replace('_', ' ')} ({found.refused:,} left out by the strategy's own check)"
    speaker.show(table(title, columns, lines, numbers=columns))
    _tell_failures(found, lost, varied)
    for kind, path in files.items():
        click.echo(f"{kind}: {path}")


def _tell_failures(found: Any, lost: list[dict[str, Any]], varied: list[str]) -> None:
    """Say how many combinations could not be run, and of the first why."""
    failed = int(found.failed.sum())
    if failed:
        click.echo(f"! {failed:,} of {len(found):,} combinations could not be run:")
    for one in lost[:TOLD]:
        click.echo(f"  {', '.join(f'{name}={one[name]}' for name in varied)}: {one['reason']}")
    if failed > TOLD:
        click.echo(f"  and {failed - TOLD:,} more: the column `failed` of the table says why")


def _varied(found: Any) -> list[str]:
    """Return what tells the combinations of a sweep apart."""
    return [name for name in ("symbol", "commission", *found.names) if len(set(found.table[name].tolist())) > 1]


def _failure(found: Any, row: dict[str, Any]) -> dict[str, Any]:
    """Return a combination that could not be run as a document: what it was, and why."""
    return {name: row[name] for name in ("symbol", "commission", *found.names)} | {"reason": row["failed"]}


def _exact(name: str, value: Any) -> Any:
    """Return money as exact decimal text, anything else as it is."""
    from ledger.units import decimal_text

    return decimal_text(value) if name.endswith("_e8") and value is not None else value


def _text(name: str, value: Any) -> str:
    """Return a figure as the tear sheet shows it."""
    from sim.output.report import figure_text

    return figure_text(name.removesuffix("_e8"), value, "USD")
