"""Leaderboard: strategies and symbols over all sessions of a kind, ranked by how sure their profit is."""

from __future__ import annotations

from contextlib import ExitStack

import streamlit as st

from app.shell import books, choice, parts, rows, text
from app.shell.books import KEPT
from ledger import views

FIELDS = (
    "name",
    "score_e3",
    "trades",
    "winners",
    "win_rate_e6",
    "net_e8",
    "mean_e8",
    "profit_factor_e6",
    "ranked",
    "fees_unknown",
)
HELPS = {
    "score": "How sure the mean profit is; the formula stands above. Unknown: too few trades, or all equal.",
    "win_rate": "Trades with a net profit above 0 / trades.",
    "profit_factor": "Sum of what was won / sum of what was lost, net; unknown without a loss.",
    "mean": "Net profit / trades, rounded half to even at 1e-8.",
    "fees_unknown": "Trades that are left out because a fee of theirs is not known.",
}
LEAST = 20


@st.cache_resource(max_entries=KEPT, show_spinner="Ranking ...")
def ranks(path: str, _stamp: int, numbers: tuple[int, ...], by: str, least: int) -> list[views.Rank]:
    """Return the leaderboard of some sessions of a book."""
    with ExitStack() as stack:
        journal = stack.enter_context(books.opened(path))
        return views.leaderboard([(journal, number) for number in numbers], by, least)


def draw() -> None:
    """Draw the page."""
    path = choice.book_path()
    listed = books.sessions(path)
    parts.header("Leaderboard", "Who earned it, and could it be chance? Ranked by sureness, not by size.")
    if not listed:
        parts.empty(f"{path} has no session yet, so nobody can be ranked.")
        return
    kind, by, least = _asked(sorted({info.kind for info in listed}))
    numbers = tuple(info.id for info in listed if info.kind == kind and (info.status != "open" or kind == "paper"))
    st.caption(text.plain(views.FORMULA.format(minimum=least)))
    if not numbers:
        parts.empty(f"No {kind} session has ended yet.")
        return
    found = ranks(path, sum(info.events for info in listed), numbers, by, least)
    if not found:
        parts.empty("These sessions closed nothing.")
        return
    parts.table(
        rows.frame("leaderboard", found, FIELDS),
        "leaderboard",
        {"name": by, "win_rate": "win rate", "score": "score"},
        HELPS,
    )
    st.caption(
        f"{text.count(len(numbers), 'session')} of {text.plain(path)}. Sessions of the same strategy are added up."
    )


def _asked(kinds: list[str]) -> tuple[str, str, int]:
    """Let the reader choose the kind of session, the groups and the minimum."""
    left, middle, right = st.columns([2, 2, 2], vertical_alignment="bottom")
    kind = left.segmented_control("Sessions", kinds, default=kinds[0], key="rank-kind") or kinds[0]
    by = middle.segmented_control("Ranked", ["strategy", "symbol"], default="strategy", key="rank-by") or "strategy"
    least = right.number_input(
        "Fewest trades to be ranked", min_value=2, max_value=10_000, value=LEAST, key="rank-least"
    )
    return kind, by, int(least)


if __name__ == "__main__":
    parts.guarded(draw)
