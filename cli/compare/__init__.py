"""`onebook compare A B [C]`."""

from cli.compare.command import compare

__all__ = ["compare"]
