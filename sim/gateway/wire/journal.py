"""A journal of frames: one line a frame, for people, for replay and for comparison.

Theory of operation. A line is JSON: when (`t`, nanoseconds), on which connection (`c`), which way
(`d`, `>` from the client, `<` to it) and the fields (`f`). Lines are only added and
flushed one by one, so a file that ends in the middle of a line has lost that line and no
other. `read` skips an unfinished last line and refuses anything else it cannot read.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple


class JournalFileError(ValueError):
    """A line that is no frame."""


class Frame(NamedTuple):
    """One frame of a journal."""

    time_ns: int
    connection: int
    direction: str
    fields: list[str]


class FrameJournal:
    """Writes frames to a file."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a", encoding="utf-8")

    def note(self, time_ns: int, connection: int, direction: str, fields: list[str]) -> None:
        """Write one frame."""
        self._file.write(json.dumps({"t": time_ns, "c": connection, "d": direction, "f": fields}, separators=(",", ":")) + "\n")
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def read(path: Path) -> Iterator[Frame]:
    """Yield the frames of a journal.

    Raises:
        JournalFileError: a line that is no frame, unless it is an unfinished last one.
    """
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            try:
                found = json.loads(line)
                yield Frame(int(found["t"]), int(found["c"]), str(found["d"]), [str(field) for field in found["f"]])
            except (ValueError, KeyError, TypeError) as error:
                if not line.endswith("\n"):
                    return
                raise JournalFileError(f"{path}: line {number} is no frame of a journal: {line[:80]!r}") from error
