"""Reading a stored session: which one, and its rows as documents people and programs read.

Theory of operation. Rows come typed from `ledger.views`, in integers. A document has
the same fields with the unit taken off the name: money, prices and quantities as exact
decimal text, times and days as ISO text, enums by name, unknown as None. Tables
are made from documents, so a table and the JSON of a command cannot disagree.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from enum import IntEnum
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import click

from cli.output import moment, voice
from cli.settings import Settings

Row = TypeVar("Row")
EPOCH_ORDINAL = date(1970, 1, 1).toordinal()


class Exponents(NamedTuple):
    """How many decimals an instrument's prices and quantities have."""

    price: int
    qty: int


@contextmanager
def open_book(settings: Settings) -> Iterator[Any]:
    """Open the journal of the settings to read; say so on standard error when it lost its tail."""
    from ledger.journal import Journal

    with Journal.read(settings("book")) as journal:
        if journal.quarantine is not None:
            voice().say(f"warning: {journal.quarantine}")
        yield journal


def require_journal(path: Path) -> None:
    """Refuse a file that is there and is no sound journal, before anything runs and before anything opens it to write."""
    from ledger.journal import Journal, JournalError

    if not path.exists() or (path.is_file() and path.stat().st_size == 0):
        return
    try:
        with Journal.read(path) as journal:
            if journal.quarantine is not None:
                raise journal.quarantine
    except JournalError as error:
        # The plain error means that the file cannot be read *yet*: a schema that was never written. Opening it
        # to write mends that, or says what is wrong.
        if type(error) is not JournalError or path.is_dir():
            raise


def require_folder(path: Path) -> None:
    """Refuse a place for pictures that is no folder, before a run is stored whose pictures cannot be."""
    there = next(place for place in (path, *path.absolute().parents) if place.exists())
    if not there.is_dir():
        raise click.UsageError(f"{there} is a file; name a folder with --out, or pass --no-picture")


def session_of(journal: Any, session_id: int | None) -> Any:
    """Return the wanted session, or the last one.

    Raises:
        click.UsageError: no such session.
    """
    found = journal.sessions()
    if not found:
        raise click.UsageError(f"{journal.path} has no session yet; `onebook backtest run` makes one")
    if session_id is None:
        return found[-1]
    for info in found:
        if info.id == session_id:
            return info
    raise click.UsageError(f"{journal.path} has no session {session_id}; it has {found[0].id} to {found[-1].id}")


@contextmanager
def open_session(settings: Settings, session_id: int | None) -> Iterator[tuple[Any, Any]]:
    """Open the journal and yield it with the wanted session; say so when its tables are behind its events."""
    from ledger import views

    with open_book(settings) as journal:
        info = session_of(journal, session_id)
        if late := views.behind(journal, info.id):
            voice().say(f"note: session {info.id} is being written; its last {late} events are not shown yet")
        yield journal, info


def page_of(rows: Sequence[Row], page: int, size: int) -> Sequence[Row]:
    """Return page `page` (from 1) of `size` rows; 0 is all of them."""
    return rows[(page - 1) * size : page * size] if size else rows


def session_document(info: Any) -> dict[str, Any]:
    """Return what a session was: kind, how it was made, by which code."""
    config = json.loads(info.config)
    return {
        "session": info.id,
        "kind": info.kind,
        "scope": info.scope,
        "strategy": config.get("strategy"),
        "params": config.get("params"),
        "data": config.get("data"),
        "started": moment(info.started_ns // 10**9 * 10**9),
        "ended": None if info.ended_ns is None else moment(info.ended_ns // 10**9 * 10**9),
        "status": info.status,
        "events": info.events,
        "digest": info.digest,
        "code": f"{info.git_sha[:10] or 'unknown'}{'+changes' if info.dirty else ''}",
    }


def exponents(journal: Any, session_id: int) -> dict[int, Exponents]:
    """Return the exponents of every instrument of a session, by its id."""
    from ledger import views

    return {row.instrument: Exponents(row.price_exp, row.qty_exp) for row in views.positions(journal, session_id)}


def document(row: Any, known: dict[int, Exponents] | None = None) -> dict[str, Any]:
    """Return a typed row as a document: units off the names, exact decimal text, ISO times."""
    fields = row._asdict()
    exps = (known or {}).get(
        fields.get("instrument", 0), Exponents(fields.get("price_exp", 8), fields.get("qty_exp", 0))
    )
    return dict(_field(name, value, exps) for name, value in fields.items() if name not in ("price_exp", "qty_exp"))


def _field(name: str, value: Any, exps: Exponents) -> tuple[str, Any]:
    """Return one field as (name without its unit, value for people)."""
    from ledger.units import decimal_text

    for unit, exp in (("_e8", 8), ("_ticks", exps.price), ("_lots", exps.qty)):
        if name.endswith(unit):
            return name.removesuffix(unit), None if value is None else decimal_text(value, exp)
    if name.endswith("_ns"):
        return name.removesuffix("_ns"), moment(value)
    if name == "day" and value is not None:
        return name, date.fromordinal(value + EPOCH_ORDINAL).isoformat()
    if name == "side":
        return name, {1: "long", -1: "short"}.get(value, "none")
    return name, value.name if isinstance(value, IntEnum) else value
