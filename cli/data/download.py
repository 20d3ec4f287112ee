"""`onebook data download`: past bars from a paper gateway on this machine, or from Yahoo, into the store.

Theory of operation. What to ask and how fast is `sim.data.store.download`'s, how to ask `live.ib_history`'s;
they meet here. Bars that came before a failure are kept, and the same command asks only for
what the store has not. Exit 4 says that a source stopped before it had given everything.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from datetime import date
from pathlib import Path
from typing import Any

import click

from cli.common import leaf, symbols_of
from cli.data.store import _document, _entries_table, data
from cli.exits import Code
from cli.output import voice
from cli.settings import Settings

SOURCES = ("ib", "yahoo")
WHATS = ("TRADES", "MIDPOINT", "BID", "ASK", "ADJUSTED_LAST")


@data.command("download")
@click.argument("symbols", nargs=-1, required=True)
@click.option("--from", "origin", type=click.Choice(SOURCES), default="ib", show_default=True, help="A gateway, or Yahoo (extra).")
@click.option("--bar", default="1d", show_default=True, help="Bar length: 1d, 1h, 30m, 5m, 1m, 30s ...")
@click.option("--start", metavar="DATE", required=True, help="First trading date, as 2015-01-02.")
@click.option("--end", metavar="DATE", help="Last trading date; default: today.")
@click.option("--show", "what", type=click.Choice(WHATS), default="TRADES", show_default=True,
              help="TRADES are adjusted for splits, ADJUSTED_LAST for dividends too.")  # fmt: skip
@click.option("--timezone", default="America/New_York", show_default=True, help="Zone of the exchange.")
@click.option("--calendar", help="Exchange calendar: XNYS, XLON, XTKS, 24/7 ..., or none.")
@click.option("--exchange", default="SMART", show_default=True, help="Where the gateway looks the symbol up.")
@click.option("--currency", default="USD", show_default=True, help="Currency of the contract.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Loopback address of the gateway.")
@click.option("--port", type=click.IntRange(1, 65535), default=4002, show_default=True, help="Port of the gateway.")
@click.option("--client-id", type=click.IntRange(1, 2**31 - 1), default=77, show_default=True, help="A client id of its own.")
@click.option("--repair", "repairs", multiple=True, metavar="NAME", help="A repair the data may get; it is counted.")
@click.option("--replace", is_flag=True, help="Ask for everything again and write over what the store has.")
@click.option("--store", type=click.Path(), help="Folder of the store; default: store.")
@leaf
def download(settings: Settings, symbols: tuple[str, ...], start: str, end: str | None, **options: Any) -> None:
    """Download past bars of SYMBOLS into the store, slowly enough for the source.

    What came before a failure is kept; run the same command again to go on.
    """
    first, last = _date(start, "--start"), _date(end, "--end") if end else date.today()
    if first > last:
        raise click.UsageError(f"--start {first} is after --end {last}")
    speaker = voice()
    kept: list[dict[str, Any]] = []
    with speaker.progress() as say, ExitStack() as open_until_done:
        say("connecting" if options["origin"] == "ib" else "asking Yahoo")
        gateway = open_until_done.enter_context(_gateway(options)) if options["origin"] == "ib" else None
        job = _Job(Path(settings("store")), options, gateway, say)
        kept = [job.run(symbol, first, last) for symbol in symbols_of(symbols)]
    speaker.document({"store": settings("store"), "kept": kept})
    if have := [one for one in kept if "bars" in one]:
        speaker.show(_entries_table(f"kept in {settings('store')}", have, ("done", "questions")))
    stopped = [one for one in kept if one["stopped"]]
    for one in stopped:
        click.echo(f"{one['symbol']}: stopped: {one['stopped']}", err=True)
    if stopped:
        raise click.exceptions.Exit(Code.ENVIRONMENT)


def _date(text: str, name: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise click.UsageError(f"{name} {text!r} is not a date; write it as 2025-04-03") from None


def _gateway(options: dict[str, Any]) -> Any:
    from live.ib_history import Errors, Library
    from sim.data.store.download import PastBar, Refused, Slowed, Unanswered

    places = {key: options[key] for key in ("host", "port", "client_id", "exchange", "currency")}
    return Library(Errors(Slowed, Unanswered, Refused), PastBar, **places)


class _Job:
    """Downloads one symbol after the other with one pace."""

    def __init__(self, store: Path, options: dict[str, Any], gateway: Any, say: Any) -> None:
        from sim.data.store import Store
        from sim.data.store.download import Clock, Pace

        self.store, self.options, self.gateway, self.say = Store(store), options, gateway, say
        self.pace, self.clock = Pace(), Clock(time.time_ns, self._wait)

    def _wait(self, nanoseconds: int) -> None:
        if nanoseconds > 2 * 10**9:
            self.say(f"waiting {nanoseconds // 10**9} s, so as not to ask too fast")
        time.sleep(nanoseconds / 1e9)

    def run(self, symbol: str, first: date, last: date) -> dict[str, Any]:
        """Download what the store has not, keep it, and say how it went."""
        from sim.data.load import check_symbol

        check_symbol(symbol)
        stretches = [(first, last)] if self.options["replace"] else self.store.lacking(symbol, self.options["bar"], "adjusted", first, last)
        document: dict[str, Any] = {"symbol": symbol, "stopped": "", "questions": 0, "done": "same"}
        for begin, end in stretches:
            text, questions, stopped = self._text(symbol, begin, end)
            document["questions"] += questions
            document["stopped"] = document["stopped"] or stopped
            if text:
                document |= self._keep(symbol, text)
        if not stretches and (entry := self.store.find(symbol, self.options["bar"], "adjusted")):
            document |= _document(entry)
        return document

    def _text(self, symbol: str, begin: date, end: date) -> tuple[bytes, int, str]:
        """Return the bars of a stretch as the text of a CSV, the questions it took, and why it stopped early."""
        from sim.data.store import download, yahoo

        bar = self.options["bar"]
        if self.gateway is None:
            return yahoo.csv_of(symbol, bar, begin, end), 1, ""
        found = download.fetch(
            self.gateway, symbol, bar, begin, end, pace=self.pace, clock=self.clock, what=self.options["what"],
            zone=self.options["timezone"], progress=self.say,
        )
        return download.csv_text(found.bars, bar == "1d") if found.bars else b"", found.questions, found.stopped

    def _keep(self, symbol: str, text: bytes) -> dict[str, Any]:
        from sim.data import DataError
        from sim.data.load import load_text
        from sim.data.store import yahoo

        options = self.options
        repairs = {*options["repairs"], *(yahoo.REPAIRS if self.gateway is None else ("drop-unfinished",))}
        source = "yahoo" if self.gateway is None else f"ib {options['what']}"
        try:
            history = load_text(
                text, symbol, source, timezone=options["timezone"], repairs=sorted(repairs), calendar=options["calendar"],
                now_ns=time.time_ns(),
            )
            done, entry = self.store.keep(
                history, "adjusted", options["calendar"], time.time_ns(), replace=options["replace"], repairs=repairs
            )
        except DataError as error:
            path = self.store.set_aside(symbol, options["bar"], text)
            raise DataError(
                error.rule, file=error.file, row=error.row, column=error.column, value=error.value,
                fix=f"{error.fix}; what came stands in {path}: see `onebook data check {path}`",
            ) from None
        return {**_document(entry), "done": done.value}
