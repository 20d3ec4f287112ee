"""What can be wrong with a file that somebody brings, as types a caller can tell apart.

Theory of operation. A wrong figure in a file is a finding and never an exception. An
exception says that the file cannot be read at all, and each message says what was
found, what was expected and what to do. The file itself is as it was.
"""

from __future__ import annotations


class RescueError(ValueError):
    """The file cannot be read as what it was taken for."""


class SourceLocked(RescueError):
    """Another program is writing the file at this moment."""
