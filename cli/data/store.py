"""`onebook data import | list | check`: the local store of bars, and what is wrong with a source.

Theory of operation. Reading, rules and files are `sim.data`'s; this file turns words into
its arguments and its answers into tables. A check that finds something exits with 3.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from cli.common import leaf, symbols_of
from cli.exits import Code
from cli.output import moment, table, voice
from cli.settings import Settings

F = TypeVar("F", bound=Callable[..., Any])
READING = ("start", "end", "bar", "timezone", "calendar", "date_format")
SHOWN = 200


@click.group()
def data() -> None:
    """Keep, check and download price data."""


def reading(function: F) -> F:
    """Add the options that say how a source is read."""
    options = (
        click.option("--symbol", "symbols", multiple=True, metavar="A,B", help="Instruments; a LEAN folder needs them."),
        click.option("--bar", help="Bar length: 1w, 1d, 4h, 1h, 5m ...; longer bars are made from finer ones."),
        click.option("--start", metavar="DATE", help="First trading date, as 2015-01-02."),
        click.option("--end", metavar="DATE", help="Last trading date."),
        click.option("--prices", help="adjusted or raw (LEAN folders)."),
        click.option("--timezone", help="IANA name; needed when a file has local times of day."),
        click.option("--calendar", help="Exchange calendar: XNYS, XLON, XTKS, 24/7 ..., or none."),
        click.option("--date-format", help="iso, m/d/y, d/m/y, epoch-s, epoch-ms, epoch-us, epoch-ns."),
        click.option("--repair", "repairs", multiple=True, metavar="NAME", help="A repair the data may get; it is counted."),
        click.option("--store", type=click.Path(), help="Folder of the store; default: store."),
    )
    for option in reversed(options):
        function = option(function)
    return function


def _options(settings: Settings, repairs: Sequence[str], flags: dict[str, Any]) -> dict[str, Any]:
    """Return what `sim.data.load` is told."""
    given = {key: flags[key] for key in READING if flags[key] is not None}
    return {**given, "prices": settings("prices"), "repairs": tuple(repairs)}


@data.command("import")
@click.argument("sources", nargs=-1, required=True)
@reading
@click.option("--replace", is_flag=True, help="Write over what the store has of the same bars.")
@leaf
def import_files(
    settings: Settings, sources: tuple[str, ...], symbols: tuple[str, ...], repairs: tuple[str, ...], replace: bool, **flags: Any
) -> None:
    """Validate SOURCES (files, a LEAN folder, sp500, nasdaq) and keep them in the store.

    New bars are joined to those the store has; bars that both have must be equal.
    """
    speaker = voice()
    kept: list[dict[str, Any]] = []
    with speaker.progress() as say:
        say("loading")
        from sim.data import load
        from sim.data.store import Store

        store, options = Store(settings("store")), _options(settings, repairs, flags)
        for source in sources:
            say(f"reading {source}")
            kept += [_keep(store, history, options, replace) for history in load(source, symbols_of(symbols), **options)]
    speaker.document({"store": settings("store"), "kept": kept})
    speaker.show(_entries_table(f"kept in {settings('store')}", kept, ("done",)))


def _keep(store: Any, history: Any, options: dict[str, Any], replace: bool) -> dict[str, Any]:
    done, entry = store.keep(
        history, options["prices"], options.get("calendar"), time.time_ns(), replace=replace, repairs=options["repairs"]
    )
    return {**_document(entry), "done": done.value}


def _document(entry: Any) -> dict[str, Any]:
    about = entry.about
    return {
        "symbol": entry.symbol, "bar": entry.bar, "prices": entry.prices, "bars": entry.bars, "first": entry.first, "last": entry.last,
        "timezone": about["timezone"], "calendar": about["calendar"], "source": about["source"], "source_sha256": about["source_sha256"],
        "sha256": about["sha256"], "imported": moment(about["imported_ns"] // 10**9 * 10**9), "actions": len(about["actions"]),
        "repairs": about["repairs"], "path": str(entry.path),
    }  # fmt: skip


def _entries_table(title: str, documents: list[dict[str, Any]], more: tuple[str, ...] = ()) -> Any:
    columns = ("symbol", "bar", "prices", "bars", "first", "last", "calendar", "source", "repairs", *more)
    rows = [
        [", ".join(f"{r['name']} ({r['count']})" for r in d["repairs"]) or "none" if key == "repairs" else d[key] for key in columns]
        for d in documents
    ]
    return table(title, columns, rows, numbers=("bars",))


@data.command("list")
@click.option("--store", type=click.Path(), help="Folder of the store; default: store.")
@leaf
def list_store(settings: Settings) -> None:
    """List what the store holds."""
    from sim.data.store import Store

    documents = [_document(entry) for entry in Store(settings("store")).entries()]
    speaker = voice()
    speaker.document({"store": settings("store"), "total": len(documents), "entries": documents})
    speaker.show(_entries_table(f"{len(documents)} files in {settings('store')}", documents))


@data.command("check")
@click.argument("sources", nargs=-1)
@reading
@leaf
def check_sources(settings: Settings, sources: tuple[str, ...], symbols: tuple[str, ...], repairs: tuple[str, ...], **flags: Any) -> None:
    """List everything that is wrong with SOURCES, or with the store: file, row, column, value, rule, repair.

    Exits with 3 when something is. A repair that is passed is accepted and not listed.
    """
    from sim.data import findings

    speaker, options, names = voice(), _options(settings, repairs, flags), symbols_of(symbols)
    reports = [findings.check(source, names, **options) for source in sources]
    if not sources:
        wanted = {key: value for key, value in options.items() if key not in ("bar", "prices")}
        reports = [findings.check_store(settings("store"), names, **wanted)]
    found = [finding for report in reports for finding in report.findings]
    total, calendars = sum(report.total for report in reports), [one for report in reports for one in report.calendars]
    speaker.document({
        "total": total, "listed": len(found), "findings": [finding._asdict() for finding in found],
        "instruments": [calendar._asdict() for calendar in calendars],
    })  # fmt: skip
    columns = ("symbol", "file", "row", "column", "value", "rule", "repair")
    lines = [[getattr(finding, key) or ("none" if key == "repair" else "") for key in columns] for finding in found[:SHOWN]]
    if lines:
        title = f"{total:,} finding{'' if total == 1 else 's'}" + (f", the first {SHOWN}" if len(found) > SHOWN else "")
        speaker.show(table(title, columns, lines, ("row",)))
    if calendars:
        speaker.show(_calendar_table(calendars))
    if total:
        raise click.exceptions.Exit(Code.FINDING)
    if not speaker.as_json:
        click.echo("nothing is wrong")


def _calendar_table(calendars: list[Any]) -> Any:
    columns = ("symbol", "bar", "bars", "first", "last", "time zone", "calendar", "sessions", "missing", "half days", "outside hours",
               "clock changes")  # fmt: skip
    numbers = ("bars", "sessions", "missing", "half days", "outside hours", "clock changes")
    rows = [[f"{value:,}" if isinstance(value, int) else value for value in calendar] for calendar in calendars]
    return table("What the calendar says", columns, rows, numbers)
