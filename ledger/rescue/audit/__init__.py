"""Audits: what can be wrong with an account's file, each as a function from a Case to findings."""

from ledger.rescue.audit.finding import Calendar, Case, Finding
from ledger.rescue.audit.running import AUDITS, Audited, run

__all__ = ["AUDITS", "Audited", "Calendar", "Case", "Finding", "run"]
