"""The runner's log: one JSON line a message, files that turn over, and no floods.

Theory of operation. Everything the runner says passes `Log.say`: to the person and into `runner.log` beside the book. A message
that was said within the last minute, word for word but for its numbers, is counted and not said; when the minute
is over one line says how often it came. Orders and executions are always said. A file that has reached its size becomes
`.1`, `.1` becomes `.2`, and the last one is dropped, so the log never fills the disk.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import IO

SECOND_NS = 1_000_000_000
WINDOW_NS = 60 * SECOND_NS
ALWAYS = ("SENT", "FILLED", "ALERT", "FLAT", "SETTLED")
NUMBERS = re.compile(r"\d+")
REMEMBERED = 1_000


def open_private(path: Path) -> IO[str]:
    """Open a file to append to, readable by its owner alone."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "a", encoding="utf-8")


class Log:
    """Says and writes."""

    def __init__(self, path: Path, echo: Callable[[str], None], now_ns: Callable[[], int], size: int = 5_000_000, kept: int = 5) -> None:
        self._path, self._echo, self._now_ns, self._size, self._kept = path, echo, now_ns, size, kept
        self._said: dict[str, list[int]] = {}

    def say(self, line: str) -> None:
        """Say a message, unless it was said within the last minute."""
        now = self._now_ns()
        self.tick(now)
        shape = NUMBERS.sub("#", line)
        known = self._said.get(shape)
        if known is not None and not line.startswith(ALWAYS):
            known[1] += 1
            return
        if len(self._said) < REMEMBERED:
            self._said[shape] = [now, 0]
        self._put(now, line)

    def tick(self, now_ns: int) -> None:
        """Say how often messages came again whose minute is over."""
        for shape in [shape for shape, (since, _) in self._said.items() if now_ns - since >= WINDOW_NS]:
            _, again = self._said.pop(shape)
            if again:
                self._put(now_ns, f"said {again} times more within a minute: {shape}")

    def _put(self, now_ns: int, line: str) -> None:
        self._echo(line)
        if not self._path.parent.is_dir():
            return
        self._turn_over()
        with open_private(self._path) as file:
            file.write(json.dumps({"time_ns": now_ns, "line": line}, ensure_ascii=False) + "\n")

    def _turn_over(self) -> None:
        if not self._path.exists() or self._path.stat().st_size < self._size:
            return
        for number in range(self._kept - 1, 0, -1):
            older = self._path.with_name(f"{self._path.name}.{number}")
            if older.exists():
                older.replace(older.with_name(f"{self._path.name}.{number + 1}"))
        self._path.replace(self._path.with_name(f"{self._path.name}.1"))
