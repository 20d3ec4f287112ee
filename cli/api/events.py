"""One stored event as a document: what happened to what, in decimal text.

Theory of operation. The journal keeps every kind of event in the same columns, and a kind uses some of them for
something else: an instrument's order step stands where a fill has its quantity, a limit's value where a deposit has its
cash. So an amount is told only for the kinds whose column is that amount (`docs/events.md`), and there 0 is 0;
everywhere else it is null.
"""

from __future__ import annotations

from typing import Any

CASH = frozenset(("DEPOSIT", "WITHDRAWAL", "DIVIDEND", "INTEREST", "BORROW_FEE", "ADJUST_CASH"))
SIDED = frozenset(("CLAIM", "FILL", "ADJUST_POSITION"))
"""Kinds with a side and a quantity. A refused wish has neither: what would have been bought was never decided."""
PRICED = SIDED | {"MARK"}


def events_after(book: str, session_id: int | None, after: int, most: int) -> tuple[int, list[dict[str, Any]]]:
    """Return (session, up to `most` of its events after a number, as documents)."""
    from cli.stored import exponents, session_of
    from ledger import views
    from ledger.journal import Journal
    from ledger.views.rows import events_after as stored

    with Journal.read(book) as journal:
        info = session_of(journal, session_id)
        known = exponents(journal, info.id)
        names = {row.instrument: row.symbol for row in views.positions(journal, info.id)}
        rows = stored(journal, info.id, after, most)
        return info.id, [told(info.id, row, known, names) for row in rows]


def told(session_id: int, row: Any, known: dict[int, Any], names: dict[int, str]) -> dict[str, Any]:
    """Return one event as a document; an amount its kind does not carry is null, and so is a time it does not have."""
    from cli.output import moment
    from ledger.vocabulary import EventKind

    kind = EventKind(row.kind).name
    return {
        "session": session_id,
        "seq": row.seq,
        "time": moment(row.time_ns or None),
        "kind": kind,
        "symbol": names.get(row.instrument),
        "side": {1: "buy", -1: "sell"}.get(row.side) if kind in SIDED else None,
        **_amounts(kind, row, known.get(row.instrument)),
    }


def _amounts(kind: str, row: Any, exps: Any) -> dict[str, str | None]:
    """Return quantity, price, cash and fee as exact decimal text."""
    from ledger.units import decimal_text

    # A claim without a price is a market order without a worst price; an execution at price 0 has one.
    priced = exps and kind in PRICED and (row.price_ticks or kind != "CLAIM")
    return {
        "quantity": decimal_text(row.qty_lots, exps.qty) if exps and kind in SIDED else None,
        "price": decimal_text(row.price_ticks, exps.price) if priced else None,
        "cash": decimal_text(row.cash_e8) if kind in CASH else None,
        "fee": decimal_text(row.fee_e8) if kind == "COMMISSION" else None,
    }
