"""`onebook book rebook`: realized profit under another lot method, and for an import what it stored beside what is true.

Theory of operation. Without --compare the booked profit stands beside that of another method. With it the session
must be an import: each closing trade, symbol or day with the stored profit, the true one, the difference and
the reason. `onebook compare legacy rebooked` is the same for the newest import. Nothing is written.
"""

from __future__ import annotations

from typing import Any

import click

from cli.common import leaf, stored
from cli.exits import Code
from cli.output import table, voice
from cli.rescue.importing import METHODS
from cli.settings import Settings

BY = ("trade", "symbol", "day")


@click.command()
@click.argument("name", metavar="[SESSION]", required=False, type=click.IntRange(min=1))
@click.option(
    "--method",
    type=click.Choice(METHODS, case_sensitive=False),
    default="FIFO",
    show_default=True,
    help="The lot method.",
)
@click.option(
    "--compare",
    "compare",
    is_flag=True,
    help="For an import: the stored profits beside the true ones (exit 3 if they differ).",
)
@click.option(
    "--by",
    type=click.Choice(BY),
    default="symbol",
    show_default=True,
    help="With --compare: one line for each of these.",
)
@stored
@leaf
def rebook(settings: Settings, session_id: int | None, name: int | None, method: str, compare: bool, by: str) -> None:
    """Show what realized profit would be under another lot method; changes nothing."""
    if compare:
        compare_stored(settings, name or session_id, method, by)
        return
    _beside(settings, name or session_id, method)


def _beside(settings: Settings, session_id: int | None, method: str) -> None:
    """Show booked profit beside that of another method."""
    from cli.stored import open_session
    from ledger import views
    from ledger.explain import events_of
    from ledger.explain import rebook as under
    from ledger.units import decimal_text
    from ledger.vocabulary import Method

    other = Method[method.upper()]
    with open_session(settings, session_id) as (journal, info):
        symbols = {row.instrument: row.symbol for row in views.positions(journal, info.id)}
        rows = under(events_of(journal, info.id), info.method, other, symbols)
    own = Method(info.method).name
    parts = ("was_e8", "would_be_e8", "difference_e8")
    lines = [(row.symbol, *(decimal_text(getattr(row, part)) for part in parts)) for row in rows]
    sums = [decimal_text(sum(getattr(row, part) for row in rows)) for part in parts]
    keys = ("symbol", "was", "would_be", "difference")
    speaker = voice()
    documents = [dict(zip(keys, line, strict=True)) for line in lines]
    total = dict(zip(keys[1:], sums, strict=True))
    speaker.document({"session": info.id, "method": own, "other": other.name, "total": total, "symbols": documents})
    title = f"Realized profit before fees, session {info.id}: booked {own}, shown beside {other.name}"
    shown = ("symbol", f"{own} (booked)", other.name, "difference")
    speaker.show(table(title, shown, [*lines, ("all", *sums)], numbers=shown[1:]))


def compare_stored(settings: Settings, session_id: int | None, method: str, by: str) -> None:
    """Show an import's stored profits beside the true ones; leave with 3 when they differ."""
    from cli.rescue.common import target
    from ledger.rescue.audit import Case
    from ledger.rescue.differences import differences, everything, sums
    from ledger.rescue.truth import truth_of
    from ledger.vocabulary import Method

    speaker = voice()
    with (
        speaker.progress() as say,
        target(settings, None if session_id is None else str(session_id), None, say) as opened,
    ):
        found = differences(Case(opened.legacy, truth_of(opened.legacy)), Method[method.upper()])
        number = opened.session_id
    rows = found.lines if by == "trade" else sums(found.lines, by)
    documents = [_document(row) for row in rows]
    whole = _document(everything(found.lines))
    speaker.document(
        {
            "session": number,
            "method": found.method.name,
            "meaning": found.meaning,
            "by": by,
            "total": whole,
            "rows": documents,
        }
    )
    names = ("row", "symbol", "day") if by == "trade" else ("name", "closers")
    three = any(document.get("allocated") is not None for document in documents)
    columns = (*names, "stored", *(("allocated",) if three else ()), "true", "difference", "reason")
    lines = [[_cell(document, column) for column in columns] for document in documents]
    last = ["all", *([""] * (len(names) - 1)), *(_cell(whole, column) for column in columns[len(names) :])]
    title = f"Session {number}: stored profit beside {found.method.name}, {found.meaning}"
    speaker.show(
        table(title, columns, [*lines, last], numbers=("closers", "stored", "allocated", "true", "difference"))
    )
    if whole["difference"] != "0.00" or any(document["reason"] != "equal" for document in documents):
        raise click.exceptions.Exit(Code.FINDING)


def _document(row: Any) -> dict[str, Any]:
    """Return a line or a sum as a document."""
    from ledger.units import decimal_text

    found = {}
    for name, value in row._asdict().items():
        money = name.endswith("_e8")
        found[name.removesuffix("_e8") if money else name] = (
            decimal_text(value) if money and value is not None else value
        )
    return {**found, "reason": found.pop("reasons", found.get("reason"))}


def _cell(document: dict[str, Any], name: str) -> Any:
    return document.get(name)
