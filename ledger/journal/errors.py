"""What can go wrong with a journal, as types a caller can tell apart.

Theory of operation. A refused signal is an Outcome, never an exception. These
exceptions are about the store: each message says what happened, what was
expected and what to do.
"""

from __future__ import annotations


class JournalError(Exception):
    """The journal cannot do what was asked."""


class JournalLocked(JournalError):
    """Somebody else owns the account, or holds the database."""


class JournalHalted(JournalError):
    """A write failed halfway: memory may differ from the disk, so this session answers nothing any more."""


class JournalShortened(JournalError):
    """The database ends before the high-water mark that was kept outside of it."""

    def __init__(self, message: str, session_id: int, stored_seq: int, marked_seq: int) -> None:
        super().__init__(message)
        self.session_id, self.stored_seq, self.marked_seq = session_id, stored_seq, marked_seq


class JournalForeign(JournalError):
    """The file is no journal, or one of another release."""
