"""What the pages ask of a session, kept until the session has a new event.

Theory of operation. Each function here asks `ledger.views`, `sim.output` or `sim.honesty` and keeps the answer by
the session's state (`Picked`), so that turning pages costs nothing. `cache_resource` hands out
the same object each time: what is kept here is only read.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Concatenate, NamedTuple, ParamSpec, TypeVar, cast

import streamlit as st

from app.shell.books import KEPT, Picked, opened, session
from ledger import views
from ledger.explain import days_of, explain_day
from ledger.invariants import Invariant, check
from ledger.journal import Journal, JournalError
from ledger.journal.verification import Verification
from sim.output.sheet import Sheet

kept = st.cache_resource(max_entries=KEPT, show_spinner="Reading the book ...")
T = TypeVar("T")
P = ParamSpec("P")


def asked(view: Callable[Concatenate[Journal, int, P], T]) -> Callable[Concatenate[Picked, P], T]:
    """Return a view of (journal, session, ...) as a function of (session's state, ...) whose answers are kept."""

    def ask(at: Picked, *more: P.args, **named: P.kwargs) -> T:
        with opened(at.path) as journal:
            return view(journal, at.id, *more, **named)

    # What is kept is found again by the name and the source of the function, and the source is the same for all.
    ask.__name__, ask.__qualname__ = view.__name__, f"{view.__module__}.{view.__qualname__}"
    return cast("Callable[Concatenate[Picked, P], T]", kept(ask))


def _orders(journal: Journal, session_id: int) -> list[views.Order]:
    """Return every order, oldest first."""
    return views.orders(journal, session_id).rows


def _intents(journal: Journal, session_id: int) -> list[views.Intent]:
    """Return every recorded wish and its answer, oldest first."""
    return views.intents(journal, session_id).rows


totals, age = asked(views.totals), asked(views.age)
positions, lots, unmatched = asked(views.positions), asked(views.lots), asked(views.unmatched)
orders, intents, refusals = asked(_orders), asked(_intents), asked(views.refusal_reasons)
trades, profit = asked(views.pnl_trades), asked(views.profit_by)
limits, remarks = asked(views.limits), asked(views.remarks)
explained, days, fuzz_report = asked(explain_day), asked(days_of), asked(views.fuzz_report)


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
