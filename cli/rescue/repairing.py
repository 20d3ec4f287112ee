"""`onebook book repair`: the corrections that a file's own tables ask for, shown first and recorded when asked.

Theory of operation. --dry-run is what happens without --apply: the plan and its questions are shown. --apply copies the
journal beside itself, then records a new session with the import's events and the corrections; the import stays.
"""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import Any

import click

from cli.common import leaf
from cli.output import table, voice
from cli.rescue.common import Opened, last_import, target
from cli.settings import Settings


@click.command()
@click.argument("name", metavar="[SESSION]", required=False, type=click.IntRange(min=1))
@click.option("--dry-run", is_flag=True, help="Only show the plan; this is what happens without --apply, too.")
@click.option(
    "--apply", "write", is_flag=True, help="Record the corrections into a new session; the import stays as it is."
)
@click.option("--operator", help="Who repairs; part of the evidence (default: the user's name).")
@click.option(
    "--book", type=click.Path(), help="Journal to read and write; default: ONEBOOK_BOOK, else runs/onebook.db."
)
@leaf
def repair(settings: Settings, name: int | None, dry_run: bool, write: bool, operator: str | None) -> None:
    """Propose corrections with their evidence, and record them with --apply; nothing is ever deleted."""
    from cli.stored import open_book
    from ledger.rescue.audit import Case
    from ledger.rescue.repair import plan
    from ledger.rescue.truth import truth_of

    if dry_run and write:
        raise click.UsageError("--dry-run and --apply exclude each other")
    with open_book(settings) as journal:
        session_id = name or last_import(journal)
    speaker = voice()
    with speaker.progress() as say, target(settings, str(session_id), None, say) as opened:
        case = Case(opened.legacy, truth_of(opened.legacy))
        made = plan(case)
    applied = _applied(settings, session_id, case, made, operator) if write else None
    document = _document(opened, case, made, applied)
    speaker.document(document)
    speaker.show(*_tables(document))


def _applied(settings: Settings, session_id: int, case: Any, made: Any, operator: str | None) -> Any:
    """Back the journal up and record the plan."""
    from ledger.journal import Journal
    from ledger.rescue.repair import apply_plan

    book = Path(settings("book"))
    with Journal.open(book) as journal:
        journal.backup(book.with_name(f"{book.name}.before-repair-{session_id}"))
        return apply_plan(journal, session_id, case, made, operator or getpass.getuser())


def _document(opened: Opened, case: Any, made: Any, applied: Any) -> dict[str, Any]:
    from ledger.units import decimal_text

    steps = [
        {
            "kind": step.kind,
            "symbol": step.symbol,
            "row": step.row,
            "quantity": decimal_text(step.qty_e8, 8, 0),
            "price": decimal_text(step.price_e8) if step.price_e8 else None,
            "cash": decimal_text(step.cash_e8),
            "evidence": step.evidence,
        }
        for step in made.steps
    ]
    return {
        "session": opened.session_id,
        "applied": None if applied is None else applied.session_id,
        "total": len(steps),
        "cash": decimal_text(sum(step.cash_e8 for step in made.steps)),
        "steps": steps,
        "questions": made.questions,
        "before_after": [] if applied is None else _before_after(case, applied),
    }


def _before_after(case: Any, applied: Any) -> list[dict[str, Any]]:
    """Return cash and each position that changed: before, after, and as the file stored it."""
    from ledger.rescue.audit.positions import held_by_symbol
    from ledger.units import decimal_text

    stored_cash = [account.cash_e8 for account in case.legacy.accounts if account.cash_e8 is not None]
    rows = [
        {
            "what": "cash",
            "before": decimal_text(applied.before.cash_e8),
            "after": decimal_text(applied.after.cash_e8),
            "stored": decimal_text(stored_cash[0]) if len(stored_cash) == 1 else None,
        }
    ]
    held = held_by_symbol(case) or {}
    names = {case.legacy.label(code): held.get(code, 0) for code in range(len(case.legacy.symbols))}
    for symbol, before in applied.before.positions.items():
        if before != applied.after.positions[symbol]:
            amounts = (before, applied.after.positions[symbol], names[symbol])
            rows.append(
                dict(
                    zip(
                        ("what", "before", "after", "stored"),
                        (symbol, *(decimal_text(one, 8, 0) for one in amounts)),
                        strict=True,
                    )
                )
            )
    return rows


def _tables(document: dict[str, Any]) -> list[Any]:
    columns = ("kind", "symbol", "row", "quantity", "price", "cash", "evidence")
    lines = [[step[column] if step[column] is not None else "" for column in columns] for step in document["steps"]]
    title = f"Session {document['session']}: {document['total']} corrections, cash {document['cash']}"
    shown: list[Any] = [
        table(title, columns, lines, numbers=("quantity", "price", "cash")) if lines else f"{title}; nothing to repair"
    ]
    if document["applied"] is None:
        shown.append("nothing was written; --apply records this into a new session" if lines else "")
    else:
        rows = [[row[column] for column in ("what", "before", "after", "stored")] for row in document["before_after"]]
        made = f"recorded as session {document['applied']}"
        shown.append(
            table(
                made,
                ("what", "before", "after", "stored in the file"),
                rows,
                numbers=("before", "after", "stored in the file"),
            )
        )
    return [*shown, *(f"question: {question}" for question in document["questions"])]
