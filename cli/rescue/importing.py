"""`onebook book import`: a foreign file becomes a session, every row word for word, every trade booked.

Theory of operation. The journal is opened to write only when the file could be read; the file itself is opened
read-only, and its SHA-256 is compared before and after. The same file read in the same way is not stored twice.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from cli.common import leaf
from cli.output import facts, table, voice
from cli.rescue.common import options_from, reading
from cli.settings import Settings

METHODS = ("FIFO", "LIFO", "HIFO", "AVERAGE")


@click.command("import")
@click.argument("path", metavar="FILE", type=click.Path())
@reading
@click.option(
    "--method",
    type=click.Choice(METHODS, case_sensitive=False),
    default="FIFO",
    show_default=True,
    help="Lot method of the book.",
)
@click.option("--book", type=click.Path(), help="Journal to store it in; default: ONEBOOK_BOOK, else runs/onebook.db.")
@leaf
def import_(
    settings: Settings,
    path: str,
    form: str | None,
    start_cash: str | None,
    naive_zone: str | None,
    columns: tuple[str, ...],
    method: str,
) -> None:
    """Import FILE: a bot's database, dump, CSV or broker statement. The file is only read."""
    from cli.stored import require_journal
    from ledger.journal import Journal
    from ledger.rescue.readers import open_file
    from ledger.rescue.schema import identify
    from ledger.rescue.sessions import import_file
    from ledger.vocabulary import Method

    options = options_from(form, start_cash, naive_zone, columns)
    require_journal(Path(settings("book")))
    speaker = voice()
    with open_file(path) as source:
        identify(source, options.form)
    with speaker.progress() as say, Journal.open(settings("book")) as journal:
        done = import_file(journal, path, options, Method[method.upper()], say)
    document = _document(done, settings("book"))
    speaker.document(document)
    speaker.show(*_tables(document))


def _document(done: Any, book: str) -> dict[str, Any]:
    from ledger.rescue.times import time_text
    from ledger.units import decimal_text

    legacy, source, trades = done.legacy, done.source, done.legacy.trades
    booked = trades.time_ns[trades.bookable]
    return {
        "session": done.session_id,
        "already_there": done.again,
        "schema": legacy.schema,
        "generation": legacy.generation,
        "file": source.path.name,
        "sha256": source.sha256,
        "bytes": source.size,
        "trades": len(trades),
        "booked": int(trades.bookable.sum()),
        "symbols": len(legacy.symbols),
        "from": time_text(int(booked.min())) if len(booked) else None,
        "to": time_text(int(booked.max())) if len(booked) else None,
        "start_cash": {
            name: {"amount": decimal_text(start.amount_e8), "known": start.origin}
            for name, start in legacy.start.items()
        },
        "tables": [{"table": one.name, "rows": one.size} for one in source.tables.values()],
        "left_out": source.left_out,
        "notes": legacy.notes,
        "book": book,
    }


def _tables(document: dict[str, Any]) -> tuple[Any, ...]:
    state = "was stored before as" if document["already_there"] else "stored as"
    start = ", ".join(f"{name} {one['amount']} ({one['known']})" for name, one in document["start_cash"].items())
    rows = [
        ("schema", f"{document['schema']} {document['generation']}"),
        ("SHA-256", document["sha256"]),
        ("trades", document["trades"]),
        ("booked", document["booked"]),
        ("symbols", document["symbols"]),
        ("from", document["from"]),
        ("to", document["to"]),
        ("start cash", start or None),
    ]
    kept = [(one["table"], one["rows"], "kept") for one in document["tables"]]
    kept += [(name, "", f"left out: {why}") for name, why in document["left_out"].items()]
    title = f"{document['file']} {state} session {document['session']} in {document['book']}"
    words = f"next: onebook book audit {document['session']} --book {document['book']}"
    return facts(title, rows), table("", ("table", "rows", "what became of it"), kept, numbers=("rows",)), words
