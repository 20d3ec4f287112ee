"""`onebook report daily`: write a day's report, say what it found, and send it when asked."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import click

from cli.common import leaf, stored
from cli.exits import Code
from cli.output import table, voice
from cli.settings import Settings


@click.group()
def report() -> None:
    """Write reports of stored sessions."""


@report.command()
@click.option("--date", "day", metavar="YYYY-MM-DD", help="Trading day in the session's zone; default: the last one.")
@click.option("--mail", is_flag=True, help="Send it, too, by the settings smtp, mail_from and mail_to.")
@click.option("--by", help="Also what each 5min, 1h ... of the day brought, on the exchange's clock.")
@click.option("--out", type=click.Path(), help="Folder to write to.")
@stored
@leaf
def daily(settings: Settings, session_id: int | None, day: str | None, mail: bool, by: str | None) -> None:
    """Report a trading day: equity by cause, totals beside their recount from executions, trades, refusals, what changed.

    Exit code 3 when a total differs from its recount, or the causes do not explain the change to the last unit.
    """
    from cli.report import mail as post
    from cli.stored import open_session
    from sim.daily import paper
    from sim.daily import report as made
    from sim.output.periods import documents
    from sim.output.periods import table as periods_table
    from sim.output.stored import from_journal

    server = post.server_of(settings) if mail else None
    with open_session(settings, session_id) as (journal, info):
        found = made(journal, info.id, None if day is None else _day(day))
        parts = [] if by is None else paper.day_parts(from_journal(journal, info), found, by)
    folder = Path(settings("out"))
    earlier, same = paper.kept(found, folder)
    files = paper.write(found, folder, parts)
    words = _document(found, earlier, same, files) | ({} if by is None else {"by": by, "periods": documents(parts)})
    speaker = voice()
    if server is not None:
        message = post.message_of(settings, f"onebook {found.date}: {found.info.scope}", _text(words), files)
        words["sent_to"] = post.send(server, message)
    speaker.document(words)
    if by is not None:
        voice().show(periods_table(parts, by))
    _show(words)
    if found.explanation.residual_e8 or any(total.agrees is False for total in found.totals):
        raise click.exceptions.Exit(Code.FINDING)


def _day(text: str) -> int:
    """Return a date as days since 1970-01-01."""
    try:
        return date.fromisoformat(text).toordinal() - date(1970, 1, 1).toordinal()
    except ValueError:
        raise click.BadParameter(f"{text!r} is no date; write 2026-01-02", param_hint="--date") from None


def _document(found: Any, earlier: Any, same: Any, files: dict[str, Path]) -> dict[str, Any]:
    """Return the one JSON document of a report."""
    from ledger.units import decimal_text
    from sim.daily import paper
    from sim.daily.facts import plain

    def text(amount_e8: int | None) -> str | None:
        return None if amount_e8 is None else decimal_text(amount_e8)

    now, explained = plain(found), found.explanation
    return {
        "session": found.info.id, "book": found.book, "date": found.date, "zone": found.zone, "events": found.events,
        "before": text(explained.before_e8), "after": text(explained.after_e8),
        "causes": {part.name: text(part.amount_e8) for part in explained.parts}, "residual": text(explained.residual_e8),
        "totals": [
            {
                "name": total.name, "value": text(total.value), "recounted": text(total.recounted), "agrees": total.agrees,
                "meaning": total.meaning,
            }
            for total in found.totals
        ],
        **{name: now[name] for name in ("executions", "orders", "trades", "refusals", "fees_unknown")},
        "since": {"date": earlier["date"] if earlier else None, "changes": [one._asdict() for one in paper.changes(now, earlier)]},
        "again": [one._asdict() for one in paper.changes(now, same)],
        "files": {kind: str(path) for kind, path in files.items()}, "sent_to": [],
    }  # fmt: skip


def _text(words: dict[str, Any]) -> str:
    """Return a report as lines of plain text, for the body of a message."""
    lines = [f"{words['date']}: equity {words['before'] or 'unknown'} became {words['after'] or 'unknown'}"]
    lines += [f"  {name}: {amount or 'unknown'}" for name, amount in words["causes"].items() if amount != "0.00"]
    lines += [
        f"{one['name']}: {one['value']} in the book, {one['recounted']} by executions{'' if one['agrees'] else ' - NOT EQUAL'}"
        for one in words["totals"]
    ]
    counts = ", ".join(f"{words[name]} {name.replace('_', ' ')}" for name in ("executions", "orders", "trades", "refusals", "fees_unknown"))
    return "\n".join([*lines, counts, ""])


def _show(words: dict[str, Any]) -> None:
    """Print a report for people."""
    speaker = voice()
    rows = [(name, amount) for name, amount in words["causes"].items() if amount != "0.00"]
    ends = [("residual", words["residual"]), ("equity", f"{words['before'] or 'unknown'} -> {words['after'] or 'unknown'}")]
    speaker.show(table(f"Session {words['session']}, {words['date']}", ("cause", "amount"), [*rows, *ends], numbers=("amount",)))
    answers = {True: "yes", False: "NO", None: "unknown"}
    lines = [(one["name"], one["value"], one["recounted"], answers[one["agrees"]]) for one in words["totals"]]
    speaker.show(table("Totals", ("total", "book", "by executions", "agrees"), lines, numbers=("book", "by executions")))
    if words["since"]["date"]:
        changed = [(one["name"], one["before"], one["now"]) for one in words["since"]["changes"]]
        speaker.show(table(f"Since {words['since']['date']}", ("figure", "then", "now"), changed, numbers=("then", "now")))
    if not speaker.as_json:
        for path in words["files"].values():
            click.echo(path)
        if words["sent_to"]:
            click.echo(f"sent to {', '.join(words['sent_to'])}")
