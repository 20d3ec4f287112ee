"""The frame around every page: safety first, then the choice of book and session, then the page.

Theory of operation. The address bar carries `book` (a file's name in the folder of the configured book) and `session`,
so a view can be kept as a bookmark; what it names must be among the books and sessions there are.
"""

from __future__ import annotations

from pathlib import Path

import streamlit as st

import app
from app.shell import books, text
from app.shell.options import faults
from ledger.journal import SessionInfo

FOLDER = Path(app.__file__).parent
PAGES: dict[str, list[tuple[str, str, str]]] = {
    "": [("compare", "Compare", ":material/balance:"), ("overview", "Overview", ":material/monitor_heart:")],
    "One session": [
        ("positions", "Positions & lots", ":material/inventory_2:"),
        ("orders", "Orders", ":material/receipt_long:"),
        ("trades", "Trades", ":material/candlestick_chart:"),
        ("pnl", "P&L", ":material/calendar_month:"),
        ("performance", "Performance", ":material/show_chart:"),
        ("risk", "Risk", ":material/shield:"),
    ],
    "All sessions": [
        ("runs", "Runs", ":material/list:"),
        ("leaderboard", "Leaderboard", ":material/leaderboard:"),
        ("backtest", "Backtest", ":material/play_circle:"),
        ("fuzz", "Fuzz", ":material/bug_report:"),
        ("audit", "Audit", ":material/fact_check:"),
    ],
}
"""Every page: its file, its name, its icon."""
FIRST, FIRST_TITLE, _ = PAGES[""][0]


def main() -> None:
    """Draw the app."""
    wrong = faults(st.get_option, _has_log_in())
    if wrong:
        st.error("**This server may be reached by others, so nothing is shown.**", icon=":material/lock:")
        for sentence in wrong:
            st.write(text.plain(sentence))
        st.stop()
    st.html(FOLDER / "look.css")
    pages = {section: [_page(*row) for row in rows] for section, rows in PAGES.items()}
    # The first page answers at the bare address only, but people type, and keep, the address of its name.
    pages[""].append(st.Page(FOLDER / "pages" / f"{FIRST}.py", title=FIRST_TITLE, url_path=FIRST, visibility="hidden"))
    page = st.navigation(pages, expanded=True)
    with st.sidebar:
        _choice()
    page.run()


def _has_log_in() -> bool:
    """Say whether Streamlit's own log-in is set up; then a person must have come through it."""
    try:
        set_up = "auth" in st.secrets
    except FileNotFoundError:
        return False
    if set_up and not st.user.is_logged_in:
        st.button("Log in", on_click=st.login)
        st.stop()
    return set_up


def _page(name: str, title: str, icon: str) -> st.Page:
    first = name == FIRST
    return st.Page(FOLDER / "pages" / f"{name}.py", title=title, icon=icon, url_path="start" if first else name, default=first)


def _choice() -> None:
    """Let the reader choose a book and a session; both stand in the address bar."""
    found = books.books()
    number = st.session_state.pop("go", 0)
    if number:
        st.session_state["session"] = number
        st.query_params["session"] = str(number)
    names = {path.name: path for path in found}
    asked = st.query_params.get("book")
    at = list(names).index(asked) if asked in names else 0
    name = st.selectbox("Book", list(names), index=at, key="book", on_change=_remember_book, help=_where(names))
    st.session_state["book_path"] = str(names.get(name) or found[0])
    try:
        listed = books.sessions(st.session_state["book_path"])
    except books.BookProblem as problem:
        st.session_state["session_id"] = None
        st.caption(text.plain(problem))
        return
    _session_choice(listed)


def _session_choice(listed: list[SessionInfo]) -> None:
    numbers = [info.id for info in listed]
    if not numbers:
        st.session_state["session_id"] = None
        st.caption("This book has no session yet.")
        return
    titles = {info.id: books.title(info, st.session_state["book_path"]) for info in listed}
    asked = st.query_params.get("session", "")
    at = numbers.index(int(asked)) if asked.isdecimal() and int(asked) in numbers else 0
    if st.session_state.get("session") not in numbers:
        st.session_state.pop("session", None)
    chosen = st.selectbox(
        "Session",
        numbers,
        index=at,
        key="session",
        format_func=lambda number: titles.get(number, str(number)),
        on_change=_remember_session,
    )
    st.session_state["session_id"] = chosen


def _where(names: dict[str, Path]) -> str:
    folder = next(iter(names.values())).parent
    return f"The databases of the folder {text.plain(folder)}; ONEBOOK_BOOK or `onebook app --book` names another one."


def _remember_book() -> None:
    st.query_params.pop("session", None)
    st.query_params["book"] = st.session_state["book"]


def _remember_session() -> None:
    st.query_params["session"] = str(st.session_state["session"])
