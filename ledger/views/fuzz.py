"""What a session of kind fuzz found: the report its campaign kept, parsed."""

from __future__ import annotations

import json
from typing import Any

from ledger.journal import Journal
from ledger.journal.replay import session_row

FUZZ_SOURCE = "onebook.fuzz"
"""The source under which a campaign keeps its report, one JSON document (sim/fuzz/README.md names its keys)."""


def fuzz_report(journal: Journal, session_id: int) -> dict[str, Any] | None:
    """Return the report of a fuzz session; None while it has none.

    Raises:
        JournalError: no such session.
    """
    session_row(journal.connection, session_id)
    sql = "SELECT body FROM broker_event WHERE session_id = ? AND source = ? ORDER BY number DESC LIMIT 1"
    found = journal.connection.execute(sql, (session_id, FUZZ_SOURCE)).fetchone()
    return None if found is None else dict(json.loads(found[0]))
