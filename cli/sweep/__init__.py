"""`onebook sweep`: see `command`."""

from cli.sweep.command import sweep

__all__ = ["sweep"]
