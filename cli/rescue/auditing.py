"""`onebook book audit`: what is wrong with an account, by how much, and how sure that is.

Theory of operation. The findings come from `ledger.rescue.audit`; here they become a table, one JSON document
or a page. The exit code is 3 when there is a finding. Nothing is written but the page that was asked for.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from cli.common import leaf
from cli.exits import Code
from cli.output import table, voice
from cli.rescue.common import Opened, calendar, options_from, reading, target
from cli.settings import Settings

ROWS_SHOWN = 4


@click.command()
@click.argument("name", metavar="[SESSION|FILE]", required=False)
@reading
@click.option("--html", type=click.Path(), help="Write the report as one page, too.")
@click.option("--book", type=click.Path(), help="Journal to read; default: ONEBOOK_BOOK, else runs/onebook.db.")
@leaf
def audit(
    settings: Settings,
    name: str | None,
    form: str | None,
    start_cash: str | None,
    naive_zone: str | None,
    columns: tuple[str, ...],
    html: str | None,
) -> None:
    """Audit an import session, or a file as it is; exit 3 when something is wrong.

    Without a name the newest import session is audited.
    """
    from ledger.rescue.audit import run
    from ledger.rescue.sessions import evidence_intact

    options = options_from(form, start_cash, naive_zone, columns)
    speaker = voice()
    with speaker.progress() as say, target(settings, name, options, say) as opened:
        intact = opened.session_id is None or evidence_intact(opened.journal, opened.session_id)
        found = run(opened.legacy, calendar, say)
    document = _document(opened, found, intact)
    speaker.document(document)
    speaker.show(*_tables(document))
    if html is not None:
        from cli.rescue.page import page

        Path(html).write_text(page(document), encoding="utf-8")
        speaker.say(f"the report is in {html}")
    if document["findings"]:
        raise click.exceptions.Exit(Code.FINDING)


def _document(opened: Opened, found: Any, intact: bool) -> dict[str, Any]:
    """Return the audit as a document; amounts are decimal text, unknown ones null."""
    findings = [finding_document(finding) for finding in found.findings]
    if not intact:
        findings.insert(0, _changed())
    legacy = opened.legacy
    return {
        "session": opened.session_id,
        "file": opened.file["file"],
        "sha256": opened.file["sha256"],
        "schema": legacy.schema,
        "generation": legacy.generation,
        "trades": len(legacy.trades),
        "booked": int(legacy.trades.bookable.sum()),
        "total": len(findings),
        "findings": findings,
        "notes": found.notes,
        "audits": found.audits,
    }


def finding_document(finding: Any) -> dict[str, Any]:
    """Return one finding as a document."""
    from ledger.units import decimal_text

    amount = None if finding.amount_e8 is None else decimal_text(finding.amount_e8)
    return {
        "audit": finding.audit,
        "severity": finding.severity,
        "title": _plain(finding.title),
        "symbol": None if finding.symbol is None else _plain(finding.symbol),
        "amount": amount,
        "sure": finding.sure,
        "rows_total": len(finding.rows),
        "rows": [_plain(row) for row in finding.rows],
        "derivation": _plain(finding.derivation),
        "sql": finding.sql,
        "detail": list(finding.detail),
    }


def _plain(text: str) -> str:
    """Return text that can be printed; what was not UTF-8 shows as escapes."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _changed() -> dict[str, Any]:
    return {
        "audit": "evidence-changed",
        "severity": "error",
        "title": "the kept rows are not those that were imported",
        "symbol": None,
        "amount": None,
        "sure": "certain",
        "rows_total": 0,
        "rows": [],
        "derivation": "their SHA-256 is not the one in the session's config; restore a backup of the journal",
        "sql": None,
        "detail": [],
    }


def _tables(document: dict[str, Any]) -> list[Any]:
    """Return what people see: the findings, how each amount follows, and the notes."""
    total, name = document["total"], document["file"]
    of = f"{document['trades']:,} trades of {document['schema']} {document['generation']}"
    head = f"{name}: {of}, {len(document['audits'])} audits, {total} findings"
    shown: list[Any] = [head]
    if total:
        lines = [
            (
                n,
                one["severity"],
                one["sure"],
                one["audit"],
                one["title"],
                one["amount"] if one["amount"] is not None else "-",
                _rows(one),
            )
            for n, one in enumerate(document["findings"], 1)
        ]
        shown.append(
            table("", ("#", "severity", "sure", "audit", "finding", "amount", "rows"), lines, numbers=("#", "amount"))
        )
        shown += [f"{n}. {one['derivation']}" for n, one in enumerate(document["findings"], 1)]
    shown += [f"note: {note}" for note in document["notes"]]
    return shown


def _rows(one: dict[str, Any]) -> str:
    rest = one["rows_total"] - ROWS_SHOWN
    return ", ".join(one["rows"][:ROWS_SHOWN]) + (f" and {rest} more" if rest > 0 else "")
