"""`onebook book import` and what follows: audit, re-booking, repair of a file that somebody brings."""

from cli.rescue.auditing import audit
from cli.rescue.breakdown import breakdown
from cli.rescue.importing import import_
from cli.rescue.rebooking import rebook
from cli.rescue.repairing import repair

__all__ = ["audit", "breakdown", "import_", "rebook", "repair"]
