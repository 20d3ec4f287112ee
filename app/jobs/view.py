"""Jobs on a page: progress, cancel, the exact command, and what a finished one said."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import streamlit as st

from app.jobs import store
from app.jobs.store import Job
from app.shell import text

TONES = {
    "done": "green",
    "finding": "orange",
    "failed": "red",
    "lost": "red",
    "cancelled": "gray",
    "waiting": "blue",
    "running": "blue",
}
REFRESH_S = 0.5


def button(label: str, kind: str, words: Callable[[], Sequence[str]], place: Path, key: str) -> None:
    """Draw a button that starts a command, and the command it starts."""
    try:
        made = list(words())
    except ValueError as error:
        st.warning(text.plain(error), icon=":material/edit:")
        return
    from shlex import join

    st.code(join(["onebook", *made]), language="bash", wrap_lines=True)
    if st.button(label, type="primary", icon=":material/play_arrow:", key=key):
        try:
            store.start(place, kind, made)
        except RuntimeError as error:
            st.warning(text.plain(error), icon=":material/hourglass_top:")


def followed(place: Path, kinds: Sequence[str], done: Callable[[Job], None], shown: int = 3) -> None:
    """Draw the newest jobs of some kinds; looks again and again while one runs, and redraws the page when it ends."""
    found = [job for job in store.jobs(place) if job.kind in kinds][:shown]
    live = any(job.live for job in found)
    st.fragment(run_every=REFRESH_S if live else None, key=f"jobs-{kinds[0]}")(_follow)(
        place, tuple(kinds), shown, live
    )
    for job in found:
        if not job.live:
            with st.container(border=True):
                _finished(job, done)


def _follow(place: Path, kinds: tuple[str, ...], shown: int, live: bool) -> None:
    found = [job for job in store.jobs(place) if job.kind in kinds][:shown]
    for job in found:
        if job.live:
            _running(job)
    if live and not any(job.live for job in found):
        st.rerun()


def _running(job: Job) -> None:
    with st.container(border=True):
        left, right = st.columns([6, 1], vertical_alignment="center")
        said = f"{job.kind} · {job.seconds:,.0f} s · {job.line or job.state}"
        left.progress(job.share if job.share is not None else 0.0, text.plain(said))
        if right.button("Cancel", key=f"cancel-{job.folder.name}", icon=":material/cancel:"):
            store.cancel(job.folder)


def _finished(job: Job, done: Callable[[Job], None]) -> None:
    tone, name = TONES[job.state], f"{job.kind} · {job.seconds:,.1f} s"
    st.badge(f"{job.state}", color=tone)  # type: ignore[arg-type]
    st.caption(text.plain(f"{name} · {text.age(job.started_ns)}"))
    if job.state in ("done", "finding"):
        done(job)
    elif job.state == "lost":
        st.write("The process ended without a word: it was killed, or the machine went down. Start it again.")
    elif job.line:
        st.write(text.plain(job.line))
    with st.expander("Command and what it said", icon=":material/terminal:"):
        st.code(job.text, language="bash", wrap_lines=True)
        st.code(store.said(job.folder) or "nothing", language=None)
