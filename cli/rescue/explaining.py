"""`onebook book explain` on an import session: the equity that the file stored, taken apart.

Theory of operation. An import has no prices between its trades, so equity at a past moment is known only where the file
itself stored it. Where it did, that stored equity is explained; where it did not, the session's events are.
"""

from __future__ import annotations

from typing import Any

from cli.output import voice


def stored_explanation(journal: Any, session_id: int, since: str, until: str) -> Any:
    """Return the explanation of stored equity, or None when the file stored none or the session is a repaired one."""
    from ledger.rescue import RescueError
    from ledger.rescue.audit import Case
    from ledger.rescue.explaining import explain_stored
    from ledger.rescue.sessions import legacy_of_session
    from ledger.rescue.truth import truth_of

    try:
        legacy = legacy_of_session(journal, session_id)
        if not legacy.days and not any(account.equity_e8 is not None for account in legacy.accounts):
            return None
        found, one, two = explain_stored(Case(legacy, truth_of(legacy)), since, until)
    except RescueError as error:
        voice().say(f"note: {error}")
        return None
    voice().say(f"note: equity as the file stored it, from {one.name} to {two.name}")
    return found
