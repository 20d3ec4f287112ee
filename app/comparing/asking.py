"""Two or three sessions, and what `ledger.compare` says about them; kept until one of them has a new event."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import streamlit as st

from app.shell import books, text
from app.shell.books import KEPT, Picked
from ledger import compare
from ledger.compare import Comparison, Curves, Story
from ledger.journal import SessionInfo

MOST = 3


class Candidate(NamedTuple):
    """A session that may be compared: its book, its number, its name."""

    path: str
    id: int
    name: str

    @property
    def label(self) -> str:
        """Return how the lists call it."""
        return f"{Path(self.path).name} · {self.name}"


def candidates(paths: list[Path]) -> tuple[list[Candidate], list[str]]:
    """Return every session of the books, newest first in each, and sentences about books that cannot be read."""
    found, problems = [], []
    for path in paths:
        try:
            found += [Candidate(str(path), info.id, books.title(info, path)) for info in books.sessions(path)]
        except books.BookProblem as problem:
            problems.append(str(problem))
    return found, problems


def suggested(listed: list[SessionInfo]) -> list[int]:
    """Return the two sessions a reader most likely wants side by side, the older one first.

    The newest paper session and the newest backtest most like it; without paper the two newest that are alike. What has
    no event (a campaign of the fuzzer) is never suggested.
    """
    full = [info for info in listed if info.events and info.kind != "fuzz"]
    if len(full) < 2:
        return [info.id for info in full]
    first = next((info for info in full if info.kind == "paper"), full[0])
    others = [info for info in full if info.id != first.id]
    best = max(others, key=lambda info: (_likeness(info, first), info.kind == "backtest", info.id))
    return sorted((first.id, best.id))


def _likeness(one: SessionInfo, other: SessionInfo) -> int:
    """Return how much two sessions have in common: strategy, then parameters, then instruments."""
    mine, theirs = books.config(one), books.config(other)
    if mine.get("strategy") != theirs.get("strategy"):
        return 0
    given, asked = mine.get("params") or {}, theirs.get("params") or {}
    alike = sum(bool(given.get(name) == value) for name, value in asked.items())
    return 1 + alike + (4 if _traded(mine) == _traded(theirs) else 0)


def _traded(told: dict[str, Any]) -> frozenset[str]:
    listed = told.get("symbols") or [
        row.get("symbol") for row in told.get("instruments") or [] if isinstance(row, dict)
    ]
    return frozenset(map(str, listed))


@st.cache_resource(max_entries=KEPT, show_spinner="Comparing ...")
def comparisons(chosen: tuple[Picked, ...]) -> list[Comparison]:
    """Return the comparison of each session after the first with the first."""
    with ExitStack() as stack:
        return compare.compare_many([(stack.enter_context(books.opened(one.path)), one.id) for one in chosen])


@st.cache_resource(max_entries=KEPT, show_spinner="Reading the curves ...")
def curves(chosen: tuple[Picked, ...]) -> Curves:
    """Return equity, drawdown and difference on one axis; nothing is shown of a session before its first money came."""
    with ExitStack() as stack:
        found = compare.curves([(stack.enter_context(books.opened(one.path)), one.id) for one in chosen])
    funded = np.logical_or.accumulate(found.equity_e8 != 0, axis=1)
    return found._replace(known=found.known & funded, both_known=found.both_known & funded & funded[:1])


def story(path: str, session: int, key: int) -> Story:
    """Return the life of one order."""
    with books.opened(path) as journal:
        return compare.story(journal, session, key)


def verdict(found: Comparison, currency: str) -> str:
    """Return the answer in a sentence: how much, and what made most of it."""
    a, b = found.a.info.id, found.b.info.id
    if found.certificate.equal:
        return f"Sessions {a} and {b} are equal: no order, fill, fee, refusal or amount differs."
    if found.difference_e8 is None:
        return f"How much sessions {a} and {b} differ is unknown: something is held that has no price."
    known = [part for part in found.parts if part.amount_e8]
    if not known:
        return f"Sessions {a} and {b} ended with the same equity, and yet {text.count(len(found.different), 'decision')} differ."
    main = max(known, key=lambda part: abs(part.amount_e8 or 0))
    word = "more" if found.difference_e8 > 0 else "less"
    amount = text.money(abs(found.difference_e8), currency)
    if not found.difference_e8:
        return f"Sessions {a} and {b} ended with the same equity by different ways."
    share = text.money(main.amount_e8, currency, signed=True)
    return (
        f"Session {b} ended with {amount} {word} than session {a}; the largest cause is {main.cause.value} ({share})."
    )
