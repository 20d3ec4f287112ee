"""What a user may say about a file that the file does not say itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Options:
    """Answers for one import; part of the import session's config, so that the audit reads the file in the same way."""

    form: str | None = None
    start_cash: str | None = None
    """Cash before the first trade, decimal text."""
    naive_zone: str | None = None
    """IANA name of the zone of times that say none; the schema's own if None."""
    columns: dict[str, str] = field(default_factory=dict)
    """trades-csv: field -> column."""

    def document(self) -> dict[str, Any]:
        """Return the options as JSON."""
        return {
            "form": self.form,
            "start_cash": self.start_cash,
            "naive_zone": self.naive_zone,
            "columns": dict(self.columns),
        }
