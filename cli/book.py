"""`onebook book`: read a journal; nothing here writes one."""

from __future__ import annotations

import click


@click.group()
def book() -> None:
    """Read a stored book: status, positions, lots, trades, orders, P&L, checks."""
