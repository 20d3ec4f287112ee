"""A comparison as documents: exact decimal text, ISO times, names instead of numbers, unknown as None.

Theory of operation. The command line, the page and the app show these documents, so they cannot
disagree. Nothing is computed here but decimals and dates.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from ledger.compare.model import Certificate, Comparison, Divergence, Leg, Row, Side, Story
from ledger.units import decimal_text
from ledger.vocabulary import Purpose

Document = dict[str, Any]


def document(found: Comparison) -> Document:
    """Return a comparison without its rows."""
    return {
        "a": side_document(found.a), "b": side_document(found.b), "difference": amount(found.difference_e8),
        "parts": [
            {"cause": part.cause.value, "amount": amount(part.amount_e8), "rows": part.rows, "meaning": part.meaning}
            for part in found.parts
        ],
        "residual": amount(found.residual_e8), "rows": len(found.rows), "rows_different": len(found.different),
        "certificate": certificate_document(found.certificate), "notes": list(found.notes),
    }  # fmt: skip


def side_document(side: Side) -> Document:
    """Return one session of a comparison."""
    return {
        "book": side.path, "session": side.info.id, "kind": side.info.kind, "scope": side.info.scope, "status": side.info.status,
        "events": side.seq, "events_not_shown": side.behind, "first": moment(side.first_ns), "last": moment(side.last_ns),
        "equity": amount(side.equity_e8), "cash": amount(side.cash_e8), "unpriced": list(side.unpriced),
        "fees_unknown": side.fees_unknown, "orders": side.orders, "executions": side.executions, "refusals": side.refusals,
        "digest": side.info.digest,
    }  # fmt: skip


def row_document(found: Comparison, row: Row) -> Document:
    """Return one row with both legs."""
    grids, key = found.grids[row.symbol], row.key
    return {
        "key": row.text, "kind": row.kind, "strategy": row.strategy, "symbol": row.symbol,
        "purpose": None if key is None else Purpose(key.purpose).name,
        "bar": None if key is None else moment(key.bar_s * 10**9), "leg": None if key is None else key.leg,
        "time": moment(row.time_ns), "differs": list(row.differs), "cause": row.cause.value if row.cause else None,
        "reason": row.reason or None, "effect": amount(row.effect_e8),
        "parts": {cause.value: amount(part) for cause, part in row.parts},
        "a": leg_document(row.a, grids.a), "b": leg_document(row.b, grids.b),
    }  # fmt: skip


def leg_document(leg: Leg | None, grid: tuple[int, int] | None) -> Document | None:
    """Return what one session made of a decision; None = nothing."""
    if leg is None:
        return None
    exp = grid[1] if grid else 0
    return {
        "status": leg.status.name if leg.status is not None else None, "refused": leg.refused.name if leg.refused is not None else None,
        "refusals": leg.refusals, "target": None if leg.target_lots is None else decimal_text(leg.target_lots, exp),
        "ordered": decimal_text(leg.ordered_lots, exp), "filled": decimal_text(leg.filled_lots, exp),
        "price": amount(leg.price_e8), "value": amount(leg.value_e8), "fee": amount(leg.fee_e8), "executions": leg.executions,
        "decided": moment(leg.decided_ns), "first_fill": moment(leg.first_ns), "last_fill": moment(leg.last_ns),
    }  # fmt: skip


def certificate_document(certificate: Certificate) -> Document:
    """Return how equal two sessions are."""
    plain = certificate._asdict()
    ends = {name: _divergence(plain.pop(name)) for name in ("first_event", "first_row")}
    return {**plain, **ends}


def story_document(found: Story) -> Document:
    """Return the life of a decision."""
    steps = [{"event": step.seq, "time": moment(step.time_ns), "what": step.what, "detail": step.detail} for step in found.steps]
    return {"key": found.key, "steps": steps, "lots": list(found.allocations)}


def _divergence(found: Divergence | None) -> Document | None:
    return None if found is None else found._asdict()


def amount(amount_e8: int | None) -> str | None:
    """Return money as exact decimal text."""
    return None if amount_e8 is None else decimal_text(amount_e8)


def moment(time_ns: int | None) -> str | None:
    """Return a UTC time as 2026-01-02T21:00:00Z; one that no calendar has as its nanoseconds."""
    if time_ns is None:
        return None
    seconds, rest = divmod(time_ns, 10**9)
    try:
        text = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    except (ValueError, OverflowError, OSError):
        return f"{time_ns} ns"
    return f"{text}{f'.{rest:09d}'.rstrip('0') if rest else ''}Z"
