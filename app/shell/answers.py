"""What the pages ask of a session, kept until the session has a new event.

Theory of operation. Each function asks `ledger.views`, `sim.output` or `sim.honesty` and keeps the answer by
the session's state (`Picked`), so that turning pages costs nothing. `cache_resource` hands out
the same object each time: what is kept here is only read.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import streamlit as st

from app.shell.books import KEPT, Picked, opened, session
from ledger import views
from ledger.explain import Explanation, explain_day
from ledger.invariants import Invariant, check
from ledger.journal import JournalError
from ledger.journal.verification import Verification
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
def orders(at: Picked) -> list[views.Order]:
    """Return every order, oldest first."""
    with opened(at.path) as journal:
        return views.orders(journal, at.id).rows


@kept
def intents(at: Picked) -> list[views.Intent]:
    """Return every recorded wish and its answer, oldest first."""
    with opened(at.path) as journal:
        return views.intents(journal, at.id).rows


@kept
def refusals(at: Picked) -> list[views.RefusalCount]:
    """Return how often each reason refused wishes, by instrument and direction."""
    with opened(at.path) as journal:
        return views.refusal_reasons(journal, at.id)


@kept
def trades(at: Picked) -> list[views.Trade]:
    """Return every allocation."""
    with opened(at.path) as journal:
        return views.pnl_trades(journal, at.id)


@kept
def profit(at: Picked, by: str) -> list[views.Profit]:
    """Return the profit of each group; `by` as in `views.profit_by`."""
    with opened(at.path) as journal:
        return views.profit_by(journal, at.id, by)


@kept
def explained(at: Picked, day: int) -> Explanation:
    """Return why equity changed on a trading day."""
    with opened(at.path) as journal:
        return explain_day(journal, at.id, day)


@kept
def limits(at: Picked) -> list[views.LimitUse]:
    """Return every limit and how much of it is used."""
    with opened(at.path) as journal:
        return views.limits(journal, at.id)


@kept
def remarks(at: Picked) -> list[views.Remark]:
    """Return what a person should look at, newest first."""
    with opened(at.path) as journal:
        return views.remarks(journal, at.id)


@kept
def age(at: Picked) -> views.Age:
    """Return how old everything is."""
    with opened(at.path) as journal:
        return views.age(journal, at.id)


@kept
def fuzz_report(at: Picked) -> dict[str, Any] | None:
    """Return what a fuzz campaign stored, or None."""
    with opened(at.path) as journal:
        return views.fuzz_report(journal, at.id)


class Soundness(NamedTuple):
    """What verifying a session found, and which invariant of its replayed book is broken."""

    verification: Verification
    broken: Invariant


@kept
def soundness(at: Picked) -> Soundness:
    """Replay, hash and compare everything of a session, and recount its invariants."""
    with opened(at.path) as journal:
        found = journal.verify(at.id)
        try:
            broken = check(journal.book(at.id))
        except JournalError:  # the findings say why it cannot be replayed
            broken = Invariant.HOLDS
    return Soundness(found, broken)


@kept
def sheet(at: Picked) -> Sheet:
    """Return the record of a session that its figures and pictures are made from."""
    from sim.output import stored

    info = session(at.path, at.id)
    with opened(at.path) as journal:
        return stored.from_journal(journal, info)
