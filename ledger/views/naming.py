"""Names of the numbers that keys carry."""

from __future__ import annotations

import json

from ledger.journal import Journal
from ledger.journal.replay import session_row


def strategy_names(journal: Journal, session_id: int) -> dict[int, str]:
    """Return the strategies' names by their numbers: those the session was told, otherwise the texts it recorded.

    Raises:
        JournalError: no such session.
    """
    told = json.loads(session_row(journal.connection, session_id)["config"]).get("strategies")
    if isinstance(told, dict):
        return {int(number): str(name) for number, name in told.items()}
    return dict(journal.connection.execute("SELECT number, text FROM name WHERE session_id = ?", (session_id,)).fetchall())


def execution_names(journal: Journal, session_id: int, names: dict[int, str]) -> dict[int, str]:
    """Return the broker's ids of executions by their numbers; none where executions are counted and not named.

    Sessions with a broker (paper, import) record its ids as texts; a backtest counts its executions.
    """
    return names if session_row(journal.connection, session_id)["kind"] in ("paper", "import") else {}
