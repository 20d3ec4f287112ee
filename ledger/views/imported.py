"""Names of groups for imported sessions: what the file itself said of a trade, its strategy, trigger and source.

Theory of operation. An imported trade has no order of ours and so no key that names a strategy or a purpose. Its execution
id says which row of the file it was, and the row is kept word for word: a trade is named by what stands
there. A repaired session has its rows in the import that it was made from. What a row does not say is "not stored".
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from ledger.journal import Journal
from ledger.journal.names import KEPT
from ledger.journal.replay import session_row
from ledger.views.lists import Trade

COLUMNS = {"strategy": ("strategy",), "purpose": ("trigger", "exit_reason", "reason"), "source": ("source", "ingest_via")}
"""Group -> columns that name it, the first that a row has."""
NOT_STORED = "not stored"
_LONGEST = 60
_ROWS = (
    "SELECT a.number, b.body FROM alloc AS a"
    " JOIN lot AS l ON l.session_id = a.session_id AND l.number = a.lot"
    " JOIN execution AS e ON e.session_id = a.session_id AND e.number = CASE ?2 WHEN 'strategy' THEN l.entry ELSE a.close_entry END"
    " JOIN broker_event AS b ON b.session_id = ?3 AND b.number = e.exec_id - ?4"
    " WHERE a.session_id = ?1"
)


def naming(journal: Journal, session_id: int, by: str) -> Callable[[Trade], tuple[None, str]] | None:
    """Return what names a trade's group in an imported session, or None when the session or the group is another one.

    Args:
        by: strategy (as the opening row says), purpose or source (as the closing row says).
    """
    row = session_row(journal.connection, session_id)
    if row["kind"] != "import" or by not in COLUMNS:
        return None
    holder = row["parent"] or session_id
    found = journal.connection.execute(_ROWS, (session_id, by, holder, KEPT))
    names = {number: _name(json.loads(body), COLUMNS[by]) for number, body in found}
    return lambda trade: (None, names.get(trade.number, NOT_STORED))


def _name(row: dict[str, Any], columns: tuple[str, ...]) -> str:
    value = next((row[column] for column in columns if row.get(column) not in (None, "")), None)
    return NOT_STORED if value is None else _word(value)


def _word(value: Any) -> str:
    """Return a stored value as a name; BotTrader's trigger is JSON with the word under `trigger`."""
    text = str(value)
    try:
        inner = json.loads(text)
    except ValueError:
        return text[:_LONGEST]
    if isinstance(inner, dict):
        text = str(next((inner[key] for key in ("trigger", "type", "name", "reason") if key in inner), text))
    return text[:_LONGEST]
