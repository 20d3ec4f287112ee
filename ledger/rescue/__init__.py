"""Rescue: read the database of somebody's bot, say what is wrong with it and by how much, and book it again. See README.md."""

from ledger.rescue.errors import RescueError, SourceLocked

__all__ = ["RescueError", "SourceLocked"]
