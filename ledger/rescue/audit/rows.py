"""Rows that cannot be read, rows that were deleted, text that is not UTF-8, a file with a damaged page.

Theory of operation. A table whose ids SQLite gives (AUTOINCREMENT) remembers the highest id ever given, so a missing
id is a row that was deleted: that is certain. What the deleted rows did is not in the file any more, but
their net effect on cash is: it is what cash has and the remaining trades do not explain.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ledger.rescue.audit.finding import CERTAIN, ERROR, LIKELY, WARNING, Case, Finding, text, total
from ledger.rescue.legacy import Int64s, Problem

HOUR_NS = 3_600 * 10**9


def unreadable(case: Case) -> Iterator[Finding]:
    """Find values that are not what their column says, one finding for each column and fault."""
    groups: dict[tuple[str, str, bool], list[Problem]] = {}
    for problem in case.legacy.problems:
        groups.setdefault((problem.column, problem.what, problem.fatal), []).append(problem)
    for (column, what, fatal), problems in groups.items():
        values = ", ".join(dict.fromkeys(repr(problem.value)[:40] for problem in problems[:5]))
        effect = "These rows are not booked." if fatal else "These rows are booked."
        yield Finding(
            "unreadable-value",
            ERROR if fatal else WARNING,
            f"{column} {what} in {len(problems)} rows",
            None,
            [problem.row for problem in problems],
            f"values such as {values}. {effect}",
            CERTAIN,
        )


def not_utf8(case: Case) -> Iterator[Finding]:
    """Find texts that are not UTF-8; their bytes are kept."""
    bad = [symbol.name for symbol in case.legacy.symbols if _odd(symbol.name)]
    rows = [
        at
        for at in range(len(case.legacy.trades))
        if bad and _odd(case.legacy.symbols[int(case.legacy.trades.symbol[at])].name)
    ]
    elsewhere = int(case.legacy.facts.get("not_utf8", 0))
    if bad or elsewhere:
        shown = ", ".join(name.encode("utf-8", "surrogateescape").hex() for name in bad) or f"{elsewhere} values"
        yield Finding(
            "not-utf8",
            WARNING,
            f"{len(bad) or elsewhere} texts are not UTF-8",
            None,
            case.legacy.trades.rows(rows),
            f"bytes in hexadecimal: {shown}. They are kept as they are.",
            CERTAIN,
        )


def _odd(value: str) -> bool:
    return any("\udc80" <= letter <= "\udcff" for letter in value)


def damaged_page(case: Case) -> Iterator[Finding]:
    """Report what SQLite's own check of the file says."""
    said = case.legacy.facts.get("page_check", "ok")
    if said != "ok":
        yield Finding(
            "damaged-file",
            ERROR,
            "SQLite finds the file damaged",
            None,
            [],
            str(said),
            CERTAIN,
            sql="PRAGMA quick_check",
        )


def deleted(case: Case) -> Iterator[Finding]:
    """Find rows that were deleted: ids that are missing, and what their absence did."""
    trades = case.legacy.trades
    given = case.legacy.facts.get("deleted_ids")
    if given is None or not all(ident.isdecimal() for ident in trades.ident):
        return
    ids = np.array(trades.ident, np.int64)
    most = int(given.get(trades.table, 0)) or (int(ids.max()) if len(ids) else 0)
    lost = most - len(np.unique(ids))
    if lost <= 0:
        return
    remembered = trades.table in given
    sells = int((trades.side[trades.bookable] < 0).sum())
    amount, why = _unexplained(case)
    missing = np.setdiff1d(np.arange(1, most + 1), ids) if most < 5_000_000 else np.zeros(0, np.int64)
    shape = _clean_up_shape(case, ids) if len(ids) else ""
    what = "every SELL" if sells == 0 and len(trades) else "rows"
    yield Finding(
        "rows-deleted",
        ERROR,
        f"{lost} of {most} trades were deleted{'; no sale is left' if sells == 0 else ''}",
        amount,
        [f"{trades.table}#{ident}" for ident in missing[:1000].tolist()],
        f"the highest id ever given is {most}, {len(trades)} rows are left. {why} {shape}".strip(),
        CERTAIN if remembered else LIKELY,
        sql="SELECT name, seq FROM sqlite_sequence WHERE name = 'trades'",
        detail=({"deleted": lost, "left": len(trades), "sells_left": sells, "what": what},),
    )


def _unexplained(case: Case) -> tuple[int | None, str]:
    """Return what the deleted rows did to cash, and how that follows."""
    accounts = [account for account in case.legacy.accounts if account.cash_e8 is not None]
    if len(accounts) != 1 or not case.legacy.start:
        return None, "What they did to cash cannot be known."
    start, origin = case.start_of(accounts[0].portfolio)
    flows = total(case.flow_e8) + case.moved_e8(accounts[0].portfolio)
    amount = (accounts[0].cash_e8 or 0) - start - flows
    return amount, (
        f"They moved cash by {text(amount)} net: cash {text(accounts[0].cash_e8)} less start {text(start)} ({origin}) "
        f"less what the remaining rows moved, {text(flows)}."
    )


def _clean_up_shape(case: Case, ids: Int64s) -> str:
    """Say whether what is left looks like the first purchase of each symbol and hour: a published clean-up leaves that."""
    trades = case.legacy.trades
    if (trades.side < 0).any():
        return ""
    keys = list(zip(trades.symbol.tolist(), (trades.time_ns // HOUR_NS).tolist(), strict=True))
    if len(set(keys)) != len(keys):
        return ""
    return (
        "What is left is at most one purchase for each symbol and hour and no sale: the trace of DELETE ... WHERE "
        "id NOT IN "
        "(SELECT MIN(id) ... side='BUY' GROUP BY symbol, hour), which deletes every sale, and each second purchase "
        "of an hour."
    )
