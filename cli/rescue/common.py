"""Options and answers that the rescue commands share.

Theory of operation. A target is the number of an import session or a file; a file is read as an import
would read it, and nothing is stored. The exchange's sessions come from the calendar that backtests use, because the ledger
has none of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import click

from cli.output import voice
from cli.settings import Settings

F = TypeVar("F", bound=Callable[..., Any])
FORMS = ("robo-trader", "bottrader", "trades-csv", "ib-flex")
EPOCH_ORDINAL = 719_163
"""The ordinal of 1970-01-01."""


class Opened(NamedTuple):
    """A target: what the file says, the journal and session it stands in (None for a plain file), and its own name."""

    legacy: Any
    journal: Any
    session_id: int | None
    file: dict[str, Any]


def reading(function: F) -> F:
    """Add the options that say how a file is read."""
    for option in (
        click.option(
            "--column",
            "columns",
            multiple=True,
            metavar="FIELD=NAME",
            help="trades-csv: which column holds a field; repeatable.",
        ),
        click.option(
            "--naive-zone", help="Time zone of times that name none (default: the schema's own, UTC for bots)."
        ),
        click.option("--start-cash", help="Cash before the first trade, where the file does not say it."),
        click.option(
            "--as",
            "form",
            type=click.Choice(FORMS),
            help="Read as this schema (default: found by its tables and columns).",
        ),
    ):
        function = option(function)
    return function


def options_from(form: str | None, start_cash: str | None, naive_zone: str | None, columns: tuple[str, ...]) -> Any:
    """Return the reading options.

    Raises:
        click.BadParameter: a --column that is no FIELD=NAME.
    """
    from ledger.rescue.schema import Options
    from ledger.units import money

    if wrong := [text for text in columns if "=" not in text]:
        raise click.BadParameter(f"--column {wrong[0]!r}: write field=name, as price=fill_px")
    if start_cash is not None:
        money(start_cash)
    pairs = dict(text.split("=", 1) for text in columns)
    return Options(form, start_cash, naive_zone, pairs)


def calendar(first: int, last: int) -> Any:
    """Return the days since 1970 on which New York's exchange had a session, between two days."""
    from sim.data.sessions import new_york_sessions

    return new_york_sessions(last + EPOCH_ORDINAL).between(first + EPOCH_ORDINAL, last + EPOCH_ORDINAL) - EPOCH_ORDINAL


@contextmanager
def target(settings: Settings, name: str | None, options: Any, say: Callable[[str], None]) -> Iterator[Opened]:
    """Open what a command is about: an import session of the journal, or a file."""
    if name is not None and not name.isdecimal():
        yield from _file(name, options, say)
        return
    from cli.stored import open_book
    from ledger.rescue.sessions import described, legacy_of_session

    with open_book(settings) as journal:
        session_id = int(name) if name is not None else last_import(journal)
        file = described(journal, session_id)
        yield Opened(legacy_of_session(journal, session_id, say), journal, session_id, file)


def _file(name: str, options: Any, say: Callable[[str], None]) -> Iterator[Opened]:
    from ledger.rescue.readers import open_file
    from ledger.rescue.schema import legacy_of

    with open_file(name, progress=say) as source:
        legacy = legacy_of(source, options, say)
        yield Opened(
            legacy,
            None,
            None,
            {"file": Path(name).name, "sha256": source.sha256, "bytes": source.size, "form": source.form},
        )


def last_import(journal: Any) -> int:
    """Return the number of the newest import session.

    Raises:
        click.UsageError: there is none.
    """
    found = [info.id for info in journal.sessions() if info.kind == "import" and info.status == "done"]
    if not found:
        raise click.UsageError(f"{journal.path} has no import session; `onebook book import FILE` makes one")
    return int(found[-1])


def told(line: str) -> None:
    """Say a line of progress."""
    voice().say(line)
