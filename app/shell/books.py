"""Which books there are and what one of them says: everything a page reads goes through here.

Theory of operation. A book is opened with `Journal.read` (SQLite's mode=ro, query_only) for one question at a time
and closed again, so no reader holds up a runner. Answers are kept by (file, session, last event): an ended
session is read once, a running one again as soon as it has a new event. Only databases in the folder of
the configured book are offered, and a file is never taken from the address bar.
What can go wrong with a file becomes a `BookProblem`, a sentence.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import streamlit as st

from app.shell.options import BOOK_VARIABLE, DEFAULT_BOOK
from app.shell.runner import runner_of
from ledger import views
from ledger.journal import Journal, JournalError, SessionInfo

KEPT = 12
"""Answers of one kind that are kept at a time."""


class BookProblem(Exception):
    """A book that cannot be shown, as a sentence that says what to do."""


class Picked(NamedTuple):
    """A session as it stands now; equal values have equal answers."""

    path: str
    id: int
    events: int
    """The last event that the tables show."""
    late: int
    """Stored events that the tables do not show yet."""
    open: bool
    stamp: int
    """Grows with everything that is written beside events (valuations, the end)."""


def main_book() -> Path:
    """Return the book that the app was started with."""
    return Path(os.environ.get(BOOK_VARIABLE) or DEFAULT_BOOK)


def books() -> list[Path]:
    """Return the books that may be looked at: the configured one, then the other databases of its folder."""
    main = main_book()
    others = (
        sorted(path for path in main.parent.glob("*.db") if path.is_file() and path != main)
        if main.parent.is_dir()
        else []
    )
    return [main, *(path for path in others if _is_journal(path))]


@contextmanager
def opened(path: str | Path) -> Iterator[Journal]:
    """Open a book to read.

    Raises:
        BookProblem: no such file, no book, half-written, or held by another program.
    """
    try:
        with Journal.read(path) as journal:
            yield journal
    except (JournalError, OSError) as error:
        raise BookProblem(str(error)) from error
    except (sqlite3.Error, json.JSONDecodeError, KeyError, UnicodeDecodeError) as error:
        said = f"{type(error).__name__}: {error}"
        raise BookProblem(
            f"{path} is not what a book should be ({said}); `onebook book verify --book {path}` looks closer"
        ) from error


def sessions(path: str | Path) -> list[SessionInfo]:
    """Return the sessions of a book, newest first."""
    with opened(path) as journal:
        return list(reversed(journal.sessions()))


def session(path: str | Path, number: int) -> SessionInfo:
    """Return one session of a book.

    Raises:
        BookProblem: there is none of this number.
    """
    for info in sessions(path):
        if info.id == number:
            return info
    raise BookProblem(f"{path} has no session {number}; choose one on the left")


def picked(path: str | Path, number: int) -> Picked:
    """Return how a session stands now; cheap, for every refresh."""
    with opened(path) as journal:
        late, known = views.behind(journal, number), views.totals(journal, number)
        info = next((one for one in journal.sessions() if one.id == number), None)
    if info is None:
        raise BookProblem(f"{path} has no session {number}; choose one on the left")
    return Picked(
        str(path), number, known.seq if known else 0, late, info.ended_ns is None, Path(path).stat().st_mtime_ns
    )


def config(info: SessionInfo) -> dict[str, Any]:
    """Return what a session was told; a damaged text counts as nothing told."""
    try:
        found = json.loads(info.config)
    except json.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def is_simulated(info: SessionInfo, path: str | Path = "") -> bool:
    """Say whether a paper session traded a simulated gateway, which has no market behind it.

    Without a host it was the embedded one; with a path the word of its runner counts, too.
    """
    if info.kind != "paper":
        return False
    runner = runner_of(path) if path else None
    return config(info).get("host") is None or (runner is not None and runner.session == info.id and runner.simulated)


def currency(info: SessionInfo) -> str:
    """Return the currency of a session's money."""
    return str(config(info).get("currency") or "USD")


def title(info: SessionInfo, path: str | Path = "") -> str:
    """Return a session's name for lists: number, kind, strategy, what it traded."""
    told = config(info)
    params = told.get("params") or {}
    given = ", ".join(f"{name}={_short(value)}" for name, value in params.items()) if isinstance(params, dict) else ""
    strategy = f"{told['strategy']}({given})" if isinstance(told.get("strategy"), str) else ""
    kind = "SIMULATED paper" if is_simulated(info, path) else info.kind
    return " · ".join(part for part in (f"#{info.id} {kind}", strategy, _scope(info)) if part)


def _scope(info: SessionInfo) -> str:
    return info.scope if len(info.scope) <= 40 else f"{info.scope[:37]}..."


def _short(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


@st.cache_data(max_entries=64, show_spinner=False)
def _looks_like_one(path: str, _stamp: int) -> bool:
    try:
        with opened(path):
            return True
    except BookProblem:
        return False


def _is_journal(path: Path) -> bool:
    return _looks_like_one(str(path), path.stat().st_mtime_ns)
