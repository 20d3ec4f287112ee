"""The durable journal: append-only events, and the book as their replay. See README.md."""

from ledger.journal.errors import JournalError, JournalForeign, JournalFull, JournalHalted, JournalLocked, JournalShortened
from ledger.journal.journal import Journal, SessionInfo
from ledger.journal.provenance import source_hash
from ledger.journal.session import POINTS, Session
from ledger.journal.verification import Finding, Verification

__all__ = [
    "POINTS",
    "Finding",
    "Journal",
    "JournalError",
    "JournalForeign",
    "JournalFull",
    "JournalHalted",
    "JournalLocked",
    "JournalShortened",
    "Session",
    "SessionInfo",
    "Verification",
    "source_hash",
]
