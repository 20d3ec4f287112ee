"""`onebook book import` and what follows: audit, re-booking, repair of a file that somebody brings."""

from cli.rescue.auditing import audit
from cli.rescue.importing import import_

__all__ = ["audit", "import_"]
