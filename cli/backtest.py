"""`onebook backtest run`: simulated runs; `cli/runs.py` shows the stored ones.

Theory of operation. `run` hands words to `sim.run.run`, which reads, runs and stores,
and prints what it returns. Pictures are drawn after the run is stored, from what the
run returned, and appear under their names only when they are whole.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from cli.common import StrategyName, leaf, symbols_of
from cli.output import voice
from cli.settings import Settings

TRADING = (
    "cash", "size", "commission", "account", "settlement", "borrow_bps", "interest_bps", "debit_bps", "delisting", "lot",
    "profile", "slippage", "participation", "limits",
)  # fmt: skip
"""The settings that are fields of `sim.run.Setting`."""


@click.group()
def backtest() -> None:
    """Run a strategy on past prices; list and show stored runs."""


@backtest.command("run")
@click.argument("strategy", type=StrategyName())
@click.option(
    "-p", "--param", "params", multiple=True, metavar="NAME=VALUE", help="A parameter of the strategy; may be repeated."
)
@click.option("--data", help="sp500, nasdaq, store, a folder in LEAN layout, a CSV or Parquet file.")
@click.option("--symbol", "symbols", multiple=True, metavar="A,B", help="Instruments; a LEAN folder needs them.")
@click.option("--bar", help="Bar length: 5min, 1h, session (1d), week, month ...; longer bars are made from finer ones.")
@click.option("--start", metavar="DATE", help="First trading date, as 2015-01-02.")
@click.option("--end", metavar="DATE", help="Last trading date.")
@click.option("--prices", help="adjusted or raw (LEAN folders).")
@click.option("--cash", help="Money at the start.")
@click.option("--size", help="Full size: percent:95 of equity, shares:100, volatility:15, atr:1, kelly:50, ...")
@click.option("--commission", help="ibkr-fixed, ibkr-tiered, with +fees, lean-ibkr, zero, bps:10, per-share:0.005, per-order:1.")
@click.option("--account", help="cash, or margin:initial=50,maintenance=25,short=30.")
@click.option("--settlement", help="Trading days until proceeds of sales may be spent (cash accounts).")
@click.option("--borrow-bps", help="Annual fee for borrowed shares, in basis points.")
@click.option("--interest-bps", help="Annual interest on cash, in basis points.")
@click.option("--debit-bps", help="Annual interest on borrowed cash, in basis points.")
@click.option("--delisting", help="last (close at the last price) or worthless.")
@click.option("--lot", help="Smallest quantity: 1 for whole shares, 0.0001 for fractions.")
@click.option("--profile", help="When orders fill: next-open, close, pessimistic, optimistic or vectorbt.")
@click.option("--slippage", help="none, ticks:2, bps:5 or volume-share:0.1 (price impact of the share of a bar's volume).")
@click.option("--participation", help="Most of a bar's volume that fills may take, in percent, or none.")
@click.option("--limits", help="Limits of the account, as in paper trading: max-notional=20000,daily-loss=1000,burst-count=5, ...")
@click.option(
    "--also", multiple=True, metavar="'NAME P=V ...'", help="A further strategy that shares the account; may be repeated."
)
@click.option("--timezone", help="IANA name; needed when a file has local times of day.")
@click.option("--calendar", help="Exchange calendar: XNYS, XLON, XTKS, 24/7 ..., or none.")
@click.option("--date-format", help="iso, m/d/y, d/m/y, epoch-s, epoch-ms, epoch-us, epoch-ns.")
@click.option(
    "--repair", "repairs", multiple=True, metavar="NAME", help="A repair the data may get; it is counted and stored."
)
@click.option("--book", type=click.Path(), help="Journal to store the run in.")
@click.option("--out", type=click.Path(), help="Folder for pictures and tear sheets.")
@click.option("--picture/--no-picture", default=None, help="Draw the equity curve (PNG and HTML).")
@leaf
def run(
    settings: Settings,
    strategy: str,
    params: tuple[str, ...],
    symbols: tuple[str, ...],
    repairs: tuple[str, ...],
    also: tuple[str, ...],
    **flags: Any,
) -> None:
    """Run STRATEGY (a name, or a file of your own) over past prices, store the run and print its tear sheet.

    Signals at a bar's close fill at the next bar's open, or as --profile says. Without options: the S&P 500 of 1999-2018, which is
    bundled, $100,000 and IBKR's fixed commission.
    """
    speaker = voice()
    with speaker.progress() as say:
        say("loading")
        from cli.stored import require_folder, require_journal
        from sim import run as sim_run

        require_journal(Path(settings("book")))
        if settings("picture"):
            require_folder(Path(settings("out")))
        wanted = symbols_of(symbols)
        reading = {
            key: flags[key] for key in ("start", "end", "bar", "timezone", "calendar", "date_format") if flags[key] is not None
        }
        done = sim_run.run(
            strategy,
            params,
            data=settings("data"),
            symbols=wanted,
            prices=settings("prices"),
            setting=sim_run.Setting(**{key: settings(key) for key in TRADING}),
            book=Path(settings("book")),
            progress=say,
            repairs=repairs,
            also=also,
            **reading,
        )
        sheet: Any = sim_run.sheet(done.simulation, done.figures)
        if settings("picture"):
            say(f"drawing; stored as session {done.session}")
        files = draw(sheet, Path(settings("out")), done.session) if settings("picture") else {}
    speaker.document({**done.document(), "files": {kind: str(path) for kind, path in files.items()}})
    if not speaker.as_json:
        from sim.output.report import table as tear_sheet

        speaker.show(tear_sheet(sheet))
        click.echo(f"stored as session {done.session} in {done.path}")
        for kind, path in files.items():
            click.echo(f"{kind}: {path}")


def draw(sheet: Any, folder: Path, session: int) -> dict[str, Path]:
    """Write the picture and the page of a run; each appears under its name only when it is whole."""
    from sim.output.export import write

    picture, page = write(sheet, folder, f"{session:04d}", ("png", "html")).values()
    return {"equity curve": picture, "tear sheet": page}
