"""Readers: one file format each, all giving a RawFile; `open_file` finds the right one by what is in the file."""

from ledger.rescue.readers.opening import Progress, open_file

__all__ = ["Progress", "open_file"]
