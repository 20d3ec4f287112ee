"""What the pages ask of a session, kept until the session has a new event.

Theory of operation. Each function asks `ledger.views`, `sim.output` or `sim.honesty` and keeps the answer by
the session's state (`Picked`), so that turning pages costs nothing. `cache_resource` hands out
the same object each time: what is kept here is only read.
"""

from __future__ import annotations

from typing import Any

import streamlit as st

from app.shell.books import KEPT, Picked, opened, session
from ledger import views
from sim.output.sheet import Sheet

kept = st.cache_resource(max_entries=KEPT, show_spinner="Reading the book ...")


@kept
def totals(at: Picked) -> views.Totals | None:
    """Return the account's figures after the last event."""
    with opened(at.path) as journal:
        return views.totals(journal, at.id)


@kept
def positions(at: Picked) -> list[views.Position]:
    """Return every instrument."""
    with opened(at.path) as journal:
        return views.positions(journal, at.id)


@kept
def lots(at: Picked) -> list[views.OpenLot]:
    """Return every open lot."""
    with opened(at.path) as journal:
        return views.lots(journal, at.id)


@kept
def unmatched(at: Picked) -> list[views.UnmatchedCloser]:
    """Return the closers that found no lot."""
    with opened(at.path) as journal:
        return views.unmatched(journal, at.id)


@kept
def days(at: Picked) -> list[views.DayProfit]:
    """Return the profit of each day on which something was closed."""
    with opened(at.path) as journal:
        return views.pnl_days(journal, at.id)


@kept
def symbols(at: Picked) -> list[views.SymbolProfit]:
    """Return the profit of each instrument."""
    with opened(at.path) as journal:
        return views.pnl_symbols(journal, at.id)


@kept
def refused(at: Picked) -> dict[Any, int]:
    """Return how often each reason refused a wish."""
    with opened(at.path) as journal:
        return views.refusal_counts(journal, at.id)


@kept
def sheet(at: Picked) -> Sheet:
    """Return the record of a session that its figures and pictures are made from."""
    from sim.output import stored

    info = session(at.path, at.id)
    with opened(at.path) as journal:
        return stored.from_journal(journal, info)
