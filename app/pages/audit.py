"""Audit: is the book sound, does the broker agree, and what is wrong with an imported one."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from app.jobs import results, store, view, words
from app.shell import answers, books, choice, parts, text
from app.shell.books import Picked
from app.shell.parts import Card
from app.shell.runner import differences, runner_of
from ledger.invariants import Invariant
from ledger.journal import SessionInfo

AT_ONCE = 200_000
"""Events up to which a session is verified without being asked; a million take some seconds."""


def card_list(at: Picked, found: answers.Soundness) -> list[Card]:
    """Return how sound a session is."""
    ok, whole = found.verification.ok, found.broken == Invariant.HOLDS
    words_of = {True: "agrees", False: "DIFFERS"}
    return [
        Card(
            "Journal",
            words_of[ok],
            "Hash chain, replay, snapshots, high-water mark and projections, compared with each other.",
            1 if ok else -1,
        ),
        Card(
            "Invariants",
            "hold" if whole else "BROKEN",
            f"All {len(Invariant) - 1}, recounted from the rows of the replayed book.",
            1 if whole else -1,
        ),
        Card("Events", f"{found.verification.events:,}", "Rows of the journal that were replayed."),
        Card(
            "Book",
            found.verification.digest[:8],
            "First digits of the SHA-256 of the replayed book; equal digests are equal books.",
        ),
        Card(
            "Not shown yet",
            f"{at.late:,}",
            "Events that are recorded and that the other tables do not show yet; only while a session has an owner.",
        ),
    ]


def draw() -> None:
    """Draw the page."""
    path = choice.book_path()
    parts.header("Audit", "Is the book sound, does the broker agree with it, and what is wrong with an imported one?")
    _tail(path)
    found = choice.chosen()
    if found is None:
        return
    info, at = found
    st.caption(text.plain(f"{books.title(info)} · as of event {at.events:,}, {text.moment(answers.age(at).last_ns)}"))
    _sound(info, at)
    if info.kind == "paper":
        _broker(path, info)
    _remarks(at)
    if info.kind == "import":
        _imported(info, path)


def _tail(path: str) -> None:
    """Say whether the file lost its end."""
    with books.opened(path) as journal:
        lost = journal.quarantine
    if lost is not None:
        st.error(f"**The book lost its tail.** {text.plain(lost)}", icon=":material/broken_image:")


def _sound(info: SessionInfo, at: Picked) -> None:
    """Verify the session, at once or when asked."""
    st.subheader("The book", anchor=False, help="`onebook book verify` and `onebook book check` say the same.")
    if at.events > AT_ONCE and st.session_state.get("verify") != at:
        st.write(f"{at.events:,} events are verified when you ask: they are replayed, hashed and compared.")
        if not st.button("Verify", icon=":material/fact_check:", key="verify-now"):
            return
        st.session_state["verify"] = at
    found = answers.soundness(at)
    parts.cards(card_list(at, found))
    for finding in found.verification.findings:
        st.error(f"**{text.plain(finding.part)}**: {text.plain(finding.text)}", icon=":material/error:")
    if found.broken != Invariant.HOLDS:
        st.error(f"**{found.broken.name}** is broken.", icon=":material/error:")
    parts.command(["book", "verify", "--book", at.path, "--session", str(info.id)])


def _broker(path: str, info: SessionInfo) -> None:
    """Show what the last comparison with the broker found."""
    st.subheader(
        "Broker and book",
        anchor=False,
        help="What the runner found when it compared positions, orders and executions last.",
    )
    runner = runner_of(path)
    if runner is None or runner.session != info.id or runner.reconciled is None:
        parts.empty("No comparison with the broker is known for this session.")
        return
    st.caption(
        text.plain(
            f"Compared by the runner of {runner.account or 'an unknown account'}; its last word is of {text.age(runner.written_ns)}."
        )
    )
    found = differences(runner)
    for sentence in found:
        st.warning(text.plain(sentence), icon=":material/difference:")
    if not found and runner.reconciled.get("complete"):
        st.success("Every list came, and broker and book agree.", icon=":material/check_circle:")
    elif not found:
        st.warning("The comparison was not complete: a list that did not come proves nothing.", icon=":material/help:")


def _remarks(at: Picked) -> None:
    from app.shell import rows

    st.subheader(
        "Needs a look", anchor=False, help="Gates, unknown and rejected orders, odd fills, adjustments; newest first."
    )
    found = answers.remarks(at)
    if not found:
        parts.empty(
            "Nothing: no gate was raised, no order was lost or rejected, no fill was odd, nothing was adjusted."
        )
        return
    parts.table(
        rows.frame("remarks", found, ("time_ns", "level", "what", "symbol", "text", "seq")), "audit-remarks", blank="–"
    )


def _imported(info: SessionInfo, path: str) -> None:
    """Audit an imported database by the command that does it, and draw its findings."""
    st.subheader(
        "The imported file",
        anchor=False,
        help="Every trade is held against the others, against the calendar and against what the file says of itself.",
    )
    place: Path = store.folder_of(path)
    view.button("Audit the import", "audit", lambda: words.audit(info.id, path), place, "run-audit")
    view.followed(place, ["audit"], results.show, 1)


if __name__ == "__main__":
    parts.guarded(draw)
