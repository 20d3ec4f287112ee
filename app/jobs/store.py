"""Jobs: one folder each beside the book, so that a reload, a second tab and the next start of the app find them.

Theory of operation. `start` writes `job.json` and starts `app.jobs.supervise`, which holds the lock of the
folder as long as it lives, runs the command, and leaves `result.json` with its exit code. A job runs while the
lock is held; one without a lock and without a result was lost (the machine went down). Cancelling is a file
that the supervisor sees: it interrupts the command as Ctrl-C does. The command says on standard error what it
does; its last line is the progress. States: waiting, running, done, failed, finding, cancelled, lost.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ledger.journal.store.locks import FileLock

ROOT = Path(__file__).resolve().parent.parent.parent
FOLDER = "app-jobs"
KEPT = 30
"""Finished jobs that are kept; older folders are deleted when a new job starts."""
SHARE = re.compile(r"([\d,]+) of ([\d,]+)")
TAIL = 4_000
ENDS = {0: "done", 3: "finding", 130: "cancelled"}
"""How a job with this exit code ended; with any other it failed."""
STARTED_WITHIN_NS = 20 * 10**9
"""A supervisor takes its lock long before this; a younger folder without one is waiting."""


class Job(NamedTuple):
    """A job as it stands."""

    folder: Path
    kind: str
    words: tuple[str, ...]
    started_ns: int
    state: str
    exit_code: int | None
    seconds: float
    line: str
    """What the command said last."""
    share: float | None
    """Done so far, 0 to 1; None when the command does not say."""

    @property
    def live(self) -> bool:
        """Whether it may still be cancelled."""
        return self.state in ("waiting", "running")

    @property
    def text(self) -> str:
        """Return the command as a person would type it."""
        from shlex import join

        return join(["onebook", *self.words])


def folder_of(book: str | Path) -> Path:
    """Return where the jobs of a book's folder are kept."""
    return Path(book).resolve().parent / FOLDER


def most_at_once() -> int:
    """Return how many computing jobs may run at a time: all cores but one, at least one."""
    return max(1, (os.cpu_count() or 2) - 1)


def start(place: Path, kind: str, words: Sequence[str], now_ns: int | None = None) -> Job:
    """Start a command of onebook in a process of its own.

    Raises:
        RuntimeError: as many jobs run as may.
    """
    running = [job for job in jobs(place) if job.live and (job.kind == "paper") == (kind == "paper")]
    most = 1 if kind == "paper" else most_at_once()
    if len(running) >= most:
        raise RuntimeError(f"{len(running)} of {most} jobs of this kind run already; wait for one, or cancel it")
    _clean(place)
    started = time.time_ns() if now_ns is None else now_ns
    folder = place / f"{started}-{kind}"
    folder.mkdir(mode=0o700, parents=True)
    _put(folder / "job.json", {"kind": kind, "words": list(words), "started_ns": started})
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))}
    subprocess.Popen(
        [sys.executable, "-m", "app.jobs.supervise", str(folder)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        env=environment,
    )
    return job(folder)


def jobs(place: Path) -> list[Job]:
    """Return every job, newest first; a folder that is none is passed over."""
    found = []
    for folder in sorted(place.glob("*-*"), reverse=True) if place.is_dir() else []:
        try:
            found.append(job(folder))
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return found


def job(folder: Path, now_ns: int | None = None) -> Job:
    """Return a job as it stands now."""
    told = json.loads((folder / "job.json").read_text("utf-8"))
    now = time.time_ns() if now_ns is None else now_ns
    started, result = int(told["started_ns"]), _result(folder)
    held = result is None and _is_held(folder)
    result = result or _result(folder)  # it may have ended between the two looks
    line = _last_line(folder)
    if result is None:
        code, ended, share = None, now, _share(line)
        state = "running" if held else "waiting" if now - started < STARTED_WITHIN_NS else "lost"
    else:
        code, ended = int(result["exit_code"]), int(result["ended_ns"])
        state, share = ENDS.get(code, "failed"), 1.0 if code == 0 else None
    return Job(folder, told["kind"], tuple(told["words"]), started, state, code, (ended - started) / 1e9, line, share)


def cancel(folder: Path) -> None:
    """Ask a job to stop; it ends as after Ctrl-C."""
    (folder / "cancel").touch(mode=0o600)


def document(folder: Path) -> dict[str, Any] | None:
    """Return the document that the command printed, or None while there is none."""
    try:
        found = json.loads((folder / "stdout").read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def said(folder: Path) -> str:
    """Return the end of what the command said on standard error."""
    try:
        return (folder / "stderr").read_bytes()[-TAIL:].decode("utf-8", "replace")
    except OSError:
        return ""


def _result(folder: Path) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = json.loads((folder / "result.json").read_text("utf-8"))
    except FileNotFoundError:
        return None
    return found


def _is_held(folder: Path) -> bool:
    """Say whether the supervisor lives: it holds the lock from its first moment to its last."""
    if not (folder / "lock").exists():
        return False
    probe = FileLock(folder / "lock")
    free = probe.acquire(wait=False)
    if free:
        probe.release()
    return not free


def _last_line(folder: Path) -> str:
    lines = [line for line in said(folder).splitlines() if line.strip()]
    return lines[-1].strip() if lines else ""


def _share(line: str) -> float | None:
    """Return the share that a line such as `120 of 480 combinations` tells."""
    found = SHARE.search(line)
    if not found:
        return None
    done, whole = (int(text.replace(",", "")) for text in found.groups())
    return min(1.0, done / whole) if whole else None


def _clean(place: Path) -> None:
    """Delete the folders of the oldest finished jobs."""
    for old in [one for one in jobs(place) if not one.live][KEPT:]:
        for path in old.folder.iterdir():
            if path.is_file():
                path.unlink(missing_ok=True)
        if not any(old.folder.iterdir()):
            old.folder.rmdir()


def _put(path: Path, value: dict[str, Any]) -> None:
    """Write a file that appears whole under its name."""
    temporary = path.with_name(f".{path.name}")
    temporary.write_text(json.dumps(value), "utf-8")
    temporary.replace(path)
