"""What the reader chose on the left: a book, a session, and how the session stands now."""

from __future__ import annotations

import streamlit as st

from app.shell import books, parts
from app.shell.books import Picked
from ledger.journal import SessionInfo


def book_path() -> str:
    """Return the chosen book's path."""
    return str(st.session_state.get("book_path") or books.main_book())


def chosen(kind: str = "") -> tuple[SessionInfo, Picked] | None:
    """Return the chosen session and how it stands, or None after saying why there is none.

    Args:
        kind: a page for one kind of session says so instead of drawing another one.
    """
    path, number = book_path(), st.session_state.get("session_id")
    if number is None:
        with books.opened(path):  # a file that cannot be read says why
            pass
        parts.empty(
            f"{path} has no session yet. The page Backtest makes one; so does `onebook backtest run sma_cross --book {path}`."
        )
        return None
    info = books.session(path, int(number))
    if kind and info.kind != kind:
        parts.empty(
            f"Session {info.id} is of kind {info.kind}; this page is about {kind} sessions. Choose one on the left."
        )
        return None
    return info, books.picked(path, info.id)
