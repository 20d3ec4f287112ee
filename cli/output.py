"""Printing: tables for people, one JSON document for programs, progress on stderr.

Theory of operation. Standard output carries the answer and nothing else: a table, or
with --json exactly one document, also when the command fails. What is said on the way
goes to standard error and is dropped by --quiet. Names come from outside, so
they are Text and never markup. Unknown is a word, and in JSON null; it is never 0.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

UNKNOWN = "unknown"
WIDE = 120
"""Columns of a table when nobody's terminal says how wide it is."""


@dataclass
class Voice:
    """How one command speaks: to a person or to a program, loudly or quietly."""

    as_json: bool = False
    quiet: bool = False

    def console(self, stderr: bool = False) -> Console:
        """Return a rich console; it honours NO_COLOR, and a pipe gets plain text."""
        from rich.console import Console

        stream = sys.stderr if stderr else sys.stdout
        return Console(file=stream, width=None if stream.isatty() or "COLUMNS" in os.environ else WIDE, highlight=False)

    def say(self, line: str) -> None:
        """Tell the person who waits what is going on."""
        if not self.quiet:
            click.echo(line, err=True)

    @contextmanager
    def progress(self) -> Iterator[Callable[[str], None]]:
        """Yield a function that says what is being done now; at a terminal a line with a running clock shows it.

        The first run compiles for a minute, and a screen that stands still looks like a program that hangs.
        """
        if self.quiet or not sys.stderr.isatty():
            yield self.say
            return
        from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
        with Progress(*columns, console=self.console(stderr=True), transient=True) as line:
            task = line.add_task("starting")
            yield lambda text: line.update(task, description=text)

    def show(self, *things: RenderableType) -> None:
        """Print tables or texts for people; nothing when JSON was asked for."""
        if not self.as_json:
            console = self.console()
            for thing in things:
                console.print(thing)

    def document(self, content: Any) -> None:
        """Print the one JSON document; nothing when tables were asked for."""
        if self.as_json:
            plain = not (getattr(sys.stdout, "encoding", None) or "utf-8").lower().startswith("utf")
            click.echo(json.dumps(content, indent=2, ensure_ascii=plain, allow_nan=False))


def voice() -> Voice:
    """Return the voice of the running command."""
    found = click.get_current_context().find_object(Voice)
    return found if found is not None else Voice()


def table(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], numbers: Iterable[str] = ()
) -> RenderableType:
    """Return a table; columns named in `numbers` are set to the right, unknown is dim, minus is red."""
    from rich.table import Table
    from rich.text import Text

    right = set(numbers)
    grid = Table(title=Text(title) if title else None, title_justify="left")
    for column in columns:
        grid.add_column(column, justify="right" if column in right else "left", overflow="fold")
    for row in rows:
        cells = zip(columns, map(_shown, row), strict=True)
        grid.add_row(*(Text(text, style=_style(text, column in right)) for column, text in cells))
    return grid


def facts(title: str, rows: Iterable[tuple[str, object]]) -> RenderableType:
    """Return a table of two columns: what, and its value."""
    return table(title, ("", "value"), rows, numbers=("value",))


def _shown(value: object) -> str:
    return UNKNOWN if value is None else str(value)


def _style(text: str, number: bool) -> str:
    if text.startswith(UNKNOWN):
        return "dim italic"
    return "red" if number and text.startswith("-") else ""


def moment(time_ns: int | None) -> str | None:
    """Return a UTC time as 2026-01-02T21:00:00Z; None stays unknown."""
    if time_ns is None:
        return None
    from datetime import UTC, datetime

    seconds, rest = divmod(int(time_ns), 10**9)
    text = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}{f'.{rest:09d}'.rstrip('0') if rest else ''}Z"
