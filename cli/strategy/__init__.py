"""`onebook strategies`, `onebook new-strategy` and `onebook check`: choose a strategy, write one, see that it is honest."""

from __future__ import annotations

from cli.strategy.check import check
from cli.strategy.listing import new_strategy, strategies

__all__ = ["check", "new_strategy", "strategies"]
