"""Every audit, in the order in which a reader wants to know, and what they say together.

Theory of operation. An audit that does not apply to a file (no such table, no such column) yields nothing. Findings are
sorted by severity and then by amount, so that the first line is the worst. Notes are what a reader must
know to judge them: how the start cash is known, what was rounded, what was left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from ledger.rescue.audit import allocations, cash, clock, duplicates, equity, positions, profit, rows
from ledger.rescue.audit.finding import ERROR, SUSPICION, WARNING, Audit, Calendar, Case, Finding, text
from ledger.rescue.legacy import Legacy
from ledger.rescue.readers.opening import Progress
from ledger.rescue.truth import truth_of
from ledger.vocabulary import Method

AUDITS: Mapping[str, Audit] = {
    "damaged file": rows.damaged_page,
    "unreadable values": rows.unreadable,
    "text that is not UTF-8": rows.not_utf8,
    "deleted rows": rows.deleted,
    "positions against trades": positions.footing,
    "cost of positions": positions.cost,
    "cash against trades": cash.footing,
    "economic identity": cash.identity,
    "equity as a sum": cash.equity_sum,
    "realized profit of the account": cash.realized_books,
    "duplicates": duplicates.duplicates,
    "sales without a lot": profit.without_basis,
    "missing profits": profit.missing,
    "stored profits": profit.wrong,
    "truncated queries": equity.truncated,
    "missing days": equity.missing_days,
    "edited days": equity.edited,
    "cash from day to day": equity.cash_jumps,
    "order of time": clock.backwards,
    "time zone": clock.zone,
    "day of a profit": clock.next_day,
    "allocations against orders": allocations.over_allocated,
    "allocations to later purchases": allocations.later_buys,
    "profit of allocations": allocations.profit,
    "two engines": allocations.engines,
    "parents of sales": allocations.parents,
    "remaining sizes": allocations.remaining,
}
_RANK = {ERROR: 0, WARNING: 1, SUSPICION: 2}


class Audited(NamedTuple):
    """What was found, what was looked for, and what one must know to read it."""

    findings: list[Finding]
    notes: list[str]
    audits: list[str]
    case: Case


def run(legacy: Legacy, calendar: Calendar | None = None, progress: Progress | None = None) -> Audited:
    """Run every audit on a file."""
    say = progress or (lambda _text: None)
    say(f"booking {len(legacy.trades):,} trades")
    case = Case(legacy, truth_of(legacy), calendar)
    found: list[Finding] = []
    for name, audit in AUDITS.items():
        say(f"auditing {name}")
        found += audit(case)
    found.sort(key=lambda one: (_RANK[one.severity], -abs(one.amount_e8 or 0), one.audit, one.symbol or ""))
    return Audited(found, notes(case), list(AUDITS), case)


def notes(case: Case) -> list[str]:
    """Return what a reader of the findings must know."""
    legacy, said = case.legacy, list(case.legacy.notes)
    for name, start in legacy.start.items():
        said.append(f"start cash of {name}: {text(start.amount_e8)} ({start.origin})")
    if legacy.trades.rounded:
        said.append(
            f"{legacy.trades.rounded} prices or quantities have more than eight decimals and were rounded to them, "
            f"half to even"
        )
    if legacy.trades.has_pnl:
        used, meaning = profit.method_used(case), profit.compared(case).name
        if used != Method.FIFO:
            said.append(
                f"every stored profit is that of the {used.name} method; FIFO gives others, and that is no fault"
            )
        elif legacy.trades.pnl_known.any():
            said.append(f"stored profits are read as {meaning}")
    if (gap := allocations.gaps(case)) is not None:
        said.append(gap)
    if legacy.positions is None and not legacy.accounts:
        said.append("the file has no positions and no account: what it holds cannot be held against its trades")
    return said
