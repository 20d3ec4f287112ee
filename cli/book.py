"""`onebook book`: read a stored session; nothing here writes one.

Theory of operation. Each command opens the journal read-only, asks `ledger.views` or the
replayed book one question and prints the answer as a table or as a document. Lists
come in pages with their total; profit always comes whole, with its sum. What
nobody knows is the word unknown with the time since when, and null in JSON.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import click

from cli.common import leaf, paged, stored
from cli.exits import Code
from cli.output import UNKNOWN, facts, moment, table, voice
from cli.settings import Settings

LEFT = frozenset(
    {"symbol", "strategy", "status", "side", "open_time", "close_time", "time", "day", "reason", "order_type", "key"}
)
"""Columns that are words; all others are numbers and stand to the right."""
MONEY = frozenset({"cost", "proceeds", "pnl", "net", "open_cost", "value", "unrealized", "realized", "fees"})
TIMES = frozenset({"open_time", "close_time", "time"})


@click.group()
def book() -> None:
    """Read a stored book: what it holds, what it earned, whether it is sound."""


def _grid(title: str, columns: Sequence[str], documents: Sequence[dict[str, Any]], short: bool = False) -> Any:
    """Return a table of documents; `short` shows cents and minutes, and the exact figures are in the JSON."""
    rows = [
        [_brief(column, document[column]) if short else document[column] for column in columns]
        for document in documents
    ]
    return table(title, columns, rows, numbers=[column for column in columns if column not in LEFT])


def _brief(column: str, value: Any) -> Any:
    """Return money in cents and a time in minutes; an amount that cents would turn into zero is shown exactly."""
    if not isinstance(value, str) or value.startswith(UNKNOWN):
        return value
    if column in MONEY:
        amount = Decimal(value)
        cents = amount.quantize(Decimal("0.01"))
        return f"{cents:,}" if cents or not amount else value
    return value[:16].replace("T", " ") if column in TIMES else value


def _since(text: str | None) -> str:
    return f"{UNKNOWN} since {text}" if text else UNKNOWN


def _unpriced(journal: Any, session_id: int) -> dict[int, str]:
    """Return, per instrument without a price, since when its worth is unknown: its oldest open lot."""
    from ledger import views

    unpriced = {
        row.instrument for row in views.positions(journal, session_id) if row.position_lots and row.value_e8 is None
    }
    oldest: dict[int, int] = {}
    for lot in views.lots(journal, session_id):
        if lot.instrument in unpriced:
            oldest[lot.instrument] = min(lot.open_time_ns, oldest.get(lot.instrument, lot.open_time_ns))
    return {number: moment(oldest.get(number)) or "" for number in unpriced}


@book.command()
@stored
@leaf
def status(settings: Settings, session_id: int | None) -> None:
    """Show one session: cash, equity, profit, limits hit."""
    from cli.stored import document, open_session, session_document
    from ledger import views
    from ledger.units import decimal_text
    from ledger.vocabulary import Gate

    with open_session(settings, session_id) as (journal, info):
        totals = views.totals(journal, info.id)
        since = min(_unpriced(journal, info.id).values(), default=None)
        refused = {reason.name: count for reason, count in views.refusal_counts(journal, info.id).items()}
        late = views.behind(journal, info.id)
        open_orders = sum(order.status <= 5 for order in views.orders(journal, info.id).rows)
    account: dict[str, Any] = {}
    if totals is not None:
        # The book counts its days by their ordinal; 0 means that no day has begun.
        account = document(totals) | {"day": date.fromordinal(totals.day).isoformat() if totals.day > 0 else None}
        unknown = totals.unmarked > 0
        account["equity"] = None if unknown else decimal_text(totals.cash_e8 + totals.value_e8)
        account["unrealized"] = None if unknown else decimal_text(totals.value_e8 - totals.open_cost_e8)
        account["value"] = None if unknown else account["value"]
        account["gates"] = [gate.name for gate in Gate if totals.gates & gate]
        account["unknown_since"] = since
    whole = {**session_document(info), "events_not_shown": late}
    whole |= {"account": account or None, "working_orders": open_orders, "refusals": refused}
    speaker = voice()
    speaker.document(whole)
    shown = [
        (key, whole[key]) for key in ("kind", "scope", "strategy", "started", "status", "events", "digest", "code")
    ]
    names = (
        "cash",
        "value",
        "equity",
        "realized",
        "unrealized",
        "fees",
        "income",
        "deposits",
        "adjusted",
        "unmatched",
        "reserved",
    )
    shown += [(name, account[name] if account[name] is not None else _since(since)) for name in names if account]
    shown += [("gates", ", ".join(account.get("gates", [])) or "none"), ("working orders", open_orders)]
    shown += [("refused", ", ".join(f"{count} {name}" for name, count in refused.items()) or "none")]
    speaker.show(facts(f"Session {info.id} in {settings('book')}", shown))


@book.command()
@click.option("--all", "everything", is_flag=True, help="Flat instruments, too.")
@stored
@leaf
def positions(settings: Settings, session_id: int | None, everything: bool) -> None:
    """List what is held, and what it is worth."""
    from cli.stored import document, open_session
    from ledger import views

    with open_session(settings, session_id) as (journal, info):
        rows = views.positions(journal, info.id)
        since = _unpriced(journal, info.id)
    wanted = [row for row in rows if everything or row.position_lots or row.working_lots or row.unmatched_lots]
    documents = [{**document(row), "unknown_since": since.get(row.instrument)} for row in wanted]
    speaker = voice()
    speaker.document({"session": info.id, "total": len(documents), "positions": documents})
    shown = [d | {k: _since(d["unknown_since"]) for k in ("value", "unrealized") if d[k] is None} for d in documents]
    columns = ("symbol", "position", "working", "open_cost", "mark", "value", "unrealized", "realized", "fees")
    speaker.show(_grid(f"{len(documents)} of {len(rows)} instruments, session {info.id}", columns, shown, short=True))


@book.command()
@paged
@stored
@leaf
def lots(settings: Settings, session_id: int | None, page: int, rows: int) -> None:
    """List the open lots, oldest first."""
    from cli.stored import document, exponents, open_session, page_of
    from ledger import views

    with open_session(settings, session_id) as (journal, info):
        found, known = views.lots(journal, info.id), exponents(journal, info.id)
    documents = [document(row, known) for row in page_of(found, page, rows)]
    speaker = voice()
    speaker.document({"session": info.id, "total": len(found), "page": page, "lots": documents})
    columns = ("number", "symbol", "side", "qty", "open", "cost", "open_time")
    speaker.show(
        _grid(f"{len(documents)} of {len(found)} open lots, session {info.id}", columns, documents, short=True)
    )


@book.command()
@paged
@stored
@leaf
def trades(settings: Settings, session_id: int | None, page: int, rows: int) -> None:
    """List what was closed: each part of a lot that an execution took."""
    from cli.stored import document, exponents, open_session, page_of
    from ledger import views

    with open_session(settings, session_id) as (journal, info):
        found, known = views.pnl_trades(journal, info.id), exponents(journal, info.id)
    documents = [document(row, known) for row in page_of(found, page, rows)]
    speaker = voice()
    speaker.document({"session": info.id, "total": len(found), "page": page, "trades": documents})
    shown = [d | {"net": _since(d["close_time"])} if d["net"] is None else d for d in documents]
    columns = ("number", "symbol", "side", "qty", "cost", "proceeds", "pnl", "net", "open_time", "close_time")
    speaker.show(_grid(f"{len(documents)} of {len(found)} trades, session {info.id}", columns, shown, short=True))


@book.command()
@paged
@stored
@leaf
def orders(settings: Settings, session_id: int | None, page: int, rows: int) -> None:
    """List the orders, oldest first."""
    from cli.stored import document, exponents, open_session
    from ledger import views

    with open_session(settings, session_id) as (journal, info):
        found = views.orders(journal, info.id, page - 1 if rows else 0, rows or None)
        known = exponents(journal, info.id)
    documents = [document(row, known) | {"key": str(row.key)} for row in found.rows]
    speaker = voice()
    speaker.document({"session": info.id, "total": found.total, "page": page, "orders": documents})
    columns = ("number", "symbol", "status", "side", "qty", "filled", "price", "order_type", "time")
    shown = [d | {"side": {"long": "buy", "short": "sell"}.get(d["side"], "none")} for d in documents]
    speaker.show(_grid(f"{len(documents)} of {found.total} orders, session {info.id}", columns, shown, short=True))


@book.command()
@click.option("--by", type=click.Choice(["trade", "symbol", "day"]), default="symbol", show_default=True)
@stored
@leaf
def pnl(settings: Settings, session_id: int | None, by: str) -> None:
    """Show realized profit, all of it: by trade, symbol or day, with the sum."""
    from cli.stored import document, exponents, open_session
    from ledger import views
    from ledger.units import decimal_text

    question = {"trade": views.pnl_trades, "symbol": views.pnl_symbols, "day": views.pnl_days}[by]
    with open_session(settings, session_id) as (journal, info):
        rows: Any = question(journal, info.id)
        known = exponents(journal, info.id)
        waiting = min(
            (row.close_time_ns for row in views.pnl_trades(journal, info.id) if row.net_e8 is None), default=None
        )
    documents = [document(row, known) for row in rows]
    nets = [row.net_e8 for row in rows]
    total = {
        "pnl": decimal_text(sum(row.pnl_e8 for row in rows)),
        "net": None if None in nets else decimal_text(sum(nets)),
        "fees_unknown_since": moment(waiting),
    }
    speaker = voice()
    speaker.document({"session": info.id, "by": by, "total": total, "rows": documents})
    columns = {
        "trade": ("number", "symbol", "side", "qty", "pnl", "net", "close_time"),
        "symbol": ("symbol", "trades", "winners", "pnl", "net"),
        "day": ("day", "trades", "winners", "pnl", "net"),
    }[by]
    unknown = _since(total["fees_unknown_since"])
    lines = [d | {"net": unknown if d["net"] is None else d["net"]} for d in documents]
    last = dict.fromkeys(columns, "") | {columns[0]: "all", "pnl": total["pnl"], "net": total["net"] or unknown}
    speaker.show(_grid(f"Realized profit by {by}, session {info.id}; net is after fees", columns, [*lines, last]))


@book.command()
@click.argument("since")
@click.argument("until")
@stored
@leaf
def explain(settings: Settings, session_id: int | None, since: str, until: str) -> None:
    """Split the change of equity between SINCE and UNTIL by cause; nothing may be left over.

    A moment is a date (the end of that trading day), a time as 2018-06-29T20:00:00Z, `start` or `end`.
    """
    from cli.explain import explain as split
    from cli.rescue.explaining import stored_explanation
    from cli.stored import open_session
    from ledger.explain import events_of
    from ledger.journal.days import zone_of
    from ledger.units import decimal_text

    with open_session(settings, session_id) as (journal, info):
        if info.kind == "import" and (stored := stored_explanation(journal, info.id, since, until)) is not None:
            found = stored
        else:
            found = split(events_of(journal, info.id), info.method, since, until, zone_of(json.loads(info.config)))

    def text(amount_e8: int | None) -> str | None:
        return None if amount_e8 is None else decimal_text(amount_e8)

    speaker = voice()
    parts = {part.name: text(part.amount_e8) for part in found.parts}
    ends = {"before": text(found.before_e8), "after": text(found.after_e8)}
    change = None if found.before_e8 is None or found.after_e8 is None else text(found.after_e8 - found.before_e8)
    whole = {"session": info.id, "from_event": found.from_seq, "to_event": found.to_seq, **ends, "change": change}
    speaker.document({**whole, "parts": parts, "residual": text(found.residual_e8)})
    rows = [(part.name, text(part.amount_e8), part.meaning) for part in found.parts]
    ending = [
        ("residual", text(found.residual_e8), "must be 0"),
        ("change of equity", change, f"{ends['before']} -> {ends['after']}"),
    ]
    title = f"Session {info.id}, events {found.from_seq} to {found.to_seq}"
    speaker.show(table(title, ("cause", "amount", "meaning"), [*rows, *ending], numbers=("amount",)))
    if found.residual_e8:
        raise click.exceptions.Exit(Code.FINDING)


@book.command()
@stored
@leaf
def check(settings: Settings, session_id: int | None) -> None:
    """Recount every invariant of the book; exit 3 when one is broken."""
    from cli.stored import open_session
    from ledger.invariants import Invariant
    from ledger.invariants import check as recount

    with open_session(settings, session_id) as (journal, info):
        replayed = journal.book(info.id)
    broken = recount(replayed)
    holds = broken == Invariant.HOLDS
    speaker = voice()
    speaker.document(
        {"session": info.id, "holds": holds, "broken": None if holds else broken.name, "digest": replayed.digest()}
    )
    words = f"all {len(Invariant) - 1} invariants hold" if holds else f"BROKEN: {broken.name}"
    speaker.show(f"session {info.id}, {replayed.seq} events, book {replayed.digest()[:12]}: {words}")
    if not holds:
        raise click.exceptions.Exit(Code.FINDING)


@book.command()
@stored
@leaf
def verify(settings: Settings, session_id: int | None) -> None:
    """Compare the journal with its hash chain, its replay and its projections; exit 3 when something differs."""
    from cli.stored import open_session

    with open_session(settings, session_id) as (journal, info):
        found = journal.verify(info.id)
    findings = [finding._asdict() for finding in found.findings]
    speaker = voice()
    speaker.document(
        {"session": info.id, "events": found.events, "digest": found.digest, "ok": found.ok, "findings": findings}
    )
    words = "chain, replay, snapshots, mark and projections agree" if found.ok else f"{len(findings)} findings"
    speaker.show(f"session {info.id}, {found.events} events, book {found.digest[:12]}: {words}")
    if not found.ok:
        speaker.show(table("", ("part", "finding"), [(finding.part, finding.text) for finding in found.findings]))
        raise click.exceptions.Exit(Code.FINDING)


@book.command()
@click.argument("path", type=click.Path())
@click.option("--force", is_flag=True, help="Write over a file that is there.")
@click.option("--book", type=click.Path(), help="Journal to copy.")
@leaf
def backup(settings: Settings, path: str, force: bool) -> None:
    """Copy the journal to PATH, checked, while it is in use."""
    from cli.stored import open_book

    if Path(path).exists() and not force:
        raise click.UsageError(f"{path} is there already; name another file or pass --force")
    with open_book(settings) as journal:
        journal.backup(path)
        sessions = len(journal.sessions())
    size = Path(path).stat().st_size
    speaker = voice()
    speaker.document({"path": path, "sessions": sessions, "bytes": size})
    speaker.show(f"{sessions} sessions of {settings('book')} copied to {path} ({size:,} bytes)")
