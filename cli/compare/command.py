"""`onebook compare`: two or three sessions, of any kind and any book, held against the first.

Theory of operation. Words become journals and session ids; `ledger.compare` does the work and its
documents are printed. Nothing is calculated here.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import click

from cli.common import leaf
from cli.exits import Code
from cli.output import table, voice
from cli.settings import Settings


@click.command()
@click.argument("sessions", nargs=-1, required=True, metavar="A B [C]")
@click.option("--assert-equal", is_flag=True, help="Leave with 3 when anything that counts differs; for CI.")
@click.option("--only-differences", is_flag=True, help="List only the decisions that differ.")
@click.option("--rows", type=click.IntRange(min=0), default=20, show_default=True, help="Rows to list; 0 lists all, in --json too.")
@click.option("--story", metavar="KEY", help="Tell both stories of one decision, as its key is listed.")
@click.option("--html", "page", is_flag=True, help="Also write a page with curves, waterfall and rows to the folder --out.")
@click.option("--book", type=click.Path(), help="Journal of sessions that name none; default: ONEBOOK_BOOK, else runs/onebook.db.")
@click.option("--out", type=click.Path(), help="Folder for the page.")
@leaf
def compare(
    settings: Settings, sessions: tuple[str, ...], assert_equal: bool, only_differences: bool, rows: int, story: str | None, page: bool
) -> None:
    """Say in which decisions sessions differ, why, and what each cause cost, to the last unit.

    A, B and C are session numbers (`3`), books (`runs/paper.db`: its last session) or both (`runs/paper.db#3`). The second and the third
    are held against the first. Exit code 3 with --assert-equal when they are not equal. `compare legacy rebooked` shows the
    profits that the newest import stored beside the true ones.
    """
    if sessions == ("legacy", "rebooked"):
        from cli.rescue.rebooking import compare_stored

        compare_stored(settings, None, "FIFO", "symbol")
        return
    if not 2 <= len(sessions) <= 3:
        raise click.UsageError("name two or three sessions, as in `onebook compare 1 2` or `onebook compare 1 runs/paper.db#1`")
    from ledger.compare import compare_many
    from ledger.compare.words import document, row_document

    speaker = voice()
    with contextlib.ExitStack() as open_books, speaker.progress() as say:
        sources = [_source(open_books, text, settings("book")) for text in sessions]
        say("comparing")
        found = compare_many(sources)
        told = [_told(sources[0], sources[at], one, story) for at, one in enumerate(found, 1)] if story else []
        files = {"page": str(_page(sources, found, settings))} if page else {}
    documents = []
    for one in found:
        shown = list(one.different if only_differences else one.rows)
        documents.append({**document(one), "listed": [row_document(one, row) for row in (shown[:rows] if rows else shown)]})
    speaker.document({"comparisons": documents, "stories": told, "files": files})
    for one, words in zip(found, documents, strict=True):
        _show(one, words, only_differences)
    for stories in told:
        _show_stories(stories)
    if not speaker.as_json and files:
        click.echo(f"page: {files['page']}")
    if assert_equal and not all(one.certificate.equal for one in found):
        raise click.exceptions.Exit(Code.FINDING)


def _source(open_books: contextlib.ExitStack, text: str, book: str) -> tuple[Any, int]:
    """Return the journal, opened to read, and the session that a word names."""
    from cli.stored import session_of
    from ledger.journal import Journal

    path, hash_sign, number = text.rpartition("#")
    if not hash_sign:
        path, number = (book, text) if text.isascii() and text.isdecimal() else (text, "")
    if number and not (number.isascii() and number.isdecimal()):
        raise click.UsageError(f"{text!r}: behind # stands the number of a session, as in runs/paper.db#3")
    journal = open_books.enter_context(Journal.read(path or book))
    if journal.quarantine is not None:
        voice().say(f"warning: {journal.quarantine}")
    return journal, session_of(journal, int(number) if number else None).id


def _told(first: tuple[Any, int], second: tuple[Any, int], found: Any, key: str) -> dict[str, Any]:
    """Return both stories of a decision; a leg that a session does not have is None."""
    from ledger.compare import story
    from ledger.compare.words import story_document

    row = next((row for row in found.rows if row.text == key), None)
    if row is None:
        raise click.UsageError(f"neither session has a decision {key!r}; keys are listed as strategy|symbol|purpose|bar|leg")
    legs = [
        None if leg is None or leg.key == 0 else story_document(story(journal, number, leg.key))
        for leg, (journal, number) in ((row.a, first), (row.b, second))
    ]
    return {"key": key, "a": legs[0], "b": legs[1]}


def _page(sources: list[tuple[Any, int]], found: list[Any], settings: Settings) -> Path:
    from ledger.compare import curves
    from sim.output import export, sessions

    folder = Path(settings("out"))
    folder.mkdir(parents=True, exist_ok=True)
    stem = "-".join(f"{journal.path.stem}-{number}" for journal, number in sources)
    return Path(export.whole_file(folder / f"compare-{stem}.html", sessions.html(found, curves(sources)).encode()))


def _show(found: Any, words: dict[str, Any], only_differences: bool) -> None:
    """Print one comparison for people."""
    speaker, one, two = voice(), words["a"], words["b"]
    names = ("kind", "book", "session", "scope", "first", "last", "orders", "executions", "refusals", "fees_unknown", "equity")
    speaker.show(table("What is compared", ("", "first", "second"), [(name, one[name], two[name]) for name in names]))
    lines = [
        (part["cause"], part["amount"], part["rows"] or "", part["meaning"]) for part in words["parts"] if part["amount"] != "0.00"
    ]
    ends = [
        ("residual", words["residual"], "", "must be 0"),
        ("difference", words["difference"], "", f"{one['equity'] or 'unknown'} -> {two['equity'] or 'unknown'}"),
    ]
    heads = ("cause", "amount", "rows", "meaning")
    speaker.show(table("Why the final equities differ", heads, [*lines, *ends], numbers=("amount", "rows")))
    columns = ("decision", "differs", "first", "second", "effect", "why")
    rows = [
        (row["key"], ", ".join(row["differs"]), _leg(row["a"]), _leg(row["b"]), row["effect"], row["reason"] or "")
        for row in words["listed"]
    ]
    total = words["rows_different"] if only_differences else words["rows"]
    if rows:
        speaker.show(table(f"{len(rows)} of {total} decisions, {words['rows_different']} differ", columns, rows, numbers=("effect",)))
    if not speaker.as_json:
        for line in (*_certified(words["certificate"]), *words["notes"]):
            click.echo(line)


def _leg(leg: dict[str, Any] | None) -> str:
    if leg is None:
        return "nothing"
    if leg["executions"]:
        return f"{leg['filled']} at {leg['price'] or 'unknown'}, fee {leg['fee'] or 'unknown'}"
    return f"refused: {leg['refused']}" if leg["status"] is None and leg["refused"] else f"{leg['status']}, nothing filled"


def _certified(certificate: dict[str, Any]) -> list[str]:
    """Return the certificate as sentences."""
    if certificate["same_book"]:
        return [f"EQUAL: the same book, {certificate['events_a']:,} events, SHA-256 {certificate['digest_a']}"]
    word = "EQUAL in every decision, fill, fee and flow; journals differ" if certificate["equal"] else "NOT EQUAL"
    lines = [f"{word}: {certificate['rows_equal']:,} of {certificate['rows']:,} decisions are equal"]
    for name in ("first_row", "first_event"):
        if (first := certificate[name]) is not None:
            ends = f"{first['a'] or 'nothing'} and {first['b'] or 'nothing'}"
            lines.append(f"first difference: {first['place']}, {first['field']}: {ends} ({first['reason']})")
    return lines


def _show_stories(stories: dict[str, Any]) -> None:
    for name, label in (("a", "the first session"), ("b", "the second session")):
        told = stories[name]
        rows = [(step["event"], step["time"], step["what"], step["detail"]) for step in told["steps"]] if told else []
        rows += [("", "", "LOT", line) for line in told["lots"]] if told else []
        voice().show(table(f"{stories['key']} in {label}{'' if told else ': nothing'}", ("event", "time", "what", "detail"), rows))
