"""What can go wrong with a journal, as types a caller can tell apart.

Theory of operation. A refused signal is an Outcome, never an exception. These
exceptions are about the store: each message says what happened, what was
expected and what to do.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path


class JournalError(Exception):
    """The journal cannot do what was asked."""


class JournalLocked(JournalError):
    """Somebody else owns the account, or holds the database."""


class JournalHalted(JournalError):
    """A write failed halfway: memory may differ from the disk, so this session answers nothing any more."""


class JournalFull(JournalHalted):
    """The disk has no room for an event; what was recorded before is safe."""


class JournalShortened(JournalError):
    """The database ends before the high-water mark that was kept outside of it."""

    def __init__(self, message: str, session_id: int, stored_seq: int, marked_seq: int) -> None:
        super().__init__(message)
        self.session_id, self.stored_seq, self.marked_seq = session_id, stored_seq, marked_seq


class JournalForeign(JournalError):
    """The file is no journal, or one of another release."""


def halted(session_id: int, error: Exception, stopped: str) -> JournalHalted:
    """Return what a write that failed halfway is told as: `error` was its reason, `stopped` is what the session says of it."""
    told = f"session {session_id} is halted: {stopped}"
    if isinstance(error, sqlite3.OperationalError) and "disk is full" in str(error):
        return JournalFull(f"{told}; make room on the disk and run it again, what was recorded before is safe")
    return JournalHalted(told)


def refuse_damage(error: BaseException | None, path: Path) -> None:
    """Say what to do about a database with damaged pages, which is seen only when somebody reads them; any other error passes.

    Raises:
        JournalError: sqlite says that the file is damaged.
    """
    if type(error) is sqlite3.DatabaseError:  # not one of its kinds: those are faults of a statement
        raise JournalError(f"{path} is damaged ({error}): restore a backup; `sqlite3 {path} .recover` saves what can be read") from error
