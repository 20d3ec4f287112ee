"""`onebook backtest list | show | export | compare`: stored runs as tables, files and pages.

Theory of operation. Each command reads the journal and hands what it finds to
`sim.output`, which knows how to show it. Nothing is run again and nothing is measured here.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from cli.backtest import backtest
from cli.common import leaf, paged
from cli.output import moment, table, voice
from cli.settings import Settings

__all__ = ["backtest", "compare_runs", "export_run", "list_runs", "show"]
FORMATS = ("csv", "parquet", "json", "html", "png", "quantstats")
BY = "Also every period: 5min, 1h ..., session, week, month, quarter or year."
TABLES = ("equity", "fills", "orders", "trades", "allocations", "lots", "figures")


def _run_of(journal: Any, session: int) -> Any:
    """Return a stored backtest's row; another kind of session is a wrong word."""
    from cli.stored import session_of

    info = session_of(journal, session)
    if info.kind != "backtest":
        raise click.UsageError(f"session {session} is of kind {info.kind}; `onebook book status` shows it")
    return info


@backtest.command("list")
@click.option("--book", type=click.Path(), help="Journal to read.")
@paged
@leaf
def list_runs(settings: Settings, page: int, rows: int) -> None:
    """List the stored backtests, newest first."""
    from cli.stored import open_book, page_of, session_document

    with open_book(settings) as journal:
        runs = [info for info in reversed(journal.sessions()) if info.kind == "backtest"]
    documents = [session_document(info) for info in page_of(runs, page, rows)]
    speaker = voice()
    speaker.document({"total": len(runs), "page": page, "sessions": documents})
    columns = ("session", "strategy", "symbols", "started", "status", "events", "code")
    lines = [
        [d["session"], d["strategy"], d["scope"], d["started"], d["status"], d["events"], d["code"]] for d in documents
    ]
    title = f"{len(documents)} of {len(runs)} backtests in {settings('book')}"
    speaker.show(table(title, columns, lines, numbers=("session", "events")))


@backtest.command()
@click.argument("session", type=click.IntRange(min=1))
@click.option("--by", help=BY)
@click.option("--book", type=click.Path(), help="Journal to read.")
@leaf
def show(settings: Settings, session: int, by: str | None) -> None:
    """Show a stored backtest: how it was made and its tear sheet, computed from the journal again."""
    from cli.stored import open_book, session_document
    from ledger.units import decimal_text
    from sim.output import export, periods, stored
    from sim.output.report import table as tear_sheet

    with open_book(settings) as journal:
        info = _run_of(journal, session)
        sheet = stored.from_journal(journal, info)
    figures = {name: export.sheet_value(sheet, name) for name in sheet["figures"]}
    speaker = voice()
    parts = None if by is None else periods.periods(sheet, by)
    rows = {} if parts is None else {"by": by, "periods": periods.documents(parts)}
    speaker.document({**session_document(info), "start_cash": decimal_text(sheet["start_e8"]), **figures, **rows})
    speaker.show(tear_sheet(sheet), *([] if parts is None else [periods.table(parts, str(by), sheet["currency"])]))
    if not speaker.as_json:
        click.echo(f"session {info.id} of {moment(info.started_ns)}, code {session_document(info)['code']}")


@backtest.command("export")
@click.argument("session", type=click.IntRange(min=1))
@click.option(
    "--format", "formats", multiple=True, type=click.Choice(FORMATS), default=("csv",), show_default=True,
    help="What to write; may be repeated. quantstats needs the extra `tearsheet`.",
)  # fmt: skip
@click.option(
    "--table", "tables", multiple=True, type=click.Choice(TABLES), help="Which tables; default: all. May be repeated."
)
@click.option("--by", help="Also the table periods: 5min, 1h ..., session, week, month, quarter or year.")
@click.option("--book", type=click.Path(), help="Journal to read.")
@click.option("--out", type=click.Path(), help="Folder to write to.")
@leaf
def export_run(settings: Settings, session: int, formats: Sequence[str], tables: Sequence[str], by: str | None) -> None:
    """Write a stored backtest to files: equity, fills, orders, trades, allocations, open lots, figures.

    Money, prices and quantities are exact: decimal text in CSV and JSON, decimal128 in Parquet. Unknown is an empty
    cell or null. HTML is one page with interactive charts that needs no network.
    """
    speaker = voice()
    with speaker.progress() as say:
        say("reading the journal")
        from cli.stored import open_book
        from sim.output import export, stored

        with open_book(settings) as journal:
            sheet = stored.from_journal(journal, _run_of(journal, session))
        say(f"writing {', '.join(formats)}")
        files = export.write(sheet, Path(settings("out")), f"{session:04d}", formats, tables, by)
    speaker.document({"session": session, "files": {name: str(path) for name, path in files.items()}})
    if not speaker.as_json:
        for path in files.values():
            click.echo(str(path))


@backtest.command("compare")
@click.argument("sessions", type=click.IntRange(min=1), nargs=-1, required=True)
@click.option("--book", type=click.Path(), help="Journal to read.")
@click.option("--html", "page", is_flag=True, help="Also write a page with all curves on one axis to the folder --out.")
@click.option("--out", type=click.Path(), help="Folder for the page.")
@leaf
def compare_runs(settings: Settings, sessions: tuple[int, ...], page: bool) -> None:
    """Compare stored backtests: figures side by side, and differences to the first."""
    from cli.stored import open_book
    from sim.output import compare, export, stored

    if not 2 <= len(sessions) <= compare.RUNS_MAX or len(set(sessions)) < len(sessions):
        raise click.UsageError(f"name 2 to {compare.RUNS_MAX} different sessions, as in `compare 3 5`")
    with open_book(settings) as journal:
        sheets = [stored.from_journal(journal, _run_of(journal, session)) for session in sessions]
    labels = [str(session) for session in sessions]
    files = {}
    if page:
        content = compare.html(sheets, [f"session {name}" for name in labels]).encode()
        folder = Path(settings("out"))
        folder.mkdir(parents=True, exist_ok=True)
        files["comparison"] = str(export.whole_file(folder / f"compare-{'-'.join(labels)}.html", content))
    speaker = voice()
    speaker.document({"sessions": list(sessions), "figures": compare.documents(sheets, labels), "files": files})
    speaker.show(compare.table(sheets, labels))
    if not speaker.as_json and files:
        click.echo(f"comparison: {files['comparison']}")
