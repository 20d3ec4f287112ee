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

from cli.backtest import TRADING
from cli.common import StrategyName, leaf
from cli.output import table, voice
from cli.settings import Settings

SHOWN = 10
FIGURES = ("total_return", "sharpe", "max_drawdown", "trades", "win_rate", "exposure")


@click.command()
@click.argument("strategy", type=StrategyName())
@click.option(
    "-p", "--param", "params", multiple=True, metavar="NAME=VALUES", help="Values to try: fast=5:50:5 or slow=20,50,100; may be repeated."
)
@click.option("--method", type=click.Choice(["grid", "random", "bayes"]), default="grid", help="How combinations are chosen; default: all.")
@click.option("--trials", type=click.IntRange(min=1), help="How many combinations (random and bayes).")
@click.option("--seed", type=int, default=0, show_default=True, help="Of random and bayes.")
@click.option("--by", "by", default="sharpe", show_default=True, help="Figure that the best are chosen by.")
@click.option("--commissions", multiple=True, metavar="MODEL", help="Cost models to try beside each other; may be repeated.")
@click.option("--engine", type=click.Choice(["local", "dask"]), default="local", help="Threads, or processes of a local Dask cluster.")
@click.option("--jobs", type=click.IntRange(min=0), default=0, help="Threads or processes; 0: one a core.")
@click.option("--resume", is_flag=True, help="Take the finished parts that --out has.")
@click.option("--heatmap", metavar="X,Y", help="Draw the figure of --by over two parameters (PNG and HTML).")
@click.option("--data", help="sp500, nasdaq, store, a folder in LEAN layout, a CSV or Parquet file.")
@click.option("--symbol", "symbols", multiple=True, metavar="A,B", help="Instruments; each is swept alone.")
@click.option("--bar", help="Bar length: 1d, 1h, 1m, ...")
@click.option("--start", metavar="DATE", help="First trading date.")
@click.option("--end", metavar="DATE", help="Last trading date.")
@click.option("--prices", help="adjusted or raw (LEAN folders).")
@click.option("--timezone", help="IANA name; needed when a file has local times of day.")
@click.option("--repair", "repairs", multiple=True, metavar="NAME", help="A repair the data may get; it is counted and stored.")
@click.option("--cash", help="Money at the start.")
@click.option("--size", help="Full size: percent:95 of equity, shares:100, ...")
@click.option("--commission", help="ibkr-fixed, zero, bps:10, ...")
@click.option("--book", type=click.Path(), help="Journal that the trials are recorded in.")
@click.option("--out", type=click.Path(), help="Folder for the results.")
@leaf
def sweep(
    settings: Settings, strategy: str, params: tuple[str, ...], symbols: tuple[str, ...], repairs: tuple[str, ...],
    commissions: tuple[str, ...], by: str, heatmap: str | None, resume: bool, **flags: Any,
) -> None:  # fmt: skip
    """Try every combination of parameter values of STRATEGY and show the best.

    Each combination is run exactly as `onebook backtest run` would run it: the same orders, fees and equity. Ctrl-C keeps
    what is done; --resume goes on from there.
    """
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
        wanted = [symbol.strip() for text in symbols for symbol in text.split(",") if symbol.strip()]
        reading = {key: flags[key] for key in ("start", "end", "bar", "timezone") if flags[key] is not None}
        histories = load(settings("data"), wanted, prices=settings("prices"), repairs=repairs, **reading)
        folder = Path(settings("out")) / f"sweep-{chosen.name}"
        found = sweeps.sweep(
            histories, chosen, sweeps.parse_grid(chosen, params), Setting(**{key: settings(key) for key in TRADING}),
            commissions=commissions, method=flags["method"], trials=flags["trials"], seed=flags["seed"], aim=by,
            engine=flags["engine"], jobs=flags["jobs"], out=folder, resume=resume, book=Path(settings("book")),
            source=(settings("data"), settings("prices")), say=told(say, began, time.perf_counter),
        )  # fmt: skip
        best = found.best(by, SHOWN)
        files = {"table": found.to_parquet(folder / "sweep.parquet")} | _drawn(found, heatmap, by, folder)
    _shown(found, best, by, files, time.perf_counter() - began)


def told(say: Callable[[str], None], began: float, clock: Callable[[], float]) -> Callable[[int, int], None]:
    """Return a listener that says how many combinations are done and when the rest will be."""

    def listen(done: int, whole: int) -> None:
        spent = clock() - began
        left = spent / done * (whole - done) if done else 0.0
        say(f"{done:,} of {whole:,} combinations, {left:.0f} s to go")

    return listen


def _drawn(found: Any, heatmap: str | None, by: str, folder: Path) -> dict[str, Path]:
    """Draw the heat map that was asked for; return the files by kind."""
    if heatmap is None:
        return {}
    x, comma, y = (part.strip() for part in heatmap.partition(","))
    if not comma:
        raise click.UsageError(f"--heatmap {heatmap!r} names two parameters, as in --heatmap fast,slow")
    return {f"heat map {kind}": found.heatmap(x, y, folder / f"heatmap.{kind}", by) for kind in ("png", "html")}


def _shown(found: Any, best: list[dict[str, Any]], by: str, files: dict[str, Path], seconds: float) -> None:
    """Print the document or the table."""
    from ledger.units import decimal_text

    speaker = voice()
    rows = [
        {name: decimal_text(value) if name.endswith("_e8") and value is not None else value for name, value in row.items()}
        for row in best
    ]
    rows = [{name.removesuffix("_e8"): value for name, value in row.items()} for row in rows]
    speaker.document(
        {
            "strategy": found.cases[0].strategy.name, "combinations": len(found), "left_out": found.refused, "by": by, "best": rows,
            "digest": found.digest, "seconds": round(seconds, 3), "files": {kind: str(path) for kind, path in files.items()},
        }
    )
    if speaker.as_json:
        return
    varied = [name for name in ("symbol", "commission", *found.names) if len(set(found.table[name].tolist())) > 1]
    columns = (*varied, *FIGURES, "final_equity")
    lines = [[_text(row[name]) for name in columns] for row in rows]
    title = f"Best of {len(found):,} combinations by {by.replace('_', ' ')} ({found.refused:,} left out by the strategy's own check)"
    speaker.show(table(title, columns, lines, numbers=columns))
    for kind, path in files.items():
        click.echo(f"{kind}: {path}")


def _text(value: Any) -> object:
    return f"{value:,.4f}" if isinstance(value, float) else value
