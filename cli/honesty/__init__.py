"""`onebook walkforward`, `onebook overfit` and `onebook backtest lint`: is a result luck?

Theory of operation. The commands hand words to `sim.honesty` and show what it returns; they calculate nothing. What draws
says its seed. Every candidate that a command runs is recorded in the book's trial ledger before its answer is shown.
"""

from __future__ import annotations

from cli.honesty.lint import lint
from cli.honesty.overfit import overfit
from cli.honesty.walkforward import walkforward

__all__ = ["lint", "overfit", "walkforward"]
